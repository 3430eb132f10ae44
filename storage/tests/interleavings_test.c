/* SPDX-License-Identifier: Apache-2.0 */
/* Two connections at one row, in every order that hurts. `raw` plays the other one: it holds a lock
 * in an open transaction while the store acts, and then commits, rolls back or freezes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
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

/* The next owner's claim, as far as the old owner's save cares; not committed yet. */
static void begin_takeover(PGconn *conn, const struct uuid *job)
{
    stage_sql(conn, "BEGIN ISOLATION LEVEL READ COMMITTED");
    stage_sql(conn,
              "UPDATE jobs SET epoch = epoch + 1, claim = gen_random_uuid(),"
              " owner = gen_random_uuid(), changed_at = clock_timestamp() WHERE id = '%s'",
              UUID_STR(job));
}

/* The old owner's save of task `late`; not committed yet. */
static void begin_old_save(PGconn *conn, const struct uuid *job)
{
    stage_sql(conn, "BEGIN ISOLATION LEVEL READ COMMITTED");
    stage_sql(conn, "UPDATE jobs SET save_no = save_no + 1 WHERE id = '%s'", UUID_STR(job));
    stage_sql(conn,
              "INSERT INTO tasks (epoch, state, attempt, job, path) VALUES (1, 'SUCCESS', 1, '%s',"
              " 'late')",
              UUID_STR(job));
}

static int64_t deadlocks(struct stage *stage)
{
    return stage_number(
        stage->raw, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
}

/* ---------------------------------------------------------------------------- save and claim */

static void a_save_that_meets_an_open_takeover_is_refused(void **state)
{
    struct stage *stage = *state;
    static const char *const options[] = {"-c default_transaction_isolation=read\\ committed",
                                          "-c default_transaction_isolation=repeatable\\ read",
                                          "-c default_transaction_isolation=serializable"};
    for (size_t i = 0; i < 3; i++) {
        setenv("PGOPTIONS", options[i], 1);
        struct storage *store = stage_store(stage, "a");
        unsetenv("PGOPTIONS");
        struct job_row row = claimed_job(stage, store);
        struct save save = stage_save_request(&row);
        struct storage_answer answer;
        begin_takeover(stage->raw, &row.id);
        storage_save(store, &save, 77);
        stage_until_blocked(stage, "a", 1);
        stage_sql(stage->raw, "COMMIT");
        stage_await(stage, store, 77, &answer);
        assert_int_equal(answer.u.saved.outcome, SAVE_REFUSED);
        assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM tasks"), 0);
        assert_int_equal(stage_row(stage, store, &row.id).save_no, 0);
    }
}

static void a_save_that_meets_a_takeover_rolled_back_applies(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct save save = stage_save_request(&row);
    struct storage_answer answer;
    begin_takeover(stage->raw, &row.id);
    storage_save(store, &save, 77);
    stage_until_blocked(stage, "a", 1);
    stage_sql(stage->raw, "ROLLBACK");
    stage_await(stage, store, 77, &answer);
    assert_int_equal(answer.u.saved.outcome, SAVE_OK);
    assert_int_equal(storage_count(store)->busy, 1);
}

static void a_load_after_a_claim_that_waited_sees_the_old_save(void **state)
{
    struct stage *stage = *state;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct job_row row = claimed_job(stage, a);
    struct claim_request request = stage_claim_request(&row.id, 1);
    struct storage_answer answer;
    begin_old_save(stage->raw, &row.id);
    storage_claim(b, &request, 77);
    stage_until_blocked(stage, "b", 1);
    stage_sql(stage->raw, "COMMIT");
    stage_await(stage, b, 77, &answer);
    assert_int_equal(answer.u.claim.outcome, CLAIM_OK);
    assert_int_equal(answer.u.claim.row.save_no, 1); /* the newest version, not the snapshot's */
    storage_load(b, &row.id, &request.claim, 78);
    stage_await(stage, b, 78, &answer);
    assert_int_equal(answer.u.loaded.outcome, LOAD_OK);
    assert_int_equal(answer.u.loaded.load.task_count, 1);
    assert_true(text_equal(answer.u.loaded.load.tasks[0].path, TEXT("late")));
}

static void a_claim_that_meets_an_open_claim_loses(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid job = stage_post(stage, store);
    struct claim_request request = stage_claim_request(&job, 0);
    struct storage_answer answer;
    begin_takeover(stage->raw, &job);
    storage_claim(store, &request, 77);
    stage_until_blocked(stage, "a", 1);
    stage_sql(stage->raw, "COMMIT");
    stage_await(stage, store, 77, &answer);
    assert_int_equal(answer.u.claim.outcome, CLAIM_CHANGED);
    assert_int_equal(stage_row(stage, store, &job).epoch, 1);
}

static void a_claim_sent_again_beside_its_first_send_is_mine(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid job = stage_post(stage, store);
    struct claim_request request = stage_claim_request(&job, 0);
    struct storage_answer answer;
    /* The first send is still under way in a backend that we lost sight of. */
    stage_sql(stage->raw, "BEGIN ISOLATION LEVEL READ COMMITTED");
    stage_sql(stage->raw,
              "UPDATE jobs SET epoch = 1, claim = '%s', owner = '%s', state = 'RUNNING'",
              UUID_STR(&request.claim), UUID_STR(&request.owner));
    storage_claim(store, &request, 77);
    stage_until_blocked(stage, "a", 1);
    stage_sql(stage->raw, "COMMIT");
    stage_await(stage, store, 77, &answer);
    assert_int_equal(answer.u.claim.outcome, CLAIM_OK);
    assert_int_equal(answer.u.claim.row.epoch, 1);
    assert_int_equal(answer.u.claim.row.state, JOB_RUNNING);
    assert_int_equal(answer.u.claim.state_before, JOB_READY);
}

static void an_ending_save_that_meets_an_open_inbox_row_sees_it(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct save save = stage_save_request(&row);
    struct storage_answer answer;
    save.state = JOB_WAITING;
    save.ends_claim = true;
    stage_sql(stage->raw, "BEGIN ISOLATION LEVEL READ COMMITTED");
    stage_sql(stage->raw, "UPDATE jobs SET inbox_seq = inbox_seq + 1");
    storage_save(store, &save, 77);
    stage_until_blocked(stage, "a", 1);
    stage_sql(stage->raw, "COMMIT");
    stage_await(stage, store, 77, &answer);
    assert_int_equal(answer.u.saved.outcome, SAVE_INBOX);
    assert_int_equal(stage_row(stage, store, &row.id).state, JOB_RUNNING);
}

/* ----------------------------------------------------------------------------------- batches */

static void a_locked_row_delays_only_its_own_job(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row rows[3];
    struct storage_answer answer;
    for (int i = 0; i < 3; i++)
        rows[i] = claimed_job(stage, store);
    stage_sql(stage->raw, "BEGIN ISOLATION LEVEL READ COMMITTED");
    stage_sql(stage->raw, "SELECT FROM jobs WHERE id = '%s' FOR UPDATE", UUID_STR(&rows[0].id));
    for (uint64_t i = 0; i < 3; i++) {
        struct save save = stage_save_request(&rows[i]);
        storage_save(store, &save, 100 + i);
    }
    stage_await(stage, store, 102, &answer);
    assert_int_equal(answer.u.saved.outcome, SAVE_OK);
    stage_until_blocked(stage, "a", 1);
    /* It holds none of the others while it waits: no circle can close. */
    stage_sql(stage->raw, "SELECT FROM jobs WHERE id = '%s' FOR UPDATE NOWAIT",
              UUID_STR(&rows[1].id));
    stage_sql(stage->raw, "COMMIT");
    stage_await(stage, store, 100, &answer);
    assert_int_equal(answer.u.saved.outcome, SAVE_OK);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM tasks"), 3);
}

#define CROSSED 40

static void batches_in_opposite_orders_do_not_deadlock(void **state)
{
    struct stage *stage = *state;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct uuid jobs[CROSSED];
    struct storage_answer answer;
    int64_t before = deadlocks(stage);
    for (int i = 0; i < CROSSED; i++)
        jobs[i] = stage_post(stage, a);
    for (int round = 0; round < 10; round++) {
        int won = 0;
        for (uint64_t i = 0; i < CROSSED; i++) {
            struct claim_request one = stage_claim_request(&jobs[i], round);
            struct claim_request two = stage_claim_request(&jobs[CROSSED - 1 - i], round);
            storage_claim(a, &one, 1000 + i);
            storage_claim(b, &two, 1000 + i);
        }
        stage_send(a);
        stage_send(b);
        for (uint64_t i = 0; i < 2 * CROSSED;) {
            struct storage *store = i % 2 ? b : a;
            while (storage_next(store, &answer))
                won += answer.kind == STORAGE_CLAIMED && answer.u.claim.outcome == CLAIM_OK, i++;
            while (storage_next(store == a ? b : a, &answer))
                won += answer.kind == STORAGE_CLAIMED && answer.u.claim.outcome == CLAIM_OK, i++;
            stage_turn(stage);
        }
        assert_int_equal(won, CROSSED);
    }
    assert_int_equal(deadlocks(stage), before);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM jobs WHERE epoch = 10"),
                     CROSSED);
}

static void keys_in_opposite_orders_do_not_deadlock(void **state)
{
    struct stage *stage = *state;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct storage_answer answer;
    char keys[CROSSED][32];
    int64_t before = deadlocks(stage);
    for (int i = 0; i < CROSSED; i++)
        snprintf(keys[i], sizeof keys[i], "key %d", i);
    for (uint64_t i = 0; i < CROSSED; i++) {
        struct post_request one = stage_post_request(), two = stage_post_request();
        one.key = text_of(keys[i]);
        two.key = text_of(keys[CROSSED - 1 - i]);
        storage_post(a, &one, 1000 + i);
        storage_post(b, &two, 1000 + i);
    }
    stage_send(a);
    stage_send(b);
    int ok = 0, same = 0;
    while (ok + same < 2 * CROSSED) {
        struct storage *stores[] = {a, b};
        for (int s = 0; s < 2; s++) {
            while (storage_next(stores[s], &answer)) {
                if (answer.kind != STORAGE_POSTED)
                    continue;
                ok += answer.u.post.outcome == POST_OK;
                same += answer.u.post.outcome == POST_SAME;
                assert_true(answer.u.post.outcome <= POST_SAME);
            }
        }
        stage_turn(stage);
    }
    assert_int_equal(ok, CROSSED);
    assert_int_equal(deadlocks(stage), before);
}

/* ------------------------------------------------------------------------------- who freezes */

/* A claim's row is locked by a client that stopped in the middle of a message: its statement has
 * run, its sync never comes. */
static void freeze_mid_message(struct stage *stage, PGconn *conn, const struct uuid *job)
{
    const char *values[] = {UUID_STR(job)};
    assert_true(PQenterPipelineMode(conn));
    assert_true(PQsendQueryParams(conn, "UPDATE jobs SET save_no = save_no + 1 WHERE id = $1", 1,
                                  NULL, values, NULL, NULL, 0));
    assert_int_equal(PQflush(conn), 0);
    stage_wait(stage,
               "SELECT state = 'active' AND wait_event_type = 'Client' FROM pg_stat_activity "
               "WHERE pid = %d",
               PQbackendPID(conn));
}

/* The claim may be answered before the statement that made room for it. */
static void expect_one_ended(struct stage *stage, struct storage *store)
{
    int64_t until_ms = clock_now_ms() + 10000;
    while (storage_count(store)->blockers_ended == 0 && clock_now_ms() < until_ms)
        stage_turn(stage);
    assert_int_equal(storage_count(store)->blockers_ended, 1);
}

static void a_frozen_backend_that_blocks_a_claim_is_ended(void **state)
{
    struct stage *stage = *state;
    stage->blocked_ms = 100;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct job_row row = claimed_job(stage, a);
    PGconn *frozen = stage_connect(stage);
    freeze_mid_message(stage, frozen, &row.id);
    int64_t began_ms = clock_now_ms();
    struct claim_answer answer = stage_claim(stage, b, &row.id, 1, NULL);
    int64_t took_ms = clock_now_ms() - began_ms;
    assert_int_equal(answer.outcome, CLAIM_OK);
    assert_int_equal(answer.row.save_no, 0); /* what it had begun is rolled back */
    expect_one_ended(stage, b);
    assert_true(took_ms >= 100 && took_ms < 900);
    PQfinish(frozen);
}

static void a_transaction_left_open_that_blocks_a_claim_is_ended(void **state)
{
    struct stage *stage = *state;
    stage->blocked_ms = 100;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct job_row row = claimed_job(stage, a);
    PGconn *idle = stage_connect(stage);
    begin_old_save(idle, &row.id);
    struct claim_answer answer = stage_claim(stage, b, &row.id, 1, NULL);
    assert_int_equal(answer.outcome, CLAIM_OK);
    expect_one_ended(stage, b);
    PQfinish(idle);
}

static void a_backend_that_works_is_left_alone(void **state)
{
    struct stage *stage = *state;
    stage->blocked_ms = 100;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct job_row row = claimed_job(stage, a);
    PGconn *busy = stage_connect(stage);
    char sql[256];
    snprintf(sql, sizeof sql,
             "UPDATE jobs SET save_no = save_no + 1 WHERE id = '%s'; SELECT pg_sleep(0.5)",
             UUID_STR(&row.id));
    assert_true(PQsendQuery(busy, sql));
    stage_wait(stage, "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %d",
               PQbackendPID(busy));
    struct claim_answer answer = stage_claim(stage, b, &row.id, 1, NULL);
    assert_int_equal(answer.outcome, CLAIM_OK);
    assert_int_equal(answer.row.save_no, 1);
    assert_int_equal(storage_count(b)->blockers_ended, 0);
    PQfinish(busy);
}

static void a_claim_gives_up_on_a_row_that_stays_locked(void **state)
{
    struct stage *stage = *state;
    stage->blocked_ms = 100;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct job_row row = claimed_job(stage, a);
    PGconn *busy = stage_connect(stage);
    char sql[256];
    snprintf(sql, sizeof sql,
             "UPDATE jobs SET save_no = save_no WHERE id = '%s'; SELECT pg_sleep(60)",
             UUID_STR(&row.id));
    assert_true(PQsendQuery(busy, sql));
    stage_wait(stage, "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %d",
               PQbackendPID(busy));
    assert_int_equal(stage_claim(stage, b, &row.id, 1, NULL).outcome, CLAIM_BUSY);
    struct save save = stage_save_request(&row);
    assert_int_equal(stage_save(stage, a, &save).outcome, SAVE_BUSY);
    assert_int_equal(storage_count(a)->blockers_ended + storage_count(b)->blockers_ended, 0);
    stage_sql(stage->raw, "SELECT pg_terminate_backend(%d)", PQbackendPID(busy));
    PQfinish(busy);
}

/* While a claim waits for a frozen one, others are not held up. */
static void a_blocked_claim_does_not_hold_up_saves(void **state)
{
    struct stage *stage = *state;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct job_row blocked = claimed_job(stage, a), mine = claimed_job(stage, b);
    struct claim_request request = stage_claim_request(&blocked.id, 1);
    struct storage_answer answer;
    stage_sql(stage->raw, "BEGIN ISOLATION LEVEL READ COMMITTED");
    stage_sql(stage->raw, "SELECT FROM jobs WHERE id = '%s' FOR UPDATE", UUID_STR(&blocked.id));
    storage_claim(b, &request, 77);
    stage_until_blocked(stage, "b", 1);
    struct save save = stage_save_request(&mine);
    assert_int_equal(stage_save(stage, b, &save).outcome, SAVE_OK);
    stage_sql(stage->raw, "COMMIT");
    stage_await(stage, b, 77, &answer);
    assert_int_equal(answer.u.claim.outcome, CLAIM_OK);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        T(a_save_that_meets_an_open_takeover_is_refused),
        T(a_save_that_meets_a_takeover_rolled_back_applies),
        T(a_load_after_a_claim_that_waited_sees_the_old_save),
        T(a_claim_that_meets_an_open_claim_loses),
        T(a_claim_sent_again_beside_its_first_send_is_mine),
        T(an_ending_save_that_meets_an_open_inbox_row_sees_it),
        T(a_locked_row_delays_only_its_own_job),
        T(batches_in_opposite_orders_do_not_deadlock),
        T(keys_in_opposite_orders_do_not_deadlock),
        T(a_frozen_backend_that_blocks_a_claim_is_ended),
        T(a_transaction_left_open_that_blocks_a_claim_is_ended),
        T(a_backend_that_works_is_left_alone),
        T(a_claim_gives_up_on_a_row_that_stays_locked),
        T(a_blocked_claim_does_not_hold_up_saves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
