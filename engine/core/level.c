/* SPDX-License-Identifier: Apache-2.0 */
/* The progress of one flow: its tasks begin when their joins are met, and it ends when all have. */
#include "engine/core/rerun.h"

void level_activate(struct unit *unit, bool active)
{
    if (!unit->level || unit->active == active)
        return;
    unit->active = active;
    unit->level->active += active ? 1 : UINT32_MAX;
}

void level_begin(struct core *core, struct unit *owner)
{
    struct level *level = level_new(owner, owner->plan->nested);
    for (uint32_t i = 0; i < level->plan->task_count; i++) {
        if (level->plan->tasks[i].need_count == 0)
            unit_push(&level->units[i]);
    }
    level_settle(core, level);
}

/* ---------------------------------------------------------------------------------- beginning */

/* False when the task is passed over, or its condition failed. */
static bool passes_if(struct core *core, struct unit *unit)
{
    const struct flow_condition *condition = unit->plan->run_if;
    bool runs = true;
    if (!condition)
        return true;
    struct reading reading;
    reading_begin(&reading, core, unit);
    if (!reading_condition(&reading, "if", condition, &runs)) {
        unit_fail(core, unit, reading_failure(&reading), TEXT("if"));
        return false;
    }
    if (!runs)
        join_pass_over(core, unit);
    return runs;
}

/* An attempt that a takeover continues may end like any running one, also when its flow fails. */
static bool may_begin(const struct unit *unit)
{
    return unit->resumes || !unit->level || !unit->level->failing || unit->escape;
}

void level_consider(struct core *core, struct unit *unit)
{
    struct level *level = unit->level;
    if ((level && level->undoing) || unit->revert_queued) {
        undo_unit(core, unit);
    } else if (unit->each && unit->state == TASK_RUNNING) {
        each_fill(core, unit);
    } else if (unit->rounds && unit->state == TASK_RUNNING) {
        rounds_go_on(core, unit);
    } else if (unit_has_ended(unit) || !may_begin(unit)) {
        /* decided meanwhile, or it stays as it is for the next owner */
    } else if (unit->state == TASK_PENDING) {
        if (unit->level && !rerun_given(unit) && !passes_if(core, unit))
            return;
        unit_start(core, unit);
    } else if (unit->state == TASK_REVERTING) {
        attempt_begin_revert(core, unit);
    } else {
        attempt_begin(core, unit);
    }
    if (level)
        level_settle(core, level);
}

/* ------------------------------------------------------------------------------------- ending */

/* A failed task that this one could handle may be handled now, or not any more. */
static void judge_needs(struct core *core, struct unit *unit)
{
    if (!unit->level || unit->level->pending_failures == 0)
        return;
    for (size_t i = 0; i < unit->plan->need_count; i++) {
        struct unit *need = &unit->level->units[unit->plan->needs[i].task];
        if (need->pending_failure)
            level_judge(core, need);
    }
}

void level_unit_started(struct core *core, struct unit *unit)
{
    unit->started = true;
    level_activate(unit, true);
    judge_needs(core, unit);
}

void level_unit_ended(struct core *core, struct unit *unit)
{
    struct level *level = unit->level;
    CHECK(level->open > 0);
    level->open--;
    level_activate(unit, false);
    deadlines_cancel(&core->deadlines, &unit->limit);
    level->active++; /* it does not settle before all is decided */
    join_count_dependents(unit);
    if (unit->state == TASK_FAILURE)
        level_judge(core, unit);
    join_decide_dependents(core, unit);
    judge_needs(core, unit);
    if (level->failing)
        level_judge_pending(core, level);
    level->active--;
    level_settle(core, level);
}

static void skip_rest(struct core *core, struct level *level)
{
    for (uint32_t i = 0; i < level->plan->task_count; i++) {
        struct unit *unit = &level->units[i];
        if (unit->state != TASK_PENDING)
            continue;
        unit->how = HOW_FAILED;
        unit_move(core, unit, TASK_SKIPPED, TEXT("failed"));
        level->open--;
    }
}

/* After a takeover: an undoing under way goes on, whatever was decided about the job meanwhile. */
static bool has_begun_undoing(const struct level *level)
{
    bool begun = level->owner->state == TASK_REVERTING;
    for (uint32_t i = 0; i < level->plan->task_count && !begun; i++) {
        const struct unit *unit = &level->units[i];
        begun = unit->undone && !unit->inner; /* a flow may have undone itself */
    }
    return begun;
}

/* The job's own `on_failure: stop`: when no attempt of the job follows, all stays as it is. */
static void stop_job(struct core *core, struct level *level)
{
    struct unit *root = level->owner;
    struct job *job = root->job;
    if (root->kind == UNIT_JOB && root->plan->on_failure == FAIL_STOP &&
        job->verdict == FAIL_REVERT &&
        (level->no_retry ||
         !retry_wanted(core, root, &root->plan->retry, root->attempt, level->failure)))
        job->verdict = FAIL_STOP;
}

static void end_failed(struct core *core, struct level *level)
{
    struct job *job = level->owner->job;
    skip_rest(core, level);
    level_judge_pending(core, level);
    /* A failure from before its flow failed around it, that somebody might have handled. */
    if (level->owner->cancelled && level->failure_order < level->owner->own) {
        level->owner->cancelled = false;
        unit_note(core, level->owner);
    }
    stop_job(core, level);
    level->ended = true;
    deadlines_cancel(&core->deadlines,
                     &level->owner->due); /* its timeout does not bound the undoing */
    bool is_outermost = level->owner->kind == UNIT_JOB;
    bool asks_outward = job->verdict == FAIL_REVERT && !job->broken;
    bool undoes =
        is_outermost ? job->verdict != FAIL_STOP : asks_outward || unit_is_in_finally(level->owner);
    if (undoes || has_begun_undoing(level)) {
        undo_level(core, level, true);
        return;
    }
    if (is_outermost)
        level->owner->reverts_ran = false; /* stopped is not undone, whatever flows inside did */
    attempt_failed(core, level->owner, level->failure, TEXT_NONE);
}

/* The flow's `output`, computed when all its tasks have ended. */
static void end_succeeded(struct core *core, struct level *level)
{
    struct unit *owner = level->owner;
    const struct template *output = level->plan->output;
    struct text result = TEXT("null"), failure = TEXT_NONE;
    level->ended = true;
    struct reading reading;
    reading_begin(&reading, core, owner);
    reading.scope.level = level;
    if (output && !reading_json(&reading, "output", output, &owner->job->arena, &result))
        failure = reading_failure(&reading);
    else
        outcome_is_expected(core, owner, result, &failure);
    if (failure.data) {
        level->ended = false;
        level_fail_itself(core, level, failure);
        level_settle(core, level);
        return;
    }
    attempt_succeeded(core, owner, result, TEXT_NONE, TEXT_NONE);
}

void level_settle(struct core *core, struct level *level)
{
    struct job *job = level->owner->job;
    if (level->ended || level->active > 0 || level->work > 0 || job->handing_over || job->restoring)
        return;
    if (level->failing) {
        end_failed(core, level);
        return;
    }
    CHECK(level->open == 0 && level->pending_failures == 0);
    end_succeeded(core, level);
}
