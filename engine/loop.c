/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/loop.h"

#include <ev.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"

#define TURNS_AT_ONCE 8 /* then the descriptors get their chance again */

struct pump {
    struct loop *loop;
    struct source source;
    ev_io io;
    int64_t deadline_ms; /* -1: none */
};

struct loop {
    struct ev_loop *ev;
    struct loop_user user;
    struct pump pumps[LOOP_SOURCES_MAX];
    size_t count;
    ev_timer timer;
    ev_prepare prepare;
    struct loop_counts counts;
};

static void keep_longer(struct loop_hold *hold, int64_t ms, const char *in)
{
    if (ms > hold->ms)
        *hold = (struct loop_hold){.ms = ms, .in = in};
}

/* Remembers what held the loop up the longest. */
static void measure(struct loop *loop, int64_t since_ms, const char *what)
{
    int64_t took_ms = clock_now_ms() - since_ms;
    keep_longer(&loop->counts.longest, took_ms, what);
    keep_longer(&loop->counts.lately, took_ms, what);
}

static void process(struct pump *pump, bool readable, bool writable)
{
    int64_t now_ms = clock_now_ms();
    pump->source.process(pump->source.self, readable, writable, now_ms);
    measure(pump->loop, now_ms, pump->source.name);
}

static void on_io(struct ev_loop *ev, ev_io *io, int events)
{
    process(io->data, events & EV_READ, events & EV_WRITE);
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct loop *loop = timer->data;
    int64_t now_ms = clock_now_ms();
    for (size_t i = 0; i < loop->count; i++) {
        struct pump *pump = &loop->pumps[i];
        if (pump->deadline_ms >= 0 && pump->deadline_ms <= now_ms)
            process(pump, false, false);
    }
}

/* The descriptor may be a new one under the old number: libev must be told each time. */
static void arm(struct pump *pump, int64_t now_ms)
{
    struct interest interest = {.fd = -1, .deadline_ms = -1};
    pump->source.interest(pump->source.self, now_ms, &interest);
    measure(pump->loop, now_ms, pump->source.name);
    pump->deadline_ms = interest.deadline_ms;
    ev_io_stop(pump->loop->ev, &pump->io);
    int events = (interest.want_read ? EV_READ : 0) | (interest.want_write ? EV_WRITE : 0);
    if (interest.fd < 0 || !events)
        return;
    ev_io_set(&pump->io, interest.fd, events);
    ev_io_start(pump->loop->ev, &pump->io);
}

static void arm_timer(struct loop *loop, bool again)
{
    int64_t soonest_ms = loop->user.deadline_ms(loop->user.context);
    for (size_t i = 0; i < loop->count; i++) {
        int64_t deadline_ms = loop->pumps[i].deadline_ms;
        if (deadline_ms >= 0 && (soonest_ms < 0 || deadline_ms < soonest_ms))
            soonest_ms = deadline_ms;
    }
    ev_timer_stop(loop->ev, &loop->timer);
    if (soonest_ms < 0 && !again)
        return;
    int64_t pause_ms = again ? 0 : soonest_ms - clock_now_ms();
    ev_now_update(loop->ev);
    ev_timer_set(&loop->timer, pause_ms > 0 ? (double)pause_ms / 1000.0 : 0.0, 0.0);
    ev_timer_start(loop->ev, &loop->timer);
}

static void on_prepare(struct ev_loop *ev, ev_prepare *prepare, int events)
{
    struct loop *loop = prepare->data;
    bool did = true;
    loop->counts.rounds++;
    for (int turns = 0; did && turns < TURNS_AT_ONCE; turns++) {
        int64_t now_ms = clock_now_ms();
        did = loop->user.turn(loop->user.context, now_ms);
        measure(loop, now_ms, "turn");
        for (size_t i = 0; i < loop->count; i++)
            arm(&loop->pumps[i], clock_now_ms());
    }
    arm_timer(loop, did);
}

struct loop *loop_new(const struct loop_user *user)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    loop->user = *user;
    loop->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOSIGMASK);
    CHECK(loop->ev);
    ev_timer_init(&loop->timer, on_timer, 0.0, 0.0);
    loop->timer.data = loop;
    ev_prepare_init(&loop->prepare, on_prepare);
    loop->prepare.data = loop;
    ev_prepare_start(loop->ev, &loop->prepare);
    loop->counts.longest.in = loop->counts.lately.in = "";
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    for (size_t i = 0; i < loop->count; i++)
        ev_io_stop(loop->ev, &loop->pumps[i].io);
    ev_timer_stop(loop->ev, &loop->timer);
    ev_prepare_stop(loop->ev, &loop->prepare);
    ev_loop_destroy(loop->ev);
    free(loop);
}

void loop_add(struct loop *loop, const struct source *sources, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK(loop->count < LOOP_SOURCES_MAX);
        struct pump *pump = &loop->pumps[loop->count++];
        pump->loop = loop;
        pump->source = sources[i];
        pump->deadline_ms = -1;
        ev_init(&pump->io, on_io);
        pump->io.data = pump;
    }
}

void loop_run(struct loop *loop)
{
    ev_run(loop->ev, 0);
}

void loop_stop(struct loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}

const struct loop_counts *loop_counted(const struct loop *loop)
{
    return &loop->counts;
}

void loop_look_anew(struct loop *loop)
{
    loop->counts.lately = (struct loop_hold){.in = ""};
}
