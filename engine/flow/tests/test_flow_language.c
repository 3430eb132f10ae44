/* SPDX-License-Identifier: Apache-2.0 */
/* What the constructs of the language become. */
#include "engine/flow/tests/flow_fixture.h"

static const struct flow_task *task_at(const struct flow_level *level, const char *name)
{
    int64_t number = flow_level_find(level, text_of(name));
    if (number < 0)
        fail_msg("no task %s", name);
    return &level->tasks[number];
}

static const struct flow_task *task_of(const struct flow *flow, const char *name)
{
    return task_at(&flow->top, name);
}

static void assert_need(const struct flow_level *level, const char *name, size_t place,
                        const char *needed, enum flow_need_kind kind)
{
    const struct flow_task *task = task_at(level, name);
    assert_true(place < task->need_count);
    assert_text(level->tasks[task->needs[place].task].name, needed);
    assert_int_equal(task->needs[place].kind, kind);
}

static void test_kinds_of_needs(void **state)
{
    struct flow *flow = good("flow: x\n"
                             "tasks:\n"
                             "  a: {sh: date}\n"
                             "  b: {sh: date}\n"
                             "  c: {sh: date, needs: {b: failure, a: done}}\n"
                             "  d: {sh: date, needs: {a: success, c: failure}, join: any}\n");
    assert_need(&flow->top, "c", 0, "b", NEED_FAILURE);
    assert_need(&flow->top, "c", 1, "a", NEED_DONE);
    assert_need(&flow->top, "d", 0, "a", NEED_SUCCESS);
    const struct flow_task *a = task_of(flow, "a");
    assert_int_equal(a->dependent_count, 2);
    assert_int_equal(a->dependent_kinds[0], NEED_DONE);
    assert_int_equal(a->dependent_kinds[1], NEED_SUCCESS);
    assert_int_equal(task_of(flow, "d")->join, JOIN_ANY);
    flow_free(flow);
}

static void test_join_and_skip(void **state)
{
    struct flow *flow = good("flow: x\n"
                             "input: {n: integer}\n"
                             "tasks:\n"
                             "  a: {sh: date, if: input.n > 1, skip: neighbors}\n"
                             "  b: {sh: date, if: input.n > 2, skip: flow}\n"
                             "  c: {sh: date, if: input.n > 3, skip: all}\n"
                             "  d: {sh: date, if: input.n > 4, skip: task}\n"
                             "  e: {noop: , needs: [a, b, c], join: 2}\n"
                             "  f: {noop: , needs: [a, b, c], join: \"${ input.n }\"}\n"
                             "  g: {noop: , needs: [a, b, c], join: all}\n");
    assert_int_equal(task_of(flow, "a")->skip, SKIP_NEIGHBORS);
    assert_int_equal(task_of(flow, "b")->skip, SKIP_FLOW);
    assert_int_equal(task_of(flow, "c")->skip, SKIP_ALL);
    assert_int_equal(task_of(flow, "d")->skip, SKIP_TASK);
    assert_int_equal(task_of(flow, "e")->join, JOIN_COUNT);
    assert_int_equal(task_of(flow, "e")->join_count.value, 2);
    assert_int_equal(task_of(flow, "f")->join, JOIN_COUNT);
    assert_non_null(task_of(flow, "f")->join_count.expr);
    assert_int_equal(task_of(flow, "g")->join, JOIN_ALL);
    flow_free(flow);
}

static void test_on_failure(void **state)
{
    struct flow *flow = good("flow: x\n"
                             "tasks:\n"
                             "  a: {sh: date}\n"
                             "  b: {sh: date, on_failure: revert}\n"
                             "  c: {sh: date, on_failure: continue}\n"
                             "  d: {sh: date, on_failure: stop}\n"
                             "  e: {sh: date, on_failure: revert_all, deadline: 2h}\n");
    assert_int_equal(flow->on_failure, FAIL_REVERT);
    assert_int_equal(task_of(flow, "a")->on_failure, FAIL_REVERT);
    assert_int_equal(task_of(flow, "b")->on_failure, FAIL_REVERT);
    assert_int_equal(task_of(flow, "c")->on_failure, FAIL_CONTINUE);
    assert_int_equal(task_of(flow, "d")->on_failure, FAIL_STOP);
    assert_int_equal(task_of(flow, "e")->on_failure, FAIL_REVERT_ALL);
    assert_int_equal(task_of(flow, "e")->deadline_ms.value, 7200000);
    flow_free(flow);
}

static void test_foreach(void **state)
{
    struct flow *flow = good(
        "flow: x\n"
        "input: {list: array, n: integer}\n"
        "tasks:\n"
        "  a: {foreach: [1, \"${ input.n }\"], set: \"${ item }\"}\n"
        "  b: {foreach: \"${ input.list }\", set: \"${ index }\"}\n"
        "  c: {foreach: {in: {k: 1}, concurrency: 3, fail_fast: false}, set: \"${ item.key }\"}\n"
        "  d: {foreach: {in: \"${ input.list }\", enough: 75%, concurrency: \"${ input.n }\"}, "
        "noop: }\n"
        "  e: {foreach: {in: \"${ input.list }\", enough: 2}, noop: }\n"
        "  f: {noop: }\n");
    const struct flow_foreach *foreach = &task_of(flow, "a")->foreach;
    assert_true(foreach->present);
    assert_non_null(foreach->in);
    assert_true(foreach->fail_fast);
    assert_int_equal(foreach->concurrency.value, 10);
    assert_false(foreach->enough.present);
    assert_non_null(template_alone(task_of(flow, "b")->foreach.in));
    foreach
        = &task_of(flow, "c")->foreach;
    assert_false(foreach->fail_fast);
    assert_int_equal(foreach->concurrency.value, 3);
    foreach
        = &task_of(flow, "d")->foreach;
    assert_false(foreach->fail_fast);
    assert_true(foreach->enough_is_percent);
    assert_int_equal(foreach->enough.value, 75);
    assert_non_null(foreach->concurrency.expr);
    foreach
        = &task_of(flow, "e")->foreach;
    assert_false(foreach->fail_fast);
    assert_false(foreach->enough_is_percent);
    assert_int_equal(foreach->enough.value, 2);
    assert_false(task_of(flow, "f")->foreach.present);
    flow_free(flow);
}

static void test_repeat(void **state)
{
    struct flow *flow = good(
        "flow: x\n"
        "tasks:\n"
        "  a: {sh: date, repeat: {until: result != '' && round > 1, times: 5, delay: 2s}}\n"
        "  b: {sh: date, repeat: {until: false, times: 3}}\n"
        "  c: {foreach: [1, 2], repeat: {until: prev == item, times: \"${ item }\", delay: \"${ "
        "string(item) + 's' }\"}, set: \"${ item }\"}\n");
    const struct flow_repeat *repeat = &task_of(flow, "a")->repeat;
    assert_true(repeat->present);
    assert_non_null(repeat->until.expr);
    assert_int_equal(repeat->times.value, 5);
    assert_int_equal(repeat->delay_ms.value, 2000);
    repeat = &task_of(flow, "b")->repeat;
    assert_null(repeat->until.expr);
    assert_false(repeat->until.constant);
    assert_false(repeat->delay_ms.present);
    assert_non_null(task_of(flow, "c")->repeat.times.expr);
    assert_non_null(task_of(flow, "c")->repeat.delay_ms.expr);
    flow_free(flow);
}

static void test_revert(void **state)
{
    struct flow *flow = good(
        "flow: x\n"
        "tasks:\n"
        "  a: {sh: date}\n"
        "  b:\n"
        "    needs: a\n"
        "    sh: date\n"
        "    revert:\n"
        "      run: [rm, \"${ result }\", \"${ tasks.a.result }\", \"${ failure.class }\", \"${ "
        "failures.size() }\"]\n"
        "      if: result != null\n"
        "      expect: result == ''\n"
        "      timeout: 5s\n"
        "      retry: {attempts: 3, if: failure.exit != 4}\n"
        "      env: {A: b}\n"
        "      cwd: /\n"
        "      with: 5\n"
        "      result: text\n");
    const struct flow_task *revert = task_of(flow, "b")->revert;
    assert_null(task_of(flow, "a")->revert);
    assert_non_null(revert);
    assert_null(revert->name.data);
    assert_int_equal(revert->line, 7);
    assert_int_equal(revert->verb, VERB_RUN);
    assert_int_equal(revert->argc, 5);
    assert_non_null(revert->run_if);
    assert_non_null(revert->expect);
    assert_int_equal(revert->timeout_ms.value, 5000);
    assert_int_equal(revert->retry.attempts.value, 3);
    assert_int_equal(revert->env_count, 1);
    assert_int_equal(revert->result, RESULT_TEXT);
    flow_free(flow);
}

static void test_nested(void **state)
{
    struct flow *flow = good("flow: x\n"
                             "tasks:\n"
                             "  a:\n"
                             "    retry: {attempts: 2}\n"
                             "    steps:\n"
                             "      - {name: p, sh: date}\n"
                             "      - tasks:\n"
                             "          q: {set: \"${ tasks.p.result } ${ retry.attempt }\"}\n"
                             "        output: ${ tasks.q.result }\n"
                             "    output: ${ tasks.step2.result }\n"
                             "  b: {needs: a, set: \"${ tasks.a.result }\"}\n");
    const struct flow_task *a = task_of(flow, "a");
    assert_int_equal(a->verb, VERB_TASKS);
    assert_int_equal(a->nested->task_count, 2);
    assert_non_null(a->nested->output);
    assert_need(a->nested, "step2", 0, "p", NEED_SUCCESS);
    const struct flow_task *inner = task_at(a->nested, "step2");
    assert_int_equal(inner->nested->task_count, 1);
    assert_text(inner->nested->tasks[0].name, "q");
    assert_null(task_of(flow, "b")->nested);
    flow_free(flow);
}

static void test_http(void **state)
{
    struct flow *flow = good("flow: x\n"
                             "input: {base: string}\n"
                             "tasks:\n"
                             "  a: {http: \"https://example.org/x\"}\n"
                             "  b:\n"
                             "    http:\n"
                             "      method: PUT\n"
                             "      url: ${ input.base }/x\n"
                             "      headers: {Accept: text/plain, X-N: 5}\n"
                             "      body: {a: [1.10, \"${ job.id }\"]}\n"
                             "    expect: result.status == 201\n"
                             "    once: true\n");
    const struct flow_task *a = task_of(flow, "a"), *b = task_of(flow, "b");
    assert_int_equal(a->verb, VERB_HTTP);
    assert_non_null(a->http.url);
    assert_null(a->http.method);
    assert_null(a->http.body);
    assert_int_equal(a->http.header_count, 0);
    assert_non_null(b->http.method);
    assert_int_equal(b->http.header_count, 2);
    assert_text(b->http.headers[0].name, "Accept");
    assert_text(b->http.headers[1].name, "X-N");
    assert_non_null(b->http.body);
    assert_true(b->once);
    flow_free(flow);
}

static void test_file_level(void **state)
{
    struct flow *flow = good("flow: x\n"
                             "retry: {values: [berlin, paris], delay: 5s}\n"
                             "timeout: 1h\n"
                             "deadline: 1d\n"
                             "on_failure: stop\n"
                             "finally:\n"
                             "  if: job.state != 'SUCCESS' && failure != null\n"
                             "  run: [mail, \"${ failure.message }\", \"${ tasks.a.result }\"]\n"
                             "tasks: {a: {set: \"${ retry.value }\"}}\n"
                             "output: ${ tasks.a.result } ${ retry.attempt }\n");
    assert_int_equal(flow->retry.value_count, 2);
    assert_int_equal(flow->retry.delay_ms.value, 5000);
    assert_int_equal(flow->timeout_ms.value, 3600000);
    assert_int_equal(flow->deadline_ms.value, 86400000);
    assert_int_equal(flow->on_failure, FAIL_STOP);
    assert_non_null(flow->finally);
    assert_int_equal(flow->finally->verb, VERB_RUN);
    assert_null(flow->finally->name.data);
    assert_non_null(flow->finally->run_if);
    assert_non_null(flow->top.output);
    flow_free(flow);
}

static struct text env_of(const struct flow_task *task, const char *name)
{
    for (size_t i = 0; i < task->env_count; i++) {
        struct arena scratch = {0};
        struct buffer value = {0};
        struct expr_error error = {0};
        if (!text_equal(task->env[i].name, text_of(name)))
            continue;
        assert_int_equal(
            template_eval_text(task->env[i].value, &scratch, NULL, NULL, &value, &error), 0);
        arena_done(&scratch);
        static char kept[64];
        snprintf(kept, sizeof kept, "%.*s", TEXT_ARG(buffer_text(&value)));
        buffer_done(&value);
        return text_of(kept);
    }
    return TEXT("");
}

static void test_defaults_reach_all(void **state)
{
    struct flow *flow =
        good("flow: x\n"
             "tasks:\n"
             "  a: {sh: date}\n"
             "  b: {sh: date, timeout: 1s, retry: {attempts: 1}, cwd: /b, env: {Z: b, "
             "E: own}, revert: {sh: date}}\n"
             "  c: {http: \"http://localhost/\"}\n"
             "  d: {set: 1}\n"
             "  e: {steps: [{run: [date]}]}\n"
             "finally: {sh: date}\n"
             "defaults: {timeout: 9s, retry: {attempts: 7}, cwd: /d, env: {E: all, F: "
             "more}}\n");
    const struct flow_task *list[] = {task_of(flow, "a"), task_of(flow, "b")->revert,
                                      &task_of(flow, "e")->nested->tasks[0], flow->finally};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(list[i]->timeout_ms.value, 9000);
        assert_int_equal(list[i]->retry.attempts.value, 7);
        assert_non_null(list[i]->cwd);
        assert_text(env_of(list[i], "E"), "all");
    }
    const struct flow_task *b = task_of(flow, "b");
    assert_int_equal(b->timeout_ms.value, 1000);
    assert_int_equal(b->retry.attempts.value, 1);
    assert_int_equal(b->env_count, 3);
    assert_text(env_of(b, "E"), "own");
    assert_text(env_of(b, "F"), "more");
    assert_text(env_of(b, "Z"), "b");
    const struct flow_task *c = task_of(flow, "c"), *d = task_of(flow, "d");
    assert_int_equal(c->timeout_ms.value, 9000);
    assert_int_equal(c->retry.attempts.value, 7);
    assert_null(c->cwd);
    assert_int_equal(c->env_count, 0);
    assert_false(d->timeout_ms.present);
    assert_false(task_of(flow, "e")->retry.present);
    flow_free(flow);
}

/* What is around a task is seen from inside it. */
static void test_scopes(void **state)
{
    flow_free(
        good("flow: x\n"
             "retry: {values: [1, 2]}\n"
             "tasks:\n"
             "  before: {sh: date}\n"
             "  outer:\n"
             "    needs: before\n"
             "    if: retry.value == 1\n"
             "    foreach: [1, 2]\n"
             "    repeat: {until: result == item}\n"
             "    retry: {attempts: 2}\n"
             "    steps:\n"
             "      - if: item == 1 && round == 0 && prev == null && retry.attempt == 1\n"
             "        set: ${ tasks.before.result }\n"
             "      - foreach: \"${ [item, index, round] }\"\n"
             "        set: [\"${ item }\", \"${ retry.value }\"]\n"
             "        revert: {sh: date, if: item == 1 && round == 0 && retry.value == 1}\n"
             "    output: ${ [item, index, prev, round, tasks.step1.result, retry.attempt] }\n"
             "    expect: result[0] == item\n"));
    /* The nearest of a name counts, also when it may not be used. */
    bad("flow: x\n"
        "tasks:\n"
        "  a: {sh: date}\n"
        "  b:\n"
        "    needs: a\n"
        "    tasks: {a: {sh: date}, c: {set: '${ tasks.a.result }'}}\n",
        "6:47: error: `c` does not wait for `a`");
    /* A cycle hides what is waited for, also for those inside. */
    bad("flow: x\n"
        "tasks:\n"
        "  a: {needs: b, sh: date}\n"
        "  b: {needs: a, steps: [{set: '${ tasks.a.result } ${ tasks.c.result }'}]}\n"
        "  c: {sh: date}\n",
        "circle: a → b → a");
}

/* ------------------------------------------------------------------------------------- limits */

static void nest(struct buffer *text, int depth)
{
    buffer_clear(text);
    buffer_add_string(text, "flow: x\nsteps: [");
    for (int i = 0; i < depth; i++)
        buffer_add_string(text, "{steps: [");
    buffer_add_string(text, "{noop: }");
    for (int i = 0; i < depth; i++)
        buffer_add_string(text, "]}");
    buffer_add_string(text, "]\n");
}

static void test_nesting_limit(void **state)
{
    struct buffer text = {0};
    nest(&text, FLOW_NESTING_MAX);
    flow_free(good(text.data));
    nest(&text, FLOW_NESTING_MAX + 1);
    bad(text.data, "more than 32 flows inside each other");
    buffer_done(&text);
}

static void test_task_limit_holds_for_the_file(void **state)
{
    struct buffer text = {0};
    buffer_add_string(&text, "flow: x\ntasks:\n");
    for (int i = 0; i < 5000; i++)
        buffer_printf(&text, "  t%d: {steps: [{noop: }]}\n", i);
    flow_free(good(text.data));
    buffer_add_string(&text, "  last: {noop: }\n");
    bad(text.data, "more than 10000 tasks in one file");
    buffer_done(&text);
}

static void test_other_limits(void **state)
{
    struct buffer text = {0};
    buffer_add_string(&text, "flow: x\ndefaults: {env: {");
    for (int i = 0; i < 101; i++)
        buffer_printf(&text, "v%d: 1, ", i);
    buffer_add_string(&text, "}}\ntasks:\n  a: {sh: date, env: {");
    for (int i = 0; i < 1001; i++)
        buffer_printf(&text, "v%d: 1, ", i);
    buffer_add_string(&text, "}}\n  b: {http: {url: \"http://x/\", headers: {");
    for (int i = 0; i < 101; i++)
        buffer_printf(&text, "v%d: 1, ", i);
    buffer_add_string(&text, "}}}\n  c: {noop: , foreach: [");
    for (int i = 0; i < 100001; i++)
        buffer_add_string(&text, "1, ");
    buffer_add_string(&text, "]}\n");
    bad(text.data, "more than 100 variables");
    bad(text.data, "more than 1000 variables");
    bad(text.data, "more than 100 headers");
    bad(text.data, "more than 100000 items");
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_needs),
        cmocka_unit_test(test_join_and_skip),
        cmocka_unit_test(test_on_failure),
        cmocka_unit_test(test_foreach),
        cmocka_unit_test(test_repeat),
        cmocka_unit_test(test_revert),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_file_level),
        cmocka_unit_test(test_defaults_reach_all),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_nesting_limit),
        cmocka_unit_test(test_task_limit_holds_for_the_file),
        cmocka_unit_test(test_other_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
