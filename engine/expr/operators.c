/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/eval.h"

#include <math.h>

/* Equality of JSON within lists within … ends here; no value that is built gets so deep. */
#define EQUAL_DEPTH_MAX (4 * VALUE_DEPTH_MAX)

static int fail_overflow(struct eval *eval, char op)
{
    return eval_fail(eval, "the result of %c is beyond 64 bits", op);
}

static int fail_zero(struct eval *eval, char op)
{
    return eval_fail(eval, op == '%' ? "the remainder of a division by zero" : "division by zero");
}

static int int_arithmetic(struct eval *eval, char op, int64_t a, int64_t b, struct value *ret)
{
    int64_t result = 0;
    bool overflow = false;
    if ((op == '/' || op == '%') && b == 0)
        return fail_zero(eval, op);
    if (op == '+')
        overflow = __builtin_add_overflow(a, b, &result);
    else if (op == '-')
        overflow = __builtin_sub_overflow(a, b, &result);
    else if (op == '*')
        overflow = __builtin_mul_overflow(a, b, &result);
    else if (a == INT64_MIN && b == -1)
        overflow = true;
    else
        result = op == '/' ? a / b : a % b;
    *ret = value_int(result);
    return overflow ? fail_overflow(eval, op) : 0;
}

static int uint_arithmetic(struct eval *eval, char op, uint64_t a, uint64_t b, struct value *ret)
{
    uint64_t result = 0;
    bool overflow = false;
    if ((op == '/' || op == '%') && b == 0)
        return fail_zero(eval, op);
    if (op == '+')
        overflow = __builtin_add_overflow(a, b, &result);
    else if (op == '-')
        overflow = __builtin_sub_overflow(a, b, &result);
    else if (op == '*')
        overflow = __builtin_mul_overflow(a, b, &result);
    else
        result = op == '/' ? a / b : a % b;
    *ret = value_uint(result);
    return overflow ? fail_overflow(eval, op) : 0;
}

static double double_arithmetic(char op, double a, double b)
{
    switch (op) {
    case '+':
        return a + b;
    case '-':
        return a - b;
    case '*':
        return a * b;
    default:
        return a / b;
    }
}

static int concat_text(struct eval *eval, const struct value *a, const struct value *b,
                       struct value *ret)
{
    size_t len = a->text.len + b->text.len;
    int rc = eval_charge_bytes(eval, len);
    if (rc)
        return rc;
    char *joined = eval_alloc_text(eval, len);
    if (!joined)
        return eval->error->code;
    if (a->text.len)
        memcpy(joined, a->text.data, a->text.len);
    if (b->text.len)
        memcpy(joined + a->text.len, b->text.data, b->text.len);
    *ret = *a;
    ret->text = (struct text){joined, len};
    return 0;
}

static int concat_lists(struct eval *eval, struct list *a, struct list *b, struct value *ret)
{
    int rc = list_open(eval, a);
    if (!rc)
        rc = list_open(eval, b);
    if (rc)
        return rc;
    size_t count = a->count + b->count;
    struct value *items = eval_alloc(eval, count, sizeof *items);
    if (!items)
        return eval->error->code;
    if (a->count)
        memcpy(items, a->items, a->count * sizeof *items);
    if (b->count)
        memcpy(items + a->count, b->items, b->count * sizeof *items);
    rc = list_new(eval, items, count, ret);
    /* Unread elements have no depth of their own; the lists they come from were counted. */
    if (!rc && a->depth > ret->list->depth)
        ret->list->depth = a->depth;
    if (!rc && b->depth > ret->list->depth)
        ret->list->depth = b->depth;
    return rc;
}

/* timestamp ± duration */
static int shift_timestamp(struct eval *eval, const struct value *time, int64_t ns, bool back,
                           struct value *ret)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
    int64_t nanos = (int64_t)time->nanos + (back ? -rest : rest);
    *ret = *time;
    ret->integer += back ? -seconds : seconds;
    ret->integer += nanos < 0 ? -1 : nanos >= 1000000000 ? 1 : 0;
    ret->nanos = (uint32_t)(nanos < 0 ? nanos + 1000000000 : nanos % 1000000000);
    if (ret->integer < TIMESTAMP_MIN || ret->integer > TIMESTAMP_MAX)
        return eval_fail(eval, "a timestamp is outside of the years 1 to 9999");
    return 0;
}

static int time_arithmetic(struct eval *eval, char op, const struct value *a, const struct value *b,
                           struct value *ret)
{
    bool a_time = a->kind == VALUE_TIMESTAMP, b_time = b->kind == VALUE_TIMESTAMP;
    int64_t ns;
    if ((op != '+' && op != '-') || (a_time && b_time && op == '+') ||
        (b_time && !a_time && op == '-'))
        return eval_fail(eval, "%c is not defined for (%s, %s)", op, value_kind_name(a->kind),
                         value_kind_name(b->kind));
    if (a_time && !b_time)
        return shift_timestamp(eval, a, b->integer, op == '-', ret);
    if (b_time && !a_time)
        return shift_timestamp(eval, b, a->integer, false, ret);
    bool overflow;
    if (a_time) {
        overflow = __builtin_mul_overflow(a->integer - b->integer, 1000000000, &ns) ||
                   __builtin_add_overflow(ns, (int64_t)a->nanos - (int64_t)b->nanos, &ns);
    } else if (op == '+') {
        overflow = __builtin_add_overflow(a->integer, b->integer, &ns);
    } else {
        overflow = __builtin_sub_overflow(a->integer, b->integer, &ns);
    }
    *ret = (struct value){.kind = VALUE_DURATION, .integer = ns};
    return overflow ? eval_fail(eval, "a duration is beyond 292 years") : 0;
}

static bool is_time(const struct value *v)
{
    return v->kind == VALUE_TIMESTAMP || v->kind == VALUE_DURATION;
}

/* int and double may be mixed, which gives a double. */
static bool as_doubles(const struct value *a, const struct value *b, double *ret_a, double *ret_b)
{
    bool fits = (a->kind == VALUE_DOUBLE || a->kind == VALUE_INT) &&
                (b->kind == VALUE_DOUBLE || b->kind == VALUE_INT);
    *ret_a = a->kind == VALUE_DOUBLE ? a->number : (double)a->integer;
    *ret_b = b->kind == VALUE_DOUBLE ? b->number : (double)b->integer;
    return fits;
}

int eval_arithmetic(struct eval *eval, char op, const struct value *a, const struct value *b,
                    struct value *ret)
{
    double x, y;
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        return int_arithmetic(eval, op, a->integer, b->integer, ret);
    if (a->kind == VALUE_UINT && b->kind == VALUE_UINT)
        return uint_arithmetic(eval, op, a->whole, b->whole, ret);
    if (op != '%' && as_doubles(a, b, &x, &y)) {
        *ret = value_double(double_arithmetic(op, x, y));
        return 0;
    }
    if (op == '+' && a->kind == b->kind && (a->kind == VALUE_STRING || a->kind == VALUE_BYTES))
        return concat_text(eval, a, b, ret);
    if (op == '+' && a->kind == VALUE_LIST && b->kind == VALUE_LIST)
        return concat_lists(eval, a->list, b->list, ret);
    if (is_time(a) && is_time(b))
        return time_arithmetic(eval, op, a, b, ret);
    if (op == '+' && (a->kind == VALUE_STRING || b->kind == VALUE_STRING))
        return eval_fail(eval, "+ is not defined for (%s, %s); string() makes a string",
                         value_kind_name(a->kind), value_kind_name(b->kind));
    return eval_fail(eval, "%c is not defined for (%s, %s)", op, value_kind_name(a->kind),
                     value_kind_name(b->kind));
}

int eval_negate(struct eval *eval, struct value *value)
{
    if (value->kind == VALUE_DOUBLE) {
        value->number = -value->number;
        return 0;
    }
    if (value->kind != VALUE_INT)
        return eval_fail_types(eval, "-", value, 1);
    if (value->integer == INT64_MIN)
        return fail_overflow(eval, '-');
    value->integer = -value->integer;
    return 0;
}

/* ---- order ------------------------------------------------------------------------------- */

static double to_double(const struct value *v)
{
    return v->kind == VALUE_INT    ? (double)v->integer
           : v->kind == VALUE_UINT ? (double)v->whole
                                   : v->number;
}

int number_order(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        return (a->integer > b->integer) - (a->integer < b->integer);
    if (a->kind == VALUE_DOUBLE || b->kind == VALUE_DOUBLE) {
        double x = to_double(a), y = to_double(b);
        return isnan(x) || isnan(y) ? 2 : (x > y) - (x < y);
    }
    if (a->kind == VALUE_INT && a->integer < 0)
        return -1;
    if (b->kind == VALUE_INT && b->integer < 0)
        return 1;
    /* Not negative: int and uint have the same bits. */
    return (a->whole > b->whole) - (a->whole < b->whole);
}

static int order(struct eval *eval, const struct value *a, const struct value *b, int *ret_order)
{
    bool same = a->kind == b->kind;
    if (value_is_number(a) && value_is_number(b)) {
        *ret_order = number_order(a, b);
    } else if (same && (a->kind == VALUE_STRING || a->kind == VALUE_BYTES)) {
        *ret_order = text_compare(a->text, b->text);
        return eval_charge_bytes(eval, a->text.len < b->text.len ? a->text.len : b->text.len);
    } else if (same && a->kind == VALUE_BOOL) {
        *ret_order = (int)a->boolean - (int)b->boolean;
    } else if (same && is_time(a)) {
        *ret_order = (a->integer > b->integer) - (a->integer < b->integer);
        if (!*ret_order && a->kind == VALUE_TIMESTAMP)
            *ret_order = (a->nanos > b->nanos) - (a->nanos < b->nanos);
    } else {
        bool is_text_and_number = (a->kind == VALUE_STRING && value_is_number(b)) ||
                                  (value_is_number(a) && b->kind == VALUE_STRING);
        return eval_fail(eval, "%s and %s have no order%s", value_kind_name(a->kind),
                         value_kind_name(b->kind),
                         is_text_and_number ? "; int() or double() makes a number of text" : "");
    }
    return 0;
}

/* ---- equality ---------------------------------------------------------------------------- */

static int equal(struct eval *eval, const struct value *a, const struct value *b, unsigned depth,
                 bool *ret_equal);

static int equal_lists(struct eval *eval, struct list *a, struct list *b, unsigned depth,
                       bool *ret_equal)
{
    int rc = list_open(eval, a);
    if (!rc)
        rc = list_open(eval, b);
    *ret_equal = !rc && a->count == b->count;
    for (size_t i = 0; !rc && *ret_equal && i < a->count; i++) {
        struct value x, y;
        rc = list_at(eval, a, i, &x);
        if (!rc)
            rc = list_at(eval, b, i, &y);
        if (!rc)
            rc = equal(eval, &x, &y, depth, ret_equal);
    }
    return rc;
}

static int equal_maps(struct eval *eval, struct map *a, struct map *b, unsigned depth,
                      bool *ret_equal)
{
    int rc = map_open(eval, a);
    if (!rc)
        rc = map_open(eval, b);
    *ret_equal = !rc && a->count == b->count;
    for (size_t i = 0; !rc && *ret_equal && i < a->count; i++) {
        struct value x, y;
        size_t entry;
        rc = map_find(eval, b, &a->entries[i].key, &entry);
        *ret_equal = !rc && entry != SIZE_MAX;
        if (!*ret_equal)
            break;
        rc = map_at(eval, a, i, &x);
        if (!rc)
            rc = map_at(eval, b, entry, &y);
        if (!rc)
            rc = equal(eval, &x, &y, depth, ret_equal);
    }
    return rc;
}

static int equal_optionals(struct eval *eval, const struct value *a, const struct value *b,
                           unsigned depth, bool *ret_equal)
{
    *ret_equal = !a->inner && !b->inner;
    if (!a->inner || !b->inner)
        return 0;
    return equal(eval, a->inner, b->inner, depth, ret_equal);
}

static int equal(struct eval *eval, const struct value *a, const struct value *b, unsigned depth,
                 bool *ret_equal)
{
    int difference = 0;
    int rc = eval_charge(eval, 1);
    if (!rc && depth > EQUAL_DEPTH_MAX)
        rc = eval_fail_code(eval, ERR_TOO_LARGE, "the values are nested too deeply");
    if (rc)
        return rc;
    if (value_is_number(a) && value_is_number(b)) {
        *ret_equal = number_order(a, b) == 0;
        return 0;
    }
    *ret_equal = a->kind == b->kind;
    if (!*ret_equal)
        return 0;
    switch ((int)a->kind) {
    case VALUE_LIST:
        return equal_lists(eval, a->list, b->list, depth + 1, ret_equal);
    case VALUE_MAP:
        return equal_maps(eval, a->map, b->map, depth + 1, ret_equal);
    case VALUE_OPTIONAL:
        return equal_optionals(eval, a, b, depth + 1, ret_equal);
    case VALUE_TYPE:
        *ret_equal = a->type == b->type;
        return 0;
    case VALUE_NULL:
        return 0;
    case VALUE_STRING:
    case VALUE_BYTES:
        if (a->text.len != b->text.len) {
            *ret_equal = false;
            return 0;
        }
        break;
    default:
        break;
    }
    rc = order(eval, a, b, &difference);
    *ret_equal = difference == 0;
    return rc;
}

int eval_equal(struct eval *eval, const struct value *a, const struct value *b, bool *ret_equal)
{
    return equal(eval, a, b, 0, ret_equal);
}

int eval_compare(struct eval *eval, enum compare_op op, const struct value *a,
                 const struct value *b, struct value *ret)
{
    bool same = false;
    int difference = 0, rc;
    if (op == COMPARE_EQ || op == COMPARE_NE) {
        rc = eval_equal(eval, a, b, &same);
        *ret = value_bool(same == (op == COMPARE_EQ));
        return rc;
    }
    rc = order(eval, a, b, &difference);
    if (rc)
        return rc;
    bool ordered = difference != 2, less = difference<0, more = difference> 0;
    *ret = value_bool(ordered && (op == COMPARE_LT   ? less
                                  : op == COMPARE_LE ? !more
                                  : op == COMPARE_GT ? more
                                                     : !less));
    return 0;
}

int eval_in(struct eval *eval, const struct value *element, const struct value *container,
            struct value *ret)
{
    bool found = false;
    int rc = 0;
    if (container->kind == VALUE_MAP) {
        size_t entry;
        rc = map_find(eval, container->map, element, &entry);
        found = entry != SIZE_MAX;
    } else if (container->kind == VALUE_LIST) {
        rc = list_open(eval, container->list);
        for (size_t i = 0; !rc && !found && i < container->list->count; i++) {
            struct value item;
            rc = list_at(eval, container->list, i, &item);
            if (!rc)
                rc = eval_equal(eval, element, &item, &found);
        }
    } else {
        return eval_fail(eval, "in needs a list or a map, not %s",
                         value_kind_name(container->kind));
    }
    *ret = value_bool(found);
    return rc;
}
