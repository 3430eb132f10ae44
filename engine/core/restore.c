/* SPDX-License-Identifier: Apache-2.0 */
/* The tree as the rows have it, after a claim: of a fresh job as well as of one taken over in the
 * middle of anything. States and documents come from the rows; everything else (joins, who fails,
 * who may start) is computed from them by the same code that computed it before. */
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/core/rerun.h"

struct restore {
    struct core *core;
    struct job *job;
    const struct task_row *rows; /* sorted by path */
    size_t count;
    struct unit *broke;   /* whose revert failed first and stopped the job, NULL: none */
    struct unit **paused; /* between two attempts */
    size_t paused_count, paused_capacity;
};

static int compare_rows(const void *a, const void *b)
{
    return text_compare(((const struct task_row *)a)->path, ((const struct task_row *)b)->path);
}

static const struct task_row *find_row(const struct restore *restore, struct text path)
{
    struct task_row key = {.path = path};
    if (restore->count == 0)
        return NULL;
    return bsearch(&key, restore->rows, restore->count, sizeof key, compare_rows);
}

/* ----------------------------------------------------------------------------- states and parts */

static bool was_begun(const struct task_row *row)
{
    return row && row->state != TASK_PENDING && row->state != TASK_SKIPPED;
}

static void take_row(struct unit *unit, const struct task_row *row)
{
    struct job *job = unit->job;
    unit->state = unit->saved_state = (int)row->state;
    unit->attempt = row->attempt;
    unit->result = arena_text(&job->arena, row->result);
    unit->failure = arena_text(&job->arena, row->failure);
    unit->started = was_begun(row) && !rerun_given(unit);
    notes_read(unit, row->internal);
    unit->undo_failed = row->state == TASK_REVERT_FAILURE;
    job->bytes += unit->result.len;
    job->broken |= unit->undo_failed && !unit_is_in_finally(unit);
    if (unit->order > job->failures)
        job->failures = unit->order;
    if (unit->broke > job->failures)
        job->failures = unit->broke;
    if (unit->own > job->failures)
        job->failures = unit->own;
    if (unit->pause > job->pauses)
        job->pauses = unit->pause;
}

static void restore_unit(struct restore *restore, struct unit *unit);

static void restore_items(struct restore *restore, struct unit *unit)
{
    struct text failure;
    if (!each_read(restore->core, unit, &failure))
        return; /* what the list is computed from is not what it was: it begins without its items */
    struct each *each = unit->each;
    struct unit *first = NULL;
    for (uint32_t i = 0; i < each->count; i++) {
        struct text path =
            arena_printf(&restore->core->scratch, "%.*s/%u", TEXT_ARG(unit->path), i);
        const struct task_row *row = find_row(restore, path);
        if (!row || row->state == TASK_PENDING)
            continue; /* others have overtaken it: it waited for a process, or a rerun wants it */
        struct unit *item = each_item(unit, i);
        restore_unit(restore, item);
        each->succeeded += item->state == TASK_SUCCESS;
        each->failed += item->state == TASK_FAILURE;
        each->failed_with_it += item->state == TASK_FAILURE && item->cancelled;
        /* While its foreach runs, an item that is REVERTING undoes itself. */
        each->active +=
            !unit_has_ended(item) && (item->state != TASK_REVERTING || unit->state == TASK_RUNNING);
        each->stopped |=
            item->state == TASK_SKIPPED || (item->state == TASK_FAILURE && each->fail_fast);
        if (item->state == TASK_FAILURE && (!first || item->order < first->order))
            first = item;
    }
    each_pass(each);
    if (first)
        each_tell_first(restore->core, first);
}

static void restore_rounds(struct restore *restore, struct unit *unit)
{
    unit->rounds = xcalloc(1, sizeof *unit->rounds);
    for (unsigned i = 0;; i++) {
        struct text path =
            arena_printf(&restore->core->scratch, "%.*s/%u", TEXT_ARG(unit->path), i);
        const struct task_row *row = find_row(restore, path);
        if (!row || row->state == TASK_PENDING)
            return;
        restore_unit(restore, rounds_add(unit));
    }
}

/* What a task needs comes before it: which items it has may be computed from that. */
static void restore_level(struct restore *restore, struct unit *owner)
{
    struct level *level = level_new(owner, owner->plan->nested);
    for (uint32_t i = 0; i < level->plan->task_count; i++)
        restore_unit(restore, &level->units[level->plan->by_needs[i]]);
}

static void restore_unit(struct restore *restore, struct unit *unit)
{
    const struct task_row *row = find_row(restore, unit->path);
    if (row)
        take_row(unit, row);
    bool was_given = row && row->state == TASK_SUCCESS && rerun_given(unit);
    if ((!was_begun(row) || was_given) && unit->kind != UNIT_JOB)
        return;
    if (!unit_has_attempts(unit)) {
        if (unit->plan->foreach.present && unit->kind != UNIT_ITEM)
            restore_items(restore, unit);
        else
            restore_rounds(restore, unit);
    } else if (unit->plan->verb == VERB_TASKS) {
        restore_level(restore, unit);
    }
}

/* ------------------------------------------------------------------------- what follows from them
 */

static int compare_orders(const void *a, const void *b)
{
    const struct unit *one = *(struct unit *const *)a, *other = *(struct unit *const *)b;
    return (one->order > other->order) - (one->order < other->order);
}

static void judge_failures(struct restore *restore, struct level *level)
{
    uint32_t count = 0;
    struct unit **failed =
        arena_calloc(&restore->core->scratch, level->plan->task_count, sizeof *failed);
    for (uint32_t i = 0; i < level->plan->task_count; i++) {
        if (level->units[i].order > 0)
            failed[count++] = &level->units[i];
    }
    qsort(failed, count, sizeof *failed, compare_orders);
    for (uint32_t i = 0; i < count; i++)
        level_judge(restore->core, failed[i]);
}

/* What is being undone as a part of something had ended before; a flow that undoes itself has not.
 */
static bool has_stopped(const struct unit *unit)
{
    if (unit->state == TASK_REVERTING)
        return unit->order > 0 || !unit->inner || !unit->inner->failing;
    return unit_has_ended(unit);
}

/* Counts what the ended units mean for the others, as if they had just ended. A unit that failed
 * and is being undone counts by its failure; its state says REVERTING by now. */
static void count_level(struct restore *restore, struct level *level)
{
    for (uint32_t i = 0; i < level->plan->task_count; i++) {
        struct unit *unit = &level->units[i];
        bool ended = has_stopped(unit);
        level->open -= ended;
        if (!ended && unit->state != TASK_PENDING)
            level_activate(unit, true);
        if (ended)
            join_count_dependents(unit);
    }
    judge_failures(restore, level);
    const struct unit *owner = level->owner;
    bool is_going_on = owner->state == TASK_RUNNING || owner->state == TASK_REVERTING;
    if (is_going_on && owner->own > 0 && owner->order == 0)
        level_fail(restore->core, level, owner->failure, owner->own);
    bool lives = owner->state == TASK_RUNNING || owner->kind == UNIT_JOB ||
                 (owner->state == TASK_REVERTING && level->failing && owner->order == 0);
    level->ended = !lives || owner->state == TASK_RETRYING || unit_has_ended(owner);
}

static void each_part(struct restore *restore, struct unit *unit,
                      void (*visit)(struct restore *restore, struct unit *unit))
{
    for (uint32_t i = 0; unit->inner && i < unit->inner->plan->task_count; i++)
        visit(restore, &unit->inner->units[i]);
    for (uint32_t i = 0; unit->each && i < unit->each->count; i++) {
        if (unit->each->items[i])
            visit(restore, unit->each->items[i]);
    }
    for (size_t i = 0; unit->rounds && i < unit->rounds->count; i++)
        visit(restore, unit->rounds->list[i]);
}

/* What a failed revert left undone reaches as far as it did before. */
static void count_failed_undo(struct restore *restore, struct unit *unit)
{
    struct unit *outer = unit_outer(unit);
    if (unit->undo_failed && outer)
        outer->undo_failed = true;
    if (unit->broke > 0)
        restore->broke = unit;
}

/* An item that failed had undone itself before the others end. */
static void count_reverts(struct unit *unit)
{
    if (unit->kind == UNIT_ITEM && unit->state == TASK_FAILURE)
        unit->parent->reverts_ran |= unit->reverts_ran;
}

static void count_parts(struct restore *restore, struct unit *unit)
{
    each_part(restore, unit, count_parts);
    count_failed_undo(restore, unit);
    count_reverts(unit);
    if (unit->inner)
        count_level(restore, unit->inner);
}

/* ------------------------------------------------------------------------------------ going on */

static void keep_paused(struct restore *restore, struct unit *unit)
{
    size_t at = restore->paused_count++;
    restore->paused = arena_grow(&restore->core->scratch, restore->paused, at, at + 1,
                                 &restore->paused_capacity, sizeof *restore->paused);
    restore->paused[at] = unit;
}

static void go_on(struct restore *restore, struct unit *unit)
{
    bool in_live_level = !unit->level || !unit->level->ended;
    each_part(restore, unit, go_on);
    if (!unit_has_ended(unit) && unit->started && unit->state != TASK_REVERTING) {
        unit->resumes = unit->kind != UNIT_JOB;
        if (unit->halted != STOP_NONE)
            unit_halt(restore->core, unit, unit->halted);
        else
            unit_arm(restore->core, unit);
    }
    if (unit->state == TASK_REVERTING) {
        unit->resumes = !unit->inner && !unit->each && !unit->rounds;
        return; /* the undoing of its level comes to it */
    }
    if (unit_has_ended(unit) || !in_live_level || unit->kind == UNIT_JOB)
        return;
    if (unit->state == TASK_PENDING) {
        if (unit->level && unit->plan->need_count > 0)
            join_decide(restore->core, unit);
        else if (unit->level)
            unit_push(unit);
        return;
    }
    unit->resumes = true;
    if (unit->state == TASK_RETRYING)
        keep_paused(restore, unit);
    else if (!unit->inner)
        unit_push(unit);
}

static int compare_pauses(const void *a, const void *b)
{
    const struct unit *one = *(struct unit *const *)a, *other = *(struct unit *const *)b;
    return (one->pause > other->pause) - (one->pause < other->pause);
}

/* Pauses begin anew, in the order in which they had begun. */
static void go_on_pausing(struct restore *restore)
{
    if (restore->paused_count > 0)
        qsort(restore->paused, restore->paused_count, sizeof *restore->paused, compare_pauses);
    for (size_t i = 0; i < restore->paused_count; i++)
        unit_push(restore->paused[i]);
    restore->paused_count = 0;
}

static void settle(struct restore *restore, struct unit *unit)
{
    each_part(restore, unit, settle);
    if (unit->inner)
        level_settle(restore->core, unit->inner);
}

static void begin(struct restore *restore, struct unit *root)
{
    struct job *job = restore->job;
    job->restoring = true;
    root->state = TASK_RUNNING;
    root->attempt = 1;
    root->started = true;
    restore_unit(restore, root);
    bool reverts_ran = root->reverts_ran;
    /* Its row may be older than the state of the job, and a hand-over moved only that one. */
    if (root->state == TASK_RUNNING || root->state == TASK_REVERTING)
        root->state = job->state == JOB_REVERTING ? TASK_REVERTING : TASK_RUNNING;
    job->counting = true;
    count_parts(restore, root);
    if (unit_has_ended(root))
        root->reverts_ran = reverts_ran; /* the flows inside are judged no more */
    if (restore->broke)
        job_halt(restore->core, job, FAIL_REVERT_ALL, restore->broke->failure, FAILURE_LAST);
    job->counting = false;
    for (size_t i = 0; i < job->halt_count; i++) {
        if (!unit_has_ended(root))
            job_halt(restore->core, job, job->verdict, job->halts[i].failure, job->halts[i].order);
    }
    go_on(restore, root);
    go_on_pausing(restore);
    job->restoring = false;
}

void restore_tree(struct core *core, struct job *job, struct task_row *rows, size_t count)
{
    struct restore restore = {.core = core, .job = job, .rows = rows, .count = count};
    struct unit *root = job->root;
    if (count)
        qsort(rows, count, sizeof *rows, compare_rows);
    begin(&restore, root);
    const struct flow_task *last = job->flow->flow->finally;
    if (unit_has_ended(root)) {
        job->output = root->result;
        job->failure = root->failure;
        job->flow_ended = true; /* what `finally` computes sees how the job ended */
        job->final_state = job_state_after(root);
        if (last) {
            job->last = unit_new(job, UNIT_FINALLY, last, NULL, 0);
            restore_unit(&restore, job->last);
            count_parts(&restore, job->last);
            go_on(&restore, job->last);
            go_on_pausing(&restore);
        }
        progress_flow_ended(core, job, job_state_after(root));
        if (job->last)
            settle(&restore, job->last);
    } else if (root->state == TASK_RETRYING) {
        root->resumes = true;
        unit_push(root);
    } else {
        settle(&restore, root);
    }
}
