/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"

#define FIRST_BLOCK_BYTES 1024
#define MAX_BLOCK_BYTES   (256 * 1024)
/* An arena that holds so much takes huge pages from then on: up to 2 MiB more than it uses. */
#define HUGE_FROM_BYTES (4 * 1024 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t size; /* bytes of data */
    size_t used;
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_done(struct arena *arena)
{
    free_blocks(arena->blocks);
    arena_init(arena);
}

void arena_reset(struct arena *arena)
{
    if (!arena->blocks)
        return;
    free_blocks(arena->blocks->next);
    arena->blocks->next = NULL;
    arena->blocks->used = 0;
    arena->used_bytes = 0;
}

static void add_block(struct arena *arena, size_t bytes)
{
    size_t size = arena->blocks ? arena->blocks->size * 2 : FIRST_BLOCK_BYTES;
    if (size > MAX_BLOCK_BYTES)
        size = MAX_BLOCK_BYTES;
    if (size < bytes)
        size = bytes;
    size_t total = sizeof(struct arena_block) + size;
    bool is_huge = arena->used_bytes + bytes >= HUGE_FROM_BYTES;
    struct arena_block *block = is_huge ? xmalloc_huge(&total) : xmalloc(total);
    block->next = arena->blocks;
    block->size = total - sizeof *block;
    block->used = 0;
    arena->blocks = block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    CHECK(bytes < (size_t)1 << 48);
    size_t rounded = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_block *block = arena->blocks;
    if (!block || block->size - block->used < rounded) {
        add_block(arena, rounded);
        block = arena->blocks;
    }
    void *p = block->data + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    return p;
}

void *arena_calloc(struct arena *arena, size_t count, size_t bytes)
{
    size_t total;
    CHECK(!__builtin_mul_overflow(count, bytes, &total));
    void *p = arena_alloc(arena, total);
    return total ? memset(p, 0, total) : p;
}

struct text arena_text(struct arena *arena, struct text text)
{
    if (!text.data)
        return TEXT_NONE;
    return (struct text){arena_string(arena, text), text.len};
}

char *arena_string(struct arena *arena, struct text text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    if (text.len)
        memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    return copy;
}

struct text arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(len >= 0);
    char *text = arena_alloc(arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (struct text){text, (size_t)len};
}

void *arena_grow(struct arena *arena, void *old, size_t used, size_t want, size_t *capacity,
                 size_t element_bytes)
{
    if (want <= *capacity)
        return old;
    size_t grown = *capacity ? *capacity * 2 : 4;
    if (grown < want)
        grown = want;
    void *fresh = arena_calloc(arena, grown, element_bytes);
    if (used)
        memcpy(fresh, old, used * element_bytes);
    *capacity = grown;
    return fresh;
}
