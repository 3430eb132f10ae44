/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "base/os/entropy.h"
#include "jobboard/client/client_private.h"

/* A client holds no locks: its session may be found dead late. */
#define SESSION_TIMEOUT_MS 10000

/* ------------------------------------------------------------------------------- opening, closing
 */

static const char *copy_string(struct arena *arena, const char *string)
{
    return string ? arena_string(arena, text_of(string)) : NULL;
}

static int64_t or_default(int64_t value_ms, int64_t default_ms)
{
    return value_ms > 0 ? value_ms : default_ms;
}

static void copy_options(struct jobboard *jobboard, const struct jobboard_options *options)
{
    struct arena *arena = &jobboard->arena;
    struct jobboard_options *mine = &jobboard->options;
    *mine = *options;
    mine->postgres = copy_string(arena, options->postgres);
    mine->schema = copy_string(arena, options->schema);
    mine->zookeeper = copy_string(arena, options->zookeeper);
    mine->zookeeper_auth = copy_string(arena, options->zookeeper_auth);
    mine->board = copy_string(arena, options->board);
    mine->application = copy_string(arena, options->application);
    mine->connect_timeout_ms = or_default(options->connect_timeout_ms, JOBBOARD_CONNECT_TIMEOUT_MS);
    mine->post_timeout_ms = or_default(options->post_timeout_ms, JOBBOARD_POST_TIMEOUT_MS);
    mine->place_timeout_ms = or_default(options->place_timeout_ms, JOBBOARD_PLACE_TIMEOUT_MS);
}

/* To whom it matters not whether nobody is there or nobody answers. */
static int open_trouble(int code, struct error *ret_error)
{
    if (code == ERR_TIMEOUT || code == ERR_UNKNOWN)
        ret_error->code = ERR_UNREACHABLE;
    else if (code == ERR_NOT_FOUND)
        ret_error->code = ERR_SCHEMA;
    return ret_error->code;
}

int jobboard_open(const struct jobboard_options *options, struct jobboard **ret_jobboard,
                  struct error *ret_error)
{
    struct jobboard *jobboard = xcalloc(1, sizeof *jobboard);
    CHECK(options->schema && options->board && options->application);
    copy_options(jobboard, options);
    struct storage_options storage = {
        .conninfo = jobboard->options.postgres,
        .schema = jobboard->options.schema,
        .application = jobboard->options.application,
        .connect_timeout_ms = jobboard->options.connect_timeout_ms,
        .answer_timeout_ms = JOBBOARD_ANSWER_TIMEOUT_MS,
        .seed = entropy_seed(),
        .read_only = options->read_only,
    };
    int code = storage_read_board(&storage, &jobboard->row, ret_error);
    if (!code)
        code = storage_new(&storage, &jobboard->storage, ret_error);
    if (code) {
        code = open_trouble(code, ret_error);
        jobboard_close(jobboard);
        return code;
    }
    jobboard->store_down_since_ms = clock_now_ms();
    *ret_jobboard = jobboard;
    return 0;
}

static void free_posts(struct post *posts)
{
    struct post *post, *next;
    DL_FOREACH_SAFE(posts, post, next)
    {
        post_free(post);
    }
}

void jobboard_close(struct jobboard *jobboard)
{
    struct queued_event *queued, *next;
    if (!jobboard)
        return;
    board_free(jobboard->board);
    storage_free(jobboard->storage);
    DL_FOREACH_SAFE(jobboard->events, queued, next)
    {
        free(queued);
    }
    free(jobboard->taken);
    free_posts(jobboard->posting);
    free_posts(jobboard->placing);
    free_posts(jobboard->over);
    windows_free(&jobboard->windows);
    watch_done(jobboard);
    arena_done(&jobboard->members_arena);
    arena_done(&jobboard->arena);
    free(jobboard);
}

void client_need_board(struct jobboard *jobboard)
{
    struct jobboard_options *mine = &jobboard->options;
    struct error error = {0};
    if (jobboard->board || !mine->zookeeper || jobboard->board_trouble[0])
        return;
    struct board_options options = {.hosts = mine->zookeeper,
                                    .name = mine->board,
                                    .board = jobboard->row.board,
                                    .shard_count = (unsigned)jobboard->row.shard_count,
                                    .session_timeout_ms = SESSION_TIMEOUT_MS,
                                    .auth = mine->zookeeper_auth,
                                    .seed = entropy_seed()};
    if (board_new(&options, &jobboard->board, &error)) {
        jobboard->board = NULL;
        snprintf(jobboard->board_trouble, sizeof jobboard->board_trouble, "%.*s",
                 (int)sizeof jobboard->board_trouble - 1, error.text);
        return;
    }
    size_t count = board_sources(jobboard->board, jobboard->board_sources);
    CHECK(count == BOARD_SOURCES_MAX);
}

bool jobboard_is_up(const struct jobboard *jobboard)
{
    return storage_is_up(jobboard->storage);
}

const char *jobboard_trouble(const struct jobboard *jobboard)
{
    return storage_trouble(jobboard->storage);
}

const char *jobboard_board_trouble(const struct jobboard *jobboard)
{
    return jobboard->board_trouble;
}

/* ---------------------------------------------------------------------------------------- sources
 */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void timer_interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    struct jobboard *jobboard = self;
    int64_t deadline_ms = watch_deadline_ms(jobboard);
    if (jobboard->posting)
        deadline_ms = sooner(deadline_ms, jobboard->posting->deadline_ms);
    if (jobboard->placing)
        deadline_ms = sooner(deadline_ms, jobboard->placing->deadline_ms);
    if (jobboard->events)
        deadline_ms = 0;
    *ret_interest = (struct interest){.fd = -1, .deadline_ms = deadline_ms};
}

static void timer_process(void *self, bool readable, bool writable, int64_t now_ms)
{
    struct jobboard *jobboard = self;
    post_expire(jobboard, now_ms);
    place_expire(jobboard, now_ms);
    watch_pump(jobboard, now_ms);
}

/* ZooKeeper is talked to from the first post on; its sources are there from the beginning. */
static void board_interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    struct board_slot *slot = self;
    *ret_interest = (struct interest){.fd = -1, .deadline_ms = -1};
    if (!slot->jobboard->board)
        return;
    struct source *source = &slot->jobboard->board_sources[slot->index];
    source->interest(source->self, now_ms, ret_interest);
}

static void board_process(void *self, bool readable, bool writable, int64_t now_ms)
{
    struct board_slot *slot = self;
    if (!slot->jobboard->board)
        return;
    struct source *source = &slot->jobboard->board_sources[slot->index];
    source->process(source->self, readable, writable, now_ms);
}

size_t jobboard_sources(struct jobboard *jobboard, struct source ret_sources[JOBBOARD_SOURCES_MAX])
{
    static const char *const names[BOARD_SOURCES_MAX] = {"zookeeper", "zookeeper-close"};
    size_t count = storage_sources(jobboard->storage, ret_sources);
    for (size_t i = 0; i < BOARD_SOURCES_MAX; i++) {
        jobboard->slots[i] = (struct board_slot){jobboard, i};
        ret_sources[count++] =
            (struct source){names[i], &jobboard->slots[i], board_interest, board_process};
    }
    ret_sources[count++] = (struct source){"jobboard", jobboard, timer_interest, timer_process};
    return count;
}

int jobboard_turn(struct jobboard *jobboard, int64_t until_ms)
{
    struct source sources[JOBBOARD_SOURCES_MAX];
    size_t count = jobboard_sources(jobboard, sources);
    int code = source_poll(sources, count, until_ms);
    client_pull(jobboard);
    return code;
}

/* ----------------------------------------------------------------------------------------- events
 */

struct queued_event *client_tell(struct jobboard *jobboard, enum jobboard_event_kind kind,
                                 uint64_t tag)
{
    struct queued_event *queued = xcalloc(1, sizeof *queued);
    queued->event.kind = kind;
    queued->event.tag = tag;
    DL_APPEND(jobboard->events, queued);
    return queued;
}

/* A view answers a caller that waits for it, the watching, or the caller's loop. True: it ends the
 * pull, because what it points at lasts until the next one. */
static bool view_came(struct jobboard *jobboard, const struct storage_answer *answer)
{
    if (answer->tag == TAG_LOOK) {
        watch_answered(jobboard, answer->u.view);
        return false;
    }
    if (answer->tag == TAG_VIEW_NOW && jobboard->late_views > 0) {
        jobboard->late_views--;
        return false;
    }
    if (answer->tag == TAG_VIEW_NOW)
        jobboard->view_answer = answer->u.view;
    else {
        client_tell(jobboard, JOBBOARD_VIEWED, answer->tag)->event.u.view = answer->u.view;
        jobboard->view_is_queued = true;
    }
    return true;
}

static bool store_answered(struct jobboard *jobboard, const struct storage_answer *answer)
{
    switch (answer->kind) {
    case STORAGE_UP:
        jobboard->store_down_since_ms = 0;
        break;
    case STORAGE_DOWN:
        if (!jobboard->store_down_since_ms)
            jobboard->store_down_since_ms = clock_now_ms();
        break;
    case STORAGE_POSTED:
        post_answered(jobboard, (struct post *)(uintptr_t)answer->tag, &answer->u.post);
        break;
    case STORAGE_NOTICE:
        watch_notice(jobboard, answer->u.notice.jobs, answer->u.notice.count);
        break;
    case STORAGE_VIEW:
        return view_came(jobboard, answer);
    case STORAGE_INBOXED:
    case STORAGE_LEASE:
        rerun_answered(jobboard, (struct post *)(uintptr_t)answer->tag, &answer->u.inbox);
        break;
    case STORAGE_CLAIMED:
    case STORAGE_LOADED:
    case STORAGE_SAVED:
    case STORAGE_ROWS:
        break;
    }
    return false;
}

void client_pull(struct jobboard *jobboard)
{
    struct storage_answer answer;
    struct board_event event;
    while (jobboard->board && board_next(jobboard->board, &event))
        place_board_event(jobboard, &event);
    if (jobboard->view_answer || jobboard->view_is_queued)
        return;
    while (storage_next(jobboard->storage, &answer))
        if (store_answered(jobboard, &answer))
            break;
    watch_pump(jobboard, clock_now_ms());
}

bool jobboard_next(struct jobboard *jobboard, struct jobboard_event *ret_event)
{
    free(jobboard->taken);
    jobboard->taken = NULL;
    client_pull(jobboard);
    struct queued_event *queued = jobboard->events;
    if (!queued)
        return false;
    DL_DELETE(jobboard->events, queued);
    if (queued->event.kind == JOBBOARD_VIEWED)
        jobboard->view_is_queued = false;
    jobboard->taken = queued;
    *ret_event = queued->event;
    return true;
}

/* ------------------------------------------------------------------------------------------- views
 */

void jobboard_view(struct jobboard *jobboard, const struct view_request *request, uint64_t tag)
{
    CHECK(tag < TAG_VIEW_NOW);
    storage_view(jobboard->storage, request, tag);
}
