/* SPDX-License-Identifier: Apache-2.0 */
/* A view of bytes somebody else owns: the way documents, names and paths are passed about.
 * Not NUL-terminated unless the giver says so. `data` NULL means "no text" (null), which is not
 * the same as a text of length 0. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct text {
    const char *data; /* NULL: no text */
    size_t len;       /* bytes */
};

#define TEXT(literal) ((struct text){"" literal, sizeof(literal) - 1})
#define TEXT_NONE     ((struct text){NULL, 0})
/* For printf("%.*s", TEXT_ARG(t)). */
#define TEXT_ARG(t) (int)(t).len, text_data(t)

/* The bytes; of no text an empty string. */
static inline const char *text_data(struct text text)
{
    return text.data ? text.data : "";
}

static inline struct text text_of(const char *string)
{
    return (struct text){string, string ? strlen(string) : 0};
}

static inline bool text_equal(struct text a, struct text b)
{
    return a.len == b.len && !a.data == !b.data && (a.len == 0 || !memcmp(a.data, b.data, a.len));
}

/* Byte order, shorter first when one is the other's beginning: <0, 0, >0. */
static inline int text_compare(struct text a, struct text b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared ? memcmp(a.data, b.data, shared) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

#endif
