/* SPDX-License-Identifier: Apache-2.0 */
/* What shard_sync, late work and the claim audit read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/os/entropy.h"
#include "storage/tests/stage.h"

static const struct pool no_tags = {"-"}, gpu = {"00000000000000aa"};

/* A READY job; its age in ms, by its ready_at. */
static struct uuid post_job(struct stage *stage, struct storage *store, const struct pool *pool,
                            uint16_t shard, uint8_t priority, int age_ms)
{
    struct storage_answer answer;
    struct post_request request = stage_post_request();
    static const struct text gpu_tag[] = {{"gpu", 3}};
    request.pool = *pool;
    request.tags = gpu_tag;
    request.tag_count = strcmp(pool->name, "-") ? 1 : 0;
    request.shard = shard;
    request.priority = priority;
    storage_post(store, &request, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    assert_int_equal(answer.u.post.outcome, POST_OK);
    stage_sql(stage->raw,
              "UPDATE jobs SET ready_at = clock_timestamp() - %d * interval '1 ms' WHERE id = "
              "'%s'",
              age_ms, UUID_STR(&request.id));
    return request.id;
}

static void expect_rows(const struct storage_answer *answer, const struct uuid *const *jobs,
                        size_t count)
{
    assert_int_equal(answer->kind, STORAGE_ROWS);
    assert_int_equal(answer->u.rows.code, 0);
    assert_int_equal(answer->u.rows.count, count);
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (size_t k = 0; k < count; k++)
            found |= uuid_equal(&answer->u.rows.rows[k].id, jobs[i]);
        assert_true(found);
    }
}

static void rows_of_many_calls_are_one_statement(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct uuid jobs[3], none = entropy_uuid_v7();
    for (int i = 0; i < 3; i++)
        jobs[i] = post_job(stage, store, &no_tags, 1, 5, 0);
    struct uuid asked[] = {jobs[2], none, jobs[0]};
    storage_rows(store, jobs, 3, 1001);
    storage_rows(store, &none, 1, 1002);
    storage_rows(store, asked, 3, 1003);
    storage_rows(store, NULL, 0, 1004);
    stage_await(stage, store, 1001, &answer);
    expect_rows(&answer, (const struct uuid *[]){&jobs[0], &jobs[1], &jobs[2]}, 3);
    stage_await(stage, store, 1002, &answer);
    expect_rows(&answer, NULL, 0);
    stage_await(stage, store, 1003, &answer);
    expect_rows(&answer, (const struct uuid *[]){&jobs[0], &jobs[2]}, 2);
    stage_await(stage, store, 1004, &answer);
    expect_rows(&answer, NULL, 0);
    assert_int_equal(storage_count(store)->statements[4], 1);
}

static void a_shard_gives_its_window_and_all_that_is_claimed(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct uuid old = post_job(stage, store, &no_tags, 1, 5, 3000);
    struct uuid young = post_job(stage, store, &no_tags, 1, 5, 1000);
    struct uuid urgent = post_job(stage, store, &no_tags, 1, 0, 0);
    struct uuid running = post_job(stage, store, &no_tags, 1, 5, 0);
    struct uuid reverting = post_job(stage, store, &no_tags, 1, 5, 0);
    struct uuid ended = post_job(stage, store, &no_tags, 1, 5, 0);
    struct uuid elsewhere = post_job(stage, store, &no_tags, 2, 0, 9000);
    struct uuid none = entropy_uuid_v7();
    post_job(stage, store, &gpu, 1, 0, 9000);
    stage_sql(stage->raw, "UPDATE jobs SET state = 'RUNNING' WHERE id = '%s'", UUID_STR(&running));
    stage_sql(stage->raw, "UPDATE jobs SET state = 'REVERTING' WHERE id = '%s'",
              UUID_STR(&reverting));
    stage_sql(stage->raw, "UPDATE jobs SET state = 'SUCCESS' WHERE id = '%s'", UUID_STR(&ended));
    struct uuid listed[] = {ended, none, old, elsewhere};
    storage_shard_rows(store, &no_tags, 1, 2, listed, 4, 1001);
    storage_shard_rows(store, &no_tags, 1, 2, NULL, 0, 1002);
    storage_shard_rows(store, &no_tags, 1, 99, NULL, 0, 1003);
    stage_await(stage, store, 1001, &answer);
    expect_rows(&answer,
                (const struct uuid *[]){&urgent, &old, &running, &reverting, &ended, &elsewhere},
                6);
    stage_await(stage, store, 1002, &answer);
    expect_rows(&answer, (const struct uuid *[]){&urgent, &old, &running, &reverting}, 4);
    stage_await(stage, store, 1003, &answer);
    expect_rows(&answer, (const struct uuid *[]){&urgent, &old, &young, &running, &reverting}, 5);
}

static void a_release_under_way_is_seen_whole_or_not(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct uuid job = post_job(stage, store, &no_tags, 1, 5, 5000);
    int64_t before_us = stage_row(stage, store, &job).ready_at_us;
    stage_claim(stage, store, &job, 0, NULL);
    stage_sql(stage->raw, "BEGIN ISOLATION LEVEL READ COMMITTED");
    stage_sql(stage->raw, "UPDATE jobs SET state = 'READY', ready_at = clock_timestamp(),"
                          " changed_at = clock_timestamp()");
    storage_shard_rows(store, &no_tags, 1, 9, NULL, 0, 1001);
    stage_await(stage, store, 1001, &answer);
    assert_int_equal(answer.u.rows.count, 1);
    assert_int_equal(answer.u.rows.rows[0].state, JOB_RUNNING);
    assert_int_equal(answer.u.rows.rows[0].ready_at_us, before_us);
    stage_sql(stage->raw, "COMMIT");
    storage_shard_rows(store, &no_tags, 1, 9, NULL, 0, 1002);
    stage_await(stage, store, 1002, &answer);
    assert_int_equal(answer.u.rows.rows[0].state, JOB_READY);
    assert_true(answer.u.rows.rows[0].ready_at_us > before_us);
    assert_true(answer.u.rows.rows[0].is_recent); /* leave it alone */
    stage_sql(stage->raw, "UPDATE jobs SET changed_at = changed_at - interval '3 s'");
    assert_false(stage_row(stage, store, &job).is_recent);
}

static void late_work_is_what_nobody_looks_after(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct uuid here = entropy_uuid_v7(), gone = entropy_uuid_v7();
    struct uuid fresh = post_job(stage, store, &no_tags, 1, 5, 0);
    struct uuid late = post_job(stage, store, &no_tags, 1, 5, 5000);
    struct uuid tagged = post_job(stage, store, &gpu, 60, 5, 5000);
    struct uuid owned = post_job(stage, store, &no_tags, 2, 5, 5000);
    struct uuid orphan = post_job(stage, store, &no_tags, 3, 5, 5000);
    struct uuid held = post_job(stage, store, &no_tags, 4, 5, 5000);
    (void)fresh;
    stage_sql(stage->raw, "UPDATE jobs SET state = 'RUNNING', owner = '%s' WHERE id = '%s'",
              UUID_STR(&here), UUID_STR(&owned));
    stage_sql(stage->raw, "UPDATE jobs SET state = 'REVERTING', owner = '%s' WHERE id = '%s'",
              UUID_STR(&gone), UUID_STR(&orphan));
    stage_sql(stage->raw,
              "UPDATE jobs SET state = 'RUNNING', owner = '%s', hold_until = clock_timestamp() +"
              " interval '1 hour' WHERE id = '%s'",
              UUID_STR(&gone), UUID_STR(&held));
    static const struct text has_gpu[] = {{"gpu", 3}, {"ssd", 3}};
    struct late_query query = {has_gpu, 2, NULL, 0, &here, 1, 0, 10};
    storage_late_rows(store, &query, 1001);
    struct late_query plain = {NULL, 0, NULL, 0, &here, 1, 0, 10};
    storage_late_rows(store, &plain, 1002);
    struct late_query alone = {has_gpu, 2, NULL, 0, NULL, 0, 0, 10};
    storage_late_rows(store, &alone, 1003);
    struct late_query one = {has_gpu, 2, NULL, 0, &here, 1, 30, 1};
    storage_late_rows(store, &one, 1004);
    stage_await(stage, store, 1001, &answer);
    expect_rows(&answer, (const struct uuid *[]){&late, &tagged, &orphan}, 3);
    stage_await(stage, store, 1002, &answer);
    expect_rows(&answer, (const struct uuid *[]){&late, &orphan}, 2);
    stage_await(stage, store, 1003, &answer);
    expect_rows(&answer, (const struct uuid *[]){&late, &tagged, &orphan, &owned}, 4);
    stage_await(stage, store, 1004, &answer);
    expect_rows(&answer, (const struct uuid *[]){&orphan}, 1); /* claimed ones come first */
}

/* A pool that the board does not show is asked for by its tags, and not crowded out. */
static void late_work_begins_where_the_board_is_blank(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    static const struct text has_gpu[] = {{"gpu", 3}};
    for (int i = 0; i < 5; i++)
        post_job(stage, store, &no_tags, 1, 0, 9000);
    struct uuid tagged = post_job(stage, store, &gpu, 60, 9, 5000);
    struct late_query query = {has_gpu, 1, &no_tags, 1, NULL, 0, 0, 1};
    storage_late_rows(store, &query, 1001);
    stage_await(stage, store, 1001, &answer);
    expect_rows(&answer, (const struct uuid *[]){&tagged}, 1);
    assert_int_equal(answer.u.rows.rows[0].tag_count, 1);
    assert_true(text_equal(answer.u.rows.rows[0].tags[0], has_gpu[0]));
    query.shown = &gpu;
    storage_late_rows(store, &query, 1002);
    stage_await(stage, store, 1002, &answer);
    assert_int_equal(answer.u.rows.count, 1);
    assert_false(uuid_equal(&answer.u.rows.rows[0].id, &tagged));
    assert_int_equal(answer.u.rows.rows[0].tag_count, 0);
}

static void late_work_goes_round_from_the_given_shard(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct uuid jobs[4];
    for (uint16_t shard = 0; shard < 4; shard++)
        jobs[shard] = post_job(stage, store, &no_tags, shard, 5, 5000);
    struct late_query query = {NULL, 0, &no_tags, 1, NULL, 0, 2, 3};
    storage_late_rows(store, &query, 1001);
    stage_await(stage, store, 1001, &answer);
    expect_rows(&answer, (const struct uuid *[]){&jobs[2], &jobs[3], &jobs[0]}, 3);
}

static void a_boot_finds_what_it_owns(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct uuid job = post_job(stage, store, &no_tags, 1, 5, 0);
    stage_claim(stage, store, &job, 0, NULL);
    struct uuid owner = stage_row(stage, store, &job).owner, other = entropy_uuid_v7();
    storage_owned_rows(store, &owner, 1001);
    storage_owned_rows(store, &other, 1002);
    stage_await(stage, store, 1001, &answer);
    expect_rows(&answer, (const struct uuid *[]){&job}, 1);
    stage_await(stage, store, 1002, &answer);
    expect_rows(&answer, NULL, 0);
    stage_sql(stage->raw, "UPDATE jobs SET state = 'SUCCESS'"); /* the owner stays in the row */
    storage_owned_rows(store, &owner, 1003);
    stage_await(stage, store, 1003, &answer);
    expect_rows(&answer, NULL, 0);
}

static void a_row_with_garbage_is_left_out_and_named(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct uuid good = post_job(stage, store, &no_tags, 1, 5, 0);
    struct uuid bad = post_job(stage, store, &no_tags, 1, 5, 0);
    struct uuid jobs[] = {good, bad};
    static const char *const garbage[] = {"pool = 'what is this'", "shard = -1", "priority = 77",
                                          "epoch = -5", "state = 'NEVER'"};
    stage_sql(stage->raw, "ALTER TABLE jobs DROP CONSTRAINT jobs_pool_check, DROP CONSTRAINT "
                          "jobs_shard_check, DROP CONSTRAINT jobs_priority_check");
    stage_sql(stage->raw, "ALTER TYPE job_state ADD VALUE 'NEVER'");
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        stage_sql(stage->raw, "UPDATE jobs SET %s WHERE id = '%s'", garbage[i], UUID_STR(&bad));
        storage_rows(store, jobs, 2, 1000 + i);
        stage_await(stage, store, 1000 + i, &answer);
        assert_int_equal(answer.u.rows.code, ERR_INVALID);
        assert_non_null(strstr(answer.text.data, UUID_STR(&bad)));
        assert_int_equal(answer.u.rows.count, 1);
        assert_true(uuid_equal(&answer.u.rows.rows[0].id, &good));
        stage_sql(stage->raw, "UPDATE jobs SET pool = '-', shard = 1, priority = 5, epoch = 0,"
                              " state = 'READY'");
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        T(rows_of_many_calls_are_one_statement),
        T(a_shard_gives_its_window_and_all_that_is_claimed),
        T(a_release_under_way_is_seen_whole_or_not),
        T(late_work_is_what_nobody_looks_after),
        T(late_work_begins_where_the_board_is_blank),
        T(late_work_goes_round_from_the_given_shard),
        T(a_boot_finds_what_it_owns),
        T(a_row_with_garbage_is_left_out_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
