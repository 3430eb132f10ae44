/* SPDX-License-Identifier: Apache-2.0 */
/* What a rerun does, in the exact order of moves; and under which keys steps are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "engine/sim/stage.h"

struct rerun_case {
    const char *flow;
    const char *wishes;
    const char *moves; /* after the rerun, up to the job's end */
    const char *calls; /* all of the job, in the order of their first start, with how often */
};

static void add_moves(const struct stage_run *run, struct buffer *text)
{
    bool again = false;
    for (size_t i = 0; i < run->line_count; i++) {
        const struct stage_line *line = &run->lines[i];
        bool is_claim = !line->task.data && text_equal(line->detail, TEXT("claim"));
        if (again && !is_claim) {
            buffer_add_string(text, text->len ? " " : "");
            stage_print_line(line, text);
        }
        again |= !line->task.data && text_equal(line->detail, TEXT("rerun"));
    }
}

static void add_calls(const struct stage_run *run, struct buffer *text)
{
    for (size_t i = 0; i < run->call_count; i++)
        buffer_printf(text, "%s%.*s*%d", i ? " " : "", TEXT_ARG(run->calls[i].name),
                      run->calls[i].started);
}

static void expect(const struct rerun_case *want)
{
    struct stage_plan plan = {.flow_name = TEXT("flow"),
                              .flow_text = text_of(want->flow),
                              .input = TEXT("{}"),
                              .seed = 1,
                              .rerun = text_of(want->wishes)};
    struct stage_run run;
    struct buffer moves = {0}, calls = {0};
    stage_play(&plan, NULL, 0, &run);
    assert_null(run.stuck);
    assert_int_equal(run.reruns, 1);
    add_moves(&run, &moves);
    add_calls(&run, &calls);
    assert_string_equal(moves.data, want->moves);
    assert_string_equal(calls.data, want->calls);
    buffer_done(&moves);
    buffer_done(&calls);
    stage_run_free(&run);
}

static void what_succeeded_stays(void **state)
{
    expect(&(struct rerun_case){
        "flow: x\nsteps:\n"
        "  - {name: a, run: [ok]}\n"
        "  - {name: b, run: [fail-first-run], retry: {attempts: 2, delay: 0s}}\n"
        "  - {name: c, run: [ok]}\n",
        "{}",
        "b:PENDING(0)'rerun' c:PENDING(0)'rerun' b:RUNNING(1) b:SUCCESS(1) c:RUNNING(1) "
        "c:SUCCESS(1) [SUCCESS]",
        /* it failed and was not undone: the same key, its attempts begin anew */
        "a@1*1 b@1*2 b@2*1 c@1*1"});
}

static void what_was_undone_and_what_it_feeds_runs_again(void **state)
{
    expect(&(struct rerun_case){
        "flow: x\nsteps:\n"
        "  - {name: a, run: [ok]}\n"
        "  - {name: b, run: [ok], revert: {run: [ok]}}\n"
        "  - {name: c, run: [ok]}\n"
        "  - {name: d, run: [fail-first-run]}\n",
        "{}",
        "b:PENDING(0)'rerun' c:PENDING(0)'rerun' d:PENDING(0)'rerun' b:RUNNING(1) b:SUCCESS(1) "
        "c:RUNNING(1) c:SUCCESS(1) d:RUNNING(1) d:SUCCESS(1) [SUCCESS]",
        "a@1*1 b@1*1 c@1*1 d@1*1 b/revert@1*1 b+1@1*1 c+1@1*1 d+1@1*1"});
}

static void a_flow_goes_on_inside(void **state)
{
    expect(&(struct rerun_case){
        "flow: x\non_failure: stop\ntasks:\n"
        "  n:\n    steps:\n"
        "      - {name: a, run: [ok]}\n"
        "      - {name: b, run: [fail-first-run]}\n"
        "  off: {needs: n, if: false, run: [ok]}\n"
        "  z: {needs: off, run: [ok]}\n",
        "{}",
        "n:PENDING(0)'rerun' n:RUNNING(1)'rerun' n/b:PENDING(0)'rerun' off:PENDING(0)'rerun' "
        "z:PENDING(0)'rerun' n/b:RUNNING(1) n/b:SUCCESS(1) n:SUCCESS(1) off:SKIPPED(0)'if' "
        "z:RUNNING(1) z:SUCCESS(1) [SUCCESS]",
        "n/a@1*1 n/b@1*2 z@1*1"});
}

static void a_task_passed_over_stays(void **state)
{
    expect(&(struct rerun_case){"flow: x\nsteps:\n"
                                "  - {name: off, if: false, run: [ok]}\n"
                                "  - {name: a, run: [ok]}\n"
                                "  - {name: b, run: [fail-first-run]}\n",
                                "{}", "b:PENDING(0)'rerun' b:RUNNING(1) b:SUCCESS(1) [SUCCESS]",
                                "a@1*1 b@1*2"});
}

static void a_handled_failure_runs_again(void **state)
{
    expect(&(struct rerun_case){
        "flow: x\nsteps:\n"
        "  - {name: a, run: [fail-first-run], on_failure: continue}\n"
        "  - {name: b, run: [ok]}\n"
        "  - {name: c, run: [fail-first-run]}\n",
        "{}",
        "a:PENDING(0)'rerun' b:PENDING(0)'rerun' c:PENDING(0)'rerun' a:RUNNING(1) a:SUCCESS(1) "
        "b:RUNNING(1) b:SUCCESS(1) c:RUNNING(1) c:SUCCESS(1) [SUCCESS]",
        "a@1*2 b@1*1 c@1*1 b+1@1*1 c+1@1*1"});
}

static void from_runs_again_what_succeeded(void **state)
{
    expect(&(struct rerun_case){
        "flow: x\ntasks:\n"
        "  a: {run: [ok]}\n"
        "  b: {needs: a, run: [ok]}\n"
        "  c: {needs: b, run: [ok]}\n"
        "  d: {run: [fail-first-run, 90ms]}\n",
        "{\"from\": \"b\"}",
        "b:PENDING(0)'rerun' c:PENDING(0)'rerun' d:PENDING(0)'rerun' b:RUNNING(1) d:RUNNING(1) "
        "b:SUCCESS(1) c:RUNNING(1) c:SUCCESS(1) d:SUCCESS(1) [SUCCESS]",
        "a@1*1 d@1*2 b@1*1 c@1*1 b+1@1*1 c+1@1*1"});
}

static void a_skipped_task_waits_for_its_turn(void **state)
{
    expect(&(struct rerun_case){
        "flow: x\noutput: ${ tasks.c.result }\nsteps:\n"
        "  - {name: a, run: [fail-first-run]}\n"
        "  - {name: b, if: \"${ tasks.a.result.none }\", run: [fail], revert: {run: [ok]}}\n"
        "  - {name: c, set: \"${ tasks.b.result + 1 }\"}\n"
        "  - {name: d, fail: no}\n",
        "{\"skip\": {\"b\": 41}}",
        "a:PENDING(0)'rerun' b:PENDING(0)'rerun' c:PENDING(0)'rerun' d:PENDING(0)'rerun' "
        "a:RUNNING(1) a:SUCCESS(1) b:SUCCESS(0)'given' c:RUNNING(1) c:SUCCESS(1) d:RUNNING(1) "
        "d:FAILURE(1)'fail' d:FAILURE(1)'no revert' c:SUCCESS(1)'no revert' a:SUCCESS(1)'no "
        "revert' "
        "[FAILURE]",
        "a@1*2"});
}

static void items_that_succeeded_stay(void **state)
{
    expect(&(struct rerun_case){
        "flow: x\non_failure: stop\ntasks:\n"
        "  e:\n"
        "    foreach: {in: \"${ [0, 1, 2] }\", concurrency: 1, fail_fast: false}\n"
        "    run: [\"${ item == 1 ? 'fail-first-run' : 'ok' }\"]\n",
        "{}",
        "e:PENDING(0)'rerun' e:RUNNING(0)'rerun' e/1:PENDING(0)'rerun' e/1:RUNNING(1) "
        "e/1:SUCCESS(1) e:SUCCESS(0) [SUCCESS]",
        "e/0@1*1 e/1@1*2 e/2@1*1"});
}

static void rounds_that_succeeded_stay(void **state)
{
    expect(&(struct rerun_case){
        "flow: x\non_failure: stop\ntasks:\n"
        "  r:\n"
        "    repeat: {until: round == 2, times: 3}\n"
        "    run: [\"${ round == 1 ? 'fail-first-run' : 'ok' }\"]\n",
        "{}",
        "r:PENDING(0)'rerun' r:RUNNING(0)'rerun' r/1:PENDING(0)'rerun' r/1:RUNNING(1) "
        "r/1:SUCCESS(1) r/2:RUNNING(1) r/2:SUCCESS(1) r:SUCCESS(0) [SUCCESS]",
        "r/0@1*1 r/1@1*2 r/2@1*1"});
}

static void the_end_runs_again(void **state)
{
    expect(&(struct rerun_case){
        "flow: x\non_failure: stop\nfinally: {run: [ok]}\nsteps:\n"
        "  - {name: a, run: [ok], revert: {run: [ok]}}\n"
        "  - {name: b, run: [fail]}\n",
        "{}",
        "b:PENDING(0)'rerun' finally:PENDING(0)'rerun' b:RUNNING(1) b:FAILURE(1)'exit' "
        "finally:RUNNING(1) finally:SUCCESS(1) [FAILURE]",
        "a@1*1 b@1*2 finally@1*1 finally+1@1*1"});
}

static void what_stayed_is_undone_with_the_rest(void **state)
{
    expect(&(struct rerun_case){
        "flow: x\nsteps:\n"
        "  - {name: a, run: [ok], revert: {if: \"${ result == 'never' }\", run: [ok]}}\n"
        "  - {name: b, fail: no}\n",
        "{}",
        "b:PENDING(0)'rerun' b:RUNNING(1) b:FAILURE(1)'fail' b:FAILURE(1)'no revert' "
        "a:SUCCESS(1)'revert if' [FAILURE]",
        "a@1*1"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_succeeded_stays),
        cmocka_unit_test(what_was_undone_and_what_it_feeds_runs_again),
        cmocka_unit_test(a_flow_goes_on_inside),
        cmocka_unit_test(a_task_passed_over_stays),
        cmocka_unit_test(a_handled_failure_runs_again),
        cmocka_unit_test(from_runs_again_what_succeeded),
        cmocka_unit_test(a_skipped_task_waits_for_its_turn),
        cmocka_unit_test(items_that_succeeded_stay),
        cmocka_unit_test(rounds_that_succeeded_stay),
        cmocka_unit_test(the_end_runs_again),
        cmocka_unit_test(what_stayed_is_undone_with_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
