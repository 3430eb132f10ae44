/* SPDX-License-Identifier: Apache-2.0 */
/* What every write to the store must obey, seen at its commit. */
#include "base/check.h"
#include "engine/sim/sim_checks.h"

/* ----------------------------------------------------------------------------------------- claims
 */

static bool is_draining(const struct sim *sim, const struct uuid *boot)
{
    for (int i = 0; i < sim->config.engines; i++) {
        const struct sim_engine *engine = &sim->engines[i];
        struct uuid own = engine->core ? sim_board_boot(engine->board) : (struct uuid){{0}};
        if (engine->core && uuid_equal(&own, boot))
            return core_is_draining(engine->core);
    }
    return true;
}

/* A claim is written under its own lock, unless it is late: its session has ended, or its engine
 * was told to stop and has given the lock back. */
static void check_lock(struct sim *sim, const struct sim_job *job,
                       const struct claim_request *request)
{
    const struct sim_lock *lock = sim_board_find_lock(sim->board, &job->row.id);
    bool is_own = lock && uuid_equal(&lock->claim, &request->claim);
    if (is_own || !sim_board_is_alive(sim->board, &request->owner) ||
        is_draining(sim, &request->owner))
        return;
    sim_fail(sim, INV_CLAIM_LOCKED, "job %u is claimed %s", job->number,
             lock ? "while another's lock stands" : "without a lock");
}

void check_claimed(void *context, const struct sim_job *job, const struct claim_request *request,
                   int64_t epoch)
{
    struct sim *sim = context;
    struct job_check *check = check_of(sim, job);
    sim_fact(sim, "store  job %u claimed, epoch %lld", job->number, (long long)epoch);
    if (epoch != check->epoch + 1)
        sim_fail(sim, INV_EPOCHS, "job %u: epoch %lld after %lld", job->number, (long long)epoch,
                 (long long)check->epoch);
    if (request->epoch_seen != check->epoch)
        sim_fail(sim, INV_EPOCHS, "job %u: a claim that saw epoch %lld is applied to epoch %lld",
                 job->number, (long long)request->epoch_seen, (long long)check->epoch);
    if (uuid_equal(&request->claim, &check->claim))
        sim_fail(sim, INV_EPOCHS, "job %u: one claim has two epochs", job->number);
    if (check->final)
        sim_fail(sim, INV_LEGAL_MOVE, "job %u is claimed after its end", job->number);
    check_lock(sim, job, request);
    check->epoch = epoch;
    check->claim = request->claim;
    check->state = check->state == JOB_REVERTING ? JOB_REVERTING : JOB_RUNNING;
}

/* ------------------------------------------------------------------------------------------ saves
 */

static uint64_t content_of(const struct save *save)
{
    struct core_effect effect = {.kind = EFFECT_SAVE};
    effect.u.save = *save;
    return sim_hash_effect(0, 0, &effect);
}

static void check_fence(struct sim *sim, struct job_check *check, const struct save *save)
{
    unsigned number = check->job->number;
    if (save->epoch != check->epoch || !uuid_equal(&save->claim, &check->claim))
        sim_fail(sim, INV_FENCE, "job %u: a save of epoch %lld is written under epoch %lld", number,
                 (long long)save->epoch, (long long)check->epoch);
    if (save->save_no != check->saves)
        sim_fail(sim, INV_SAVE_ONCE, "job %u: save %lld is written as number %lld", number,
                 (long long)save->save_no, (long long)check->saves);
    if (check->final)
        sim_fail(sim, INV_RESULT_STANDS, "job %u is written after its end", number);
}

static void check_attempt(struct sim *sim, struct job_check *check, struct task_check *task,
                          int32_t attempt)
{
    const struct sim_task_plan *plan = check_plan(sim, check->job, task->path);
    if (task->state == TASK_PENDING && check->applies)
        task->attempt = 0; /* its attempts begin anew */
    if (attempt < task->attempt || attempt > task->attempt + 1)
        sim_fail(sim, INV_ATTEMPTS, "job %u %.*s: attempt %d after %d", check->job->number,
                 TEXT_ARG(task->path), attempt, task->attempt);
    if (plan && attempt > plan->attempts)
        sim_fail(sim, INV_ATTEMPTS, "job %u %.*s: attempt %d of %d", check->job->number,
                 TEXT_ARG(task->path), attempt, plan->attempts);
    task->attempt = attempt;
}

/* Undoing says of a task that it is left as it is, and why: a line, but no move. */
static bool is_remark(const struct history_line *line)
{
    return text_equal(line->detail, TEXT("no revert")) ||
           text_equal(line->detail, TEXT("revert if")) ||
           text_equal(line->detail, TEXT("not undone"));
}

static void check_line(struct sim *sim, struct job_check *check, const struct history_line *line)
{
    bool is_job = !line->task.data;
    struct task_check *task = is_job ? NULL : check_task(sim, check, line->task);
    int from = is_job ? check->state : task->state;
    if (!is_job && is_remark(line) && from == line->state)
        return;
    if (!machine_allows(is_job ? &job_machine : &task_machine, from, line->state))
        sim_fail(
            sim, INV_LEGAL_MOVE, "job %u %.*s: %s to %s", check->job->number, TEXT_ARG(line->task),
            is_job ? job_state_name((enum job_state)from) : task_state_name((enum task_state)from),
            is_job ? job_state_name((enum job_state)line->state)
                   : task_state_name((enum task_state)line->state));
    if (is_job) {
        check->state = line->state;
    } else {
        task->state = line->state;
        check_attempt(sim, check, task, line->attempt);
    }
}

/* Whether the rerun was told so, or it follows from that. */
static bool runs_again(const struct sim *sim, const struct job_check *check, struct text path)
{
    const struct sim_plan *plan = sim->plans[check->job->number];
    for (int i = 0; i < plan->count; i++) {
        if (text_equal(path, text_of(plan->tasks[i].name)))
            return check->rerun_mask >> i & 1;
    }
    return true; /* a row that is no task's: the job's own notes */
}

static void check_result(struct sim *sim, struct job_check *check, const struct task_row *fresh)
{
    const struct task_row *old = sim_job_task(check->job, fresh->path);
    if (!old || !task_state_is_final(old->state))
        return;
    if (check->applies && (old->state != TASK_SUCCESS || runs_again(sim, check, fresh->path)))
        return;
    if (old->state != fresh->state || old->attempt != fresh->attempt ||
        !text_equal(old->result, fresh->result) || !text_equal(old->failure, fresh->failure))
        sim_fail(sim, INV_RESULT_STANDS, "job %u %.*s: its recorded end changes",
                 check->job->number, TEXT_ARG(fresh->path));
}

static bool has_begun(enum task_state state)
{
    return state != TASK_PENDING && state != TASK_SKIPPED;
}

static bool is_met(int state)
{
    return state == TASK_SUCCESS || state == TASK_SKIPPED;
}

static void check_needs(struct sim *sim, struct job_check *check, const struct task_row *row)
{
    const struct sim_task_plan *plan = check_plan(sim, check->job, row->path);
    const struct sim_plan *whole = sim->plans[check->job->number];
    if (!plan || !has_begun(row->state))
        return;
    for (int i = 0; i < whole->count; i++) {
        if ((plan->needs >> i & 1) &&
            !is_met(check_task(sim, check, text_of(whole->tasks[i].name))->state))
            sim_fail(sim, INV_NEEDS, "job %u: %s begins before %s is recorded", check->job->number,
                     plan->name, whole->tasks[i].name);
    }
}

static void check_task_rows(struct sim *sim, struct job_check *check, const struct save *save)
{
    for (size_t i = 0; i < save->task_count; i++) {
        const struct task_row *row = &save->tasks[i].row;
        if (row->path.len == 0)
            continue; /* the job's own notes */
        struct task_check *task = check_task(sim, check, row->path);
        check_result(sim, check, row);
        check_needs(sim, check, row);
        if (task->state != (int)row->state || task->attempt != row->attempt)
            sim_fail(sim, INV_LEGAL_MOVE, "job %u %.*s: %s, but the history says %s",
                     check->job->number, TEXT_ARG(row->path), task_state_name(row->state),
                     task_state_name((enum task_state)task->state));
        if (row->state == TASK_FAILURE && row->failure.data &&
            memmem(row->failure.data, row->failure.len, "\"unknown\"", 9))
            sim_count(&sim->world, COUNT_ONCE_UNKNOWN);
    }
}

static void check_outcome(struct sim *sim, struct job_check *check, const struct save *save)
{
    const struct sim_plan *plan = sim->plans[check->job->number];
    int failed = 0, open = 0;
    for (int i = 0; i < plan->count; i++) {
        struct task_check *task = check_task(sim, check, text_of(plan->tasks[i].name));
        failed += task->state == TASK_FAILURE;
        open += !task_state_is_final((enum task_state)task->state);
    }
    bool ok = save->state == JOB_SUCCESS ? failed == 0 : save->state == JOB_FAILURE;
    if (plan->count > 0 && (!ok || open > 0))
        sim_fail(sim, INV_OUTCOME, "job %u ends %s with %d tasks failed and %d open",
                 check->job->number, job_state_name(save->state), failed, open);
    sim_count(&sim->world, save->state == JOB_SUCCESS ? COUNT_JOB_SUCCESS : COUNT_JOB_FAILURE);
    check->final = true;
}

static void tell_save(struct sim *sim, const struct sim_job *job, const struct save *save)
{
    struct buffer line;
    if (!sim_traces(sim) && !sim->options.keep_story)
        return;
    buffer_init(&line, 0);
    buffer_printf(&line, "store  job %u saved, epoch %lld: %s", job->number, (long long)save->epoch,
                  job_state_name(save->state));
    for (size_t i = 0; i < save->task_count; i++)
        buffer_printf(&line, " %.*s=%s/%d", TEXT_ARG(save->tasks[i].row.path),
                      task_state_name(save->tasks[i].row.state), save->tasks[i].row.attempt);
    sim_fact(sim, "%s", line.data);
    buffer_done(&line);
}

void check_reran(void *context, const struct sim_job *job)
{
    struct sim *sim = context;
    struct job_check *check = check_of(sim, job);
    const struct sim_plan *plan = sim->plans[job->number];
    sim_fact(sim, "store  job %u is to run again", job->number);
    if (!check->final || check->rerun_seq > 0)
        sim_fail(sim, INV_LEGAL_MOVE, "job %u runs again before its end", job->number);
    check->final = false;
    check->state = JOB_READY;
    check->rerun_seq = job->row.inbox_seq;
    check->rerun_epoch = check->epoch;
    check->rerun_mask = plan->rerun_from;
    for (int i = 0; i < plan->count; i++) {
        if (plan->tasks[i].needs & check->rerun_mask)
            check->rerun_mask |= UINT32_C(1) << i;
    }
    if (job->row.ready_at_us <= check->ready_at_us)
        sim_fail(sim, INV_READY_AT, "job %u: two placements share a name", job->number);
    check->ready_at_us = job->row.ready_at_us;
}

void check_saved(void *context, const struct sim_job *job, const struct save *save)
{
    struct sim *sim = context;
    struct job_check *check = check_of(sim, job);
    tell_save(sim, job, save);
    check_fence(sim, check, save);
    check->applies = check->rerun_seq > 0;
    if (check->applies && save->inbox_applied < check->rerun_seq)
        sim_fail(sim, INV_INBOX, "job %u goes on without the rerun that it was told", job->number);
    if (check->applies)
        sim_count(&sim->world, COUNT_RERUN_APPLIED);
    check->rerun_seq = 0;
    for (size_t i = 0; i < save->history_count; i++)
        check_line(sim, check, &save->history[i]);
    check_task_rows(sim, check, save);
    if ((int)save->state != check->state)
        sim_fail(sim, INV_LEGAL_MOVE, "job %u: %s, but the history says %s", job->number,
                 job_state_name(save->state), job_state_name((enum job_state)check->state));
    bool ends =
        job_state_is_final(save->state) || save->state == JOB_READY || save->state == JOB_WAITING;
    if (ends != save->ends_claim)
        sim_fail(sim, INV_LEGAL_MOVE, "job %u: %s %s the claim", job->number,
                 job_state_name(save->state), save->ends_claim ? "ends" : "does not end");
    if (ends && job->row.inbox_seq != save->inbox_seen)
        sim_fail(sim, INV_INBOX, "job %u ends its claim without looking at its inbox", job->number);
    if (job_state_is_final(save->state))
        check_outcome(sim, check, save);
    check->content = content_of(save);
    check->saves++;
}

/* Whether what was answered is true. Refusals and "already" are judged by the books. */
void check_decided(void *context, const struct sim_job *job, const struct save *save,
                   enum save_outcome outcome)
{
    struct sim *sim = context;
    if (!job)
        return;
    struct job_check *check = check_of(sim, job);
    bool is_newest = save->epoch == check->epoch && uuid_equal(&save->claim, &check->claim);
    bool is_written = is_newest && save->save_no + 1 == check->saves;
    bool fits = is_newest && save->save_no == check->saves;
    if (outcome == SAVE_REFUSED && (is_written || fits))
        sim_fail(sim, INV_TRUE_ANSWER, "job %u: save %lld is refused though it %s", job->number,
                 (long long)save->save_no, is_written ? "was written" : "fits");
    if ((outcome == SAVE_OK || outcome == SAVE_ALREADY) &&
        (!is_written || check->content != content_of(save)))
        sim_fail(sim, INV_TRUE_ANSWER, "job %u: save %lld counts as written and is not",
                 job->number, (long long)save->save_no);
    if (outcome != SAVE_OK || save->state != JOB_READY)
        return;
    if (job->row.ready_at_us <= check->ready_at_us)
        sim_fail(sim, INV_READY_AT, "job %u: two placements share a name", job->number);
    check->ready_at_us = job->row.ready_at_us;
}
