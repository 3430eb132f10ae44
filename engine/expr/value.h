/* SPDX-License-Identifier: Apache-2.0 */
/* The values an evaluation computes with (private to engine/expr).
 *
 * A value is small and copied about; what it points at lives in the evaluation's arena or in the
 * caller's JSON text. Lists and maps that come from JSON are opened only when something looks
 * inside: until then they are a view of their text, and so are their unread elements. */
#ifndef ENGINE_EXPR_VALUE_H
#define ENGINE_EXPR_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Nesting of values that are built; deeper ones are refused, so that walks may recurse. */
#define VALUE_DEPTH_MAX 512

enum value_kind {
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_UINT,
    VALUE_DOUBLE,
    VALUE_STRING,
    VALUE_BYTES,
    VALUE_LIST,
    VALUE_MAP,
    VALUE_TYPE,
    VALUE_TIMESTAMP,
    VALUE_DURATION,
    VALUE_OPTIONAL,
    VALUE_JSON,   /* unread JSON text; stands only inside lists and maps */
    VALUE_FAILED, /* a bound variable whose value failed; using it fails */
};

struct value {
    enum value_kind kind;
    uint32_t nanos; /* timestamp: nanoseconds of the second */
    union {
        bool boolean;
        int64_t integer;  /* int; timestamp: seconds since 1970; duration: nanoseconds */
        uint64_t whole;   /* uint */
        double number;    /* double */
        struct text text; /* string (UTF-8), bytes, JSON */
        struct list *list;
        struct map *map;
        enum value_kind type;      /* type */
        const struct value *inner; /* optional: NULL when there is none */
        const void *failure;       /* failed: its struct expr_error */
    };
};

struct list {
    struct value *items; /* NULL while unread */
    size_t count;        /* of items */
    struct text raw;     /* the JSON text it comes from; no text when it was computed */
    bool open;           /* items are there */
    unsigned depth;      /* nesting of what was computed; 1 for a list of scalars or JSON */
};

struct entry {
    struct value key; /* bool, int, uint or string */
    struct value value;
};

struct map {
    struct entry *entries; /* in the order written */
    size_t count;
    struct text raw; /* as for a list */
    bool open;
    unsigned depth;
    unsigned asked;    /* members looked up while unread: a map that is asked often is opened */
    uint32_t *index;   /* hash table of entry numbers + 1, once the map is large and asked */
    size_t index_size; /* a power of two */
};

static inline struct value value_null(void)
{
    return (struct value){.kind = VALUE_NULL};
}
static inline struct value value_bool(bool b)
{
    return (struct value){.kind = VALUE_BOOL, .boolean = b};
}
static inline struct value value_int(int64_t i)
{
    return (struct value){.kind = VALUE_INT, .integer = i};
}
static inline struct value value_uint(uint64_t u)
{
    return (struct value){.kind = VALUE_UINT, .whole = u};
}
static inline struct value value_double(double d)
{
    return (struct value){.kind = VALUE_DOUBLE, .number = d};
}
static inline struct value value_string(struct text text)
{
    return (struct value){.kind = VALUE_STRING, .text = text};
}
static inline struct value value_bytes(struct text text)
{
    return (struct value){.kind = VALUE_BYTES, .text = text};
}
static inline struct value value_type(enum value_kind kind)
{
    return (struct value){.kind = VALUE_TYPE, .type = kind};
}
static inline struct value value_optional(const struct value *inner)
{
    return (struct value){.kind = VALUE_OPTIONAL, .inner = inner};
}

/* The language's name of a type: "int", "null_type", "google.protobuf.Timestamp" … */
const char *value_kind_name(enum value_kind kind);
/* The type called `name`; false when there is none. */
bool value_kind_of_name(struct text name, enum value_kind *ret_kind);

#endif
