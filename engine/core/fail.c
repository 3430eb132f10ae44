/* SPDX-License-Identifier: Apache-2.0 */
/* Failures: who handles one, and what it stops when nobody does. */
#include "engine/core/tree_private.h"

enum handled { HANDLED, HANDLED_MAYBE, HANDLED_NOT };

/* In a flow that fails a task that waits may start as long as a failure or done need of it can
 * still be met: once it cannot it never can, so that the answer does not depend on when it is
 * asked. */
static bool may_still_start(const struct unit *unit)
{
    if (unit->state != TASK_PENDING)
        return false;
    bool may_escape = unit->escape || !unit->level->failing;
    for (size_t i = 0; !may_escape && i < unit->plan->need_count; i++) {
        const struct unit *need = &unit->level->units[unit->plan->needs[i].task];
        may_escape = !need->counted;
    }
    return may_escape;
}

/* By a task that needs the failure and really runs; or when at least one task needs the success,
 * all such can do without it, and all have started. */
static enum handled handled_by_others(const struct unit *failed)
{
    const struct flow_task *plan = failed->plan;
    bool maybe = false, all_can_do_without = true, all_started = true;
    size_t needed = 0;
    for (size_t i = 0; i < plan->dependent_count; i++) {
        const struct unit *other = &failed->level->units[plan->dependents[i]];
        if (plan->dependent_kinds[i] == NEED_FAILURE) {
            if (other->started)
                return HANDLED;
            maybe |= may_still_start(other);
        } else if (plan->dependent_kinds[i] == NEED_SUCCESS) {
            needed++;
            all_started &= other->started;
            all_can_do_without &=
                other->plan->join != JOIN_ALL && (other->started || may_still_start(other));
        }
    }
    if (needed > 0 && all_can_do_without)
        return all_started ? HANDLED : HANDLED_MAYBE;
    return maybe ? HANDLED_MAYBE : HANDLED_NOT;
}

static void set_pending(struct unit *unit, bool pending)
{
    if (unit->pending_failure == pending)
        return;
    unit->pending_failure = pending;
    unit->level->pending_failures += pending ? 1 : UINT32_MAX;
}

/* It is the job's failure: no level further out is asked, whatever is said there. */
static void take_over_job(struct core *core, struct unit *failed, enum flow_on_failure verdict)
{
    failed->job->root->reverts_ran |= failed->reverts_ran;
    for (struct unit *outer = failed->level->owner; outer; outer = unit_outer(outer))
        outer->halts = true;
    level_fail(core, failed->level, unit_cause(failed), failed->order);
    job_halt(core, failed->job, verdict, unit_cause(failed), failed->order);
}

void level_judge(struct core *core, struct unit *failed)
{
    enum handled handled =
        failed->plan->on_failure == FAIL_CONTINUE ? HANDLED : handled_by_others(failed);
    set_pending(failed, handled == HANDLED_MAYBE);
    if (handled != HANDLED_NOT)
        return;
    bool is_asked = !failed->cancelled && !failed->halts;
    enum flow_on_failure verdict = is_asked ? failed->plan->on_failure : FAIL_REVERT;
    failed->level->owner->reverts_ran |= failed->reverts_ran;
    if (verdict == FAIL_STOP || verdict == FAIL_REVERT_ALL)
        take_over_job(core, failed, verdict);
    else
        level_fail(core, failed->level, unit_cause(failed), failed->order);
}

static void remember(struct level *level, struct text failure, uint32_t order)
{
    struct arena *arena = &level->owner->job->arena;
    level->failures =
        level->failures.data
            ? arena_printf(arena, "%.*s,%.*s", TEXT_ARG(level->failures), TEXT_ARG(failure))
            : failure;
    if (level->failure.data && level->failure_order <= order)
        return;
    level->failure = failure;
    level->failure_order = order;
}

void level_fail(struct core *core, struct level *level, struct text failure, uint32_t order)
{
    if (level->ended)
        return;
    remember(level, failure, order);
    if (level->failing)
        return;
    level->failing = true;
    level->active++; /* it does not settle before all are told */
    for (uint32_t i = 0; i < level->plan->task_count; i++) {
        struct unit *unit = &level->units[i];
        if (!unit->escape)
            unit_cancel(core, unit, "its flow failed", STOP_NONE);
    }
    level_judge_pending(core, level);
    level->active--;
}

void level_judge_pending(struct core *core, struct level *level)
{
    level->active++;
    for (uint32_t i = 0; level->pending_failures > 0 && i < level->plan->task_count; i++) {
        if (level->units[i].pending_failure)
            level_judge(core, &level->units[i]);
    }
    level->active--;
}

void level_fail_itself(struct core *core, struct level *level, struct text failure)
{
    struct unit *owner = level->owner;
    owner->failure = failure;
    owner->own = ++owner->job->failures;
    unit_note(core, owner);
    level_fail(core, level, failure, owner->own);
}

struct text cancelled_failure(struct core *core, const struct unit *unit, const char *class,
                              const char *why)
{
    struct failure failure = {
        .class = class,
        .message = text_of(why),
        .task = unit->path,
        .attempt = unit->attempt,
        .exit = -1,
    };
    return failure_json(&unit->job->arena, &failure);
}

/* It ran under an earlier claim, and is not run again: nobody knows how far it came. */
static void fail_unseen(struct core *core, struct unit *unit, const char *class, const char *why)
{
    struct failure failure = {
        .class = class,
        .message = text_of(why),
        .task = unit->path,
        .attempt = unit->attempt,
        .unknown = true,
        .exit = -1,
    };
    unit_fail(core, unit, failure_json(&unit->job->arena, &failure), text_of(class));
}

const char *cancel_class(enum stop_reason stop)
{
    return stop == STOP_DEADLINE ? "deadline" : "cancelled";
}

static void cancel_flow(struct core *core, struct unit *unit, const char *why,
                        enum stop_reason stop)
{
    struct level *level = unit->inner;
    level->no_retry = true;
    unit->cancelled |= stop == STOP_NONE && !level->failing; /* else it fails with its own */
    if (!level->failing && unit->own == 0)
        level_fail_itself(core, level, cancelled_failure(core, unit, cancel_class(stop), why));
    else if (!level->failing)
        level_fail(core, level, unit->failure, unit->own);
    for (uint32_t i = 0; stop != STOP_NONE && i < level->plan->task_count; i++)
        unit_cancel(core, &level->units[i], why, stop);
    level_settle(core, level);
}

void unit_cancel(struct core *core, struct unit *unit, const char *why, enum stop_reason stop)
{
    if (unit_has_ended(unit) || unit->state == TASK_REVERTING)
        return;
    bool is_leaf = !unit->each && !unit->rounds && !unit->inner;
    bool continues = unit->state == TASK_RUNNING && (unit->queued || (unit->resumes && is_leaf));
    if (unit->queued && (!continues || stop != STOP_NONE))
        progress_dequeue(core, unit);
    if (continues) {
        /* Its attempt goes on after a takeover, and may end like any running one. */
        if (stop != STOP_NONE)
            fail_unseen(core, unit, cancel_class(stop), why);
    } else if (unit->each) {
        each_cancel(core, unit, why, stop);
    } else if (unit->rounds) {
        rounds_cancel(core, unit, why, stop);
    } else if (unit->state == TASK_RETRYING) {
        /* A retry delay ends with its last failure. */
        deadlines_cancel(&core->deadlines, &unit->due);
        unit_fail(core, unit, unit->failure, TEXT("failed"));
    } else if (unit->inner && !unit->inner->ended) {
        cancel_flow(core, unit, why, stop);
    } else if (unit->step && stop != STOP_NONE && unit->stop == STOP_NONE) {
        unit->stop = stop;
        if (!unit->step_sent)
            return; /* it is stopped as soon as it is started */
        struct core_effect *effect = core_emit(core, EFFECT_STOP_STEP);
        effect->u.stop.step = unit->step;
        effect->u.stop.grace_ms = core->options.grace_ms;
        core->counts.steps_killed++;
    }
}

void unit_halt(struct core *core, struct unit *unit, enum stop_reason stop)
{
    /* After a deadline there is no time for another attempt, whatever else stops it. */
    if (unit->halted != STOP_DEADLINE)
        unit->halted = stop;
    unit->expired |= stop == STOP_DEADLINE;
    unit_note(core, unit);
    if (stop == STOP_DEADLINE) {
        bool waits = unit->queued && unit->state == TASK_PENDING;
        unit_cancel(core, unit, "the deadline passed", stop);
        if (waits) /* for a process, all its time */
            unit_fail(core, unit, cancelled_failure(core, unit, "deadline", "the deadline passed"),
                      TEXT("deadline"));
        return;
    }
    for (uint32_t i = 0; unit->inner && i < unit->inner->plan->task_count; i++)
        unit_cancel(core, &unit->inner->units[i], "the flow around it timed out", stop);
}

/* While the rows are counted nobody knows yet what may escape: the job halts when all are. */
static void keep_halt(struct job *job, struct text failure, uint32_t order)
{
    size_t at = job->halt_count;
    job->halts =
        arena_grow(&job->arena, job->halts, at, at + 1, &job->halt_capacity, sizeof *job->halts);
    for (; at > 0 && job->halts[at - 1].order > order; at--)
        job->halts[at] = job->halts[at - 1];
    job->halts[at] = (struct halt){failure, order};
    job->halt_count++;
}

void job_halt(struct core *core, struct job *job, enum flow_on_failure verdict, struct text failure,
              uint32_t order)
{
    /* revert_all of any beats stop, stop beats revert. */
    if (verdict == FAIL_REVERT_ALL || job->verdict == FAIL_REVERT)
        job->verdict = verdict;
    if (job->counting) {
        keep_halt(job, failure, order);
        return;
    }
    level_fail(core, job->root->inner, failure, order);
    level_settle(core, job->root->inner);
}

enum job_state job_state_after(const struct unit *root)
{
    const struct job *job = root->job;
    if (root->state == TASK_SUCCESS)
        return JOB_SUCCESS;
    bool reverted = root->reverts_ran && !root->undo_failed;
    /* What was stopped stays as it is. That it was undone all the same takes a deadline that leaves
     * the job no attempt after a takeover in the middle of the undoing between two. */
    bool stops = job->verdict == FAIL_STOP;
    return reverted && !stops ? JOB_REVERTED : JOB_FAILURE; /* COVER_EXCL_BR_LINE: as said above */
}

bool unit_is_in_finally(const struct unit *unit)
{
    while (unit && unit->kind != UNIT_FINALLY)
        unit = unit_outer(unit);
    return unit != NULL;
}

bool unit_is_doomed(const struct unit *unit)
{
    const struct job *job = unit->job;
    if (unit->undo_failed)
        return true; /* in `finally`, too: what could not be undone is not built on */
    if (unit->kind == UNIT_JOB)
        return job->verdict != FAIL_REVERT || unit->expired;
    const struct unit *task = unit;
    while (task->parent)
        task = task->parent;
    if (task->expired)
        return true;
    for (const struct unit *outer = unit_outer(unit); outer; outer = unit_outer(outer)) {
        if (outer->halted != STOP_NONE)
            return true; /* the time of the flow around it is over */
    }
    if (task->level && task->level->failing && !task->escape)
        return true;
    /* How the job ended is nothing to what runs at its end. */
    return !unit_is_in_finally(unit) && job->verdict != FAIL_REVERT;
}
