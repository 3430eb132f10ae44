/* SPDX-License-Identifier: Apache-2.0 */
/* How much room the board's folders have, so that posting does not fill them: the board is a window
 * on the jobs, the store has them all.
 *
 * A folder (pool and shard) is counted when a card for it comes, and what was placed since is
 * subtracted; a count is good for WINDOW_FRESH_MS. Knows no board: the caller counts.
 *
 * A job that is more urgent than those that fill the folder must be seen at once, and an engine
 * sees what has a card. So each step of priority has WINDOW_STEP places of its own beyond those of
 * the less urgent ones: however many wait, the next more urgent job finds room. */
#ifndef JOBBOARD_CLIENT_WINDOW_H
#define JOBBOARD_CLIENT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

#include "base/record.h"

#define WINDOW_FRESH_MS 1000
#define WINDOW_STEP     25

struct post;

struct window_key {
    char pool[POOL_LEN + 1];
    uint16_t shard;
};

struct window {
    struct window_key key;
    int64_t counted_ms;   /* when the count came; 0: never */
    int64_t room;         /* cards of the least urgent jobs that fit; negative: beyond them */
    bool is_counting;     /* a count is under way */
    struct post *waiters; /* posts that wait for it, the last one first */
    UT_hash_handle hh;
};

enum window_answer {
    WINDOW_ROOM,  /* place it: room was taken */
    WINDOW_FULL,  /* do not */
    WINDOW_COUNT, /* ask for a count, then window_counted, then ask again */
    WINDOW_WAIT,  /* a count is under way: ask again when it came */
};

/* The folder's entry, made when it is new. */
struct window *window_of(struct window **windows, const struct pool *pool, uint16_t shard);
/* Whether one more card of this priority may be placed there now. */
enum window_answer window_take(struct window *window, uint8_t priority, int64_t now_ms);
/* A count came; -1: it failed, and the next one asks again. */
void window_counted(struct window *window, int64_t cards, int64_t limit, int64_t now_ms);
void windows_free(struct window **windows);

#endif
