/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <utlist.h>

#include "engine/core/core_private.h"

bool division_is_alive(const struct core *core, const struct uuid *boot)
{
    for (size_t i = 0; i < core->member_count; i++) {
        if (uuid_equal(&core->members[i].boot, boot))
            return true;
    }
    return false;
}

struct pool_entry *division_pool(struct core *core, const struct pool *pool)
{
    for (size_t i = 0; i < core->pool_count; i++) {
        if (pool_equal(&core->pools[i].pool, pool))
            return &core->pools[i];
    }
    return NULL;
}

/* Two boots under one name: the newer counts (ids of version 7 sort by time). */
static bool is_superseded(const struct core *core, const struct member *member)
{
    for (size_t i = 0; i < core->member_count; i++) {
        const struct member *other = &core->members[i];
        if (text_equal(other->name, member->name) && uuid_compare(&other->boot, &member->boot) > 0)
            return true;
    }
    return false;
}

/* No test finds two boots with one weight: it has 64 bits. */
static bool is_heavier(const struct member *a, uint64_t weight_a, const struct member *b,
                       uint64_t weight_b)
{
    int order = uuid_compare(&a->boot, &b->boot);
    return weight_a != weight_b ? weight_a > weight_b : order > 0; /* COVER_EXCL_BR_LINE: 64 bits */
}

/* The member that looks after a shard of a pool, NULL when nobody has its tags. */
static const struct member *shard_engine(const struct core *core, const struct pool_entry *pool,
                                         uint16_t shard)
{
    const struct member *best = NULL;
    uint64_t best_weight = 0;
    for (size_t i = 0; i < core->member_count; i++) {
        const struct member *member = &core->members[i];
        if (!member->dividing ||
            !placement_has_tags(member->tags, member->tag_count, pool->tags, pool->tag_count))
            continue;
        uint64_t weight = placement_weight(&member->boot, &pool->pool, shard);
        if (!best || is_heavier(member, weight, best, best_weight)) {
            best = member;
            best_weight = weight;
        }
    }
    return best;
}

static bool is_ours(const struct core *core, const struct pool_entry *pool, uint16_t shard)
{
    const struct member *engine = shard_engine(core, pool, shard);
    return engine && uuid_equal(&engine->boot, &core->lease.boot);
}

bool division_may_take(struct core *core, const struct pool *pool, uint16_t shard)
{
    const struct pool_entry *entry = division_pool(core, pool);
    return shard_find(core, pool, shard) || !entry || !shard_engine(core, entry, shard);
}

void division_update(struct core *core)
{
    for (struct shard *shard = core->shards; shard; shard = shard->next)
        shard->mine = false;
    for (size_t i = 0; i < core->pool_count && core->lease.state != LEASE_NONE; i++) {
        if (!core->pools[i].served)
            continue;
        for (unsigned number = 0; number < core->options.shard_count; number++) {
            if (is_ours(core, &core->pools[i], (uint16_t)number))
                shard_acquire(core, &core->pools[i].pool, (uint16_t)number)->mine = true;
        }
    }
    struct shard *shard, *other;
    DL_FOREACH_SAFE(core->shards, shard, other)
    {
        if (!shard->mine)
            shard_drop(core, shard, true);
    }
}

static void copy_members(struct core *core, const struct member *list, size_t count)
{
    arena_reset(&core->member_arena);
    core->members = arena_calloc(&core->member_arena, count, sizeof *core->members);
    core->member_count = count;
    for (size_t i = 0; i < count; i++) {
        struct member *member = &core->members[i];
        *member = list[i];
        member->name = arena_text(&core->member_arena, member->name);
        member->host = arena_text(&core->member_arena, member->host);
        struct text *tags = arena_calloc(&core->member_arena, member->tag_count, sizeof *tags);
        for (size_t j = 0; j < member->tag_count; j++)
            tags[j] = arena_text(&core->member_arena, list[i].tags[j]);
        member->tags = tags;
    }
    for (size_t i = 0; i < count; i++)
        core->members[i].dividing &= !is_superseded(core, &core->members[i]);
}

void division_members(struct core *core, const struct core_event *event)
{
    size_t before = core->member_count;
    struct uuid *boots = arena_calloc(&core->scratch, before, sizeof *boots);
    for (size_t i = 0; i < before; i++)
        boots[i] = core->members[i].boot;
    copy_members(core, event->u.members.list, event->u.members.count);
    division_update(core);
    /* The newly divided shards first: whose a departed boot's jobs are now is asked by shard. */
    for (size_t i = 0; i < before; i++) {
        if (!division_is_alive(core, &boots[i]))
            late_departed(core, &boots[i]);
    }
}

void division_pools(struct core *core, const struct core_event *event)
{
    /* Jobs point at pool entries: they find theirs again below. */
    struct arena fresh = {0};
    size_t count = event->u.pools.count;
    struct pool_entry *pools = arena_calloc(&fresh, count, sizeof *pools);
    for (size_t i = 0; i < count; i++) {
        const struct pool_info *info = &event->u.pools.list[i];
        struct text *tags = arena_calloc(&fresh, info->tag_count, sizeof *tags);
        for (size_t j = 0; j < info->tag_count; j++)
            tags[j] = arena_text(&fresh, info->tags[j]);
        pools[i] = (struct pool_entry){
            info->pool, tags, info->tag_count,
            placement_has_tags(core->options.tags, core->options.tag_count, tags, info->tag_count)};
    }
    arena_done(&core->pool_arena);
    core->pool_arena = fresh;
    core->pools = pools;
    core->pool_count = count;
    for (struct job *job = core->jobs; job; job = job->next)
        job->pool = division_pool(core, &job->card.pool);
    division_update(core);
}

void division_forget(struct core *core)
{
    while (core->shards)
        shard_drop(core, core->shards, false);
    core->members = NULL;
    core->member_count = 0;
    arena_reset(&core->member_arena);
}

void division_take_part(struct core *core)
{
    bool may = core_may_begin(core) && !core->is_aside && !deadline_is_set(&core->divide_due);
    if (core->lease.state == LEASE_NONE || may == core->dividing)
        return;
    core->dividing = may;
    struct core_effect *effect = core_emit(core, EFFECT_DIVIDE);
    effect->u.flag = may;
}

/* ------------------------------------------------------------------------------ without a slot */

/* An engine whose slots come free again and again gains nothing by leaving: each time it is back
 * soon it has to be full for twice as long before it leaves again. */
#define FULL_MIN_MS 100
#define FULL_MAX_MS 30000
#define CALM_MS     5000 /* out for so long: it was right to leave */

/* Whom we would leave our shards to. Where nobody takes part, leaving helps nobody. */
static bool has_peer(const struct core *core)
{
    for (size_t i = 0; i < core->member_count; i++) {
        if (core->members[i].dividing && !uuid_equal(&core->members[i].boot, &core->lease.boot))
            return true;
    }
    return false;
}

void division_weigh(struct core *core)
{
    if (core->full_pause_ms == 0)
        core->full_pause_ms = FULL_MIN_MS;
    if (claim_is_full(core)) {
        if (core->dividing && !deadline_is_set(&core->full_due) && has_peer(core))
            deadlines_set(&core->deadlines, &core->full_due, core->now_ms + core->full_pause_ms);
        return;
    }
    deadlines_cancel(&core->deadlines, &core->full_due);
    if (!core->is_aside)
        return;
    core->is_aside = false;
    if (core->now_ms - core->aside_ms >= CALM_MS)
        core->full_pause_ms = FULL_MIN_MS;
    else if (core->full_pause_ms < FULL_MAX_MS / 2)
        core->full_pause_ms *= 2;
    else
        core->full_pause_ms = FULL_MAX_MS;
    division_take_part(core);
}

void division_full_due(struct core *core)
{
    if (!core->dividing || !has_peer(core))
        return;
    core->is_aside = true;
    core->aside_ms = core->now_ms;
    division_take_part(core);
}
