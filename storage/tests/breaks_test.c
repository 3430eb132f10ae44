/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that break, answers that are lost, a server that freezes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/os/clock.h"
#include "base/os/entropy.h"
#include "storage/tests/stage.h"

static struct job_row claimed_job(struct stage *stage, struct storage *store)
{
    struct uuid job = stage_post(stage, store);
    struct claim_answer claimed = stage_claim(stage, store, &job, 0, NULL);
    assert_int_equal(claimed.outcome, CLAIM_OK);
    return claimed.row;
}

static void end_backends(struct stage *stage, const char *application)
{
    stage_sql(stage->raw,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
              "'%s'",
              application);
}

/* ------------------------------------------------------------------------------ lost answers */

/* As the contract says: unknown, so the identical save again. */
static enum save_outcome save_until_known(struct stage *stage, struct storage *store,
                                          const struct save *save)
{
    enum save_outcome outcome;
    do
        outcome = stage_save(stage, store, save).outcome;
    while (outcome == SAVE_UNKNOWN);
    return outcome;
}

static void a_save_whose_answer_is_lost_has_applied(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct save save = stage_save_request(&row);
    struct storage_answer answer;
    storage_save(store, &save, 77);
    stage_send(store);
    stage_wait(stage, "SELECT save_no = 1 FROM jobs");
    stage_lose_answers(store);
    stage_await(stage, store, 77, &answer);
    assert_int_equal(answer.u.saved.outcome, SAVE_UNKNOWN);
    assert_int_equal(save_until_known(stage, store, &save), SAVE_ALREADY);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM history"), 4);
    assert_true(storage_count(store)->reconnects >= 1);
}

static void a_save_that_was_cut_off_applies_when_sent_again(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct save save = stage_save_request(&row);
    struct storage_answer answer;
    stage_sql(stage->raw, "BEGIN");
    stage_sql(stage->raw, "SELECT FROM jobs FOR UPDATE");
    storage_save(store, &save, 77);
    stage_until_blocked(stage, "a", 1);
    end_backends(stage, "a");
    stage_await(stage, store, 77, &answer);
    assert_int_equal(answer.u.saved.outcome, SAVE_UNKNOWN);
    stage_sql(stage->raw, "ROLLBACK");
    assert_int_equal(save_until_known(stage, store, &save), SAVE_OK);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM history"), 4);
}

static void a_claim_whose_answer_is_lost_is_mine(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid job = stage_post(stage, store);
    struct claim_request request = stage_claim_request(&job, 0);
    struct storage_answer answer;
    storage_claim(store, &request, 77);
    stage_send(store);
    stage_wait(stage, "SELECT epoch = 1 FROM jobs");
    stage_lose_answers(store);
    stage_await(stage, store, 77, &answer);
    assert_int_equal(answer.u.claim.outcome, CLAIM_UNKNOWN);
    storage_claim(store, &request, 78);
    stage_await(stage, store, 78, &answer);
    assert_int_equal(answer.u.claim.outcome, CLAIM_OK);
    assert_int_equal(answer.u.claim.row.epoch, 1);
    assert_int_equal(answer.u.claim.state_before, JOB_READY);
}

static void a_post_whose_answer_is_lost_is_one_job(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct post_request request = stage_post_request();
    struct storage_answer answer;
    request.key = TEXT("k");
    storage_post(store, &request, 77);
    stage_send(store);
    stage_wait(stage, "SELECT count(*) = 1 FROM jobs");
    stage_lose_answers(store);
    stage_await(stage, store, 77, &answer);
    assert_int_equal(answer.u.post.outcome, POST_UNKNOWN);
    storage_post(store, &request, 78);
    stage_await(stage, store, 78, &answer);
    assert_int_equal(answer.u.post.outcome, POST_OK);
    assert_true(answer.u.post.ready_at_us > 0);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM jobs"), 1);
}

static void reads_whose_answer_is_lost_say_so(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct storage_answer answer;
    struct view_request view = {.kind = VIEW_COUNTS};
    stage_row(stage, store, &row.id); /* the read connection is up */
    storage_rows(store, &row.id, 1, 77);
    storage_view(store, &view, 78);
    storage_load(store, &row.id, &row.claim, 79);
    stage_send(store);
    stage_lose_answers(store);
    int seen = 0;
    while (seen < 3) {
        while (storage_next(store, &answer)) {
            seen += answer.tag >= 77;
            if (answer.tag == 77)
                assert_int_equal(answer.u.rows.code, ERR_UNKNOWN);
            if (answer.tag == 78)
                assert_int_equal(answer.u.view->code, ERR_UNKNOWN);
            if (answer.tag == 79)
                assert_int_equal(answer.u.loaded.outcome, LOAD_UNKNOWN);
        }
        stage_turn(stage);
    }
}

/* ------------------------------------------------------------------------------ reconnecting */

static void ups_and_downs_are_told_in_order(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    static const enum storage_answer_kind kinds[] = {STORAGE_UP, STORAGE_DOWN, STORAGE_UP};
    for (size_t i = 0; i < 3; i++) {
        if (i == 1)
            end_backends(stage, "a");
        stage_await(stage, store, 0, &answer);
        assert_int_equal(answer.kind, kinds[i]);
        if (i == 1) {
            assert_non_null(strstr(answer.text.data, "terminating connection"));
            assert_false(storage_is_up(store));
        }
    }
    assert_true(storage_is_up(store));
    assert_string_equal(storage_trouble(store), "");
}

static void requests_wait_while_the_connection_is_away(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct save save = stage_save_request(&row);
    end_backends(stage, "a");
    while (storage_is_up(store))
        stage_turn(stage);
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
}

static void what_is_queued_can_be_forgotten(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct save save = stage_save_request(&row);
    struct storage_answer answer;
    storage_save(store, &save, 77);
    storage_forget_queued(store);
    storage_rows(store, &row.id, 1, 78);
    while (!storage_next(store, &answer) || answer.tag != 78) {
        assert_int_not_equal(answer.tag, 77);
        stage_turn(stage);
    }
    assert_int_equal(answer.u.rows.rows[0].save_no, 0);
}

/* --------------------------------------------------------------------------- a server frozen */

static void a_silent_server_is_given_up(void **state)
{
    struct stage *stage = *state;
    stage->answer_timeout_ms = 600;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct save save = stage_save_request(&row);
    struct storage_answer answer;
    stage_until(stage, "SELECT count(*) = 2 FROM pg_stat_activity WHERE application_name = 'a'"
                       " AND state = 'idle'"); /* work, and side after its NOTIFY */
    pid_t pid = (pid_t)stage_number(stage->raw,
                                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'a'"
                                    " AND query NOT LIKE '%%pg_notify%%'");
    if (kill(pid, SIGSTOP))
        skip();
    int64_t began_ms = clock_now_ms();
    storage_save(store, &save, 77);
    stage_await(stage, store, 77, &answer);
    int64_t took_ms = clock_now_ms() - began_ms;
    kill(pid, SIGCONT);
    assert_int_equal(answer.u.saved.outcome, SAVE_UNKNOWN);
    assert_true(took_ms >= 550 && took_ms < 3000);
    enum save_outcome outcome = save_until_known(stage, store, &save);
    assert_true(outcome == SAVE_OK || outcome == SAVE_ALREADY);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM history"), 4);
    /* The former backend was told to end. */
    stage_until(stage, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %d", (int)pid);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        T(a_save_whose_answer_is_lost_has_applied),
        T(a_save_that_was_cut_off_applies_when_sent_again),
        T(a_claim_whose_answer_is_lost_is_mine),
        T(a_post_whose_answer_is_lost_is_one_job),
        T(reads_whose_answer_is_lost_say_so),
        T(ups_and_downs_are_told_in_order),
        T(requests_wait_while_the_connection_is_away),
        T(what_is_queued_can_be_forgotten),
        T(a_silent_server_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
