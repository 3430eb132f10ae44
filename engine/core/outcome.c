/* SPDX-License-Identifier: Apache-2.0 */
/* What the end of a step's process means: a result, or a failure of some class. */
#include "base/json.h"
#include "engine/core/core_private.h"

#define QUOTED_MAX 200 /* of a bad output, in a message */

static void fail(struct core *core, struct task *task, const struct step_end *end,
                 const char *class, struct text message)
{
    struct failure failure = {
        .class = class,
        .message = message,
        .task = task->path,
        .attempt = task->attempt,
        .exit = end->exit_code,
        .signal = end->signal,
        .stderr_tail = end->err,
    };
    attempt_failed(core, task, failure_json(&task->job->arena, &failure), class, end->err);
}

static struct text trim_newline(struct text text)
{
    if (text.len && text.data[text.len - 1] == '\n')
        text.len--;
    if (text.len && text.data[text.len - 1] == '\r')
        text.len--;
    return text;
}

static struct text as_json_string(struct arena *arena, struct text text)
{
    struct buffer json = {0};
    buffer_add_json_string(&json, text);
    struct text result = arena_text(arena, buffer_text(&json));
    buffer_done(&json);
    return result;
}

/* The result in JSON by the task's result mode; false: `ret_error` says why not. */
static bool read_result(struct task *task, struct arena *scratch, struct text out,
                        struct text *ret_json, struct error *ret_error)
{
    struct arena *arena = &task->job->arena;
    struct json *json = NULL;
    switch (task->plan->result) {
    case RESULT_NONE:
        *ret_json = TEXT("null");
        return true;
    case RESULT_TEXT:
        *ret_json = as_json_string(arena, trim_newline(out));
        return true;
    case RESULT_JSON:
        if (json_parse(scratch, out, &json, ret_error) != 0)
            return false;
        *ret_json = arena_text(arena, json->raw);
        return true;
    case RESULT_AUTO:
        if (json_parse(scratch, out, &json, NULL) == 0 &&
            (json->kind == JSON_ARRAY || json->kind == JSON_OBJECT))
            *ret_json = arena_text(arena, json->raw);
        else
            *ret_json = as_json_string(arena, trim_newline(out));
        return true;
    }
    UNREACHABLE();
}

static bool meets_expect(struct core *core, struct task *task, struct text result,
                         struct text *ret_message)
{
    const struct flow_condition *expect = task->plan->expect;
    bool good = expect ? expect->constant : true;
    if (expect && expect->expr) {
        struct scope scope = {
            .job = task->job, .task = task, .result = result, .arena = &core->scratch};
        struct expr_scope roots = scope_of(&scope);
        struct expr_error error = {0};
        if (expr_eval_bool(expect->expr, &core->scratch, &roots, NULL, &good, &error) != 0) {
            *ret_message = arena_printf(&core->scratch, "expect: %s", error.text);
            return false;
        }
    }
    if (!good)
        *ret_message = TEXT("expect: the condition is false for this result");
    return good;
}

static void succeed(struct core *core, struct task *task, const struct step_end *end)
{
    struct buffer clean = {0};
    bool replaced = buffer_add_clean_utf8(&clean, end->out);
    struct text result = TEXT_NONE, message = TEXT_NONE;
    struct error error = {0};
    if (!read_result(task, &core->scratch, buffer_text(&clean), &result, &error)) {
        message = arena_printf(&core->scratch, "stdout is not JSON: %s", error.text);
        fail(core, task, end, "expect", message);
    } else if (result.len > core->options.payload_max_bytes) {
        message = arena_printf(&core->scratch, "the result is larger than %zu bytes",
                               core->options.payload_max_bytes);
        fail(core, task, end, "limit", message);
    } else if (!meets_expect(core, task, result, &message)) {
        fail(core, task, end, "expect", message);
    } else {
        struct text note =
            replaced ? TEXT("stdout held NUL or malformed UTF-8: replaced by U+FFFD") : TEXT_NONE;
        attempt_succeeded(core, task, result, end->err, note);
    }
    buffer_done(&clean);
}

void outcome_of_step(struct core *core, struct task *task, const struct step_end *end, bool started)
{
    struct arena *scratch = &core->scratch;
    if (!started) {
        fail(core, task, end, "exit", end->reason);
    } else if (task->stop == STOP_TIMEOUT) {
        fail(core, task, end, "timeout",
             arena_printf(scratch, "no end within %lld ms", (long long)task->timeout_ms));
    } else if (end->out_overflow) {
        fail(core, task, end, "limit",
             arena_printf(scratch, "stdout is larger than %zu bytes; `result: none` discards it",
                          core->options.payload_max_bytes));
    } else if (end->signal) {
        fail(core, task, end, "signal", arena_printf(scratch, "killed by signal %d", end->signal));
    } else if (end->exit_code != 0) {
        fail(core, task, end, "exit", arena_printf(scratch, "exited with code %d", end->exit_code));
    } else {
        succeed(core, task, end);
    }
}
