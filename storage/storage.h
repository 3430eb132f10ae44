/* SPDX-License-Identifier: Apache-2.0 */
/* The store: every job, every step, in Postgres. The record that decides.
 *
 * Knows rows, statements, connections and which errors mean "outcome unknown". Refuses to know
 * ZooKeeper, flows and policy.
 *
 * One `struct storage` owns a small set of connections:
 *   work   everything that writes, in order, pipelined
 *   read   what only reads (rows, repair queries, views), so that a long list never delays a save
 *   side   NOTIFY, and the claims and saves whose row is locked: they wait for it here, one after
 *          the other, so that nothing else waits with them; meanwhile work ends those who hold a
 *          lock and only wait for their client
 *
 * Requests are queued and never block. What piles up of one kind while a batch of that kind is in
 * flight is the next batch: one statement, at most BATCH_ROWS_MAX rows and BATCH_BYTES_MAX bytes. A
 * statement is acknowledged at its sync, never before. While a connection is away its requests
 * wait; those that were in flight when it broke are answered "unknown". A batch that fails for a
 * reason of one of its jobs is sent again singly, so that only the guilty job sees the failure.
 *
 * Every request carries a `tag` of the caller's that comes back in its answer. Requests are copied;
 * answers are views, valid until the next call of storage_next. Isolation is READ COMMITTED, set
 * explicitly. Postgres' clock is the cluster's clock. */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/os/source.h"
#include "base/record.h"

#define BATCH_ROWS_MAX  1000
#define BATCH_BYTES_MAX (4u << 20)
#define SCHEMA_VERSION  2 /* the newest migration this program knows */

struct storage;

struct storage_options {
    const char *conninfo;       /* libpq connection string or URI; "" or NULL: libpq's defaults */
    const char *schema;         /* one board = one schema; [a-z_][a-z0-9_]{0,39} */
    const char *application;    /* application_name, for people who look at pg_stat_activity */
    int64_t connect_timeout_ms; /* per try; libpq's own is ignored when connecting this way */
    int64_t
        answer_timeout_ms; /* a connection silent for longer with work in flight is broken off */
    uint64_t seed;         /* for the jitter of the back-off */
    int64_t blocked_ms;    /* a claim that waits longer for a row ends those who hold it and only
                              wait for their client; 0: 100 */
    bool read_only;        /* views only: no work and side connection (tools) */
};

/* ERR_INVALID for a malformed conninfo or schema name. Connects in the background. */
int storage_new(const struct storage_options *options, struct storage **ret_storage,
                struct error *ret_error);
void storage_free(struct storage *storage);

/* The connections as sources: at most STORAGE_SOURCES_MAX, always the same ones. */
#define STORAGE_SOURCES_MAX 3
size_t storage_sources(struct storage *storage, struct source ret_sources[STORAGE_SOURCES_MAX]);

/* Whether the work connection (read_only: the read connection) is good, and why not. */
bool storage_is_up(const struct storage *storage);
const char *storage_trouble(const struct storage *storage);

/* Forgets every queued request without an answer; those in flight may still apply. */
void storage_forget_queued(struct storage *storage);

/* --------------------------------------------------------------------------------------- schema */

/* Brings the schema to SCHEMA_VERSION, each step in a transaction of its own, safe when two run at
 * once (advisory lock). Blocking, with its own connection; for tools and start-up only. A newer
 * schema is ERR_SCHEMA. `ret_from`, `ret_to` tell what was done. */
int storage_migrate(const struct storage_options *options, int *ret_from, int *ret_to,
                    struct error *ret_error);

/* The row that ties a schema to a board, made by the first migration. Blocking like migrate.
 * ERR_SCHEMA when the schema is older or newer than this program, ERR_NOT_FOUND without a schema.
 */
struct board_row {
    struct uuid board; /* its uuid; the same stands in ZooKeeper */
    int32_t shard_count;
    int64_t lease_seen_age_ms; /* since an engine with a good lease wrote lease_seen; -1: never */
};
int storage_read_board(const struct storage_options *options, struct board_row *ret_board,
                       struct error *ret_error);

/* --------------------------------------------------------------------------------------- writing
 */

struct post_request {
    struct uuid id;  /* chosen before the first try; the same again after "unknown" */
    struct text key; /* idempotency key, or none */
    struct text flow_name;
    struct text flow_text;
    struct text input;  /* JSON object */
    struct text target; /* path of the task that is wanted, or none; part of the content */
    struct pool pool;
    const struct text *tags;
    size_t tag_count;
    uint16_t shard;
    uint8_t priority;
};

enum post_outcome {
    POST_OK,       /* recorded now, or already by my first try */
    POST_SAME,     /* the key was used for the same content: `id` is the first job */
    POST_CONFLICT, /* the key (or id) was used for other content: refused; `id` is the first job */
    POST_BAD,      /* cannot be stored; `error` says why */
    POST_UNKNOWN,  /* send it again identically */
};

struct post_answer {
    enum post_outcome outcome;
    struct uuid id;
    int64_t ready_at_us;  /* OK: names the card */
    enum job_state state; /* SAME: what became of it */
    struct text error;
};

/* Tells a job something from outside: a row in its inbox, in one statement with what it does to
 * the job's row. The same id gets the first answer, whatever became of the job since. */
enum inbox_kind {
    INBOX_KIND_RERUN, /* FAILURE, REVERTED, CANCELLED → READY; output and failure are cleared; a
                       * history line: `rerun by NAME from TASK skip TASK, …` as `data` says */
};

struct inbox_request {
    struct uuid job;
    struct uuid id; /* chosen before the first try; the same again after "unknown" */
    enum inbox_kind kind;
    struct text task; /* path, or none */
    struct text data; /* JSON, or none */
};

enum inbox_outcome {
    INBOX_OK,          /* recorded now */
    INBOX_SAME,        /* recorded by an earlier send of this id */
    INBOX_WRONG_STATE, /* refused: the job is in `row.state` */
    INBOX_GONE,        /* there is no such job */
    INBOX_BAD,         /* cannot be stored; `error` says why */
    INBOX_UNKNOWN,     /* send it again identically */
};

struct inbox_answer {
    enum inbox_outcome outcome;
    struct job_row row; /* OK, SAME, WRONG_STATE: as it is now; READY: `ready_at_us` names a card */
    const struct text *tags; /* OK, SAME: of its pool */
    size_t tag_count;
    struct text error;
};

void storage_post(struct storage *storage, const struct post_request *request, uint64_t tag);
void storage_inbox(struct storage *storage, const struct inbox_request *request, uint64_t tag);
void storage_claim(struct storage *storage, const struct claim_request *request, uint64_t tag);
/* Reads a claimed job. A statement later than its claim, on the work connection. */
void storage_load(struct storage *storage, const struct uuid *job, const struct uuid *claim,
                  uint64_t tag);
/* Saves; after a batch with moves one coalesced NOTIFY follows on the side connection. */
void storage_save(struct storage *storage, const struct save *save, uint64_t tag);
/* The boot's name, host and pid, so that rows can be read by people. Not answered. */
void storage_boot_began(struct storage *storage, const struct member *member);
/* board.lease_seen = now. Not answered. */
void storage_lease_seen(struct storage *storage);

/* --------------------------------------------------------------------------------------- reading
 */

/* The rows of `count` jobs, for claiming. Batched. One answer per call with the rows found. */
void storage_rows(struct storage *storage, const struct uuid *jobs, size_t count, uint64_t tag);

/* For shard_sync: the first `window` READY rows of the shard by (priority, ready_at), all its
 * RUNNING and REVERTING rows, and the rows of the listed `jobs` whatever their state. One snapshot,
 * taken after this call. */
void storage_shard_rows(struct storage *storage, const struct pool *pool, uint16_t shard,
                        int window, const struct uuid *jobs, size_t count, uint64_t tag);

/* Late work that the query's tags cover, in whatever pool: RUNNING and REVERTING rows whose owner
 * is none of `boots` (these first), then READY rows older than 1 s, pools that are not among
 * `shown` first. Rows that nobody may claim now are left out: on hold, or of a newer format. The
 * rows carry their tags. The cost grows with the pools in which something is READY, not with their
 * rows. */
void storage_late_rows(struct storage *storage, const struct late_query *query, uint64_t tag);

/* RUNNING and REVERTING rows whose owner is `boot`: a departed boot's jobs, or an engine's own for
 * the claim audit. */
void storage_owned_rows(struct storage *storage, const struct uuid *boot, uint64_t tag);

/* How long ago an engine with a good lease wrote lease_seen. */
void storage_read_lease(struct storage *storage, uint64_t tag);

/* --------------------------------------------------------------------------------------- answers
 */

enum storage_answer_kind {
    STORAGE_UP,   /* the work (read_only: read) connection became good */
    STORAGE_DOWN, /* it broke; `text` says why */
    STORAGE_POSTED,
    STORAGE_INBOXED,
    STORAGE_CLAIMED,
    STORAGE_LOADED,
    STORAGE_SAVED,
    STORAGE_ROWS,   /* of rows, shard_rows, late_rows, owned_rows */
    STORAGE_LEASE,  /* of storage_read_lease */
    STORAGE_NOTICE, /* jobs that moved (after storage_listen) */
    STORAGE_VIEW,   /* of storage_view: see storage/views.h */
};

struct storage_answer {
    enum storage_answer_kind kind;
    uint64_t tag;
    struct text text; /* DOWN; LOAD_INVALID, ROWS that failed: why */
    union {
        struct post_answer post;
        struct inbox_answer inbox;
        struct claim_answer claim;
        struct {
            enum load_outcome outcome;
            struct job_load load;
        } loaded;
        struct save_answer saved;
        struct {
            int code; /* 0, ERR_UNKNOWN (connection broke: ask again), ERR_INVALID (garbage row left
                         out) */
            const struct job_row *rows;
            size_t count;
        } rows;
        struct {
            int code;       /* 0, or no answer: ask again */
            int64_t age_ms; /* -1: never */
        } lease;
        struct {
            const struct uuid *jobs;
            size_t count; /* 0: look at everything */
        } notice;
        struct view_answer *view;
    } u;
};

/* Takes one answer; false when there is none. */
bool storage_next(struct storage *storage, struct storage_answer *ret_answer);

/* ----------------------------------------------------------------------------------------- counts
 */

/* Counted since storage_new; for tests, benchmarks and metrics. */
struct storage_counts {
    uint64_t statements[8]; /* by kind: post claim load save rows repair view other */
    uint64_t rows_written;  /* by what was answered: inserted and updated rows */
    uint64_t save_batches;
    uint64_t saves;
    uint64_t resent_singly;
    uint64_t unknown;
    uint64_t refused;
    uint64_t busy;
    uint64_t reconnects;
    uint64_t blockers_ended; /* frozen backends that a claim waited for */
};
const struct storage_counts *storage_count(const struct storage *storage);

#endif
