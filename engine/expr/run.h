/* SPDX-License-Identifier: Apache-2.0 */
/* Running an expression for its text (private to engine/expr). */
#ifndef ENGINE_EXPR_RUN_H
#define ENGINE_EXPR_RUN_H

#include "engine/expr/eval.h"

enum run_form {
    RUN_JSON, /* the value as JSON */
    RUN_TEXT, /* strings as they are, numbers and booleans as JSON, nothing else */
};

/* An evaluation with its limits set and `error` cleared. */
void run_start(struct eval *eval, struct arena *scratch, const struct expr_scope *scope,
               const struct expr_limits *limits, struct expr_error *error);

/* Appends the value; on trouble the buffer is as before. `error` is not NULL. */
int run_append(const struct expr *expr, enum run_form form, struct arena *scratch,
               const struct expr_scope *scope, const struct expr_limits *limits,
               struct buffer *ret_buffer, struct expr_error *error);

#endif
