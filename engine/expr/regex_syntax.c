/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/regex.h"

#include <stdlib.h>

struct scan {
    struct text in;
    size_t at;
    struct buffer *out;
    const char *what; /* what is wrong */
    bool repeatable;  /* something stands before that may be repeated */
    unsigned open;    /* brackets */
};

static char peek(const struct scan *s, size_t ahead)
{
    return s->at + ahead < s->in.len ? s->in.data[s->at + ahead] : 0;
}

static void copy(struct scan *s, size_t len)
{
    buffer_add(s->out, s->in.data + s->at, len);
    s->at += len;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* \x41 or \x{10FFFF} */
static void hex_escape(struct scan *s)
{
    size_t len = 2;
    if (peek(s, 2) == '{') {
        for (len = 3; is_hex(peek(s, len)); len++)
            ;
        if (len == 3 || peek(s, len) != '}')
            s->what = "bad \\x{…}";
        len++;
    } else if (!is_hex(peek(s, 2)) || !is_hex(peek(s, 3))) {
        s->what = "\\x needs two hexadecimal digits";
    } else {
        len = 4;
    }
    if (!s->what)
        copy(s, len);
}

/* \012; a single digit other than 0 would be a back-reference. */
static void octal_escape(struct scan *s)
{
    unsigned code = 0;
    size_t len = 1;
    if (peek(s, 1) != '0' && !(peek(s, 2) >= '0' && peek(s, 2) <= '7')) {
        s->what = "back-references are not supported";
        return;
    }
    for (; len < 4 && peek(s, len) >= '0' && peek(s, len) <= '7'; len++)
        code = code * 8 + (unsigned)(peek(s, len) - '0');
    buffer_printf(s->out, "\\x{%x}", code);
    s->at += len;
}

/* \pL \p{Greek} \p{^Greek} \P…: a script means the script itself, not its extensions. */
static void property_escape(struct scan *s)
{
    if (peek(s, 2) != '{') {
        if (is_letter(peek(s, 2)))
            copy(s, 3);
        else
            s->what = "bad \\p";
        return;
    }
    size_t name = s->at + 3, end = name;
    bool negative = peek(s, 3) == '^';
    name += negative;
    for (end = name; end < s->in.len && (is_letter(s->in.data[end]) || s->in.data[end] == '_');)
        end++;
    if (end == name || end >= s->in.len || s->in.data[end] != '}') {
        s->what = "bad \\p{…}";
        return;
    }
    struct text text = {s->in.data + name, end - name};
    bool script = text.len > 2 && !text_equal(text, TEXT("Any"));
    buffer_printf(s->out, "\\%c{%s%s%.*s}", peek(s, 1), negative ? "^" : "", script ? "sc:" : "",
                  TEXT_ARG(text));
    s->at = end + 1;
}

/* \Q…\E: the text literally. */
static void quoted_text(struct scan *s, bool class)
{
    s->at += 2;
    while (s->at < s->in.len && !(peek(s, 0) == '\\' && peek(s, 1) == 'E')) {
        char c = peek(s, 0);
        if ((unsigned char)c < 0x80 && !is_letter(c) && !is_digit(c))
            buffer_printf(s->out, "\\x{%x}", (unsigned)c);
        else
            buffer_add_char(s->out, c);
        s->at++;
        s->repeatable = true;
    }
    s->at = s->at + 2 < s->in.len ? s->at + 2 : s->in.len;
}

/* \s has no vertical tab in RE2. */
static void space_escape(struct scan *s, bool class)
{
    bool negative = peek(s, 1) == 'S';
    if (class)
        buffer_add_string(s->out, negative ? "\\S\\x{b}" : "\\t\\n\\f\\r\\x{20}");
    else
        buffer_add_string(s->out, negative ? "[^\\t\\n\\f\\r\\x{20}]" : "[\\t\\n\\f\\r\\x{20}]");
    s->at += 2;
}

/* An escape, at its backslash. */
static void escape(struct scan *s, bool class)
{
    char c = peek(s, 1);
    s->repeatable = true;
    if (c == 0) {
        s->what = "a backslash at the end";
    } else if (c == 'Q') {
        quoted_text(s, class);
    } else if (c == 's' || c == 'S') {
        space_escape(s, class);
    } else if (c == 'v') {
        buffer_add_string(s->out, "\\x{b}");
        s->at += 2;
    } else if (c == 'x') {
        hex_escape(s);
    } else if (c == 'p' || c == 'P') {
        property_escape(s);
    } else if (is_digit(c)) {
        octal_escape(s);
    } else if (strchr("aftnrdDwW", c)) {
        copy(s, 2);
    } else if (!class && strchr("bBAz", c)) {
        copy(s, 2);
    } else if (!is_letter(c) && (unsigned char)c < 0x80) {
        copy(s, 2);
    } else {
        s->what = "unknown escape";
    }
}

/* [[:alpha:]] and the like, at "[:"; false when it is none. */
static bool posix_class(struct scan *s)
{
    size_t len = 2;
    while (is_letter(peek(s, len)) || peek(s, len) == '^')
        len++;
    if (peek(s, len) != ':' || peek(s, len + 1) != ']')
        return false;
    copy(s, len + 2);
    return true;
}

/* A class, at its opening bracket. */
static void class(struct scan *s)
{
    copy(s, peek(s, 1) == '^' ? 2 : 1);
    for (bool first = true; !s->what; first = false) {
        if (s->at >= s->in.len) {
            s->what = "a class [ has no end";
        } else if (peek(s, 0) == ']' && !first) {
            copy(s, 1);
            break;
        } else if (peek(s, 0) == '\\') {
            escape(s, true);
        } else if (peek(s, 0) == '[') {
            if (peek(s, 1) == ':' && posix_class(s))
                continue;
            buffer_add_string(s->out, "\\[");
            s->at++;
        } else if (peek(s, 0) == ']') {
            buffer_add_string(s->out, "\\]");
            s->at++;
        } else {
            copy(s, 1);
        }
    }
    s->repeatable = true;
}

/* The flags of (?flags) or (?flags:, at the first of them. */
static void flags(struct scan *s, size_t from)
{
    size_t len = from;
    while (peek(s, len) && strchr("imsU-", peek(s, len)))
        len++;
    if (peek(s, len) != ':' && peek(s, len) != ')') {
        s->what = "unknown group (?…); look-around and the like are not supported";
        return;
    }
    bool group = peek(s, len) == ':';
    copy(s, len + 1);
    s->open += group;
    s->repeatable = false;
}

static void group(struct scan *s)
{
    size_t len = 1;
    if (peek(s, 1) == '*') {
        s->what = "nothing to repeat before *";
        return;
    }
    if (peek(s, 1) == '?') {
        len = peek(s, 2) == 'P' ? 3 : 2;
        if (peek(s, len) != '<' || peek(s, len + 1) == '=' || peek(s, len + 1) == '!') {
            flags(s, 2);
            return;
        }
        for (len++; is_letter(peek(s, len)) || is_digit(peek(s, len)) || peek(s, len) == '_';)
            len++;
        if (peek(s, len++) != '>') {
            s->what = "bad name of a group";
            return;
        }
        /* Names say nothing about whether something matches. */
        buffer_add_string(s->out, "(?:");
        s->at += len;
    } else {
        copy(s, 1);
    }
    s->open++;
    s->repeatable = false;
}

/* The length of {n}, {n,} or {n,m} at the brace; 0 when it is literal text. */
static size_t counted_repeat(struct scan *s)
{
    size_t len = 1;
    unsigned long bounds[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        size_t digits = len;
        for (; is_digit(peek(s, len)); len++) {
            if (bounds[i] <= REGEX_REPEAT_MAX)
                bounds[i] = bounds[i] * 10 + (unsigned long)(peek(s, len) - '0');
        }
        if (i == 0 && digits == len)
            return 0;
        if (i == 1 || peek(s, len) != ',')
            break;
        len++;
    }
    if (peek(s, len) != '}')
        return 0;
    if (bounds[0] > REGEX_REPEAT_MAX || bounds[1] > REGEX_REPEAT_MAX)
        s->what = "more than 1000 repetitions";
    return len + 1;
}

static void repeat(struct scan *s, size_t len)
{
    if (!s->repeatable) {
        s->what = "nothing to repeat";
        return;
    }
    copy(s, len);
    if (peek(s, 0) == '?')
        copy(s, 1);
    s->repeatable = false;
}

static void item(struct scan *s)
{
    char c = peek(s, 0);
    size_t counted = c == '{' ? counted_repeat(s) : 0;
    if (s->what)
        return;
    if (c == '\\') {
        escape(s, false);
    } else if (c == '[') {
        class(s);
    } else if (c == '(') {
        group(s);
    } else if (c == ')' && s->open == 0) {
        s->what = "a ) without (";
    } else if (c == '*' || c == '+' || c == '?' || counted) {
        repeat(s, counted ? counted : 1);
    } else if (c == '{') {
        buffer_add_string(s->out, "\\{");
        s->at++;
        s->repeatable = true;
    } else {
        s->open -= c == ')';
        s->repeatable = c != '|';
        copy(s, 1);
    }
}

const char *regex_translate(struct text pattern, struct buffer *ret_pattern)
{
    struct scan s = {.in = pattern, .out = ret_pattern};
    while (s.at < s.in.len && !s.what)
        item(&s);
    if (!s.what && s.open)
        s.what = "a ( has no end";
    return s.what;
}
