/* SPDX-License-Identifier: Apache-2.0 */
/* What the string functions share (private to engine/expr). */
#ifndef ENGINE_EXPR_STRING_TOOLS_H
#define ENGINE_EXPR_STRING_TOOLS_H

#include "engine/expr/eval.h"

/* Fails unless all arguments are strings. */
int need_strings(struct eval *eval, const char *what, const struct value *args, size_t count);
/* Where `what` stands at or behind byte `from`; SIZE_MAX when nowhere. */
size_t find_text(struct text text, struct text what, size_t from);
/* The byte at which code point `position` starts (the end counts); SIZE_MAX when outside. */
size_t byte_of_position(struct text text, int64_t position);
int fail_position(struct eval *eval, int64_t position);

/* format.c: `pattern` with its % clauses filled from the list. */
int format_text(struct eval *eval, struct text pattern, struct list *list, struct text *ret_text);

#endif
