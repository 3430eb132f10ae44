/* SPDX-License-Identifier: Apache-2.0 */
/* Due times: a binary heap of nodes that live inside what they belong to. Ties come in the order
 * they were set, so that a run can be repeated. Reads no clock. */
#ifndef BASE_DEADLINES_H
#define BASE_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline {
    int64_t due_ms;
    uint64_t order; /* of setting, breaks ties */
    size_t place;   /* in the heap, from 1; 0: not set. Zeroed memory is a node that is not set */
    int kind;       /* for the owner */
    void *owner;    /* for the owner */
};

struct deadlines {
    struct deadline **heap;
    size_t count;
    size_t capacity;
    uint64_t order;
};

void deadlines_init(struct deadlines *deadlines);
/* Nodes that are still set must not be used afterwards. */
void deadlines_done(struct deadlines *deadlines);
/* Sets or moves the node. */
void deadlines_set(struct deadlines *deadlines, struct deadline *node, int64_t due_ms);
/* No effect on a node that is not set. */
void deadlines_cancel(struct deadlines *deadlines, struct deadline *node);
static inline bool deadline_is_set(const struct deadline *node)
{
    return node->place != 0;
}
/* The soonest due time, -1 when there is none. */
int64_t deadlines_next_ms(const struct deadlines *deadlines);
/* Takes off and returns the soonest node that is due at `now_ms`, NULL when none is. */
struct deadline *deadlines_pop(struct deadlines *deadlines, int64_t now_ms);

#endif
