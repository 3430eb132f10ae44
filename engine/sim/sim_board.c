/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of the fake board: locks, cards, pools, and the ends of sessions. */
#include "engine/sim/sim_board.h"

#include <string.h>

#include "base/check.h"
#include "base/placement.h"
#include "engine/sim/sim_board_private.h"

struct sim_board *sim_board_new(struct sim_world *world, const struct sim_board_options *options)
{
    struct sim_board *board = arena_calloc(&world->arena, 1, sizeof *board);
    board->world = world;
    board->options = *options;
    board->is_up = true;
    return board;
}

struct sim_board_options *sim_board_options(struct sim_board *board)
{
    return &board->options;
}

/* ------------------------------------------------------------------------------------------ locks
 */

struct sim_lock *board_find_lock(const struct sim_board *board, const struct uuid *job)
{
    for (size_t i = 0; i < board->lock_count; i++) {
        if (uuid_equal(&board->locks[i].job, job))
            return &board->locks[i];
    }
    return NULL;
}

const struct sim_lock *sim_board_find_lock(const struct sim_board *board, const struct uuid *job)
{
    return board_find_lock(board, job);
}

struct text sim_lock_owner(const struct sim_lock *lock)
{
    return lock->session->link->self.name;
}

size_t sim_board_lock_count(const struct sim_board *board)
{
    return board->lock_count;
}

void board_make_lock(struct sim_board *board, const struct sim_lock *lock)
{
    board->locks = arena_grow(&board->world->arena, board->locks, board->lock_count,
                              board->lock_count + 1, &board->lock_capacity, sizeof *board->locks);
    board->locks[board->lock_count++] = *lock;
    if (board->options.watch.lock_made)
        board->options.watch.lock_made(board->options.watch.context, lock);
}

void board_delete_lock(struct sim_board *board, struct sim_lock *lock, const struct uuid *by)
{
    struct sim_lock old = *lock;
    *lock = board->locks[--board->lock_count];
    if (board->options.watch.lock_gone)
        board->options.watch.lock_gone(board->options.watch.context, &old, &old.session->boot, by);
}

/* ------------------------------------------------------------------------------------------ cards
 */

static struct card *find_card(const struct sim_board *board, const struct card *card)
{
    for (size_t i = 0; i < board->card_count; i++) {
        if (card_equal(&board->cards[i], card))
            return &board->cards[i];
    }
    return NULL;
}

bool board_has_card(const struct sim_board *board, const struct card *card)
{
    return find_card(board, card) != NULL;
}

static void fire_watches(struct sim_board *board, const struct card *card)
{
    for (struct sim_board_link *link = board->links; link; link = link->next) {
        if (link->is_gone)
            continue;
        struct sim_shard_watch *watch = link_watch(link, &card->pool, card->shard, false);
        if (!watch || !watch->is_armed)
            continue;
        watch->is_armed = false;
        if (sim_permille(board->world, board->options.watch_lost_permille)) {
            sim_count(board->world, COUNT_WATCH_LOST);
            continue;
        }
        watch->fired = true;
        link_watch_fired(link, watch);
    }
}

void sim_board_make_pool(struct sim_board *board, const struct pool *name, const struct text *tags,
                         size_t tag_count)
{
    for (size_t i = 0; i < board->pool_count; i++) {
        if (pool_equal(&board->pools[i].pool, name))
            return;
    }
    struct arena *arena = &board->world->arena;
    board->pools = arena_grow(arena, board->pools, board->pool_count, board->pool_count + 1,
                              &board->pool_capacity, sizeof *board->pools);
    struct sim_pool *pool = &board->pools[board->pool_count++];
    pool->pool = *name;
    pool->tag_count = tag_count;
    CHECK(tag_count <= SIM_POOL_TAGS_MAX);
    for (size_t i = 0; i < tag_count; i++)
        pool->tags[i] = arena_text(arena, tags[i]);
    for (struct sim_board_link *link = board->links; link; link = link->next)
        link_pools_later(link);
}

bool board_can_make_card(const struct sim_board *board, const struct pool *pool, size_t tag_count)
{
    if (tag_count > 0 || !strcmp(pool->name, "-"))
        return true;
    for (size_t i = 0; i < board->pool_count; i++) {
        if (pool_equal(&board->pools[i].pool, pool))
            return true;
    }
    return false;
}

bool board_make_card(struct sim_board *board, const struct card *card, const struct text *tags,
                     size_t tag_count)
{
    if (find_card(board, card))
        return false;
    sim_board_make_pool(board, &card->pool, tags, tag_count);
    board->cards = arena_grow(&board->world->arena, board->cards, board->card_count,
                              board->card_count + 1, &board->card_capacity, sizeof *board->cards);
    board->cards[board->card_count++] = *card;
    if (board->options.watch.card_made)
        board->options.watch.card_made(board->options.watch.context, card);
    fire_watches(board, card);
    return true;
}

static void drop_card(struct sim_board *board, struct card *place)
{
    struct card old = *place;
    *place = board->cards[--board->card_count];
    if (board->options.watch.card_gone)
        board->options.watch.card_gone(board->options.watch.context, &old);
    fire_watches(board, &old);
}

bool board_delete_card(struct sim_board *board, const struct card *card)
{
    struct card *place = find_card(board, card);
    if (!place)
        return false;
    drop_card(board, place);
    return true;
}

void sim_board_place(struct sim_board *board, const struct card *card, const struct text *tags,
                     size_t tag_count)
{
    if (board->is_up)
        board_make_card(board, card, tags, tag_count);
}

void sim_board_lose_cards(struct sim_board *board)
{
    sim_count(board->world, COUNT_CARDS_LOST);
    while (board->card_count > 0)
        drop_card(board, &board->cards[board->card_count - 1]);
    if (!random_percent(&board->world->random, 50))
        return;
    board->pool_count = 0; /* with their folders */
    for (struct sim_board_link *link = board->links; link; link = link->next)
        link_pools_later(link);
}

size_t sim_board_card_count(const struct sim_board *board)
{
    return board->card_count;
}

const struct card *sim_board_card(const struct sim_board *board, size_t number)
{
    CHECK(number < board->card_count);
    return &board->cards[number];
}

/* --------------------------------------------------------------------------------------- sessions
 */

void board_members_changed(struct sim_board *board)
{
    for (struct sim_board_link *link = board->links; link; link = link->next)
        link_members_later(link);
}

void board_end(struct sim_session *session)
{
    struct sim_board *board = session->board;
    if (session->has_ended)
        return;
    session->has_ended = true;
    session->divides = false;
    for (size_t i = board->lock_count; i > 0; i--) {
        if (board->locks[i - 1].session == session)
            board_delete_lock(board, &board->locks[i - 1], &session->boot);
    }
    if (session->is_shown)
        board_members_changed(board);
    session->is_shown = false;
}

static int64_t end_us(const struct sim_session *session)
{
    const struct sim_board *board = session->board;
    int64_t timeout_us = board->options.timeout_ms * INT64_C(1000);
    int64_t tick_us = board->options.tick_ms * INT64_C(1000);
    if (sim_has(board->world, MUTANT_EXPIRES_EARLY))
        return session->heard_us + timeout_us / 3;
    return (session->heard_us + timeout_us + tick_us - 1) / tick_us * tick_us;
}

static void expire(void *object, uint64_t arg)
{
    struct sim_session *session = object;
    struct sim_board *board = session->board;
    if (session->has_ended || !board->is_up)
        return;
    if (board->world->queue.now_us < end_us(session)) {
        board_expire_at(session);
        return;
    }
    sim_count(board->world, COUNT_SESSION_EXPIRED);
    if (session->link->is_frozen && !session->link->is_gone && session->link->session == session)
        sim_count(board->world, COUNT_FROZEN_BEYOND);
    board_end(session);
    if (session->link->session == session)
        sim_link_break(session->link);
}

void board_expire_at(struct sim_session *session)
{
    sim_queue_at(&session->board->world->queue, end_us(session), expire, session, 0);
}

bool sim_board_is_alive(const struct sim_board *board, const struct uuid *boot)
{
    for (const struct sim_session *at = board->sessions; at; at = at->next) {
        if (uuid_equal(&at->boot, boot))
            return !at->has_ended;
    }
    return false;
}

void sim_board_down(struct sim_board *board)
{
    if (!board->is_up)
        return;
    board->is_up = false;
    sim_count(board->world, COUNT_BOARD_DOWN);
    for (struct sim_board_link *link = board->links; link; link = link->next)
        sim_link_break(link);
}

void sim_board_up(struct sim_board *board, bool expire_all)
{
    if (board->is_up)
        return;
    board->is_up = true;
    for (struct sim_session *at = board->sessions; at; at = at->next) {
        if (at->has_ended)
            continue;
        int64_t now_us = board->world->queue.now_us;
        bool is_over = now_us - at->heard_us >= board->options.timeout_ms * INT64_C(1000);
        at->heard_us = now_us;
        if (expire_all && is_over) {
            sim_count(board->world, COUNT_SESSION_EXPIRED);
            board_end(at);
        } else {
            board_expire_at(at);
        }
    }
}

bool sim_board_is_up(const struct sim_board *board)
{
    return board->is_up;
}
