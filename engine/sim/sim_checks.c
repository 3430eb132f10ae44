/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of the board, of steps, of holds, and in the end. */
#include "engine/sim/sim_checks.h"

#include "base/check.h"
#include "base/placement.h"

#define HELD_MAX        64
#define HELD_CHECK_EACH 8 /* deliveries between two looks at what engines hold */

struct sim_checks *sim_checks_new(struct sim *sim)
{
    return arena_calloc(&sim->world.arena, 1, sizeof(struct sim_checks));
}

/* ------------------------------------------------------------------------------------- the books
 */

struct job_check *check_of(struct sim *sim, const struct sim_job *job)
{
    CHECK(job->number < sim->checks->count);
    return &sim->checks->jobs[job->number];
}

void sim_checks_posted(struct sim *sim, const struct sim_job *job)
{
    struct sim_checks *checks = sim->checks;
    CHECK(job->number == checks->count);
    checks->jobs = arena_grow(&sim->world.arena, checks->jobs, checks->count, checks->count + 1,
                              &checks->capacity, sizeof *checks->jobs);
    checks->jobs[checks->count++] =
        (struct job_check){.job = job, .state = JOB_READY, .ready_at_us = job->row.ready_at_us};
}

struct task_check *check_task(struct sim *sim, struct job_check *check, struct text path)
{
    for (size_t i = 0; i < check->task_count; i++) {
        if (text_equal(check->tasks[i].path, path))
            return &check->tasks[i];
    }
    struct arena *arena = &sim->world.arena;
    check->tasks = arena_grow(arena, check->tasks, check->task_count, check->task_count + 1,
                              &check->task_capacity, sizeof *check->tasks);
    struct task_check *task = &check->tasks[check->task_count++];
    *task = (struct task_check){.path = arena_text(arena, path), .state = TASK_PENDING};
    return task;
}

const struct sim_task_plan *check_plan(const struct sim *sim, const struct sim_job *job,
                                       struct text path)
{
    const struct sim_plan *plan = sim->plans[job->number];
    for (int i = 0; i < plan->count; i++) {
        if (text_equal(path, text_of(plan->tasks[i].name)))
            return &plan->tasks[i];
    }
    return NULL;
}

/* -------------------------------------------------------------------------------------- the board
 */

static int number_of(struct sim *sim, const struct uuid *id)
{
    const struct sim_job *job = sim_store_find(sim->store, id);
    return job ? (int)job->number : -1;
}

static void lock_made(void *context, const struct sim_lock *lock)
{
    sim_fact(context, "board  lock of job %d made", number_of(context, &lock->job));
}

static void lock_gone(void *context, const struct sim_lock *lock, const struct uuid *owner,
                      const struct uuid *by)
{
    sim_fact(context, "board  lock of job %d gone", number_of(context, &lock->job));
    if (!uuid_equal(owner, by))
        sim_fail(context, INV_OWN_LOCK, "a session deletes the lock of another");
}

static void card_made(void *context, const struct card *card)
{
    sim_fact(context, "board  card of job %d made", number_of(context, &card->job));
}

static void card_gone(void *context, const struct card *card)
{
    struct sim *sim = context;
    sim_fact(sim, "board  card of job %d gone", number_of(sim, &card->job));
    const struct sim_job *job = sim_store_find(sim->store, &card->job);
    bool rationed = sim->config.window < sim->config.jobs;
    if (job && !sim->cards_go && !rationed && job_state_is_claimable(job->row.state) &&
        job->row.ready_at_us == card->ready_at_us)
        sim_fail(sim, INV_CARD, "the card of job %u, %s, is taken away", job->number,
                 job_state_name(job->row.state));
}

struct sim_board_watch sim_checks_board(struct sim *sim)
{
    return (struct sim_board_watch){sim, lock_made, lock_gone, card_made, card_gone};
}

struct sim_store_watch sim_checks_store(struct sim *sim)
{
    return (struct sim_store_watch){sim, check_claimed, check_saved, check_reran, check_decided};
}

/* ------------------------------------------------------------------------------------------- steps
 */

static void check_repeats(struct sim *sim, const struct sim_job *job,
                          const struct sim_step_run *run)
{
    const struct sim_task_plan *plan = check_plan(sim, job, run->task);
    for (size_t i = 0; i < sim_steps_count(sim->steps); i++) {
        const struct sim_step_run *other = sim_steps_run(sim->steps, i);
        if (other == run || !uuid_equal(&other->job, &run->job) ||
            !text_equal(other->task, run->task))
            continue;
        if (other->ended_us < 0 && !sim->lease_broken)
            sim_fail(sim, INV_NO_OVERLAP, "job %u %.*s runs on e%d and e%d at once", job->number,
                     TEXT_ARG(run->task), other->engine, run->engine);
        int64_t rerun_epoch = check_of(sim, job)->rerun_epoch;
        bool reran = other->epoch <= rerun_epoch && run->epoch > rerun_epoch;
        if (other->attempt != run->attempt || reran)
            continue;
        sim_count(&sim->world, COUNT_STEP_REPEATED);
        if (other->epoch >= run->epoch && !sim->lease_broken)
            sim_fail(sim, INV_NOT_REPEATED, "job %u %.*s/%lld runs twice under one claim",
                     job->number, TEXT_ARG(run->task), (long long)run->attempt);
        if (plan && plan->once)
            sim_fail(sim, INV_ATTEMPTS, "job %u %.*s/%lld runs again though once", job->number,
                     TEXT_ARG(run->task), (long long)run->attempt);
    }
}

static void check_needs_recorded(struct sim *sim, const struct sim_job *job,
                                 const struct sim_step_run *run)
{
    const struct sim_task_plan *plan = check_plan(sim, job, run->task);
    const struct sim_plan *whole = sim->plans[job->number];
    for (int i = 0; plan && i < whole->count; i++) {
        const struct task_row *row = sim_job_task(job, text_of(whole->tasks[i].name));
        bool met = row && (row->state == TASK_SUCCESS || row->state == TASK_SKIPPED);
        if ((plan->needs >> i & 1) && !met)
            sim_fail(sim, INV_NEEDS, "job %u: the step of %s starts before %s is durable",
                     job->number, plan->name, whole->tasks[i].name);
    }
}

static void check_saved_first(struct sim *sim, const struct sim_job *job,
                              const struct sim_step_run *run)
{
    const struct task_row *row = sim_job_task(job, run->task);
    if (row && task_state_is_final(row->state))
        sim_fail(sim, INV_NOT_REPEATED, "job %u %.*s is recorded as %s and runs again", job->number,
                 TEXT_ARG(run->task), task_state_name(row->state));
    else if (!row || row->state != TASK_RUNNING || row->attempt != run->attempt)
        sim_fail(sim, INV_SAVED_FIRST, "job %u %.*s/%lld starts before that is durable",
                 job->number, TEXT_ARG(run->task), (long long)run->attempt);
    if (run->epoch != check_of(sim, job)->epoch)
        sim_fail(sim, INV_SAVED_FIRST, "job %u %.*s starts under epoch %lld, the newest is %lld",
                 job->number, TEXT_ARG(run->task), (long long)run->epoch,
                 (long long)check_of(sim, job)->epoch);
}

static void step_began(void *context, const struct sim_step_run *run)
{
    struct sim *sim = context;
    sim_fact(sim, "step   %.*s/%lld of e%d begins, epoch %lld", TEXT_ARG(run->task),
             (long long)run->attempt, run->engine, (long long)run->epoch);
    const struct sim_job *job = sim_store_find(sim->store, &run->job);
    if (!job) {
        sim_fail(sim, INV_SAVED_FIRST, "a step of no job starts");
        return;
    }
    if (!sim->lease_broken)
        check_saved_first(sim, job, run);
    check_needs_recorded(sim, job, run);
    check_repeats(sim, job, run);
}

static void step_ended(void *context, const struct sim_step_run *run)
{
    sim_fact(context, "step   %.*s/%lld of e%d %s", TEXT_ARG(run->task), (long long)run->attempt,
             run->engine, run->killed ? "is killed" : "ends");
}

struct sim_steps_watch sim_checks_steps(struct sim *sim)
{
    return (struct sim_steps_watch){sim, step_began, step_ended};
}

/* --------------------------------------------------------------------------------------- effects
 */

static int64_t *listed(struct sim_engine *engine, const struct pool *pool, unsigned shard)
{
    CHECK(shard < SIM_SHARDS_MAX);
    return &engine->listed_us[(strcmp(pool->name, "-") ? SIM_SHARDS_MAX : 0) + shard];
}

/* A repair lists first and reads the rows afterwards: what the row was already when the listing
 * was asked for, it must know. */
static void check_place(struct sim_engine *engine, const struct card *card)
{
    struct sim *sim = engine->sim;
    const struct sim_job *job = sim_store_find(sim->store, &card->job);
    int64_t listed_us = *listed(engine, &card->pool, card->shard);
    int64_t changed_us =
        job ? job->changed_at_us - sim_store_clock_us(sim->store) + sim->world.queue.now_us : 0;
    bool is_wanted =
        job && job_state_is_claimable(job->row.state) && job->row.ready_at_us == card->ready_at_us;
    if (!is_wanted && changed_us < listed_us)
        sim_fail(sim, INV_CARD, "a card of job %d is placed that had no business there",
                 job ? (int)job->number : -1);
}

void sim_checks_effect(struct sim_engine *engine, const struct core_effect *effect)
{
    if (effect->kind == EFFECT_LIST)
        *listed(engine, &effect->u.shard.pool, effect->u.shard.shard) =
            engine->sim->world.queue.now_us;
    else if (effect->kind == EFFECT_PLACE)
        check_place(engine, &effect->u.board.card);
}

/* ------------------------------------------------------------------------------------------- holds
 */

static void check_holders(struct sim *sim)
{
    struct core_held all[HELD_MAX * SIM_ENGINES_MAX];
    size_t count = 0;
    for (int i = 0; i < sim->config.engines; i++) {
        if (!sim->engines[i].core)
            continue;
        size_t held = core_held_jobs(sim->engines[i].core, all + count, HELD_MAX);
        count += held < HELD_MAX ? held : HELD_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count && all[i].epoch > 0; j++) {
            if (all[i].epoch == all[j].epoch && uuid_equal(&all[i].job, &all[j].job))
                sim_fail(sim, INV_ONE_HOLDER, "two engines hold a job under epoch %lld",
                         (long long)all[i].epoch);
        }
    }
}

void sim_checks_delivered(struct sim *sim)
{
    if (++sim->checks->deliveries % HELD_CHECK_EACH == 0)
        check_holders(sim);
}

/* ----------------------------------------------------------------------------------------- the end
 */

static void check_evidence(struct sim *sim, const struct sim_job *job)
{
    for (size_t i = 0; i < job->task_count; i++) {
        const struct task_row *row = &job->tasks[i];
        const struct sim_task_plan *plan = check_plan(sim, job, row->path);
        bool given = row->attempt == 0; /* by a rerun */
        if (!plan || given || row->state != TASK_SUCCESS ||
            (plan->verb != SIM_RUN && plan->verb != SIM_SH))
            continue;
        bool found = false;
        for (size_t r = 0; r < sim_steps_count(sim->steps) && !found; r++) {
            const struct sim_step_run *run = sim_steps_run(sim->steps, r);
            found = uuid_equal(&run->job, &job->row.id) && text_equal(run->task, row->path) &&
                    run->attempt == row->attempt && !run->killed && run->exit_code == 0;
        }
        if (!found)
            sim_fail(sim, INV_OUTCOME, "job %u %s succeeded without a run that did", job->number,
                     plan->name);
    }
}

void sim_checks_end(struct sim *sim)
{
    for (size_t i = 0; i < sim_store_job_count(sim->store); i++) {
        const struct sim_job *job = sim_store_job(sim->store, i);
        if (!job_state_is_final(job->row.state))
            sim_fail(sim, INV_NOT_LOST, "job %u stays %s", job->number,
                     job_state_name(job->row.state));
        check_evidence(sim, job);
    }
    for (int i = 0; i < sim->config.engines; i++) {
        struct core *core = sim->engines[i].core;
        struct core_held held[1];
        if (core && core_held_jobs(core, held, 1) > 0)
            sim_fail(sim, INV_TIDY, "engine %d still holds a job", i);
    }
}
