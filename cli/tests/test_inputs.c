/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/inputs.h"
#include "cli/selector.h"

static const char flow_text[] = "flow: t\n"
                                "input:\n"
                                "  s: string\n"
                                "  n: {type: number, default: 1}\n"
                                "  i: {type: integer, default: 1}\n"
                                "  b: {type: boolean, default: true}\n"
                                "  o: {type: object, default: {}}\n"
                                "  x: {type: any, default: null}\n"
                                "steps: [{noop: }]\n";

struct fixture {
    struct flow *flow;
    struct flow_problems problems;
};

static int begin(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){0};
    *state = &fixture;
    return flow_compile(text_of(flow_text), &fixture.flow, &fixture.problems);
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    flow_free(fixture->flow);
    flow_problems_done(&fixture->problems);
    return 0;
}

static void inputs_become_json(void **state)
{
    static const struct {
        const char *document, *typed[3], *json, *trouble;
    } rows[] = {
        {NULL, {NULL}, "{}", NULL},
        {NULL, {"s=abc"}, "{\"s\":\"abc\"}", NULL},
        {NULL, {"s="}, "{\"s\":\"\"}", NULL},
        {NULL, {"s=a=b"}, "{\"s\":\"a=b\"}", NULL},
        {NULL, {"s=12"}, "{\"s\":\"12\"}", NULL},
        {NULL, {"s=a\"\n"}, "{\"s\":\"a\\\"\\n\"}", NULL},
        {NULL,
         {"n=1.10", "i=18446744073709551616"},
         "{\"n\":1.10,\"i\":18446744073709551616}",
         NULL},
        {NULL, {"b=true"}, "{\"b\":true}", NULL},
        {NULL, {"o={\"a\":  1.0}"}, "{\"o\":{\"a\":  1.0}}", NULL},
        {NULL, {"x=\"s\""}, "{\"x\":\"s\"}", NULL},
        {"{\"s\": \"a\", \"n\": 1.50}", {NULL}, "{\"s\":\"a\",\"n\":1.50}", NULL},
        {"{\"s\": \"a\", \"n\": 1}", {"s=b"}, "{\"n\":1,\"s\":\"b\"}", NULL},
        {"{\"u\\u0041\": 1}", {NULL}, "{\"uA\":1}", NULL},
        {"[1]", {NULL}, NULL, "--input: expected a JSON object"},
        {"", {NULL}, NULL, "--input: "},
        {"{\"s\": 1, \"s\": 2}", {NULL}, NULL, "--input: line 1, column "},
        {NULL, {"s"}, NULL, "-i 's': expected NAME=VALUE"},
        {NULL, {"=1"}, NULL, "-i '=1': expected NAME=VALUE"},
        {NULL, {"s=1", "s=2"}, NULL, "-i s: given twice"},
        {NULL, {"sss=1"}, NULL, "input `sss` is not declared"},
        {NULL, {"i=1.5"}, NULL, "input `i`: must be "},
        {NULL, {"i=one"}, NULL, "input `i`: must be "},
        {NULL, {"b=yes"}, NULL, "input `b`: must be "},
        {NULL, {"o=[1]"}, NULL, "input `o`: must be "},
        {NULL, {"x=oops"}, NULL, "input `x`: must be "},
        {NULL, {"s=\xff"}, NULL, "-i: expected UTF-8"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error error = {0};
        struct buffer json = {0};
        const char *items[3];
        struct option_list typed = {.items = items};
        for (; typed.count < 3 && rows[i].typed[typed.count]; typed.count++)
            items[typed.count] = rows[i].typed[typed.count];
        int code = inputs_build(fixture->flow, text_of(rows[i].document), &typed, &json, &error);
        if (rows[i].trouble && strncmp(error.text, rows[i].trouble, strlen(rows[i].trouble)))
            fail_msg("row %zu: \"%s\", expected \"%s\"", i, error.text, rows[i].trouble);
        assert_int_equal(code, rows[i].trouble ? ERR_INVALID : 0);
        if (rows[i].json)
            assert_string_equal(json.data, rows[i].json);
        buffer_done(&json);
    }
}

static void states_are_understood(void **state)
{
    static const struct {
        const char *word;
        uint32_t states; /* 0: refused */
        const char *trouble;
    } rows[] = {
        {"READY", MACHINE_BIT(JOB_READY), NULL},
        {"running,Ready", MACHINE_BIT(JOB_RUNNING) | MACHINE_BIT(JOB_READY), NULL},
        {"QUARANTINED", MACHINE_BIT(JOB_QUARANTINED), NULL},
        {"SUCESS", 0, "--state 'SUCESS': did you mean SUCCESS?"},
        {"READY,", 0, "--state '': expected READY RUNNING"},
        {"", 0, "--state '': expected READY RUNNING"},
        {"PENDING", 0, "--state 'PENDING': "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct selector selector = {
            .states = {.items = (const char *[]){rows[i].word}, .count = 1}};
        struct view_filter filter;
        struct error error = {0};
        int code = selector_filter(&selector, &filter, &error);
        assert_int_equal(code, rows[i].states ? 0 : ERR_INVALID);
        if (rows[i].states)
            assert_int_equal(filter.states, rows[i].states);
        else
            assert_memory_equal(error.text, rows[i].trouble, strlen(rows[i].trouble));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_become_json),
        cmocka_unit_test(states_are_understood),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
