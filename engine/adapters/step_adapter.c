/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/adapters/step_adapter.h"

#include "base/buffer.h"

static const char *variable(struct arena *scratch, struct text name, struct text value)
{
    return arena_printf(scratch, "%.*s=%.*s", TEXT_ARG(name), TEXT_ARG(value)).data;
}

static bool is_given(const struct step_start *start, const char *name)
{
    for (size_t i = 0; i < start->env_count; i++) {
        if (text_equal(start->env[i].name, text_of(name)))
            return true;
    }
    return false;
}

static const char **environment(struct arena *scratch, const struct step_ground *ground,
                                const struct step_start *start)
{
    const struct {
        const char *name, *value;
    } first[] = {{"PATH", ground->path}, {"HOME", ground->home}, {"LANG", ground->lang}};
    const char **env = arena_calloc(scratch, start->env_count + 4, sizeof *env);
    size_t count = 0;
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        if (first[i].value && !is_given(start, first[i].name))
            env[count++] = variable(scratch, text_of(first[i].name), text_of(first[i].value));
    }
    for (size_t i = 0; i < start->env_count; i++)
        env[count++] = variable(scratch, start->env[i].name, start->env[i].value);
    return env;
}

static void start_process(struct process_source *processes, const struct step_ground *ground,
                          struct arena *scratch, const struct step_start *start)
{
    const char **argv = arena_calloc(scratch, start->argc + 1, sizeof *argv);
    for (size_t i = 0; i < start->argc; i++)
        argv[i] = arena_string(scratch, start->argv[i]);
    struct process_spec spec = {
        .argv = argv,
        .env = environment(scratch, ground, start),
        .cwd = start->cwd.data ? arena_string(scratch, start->cwd) : ground->cwd,
        .stdin_bytes = start->input,
        .stdout_limit_bytes = start->out_max_bytes,
        .discard_stdout = start->discard_out,
    };
    process_start(processes, start->step, &spec);
}

static void start_request(struct http_source *http, struct arena *scratch,
                          const struct step_start *start)
{
    struct http_header *headers = arena_calloc(scratch, start->header_count, sizeof *headers);
    for (size_t i = 0; i < start->header_count; i++)
        headers[i] = (struct http_header){start->headers[i].name, start->headers[i].value};
    struct http_spec spec = {
        .method = start->method,
        .url = start->url,
        .headers = headers,
        .header_count = start->header_count,
        .body = start->input,
        .body_is_json = start->input_is_json,
        .key = start->key,
        .body_max_bytes = start->out_max_bytes,
        .discard_body = start->discard_out,
    };
    http_start(http, start->step, &spec);
}

bool step_adapter_perform(const struct step_sources *sources, const struct step_ground *ground,
                          struct arena *scratch, const struct core_effect *effect)
{
    switch ((int)effect->kind) {
    case EFFECT_START_STEP:
        if (effect->u.start.url.data)
            start_request(sources->http, scratch, &effect->u.start);
        else
            start_process(sources->processes, ground, scratch, &effect->u.start);
        return true;
    case EFFECT_STOP_STEP:
        process_stop(sources->processes, effect->u.stop.step, effect->u.stop.grace_ms);
        http_stop(sources->http, effect->u.stop.step);
        return true;
    case EFFECT_KILL_AT:
        process_set_kill_at(sources->processes, effect->u.kill_at_ms);
        http_set_kill_at(sources->http, effect->u.kill_at_ms);
        return true;
    default:
        return false;
    }
}

static struct text clean(struct arena *scratch, struct text raw)
{
    struct buffer text = {0};
    buffer_add_clean_utf8(&text, raw);
    struct text copy = arena_text(scratch, buffer_text(&text));
    buffer_done(&text);
    return copy;
}

bool step_adapter_translate(const struct process_event *from, struct arena *scratch,
                            struct core_event *ret_event)
{
    *ret_event = (struct core_event){.u.step = {.step = from->step, .exit_code = -1}};
    struct step_end *end = &ret_event->u.step;
    switch (from->kind) {
    case PROCESS_STARTED:
        ret_event->kind = EVENT_STEP_STARTED;
        return true;
    case PROCESS_NOT_STARTED:
        ret_event->kind = EVENT_STEP_FAILED;
        end->reason = from->text;
        return true;
    case PROCESS_ENDED:
        ret_event->kind = EVENT_STEP_ENDED;
        end->exit_code = from->exit_code;
        end->signal = from->signal;
        end->out = from->stdout_data;
        end->out_overflow = from->stdout_overflow;
        /* Killed by nobody's order: whether it had done its work is not known. */
        end->is_lost = from->cause == PROCESS_CAUSE_LEASE || from->cause == PROCESS_CAUSE_WARDEN;
        end->err = clean(scratch, from->stderr_tail);
        return true;
    case PROCESS_PROGRESS:
        return false;
    }
    return false;
}

void step_adapter_translate_http(const struct http_event *from, struct core_event *ret_event)
{
    /* A response came by itself, as a process that exits does. */
    bool answered = from->kind == HTTP_ANSWERED;
    *ret_event = (struct core_event){
        .kind = answered ? EVENT_STEP_ENDED : EVENT_STEP_FAILED,
        .u.step = {.step = from->step, .exit_code = answered ? 0 : -1},
    };
    struct step_end *end = &ret_event->u.step;
    end->reason = from->text;
    end->is_lost = from->may_have_arrived;
    end->status = from->status;
    end->headers = from->headers;
    end->out = from->body;
    end->out_overflow = from->body_overflow;
}
