/* SPDX-License-Identifier: Apache-2.0 */
/* What the store promises about saves and batches when nobody interferes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/os/entropy.h"
#include "storage/tests/stage.h"

#define KIND_POST  0
#define KIND_CLAIM 1
#define KIND_SAVE  3

static struct job_row claimed_job(struct stage *stage, struct storage *store)
{
    struct uuid job = stage_post(stage, store);
    struct claim_answer claimed = stage_claim(stage, store, &job, 0, NULL);
    assert_int_equal(claimed.outcome, CLAIM_OK);
    return claimed.row;
}

static struct save ending_save(const struct job_row *row, enum job_state state)
{
    return (struct save){.job = row->id,
                         .epoch = row->epoch,
                         .claim = row->claim,
                         .save_no = row->save_no,
                         .state = state,
                         .ends_claim = true,
                         .inbox_seen = row->inbox_seq,
                         .inbox_applied = row->inbox_applied,
                         .engine = TEXT("e1")};
}

static void a_save_sent_again_applies_once(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct save save = stage_save_request(&row);
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_ALREADY);
    assert_int_equal(stage_row(stage, store, &row.id).save_no, 1);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM history"), 4);
    row.save_no = 1;
    save = ending_save(&row, JOB_FAILURE);
    save.failure = TEXT("{}");
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_ALREADY);
}

static void a_save_needs_its_epoch_claim_and_number(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct save saves[5];
    for (size_t i = 0; i < 5; i++)
        saves[i] = stage_save_request(&row);
    saves[0].epoch = 2;
    saves[1].claim = entropy_uuid_v7(); /* an epoch that a failover gave out twice */
    saves[2].save_no = 1;
    saves[3].job = entropy_uuid_v7();
    saves[4].epoch = 0;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(stage_save(stage, store, &saves[i]).outcome, SAVE_REFUSED);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM tasks"), 0);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM history"), 2);
    assert_int_equal(storage_count(store)->refused, 5);
}

static void a_delayed_save_is_refused_after_the_next_claim(void **state)
{
    struct stage *stage = *state;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct job_row row = claimed_job(stage, a);
    struct save save = stage_save_request(&row);
    assert_int_equal(stage_claim(stage, b, &row.id, 1, NULL).outcome, CLAIM_OK);
    assert_int_equal(stage_save(stage, a, &save).outcome, SAVE_REFUSED);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM tasks"), 0);
    assert_int_equal(stage_number(stage->raw, "SELECT save_no FROM jobs"), 0);
}

static void nothing_is_saved_after_the_end(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct save save = ending_save(&row, JOB_SUCCESS);
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    save.save_no = 1;
    save.state = JOB_RUNNING;
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_REFUSED);
    assert_int_equal(stage_row(stage, store, &row.id).state, JOB_SUCCESS);
}

static void an_ending_save_sees_what_came_to_the_inbox(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    stage_sql(stage->raw, "UPDATE jobs SET inbox_seq = 1");
    struct save save = ending_save(&row, JOB_SUCCESS);
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_INBOX);
    struct save step = stage_save_request(&row); /* it does not end: it may pass */
    step.inbox_applied = 1;
    assert_int_equal(stage_save(stage, store, &step).outcome, SAVE_OK);
    save.save_no = 1;
    save.inbox_seen = save.inbox_applied = 1;
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    assert_int_equal(stage_row(stage, store, &row.id).inbox_applied, 1);
}

static void a_release_gets_a_new_name(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid job = stage_post(stage, store);
    /* The clock of a new primary may be behind. */
    stage_sql(stage->raw, "UPDATE jobs SET ready_at = ready_at + interval '1 hour'");
    int64_t before_us = stage_row(stage, store, &job).ready_at_us;
    struct job_row row = stage_claim(stage, store, &job, 0, NULL).row;
    struct save save = ending_save(&row, JOB_READY);
    struct save_answer answer = stage_save(stage, store, &save);
    assert_int_equal(answer.outcome, SAVE_OK);
    assert_int_equal(answer.ready_at_us, before_us + 1);
    answer = stage_save(stage, store, &save);
    assert_int_equal(answer.outcome, SAVE_ALREADY);
    assert_int_equal(answer.ready_at_us, before_us + 1);
    row = stage_row(stage, store, &job);
    assert_int_equal(row.state, JOB_READY);
    assert_int_equal(row.ready_at_us, before_us + 1);
    struct claim_answer next = stage_claim(stage, store, &job, 1, NULL);
    assert_int_equal(next.state_before, JOB_READY);
    assert_int_equal(next.row.unclean, 0); /* it was released */
}

static void a_task_keeps_where_it_began(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct task_change task = {.row = {.path = TEXT("t"), .state = TASK_RUNNING, .attempt = 1},
                               .begins = true};
    struct save save = stage_save_request(&row);
    save.tasks = &task;
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    assert_string_equal(stage_sql(stage->raw, "SELECT engine || epoch || (ended_at IS NULL) || "
                                              "(started_at IS NOT NULL) FROM tasks"),
                        "e11truetrue");
    task.begins = false;
    task.ends = true;
    task.row.state = TASK_SUCCESS;
    task.row.result = TEXT("null");
    save.save_no = 1;
    save.engine = TEXT("e2");
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    assert_string_equal(stage_sql(stage->raw, "SELECT engine || epoch || state || result || "
                                              "(ended_at >= started_at) FROM tasks"),
                        "e11SUCCESSnulltrue");
}

/* ----------------------------------------------------------------------------------- batches */

#define MANY 100

static void a_hundred_ready_requests_are_one_statement(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    const struct storage_counts *counts = storage_count(store);
    struct storage_answer answer;
    struct job_row rows[MANY];
    for (uint64_t i = 0; i < MANY; i++) {
        struct post_request request = stage_post_request();
        rows[i].id = request.id;
        storage_post(store, &request, i + 1);
    }
    stage_await(stage, store, MANY, &answer);
    assert_int_equal(counts->statements[KIND_POST], 1);
    for (uint64_t i = 0; i < MANY; i++) {
        struct claim_request request = stage_claim_request(&rows[i].id, 0);
        storage_claim(store, &request, MANY + i);
    }
    for (uint64_t i = 0; i < MANY; i++) {
        stage_await(stage, store, MANY + i, &answer);
        assert_int_equal(answer.u.claim.outcome, CLAIM_OK);
        rows[i] = answer.u.claim.row;
    }
    assert_int_equal(counts->statements[KIND_CLAIM], 1);
    for (uint64_t i = 0; i < MANY; i++) {
        struct save save = stage_save_request(&rows[i]);
        storage_save(store, &save, 2 * MANY + i);
    }
    for (uint64_t i = 0; i < MANY; i++) {
        stage_await(stage, store, 2 * MANY + i, &answer);
        assert_int_equal(answer.u.saved.outcome, SAVE_OK);
    }
    assert_int_equal(counts->statements[KIND_SAVE], 1);
    assert_int_equal(counts->save_batches, 1);
    assert_int_equal(counts->saves, MANY);
    assert_int_equal(stage_number(stage->raw, "SELECT (SELECT count(*) FROM jobs WHERE save_no = 1)"
                                              " + (SELECT count(*) FROM tasks)"
                                              " + (SELECT count(*) FROM history)"),
                     MANY * 6);
    /* post 3, claim 2, save 4 */
    assert_int_equal(counts->rows_written, MANY * 9);
}

static void one_bad_document_fails_one_job(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct job_row rows[5];
    for (size_t i = 0; i < 5; i++)
        rows[i] = claimed_job(stage, store);
    struct task_change bad = {.row = {.path = TEXT("one"), .result = TEXT("{\"a\":")}};
    for (uint64_t i = 0; i < 5; i++) {
        struct save save = stage_save_request(&rows[i]);
        if (i == 2)
            save.tasks = &bad;
        storage_save(store, &save, 100 + i);
    }
    for (uint64_t i = 0; i < 5; i++) {
        stage_await(stage, store, 100 + i, &answer);
        assert_int_equal(answer.u.saved.outcome, i == 2 ? SAVE_BAD : SAVE_OK);
        if (i == 2)
            assert_non_null(strstr(answer.u.saved.error.data, "json"));
    }
    assert_int_equal(storage_count(store)->resent_singly, 5);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM tasks"), 4);
    assert_int_equal(stage_row(stage, store, &rows[2].id).save_no, 0);

    for (uint64_t i = 0; i < 3; i++) {
        struct post_request request = stage_post_request();
        if (i == 1)
            request.input = TEXT("{]");
        storage_post(store, &request, 200 + i);
    }
    for (uint64_t i = 0; i < 3; i++) {
        stage_await(stage, store, 200 + i, &answer);
        assert_int_equal(answer.u.post.outcome, i == 1 ? POST_BAD : POST_OK);
    }
}

static void saves_of_a_running_job_are_hot(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct save save = stage_save_request(&row);
    for (int i = 0; i < 20; i++) {
        save.save_no = i;
        assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    }
    storage_free(store); /* a backend that ends has told its counts */
    stage->store_count = 0;
    stage_until(stage, "SELECT n_tup_upd = 21 AND n_tup_hot_upd = 20 FROM pg_stat_user_tables"
                       " WHERE relid = 'jobs'::regclass");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        T(a_save_sent_again_applies_once),
        T(a_save_needs_its_epoch_claim_and_number),
        T(a_delayed_save_is_refused_after_the_next_claim),
        T(nothing_is_saved_after_the_end),
        T(an_ending_save_sees_what_came_to_the_inbox),
        T(a_release_gets_a_new_name),
        T(a_task_keeps_where_it_began),
        T(a_hundred_ready_requests_are_one_statement),
        T(one_bad_document_fails_one_job),
        T(saves_of_a_running_job_are_hot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
