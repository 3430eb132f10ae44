/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that make strings of strings. */
#include "engine/expr/function.h"

#include "base/utf8.h"
#include "engine/expr/string_tools.h"

static int map_ascii(struct eval *eval, const char *what, struct value *args, char first,
                     struct value *ret)
{
    int rc = need_strings(eval, what, args, 1);
    if (!rc)
        rc = eval_charge_bytes(eval, args->text.len);
    char *out = rc ? NULL : eval_alloc_text(eval, args->text.len);
    if (!out)
        return eval->error->code;
    for (size_t i = 0; i < args->text.len; i++) {
        char c = args->text.data[i];
        out[i] = c >= first && c <= first + 25 ? c ^ 0x20 : c;
    }
    *ret = value_string((struct text){out, args->text.len});
    return 0;
}

static int call_lower_ascii(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return map_ascii(eval, "lowerAscii()", args, 'A', ret);
}

static int call_upper_ascii(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    return map_ascii(eval, "upperAscii()", args, 'a', ret);
}

static bool is_white(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

static int call_trim(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    int rc = need_strings(eval, "trim()", args, 1);
    struct text text = args->text;
    uint32_t code;
    if (!rc)
        rc = eval_charge_bytes(eval, text.len);
    if (rc)
        return rc;
    while (text.len) {
        size_t len = utf8_decode(text.data, text.len, &code);
        if (!is_white(code))
            break;
        text.data += len;
        text.len -= len;
    }
    while (text.len) {
        size_t at = text.len - 1;
        while (((unsigned char)text.data[at] & 0xC0) == 0x80)
            at--;
        utf8_decode(text.data + at, text.len - at, &code);
        if (!is_white(code))
            break;
        text.len = at;
    }
    *ret = value_string(text);
    return 0;
}

static int call_reverse(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    int rc = need_strings(eval, "reverse()", args, 1);
    struct text text = args->text;
    if (!rc)
        rc = eval_charge_bytes(eval, text.len * 4);
    char *out = rc ? NULL : eval_alloc_text(eval, text.len);
    if (!out)
        return eval->error->code;
    for (size_t i = 0; i < text.len;) {
        size_t len = utf8_sequence(text.data + i, text.len - i);
        len = len ? len : 1;
        memcpy(out + text.len - i - len, text.data + i, len);
        i += len;
    }
    *ret = value_string((struct text){out, text.len});
    return 0;
}

static int call_quote(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
    int rc = need_strings(eval, "strings.quote()", args, 1);
    struct text text = args->text;
    if (!rc)
        rc = eval_charge_bytes(eval, text.len * 4);
    char *out = rc ? NULL : eval_alloc_text(eval, text.len * 2 + 2);
    if (!out)
        return eval->error->code;
    size_t used = 0;
    out[used++] = '"';
    for (size_t i = 0; i < text.len; i++) {
        const char *special = text.data[i] ? strchr(from, text.data[i]) : NULL;
        if (special)
            out[used++] = '\\';
        out[used++] = special ? to[special - from] : text.data[i];
    }
    out[used++] = '"';
    *ret = value_string((struct text){out, used});
    return 0;
}

/* ---- replace ----------------------------------------------------------------------------- */

/* Appends within the evaluation's limits. */
static int append(struct eval *eval, struct buffer *out, const char *data, size_t len)
{
    int rc = eval_charge(eval, len / 32);
    if (!rc && (len > eval->bytes_left || out->len > eval->bytes_left - len))
        rc = eval_fail_code(eval, ERR_TOO_LARGE, "the expression builds values that are too large");
    if (!rc)
        buffer_add(out, data, len);
    return rc;
}

/* An empty text stands before each code point and at the end. */
static size_t next_match(struct text text, struct text what, size_t from, bool first)
{
    if (what.len || first)
        return find_text(text, what, from);
    if (from >= text.len)
        return SIZE_MAX;
    size_t len = utf8_sequence(text.data + from, text.len - from);
    return from + (len ? len : 1);
}

static int replace(struct eval *eval, const struct value *args, int64_t limit, struct buffer *out)
{
    struct text text = args[0].text, what = args[1].text, with = args[2].text;
    size_t copied = 0, from = 0;
    int rc = eval_charge_bytes(eval, text.len + what.len);
    for (int64_t done = 0; !rc && done != limit; done++) {
        size_t at = next_match(text, what, from, done == 0);
        if (at == SIZE_MAX)
            break;
        rc = eval_charge(eval, 1);
        if (!rc)
            rc = append(eval, out, text.data + copied, at - copied);
        if (!rc)
            rc = append(eval, out, with.data, with.len);
        copied = from = at + what.len;
    }
    return rc ? rc : append(eval, out, text.data + copied, text.len - copied);
}

static int call_replace(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    int rc = need_strings(eval, "replace()", args, 3);
    if (!rc && count == 4 && args[3].kind != VALUE_INT)
        rc = eval_fail_types(eval, "replace()", args, count);
    if (rc)
        return rc;
    struct buffer out;
    buffer_init(&out, 0);
    rc = replace(eval, args, count == 4 ? args[3].integer : -1, &out);
    *ret = value_string(TEXT_NONE);
    if (!rc)
        return eval_take_buffer(eval, &out, &ret->text);
    buffer_done(&out);
    return rc;
}

/* ---- split and join ---------------------------------------------------------------------- */

/* The end of the piece that starts at `from`. */
static size_t piece_end(struct text text, struct text separator, size_t from)
{
    size_t end = separator.len ? find_text(text, separator, from)
                               : from + utf8_sequence(text.data + from, text.len - from);
    return end == SIZE_MAX || (!separator.len && end == from) ? text.len : end;
}

/* Goes through the pieces; writes them when `items` is there. Returns how many. */
static size_t cut(struct text text, struct text separator, uint64_t limit, struct value *items)
{
    size_t count = 0, from = 0;
    if (limit == 0 || (!separator.len && !text.len))
        return 0;
    for (;;) {
        size_t end = count + 1 == limit ? text.len : piece_end(text, separator, from);
        if (items)
            items[count] = value_string((struct text){text.data + from, end - from});
        count++;
        from = end + separator.len;
        if (end == text.len)
            return count;
    }
}

static int call_split(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    int rc = need_strings(eval, "split()", args, 2);
    if (!rc && count == 3 && args[2].kind != VALUE_INT)
        rc = eval_fail_types(eval, "split()", args, count);
    if (!rc)
        rc = eval_charge_bytes(eval, args[0].text.len * 2);
    if (rc)
        return rc;
    uint64_t limit = count == 3 ? (uint64_t)args[2].integer : UINT64_MAX;
    size_t pieces = cut(args[0].text, args[1].text, limit, NULL);
    rc = eval_charge(eval, pieces);
    struct value *items = rc ? NULL : eval_alloc(eval, pieces, sizeof *items);
    if (!items)
        return eval->error->code;
    cut(args[0].text, args[1].text, limit, items);
    return list_new(eval, items, pieces, ret);
}

static int join(struct eval *eval, struct list *list, struct text separator, struct buffer *out)
{
    int rc = list_open(eval, list);
    for (size_t i = 0; !rc && i < list->count; i++) {
        struct value item;
        rc = eval_charge(eval, 1);
        if (!rc)
            rc = list_at(eval, list, i, &item);
        if (!rc)
            rc = need_strings(eval, "join()", &item, 1);
        if (!rc && i > 0)
            rc = append(eval, out, separator.data, separator.len);
        if (!rc)
            rc = append(eval, out, item.text.data, item.text.len);
    }
    return rc;
}

static int call_join(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    if (args[0].kind != VALUE_LIST || (count == 2 && args[1].kind != VALUE_STRING))
        return eval_fail_types(eval, "join()", args, count);
    struct buffer out;
    buffer_init(&out, 0);
    int rc = join(eval, args[0].list, count == 2 ? args[1].text : TEXT(""), &out);
    *ret = value_string(TEXT_NONE);
    if (!rc)
        return eval_take_buffer(eval, &out, &ret->text);
    buffer_done(&out);
    return rc;
}

static int call_format(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    if (args[0].kind != VALUE_STRING || args[1].kind != VALUE_LIST)
        return eval_fail_types(eval, "format()", args, count);
    *ret = value_string(TEXT_NONE);
    return format_text(eval, args[0].text, args[1].list, &ret->text);
}

const struct function functions_string_edit[] = {
    {"lowerAscii", FORM_METHOD, 1, 1, call_lower_ascii},
    {"upperAscii", FORM_METHOD, 1, 1, call_upper_ascii},
    {"trim", FORM_METHOD, 1, 1, call_trim},
    {"reverse", FORM_METHOD, 1, 1, call_reverse},
    {"strings.quote", FORM_GLOBAL, 1, 1, call_quote},
    {"replace", FORM_METHOD, 3, 4, call_replace},
    {"split", FORM_METHOD, 2, 3, call_split},
    {"join", FORM_METHOD, 1, 2, call_join},
    {"format", FORM_METHOD, 2, 2, call_format},
    {0},
};
