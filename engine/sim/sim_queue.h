/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual clock and the one ordered queue of everything that will happen.
 *
 * Knows times in microseconds and calls. Time only moves when the next call is taken; ties come in
 * the order they were asked for, so that a run can be repeated. Calls are never taken back: who may
 * not want one any more looks at its own state when it comes. */
#ifndef ENGINE_SIM_SIM_QUEUE_H
#define ENGINE_SIM_SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_entry {
    int64_t at_us;
    uint64_t order; /* of asking, breaks ties */
    void (*run)(void *object, uint64_t arg);
    void *object;
    uint64_t arg;
};

struct sim_queue {
    struct sim_entry *heap;
    size_t count;
    size_t capacity;
    int64_t now_us;
    uint64_t order;
    uint64_t taken; /* calls made so far */
};

void sim_queue_init(struct sim_queue *queue);
void sim_queue_done(struct sim_queue *queue);
/* Asks for run(object, arg) at `at_us`, now if that has passed. */
void sim_queue_at(struct sim_queue *queue, int64_t at_us, void (*run)(void *object, uint64_t arg),
                  void *object, uint64_t arg);
/* Makes the next call that is due by `until_us`; false (and the clock at `until_us`) if none is. */
bool sim_queue_step(struct sim_queue *queue, int64_t until_us);

#endif
