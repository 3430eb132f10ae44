/* SPDX-License-Identifier: Apache-2.0 */
/* What the store promises about posts, claims and loads when nobody interferes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/os/entropy.h"
#include "storage/tests/stage.h"

static struct post_answer post(struct stage *stage, struct storage *store,
                               const struct post_request *request)
{
    struct storage_answer answer;
    storage_post(store, request, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    assert_int_equal(answer.kind, STORAGE_POSTED);
    return answer.u.post;
}

static struct claim_answer claim(struct stage *stage, struct storage *store,
                                 const struct claim_request *request)
{
    struct storage_answer answer;
    storage_claim(store, request, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    assert_int_equal(answer.kind, STORAGE_CLAIMED);
    return answer.u.claim;
}

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

static void a_job_lives_from_post_to_end(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid job = stage_post(stage, store), token;
    struct job_row row = stage_row(stage, store, &job);
    assert_int_equal(row.state, JOB_READY);
    assert_int_equal(row.epoch, 0);
    assert_int_equal(row.shard, 7);
    assert_string_equal(row.pool.name, "-");
    assert_true(row.is_recent && !row.on_hold);

    struct claim_answer claimed = stage_claim(stage, store, &job, 0, &token);
    assert_int_equal(claimed.outcome, CLAIM_OK);
    assert_int_equal(claimed.state_before, JOB_READY);
    assert_int_equal(claimed.row.epoch, 1);
    assert_int_equal(claimed.row.state, JOB_RUNNING);
    assert_int_equal(claimed.row.unclean, 0);
    assert_true(uuid_equal(&claimed.row.claim, &token));

    struct save save = stage_save_request(&claimed.row);
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    claimed.row.save_no = 1;
    save = ending_save(&claimed.row, JOB_SUCCESS);
    save.output = TEXT("{\"b\":2}");
    save.history = &(struct history_line){.state = JOB_SUCCESS, .detail = TEXT("done")};
    save.history_count = 1;
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    assert_string_equal(stage_sql(stage->raw, "SELECT string_agg(concat_ws(':', seq, task, state, "
                                              "detail), ' ' ORDER BY seq) FROM history"),
                        "1:READY 2:RUNNING 3:one:RUNNING 4:one:SUCCESS 5:SUCCESS:done");
    assert_string_equal(stage_sql(stage->raw, "SELECT output FROM payloads"), "{\"b\":2}");
    row = stage_row(stage, store, &job);
    assert_int_equal(row.state, JOB_SUCCESS);
    assert_int_equal(row.save_no, 2);
    assert_true(uuid_equal(&row.claim, &token)); /* only the next claim overwrites it */
    assert_string_equal(stage_sql(stage->raw, "SELECT ended_at IS NOT NULL AND history_seq = 5 "
                                              "AND owner IS NOT NULL FROM jobs"),
                        "t");
}

static void load_gives_documents_to_the_letter(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct post_request request = stage_post_request();
    struct storage_answer answer;
    request.input = TEXT("{ \"z\":1.10, \"a\":18446744073709551616,\"z\":\"\\u0000\xc3\xa9\" }\n");
    request.key = TEXT("k");
    post(stage, store, &request);
    struct job_row row = stage_claim(stage, store, &request.id, 0, NULL).row;
    struct task_change task = {.row = {.path = TEXT("b/0"),
                                       .state = TASK_RETRYING,
                                       .attempt = 3,
                                       .failure = TEXT("{\"class\" : \"exit\"}"),
                                       .internal = TEXT("[1, 2]")}};
    struct save save = stage_save_request(&row);
    save.tasks = &task;
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    storage_load(store, &request.id, &row.claim, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    const struct job_load *load = &answer.u.loaded.load;
    assert_int_equal(answer.u.loaded.outcome, LOAD_OK);
    assert_int_equal(load->row.save_no, 1);
    assert_true(text_equal(load->input, request.input));
    assert_true(text_equal(load->key, TEXT("k")));
    assert_true(text_equal(load->flow_name, request.flow_name));
    assert_true(text_equal(load->flow_text, request.flow_text));
    assert_int_equal(load->flow_hash.len, 32);
    assert_true(load->posted_at_us > 0 && load->now_us >= load->posted_at_us);
    assert_int_equal(load->task_count, 1);
    assert_true(text_equal(load->tasks[0].path, TEXT("b/0")));
    assert_int_equal(load->tasks[0].state, TASK_RETRYING);
    assert_int_equal(load->tasks[0].attempt, 3);
    assert_null(load->tasks[0].result.data);
    assert_true(text_equal(load->tasks[0].failure, task.row.failure));
    assert_true(text_equal(load->tasks[0].internal, task.row.internal));
}

static void load_is_refused_under_another_claim(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct storage_answer answer;
    struct uuid other = entropy_uuid_v7();
    storage_load(store, &row.id, &other, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    assert_int_equal(answer.u.loaded.outcome, LOAD_REFUSED);
}

static void load_of_garbage_says_which_job(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct storage_answer answer;
    stage_sql(stage->raw, "DELETE FROM flows");
    storage_load(store, &row.id, &row.claim, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    assert_int_equal(answer.u.loaded.outcome, LOAD_INVALID);
    assert_non_null(strstr(answer.text.data, UUID_STR(&row.id)));
    assert_non_null(strstr(answer.text.data, "flow is missing"));
}

/* ------------------------------------------------------------------------------------- posts */

static void a_post_sent_again_is_one_job(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct post_request request = stage_post_request();
    struct post_answer first = post(stage, store, &request);
    struct post_answer again = post(stage, store, &request);
    assert_int_equal(first.outcome, POST_OK);
    assert_int_equal(again.outcome, POST_OK);
    assert_true(first.ready_at_us > 0 && first.ready_at_us == again.ready_at_us);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM jobs"), 1);
    request.input = TEXT("{}");
    assert_int_equal(post(stage, store, &request).outcome, POST_CONFLICT);
}

static void a_key_names_one_content(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct post_request first = stage_post_request(), same = stage_post_request();
    first.key = same.key = TEXT("order 1");
    assert_int_equal(post(stage, store, &first).outcome, POST_OK);
    struct post_answer answer = post(stage, store, &same);
    assert_int_equal(answer.outcome, POST_SAME);
    assert_true(uuid_equal(&answer.id, &first.id));
    assert_int_equal(answer.state, JOB_READY);
    struct post_request others[] = {same, same, same};
    others[0].input = TEXT("{\"a\": 1.1}");
    others[1].flow_text = TEXT("flow: hello\nsteps: []\n");
    others[2].priority = 1;
    for (size_t i = 0; i < 3; i++) {
        answer = post(stage, store, &others[i]);
        assert_int_equal(answer.outcome, POST_CONFLICT);
        assert_true(uuid_equal(&answer.id, &first.id));
    }
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM jobs"), 1);
}

static void one_key_twice_in_one_batch_is_one_job(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct post_request first = stage_post_request(), second = stage_post_request();
    first.key = second.key = TEXT("k");
    storage_post(store, &first, 1);
    storage_post(store, &second, 2);
    stage_await(stage, store, 2, &answer);
    assert_int_equal(answer.u.post.outcome, POST_SAME);
    assert_true(uuid_equal(&answer.u.post.id, &first.id));
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM jobs"), 1);
}

static void equal_flows_are_kept_once(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct post_request other = stage_post_request();
    other.flow_text = TEXT("flow: hello\nsteps: [{noop: }, {noop: }]\n");
    stage_post(stage, store);
    stage_post(stage, store);
    post(stage, store, &other);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM flows"), 2);
    assert_string_equal(stage_sql(stage->raw, "SELECT bool_and(hash = sha256(convert_to("
                                              "name || E'\\n' || text, 'UTF8'))) FROM flows"),
                        "t");
}

static void bad_posts_are_refused_with_a_reason(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    static char large[PAYLOAD_MAX_BYTES + 2];
    char long_key[300];
    memset(large, ' ', sizeof large);
    memset(long_key, 'k', sizeof long_key);
    static const struct text no_tag = {"", 0};
    struct post_request bad[8];
    for (size_t i = 0; i < 8; i++)
        bad[i] = stage_post_request();
    bad[0].input = (struct text){large, sizeof large};
    bad[1].input = TEXT("{\"a\": 01}");
    bad[2].input = TEXT("{\"a\": \"\xff\"}");
    bad[3].flow_name = TEXT("No Such Name");
    bad[4].key = (struct text){long_key, sizeof long_key};
    bad[5].tags = &no_tag;
    bad[5].tag_count = 1;
    bad[6].input = TEXT("{\"a\": \"\0\"}");
    bad[7].flow_text = TEXT_NONE;
    for (size_t i = 0; i < 8; i++) {
        struct post_answer answer = post(stage, store, &bad[i]);
        assert_int_equal(answer.outcome, POST_BAD);
        assert_true(answer.error.len > 0);
    }
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM jobs"), 0);
    assert_true(storage_is_up(store));
}

/* ------------------------------------------------------------------------------------ claims */

static void a_claim_of_a_running_job_is_a_takeover(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = claimed_job(stage, store);
    struct claim_answer taken = stage_claim(stage, store, &row.id, 1, NULL);
    assert_int_equal(taken.outcome, CLAIM_OK);
    assert_int_equal(taken.state_before, JOB_RUNNING);
    assert_int_equal(taken.row.epoch, 2);
    assert_int_equal(taken.row.unclean, 1);
    struct save save = stage_save_request(&taken.row);
    save.state = JOB_REVERTING;
    save.records_step = false;
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    taken = stage_claim(stage, store, &row.id, 2, NULL);
    assert_int_equal(taken.state_before, JOB_REVERTING);
    assert_int_equal(taken.row.state, JOB_REVERTING);
    assert_int_equal(taken.row.unclean, 2);
    assert_string_equal(stage_sql(stage->raw, "SELECT string_agg(concat_ws(':', epoch, state, "
                                              "detail), ' ' ORDER BY seq) FROM history "
                                              "WHERE task IS NULL"),
                        "0:READY 1:RUNNING 2:RUNNING:takeover 3:REVERTING:takeover");
    save = stage_save_request(&taken.row); /* a recorded step */
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    assert_int_equal(stage_row(stage, store, &row.id).unclean, 0);
}

static void crossed_claims_have_one_winner(void **state)
{
    struct stage *stage = *state;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct uuid job = stage_post(stage, a);
    struct claim_request one = stage_claim_request(&job, 0), two = stage_claim_request(&job, 0);
    struct storage_answer answer;
    int won = 0;
    storage_claim(a, &one, 1001);
    storage_claim(b, &two, 1002);
    stage_await(stage, a, 1001, &answer);
    won += answer.u.claim.outcome == CLAIM_OK;
    stage_await(stage, b, 1002, &answer);
    won += answer.u.claim.outcome == CLAIM_OK;
    assert_int_equal(won, 1);
    assert_int_equal(stage_row(stage, a, &job).epoch, 1);
}

static void a_claim_needs_the_row_as_it_was_seen(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid job = stage_post(stage, store), none = entropy_uuid_v7();
    assert_int_equal(stage_claim(stage, store, &job, 1, NULL).outcome, CLAIM_CHANGED);
    assert_int_equal(stage_claim(stage, store, &none, 0, NULL).outcome, CLAIM_GONE);
    static const char *const changes[] = {"hold_until = clock_timestamp() + interval '1 hour'",
                                          "format = 2",
                                          "state = 'WAITING'",
                                          "state = 'SUSPENDED'",
                                          "state = 'SUCCESS'",
                                          "state = 'QUARANTINED'"};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        stage_sql(stage->raw, "UPDATE jobs SET %s", changes[i]);
        assert_int_equal(stage_claim(stage, store, &job, 0, NULL).outcome, CLAIM_CHANGED);
        stage_sql(stage->raw, "UPDATE jobs SET hold_until = NULL, format = 1, state = 'READY'");
    }
    stage_sql(stage->raw, "UPDATE jobs SET hold_until = clock_timestamp() - interval '1 ms'");
    assert_int_equal(stage_claim(stage, store, &job, 0, NULL).outcome, CLAIM_OK);
    assert_string_equal(stage_sql(stage->raw, "SELECT hold_until IS NULL FROM jobs"), "t");
}

static void a_claim_sent_again_is_the_same_claim(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid job = stage_post(stage, store);
    for (int64_t epoch = 1; epoch <= 2; epoch++) {
        struct claim_request request = stage_claim_request(&job, epoch - 1);
        for (int i = 0; i < 2; i++) {
            struct claim_answer answer = claim(stage, store, &request);
            assert_int_equal(answer.outcome, CLAIM_OK);
            assert_int_equal(answer.row.epoch, epoch);
            assert_int_equal(answer.row.unclean, epoch - 1);
            assert_int_equal(answer.state_before, epoch == 1 ? JOB_READY : JOB_RUNNING);
        }
    }
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM history"), 3);
}

static void epochs_go_on_after_a_failover_that_lost_some(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid job = stage_post(stage, store);
    struct claim_request request = stage_claim_request(&job, 0);
    request.epoch_used = 7;
    struct claim_answer answer = claim(stage, store, &request);
    assert_int_equal(answer.outcome, CLAIM_OK);
    assert_int_equal(answer.row.epoch, 8);
    assert_int_equal(stage_number(stage->raw, "SELECT max(epoch) FROM history"), 8);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        T(a_job_lives_from_post_to_end),          T(load_gives_documents_to_the_letter),
        T(load_is_refused_under_another_claim),   T(load_of_garbage_says_which_job),
        T(a_post_sent_again_is_one_job),          T(a_key_names_one_content),
        T(one_key_twice_in_one_batch_is_one_job), T(equal_flows_are_kept_once),
        T(bad_posts_are_refused_with_a_reason),   T(a_claim_of_a_running_job_is_a_takeover),
        T(crossed_claims_have_one_winner),        T(a_claim_needs_the_row_as_it_was_seen),
        T(a_claim_sent_again_is_the_same_claim),  T(epochs_go_on_after_a_failover_that_lost_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
