/* SPDX-License-Identifier: Apache-2.0 */
/* Optionals: a value or none. */
#include "engine/expr/function.h"

static int wrap(struct eval *eval, const struct value *value, struct value *ret)
{
    struct value *inner = eval_alloc(eval, 1, sizeof *inner);
    if (!inner)
        return eval->error->code;
    if (value_depth(value) >= VALUE_DEPTH_MAX)
        return eval_fail_code(eval, ERR_TOO_LARGE, "the value is nested too deeply");
    *inner = *value;
    *ret = value_optional(inner);
    return 0;
}

static int call_of(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return wrap(eval, args, ret);
}

static int call_none(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = value_optional(NULL);
    return 0;
}

/* null, false, 0, "", [] and {} */
static int is_zero(struct eval *eval, const struct value *value, bool *ret_zero)
{
    int rc = 0;
    *ret_zero = false;
    switch ((int)value->kind) {
    case VALUE_NULL:
        *ret_zero = true;
        return 0;
    case VALUE_BOOL:
        *ret_zero = !value->boolean;
        return 0;
    case VALUE_DOUBLE:
        *ret_zero = value->number == 0;
        return 0;
    case VALUE_INT:
    case VALUE_UINT:
    case VALUE_DURATION:
        *ret_zero = value->integer == 0;
        return 0;
    case VALUE_STRING:
    case VALUE_BYTES:
        *ret_zero = value->text.len == 0;
        return 0;
    case VALUE_LIST:
        rc = list_open(eval, value->list);
        *ret_zero = value->list->count == 0;
        return rc;
    case VALUE_MAP:
        rc = map_open(eval, value->map);
        *ret_zero = value->map->count == 0;
        return rc;
    case VALUE_OPTIONAL:
        *ret_zero = !value->inner;
        return 0;
    default:
        return 0;
    }
}

static int call_of_non_zero(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    bool zero;
    int rc = is_zero(eval, args, &zero);
    *ret = value_optional(NULL);
    return rc || zero ? rc : wrap(eval, args, ret);
}

static int need_optional(struct eval *eval, const char *what, const struct value *value)
{
    return value->kind == VALUE_OPTIONAL ? 0 : eval_fail_types(eval, what, value, 1);
}

static int call_has_value(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = value_bool(args->inner != NULL);
    return need_optional(eval, "hasValue()", args);
}

static int call_value(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    int rc = need_optional(eval, "value()", args);
    if (rc)
        return rc;
    if (!args->inner)
        return eval_fail(eval, "the optional has no value");
    *ret = *args->inner;
    return 0;
}

static int call_or(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    int rc = need_optional(eval, "or()", args);
    *ret = args[0];
    if (rc || args[0].inner)
        return rc;
    *ret = args[1];
    return need_optional(eval, "or()", &args[1]);
}

static int call_or_value(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    int rc = need_optional(eval, "orValue()", args);
    if (!rc)
        *ret = args[0].inner ? *args[0].inner : args[1];
    return rc;
}

/* The values of a list of optionals. */
static int call_unwrap(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    if (args->kind != VALUE_LIST)
        return eval_fail_types(eval, "optional.unwrap()", args, 1);
    int rc = list_open(eval, args->list);
    size_t kept = 0;
    struct value *items = rc ? NULL : eval_alloc(eval, args->list->count, sizeof *items);
    if (!items)
        return eval->error->code;
    for (size_t i = 0; i < args->list->count; i++) {
        struct value item;
        rc = eval_charge(eval, 1);
        if (!rc)
            rc = list_at(eval, args->list, i, &item);
        if (!rc)
            rc = need_optional(eval, "optional.unwrap()", &item);
        if (rc)
            return rc;
        if (item.inner)
            items[kept++] = *item.inner;
    }
    return list_new(eval, items, kept, ret);
}

static int end_of_list(struct eval *eval, const struct value *value, bool last, struct value *ret)
{
    struct value item;
    *ret = value_optional(NULL);
    if (value->kind != VALUE_LIST)
        return eval_fail_types(eval, last ? "last()" : "first()", value, 1);
    int rc = list_open(eval, value->list);
    size_t items = value->list->count;
    if (rc || items == 0)
        return rc;
    rc = list_at(eval, value->list, last ? items - 1 : 0, &item);
    return rc ? rc : wrap(eval, &item, ret);
}

static int call_first(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return end_of_list(eval, args, false, ret);
}
static int call_last(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return end_of_list(eval, args, true, ret);
}

const struct function functions_optional[] = {
    {"optional.of", FORM_GLOBAL, 1, 1, call_of},
    {"optional.none", FORM_GLOBAL, 0, 0, call_none},
    {"optional.ofNonZeroValue", FORM_GLOBAL, 1, 1, call_of_non_zero},
    {"optional.unwrap", FORM_GLOBAL, 1, 1, call_unwrap},
    {"unwrapOpt", FORM_METHOD, 1, 1, call_unwrap},
    {"hasValue", FORM_METHOD, 1, 1, call_has_value},
    {"value", FORM_METHOD, 1, 1, call_value},
    {"or", FORM_METHOD, 2, 2, call_or},
    {"orValue", FORM_METHOD, 2, 2, call_or_value},
    {"first", FORM_METHOD, 1, 1, call_first},
    {"last", FORM_METHOD, 1, 1, call_last},
    {0},
};
