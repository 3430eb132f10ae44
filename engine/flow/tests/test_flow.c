/* SPDX-License-Identifier: Apache-2.0 */
/* What a file becomes. */
#include "engine/flow/tests/flow_fixture.h"

/* The value of a template that needs nothing. */
static void assert_value(const struct template *template, const char *expected)
{
    struct arena scratch = {0};
    struct buffer json;
    struct expr_error error = {0};
    const struct expr_scope scope = {0};
    assert_non_null(template);
    buffer_init(&json, 0);
    assert_int_equal(template_eval(template, &scratch, &scope, NULL, &json, &error), 0);
    assert_text(buffer_text(&json), expected);
    buffer_done(&json);
    arena_done(&scratch);
}

static const struct flow_task *task_called(const struct flow *flow, const char *name)
{
    for (uint32_t i = 0; i < flow->top.task_count; i++)
        if (text_equal(flow->top.tasks[i].name, text_of(name)))
            return &flow->top.tasks[i];
    fail_msg("no task %s", name);
    return NULL;
}

static void test_file_keys(void **state)
{
    struct flow *flow =
        good("flow: nightly-report.v2\n"
             "description: Reports\n"
             "input:\n"
             "  day: string\n"
             "  limit: {type: integer, default: 10, enum: [10, 20], description: n}\n"
             "runs_on: [linux, big, linux]\n"
             "priority: 3\n"
             "tasks: {a: {set: \"${ input.day } ${ input.limit }\"}}\n"
             "output: {all: \"${ tasks }\", a: [1.10, yes, null]}\n");
    assert_text(flow->name, "nightly-report.v2");
    assert_text(flow->description, "Reports");
    assert_int_equal(flow->priority, 3);
    assert_int_equal(flow->tag_count, 2);
    assert_text(flow->runs_on[0], "big");
    assert_text(flow->runs_on[1], "linux");
    assert_int_equal(flow->input_count, 2);
    assert_text(flow->inputs[0].name, "day");
    assert_int_equal(flow->inputs[0].type, FLOW_STRING);
    assert_null(flow->inputs[0].default_json.data);
    assert_text(flow->inputs[1].default_json, "10");
    assert_int_equal(flow->inputs[1].enum_count, 2);
    assert_text(flow->inputs[1].enum_json[1], "20");
    assert_text(flow->inputs[1].description, "n");
    assert_non_null(flow->top.output);
    flow_free(flow);
}

static void test_defaults(void **state)
{
    struct flow *flow = good("flow: x\ntasks: {a: {sh: make, retry: {attempts: 3}}, b: {noop: }}");
    const struct flow_task *task = task_called(flow, "a");
    assert_int_equal(flow->priority, 5);
    assert_int_equal(flow->tag_count, 0);
    assert_null(flow->description.data);
    assert_null(flow->top.output);
    assert_true(task->retry.present);
    assert_int_equal(task->retry.attempts.value, 3);
    assert_int_equal(task->retry.delay_ms.value, 1000);
    assert_true(task->retry.backoff == 1);
    assert_int_equal(task->retry.max_delay_ms.value, 3600000);
    assert_true(task->retry.jitter == 0.1);
    assert_null(task->retry.only_if);
    assert_int_equal(task->result, RESULT_AUTO);
    assert_false(task->once);
    assert_false(task->timeout_ms.present);
    assert_null(task->run_if);
    assert_null(task->with);
    assert_false(task_called(flow, "b")->retry.present);
    flow_free(flow);
}

static void test_task_keys(void **state)
{
    struct flow *flow =
        good("flow: x\n"
             "input: {pause: string, n: integer, hosts: array}\n"
             "tasks:\n"
             "  a:\n"
             "    description: First\n"
             "    run: [echo, 'it''s', 5, true, \"${ input.n }\"]\n"
             "    with: {x: [1.10, \"${ input.n }\"]}\n"
             "    env: {A: 5, B: \"${ input.pause }\"}\n"
             "    cwd: /tmp/${ input.n }\n"
             "    result: text\n"
             "    once: true\n"
             "    if: input.n > 1\n"
             "    expect: ${ result == 'x' }\n"
             "    timeout: ${ input.pause }\n"
             "    retry:\n"
             "      values: [a, \"${ input.n }\"]\n"
             "      delay: ${ input.pause }\n"
             "      backoff: 2\n"
             "      max_delay: 1h30m\n"
             "      jitter: 2.5e-1\n"
             "      if: failure.class == 'exit' && retry.attempt < 3\n"
             "  b: {run: \"${ input.hosts }\", timeout: 90s, if: true, expect: false}\n");
    const struct flow_task *task = task_called(flow, "a");
    assert_text(task->description, "First");
    assert_int_equal(task->line, 4);
    assert_int_equal(task->verb, VERB_RUN);
    assert_int_equal(task->argc, 5);
    assert_value(task->argv[1], "\"it's\"");
    assert_value(task->argv[2], "\"5\"");
    assert_false(template_is_constant(task->argv[4]));
    assert_null(task->argv_expr);
    assert_non_null(task->with);
    assert_int_equal(task->env_count, 2);
    assert_text(task->env[0].name, "A");
    assert_value(task->env[0].value, "\"5\"");
    assert_non_null(task->cwd);
    assert_int_equal(task->result, RESULT_TEXT);
    assert_true(task->once);
    assert_non_null(task->run_if->expr);
    assert_non_null(task->expect->expr);
    assert_non_null(task->timeout_ms.expr);
    assert_int_equal(task->retry.value_count, 2);
    assert_value(task->retry.values[0], "\"a\"");
    assert_false(task->retry.attempts.present);
    assert_non_null(task->retry.delay_ms.expr);
    assert_true(task->retry.backoff == 2);
    assert_int_equal(task->retry.max_delay_ms.value, 5400000);
    assert_true(task->retry.jitter == 0.25);
    assert_non_null(task->retry.only_if->expr);
    task = task_called(flow, "b");
    assert_non_null(task->argv_expr);
    assert_null(task->argv);
    assert_int_equal(task->timeout_ms.value, 90000);
    assert_null(task->run_if->expr);
    assert_true(task->run_if->constant);
    assert_false(task->expect->constant);
    flow_free(flow);
}

static void test_verbs(void **state)
{
    struct flow *flow = good("flow: x\n"
                             "steps:\n"
                             "  - sh: |\n"
                             "      echo ${HOME} $${x}\n"
                             "  - set: [1.10, 1e999, \"$${x}\", yes, ~, {a: }]\n"
                             "  - fail: it is ${ job.id }\n"
                             "  - noop:\n"
                             "  - noop: null\n");
    assert_int_equal(flow->top.tasks[0].verb, VERB_SH);
    assert_text(flow->top.tasks[0].script, "echo ${HOME} $${x}\n");
    assert_int_equal(flow->top.tasks[1].verb, VERB_SET);
    assert_value(flow->top.tasks[1].value, "[1.10,1e999,\"${x}\",\"yes\",\"~\",{\"a\":null}]");
    assert_int_equal(flow->top.tasks[2].verb, VERB_FAIL);
    assert_int_equal(flow->top.tasks[3].verb, VERB_NOOP);
    assert_int_equal(flow->top.tasks[4].verb, VERB_NOOP);
    assert_text(flow->top.tasks[4].name, "step5");
    flow_free(flow);
}

static void assert_needs(const struct flow *flow, const char *name, const char *expected)
{
    const struct flow_task *task = task_called(flow, name);
    struct buffer list;
    buffer_init(&list, 0);
    buffer_add_string(&list, "");
    for (size_t i = 0; i < task->need_count; i++) {
        assert_int_equal(task->needs[i].kind, NEED_SUCCESS);
        buffer_printf(&list, "%.*s ", TEXT_ARG(flow->top.tasks[task->needs[i].task].name));
    }
    buffer_add_string(&list, "<");
    for (size_t i = 0; i < task->dependent_count; i++)
        buffer_printf(&list, " %.*s", TEXT_ARG(flow->top.tasks[task->dependents[i]].name));
    assert_string_equal(list.data, expected);
    buffer_done(&list);
}

static void test_needs_of_tasks(void **state)
{
    struct flow *flow = good("flow: x\n"
                             "tasks:\n"
                             "  d: {needs: [c, b], noop: }\n"
                             "  b: {needs: a, noop: }\n"
                             "  c: {needs: {a: success}, noop: }\n"
                             "  a: {needs: [], noop: }\n");
    assert_needs(flow, "a", "< b c");
    assert_needs(flow, "b", "a < d");
    assert_needs(flow, "c", "a < d");
    assert_needs(flow, "d", "c b <");
    flow_free(flow);
}

static void test_needs_of_steps(void **state)
{
    struct flow *flow = good("flow: x\n"
                             "steps:\n"
                             "  - {name: a, noop: }\n"
                             "  - noop:\n"
                             "  - {name: c, needs: a, noop: }\n"
                             "  - {name: d, needs: [], noop: }\n"
                             "  - {name: e, noop: , needs: [step2, c]}\n");
    assert_needs(flow, "a", "< step2 c");
    assert_needs(flow, "step2", "a < e");
    assert_needs(flow, "c", "a < e");
    assert_needs(flow, "d", "<");
    assert_needs(flow, "e", "step2 c <");
    flow_free(flow);
}

static void test_what_a_task_sees(void **state)
{
    flow_free(
        good("flow: x\n"
             "input: {n: integer}\n"
             "tasks:\n"
             "  c: {needs: b, set: \"${ tasks.a.result + tasks['b'].result.x }\"}\n"
             "  b: {needs: a, if: tasks.a.state == 'SUCCESS' && has(tasks.a.result), set: {x: 1}}\n"
             "  a: {set: \"${ [1, 2].map(item, item + input.n) } ${ job.id }\"}\n"
             "output: ${ tasks.b.failure.class }\n"));
    bad("flow: x\ntasks: {a: {set: '${ tasks.b.result }'}, b: {noop: }}",
        "`a` does not wait for `b`");
    bad("flow: x\ntasks: {a: {set: 'x ${ 1 } y ${ tasks[\"b\"].result }'}, b: {noop: }}",
        "2:40: error: `a` does not wait");
    bad("flow: x\ntasks: {a: {set: '${ {\"}\": [nope]} } x'}}", "unknown name `nope`");
    bad("flow: x\ntasks: {a: {set: '$${ x } ${ nope }'}}", "unknown name `nope`");
    bad("flow: x\ntasks: {a: {set: \"${ r'}' + '''}''' + nope } x\"}}", "unknown name `nope`");
    /* With a cycle nobody knows what is waited for; only the cycle is said. */
    bad("flow: x\ntasks: {a: {needs: b, set: '${ tasks.b }'}, b: {needs: a, noop: }}",
        "these tasks need each other in a circle: a → b → a");
}

static void test_tasks_are_found_by_name(void **state)
{
    struct flow *flow = good("flow: x\ntasks: {b: {noop: }, a: {noop: }, c: {noop: }}");
    assert_int_equal(flow_level_find(&flow->top, TEXT("a")), 1);
    assert_int_equal(flow_level_find(&flow->top, TEXT("b")), 0);
    assert_int_equal(flow_level_find(&flow->top, TEXT("c")), 2);
    assert_int_equal(flow_level_find(&flow->top, TEXT("bb")), -1);
    assert_int_equal(flow_level_find(&flow->top, TEXT("")), -1);
    flow_free(flow);
}

static void test_one_tag(void **state)
{
    struct flow *flow = good("flow: 42\nruns_on: linux\ntasks: {a: {noop: }}");
    assert_text(flow->name, "42");
    assert_int_equal(flow->tag_count, 1);
    assert_text(flow->runs_on[0], "linux");
    flow_free(flow);
}

static void test_too_many(void **state)
{
    struct buffer text;
    buffer_init(&text, 0);
    buffer_add_string(&text, "flow: x\nruns_on: [");
    for (int i = 0; i < 33; i++)
        buffer_printf(&text, "t%d, ", i);
    buffer_add_string(&text, "]\ninput:\n");
    for (int i = 0; i < 1001; i++)
        buffer_printf(&text, "  i%d: any\n", i);
    buffer_add_string(&text, "tasks: {a: {run: [");
    for (int i = 0; i < 4097; i++)
        buffer_add_string(&text, "x, ");
    buffer_add_string(&text, "], needs: a}}\n");
    bad(text.data, "more than 32 tags");
    bad(text.data, "more than 1000 inputs");
    bad(text.data, "more than 4096 arguments");
    buffer_done(&text);
}

static void test_json_file(void **state)
{
    struct flow *flow =
        good("{\"flow\": \"x\", \"steps\": [{\"run\": [\"echo\", \"\\ud83d\\ude00\"]},\n"
             " {\"noop\": null, \"if\": \"tasks.step1.result != ''\"}]}");
    assert_int_equal(flow->top.task_count, 2);
    assert_int_equal(flow->top.tasks[1].line, 2);
    flow_free(flow);
}

static void test_byte_order_mark(void **state)
{
    flow_free(good("\xEF\xBB\xBF"
                   "flow: x\ntasks: {a: {noop: }}\n"));
    bad("\xEF\xBB\xBF"
        "flou: x\ntasks: {a: {noop: }}\n",
        "test.yaml:1:1: error: unknown key `flou`");
}

static void test_too_large(void **state)
{
    size_t len = FLOW_TEXT_MAX_BYTES + 1;
    char *text = xmalloc(len);
    struct flow_problems problems;
    struct flow *flow;
    struct buffer said;
    memset(text, ' ', len);
    assert_int_equal(flow_compile((struct text){text, len}, &flow, &problems), ERR_INVALID);
    assert_int_equal(problems.count, 1);
    assert_int_equal(problems.list[0].line, 0);
    buffer_init(&said, 0);
    flow_problems_print(&problems, (struct text){text, len}, "big.yaml", false, &said);
    assert_string_equal(
        said.data, "big.yaml: error: the file has 4194305 bytes, and a flow at most 4194304\n");
    buffer_done(&said);
    flow_problems_done(&problems);
    free(text);
}

static void test_colours(void **state)
{
    struct flow_problems problems;
    struct flow *flow;
    struct buffer said;
    struct text source = TEXT("flow: x\nstep: []\n");
    flow_compile(source, &flow, &problems);
    buffer_init(&said, 0);
    flow_problems_print(&problems, source, "x", true, &said);
    assert_non_null(strstr(said.data, "\033[1;31merror\033[0m: unknown key `step`"));
    assert_non_null(strstr(said.data, "\033[1;32m^~~~\033[0m\n"));
    buffer_done(&said);
    flow_problems_done(&problems);
}

static void test_problems_are_cut(void **state)
{
    struct flow_problems problems;
    struct flow *flow;
    struct buffer text;
    buffer_init(&text, 0);
    buffer_add_string(&text, "flow: x\nsteps:\n");
    for (int i = 0; i < 60; i++)
        buffer_add_string(&text, "- sh: echo ${ input.x }\n");
    for (int i = 0; i < 150; i++)
        buffer_printf(&text, "- {noop: , x: 1}\n");
    assert_int_equal(flow_compile(buffer_text(&text), &flow, &problems), ERR_INVALID);
    assert_int_equal(problems.count, FLOW_PROBLEMS_MAX);
    assert_true(problems.cut);
    /* Warnings leave room for errors. */
    assert_true(problems.errors >= FLOW_PROBLEMS_MAX / 2);
    flow_problems_done(&problems);
    buffer_done(&text);
}

static void test_expressions_are_counted(void **state)
{
    struct flow_problems problems;
    struct flow *flow;
    struct buffer text;
    buffer_init(&text, 0);
    buffer_add_string(&text, "flow: x\ntasks:\n  a: {set: '");
    for (int i = 0; i < 100001; i++)
        buffer_add_string(&text, "${a}");
    buffer_add_string(&text, "', if: true}\n  b: {if: b, set: ['${b}']}\n");
    assert_int_equal(flow_compile(buffer_text(&text), &flow, &problems), ERR_INVALID);
    assert_int_equal(problems.count, 1);
    assert_text(problems.list[0].message, "more than 100000 expressions in one file");
    flow_problems_done(&problems);
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_keys),        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_task_keys),        cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_needs_of_tasks),   cmocka_unit_test(test_needs_of_steps),
        cmocka_unit_test(test_what_a_task_sees), cmocka_unit_test(test_tasks_are_found_by_name),
        cmocka_unit_test(test_one_tag),          cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_json_file),        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_too_large),        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_problems_are_cut), cmocka_unit_test(test_expressions_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
