/* SPDX-License-Identifier: Apache-2.0 */
/* Files of 10,000 tasks: checked in less than half a second, whatever their form. */
#include <time.h>

#include "engine/flow/tests/flow_fixture.h"

#define MANY 10000

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* What the promise of 0.5 s becomes under a sanitizer or without optimization. */
static double limit_s(void)
{
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
    return 5;
#elif defined(__has_feature)
    return __has_feature(address_sanitizer) ? 5 : 0.5;
#else
    return 0.5;
#endif
}

static double check_once(const struct buffer *text, bool is_good)
{
    struct flow_problems problems;
    struct flow *flow;
    double begin = now_s();
    flow_compile(buffer_text(text), &flow, &problems);
    double spent = now_s() - begin;
    if ((flow != NULL) != is_good) {
        struct buffer said;
        buffer_init(&said, 0);
        flow_problems_print(&problems, buffer_text(text), "many.yaml", false, &said);
        fail_msg("%.2000s", said.data ? said.data : "");
    }
    flow_free(flow);
    flow_problems_done(&problems);
    return spent;
}

/* The best of a few: others may be at work on this machine. */
static void assert_fast(const struct buffer *text, bool is_good)
{
    double best = check_once(text, is_good);
    for (int i = 0; i < 4 && best >= limit_s(); i++) {
        double spent = check_once(text, is_good);
        best = spent < best ? spent : best;
    }
    print_message("%zu bytes in %.3f s\n", text->len, best);
    assert_true(best < limit_s());
}

static void test_many_in_a_row(void **state)
{
    struct buffer text;
    buffer_init(&text, 0);
    buffer_add_string(&text, "flow: x\ninput: {n: integer}\ntasks:\n  t0: {set: 0}\n");
    for (int i = 1; i < MANY; i++)
        buffer_printf(&text,
                      "  t%d:\n    needs: t%d\n    set: \"${ tasks.t%d.result + input.n }\"\n"
                      "    if: tasks.t%d.result != null\n    timeout: 5m\n",
                      i, i - 1, i - 1, i / 2);
    assert_fast(&text, true);
    buffer_done(&text);
}

static void test_many_at_once(void **state)
{
    struct buffer text;
    buffer_init(&text, 0);
    buffer_add_string(&text, "flow: x\ntasks:\n");
    for (int i = 0; i < MANY - 1; i++)
        buffer_printf(&text, "  t%d: {run: [echo, \"${ job.id } %d\"]}\n", i, i);
    buffer_add_string(&text, "  last:\n    noop:\n    needs:\n");
    for (int i = 0; i < MANY - 1; i++)
        buffer_printf(&text, "    - t%d\n", i);
    assert_fast(&text, true);
    buffer_clear(&text);
    buffer_add_string(&text, "flow: x\nsteps:\n");
    for (int i = 0; i < MANY; i++)
        buffer_add_string(&text, "- noop:\n");
    assert_fast(&text, true);
    buffer_add_string(&text, "- noop:\n");
    assert_fast(&text, false);
    buffer_done(&text);
}

static void test_many_mistakes(void **state)
{
    struct buffer text;
    buffer_init(&text, 0);
    buffer_add_string(&text, "flow: x\ntasks:\n");
    for (int i = 0; i < MANY; i++)
        buffer_printf(&text, "  t%d: {noop: , needs: [t%d, missing%d], if: tasks.q%d.result}\n", i,
                      (i + 1) % MANY, i, i);
    assert_fast(&text, false);
    buffer_clear(&text);
    buffer_add_string(&text, "flow: x\ntasks:\n");
    for (int i = 0; i < MANY; i++)
        buffer_printf(&text, "  t%d: {noop: , needs: t%d}\n", i, (i + 1) % MANY);
    assert_fast(&text, false);
    buffer_done(&text);
}

static void test_many_nested(void **state)
{
    struct buffer text = {0};
    buffer_add_string(&text, "flow: x\ninput: {n: integer}\nsteps:\n");
    for (int i = 0; i < MANY / 100; i++) {
        buffer_add_string(&text, "- foreach: [1, 2]\n  retry: {attempts: 2}\n  steps:\n");
        buffer_add_string(&text, "  - {name: t0, set: \"${ [item, input.n] }\"}\n");
        for (int j = 1; j < 99; j++)
            buffer_printf(&text,
                          "  - {name: t%d, set: \"${ [item, retry.attempt, tasks.t%d.result] }\", "
                          "revert: {sh: date}}\n",
                          j, j - 1);
        buffer_add_string(&text, "  output: ${ tasks.t98.result }\n");
    }
    assert_fast(&text, true);
    buffer_clear(&text);
    buffer_add_string(&text, "flow: x\ntasks:\n");
    for (int i = 0; i < MANY / 2; i++)
        buffer_printf(&text, "  f%d: {steps: [{sh: date}]}\n", i);
    assert_fast(&text, true);
    buffer_done(&text);
}

/* Whether each can run at all is looked at, too. */
static void test_many_failure_needs(void **state)
{
    struct buffer text = {0};
    buffer_add_string(&text, "flow: x\ntasks:\n  t0: {sh: date}\n");
    for (int i = 1; i < MANY; i++)
        buffer_printf(&text, "  t%d: {sh: date, needs: {t%d: %s}}\n", i, i - 1,
                      i % 2 ? "failure" : "success");
    assert_fast(&text, true);
    buffer_done(&text);
}

/* Defaults reach each of them, with variables of its own. */
static void test_many_with_defaults(void **state)
{
    struct buffer text = {0};
    buffer_add_string(&text, "flow: x\ndefaults:\n  timeout: 5m\n  env:\n");
    for (int i = 0; i < 100; i++)
        buffer_printf(&text, "    V%d: \"${ job.id }\"\n", i);
    buffer_add_string(&text, "tasks:\n");
    for (int i = 0; i < MANY; i++)
        buffer_printf(&text, "  t%d: {sh: date, env: {N: %d}}\n", i, i);
    assert_fast(&text, true);
    buffer_done(&text);
}

/* A name that is out of sight is looked for in all flows. */
static void test_many_mistakes_nested(void **state)
{
    struct buffer text = {0};
    buffer_add_string(&text, "flow: x\ntasks:\n");
    for (int i = 0; i < MANY / 2; i++)
        buffer_printf(&text,
                      "  f%d: {steps: [{name: s%d, needs: [q%d], set: \"${ tasks.q%d }\"}]}\n", i,
                      i, i, i);
    assert_fast(&text, false);
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_in_a_row),        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_many_mistakes),        cmocka_unit_test(test_many_nested),
        cmocka_unit_test(test_many_failure_needs),   cmocka_unit_test(test_many_with_defaults),
        cmocka_unit_test(test_many_mistakes_nested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
