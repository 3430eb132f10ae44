/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt of a unit: it begins, and it succeeds or fails; and how a unit ends for good. */
#include <utlist.h>

#include "engine/core/rerun.h"

/* --------------------------------------------------------------------------------- process slots
 */

/* Nobody overtakes those of the same job that wait. What follows a step that has just ended goes
 * before other jobs: its RUNNING is written in one save with the end of the step before. */
static bool takes_slot(const struct core *core, struct unit *unit)
{
    bool is_first = unit->called || unit->job->queued == 0;
    unit->called = false;
    return is_first && core->processes < core->options.processes && core_may_begin(core);
}

static void wait_for_slot(struct core *core, struct unit *unit)
{
    DL_APPEND2(core->queue, unit, queue_prev, queue_next);
    unit->queued = true;
    unit->job->queued++;
    level_activate(unit, true);
}

static void reserve_step(struct core *core, struct unit *unit)
{
    CHECK(unit->step == 0);
    unit->step = core->next_step++;
    unit->step_sent = false;
    unit->spec->step = unit->step;
    HASH_ADD(hh, core->steps, step, sizeof unit->step, unit);
    core->processes++;
    unit->job->steps++;
    save_start(unit->job, unit);
}

/* ---------------------------------------------------------------------------------- beginning */

/* Every unit of an earlier attempt that moved goes back to PENDING, and runs again. */
static void reset(struct core *core, struct unit *unit)
{
    if (unit->inner) {
        for (uint32_t i = 0; i < unit->inner->plan->task_count; i++)
            reset(core, &unit->inner->units[i]);
    }
    for (uint32_t i = 0; unit->each && i < unit->each->count; i++) {
        if (unit->each->items[i])
            reset(core, unit->each->items[i]);
    }
    for (size_t i = 0; unit->rounds && i < unit->rounds->count; i++)
        reset(core, unit->rounds->list[i]);
    CHECK(!unit->step && !unit->in_work); /* nobody points at it any more */
    if (unit->state == TASK_PENDING)
        return;
    unit->attempt = unit->revert_attempt = 0;
    unit->revert_over = false;
    unit->result = unit->failure = unit->cause = unit->earlier = TEXT_NONE;
    unit->order = unit->broke = unit->own = 0;
    unit->rerun = 0; /* the attempts of its flow tell its runs apart */
    unit->how = HOW_NONE;
    unit->halted = STOP_NONE;
    unit->cancelled = unit->halts = unit->escape = false;
    unit->undone = unit->blocked = unit->reverts_ran = unit->undo_failed = false;
    unit_move(core, unit, TASK_PENDING, TEXT_NONE);
}

static void reset_inner(struct core *core, struct unit *unit)
{
    if (!unit->inner)
        return;
    for (uint32_t i = 0; i < unit->inner->plan->task_count; i++)
        reset(core, &unit->inner->units[i]);
    unit_forget_inner(core, unit);
    unit->order = 0;
    unit->undone = unit->blocked = unit->reverts_ran = unit->undo_failed = false;
}

/* False, and the attempt has failed, when it cannot be computed. */
static bool read_flow(struct core *core, struct unit *unit)
{
    struct reading reading;
    int64_t timeout_ms;
    reading_begin(&reading, core, unit);
    if (!retry_has_value(&reading, unit->attempt) ||
        !reading_amount(&reading, "timeout", &unit->plan->timeout_ms, true, 0, &timeout_ms)) {
        attempt_failed(core, unit, reading_failure(&reading), TEXT_NONE);
        return false;
    }
    if (timeout_ms > 0)
        deadlines_set(&core->deadlines, &unit->due, core->now_ms + timeout_ms);
    return true;
}

static void begin_flow(struct core *core, struct unit *unit)
{
    reset_inner(core, unit);
    unit->own = 0;
    unit->cancelled = false;
    unit->halted = STOP_NONE;
    unit->failure = TEXT_NONE;
    unit_move(core, unit, TASK_RUNNING, TEXT_NONE);
    level_unit_started(core, unit);
    if (read_flow(core, unit))
        level_begin(core, unit);
}

/* Computes what the verb needs; `ret_value` is what it gives when it needs no process. */
static bool read_verb(struct reading *reading, const struct flow_task *plan, struct text *ret_value)
{
    *ret_value = TEXT("null");
    if (verb_needs_process(plan))
        return spec_read(reading, plan);
    if (plan->verb == VERB_SET)
        return reading_json(reading, "set", plan->value, &reading->unit->job->arena, ret_value);
    if (plan->verb == VERB_FAIL)
        return reading_text(reading, "fail", plan->value, &reading->core->scratch, ret_value);
    return true;
}

static struct text fail_verb(struct unit *unit, struct text message)
{
    struct failure failure = {.class = "fail",
                              .message = message,
                              .task = unit->path,
                              .attempt = unit->attempt,
                              .exit = -1};
    return failure_json(&unit->job->arena, &failure);
}

static void begin_verb(struct core *core, struct unit *unit, bool resumed)
{
    const struct flow_task *plan = unit->plan;
    struct reading reading;
    struct text value, failure;
    reading_begin(&reading, core, unit);
    bool good = retry_has_value(&reading, unit->attempt) && read_verb(&reading, plan, &value);
    unit->failure = TEXT_NONE;
    unit_move(core, unit, TASK_RUNNING, resumed ? TEXT("takeover") : TEXT_NONE);
    level_unit_started(core, unit);
    if (!good) {
        spec_free(unit);
        attempt_failed(core, unit, reading_failure(&reading), TEXT_NONE);
    } else if (verb_needs_process(plan)) {
        reserve_step(core, unit);
    } else if (plan->verb == VERB_FAIL) {
        attempt_failed(core, unit, fail_verb(unit, value), TEXT_NONE);
    } else if (!outcome_is_expected(core, unit, value, &failure)) {
        attempt_failed(core, unit, failure, TEXT_NONE);
    } else {
        attempt_succeeded(core, unit, value, TEXT_NONE, TEXT_NONE);
    }
}

/* A run of unknown outcome is not repeated when the task says so. */
static void fail_once(struct core *core, struct unit *unit)
{
    struct failure failure = {
        .class = "lost",
        .message = TEXT("its node was lost during the step, and the task is marked once"),
        .task = unit->path,
        .attempt = unit->attempt,
        .unknown = true,
        .exit = -1,
    };
    attempt_failed(core, unit, failure_json(&unit->job->arena, &failure), TEXT_NONE);
}

/* After a takeover in the middle of a retry delay the delay begins anew. */
static void wait_again(struct core *core, struct unit *unit)
{
    unit->resumes = false;
    int64_t delay_ms = retry_delay_ms(core, unit, &unit->plan->retry, unit->attempt);
    deadlines_set(&core->deadlines, &unit->due, core->now_ms + delay_ms);
}

void attempt_begin(struct core *core, struct unit *unit)
{
    if (unit->resumes && unit->state == TASK_RETRYING) {
        wait_again(core, unit);
        return;
    }
    if (unit->resumes && unit->plan->once) {
        unit->resumes = false;
        fail_once(core, unit);
        return;
    }
    if (verb_needs_process(unit->plan) && !takes_slot(core, unit)) {
        wait_for_slot(core, unit);
        return;
    }
    bool resumed = unit->resumes;
    unit->resumes = false;
    unit->attempt += !resumed;
    if (unit->plan->verb == VERB_TASKS)
        begin_flow(core, unit);
    else
        begin_verb(core, unit, resumed);
}

static void set_limit(struct core *core, struct unit *unit)
{
    struct reading reading;
    int64_t limit_ms;
    reading_begin(&reading, core, unit);
    if (!reading_amount(&reading, "deadline", &unit->plan->deadline_ms, true, 0, &limit_ms)) {
        unit_fail(core, unit, reading_failure(&reading), TEXT("expression"));
        return;
    }
    if (limit_ms > 0)
        deadlines_set(&core->deadlines, &unit->limit, core->now_ms + limit_ms);
}

static bool is_whole(const struct unit *unit)
{
    return unit->kind == UNIT_TASK || unit->kind == UNIT_FINALLY;
}

/* A job's deadline counts from its post, or from its newest rerun, by the store's clock: a takeover
 * does not begin it anew. */
static int64_t waited_ms(const struct unit *unit)
{
    const struct job_load *load = &unit->job->load;
    int64_t since_us = unit->job->rerun_at_us ? unit->job->rerun_at_us : load->posted_at_us;
    int64_t seen_us = load->now_us ? load->now_us : load->row.ready_at_us;
    int64_t waited_us = seen_us - since_us;
    return unit->kind == UNIT_JOB && waited_us > 0 ? waited_us / 1000 : 0;
}

static bool read_times(struct reading *reading, int64_t *ret_limit_ms, int64_t *ret_timeout_ms)
{
    const struct unit *unit = reading->unit;
    bool runs = unit->inner && unit->state == TASK_RUNNING && !unit->inner->ended;
    *ret_limit_ms = *ret_timeout_ms = 0;
    if ((is_whole(unit) || unit->kind == UNIT_JOB) &&
        !reading_amount(reading, "deadline", &unit->plan->deadline_ms, true, 0, ret_limit_ms))
        return false;
    return !runs ||
           (retry_has_value(reading, unit->attempt) &&
            reading_amount(reading, "timeout", &unit->plan->timeout_ms, true, 0, ret_timeout_ms));
}

void unit_arm(struct core *core, struct unit *unit)
{
    struct reading reading;
    int64_t limit_ms, timeout_ms;
    reading_begin(&reading, core, unit);
    if (!read_times(&reading, &limit_ms, &timeout_ms)) {
        /* Of the job it is the first reading: nobody begins it. */
        if (unit->kind == UNIT_JOB && unit->own == 0)
            level_fail_itself(core, unit->inner, reading_failure(&reading));
        return;
    }
    if (limit_ms > 0) {
        limit_ms -= waited_ms(unit);
        deadlines_set(&core->deadlines, &unit->limit, core->now_ms + (limit_ms > 0 ? limit_ms : 0));
    }
    if (timeout_ms > 0)
        deadlines_set(&core->deadlines, &unit->due, core->now_ms + timeout_ms);
}

void unit_start(struct core *core, struct unit *unit)
{
    if (rerun_give(core, unit))
        return;
    if (is_whole(unit) && unit->plan->deadline_ms.present && !deadline_is_set(&unit->limit)) {
        set_limit(core, unit);
        if (unit_has_ended(unit))
            return;
    }
    if (is_whole(unit) && unit->plan->foreach.present)
        each_begin(core, unit);
    else if (unit->plan->repeat.present && unit->kind != UNIT_ROUND)
        rounds_begin(core, unit);
    else
        attempt_begin(core, unit);
}

/* ------------------------------------------------------------------------------------- reverts */

void attempt_begin_revert(struct core *core, struct unit *unit)
{
    const struct flow_task *plan = unit->plan->revert;
    struct reading reading;
    struct text value, failure;
    unit->revert_queued = verb_needs_process(plan) && !takes_slot(core, unit);
    if (unit->revert_queued) {
        wait_for_slot(core, unit);
        return;
    }
    bool resumed = unit->resumes;
    unit->resumes = false;
    unit->revert_over = false;
    unit->revert_attempt += !resumed || unit->revert_attempt == 0;
    undo_begins(core, unit);
    unit_move(core, unit, TASK_REVERTING, resumed ? TEXT("takeover") : TEXT_NONE);
    reading_begin(&reading, core, unit);
    reading.scope.result = unit->result.data ? unit->result : TEXT("null");
    if (!read_verb(&reading, plan, &value)) {
        spec_free(unit);
        undo_failed(core, unit, reading_failure(&reading));
    } else if (verb_needs_process(plan)) {
        reserve_step(core, unit);
    } else if (plan->verb == VERB_FAIL) {
        undo_failed(core, unit, fail_verb(unit, value));
    } else if (!outcome_is_expected(core, unit, value, &failure)) {
        undo_failed(core, unit, failure);
    } else {
        undo_succeeded(core, unit, TEXT_NONE);
    }
}

/* -------------------------------------------------------------------------------------- ending */

static void tell_outer(struct core *core, struct unit *unit)
{
    struct job *job = unit->job;
    switch (unit->kind) {
    case UNIT_TASK:
        level_unit_ended(core, unit);
        return;
    case UNIT_ITEM:
        each_item_ended(core, unit);
        return;
    case UNIT_ROUND:
        rounds_round_ended(core, unit);
        return;
    case UNIT_JOB:
        progress_flow_ended(core, job, job_state_after(unit));
        return;
    case UNIT_FINALLY:
        return; /* how it ends changes nothing; progress_advance sees it */
    }
}

void unit_fail(struct core *core, struct unit *unit, struct text failure, struct text detail)
{
    deadlines_cancel(&core->deadlines, &unit->due);
    unit->resumes = false; /* its revert, if one comes, is a new one */
    unit->failure = failure;
    unit->order = ++unit->job->failures;
    if (unit->kind == UNIT_JOB)
        unit->job->failure = failure;
    unit_move(core, unit, TASK_FAILURE, detail);
    tell_outer(core, unit);
}

void unit_succeed(struct core *core, struct unit *unit, struct text result, struct text detail)
{
    deadlines_cancel(&core->deadlines, &unit->due);
    unit->result = result;
    unit->failure = TEXT_NONE;
    if (unit->kind == UNIT_JOB)
        unit->job->output = result;
    unit_move(core, unit, TASK_SUCCESS, detail);
    tell_outer(core, unit);
}

static bool is_beyond_limit(struct core *core, struct unit *unit, struct text result)
{
    unit->job->bytes += result.len;
    return unit->job->bytes > core->options.job_max_bytes;
}

void attempt_succeeded(struct core *core, struct unit *unit, struct text result_json,
                       struct text stderr_tail, struct text note)
{
    struct job *job = unit->job;
    if (is_beyond_limit(core, unit, result_json)) {
        struct failure failure = {
            .class = "limit",
            .message = arena_printf(&core->scratch, "the job's documents exceed %zu bytes",
                                    core->options.job_max_bytes),
            .task = unit->path,
            .attempt = unit->attempt,
            .exit = -1,
        };
        attempt_failed(core, unit, failure_json(&job->arena, &failure), stderr_tail);
        return;
    }
    job->open->records_step = true;
    if (stderr_tail.len)
        save_unit(job, unit)->stderr_tail = arena_text(&job->open->arena, stderr_tail);
    unit_succeed(core, unit, result_json, note);
}

void attempt_failed(struct core *core, struct unit *unit, struct text failure,
                    struct text stderr_tail)
{
    struct job *job = unit->job;
    struct text class = failure_word(core, failure, "class");
    bool may_retry = !unit_is_doomed(unit) && !(unit->inner && unit->inner->no_retry);
    deadlines_cancel(&core->deadlines, &unit->due);
    job->open->records_step = true;
    unit->result = TEXT_NONE;
    if (stderr_tail.len)
        save_unit(job, unit)->stderr_tail = arena_text(&job->open->arena, stderr_tail);
    if (!may_retry || !retry_wanted(core, unit, &unit->plan->retry, unit->attempt, failure)) {
        unit_fail(core, unit, failure, class);
        return;
    }
    unit->failure = failure;
    retry_remember(core, unit, failure);
    unit->pause = ++job->pauses;
    unit->resumes = false; /* this pause has not begun before */
    unit_move(core, unit, TASK_RETRYING, class);
    deadlines_set(&core->deadlines, &unit->due,
                  core->now_ms + retry_delay_ms(core, unit, &unit->plan->retry, unit->attempt));
}
