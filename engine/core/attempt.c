/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt of a task: what its verb needs is computed, it begins, and it succeeds or fails. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/alloc.h"
#include "engine/core/core_private.h"

#define RETRY_DELAY_MS     1000
#define RETRY_MAX_DELAY_MS 3600000

/* ---------------------------------------------------------------------------------- evaluating */

/* An evaluation on behalf of a task, with the place for the message when it fails. */
struct reading {
    struct core *core;
    struct task *task;
    struct scope scope;
    struct expr_scope roots;
    struct expr_error error;
    const char *where;
};

static void begin_reading(struct reading *reading, struct core *core, struct task *task)
{
    *reading = (struct reading){.core = core, .task = task};
    reading->scope = (struct scope){.job = task->job, .task = task, .arena = &core->scratch};
}

static bool read_text(struct reading *reading, const char *where, const struct template *template,
                      struct arena *arena, struct text *ret_text)
{
    struct buffer text = {.max_bytes = PAYLOAD_MAX_BYTES};
    reading->where = where;
    reading->roots = scope_of(&reading->scope);
    int code = template_eval_text(template, &reading->core->scratch, &reading->roots, NULL, &text,
                                  &reading->error);
    if (code == 0)
        *ret_text = arena_text(arena, buffer_text(&text));
    buffer_done(&text);
    return code == 0;
}

static bool read_json(struct reading *reading, const char *where, const struct template *template,
                      struct arena *arena, struct text *ret_json)
{
    struct buffer json = {.max_bytes = PAYLOAD_MAX_BYTES};
    reading->where = where;
    reading->roots = scope_of(&reading->scope);
    int code = template_eval(template, &reading->core->scratch, &reading->roots, NULL, &json,
                             &reading->error);
    if (code == 0 && json.overflowed) {
        code = ERR_TOO_LARGE;
        snprintf(reading->error.text, sizeof reading->error.text, "larger than %u bytes",
                 PAYLOAD_MAX_BYTES);
    }
    if (code == 0)
        *ret_json = arena_text(arena, buffer_text(&json));
    buffer_done(&json);
    return code == 0;
}

static bool read_amount(struct reading *reading, const char *where,
                        const struct flow_amount *amount, bool is_duration, int64_t absent,
                        int64_t *ret_value)
{
    *ret_value = amount->present ? amount->value : absent;
    if (!amount->present || !amount->expr)
        return true;
    struct buffer json = {0};
    reading->where = where;
    reading->roots = scope_of(&reading->scope);
    int code = expr_eval(amount->expr, &reading->core->scratch, &reading->roots, NULL, &json,
                         &reading->error);
    struct json *value = NULL;
    bool good =
        code == 0 && json_parse(&reading->core->scratch, buffer_text(&json), &value, NULL) == 0;
    if (good && is_duration)
        good = value->kind == JSON_STRING && flow_parse_duration(value->string, ret_value) == 0;
    else if (good)
        good = json_int64(value, ret_value);
    if (code == 0 && !good)
        snprintf(reading->error.text, sizeof reading->error.text, "expected %s, got %.60s",
                 is_duration ? "a duration such as \"90s\"" : "a whole number",
                 json.data ? json.data : "");
    buffer_done(&json);
    return good;
}

static void reading_failed(struct reading *reading)
{
    struct task *task = reading->task;
    struct failure failure = {
        .class = "expression",
        .message =
            arena_printf(&reading->core->scratch, "%s: %s", reading->where, reading->error.text),
        .task = task->path,
        .attempt = task->attempt,
        .exit = -1,
    };
    attempt_failed(reading->core, task, failure_json(&task->job->arena, &failure), "expression",
                   TEXT_NONE);
}

/* ---------------------------------------------------------------------------- the process to run
 */

static bool read_argv_list(struct reading *reading, struct arena *arena, struct step_start *spec)
{
    struct buffer json = {.max_bytes = PAYLOAD_MAX_BYTES};
    reading->where = "run";
    reading->roots = scope_of(&reading->scope);
    int code = expr_eval(reading->task->plan->argv_expr, &reading->core->scratch, &reading->roots,
                         NULL, &json, &reading->error);
    struct json *list = NULL;
    struct text copy = arena_text(arena, buffer_text(&json));
    buffer_done(&json);
    if (code != 0 || json_parse(arena, copy, &list, NULL) != 0)
        return false;
    bool good = list->kind == JSON_ARRAY && list->count > 0;
    struct text *argv = arena_calloc(arena, good ? list->count : 0, sizeof *argv);
    size_t argc = 0;
    for (const struct json *item = list->first; good && item; item = item->next) {
        bool plain =
            item->kind != JSON_NULL && item->kind != JSON_ARRAY && item->kind != JSON_OBJECT;
        argv[argc++] = item->kind == JSON_STRING ? item->string : item->raw;
        good = plain;
    }
    if (!good)
        snprintf(reading->error.text, sizeof reading->error.text,
                 "expected a list of strings, numbers or booleans that is not empty");
    spec->argv = argv;
    spec->argc = argc;
    return good;
}

static bool read_argv(struct reading *reading, struct arena *arena, struct step_start *spec)
{
    const struct flow_task *plan = reading->task->plan;
    if (plan->verb == VERB_SH) {
        struct text *argv = arena_calloc(arena, 4, sizeof *argv);
        argv[0] = TEXT("/bin/sh");
        argv[1] = TEXT("-eu");
        argv[2] = TEXT("-c");
        argv[3] = plan->script;
        spec->argv = argv;
        spec->argc = 4;
        return true;
    }
    if (plan->argv_expr)
        return read_argv_list(reading, arena, spec);
    struct text *argv = arena_calloc(arena, plan->argc, sizeof *argv);
    for (size_t i = 0; i < plan->argc; i++) {
        if (!read_text(reading, "run", plan->argv[i], arena, &argv[i]))
            return false;
    }
    spec->argv = argv;
    spec->argc = plan->argc;
    return true;
}

/* One key for all runs and attempts, until retry.value changes. */
static struct text idempotency_key(const struct task *task, struct arena *arena)
{
    const struct flow_retry *retry = &task->plan->retry;
    if (retry->values || retry->values_expr)
        return arena_printf(arena, "%s/%.*s/value-%d", UUID_STR(&task->job->id),
                            TEXT_ARG(task->path), (int)task->attempt);
    return arena_printf(arena, "%s/%.*s", UUID_STR(&task->job->id), TEXT_ARG(task->path));
}

static bool read_env(struct reading *reading, struct arena *arena, struct step_start *spec)
{
    const struct task *task = reading->task;
    const struct flow_task *plan = task->plan;
    struct step_variable *env = arena_calloc(arena, plan->env_count + 6, sizeof *env);
    size_t count = 0;
    for (size_t i = 0; i < plan->env_count; i++) {
        env[count].name = plan->env[i].name;
        if (!read_text(reading, "env", plan->env[i].value, arena, &env[count].value))
            return false;
        count++;
    }
    struct text id = arena_text(arena, text_of(UUID_STR(&task->job->id)));
    env[count++] = (struct step_variable){TEXT("JOB_ID"), id};
    env[count++] = (struct step_variable){TEXT("JOB_TASK"), task->path};
    env[count++] =
        (struct step_variable){TEXT("JOB_ATTEMPT"), arena_printf(arena, "%d", (int)task->attempt)};
    env[count++] = (struct step_variable){TEXT("JOB_KEY"), idempotency_key(task, arena)};
    env[count++] = (struct step_variable){TEXT("JOB_EPOCH"),
                                          arena_printf(arena, "%" PRId64, task->job->epoch)};
    env[count++] = (struct step_variable){TEXT("JOB_TOKEN"),
                                          arena_printf(arena, "%.*s:%.*s:%d", TEXT_ARG(id),
                                                       TEXT_ARG(task->path), (int)task->attempt)};
    spec->env = env;
    spec->env_count = count;
    return true;
}

static bool read_spec(struct reading *reading)
{
    struct task *task = reading->task;
    const struct flow_task *plan = task->plan;
    task->spec_arena = xcalloc(1, sizeof *task->spec_arena);
    struct arena *arena = task->spec_arena;
    struct step_start *spec = arena_calloc(arena, 1, sizeof *spec);
    task->spec = spec;
    spec->input = TEXT("");
    spec->out_max_bytes = reading->core->options.payload_max_bytes;
    spec->discard_out = plan->result == RESULT_NONE;
    return read_argv(reading, arena, spec) && read_env(reading, arena, spec) &&
           (!plan->cwd || read_text(reading, "cwd", plan->cwd, arena, &spec->cwd)) &&
           (!plan->with || read_json(reading, "with", plan->with, arena, &spec->input)) &&
           read_amount(reading, "timeout", &plan->timeout_ms, true, 0, &task->timeout_ms);
}

void attempt_free_spec(struct task *task)
{
    if (!task->spec_arena)
        return;
    arena_done(task->spec_arena);
    free(task->spec_arena);
    task->spec_arena = NULL;
    task->spec = NULL;
}

static void reserve_step(struct core *core, struct task *task)
{
    struct job *job = task->job;
    task->step = core->next_step++;
    task->step_sent = false;
    task->spec->step = task->step;
    HASH_ADD(hh, core->steps, step, sizeof task->step, task);
    core->processes++;
    job->steps++;
    struct change_set *set = job->open;
    set->starts = arena_grow(&set->arena, set->starts, set->start_count, set->start_count + 1,
                             &set->start_capacity, sizeof(struct task *));
    set->starts[set->start_count++] = task;
}

/* ---------------------------------------------------------------------------------- beginning */

static bool needs_process(const struct task *task)
{
    return task->plan->verb == VERB_RUN || task->plan->verb == VERB_SH;
}

/* A run of unknown outcome is not repeated when the task says so. */
static void fail_once(struct core *core, struct task *task)
{
    struct failure failure = {
        .class = "lost",
        .message = TEXT("its node was lost during the step, and the task is marked once"),
        .task = task->path,
        .attempt = task->attempt,
        .unknown = true,
        .exit = -1,
    };
    task->failure = failure_json(&task->job->arena, &failure);
    task_move(core, task, TASK_FAILURE, TEXT("outcome unknown"));
}

static void begin_running(struct core *core, struct task *task, bool resumed)
{
    task->failure = TEXT_NONE;
    task_move(core, task, TASK_RUNNING, resumed ? TEXT("takeover") : TEXT_NONE);
}

static void run_verb(struct core *core, struct task *task, bool resumed)
{
    const struct flow_task *plan = task->plan;
    struct reading reading;
    begin_reading(&reading, core, task);
    struct text value = TEXT("null");
    bool good = true;
    if (needs_process(task))
        good = read_spec(&reading);
    else if (plan->verb == VERB_SET)
        good = read_json(&reading, "set", plan->value, &task->job->arena, &value);
    else if (plan->verb == VERB_FAIL)
        good = read_text(&reading, "fail", plan->value, &core->scratch, &value);
    begin_running(core, task, resumed);
    if (!good) {
        attempt_free_spec(task);
        reading_failed(&reading);
    } else if (needs_process(task)) {
        reserve_step(core, task);
    } else if (plan->verb == VERB_FAIL) {
        struct failure failure = {.class = "fail",
                                  .message = value,
                                  .task = task->path,
                                  .attempt = task->attempt,
                                  .exit = -1};
        attempt_failed(core, task, failure_json(&task->job->arena, &failure), "fail", TEXT_NONE);
    } else {
        attempt_succeeded(core, task, value, TEXT_NONE, TEXT_NONE);
    }
}

/* After a takeover in the middle of a retry delay the delay begins anew. */
static void wait_again(struct core *core, struct task *task)
{
    struct reading reading;
    begin_reading(&reading, core, task);
    int64_t delay_ms;
    if (!read_amount(&reading, "retry.delay", &task->plan->retry.delay_ms, true, RETRY_DELAY_MS,
                     &delay_ms))
        delay_ms = RETRY_DELAY_MS;
    deadlines_set(&core->deadlines, &task->due, core->now_ms + delay_ms);
}

void attempt_begin(struct core *core, struct task *task)
{
    if (task->resumes && task->state == TASK_RETRYING) {
        task->resumes = false;
        wait_again(core, task);
        return;
    }
    if (task->resumes && task->plan->once) {
        task->resumes = false;
        task->job->resuming--;
        fail_once(core, task);
        return;
    }
    bool no_room = core->processes >= core->options.processes || !core_may_begin(core);
    if (needs_process(task) && no_room) {
        DL_APPEND2(core->queue, task, queue_prev, queue_next);
        task->queued = true;
        return;
    }
    bool resumed = task->resumes;
    task->resumes = false;
    task->job->resuming -= resumed;
    task->attempt += !resumed;
    run_verb(core, task, resumed);
}

/* ------------------------------------------------------------------------------------- ending */

void attempt_succeeded(struct core *core, struct task *task, struct text result_json,
                       struct text stderr_tail, struct text note)
{
    struct job *job = task->job;
    job->bytes += result_json.len;
    if (job->bytes > core->options.job_max_bytes) {
        struct failure failure = {.class = "limit",
                                  .message = arena_printf(&core->scratch,
                                                          "the job's documents exceed %zu bytes",
                                                          core->options.job_max_bytes),
                                  .task = task->path,
                                  .attempt = task->attempt,
                                  .exit = -1};
        attempt_failed(core, task, failure_json(&job->arena, &failure), "limit", stderr_tail);
        return;
    }
    task->result = result_json;
    task->failure = TEXT_NONE;
    task_move(core, task, TASK_SUCCESS, note);
    job->open->records_step = true;
    save_task(job, task)->stderr_tail = arena_text(&job->open->arena, stderr_tail);
}

static void remember_failed(struct task *task, struct text failure, struct text value)
{
    struct buffer json = {0};
    if (task->earlier.data && task->earlier.len > 2) {
        buffer_add(&json, task->earlier.data, task->earlier.len - 1);
        buffer_add_char(&json, ',');
    } else {
        buffer_add_char(&json, '[');
    }
    buffer_add_string(&json, "{\"value\":");
    buffer_add_text(&json, value.data ? value : TEXT("null"));
    buffer_add_string(&json, ",\"failure\":");
    buffer_add_text(&json, failure);
    buffer_add_string(&json, "}]");
    task->earlier = arena_text(&task->job->arena, buffer_text(&json));
    buffer_done(&json);
}

/* Whether the retry policy wants another attempt after this failure. */
static bool wants_retry(struct core *core, struct task *task, struct text failure,
                        const char *class)
{
    const struct flow_retry *retry = &task->plan->retry;
    struct reading reading;
    begin_reading(&reading, core, task);
    reading.scope.failure = failure;
    int64_t attempts;
    int64_t absent = retry->values ? (int64_t)retry->value_count : 1;
    if (!retry->present ||
        !read_amount(&reading, "retry.attempts", &retry->attempts, false, absent, &attempts) ||
        task->attempt >= attempts)
        return false;
    bool is_of_flow = !strcmp(class, "expression") || !strcmp(class, "rejected");
    if (!retry->only_if)
        return !is_of_flow;
    if (!retry->only_if->expr)
        return retry->only_if->constant;
    bool again = false;
    reading.roots = scope_of(&reading.scope);
    if (expr_eval_bool(retry->only_if->expr, &core->scratch, &reading.roots, NULL, &again,
                       &reading.error) != 0)
        return false;
    return again;
}

static int64_t retry_delay_ms(struct core *core, struct task *task)
{
    const struct flow_retry *retry = &task->plan->retry;
    struct reading reading;
    begin_reading(&reading, core, task);
    int64_t delay_ms, max_ms;
    if (!read_amount(&reading, "retry.delay", &retry->delay_ms, true, RETRY_DELAY_MS, &delay_ms))
        delay_ms = RETRY_DELAY_MS;
    if (!read_amount(&reading, "retry.max_delay", &retry->max_delay_ms, true, RETRY_MAX_DELAY_MS,
                     &max_ms))
        max_ms = RETRY_MAX_DELAY_MS;
    double pause = (double)delay_ms;
    for (int32_t i = 1; i < task->attempt && pause < (double)max_ms; i++)
        pause *= retry->backoff;
    if (pause > (double)max_ms)
        pause = (double)max_ms;
    double swing = (double)random_below(&core->random, 2001) / 1000.0 - 1.0; /* -1 .. 1 */
    return (int64_t)(pause * (1.0 + retry->jitter * swing));
}

void attempt_failed(struct core *core, struct task *task, struct text failure, const char *class,
                    struct text stderr_tail)
{
    task->failure = failure;
    task->result = TEXT_NONE;
    struct job *job = task->job;
    bool again = !job->failing && wants_retry(core, task, failure, class);
    job->open->records_step = true;
    if (again) {
        struct scope scope = {.job = job, .task = task, .arena = &core->scratch};
        remember_failed(task, failure, scope_retry_value(&scope));
        task_move(core, task, TASK_RETRYING, text_of(class));
        deadlines_set(&core->deadlines, &task->due, core->now_ms + retry_delay_ms(core, task));
    } else {
        task_move(core, task, TASK_FAILURE, text_of(class));
    }
    save_task(job, task)->stderr_tail = arena_text(&job->open->arena, stderr_tail);
}
