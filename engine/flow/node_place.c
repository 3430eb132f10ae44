/* SPDX-License-Identifier: Apache-2.0 */
/* From a scalar's text back to the source.
 *
 * The two differ by escapes, indentation and folded line breaks. All but the escapes is white
 * space, so the n-th byte that is no white space in the one is the n-th in the other. */
#include "base/check.h"
#include "engine/flow/node.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static size_t utf8_bytes_of(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

static uint32_t hex_value(const char *digits, size_t count)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        char c = digits[i];
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* A piece of the source and what became of it. */
struct piece {
    uint32_t source_bytes; /* it takes in the source */
    size_t visible;        /* bytes it gives that are no white space */
};

/* `code` written as an escape of `source_bytes`. */
static struct piece escaped(uint32_t code, uint32_t source_bytes)
{
    bool blank = code < 0x80 && is_space((char)code);
    return (struct piece){source_bytes, blank ? 0 : utf8_bytes_of(code)};
}

/* The escape at `at`, where a backslash stands. */
static struct piece read_escape(const char *at, uint32_t left)
{
    size_t digits = 0;
    CHECK(left >= 2);
    switch (at[1]) {
    case 'x':
        digits = 2;
        break;
    case 'u':
        digits = 4;
        break;
    case 'U':
        digits = 8;
        break;
    case 'n':
    case 'r':
    case 't':
    case ' ':
    case '\t':
    case '\n':
    case '\r':
        return (struct piece){2, 0};
    case 'N':
    case '_':
        return (struct piece){2, 2};
    case 'L':
    case 'P':
        return (struct piece){2, 3};
    default:
        return (struct piece){2, 1};
    }
    CHECK(left >= 2 + digits);
    uint32_t code = hex_value(at + 2, digits);
    /* JSON's pairs: two escapes, one character of four bytes. Half of one is no JSON. */
    if (digits == 4 && (code & 0xFC00) == 0xD800)
        return (struct piece){12, 4};
    return escaped(code, 2 + (uint32_t)digits);
}

static struct piece read_piece(const struct node *scalar, const char *at, uint32_t left)
{
    if (scalar->style == NODE_DOUBLE && *at == '\\')
        return read_escape(at, left);
    if (scalar->style == NODE_SINGLE && *at == '\'')
        return (struct piece){2, 1};
    return (struct piece){1, !is_space(*at)};
}

/* The part of the source that holds the text, without quotes or a block's head line. */
static struct span content_of(const struct lines *source, const struct node *scalar)
{
    struct span span = scalar->span;
    if (scalar->style == NODE_SINGLE || scalar->style == NODE_DOUBLE) {
        span.begin++;
        span.end--;
    } else if (scalar->style == NODE_BLOCK) {
        while (span.begin < span.end && !is_line_end(source->text.data[span.begin]))
            span.begin++;
    }
    return span;
}

static size_t count_visible(struct text text, size_t end)
{
    size_t count = 0;
    CHECK(end <= text.len);
    for (size_t i = 0; i < end; i++)
        count += !is_space(text.data[i]);
    return count;
}

/* Where the visible byte number `number` (from 0) stands, or the end. */
static uint32_t find_visible(const struct lines *source, const struct node *scalar,
                             struct span content, size_t number)
{
    uint32_t at = content.begin;
    size_t seen = 0;
    while (at < content.end) {
        struct piece piece = read_piece(scalar, source->text.data + at, content.end - at);
        if (seen + piece.visible > number)
            break;
        seen += piece.visible;
        at += piece.source_bytes;
    }
    return at;
}

struct span node_text_span(const struct lines *source, const struct node *scalar, size_t begin,
                           size_t end)
{
    CHECK(begin <= end && scalar->span.end <= source->text.len);
    struct span content = content_of(source, scalar);
    size_t first = count_visible(scalar->text, begin);
    size_t last = count_visible(scalar->text, end);
    /* Behind the last visible byte before it, not at the next one, which may be lines away. */
    bool at_end = count_visible(scalar->text, scalar->text.len) == first;
    uint32_t from = at_end && first > 0 ? find_visible(source, scalar, content, first - 1) + 1
                                        : find_visible(source, scalar, content, first);
    uint32_t to = last > first ? find_visible(source, scalar, content, last - 1) + 1 : from;
    return (struct span){from, to > from ? to : from};
}
