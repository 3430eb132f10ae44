/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/flow/node.h"

#include "base/check.h"
#include "base/utf8.h"

static size_t count_digits(struct text word, size_t at)
{
    size_t count = 0;
    while (at + count < word.len && word.data[at + count] >= '0' && word.data[at + count] <= '9')
        count++;
    return count;
}

/* Whether `word`, which is not empty, is a number as JSON writes it. */
static bool is_number(struct text word)
{
    size_t at = word.data[0] == '-', digits = count_digits(word, at);
    if (digits == 0 || (digits > 1 && word.data[at] == '0'))
        return false;
    at += digits;
    if (at < word.len && word.data[at] == '.') {
        digits = count_digits(word, ++at);
        if (digits == 0)
            return false;
        at += digits;
    }
    if (at < word.len && (word.data[at] == 'e' || word.data[at] == 'E')) {
        at++;
        at += at < word.len && (word.data[at] == '+' || word.data[at] == '-');
        digits = count_digits(word, at);
        if (digits == 0)
            return false;
        at += digits;
    }
    return at == word.len;
}

enum node_kind node_kind_of_word(struct text word)
{
    if (word.len == 0)
        return NODE_EMPTY;
    if (text_equal(word, TEXT("null")))
        return NODE_NULL;
    if (text_equal(word, TEXT("true")) || text_equal(word, TEXT("false")))
        return NODE_BOOLEAN;
    return is_number(word) ? NODE_NUMBER : NODE_STRING;
}

const char *node_kind_name(const struct node *node)
{
    switch (node->kind) {
    case NODE_BAD:
    case NODE_EMPTY:
        return "an empty value";
    case NODE_NULL:
        return "null";
    case NODE_BOOLEAN:
        return "true or false";
    case NODE_NUMBER:
        return "a number";
    case NODE_STRING:
        return "text";
    case NODE_LIST:
        return "a list";
    case NODE_MAP:
        return "a map";
    }
    UNREACHABLE();
}

const struct node *node_member(const struct node *map, const char *key)
{
    if (map->kind != NODE_MAP)
        return NULL;
    for (const struct node *value = map->first; value; value = value->next)
        if (value->key->kind == NODE_STRING && text_equal(value->key->text, text_of(key)))
            return value;
    return NULL;
}

bool node_is_refused(const struct node *node)
{
    if (node->kind == NODE_MAP && node->first)
        return node->first->key->kind == NODE_BAD;
    return node->kind == NODE_BAD;
}

/* Recurses no deeper than NODE_DEPTH_MAX: node_read made the tree. */
void node_add_json(const struct node *node, struct buffer *ret_json)
{
    bool is_map = node->kind == NODE_MAP;
    switch (node->kind) {
    case NODE_BAD:
    case NODE_EMPTY:
    case NODE_NULL:
        buffer_add_string(ret_json, "null");
        break;
    case NODE_BOOLEAN:
    case NODE_NUMBER:
        buffer_add_text(ret_json, node->text);
        break;
    case NODE_STRING:
        buffer_add_json_string(ret_json, node->text);
        break;
    case NODE_LIST:
    case NODE_MAP:
        buffer_add_char(ret_json, is_map ? '{' : '[');
        for (const struct node *child = node->first; child; child = child->next) {
            if (child != node->first)
                buffer_add_char(ret_json, ',');
            if (is_map) {
                buffer_add_json_string(ret_json, child->key->text);
                buffer_add_char(ret_json, ':');
            }
            node_add_json(child, ret_json);
        }
        buffer_add_char(ret_json, is_map ? '}' : ']');
        break;
    }
}

/* ------------------------------------------------------------------------------------ the text */

static bool is_forbidden(uint32_t code)
{
    return (code < 0x20 && code != '\t' && code != '\n' && code != '\r') ||
           (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 || code == 0xFEFF ||
           code == 0xFFFE || code == 0xFFFF;
}

static void report_forbidden(struct report *report, struct span span, uint32_t code)
{
    if (code == 0) {
        report_error(report, span, "a NUL byte: a flow file is text");
    } else if (code == 0xFEFF) {
        report_error(report, span, "a byte order mark in the middle of the file");
    } else if (code == 0x85 || code == 0x2028 || code == 0x2029) {
        struct flow_problem *problem =
            report_error(report, span, "the character U+%04X ends a line for some programs only",
                         (unsigned)code);
        report_hint(report, problem, "inside double quotes write \\u%04X", (unsigned)code);
    } else {
        struct flow_problem *problem =
            report_error(report, span, "the control character U+%04X can't stand in a flow file",
                         (unsigned)code);
        report_hint(report, problem, "inside double quotes write \\u%04X", (unsigned)code);
    }
}

/* Whether every character may stand in a YAML file; reports the first that may not. */
static bool check_characters(const struct lines *source, struct report *report)
{
    struct text text = source->text;
    for (size_t at = 0; at < text.len;) {
        unsigned char c = (unsigned char)text.data[at];
        if (c >= 0x20 && c < 0x7F) {
            at++;
            continue;
        }
        size_t bytes = utf8_sequence(text.data + at, text.len - at);
        struct span span = {(uint32_t)at, (uint32_t)(at + (bytes ? bytes : 1))};
        uint32_t code = 0;
        if (bytes == 0) {
            struct flow_problem *problem =
                report_error(report, span, "the byte 0x%02X is not UTF-8", c);
            report_hint(report, problem, "save the file as UTF-8");
            return false;
        }
        utf8_decode(text.data + at, text.len - at, &code);
        if (is_forbidden(code)) {
            report_forbidden(report, span, code);
            return false;
        }
        at += bytes;
    }
    return true;
}

static bool is_utf16(struct text text)
{
    return text.len >= 2 &&
           (!memcmp(text.data, "\xFF\xFE", 2) || !memcmp(text.data, "\xFE\xFF", 2));
}

static bool looks_like_json(struct text text)
{
    size_t at = 0;
    while (at < text.len && memchr(" \t\r\n", text.data[at], 4))
        at++;
    return at < text.len && (text.data[at] == '{' || text.data[at] == '[');
}

struct node *node_read(struct arena *arena, const struct lines *source, struct report *report)
{
    if (is_utf16(source->text)) {
        struct flow_problem *problem = report_error(report, (struct span){0, 0},
                                                    "the file is UTF-16, and a flow file is UTF-8");
        report_hint(report, problem, "save the file as UTF-8");
        return NULL;
    }
    /* JSON is nearly a part of YAML, but has surrogate escapes and longer keys. */
    struct node *root = NULL;
    if (looks_like_json(source->text))
        root = node_read_json(arena, source);
    if (!root && check_characters(source, report))
        root = node_read_yaml(arena, source, report);
    return root;
}
