/* SPDX-License-Identifier: Apache-2.0 */
/* The expression language: CEL over JSON values, pure and bounded.
 *
 * Knows the language and JSON text. Refuses to know flows, tasks, time and files: what a root name
 * means is asked from the caller. Nothing here waits, allocates without a bound, or has state that
 * outlives a call; the same source and the same inputs give the same bytes. Every evaluation ends:
 * each operation is charged, and beyond `cost_max` it fails with ERR_COST.
 *
 * A compiled expression is immutable, lives in the arena it was compiled into and may be evaluated
 * any number of times. */
#ifndef ENGINE_EXPR_EXPR_H
#define ENGINE_EXPR_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

#define EXPR_SOURCE_MAX_BYTES (64 * 1024)
#define EXPR_DEPTH_MAX        250         /* nesting of the source */
#define EXPR_COST_MAX         1000000     /* default cost limit of one evaluation */
#define EXPR_VALUE_MAX_BYTES  (32u << 20) /* what one evaluation may build */

struct expr;

/* Where in the source something is wrong. */
struct expr_error {
    int code; /* 0, ERR_INVALID (compile), ERR_REFUSED (evaluation failed), ERR_COST, ERR_TOO_LARGE
               */
    size_t offset;  /* bytes from the start of the source */
    char text[256]; /* what, and what was expected */
};

/* Compiles `source`, which is copied. On trouble returns ERR_INVALID or ERR_TOO_LARGE and fills
 * `ret_error` (may be NULL, here and below). Unknown functions, wrong numbers of arguments and
 * constant patterns of matches() that are none are refused here. Names that are not declared are
 * not: see expr_each_path. */
int expr_compile(struct arena *arena, struct text source, struct expr **ret_expr,
                 struct expr_error *ret_error);

/* A chain of static field names that starts at a free root name: `tasks.a.result.x` or
 * `tasks["a"].result` is {tasks, a, result, x}. It stops before a computed index or a call. */
struct expr_path {
    const struct text *names; /* names[0] is the root */
    size_t count;             /* >= 1 */
    size_t offset;            /* of the root, in the source */
};

/* Calls `visit` for every free root name's longest static chain, in source order, so that a caller
 * can refuse unknown names and find what an expression depends on. Variables bound by macros
 * (`all`, `map`, `bind` …) are not free. */
void expr_each_path(const struct expr *expr,
                    void (*visit)(void *context, const struct expr_path *path), void *context);

/* True when the whole expression is one static path (so that it is copied as text, not computed);
 * fills `ret_path`. */
bool expr_is_pure_path(const struct expr *expr, struct expr_path *ret_path);

/* What roots mean. A path is resolved from the left: the caller is asked for the longest prefix it
 * knows as one JSON document. */
struct expr_scope {
    void *context;
    /* Finds the document for the first names of a path. Returns how many names it consumed (0: the
     * name is unknown, an error at run time) and sets `ret_json` to JSON text that stays valid
     * during the evaluation (an absent value is the text `null`). `names` holds the whole static
     * chain: for {tasks, a, result, x} a caller that keeps results singly answers 3. A caller asked
     * with a shorter chain (`tasks` alone) may answer 1 with a whole object built for it. */
    size_t (*find)(void *context, const struct text *names, size_t count, struct text *ret_json);
};

struct expr_limits {
    uint64_t cost_max; /* 0: EXPR_COST_MAX */
    size_t bytes_max;  /* 0: EXPR_VALUE_MAX_BYTES */
};

/* Evaluates to JSON text, appended to `ret_json`, as DESIGN 12 turns CEL into JSON; on trouble the
 * buffer is as before. `scratch` takes the values (reset or free it afterwards); `scope` may be
 * NULL (no name is known) and `limits` too. A pure path copies its text, and so does an element
 * or field of one (`a.b[0].c`). */
int expr_eval(const struct expr *expr, struct arena *scratch, const struct expr_scope *scope,
              const struct expr_limits *limits, struct buffer *ret_json,
              struct expr_error *ret_error);

/* Evaluates a condition: anything but true or false is a failure. */
int expr_eval_bool(const struct expr *expr, struct arena *scratch, const struct expr_scope *scope,
                   const struct expr_limits *limits, bool *ret_value, struct expr_error *ret_error);

/* ------------------------------------------------------------------------------------------------
 * Templates: a JSON value in whose strings `${ … }` stands for a value and `$${` for a literal
 * `${`. A string that is one expression alone keeps the expression's type; in a longer string
 * null, lists and objects are failures, and numbers and booleans become their JSON text. Object
 * keys are taken literally. */

struct template;

/* Compiles the JSON text `json` (which was checked to be valid; invalid text is ERR_INVALID).
 * `ret_error->offset` counts within the string value named in the error's text. */
int template_compile(struct arena *arena, struct text json, struct template **ret_template,
                     struct expr_error *ret_error);

/* Compiles a plain string (not JSON-quoted), for places where only text may stand. */
int template_compile_string(struct arena *arena, struct text string, struct template **ret_template,
                            struct expr_error *ret_error);

/* No expression in it: its value never changes. */
bool template_is_constant(const struct template *template);
/* The whole template is one expression alone; returns it, else NULL. */
const struct expr *template_alone(const struct template *template);
/* Visits the paths of all expressions; their offsets count within the string they stand in. */
void template_each_path(const struct template *template,
                        void (*visit)(void *context, const struct expr_path *path), void *context);

/* Appends the JSON value. */
int template_eval(const struct template *template, struct arena *scratch,
                  const struct expr_scope *scope, const struct expr_limits *limits,
                  struct buffer *ret_json, struct expr_error *ret_error);

/* Appends the value as plain text, for `run` arguments, `env`, paths and messages: strings
 * unquoted, numbers and booleans as JSON text; null, list and object are failures. */
int template_eval_text(const struct template *template, struct arena *scratch,
                       const struct expr_scope *scope, const struct expr_limits *limits,
                       struct buffer *ret_text, struct expr_error *ret_error);

#endif
