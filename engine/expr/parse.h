/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the parser share (private to engine/expr). Each parse function returns a node,
 * or NULL with the error filled. */
#ifndef ENGINE_EXPR_PARSE_H
#define ENGINE_EXPR_PARSE_H

#include "engine/expr/ast.h"
#include "engine/expr/lexer.h"

/* A variable that a macro binds, innermost first. */
struct binding {
    struct text name;
    size_t slot;
    const struct binding *outer;
};

struct parser {
    struct arena *arena;
    struct expr *expr;
    struct lexer lexer;
    struct token token; /* the next one, not yet taken */
    const struct binding *bindings;
    struct expr_error *error;
    bool lenient;   /* unknown functions only fail when evaluated */
    unsigned depth; /* of parse_expr in itself */
};

struct node *parse_expr(struct parser *p);
struct node *parse_member(struct parser *p); /* a primary and what hangs on it */

/* Takes the current token. False on trouble. */
bool parse_advance(struct parser *p);
bool parse_at(const struct parser *p, const char *punctuation);
/* Takes the punctuation if it is there: 1, 0, or -1 on trouble. */
int parse_accept(struct parser *p, const char *punctuation);
/* Takes the punctuation or fails saying it was expected. */
bool parse_expect(struct parser *p, const char *punctuation, const char *where);
struct node *parse_fail(struct parser *p, size_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct node *parse_node(struct parser *p, enum node_kind kind, size_t offset);
/* Counts `child` into the depth of `parent`; false when that becomes too deep. */
bool parse_adopt(struct parser *p, struct node *parent, const struct node *child);

/* A growing list of children of one node. */
struct args {
    const struct node **items;
    size_t count, capacity;
};
void parse_args_add(struct parser *p, struct args *args, const struct node *node);
/* Puts the list into `node` and counts the depth. NULL when too deep. */
struct node *parse_args_done(struct parser *p, struct node *node, const struct args *args);

/* A call behind its name, at "(": `target` is NULL for f(x), else the x of x.f(). */
struct node *parse_call(struct parser *p, struct node *target, struct text name, size_t offset);
/* The macro called `name`, at "("; sets `*ret_is_macro` false and takes nothing when there is
 * none. */
struct node *parse_macro(struct parser *p, struct node *target, struct text name, size_t offset,
                         bool *ret_is_macro);

#endif
