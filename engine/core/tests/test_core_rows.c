/* SPDX-License-Identifier: Apache-2.0 */
/* A job is taken over by its rows, and rows are from outside: some are missing, some say what no
 * engine has written. The job goes on by what can be read, and comes to an end. */
#include "engine/core/tests/hand.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static void take_over(struct hand *hand, const char *flow, enum job_state state,
                      const struct task_row *rows, size_t count)
{
    hand_begin(hand, NULL);
    hand->row.state = state;
    hand->flow_text = text_of(flow);
    hand->tasks = rows;
    hand->task_count = count;
    hand_run(hand);
}

/* The step of this task was started, or is to be when a save is durable; and it succeeds. */
static void expect_step(struct hand *hand, const char *path, int attempt)
{
    hand_saved(hand, SAVE_OK);
    const struct core_effect *effect = hand_find(hand, EFFECT_START_STEP);
    assert_non_null(effect);
    const struct step_start *start = &effect->u.start;
    for (size_t i = 0; i < start->env_count; i++) {
        if (text_equal(start->env[i].name, TEXT("JOB_TASK")))
            assert_string_equal(start->env[i].value.data, path);
        if (text_equal(start->env[i].name, TEXT("JOB_ATTEMPT")))
            assert_int_equal(start->env[i].value.data[0], '0' + attempt);
    }
    hand_step_ended(hand, start->step, "ok");
}

static void expect_end(struct hand *hand, enum job_state state)
{
    assert_true(hand->save.ends_claim);
    assert_string_equal(job_state_name(hand->save.state), job_state_name(state));
    hand_saved(hand, SAVE_OK);
    hand_board(hand, EFFECT_CONSUME, BOARD_OK);
    hand_end(hand);
}

static void notes_that_nobody_can_read(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT(""), .state = TASK_RUNNING, .internal = TEXT("{\"given\":5,\"attempt\":1}")},
        {.path = TEXT("a"), .state = TASK_SUCCESS, .attempt = 1, .internal = TEXT("garbage")},
        {.path = TEXT("b"), .state = TASK_SUCCESS, .attempt = 1, .internal = TEXT("[1]")},
        {.path = TEXT("c"),
         .state = TASK_RUNNING,
         .attempt = 1,
         .internal = TEXT("{\"earlier\":5,\"cause\":7,\"halted\":3,\"how\":1}")},
    };
    struct hand hand;
    take_over(&hand,
              "{flow: f, steps: [{name: a, noop: }, {name: b, noop: }, {name: c, run: [x]}]}",
              JOB_RUNNING, rows, COUNT(rows));
    expect_step(&hand, "c", 1);
    expect_end(&hand, JOB_SUCCESS);
}

/* Its revert begins anew, as the first. */
static void a_revert_without_notes(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("a"), .state = TASK_REVERTING, .attempt = 1},
        {.path = TEXT("b"), .state = TASK_FAILURE, .attempt = 1, .internal = TEXT("{\"order\":1}")},
    };
    struct hand hand;
    take_over(&hand,
              "{flow: f, steps: [{name: a, noop: , revert: {run: [x]}}, {name: b, fail: no}]}",
              JOB_REVERTING, rows, COUNT(rows));
    expect_step(&hand, "a", 1);
    expect_end(&hand, JOB_REVERTED);
}

static void what_is_undone_without_notes(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("a"), .state = TASK_SUCCESS, .attempt = 1},
        {.path = TEXT("b"), .state = TASK_REVERTED, .attempt = 1},
        {.path = TEXT("c"), .state = TASK_REVERT_FAILURE, .attempt = 1},
        {.path = TEXT("d"), .state = TASK_FAILURE, .attempt = 1, .internal = TEXT("{\"order\":1}")},
    };
    struct hand hand;
    take_over(&hand,
              "{flow: f, tasks: {a: {noop: , revert: {run: [x]}}, b: {noop: , revert: {run: [x]}}, "
              "c: {noop: , revert: {run: [x]}}, d: {needs: [a, b, c], fail: no}}}",
              JOB_REVERTING, rows, COUNT(rows));
    expect_step(&hand, "a", 1);
    expect_end(&hand, JOB_FAILURE);
}

/* It counts as an item that never began. */
static void a_missing_item(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("e"), .state = TASK_SUCCESS},
        {.path = TEXT("e/0"), .state = TASK_SUCCESS, .attempt = 1, .result = TEXT("7")},
        {.path = TEXT("z"), .state = TASK_FAILURE, .attempt = 1, .internal = TEXT("{\"order\":1}")},
    };
    struct hand hand;
    take_over(&hand,
              "{flow: f, steps: [{name: e, foreach: [1, 2], noop: , revert: {run: [x]}}, {name: z, "
              "fail: no}], finally: {set: '${ tasks.e.result }'}}",
              JOB_REVERTING, rows, COUNT(rows));
    expect_step(&hand, "e/0", 1);
    assert_string_equal(hand_saved_row(&hand, "finally")->result.data, "[7,null]");
    expect_end(&hand, JOB_REVERTED);
}

static void failures_that_say_nothing(void **state)
{
    static const struct text failures[] = {TEXT("garbage"), TEXT("{}"), TEXT("{\"message\":5}")};
    for (size_t i = 0; i < COUNT(failures); i++) {
        const struct task_row rows[] = {
            {.path = TEXT("e"), .state = TASK_RUNNING},
            {.path = TEXT("e/0"),
             .state = TASK_FAILURE,
             .attempt = 1,
             .failure = failures[i],
             .internal = TEXT("{\"order\":1}")},
            {.path = TEXT("e/1"), .state = TASK_RUNNING, .attempt = 1},
        };
        struct hand hand;
        take_over(&hand,
                  "{flow: f, tasks: {e: {foreach: {in: [1, 2], fail_fast: false}, run: [x]}}}",
                  JOB_RUNNING, rows, COUNT(rows));
        expect_step(&hand, "e/1", 1);
        assert_non_null(strstr(hand.save.failure.data, "first: e/0: unknown"));
        expect_end(&hand, JOB_FAILURE);
    }
}

/* The foreach has failed, and one of its items runs. */
static void an_item_that_outlives_its_foreach(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("e"), .state = TASK_FAILURE, .internal = TEXT("{\"order\":1}")},
        {.path = TEXT("e/0"), .state = TASK_RUNNING, .attempt = 1},
    };
    struct hand hand;
    take_over(&hand, "{flow: f, tasks: {e: {foreach: [1], run: [x]}}}", JOB_RUNNING, rows,
              COUNT(rows));
    expect_step(&hand, "e/0", 1);
    expect_end(&hand, JOB_FAILURE);
}

/* A class that this engine never gives: it is known not to be retried. */
static void a_failure_that_a_person_decided(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("a"),
         .state = TASK_FAILURE,
         .attempt = 1,
         .failure = TEXT("{\"class\":\"rejected\"}"),
         .internal = TEXT("{\"order\":1}")},
    };
    struct hand hand;
    take_over(&hand, "{flow: f, retry: {attempts: 2}, tasks: {a: {run: [x]}}}", JOB_RUNNING, rows,
              COUNT(rows));
    expect_end(&hand, JOB_FAILURE);
}

static void a_loop_without_a_round(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("a"), .state = TASK_FAILURE, .attempt = 1, .internal = TEXT("{\"order\":1}")},
        {.path = TEXT("r"), .state = TASK_RUNNING},
    };
    struct hand hand;
    take_over(&hand,
              "{flow: f, tasks: {a: {fail: no}, r: {repeat: {times: 2, until: false}, run: [x]}}}",
              JOB_RUNNING, rows, COUNT(rows));
    assert_int_equal(hand_saved_row(&hand, "r")->state, TASK_FAILURE);
    expect_end(&hand, JOB_FAILURE);
}

/* The outermost flow had ended, and the job had not. */
static void a_job_that_only_has_to_end(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT(""),
         .state = TASK_FAILURE,
         .failure = TEXT("{\"class\":\"fail\"}"),
         .internal = TEXT("{\"attempt\":2,\"order\":2}")},
        {.path = TEXT("a"), .state = TASK_FAILURE, .attempt = 1, .internal = TEXT("{\"order\":1}")},
    };
    struct hand hand;
    take_over(&hand, "{flow: f, retry: {attempts: 2}, tasks: {a: {fail: no}}}", JOB_RUNNING, rows,
              COUNT(rows));
    assert_string_equal(hand.save.failure.data, "{\"class\":\"fail\"}");
    expect_end(&hand, JOB_FAILURE);
}

/* A flow had begun to undo itself, with what has no revert, when the job was stopped. */
static void an_undoing_that_had_begun(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("n"), .state = TASK_RUNNING, .attempt = 1},
        {.path = TEXT("n/a"), .state = TASK_SUCCESS, .attempt = 1},
        {.path = TEXT("n/c"),
         .state = TASK_FAILURE,
         .attempt = 1,
         .internal = TEXT("{\"order\":1,\"undone\":1}")},
        {.path = TEXT("s"), .state = TASK_FAILURE, .attempt = 1, .internal = TEXT("{\"order\":2}")},
    };
    struct hand hand;
    take_over(
        &hand,
        "{flow: f, tasks: {n: {steps: [{name: a, noop: , revert: {run: [x]}}, {name: c, fail: "
        "no}]}, s: {fail: no, on_failure: stop}}}",
        JOB_RUNNING, rows, COUNT(rows));
    expect_step(&hand, "n/a", 1);
    expect_end(&hand, JOB_FAILURE);
}

/* Its task had ended otherwise when the deadline was read first. */
static void a_deadline_that_is_none_any_more(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("b"), .state = TASK_SUCCESS, .attempt = 1, .result = TEXT("5")},
        {.path = TEXT("a"), .state = TASK_RUNNING, .attempt = 1},
    };
    struct hand hand;
    take_over(
        &hand,
        "{flow: f, steps: [{name: b, set: 5}, {name: a, deadline: '${ tasks.b.result }', run: "
        "[x]}]}",
        JOB_RUNNING, rows, COUNT(rows));
    expect_step(&hand, "a", 1);
    expect_end(&hand, JOB_SUCCESS);
}

/* The job had failed by its deadline already. */
static void a_job_whose_deadline_cannot_be_read_again(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT(""),
         .state = TASK_RUNNING,
         .failure = TEXT("{\"class\":\"expression\"}"),
         .internal = TEXT("{\"attempt\":1,\"own\":1}")},
        {.path = TEXT("a"), .state = TASK_RUNNING, .attempt = 1},
    };
    struct hand hand;
    take_over(&hand, "{flow: f, deadline: '${ job.key }', tasks: {a: {run: [x]}}}", JOB_RUNNING,
              rows, COUNT(rows));
    expect_step(&hand, "a", 1);
    assert_string_equal(hand.save.failure.data, "{\"class\":\"expression\"}");
    expect_end(&hand, JOB_FAILURE);
}

/* More attempts than there are values. */
static void an_attempt_without_a_value(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("a"), .state = TASK_RUNNING, .attempt = 5},
    };
    struct hand hand;
    take_over(&hand, "{flow: f, tasks: {a: {retry: {values: [1, 2]}, run: [x]}}}", JOB_RUNNING,
              rows, COUNT(rows));
    assert_non_null(strstr(hand.save.failure.data, "retry.values: there are only 2"));
    expect_end(&hand, JOB_FAILURE);
}

/* An empty list of earlier attempts is none. */
static void no_earlier_attempt(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("a"),
         .state = TASK_RUNNING,
         .attempt = 1,
         .internal = TEXT("{\"earlier\":[]}")},
    };
    struct hand hand;
    take_over(&hand,
              "{flow: f, tasks: {a: {retry: {attempts: 2, delay: 0s}, "
              "set: '${ retry.earlier.size() }', expect: result == 1}}}",
              JOB_RUNNING, rows, COUNT(rows));
    hand_saved(&hand, SAVE_OK);
    hand_live(&hand, 10);
    expect_end(&hand, JOB_SUCCESS);
}

/* Nobody counted the attempt that runs: it has no value, and no time. */
static void an_attempt_that_never_was(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("n"), .state = TASK_RUNNING, .attempt = 0},
    };
    struct hand hand;
    take_over(&hand,
              "{flow: f, tasks: {n: {retry: {values: [1, 2]}, steps: [{name: a, run: [x]}]}}}",
              JOB_RUNNING, rows, COUNT(rows));
    expect_step(&hand, "n/a", 1);
    expect_end(&hand, JOB_SUCCESS);
}

/* The job waits for its next attempt although one of its tasks said stop. */
static void a_retry_of_what_was_stopped(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT(""), .state = TASK_RETRYING, .internal = TEXT("{\"attempt\":1}")},
        {.path = TEXT("a"), .state = TASK_FAILURE, .attempt = 1, .internal = TEXT("{\"order\":1}")},
    };
    struct hand hand;
    take_over(&hand,
              "{flow: f, retry: {attempts: 2, delay: 1s, jitter: 0}, tasks: {a: {on_failure: stop, "
              "run: [x]}}}",
              JOB_RUNNING, rows, COUNT(rows));
    hand_live(&hand, 1000);
    expect_step(&hand, "a", 1);
    expect_end(&hand, JOB_SUCCESS);
}

/* --------------------------------------------------------------------------------------- reruns */

static void rerun(struct hand *hand, const char *flow, const struct task_row *rows, size_t count,
                  const struct inbox_row *inbox, size_t inbox_count)
{
    hand_begin(hand, NULL);
    hand->flow_text = text_of(flow);
    hand->tasks = rows;
    hand->task_count = count;
    hand->inbox = inbox;
    hand->inbox_count = inbox_count;
    hand->row.inbox_seq = inbox[inbox_count - 1].seq;
    hand->row.inbox_applied = 1;
    hand_run(hand);
}

#define LINE "{flow: f, steps: [{name: a, run: [x]}, {name: b, run: [x]}]}"

static void wishes_that_make_no_sense(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT(""),
         .state = TASK_FAILURE,
         .internal = TEXT("{\"attempt\":1,\"given\":{\"a\":41,\"b\":5}}")},
        {.path = TEXT("a"), .state = TASK_SUCCESS, .result = TEXT("41")},
        {.path = TEXT("b"), .state = TASK_FAILURE, .attempt = 1, .internal = TEXT("{\"order\":1}")},
    };
    static const struct inbox_row inbox[] = {
        {.seq = 1, .kind = TEXT("rerun")},
        {.seq = 2, .kind = TEXT("greeting")},
        {.seq = 3, .kind = TEXT("rerun"), .data = TEXT("garbage")},
        {.seq = 4, .kind = TEXT("rerun"), .data = TEXT("{\"from\":5,\"skip\":7}")},
        {.seq = 5, .kind = TEXT("rerun")},
    };
    struct hand hand;
    rerun(&hand, LINE, rows, COUNT(rows), inbox, COUNT(inbox));
    hand_expect_trouble(&hand, "inbox_unknown");
    assert_int_equal(core_counted(hand.core)->reruns, 3);
    /* what stays keeps what was given to it */
    const char *notes = hand_saved_row(&hand, "")->internal.data;
    assert_non_null(strstr(notes, "\"given\":{\"a\":41}"));
    expect_step(&hand, "b", 1);
    assert_int_equal(hand.save.inbox_applied, 5);
    expect_end(&hand, JOB_SUCCESS);
}

static void a_rerun_without_rows(void **state)
{
    static const struct inbox_row inbox[] = {{.seq = 2, .kind = TEXT("rerun")}};
    struct hand hand;
    rerun(&hand, LINE, NULL, 0, inbox, 1);
    expect_step(&hand, "a", 1);
    expect_step(&hand, "b", 1);
    expect_end(&hand, JOB_SUCCESS);
}

/* Its time was over between two rounds, and the next one was planned already. */
static void a_loop_whose_next_round_was_pending(void **state)
{
    static const struct task_row rows[] = {
        {.path = TEXT("r"), .state = TASK_FAILURE, .internal = TEXT("{\"order\":1,\"halted\":2}")},
        {.path = TEXT("r/0"), .state = TASK_SUCCESS, .attempt = 1},
        {.path = TEXT("r/1"), .state = TASK_PENDING},
    };
    static const struct inbox_row inbox[] = {{.seq = 2, .kind = TEXT("rerun")}};
    struct hand hand;
    rerun(&hand,
          "{flow: f, tasks: {r: {repeat: {times: 2, until: round == 1}, deadline: 1h, run: [x]}}}",
          rows, COUNT(rows), inbox, 1);
    expect_step(&hand, "r/1", 1);
    expect_end(&hand, JOB_SUCCESS);
}

static void rerun_items(const char *from, const char *first, const char *second)
{
    const struct task_row rows[] = {
        {.path = TEXT("e"), .state = TASK_FAILURE, .internal = TEXT("{\"order\":2}")},
        {.path = TEXT("e/0"), .state = TASK_SUCCESS, .attempt = 1},
        {.path = TEXT("e/1"),
         .state = TASK_FAILURE,
         .attempt = 1,
         .internal = TEXT("{\"order\":1}")},
    };
    const struct inbox_row inbox[] = {{.seq = 2, .kind = TEXT("rerun"), .task = text_of(from)}};
    struct hand hand;
    rerun(&hand, "{flow: f, tasks: {e: {foreach: {in: [1, 2], concurrency: 1}, run: [x]}}}", rows,
          COUNT(rows), inbox, 1);
    expect_step(&hand, first, 1);
    if (second)
        expect_step(&hand, second, 1);
    expect_end(&hand, JOB_SUCCESS);
}

/* An item that is named runs again, whether it had succeeded or not. */
static void from_an_item(void **state)
{
    rerun_items("e/0", "e/0", "e/1");
    rerun_items("e/1", "e/1", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_that_nobody_can_read),
        cmocka_unit_test(a_revert_without_notes),
        cmocka_unit_test(what_is_undone_without_notes),
        cmocka_unit_test(a_missing_item),
        cmocka_unit_test(failures_that_say_nothing),
        cmocka_unit_test(an_item_that_outlives_its_foreach),
        cmocka_unit_test(a_failure_that_a_person_decided),
        cmocka_unit_test(a_loop_without_a_round),
        cmocka_unit_test(a_job_that_only_has_to_end),
        cmocka_unit_test(an_undoing_that_had_begun),
        cmocka_unit_test(a_deadline_that_is_none_any_more),
        cmocka_unit_test(a_job_whose_deadline_cannot_be_read_again),
        cmocka_unit_test(an_attempt_without_a_value),
        cmocka_unit_test(an_attempt_that_never_was),
        cmocka_unit_test(no_earlier_attempt),
        cmocka_unit_test(a_retry_of_what_was_stopped),
        cmocka_unit_test(wishes_that_make_no_sense),
        cmocka_unit_test(a_rerun_without_rows),
        cmocka_unit_test(a_loop_whose_next_round_was_pending),
        cmocka_unit_test(from_an_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
