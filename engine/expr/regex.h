/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions in RE2's syntax, matched by PCRE2 (private to engine/expr; the only user of
 * that library). No look-around, no back-references, nothing possessive, recursive or conditional:
 * what PCRE2 has beyond RE2 is refused, what it means differently is rewritten. Steps are counted,
 * so that a pattern that explodes ends at the cost limit. */
#ifndef ENGINE_EXPR_REGEX_H
#define ENGINE_EXPR_REGEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/text.h"

#define REGEX_PATTERN_MAX_BYTES 4096
#define REGEX_REPEAT_MAX        1000 /* as RE2 */
#define REGEX_MATCH_COST        16   /* what starting a match is charged with */

struct regex;

/* Compiles into `arena`. Returns 0, or ERR_REFUSED with what is wrong in `ret_what`. */
int regex_compile(struct arena *arena, struct text pattern, struct regex **ret_regex,
                  char *ret_what, size_t what_size);

/* Bytes the compiled pattern takes: counted repetitions make it longer than its text. */
size_t regex_size(const struct regex *regex);

/* Whether `subject` (UTF-8) has a match anywhere. Takes at most `*steps` steps and leaves what
 * remains of them. Returns 0, ERR_COST when they did not suffice, or ERR_REFUSED. */
int regex_match(const struct regex *regex, struct text subject, uint64_t *steps, bool *ret_match);

/* Rewrites RE2 syntax to PCRE2's (regex_syntax.c). Returns NULL, or what is wrong. */
const char *regex_translate(struct text pattern, struct buffer *ret_pattern);

#endif
