/* SPDX-License-Identifier: Apache-2.0 */
/* The progress of one job: its flow begins, events reach its units, and it ends. */
#include <stdlib.h>
#include <utlist.h>

#include "base/timestamp.h"
#include "engine/core/rerun.h"

void job_move(struct core *core, struct job *job, enum job_state to, struct text detail)
{
    const char *from = job_state_name((enum job_state)job->state);
    machine_move(&job_machine, &job->state, (int)to);
    save_line(job, NULL, (int)to, detail);
    save_wanted(core, job);
    core_moved(core, MOVED_JOB, job, NULL, from, job_state_name(to), detail);
}

/* ---------------------------------------------------------------------------------- beginning */

static void copy_load(struct job *job)
{
    struct job_load *load = &job->load;
    struct arena *arena = &job->arena;
    load->flow_name = arena_text(arena, load->flow_name);
    load->flow_text = TEXT_NONE; /* the compiled flow is shared */
    load->flow_hash = TEXT_NONE;
    load->input = arena_text(arena, load->input);
    load->key = arena_text(arena, load->key);
    load->target = arena_text(arena, load->target);
    load->tasks = NULL;
    load->task_count = 0;
    job->save_no = load->row.save_no;
    job->inbox_seq = load->row.inbox_seq;
    job->inbox_applied = load->row.inbox_applied;
    job->epoch = load->row.epoch;
    job->state = load->row.state;
}

static void build_job_root(struct job *job)
{
    char posted_at[TIMESTAMP_TEXT_MAX];
    timestamp_text(job->load.posted_at_us, posted_at);
    struct buffer json = {0};
    buffer_printf(&json, "{\"id\":\"%s\",\"flow\":", UUID_STR(&job->id));
    buffer_add_json_string(&json, job->load.flow_name);
    buffer_add_string(&json, ",\"key\":");
    if (job->load.key.data)
        buffer_add_json_string(&json, job->load.key);
    else
        buffer_add_string(&json, "null");
    buffer_printf(&json, ",\"priority\":%u,\"posted_at\":\"%s\"}", job->load.row.priority,
                  posted_at);
    job->job_json = arena_text(&job->arena, buffer_text(&json));
    buffer_done(&json);
}

/* The job as a task: the outermost flow has a retry, a timeout and a deadline like any other. */
static const struct flow_task *plan_of_job(struct job *job)
{
    const struct flow *flow = job->flow->flow;
    struct flow_task *plan = arena_calloc(&job->arena, 1, sizeof *plan);
    plan->verb = VERB_TASKS;
    plan->nested = &flow->top;
    plan->retry = flow->retry;
    plan->timeout_ms = flow->timeout_ms;
    plan->deadline_ms = flow->deadline_ms;
    plan->on_failure = flow->on_failure;
    return plan;
}

void progress_begin(struct core *core, struct job *job)
{
    size_t count = job->load.task_count;
    struct task_row *rows = arena_calloc(&core->scratch, count, sizeof *rows);
    for (size_t i = 0; i < count; i++)
        rows[i] = job->load.tasks[i];
    struct text reason = TEXT_NONE;
    job->flow = flows_take(core, &job->load, &core->scratch, &reason);
    copy_load(job);
    job->held_since_ms = core->now_ms;
    job->handing_over = core->drain != DRAIN_NO; /* it was claimed while we were told to stop */
    hold_move(core, job, HOLD_RUNNING);
    build_job_root(job);
    if (!job->flow) {
        job->inbox_applied = job->inbox_seq; /* this end is the answer to all of it */
        progress_abandon(core, job, reason);
        return;
    }
    job->root = unit_new(job, UNIT_JOB, plan_of_job(job), NULL, 0);
    rows = rerun_apply(core, job, rows, &count);
    restore_tree(core, job, rows, count);
    progress_advance(core, job);
}

/* ------------------------------------------------------------------------------------- ending */

static void end_job(struct core *core, struct job *job)
{
    enum job_state before = (enum job_state)job->state;
    job_move(core, job, job->final_state, TEXT_NONE);
    struct change_set *set = job->open;
    set->state = job->final_state;
    set->state_before = before;
    set->ends_claim = true;
    set->output = job->final_state == JOB_SUCCESS ? job->output : TEXT_NONE;
    set->failure = job->final_state == JOB_SUCCESS ? TEXT_NONE : job->failure;
}

void progress_flow_ended(struct core *core, struct job *job, enum job_state state)
{
    const struct flow_task *last = job->flow->flow->finally;
    job->flow_ended = true;
    job->final_state = state;
    if (!job->flow->flow->top.output)
        job->output = TEXT_NONE;
    if (last && !job->last)
        job->last = unit_new(job, UNIT_FINALLY, last, NULL, 0);
    if (job->last && job->last->state == TASK_PENDING)
        unit_push(job->last);
}

static void release(struct core *core, struct job *job)
{
    enum job_state before = (enum job_state)job->state;
    job_move(core, job, JOB_READY, TEXT("released"));
    job->open->state = JOB_READY;
    job->open->state_before = before;
    job->open->ends_claim = true;
}

static void end_if_done(struct core *core, struct job *job)
{
    if (job->steps > 0)
        return;
    bool last_ended = !job->last || unit_has_ended(job->last);
    if (job->flow_ended && last_ended)
        end_job(core, job);
    else if (job->handing_over)
        release(core, job);
}

/* ---------------------------------------------------------------------------------- advancing */

static bool is_ending(const struct job *job)
{
    return job->hold != HOLD_RUNNING || job->looking || job->sent->ends_claim ||
           job->open->ends_claim;
}

/* What a condition of `finally` decides: it has no level to be passed over in. */
static bool passes_if(struct core *core, struct unit *last)
{
    struct reading reading;
    bool runs = true;
    if (!last->plan->run_if || last->state != TASK_PENDING)
        return true;
    reading_begin(&reading, core, last);
    if (!reading_condition(&reading, "finally.if", last->plan->run_if, &runs)) {
        unit_fail(core, last, reading_failure(&reading), TEXT("if"));
        return false;
    }
    if (!runs) {
        last->how = HOW_IF;
        unit_move(core, last, TASK_SKIPPED, TEXT("if"));
    }
    return runs;
}

static void consider(struct core *core, struct unit *unit)
{
    if (unit->kind == UNIT_FINALLY && !passes_if(core, unit))
        return;
    level_consider(core, unit);
}

void progress_advance(struct core *core, struct job *job)
{
    if (is_ending(job))
        return;
    struct unit *unit;
    while (job->open->line_count < core->options.lines && (unit = unit_pop(job))) {
        if (!job->handing_over) /* else it stays as it is for the next owner */
            consider(core, unit);
    }
    if (job->work_first == job->work_count)
        end_if_done(core, job);
    save_wanted(core, job); /* what is left goes on when this save is durable */
}

void progress_dequeue(struct core *core, struct unit *unit)
{
    DL_DELETE2(core->queue, unit, queue_prev, queue_next);
    unit->queued = false;
    unit->job->queued--;
    if (unit->state == TASK_PENDING)
        level_activate(unit, false);
}

void progress_fill_queue(struct core *core)
{
    while (core->queue && core->processes < core->options.processes && core_may_begin(core)) {
        struct unit *unit = core->queue;
        progress_dequeue(core, unit);
        unit->called = true;
        if (is_ending(unit->job))
            continue;
        unit_push(unit);
        progress_advance(core, unit->job);
    }
}

/* ------------------------------------------------------------------------------- what happened */

void progress_forget_step(struct core *core, struct unit *unit)
{
    HASH_DEL(core->steps, unit);
    unit->step = 0;
    unit->step_sent = false;
    unit->stop = STOP_NONE;
    core->processes--;
    unit->job->steps--;
}

void progress_step_ended(struct core *core, struct unit *unit, const struct step_end *end,
                         bool started)
{
    struct job *job = unit->job;
    enum stop_reason stop = unit->stop;
    progress_forget_step(core, unit);
    core->counts.steps_ended++;
    deadlines_cancel(&core->deadlines, &unit->due);
    if (job->hold == HOLD_RUNNING && stop != STOP_DROP) {
        /* Stopped for a hand-over its attempt is not over: the next owner continues it. */
        bool finished = started && end->signal == 0 && end->exit_code == 0;
        unit->stop = stop;
        if (stop != STOP_HANDOVER || finished)
            outcome_of_step(core, unit, end, started);
        unit->stop = STOP_NONE;
    }
    spec_free(unit);
    if (job->hold == HOLD_RUNNING)
        progress_advance(core, job);
    else
        hold_step_gone(core, job);
}

static void stop_step(struct core *core, struct unit *unit, enum stop_reason why)
{
    unit->stop = why;
    struct core_effect *effect = core_emit(core, EFFECT_STOP_STEP);
    effect->u.stop.step = unit->step;
    effect->u.stop.grace_ms = core->options.grace_ms;
    core->counts.steps_killed++;
}

/* The time of a flow's attempt is over: what runs in it is told to stop, and it fails. */
static void time_out_flow(struct core *core, struct unit *unit)
{
    struct failure failure = {
        .class = "timeout",
        .message = TEXT("the attempt of the flow took too long"),
        .task = unit->path,
        .attempt = unit->attempt,
        .exit = -1,
    };
    if (unit->own == 0) /* else it was cancelled, or its deadline has passed: that it stays */
        level_fail_itself(core, unit->inner, failure_json(&unit->job->arena, &failure));
    unit_halt(core, unit, STOP_CANCEL);
    level_settle(core, unit->inner);
}

static void unit_due(struct core *core, struct unit *unit)
{
    if (unit->rounds)
        unit_push(unit);
    else if (unit->step_sent && unit->stop == STOP_NONE)
        stop_step(core, unit, STOP_TIMEOUT);
    else if (unit->state == TASK_RETRYING || unit->state == TASK_REVERTING)
        unit_push(unit);
    else if (unit->inner)
        time_out_flow(core, unit);
}

void progress_unit_due(struct core *core, struct unit *unit)
{
    if (is_ending(unit->job))
        return;
    unit_due(core, unit);
    progress_advance(core, unit->job);
}

/* `deadline`: over everything in it, its retries included. */
void progress_limit_due(struct core *core, struct unit *unit)
{
    if (is_ending(unit->job) || unit_has_ended(unit) || unit->state == TASK_REVERTING)
        return;
    if (unit->inner && unit->own == 0 && !unit->inner->failing) {
        unit->failure = cancelled_failure(core, unit, "deadline", "the deadline passed");
        unit->own = ++unit->job->failures;
    }
    unit_halt(core, unit, STOP_DEADLINE);
    progress_advance(core, unit->job);
}

void progress_hand_over(struct core *core, struct job *job)
{
    job->handing_over = true;
    progress_advance(core, job);
}

/* --------------------------------------------------------------------------------- abandoning */

static void visit(struct core *core, struct unit *unit,
                  void (*what)(struct core *core, struct unit *unit))
{
    what(core, unit);
    for (uint32_t i = 0; unit->inner && i < unit->inner->plan->task_count; i++)
        visit(core, &unit->inner->units[i], what);
}

void progress_each_unit(struct job *job, void (*what)(struct core *core, struct unit *unit),
                        struct core *core)
{
    for (struct unit *unit = job->units; unit; unit = unit->all_next)
        visit(core, unit, what);
}

/* Back to what is durable: the rows say what really was recorded. A step that was reserved but not
 * sent never runs; one that runs may end, and changes nothing. */
static void roll_back(struct core *core, struct unit *unit)
{
    unit->change = -1;
    unit->in_work = false;
    if (unit->step && !unit->step_sent) {
        progress_forget_step(core, unit);
        spec_free(unit);
    } else if (unit->step_sent) {
        unit->stop = STOP_DROP;
        struct core_effect *effect = core_emit(core, EFFECT_STOP_STEP);
        effect->u.stop.step = unit->step;
        effect->u.stop.grace_ms = 0;
    }
    if (unit->state != unit->saved_state)
        unit->result = TEXT_NONE;
    unit->state = unit->saved_state;
}

static void close_unit(struct core *core, struct unit *unit)
{
    if (unit->kind == UNIT_JOB)
        return;
    unit->failure = unit->job->failure;
    if (unit->state == TASK_RUNNING || unit->state == TASK_RETRYING)
        unit_move(core, unit, TASK_FAILURE, TEXT("failed"));
    else if (unit->state == TASK_REVERTING)
        unit_move(core, unit, TASK_REVERT_FAILURE, TEXT("failed"));
    else if (unit->state == TASK_PENDING)
        unit_move(core, unit, TASK_SKIPPED, TEXT("failed"));
}

/* The job cannot go on here for a reason of its own: it ends FAILURE, with the reason. */
void progress_abandon(struct core *core, struct job *job, struct text reason)
{
    struct failure failure = {.class = "limit", .message = reason, .exit = -1};
    save_forget(job->open);
    job->work_first = job->work_count = 0;
    job->state = (int)(job->load.row.state == JOB_REVERTING ? JOB_REVERTING : JOB_RUNNING);
    progress_each_unit(job, roll_back, core);
    job->failure = failure_json(&job->arena, &failure);
    progress_each_unit(job, close_unit, core);
    job->flow_ended = true;
    job->final_state = JOB_FAILURE;
    job->last = NULL;
    progress_advance(core, job);
}
