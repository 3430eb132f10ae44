/* SPDX-License-Identifier: Apache-2.0 */
/* The progress of one job's flow: what may start, what has ended, and how the job ends. */
#include <stdlib.h>
#include <utlist.h>

#include "base/timestamp.h"
#include "engine/core/core_private.h"

#define LINES_AT_ONCE 400 /* history lines of one save: it stays small */

/* ------------------------------------------------------------------------------------- moving */

void job_move(struct core *core, struct job *job, enum job_state to, struct text detail)
{
    const char *from = job_state_name((enum job_state)job->state);
    machine_move(&job_machine, &job->state, (int)to);
    save_line(job, NULL, (int)to, detail);
    save_wanted(core, job);
    core_moved(core, MOVED_JOB, job, NULL, from, job_state_name(to), detail);
}

static void push_ready(struct job *job, struct task *task)
{
    job->ready = arena_grow(&job->arena, job->ready, job->ready_count, job->ready_count + 1,
                            &job->ready_capacity, sizeof(struct task *));
    job->ready[job->ready_count++] = task;
}

static void meet_needs(struct job *job, const struct task *task)
{
    for (size_t i = 0; i < task->plan->dependent_count; i++) {
        struct task *dependent = &job->tasks[task->plan->dependents[i]];
        CHECK(dependent->open_needs > 0);
        if (--dependent->open_needs == 0)
            push_ready(job, dependent);
    }
}

static void fail_job(struct job *job, const struct task *task)
{
    if (job->failing)
        return;
    job->failing = true;
    job->failure = task->failure;
}

void task_move(struct core *core, struct task *task, enum task_state to, struct text detail)
{
    struct job *job = task->job;
    const char *from = task_state_name((enum task_state)task->state);
    machine_move(&task_machine, &task->state, (int)to);
    struct task_change *change = save_task(job, task);
    change->begins |= to == TASK_RUNNING;
    change->ends = task_state_is_final(to);
    save_line(job, task, (int)to, detail);
    save_wanted(core, job);
    core_moved(core, MOVED_TASK, job, task, from, task_state_name(to), detail);
    if (!task_state_is_final(to))
        return;
    job->tasks_open--;
    if (to == TASK_FAILURE)
        fail_job(job, task);
    else if (!job->failing)
        meet_needs(job, task);
}

/* ---------------------------------------------------------------------------------- beginning */

static int compare_rows(const void *a, const void *b)
{
    return text_compare(((const struct task_row *)a)->path, ((const struct task_row *)b)->path);
}

static void copy_load(struct job *job)
{
    struct job_load *load = &job->load;
    struct arena *arena = &job->arena;
    load->flow_name = arena_text(arena, load->flow_name);
    load->flow_text = TEXT_NONE; /* the compiled flow is shared */
    load->flow_hash = TEXT_NONE;
    load->input = arena_text(arena, load->input);
    load->key = arena_text(arena, load->key);
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

static void restore_task(struct job *job, struct task *task, const struct task_row *row)
{
    task->state = (int)row->state;
    task->saved_state = (int)row->state;
    task->attempt = row->attempt;
    task->result = arena_text(&job->arena, row->result);
    task->failure = arena_text(&job->arena, row->failure);
    task->earlier = arena_text(&job->arena, row->internal);
    job->bytes += task->result.len;
    task->resumes = row->state == TASK_RUNNING || row->state == TASK_RETRYING;
    job->resuming += row->state == TASK_RUNNING;
}

static void make_tasks(struct job *job, struct task_row *rows, size_t count)
{
    const struct flow_level *level = &job->flow->flow->top;
    job->task_count = level->task_count;
    job->tasks = arena_calloc(&job->arena, level->task_count, sizeof *job->tasks);
    qsort(rows, count, sizeof *rows, compare_rows);
    for (uint32_t i = 0; i < level->task_count; i++) {
        struct task *task = &job->tasks[i];
        task->plan = &level->tasks[i];
        task->job = job;
        task->path = task->plan->name;
        task->change = -1;
        task->due.kind = DUE_TASK;
        task->due.owner = task;
        struct task_row key = {.path = task->path};
        const struct task_row *row =
            count ? bsearch(&key, rows, count, sizeof key, compare_rows) : NULL;
        if (row)
            restore_task(job, task, row);
        if (!task_state_is_final((enum task_state)task->state))
            job->tasks_open++;
    }
}

static bool is_met(const struct job *job, const struct flow_need *need)
{
    int state = job->tasks[need->task].state;
    return state == TASK_SUCCESS || state == TASK_SKIPPED;
}

static void schedule(struct job *job)
{
    for (uint32_t i = 0; i < job->task_count; i++) {
        struct task *task = &job->tasks[i];
        for (size_t j = 0; j < task->plan->need_count; j++)
            task->open_needs += !is_met(job, &task->plan->needs[j]);
        if (task->state == TASK_FAILURE)
            fail_job(job, task);
        else if (!task_state_is_final((enum task_state)task->state) && task->open_needs == 0)
            push_ready(job, task);
    }
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
    job->load.tasks = NULL;
    job->load.task_count = 0;
    job->held_since_ms = core->now_ms;
    hold_move(core, job, HOLD_RUNNING);
    build_job_root(job);
    if (!job->flow) {
        progress_abandon(core, job, reason);
        return;
    }
    make_tasks(job, rows, count);
    schedule(job);
    progress_advance(core, job);
}

/* ------------------------------------------------------------------------------------- ending */

static void end_job(struct core *core, struct job *job, enum job_state state)
{
    job_move(core, job, state, TEXT_NONE);
    struct change_set *set = job->open;
    set->state = state;
    set->ends_claim = true;
    set->failure = state == JOB_SUCCESS ? TEXT_NONE : job->failure;
}

static void skip_rest(struct core *core, struct job *job)
{
    for (uint32_t i = 0; i < job->task_count; i++) {
        struct task *task = &job->tasks[i];
        if (task->state == TASK_PENDING)
            task_move(core, task, TASK_SKIPPED, TEXT("failed"));
        else if (task->state == TASK_RETRYING)
            task_move(core, task, TASK_FAILURE, TEXT("failed"));
    }
}

static void succeed_job(struct core *core, struct job *job)
{
    const struct template *output = job->flow->flow->top.output;
    struct scope scope = {.job = job, .arena = &core->scratch};
    struct expr_scope roots = scope_of(&scope);
    struct expr_error error = {0};
    struct buffer json = {.max_bytes = core->options.payload_max_bytes};
    if (output && template_eval(output, &core->scratch, &roots, NULL, &json, &error) != 0) {
        struct text message = arena_printf(&core->scratch, "output: %s", error.text);
        job->failure = failure_json(
            &job->arena, &(struct failure){.class = "expression", .message = message, .exit = -1});
        end_job(core, job, JOB_FAILURE);
    } else if (json.overflowed) {
        struct text message = arena_printf(&core->scratch, "output: larger than %zu bytes",
                                           core->options.payload_max_bytes);
        job->failure = failure_json(
            &job->arena, &(struct failure){.class = "limit", .message = message, .exit = -1});
        end_job(core, job, JOB_FAILURE);
    } else {
        end_job(core, job, JOB_SUCCESS);
        job->open->output = output ? arena_text(&job->arena, buffer_text(&json)) : TEXT_NONE;
    }
    buffer_done(&json);
}

/* An attempt that a takeover continues may end like any running one, also when the job fails. */
static bool may_begin(const struct task *task)
{
    const struct job *job = task->job;
    return !job->handing_over && (!job->failing || (task->resumes && task->state == TASK_RUNNING));
}

/* Nothing runs any more and nothing may start: the job fails, is handed over, or has succeeded. */
static void end_if_done(struct core *core, struct job *job)
{
    if (job->steps > 0 || job->open->ends_claim || job->sent->ends_claim)
        return;
    if (job->failing && job->resuming == 0) {
        skip_rest(core, job);
        end_job(core, job, JOB_FAILURE);
    } else if (!job->failing && job->tasks_open == 0) {
        succeed_job(core, job);
    } else if (job->handing_over) {
        job_move(core, job, JOB_READY, TEXT("released"));
        job->open->state = JOB_READY;
        job->open->ends_claim = true;
    }
}

/* ---------------------------------------------------------------------------------- advancing */

static void expression_failed(struct core *core, struct task *task, const char *where,
                              const struct expr_error *error)
{
    struct failure failure = {
        .class = "expression",
        .message = arena_printf(&core->scratch, "%s: %s", where, error->text),
        .task = task->path,
        .attempt = task->attempt,
        .exit = -1,
    };
    task->failure = failure_json(&task->job->arena, &failure);
    task_move(core, task, TASK_FAILURE, TEXT("if"));
}

/* False when the task is passed over, or its condition failed. */
static bool passes_if(struct core *core, struct task *task)
{
    const struct flow_condition *condition = task->plan->run_if;
    bool runs = condition ? condition->constant : true;
    if (condition && condition->expr) {
        struct scope scope = {.job = task->job, .task = task, .arena = &core->scratch};
        struct expr_scope roots = scope_of(&scope);
        struct expr_error error = {0};
        if (expr_eval_bool(condition->expr, &core->scratch, &roots, NULL, &runs, &error) != 0) {
            expression_failed(core, task, "if", &error);
            return false;
        }
    }
    if (!runs)
        task_move(core, task, TASK_SKIPPED, TEXT("if"));
    return runs;
}

static void consider(struct core *core, struct task *task)
{
    if (!may_begin(task))
        return;
    if (task->state == TASK_PENDING && !passes_if(core, task))
        return;
    attempt_begin(core, task);
}

void progress_advance(struct core *core, struct job *job)
{
    if (job->hold != HOLD_RUNNING || job->sent->ends_claim || job->open->ends_claim)
        return;
    while (job->ready_first < job->ready_count) {
        if (job->open->line_count >= LINES_AT_ONCE)
            return; /* goes on when this save is durable */
        consider(core, job->ready[job->ready_first++]);
    }
    job->ready_first = job->ready_count = 0;
    end_if_done(core, job);
}

void progress_fill_queue(struct core *core)
{
    while (core->queue && core->processes < core->options.processes && core_may_begin(core)) {
        struct task *task = core->queue;
        DL_DELETE2(core->queue, task, queue_prev, queue_next);
        task->queued = false;
        if (task->job->hold != HOLD_RUNNING || !may_begin(task))
            continue;
        attempt_begin(core, task);
        progress_advance(core, task->job);
    }
}

/* ------------------------------------------------------------------------------- what happened */

void progress_step_ended(struct core *core, struct task *task, const struct step_end *end,
                         bool started)
{
    struct job *job = task->job;
    enum stop_reason stop = task->stop;
    HASH_DEL(core->steps, task);
    task->step = 0;
    task->step_sent = false;
    task->stop = STOP_NONE;
    core->processes--;
    job->steps--;
    core->counts.steps_ended++;
    deadlines_cancel(&core->deadlines, &task->due);
    if (job->hold == HOLD_RUNNING && stop != STOP_DROP) {
        /* Stopped for a hand-over its attempt is not over: the next owner continues it. */
        bool finished = started && stop == STOP_HANDOVER && end->signal == 0 && end->exit_code == 0;
        task->stop = stop;
        if (stop != STOP_HANDOVER || finished)
            outcome_of_step(core, task, end, started);
        task->stop = STOP_NONE;
    }
    attempt_free_spec(task);
    if (job->hold == HOLD_RUNNING)
        progress_advance(core, job);
    else
        hold_step_gone(core, job);
}

void progress_task_due(struct core *core, struct task *task)
{
    struct job *job = task->job;
    if (job->hold != HOLD_RUNNING)
        return;
    if (task->state == TASK_RETRYING) {
        push_ready(job, task);
        progress_advance(core, job);
        return;
    }
    if (!task->step_sent || task->stop != STOP_NONE)
        return;
    task->stop = STOP_TIMEOUT;
    struct core_effect *effect = core_emit(core, EFFECT_STOP_STEP);
    effect->u.stop.step = task->step;
    effect->u.stop.grace_ms = core->options.grace_ms;
    core->counts.steps_killed++;
}

void progress_hand_over(struct core *core, struct job *job)
{
    job->handing_over = true;
    progress_advance(core, job);
}

/* Back to what is durable: the rows say what really was recorded. A step that was reserved but not
 * sent never runs. */
static void roll_back(struct core *core, struct task *task)
{
    struct job *job = task->job;
    task->change = -1;
    if (task->step && !task->step_sent) {
        HASH_DEL(core->steps, task);
        task->step = 0;
        core->processes--;
        job->steps--;
        attempt_free_spec(task);
    }
    if (task->state != task->saved_state) {
        task->state = task->saved_state;
        task->result = TEXT_NONE;
    }
    job->tasks_open += !task_state_is_final((enum task_state)task->state);
}

/* The job cannot go on here for a reason of its own: it ends FAILURE, with the reason. */
void progress_abandon(struct core *core, struct job *job, struct text reason)
{
    struct failure failure = {.class = "limit", .message = reason, .exit = -1};
    job->failure = failure_json(&job->arena, &failure);
    job->failing = true;
    job->ready_first = job->ready_count = 0;
    job->resuming = 0;
    job->tasks_open = 0;
    save_forget(job->open);
    job->state = (int)(job->load.row.state == JOB_REVERTING ? JOB_REVERTING : JOB_RUNNING);
    for (uint32_t i = 0; i < job->task_count; i++)
        roll_back(core, &job->tasks[i]);
    for (uint32_t i = 0; i < job->task_count; i++) {
        struct task *task = &job->tasks[i];
        task->resumes = false;
        if (task->step || (task->state != TASK_RUNNING && task->state != TASK_RETRYING))
            continue;
        task->failure = job->failure;
        task_move(core, task, TASK_FAILURE, TEXT("failed"));
    }
    progress_advance(core, job);
    save_wanted(core, job);
}
