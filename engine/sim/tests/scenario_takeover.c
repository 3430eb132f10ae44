/* SPDX-License-Identifier: Apache-2.0 */
/* An engine dies, or freezes, at each place of a job's life. */
#include "engine/sim/tests/scenario.h"

#define ONE_STEP "  a: {run: [work, \"300\", \"300\", \"0\"]}\n"

/* T + 1.5 tick + 250 ms, the bound of a takeover; calm worlds have T = 4 s, tick = 200 ms. A second
 * more for the query that finds late work. */
#define TAKEOVER_MS (4000 + 300 + 250 + 1000)

static struct sim_engine *die_at(struct sim *sim, struct sim_job *job,
                                 bool (*moment)(struct sim *sim, struct sim_job *job))
{
    scenario_until(sim, moment, job);
    struct sim_engine *engine = scenario_owner(sim, job);
    sim_engine_kill(engine);
    return engine;
}

static bool is_taken_over(struct sim *sim, struct sim_job *job)
{
    return job->row.epoch == 2 && is_stepping(sim, job);
}

static void dies_between_lock_and_claim(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    die_at(sim, job, is_locked);
    int64_t died_ms = sim_now_ms(sim);
    scenario_until(sim, is_stepping, job);
    assert_true(sim_now_ms(sim) - died_ms <= TAKEOVER_MS);
    scenario_finish(sim);
    assert_int_equal(job->row.epoch, 1);
    assert_int_equal(job->row.state, JOB_SUCCESS);
    scenario_done(sim);
}

static void dies_between_claim_and_first_save(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    die_at(sim, job, is_claimed);
    int64_t died_ms = sim_now_ms(sim);
    scenario_until(sim, is_taken_over, job);
    assert_true(sim_now_ms(sim) - died_ms <= TAKEOVER_MS);
    scenario_finish(sim);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    scenario_done(sim);
}

static void dies_between_save_and_start(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    die_at(sim, job, is_begun);
    assert_int_equal(sim_steps_count(sim->steps), 0);
    scenario_finish(sim);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    assert_int_equal(sim_steps_run(sim->steps, 0)->attempt, 1);
    assert_int_equal(sim_steps_run(sim->steps, 0)->epoch, 2);
    scenario_done(sim);
}

static void dies_during_a_step(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job =
        scenario_post(sim, "  a: {run: [work, \"10\", \"10\", \"0\"]}\n"
                           "  b: {needs: a, run: [work, \"300\", \"300\", \"0\"]}\n");
    scenario_until(sim, is_stepping, job);
    scenario_pass(sim, 100); /* a has ended, b runs */
    struct sim_engine *dead = die_at(sim, job, is_stepping);
    int64_t died_ms = sim_now_ms(sim);
    scenario_until(sim, is_taken_over, job);
    assert_true(sim_now_ms(sim) - died_ms <= TAKEOVER_MS);
    scenario_finish(sim);
    assert_int_equal(dead->number, 0);
    scenario_story(sim, "posted job 0\n"
                        "board  card of job 0 made\n"
                        "board  lock of job 0 made\n"
                        "store  job 0 claimed, epoch 1\n"
                        "store  job 0 saved, epoch 1: RUNNING a=RUNNING/1\n"
                        "step   a/1 of e0 begins, epoch 1\n"
                        "step   a/1 of e0 ends\n"
                        "store  job 0 saved, epoch 1: RUNNING a=SUCCESS/1 b=RUNNING/1\n"
                        "step   b/1 of e0 begins, epoch 1\n"
                        "e0 killed\n"
                        "step   b/1 of e0 is killed\n"
                        "board  lock of job 0 gone\n"
                        "board  lock of job 0 made\n"
                        "store  job 0 claimed, epoch 2\n"
                        "store  job 0 saved, epoch 2: RUNNING b=RUNNING/1\n"
                        "step   b/1 of e1 begins, epoch 2\n"
                        "step   b/1 of e1 ends\n"
                        "store  job 0 saved, epoch 2: SUCCESS b=SUCCESS/1\n"
                        "board  lock of job 0 gone\n"
                        "board  card of job 0 gone\n");
    scenario_done(sim);
}

static void dies_between_final_save_and_consume(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    die_at(sim, job, is_final);
    scenario_finish(sim);
    assert_int_equal(job->row.epoch, 1);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    scenario_done(sim);
}

/* A job's deadline counts from its post, whoever runs it. */
static void dies_before_the_deadline(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job =
        scenario_post(sim, "  a: {run: [work, \"50000\", \"50000\", \"0\"]}\ndeadline: 12s\n");
    int64_t posted_ms = sim_now_ms(sim);
    scenario_until(sim, is_stepping, job);
    scenario_pass(sim, 4000);
    die_at(sim, job, is_stepping);
    scenario_until(sim, is_taken_over, job);
    scenario_until(sim, is_final, job);
    assert_in_range(sim_now_ms(sim) - posted_ms, 11900, 12500);
    assert_int_equal(job->row.state, JOB_FAILURE);
    scenario_finish(sim);
    scenario_done(sim);
}

static void runs_once_only(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(
        sim, "  a: {run: [work, \"300\", \"300\", \"0\"], once: true, retry: {attempts: 3}}\n");
    die_at(sim, job, is_stepping);
    scenario_finish(sim);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    assert_int_equal(job->row.state, JOB_FAILURE);
    assert_non_null(memmem(job->failure.data, job->failure.len, "\"outcome\":\"unknown\"", 19));
    scenario_done(sim);
}

static bool is_done_by_peer(struct sim *sim, struct sim_job *job)
{
    return job->row.epoch == 2 && is_final(sim, job);
}

/* The zombie: its wardens kill its step before a peer runs it; woken it writes and starts nothing.
 */
static void frozen_past_its_session(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job =
        scenario_post(sim, "  a: {run: [work, \"5000\", \"5000\", \"0\"]}\n"
                           "  b: {needs: a, run: [work, \"50\", \"50\", \"0\"]}\n");
    scenario_until(sim, is_stepping, job);
    struct sim_engine *zombie = scenario_owner(sim, job);
    sim_engine_freeze(zombie, 0);
    scenario_until(sim, is_done_by_peer, job);
    int64_t save_no = job->row.save_no;
    size_t steps = sim_steps_count(sim->steps);
    sim_engine_thaw(zombie);
    scenario_pass(sim, 10000);
    scenario_finish(sim);
    assert_int_equal(job->row.save_no, save_no);
    assert_int_equal(sim_steps_count(sim->steps), steps);
    assert_int_equal(steps, 3);
    scenario_count(sim, COUNT_STEP_WARDEN, 1);
    scenario_count(sim, COUNT_FROZEN_BEYOND, 1);
    scenario_done(sim);
}

/* Frozen for a moment only: nobody notices. */
static void frozen_for_a_moment(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    scenario_until(sim, is_stepping, job);
    struct sim_engine *engine = scenario_owner(sim, job);
    sim_engine_freeze(engine, 0);
    scenario_pass(sim, 1000);
    sim_engine_thaw(engine);
    scenario_finish(sim);
    assert_int_equal(job->row.epoch, 1);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    scenario_done(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dies_between_lock_and_claim),
        cmocka_unit_test(dies_between_claim_and_first_save),
        cmocka_unit_test(dies_between_save_and_start),
        cmocka_unit_test(dies_during_a_step),
        cmocka_unit_test(dies_between_final_save_and_consume),
        cmocka_unit_test(dies_before_the_deadline),
        cmocka_unit_test(runs_once_only),
        cmocka_unit_test(frozen_past_its_session),
        cmocka_unit_test(frozen_for_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
