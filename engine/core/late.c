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

static void ask_late(struct core *core)
{
    struct pool *pools = arena_calloc(&core->scratch, core->pool_count + 1, sizeof *pools);
    size_t count = 0;
    for (size_t i = 0; i < core->pool_count; i++) {
        if (core->pools[i].served)
            pools[count++] = core->pools[i].pool;
    }
    /* The pool without tags is everyone's, also while the board does not show it yet. */
    if (!division_pool(core, &(struct pool){"-"}))
        pools[count++] = (struct pool){"-"};
    struct uuid *boots = arena_calloc(&core->scratch, core->member_count, sizeof *boots);
    for (size_t i = 0; i < core->member_count; i++)
        boots[i] = core->members[i].boot;
    core->late_tag = core_new_tag(core, NULL);
    struct core_effect *effect = core_emit(core, EFFECT_LATE_ROWS);
    effect->tag = core->late_tag;
    effect->u.late.pools = pools;
    effect->u.late.pool_count = count;
    effect->u.late.boots = boots;
    effect->u.late.boot_count = core->member_count;
    effect->u.late.from_shard = (uint16_t)random_below(&core->random, core->options.shard_count);
    effect->u.late.limit = LATE_LIMIT;
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
        if (!only_mine || division_is_mine(core, &row->pool, row->shard))
            claim_row(core, row, row->state != JOB_READY);
    }
}

void late_rows(struct core *core, const struct core_event *event)
{
    bool is_whole = event->u.rows.code == 0;
    if (event->tag == core->late_tag) {
        core->late_tag = 0;
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
