/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/core_private.h"

static void add_text(struct buffer *json, const char *key, struct text value)
{
    buffer_printf(json, ",\"%s\":", key);
    if (value.data)
        buffer_add_json_string(json, value);
    else
        buffer_add_string(json, "null");
}

struct text failure_json(struct arena *arena, const struct failure *failure)
{
    struct buffer json = {0};
    buffer_printf(&json, "{\"class\":\"%s\"", failure->class);
    add_text(&json, "message", failure->message);
    add_text(&json, "task", failure->task);
    if (failure->attempt > 0)
        buffer_printf(&json, ",\"attempt\":%d", (int)failure->attempt);
    else
        buffer_add_string(&json, ",\"attempt\":null");
    buffer_printf(&json, ",\"outcome\":\"%s\"", failure->unknown ? "unknown" : "known");
    if (failure->exit >= 0)
        buffer_printf(&json, ",\"exit\":%d", failure->exit);
    else
        buffer_add_string(&json, ",\"exit\":null");
    if (failure->signal > 0)
        buffer_printf(&json, ",\"signal\":%d", failure->signal);
    else
        buffer_add_string(&json, ",\"signal\":null");
    buffer_add_string(&json, ",\"status\":null,\"data\":null");
    add_text(&json, "stderr", failure->stderr_tail);
    buffer_add_string(&json, ",\"child\":null}");
    struct text text = arena_text(arena, buffer_text(&json));
    buffer_done(&json);
    return text;
}
