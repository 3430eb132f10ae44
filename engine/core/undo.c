/* SPDX-License-Identifier: Apache-2.0 */
/* Undoing: every task of a flow of which a verb was started, in reverse order of the needs. */
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/core/tree_private.h"

void undo_level(struct core *core, struct level *level, bool by_itself)
{
    uint32_t count = level->plan->task_count;
    level->undoing = true;
    level->undoes_itself = by_itself;
    level->undo_open = count;
    free(level->undo_waits);
    level->undo_waits = xcalloc(count, sizeof *level->undo_waits);
    for (uint32_t i = 0; i < count; i++)
        level->undo_waits[i] = (uint32_t)level->plan->tasks[i].dependent_count;
    for (uint32_t i = count; i-- > 0;) {
        if (level->undo_waits[i] == 0)
            unit_push(&level->units[i]);
    }
}

const struct level *undo_origin(const struct unit *unit)
{
    for (const struct unit *at = unit; at; at = unit_outer(at)) {
        if (at->level && at->level->undoing && at->level->undoes_itself)
            return at->level;
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------ one unit */

static void leave(struct core *core, struct unit *unit, const char *why)
{
    save_line(unit->job, unit, unit->state, text_of(why));
    unit->undone = true;
    unit_note(core, unit);
    undo_unit_done(core, unit);
}

static void undo_leaf(struct core *core, struct unit *unit)
{
    const struct flow_task *revert = unit->plan->revert;
    bool runs = true;
    if (!revert) {
        leave(core, unit, "no revert");
        return;
    }
    struct reading reading;
    reading_begin(&reading, core, unit);
    reading.scope.result = unit->result.data ? unit->result : TEXT("null");
    if (revert->run_if && !reading_condition(&reading, "revert.if", revert->run_if, &runs)) {
        undo_failed(core, unit, reading_failure(&reading));
        return;
    }
    if (runs)
        attempt_begin_revert(core, unit);
    else
        leave(core, unit, "revert if");
}

static bool has_nothing_to_undo(const struct unit *unit)
{
    return unit->undone || !unit->started || unit->state == TASK_REVERTED ||
           unit->state == TASK_REVERT_FAILURE;
}

static void wait_for_next(struct core *core, struct unit *unit)
{
    const struct flow_retry *retry = &unit->plan->revert->retry;
    deadlines_set(&core->deadlines, &unit->due,
                  core->now_ms + retry_delay_ms(core, unit, retry, unit->revert_attempt));
}

/* After a takeover between two attempts the pause begins anew. */
static void go_on_reverting(struct core *core, struct unit *unit)
{
    if (!unit->resumes || !unit->revert_over) {
        attempt_begin_revert(core, unit);
        return;
    }
    unit->resumes = false;
    wait_for_next(core, unit);
}

void undo_unit(struct core *core, struct unit *unit)
{
    if (unit->state == TASK_REVERT_FAILURE)
        unit->undo_failed = true;
    if (has_nothing_to_undo(unit))
        undo_unit_done(core, unit);
    else if (unit->blocked)
        leave(core, unit, "not undone");
    else if (unit->each)
        each_undo(core, unit);
    else if (unit->rounds)
        rounds_undo(core, unit);
    else if (unit->inner)
        undo_level(core, unit->inner, false);
    else if (unit->state == TASK_REVERTING)
        go_on_reverting(core, unit);
    else
        undo_leaf(core, unit);
}

/* ---------------------------------------------------------------------------------- its results */

/* A flow is REVERTING from the first revert that starts; so is every part around it, the outermost
 * first, up to the flow that undoes itself. */
static void mark_around(struct core *core, const struct unit *unit)
{
    struct unit *outer = unit_outer(unit);
    if (!unit->level || !unit->level->undoes_itself)
        mark_around(core, outer);
    outer->reverts_ran = true;
    if (outer->state != TASK_REVERTING)
        unit_move(core, outer, TASK_REVERTING, TEXT_NONE);
}

void undo_begins(struct core *core, struct unit *unit)
{
    mark_around(core, unit);
    unit->reverts_ran = true;
}

void undo_succeeded(struct core *core, struct unit *unit, struct text detail)
{
    unit->undone = true;
    unit_move(core, unit, TASK_REVERTED, detail);
    undo_unit_done(core, unit);
}

/* The first revert of the job that fails sets the undoing of the whole job off, unless that is
 * under way or the job has ended. */
static bool stops_job(const struct unit *unit)
{
    const struct level *outermost = unit->job->root->inner;
    return !unit->job->broken && !outermost->undoing && !outermost->ended;
}

void undo_failed(struct core *core, struct unit *unit, struct text failure)
{
    const struct flow_retry *retry = &unit->plan->revert->retry;
    struct job *job = unit->job;
    if (unit->state == TASK_REVERTING &&
        retry_wanted(core, unit, retry, unit->revert_attempt, failure)) {
        unit->revert_over = true;
        unit_note(core, unit);
        wait_for_next(core, unit);
        return;
    }
    if (unit->state != TASK_REVERTING) {
        undo_begins(core, unit);
        unit_move(core, unit, TASK_REVERTING, TEXT_NONE);
    }
    bool stops = stops_job(unit);
    if (unit->order > 0)
        unit->cause = unit->failure;
    unit->failure = failure;
    unit->undone = true;
    unit->undo_failed = true;
    if (stops)
        unit->broke = ++job->failures;
    job->broken |= !unit_is_in_finally(unit);
    unit_move(core, unit, TASK_REVERT_FAILURE, TEXT_NONE);
    if (stops)
        job_halt(core, job, FAIL_REVERT_ALL, failure, FAILURE_LAST);
    undo_unit_done(core, unit);
}

static void level_undone(struct core *core, struct level *level)
{
    struct unit *owner = level->owner;
    level->undoing = false;
    for (uint32_t i = 0; i < level->plan->task_count; i++)
        owner->undo_failed |= level->units[i].undo_failed;
    if (!level->undoes_itself) {
        undo_unit_done(core, owner);
        return;
    }
    owner->undone = true;
    attempt_failed(core, owner, level->failure, TEXT_NONE);
}

static void task_undone(struct core *core, struct unit *unit)
{
    struct level *level = unit->level;
    const struct flow_task *plan = unit->plan;
    for (size_t i = plan->need_count; i-- > 0;) {
        struct unit *need = &level->units[plan->needs[i].task];
        need->blocked |= unit->blocked || unit->undo_failed;
        if (--level->undo_waits[plan->needs[i].task] == 0)
            unit_push(need);
    }
    if (--level->undo_open == 0)
        level_undone(core, level);
}

void undo_unit_done(struct core *core, struct unit *unit)
{
    if (unit->state == TASK_REVERTING) {
        unit->undone = true;
        unit_move(core, unit, unit->undo_failed ? TASK_REVERT_FAILURE : TASK_REVERTED, TEXT_NONE);
    } else if (!unit->undone && unit->started) {
        unit->undone = true;
        unit_note(core, unit);
    }
    switch (unit->kind) {
    case UNIT_TASK:
        task_undone(core, unit);
        return;
    case UNIT_ITEM:
        each_item_undone(core, unit);
        return;
    case UNIT_ROUND:
        rounds_round_undone(core, unit);
        return;
    case UNIT_JOB: /* COVER_EXCL_LINE: it undoes itself and is no part of another undoing */
    case UNIT_FINALLY:
        UNREACHABLE();
    }
}
