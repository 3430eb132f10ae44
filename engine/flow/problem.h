/* SPDX-License-Identifier: Apache-2.0 */
/* Collects what is wrong with a flow file while it is read, and knows where in the text a byte
 * stands.
 *
 * Everything inside the compiler speaks of places as bytes of the source; lines and columns are
 * made here, once per problem. Columns count characters, so that a caret stands under the thing. */
#ifndef ENGINE_FLOW_PROBLEM_H
#define ENGINE_FLOW_PROBLEM_H

#include "engine/flow/flow.h"

/* The text and where its lines begin. */
struct lines {
    struct text text;
    const uint32_t *line_begins; /* ascending; the first is 0 */
    uint32_t line_count;         /* >= 1 */
};

/* A stretch of the source. */
struct span {
    uint32_t begin, end; /* bytes; begin == end points between two characters */
};

/* The file as a whole. */
#define SPAN_FILE ((struct span){UINT32_MAX, UINT32_MAX})

void lines_init(struct lines *source, struct arena *arena, struct text text);
/* The line, from 1, that holds the byte `at`. */
uint32_t lines_number(const struct lines *source, uint32_t at);
/* The bytes of line `line` (from 1) without its line break. */
struct span lines_span(const struct lines *source, uint32_t line);

struct report {
    const struct lines *source;
    struct flow_problems *problems; /* what is found goes here */
    size_t capacity;                /* of problems->list */
    struct flow_problem spill;      /* takes what no longer fits */
};

void report_init(struct report *report, const struct lines *source, struct flow_problems *problems);

/* Notes a problem and returns it, so that a hint can be added; never NULL. Beyond
 * FLOW_PROBLEMS_MAX it is counted but not listed. */
struct flow_problem *report_error(struct report *report, struct span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct flow_problem *report_warning(struct report *report, struct span span, const char *format,
                                    ...) __attribute__((format(printf, 3, 4)));
/* Whether a hint would be kept: for hints that take a search. */
static inline bool report_takes_hint(const struct report *report,
                                     const struct flow_problem *problem)
{
    return problem != &report->spill;
}
/* Sets what to do instead. */
void report_hint(struct report *report, struct flow_problem *problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether further errors would not be listed. */
static inline bool report_is_full(const struct report *report)
{
    return report->problems->cut && report->problems->count >= FLOW_PROBLEMS_MAX;
}

/* Puts the problems in the order of their places. */
void report_sort(struct report *report);

#endif
