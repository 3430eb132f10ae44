/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that wait for a process, what a request carries, what expressions see where nothing is, and
 * how turns are told to a person. */
#include <stdio.h>

#include "base/buffer.h"
#include "base/error.h"
#include "engine/core/render.h"
#include "engine/core/tests/hand.h"
#include "engine/core/tree_private.h"

static void a_deadline_before_a_process(void **state)
{
    struct core_options options = hand_options();
    struct hand hand;
    options.processes = 1;
    hand_begin(&hand, &options);
    hand.flow_text = TEXT("{flow: f, tasks: {a: {run: [x]}, b: {deadline: 1s, run: [x]}}}");
    hand_run(&hand);
    hand_saved(&hand, SAVE_OK);
    assert_int_equal(hand_count(&hand, EFFECT_START_STEP), 1);
    hand_pass(&hand, 1000);
    const struct task_row *row = hand_saved_row(&hand, "b");
    assert_int_equal(row->state, TASK_FAILURE);
    assert_non_null(strstr(row->failure.data, "\"class\":\"deadline\""));
    hand_end(&hand);
}

/* The same of a second attempt: it ends with the failure of the first. */
static void a_deadline_before_a_second_process(void **state)
{
    struct core_options options = hand_options();
    struct hand hand;
    options.processes = 1;
    hand_begin(&hand, &options);
    hand.flow_text = TEXT("{flow: f, tasks: {b: {deadline: 2s, retry: {attempts: 2, delay: 100ms}, "
                          "run: [x]}, a: {run: [x]}}}");
    hand_run(&hand);
    hand_saved(&hand, SAVE_OK);
    struct core_event event = {.kind = EVENT_STEP_ENDED};
    event.u.step.step = hand.step;
    event.u.step.exit_code = 3;
    hand_tell(&hand, event); /* a begins */
    hand_saved(&hand, SAVE_OK);
    hand_pass(&hand, 1900);
    hand_pass(&hand, 100);
    const struct task_row *row = hand_saved_row(&hand, "b");
    assert_int_equal(row->state, TASK_FAILURE);
    assert_non_null(strstr(row->failure.data, "\"exit\":3"));
    hand_end(&hand);
}

/* Told to stop: what runs may end, and nothing follows it here. */
static void an_item_that_ends_while_we_leave(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand.flow_text =
        TEXT("{flow: f, tasks: {e: {foreach: {in: [1, 2], concurrency: 1}, run: [x]}}}");
    hand_run(&hand);
    hand_saved(&hand, SAVE_OK);
    hand_say(&hand, EVENT_DRAIN);
    hand_step_ended(&hand, hand.step, "ok");
    assert_int_equal(hand_saved_row(&hand, "e/0")->state, TASK_SUCCESS);
    assert_null(hand_saved_row(&hand, "e/1"));
    assert_int_equal(hand.save.state, JOB_READY);
    assert_true(hand.save.ends_claim);
    hand_end(&hand);
}

/* A string is sent as it is, anything else as JSON. */
static void what_a_request_carries(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand.flow_text =
        TEXT("{flow: f, tasks: {a: {http: {method: POST, url: 'http://h/', body: 'a \"b\"'}}}}");
    hand_run(&hand);
    hand_saved(&hand, SAVE_OK);
    const struct step_start *start = &hand_find(&hand, EFFECT_START_STEP)->u.start;
    assert_true(text_equal(start->input, TEXT("a \"b\"")));
    assert_false(start->input_is_json);
    hand_end(&hand);
}

/* The check refuses such names; whoever asks nevertheless is told that there is nothing. */
static void what_is_not_there(void **state)
{
    static const struct text names[] = {TEXT("item"),    TEXT("index"),    TEXT("round"),
                                        TEXT("prev"),    TEXT("retry"),    TEXT("result"),
                                        TEXT("failure"), TEXT("failures"), TEXT("secrets")};
    struct arena arena = {0};
    struct flow_task plan = {.verb = VERB_NOOP};
    struct job job = {0};
    struct unit unit = {.job = &job, .plan = &plan, .kind = UNIT_JOB};
    struct scope scope = {.job = &job, .unit = &unit, .arena = &arena};
    struct expr_scope roots = scope_of(&scope);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct text json;
        assert_int_equal(roots.find(roots.context, &names[i], 1, &json), 0);
    }
    arena_done(&arena);
}

/* ------------------------------------------------------------------------------------- rendering
 */

static void expect_event(struct core_event event, const char *words)
{
    struct buffer line = {0};
    render_event(&event, &line);
    buffer_add_char(&line, 0);
    assert_string_equal(line.data, words);
    buffer_done(&line);
}

static void how_events_are_told(void **state)
{
    struct job_row row = {.id = hand_job(1), .epoch = 3, .on_hold = true};
    struct core_event event = {.kind = EVENT_ROWS, .tag = 5};
    event.u.rows.code = ERR_UNKNOWN;
    event.u.rows.list = &row;
    event.u.rows.count = 1;
    char words[128];
    snprintf(words, sizeof words, "rows #5 code=%d job=000001(READY,epoch 3,save 0,hold)",
             ERR_UNKNOWN);
    expect_event(event, words);
    event = (struct core_event){.kind = EVENT_LOADED};
    event.u.load.outcome = LOAD_REFUSED;
    expect_event(event, "loaded refused");
    event = (struct core_event){.kind = EVENT_STEP_FAILED};
    event.u.step.step = 7;
    event.u.step.reason = TEXT("no such\nfile");
    expect_event(event, "step-failed step=7 reason=no such file");
}

static void how_a_placement_is_told(void **state)
{
    struct buffer line = {0};
    struct core_effect effect = {.kind = EFFECT_PLACE};
    effect.u.board.card = (struct card){.job = hand_job(1), .ready_at_us = 9};
    render_effect(&effect, &line);
    buffer_add_char(&line, 0);
    assert_string_equal(line.data, "place card=000001@9");
    buffer_done(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_that_ends_while_we_leave),
        cmocka_unit_test(a_deadline_before_a_process),
        cmocka_unit_test(a_deadline_before_a_second_process),
        cmocka_unit_test(what_a_request_carries),
        cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(how_events_are_told),
        cmocka_unit_test(how_a_placement_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
