/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/lexer.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "engine/expr/ast.h"

static int fail(struct lexer *l, size_t offset, const char *what)
{
    return expr_error_set(l->error, ERR_INVALID, offset, "%s", what);
}

static char peek(const struct lexer *l, size_t ahead)
{
    return l->at + ahead < l->source.len ? l->source.data[l->at + ahead] : 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void skip_space(struct lexer *l)
{
    for (;;) {
        char c = peek(l, 0);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            l->at++;
        } else if (c == '/' && peek(l, 1) == '/') {
            while (l->at < l->source.len && l->source.data[l->at] != '\n')
                l->at++;
        } else {
            return;
        }
    }
}

/* A string may follow after up to two of the letters b and r. */
static bool at_string(const struct lexer *l)
{
    size_t i = 0;
    while (i < 2 && peek(l, i) && strchr("bBrR", peek(l, i)))
        i++;
    return peek(l, i) == '"' || peek(l, i) == '\'';
}

static int read_whole(struct lexer *l, struct token *token, int base)
{
    const char *digits = l->source.data + token->offset + (base == 16 ? 2 : 0);
    uint64_t value = 0;
    bool overflow = false;
    for (const char *c = digits; c < l->source.data + l->at; c++) {
        int digit = is_digit(*c) ? *c - '0' : (*c | 0x20) - 'a' + 10;
        overflow |= __builtin_mul_overflow(value, (uint64_t)base, &value);
        overflow |= __builtin_add_overflow(value, (uint64_t)digit, &value);
    }
    token->kind = TOKEN_INT;
    token->whole = value;
    if (peek(l, 0) == 'u' || peek(l, 0) == 'U') {
        token->kind = TOKEN_UINT;
        l->at++;
    } else {
        overflow |= value > (uint64_t)INT64_MAX + 1;
    }
    return overflow ? fail(l, token->offset, "the number is too large for 64 bits") : 0;
}

static int read_double(struct lexer *l, struct token *token)
{
    struct text digits = {l->source.data + token->offset, l->at - token->offset};
    token->kind = TOKEN_DOUBLE;
    token->number = strtod(arena_string(l->arena, digits), NULL);
    if (token->number > 1.7976931348623157e308)
        return fail(l, token->offset, "the number is too large for a double");
    return 0;
}

static void skip_digits(struct lexer *l)
{
    while (is_digit(peek(l, 0)))
        l->at++;
}

static int read_number(struct lexer *l, struct token *token)
{
    bool fraction = false;
    int rc;
    if (peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X')) {
        l->at += 2;
        if (!is_hex(peek(l, 0)))
            return fail(l, l->at, "expected a hexadecimal digit");
        while (is_hex(peek(l, 0)))
            l->at++;
        rc = read_whole(l, token, 16);
    } else {
        skip_digits(l);
        if (peek(l, 0) == '.' && is_digit(peek(l, 1))) {
            fraction = true;
            l->at++;
            skip_digits(l);
        }
        size_t sign = peek(l, 1) == '+' || peek(l, 1) == '-';
        if ((peek(l, 0) == 'e' || peek(l, 0) == 'E') && is_digit(peek(l, 1 + sign))) {
            fraction = true;
            l->at += 1 + sign;
            skip_digits(l);
        }
        rc = fraction ? read_double(l, token) : read_whole(l, token, 10);
    }
    if (!rc && (is_letter(peek(l, 0)) || is_digit(peek(l, 0))))
        return fail(l, l->at, "a letter cannot follow a number directly");
    return rc;
}

static int read_quoted_name(struct lexer *l, struct token *token)
{
    size_t from = ++l->at;
    while (l->at < l->source.len && l->source.data[l->at] != '`' && l->source.data[l->at] != '\n')
        l->at++;
    if (peek(l, 0) != '`' || l->at == from)
        return fail(l, token->offset, "expected a name between backquotes");
    token->kind = TOKEN_NAME;
    token->quoted = true;
    token->text = (struct text){l->source.data + from, l->at - from};
    l->at++;
    return 0;
}

/* U+2018 … U+201F, in UTF-8. */
static bool begins_typographic_quote(const struct lexer *l, size_t at)
{
    struct text rest = {l->source.data + at, l->source.len - at};
    return rest.len >= 3 && memcmp(rest.data, "\xe2\x80", 2) == 0 &&
           ((unsigned char)rest.data[2] & 0xf8) == 0x98;
}

static int read_punctuation(struct lexer *l, struct token *token)
{
    static const char *const two[] = {"&&", "||", "==", "!=", "<=", ">="};
    char c = peek(l, 0);
    token->kind = TOKEN_PUNCTUATION;
    token->text = (struct text){l->source.data + l->at, 1};
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++) {
        if (c == two[i][0] && peek(l, 1) == two[i][1])
            token->text.len = 2;
    }
    if (token->text.len == 2 && c == '=' && peek(l, 2) == '=')
        return fail(l, l->at, "unknown operator ===; write ==");
    if (c == '?' && peek(l, 1) == '?')
        return fail(l, l->at, "unknown operator ??; write a.?b.orValue(c)");
    l->at += token->text.len;
    if (token->text.len == 2 || (c && strchr("?:.,()[]{}+-*/%!<>", c)))
        return 0;
    if (c == '=')
        return fail(l, token->offset, "a single = means nothing here; to compare write ==");
    if (c == '&')
        return fail(l, token->offset, "unknown operator &; write && for and");
    if (c == '|')
        return fail(l, token->offset, "unknown operator |; write || for or");
    if (begins_typographic_quote(l, token->offset))
        return fail(l, token->offset, "only ' and \" are quotes");
    if (c == '$')
        return fail(l, token->offset, "$ has no meaning inside an expression");
    return fail(l, token->offset, "unexpected character");
}

int lexer_next(struct lexer *l, struct token *token)
{
    skip_space(l);
    *token = (struct token){.kind = TOKEN_END, .offset = l->at};
    if (l->at >= l->source.len)
        return 0;
    char c = peek(l, 0);
    if (at_string(l))
        return lexer_string(l, token);
    if (is_digit(c) || (c == '.' && is_digit(peek(l, 1))))
        return read_number(l, token);
    if (c == '`')
        return read_quoted_name(l, token);
    if (!is_letter(c))
        return read_punctuation(l, token);
    while (is_letter(peek(l, 0)) || is_digit(peek(l, 0)))
        l->at++;
    token->kind = TOKEN_NAME;
    token->text = (struct text){l->source.data + token->offset, l->at - token->offset};
    return 0;
}
