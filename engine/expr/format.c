/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/string_tools.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"

#define PRECISION_MAX 100
#define DEPTH_MAX     64 /* nesting of what %s shows */

struct clause {
    char letter;
    int precision;
};

static int fail_clause(struct eval *eval, const struct clause *clause, const struct value *value)
{
    return eval_fail(eval, "format(): %%%c cannot show %s", clause->letter,
                     value_kind_name(value->kind));
}

static int show(struct eval *eval, const struct value *value, unsigned depth, struct buffer *out);

static int show_list(struct eval *eval, struct list *list, unsigned depth, struct buffer *out)
{
    int rc = list_open(eval, list);
    buffer_add_char(out, '[');
    for (size_t i = 0; !rc && i < list->count; i++) {
        struct value item;
        rc = list_at(eval, list, i, &item);
        if (i > 0)
            buffer_add_string(out, ", ");
        if (!rc)
            rc = show(eval, &item, depth + 1, out);
    }
    buffer_add_char(out, ']');
    return rc;
}

struct shown_key {
    struct text text;
    size_t entry;
};

static int compare_keys(const void *a, const void *b)
{
    const struct shown_key *x = a, *y = b;
    int order = text_compare(x->text, y->text);
    return order ? order : (x->entry > y->entry) - (x->entry < y->entry);
}

/* Maps are shown in the order of their keys' texts. */
static int show_map(struct eval *eval, struct map *map, unsigned depth, struct buffer *out)
{
    int rc = map_open(eval, map);
    if (!rc)
        rc = eval_charge(eval, map->count);
    struct shown_key *keys = rc ? NULL : eval_alloc(eval, map->count, sizeof *keys);
    if (!keys)
        return eval->error->code;
    for (size_t i = 0; !rc && i < map->count; i++) {
        keys[i].entry = i;
        rc = value_to_string(eval, &map->entries[i].key, &keys[i].text);
    }
    if (rc)
        return rc;
    qsort(keys, map->count, sizeof *keys, compare_keys);
    buffer_add_char(out, '{');
    for (size_t i = 0; !rc && i < map->count; i++) {
        struct value value;
        if (i > 0)
            buffer_add_string(out, ", ");
        buffer_add_text(out, keys[i].text);
        buffer_add_string(out, ": ");
        rc = map_at(eval, map, keys[i].entry, &value);
        if (!rc)
            rc = show(eval, &value, depth + 1, out);
    }
    buffer_add_char(out, '}');
    return rc;
}

static int show(struct eval *eval, const struct value *value, unsigned depth, struct buffer *out)
{
    struct text text;
    int rc = eval_charge(eval, 1);
    if (!rc && (depth > DEPTH_MAX || out->len > eval->bytes_left))
        rc = eval_fail_code(eval, ERR_TOO_LARGE, "format() shows a value that is too large");
    if (rc)
        return rc;
    if (value->kind == VALUE_LIST)
        return show_list(eval, value->list, depth, out);
    if (value->kind == VALUE_MAP)
        return show_map(eval, value->map, depth, out);
    if (value->kind == VALUE_NULL) {
        buffer_add_string(out, "null");
        return 0;
    }
    rc = value_to_string(eval, value, &text);
    if (!rc)
        rc = eval_charge_bytes(eval, text.len);
    if (!rc)
        buffer_add_text(out, text);
    return rc;
}

/* NaN and the infinities have one name in all clauses for numbers. */
static bool show_special(const struct value *value, struct buffer *out)
{
    char text[DOUBLE_TEXT_MAX];
    if (value->kind != VALUE_DOUBLE || isfinite(value->number))
        return false;
    double_to_text(value->number, false, text);
    buffer_add_string(out, text);
    return true;
}

static int show_double(struct eval *eval, const struct clause *clause, const struct value *value,
                       struct buffer *out)
{
    if (show_special(value, out))
        return 0;
    if (!value_is_number(value))
        return fail_clause(eval, clause, value);
    double number = value->kind == VALUE_INT    ? (double)value->integer
                    : value->kind == VALUE_UINT ? (double)value->whole
                                                : value->number;
    int precision = clause->precision < 0 ? 6 : clause->precision;
    if (eval_charge(eval, DOUBLE_TEXT_COST + (uint64_t)precision))
        return eval->error->code;
    if (clause->letter == 'f')
        buffer_printf(out, "%.*f", precision, number);
    else
        buffer_printf(out, "%.*e", precision, number);
    return 0;
}

static int show_decimal(struct eval *eval, const struct clause *clause, const struct value *value,
                        struct buffer *out)
{
    if (show_special(value, out))
        return 0;
    if (value->kind == VALUE_INT)
        buffer_printf(out, "%" PRId64, value->integer);
    else if (value->kind == VALUE_UINT)
        buffer_printf(out, "%" PRIu64, value->whole);
    else
        return fail_clause(eval, clause, value);
    return 0;
}

static void add_digits(uint64_t number, unsigned base, const char *digits, struct buffer *out)
{
    char text[64];
    size_t at = sizeof text;
    do {
        text[--at] = digits[number % base];
        number /= base;
    } while (number);
    buffer_add(out, text + at, sizeof text - at);
}

/* %b %o %x %X */
static int show_based(struct eval *eval, const struct clause *clause, const struct value *value,
                      struct buffer *out)
{
    const char *digits = clause->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = clause->letter == 'b' ? 2 : clause->letter == 'o' ? 8 : 16;
    if (base == 16 && (value->kind == VALUE_STRING || value->kind == VALUE_BYTES)) {
        int rc = eval_charge_bytes(eval, value->text.len * 4);
        if (!rc && value->text.len > eval->bytes_left / 2)
            rc = eval_fail_code(eval, ERR_TOO_LARGE, "format() shows a value that is too large");
        for (size_t i = 0; !rc && i < value->text.len; i++) {
            unsigned char c = (unsigned char)value->text.data[i];
            buffer_add_char(out, digits[c >> 4]);
            buffer_add_char(out, digits[c & 15]);
        }
        return rc;
    }
    if (base == 2 && value->kind == VALUE_BOOL) {
        buffer_add_char(out, value->boolean ? '1' : '0');
        return 0;
    }
    if (value->kind != VALUE_INT && value->kind != VALUE_UINT)
        return fail_clause(eval, clause, value);
    bool negative = value->kind == VALUE_INT && value->integer < 0;
    if (negative)
        buffer_add_char(out, '-');
    add_digits(negative ? 0 - value->whole : value->whole, base, digits, out);
    return 0;
}

static int show_clause(struct eval *eval, const struct clause *clause, const struct value *value,
                       struct buffer *out)
{
    switch (clause->letter) {
    case 's':
        return show(eval, value, 0, out);
    case 'd':
        return show_decimal(eval, clause, value, out);
    case 'f':
    case 'e':
        return show_double(eval, clause, value, out);
    default:
        return show_based(eval, clause, value, out);
    }
}

/* Reads `.3f` at `*at`, behind the percent sign. */
static int read_clause(struct eval *eval, struct text pattern, size_t *at, struct clause *ret)
{
    *ret = (struct clause){0, -1};
    if (*at < pattern.len && pattern.data[*at] == '.') {
        ret->precision = 0;
        for (++*at; *at < pattern.len && pattern.data[*at] >= '0' && pattern.data[*at] <= '9';
             ++*at) {
            ret->precision = ret->precision * 10 + (pattern.data[*at] - '0');
            if (ret->precision > PRECISION_MAX)
                return eval_fail(eval, "format(): more than %d digits", PRECISION_MAX);
        }
    }
    if (*at >= pattern.len)
        return eval_fail(eval, "format(): the text ends within a %% clause");
    ret->letter = pattern.data[(*at)++];
    if (!ret->letter || !strchr("sdfeboxX", ret->letter))
        return eval_fail(eval,
                         "format(): unknown clause; there are %%s %%d %%f %%e %%b %%o %%x %%X");
    return 0;
}

static int format(struct eval *eval, struct text pattern, struct list *list, struct buffer *out)
{
    size_t next = 0;
    int rc = list_open(eval, list);
    if (!rc)
        rc = eval_charge_bytes(eval, pattern.len);
    for (size_t at = 0; !rc && at < pattern.len;) {
        const char *percent = memchr(pattern.data + at, '%', pattern.len - at);
        size_t end = percent ? (size_t)(percent - pattern.data) : pattern.len;
        buffer_add(out, pattern.data + at, end - at);
        at = end + 1;
        if (!percent)
            break;
        if (at < pattern.len && pattern.data[at] == '%') {
            buffer_add_char(out, '%');
            at++;
            continue;
        }
        struct clause clause;
        struct value value;
        rc = read_clause(eval, pattern, &at, &clause);
        if (!rc && next >= list->count)
            rc = eval_fail(eval, "format(): there is no argument number %zu", next + 1);
        if (!rc)
            rc = list_at(eval, list, next++, &value);
        if (!rc)
            rc = show_clause(eval, &clause, &value, out);
    }
    return rc;
}

int format_text(struct eval *eval, struct text pattern, struct list *list, struct text *ret_text)
{
    struct buffer out;
    buffer_init(&out, 0);
    int rc = format(eval, pattern, list, &out);
    if (!rc)
        return eval_take_buffer(eval, &out, ret_text);
    buffer_done(&out);
    return rc;
}
