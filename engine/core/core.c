/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <utlist.h>

#include "base/alloc.h"
#include "engine/core/tree_private.h"

#define TAG_BITS 20 /* of a tag, below the serial of the job */
#define TAG_MAX  ((UINT64_C(1) << TAG_BITS) - 1)

struct core *core_new(const struct core_options *options)
{
    CHECK(options->shard_count > 0 && options->slots > 0 && options->processes > 0);
    struct core *core = xcalloc(1, sizeof *core);
    core->options = *options;
    core->options.engine = arena_text(&core->names, options->engine);
    struct text *tags = arena_calloc(&core->names, options->tag_count, sizeof *tags);
    for (size_t i = 0; i < options->tag_count; i++)
        tags[i] = arena_text(&core->names, options->tags[i]);
    core->options.tags = tags;
    random_seed(&core->random, options->seed);
    core->next_serial = 1;
    core->next_step = 1;
    deadlines_init(&core->deadlines);
    core->lease.doubt.kind = DUE_DOUBT;
    core->lease.over.kind = DUE_LEASE_OVER;
    core->divide_due.kind = DUE_DIVIDE;
    core->full_due.kind = DUE_FULL;
    core->late_due.kind = DUE_LATE;
    core->audit_due.kind = DUE_AUDIT;
    core->seen_due.kind = DUE_SEEN;
    core->stranded_due.kind = DUE_STRANDED;
    core->drain_due.kind = DUE_DRAIN_OVER;
    return core;
}

void core_free(struct core *core)
{
    if (!core)
        return;
    while (core->jobs)
        hold_free(core, core->jobs);
    hold_forget_freed(core);
    while (core->shards)
        shard_drop(core, core->shards, false);
    struct skip *skip, *other;
    DL_FOREACH_SAFE(core->skip_list, skip, other)
    {
        HASH_DEL(core->skips, skip);
        free(skip);
    }
    flows_done(core);
    deadlines_done(&core->deadlines);
    arena_done(&core->names);
    arena_done(&core->scratch);
    arena_done(&core->member_arena);
    arena_done(&core->pool_arena);
    free(core->effects);
    free(core->owned_tags);
    free(core);
}

/* The serial stands in the tag, so that a late answer finds its hold, or nothing. */
uint64_t core_new_tag(struct core *core, const struct job *job)
{
    core->next_tag = core->next_tag % TAG_MAX + 1;
    return (job ? job->serial : 0) << TAG_BITS | core->next_tag;
}

struct job *hold_by_tag(struct core *core, uint64_t tag)
{
    uint64_t serial = tag >> TAG_BITS;
    struct job *job = NULL;
    HASH_FIND(hh_serial, core->by_serial, &serial, sizeof serial, job);
    return job;
}

struct core_effect *core_emit(struct core *core, enum effect_kind kind)
{
    if (core->effect_count == core->effect_capacity) {
        core->effect_capacity = core->effect_capacity ? core->effect_capacity * 2 : 64;
        core->effects = xrealloc(core->effects, core->effect_capacity, sizeof core->effects[0]);
    }
    struct core_effect *effect = &core->effects[core->effect_count++];
    *effect = (struct core_effect){.kind = kind};
    return effect;
}

void core_moved(struct core *core, enum moved_what what, const struct job *job,
                const struct unit *unit, const char *from, const char *to, struct text detail)
{
    struct core_effect *effect = core_emit(core, EFFECT_MOVED);
    effect->u.moved.what = what;
    if (job) {
        effect->u.moved.job = job->id;
        effect->u.moved.epoch = job->epoch;
    }
    if (unit) {
        effect->u.moved.task = arena_text(&core->scratch, unit->path);
        effect->u.moved.attempt = unit->attempt;
    }
    effect->u.moved.from = from;
    effect->u.moved.to = to;
    effect->u.moved.detail = arena_text(&core->scratch, detail);
}

void core_trouble(struct core *core, const char *event, const struct job *job, struct text text)
{
    struct core_effect *effect = core_emit(core, EFFECT_TROUBLE);
    effect->u.trouble.event = event;
    if (job)
        effect->u.trouble.job = job->id;
    effect->u.trouble.text = arena_text(&core->scratch, text);
}

bool core_may_begin(const struct core *core)
{
    return core->lease.state == LEASE_GOOD && core->store_up && core->drain == DRAIN_NO;
}

/* ------------------------------------------------------------------------------------ draining */

static void leave_when_empty(struct core *core)
{
    if (core->drain == DRAIN_ASKED && core->job_count == 0) {
        core->drain = DRAIN_CLOSING;
        if (core->lease.state != LEASE_NONE)
            core_emit(core, EFFECT_CLOSE);
    }
    if (core->drain == DRAIN_CLOSING && core->lease.state == LEASE_NONE && core->job_count == 0) {
        core->drain = DRAIN_DONE;
        core_emit(core, EFFECT_EXIT);
    }
}

static void begin_drain(struct core *core)
{
    if (core->drain != DRAIN_NO)
        return;
    core->drain = DRAIN_ASKED;
    division_take_part(core);
    deadlines_set(&core->deadlines, &core->drain_due, core->now_ms + core->options.grace_ms);
    struct job *job, *other;
    DL_FOREACH_SAFE(core->jobs, job, other)
    {
        if (job->hold == HOLD_RUNNING)
            progress_hand_over(core, job);
    }
}

static void stop_steps_for_handover(struct core *core)
{
    struct unit *unit, *other;
    HASH_ITER(hh, core->steps, unit, other)
    {
        if (unit->stop != STOP_NONE)
            continue;
        unit->stop = STOP_HANDOVER;
        if (!unit->step_sent)
            continue; /* its start is not durable yet: it is left to the next owner */
        struct core_effect *effect = core_emit(core, EFFECT_STOP_STEP);
        effect->u.stop.step = unit->step;
        effect->u.stop.grace_ms = core->options.grace_ms;
        core->counts.steps_killed++;
    }
}

static void drain_now(struct core *core)
{
    begin_drain(core);
    if (core->drain != DRAIN_ASKED)
        return;
    core->drain = DRAIN_CLOSING;
    hold_drop_all(core, "told to stop at once");
    if (core->lease.state != LEASE_NONE)
        core_emit(core, EFFECT_CLOSE);
}

/* ------------------------------------------------------------------------------------- dispatch */

static void on_store_up(struct core *core)
{
    core->store_up = true;
    deadlines_cancel(&core->deadlines, &core->stranded_due);
    if (core->lease.state != LEASE_NONE)
        late_begin(core);
    division_take_part(core);
}

#define STRANDED_MS 10000

static void on_store_down(struct core *core)
{
    core->store_up = false;
    core->late_tag = core->audit_tag = 0;
    core->owned_count = 0;
    deadlines_set(&core->deadlines, &core->stranded_due, core->now_ms + STRANDED_MS);
    division_take_part(core);
}

/* A peer in the division has Postgres: what we hold is better off with it. */
static void stranded(struct core *core)
{
    bool peer = false;
    for (size_t i = 0; i < core->member_count; i++)
        peer |= core->members[i].dividing && !uuid_equal(&core->members[i].boot, &core->lease.boot);
    if (core->lease.state != LEASE_NONE && peer && core->job_count > 0) {
        hold_drop_all(core, "Postgres is away here and a peer has it");
        core_emit(core, EFFECT_GIVE_UP);
        core->counts.sessions_given_up++;
    } else {
        deadlines_set(&core->deadlines, &core->stranded_due, core->now_ms + STRANDED_MS);
    }
}

static void on_due(struct core *core, struct deadline *due)
{
    switch ((enum due_kind)due->kind) {
    case DUE_DOUBT:
    case DUE_LEASE_OVER:
        lease_due(core, due);
        break;
    case DUE_DIVIDE:
        division_take_part(core);
        break;
    case DUE_FULL:
        division_full_due(core);
        break;
    case DUE_LATE:
        late_due_now(core);
        break;
    case DUE_AUDIT:
        audit_due_now(core);
        break;
    case DUE_SEEN:
        if (core->lease.state == LEASE_GOOD)
            core_emit(core, EFFECT_LEASE_SEEN);
        deadlines_set(&core->deadlines, &core->seen_due, core->now_ms + core->lease.timeout_ms / 3);
        break;
    case DUE_STRANDED:
        stranded(core);
        break;
    case DUE_DRAIN_OVER:
        stop_steps_for_handover(core);
        break;
    case DUE_SHARD:
        shard_due(core, due->owner);
        break;
    case DUE_JOB:
        claim_due(core, due->owner);
        break;
    case DUE_UNIT:
        progress_unit_due(core, due->owner);
        break;
    case DUE_LIMIT:
        progress_limit_due(core, due->owner);
        break;
    }
}

static void on_rows(struct core *core, const struct core_event *event)
{
    struct job *job = hold_by_tag(core, event->tag);
    if (job && job->tag == event->tag)
        claim_rows(core, job, event);
    else if (!shard_rows(core, event))
        late_rows(core, event);
}

static void on_step(struct core *core, const struct core_event *event)
{
    struct unit *unit = NULL;
    HASH_FIND(hh, core->steps, &event->u.step.step, sizeof event->u.step.step, unit);
    if (!unit) {
        core->counts.stale_events++;
        return;
    }
    if (event->kind != EVENT_STEP_STARTED)
        progress_step_ended(core, unit, &event->u.step, event->kind == EVENT_STEP_ENDED);
}

/* The job that waits for this answer, NULL when nobody does any more. */
static struct job *waiting_job(struct core *core, const struct core_event *event)
{
    struct job *job = hold_by_tag(core, event->tag);
    uint64_t expected = !job ? 0 : event->kind == EVENT_SAVED ? job->save_tag : job->tag;
    if (job && expected == event->tag)
        return job;
    core->counts.stale_events++;
    return NULL;
}

static void on_tick(struct core *core, const struct core_event *event)
{
    /* What is due was done before. */
}

static void on_drain(struct core *core, const struct core_event *event)
{
    if (event->kind == EVENT_DRAIN)
        begin_drain(core);
    else
        drain_now(core);
}

static void on_store(struct core *core, const struct core_event *event)
{
    if (event->kind == EVENT_STORE_UP)
        on_store_up(core);
    else
        on_store_down(core);
}

static void on_answer(struct core *core, const struct core_event *event)
{
    static void (*const takers[EVENT_KINDS])(struct core *, struct job *,
                                             const struct core_event *) = {
        [EVENT_LOCKED] = claim_locked,   [EVENT_UNLOCKED] = hold_unlocked,
        [EVENT_CLAIMED] = claim_claimed, [EVENT_LOADED] = claim_loaded,
        [EVENT_SAVED] = save_answered,
    };
    struct job *job = waiting_job(core, event);
    if (job)
        takers[event->kind](core, job, event);
}

static void (*const handlers[EVENT_KINDS])(struct core *, const struct core_event *) = {
    [EVENT_TICK] = on_tick,
    [EVENT_DRAIN] = on_drain,
    [EVENT_DRAIN_NOW] = on_drain,
    [EVENT_SESSION_BEGAN] = lease_began,
    [EVENT_ALIVE] = lease_alive,
    [EVENT_SESSION_ENDED] = lease_ended,
    [EVENT_MEMBERS] = division_members,
    [EVENT_POOLS] = division_pools,
    [EVENT_SHARD_CHANGED] = shard_changed,
    [EVENT_CARDS] = shard_cards,
    [EVENT_LOCKED] = on_answer,
    [EVENT_UNLOCKED] = on_answer,
    [EVENT_STORE_UP] = on_store,
    [EVENT_STORE_DOWN] = on_store,
    [EVENT_ROWS] = on_rows,
    [EVENT_CLAIMED] = on_answer,
    [EVENT_LOADED] = on_answer,
    [EVENT_SAVED] = on_answer,
    [EVENT_STEP_STARTED] = on_step,
    [EVENT_STEP_FAILED] = on_step,
    [EVENT_STEP_ENDED] = on_step,
};

void core_step(struct core *core, const struct core_event *event, struct effect_list *ret_effects)
{
    CHECK(event->now_ms >= core->now_ms);
    core->now_ms = event->now_ms;
    core->effect_count = 0;
    hold_forget_freed(core);
    arena_reset(&core->scratch);
    /* What is due comes first: an engine that was frozen judges its lease before anything else. */
    struct deadline *due;
    while ((due = deadlines_pop(&core->deadlines, core->now_ms)))
        on_due(core, due);
    CHECK(event->kind < EVENT_KINDS);
    handlers[event->kind](core, event);
    progress_fill_queue(core);
    claim_fill(core);
    division_weigh(core);
    save_flush(core);
    leave_when_empty(core);
    *ret_effects = (struct effect_list){core->effects, core->effect_count};
}

int64_t core_deadline_ms(const struct core *core)
{
    return deadlines_next_ms(&core->deadlines);
}

int core_free_slots(const struct core *core)
{
    if (core->drain != DRAIN_NO || core->job_count >= (size_t)core->options.slots)
        return 0;
    return core->options.slots - (int)core->job_count;
}

bool core_is_draining(const struct core *core)
{
    return core->drain != DRAIN_NO;
}

const struct core_counts *core_counted(const struct core *core)
{
    return &core->counts;
}

size_t core_held_jobs(const struct core *core, struct core_held *ret_held, size_t max)
{
    size_t count = 0;
    for (const struct job *job = core->jobs; job; job = job->next) {
        if (job->hold != HOLD_RUNNING && job->hold != HOLD_STOPPING)
            continue;
        if (count < max)
            ret_held[count] = (struct core_held){job->id, job->claim, job->epoch, (int)job->steps};
        count++;
    }
    return count;
}
