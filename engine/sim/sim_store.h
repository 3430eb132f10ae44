/* SPDX-License-Identifier: Apache-2.0 */
/* A Postgres that lies as Postgres may: the store at the level of storage.h, in virtual time.
 *
 * One `struct sim_store` is the server: rows, row locks, transactions. A `struct sim_store_link` is
 * one client (an engine's `struct storage`), with a work connection for what writes and loads, a
 * read connection for lists, and a side connection for statements that wait for a row. A statement
 * goes through stages:
 *
 *   sent      on its way; its connection delivers in order
 *   started   the snapshot is taken: what it merely reads is as of now
 *   locking   job rows are locked in the order of ids; one that is locked is skipped (busy) by a
 *             batch and waited for by a statement of a single job. After the wait the job row is
 *             looked at afresh (READ COMMITTED), nothing else is
 *   executing row locks are held; it may stand here for long, mid-message, while its client is
 *             frozen, until that wakes, dies, or a claim that waits ends this backend
 *   committed all its jobs at once, or none
 *   answered  or not: when the connection breaks all that is under way is told "unknown", and may
 *             still be executed
 *
 * Batching is as in storage.h: what piles up of one kind while such a statement is under way is the
 * next statement. What a batch skipped as busy is told so or sent again alone.
 *
 * Requests are the core's effects, answers its events. */
#ifndef ENGINE_SIM_SIM_STORE_H
#define ENGINE_SIM_SIM_STORE_H

#include "engine/core/effect.h"
#include "engine/sim/sim_world.h"

struct sim_store;
struct sim_store_link;
struct sim_statement;

/* ------------------------------------------------------------------------------------------ rows
 */

struct sim_history {
    int64_t at_us; /* the store's clock */
    struct history_line line;
    int64_t epoch;
};

/* A job's rows as they are committed. */
struct sim_job {
    struct job_row row;
    int64_t hold_until_us; /* the store's clock */
    int64_t changed_at_us; /* of the newest change of state */
    int64_t posted_at_us;
    enum job_state claimed_from; /* what the newest claim met */
    struct text flow_name, flow_text, flow_hash, input, key;
    struct text output, failure;
    struct task_row *tasks;
    size_t task_count, task_capacity;
    struct sim_history *history;
    size_t history_count, history_capacity;
    struct inbox_row *inbox;
    size_t inbox_count, inbox_capacity;
    struct sim_statement *locker;  /* holds the row's lock */
    struct sim_statement *waiting; /* first of those that wait for it, in order */
    uint32_t number;               /* of posting, from 0 */
    struct job_row before;         /* the row before its newest change (a mutant's) */
    struct uuid stale_claim;       /* with the tasks as they were before it (a mutant's) */
    struct task_row *stale_tasks;
    size_t stale_count;
};

struct task_row *sim_job_task(const struct sim_job *job, struct text path);

/* Who is told of every write at its commit, before it is applied. */
struct sim_store_watch {
    void *context;
    /* `epoch`: the one that the claim gets. */
    void (*claimed)(void *context, const struct sim_job *job, const struct claim_request *request,
                    int64_t epoch);
    void (*saved)(void *context, const struct sim_job *job, const struct save *save);
    /* An ended job was made to run again; `job` as it now is. */
    void (*reran)(void *context, const struct sim_job *job);
    /* A save's answer was decided; `job` as it then is, NULL: no such row. */
    void (*decided)(void *context, const struct sim_job *job, const struct save *save,
                    enum save_outcome outcome);
};

/* ---------------------------------------------------------------------------------------- server
 */

struct sim_store_options {
    struct sim_delay network; /* one way */
    struct sim_delay work;    /* executing a statement */
    int64_t clock_us;         /* the store's clock minus the world's */
    int busy_told_permille;   /* busy rows told as busy rather than sent again alone */
    int abort_permille;       /* statements that were started and break with their connection */
    int lost_permille;        /* statements lost on the way when their connection breaks */
    struct sim_store_watch watch;
};

/* Lives in the world's arena. */
struct sim_store *sim_store_new(struct sim_world *world, const struct sim_store_options *options);
/* The options may be changed while it runs. */
struct sim_store_options *sim_store_options(struct sim_store *store);

/* Posts a job: committed at once. READY, with `ready_at_us` set. */
struct sim_job *sim_store_post(struct sim_store *store, const struct job_row *row,
                               struct text flow_name, struct text flow_text, struct text input);
/* An inbox row of the job is committed at once. It waits for no lock: false if the row is locked.
 */
bool sim_store_inbox(struct sim_store *store, struct sim_job *job);
/* The same of a rerun with this data; false as well when the job is in no state out of which it may
 * run again. The card is another matter. */
bool sim_store_rerun(struct sim_store *store, struct sim_job *job, struct text data);
/* Sets hold_until so many ms from now. */
void sim_store_hold(struct sim_store *store, struct sim_job *job, int64_t hold_ms);

size_t sim_store_job_count(const struct sim_store *store);
struct sim_job *sim_store_job(const struct sim_store *store, size_t number);
struct sim_job *sim_store_find(const struct sim_store *store, const struct uuid *id);
int64_t sim_store_clock_us(const struct sim_store *store);

/* The server is killed: what is not committed is aborted, every connection breaks. */
void sim_store_down(struct sim_store *store);
void sim_store_up(struct sim_store *store);
bool sim_store_is_up(const struct sim_store *store);

/* --------------------------------------------------------------------------------------- clients
 */

/* A client that starts to connect; EVENT_STORE_UP tells when it has. */
struct sim_store_link *sim_store_connect(struct sim_store *store, struct sim_listener listener);
/* Asks for what the effect says: EFFECT_READ_ROW .. EFFECT_SAVE, EFFECT_BOOT_BEGAN,
 * EFFECT_LEASE_SEEN. It is copied. */
void sim_store_request(struct sim_store_link *link, const struct core_effect *effect);
/* The connections break and are made again after a while (at once told by EVENT_STORE_DOWN). */
void sim_store_break(struct sim_store_link *link);
/* The client is frozen: with a chance of `mid_permille` a write under way stops mid-message. */
void sim_store_freeze(struct sim_store_link *link, int mid_permille);
void sim_store_thaw(struct sim_store_link *link);
/* The client's process is gone: nothing is told any more, what was sent may still be executed. */
void sim_store_leave(struct sim_store_link *link);
/* Requests not answered yet. */
size_t sim_store_unanswered(const struct sim_store_link *link);

/* Whether a statement of the link waits for a row. */
bool sim_store_is_waiting(const struct sim_store_link *link);
/* Whether all that was asked for is carried out and merely not answered yet. */
bool sim_store_is_carried_out(const struct sim_store_link *link);

/* For tests: a stranger's transaction holds the row's lock until it lets go. */
void sim_store_block(struct sim_store *store, struct sim_job *job);
void sim_store_unblock(struct sim_store *store, struct sim_job *job);
/* For tests: the next write of the link stands still while it executes, its locks held, until
 * sim_store_thaw. */
void sim_store_hold_next(struct sim_store_link *link);

#endif
