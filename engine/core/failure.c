/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "engine/core/core_private.h"

static void add_text(struct buffer *json, const char *key, struct text value)
{
    buffer_printf(json, ",\"%s\":", key);
    if (value.data)
        buffer_add_json_string(json, value);
    else
        buffer_add_string(json, "null");
}

static void add_number(struct buffer *json, const char *key, bool is_there, int value)
{
    if (is_there)
        buffer_printf(json, ",\"%s\":%d", key, value);
    else
        buffer_printf(json, ",\"%s\":null", key);
}

struct text failure_json(struct arena *arena, const struct failure *failure)
{
    struct buffer json = {0};
    buffer_printf(&json, "{\"class\":\"%s\"", failure->class);
    add_text(&json, "message", failure->message);
    add_text(&json, "task", failure->task);
    add_number(&json, "attempt", failure->attempt > 0, failure->attempt);
    buffer_printf(&json, ",\"outcome\":\"%s\"", failure->unknown ? "unknown" : "known");
    add_number(&json, "exit", failure->exit >= 0, failure->exit);
    add_number(&json, "signal", failure->signal > 0, failure->signal);
    add_number(&json, "status", failure->status > 0, failure->status);
    buffer_add_string(&json, ",\"data\":null");
    add_text(&json, "stderr", failure->stderr_tail);
    buffer_add_string(&json, ",\"child\":null}");
    struct text text = arena_text(arena, buffer_text(&json));
    buffer_done(&json);
    return text;
}

struct text failure_word(struct core *core, struct text failure, const char *key)
{
    struct json *json = NULL;
    const struct json *word = NULL;
    if (json_parse(&core->scratch, failure, &json, NULL) == 0)
        word = json_member(json, text_of(key));
    return word && word->kind == JSON_STRING ? word->string : TEXT("unknown");
}
