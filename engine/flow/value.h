/* SPDX-License-Identifier: Apache-2.0 */
/* Reads values of the language's kinds: NAME, DUR, COND, N, TEXT and V. Each reports what is wrong
 * with the value, at its place, and returns false or NULL then. Expressions are compiled and the
 * names they use are noted for scope_check. */
#ifndef ENGINE_FLOW_VALUE_H
#define ENGINE_FLOW_VALUE_H

#include "engine/flow/compiler.h"

/* Where an expression stands. */
struct expr_home {
    const char *key;     /* for messages */
    unsigned roots;      /* root_bit it may use beside those that always stand */
    struct draft *draft; /* whose names it sees */
};

/* The home of what stands under `key` of a task. */
static inline struct expr_home home_of(const struct draft *draft, const char *key, unsigned roots)
{
    return (struct expr_home){key, roots | draft->roots, draft->scope};
}

/* Whether `name` is a NAME. */
bool value_is_name(struct text name);
/* Checks that `node` is a NAME; `what` ("a task name") goes into the message. */
bool value_check_name(struct compiler *c, const struct node *node, const char *what);

/* Text without expressions, kept to the letter. */
bool value_plain_text(struct compiler *c, const struct node *node, const char *key,
                      struct text *ret_text);
/* Text with expressions; numbers and booleans count as their text when `takes_scalars`. */
const struct template *value_text(struct compiler *c, const struct node *node,
                                  const struct expr_home *home, bool takes_scalars);
/* Any value, with expressions in its strings. */
const struct template *value_data(struct compiler *c, const struct node *node,
                                  const struct expr_home *home);
/* A list or an object, or one expression alone. */
const struct template *value_list(struct compiler *c, const struct node *node,
                                  const struct expr_home *home);
/* One expression alone, `${ … }`, of a node that value_is_expression. */
const struct expr *value_expression(struct compiler *c, const struct node *node,
                                    const struct expr_home *home);
/* Whether the node is text that begins with `${`. */
bool value_is_expression(const struct node *node);

const struct flow_condition *value_condition(struct compiler *c, const struct node *node,
                                             const struct expr_home *home);
/* A DUR of at least `min_ms`, or an expression. */
bool value_duration(struct compiler *c, const struct node *node, const struct expr_home *home,
                    int64_t min_ms, struct flow_amount *ret_amount);
/* A whole number from `min` to `max`, or an expression. */
bool value_count(struct compiler *c, const struct node *node, const struct expr_home *home,
                 int64_t min, int64_t max, struct flow_amount *ret_amount);
bool value_integer(struct compiler *c, const struct node *node, const char *key, int64_t min,
                   int64_t max, int64_t *ret_value);
/* A number from `min` to `max`. */
bool value_number(struct compiler *c, const struct node *node, const char *key, double min,
                  double max, double *ret_value);
/* Says of a word without quotes that it is text: `yes` for true. */
void value_hint_plain(struct compiler *c, struct flow_problem *problem, const struct node *node);
bool value_boolean(struct compiler *c, const struct node *node, const char *key, bool *ret_value);
/* One of `words`; sets its number. */
bool value_choice(struct compiler *c, const struct node *node, const char *key,
                  const char *const *words, size_t count, size_t *ret_number);

#endif
