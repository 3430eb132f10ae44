/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the evaluator share (private to engine/expr).
 *
 * A function returns 0, or a code with the evaluation's error filled. ERR_REFUSED is a failure
 * that && || ?: all() and exists() may absorb; ERR_COST and ERR_TOO_LARGE end the evaluation.
 * Everything that loops over data charges for it first, and memory comes from eval_alloc only. */
#ifndef ENGINE_EXPR_EVAL_H
#define ENGINE_EXPR_EVAL_H

#include "engine/expr/ast.h"
#include "engine/expr/expr.h"
#include "engine/expr/value.h"

struct eval {
    struct arena *arena;
    const struct expr_scope *scope;
    /* Instead of scope->find, for tests with typed values: 0 names consumed means unknown. */
    size_t (*find_value)(void *context, const struct text *names, size_t count,
                         struct value *ret_value);
    void *find_context;
    uint64_t cost_left;
    size_t bytes_left;
    struct value *locals;     /* of macro variables */
    struct value *found;      /* of paths, by slot; VALUE_JSON: not asked yet */
    size_t offset;            /* of the node at work, for messages */
    struct expr_error *error; /* never NULL */
};

/* Fails at the node at work. Returns the code. */
int eval_fail(struct eval *eval, const char *format, ...) __attribute__((format(printf, 2, 3)));
int eval_fail_code(struct eval *eval, int code, const char *text);
/* "no … for int and string" */
int eval_fail_types(struct eval *eval, const char *what, const struct value *args, size_t count);

int eval_charge_slow(struct eval *eval);
/* Takes `units` from the budget. */
static inline int eval_charge(struct eval *eval, uint64_t units)
{
    if (eval->cost_left < units)
        return eval_charge_slow(eval);
    eval->cost_left -= units;
    return 0;
}
/* For work over `bytes`: looking (fast loops) or building and comparing. */
static inline int eval_charge_scan(struct eval *eval, size_t bytes)
{
    return eval_charge(eval, bytes / 256);
}
static inline int eval_charge_bytes(struct eval *eval, size_t bytes)
{
    return eval_charge(eval, bytes / 32);
}
/* Zeroed memory; NULL with ERR_TOO_LARGE beyond the limit. */
void *eval_alloc(struct eval *eval, size_t count, size_t bytes);
/* Counts bytes that were taken from the arena by others. */
int eval_account(struct eval *eval, size_t bytes);
/* Room for a text to write; NULL as above. */
char *eval_alloc_text(struct eval *eval, size_t len);
/* Copies what a buffer holds into the evaluation and frees the buffer. */
int eval_take_buffer(struct eval *eval, struct buffer *buffer, struct text *ret_text);

/* eval.c */
int eval_node(struct eval *eval, const struct node *node, struct value *ret);
int eval_args(struct eval *eval, const struct node *node, struct value *ret_args);
/* Prepares and runs an expression; the value lives in eval->arena. */
int eval_run(struct eval *eval, const struct expr *expr, struct value *ret);
int eval_prepare(struct eval *eval, const struct expr *expr);

/* eval_path.c */
int eval_path(struct eval *eval, const struct node *node, struct value *ret);
int eval_select(struct eval *eval, const struct node *node, struct value *ret);
int eval_index(struct eval *eval, const struct node *node, struct value *ret);
int eval_has(struct eval *eval, const struct node *node, struct value *ret);
/* If the node is a path or a field or an element of one, finds the JSON text of its value as
 * written: 0 with text, or no text when it has to be computed. */
int eval_raw(struct eval *eval, const struct node *node, struct text *ret_raw);

/* eval_loop.c */
int eval_loop(struct eval *eval, const struct node *node, struct value *ret);
int eval_bind(struct eval *eval, const struct node *node, struct value *ret);

/* operators.c */
int eval_arithmetic(struct eval *eval, char op, const struct value *a, const struct value *b,
                    struct value *ret);
int eval_negate(struct eval *eval, struct value *value);
int eval_compare(struct eval *eval, enum compare_op op, const struct value *a,
                 const struct value *b, struct value *ret);
int eval_in(struct eval *eval, const struct value *element, const struct value *container,
            struct value *ret);
/* Equality of any two values; never fails because of their types. */
int eval_equal(struct eval *eval, const struct value *a, const struct value *b, bool *ret_equal);
/* -1 0 1, or 2 when they cannot be ordered (NaN); both are numbers. */
int number_order(const struct value *a, const struct value *b);
static inline bool value_is_number(const struct value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_UINT || v->kind == VALUE_DOUBLE;
}

/* container.c: lists and maps */
int list_open(struct eval *eval, struct list *list);
int map_open(struct eval *eval, struct map *map);
/* Element `i` (< count) of an open list; the value of entry `i` of an open map. */
int list_at(struct eval *eval, struct list *list, size_t i, struct value *ret);
int map_at(struct eval *eval, struct map *map, size_t i, struct value *ret);
/* Finds a key. The map is opened; `*ret_entry` is its number or SIZE_MAX. */
int map_find(struct eval *eval, struct map *map, const struct value *key, size_t *ret_entry);
/* The member of a map by name; for JSON without opening it. Sets `*ret_found`. */
int map_member(struct eval *eval, struct map *map, struct text name, struct value *ret,
               bool *ret_found);
/* Building. `depth` of the elements is counted by the done functions. */
int list_new(struct eval *eval, const struct value *items, size_t count, struct value *ret);
struct map_builder {
    struct map *map;
    size_t capacity;
};
int map_begin(struct eval *eval, struct map_builder *builder, size_t expected);
int map_put(struct eval *eval, struct map_builder *builder, const struct value *key,
            const struct value *value);
int map_end(struct eval *eval, struct map_builder *builder, struct value *ret);
unsigned value_depth(const struct value *value);

/* json_read.c: values from JSON text */
/* The value that the JSON text `raw` (one value, without space around) stands for. */
int json_to_value(struct eval *eval, struct text raw, struct value *ret);
/* The raw text of a member, no text when it is absent or `object` is no object. */
int json_find_member(struct eval *eval, struct text object, struct text name, struct text *ret_raw);
int json_open_list(struct eval *eval, struct list *list);
int json_open_map(struct eval *eval, struct map *map);
/* Without the space around it. */
struct text json_trim(struct text text);
/* Nesting of a JSON text. */
unsigned json_depth(struct text raw);

/* json_write.c: values to JSON text */
int value_to_json(struct eval *eval, const struct value *value, struct buffer *ret_json);
/* A number, boolean or string as plain text; anything else fails. */
int value_to_text(struct eval *eval, const struct value *value, struct buffer *ret_text);

/* number_text.c */
#define DOUBLE_TEXT_MAX  40
#define DOUBLE_TEXT_COST 16 /* what finding the digits is charged with */
/* The shortest digits that read back as the same double; `json` always shows a point or an
 * exponent. */
void double_to_text(double number, bool json, char ret_text[DOUBLE_TEXT_MAX]);
/* Reads a whole text as a double (NaN and Infinity too), an int or a uint. */
bool text_to_double(struct text text, double *ret_number);
bool text_to_int(struct text text, int64_t *ret_integer);
bool text_to_uint(struct text text, uint64_t *ret_whole);

/* convert.c: string(value), for conversions and messages */
int value_to_string(struct eval *eval, const struct value *value, struct text *ret_text);

/* time_text.c */
#define TIME_TEXT_MAX 48
#define TIMESTAMP_MIN (-INT64_C(62135596800)) /* 0001-01-01T00:00:00Z */
#define TIMESTAMP_MAX INT64_C(253402300799)   /* 9999-12-31T23:59:59Z */
bool timestamp_parse(struct text text, struct value *ret);
void timestamp_format(const struct value *timestamp, char ret_text[TIME_TEXT_MAX]);
bool duration_parse(struct text text, int64_t *ret_ns);
void duration_format_ns(int64_t duration_ns, char ret_text[TIME_TEXT_MAX]);
/* "+02:00", "-09:30", "02:00", "UTC", "Z" */
bool zone_parse(struct text text, int64_t *ret_seconds);

#endif
