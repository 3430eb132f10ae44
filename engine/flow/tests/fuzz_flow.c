/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a flow file: compiled or refused, and every problem can be printed. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/flow/flow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_places(const struct flow_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct flow_problem *problem = &problems->list[i];
        CHECK(problem->message.len > 0 && problem->width >= 1);
        CHECK((problem->line == 0) == (problem->column == 0));
        CHECK(i == 0 || problems->list[i - 1].line <= problem->line);
    }
}

static void check_level(const struct flow_level *level, int depth);

static void check_task(const struct flow_level *level, const struct flow_task *task, int depth)
{
    CHECK(task->line > 0);
    CHECK((task->verb == VERB_TASKS) == (task->nested != NULL));
    CHECK(task->verb != VERB_HTTP || task->http.url);
    CHECK(!task->foreach.present || task->foreach.in);
    CHECK(!task->retry.present || task->retry.attempts.present || task->retry.values ||
          task->retry.values_expr);
    for (size_t i = 0; i < task->need_count; i++)
        CHECK(level && task->needs[i].task < level->task_count);
    for (size_t i = 0; i < task->dependent_count; i++)
        CHECK(level && task->dependents[i] < level->task_count);
    if (task->revert) {
        CHECK(!task->revert->revert && !task->revert->nested && !task->revert->name.data);
        check_task(NULL, task->revert, depth);
    }
    if (task->nested)
        check_level(task->nested, depth + 1);
}

static void check_level(const struct flow_level *level, int depth)
{
    CHECK(level->task_count > 0 && depth <= FLOW_NESTING_MAX);
    for (uint32_t i = 0; i < level->task_count; i++) {
        const struct flow_task *task = &level->tasks[i];
        CHECK(task->name.len > 0 && flow_level_find(level, task->name) == (int64_t)i);
        check_task(level, task, depth);
    }
}

static void check_flow(const struct flow *flow)
{
    CHECK(flow->name.len > 0);
    CHECK(flow->on_failure == FAIL_REVERT || flow->on_failure == FAIL_STOP);
    check_level(&flow->top, 0);
    if (flow->finally)
        check_task(NULL, flow->finally, 0);
}

static void complete_input(const struct flow *flow)
{
    struct buffer json;
    struct error error = {0};
    buffer_init(&json, 0);
    flow_complete_input(flow, TEXT("{\"a\": 1, \"b\": [true]}"), &json, &error);
    if (flow->input_count > 0)
        flow_input_from_text(flow, flow->inputs[0].name, TEXT("5"), &json, &error);
    buffer_done(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text source = {(const char *)data, size};
    struct flow_problems problems;
    struct flow *flow;
    struct buffer printed;
    int code = flow_compile(source, &flow, &problems);
    CHECK((code == 0) == (problems.errors == 0) && (code == 0) == (flow != NULL));
    check_places(&problems);
    buffer_init(&printed, 0);
    flow_problems_print(&problems, source, "fuzz.yaml", size % 2, &printed);
    buffer_done(&printed);
    if (flow) {
        check_flow(flow);
        complete_input(flow);
    }
    flow_free(flow);
    flow_problems_done(&problems);
    return 0;
}
