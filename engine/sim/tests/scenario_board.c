/* SPDX-License-Identifier: Apache-2.0 */
/* Listings that are stale, locks of unknown outcome, multis that come too late. */
#include "engine/sim/tests/scenario.h"

#define ONE_STEP "  a: {run: [work, \"300\", \"300\", \"0\"]}\n"
#define LONG     "  a: {run: [work, \"8000\", \"8000\", \"0\"]}\n"

/* Two engines want the job at once: both find its card late, one gets the lock. */
static void two_claims_at_once(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post_unplaced(sim, ONE_STEP);
    scenario_finish(sim); /* both engines' late work finds the row */
    assert_int_equal(job->row.epoch, 1);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    scenario_done(sim);
}

static void lock_of_unknown_outcome(void **state)
{
    struct sim *sim = scenario_new(1);
    sim_board_options(sim->board)->unknown_permille = 1000;
    struct sim_job *job = scenario_post(sim, ONE_STEP);
    scenario_until(sim, is_locked, job);
    sim_board_cut(sim->engines[0].board);
    scenario_pass(sim, 500);
    sim_board_mend(sim->engines[0].board);
    scenario_pass(sim, 1000);
    sim_board_options(sim->board)->unknown_permille = 0;
    scenario_finish(sim);
    assert_true(sim->world.counts[COUNT_BOARD_UNKNOWN] > 0);
    assert_int_equal(job->row.epoch, 1);
    scenario_done(sim);
}

/* A card is listed, and the job has ended before the listing is acted upon. */
static void stale_listing(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, "  a: {noop: }\n");
    scenario_until(sim, is_final, job);
    struct card card = {job->row.id, job->row.pool, job->row.shard, job->row.priority,
                        job->row.ready_at_us};
    scenario_finish(sim);
    sim_board_place(sim->board, &card, NULL, 0); /* as a poster's late create would */
    scenario_pass(sim, 5000);
    scenario_finish(sim);
    assert_int_equal(job->row.epoch, 1);
    scenario_done(sim);
}

static bool is_held_by_peer(struct sim *sim, struct sim_job *job)
{
    return job->row.epoch == 2 && is_stepping(sim, job);
}

static bool is_leaving(struct sim *sim, struct sim_job *job)
{
    return is_ready_again(sim, job) && sim_board_unanswered(sim->engines[0].board) > 0;
}

/* A release travels until its session is long over and a peer holds the job: nothing happens. */
static void late_multi_meets_a_peers_lock(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, LONG);
    scenario_until(sim, is_stepping, job);
    struct sim_engine *old = scenario_owner(sim, job);
    assert_int_equal(old->number, 0);
    struct sim_delay *network = &sim_board_options(sim->board)->network;
    struct sim_delay quick = *network;
    sim_engine_drain(old, false);
    scenario_until(sim, is_ready_again, job);
    *network = (struct sim_delay){9000000, 9000000, 0, 0};
    scenario_until(sim, is_leaving, job);
    *network = quick;
    sim_engine_kill(old);
    scenario_until(sim, is_held_by_peer, job);
    scenario_pass(sim, 4000);
    assert_non_null(sim_board_find_lock(sim->board, &job->row.id));
    scenario_finish(sim);
    assert_true(sim->world.counts[COUNT_BOARD_LATE] > 0);
    assert_int_equal(job->row.epoch, 2);
    scenario_done(sim);
}

/* The card of a release and a repair of its shard cross on their way. */
static void repair_beside_release(void **state)
{
    for (int64_t offset_us = 0; offset_us < 3000; offset_us += 100) {
        struct sim *sim = scenario_new(3);
        struct sim_job *job = scenario_post(sim, LONG);
        scenario_until(sim, is_stepping, job);
        scenario_pass(sim, 2200); /* a repair every second; the row is not recent any more */
        sim_run_until(sim, sim->world.queue.now_us + offset_us);
        sim_engine_drain(scenario_owner(sim, job), false);
        scenario_finish(sim);
        assert_int_equal(job->row.epoch, 2);
        scenario_count(sim, COUNT_SESSION_EXPIRED, 0);
        scenario_done(sim);
    }
}

/* An older and a newer placement of a job that has ended both go, and soon. */
static void two_cards_of_an_ended_job(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, LONG);
    scenario_until(sim, is_stepping, job);
    struct card older = {job->row.id, job->row.pool, job->row.shard, job->row.priority,
                         job->row.ready_at_us};
    sim_engine_drain(&sim->engines[0], false);
    scenario_until(sim, is_ready_again, job);
    struct card newer = older;
    newer.ready_at_us = job->row.ready_at_us;
    scenario_finish(sim);
    sim_board_place(sim->board, &older, NULL, 0);
    sim_board_place(sim->board, &newer, NULL, 0);
    scenario_finish(sim);
    scenario_done(sim);
}

static size_t held_by(struct sim *sim, int number)
{
    struct core_held held[32];
    return core_held_jobs(sim->engines[number].core, held, 32);
}

/* A full engine leaves its shards to an idle peer: a job there does not wait for late work. */
static void full_engine_beside_an_idle_one(void **state)
{
    struct sim *sim = scenario_new(2);
    int slots = sim->config.slots;
    sim_engine_kill(&sim->engines[0]);
    sim->config.slots = 2;
    sim_engine_start(&sim->engines[0]);
    sim->config.slots = slots;
    scenario_pass(sim, 10000);
    while (held_by(sim, 0) < 2) {
        scenario_post(sim, "  a: {run: [work, \"30000\", \"30000\", \"0\"]}\n");
        scenario_pass(sim, 200);
        assert_true(held_by(sim, 1) < 8);
    }
    scenario_pass(sim, 200);
    for (int i = 0; i < 16; i++) {
        struct sim_job *job = scenario_post(sim, "  a: {run: [work, \"50\", \"50\", \"0\"]}\n");
        int64_t posted_ms = sim_now_ms(sim);
        scenario_until(sim, is_stepping, job);
        assert_in_range(sim_now_ms(sim) - posted_ms, 0, 100);
        scenario_until(sim, is_final, job);
    }
    scenario_finish(sim);
    scenario_pass(sim, 200);
    struct sim_job *job = scenario_post(sim, ONE_STEP); /* it is back, or a peer has the shard */
    scenario_until(sim, is_stepping, job);
    scenario_finish(sim);
    scenario_done(sim);
}

/* The rows are the record: without any card the job is still taken over. */
static void all_cards_lost(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, LONG);
    scenario_until(sim, is_stepping, job);
    sim->cards_go = true;
    sim_board_lose_cards(sim->board);
    sim->cards_go = false;
    sim_engine_kill(scenario_owner(sim, job));
    scenario_finish(sim);
    assert_int_equal(job->row.epoch, 2);
    assert_int_equal(job->row.state, JOB_SUCCESS);
    scenario_done(sim);
}

/* Cut off without a word: the engine counts for itself and gives up in time. */
static void cut_off_from_the_board(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, LONG);
    scenario_until(sim, is_stepping, job);
    struct sim_engine *engine = scenario_owner(sim, job);
    sim_board_cut(engine->board);
    scenario_until(sim, is_held_by_peer, job);
    sim_board_mend(engine->board);
    scenario_finish(sim);
    struct core_counts counts;
    sim_core_counts(sim, &counts);
    assert_int_equal(counts.sessions_given_up, 1);
    assert_int_equal(job->row.epoch, 2);
    scenario_done(sim);
}

/* The ensemble is away for less than half of T: nothing is given up. */
static void board_away_for_a_moment(void **state)
{
    struct sim *sim = scenario_new(2);
    struct sim_job *job = scenario_post(sim, LONG);
    scenario_until(sim, is_stepping, job);
    sim_board_down(sim->board);
    scenario_pass(sim, 1000);
    sim_board_up(sim->board, false);
    scenario_finish(sim);
    assert_int_equal(job->row.epoch, 1);
    assert_int_equal(sim_steps_count(sim->steps), 1);
    scenario_done(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_claims_at_once),     cmocka_unit_test(lock_of_unknown_outcome),
        cmocka_unit_test(stale_listing),          cmocka_unit_test(late_multi_meets_a_peers_lock),
        cmocka_unit_test(repair_beside_release),  cmocka_unit_test(full_engine_beside_an_idle_one),
        cmocka_unit_test(all_cards_lost),         cmocka_unit_test(two_cards_of_an_ended_job),
        cmocka_unit_test(cut_off_from_the_board), cmocka_unit_test(board_away_for_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
