/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to Postgres, driven without ever blocking.
 *
 * Knows connecting (one address after the other, own time limit, back-off), the session's settings,
 * pipelining, preparing, and which silence is too long. Refuses to know what the statements mean.
 *
 *   IDLE        nobody has asked for it yet
 *   PAUSED      the last try failed; the next one begins at wake_ms
 *   CONNECTING  libpq is connecting to one target
 *   SETTING_UP  the session's settings are on their way; the schema's version is looked at; our own
 *               former backend is ended, in case it still holds locks
 *   UP          statements may be sent
 *
 * Each statement is a `struct shot` and a transaction of its own: it ends with a sync, and only the
 * sync acknowledges it (a result without its sync was perhaps rolled back). Shots come back in the
 * order they were sent, by link_next. When the connection breaks, all that were in flight come back
 * with `broken`: each of them may have been applied or not. */
#ifndef STORAGE_LINK_H
#define STORAGE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "base/backoff.h"
#include "base/machine.h"
#include "base/os/source.h"
#include "base/random.h"
#include "storage/params.h"
#include "storage/targets.h"

#define PREPARED_MAX 32
#define TROUBLE_MAX  256

enum link_state { LINK_IDLE, LINK_PAUSED, LINK_CONNECTING, LINK_SETTING_UP, LINK_UP, LINK_STATES };
extern const struct machine link_machine;

/* A statement on its way. Owned by the link from link_send to link_next. */
struct shot {
    struct shot *next;
    const struct statement *statement; /* NULL: one of the link's own */
    int kind;                          /* of the sender: which lane */
    void *batch;                       /* of the sender: what it was made of */
    int64_t sent_ms;
    PGresult *result; /* of the statement; NULL when broken before it came */
    bool broken;      /* no sync came: outcome unknown */
    int own;          /* enum own_shot: not 0 for the link's own */
};

struct link_limits {
    int64_t connect_timeout_ms; /* per try */
    int64_t answer_timeout_ms;  /* silence with work in flight */
    int64_t lock_timeout_ms;    /* on the server, per lock */
    bool plans_for_batches;     /* generic plans by index, for statements over arrays of ids */
};

/* A server process, named so that no other one can be meant. */
struct backend {
    int32_t pid;
    char start[64]; /* as Postgres writes it */
};

struct link {
    const char *name;
    const struct targets *targets;
    struct link_limits limits;
    int state; /* enum link_state; moved by machine_move only */
    PGconn *conn;
    size_t target; /* the one tried now or next */
    size_t failed; /* targets that failed since the last success or pause */
    struct backoff backoff;
    struct random random;
    int64_t wake_ms;    /* PAUSED: when to go on; CONNECTING, SETTING_UP: when to give up */
    int64_t heard_ms;   /* last sign of life while work was in flight */
    bool poll_writes;   /* CONNECTING: libpq waits for writable */
    bool flush_needed;  /* UP: libpq could not send all */
    struct shot *first; /* in flight, in the order sent */
    struct shot *last;
    struct shot *done_first; /* acknowledged or broken, to be taken */
    struct shot *done_last;
    unsigned nulls; /* ends of results in a row without a sync */
    const struct statement *prepared[PREPARED_MAX];
    size_t prepared_count;
    struct backend now;      /* this session's; pid 0: not known */
    struct backend former;   /* the last session's that broke: it may still hold locks */
    bool came_up, went_down; /* since last looked at */
    uint64_t ups;            /* how often it came up */
    char trouble[TROUBLE_MAX];
    char last_words[TROUBLE_MAX]; /* of a server that ended the session unasked */
};

void link_init(struct link *link, const char *name, const struct targets *targets,
               const struct link_limits *limits, uint64_t seed);
/* Drops the connection; what was in flight is to be taken with link_next. */
void link_done(struct link *link);

/* From now on it is wanted: connects, and connects again whenever it breaks. */
void link_want(struct link *link, int64_t now_ms);
bool link_is_up(const struct link *link);
void link_interest(struct link *link, struct interest *ret_interest);
void link_process(struct link *link, bool readable, bool writable, int64_t now_ms);

/* Sends a statement and its sync; the link owns `shot` now. Only while up. */
void link_send(struct link *link, struct shot *shot, struct params *params, int64_t now_ms);
/* Takes the next shot that is acknowledged or broken, NULL if none. The caller frees it with
 * shot_free. */
struct shot *link_next(struct link *link);
void shot_free(struct shot *shot);
/* Whether an error with this SQLSTATE is the session's or the server's and not the statement's. */
bool link_error_is_ours(const char *sqlstate);
/* A notification of LISTEN, NULL if none; free with PQfreemem. */
PGnotify *link_notice(struct link *link);

/* Breaks it off because of `trouble`; connects again after a pause. */
void link_break(struct link *link, const char *trouble, int64_t now_ms);

#endif
