/* SPDX-License-Identifier: Apache-2.0 */
/* Trouble as values: one list of codes, each with a class.
 *
 * A function that can meet trouble returns 0 or one of these negative codes and keeps the text in
 * the object that failed (or fills a `struct error`). The class says what a caller may do. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stddef.h>

enum error_class {
    CLASS_NONE,     /* success */
    CLASS_RETRY,    /* may go away by itself: try again later */
    CLASS_UNKNOWN,  /* it may have happened or not: ask or repeat identically */
    CLASS_REFUSED,  /* a rule said no: do not repeat */
    CLASS_INVALID,  /* the input is wrong: say where */
    CLASS_LIMIT,    /* beyond a named limit */
    CLASS_INTERNAL, /* the machine or a library failed */
};

/* code, class, text */
#define ERROR_LIST(X)                                                                              \
    X(ERR_UNREACHABLE, -1, CLASS_RETRY, "service unreachable")                                     \
    X(ERR_TIMEOUT, -2, CLASS_RETRY, "timed out")                                                   \
    X(ERR_UNKNOWN, -3, CLASS_UNKNOWN, "outcome unknown")                                           \
    X(ERR_BUSY, -4, CLASS_RETRY, "busy")                                                           \
    X(ERR_REFUSED, -5, CLASS_REFUSED, "refused")                                                   \
    X(ERR_EXISTS, -6, CLASS_REFUSED, "exists already")                                             \
    X(ERR_NOT_FOUND, -7, CLASS_REFUSED, "not found")                                               \
    X(ERR_WRONG_STATE, -8, CLASS_REFUSED, "not in this state")                                     \
    X(ERR_WRONG_BOARD, -9, CLASS_REFUSED, "not the same board")                                    \
    X(ERR_SCHEMA, -10, CLASS_REFUSED, "schema version does not fit")                               \
    X(ERR_INVALID, -11, CLASS_INVALID, "invalid input")                                            \
    X(ERR_AMBIGUOUS, -12, CLASS_INVALID, "ambiguous")                                              \
    X(ERR_TOO_LARGE, -13, CLASS_LIMIT, "too large")                                                \
    X(ERR_COST, -14, CLASS_LIMIT, "cost limit exceeded")                                           \
    X(ERR_SYSTEM, -15, CLASS_INTERNAL, "system error")                                             \
    X(ERR_INTERRUPTED, -16, CLASS_RETRY, "interrupted")

enum error_code {
#define X(name, value, class, text) name = value,
    ERROR_LIST(X)
#undef X
};

/* The class of `code`; 0 has CLASS_NONE; an unlisted code is CLASS_INTERNAL. */
enum error_class error_class_of(int code);

/* A short constant text for `code`. */
const char *error_text(int code);

/* A code with the text for a person. The text is cut at the end if too long, never overrun. */
struct error {
    int code;       /* 0: none */
    char text[512]; /* what is wrong, where, what was expected */
};

/* Sets code and text (printf) and returns `code`, so that one can `return error_set(…)`. */
int error_set(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text there is, once per layer. Returns the code. */
int error_wrap(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
