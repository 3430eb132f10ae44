/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that look into strings. Positions count code points. */
#include "engine/expr/function.h"

#include "base/utf8.h"
#include "engine/expr/regex.h"
#include "engine/expr/string_tools.h"

/* What compiling a pattern takes besides the result. */
#define COMPILE_BYTES 2048

int need_strings(struct eval *eval, const char *what, const struct value *args, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (args[i].kind != VALUE_STRING)
            return eval_fail_types(eval, what, args, count);
    }
    return 0;
}

size_t find_text(struct text text, struct text what, size_t from)
{
    if (from > text.len || what.len > text.len - from)
        return SIZE_MAX;
    if (what.len == 0)
        return from;
    const char *found = memmem(text.data + from, text.len - from, what.data, what.len);
    return found ? (size_t)(found - text.data) : SIZE_MAX;
}

size_t byte_of_position(struct text text, int64_t position)
{
    size_t at = 0;
    if (position < 0)
        return SIZE_MAX;
    for (; position > 0 && at < text.len; position--) {
        size_t len = utf8_sequence(text.data + at, text.len - at);
        at += len ? len : 1;
    }
    return position == 0 ? at : SIZE_MAX;
}

int fail_position(struct eval *eval, int64_t position)
{
    return eval_fail(eval, "the position %lld is outside of the string", (long long)position);
}

static int call_contains(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    int rc = need_strings(eval, "contains()", args, 2);
    if (!rc)
        rc = eval_charge_bytes(eval, args[0].text.len + args[1].text.len);
    *ret = value_bool(!rc && find_text(args[0].text, args[1].text, 0) != SIZE_MAX);
    return rc;
}

static int call_starts_with(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    int rc = need_strings(eval, "startsWith()", args, 2);
    struct text text = args[0].text, what = args[1].text;
    if (!rc)
        rc = eval_charge_bytes(eval, what.len);
    *ret = value_bool(!rc && what.len <= text.len &&
                      (!what.len || !memcmp(text.data, what.data, what.len)));
    return rc;
}

static int call_ends_with(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    int rc = need_strings(eval, "endsWith()", args, 2);
    struct text text = args[0].text, what = args[1].text;
    if (!rc)
        rc = eval_charge_bytes(eval, what.len);
    *ret = value_bool(!rc && what.len <= text.len &&
                      (!what.len || !memcmp(text.data + text.len - what.len, what.data, what.len)));
    return rc;
}

/* A pattern that is computed is compiled each time, which costs. */
static int call_matches(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    struct regex *regex;
    char what[128];
    bool match = false;
    int rc = need_strings(eval, "matches()", args, 2);
    size_t pattern_len = rc ? 0 : args[1].text.len;
    if (!rc)
        rc = eval_charge(eval, REGEX_MATCH_COST * 4 + pattern_len * 4 + args[0].text.len / 32);
    if (rc)
        return rc;
    if (regex_compile(eval->arena, args[1].text, &regex, what, sizeof what))
        return eval_fail(eval, "%s", what);
    if (eval_charge(eval, regex_size(regex) / 16) ||
        eval_account(eval, regex_size(regex) + COMPILE_BYTES))
        return eval->error->code;
    rc = regex_match(regex, args[0].text, &eval->cost_left, &match);
    *ret = value_bool(match);
    if (rc == ERR_COST)
        return eval_charge_slow(eval);
    return rc ? eval_fail(eval, "matches() failed on this text") : 0;
}

static int call_char_at(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    if (args[0].kind != VALUE_STRING || args[1].kind != VALUE_INT)
        return eval_fail_types(eval, "charAt()", args, count);
    struct text text = args[0].text;
    if (eval_charge_bytes(eval, text.len))
        return eval->error->code;
    size_t at = byte_of_position(text, args[1].integer);
    if (at == SIZE_MAX)
        return fail_position(eval, args[1].integer);
    *ret =
        value_string((struct text){text.data + at, utf8_sequence(text.data + at, text.len - at)});
    return 0;
}

/* The arguments of indexOf() and lastIndexOf(), and where in bytes the search starts. */
static int search_arguments(struct eval *eval, const char *what, struct value *args, size_t count,
                            size_t *ret_from)
{
    bool fits = args[0].kind == VALUE_STRING && args[1].kind == VALUE_STRING &&
                (count < 3 || args[2].kind == VALUE_INT);
    if (!fits)
        return eval_fail_types(eval, what, args, count);
    int rc = eval_charge_bytes(eval, args[0].text.len + args[1].text.len);
    if (rc || count < 3)
        return rc;
    *ret_from = byte_of_position(args[0].text, args[2].integer);
    return *ret_from == SIZE_MAX ? fail_position(eval, args[2].integer) : 0;
}

static struct value position_value(struct text text, size_t at)
{
    return value_int(at == SIZE_MAX ? -1 : (int64_t)utf8_length((struct text){text.data, at}));
}

static int call_index_of(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    size_t from = 0;
    int rc = search_arguments(eval, "indexOf()", args, count, &from);
    if (!rc)
        *ret = position_value(args[0].text, find_text(args[0].text, args[1].text, from));
    return rc;
}

static int call_last_index_of(struct eval *eval, struct value *args, size_t count,
                              struct value *ret)
{
    size_t from = SIZE_MAX;
    int rc = search_arguments(eval, "lastIndexOf()", args, count, &from);
    if (rc)
        return rc;
    struct text text = args[0].text, what = args[1].text;
    *ret = value_int(-1);
    if (what.len > text.len)
        return 0;
    size_t at = text.len - what.len;
    at = from < at ? from : at;
    for (;; at--) {
        if (!what.len || !memcmp(text.data + at, what.data, what.len)) {
            *ret = position_value(text, at);
            return 0;
        }
        rc = eval_charge(eval, at % 8 == 0 ? 1 + what.len / 32 : 0);
        if (rc || at == 0)
            return rc;
    }
}

static int call_substring(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    bool fits = args[0].kind == VALUE_STRING && args[1].kind == VALUE_INT &&
                (count < 3 || args[2].kind == VALUE_INT);
    if (!fits)
        return eval_fail_types(eval, "substring()", args, count);
    struct text text = args[0].text;
    if (eval_charge_bytes(eval, text.len))
        return eval->error->code;
    size_t from = byte_of_position(text, args[1].integer);
    size_t to = count < 3 ? text.len : byte_of_position(text, args[2].integer);
    if (from == SIZE_MAX || to == SIZE_MAX)
        return fail_position(eval, args[from == SIZE_MAX ? 1 : 2].integer);
    if (from > to)
        return eval_fail(eval, "substring() ends at %lld, before it starts at %lld",
                         (long long)args[2].integer, (long long)args[1].integer);
    *ret = value_string((struct text){text.data + from, to - from});
    return 0;
}

const struct function functions_string[] = {
    {"contains", FORM_METHOD, 2, 2, call_contains},
    {"startsWith", FORM_METHOD, 2, 2, call_starts_with},
    {"endsWith", FORM_METHOD, 2, 2, call_ends_with},
    {"matches", FORM_BOTH, 2, 2, call_matches},
    {"charAt", FORM_METHOD, 2, 2, call_char_at},
    {"indexOf", FORM_METHOD, 2, 3, call_index_of},
    {"lastIndexOf", FORM_METHOD, 2, 3, call_last_index_of},
    {"substring", FORM_METHOD, 2, 3, call_substring},
    {0},
};
