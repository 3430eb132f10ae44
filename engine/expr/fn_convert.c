/* SPDX-License-Identifier: Apache-2.0 */
/* size, type and the conversions. */
#include "engine/expr/function.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/utf8.h"

static int call_size(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    int rc = 0;
    size_t size = 0;
    if (args->kind == VALUE_STRING) {
        rc = eval_charge_bytes(eval, args->text.len);
        size = utf8_length(args->text);
    } else if (args->kind == VALUE_BYTES) {
        size = args->text.len;
    } else if (args->kind == VALUE_LIST) {
        rc = list_open(eval, args->list);
        size = args->list->count;
    } else if (args->kind == VALUE_MAP) {
        rc = map_open(eval, args->map);
        size = args->map->count;
    } else {
        return eval_fail_types(eval, "size()", args, 1);
    }
    *ret = value_int((int64_t)size);
    return rc;
}

static int call_type(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = value_type(args->kind);
    return 0;
}

static int call_dyn(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = *args;
    return 0;
}

static int fail_read(struct eval *eval, const char *type, struct text text)
{
    return eval_fail(eval, "\"%.*s\" cannot be read as %s", (int)(text.len < 60 ? text.len : 60),
                     text.data, type);
}

static int fail_range(struct eval *eval, const char *type)
{
    return eval_fail(eval, "the value is beyond the range of %s", type);
}

static int call_int(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = value_int(args->integer);
    switch ((int)args->kind) {
    case VALUE_INT:
    case VALUE_TIMESTAMP:
        return 0;
    case VALUE_UINT:
        return args->whole > INT64_MAX ? fail_range(eval, "int") : 0;
    case VALUE_DOUBLE:
        if (!(args->number > -0x1p63 && args->number < 0x1p63))
            return fail_range(eval, "int");
        ret->integer = (int64_t)args->number;
        return 0;
    case VALUE_STRING:
        return text_to_int(args->text, &ret->integer) ? 0 : fail_read(eval, "int", args->text);
    default:
        return eval_fail_types(eval, "int()", args, 1);
    }
}

static int call_uint(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = value_uint(args->whole);
    switch ((int)args->kind) {
    case VALUE_UINT:
        return 0;
    case VALUE_INT:
        return args->integer < 0 ? fail_range(eval, "uint") : 0;
    case VALUE_DOUBLE:
        if (!(args->number >= 0 && args->number < 0x1p64))
            return fail_range(eval, "uint");
        ret->whole = (uint64_t)args->number;
        return 0;
    case VALUE_STRING:
        return text_to_uint(args->text, &ret->whole) ? 0 : fail_read(eval, "uint", args->text);
    default:
        return eval_fail_types(eval, "uint()", args, 1);
    }
}

static int call_double(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = value_double(args->number);
    switch ((int)args->kind) {
    case VALUE_DOUBLE:
        return 0;
    case VALUE_INT:
        ret->number = (double)args->integer;
        return 0;
    case VALUE_UINT:
        ret->number = (double)args->whole;
        return 0;
    case VALUE_STRING:
        if (eval_charge_bytes(eval, args->text.len))
            return eval->error->code;
        return text_to_double(args->text, &ret->number) ? 0 : fail_read(eval, "double", args->text);
    default:
        return eval_fail_types(eval, "double()", args, 1);
    }
}

static int call_bool(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    static const char *const words[] = {"true",  "True",  "TRUE",  "t", "T", "1",
                                        "false", "False", "FALSE", "f", "F", "0"};
    *ret = *args;
    if (args->kind == VALUE_BOOL)
        return 0;
    if (args->kind != VALUE_STRING)
        return eval_fail_types(eval, "bool()", args, 1);
    for (size_t i = 0; i < 12; i++) {
        if (text_equal(args->text, text_of(words[i]))) {
            *ret = value_bool(i < 6);
            return 0;
        }
    }
    return fail_read(eval, "bool", args->text);
}

static int call_bytes(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = value_bytes(args->text);
    return args->kind == VALUE_STRING || args->kind == VALUE_BYTES
               ? 0
               : eval_fail_types(eval, "bytes()", args, 1);
}

/* A short text into the evaluation's memory. */
static int keep_text(struct eval *eval, const char *text, struct text *ret_text)
{
    size_t len = strlen(text);
    char *copy = eval_alloc_text(eval, len);
    if (!copy)
        return eval->error->code;
    memcpy(copy, text, len);
    *ret_text = (struct text){copy, len};
    return 0;
}

int value_to_string(struct eval *eval, const struct value *value, struct text *ret_text)
{
    char text[TIME_TEXT_MAX] = "";
    switch ((int)value->kind) {
    case VALUE_STRING:
        *ret_text = value->text;
        return 0;
    case VALUE_BYTES:
        *ret_text = value->text;
        if (eval_charge_bytes(eval, value->text.len))
            return eval->error->code;
        return utf8_valid(value->text) ? 0 : eval_fail(eval, "the bytes are not UTF-8");
    case VALUE_BOOL:
        *ret_text = value->boolean ? TEXT("true") : TEXT("false");
        return 0;
    case VALUE_INT:
        snprintf(text, sizeof text, "%" PRId64, value->integer);
        break;
    case VALUE_UINT:
        snprintf(text, sizeof text, "%" PRIu64, value->whole);
        break;
    case VALUE_DOUBLE:
        if (eval_charge(eval, DOUBLE_TEXT_COST))
            return eval->error->code;
        double_to_text(value->number, false, text);
        break;
    case VALUE_TIMESTAMP:
        timestamp_format(value, text);
        break;
    case VALUE_DURATION:
        duration_format_ns(value->integer, text);
        break;
    case VALUE_TYPE:
        *ret_text = text_of(value_kind_name(value->type));
        return 0;
    default:
        return eval_fail(eval, "string() is not defined for (%s); text() makes JSON of any value",
                         value_kind_name(value->kind));
    }
    return keep_text(eval, text, ret_text);
}

static int call_string(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = value_string(TEXT_NONE);
    return value_to_string(eval, args, &ret->text);
}

const struct function functions_convert[] = {
    {"size", FORM_BOTH, 1, 1, call_size},       {"type", FORM_GLOBAL, 1, 1, call_type},
    {"dyn", FORM_GLOBAL, 1, 1, call_dyn},       {"int", FORM_GLOBAL, 1, 1, call_int},
    {"uint", FORM_GLOBAL, 1, 1, call_uint},     {"double", FORM_GLOBAL, 1, 1, call_double},
    {"bool", FORM_GLOBAL, 1, 1, call_bool},     {"bytes", FORM_GLOBAL, 1, 1, call_bytes},
    {"string", FORM_GLOBAL, 1, 1, call_string}, {0},
};
