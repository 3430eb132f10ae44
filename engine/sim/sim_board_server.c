/* SPDX-License-Identifier: Apache-2.0 */
/* What requests do when they reach the fake board's servers. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/placement.h"
#include "engine/sim/sim_board_private.h"

static void answer_board(struct sim_request *request, enum board_outcome outcome)
{
    enum event_kind kind = request->effect.kind == EFFECT_LOCK ? EVENT_LOCKED : EVENT_UNLOCKED;
    request->answer = (struct core_event){.kind = kind, .tag = request->effect.tag};
    request->answer.u.board.outcome = outcome;
}

static void answer_cards(struct sim_request *request, enum board_outcome outcome)
{
    request->answer = (struct core_event){.kind = EVENT_CARDS, .tag = request->effect.tag};
    request->answer.u.shard.pool = request->effect.u.shard.pool;
    request->answer.u.shard.shard = request->effect.u.shard.shard;
    request->answer.u.shard.outcome = outcome;
}

static bool is_ours(const struct sim_request *request, const struct sim_lock *lock)
{
    return lock->session == request->session &&
           uuid_equal(&lock->claim, &request->effect.u.board.claim);
}

/* ------------------------------------------------------------------------------------------- locks
 */

static void apply_lock(struct sim_board *board, struct sim_request *request)
{
    const struct card *card = &request->effect.u.board.card;
    struct sim_lock *lock = board_find_lock(board, &card->job);
    if (lock && !sim_has(board->world, MUTANT_LOCK_SHARED)) {
        answer_board(request, is_ours(request, lock) ? BOARD_OK : BOARD_TAKEN);
        return;
    }
    if (board_can_make_card(board, &card->pool, request->effect.u.board.tag_count))
        board_make_card(board, card, request->effect.u.board.tags,
                        request->effect.u.board.tag_count);
    if (!lock) {
        struct sim_lock fresh = {card->job, request->effect.u.board.claim, request->session,
                                 card->shard};
        board_make_lock(board, &fresh);
    }
    answer_board(request, BOARD_OK);
}

/* Sync, read, and delete what is ours: the end of every unlock and of each multi that failed. */
static void unlock_singly(struct sim_board *board, struct sim_request *request)
{
    struct sim_lock *lock = board_find_lock(board, &request->effect.u.board.card.job);
    if (!lock) {
        answer_board(request, BOARD_OK);
    } else if (request->meets_any_lock || is_ours(request, lock)) {
        board_delete_lock(board, lock, &request->session->boot);
        answer_board(request, BOARD_OK);
    } else {
        answer_board(request, BOARD_TAKEN);
    }
}

/* multi[delete lock, delete card] and, for a release, [create the new card]. Znodes are deleted by
 * path: whoever's lock stands there is gone. */
static void apply_leaving(struct sim_board *board, struct sim_request *request)
{
    const struct core_effect *effect = &request->effect;
    bool releases = effect->kind == EFFECT_RELEASE;
    struct sim_lock *lock = board_find_lock(board, &effect->u.board.card.job);
    bool may = lock && board_has_card(board, &effect->u.board.card) &&
               !(releases && (board_has_card(board, &effect->u.board.fresh) ||
                              !board_can_make_card(board, &effect->u.board.fresh.pool,
                                                   effect->u.board.tag_count)));
    if (!may) {
        unlock_singly(board, request);
        return;
    }
    board_delete_lock(board, lock, &request->session->boot);
    board_delete_card(board, &effect->u.board.card);
    if (releases)
        board_make_card(board, &effect->u.board.fresh, effect->u.board.tags,
                        effect->u.board.tag_count);
    answer_board(request, BOARD_OK);
}

/* ------------------------------------------------------------------------------------------- cards
 */

static int compare_cards(const void *a, const void *b)
{
    return card_compare(a, b);
}

static void apply_list(struct sim_board *board, struct sim_request *request)
{
    const struct core_effect *effect = &request->effect;
    struct card *cards = arena_calloc(&board->world->arena, board->card_count, sizeof *cards);
    size_t count = 0;
    for (size_t i = 0; i < board->card_count; i++) {
        const struct card *card = &board->cards[i];
        if (card->shard == effect->u.shard.shard && pool_equal(&card->pool, &effect->u.shard.pool))
            cards[count++] = *card;
    }
    if (count > 1)
        qsort(cards, count, sizeof *cards, compare_cards);
    answer_cards(request, BOARD_OK);
    request->answer.u.shard.cards = cards;
    request->answer.u.shard.count = count;
    struct sim_shard_watch *watch =
        link_watch(request->session->link, &effect->u.shard.pool, effect->u.shard.shard, true);
    watch->is_armed = true;
}

static void apply_divide(struct sim_board *board, struct sim_request *request)
{
    struct sim_session *session = request->session;
    if (session->divides == request->effect.u.flag)
        return;
    session->divides = request->effect.u.flag;
    board_members_changed(board);
}

void board_apply(struct sim_request *request)
{
    struct sim_board *board = request->session->board;
    const struct core_effect *effect = &request->effect;
    switch ((int)effect->kind) {
    case EFFECT_LOCK:
        apply_lock(board, request);
        break;
    case EFFECT_UNLOCK:
        unlock_singly(board, request);
        break;
    case EFFECT_CONSUME:
    case EFFECT_RELEASE:
        apply_leaving(board, request);
        break;
    case EFFECT_PLACE:
        if (board_can_make_card(board, &effect->u.board.card.pool, effect->u.board.tag_count))
            board_make_card(board, &effect->u.board.card, effect->u.board.tags,
                            effect->u.board.tag_count);
        break;
    case EFFECT_SHOW_POOL:
        sim_board_make_pool(board, &effect->u.board.card.pool, effect->u.board.tags,
                            effect->u.board.tag_count);
        break;
    case EFFECT_REMOVE:
        board_delete_card(board, &effect->u.board.card);
        break;
    case EFFECT_LIST:
        apply_list(board, request);
        break;
    case EFFECT_DIVIDE:
        apply_divide(board, request);
        break;
    default:
        UNREACHABLE();
    }
}

/* --------------------------------------------------------------------------------- unknown, void
 */

static void resolve_lock(struct sim_board *board, struct sim_request *request)
{
    struct sim_lock *lock = board_find_lock(board, &request->effect.u.board.card.job);
    if (lock && !is_ours(request, lock))
        answer_board(request, BOARD_TAKEN);
    else if (sim_has(board->world, MUTANT_UNKNOWN_IS_TAKEN))
        answer_board(request, BOARD_TAKEN);
    else if (sim_has(board->world, MUTANT_UNKNOWN_IS_OK))
        answer_board(request, BOARD_OK);
    else if (lock && !sim_permille(board->world, board->options.unknown_permille))
        answer_board(request, BOARD_OK);
    else
        answer_board(request, BOARD_UNKNOWN);
}

void board_resolve(struct sim_request *request)
{
    struct sim_board *board = request->session->board;
    bool unknown = sim_permille(board->world, board->options.unknown_permille);
    switch ((int)request->effect.kind) {
    case EFFECT_LOCK:
        resolve_lock(board, request);
        break;
    case EFFECT_UNLOCK:
    case EFFECT_CONSUME:
    case EFFECT_RELEASE:
        if (unknown)
            answer_board(request, BOARD_UNKNOWN);
        else
            unlock_singly(board, request);
        break;
    case EFFECT_LIST:
        if (unknown)
            answer_cards(request, BOARD_UNKNOWN);
        else
            apply_list(board, request);
        break;
    case EFFECT_DIVIDE:
        board_apply(request);
        break;
    default: /* places and removals are tried again or not */
        if (!unknown)
            board_apply(request);
        break;
    }
}

void board_void(struct sim_request *request)
{
    if (request->effect.kind == EFFECT_LIST)
        answer_cards(request, BOARD_VOID);
    else
        answer_board(request, BOARD_VOID);
}

void board_copy_effect(struct sim_board *board, const struct core_effect *effect,
                       struct core_effect *ret_copy)
{
    struct arena *arena = &board->world->arena;
    *ret_copy = *effect;
    bool has_tags = effect->kind == EFFECT_LOCK || effect->kind == EFFECT_PLACE ||
                    effect->kind == EFFECT_RELEASE || effect->kind == EFFECT_SHOW_POOL;
    if (!has_tags)
        return;
    size_t count = effect->u.board.tag_count;
    struct text *tags = arena_calloc(arena, count, sizeof *tags);
    for (size_t i = 0; i < count; i++)
        tags[i] = arena_text(arena, effect->u.board.tags[i]);
    ret_copy->u.board.tags = tags;
}
