/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/utf8.h"

/* Up to here doubled keys are found by comparing each with each. */
#define FEW_MEMBERS 16

struct frame {
    struct json *container;
    struct json *last; /* child added last */
};

struct parser {
    struct arena *arena;
    const char *start;
    const char *at;
    const char *end;
    struct error *error;
    size_t depth;
    struct frame frames[JSON_DEPTH_MAX];
};

static int fail_at(struct parser *p, const char *place, const char *what)
{
    size_t line = 1, column = 1;
    for (const char *c = p->start; c < place; c++) {
        if (*c == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*c & 0xC0) != 0x80) {
            column++;
        }
    }
    return error_set(p->error, ERR_INVALID, "line %zu, column %zu: %s", line, column, what);
}

static int fail(struct parser *p, const char *what)
{
    return fail_at(p, p->at, p->at < p->end ? what : "the text ends too early");
}

static void skip_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits at `at`; -1 when they are none. */
static int32_t four_hex(const char *at, const char *end)
{
    int32_t code = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* Reads \uXXXX, with its second half, at p->at (behind the u). */
static int read_unicode(struct parser *p, uint32_t *ret_code)
{
    int32_t code = four_hex(p->at, p->end);
    if (code < 0)
        return fail(p, "\\u needs four hexadecimal digits");
    if (code >= 0xDC00 && code <= 0xDFFF)
        return fail(p, "lone surrogate");
    p->at += 4;
    if (code >= 0xD800 && code <= 0xDBFF) {
        int32_t low = -1;
        if (p->end - p->at >= 6 && p->at[0] == '\\' && p->at[1] == 'u')
            low = four_hex(p->at + 2, p->end);
        if (low < 0xDC00 || low > 0xDFFF)
            return fail(p, "lone surrogate");
        p->at += 6;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *ret_code = (uint32_t)code;
    return 0;
}

static char simple_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case '"':
    case '\\':
    case '/':
        return c;
    default:
        return 0;
    }
}

/* One escape behind its backslash, to `out`; adds to `*used`. `out` NULL only checks. */
static int read_escape(struct parser *p, char *out, size_t *used)
{
    char c = p->at < p->end ? *p->at : 0;
    char bytes[4];
    size_t len = 1;
    if (c == 'u') {
        uint32_t code = 0;
        p->at++;
        int rc = read_unicode(p, &code);
        if (rc)
            return rc;
        len = utf8_encode(code, bytes);
    } else {
        bytes[0] = simple_escape(c);
        if (!bytes[0])
            return fail(p, "unknown escape in a string");
        p->at++;
    }
    if (out)
        memcpy(out + *used, bytes, len);
    *used += len;
    return 0;
}

/* Walks over a string's inside up to its closing quote; with `out` writes what it means. */
static int walk_string(struct parser *p, char *out, size_t *ret_len, bool *ret_escaped)
{
    *ret_len = 0;
    *ret_escaped = false;
    while (p->at < p->end && *p->at != '"') {
        size_t len;
        if (*p->at == '\\') {
            *ret_escaped = true;
            p->at++;
            int rc = read_escape(p, out, ret_len);
            if (rc)
                return rc;
            continue;
        }
        if ((unsigned char)*p->at < 0x20)
            return fail(p, "control character in a string; write it as an escape");
        len = (unsigned char)*p->at < 0x80 ? 1 : utf8_sequence(p->at, (size_t)(p->end - p->at));
        if (!len)
            return fail(p, "invalid UTF-8");
        if (out)
            memcpy(out + *ret_len, p->at, len);
        *ret_len += len;
        p->at += len;
    }
    return p->at < p->end ? 0 : fail(p, "");
}

static int read_string(struct parser *p, struct text *ret_string)
{
    const char *inside = ++p->at;
    size_t len;
    bool escaped;
    int rc = walk_string(p, NULL, &len, &escaped);
    if (rc)
        return rc;
    if (escaped) {
        char *copy = arena_alloc(p->arena, len + 1);
        p->at = inside;
        rc = walk_string(p, copy, &len, &escaped);
        CHECK(rc == 0);
        copy[len] = 0;
        inside = copy;
    }
    *ret_string = (struct text){inside, len};
    p->at++;
    return 0;
}

static bool skip_digits(struct parser *p)
{
    const char *from = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return p->at > from;
}

static int read_number(struct parser *p)
{
    if (*p->at == '-')
        p->at++;
    const char *whole = p->at;
    if (!skip_digits(p))
        return fail(p, "expected a digit");
    if (*whole == '0' && p->at - whole > 1)
        return fail_at(p, whole, "a number must not start with 0");
    if (p->at < p->end && *p->at == '.') {
        p->at++;
        if (!skip_digits(p))
            return fail(p, "expected a digit");
    }
    if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
        p->at++;
        if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
            p->at++;
        if (!skip_digits(p))
            return fail(p, "expected a digit");
    }
    return 0;
}

static int read_word(struct parser *p, struct json *json)
{
    static const struct {
        struct text word;
        enum json_kind kind;
    } words[] = {{{"null", 4}, JSON_NULL}, {{"true", 4}, JSON_TRUE}, {{"false", 5}, JSON_FALSE}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct text word = words[i].word;
        if ((size_t)(p->end - p->at) >= word.len && !memcmp(p->at, word.data, word.len)) {
            p->at += word.len;
            json->kind = words[i].kind;
            return 0;
        }
    }
    return fail(p, "expected a JSON value");
}

static int push(struct parser *p, struct json *container)
{
    if (p->depth == JSON_DEPTH_MAX)
        return fail(p, "nested too deeply");
    p->frames[p->depth++] = (struct frame){container, NULL};
    p->at++;
    return 0;
}

/* Starts the value at p->at; a container stays open on the stack. */
static int read_value(struct parser *p, struct json *json)
{
    int rc;
    if (p->at >= p->end)
        return fail(p, "");
    json->raw.data = p->at;
    switch (*p->at) {
    case '{':
    case '[':
        json->kind = *p->at == '{' ? JSON_OBJECT : JSON_ARRAY;
        return push(p, json);
    case '"':
        json->kind = JSON_STRING;
        rc = read_string(p, &json->string);
        break;
    default:
        if (*p->at == '-' || (*p->at >= '0' && *p->at <= '9')) {
            json->kind = JSON_NUMBER;
            rc = read_number(p);
        } else {
            rc = read_word(p, json);
        }
    }
    json->raw.len = (size_t)(p->at - json->raw.data);
    return rc;
}

static int compare_members(const void *a, const void *b)
{
    const struct json *left = *(const struct json *const *)a;
    const struct json *right = *(const struct json *const *)b;
    int order = text_compare(left->key, right->key);
    return order ? order : (left->raw.data > right->raw.data) - (left->raw.data < right->raw.data);
}

/* The members by key; the caller frees the array. */
static const struct json **sorted_members(const struct json *object)
{
    const struct json **members = xcalloc(object->count, sizeof *members);
    size_t count = 0;
    for (const struct json *m = object->first; m; m = m->next)
        members[count++] = m;
    CHECK(count == object->count);
    qsort(members, count, sizeof *members, compare_members);
    return members;
}

/* The first member whose key an earlier one has, or NULL. */
static const struct json *doubled_member(const struct json *object)
{
    const struct json *found = NULL;
    if (object->count <= FEW_MEMBERS) {
        for (const struct json *m = object->first; m && !found; m = m->next) {
            for (const struct json *before = object->first; before != m && !found;
                 before = before->next)
                found = text_equal(before->key, m->key) ? m : NULL;
        }
        return found;
    }
    const struct json **members = sorted_members(object);
    for (size_t i = 1; i < object->count; i++) {
        if (text_equal(members[i - 1]->key, members[i]->key) &&
            (!found || members[i]->raw.data < found->raw.data))
            found = members[i];
    }
    free(members);
    return found;
}

static int close_container(struct parser *p)
{
    struct json *container = p->frames[--p->depth].container;
    container->raw.len = (size_t)(++p->at - container->raw.data);
    const struct json *doubled = container->kind == JSON_OBJECT ? doubled_member(container) : NULL;
    if (!doubled)
        return 0;
    char what[160];
    int shown = doubled->key.len < 60 ? (int)doubled->key.len : 60;
    snprintf(what, sizeof what, "the key \"%.*s\" stands twice in one object", shown,
             doubled->key.data);
    return fail_at(p, doubled->raw.data, what);
}

/* Reads the next child of the open container: its key, its value's beginning. */
static int read_child(struct parser *p, struct frame *frame)
{
    struct json *child = arena_calloc(p->arena, 1, sizeof *child);
    if (frame->container->kind == JSON_OBJECT) {
        if (p->at >= p->end || *p->at != '"')
            return fail(p, "expected a key in double quotes");
        int rc = read_string(p, &child->key);
        if (rc)
            return rc;
        skip_space(p);
        if (p->at >= p->end || *p->at != ':')
            return fail(p, "expected ':'");
        p->at++;
        skip_space(p);
    }
    if (frame->last)
        frame->last->next = child;
    else
        frame->container->first = child;
    frame->last = child;
    frame->container->count++;
    return read_value(p, child);
}

/* One step inside the open container: a comma, a child, or the end. */
static int step(struct parser *p)
{
    struct frame *frame = &p->frames[p->depth - 1];
    bool object = frame->container->kind == JSON_OBJECT;
    char closing = object ? '}' : ']';
    skip_space(p);
    if (p->at < p->end && *p->at == closing)
        return close_container(p);
    if (frame->last) {
        if (p->at >= p->end || *p->at != ',')
            return fail(p, object ? "expected ',' or '}'" : "expected ',' or ']'");
        p->at++;
        skip_space(p);
        if (p->at < p->end && *p->at == closing)
            return fail(p, "a comma must be followed by another element");
    }
    return read_child(p, frame);
}

int json_parse(struct arena *arena, struct text text, struct json **ret_json,
               struct error *ret_error)
{
    struct parser p;
    p.arena = arena;
    p.start = p.at = text.data ? text.data : "";
    p.end = p.at + text.len;
    p.error = ret_error;
    p.depth = 0;
    struct json *root = arena_calloc(arena, 1, sizeof *root);
    skip_space(&p);
    int rc = read_value(&p, root);
    while (!rc && p.depth)
        rc = step(&p);
    if (rc)
        return rc;
    skip_space(&p);
    if (p.at < p.end)
        return fail(&p, "nothing may follow the value");
    *ret_json = root;
    return 0;
}

const struct json *json_member(const struct json *json, struct text key)
{
    if (!json || json->kind != JSON_OBJECT)
        return NULL;
    for (const struct json *m = json->first; m; m = m->next) {
        if (text_equal(m->key, key))
            return m;
    }
    return NULL;
}

bool json_int64(const struct json *json, int64_t *ret_value)
{
    if (!json || json->kind != JSON_NUMBER)
        return false;
    bool negative = json->raw.data[0] == '-';
    int64_t value = 0;
    for (size_t i = negative; i < json->raw.len; i++) {
        char c = json->raw.data[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? '0' - c : c - '0', &value))
            return false;
    }
    *ret_value = value;
    return true;
}

static bool same_objects(const struct json *a, const struct json *b)
{
    const struct json **left = sorted_members(a), **right = sorted_members(b);
    bool same = true;
    for (size_t i = 0; same && i < a->count; i++)
        same = text_equal(left[i]->key, right[i]->key) && json_equal(left[i], right[i]);
    free(left);
    free(right);
    return same;
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (a->kind != b->kind || a->count != b->count)
        return false;
    if (a->kind == JSON_NUMBER)
        return text_equal(a->raw, b->raw);
    if (a->kind == JSON_STRING)
        return text_equal(a->string, b->string);
    if (a->kind == JSON_OBJECT)
        return a->count == 0 || same_objects(a, b);
    const struct json *other = b->first;
    for (const struct json *item = a->first; item; item = item->next, other = other->next) {
        if (!json_equal(item, other))
            return false;
    }
    return true;
}
