/* SPDX-License-Identifier: Apache-2.0 */
/* Why a job does not move, from facts. Pure. */
#ifndef CLI_WHY_H
#define CLI_WHY_H

#include "base/arena.h"
#include "storage/views.h"

/* What is known. The world may have moved since. */
struct why_facts {
    const struct view_job *job;
    int64_t now_us;         /* Postgres' clock */
    int64_t ready_ahead;    /* READY jobs of its pool before it */
    const char *board_away; /* why ZooKeeper cannot be asked; NULL: it answered */
    const struct member *members;
    size_t member_count;
};

struct why {
    const char *reason; /* a word for programs: final, running, owner_gone, on_hold, waiting,
                         * suspended, newer_format, zookeeper_away, no_engine, no_engine_with_tags,
                         * all_draining, slots_full, in_line */
    struct text text;   /* what holds it */
    struct text remedy; /* what would move it */
};

/* The texts live in `arena` (or are constant). */
void why_explain(const struct why_facts *facts, struct arena *arena, struct why *ret_why);

#endif
