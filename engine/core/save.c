/* SPDX-License-Identifier: Apache-2.0 */
/* Save before act: the open set of changes, the one in flight, and the outbox behind it. */
#include <stdlib.h>
#include <utlist.h>

#include "engine/core/tree_private.h"

#define BUSY_PAUSE_MS 20

/* ------------------------------------------------------------------------------ collecting */

static struct change_set *open_set(struct job *job)
{
    struct change_set *set = job->open;
    set->state = (enum job_state)job->state;
    return set;
}

static struct task_change *add_change(struct change_set *set, struct unit *owner)
{
    size_t count = set->task_count;
    set->tasks = arena_grow(&set->arena, set->tasks, count, count + 1, &set->task_capacity,
                            sizeof *set->tasks);
    set->owners = arena_grow(&set->arena, set->owners, count, count + 1, &set->owner_capacity,
                             sizeof(struct unit *));
    set->tasks[count] = (struct task_change){0};
    set->owners[count] = owner;
    return &set->tasks[set->task_count++];
}

struct task_change *save_unit(struct job *job, struct unit *unit)
{
    struct change_set *set = open_set(job);
    if (unit->change < 0) {
        unit->change = (int)set->task_count;
        add_change(set, unit);
    }
    struct task_change *change = &set->tasks[unit->change];
    change->row.path = unit->path;
    change->row.state = (enum task_state)unit->state;
    change->row.attempt = unit->attempt;
    change->row.result = unit->result;
    change->row.failure = unit->failure;
    change->row.internal = notes_write(&set->arena, unit);
    return change;
}

void save_row(struct job *job, const struct task_row *row, bool begins)
{
    struct change_set *set = open_set(job);
    struct task_change *change = add_change(set, NULL);
    set->has_orphans = true;
    change->row = *row;
    change->row.path = arena_text(&set->arena, row->path);
    change->row.result = arena_text(&set->arena, row->result);
    change->row.failure = arena_text(&set->arena, row->failure);
    change->row.internal = arena_text(&set->arena, row->internal);
    change->begins = begins;
}

void save_line(struct job *job, const struct unit *unit, int state, struct text detail)
{
    struct change_set *set = open_set(job);
    set->lines = arena_grow(&set->arena, set->lines, set->line_count, set->line_count + 1,
                            &set->line_capacity, sizeof *set->lines);
    set->lines[set->line_count++] = (struct history_line){
        .task = unit ? unit->path : TEXT_NONE,
        .attempt = unit ? unit->attempt : 0,
        .state = state,
        .detail = arena_text(&set->arena, detail),
    };
}

void save_start(struct job *job, struct unit *unit)
{
    struct change_set *set = open_set(job);
    set->starts = arena_grow(&set->arena, set->starts, set->start_count, set->start_count + 1,
                             &set->start_capacity, sizeof(struct unit *));
    set->starts[set->start_count++] = unit;
}

static void forget_in(struct unit **list, size_t count, const struct unit *unit)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == unit)
            list[i] = NULL;
    }
}

void save_forget_unit(struct job *job, struct unit *unit)
{
    if (unit->change >= 0) {
        job->open->owners[unit->change] = NULL;
        job->open->has_orphans = true;
    }
    forget_in(job->open->starts, job->open->start_count, unit);
    forget_in(job->sent->owners, job->sent->task_count, unit);
    forget_in(job->sent->starts, job->sent->start_count, unit);
    forget_in(job->outbox, job->outbox_count, unit);
}

void save_forget(struct change_set *set)
{
    struct arena arena = set->arena;
    arena_reset(&arena);
    *set = (struct change_set){.arena = arena};
}

void save_sets_done(struct job *job)
{
    arena_done(&job->sets[0].arena);
    arena_done(&job->sets[1].arena);
}

/* --------------------------------------------------------------------------------- sending */

void save_wanted(struct core *core, struct job *job)
{
    if (job->wants_save)
        return;
    job->wants_save = true;
    job->save_next = NULL;
    struct job **link = &core->to_save;
    while (*link)
        link = &(*link)->save_next;
    *link = job;
}

void save_again(struct core *core, struct job *job)
{
    const struct change_set *set = job->sent;
    job->save_waits = false;
    job->save_tag = core_new_tag(core, job);
    struct core_effect *effect = core_emit(core, EFFECT_SAVE);
    effect->tag = job->save_tag;
    effect->u.save = (struct save){
        .job = job->id,
        .epoch = job->epoch,
        .claim = job->claim,
        .save_no = job->save_no,
        .state = set->state,
        .ends_claim = set->ends_claim,
        .inbox_seen = job->inbox_seq,
        .inbox_applied = job->inbox_applied,
        .records_step = set->records_step,
        .output = set->output,
        .failure = set->failure,
        .engine = core->options.engine,
        .tasks = set->tasks,
        .task_count = set->task_count,
        .history = set->lines,
        .history_count = set->line_count,
    };
    core->counts.saves++;
}

struct numbered {
    struct text path;
    size_t number;
};

static int compare_numbered(const void *a, const void *b)
{
    const struct numbered *one = a, *other = b;
    int order = text_compare(one->path, other->path);
    return order ? order : (one->number > other->number) - (one->number < other->number);
}

/* A unit that took the place of one that is no more has the same path: its row, the later one, is
 * the one that counts. A save writes each row once. */
static void drop_doubled(struct core *core, struct change_set *set)
{
    size_t count = set->task_count, kept = 0;
    struct numbered *sorted = arena_calloc(&core->scratch, count, sizeof *sorted);
    bool *is_doubled = arena_calloc(&core->scratch, count, sizeof *is_doubled);
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct numbered){set->tasks[i].row.path, i};
    qsort(sorted, count, sizeof *sorted, compare_numbered);
    for (size_t i = 0; i + 1 < count; i++)
        is_doubled[sorted[i].number] = text_equal(sorted[i].path, sorted[i + 1].path);
    for (size_t i = 0; i < count; i++) {
        if (is_doubled[i])
            continue;
        set->tasks[kept] = set->tasks[i];
        set->owners[kept++] = set->owners[i];
    }
    set->task_count = kept;
}

static void send(struct core *core, struct job *job)
{
    bool has_changes = job->open->task_count || job->open->line_count;
    if (job->hold != HOLD_RUNNING || job->save_tag || job->save_waits || !has_changes)
        return;
    struct change_set *set = job->open;
    job->open = job->sent;
    job->sent = set;
    for (size_t i = 0; i < set->task_count; i++) {
        if (set->owners[i])
            set->owners[i]->change = -1;
    }
    if (set->has_orphans)
        drop_doubled(core, set);
    save_again(core, job);
}

void save_flush(struct core *core)
{
    while (core->to_save) {
        struct job *job = core->to_save;
        core->to_save = job->save_next;
        job->wants_save = false;
        send(core, job);
    }
}

/* ----------------------------------------------------------------------------------- outbox */

static void start_step(struct core *core, struct unit *unit)
{
    struct core_effect *effect = core_emit(core, EFFECT_START_STEP);
    effect->u.start = *unit->spec;
    unit->step_sent = true;
    core->counts.steps_started++;
    if (unit->timeout_ms > 0)
        deadlines_set(&core->deadlines, &unit->due, core->now_ms + unit->timeout_ms);
    if (unit->stop == STOP_NONE)
        return;
    /* It was told to stop before it was durable. */
    effect = core_emit(core, EFFECT_STOP_STEP);
    effect->u.stop.step = unit->step;
    effect->u.stop.grace_ms = 0;
}

void save_release_outbox(struct core *core, struct job *job)
{
    if (job->hold != HOLD_RUNNING || core->lease.state != LEASE_GOOD)
        return;
    for (size_t i = 0; i < job->outbox_count; i++) {
        struct unit *unit = job->outbox[i];
        if (!unit || !unit->step || unit->step_sent)
            continue; /* it was told to stop meanwhile, and may be no more, or be another attempt */
        if (unit->stop == STOP_HANDOVER)
            progress_forget_step(core, unit);
        else
            start_step(core, unit);
    }
    job->outbox_count = 0;
}

static void fill_outbox(struct job *job, const struct change_set *set)
{
    size_t count = job->outbox_count + set->start_count;
    job->outbox = arena_grow(&job->arena, job->outbox, job->outbox_count, count,
                             &job->outbox_capacity, sizeof(struct unit *));
    for (size_t i = 0; i < set->start_count; i++)
        job->outbox[job->outbox_count++] = set->starts[i];
}

/* ---------------------------------------------------------------------------------- answers */

static void leave(struct core *core, struct job *job, int64_t ready_at_us)
{
    bool released = job->state == JOB_READY;
    core->counts.released += released;
    core->counts.finished += !released;
    hold_move(core, job, HOLD_LEAVING);
    job->tag = core_new_tag(core, job);
    struct core_effect *effect = core_emit(core, released ? EFFECT_RELEASE : EFFECT_CONSUME);
    effect->tag = job->tag;
    effect->u.board.boot = job->boot;
    effect->u.board.claim = job->claim;
    effect->u.board.card = job->card;
    effect->u.board.fresh = job->card;
    effect->u.board.fresh.ready_at_us = ready_at_us;
    if (job->pool) {
        effect->u.board.tags = job->pool->tags;
        effect->u.board.tag_count = job->pool->tag_count;
    }
}

static void saved(struct core *core, struct job *job, const struct save_answer *answer)
{
    struct change_set *set = job->sent;
    job->save_no++;
    for (size_t i = 0; i < set->task_count; i++) {
        if (set->owners[i])
            set->owners[i]->saved_state = (int)set->tasks[i].row.state;
    }
    fill_outbox(job, set);
    bool ends = set->ends_claim;
    save_forget(set);
    if (ends) {
        leave(core, job, answer->ready_at_us);
        return;
    }
    if (job->looking) {
        claim_load(core, job);
        return;
    }
    save_release_outbox(core, job);
    progress_advance(core, job);
    save_wanted(core, job);
}

/* Something came in before the end. What the save says of the tasks stands and is saved; the end is
 * taken back, whose line is the last one. Then the inbox is read, and what follows from it decides
 * whether this is the end. */
static void save_without_end(struct core *core, struct job *job)
{
    struct change_set *set = job->sent;
    CHECK(set->ends_claim && set->line_count > 0 && !set->lines[set->line_count - 1].task.data);
    job->looking = true;
    job->state = (int)set->state_before;
    set->line_count--;
    set->ends_claim = false;
    set->state = set->state_before;
    set->output = set->failure = TEXT_NONE;
    if (set->task_count > 0) {
        save_again(core, job);
        return;
    }
    CHECK(set->line_count == 0);
    save_forget(set);
    claim_load(core, job);
}

void save_answered(struct core *core, struct job *job, const struct core_event *event)
{
    const struct save_answer *answer = &event->u.save;
    job->save_tag = 0;
    switch (answer->outcome) {
    case SAVE_ALREADY:
        core->counts.saves_already++;
        saved(core, job, answer);
        return;
    case SAVE_OK:
        saved(core, job, answer);
        return;
    case SAVE_BUSY:
        core->counts.saves_busy++;
        job->save_waits = true;
        deadlines_set(&core->deadlines, &job->due, core->now_ms + BUSY_PAUSE_MS);
        return;
    case SAVE_UNKNOWN:
        core->counts.saves_unknown++;
        save_again(core, job); /* identically */
        return;
    case SAVE_INBOX:
        core->counts.saves_inbox++;
        save_without_end(core, job);
        return;
    case SAVE_REFUSED:
        core->counts.saves_refused++;
        hold_drop(core, job, "a save was refused: the job is another's");
        return;
    case SAVE_BAD:
        core->counts.saves_bad++;
        job->looking = false;
        save_forget(job->sent);
        progress_abandon(core, job, answer->error);
        return;
    }
}
