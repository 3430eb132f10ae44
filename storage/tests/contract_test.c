/* SPDX-License-Identifier: Apache-2.0 */
/* What the store promises, one scenario each, against a real Postgres. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/os/clock.h"
#include "base/os/entropy.h"
#include "storage/tests/stage.h"

static void a_job_lives_from_post_to_end(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid job = stage_post(stage, store), claim;
    struct job_row row = stage_row(stage, store, &job);
    assert_int_equal(row.state, JOB_READY);
    assert_int_equal(row.epoch, 0);
    assert_int_equal(row.shard, 7);
    assert_string_equal(row.pool.name, "-");
    assert_true(row.is_recent);

    struct claim_answer claimed = stage_claim(stage, store, &job, 0, &claim);
    assert_int_equal(claimed.outcome, CLAIM_OK);
    assert_int_equal(claimed.state_before, JOB_READY);
    assert_int_equal(claimed.row.epoch, 1);
    assert_int_equal(claimed.row.state, JOB_RUNNING);
    assert_true(uuid_equal(&claimed.row.claim, &claim));

    struct save save = stage_save_request(&claimed.row);
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    struct storage_answer answer;
    storage_load(store, &job, &claim, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    assert_int_equal(answer.u.loaded.outcome, LOAD_OK);
    const struct job_load *load = &answer.u.loaded.load;
    assert_int_equal(load->row.save_no, 1);
    assert_true(text_equal(load->input, TEXT("{\"a\": 1.10}")));
    assert_true(text_equal(load->flow_name, TEXT("hello")));
    assert_true(text_equal(load->flow_text, TEXT("flow: hello\nsteps: [{noop: }]\n")));
    assert_int_equal(load->flow_hash.len, 32);
    assert_null(load->key.data);
    assert_int_equal(load->task_count, 1);
    assert_true(text_equal(load->tasks[0].path, TEXT("one")));
    assert_true(text_equal(load->tasks[0].result, TEXT("1.10")));
    assert_int_equal(load->tasks[0].state, TASK_SUCCESS);

    struct history_line end = {.state = JOB_SUCCESS};
    save = (struct save){.job = job,
                         .epoch = 1,
                         .claim = claim,
                         .save_no = 1,
                         .state = JOB_SUCCESS,
                         .ends_claim = true,
                         .output = TEXT("{\"b\":2}"),
                         .engine = TEXT("e1"),
                         .history = &end,
                         .history_count = 1};
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    assert_string_equal(stage_sql(stage->raw, "SELECT string_agg(concat_ws(':', seq, task, state), "
                                              "' ' ORDER BY seq) FROM history"),
                        "1:READY 2:RUNNING 3:one:RUNNING 4:one:SUCCESS 5:SUCCESS");
    assert_string_equal(stage_sql(stage->raw, "SELECT output FROM payloads"), "{\"b\":2}");
    assert_string_equal(stage_sql(stage->raw, "SELECT ended_at IS NOT NULL AND state = 'SUCCESS' "
                                              "AND history_seq = 5 FROM jobs"),
                        "t");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        T(a_job_lives_from_post_to_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
