/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/adapters/board_adapter.h"

/* The board answers every request alike; this bit of the tag remembers that it was a lock. */
#define LOCK_BIT (UINT64_C(1) << 63)

bool board_adapter_perform(struct board *board, const struct core_effect *effect)
{
    const struct uuid *boot = &effect->u.board.boot;
    const struct card *card = &effect->u.board.card;
    switch ((int)effect->kind) {
    case EFFECT_DIVIDE:
        board_divide(board, effect->u.flag);
        return true;
    case EFFECT_GIVE_UP:
        board_give_up(board);
        return true;
    case EFFECT_LIST:
        board_list(board, &effect->u.shard.pool, effect->u.shard.shard, effect->tag);
        return true;
    case EFFECT_UNWATCH:
        board_unwatch(board, &effect->u.shard.pool, effect->u.shard.shard);
        return true;
    case EFFECT_LOCK:
        board_lock(board, boot, card, &effect->u.board.claim, effect->tag | LOCK_BIT);
        return true;
    case EFFECT_UNLOCK:
        board_unlock(board, boot, card->shard, &card->job, &effect->u.board.claim, effect->tag);
        return true;
    case EFFECT_CONSUME:
        board_consume(board, boot, card, &effect->u.board.claim, effect->tag);
        return true;
    case EFFECT_RELEASE:
        board_release(board, boot, card, &effect->u.board.fresh, &effect->u.board.claim,
                      effect->tag);
        return true;
    case EFFECT_PLACE:
        board_place(board, card, effect->u.board.tags, effect->u.board.tag_count, 0);
        return true;
    case EFFECT_REMOVE:
        board_remove(board, card, 0);
        return true;
    case EFFECT_SHOW_POOL:
        board_show_pool(board, &card->pool, effect->u.board.tags, effect->u.board.tag_count);
        return true;
    default:
        return false;
    }
}

static void translate_pools(const struct board_event *from, struct arena *scratch,
                            struct core_event *ret_event)
{
    struct pool_info *list = arena_calloc(scratch, from->count, sizeof *list);
    for (size_t i = 0; i < from->count; i++)
        list[i] =
            (struct pool_info){from->pools[i].pool, from->pools[i].tags, from->pools[i].tag_count};
    ret_event->u.pools.list = list;
    ret_event->u.pools.count = from->count;
}

static bool translate_done(const struct board_event *from, struct core_event *ret_event)
{
    if (from->tag == 0)
        return false;
    ret_event->kind = from->tag & LOCK_BIT ? EVENT_LOCKED : EVENT_UNLOCKED;
    ret_event->tag = from->tag & ~LOCK_BIT;
    ret_event->u.board.outcome = from->outcome;
    return true;
}

bool board_adapter_translate(const struct board_event *from, struct arena *scratch,
                             struct core_event *ret_event)
{
    *ret_event = (struct core_event){.tag = from->tag};
    switch (from->kind) {
    case BOARD_SESSION_BEGAN:
    case BOARD_ALIVE:
    case BOARD_SESSION_ENDED:
        ret_event->kind = from->kind == BOARD_SESSION_BEGAN ? EVENT_SESSION_BEGAN
                          : from->kind == BOARD_ALIVE       ? EVENT_ALIVE
                                                            : EVENT_SESSION_ENDED;
        ret_event->u.session.boot = from->boot;
        ret_event->u.session.timeout_ms = from->timeout_ms;
        ret_event->u.session.sent_ms = from->sent_ms;
        return true;
    case BOARD_MEMBERS:
        ret_event->kind = EVENT_MEMBERS;
        ret_event->u.members.list = from->members;
        ret_event->u.members.count = from->count;
        return true;
    case BOARD_POOLS:
        ret_event->kind = EVENT_POOLS;
        translate_pools(from, scratch, ret_event);
        return true;
    case BOARD_SHARD_CHANGED:
    case BOARD_CARDS:
        ret_event->kind = from->kind == BOARD_CARDS ? EVENT_CARDS : EVENT_SHARD_CHANGED;
        ret_event->u.shard.pool = from->pool;
        ret_event->u.shard.shard = from->shard;
        ret_event->u.shard.outcome = from->outcome;
        ret_event->u.shard.cards = from->cards;
        ret_event->u.shard.count = from->count;
        return true;
    case BOARD_DONE:
        return translate_done(from, ret_event);
    case BOARD_ROOT_MISSING:
    case BOARD_TROUBLE:
    case BOARD_COUNT:
    case BOARD_POKED:
        return false;
    }
    return false;
}
