/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include "base/alloc.h"
#include "base/placement.h"

/* A pool's tags never change (its name is their hash), so each is read once. */

static struct known_pool *find_pool(const struct board *board, const struct pool *pool)
{
    struct known_pool *known;
    HASH_FIND(hh, board->pools, pool, sizeof *pool, known);
    return known;
}

const struct known_pool *pools_find(const struct board *board, const struct pool *pool)
{
    const struct known_pool *known = find_pool(board, pool);
    bool is_read = known && !known->needs_read && !known->is_reading && !known->is_garbage;
    return is_read ? known : NULL;
}

static void forget_pool(struct board *board, struct known_pool *pool)
{
    HASH_DEL(board->pools, pool);
    free(pool->tags);
    free(pool);
}

void pools_session_ended(struct board *board)
{
    struct known_pool *pool, *next;
    HASH_ITER(hh, board->pools, pool, next)
    {
        forget_pool(board, pool);
    }
    board->pools_view = (struct folder_view){0};
    board->pools_reading = 0;
    board->pools_dirty = false;
}

static void see_pool(struct board *board, const char *name)
{
    struct pool pool;
    if (!path_parse_pool(text_of(name), &pool)) {
        board->counts.garbage_names++;
        return;
    }
    struct known_pool *known = find_pool(board, &pool);
    if (!known) {
        known = xcalloc(1, sizeof *known);
        known->pool = pool;
        known->needs_read = true;
        HASH_ADD(hh, board->pools, pool, sizeof known->pool, known);
    }
    known->is_seen = true;
}

static void on_pools(struct board *board, const struct call_key *key, const struct reply *reply)
{
    if (!folder_view_listed(board, &board->pools_view, reply))
        return;
    struct known_pool *pool, *next;
    HASH_ITER(hh, board->pools, pool, next)
    {
        pool->is_seen = false;
    }
    for (int32_t i = 0; i < reply->names->count; i++)
        see_pool(board, reply->names->data[i]);
    HASH_ITER(hh, board->pools, pool, next)
    {
        if (!pool->is_seen)
            forget_pool(board, pool);
    }
    board->pools_dirty = true;
}

static void fill_pool(struct board *board, struct known_pool *known, const struct reply *reply)
{
    struct arena arena = {0};
    const struct text *tags;
    size_t count;
    struct text bytes = {reply->data, (size_t)reply->data_len};
    known->is_garbage = wire_read_pool(&arena, bytes, &tags, &count, NULL) != 0;
    if (!known->is_garbage) {
        known->tags = texts_copy(tags, count);
        known->tag_count = count;
        struct text *scratch = arena_calloc(&arena, count + 1, sizeof *scratch);
        memcpy(scratch, tags, count * sizeof *scratch);
        struct pool named = placement_pool(scratch, count);
        known->is_garbage = !pool_equal(&named, &known->pool);
    }
    board->counts.garbage_names += known->is_garbage;
    arena_done(&arena);
}

static void on_pool(struct board *board, const struct call_key *key, const struct reply *reply)
{
    board->pools_reading--;
    struct known_pool *known = find_pool(board, &key->shard.pool);
    if (!known)
        return;
    known->is_reading = false;
    if (reply->rc == ZOK)
        fill_pool(board, known, reply);
    else if (rc_is_unknown(reply->rc))
        known->needs_read = true;
    else
        forget_pool(board, known);
    board->pools_dirty = true;
}

static void read_pools(struct board *board)
{
    struct known_pool *pool, *next;
    HASH_ITER(hh, board->pools, pool, next)
    {
        if (!pool->needs_read || board->singles_in_flight >= SINGLES_IN_FLIGHT)
            continue;
        pool->needs_read = false;
        pool->is_reading = true;
        board->pools_reading++;
        struct path path = path_pool(&board->paths, &pool->pool);
        struct call_key key = {.shard.pool = pool->pool};
        call_get(board, path.text, false, on_pool, key);
    }
}

static bool pools_are_complete(const struct board *board)
{
    const struct folder_view *view = &board->pools_view;
    if (!view->is_loaded || view->is_busy || view->is_stale || board->pools_reading)
        return false;
    for (const struct known_pool *pool = board->pools; pool; pool = pool->hh.next) {
        if (pool->needs_read)
            return false;
    }
    return true;
}

static void tell_pools(struct board *board)
{
    if (!board->pools_dirty || !pools_are_complete(board))
        return;
    board->pools_dirty = false;
    struct event_node *node = event_add(board, BOARD_POOLS);
    struct board_pool *pools =
        arena_calloc(&node->arena, HASH_COUNT(board->pools) + 1, sizeof *pools);
    for (const struct known_pool *pool = board->pools; pool; pool = pool->hh.next) {
        if (pool->is_garbage)
            continue;
        struct text *tags = arena_calloc(&node->arena, pool->tag_count + 1, sizeof *tags);
        for (size_t i = 0; i < pool->tag_count; i++)
            tags[i] = arena_text(&node->arena, pool->tags[i]);
        pools[node->event.count++] = (struct board_pool){pool->pool, tags, pool->tag_count};
    }
    node->event.pools = pools;
}

void pools_pump(struct board *board)
{
    folder_view_list(board, &board->pools_view, &board->paths.jobs, on_pools);
    read_pools(board);
    tell_pools(board);
}
