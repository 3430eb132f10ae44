/* SPDX-License-Identifier: Apache-2.0 */
/* Reads JSON (RFC 8259) without changing a byte of it.
 *
 * Documents travel through the system as text: a number keeps its digits, an object its order. A
 * reader that must look inside gets a tree whose leaves are views into the text; numbers stay text
 * and are interpreted by who needs them. Doubled keys are refused (with the place), so is invalid
 * UTF-8, a lone surrogate escape, and nesting beyond JSON_DEPTH_MAX. Parsing does not recurse, and
 * takes no more than n log n steps. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

#define JSON_DEPTH_MAX 512

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json {
    enum json_kind kind;
    struct text raw;    /* the value as written, a view into the source text */
    struct text string; /* JSON_STRING: unescaped (a view when nothing was escaped) */
    struct text key;    /* of a member of an object: unescaped */
    struct json *first; /* array, object: first child, in the order written */
    struct json *next;  /* next sibling */
    uint32_t count;     /* array, object: children */
};

/* Parses exactly one value with nothing but white space around it. The tree lives in `arena` and
 * looks into `text`, which must stay. On trouble returns ERR_INVALID with "line L, column C: …" in
 * `ret_error` (may be NULL). */
int json_parse(struct arena *arena, struct text text, struct json **ret_json,
               struct error *ret_error);

/* The member called `key`, or NULL; also NULL when `json` is NULL or no object. */
const struct json *json_member(const struct json *json, struct text key);

/* A number that has no fraction and no exponent and fits int64; false otherwise. */
bool json_int64(const struct json *json, int64_t *ret_value);

/* Whether two values are equal as JSON values: objects without regard to order, numbers by their
 * digits as written. Recurses as deep as the values, JSON_DEPTH_MAX at most. */
bool json_equal(const struct json *a, const struct json *b);

#endif
