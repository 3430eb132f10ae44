/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of tasks, and flows cut down to one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/flow/flow.h"

static const char source[] = "flow: x\n"
                             "tasks:\n"
                             "  last: {needs: [deploy, other], noop: }\n"
                             "  other: {noop: }\n"
                             "  deploy:\n"
                             "    needs: {list: success, check: done}\n"
                             "    tasks:\n"
                             "      after: {needs: canary, noop: }\n"
                             "      canary: {needs: build, noop: }\n"
                             "      build: {noop: }\n"
                             "  check: {needs: list, noop: }\n"
                             "  list: {noop: }\n"
                             "  hosts:\n"
                             "    foreach: [1, 2]\n"
                             "    tasks: {install: {noop: }}\n"
                             "  poll: {repeat: {until: true}, tasks: {ask: {noop: }}}\n"
                             "finally: {noop: }\n"
                             "output: ${ tasks.last.result }\n";

static struct flow *compile(void)
{
    struct flow *flow;
    struct flow_problems problems;
    assert_int_equal(flow_compile(text_of(source), &flow, &problems), 0);
    flow_problems_done(&problems);
    return flow;
}

static void find(struct flow *flow, const char *path, const char *name)
{
    const struct flow_task *task = NULL;
    struct error error = {0};
    assert_int_equal(flow_find_path(flow, text_of(path), &task, &error), 0);
    assert_true(text_equal(task->name, text_of(name)));
}

static void refuse(struct flow *flow, const char *path, int code, const char *said)
{
    const struct flow_task *task;
    struct error error = {0};
    assert_int_equal(flow_find_path(flow, text_of(path), &task, &error), code);
    if (!strstr(error.text, said))
        fail_msg("%s: %s", path, error.text);
}

static void paths_name_tasks(void **state)
{
    struct flow *flow = compile();
    find(flow, "deploy", "deploy");
    find(flow, "deploy/canary", "canary");
    find(flow, "hosts", "hosts");
    find(flow, "hosts/3", "hosts");
    find(flow, "hosts/31/install", "install");
    find(flow, "poll", "poll");
    refuse(flow, "", ERR_NOT_FOUND, "expected the name");
    refuse(flow, "deplyo", ERR_NOT_FOUND, "did you mean 'deploy'?");
    refuse(flow, "zzz", ERR_NOT_FOUND, "there is no task 'zzz'");
    refuse(flow, "deploy/canari", ERR_NOT_FOUND, "did you mean 'canary'?");
    refuse(flow, "deploy/", ERR_NOT_FOUND, "there is no task");
    refuse(flow, "other/x", ERR_NOT_FOUND, "has no such parts");
    refuse(flow, "hosts/install", ERR_NOT_FOUND, "an item's number");
    find(flow, "hosts/0", "hosts");
    refuse(flow, "hosts/03", ERR_NOT_FOUND, "an item's number");
    refuse(flow, "hosts/", ERR_NOT_FOUND, "an item's number");
    refuse(flow, "hosts/1234567", ERR_NOT_FOUND, "an item's number");
    refuse(flow, "hosts/1:", ERR_NOT_FOUND, "an item's number");
    refuse(flow, "hosts/1-2", ERR_NOT_FOUND, "an item's number");
    refuse(flow, "deploy/finally", ERR_NOT_FOUND, "there is no task 'deploy/finally'");
    refuse(flow, "poll/0", ERR_INVALID, "repeats");
    refuse(flow, "finally", ERR_INVALID, "every run");
    flow_free(flow);
}

static void without_finally_that_is_no_task(void **state)
{
    struct flow *flow;
    struct flow_problems problems;
    assert_int_equal(flow_compile(TEXT("flow: x\nsteps: [{noop: }]\n"), &flow, &problems), 0);
    refuse(flow, "finally", ERR_NOT_FOUND, "there is no task 'finally'");
    flow_problems_done(&problems);
    flow_free(flow);
}

/* The names of a level's tasks in order, each with the names of what it needs. */
static void expect_level(const struct flow_level *level, const char *expected)
{
    struct buffer text = {0};
    for (uint32_t i = 0; i < level->task_count; i++) {
        const struct flow_task *task = &level->tasks[i];
        buffer_printf(&text, "%s%.*s", i ? " " : "", TEXT_ARG(task->name));
        for (size_t j = 0; j < task->need_count; j++)
            buffer_printf(&text, "<%.*s", TEXT_ARG(level->tasks[task->needs[j].task].name));
        for (size_t j = 0; j < task->dependent_count; j++)
            buffer_printf(&text, ">%.*s", TEXT_ARG(level->tasks[task->dependents[j]].name));
        assert_int_equal(flow_level_find(level, task->name), i);
    }
    assert_string_equal(text.data, expected);
    buffer_done(&text);
}

static void what_a_task_needs_is_left(void **state)
{
    struct flow *flow = compile();
    struct error error = {0};
    assert_int_equal(flow_cut_down(flow, TEXT("deploy"), &error), 0);
    expect_level(&flow->top, "deploy<list<check check<list>deploy list>deploy>check");
    assert_null(flow->top.output);
    assert_int_equal(flow_level_find(&flow->top, TEXT("last")), -1);
    expect_level(flow->top.tasks[0].nested, "after<canary canary<build>after build>canary");
    flow_free(flow);
    flow = compile();
    assert_int_equal(flow_cut_down(flow, TEXT("deploy/canary"), &error), 0);
    expect_level(&flow->top, "deploy<list<check check<list>deploy list>deploy>check");
    expect_level(flow->top.tasks[0].nested, "canary<build build>canary");
    assert_non_null(flow->finally);
    flow_free(flow);
}

static void what_cannot_be_wanted_changes_nothing(void **state)
{
    static const struct {
        const char *target;
        int code;
    } cases[] = {{"nope", ERR_NOT_FOUND},
                 {"hosts/1/install", ERR_INVALID},
                 {"hosts/1", ERR_INVALID},
                 {"poll/0/ask", ERR_INVALID},
                 {"finally", ERR_INVALID}};
    struct flow *flow = compile();
    struct error error = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(flow_cut_down(flow, text_of(cases[i].target), &error), cases[i].code);
    assert_int_equal(flow->top.task_count, 7);
    assert_int_equal(flow_cut_down(flow, TEXT("hosts"), &error), 0);
    assert_int_equal(flow->top.task_count, 1);
    flow_free(flow);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_name_tasks),
        cmocka_unit_test(without_finally_that_is_no_task),
        cmocka_unit_test(what_a_task_needs_is_left),
        cmocka_unit_test(what_cannot_be_wanted_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
