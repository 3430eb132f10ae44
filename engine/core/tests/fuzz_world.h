/* SPDX-License-Identifier: Apache-2.0 */
/* The world of the core's fuzzer: one job's board, store and steps in memory, whose answers come
 * when and as bytes say.
 *
 * Knows what was really written; answers from that, early or late, once or twice, or with an
 * unknown outcome, applied or not. It also tells what never was: answers to nobody, ends of steps
 * that nobody started. Refuses to know what a flow means. It checks (CHECK) what the core promises
 * (docs/invariants.md) after each effect:
 *   tags are new; one save at a time; a save that applies moves states only as the tables allow;
 *   no step starts under a doubtful lease, twice under one number, or beyond the limit of
 *   processes; what is stopped runs; who leaves holds nothing and runs nothing. */
#ifndef ENGINE_CORE_TESTS_FUZZ_WORLD_H
#define ENGINE_CORE_TESTS_FUZZ_WORLD_H

#include "base/arena.h"
#include "engine/core/core.h"

#define FUZZ_PENDING    64
#define FUZZ_STEPS      64
#define FUZZ_STARTS     256
#define FUZZ_ROWS       64
#define FUZZ_PROCESSES  6
#define FUZZ_TIMEOUT_MS 9000

/* A request of the core that waits for its answer. */
struct fuzz_request {
    enum effect_kind kind;
    uint64_t tag;
    struct uuid boot; /* of the session it was made under */
    struct claim_request claim;
    struct save save; /* texts in the world's arena */
    struct pool pool;
    uint16_t shard;
    bool is_answered; /* and waits for its answer to come again */
    int done;         /* -1: not yet performed; else the enum *_outcome that the truth gave */
};

struct fuzz_step {
    uint64_t number;
    bool told; /* that it runs */
};

struct fuzz_world {
    struct arena arena;
    struct core *core;
    struct text flow_text;
    int64_t now_ms;
    int64_t proof_ms; /* of the newest write that proves the session */
    struct uuid boot; /* of the session; nil: none */
    int boots;
    bool given_up; /* the core wants the session ended */
    bool leaves;   /* it was told to */
    bool gone;     /* it left */

    struct job_row row;
    struct task_row rows[FUZZ_ROWS]; /* the first is the job's notes when its path is empty */
    size_t row_count;
    struct save last; /* applied; identity only */
    struct inbox_row inbox;

    struct fuzz_request pending[FUZZ_PENDING];
    size_t pending_count;
    struct fuzz_request answered; /* the newest one, to be answered twice */
    struct fuzz_step steps[FUZZ_STEPS];
    size_t step_count;
    uint64_t ending;               /* the step whose end is being told, 0: none */
    uint64_t started[FUZZ_STARTS]; /* numbers of the newest steps */
    size_t started_count;
    uint64_t tag_max, step_max;
    uint64_t applied; /* saves */
};

void fuzz_world_begin(struct fuzz_world *world, struct text flow_text);
void fuzz_world_end(struct fuzz_world *world);

/* Gives an event to the core and takes what it wants done. */
void fuzz_tell(struct fuzz_world *world, struct core_event *event);
/* A core like the first, after the other's sudden end. */
void fuzz_crash(struct fuzz_world *world);
void fuzz_begin_session(struct fuzz_world *world);
void fuzz_end_session(struct fuzz_world *world);

/* How a request is answered. */
enum fuzz_way {
    FUZZ_HONEST,
    FUZZ_UNKNOWN_DONE, /* performed, and nobody knows */
    FUZZ_UNKNOWN,      /* not performed, and nobody knows */
    FUZZ_BUSY,         /* not performed, and said so */
    FUZZ_AGAIN,        /* honestly, and the request stays: another answer will come */
    FUZZ_WAYS,
};
void fuzz_answer(struct fuzz_world *world, size_t number, enum fuzz_way way);
void fuzz_end_step(struct fuzz_world *world, size_t number, uint8_t how);

#endif
