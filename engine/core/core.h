/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's judgement, as one pure state machine: events in, effects out.
 *
 * Knows sessions, leases, shards, claims, jobs and flows. Refuses to know sockets, clocks, files,
 * processes and randomness of its own: time comes in the event, the seed in the options. Nothing
 * here waits, logs or fails. The same seed and the same events give the same effects, byte for
 * byte; the simulator, the tests and the daemon drive the very same code.
 *
 * Rules (docs/invariants.md):
 *   Save before act. What the world can see of a step waits until the save it depends on is
 *   durable. One save in flight per job; what changes meanwhile joins the next.
 *   Every save is conditional on (epoch, claim, save_no). Outcome unknown: the identical save
 * again. Doubt is a state. After T/2 without proof of life nothing new starts; by 2T/3 the steps
 * are killed and the session is given up, whether or not anybody says it is lost. */
#ifndef ENGINE_CORE_CORE_H
#define ENGINE_CORE_CORE_H

#include "engine/core/effect.h"
#include "engine/core/event.h"

#define CORE_SLOTS_DEFAULT     1000
#define CORE_WINDOW_DEFAULT    200   /* cards a shard holds at the most by dealing */
#define CORE_GRACE_DEFAULT_MS  10000 /* for orders: timeout, drain */
#define CORE_JOB_BYTES_DEFAULT (256u << 20)
#define CORE_LINES_DEFAULT     400 /* a save stays small */

struct core_options {
    struct text engine;      /* its name */
    const struct text *tags; /* it has */
    size_t tag_count;
    unsigned shard_count;
    int slots;                /* jobs held at once */
    int processes;            /* steps run at once */
    int window;               /* READY cards per shard */
    int64_t grace_ms;         /* between SIGTERM and SIGKILL, and for steps to end when draining */
    size_t payload_max_bytes; /* of one result */
    size_t job_max_bytes;     /* of all a job's documents */
    size_t lines;             /* of history in one save: what is left goes on with the next one */
    uint64_t seed;
};

struct core;

/* Copies the options. */
struct core *core_new(const struct core_options *options);
void core_free(struct core *core);

/* Takes one event and says what is to be done. `ret_effects` is valid until the next call. */
void core_step(struct core *core, const struct core_event *event, struct effect_list *ret_effects);

/* When EVENT_TICK is wanted at the latest, -1: never. */
int64_t core_deadline_ms(const struct core *core);

/* Slots free now, for the board to show. */
int core_free_slots(const struct core *core);
bool core_is_draining(const struct core *core);

/* What happened so far; for metrics, tests and the simulator's report. */
struct core_counts {
    uint64_t claims, takeovers, finished, released, dropped;
    uint64_t locks_taken; /* a lock was another's */
    uint64_t claims_changed, claims_busy, claims_unknown;
    uint64_t saves, saves_already, saves_refused, saves_busy, saves_unknown, saves_bad, saves_inbox;
    uint64_t reruns; /* applied */
    uint64_t steps_started, steps_ended, steps_killed;
    uint64_t leases_doubted, sessions_given_up;
    uint64_t placed, removed, stale_events;
    uint64_t audit_lost, audit_found; /* held but not ours; ours but not held */
};
const struct core_counts *core_counted(const struct core *core);

/* For the simulator's checks: the jobs held now, in no order. Returns how many of them there are.
 */
struct core_held {
    struct uuid job;
    struct uuid claim;
    int64_t epoch;
    int steps; /* processes believed to run */
};
size_t core_held_jobs(const struct core *core, struct core_held *ret_held, size_t max);

#endif
