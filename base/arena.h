/* SPDX-License-Identifier: Apache-2.0 */
/* A region: many small allocations that die together (a job's data, an evaluation's values).
 * Nothing is freed singly. Memory is aligned for any type. An arena starts empty and costs nothing
 * until used; `max_bytes` bounds what untrusted input can make it hold. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* sum of what was handed out */
};

/* An empty arena; `{0}` will do as well. */
void arena_init(struct arena *arena);
/* Frees everything; the arena is empty and usable again. */
void arena_done(struct arena *arena);
/* Like done, but keeps the newest block for the next use. */
void arena_reset(struct arena *arena);

/* Uninitialised and zeroed memory. Never NULL. */
void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_calloc(struct arena *arena, size_t count, size_t bytes);
/* Copies: NUL-terminated as well; the no-text stays no text. */
struct text arena_text(struct arena *arena, struct text text);
char *arena_string(struct arena *arena, struct text text);
struct text arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A growing array in an arena: returns room for at least `want` elements, copying the `used` ones
 * when it moves. `*capacity` is kept by the caller (0 at first). */
void *arena_grow(struct arena *arena, void *old, size_t used, size_t want, size_t *capacity,
                 size_t element_bytes);

#endif
