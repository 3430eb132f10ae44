/* SPDX-License-Identifier: Apache-2.0 */
#include "base/deadlines.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"

void deadlines_init(struct deadlines *deadlines)
{
    *deadlines = (struct deadlines){0};
}

void deadlines_done(struct deadlines *deadlines)
{
    free(deadlines->heap);
    deadlines_init(deadlines);
}

static bool is_sooner(const struct deadline *a, const struct deadline *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void put(struct deadlines *deadlines, size_t place, struct deadline *node)
{
    deadlines->heap[place - 1] = node;
    node->place = place;
}

static void rise(struct deadlines *deadlines, struct deadline *node)
{
    size_t place = node->place;
    while (place > 1 && is_sooner(node, deadlines->heap[place / 2 - 1])) {
        put(deadlines, place, deadlines->heap[place / 2 - 1]);
        place /= 2;
    }
    put(deadlines, place, node);
}

static void sink(struct deadlines *deadlines, struct deadline *node)
{
    size_t place = node->place;
    for (;;) {
        size_t child = place * 2;
        if (child > deadlines->count)
            break;
        if (child < deadlines->count &&
            is_sooner(deadlines->heap[child], deadlines->heap[child - 1]))
            child++;
        if (!is_sooner(deadlines->heap[child - 1], node))
            break;
        put(deadlines, place, deadlines->heap[child - 1]);
        place = child;
    }
    put(deadlines, place, node);
}

void deadlines_set(struct deadlines *deadlines, struct deadline *node, int64_t due_ms)
{
    deadlines_cancel(deadlines, node);
    if (deadlines->count == deadlines->capacity) {
        deadlines->capacity = deadlines->capacity ? deadlines->capacity * 2 : 64;
        deadlines->heap = xrealloc(deadlines->heap, deadlines->capacity, sizeof deadlines->heap[0]);
    }
    node->due_ms = due_ms;
    node->order = deadlines->order++;
    deadlines->count++;
    put(deadlines, deadlines->count, node);
    rise(deadlines, node);
}

void deadlines_cancel(struct deadlines *deadlines, struct deadline *node)
{
    size_t place = node->place;
    if (place == 0)
        return;
    CHECK(place <= deadlines->count && deadlines->heap[place - 1] == node);
    struct deadline *last = deadlines->heap[deadlines->count - 1];
    deadlines->count--;
    node->place = 0;
    if (last == node)
        return;
    put(deadlines, place, last);
    rise(deadlines, last);
    sink(deadlines, last);
}

int64_t deadlines_next_ms(const struct deadlines *deadlines)
{
    return deadlines->count ? deadlines->heap[0]->due_ms : -1;
}

struct deadline *deadlines_pop(struct deadlines *deadlines, int64_t now_ms)
{
    if (deadlines->count == 0 || deadlines->heap[0]->due_ms > now_ms)
        return NULL;
    struct deadline *node = deadlines->heap[0];
    deadlines_cancel(deadlines, node);
    return node;
}
