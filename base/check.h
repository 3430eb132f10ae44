/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that stay on in every build.
 *
 * There are two kinds of errors. A bug (a broken invariant of our own) ends the process here: a
 * crash is safe, the locks vanish with the session and a peer goes on from the last save. Trouble
 * (a service away, bad input) is a value: see error.h. Never CHECK what comes from outside. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

/* Ends the process with the place and the condition when `cond` is false. */
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            check_failed(__FILE__, __LINE__, #cond);                                               \
    } while (0)

/* A place that no path reaches. */
#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")

/* Called once before the process ends, to print what helps (the trace's tail); may be NULL. */
extern void (*check_hook)(void);

_Noreturn void check_failed(const char *file, int line, const char *what);

#endif
