/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/flow/problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/utf8.h"

/* Warnings leave room for the errors that come after them. */
#define WARNINGS_MAX (FLOW_PROBLEMS_MAX / 2)

void lines_init(struct lines *source, struct arena *arena, struct text text)
{
    uint32_t *begins = NULL;
    size_t count = 0, capacity = 0;
    begins = arena_grow(arena, begins, 0, 1, &capacity, sizeof *begins);
    begins[count++] = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool ends_line = text.data[i] == '\n' ||
                         (text.data[i] == '\r' && !(i + 1 < text.len && text.data[i + 1] == '\n'));
        if (!ends_line)
            continue;
        begins = arena_grow(arena, begins, count, count + 1, &capacity, sizeof *begins);
        begins[count++] = (uint32_t)i + 1;
    }
    *source = (struct lines){text, begins, (uint32_t)count};
}

uint32_t lines_number(const struct lines *source, uint32_t at)
{
    uint32_t low = 0, high = source->line_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (source->line_begins[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low + 1;
}

struct span lines_span(const struct lines *source, uint32_t line)
{
    CHECK(line >= 1 && line <= source->line_count);
    uint32_t begin = source->line_begins[line - 1];
    uint32_t end =
        line < source->line_count ? source->line_begins[line] : (uint32_t)source->text.len;
    while (end > begin &&
           (source->text.data[end - 1] == '\n' || source->text.data[end - 1] == '\r'))
        end--;
    return (struct span){begin, end};
}

/* Characters from `begin` to `end`; a byte that belongs to none counts as one. */
static uint32_t count_characters(struct text text, uint32_t begin, uint32_t end)
{
    uint32_t count = 0;
    for (uint32_t at = begin; at < end; count++) {
        size_t bytes = utf8_sequence(text.data + at, end - at);
        at += (uint32_t)(bytes ? bytes : 1);
    }
    return count;
}

static void set_place(struct flow_problem *problem, const struct lines *source, struct span span)
{
    problem->width = 1;
    if (span.begin == UINT32_MAX)
        return;
    CHECK(span.begin <= source->text.len);
    problem->line = lines_number(source, span.begin);
    struct span line = lines_span(source, problem->line);
    uint32_t begin = span.begin < line.end ? span.begin : line.end;
    uint32_t end = span.end < line.end ? span.end : line.end;
    problem->column = count_characters(source->text, line.begin, begin) + 1;
    if (end > begin)
        problem->width = count_characters(source->text, begin, end);
}

void report_init(struct report *report, const struct lines *source, struct flow_problems *problems)
{
    *report = (struct report){.source = source, .problems = problems};
}

static struct flow_problem *add(struct report *report, bool is_warning)
{
    struct flow_problems *problems = report->problems;
    size_t max = is_warning ? WARNINGS_MAX : FLOW_PROBLEMS_MAX;
    struct flow_problem *problem = &report->spill;
    if (problems->count < max) {
        problems->list = arena_grow(&problems->arena, problems->list, problems->count,
                                    problems->count + 1, &report->capacity, sizeof *problems->list);
        problem = &problems->list[problems->count++];
    } else {
        problems->cut = true;
    }
    problems->errors += !is_warning;
    *problem = (struct flow_problem){.is_warning = is_warning};
    return problem;
}

__attribute__((format(printf, 4, 0))) static void fill(struct report *report,
                                                       struct flow_problem *problem,
                                                       struct span span, const char *format,
                                                       va_list args)
{
    char text[1024];
    if (problem == &report->spill)
        return;
    int len = vsnprintf(text, sizeof text, format, args);
    CHECK(len >= 0);
    struct buffer clean;
    buffer_init(&clean, 0);
    buffer_add_clean_utf8(&clean, text_of(text));
    problem->message = arena_text(&report->problems->arena, buffer_text(&clean));
    buffer_done(&clean);
    set_place(problem, report->source, span);
}

struct flow_problem *report_error(struct report *report, struct span span, const char *format, ...)
{
    va_list args;
    struct flow_problem *problem = add(report, false);
    va_start(args, format);
    fill(report, problem, span, format, args);
    va_end(args);
    return problem;
}

struct flow_problem *report_warning(struct report *report, struct span span, const char *format,
                                    ...)
{
    va_list args;
    struct flow_problem *problem = add(report, true);
    va_start(args, format);
    fill(report, problem, span, format, args);
    va_end(args);
    return problem;
}

void report_hint(struct report *report, struct flow_problem *problem, const char *format, ...)
{
    char text[512];
    va_list args;
    if (!report_takes_hint(report, problem))
        return;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CHECK(len >= 0);
    problem->hint = arena_text(&report->problems->arena, text_of(text));
}

static bool stands_after(const struct flow_problem *a, const struct flow_problem *b)
{
    return a->line != b->line ? a->line > b->line : a->column > b->column;
}

void report_sort(struct report *report)
{
    struct flow_problem *list = report->problems->list;
    for (size_t i = 1; i < report->problems->count; i++) {
        struct flow_problem moved = list[i];
        size_t at = i;
        for (; at > 0 && stands_after(&list[at - 1], &moved); at--)
            list[at] = list[at - 1];
        list[at] = moved;
    }
}

void flow_problems_done(struct flow_problems *problems)
{
    arena_done(&problems->arena);
    *problems = (struct flow_problems){0};
}
