/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/sim_steps.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define START_MIN_US 200
#define START_MAX_US 4000
#define END_MAX_US   2000 /* from the end of a process to the word of it */

/* A step of a host, from its start to the word of its end. */
struct step {
    struct sim_host *host;
    uint64_t number;
    size_t run; /* number of its evidence + 1, 0: not running yet */
    struct sim_step_run about;
    int64_t length_us;
    int fail_permille;
    bool is_missing;
    bool is_stubborn;
    bool discards;
    bool is_stopped; /* ordered to */
    bool is_over;
    struct step *next; /* of the host */
};

struct sim_host {
    struct sim_steps *steps;
    struct sim_listener listener;
    int engine;
    int64_t clock_us;
    int64_t kill_at_ms; /* the lease page; 0: nothing written yet */
    bool is_gone;
    struct step *first;
};

struct sim_steps {
    struct sim_world *world;
    struct sim_steps_watch watch;
    struct sim_step_run *runs;
    size_t run_count, run_capacity;
};

struct sim_steps *sim_steps_new(struct sim_world *world, const struct sim_steps_watch *watch)
{
    struct sim_steps *steps = arena_calloc(&world->arena, 1, sizeof *steps);
    steps->world = world;
    if (watch)
        steps->watch = *watch;
    return steps;
}

size_t sim_steps_count(const struct sim_steps *steps)
{
    return steps->run_count;
}

const struct sim_step_run *sim_steps_run(const struct sim_steps *steps, size_t number)
{
    CHECK(number < steps->run_count);
    return &steps->runs[number];
}

size_t sim_steps_alive(const struct sim_steps *steps, const struct uuid *job, struct text task)
{
    size_t alive = 0;
    for (size_t i = 0; i < steps->run_count; i++) {
        const struct sim_step_run *run = &steps->runs[i];
        alive += run->ended_us < 0 && uuid_equal(&run->job, job) && text_equal(run->task, task);
    }
    return alive;
}

static void later(struct sim_host *host, int64_t delay_us, void (*run)(void *object, uint64_t arg),
                  void *object)
{
    struct sim_queue *queue = &host->steps->world->queue;
    sim_queue_at(queue, queue->now_us + delay_us, run, object, 0);
}

static int64_t host_ms(const struct sim_host *host)
{
    return (host->steps->world->queue.now_us + host->clock_us) / 1000;
}

static void tell(struct sim_host *host, const struct core_event *event)
{
    if (!host->is_gone)
        host->listener.tell(host->listener.context, event);
}

/* ---------------------------------------------------------------------------------------- what it
 * is */

static struct text variable(const struct step_start *start, const char *name)
{
    for (size_t i = 0; i < start->env_count; i++) {
        if (text_equal(start->env[i].name, text_of(name)))
            return start->env[i].value;
    }
    return TEXT_NONE;
}

static int64_t number(struct text text)
{
    int64_t value = 0;
    for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        value = value * 10 + (text.data[i] - '0');
    return value;
}

/* The next word of `*rest`. */
static struct text word(struct text *rest)
{
    size_t from = 0;
    while (from < rest->len && (rest->data[from] == ' ' || rest->data[from] == '\n'))
        from++;
    size_t to = from;
    while (to < rest->len && rest->data[to] != ' ' && rest->data[to] != '\n')
        to++;
    struct text found = {rest->data + from, to - from};
    *rest = (struct text){rest->data + to, rest->len - to};
    return found;
}

static void read_orders(struct step *step, const struct step_start *start)
{
    struct sim_world *world = step->host->steps->world;
    struct text words[4] = {TEXT(""), TEXT("1"), TEXT("50"), TEXT("0")};
    if (start->argc == 4 && number(start->argv[1]) > 0) {
        for (size_t i = 0; i < 4; i++)
            words[i] = start->argv[i];
    } else if (start->argc > 0) {
        struct text script = start->argv[start->argc - 1];
        for (size_t i = 0; i < 4; i++)
            words[i] = word(&script);
    }
    int64_t min = number(words[1]), max = number(words[2]);
    step->is_missing = text_equal(words[0], TEXT("missing"));
    step->is_stubborn = text_equal(words[0], TEXT("stubborn"));
    step->length_us = sim_between(world, min, max < min ? min : max) * 1000;
    step->fail_permille = (int)number(words[3]);
}

/* ------------------------------------------------------------------------------------------- its
 * end */

struct end {
    struct step *step;
    struct core_event event;
};

static void forget(struct step *step)
{
    struct step **at = &step->host->first;
    while (*at != step)
        at = &(*at)->next;
    *at = step->next;
}

static void end_told(void *object, uint64_t arg)
{
    struct end *end = object;
    if (end->step->host->is_gone)
        return;
    forget(end->step);
    tell(end->step->host, &end->event);
}

static void tell_end(struct step *step, const struct step_end *how, enum event_kind kind)
{
    struct sim_world *world = step->host->steps->world;
    struct end *end = arena_calloc(&world->arena, 1, sizeof *end);
    end->step = step;
    end->event = (struct core_event){.kind = kind};
    end->event.u.step = *how;
    end->event.u.step.step = step->number;
    later(step->host, sim_between(world, 50, END_MAX_US), end_told, end);
}

static struct sim_step_run *evidence(struct step *step)
{
    return step->run ? &step->host->steps->runs[step->run - 1] : NULL;
}

static void record_end(struct step *step, bool killed, int exit_code)
{
    struct sim_steps *steps = step->host->steps;
    struct sim_step_run *run = evidence(step);
    step->is_over = true;
    if (!run)
        return;
    run->ended_us = steps->world->queue.now_us;
    run->killed = killed;
    run->exit_code = exit_code;
    if (steps->watch.ended)
        steps->watch.ended(steps->watch.context, run);
}

static void kill_step(struct step *step, enum sim_count why)
{
    if (step->is_over)
        return;
    sim_count(step->host->steps->world, why);
    record_end(step, true, -1);
    struct step_end how = {.exit_code = -1, .signal = 9, .out = TEXT(""), .err = TEXT("")};
    tell_end(step, &how, EVENT_STEP_ENDED);
}

static void ends_by_itself(void *object, uint64_t arg)
{
    struct step *step = object;
    if (step->is_over)
        return;
    struct sim_world *world = step->host->steps->world;
    bool fails = sim_permille(world, step->fail_permille);
    sim_count(world, fails ? COUNT_STEP_FAILED : COUNT_STEP_OK);
    record_end(step, false, fails ? 1 : 0);
    struct step_end how = {.exit_code = fails ? 1 : 0, .err = TEXT("")};
    how.out = step->discards       ? TEXT("")
              : step->run % 3 == 0 ? arena_printf(&world->arena, "{\"run\": %zu}\n", step->run)
                                   : arena_printf(&world->arena, "run %zu\n", step->run);
    tell_end(step, &how, EVENT_STEP_ENDED);
}

static void killed_after_grace(void *object, uint64_t arg)
{
    kill_step(object, COUNT_STEP_STOPPED);
}

/* ----------------------------------------------------------------------------------------- its
 * warden */

static bool is_past_deadline(const struct sim_host *host)
{
    return host->kill_at_ms > 0 && host_ms(host) >= host->kill_at_ms;
}

static void warden_looks(void *object, uint64_t arg)
{
    struct step *step = object;
    struct sim_host *host = step->host;
    if (step->is_over)
        return;
    if (is_past_deadline(host)) {
        kill_step(step, COUNT_STEP_WARDEN);
        return;
    }
    int64_t due_us = host->kill_at_ms * 1000 - host->clock_us;
    sim_queue_at(&host->steps->world->queue, due_us, warden_looks, step, 0);
}

static void begins(void *object, uint64_t arg)
{
    struct step *step = object;
    struct sim_host *host = step->host;
    struct sim_steps *steps = host->steps;
    struct sim_world *world = steps->world;
    if (step->is_over || host->is_gone)
        return;
    bool watched = !sim_has(world, MUTANT_NO_WARDEN);
    if (watched && is_past_deadline(host)) {
        kill_step(step, COUNT_STEP_WARDEN);
        return;
    }
    if (step->is_missing) {
        sim_count(world, COUNT_STEP_UNSTARTED);
        step->is_over = true;
        struct step_end how = {.exit_code = -1, .reason = TEXT("no such program: missing")};
        tell_end(step, &how, EVENT_STEP_FAILED);
        return;
    }
    steps->runs = arena_grow(&world->arena, steps->runs, steps->run_count, steps->run_count + 1,
                             &steps->run_capacity, sizeof *steps->runs);
    steps->runs[steps->run_count++] = step->about;
    step->run = steps->run_count;
    evidence(step)->began_us = world->queue.now_us;
    evidence(step)->ended_us = -1;
    sim_count(world, COUNT_STEPS);
    if (steps->watch.began)
        steps->watch.began(steps->watch.context, evidence(step));
    struct core_event event = {.kind = EVENT_STEP_STARTED};
    event.u.step.step = step->number;
    tell(host, &event);
    later(host, step->length_us, ends_by_itself, step);
    if (watched && host->kill_at_ms > 0)
        warden_looks(step, 0);
}

/* -------------------------------------------------------------------------------------------
 * requests */

static void start(struct sim_host *host, const struct step_start *start)
{
    struct arena *arena = &host->steps->world->arena;
    struct step *step = arena_calloc(arena, 1, sizeof *step);
    step->host = host;
    step->number = start->step;
    step->discards = start->discard_out;
    step->about.step = start->step;
    step->about.engine = host->engine;
    step->about.task = arena_text(arena, variable(start, "JOB_TASK"));
    step->about.attempt = number(variable(start, "JOB_ATTEMPT"));
    step->about.epoch = number(variable(start, "JOB_EPOCH"));
    uuid_parse(variable(start, "JOB_ID"), &step->about.job);
    read_orders(step, start);
    step->next = host->first;
    host->first = step;
    later(host, sim_between(host->steps->world, START_MIN_US, START_MAX_US), begins, step);
}

static void stop(struct sim_host *host, uint64_t number_of_step, int64_t grace_ms)
{
    struct sim_world *world = host->steps->world;
    struct step *step = host->first;
    while (step && step->number != number_of_step)
        step = step->next;
    if (!step || step->is_over)
        return;
    step->is_stopped = true;
    int64_t obeys_us = sim_between(world, 100, 20000);
    int64_t delay_us = step->is_stubborn || obeys_us > grace_ms * 1000 ? grace_ms * 1000 : obeys_us;
    later(host, delay_us, killed_after_grace, step);
}

void sim_steps_request(struct sim_host *host, const struct core_effect *effect)
{
    if (host->is_gone)
        return;
    switch ((int)effect->kind) {
    case EFFECT_START_STEP:
        start(host, &effect->u.start);
        break;
    case EFFECT_STOP_STEP:
        stop(host, effect->u.stop.step, effect->u.stop.grace_ms);
        break;
    case EFFECT_KILL_AT:
        host->kill_at_ms = effect->u.kill_at_ms;
        break;
    default:
        UNREACHABLE();
    }
}

struct sim_host *sim_steps_host(struct sim_steps *steps, int engine, int64_t clock_us,
                                struct sim_listener listener)
{
    struct sim_host *host = arena_calloc(&steps->world->arena, 1, sizeof *host);
    host->steps = steps;
    host->engine = engine;
    host->clock_us = clock_us;
    host->listener = listener;
    return host;
}

void sim_steps_leave(struct sim_host *host)
{
    host->is_gone = true;
    for (struct step *at = host->first; at; at = at->next) {
        if (at->is_over)
            continue;
        sim_count(host->steps->world, COUNT_STEP_ORPHANED);
        record_end(at, true, -1);
    }
}

size_t sim_steps_of(const struct sim_host *host)
{
    size_t count = 0;
    for (const struct step *at = host->first; at; at = at->next)
        count++;
    return count;
}
