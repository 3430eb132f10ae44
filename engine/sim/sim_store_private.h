/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the fake store: statements and connections (sim_store_link.c, sim_store.c), what
 * they do to the rows (sim_store_rows.c). */
#ifndef ENGINE_SIM_SIM_STORE_PRIVATE_H
#define ENGINE_SIM_SIM_STORE_PRIVATE_H

#include "engine/sim/sim_store.h"

#define STATEMENT_ITEMS_MAX 100
#define RECONNECT_MIN_US    5000
#define RECONNECT_MAX_US    400000
#define BLOCKED_US          100000 /* a claim that waits longer ends frozen backends */

enum statement_kind { STATEMENT_CLAIM, STATEMENT_LOAD, STATEMENT_SAVE, STATEMENT_READ };
#define STATEMENT_BATCHED STATEMENT_READ /* kinds below are batched */

/* One request and its answer. */
struct sim_item {
    struct core_effect effect; /* a copy that owns what it points at */
    struct core_event answer;
    struct sim_job *job; /* claim, load, save: its row, NULL: none */
    bool is_locked;      /* this statement holds the row's lock */
    bool is_decided;     /* `answer` stands */
    bool is_alone;       /* was busy in a batch: goes by itself */
    bool fits_snapshot;  /* the condition as of the statement's start (a mutant's) */
    struct sim_item *next;
};

enum statement_stage {
    STAGE_SENT,
    STAGE_QUEUED, /* arrived, behind another of its connection */
    STAGE_LOCKING,
    STAGE_EXECUTING,
    STAGE_STUCK, /* ready to commit, but its client does not finish the message */
    STAGE_DONE,  /* committed; the answer is on its way */
    STAGE_GONE,  /* answered, lost or aborted */
};

struct sim_conn;

struct sim_statement {
    struct sim_store *store;
    struct sim_conn *conn;
    enum statement_kind kind;
    enum statement_stage stage;
    struct sim_item *items;   /* list in the order of job ids */
    struct sim_item *locking; /* the next to be locked */
    size_t count;
    bool waits;       /* for a row, in its list */
    bool mid_message; /* not to be committed for now */
    struct sim_statement *next_in_conn;
    struct sim_statement *next_waiting;
};

/* One connection, from connect to break. */
struct sim_conn {
    struct sim_store_link *link;
    bool is_open;                       /* as the client sees it */
    bool is_dead;                       /* the backend is gone */
    bool is_busy;                       /* a statement is between start and commit */
    struct sim_statement *first, *last; /* not answered, in order */
    int64_t arrival_us;                 /* of the newest message to the server */
    int64_t answer_us;                  /* of the newest message to the client */
};

enum conn_index { CONN_WORK, CONN_READ, CONN_SIDE, CONNS };

struct sim_store_link {
    struct sim_store *store;
    struct sim_listener listener;
    struct sim_conn *conns[CONNS];                /* NULL: not connected */
    struct sim_item *pending[STATEMENT_READ + 1]; /* lists, in order */
    struct sim_item *alone[STATEMENT_READ];       /* were busy: each goes by itself and waits */
    bool in_flight[STATEMENT_READ];
    bool alone_in_flight[STATEMENT_READ];
    bool is_gone;
    bool is_frozen;
    bool breaks_at_thaw; /* its backend was ended while it was frozen */
    bool hold_next;
    uint64_t tries; /* of connecting, so that an old one is known */
    size_t unanswered;
    struct sim_store_link *next;
};

struct sim_store {
    struct sim_world *world;
    struct sim_store_options options;
    struct sim_job **jobs;
    size_t job_count, job_capacity;
    uint32_t *slots; /* hash of ids: number + 1, 0: free */
    size_t slot_count;
    struct sim_store_link *links;
    struct sim_statement *stranger; /* holds locks for tests */
    bool is_up;
};

/* sim_store_rows.c: what a statement's item does. */

/* Deep copy into the arena. */
void store_copy_effect(struct arena *arena, const struct core_effect *effect,
                       struct core_effect *ret_copy);
/* At the start: looks at the snapshot for what only reads, and decides it. */
void store_start_item(struct sim_store *store, struct sim_statement *statement,
                      struct sim_item *item);
/* With the lock held (or no row): applies and decides. */
void store_apply_item(struct sim_store *store, struct sim_statement *statement,
                      struct sim_item *item);
/* Answers of what could not be known or had. */
void store_decide_unknown(struct sim_store *store, struct sim_item *item);
void store_decide_busy(struct sim_store *store, struct sim_item *item);

/* sim_store_read.c: rows for lists. */
void store_read(struct sim_store *store, struct sim_item *item);
struct job_row store_row_now(const struct sim_store *store, const struct sim_job *job);

/* sim_store_link.c */
void store_flush(struct sim_store_link *link, enum statement_kind kind);
/* The answers of a committed statement reach the client, or not. */
void store_answer(struct sim_statement *statement);
/* The client notices that its connections are broken. */
void store_link_broken(struct sim_store_link *link);

/* sim_store.c */
void store_send(struct sim_statement *statement);
void store_abort(struct sim_statement *statement);

#endif
