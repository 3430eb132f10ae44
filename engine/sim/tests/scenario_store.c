/* SPDX-License-Identifier: Apache-2.0 */
/* Statements that are late, lost, answered to nobody, or stand in the way. */
#include "engine/sim/tests/scenario.h"

#define ONE_STEP "  a: {run: [work, \"300\", \"300\", \"0\"]}\n"

/* Breaks the owner's connections when the claim is committed and its answer under way. */
static void claim_of_unknown_outcome(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    scenario_until(sim, is_claimed, job);
    sim_store_break(scenario_owner(sim, job)->store);
    scenario_finish(sim);
    scenario_count(sim, COUNT_CLAIM_UNKNOWN, 1);
    scenario_count(sim, COUNT_CLAIM_MINE, 1);
    assert_int_equal(job->row.epoch, 1);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    scenario_done(sim);
}

/* The lost save had applied: the identical one says so and applies nothing. */
static void save_resent(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    scenario_until(sim, is_begun, job);
    sim_store_break(scenario_owner(sim, job)->store);
    scenario_finish(sim);
    scenario_count(sim, COUNT_SAVE_UNKNOWN, 1);
    scenario_count(sim, COUNT_SAVE_ALREADY, 1);
    assert_int_equal(job->row.save_no, 2);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    scenario_done(sim);
}

static void final_save_resent(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, "  a: {noop: }\n");
    scenario_until(sim, is_final, job);
    sim_store_break(scenario_owner(sim, job)->store);
    scenario_finish(sim);
    scenario_count(sim, COUNT_SAVE_ALREADY, 1);
    assert_int_equal(job->row.save_no, 1);
    scenario_done(sim);
}

static bool has_written_nothing_yet(struct sim *sim, struct sim_job *job)
{
    /* The second save, of the step's end, is on its way. */
    return core_counted(scenario_owner(sim, job)->core)->saves >= 2;
}

static bool is_between_steps(struct sim *sim, struct sim_job *job)
{
    return !is_stepping(sim, job);
}

/* The old owner's save of a success travels for ten seconds; meanwhile a peer claims. */
static void save_arrives_after_the_next_claim(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    struct sim_delay *network = &sim_store_options(sim->store)->network;
    scenario_until(sim, is_stepping, job);
    struct sim_engine *old = scenario_owner(sim, job);
    struct sim_delay quick = *network;
    *network = (struct sim_delay){10000000, 10000000, 0, 0};
    scenario_until(sim, is_between_steps, job);
    scenario_until(sim, has_written_nothing_yet, job);
    *network = quick;
    sim_engine_kill(old);
    scenario_finish(sim);
    scenario_pass(sim, 12000);
    scenario_count(sim, COUNT_STORE_LATE, 1);
    assert_int_equal(job->row.epoch, 2);
    assert_int_equal(sim_steps_count(sim->steps), 2);
    assert_int_equal(sim_job_task(job, TEXT("a"))->state, TASK_SUCCESS);
    assert_true(text_equal(sim_job_task(job, TEXT("a"))->result, TEXT("\"run 2\"")));
    scenario_done(sim);
}

static bool is_stuck(struct sim *sim, struct sim_job *job)
{
    return job->locker != NULL;
}

static bool is_done_by_peer(struct sim *sim, struct sim_job *job)
{
    return job->row.epoch == 2 && is_final(sim, job);
}

/* A frozen engine's backend waits mid-message with the row locked: the peer's claim ends it. */
static void frozen_backend_mid_message(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    scenario_until(sim, is_stepping, job);
    struct sim_engine *frozen = scenario_owner(sim, job);
    sim_store_hold_next(frozen->store);
    scenario_until(sim, is_stuck, job);
    sim_engine_freeze(frozen, 0);
    scenario_until(sim, is_done_by_peer, job);
    scenario_count(sim, COUNT_BLOCKERS_ENDED, 1);
    assert_int_equal(job->row.epoch, 2);
    sim_engine_thaw(frozen);
    scenario_pass(sim, 5000);
    scenario_finish(sim);
    assert_int_equal(job->row.epoch, 2);
    scenario_done(sim);
}

/* The claim waits behind the old owner's save, which commits: what is loaded then knows of it. */
static void claim_waits_behind_a_save(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    scenario_until(sim, is_stepping, job);
    struct sim_engine *old = scenario_owner(sim, job);
    struct sim_delay *work = &sim_store_options(sim->store)->work;
    struct sim_delay quick = *work;
    *work = (struct sim_delay){6000000, 6000000, 0, 0};
    scenario_until(sim, is_stuck, job);
    *work = quick;
    sim_engine_kill(old);
    scenario_finish(sim);
    assert_int_equal(job->row.state, JOB_SUCCESS);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    scenario_done(sim);
}

static void store_away_while_a_step_runs(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    scenario_until(sim, is_stepping, job);
    sim_store_down(sim->store);
    scenario_pass(sim, 3000);
    sim_store_up(sim->store);
    scenario_finish(sim);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    assert_int_equal(job->row.epoch, 1);
    scenario_done(sim);
}

/* Something came in before the end: the step's end is saved without that of the job, the inbox is
 * read, and the job ends under the same claim. */
static void inbox_before_the_end(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    scenario_until(sim, is_stepping, job);
    assert_true(sim_store_inbox(sim->store, job));
    scenario_finish(sim);
    scenario_count(sim, COUNT_SAVE_INBOX, 1);
    assert_int_equal(job->row.state, JOB_SUCCESS);
    assert_int_equal(job->row.epoch, 1);
    assert_int_equal(job->row.inbox_applied, 1);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    scenario_done(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claim_of_unknown_outcome),
        cmocka_unit_test(save_resent),
        cmocka_unit_test(final_save_resent),
        cmocka_unit_test(save_arrives_after_the_next_claim),
        cmocka_unit_test(frozen_backend_mid_message),
        cmocka_unit_test(claim_waits_behind_a_save),
        cmocka_unit_test(store_away_while_a_step_runs),
        cmocka_unit_test(inbox_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
