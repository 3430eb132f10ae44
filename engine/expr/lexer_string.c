/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/lexer.h"

#include "base/utf8.h"
#include "engine/expr/ast.h"

struct literal {
    struct lexer *lexer;
    size_t at, end; /* the inside */
    bool raw, bytes;
    char *out;
    size_t len;
};

static int fail(struct literal *l, size_t offset, const char *what)
{
    return expr_error_set(l->lexer->error, ERR_INVALID, offset, "%s", what);
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* `count` digits in `base` at l->at. */
static int read_digits(struct literal *l, int count, int base, uint32_t *ret_code)
{
    uint32_t code = 0;
    for (int i = 0; i < count; i++, l->at++) {
        int digit = l->at < l->end ? digit_of(l->lexer->source.data[l->at]) : 99;
        if (digit >= base)
            return fail(l, l->at,
                        base == 8 ? "an octal escape has three digits, up to \\377"
                                  : "too few hexadecimal digits in an escape");
        code = code * (uint32_t)base + (uint32_t)digit;
    }
    *ret_code = code;
    return 0;
}

static int put_code(struct literal *l, size_t offset, uint32_t code, bool byte)
{
    if (l->bytes && byte) {
        l->out[l->len++] = (char)code;
        return 0;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return fail(l, offset, "no such Unicode character");
    l->len += utf8_encode(code, l->out + l->len);
    return 0;
}

static char simple_escape(char c)
{
    static const char from[] = "abfnrtv\\?\"'`", to[] = "\a\b\f\n\r\t\v\\?\"'`";
    const char *found = c ? strchr(from, c) : NULL;
    return found ? to[found - from] : 0;
}

/* An escape, with l->at on its backslash. */
static int read_escape(struct literal *l)
{
    size_t offset = l->at++;
    char c = l->at < l->end ? l->lexer->source.data[l->at] : 0;
    uint32_t code = 0;
    int rc;
    if (simple_escape(c)) {
        l->out[l->len++] = simple_escape(c);
        l->at++;
        return 0;
    }
    if (c >= '0' && c <= '3') {
        rc = read_digits(l, 3, 8, &code);
        return rc ? rc : put_code(l, offset, code, true);
    }
    if (c != 'x' && c != 'X' && c != 'u' && c != 'U')
        return fail(l, offset, "unknown escape in a string; write \\\\ for a backslash");
    if (l->bytes && (c == 'u' || c == 'U'))
        return fail(l, offset, "\\u and \\U cannot stand in bytes");
    l->at++;
    rc = read_digits(l, c == 'u' ? 4 : c == 'U' ? 8 : 2, 16, &code);
    return rc ? rc : put_code(l, offset, code, c == 'x' || c == 'X');
}

static int unescape(struct literal *l)
{
    const char *source = l->lexer->source.data;
    while (l->at < l->end) {
        int rc = 0;
        if (source[l->at] == '\\' && !l->raw)
            rc = read_escape(l);
        else
            l->out[l->len++] = source[l->at++];
        if (rc)
            return rc;
    }
    return 0;
}

/* Finds the closing quotes behind `from`; source.len when there are none. */
static size_t find_end(const struct literal *l, size_t from, const char *quotes, size_t quote_len)
{
    struct text source = l->lexer->source;
    for (size_t i = from; i + quote_len <= source.len; i++) {
        if (!memcmp(source.data + i, quotes, quote_len))
            return i;
        if (quote_len == 1 && (source.data[i] == '\n' || source.data[i] == '\r'))
            break;
        if (source.data[i] == '\\' && !l->raw)
            i++;
    }
    return source.len;
}

int lexer_string(struct lexer *lexer, struct token *ret_token)
{
    struct literal l = {.lexer = lexer};
    struct text source = lexer->source;
    size_t at = lexer->at;
    for (; source.data[at] != '"' && source.data[at] != '\''; at++) {
        l.raw |= source.data[at] == 'r' || source.data[at] == 'R';
        l.bytes |= source.data[at] == 'b' || source.data[at] == 'B';
    }
    const char *quotes = source.data + at;
    size_t quote_len = source.len - at >= 3 && quotes[1] == *quotes && quotes[2] == *quotes ? 3 : 1;
    l.at = at + quote_len;
    l.end = find_end(&l, l.at, quotes, quote_len);
    if (l.end == source.len)
        return fail(&l, at,
                    quote_len == 3 ? "the string has no end (three quotes)"
                                   : "the string has no end on its line");
    lexer->at = l.end + quote_len;
    /* No escape grows: the longest UTF-8 of one has 4 bytes and 10 letters, \377 has 2 and 4. */
    l.out = arena_alloc(lexer->arena, l.end - l.at + 1);
    int rc = unescape(&l);
    l.out[l.len] = 0;
    ret_token->kind = l.bytes ? TOKEN_BYTES : TOKEN_STRING;
    ret_token->text = (struct text){l.out, l.len};
    return rc;
}
