/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/eval.h"

#include <inttypes.h>
#include <math.h>

#include "base/json.h"

static int write(struct eval *eval, const struct value *value, unsigned depth,
                 struct buffer *ret_json);

static int fail_depth(struct eval *eval)
{
    return eval_fail_code(eval, ERR_TOO_LARGE, "the result is nested too deeply for JSON");
}

/* JSON that nothing was changed in passes as it was written. */
static int write_raw(struct eval *eval, struct text raw, unsigned depth, struct buffer *ret_json)
{
    int rc = eval_charge_bytes(eval, raw.len);
    if (!rc && depth + json_depth(raw) > JSON_DEPTH_MAX)
        rc = fail_depth(eval);
    if (!rc)
        buffer_add_text(ret_json, raw);
    return rc;
}

static int write_list(struct eval *eval, struct list *list, unsigned depth, struct buffer *ret_json)
{
    if (list->raw.data)
        return write_raw(eval, list->raw, depth, ret_json);
    buffer_add_char(ret_json, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            buffer_add_char(ret_json, ',');
        int rc = write(eval, &list->items[i], depth + 1, ret_json);
        if (rc)
            return rc;
    }
    buffer_add_char(ret_json, ']');
    return 0;
}

static int write_map(struct eval *eval, struct map *map, unsigned depth, struct buffer *ret_json)
{
    if (map->raw.data)
        return write_raw(eval, map->raw, depth, ret_json);
    buffer_add_char(ret_json, '{');
    for (size_t i = 0; i < map->count; i++) {
        const struct value *key = &map->entries[i].key;
        if (key->kind != VALUE_STRING)
            return eval_fail(eval, "a key of type %s cannot be written as JSON",
                             value_kind_name(key->kind));
        if (i > 0)
            buffer_add_char(ret_json, ',');
        int rc = eval_charge_bytes(eval, key->text.len);
        if (rc)
            return rc;
        buffer_add_json_string(ret_json, key->text);
        buffer_add_char(ret_json, ':');
        rc = write(eval, &map->entries[i].value, depth + 1, ret_json);
        if (rc)
            return rc;
    }
    buffer_add_char(ret_json, '}');
    return 0;
}

static int write_double(struct eval *eval, double number, struct buffer *ret_json)
{
    char text[DOUBLE_TEXT_MAX];
    if (isnan(number) || isinf(number))
        return eval_fail(eval, "%s cannot be written as JSON", isnan(number) ? "NaN" : "infinity");
    if (eval_charge(eval, DOUBLE_TEXT_COST))
        return eval->error->code;
    double_to_text(number, true, text);
    buffer_add_string(ret_json, text);
    return 0;
}

static int write_time(const struct value *value, struct buffer *ret_json)
{
    char text[TIME_TEXT_MAX];
    if (value->kind == VALUE_TIMESTAMP)
        timestamp_format(value, text);
    else
        duration_format_ns(value->integer, text);
    buffer_add_json_string(ret_json, text_of(text));
    return 0;
}

static int write(struct eval *eval, const struct value *value, unsigned depth,
                 struct buffer *ret_json)
{
    int rc = eval_charge(eval, 1);
    if (!rc && depth > JSON_DEPTH_MAX)
        rc = fail_depth(eval);
    if (!rc && ret_json->len > eval->bytes_left)
        rc = eval_fail_code(eval, ERR_TOO_LARGE, "the result is too large");
    if (rc)
        return rc;
    switch (value->kind) {
    case VALUE_NULL:
        buffer_add_string(ret_json, "null");
        return 0;
    case VALUE_BOOL:
        buffer_add_string(ret_json, value->boolean ? "true" : "false");
        return 0;
    case VALUE_INT:
        buffer_printf(ret_json, "%" PRId64, value->integer);
        return 0;
    case VALUE_UINT:
        buffer_printf(ret_json, "%" PRIu64, value->whole);
        return 0;
    case VALUE_DOUBLE:
        return write_double(eval, value->number, ret_json);
    case VALUE_STRING:
        buffer_add_json_string(ret_json, value->text);
        return eval_charge_bytes(eval, value->text.len);
    case VALUE_TIMESTAMP:
    case VALUE_DURATION:
        return write_time(value, ret_json);
    case VALUE_LIST:
        return write_list(eval, value->list, depth, ret_json);
    case VALUE_MAP:
        return write_map(eval, value->map, depth, ret_json);
    case VALUE_JSON:
        return write_raw(eval, value->text, depth, ret_json);
    case VALUE_BYTES:
        return eval_fail(eval, "bytes cannot be written as JSON; base64.encode() makes a string");
    case VALUE_OPTIONAL:
        return eval_fail(eval, "an optional cannot be written as JSON; orValue() takes it out");
    case VALUE_TYPE:
    case VALUE_FAILED:
        break;
    }
    return eval_fail(eval, "a type cannot be written as JSON");
}

int value_to_json(struct eval *eval, const struct value *value, struct buffer *ret_json)
{
    size_t before = ret_json->len;
    int rc = write(eval, value, 0, ret_json);
    if (!rc && ret_json->len - before > eval->bytes_left)
        rc = eval_fail_code(eval, ERR_TOO_LARGE, "the result is too large");
    return rc;
}

int value_to_text(struct eval *eval, const struct value *value, struct buffer *ret_text)
{
    switch ((int)value->kind) {
    case VALUE_STRING:
        buffer_add_text(ret_text, value->text);
        return eval_charge_bytes(eval, value->text.len);
    case VALUE_TIMESTAMP:
    case VALUE_DURATION: {
        struct text text;
        int rc = value_to_string(eval, value, &text);
        if (!rc)
            buffer_add_text(ret_text, text);
        return rc;
    }
    case VALUE_NULL:
        return eval_fail(eval, "null cannot be put into a text; orValue() or ?: can stand in");
    case VALUE_LIST:
    case VALUE_MAP:
        return eval_fail(eval, "a %s cannot be put into a text; text() makes JSON of it",
                         value_kind_name(value->kind));
    default:
        return value_to_json(eval, value, ret_text);
    }
}
