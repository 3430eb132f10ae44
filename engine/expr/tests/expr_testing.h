/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluating expressions in tests, over documents given as texts. */
#ifndef ENGINE_EXPR_TESTS_EXPR_TESTING_H
#define ENGINE_EXPR_TESTS_EXPR_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/expr/expr.h"

/* The documents: names joined by dots ("tasks.a.result") and their JSON. Ends with a NULL name. */
struct document {
    const char *name;
    const char *json;
};

struct expr_scope testing_scope(const struct document *documents);

/* Compiles and evaluates to JSON; on trouble the text is "E: message". The caller frees it. */
char *testing_eval(const char *source, const struct document *documents);
/* The value must be `expected`. */
void testing_gives(const char *source, const struct document *documents, const char *expected);
/* Must fail with a message that has `part` in it. */
void testing_fails(const char *source, const struct document *documents, int code,
                   const char *part);
/* Must not compile: the message has `part`, the place is `offset`. */
void testing_refuses(const char *source, size_t offset, const char *part);

#endif
