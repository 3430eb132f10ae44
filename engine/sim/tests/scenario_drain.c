/* SPDX-License-Identifier: Apache-2.0 */
/* An engine is told to stop. */
#include "engine/sim/tests/scenario.h"

#define LONG "  a: {run: [work, \"8000\", \"8000\", \"0\"]}\n"

static bool has_left(struct sim *sim, struct sim_job *job)
{
    return !sim->engines[0].core;
}

/* The hand-over needs no timeout: the peer has the job within a second. */
static void hands_over(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, LONG);
    scenario_until(sim, is_stepping, job);
    int64_t told_ms = sim_now_ms(sim);
    sim_engine_drain(&sim->engines[0], false);
    scenario_until(sim, has_left, job);
    scenario_finish(sim);
    assert_true(sim_steps_run(sim->steps, 1)->began_us / 1000 - told_ms < 2000);
    scenario_story(sim, "posted job 0\n"
                        "board  card of job 0 made\n"
                        "board  lock of job 0 made\n"
                        "store  job 0 claimed, epoch 1\n"
                        "store  job 0 saved, epoch 1: RUNNING a=RUNNING/1\n"
                        "step   a/1 of e0 begins, epoch 1\n"
                        "step   a/1 of e0 is killed\n"
                        "store  job 0 saved, epoch 1: READY\n"
                        "board  lock of job 0 gone\n"
                        "board  card of job 0 gone\n"
                        "board  card of job 0 made\n"
                        "board  lock of job 0 made\n"
                        "store  job 0 claimed, epoch 2\n"
                        "store  job 0 saved, epoch 2: RUNNING a=RUNNING/1\n"
                        "step   a/1 of e1 begins, epoch 2\n"
                        "step   a/1 of e1 ends\n"
                        "store  job 0 saved, epoch 2: SUCCESS a=SUCCESS/1\n"
                        "board  lock of job 0 gone\n"
                        "board  card of job 0 gone\n");
    scenario_done(sim);
}

/* A step that ends within the grace is recorded before the hand-over. */
static void short_steps_end(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job =
        scenario_post(sim, "  a: {run: [work, \"500\", \"500\", \"0\"]}\n"
                           "  b: {needs: a, run: [work, \"10\", \"10\", \"0\"]}\n");
    scenario_until(sim, is_stepping, job);
    sim_engine_drain(&sim->engines[0], false);
    scenario_finish(sim);
    assert_int_equal(sim_steps_count(sim->steps), 2);
    assert_int_equal(sim_steps_run(sim->steps, 0)->killed, false);
    assert_int_equal(sim_steps_run(sim->steps, 1)->epoch, 2);
    scenario_done(sim);
}

/* Told while the claim is under way: the job is handed over as soon as it is loaded. */
static void told_while_claiming(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, LONG);
    scenario_until(sim, is_claimed, job);
    sim_engine_drain(scenario_owner(sim, job), false);
    scenario_until(sim, has_left, job);
    scenario_finish(sim);
    assert_int_equal(job->row.epoch, 2);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    scenario_done(sim);
}

static bool has_failed_task(struct sim *sim, struct sim_job *job)
{
    const struct task_row *row = sim_job_task(job, TEXT("b"));
    return row && row->state == TASK_FAILURE && is_stepping(sim, job);
}

/* The job is failing while a step of it still runs: the step is stopped for the hand-over, and the
 * next owner runs it to its end before the job fails. */
static void told_while_failing(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, LONG "  b: {fail: meant to}\n");
    scenario_until(sim, has_failed_task, job);
    sim_engine_drain(scenario_owner(sim, job), false);
    scenario_finish(sim);
    assert_int_equal(job->row.epoch, 2);
    assert_int_equal(job->row.state, JOB_FAILURE);
    assert_int_equal(sim_job_task(job, TEXT("a"))->state, TASK_SUCCESS);
    scenario_done(sim);
}

static void told_twice(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, LONG);
    scenario_until(sim, is_stepping, job);
    struct sim_engine *engine = scenario_owner(sim, job);
    sim_engine_drain(engine, false);
    sim_engine_drain(engine, true);
    scenario_until(sim, has_left, job);
    scenario_finish(sim);
    assert_int_equal(job->row.epoch, 2);
    scenario_count(sim, COUNT_SESSION_EXPIRED, 0);
    scenario_done(sim);
}

static void told_while_idle(void **state)
{
    struct sim *sim = scenario_new(1);
    sim_engine_drain(&sim->engines[0], false);
    scenario_until(sim, has_left, NULL);
    scenario_done(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_over),          cmocka_unit_test(short_steps_end),
        cmocka_unit_test(told_while_claiming), cmocka_unit_test(told_while_failing),
        cmocka_unit_test(told_twice),          cmocka_unit_test(told_while_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
