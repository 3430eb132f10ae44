/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the system as plain structs: what the board, the store and the engine's core tell
 * each other about jobs. No behaviour but the state tables. Everyone may include this; nobody who
 * includes it needs to know ZooKeeper or Postgres.
 *
 * Pointers and texts in these structs are views: the giver of a struct says how long they last. */
#ifndef BASE_RECORD_H
#define BASE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/machine.h"
#include "base/text.h"
#include "base/uuid.h"

/* ------------------------------------------------------------------------------------- states */

enum job_state {
    JOB_READY,       /* anyone with its tags may claim it */
    JOB_RUNNING,     /* claimed; steps run */
    JOB_REVERTING,   /* claimed; reverts run */
    JOB_WAITING,     /* parked: a due time or an inbox row wakes it */
    JOB_SUSPENDED,   /* set aside by an operator */
    JOB_SUCCESS,     /* final */
    JOB_FAILURE,     /* final; `rerun` lifts it */
    JOB_REVERTED,    /* final; `rerun` lifts it */
    JOB_CANCELLED,   /* final; `rerun` lifts it */
    JOB_QUARANTINED, /* final; `quarantine release` lifts it */
    JOB_STATES,
};

enum task_state {
    TASK_PENDING,
    TASK_RUNNING,
    TASK_WAITING,
    TASK_RETRYING, /* between attempts */
    TASK_SUCCESS,
    TASK_FAILURE,
    TASK_REVERTING,
    TASK_REVERTED,
    TASK_REVERT_FAILURE,
    TASK_SKIPPED,
    TASK_STATES,
};

extern const struct machine job_machine;
extern const struct machine task_machine;

const char *job_state_name(enum job_state state);
const char *task_state_name(enum task_state state);
bool job_state_is_final(enum job_state state);
/* READY, RUNNING, REVERTING: an engine may claim it (the last two when their owner is gone). */
bool job_state_is_claimable(enum job_state state);
bool task_state_is_final(enum task_state state);

/* ------------------------------------------------------------------------------------- limits */

#define FORMAT_NOW        1           /* of rows and cards; a higher one is left untouched */
#define PAYLOAD_MAX_BYTES (16u << 20) /* one document: input, result, output */
#define CARD_MAX_BYTES    512         /* contents of a card */
#define STDERR_MAX_BYTES  (64u << 10) /* kept per attempt, the tail */
#define PRIORITY_DEFAULT  5
#define PRIORITY_MAX      9  /* 0 is first */
#define POOL_LEN          16 /* hex digits of a pool's name; the pool without tags is "-" */
#define SHARDS_DEFAULT    64

/* ----------------------------------------------------------------------------------- the board */

/* The name of a pool: the jobs that need the same tags. */
struct pool {
    char name[POOL_LEN + 1]; /* "-" or POOL_LEN hex digits, NUL-terminated */
};

/* One placement of a job on the board. Each placement has its own name, so that a stale delete
 * never hits a newer one. */
struct card {
    struct uuid job;
    struct pool pool;
    uint16_t shard;
    uint8_t priority;
    int64_t ready_at_us; /* Postgres' clock at the move to READY, Unix epoch */
};

/* An engine as the board shows it. */
struct member {
    struct uuid boot; /* one ZooKeeper session of the engine */
    struct text name; /* of the engine; two boots under one name: the newer counts */
    struct text host;
    int32_t pid;
    int32_t supervisor_pid; /* 0: none */
    const struct text *tags;
    size_t tag_count;
    int32_t slots; /* jobs it may hold */
    int32_t free;  /* slots free now */
    bool draining; /* it was told to stop */
    bool dividing; /* it takes part in dividing the shards (stands in division/) */
};

/* What became of a request to the board. */
enum board_outcome {
    BOARD_OK,      /* done; for an unlock: the absence of the lock is proven */
    BOARD_TAKEN,   /* the lock is another's (for an unlock: ours is certainly gone) */
    BOARD_UNKNOWN, /* it may have happened: unlock until absence is proven */
    BOARD_VOID,    /* the session it was meant for has ended: its locks are gone with it */
    BOARD_REFUSED, /* never sent: too large or malformed */
};

/* ------------------------------------------------------------------------------------ the rows */

/* The narrow row of a job: what decides who may do what. */
struct job_row {
    struct uuid id;
    enum job_state state;
    int64_t epoch;         /* claim number, 0: never claimed */
    struct uuid claim;     /* of the last claim; nil: never claimed */
    struct uuid owner;     /* boot of the last claim; nil: never claimed */
    int64_t save_no;       /* saves applied so far under any claim */
    int64_t inbox_seq;     /* inbox rows received */
    int64_t inbox_applied; /* of these, applied */
    int64_t ready_at_us;   /* of the newest move to READY */
    struct pool pool;
    uint16_t shard;
    uint8_t priority;
    int32_t unclean; /* claims in a row that met it RUNNING or REVERTING and not released */
    int32_t format;
    bool on_hold;            /* hold_until has not passed: nobody else may claim it */
    bool is_recent;          /* its state changed less than 2 s ago: repairs leave it alone */
    const struct text *tags; /* of its pool; only in the answer to a late_query */
    size_t tag_count;
};

/* Asks for late work: what an engine with these tags may claim and nobody looks after. */
struct late_query {
    const struct text *tags; /* the engine has */
    size_t tag_count;
    const struct pool
        *shown; /* pools on the board, as the engine knows it; all others come first */
    size_t shown_count;
    const struct uuid *boots; /* alive */
    size_t boot_count;
    uint16_t from_shard; /* goes round from there */
    int limit;           /* rows */
};

/* A task as it was last saved. One row per task, and per item or round of it. */
struct task_row {
    struct text path; /* e.g. `deploy/canary`, `hosts/3/install` */
    enum task_state state;
    int32_t attempt;     /* 0: never started */
    struct text result;  /* JSON text, or none */
    struct text failure; /* JSON text, or none */
    struct text
        internal; /* JSON text the core keeps for itself (counters, retry values), or none */
};

/* ---------------------------------------------------------------------------------------- claim */

struct claim_request {
    struct uuid job;
    int64_t epoch_seen; /* the row's epoch when it was read */
    int64_t epoch_used; /* highest epoch this engine ever used for the job, 0: none */
    struct uuid claim;  /* fresh; the same again when the outcome was unknown */
    struct uuid owner;  /* the boot that claims */
    struct text engine; /* its name, for the history */
};

enum claim_outcome {
    CLAIM_OK,      /* it is mine under `epoch` */
    CLAIM_CHANGED, /* the row is not as it was seen (epoch, state, hold): read it again */
    CLAIM_BUSY,    /* another statement holds the row: try again soon */
    CLAIM_GONE,    /* no such row */
    CLAIM_UNKNOWN, /* send the identical request again */
};

struct claim_answer {
    enum claim_outcome outcome;
    struct job_row row;          /* CLAIM_OK: as it is now */
    enum job_state state_before; /* CLAIM_OK: READY, or RUNNING/REVERTING for a takeover */
};

/* What reached a job from outside. */
struct inbox_row {
    int64_t seq; /* its place: jobs.inbox_seq when it came */
    struct text kind;
    struct text task; /* path, or none */
    struct text data; /* JSON text, or none */
};

#define INBOX_RERUN                                                                                \
    "rerun" /* kind: an ended job shall run again; data: {"by": NAME, "from": PATH, "skip": {PATH: \
             * JSON}}, each of them or none */

/* What a claimed job needs to run. */
struct job_load {
    struct job_row row;
    struct text flow_name;
    struct text flow_text; /* the definition bound at posting, YAML or JSON */
    struct text flow_hash; /* names the text: equal hash, equal text */
    struct text input;     /* JSON object */
    struct text key;       /* idempotency key of the post, or none */
    struct text target;    /* path of the task that is wanted, or none: the whole flow */
    int64_t posted_at_us;
    int64_t now_us;               /* the store's clock at the loading; 0: not told */
    const struct task_row *tasks; /* in no order */
    size_t task_count;
    const struct inbox_row *inbox; /* those that were not applied, in their order */
    size_t inbox_count;
};

enum load_outcome {
    LOAD_OK,
    LOAD_REFUSED, /* the row does not carry this claim any more */
    LOAD_INVALID, /* rows with garbage: `error` says which */
    LOAD_UNKNOWN, /* ask again */
};

/* ----------------------------------------------------------------------------------------- save */

/* One task's row as it shall be. */
struct task_change {
    struct task_row row;
    bool begins;             /* started_at = now (and engine, epoch of this claim) */
    bool ends;               /* ended_at = now */
    struct text stderr_tail; /* of the attempt that ended, or none */
};

/* One line of the history. Its number and time are given by the store. */
struct history_line {
    struct text task;   /* path; none: the job itself */
    int32_t attempt;    /* 0 for the job */
    int state;          /* enum job_state or enum task_state */
    struct text detail; /* a few words, or none */
};

/* What one save writes. It applies only while the row carries exactly (epoch, claim, save_no),
 * and, when it ends the claim, inbox_seq. Sent again identically it never applies twice. */
struct save {
    struct uuid job;
    int64_t epoch;
    struct uuid claim;
    int64_t save_no; /* the row's save_no before this save */
    enum job_state state;
    bool ends_claim;       /* a final state, READY (release) or WAITING (park): checks inbox_seq */
    int64_t inbox_seen;    /* checked when ends_claim */
    int64_t inbox_applied; /* written */
    bool records_step;     /* a step's end is recorded: unclean = 0 */
    struct text output;    /* final SUCCESS: JSON text, or none */
    struct text failure;   /* final: JSON text, or none */
    struct text engine;    /* name, for task and history rows */
    const struct task_change *tasks;
    size_t task_count;
    const struct history_line *history;
    size_t history_count;
};

enum save_outcome {
    SAVE_OK,      /* saved */
    SAVE_ALREADY, /* my resend: the first one had applied */
    SAVE_INBOX,   /* an ending save found something new in the inbox: apply it first */
    SAVE_BUSY,    /* the row was locked: send it again */
    SAVE_REFUSED, /* the claim is not mine any more: drop the job, kill its steps, unlock */
    SAVE_BAD,     /* this job's documents cannot be stored; `error` says why */
    SAVE_UNKNOWN, /* send the identical save again */
};

struct save_answer {
    enum save_outcome outcome;
    int64_t ready_at_us; /* OK, ALREADY of a move to READY: the new placement's name */
    struct text error;   /* SAVE_BAD: for a person */
};

#endif
