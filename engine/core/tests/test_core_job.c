/* SPDX-License-Identifier: Apache-2.0 */
/* A job that runs: what saves, loads and steps may answer, and the limits it has. */
#include "base/buffer.h"
#include "engine/core/tests/hand.h"

#include <stdio.h>

static void run(struct hand *hand, const char *flow)
{
    hand->flow_text = text_of(flow);
    hand_run(hand);
}

/* Whether the newest save ends the job so, with these words in its failure. */
static void expect_end(const struct hand *hand, enum job_state state, const char *words)
{
    assert_true(hand->save.ends_claim);
    assert_int_equal(hand->save.state, state);
    if (words && !strstr(text_data(hand->save.failure), words))
        fail_msg("no \"%s\" in %s", words, text_data(hand->save.failure));
}

static void expect_state(const struct hand *hand, const char *path, enum task_state state)
{
    const struct task_row *row = hand_saved_row(hand, path);
    assert_non_null(row);
    assert_string_equal(task_state_name(row->state), task_state_name(state));
}

/* ------------------------------------------------------------------------------------ bad saves */

/* Back to what is durable: what ran fails, what did not begin is passed over, what was reverting is
 * a revert that failed; steps are told to stop and change nothing more. */
static void documents_that_cannot_be_stored(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    run(&hand, "{flow: f, tasks: {a: {run: [x]}, b: {run: [x], retry: {attempts: 2, delay: 1s}}, "
               "c: {needs: a, run: [x]}, d: {set: 1}, w: {run: [x]}}}");
    hand_saved(&hand, SAVE_OK);
    uint64_t last = hand.step; /* of w */
    assert_int_equal(hand_count(&hand, EFFECT_START_STEP), 3);
    struct core_event event = {.kind = EVENT_STEP_FAILED};
    event.u.step.step = last - 1;
    event.u.step.exit_code = -1;
    hand_tell(&hand, event); /* b, which waits for its next attempt then */
    hand_saved(&hand, SAVE_OK);
    hand_step_ended(&hand, last - 2, "ok"); /* a: c begins, and none of it can be stored */
    assert_null(hand_find(&hand, EFFECT_START_STEP));
    hand_saved(&hand, SAVE_BAD);
    assert_int_equal(hand_count(&hand, EFFECT_STOP_STEP), 1);
    assert_false(hand.save.ends_claim); /* not before its step is dead */
    expect_state(&hand, "a", TASK_FAILURE);
    expect_state(&hand, "b", TASK_FAILURE);
    expect_state(&hand, "c", TASK_SKIPPED);
    expect_state(&hand, "w", TASK_FAILURE);
    assert_null(hand_saved_row(&hand, "d")); /* it had succeeded, durably */
    hand_saved(&hand, SAVE_OK);
    hand_step_ended(&hand, last, "too late");
    expect_end(&hand, JOB_FAILURE, "too large");
    assert_int_equal(hand.save.task_count, 0);
    hand_end(&hand);
}

static void a_revert_that_cannot_be_stored(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    run(&hand, "{flow: f, steps: [{name: a, set: 1, revert: {run: [x]}}, {name: b, fail: no}]}");
    hand_saved(&hand, SAVE_OK);
    hand.row.state = JOB_REVERTING;
    hand_step_ended(&hand, hand.step, "ok");
    hand_saved(&hand, SAVE_BAD);
    expect_end(&hand, JOB_FAILURE, "too large");
    expect_state(&hand, "a", TASK_REVERT_FAILURE);
    hand_end(&hand);
}

/* The same after a takeover of a job that was being undone. */
static void a_revert_taken_over_that_cannot_be_stored(void **state)
{
    static const struct task_row rows[] = {{.path = TEXT("a"),
                                            .state = TASK_REVERTING,
                                            .attempt = 1,
                                            .internal = TEXT("{\"revert_attempt\":1}")},
                                           {.path = TEXT("b"),
                                            .state = TASK_FAILURE,
                                            .attempt = 1,
                                            .failure = TEXT("{}"),
                                            .internal = TEXT("{\"order\":1,\"undone\":1}")}};
    struct hand hand;
    hand_begin(&hand, NULL);
    hand.row.state = JOB_REVERTING;
    hand.tasks = rows;
    hand.task_count = 2;
    run(&hand, "{flow: f, steps: [{name: a, set: 1, revert: {run: [x]}}, {name: b, fail: no}]}");
    hand_saved(&hand, SAVE_BAD);
    expect_end(&hand, JOB_FAILURE, "too large");
    hand_end(&hand);
}

/* A start that was durable and held back by doubt is given up with the job. */
static void a_start_held_back_is_given_up(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    run(&hand, "{flow: f, tasks: {a: {run: [x]}, b: {run: [x]}, c: {needs: a, run: [x]}}}");
    hand_saved(&hand, SAVE_OK);
    uint64_t last = hand.step;
    hand_step_ended(&hand, last - 1, "ok"); /* c is to begin */
    hand_pass(&hand, 4500);
    hand_saved(&hand, SAVE_OK);
    assert_null(hand_find(&hand, EFFECT_START_STEP)); /* doubt */
    hand_step_ended(&hand, last, "ok");
    hand_saved(&hand, SAVE_BAD);
    hand_prove(&hand);
    assert_null(hand_find(&hand, EFFECT_START_STEP));
    expect_end(&hand, JOB_FAILURE, "too large");
    hand_end(&hand);
}

/* ---------------------------------------------------------------------------------- the inbox */

static const struct inbox_row inbox_rows[] = {{.seq = 1, .kind = TEXT("old")},
                                              {.seq = 2, .kind = TEXT("greeting")}};

/* A job of one step, at its end, into which something came. */
static void reach_inbox(struct hand *hand)
{
    hand_begin(hand, NULL);
    hand->row.inbox_seq = hand->row.inbox_applied = 1;
    hand_run(hand);
    hand->row.inbox_seq = 2;
    hand->inbox = inbox_rows;
    hand->inbox_count = 2;
    hand_saved(hand, SAVE_INBOX); /* what the task did is saved first, the end is not */
    assert_false(hand->save.ends_claim);
    hand_saved(hand, SAVE_OK);
    assert_non_null(hand_find(hand, EFFECT_LOAD));
}

static void what_nobody_waits_for_is_told(void **state)
{
    struct hand hand;
    reach_inbox(&hand);
    hand_say(&hand, EVENT_DRAIN); /* it is as good as ended: nothing is handed over */
    assert_null(hand_find(&hand, EFFECT_SAVE));
    hand_loaded(&hand, LOAD_OK);
    hand_expect_trouble(&hand, "inbox_unused");
    expect_end(&hand, JOB_SUCCESS, NULL);
    assert_int_equal(hand.save.inbox_applied, 2);
    assert_int_equal(hand.save.inbox_seen, 2);
    hand_end(&hand);
}

static void an_inbox_that_cannot_be_read_now(void **state)
{
    struct hand hand;
    reach_inbox(&hand);
    hand_loaded(&hand, LOAD_UNKNOWN);
    assert_non_null(hand_find(&hand, EFFECT_LOAD));
    hand_loaded(&hand, LOAD_REFUSED);
    hand_expect_trouble(&hand, "dropped");
    assert_non_null(hand_find(&hand, EFFECT_UNLOCK));
    hand_end(&hand);
}

static void an_inbox_with_garbage(void **state)
{
    struct hand hand;
    reach_inbox(&hand);
    hand_loaded(&hand, LOAD_INVALID);
    assert_int_equal(hand_count(&hand, EFFECT_TROUBLE), 2); /* what, and what follows */
    assert_non_null(hand_find(&hand, EFFECT_UNLOCK));
    hand_end(&hand);
}

/* ------------------------------------------------------------------------------------ the flow */

static void a_flow_that_does_not_compile(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand.row.inbox_seq = 3;
    run(&hand, "{flow: f,\n tasks: {a: {walk: [x]}}}");
    expect_end(&hand, JOB_FAILURE, "the flow does not compile: line 2");
    assert_int_equal(hand.save.inbox_applied, 3); /* this end is the answer to all of it */
    hand_end(&hand);
}

static void a_target_that_is_not_there(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand.target = TEXT("b");
    hand_run(&hand);
    expect_end(&hand, JOB_FAILURE, "b");
    hand_end(&hand);
}

/* Compiled flows that no job runs are kept, up to a number. */
static void many_flows(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand_session(&hand);
    hand_listed(&hand, BOARD_OK, NULL, 0);
    hand_rows(&hand, EFFECT_SHARD_ROWS, 0, NULL, 0);
    for (int i = 1; i <= 300; i++) {
        char flow[64];
        struct core_event changed = {.kind = EVENT_SHARD_CHANGED};
        changed.u.shard.pool = (struct pool){"-"};
        snprintf(flow, sizeof flow, "{flow: f%d, tasks: {a: {noop: }}}", i);
        hand.row.id = hand_job(i);
        hand.row.state = JOB_READY;
        hand.row.epoch = 0;
        hand.flow_text = text_of(flow);
        struct card card = hand_card(&hand.row);
        hand_pass(&hand, 10);
        hand_tell(&hand, changed);
        hand_listed(&hand, BOARD_OK, &card, 1);
        if (hand.waits[EFFECT_SHARD_ROWS])
            hand_rows(&hand, EFFECT_SHARD_ROWS, 0, &hand.row, 1);
        hand_rows(&hand, EFFECT_READ_ROW, 0, &hand.row, 1);
        hand_board(&hand, EFFECT_LOCK, BOARD_OK);
        hand_claimed(&hand, CLAIM_OK);
        hand_loaded(&hand, LOAD_OK);
        expect_end(&hand, JOB_SUCCESS, NULL);
        if (i == 7)
            continue; /* it still runs */
        hand_saved(&hand, SAVE_OK);
        hand_board(&hand, EFFECT_CONSUME, BOARD_OK);
        hand_prove(&hand);
    }
    hand_end(&hand);
}

static void the_key_of_the_post(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand.key = TEXT("order \"7\"");
    run(&hand, "{flow: f, output: '${ job.key }', tasks: {a: {noop: }}}");
    expect_end(&hand, JOB_SUCCESS, NULL);
    assert_true(text_equal(hand.save.output, TEXT("\"order \\\"7\\\"\"")));
    hand_end(&hand);
}

/* The time is over while the end is being saved: it is too late for that. */
static void a_deadline_at_the_end(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    run(&hand, "{flow: f, deadline: 1s, tasks: {a: {noop: }}}");
    expect_end(&hand, JOB_SUCCESS, NULL);
    hand_pass(&hand, 1000);
    assert_null(hand_find(&hand, EFFECT_SAVE));
    hand_saved(&hand, SAVE_OK);
    assert_non_null(hand_find(&hand, EFFECT_CONSUME));
    hand_end(&hand);
}

/* The job's own times and values are read when it begins, like those of any flow. */
static void times_of_the_job_that_cannot_be_computed(void **state)
{
    static const char *const flows[] = {
        "{flow: f, deadline: '${ job.key }', tasks: {a: {noop: }}}",
        "{flow: f, timeout: '${ job.key }', tasks: {a: {noop: }}}",
        "{flow: f, retry: {values: '${ job.key }'}, tasks: {a: {noop: }}}",
    };
    static const char *const words[] = {
        "\"class\":\"expression\",\"message\":\"deadline: expected a duration",
        "\"class\":\"expression\",\"message\":\"timeout: expected a duration",
        "\"class\":\"expression\",\"message\":\"retry.values: expected a list",
    };
    for (int i = 0; i < 3; i++) {
        struct hand hand;
        hand_begin(&hand, NULL);
        run(&hand, flows[i]);
        expect_end(&hand, JOB_FAILURE, words[i]);
        expect_state(&hand, "a", TASK_SKIPPED);
        hand_end(&hand);
    }
}

/* --------------------------------------------------------------------------------------- limits */

static void all_documents_together(void **state)
{
    struct core_options options = hand_options();
    struct hand hand;
    options.job_max_bytes = 20;
    hand_begin(&hand, &options);
    run(&hand, "{flow: f, steps: [{name: a, set: '0123456789'}, {name: b, set: '0123456789'}]}");
    expect_end(&hand, JOB_FAILURE, "the job's documents exceed 20 bytes");
    expect_state(&hand, "a", TASK_SUCCESS);
    expect_state(&hand, "b", TASK_FAILURE);
    hand_end(&hand);
}

/* It grows by being written as JSON. */
static void a_result_that_is_too_large(void **state)
{
    struct core_options options = hand_options();
    struct hand hand;
    options.payload_max_bytes = 10;
    hand_begin(&hand, &options);
    run(&hand, "{flow: f, tasks: {a: {run: [x]}}}");
    hand_saved(&hand, SAVE_OK);
    hand_step_ended(&hand, hand.step, "\"\"\"\"\"\"\"\"");
    expect_end(&hand, JOB_FAILURE, "the result is larger than 10 bytes");
    hand_end(&hand);
}

static void a_text_that_is_too_large(void **state)
{
    struct core_options options = hand_options();
    struct hand hand;
    size_t len = 9u << 20;
    struct buffer out = {0};
    options.payload_max_bytes = 16u << 20;
    options.job_max_bytes = 64u << 20;
    hand_begin(&hand, &options);
    for (size_t i = 0; i < len; i++)
        buffer_add_char(&out, 'x');
    run(&hand, "{flow: f, steps: [{name: a, run: [x]}, {name: b, set: '${ tasks.a.result }${ "
               "tasks.a.result }'}]}");
    hand_saved(&hand, SAVE_OK);
    struct core_event event = {.kind = EVENT_STEP_ENDED};
    event.u.step.step = hand.step;
    event.u.step.out = buffer_text(&out);
    hand_tell(&hand, event);
    expect_end(&hand, JOB_FAILURE, "set: the result is too large");
    buffer_done(&out);
    hand_end(&hand);
}

/* ---------------------------------------------------------------------------------------- steps */

static void expect_lost(const char *verb, const char *words)
{
    struct hand hand;
    char flow[128];
    struct core_event event = {.kind = EVENT_STEP_FAILED};
    snprintf(flow, sizeof flow, "{flow: f, tasks: {a: {%s}}}", verb);
    hand_begin(&hand, NULL);
    run(&hand, flow);
    hand_saved(&hand, SAVE_OK);
    event.u.step.step = hand.step;
    event.u.step.exit_code = -1;
    event.u.step.reason = TEXT("nobody there");
    hand_tell(&hand, event);
    expect_end(&hand, JOB_FAILURE, words);
    hand_end(&hand);
}

static void what_could_not_be_started(void **state)
{
    expect_lost("run: [prog]",
                "\"class\":\"exit\",\"message\":\"cannot run \\\"prog\\\": nobody there\"");
    expect_lost("run: [prog], cwd: /x", "cannot run \\\"prog\\\" in \\\"/x\\\": nobody there");
    expect_lost("http: 'http://h/'",
                "\"class\":\"lost\",\"message\":\"GET http://h/: nobody there\"");
}

static void respond(struct hand *hand, int status, const char *headers, const char *body)
{
    struct core_event event = {.kind = EVENT_STEP_ENDED};
    event.u.step.step = hand->step;
    event.u.step.exit_code = -1;
    event.u.step.status = status;
    event.u.step.headers = text_of(headers);
    event.u.step.out = text_of(body);
    hand_tell(hand, event);
}

static void request(struct hand *hand)
{
    hand_begin(hand, NULL);
    run(hand, "{flow: f, output: '${ tasks.a.result }', tasks: {a: {http: 'http://h/'}}}");
    hand_saved(hand, SAVE_OK);
}

static void what_responses_mean(void **state)
{
    struct hand hand;
    char body[301];
    memset(body, 'x', 300);
    body[300] = 0;
    request(&hand);
    respond(&hand, 204, NULL, "");
    expect_end(&hand, JOB_SUCCESS, NULL);
    assert_string_equal(hand.save.output.data, "{\"status\":204,\"headers\":{},\"body\":\"\"}");
    hand_end(&hand);
    request(&hand);
    respond(&hand, 101, "{}", body);
    expect_end(&hand, JOB_FAILURE, "status 101: xxxx");
    body[201] = 0;
    assert_null(strstr(hand.save.failure.data, body)); /* 200 bytes are enough for a person */
    hand_end(&hand);
    request(&hand);
    respond(&hand, 500, "{}", "");
    expect_end(&hand, JOB_FAILURE, "\"status 500: \"");
    hand_end(&hand);
}

static void a_response_that_is_too_large(void **state)
{
    struct hand hand;
    request(&hand);
    struct core_event event = {.kind = EVENT_STEP_ENDED};
    event.u.step.step = hand.step;
    event.u.step.exit_code = -1;
    event.u.step.out_overflow = true;
    hand_tell(&hand, event);
    expect_end(&hand, JOB_FAILURE, "the response is larger than 65536 bytes");
    hand_end(&hand);
}

/* ------------------------------------------------------------------------------------ two jobs */

static void fail_step(struct hand *hand)
{
    struct core_event event = {.kind = EVENT_STEP_ENDED};
    event.u.step.step = hand->step;
    event.u.step.exit_code = 1;
    hand_tell(hand, event);
    hand_saved(hand, SAVE_OK);
}

/* The session ends in the turn in which both want to save, the younger first. */
static void two_that_want_to_save_at_the_end(void **state)
{
    static const char *const delays[] = {"2s", "1s"};
    struct hand hand;
    hand_begin(&hand, NULL);
    for (int i = 0; i < 2; i++) {
        char flow[128];
        snprintf(flow, sizeof flow,
                 "{flow: f%d, tasks: {a: {run: [x], retry: {attempts: 2, delay: %s, jitter: 0}}}}",
                 i, delays[i]);
        hand.flow_text = text_of(flow);
        hand.row.id = hand_job(i + 1);
        hand.row.state = JOB_READY;
        hand.row.epoch = 0;
        if (i == 0) {
            hand_run(&hand);
        } else {
            struct card card = hand_card(&hand.row);
            struct core_event changed = {.kind = EVENT_SHARD_CHANGED};
            changed.u.shard.pool = (struct pool){"-"};
            hand_pass(&hand, 10);
            hand_tell(&hand, changed);
            hand_listed(&hand, BOARD_OK, &card, 1);
            hand_rows(&hand, EFFECT_READ_ROW, 0, &hand.row, 1);
            hand_board(&hand, EFFECT_LOCK, BOARD_OK);
            hand_claimed(&hand, CLAIM_OK);
            hand_loaded(&hand, LOAD_OK);
        }
        hand_saved(&hand, SAVE_OK);
        fail_step(&hand);
    }
    hand.now_ms += 3000;
    hand_session_ended(&hand);
    assert_int_equal(core_held_jobs(hand.core, NULL, 0), 0);
    assert_null(hand_find(&hand, EFFECT_SAVE));
    hand_end(&hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_that_cannot_be_stored),
        cmocka_unit_test(a_revert_that_cannot_be_stored),
        cmocka_unit_test(a_revert_taken_over_that_cannot_be_stored),
        cmocka_unit_test(a_start_held_back_is_given_up),
        cmocka_unit_test(what_nobody_waits_for_is_told),
        cmocka_unit_test(an_inbox_that_cannot_be_read_now),
        cmocka_unit_test(an_inbox_with_garbage),
        cmocka_unit_test(a_flow_that_does_not_compile),
        cmocka_unit_test(a_target_that_is_not_there),
        cmocka_unit_test(many_flows),
        cmocka_unit_test(the_key_of_the_post),
        cmocka_unit_test(a_deadline_at_the_end),
        cmocka_unit_test(times_of_the_job_that_cannot_be_computed),
        cmocka_unit_test(all_documents_together),
        cmocka_unit_test(a_result_that_is_too_large),
        cmocka_unit_test(a_text_that_is_too_large),
        cmocka_unit_test(what_could_not_be_started),
        cmocka_unit_test(what_responses_mean),
        cmocka_unit_test(a_response_that_is_too_large),
        cmocka_unit_test(two_that_want_to_save_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
