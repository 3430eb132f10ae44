/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb needs to run: argv, environment, stdin, working directory, or an HTTP request. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/core/rerun.h"

#define HTTP_TIMEOUT_MS 60000

bool verb_needs_process(const struct flow_task *plan)
{
    return plan->verb == VERB_RUN || plan->verb == VERB_SH || plan->verb == VERB_HTTP;
}

void spec_free(struct unit *unit)
{
    if (!unit->spec_arena)
        return;
    arena_done(unit->spec_arena);
    free(unit->spec_arena);
    unit->spec_arena = NULL;
    unit->spec = NULL;
}

/* ---------------------------------------------------------------------------------------- argv */

static bool read_argv_list(struct reading *reading, const struct flow_task *plan,
                           struct arena *arena, struct step_start *spec)
{
    struct json *list = NULL;
    if (!reading_value(reading, "run", plan->argv_expr, arena, &list))
        return false;
    bool good = list->kind == JSON_ARRAY && list->count > 0;
    struct text *argv = arena_calloc(arena, list->count, sizeof *argv);
    size_t argc = 0;
    for (const struct json *item = list->first; good && item; item = item->next) {
        good = item->kind != JSON_NULL && item->kind != JSON_ARRAY && item->kind != JSON_OBJECT;
        argv[argc++] = item->kind == JSON_STRING ? item->string : item->raw;
    }
    if (!good)
        snprintf(reading->error.text, sizeof reading->error.text,
                 "expected a list of strings, numbers or booleans that is not empty");
    spec->argv = argv;
    spec->argc = argc;
    return good;
}

static bool read_argv(struct reading *reading, const struct flow_task *plan, struct arena *arena,
                      struct step_start *spec)
{
    if (plan->verb == VERB_RUN && plan->argv_expr)
        return read_argv_list(reading, plan, arena, spec);
    spec->argc = plan->verb == VERB_SH ? 4 : plan->argc;
    struct text *argv = arena_calloc(arena, spec->argc, sizeof *argv);
    spec->argv = argv;
    if (plan->verb == VERB_SH) {
        argv[0] = TEXT("/bin/sh");
        argv[1] = TEXT("-eu");
        argv[2] = TEXT("-c");
        argv[3] = plan->script;
        return true;
    }
    for (size_t i = 0; i < plan->argc; i++) {
        if (!reading_text(reading, "run", plan->argv[i], arena, &argv[i]))
            return false;
    }
    return true;
}

/* ----------------------------------------------------------------------------------------- keys */

/* Attempts of the flows around a unit, outermost first, when any of them is not the first one: an
 * undone flow runs its tasks under new keys. */
static void add_attempts_around(struct buffer *key, const struct unit *unit)
{
    const struct unit *outer = unit_outer(unit);
    if (!outer)
        return;
    add_attempts_around(key, outer);
    if (unit_has_attempts(outer))
        buffer_printf(key, "%s%d", key->len ? "." : "", (int)outer->attempt);
}

static bool is_retried_around(const struct unit *unit)
{
    for (const struct unit *outer = unit_outer(unit); outer; outer = unit_outer(outer)) {
        if (unit_has_attempts(outer) && outer->attempt > 1)
            return true;
    }
    return false;
}

/* One key for all runs and attempts, until the flow around is undone or retry.value changes. */
static struct text idempotency_key(const struct unit *unit, bool is_revert, struct arena *arena)
{
    const struct flow_retry *retry = &unit->plan->retry;
    struct buffer key = {0};
    buffer_printf(&key, "%s/%.*s", UUID_STR(&unit->job->id), TEXT_ARG(unit->path));
    if (is_retried_around(unit)) {
        struct buffer attempts = {0};
        add_attempts_around(&attempts, unit);
        buffer_printf(&key, "~%.*s", TEXT_ARG(buffer_text(&attempts)));
        buffer_done(&attempts);
    }
    if (rerun_of_key(unit) > 0)
        buffer_printf(&key, "+%u", rerun_of_key(unit));
    if (is_revert)
        buffer_add_string(&key, "/revert");
    else if (retry->values || retry->values_expr)
        buffer_printf(&key, "/value-%d", (int)unit->attempt);
    struct text text = arena_text(arena, buffer_text(&key));
    buffer_done(&key);
    return text;
}

/* --------------------------------------------------------------------------------- environment */

static bool read_env(struct reading *reading, const struct flow_task *plan, struct arena *arena,
                     struct step_start *spec)
{
    const struct unit *unit = reading->unit;
    bool is_revert = plan == unit->plan->revert;
    int attempt = is_revert ? unit->revert_attempt : unit->attempt;
    struct step_variable *env = arena_calloc(arena, plan->env_count + 6, sizeof *env);
    size_t count = 0;
    for (size_t i = 0; i < plan->env_count; i++) {
        env[count].name = plan->env[i].name;
        if (!reading_text(reading, "env", plan->env[i].value, arena, &env[count].value))
            return false;
        count++;
    }
    struct text id = arena_text(arena, text_of(UUID_STR(&unit->job->id)));
    spec->key = idempotency_key(unit, is_revert, arena);
    env[count++] = (struct step_variable){TEXT("JOB_ID"), id};
    env[count++] = (struct step_variable){TEXT("JOB_TASK"), unit->path};
    env[count++] = (struct step_variable){TEXT("JOB_ATTEMPT"), arena_printf(arena, "%d", attempt)};
    env[count++] = (struct step_variable){TEXT("JOB_KEY"), spec->key};
    env[count++] = (struct step_variable){TEXT("JOB_EPOCH"),
                                          arena_printf(arena, "%" PRId64, unit->job->epoch)};
    env[count++] = (struct step_variable){
        TEXT("JOB_TOKEN"), arena_printf(arena, "%.*s:%.*s%s:%d", TEXT_ARG(id), TEXT_ARG(unit->path),
                                        is_revert ? "/revert" : "", attempt)};
    spec->env = env;
    spec->env_count = count;
    return true;
}

static bool read_process(struct reading *reading, const struct flow_task *plan, struct arena *arena,
                         struct step_start *spec)
{
    return read_argv(reading, plan, arena, spec) && read_env(reading, plan, arena, spec) &&
           (!plan->cwd || reading_text(reading, "cwd", plan->cwd, arena, &spec->cwd)) &&
           (!plan->with || reading_json(reading, "with", plan->with, arena, &spec->input));
}

/* ----------------------------------------------------------------------------------------- http */

/* A body that is a string is sent as it is, anything else as JSON. */
static bool read_body(struct reading *reading, const struct template *body, struct arena *arena,
                      struct step_start *spec)
{
    struct text text;
    struct json *json = NULL;
    if (!reading_json(reading, "http.body", body, arena, &text))
        return false;
    bool is_string = json_parse(arena, text, &json, NULL) == 0 && json->kind == JSON_STRING;
    spec->input = is_string ? json->string : text;
    spec->input_is_json = !is_string;
    return true;
}

static bool read_http(struct reading *reading, const struct flow_task *plan, struct arena *arena,
                      struct step_start *spec)
{
    const struct flow_http *http = &plan->http;
    const struct unit *unit = reading->unit;
    struct step_variable *headers = arena_calloc(arena, http->header_count, sizeof *headers);
    for (size_t i = 0; i < http->header_count; i++) {
        headers[i].name = http->headers[i].name;
        if (!reading_text(reading, "http.headers", http->headers[i].value, arena,
                          &headers[i].value))
            return false;
    }
    spec->headers = headers;
    spec->header_count = http->header_count;
    spec->key = idempotency_key(unit, plan == unit->plan->revert, arena);
    spec->method = TEXT("GET");
    return reading_text(reading, "http.url", http->url, arena, &spec->url) &&
           (!http->method ||
            reading_text(reading, "http.method", http->method, arena, &spec->method)) &&
           (!http->body || read_body(reading, http->body, arena, spec));
}

bool spec_read(struct reading *reading, const struct flow_task *plan)
{
    struct unit *unit = reading->unit;
    spec_free(unit);
    unit->spec_arena = xcalloc(1, sizeof *unit->spec_arena);
    struct arena *arena = unit->spec_arena;
    struct step_start *spec = arena_calloc(arena, 1, sizeof *spec);
    unit->spec = spec;
    spec->input = TEXT("");
    spec->out_max_bytes = reading->core->options.payload_max_bytes;
    spec->discard_out = plan->result == RESULT_NONE;
    bool is_http = plan->verb == VERB_HTTP;
    return (is_http ? read_http(reading, plan, arena, spec)
                    : read_process(reading, plan, arena, spec)) &&
           reading_amount(reading, "timeout", &plan->timeout_ms, true,
                          is_http ? HTTP_TIMEOUT_MS : 0, &unit->timeout_ms);
}
