/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/tests/scenario.h"

#include <stdio.h>

#include "base/check.h"

#define SETTLE_MS 3000 /* a new boot joins the division after two seconds */
#define LIMIT_MS  60000

struct sim *scenario_new(int engines)
{
    struct sim_options options = {.seed = 1, .keep_trace = true, .keep_story = true};
    struct sim_config config;
    sim_config_calm(&config);
    config.engines = engines;
    struct sim *sim = sim_new(&options, &config);
    for (int i = 0; i < engines; i++)
        sim_engine_start(&sim->engines[i]);
    scenario_pass(sim, SETTLE_MS);
    scenario_forget(sim);
    return sim;
}

static void check(struct sim *sim)
{
    if (!sim->invariant)
        return;
    for (uint64_t i = 0; i < SIM_TRACE_LINES && i < sim->line_count; i++)
        print_message("%s\n", sim->lines[(sim->line_count + i) % SIM_TRACE_LINES].data);
    fail_msg("I%d: %s", sim->invariant, sim->failure);
}

void scenario_done(struct sim *sim)
{
    sim_checks_end(sim);
    check(sim);
    sim_free(sim);
}

static struct sim_job *post(struct sim *sim, const char *tasks, bool placed)
{
    struct text text = arena_printf(&sim->world.arena, "flow: scenario\ntasks:\n%s", tasks);
    return sim_post(sim, TEXT("scenario"), text, NULL, NULL, 0, PRIORITY_DEFAULT, placed);
}

struct sim_job *scenario_post(struct sim *sim, const char *tasks)
{
    return post(sim, tasks, true);
}

struct sim_job *scenario_post_unplaced(struct sim *sim, const char *tasks)
{
    return post(sim, tasks, false);
}

static bool moment_is_now(struct sim *sim, void *context)
{
    struct moment *moment = context;
    return moment->is_now(sim, moment->job);
}

void scenario_until(struct sim *sim, bool (*is_now)(struct sim *sim, struct sim_job *job),
                    struct sim_job *job)
{
    struct moment moment = {is_now, job};
    bool came = sim_run_while(sim, moment_is_now, &moment, LIMIT_MS);
    check(sim);
    if (!came)
        fail_msg("the moment never came; facts so far:\n%s", sim->story.data);
}

void scenario_pass(struct sim *sim, int64_t ms)
{
    sim_run_until(sim, sim->world.queue.now_us + ms * 1000);
    check(sim);
}

static bool is_over(struct sim *sim, struct sim_job *job)
{
    return sim_is_quiet(sim);
}

void scenario_finish(struct sim *sim)
{
    scenario_until(sim, is_over, NULL);
}

bool is_locked(struct sim *sim, struct sim_job *job)
{
    return job->row.epoch == 0 && sim_board_find_lock(sim->board, &job->row.id);
}

bool is_claimed(struct sim *sim, struct sim_job *job)
{
    return job->row.epoch == 1 && job->row.save_no == 0;
}

bool is_begun(struct sim *sim, struct sim_job *job)
{
    for (size_t i = 0; i < job->task_count; i++) {
        if (job->tasks[i].state == TASK_RUNNING)
            return true;
    }
    return false;
}

bool is_stepping(struct sim *sim, struct sim_job *job)
{
    for (size_t i = 0; i < sim_steps_count(sim->steps); i++) {
        const struct sim_step_run *run = sim_steps_run(sim->steps, i);
        if (run->ended_us < 0 && uuid_equal(&run->job, &job->row.id))
            return true;
    }
    return false;
}

bool is_final(struct sim *sim, struct sim_job *job)
{
    return job_state_is_final(job->row.state);
}

bool is_ready_again(struct sim *sim, struct sim_job *job)
{
    return job->row.state == JOB_READY && job->row.epoch > 0;
}

struct sim_engine *scenario_owner(struct sim *sim, const struct sim_job *job)
{
    for (int i = 0; i < sim->config.engines; i++) {
        struct sim_engine *engine = &sim->engines[i];
        struct uuid boot = engine->core ? sim_board_boot(engine->board) : (struct uuid){{0}};
        const struct sim_lock *lock = sim_board_find_lock(sim->board, &job->row.id);
        bool has_lock =
            lock && job->row.epoch == 0 && text_equal(sim_lock_owner(lock), engine->name);
        if (!uuid_is_nil(&boot) && (uuid_equal(&boot, &job->row.owner) || has_lock))
            return engine;
    }
    fail_msg("nobody owns job %u", job->number);
    return NULL;
}

struct sim_engine *scenario_other(struct sim *sim, const struct sim_engine *engine)
{
    return &sim->engines[engine->number == 0 ? 1 : 0];
}

void scenario_forget(struct sim *sim)
{
    buffer_clear(&sim->story);
}

void scenario_story(struct sim *sim, const char *expected)
{
    buffer_add_char(&sim->story, 0);
    if (strcmp(sim->story.data, expected))
        fail_msg("expected\n%s\ngot\n%s", expected, sim->story.data);
    scenario_forget(sim);
}

void scenario_count(const struct sim *sim, enum sim_count what, uint64_t expected)
{
    if (sim->world.counts[what] != expected)
        fail_msg("%s: expected %llu, got %llu", sim_count_name(what), (unsigned long long)expected,
                 (unsigned long long)sim->world.counts[what]);
}
