/* SPDX-License-Identifier: Apache-2.0 */
/* The math extension. */
#include "engine/expr/function.h"

#include <math.h>

/* greatest() and least(): of the arguments, or of the one list. `sign` is 1 or -1. */
static int extreme(struct eval *eval, struct value *args, size_t count, int sign, struct value *ret)
{
    bool list = count == 1 && args->kind == VALUE_LIST;
    int rc = list ? list_open(eval, args->list) : 0;
    size_t items = list ? args->list->count : count;
    if (!rc && items == 0)
        rc = eval_fail(eval, "there is no greatest or least of nothing");
    for (size_t i = 0; !rc && i < items; i++) {
        struct value item;
        rc = eval_charge(eval, 1);
        if (!rc && list)
            rc = list_at(eval, args->list, i, &item);
        else
            item = args[i];
        if (!rc && !value_is_number(&item))
            return eval_fail_types(eval, "greatest or least", &item, 1);
        if (!rc && (i == 0 || number_order(&item, ret) == sign))
            *ret = item;
    }
    return rc;
}

static int call_greatest(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return extreme(eval, args, count, 1, ret);
}

static int call_least(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return extreme(eval, args, count, -1, ret);
}

static int of_double(struct eval *eval, const struct value *arg, double (*function)(double),
                     struct value *ret)
{
    if (arg->kind != VALUE_DOUBLE)
        return eval_fail(eval, "rounding is defined for double only, not %s",
                         value_kind_name(arg->kind));
    *ret = value_double(function(arg->number));
    return 0;
}

static int call_ceil(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return of_double(eval, args, ceil, ret);
}
static int call_floor(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return of_double(eval, args, floor, ret);
}
static int call_round(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return of_double(eval, args, round, ret);
}
static int call_trunc(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return of_double(eval, args, trunc, ret);
}

static int call_sqrt(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    if (!value_is_number(args))
        return eval_fail_types(eval, "math.sqrt()", args, 1);
    *ret = value_double(sqrt(args->kind == VALUE_INT    ? (double)args->integer
                             : args->kind == VALUE_UINT ? (double)args->whole
                                                        : args->number));
    return 0;
}

static int call_abs(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = *args;
    if (args->kind == VALUE_INT && args->integer < 0)
        return eval_negate(eval, ret);
    if (args->kind == VALUE_DOUBLE)
        ret->number = fabs(args->number);
    return value_is_number(args) ? 0 : eval_fail_types(eval, "math.abs()", args, 1);
}

static int call_sign(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = *args;
    if (args->kind == VALUE_INT)
        ret->integer = (args->integer > 0) - (args->integer < 0);
    else if (args->kind == VALUE_UINT)
        ret->whole = args->whole > 0;
    else if (args->kind == VALUE_DOUBLE && !isnan(args->number) && args->number != 0)
        ret->number = args->number > 0 ? 1 : -1;
    return value_is_number(args) ? 0 : eval_fail_types(eval, "math.sign()", args, 1);
}

static int need_double(struct eval *eval, const struct value *arg, bool holds, struct value *ret)
{
    *ret = value_bool(holds);
    return arg->kind == VALUE_DOUBLE ? 0 : eval_fail_types(eval, "a test of a double", arg, 1);
}

static int call_is_nan(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return need_double(eval, args, isnan(args->number), ret);
}
static int call_is_inf(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return need_double(eval, args, isinf(args->number), ret);
}
static int call_is_finite(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return need_double(eval, args, isfinite(args->number), ret);
}

/* int and uint have their bits in the same place. */
static int bits(struct eval *eval, struct value *args, size_t count, uint64_t result,
                struct value *ret)
{
    bool fits = args[0].kind == VALUE_INT || args[0].kind == VALUE_UINT;
    for (size_t i = 1; i < count; i++)
        fits = fits && args[i].kind == args[0].kind;
    if (!fits)
        return eval_fail_types(eval, "an operation on bits", args, count);
    *ret = args[0];
    ret->whole = result;
    return 0;
}

static int call_bit_and(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return bits(eval, args, count, args[0].whole & args[1].whole, ret);
}
static int call_bit_or(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return bits(eval, args, count, args[0].whole | args[1].whole, ret);
}
static int call_bit_xor(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return bits(eval, args, count, args[0].whole ^ args[1].whole, ret);
}
static int call_bit_not(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return bits(eval, args, count, ~args[0].whole, ret);
}

static int shift(struct eval *eval, struct value *args, bool left, struct value *ret)
{
    if (args[1].kind != VALUE_INT)
        return eval_fail_types(eval, "a shift of bits", args, 2);
    if (args[1].integer < 0)
        return eval_fail(eval, "bits cannot be shifted by a negative number");
    uint64_t by = args[1].whole, from = args[0].whole;
    return bits(eval, args, 1, by > 63 ? 0 : left ? from << by : from >> by, ret);
}

static int call_shift_left(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return shift(eval, args, true, ret);
}
static int call_shift_right(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return shift(eval, args, false, ret);
}

const struct function functions_math[] = {
    {"math.greatest", FORM_GLOBAL, 1, 1000, call_greatest},
    {"math.least", FORM_GLOBAL, 1, 1000, call_least},
    {"math.ceil", FORM_GLOBAL, 1, 1, call_ceil},
    {"math.floor", FORM_GLOBAL, 1, 1, call_floor},
    {"math.round", FORM_GLOBAL, 1, 1, call_round},
    {"math.trunc", FORM_GLOBAL, 1, 1, call_trunc},
    {"math.sqrt", FORM_GLOBAL, 1, 1, call_sqrt},
    {"math.abs", FORM_GLOBAL, 1, 1, call_abs},
    {"math.sign", FORM_GLOBAL, 1, 1, call_sign},
    {"math.isNaN", FORM_GLOBAL, 1, 1, call_is_nan},
    {"math.isInf", FORM_GLOBAL, 1, 1, call_is_inf},
    {"math.isFinite", FORM_GLOBAL, 1, 1, call_is_finite},
    {"math.bitAnd", FORM_GLOBAL, 2, 2, call_bit_and},
    {"math.bitOr", FORM_GLOBAL, 2, 2, call_bit_or},
    {"math.bitXor", FORM_GLOBAL, 2, 2, call_bit_xor},
    {"math.bitNot", FORM_GLOBAL, 1, 1, call_bit_not},
    {"math.bitShiftLeft", FORM_GLOBAL, 2, 2, call_shift_left},
    {"math.bitShiftRight", FORM_GLOBAL, 2, 2, call_shift_right},
    {0},
};
