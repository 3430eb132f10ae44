/* SPDX-License-Identifier: Apache-2.0 */
/* The tree an expression is compiled to (private to engine/expr). Immutable; its depth is at most
 * EXPR_DEPTH_MAX, so that the evaluator may recurse. Chains of one operator level are one node. */
#ifndef ENGINE_EXPR_AST_H
#define ENGINE_EXPR_AST_H

#include "engine/expr/expr.h"
#include "engine/expr/value.h"

struct function;
struct regex;

enum node_kind {
    NODE_LITERAL,
    NODE_PATH,   /* names from a free root */
    NODE_LOCAL,  /* a variable bound by a macro */
    NODE_SELECT, /* a.name, a.?name */
    NODE_INDEX,  /* a[i], a[?i] */
    NODE_HAS,    /* has(a.name); the argument is a SELECT or a PATH of two names or more */
    NODE_CALL,
    NODE_UNKNOWN_CALL, /* no such function: fails when evaluated */
    NODE_NOT,
    NODE_NEGATE,
    NODE_AND,        /* args */
    NODE_OR,         /* args */
    NODE_TERNARY,    /* args: condition, then, else */
    NODE_ARITHMETIC, /* args with ops between, from the left */
    NODE_COMPARE,    /* args: left, right */
    NODE_IN,         /* args: element, container */
    NODE_LIST,       /* args */
    NODE_MAP,        /* args: key, value, key, value … */
    NODE_LOOP,       /* all exists exists_one map filter transform… */
    NODE_BIND,       /* cel.bind, optMap, optFlatMap */
};

enum compare_op { COMPARE_EQ, COMPARE_NE, COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE };

enum macro {
    MACRO_ALL,
    MACRO_EXISTS,
    MACRO_EXISTS_ONE,
    MACRO_MAP,
    MACRO_FILTER,
    MACRO_TRANSFORM_LIST,
    MACRO_TRANSFORM_MAP,
    MACRO_TRANSFORM_MAP_ENTRY,
    MACRO_BIND,
    MACRO_OPT_MAP,
    MACRO_OPT_FLAT_MAP,
};

struct node {
    enum node_kind kind;
    uint32_t offset; /* in the source, for messages */
    uint32_t depth;  /* of the tree below, itself included */
    bool optional;   /* SELECT, INDEX: with `?` */
    union {
        struct value literal;
        struct {
            struct text *names;
            size_t count;
            size_t capacity;
            size_t slot; /* where an evaluation keeps what it found */
        } path;
        size_t local; /* LOCAL: its slot */
        struct {
            const struct node *operand;
            struct text name;
        } select;
        struct {
            const struct node **args; /* CALL: the target of a method first */
            size_t count;
            union {
                const struct function *function; /* CALL */
                struct text name;                /* UNKNOWN_CALL */
                char *ops;                       /* ARITHMETIC: '+' '-' '*' '/' '%', one fewer */
                enum compare_op compare;         /* COMPARE */
                bool *wraps;                     /* LIST: per element, MAP: per pair: with `?` */
            };
            uint32_t *offsets;         /* ARITHMETIC: of the operators */
            const struct regex *regex; /* CALL of matches with a constant pattern */
        } call;
        struct {
            enum macro macro;
            const struct node *range;  /* what is looped over; BIND: the value */
            const struct node *filter; /* NULL: none */
            const struct node *body;
            size_t locals[2]; /* slots of the variables */
            bool two;         /* two variables: key or index, and value */
        } macro;
    };
};

struct expr {
    const struct node *root;
    struct node **paths; /* all PATH nodes in source order */
    size_t path_count;
    size_t path_capacity;
    size_t slot_count;  /* of path results */
    size_t local_count; /* slots of macro variables */
};

/* Compiles without refusing unknown functions and wrong argument counts, which then fail when they
 * are evaluated (the published conformance cases ask for that). */
int expr_compile_lenient(struct arena *arena, struct text source, struct expr **ret_expr,
                         struct expr_error *ret_error);

/* Sets code, offset and text; returns the code. */
int expr_error_set(struct expr_error *error, int code, size_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
