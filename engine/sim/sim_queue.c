/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/sim_queue.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"

void sim_queue_init(struct sim_queue *queue)
{
    *queue = (struct sim_queue){0};
}

void sim_queue_done(struct sim_queue *queue)
{
    free(queue->heap);
    sim_queue_init(queue);
}

static bool is_before(const struct sim_entry *a, const struct sim_entry *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void sim_queue_at(struct sim_queue *queue, int64_t at_us, void (*run)(void *object, uint64_t arg),
                  void *object, uint64_t arg)
{
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity ? queue->capacity * 2 : 256;
        queue->heap = xrealloc(queue->heap, queue->capacity, sizeof *queue->heap);
    }
    struct sim_entry entry = {at_us < queue->now_us ? queue->now_us : at_us, queue->order++, run,
                              object, arg};
    size_t place = queue->count++;
    while (place > 0) {
        size_t parent = (place - 1) / 2;
        if (!is_before(&entry, &queue->heap[parent]))
            break;
        queue->heap[place] = queue->heap[parent];
        place = parent;
    }
    queue->heap[place] = entry;
}

static struct sim_entry take_first(struct sim_queue *queue)
{
    struct sim_entry first = queue->heap[0];
    struct sim_entry last = queue->heap[--queue->count];
    size_t place = 0;
    for (;;) {
        size_t child = place * 2 + 1;
        if (child >= queue->count)
            break;
        if (child + 1 < queue->count && is_before(&queue->heap[child + 1], &queue->heap[child]))
            child++;
        if (!is_before(&queue->heap[child], &last))
            break;
        queue->heap[place] = queue->heap[child];
        place = child;
    }
    if (queue->count > 0)
        queue->heap[place] = last;
    return first;
}

bool sim_queue_step(struct sim_queue *queue, int64_t until_us)
{
    if (queue->count == 0 || queue->heap[0].at_us > until_us) {
        if (queue->now_us < until_us)
            queue->now_us = until_us;
        return false;
    }
    struct sim_entry entry = take_first(queue);
    CHECK(entry.at_us >= queue->now_us);
    queue->now_us = entry.at_us;
    queue->taken++;
    entry.run(entry.object, entry.arg);
    return true;
}
