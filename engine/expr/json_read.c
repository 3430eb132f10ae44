/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/eval.h"

#include "base/json.h"
#include "base/utf8.h"

/* Shorter strings are walked over byte by byte. */
#define SHORT_STRING 24

/* The texts were checked when they were recorded; here a malformed one only must not lead astray.
 */
static int fail_malformed(struct eval *eval)
{
    return eval_fail(eval, "malformed JSON");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

struct text json_trim(struct text text)
{
    while (text.len && is_space(*text.data)) {
        text.data++;
        text.len--;
    }
    while (text.len && is_space(text.data[text.len - 1]))
        text.len--;
    return text;
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* Behind the string whose opening quote is at `at`; NULL when it has no end. */
static const char *skip_string(const char *at, const char *end)
{
    const char *few = end - at > SHORT_STRING ? at + SHORT_STRING : end;
    for (at++; at < end; at++) {
        if (*at == '"')
            return at + 1;
        if (*at == '\\') {
            at++;
        } else if (at >= few) {
            /* A long text: look for its end in larger steps while nothing is escaped. */
            const char *quote = memchr(at, '"', (size_t)(end - at));
            if (!quote || !memchr(at, '\\', (size_t)(quote - at)))
                return quote ? quote + 1 : NULL;
            few = end;
        }
    }
    return NULL;
}

static const char *skip_container(const char *at, const char *end)
{
    unsigned depth = 0;
    while (at < end) {
        char c = *at;
        if (c == '"') {
            at = skip_string(at, end);
            if (!at)
                return NULL;
            continue;
        }
        at++;
        if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return NULL;
        } else if (c == '}' || c == ']') {
            if (--depth == 0)
                return at;
        }
    }
    return NULL;
}

/* Behind the value at `at`; NULL when it is malformed. */
static const char *skip_value(const char *at, const char *end)
{
    if (at >= end)
        return NULL;
    if (*at == '"')
        return skip_string(at, end);
    if (*at == '{' || *at == '[')
        return skip_container(at, end);
    const char *from = at;
    while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_space(*at))
        at++;
    return at > from ? at : NULL;
}

unsigned json_depth(struct text raw)
{
    unsigned depth = 0, most = 0;
    const char *end = raw.data + raw.len;
    for (const char *at = raw.data; at && at < end;) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        if (*at == '{' || *at == '[')
            most = ++depth > most ? depth : most;
        else if (*at == '}' || *at == ']')
            depth--;
        at++;
    }
    return most;
}

/* ---- strings and numbers ----------------------------------------------------------------- */

static int32_t hex4(const char *at)
{
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* \uXXXX at `at` (the u), perhaps with its second half; 0 bytes taken when malformed. */
static size_t unescape_unicode(const char *at, const char *end, char *out, size_t *used)
{
    int32_t code = end - at >= 5 ? hex4(at + 1) : -1;
    size_t taken = 5;
    if (code >= 0xD800 && code <= 0xDBFF) {
        int32_t low = end - at >= 11 && at[5] == '\\' && at[6] == 'u' ? hex4(at + 7) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return 0;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        taken = 11;
    }
    if (code < 0 || (code >= 0xDC00 && code <= 0xDFFF))
        return 0;
    *used += utf8_encode((uint32_t)code, out + *used);
    return taken;
}

/* What the inside of a JSON string means. False when it is malformed. */
static bool unescape(struct text inside, char *out, size_t *ret_len)
{
    static const char from[] = "bfnrt\"\\/", to[] = "\b\f\n\r\t\"\\/";
    const char *at = inside.data, *end = at + inside.len;
    size_t used = 0;
    while (at < end) {
        if (*at != '\\') {
            out[used++] = *at++;
            continue;
        }
        if (++at == end)
            return false;
        const char *simple = *at ? strchr(from, *at) : NULL;
        if (simple) {
            out[used++] = to[simple - from];
            at++;
        } else {
            size_t taken = *at == 'u' ? unescape_unicode(at, end, out, &used) : 0;
            if (!taken)
                return false;
            at += taken;
        }
    }
    *ret_len = used;
    return true;
}

static int read_string(struct eval *eval, struct text raw, struct text *ret_text)
{
    if (raw.len < 2 || raw.data[raw.len - 1] != '"')
        return fail_malformed(eval);
    struct text inside = {raw.data + 1, raw.len - 2};
    int rc = eval_charge_scan(eval, raw.len);
    if (rc)
        return rc;
    *ret_text = inside;
    if (memchr(inside.data, '\\', inside.len)) {
        char *copy = eval_alloc_text(eval, inside.len);
        if (!copy)
            return eval->error->code;
        if (!unescape(inside, copy, &ret_text->len))
            return fail_malformed(eval);
        ret_text->data = copy;
    }
    return utf8_valid(*ret_text) ? 0 : fail_malformed(eval);
}

static int read_number(struct eval *eval, struct text raw, struct value *ret)
{
    bool whole = true;
    for (size_t i = *raw.data == '-'; i < raw.len; i++) {
        char c = raw.data[i];
        whole = whole && c >= '0' && c <= '9';
        if (!(c >= '0' && c <= '9') && !strchr("+-.eE", c))
            return fail_malformed(eval);
    }
    *ret = value_int(0);
    if (whole && text_to_int(raw, &ret->integer))
        return 0;
    int rc = eval_charge_bytes(eval, raw.len);
    if (rc)
        return rc;
    if (whole)
        return eval_fail(eval, "the whole number %.*s is beyond 64 bits",
                         (int)(raw.len < 60 ? raw.len : 60), raw.data);
    *ret = value_double(0);
    return text_to_double(raw, &ret->number)
               ? 0
               : eval_fail(eval, "the number %.*s cannot be read as a double",
                           (int)(raw.len < 60 ? raw.len : 60), raw.data);
}

static int read_container(struct eval *eval, struct text raw, struct value *ret)
{
    if (*raw.data == '[') {
        struct list *list = eval_alloc(eval, 1, sizeof *list);
        if (!list)
            return eval->error->code;
        *list = (struct list){.raw = raw, .depth = 1};
        *ret = (struct value){.kind = VALUE_LIST, .list = list};
        return 0;
    }
    struct map *map = eval_alloc(eval, 1, sizeof *map);
    if (!map)
        return eval->error->code;
    *map = (struct map){.raw = raw, .depth = 1};
    *ret = (struct value){.kind = VALUE_MAP, .map = map};
    return 0;
}

int json_to_value(struct eval *eval, struct text raw, struct value *ret)
{
    if (!raw.len)
        return fail_malformed(eval);
    switch (*raw.data) {
    case '{':
    case '[':
        return read_container(eval, raw, ret);
    case '"':
        *ret = value_string(TEXT_NONE);
        return read_string(eval, raw, &ret->text);
    case 't':
    case 'f':
        *ret = value_bool(*raw.data == 't');
        return text_equal(raw, *raw.data == 't' ? TEXT("true") : TEXT("false"))
                   ? 0
                   : fail_malformed(eval);
    case 'n':
        *ret = value_null();
        return text_equal(raw, TEXT("null")) ? 0 : fail_malformed(eval);
    default:
        if (*raw.data == '-' || (*raw.data >= '0' && *raw.data <= '9'))
            return read_number(eval, raw, ret);
        return fail_malformed(eval);
    }
}

/* ---- containers -------------------------------------------------------------------------- */

struct walk {
    const char *at, *end;
    bool object;
    bool any; /* a child was read */
};

struct child {
    struct text key;   /* raw, with its quotes; objects only */
    struct text value; /* raw */
};

/* The next child of a container: 1 read, 0 the end, -1 malformed. */
static int next_child(struct walk *w, struct child *ret)
{
    w->at = skip_space(w->at, w->end);
    if (w->at < w->end && *w->at == (w->object ? '}' : ']'))
        return 0;
    if (w->any) {
        if (w->at >= w->end || *w->at != ',')
            return -1;
        w->at = skip_space(w->at + 1, w->end);
    }
    w->any = true;
    if (w->object) {
        const char *key = w->at;
        w->at = key < w->end && *key == '"' ? skip_string(key, w->end) : NULL;
        if (!w->at)
            return -1;
        ret->key = (struct text){key, (size_t)(w->at - key)};
        w->at = skip_space(w->at, w->end);
        if (w->at >= w->end || *w->at != ':')
            return -1;
        w->at = skip_space(w->at + 1, w->end);
    }
    const char *value = w->at;
    w->at = skip_value(value, w->end);
    if (!w->at)
        return -1;
    ret->value = (struct text){value, (size_t)(w->at - value)};
    return 1;
}

static struct walk walk_start(struct text raw)
{
    return (struct walk){raw.data + 1, raw.data + raw.len, *raw.data == '{', false};
}

/* Whether a raw key means `name`. */
static int key_is(struct eval *eval, struct text key, struct text name, bool *ret_same)
{
    struct text inside = {key.data + 1, key.len - 2};
    *ret_same = inside.len == name.len && !memcmp(inside.data, name.data, name.len);
    if (*ret_same ? !memchr(name.data, '\\', name.len) : inside.len <= name.len)
        return 0;
    if (!memchr(inside.data, '\\', inside.len))
        return 0;
    struct text meant;
    int rc = read_string(eval, key, &meant);
    *ret_same = !rc && text_equal(meant, name);
    return rc;
}

int json_find_member(struct eval *eval, struct text object, struct text name, struct text *ret_raw)
{
    struct child child;
    struct walk walk = walk_start(object);
    int more;
    *ret_raw = TEXT_NONE;
    if (*object.data != '{')
        return 0;
    while ((more = next_child(&walk, &child)) > 0) {
        bool same;
        int rc = key_is(eval, child.key, name, &same);
        if (rc)
            return rc;
        if (same) {
            *ret_raw = child.value;
            break;
        }
    }
    if (more < 0)
        return fail_malformed(eval);
    return eval_charge_scan(eval, (size_t)(walk.at - object.data));
}

/* How many children; -1 when malformed. */
static ptrdiff_t count_children(struct text raw)
{
    struct child child;
    struct walk walk = walk_start(raw);
    ptrdiff_t count = 0;
    int more;
    while ((more = next_child(&walk, &child)) > 0)
        count++;
    return more < 0 ? -1 : count;
}

int json_open_list(struct eval *eval, struct list *list)
{
    int rc = eval_charge_scan(eval, list->raw.len);
    ptrdiff_t count = rc ? 0 : count_children(list->raw);
    if (rc || count < 0)
        return rc ? rc : fail_malformed(eval);
    rc = eval_charge(eval, (uint64_t)count / 8);
    struct value *items = rc ? NULL : eval_alloc(eval, (size_t)count, sizeof *items);
    if (!items)
        return eval->error->code;
    struct child child;
    struct walk walk = walk_start(list->raw);
    for (ptrdiff_t i = 0; i < count && next_child(&walk, &child) > 0; i++)
        items[i] = (struct value){.kind = VALUE_JSON, .text = child.value};
    list->items = items;
    list->count = (size_t)count;
    list->open = true;
    return 0;
}

int json_open_map(struct eval *eval, struct map *map)
{
    int rc = eval_charge_scan(eval, map->raw.len);
    ptrdiff_t count = rc ? 0 : count_children(map->raw);
    if (rc || count < 0)
        return rc ? rc : fail_malformed(eval);
    rc = eval_charge(eval, (uint64_t)count / 8);
    struct entry *entries = rc ? NULL : eval_alloc(eval, (size_t)count, sizeof *entries);
    if (!entries)
        return eval->error->code;
    struct child child;
    struct walk walk = walk_start(map->raw);
    for (ptrdiff_t i = 0; i < count && next_child(&walk, &child) > 0; i++) {
        entries[i].key = value_string(TEXT_NONE);
        rc = read_string(eval, child.key, &entries[i].key.text);
        if (rc)
            return rc;
        entries[i].value = (struct value){.kind = VALUE_JSON, .text = child.value};
    }
    map->entries = entries;
    map->count = (size_t)count;
    map->open = true;
    return 0;
}
