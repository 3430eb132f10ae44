/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/storage.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "storage/storage_private.h"

static int primary(const struct storage *storage)
{
    return storage->read_only ? LINK_READ : LINK_WORK;
}

int storage_new(const struct storage_options *options, struct storage **ret_storage,
                struct error *ret_error)
{
    static const char *const names[LINKS] = {"postgres work", "postgres read", "postgres side"};
    CHECK(options->connect_timeout_ms > 0 && options->answer_timeout_ms > 0);
    struct storage *storage = xcalloc(1, sizeof *storage);
    int code = targets_init(&storage->targets, options, ret_error);
    if (code) {
        targets_done(&storage->targets);
        free(storage);
        return code;
    }
    storage->read_only = options->read_only;
    storage->blocked_ms = options->blocked_ms > 0 ? options->blocked_ms : BLOCKED_MS;
    notify_init(storage, options->schema);
    int64_t lock_ms = options->answer_timeout_ms / 2;
    for (int i = 0; i < LINKS; i++) {
        struct link_limits limits = {
            .connect_timeout_ms = options->connect_timeout_ms,
            .answer_timeout_ms = options->answer_timeout_ms,
            .lock_timeout_ms = lock_ms < LOCK_TIMEOUT_MS ? lock_ms + 1 : LOCK_TIMEOUT_MS,
            .plans_for_batches = i != LINK_READ,
        };
        link_init(&storage->links[i], names[i], &storage->targets, &limits,
                  options->seed + (uint64_t)i);
        storage->sources[i] = (struct storage_source){storage, (enum link_index)i};
    }
    link_want(&storage->links[primary(storage)], clock_now_ms());
    *ret_storage = storage;
    return 0;
}

static void free_answer(struct answer *answer)
{
    if (!answer)
        return;
    arena_done(&answer->arena);
    free(answer);
}

void storage_free(struct storage *storage)
{
    if (!storage)
        return;
    for (int i = 0; i < LINKS; i++)
        link_done(&storage->links[i]);
    lanes_discard(storage);
    free_answer(storage->taken);
    while (storage->answers_first) {
        struct answer *answer = storage->answers_first;
        storage->answers_first = answer->next;
        free_answer(answer);
    }
    targets_done(&storage->targets);
    free(storage->moved);
    free(storage);
}

struct answer *answer_new(struct storage *storage, enum storage_answer_kind kind, uint64_t tag)
{
    struct answer *answer = xcalloc(1, sizeof *answer);
    answer->body.kind = kind;
    answer->body.tag = tag;
    if (storage->answers_last)
        storage->answers_last->next = answer;
    else
        storage->answers_first = answer;
    storage->answers_last = answer;
    return answer;
}

bool storage_next(struct storage *storage, struct storage_answer *ret_answer)
{
    free_answer(storage->taken);
    struct answer *answer = storage->taken = storage->answers_first;
    if (!answer)
        return false;
    storage->answers_first = answer->next;
    if (!answer->next)
        storage->answers_last = NULL;
    *ret_answer = answer->body;
    return true;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Requests are not sent when they are made but when the pump comes round, so that all requests of
 * one turn go in one statement: a link with something to send is eager to write. */
static void source_interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    struct storage_source *source = self;
    struct storage *storage = source->storage;
    struct link *link = &storage->links[source->index];
    bool wants = false;
    for (enum lane_index i = 0; i < LANES; i++) {
        if (lane_types[i]->link != source->index || !storage->lanes[i].first)
            continue;
        link_want(link, now_ms);
        wants |= lane_can_send(storage, i);
    }
    link_interest(link, ret_interest);
    if (wants)
        ret_interest->want_write = true;
    if (source->index == LINK_SIDE) {
        ret_interest->deadline_ms = sooner(ret_interest->deadline_ms, notify_deadline_ms(storage));
        if (storage->look_ms)
            ret_interest->deadline_ms = sooner(ret_interest->deadline_ms, storage->look_ms);
    }
}

static void tell_ups_and_downs(struct storage *storage)
{
    for (int i = 0; i < LINKS; i++) {
        struct link *link = &storage->links[i];
        if (link->came_up && link->ups > 1)
            storage->counts.reconnects++;
        if (link->came_up && i == primary(storage))
            answer_new(storage, STORAGE_UP, 0);
        if (link->came_up && i == LINK_READ)
            notify_came_up(storage);
        if (link->went_down && i == primary(storage)) {
            struct answer *answer = answer_new(storage, STORAGE_DOWN, 0);
            answer->body.text = arena_text(&answer->arena, text_of(link->trouble));
        }
        link->came_up = link->went_down = false;
    }
}

static void source_process(void *self, bool readable, bool writable, int64_t now_ms)
{
    struct storage_source *source = self;
    struct storage *storage = source->storage;
    link_process(&storage->links[source->index], readable, writable, now_ms);
    tell_ups_and_downs(storage);
    lanes_take(storage);
    notify_take(storage);
    notify_pump(storage, now_ms);
    lanes_send(storage, now_ms);
    blockers_pump(storage, now_ms);
    lanes_send(storage, now_ms);
    tell_ups_and_downs(storage);
    lanes_take(storage); /* what broke while it was sent */
}

size_t storage_sources(struct storage *storage, struct source ret_sources[STORAGE_SOURCES_MAX])
{
    size_t count = 0;
    for (int i = 0; i < LINKS; i++) {
        if (storage->read_only && i != LINK_READ)
            continue;
        ret_sources[count++] = (struct source){storage->links[i].name, &storage->sources[i],
                                               source_interest, source_process};
    }
    return count;
}

bool storage_is_up(const struct storage *storage)
{
    return link_is_up(&storage->links[primary(storage)]);
}

const char *storage_trouble(const struct storage *storage)
{
    return storage->links[primary(storage)].trouble;
}

void storage_forget_queued(struct storage *storage)
{
    for (enum lane_index i = 0; i < LANE_BOOT; i++)
        lane_clear(storage, i);
}

const struct storage_counts *storage_count(const struct storage *storage)
{
    return &storage->counts;
}
