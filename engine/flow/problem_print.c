/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/utf8.h"
#include "engine/flow/problem.h"

/* Of a long line only what surrounds the place is shown. */
#define SHOWN_MAX   120
#define SHOWN_AHEAD 60

#define BOLD   "\033[1m"
#define RED    "\033[1;31m"
#define PURPLE "\033[1;35m"
#define GREEN  "\033[1;32m"
#define PLAIN  "\033[0m"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

struct printer {
    struct buffer *out;
    bool colour;
};

static void add_coloured(const struct printer *p, const char *colour, const char *string)
{
    if (p->colour)
        buffer_add_string(p->out, colour);
    buffer_add_string(p->out, string);
    if (p->colour)
        buffer_add_string(p->out, PLAIN);
}

/* One character of a source line, made harmless for a terminal; returns its bytes. */
static size_t add_character(const struct printer *p, const char *at, size_t len)
{
    size_t bytes = utf8_sequence(at, len);
    uint32_t code;
    if (bytes == 0) {
        buffer_add_string(p->out, REPLACEMENT);
        return 1;
    }
    utf8_decode(at, bytes, &code);
    if (code == '\t')
        buffer_add_char(p->out, ' ');
    else if (code < 0x20 || (code >= 0x7F && code < 0xA0))
        buffer_add_string(p->out, REPLACEMENT);
    else
        buffer_add(p->out, at, bytes);
    return bytes;
}

/* The line from character `from` on; returns how many were shown. */
static uint32_t add_line(const struct printer *p, struct text line, uint32_t from)
{
    uint32_t number = 0;
    size_t at = 0;
    while (at < line.len && number < from + SHOWN_MAX) {
        size_t bytes;
        if (number >= from) {
            bytes = add_character(p, line.data + at, line.len - at);
        } else {
            bytes = utf8_sequence(line.data + at, line.len - at);
            bytes += bytes == 0;
        }
        at += bytes;
        number++;
    }
    if (at < line.len)
        buffer_add_string(p->out, "…");
    return number > from ? number - from : 0;
}

static void print_place(const struct printer *p, const struct flow_problem *problem,
                        struct text line)
{
    uint32_t column = problem->column - 1;
    uint32_t from = column > SHOWN_MAX - 20 ? column - SHOWN_AHEAD : 0;
    const char *ahead = from > 0 ? "…" : "";
    buffer_printf(p->out, "%5u | %s", problem->line, ahead);
    uint32_t shown = add_line(p, line, from);
    buffer_printf(p->out, "\n      | %*s", (int)(column - from + (from > 0)), "");
    uint32_t width = problem->width;
    if (column - from < shown && width > shown - (column - from))
        width = shown - (column - from);
    struct buffer caret;
    buffer_init(&caret, 0);
    buffer_add_char(&caret, '^');
    for (uint32_t i = 1; i < width; i++)
        buffer_add_char(&caret, '~');
    add_coloured(p, GREEN, caret.data);
    buffer_done(&caret);
    buffer_add_char(p->out, '\n');
}

static void print_problem(const struct printer *p, const struct flow_problem *problem,
                          const struct lines *source, const char *file)
{
    char place[64] = "";
    if (problem->line > 0)
        snprintf(place, sizeof place, ":%u:%u", problem->line, problem->column);
    if (p->colour)
        buffer_add_string(p->out, BOLD);
    buffer_printf(p->out, "%s%s:", file, place);
    if (p->colour)
        buffer_add_string(p->out, PLAIN);
    buffer_add_char(p->out, ' ');
    add_coloured(p, problem->is_warning ? PURPLE : RED, problem->is_warning ? "warning" : "error");
    buffer_printf(p->out, ": %.*s\n", TEXT_ARG(problem->message));
    if (problem->line > 0) {
        struct span span = lines_span(source, problem->line);
        print_place(p, problem,
                    (struct text){source->text.data + span.begin, span.end - span.begin});
    }
    if (problem->hint.data)
        buffer_printf(p->out, "      = hint: %.*s\n", TEXT_ARG(problem->hint));
}

void flow_problems_print(const struct flow_problems *problems, struct text source, const char *file,
                         bool colour, struct buffer *ret_text)
{
    struct printer printer = {ret_text, colour};
    struct arena arena = {0};
    struct lines lines;
    /* As in flow_compile, a leading byte order mark is no part of the first line. */
    if (source.len >= 3 && !memcmp(source.data, "\xEF\xBB\xBF", 3))
        source = (struct text){source.data + 3, source.len - 3};
    if (source.len > FLOW_TEXT_MAX_BYTES)
        source.len = FLOW_TEXT_MAX_BYTES;
    if (problems->count > 0)
        lines_init(&lines, &arena, source);
    for (size_t i = 0; i < problems->count; i++)
        print_problem(&printer, &problems->list[i], &lines, file);
    if (problems->cut)
        buffer_printf(ret_text, "%s: more problems were found; the first %zu are shown\n", file,
                      problems->count);
    arena_done(&arena);
}
