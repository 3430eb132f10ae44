/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: pumps sources with libev. The only user of ev.h.
 *
 * One round: wait until a source is ready or the soonest deadline passes, let what is ready
 * process, then call `turn` until it has nothing more to do, asking every source for its interest
 * in between; libraries change descriptors and queue results whenever they are asked. */
#ifndef ENGINE_LOOP_H
#define ENGINE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/os/source.h"

#define LOOP_SOURCES_MAX 16

struct loop;

struct loop_user {
    void *context;
    /* Does what there is to do now; true when it did something (it is then called again). */
    bool (*turn)(void *context, int64_t now_ms);
    /* When turn is wanted anyway; -1: never. */
    int64_t (*deadline_ms)(void *context);
};

struct loop *loop_new(const struct loop_user *user);
void loop_free(struct loop *loop);
void loop_add(struct loop *loop, const struct source *sources, size_t count);
/* Runs until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* What held the loop up. */
struct loop_hold {
    int64_t ms;
    const char *in; /* what took it: a source's name, or "turn" */
};

/* For the log and the tests. */
struct loop_counts {
    uint64_t rounds;          /* so far */
    struct loop_hold longest; /* of all rounds */
    struct loop_hold lately;  /* of the rounds since loop_look_anew */
};
const struct loop_counts *loop_counted(const struct loop *loop);
/* `lately` begins here. */
void loop_look_anew(struct loop *loop);

#endif
