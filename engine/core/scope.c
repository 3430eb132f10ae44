/* SPDX-License-Identifier: Apache-2.0 */
/* What the roots of expressions mean: input, job, tasks, result, failure, retry. */
#include "engine/core/core_private.h"

static struct text or_null(struct text json)
{
    return json.data ? json : TEXT("null");
}

static struct text state_json(struct arena *arena, const struct task *task)
{
    return arena_printf(arena, "\"%s\"", task_state_name((enum task_state)task->state));
}

static bool has_ended(const struct task *task)
{
    return task_state_is_final((enum task_state)task->state);
}

static void add_task(struct buffer *json, const struct task *task)
{
    buffer_add_string(json, "{\"result\":");
    buffer_add_text(json, has_ended(task) ? or_null(task->result) : TEXT("null"));
    buffer_add_string(json, ",\"failure\":");
    buffer_add_text(json, has_ended(task) ? or_null(task->failure) : TEXT("null"));
    buffer_printf(json, ",\"state\":\"%s\"}", task_state_name((enum task_state)task->state));
}

static struct text take(struct arena *arena, struct buffer *json)
{
    struct text text = arena_text(arena, buffer_text(json));
    buffer_done(json);
    return text;
}

static struct text all_tasks(struct scope *scope)
{
    struct buffer json = {0};
    buffer_add_char(&json, '{');
    for (uint32_t i = 0; i < scope->job->task_count; i++) {
        const struct task *task = &scope->job->tasks[i];
        if (i > 0)
            buffer_add_char(&json, ',');
        buffer_add_json_string(&json, task->path);
        buffer_add_char(&json, ':');
        add_task(&json, task);
    }
    buffer_add_char(&json, '}');
    return take(scope->arena, &json);
}

static size_t find_task(struct scope *scope, const struct text *names, size_t count,
                        struct text *ret_json)
{
    if (count == 1) {
        *ret_json = all_tasks(scope);
        return 1;
    }
    int64_t number = flows_find_task(scope->job->flow, names[1]);
    if (number < 0)
        return 0;
    const struct task *task = &scope->job->tasks[number];
    if (count >= 3 && text_equal(names[2], TEXT("result")))
        *ret_json = has_ended(task) ? or_null(task->result) : TEXT("null");
    else if (count >= 3 && text_equal(names[2], TEXT("failure")))
        *ret_json = has_ended(task) ? or_null(task->failure) : TEXT("null");
    else if (count >= 3 && text_equal(names[2], TEXT("state")))
        *ret_json = state_json(scope->arena, task);
    else {
        struct buffer json = {0};
        add_task(&json, task);
        *ret_json = take(scope->arena, &json);
        return 2;
    }
    return 3;
}

struct text scope_retry_value(struct scope *scope)
{
    const struct task *task = scope->task;
    const struct flow_retry *retry = &task->plan->retry;
    size_t number = task->attempt > 0 ? (size_t)task->attempt - 1 : 0;
    struct scope outer = {.job = scope->job, .arena = scope->arena};
    struct expr_scope roots = scope_of(&outer);
    struct expr_error error = {0};
    struct buffer json = {0};
    struct text value = TEXT_NONE;
    if (retry->values && number < retry->value_count &&
        template_eval(retry->values[number], scope->arena, &roots, NULL, &json, &error) == 0) {
        value = arena_text(scope->arena, buffer_text(&json));
    } else if (retry->values_expr &&
               expr_eval(retry->values_expr, scope->arena, &roots, NULL, &json, &error) == 0) {
        struct json *list = NULL;
        struct text copy = arena_text(scope->arena, buffer_text(&json));
        if (json_parse(scope->arena, copy, &list, NULL) == 0 && list->kind == JSON_ARRAY) {
            const struct json *item = list->first;
            while (item && number-- > 0)
                item = item->next;
            value = item ? item->raw : TEXT_NONE;
        }
    }
    buffer_done(&json);
    return value;
}

static struct text retry_root(struct scope *scope)
{
    struct buffer json = {0};
    buffer_printf(&json, "{\"attempt\":%d,\"value\":", (int)scope->task->attempt);
    buffer_add_text(&json, or_null(scope_retry_value(scope)));
    buffer_add_string(&json, ",\"earlier\":");
    buffer_add_text(&json, scope->task->earlier.data ? scope->task->earlier : TEXT("[]"));
    buffer_add_char(&json, '}');
    return take(scope->arena, &json);
}

static size_t find(void *context, const struct text *names, size_t count, struct text *ret_json)
{
    struct scope *scope = context;
    if (text_equal(names[0], TEXT("tasks")))
        return find_task(scope, names, count, ret_json);
    if (text_equal(names[0], TEXT("input")))
        *ret_json = scope->job->load.input;
    else if (text_equal(names[0], TEXT("job")))
        *ret_json = scope->job->job_json;
    else if (text_equal(names[0], TEXT("result")) && scope->result.data)
        *ret_json = scope->result;
    else if (text_equal(names[0], TEXT("failure")) && scope->failure.data)
        *ret_json = scope->failure;
    else if (text_equal(names[0], TEXT("retry")) && scope->task)
        *ret_json = retry_root(scope);
    else
        return 0;
    return 1;
}

struct expr_scope scope_of(struct scope *scope)
{
    return (struct expr_scope){.context = scope, .find = find};
}
