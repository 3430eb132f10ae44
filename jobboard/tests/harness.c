/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobboard/board_private.h"
#include "jobboard/tests/harness.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "base/os/entropy.h"

int64_t harness_now_ms(void)
{
    return clock_now_ms();
}

const char *server_address(void)
{
    const char *address = getenv("JOBBOARD_TEST_ZOOKEEPER");
    CHECK(address && address[0]);
    return address;
}

/* ----------------------------------------------------------------------------------------- eye */

struct eye {
    zhandle_t *handle;
    bool is_answered;
    int rc;
    struct Stat stat;
    char names[256][64];
    int name_count;
};

static void ignore_watch(zhandle_t *handle, int type, int state, const char *path, void *context)
{
}

static void ignore_log(const char *message)
{
}

static void eye_turn(struct eye *eye)
{
    int fd = -1, interest = 0;
    struct timeval pause = {0, 0};
    zookeeper_interest(eye->handle, &fd, &interest, &pause);
    struct pollfd at = {fd,
                        (short)((interest & ZOOKEEPER_READ ? POLLIN : 0) |
                                (interest & ZOOKEEPER_WRITE ? POLLOUT : 0)),
                        0};
    poll(&at, 1, 10);
    int events = (at.revents & (POLLIN | POLLHUP | POLLERR) ? ZOOKEEPER_READ : 0) |
                 (at.revents & POLLOUT ? ZOOKEEPER_WRITE : 0);
    zookeeper_process(eye->handle, events);
}

static void eye_open(struct eye *eye)
{
    eye->handle = zookeeper_init2(server_address(), ignore_watch, 60000, NULL, NULL,
                                  ZOO_NO_LOG_CLIENTENV, ignore_log);
    CHECK(eye->handle);
    while (zoo_state(eye->handle) != ZOO_CONNECTED_STATE)
        eye_turn(eye);
}

static int eye_wait(struct eye *eye)
{
    while (!eye->is_answered) {
        eye_turn(eye);
        CHECK(!is_unrecoverable(eye->handle));
    }
    return eye->rc;
}

static void eye_on_string(int rc, const char *value, const void *data)
{
    struct eye *eye = (struct eye *)data;
    eye->rc = rc;
    eye->is_answered = true;
}

static void eye_on_void(int rc, const void *data)
{
    eye_on_string(rc, NULL, data);
}

static void eye_on_stat(int rc, const struct Stat *stat, const void *data)
{
    struct eye *eye = (struct eye *)data;
    if (rc == ZOK)
        eye->stat = *stat;
    eye_on_string(rc, NULL, data);
}

static void eye_on_names(int rc, const struct String_vector *names, const void *data)
{
    struct eye *eye = (struct eye *)data;
    eye->name_count = 0;
    for (int i = 0; rc == ZOK && i < names->count && i < 256; i++)
        snprintf(eye->names[eye->name_count++], sizeof eye->names[0], "%s", names->data[i]);
    eye_on_string(rc, NULL, data);
}

int eye_create(struct world *world, const char *path, const char *data, size_t len,
               bool is_ephemeral)
{
    world->eye->is_answered = false;
    zoo_acreate(world->eye->handle, path, data, (int)len, &ZOO_OPEN_ACL_UNSAFE,
                is_ephemeral ? ZOO_EPHEMERAL : 0, eye_on_string, world->eye);
    return eye_wait(world->eye);
}

int eye_delete(struct world *world, const char *path)
{
    world->eye->is_answered = false;
    zoo_adelete(world->eye->handle, path, -1, eye_on_void, world->eye);
    return eye_wait(world->eye);
}

int eye_exists(struct world *world, const char *path, int64_t *ret_owner, int *ret_children)
{
    world->eye->is_answered = false;
    zoo_aexists(world->eye->handle, path, 0, eye_on_stat, world->eye);
    int rc = eye_wait(world->eye);
    if (ret_owner)
        *ret_owner = rc == ZOK ? world->eye->stat.ephemeralOwner : 0;
    if (ret_children)
        *ret_children = rc == ZOK ? world->eye->stat.numChildren : 0;
    return rc;
}

void eye_renew(struct world *world)
{
    zookeeper_close(world->eye->handle);
    eye_open(world->eye);
}

/* A board's tree is at most four folders deep. */
static void remove_tree(struct world *world, const char *path, unsigned depth)
{
    struct eye *eye = world->eye;
    for (unsigned round = 0; depth > 0 && round < 64; round++) {
        eye->is_answered = false;
        zoo_aget_children(eye->handle, path, 0, eye_on_names, eye);
        if (eye_wait(eye) != ZOK || eye->name_count == 0)
            break;
        int count = eye->name_count;
        char(*names)[64] = xmalloc((size_t)count * sizeof *names);
        memcpy(names, eye->names, (size_t)count * sizeof *names);
        for (int i = 0; i < count; i++) {
            char child[256];
            snprintf(child, sizeof child, "%s/%s", path, names[i]);
            remove_tree(world, child, depth - 1);
        }
        free(names);
    }
    eye_delete(world, path);
}

const char *tree_path(struct world *world, const char *format, ...)
{
    int len = snprintf(world->path, sizeof world->path, PATH_ROOT "/%s/", world->name);
    va_list args;
    va_start(args, format);
    vsnprintf(world->path + len, sizeof world->path - (size_t)len, format, args);
    va_end(args);
    return world->path;
}

bool lock_stands(struct world *world, const struct card *card)
{
    struct paths paths;
    paths_init(&paths, world->name);
    struct path path = path_lock(&paths, card->shard, &card->job);
    return eye_exists(world, path.text, NULL, NULL) == ZOK;
}

bool card_stands(struct world *world, const struct card *card)
{
    struct paths paths;
    paths_init(&paths, world->name);
    struct path path = path_card(&paths, card);
    return eye_exists(world, path.text, NULL, NULL) == ZOK;
}

/* --------------------------------------------------------------------------------------- desks */

static void take_members(struct desk *desk, const struct board_event *event)
{
    desk->members_told++;
    desk->member_count = event->count;
    for (size_t i = 0; i < event->count && i < 8; i++) {
        desk->member_boots[i] = event->members[i].boot;
        desk->dividing[i] = event->members[i].dividing;
        desk->member_free[i] = event->members[i].free;
        snprintf(desk->member_name[i], sizeof desk->member_name[i], "%.*s",
                 TEXT_ARG(event->members[i].name));
    }
}

static void take_answer(struct desk *desk, const struct board_event *event)
{
    CHECK(event->tag < TAGS_MAX && !desk->is_answered[event->tag]); /* exactly once */
    desk->is_answered[event->tag] = true;
    desk->outcome[event->tag] = event->outcome;
    desk->answers++;
}

static void take_began(struct desk *desk, const struct board_event *event)
{
    desk->began++;
    desk->boot = event->boot;
    desk->timeout_ms = event->timeout_ms;
    desk->sent_ms = event->sent_ms;
}

static void take_cards(struct desk *desk, const struct board_event *event)
{
    take_answer(desk, event);
    desk->card_count = event->count;
    for (size_t i = 0; i < event->count && i < 256; i++)
        desk->cards[i] = event->cards[i];
}

static void take_pools(struct desk *desk, const struct board_event *event)
{
    desk->pools_told++;
    desk->pool_count = event->count;
    desk->pool_tag[0] = 0;
    if (event->count && event->pools[event->count - 1].tag_count)
        snprintf(desk->pool_tag, sizeof desk->pool_tag, "%.*s",
                 TEXT_ARG(event->pools[event->count - 1].tags[0]));
}

static void take(struct desk *desk, const struct board_event *event)
{
    switch (event->kind) {
    case BOARD_ROOT_MISSING:
        desk->missing++;
        break;
    case BOARD_SESSION_BEGAN:
        take_began(desk, event);
        break;
    case BOARD_ALIVE:
        desk->alive++;
        desk->sent_ms = event->sent_ms;
        break;
    case BOARD_SESSION_ENDED:
        desk->ended++;
        desk->ended_boot = event->boot;
        desk->answers_before_end = desk->answers;
        break;
    case BOARD_TROUBLE:
        desk->troubles++;
        snprintf(desk->trouble, sizeof desk->trouble, "%.*s", TEXT_ARG(event->text));
        break;
    case BOARD_MEMBERS:
        take_members(desk, event);
        break;
    case BOARD_POOLS:
        take_pools(desk, event);
        break;
    case BOARD_SHARD_CHANGED:
        desk->changed++;
        break;
    case BOARD_CARDS:
        take_cards(desk, event);
        break;
    case BOARD_COUNT:
        take_answer(desk, event);
        desk->count = event->count;
        break;
    case BOARD_POKED:
        desk->poked++;
        break;
    case BOARD_DONE:
        take_answer(desk, event);
        break;
    }
}

/* A call that slept and took long is told apart from one that lost the processor. */
struct stopwatch {
    int64_t began_us;
    long sleeps;
};

static struct stopwatch stopwatch_start(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (struct stopwatch){clock_now_us(), usage.ru_nvcsw};
}

static void stopwatch_stop(const struct stopwatch *watch, struct desk *desk)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    int64_t took_ms = (clock_now_us() - watch->began_us) / 1000;
    if (usage.ru_nvcsw > watch->sleeps && took_ms > desk->worst_call_ms)
        desk->worst_call_ms = took_ms;
}

struct timed {
    struct source inner;
    struct desk *desk;
};

static void timed_interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    struct timed *timed = self;
    struct stopwatch watch = stopwatch_start();
    timed->inner.interest(timed->inner.self, now_ms, ret_interest);
    stopwatch_stop(&watch, timed->desk);
}

static void timed_process(void *self, bool readable, bool writable, int64_t now_ms)
{
    struct timed *timed = self;
    struct stopwatch watch = stopwatch_start();
    timed->inner.process(timed->inner.self, readable, writable, now_ms);
    stopwatch_stop(&watch, timed->desk);
}

static size_t desk_sources(struct desk *desk, struct timed *timed, struct source *sources)
{
    struct source inner[BOARD_SOURCES_MAX];
    size_t count = board_sources(desk->board, inner);
    for (size_t i = 0; i < count; i++) {
        timed[i] = (struct timed){inner[i], desk};
        sources[i] = (struct source){inner[i].name, &timed[i], timed_interest, timed_process};
    }
    return count;
}

void world_turn(struct world *world, int64_t until_ms)
{
    struct timed timed[DESKS_MAX * BOARD_SOURCES_MAX];
    struct source sources[DESKS_MAX * BOARD_SOURCES_MAX + 1];
    size_t count = 0;
    for (size_t i = 0; i < world->desk_count; i++) {
        if (world->desks[i].board)
            count += desk_sources(&world->desks[i], timed + count, sources + count);
    }
    if (world->proxy)
        sources[count++] = proxy_source(world->proxy);
    source_poll(sources, count, until_ms);
    struct board_event event;
    for (size_t i = 0; i < world->desk_count; i++) {
        while (world->desks[i].board && board_next(world->desks[i].board, &event))
            take(&world->desks[i], &event);
    }
}

struct desk *desk_open_with(struct world *world, struct board_options *options, const char *engine)
{
    static const struct text tags[] = {{"gpu", 3}};
    struct member self = {.name = text_of(engine),
                          .host = TEXT("here"),
                          .pid = (int32_t)getpid(),
                          .tags = tags,
                          .tag_count = 1,
                          .slots = 10,
                          .free = 10};
    CHECK(world->desk_count < DESKS_MAX);
    struct desk *desk = &world->desks[world->desk_count++];
    memset(desk, 0, sizeof *desk);
    options->self = engine ? &self : NULL;
    struct error error = {0};
    if (board_new(options, &desk->board, &error) != 0)
        fail_msg("board_new: %s", error.text);
    return desk;
}

struct desk *desk_open(struct world *world, const char *engine, const char *hosts)
{
    struct board_options options = {.hosts = hosts ? hosts : server_address(),
                                    .name = world->name,
                                    .board = world->uuid,
                                    .shard_count = 8,
                                    .session_timeout_ms = TIMEOUT_MS,
                                    .seed = 1};
    return desk_open_with(world, &options, engine);
}

struct desk *desk_up(struct world *world, const char *engine, const char *hosts)
{
    struct desk *desk = desk_open(world, engine, hosts);
    AWAIT(world, desk->began || desk->missing);
    if (!desk->began)
        board_create_root(desk->board);
    AWAIT(world, desk->began);
    return desk;
}

void desk_close(struct world *world, struct desk *desk)
{
    board_free(desk->board);
    desk->board = NULL;
}

void world_init(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->uuid = entropy_uuid_v7();
    snprintf(world->name, sizeof world->name, "test-%s", UUID_STR(&world->uuid));
    world->eye = xcalloc(1, sizeof *world->eye);
    eye_open(world->eye);
}

void world_done(struct world *world)
{
    for (size_t i = 0; i < world->desk_count; i++)
        desk_close(world, &world->desks[i]);
    struct paths paths;
    paths_init(&paths, world->name);
    remove_tree(world, paths.root.text, 5);
    zookeeper_close(world->eye->handle);
    free(world->eye);
    if (world->proxy)
        proxy_free(world->proxy);
}

struct uuid uuid_nth(unsigned n)
{
    struct uuid uuid = {{0}};
    uuid.bytes[0] = 0x01;
    for (unsigned i = 0; i < 4; i++)
        uuid.bytes[15 - i] = (uint8_t)(n >> (8 * i));
    return uuid;
}

struct card card_nth(unsigned n, uint16_t shard)
{
    return (struct card){.job = uuid_nth(n),
                         .pool = {"-"},
                         .shard = shard,
                         .priority = PRIORITY_DEFAULT,
                         .ready_at_us = 1000000 + (int64_t)n};
}

enum board_outcome await_answer(struct world *world, struct desk *desk, uint64_t tag)
{
    AWAIT(world, desk->is_answered[tag]);
    return desk->outcome[tag];
}
