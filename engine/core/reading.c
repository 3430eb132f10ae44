/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluations on behalf of a unit. */
#include <stdio.h>

#include "engine/core/tree_private.h"

void reading_begin(struct reading *reading, struct core *core, struct unit *unit)
{
    *reading = (struct reading){.core = core, .unit = unit};
    reading->scope = (struct scope){.job = unit->job, .unit = unit, .arena = &core->scratch};
}

static void prepare(struct reading *reading, const char *where)
{
    reading->where = where;
    reading->roots = scope_of(&reading->scope);
}

static int check_size(struct reading *reading, int code, const struct buffer *buffer)
{
    if (code == 0 && buffer->overflowed) {
        snprintf(reading->error.text, sizeof reading->error.text, "larger than %u bytes",
                 PAYLOAD_MAX_BYTES);
        return ERR_TOO_LARGE;
    }
    return code;
}

bool reading_text(struct reading *reading, const char *where, const struct template *template,
                  struct arena *arena, struct text *ret_text)
{
    struct buffer text = {.max_bytes = PAYLOAD_MAX_BYTES};
    prepare(reading, where);
    int code = template_eval_text(template, &reading->core->scratch, &reading->roots, NULL, &text,
                                  &reading->error);
    code = check_size(reading, code, &text);
    if (code == 0)
        *ret_text = arena_text(arena, buffer_text(&text));
    buffer_done(&text);
    return code == 0;
}

bool reading_json(struct reading *reading, const char *where, const struct template *template,
                  struct arena *arena, struct text *ret_json)
{
    struct buffer json = {.max_bytes = PAYLOAD_MAX_BYTES};
    prepare(reading, where);
    int code = template_eval(template, &reading->core->scratch, &reading->roots, NULL, &json,
                             &reading->error);
    code = check_size(reading, code, &json);
    if (code == 0)
        *ret_json = arena_text(arena, buffer_text(&json));
    buffer_done(&json);
    return code == 0;
}

bool reading_expr(struct reading *reading, const char *where, const struct expr *expr,
                  struct arena *arena, struct text *ret_json)
{
    struct buffer json = {.max_bytes = PAYLOAD_MAX_BYTES};
    prepare(reading, where);
    int code =
        expr_eval(expr, &reading->core->scratch, &reading->roots, NULL, &json, &reading->error);
    code = check_size(reading, code, &json);
    if (code == 0)
        *ret_json = arena_text(arena, buffer_text(&json));
    buffer_done(&json);
    return code == 0;
}

bool reading_amount(struct reading *reading, const char *where, const struct flow_amount *amount,
                    bool is_duration, int64_t absent, int64_t *ret_value)
{
    *ret_value = amount->present ? amount->value : absent;
    if (!amount->present || !amount->expr)
        return true;
    struct text text;
    struct arena *scratch = &reading->core->scratch;
    if (!reading_expr(reading, where, amount->expr, scratch, &text))
        return false;
    struct json *value = NULL;
    bool good = json_parse(scratch, text, &value, NULL) == 0;
    if (good && is_duration)
        good = value->kind == JSON_STRING && flow_parse_duration(value->string, ret_value) == 0;
    else if (good)
        good = json_int64(value, ret_value) && *ret_value >= 0;
    if (!good)
        snprintf(reading->error.text, sizeof reading->error.text, "expected %s, got %.*s",
                 is_duration ? "a duration such as \"90s\"" : "a whole number",
                 text.len > 60 ? 60 : (int)text.len, text.data);
    return good;
}

bool reading_condition(struct reading *reading, const char *where,
                       const struct flow_condition *condition, bool *ret_value)
{
    *ret_value = condition->constant;
    if (!condition->expr)
        return true;
    prepare(reading, where);
    return expr_eval_bool(condition->expr, &reading->core->scratch, &reading->roots, NULL,
                          ret_value, &reading->error) == 0;
}

struct text reading_failure(struct reading *reading)
{
    struct unit *unit = reading->unit;
    struct failure failure = {
        .class = "expression",
        .message =
            arena_printf(&reading->core->scratch, "%s: %s", reading->where, reading->error.text),
        .task = unit->path,
        .attempt = unit->attempt,
        .exit = -1,
    };
    return failure_json(&unit->job->arena, &failure);
}
