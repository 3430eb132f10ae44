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

static bool take(int code, struct buffer *buffer, struct arena *arena, struct text *ret_text)
{
    if (code == 0)
        *ret_text = arena_text(arena, buffer_text(buffer));
    buffer_done(buffer);
    return code == 0;
}

bool reading_text(struct reading *reading, const char *where, const struct template *template,
                  struct arena *arena, struct text *ret_text)
{
    struct buffer text = {.max_bytes = PAYLOAD_MAX_BYTES};
    prepare(reading, where);
    int code = template_eval_text(template, &reading->core->scratch, &reading->roots, NULL, &text,
                                  &reading->error);
    return take(code, &text, arena, ret_text);
}

bool reading_json(struct reading *reading, const char *where, const struct template *template,
                  struct arena *arena, struct text *ret_json)
{
    struct buffer json = {.max_bytes = PAYLOAD_MAX_BYTES};
    prepare(reading, where);
    int code = template_eval(template, &reading->core->scratch, &reading->roots, NULL, &json,
                             &reading->error);
    return take(code, &json, arena, ret_json);
}

bool reading_value(struct reading *reading, const char *where, const struct expr *expr,
                   struct arena *arena, struct json **ret_value)
{
    struct buffer json = {.max_bytes = PAYLOAD_MAX_BYTES};
    struct text text;
    prepare(reading, where);
    int code =
        expr_eval(expr, &reading->core->scratch, &reading->roots, NULL, &json, &reading->error);
    if (!take(code, &json, arena, &text))
        return false;
    CHECK(json_parse(arena, text, ret_value, NULL) == 0); /* what an expression gives is JSON */
    return true;
}

bool reading_amount(struct reading *reading, const char *where, const struct flow_amount *amount,
                    bool is_duration, int64_t absent, int64_t *ret_value)
{
    *ret_value = amount->present ? amount->value : absent;
    if (!amount->present || !amount->expr)
        return true;
    struct json *value = NULL;
    if (!reading_value(reading, where, amount->expr, &reading->core->scratch, &value))
        return false;
    bool good = is_duration ? value->kind == JSON_STRING &&
                                  flow_parse_duration(value->string, ret_value) == 0
                            : json_int64(value, ret_value) && *ret_value >= 0;
    if (!good)
        snprintf(reading->error.text, sizeof reading->error.text, "expected %s, got %.60s",
                 is_duration ? "a duration such as \"90s\"" : "a whole number",
                 arena_text(&reading->core->scratch, value->raw).data);
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
