/* SPDX-License-Identifier: Apache-2.0 */
/* What heals a missed event, a stuck shard engine or a death: late work, a departed boot's jobs,
 * and the claim audit. */
#include <stdlib.h>
#include <utlist.h>

#include "base/alloc.h"
#include "engine/core/core_private.h"

#define LATE_PAUSE_MS 1000
#define LATE_LIMIT    32 /* rows at a time */

void late_begin(struct core *core)
{
    deadlines_set(&core->deadlines, &core->late_due, core->now_ms + LATE_PAUSE_MS);
    deadlines_set(&core->deadlines, &core->audit_due, core->now_ms + core->lease.timeout_ms / 3);
}

void late_end(struct core *core)
{
    deadlines_cancel(&core->deadlines, &core->late_due);
    deadlines_cancel(&core->deadlines, &core->audit_due);
    core->late_tag = core->audit_tag = 0;
    core->owned_count = 0;
}

/* The rows are asked for by our tags, not by the pools that the board shows: a pool whose first
 * card was never placed, or whose folder was deleted, is known to the store alone. */
static void ask_late(struct core *core)
{
    struct pool *shown = arena_calloc(&core->scratch, core->pool_count, sizeof *shown);
    size_t count = 0;
    for (size_t i = 0; i < core->pool_count; i++) {
        if (core->pools[i].served)
            shown[count++] = core->pools[i].pool;
    }
    struct uuid *boots = arena_calloc(&core->scratch, core->member_count, sizeof *boots);
    for (size_t i = 0; i < core->member_count; i++)
        boots[i] = core->members[i].boot;
    core->late_tag = core_new_tag(core, NULL);
    struct core_effect *effect = core_emit(core, EFFECT_LATE_ROWS);
    effect->tag = core->late_tag;
    effect->u.late = (struct late_query){
        .tags = core->options.tags,
        .tag_count = core->options.tag_count,
        .shown = shown,
        .shown_count = count,
        .boots = boots,
        .boot_count = core->member_count,
        .from_shard = (uint16_t)random_below(&core->random, core->options.shard_count),
        .limit = LATE_LIMIT,
    };
}

void late_due_now(struct core *core)
{
    deadlines_set(&core->deadlines, &core->late_due, core->now_ms + LATE_PAUSE_MS);
    /* Without the list of members every owner would look gone. */
    if (core_may_begin(core) && core->member_count > 0 && core->late_tag == 0 &&
        core_free_slots(core) > 0)
        ask_late(core);
}

static uint64_t ask_owned(struct core *core, const struct uuid *boot)
{
    uint64_t tag = core_new_tag(core, NULL);
    struct core_effect *effect = core_emit(core, EFFECT_OWNED_ROWS);
    effect->tag = tag;
    effect->u.boot = *boot;
    return tag;
}

void late_departed(struct core *core, const struct uuid *boot)
{
    if (!core_may_begin(core) || uuid_equal(boot, &core->lease.boot))
        return;
    struct skip *skip, *other;
    DL_FOREACH_SAFE(core->skip_list, skip, other)
    {
        skip->until_ms = core->now_ms; /* the reason may have left with the boot */
    }
    if (core->owned_count == core->owned_capacity) {
        core->owned_capacity = core->owned_capacity ? core->owned_capacity * 2 : 8;
        core->owned_tags = xrealloc(core->owned_tags, core->owned_capacity, sizeof(uint64_t));
    }
    core->owned_tags[core->owned_count++] = ask_owned(core, boot);
    deadlines_set(&core->deadlines, &core->late_due, core->now_ms);
}

void audit_due_now(struct core *core)
{
    deadlines_set(&core->deadlines, &core->audit_due, core->now_ms + core->lease.timeout_ms / 3);
    if (!core->store_up || core->lease.state != LEASE_GOOD || core->audit_tag != 0)
        return;
    core->audit_tag = ask_owned(core, &core->lease.boot);
    core->audit_sent_ms = core->now_ms;
}

static const struct job_row *find_row(const struct core_event *event, const struct uuid *id)
{
    for (size_t i = 0; i < event->u.rows.count; i++) {
        if (uuid_equal(&event->u.rows.list[i].id, id))
            return &event->u.rows.list[i];
    }
    return NULL;
}

/* Held but not there: its steps die now, not at its next save. */
static void audit_held(struct core *core, const struct core_event *event)
{
    struct job *job, *other;
    DL_FOREACH_SAFE(core->jobs, job, other)
    {
        if (job->hold != HOLD_RUNNING || job->held_since_ms >= core->audit_sent_ms ||
            job->sent->ends_claim)
            continue;
        const struct job_row *row = find_row(event, &job->id);
        if (row && uuid_equal(&row->claim, &job->claim))
            continue;
        core->counts.audit_lost++;
        hold_drop(core, job, "the claim audit does not find it");
    }
}

/* There but neither held nor being claimed: claimed anew, like anybody's job without an owner. */
static void audit_found(struct core *core, const struct core_event *event)
{
    for (size_t i = 0; i < event->u.rows.count; i++) {
        const struct job_row *row = &event->u.rows.list[i];
        if (!hold_find(core, &row->id) && claim_row(core, row, true))
            core->counts.audit_found++;
    }
}

static bool take_owned_tag(struct core *core, uint64_t tag)
{
    for (size_t i = 0; i < core->owned_count; i++) {
        if (core->owned_tags[i] == tag) {
            core->owned_tags[i] = core->owned_tags[--core->owned_count];
            return true;
        }
    }
    return false;
}

static void take_rows(struct core *core, const struct core_event *event, bool only_mine)
{
    for (size_t i = 0; i < event->u.rows.count; i++) {
        const struct job_row *row = &event->u.rows.list[i];
        if (!only_mine || division_may_take(core, &row->pool, row->shard))
            claim_row(core, row, row->state != JOB_READY);
    }
}

static bool is_first_of_pool(const struct job_row *list, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (pool_equal(&list[i].pool, &list[index].pool))
            return false;
    }
    return true;
}

/* Pools that the board does not show: once it does, their shards are divided like all others. */
static void show_pools(struct core *core, const struct core_event *event)
{
    for (size_t i = 0; i < event->u.rows.count; i++) {
        const struct job_row *row = &event->u.rows.list[i];
        if (division_pool(core, &row->pool) || !is_first_of_pool(event->u.rows.list, i))
            continue;
        struct core_effect *effect = core_emit(core, EFFECT_SHOW_POOL);
        effect->u.board.card.pool = row->pool;
        effect->u.board.tags = row->tags;
        effect->u.board.tag_count = row->tag_count;
    }
}

void late_rows(struct core *core, const struct core_event *event)
{
    bool is_whole = event->u.rows.code == 0;
    if (event->tag == core->late_tag) {
        core->late_tag = 0;
        show_pools(core, event);
        take_rows(core, event, false);
    } else if (event->tag == core->audit_tag) {
        core->audit_tag = 0;
        if (is_whole) {
            audit_held(core, event);
            audit_found(core, event);
        }
    } else if (take_owned_tag(core, event->tag)) {
        take_rows(core, event, true);
    } else {
        core->counts.stale_events++;
    }
}
