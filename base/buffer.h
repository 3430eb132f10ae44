/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with an optional limit, for building texts and collecting output.
 * Beyond the limit nothing more is taken and `overflowed` stays true; what was taken remains. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct buffer {
    char *data;       /* NUL-terminated once anything was added; NULL before */
    size_t len;       /* bytes, without the NUL */
    size_t capacity;  /* bytes allocated */
    size_t max_bytes; /* 0: no limit */
    bool overflowed;  /* something did not fit */
};

void buffer_init(struct buffer *buffer, size_t max_bytes);
void buffer_done(struct buffer *buffer);
/* Empties it and keeps the memory. */
void buffer_clear(struct buffer *buffer);

void buffer_add(struct buffer *buffer, const void *data, size_t len);
void buffer_add_text(struct buffer *buffer, struct text text);
void buffer_add_string(struct buffer *buffer, const char *string);
void buffer_add_char(struct buffer *buffer, char c);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds a JSON string with its quotes. The input is UTF-8; bytes that are not become U+FFFD, and a
 * NUL is written \u0000. */
void buffer_add_json_string(struct buffer *buffer, struct text text);
/* Adds UTF-8 where every malformed sequence and every NUL became U+FFFD; returns whether anything
 * was replaced. */
bool buffer_add_clean_utf8(struct buffer *buffer, struct text text);
/* Removes `len` bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t len);

static inline struct text buffer_text(const struct buffer *buffer)
{
    return (struct text){buffer->data ? buffer->data : "", buffer->len};
}

#endif
