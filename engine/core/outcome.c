/* SPDX-License-Identifier: Apache-2.0 */
/* What the end of a step means: a result, or a failure of some class; of a verb or of a revert. */
#include "engine/core/tree_private.h"

/* The plan whose verb ran: the task's own, or its revert's. */
static const struct flow_task *verb_of(const struct unit *unit)
{
    return unit->state == TASK_REVERTING ? unit->plan->revert : unit->plan;
}

/* What was stopped in its middle may have had its effect, or not. */
static bool was_killed(const struct unit *unit)
{
    return unit->stop == STOP_TIMEOUT || unit->stop == STOP_DEADLINE || unit->stop == STOP_CANCEL;
}

static void fail(struct core *core, struct unit *unit, const struct step_end *end,
                 const char *class, struct text message)
{
    bool is_revert = unit->state == TASK_REVERTING;
    struct failure failure = {
        .class = class,
        .message = message,
        .task = unit->path,
        .attempt = is_revert ? unit->revert_attempt : unit->attempt,
        .unknown = end->is_lost || was_killed(unit),
        .exit = end->status ? -1 : end->exit_code,
        .signal = end->signal,
        .status = end->status,
        .stderr_tail = end->err,
    };
    struct text json = failure_json(&unit->job->arena, &failure);
    if (is_revert)
        undo_failed(core, unit, json);
    else
        attempt_failed(core, unit, json, end->err);
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

/* The result in JSON by the result mode; false: `ret_error` says why not. */
static bool read_result(struct unit *unit, struct arena *scratch, struct text out,
                        struct text *ret_json, struct error *ret_error)
{
    struct arena *arena = &unit->job->arena;
    struct json *json = NULL;
    switch (verb_of(unit)->result) {
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

/* {status, headers, body}: the body is JSON when it is, else text. */
static struct text http_result(struct unit *unit, struct arena *scratch, const struct step_end *end,
                               struct text out)
{
    struct json *json = NULL;
    struct buffer text = {0};
    buffer_printf(&text, "{\"status\":%d,\"headers\":", end->status);
    buffer_add_text(&text, end->headers.data ? end->headers : TEXT("{}"));
    buffer_add_string(&text, ",\"body\":");
    if (json_parse(scratch, out, &json, NULL) == 0)
        buffer_add_text(&text, json->raw);
    else
        buffer_add_json_string(&text, out);
    buffer_add_char(&text, '}');
    struct text result = arena_text(&unit->job->arena, buffer_text(&text));
    buffer_done(&text);
    return result;
}

static bool meets_expect(struct core *core, struct unit *unit, struct text result,
                         struct text *ret_message)
{
    const struct flow_condition *expect = verb_of(unit)->expect;
    struct reading reading;
    bool good = true;
    if (!expect)
        return true;
    reading_begin(&reading, core, unit);
    reading.scope.result = result;
    if (!reading_condition(&reading, "expect", expect, &good)) {
        *ret_message = arena_printf(&core->scratch, "expect: %s", reading.error.text);
        return false;
    }
    if (!good)
        *ret_message = TEXT("expect: the condition is false for this result");
    return good;
}

bool outcome_is_expected(struct core *core, struct unit *unit, struct text result,
                         struct text *ret_failure)
{
    struct text message = TEXT_NONE;
    if (meets_expect(core, unit, result, &message))
        return true;
    struct failure failure = {
        .class = "expect",
        .message = message,
        .task = unit->path,
        .attempt = unit->state == TASK_REVERTING ? unit->revert_attempt : unit->attempt,
        .exit = -1,
    };
    *ret_failure = failure_json(&unit->job->arena, &failure);
    return false;
}

static void succeed(struct core *core, struct unit *unit, const struct step_end *end,
                    struct text result, bool replaced)
{
    struct text message = TEXT_NONE;
    struct text note =
        replaced ? TEXT("stdout held NUL or malformed UTF-8: replaced by U+FFFD") : TEXT_NONE;
    if (result.len > core->options.payload_max_bytes) {
        message = arena_printf(&core->scratch, "the result is larger than %zu bytes",
                               core->options.payload_max_bytes);
        fail(core, unit, end, "limit", message);
    } else if (!meets_expect(core, unit, result, &message)) {
        fail(core, unit, end, "expect", message);
    } else if (unit->state == TASK_REVERTING) {
        undo_succeeded(core, unit, note);
    } else {
        attempt_succeeded(core, unit, result, end->err, note);
    }
}

static void process_succeeded(struct core *core, struct unit *unit, const struct step_end *end)
{
    struct buffer clean = {0};
    struct error error = {0};
    struct text result = TEXT_NONE;
    bool replaced = buffer_add_clean_utf8(&clean, end->out);
    if (read_result(unit, &core->scratch, buffer_text(&clean), &result, &error))
        succeed(core, unit, end, result, replaced);
    else
        fail(core, unit, end, "expect",
             arena_printf(&core->scratch, "stdout is not JSON: %s", error.text));
    buffer_done(&clean);
}

static void response_came(struct core *core, struct unit *unit, const struct step_end *end)
{
    struct buffer clean = {0};
    bool replaced = buffer_add_clean_utf8(&clean, end->out);
    bool good = end->status >= 200 && end->status < 300;
    if (good || verb_of(unit)->expect)
        succeed(core, unit, end, http_result(unit, &core->scratch, end, buffer_text(&clean)),
                replaced);
    else
        fail(core, unit, end, "http",
             arena_printf(&core->scratch, "status %d: %.*s", end->status,
                          clean.len > 200 ? 200 : (int)clean.len, clean.data ? clean.data : ""));
    buffer_done(&clean);
}

static struct text why_not_started(struct core *core, const struct unit *unit,
                                   const struct step_end *end)
{
    const struct step_start *spec = unit->spec;
    if (spec->url.data)
        return arena_printf(&core->scratch, "%.*s %.*s: %.*s", TEXT_ARG(spec->method),
                            TEXT_ARG(spec->url), TEXT_ARG(end->reason));
    if (spec->cwd.data)
        return arena_printf(&core->scratch, "cannot run \"%.*s\" in \"%.*s\": %.*s",
                            TEXT_ARG(spec->argv[0]), TEXT_ARG(spec->cwd), TEXT_ARG(end->reason));
    return arena_printf(&core->scratch, "cannot run \"%.*s\": %.*s", TEXT_ARG(spec->argv[0]),
                        TEXT_ARG(end->reason));
}

void outcome_of_step(struct core *core, struct unit *unit, const struct step_end *end, bool started)
{
    struct arena *scratch = &core->scratch;
    bool is_http = verb_of(unit)->verb == VERB_HTTP;
    if (unit->stop == STOP_TIMEOUT) {
        fail(core, unit, end, "timeout",
             arena_printf(scratch, "no end within %lld ms", (long long)unit->timeout_ms));
    } else if (unit->stop == STOP_DEADLINE) {
        fail(core, unit, end, "deadline", TEXT("the deadline passed"));
    } else if (unit->stop == STOP_CANCEL) {
        fail(core, unit, end, "cancelled", TEXT("the flow around it was stopped"));
    } else if (!started) {
        fail(core, unit, end, is_http ? "lost" : "exit", why_not_started(core, unit, end));
    } else if (end->is_lost) {
        fail(core, unit, end, "lost", TEXT("the step was lost: it may have done its work or not"));
    } else if (end->out_overflow) {
        fail(core, unit, end, "limit",
             arena_printf(scratch, "%s is larger than %zu bytes; `result: none` discards it",
                          is_http ? "the response" : "stdout", core->options.payload_max_bytes));
    } else if (is_http) {
        response_came(core, unit, end);
    } else if (end->signal) {
        fail(core, unit, end, "signal", arena_printf(scratch, "killed by signal %d", end->signal));
    } else if (end->exit_code != 0) {
        fail(core, unit, end, "exit", arena_printf(scratch, "exited with code %d", end->exit_code));
    } else {
        process_succeeded(core, unit, end);
    }
}
