/* SPDX-License-Identifier: Apache-2.0 */
/* What tools read: lists, one job with all its tasks, its history, counts, logs.
 *
 * Views only read and promise nothing for later: between a view and what is done about it the world
 * may move. Each is one statement, thus one snapshot. They go over the read connection, through the
 * same queue as everything else: storage_view asks, storage_next gives a STORAGE_VIEW with the same
 * tag. A struct storage made with `read_only` can do this and nothing else.
 *
 * All times are microseconds of the Unix epoch by Postgres' clock; 0 means "not yet" or "none". All
 * pointers and texts of an answer are views that last until the next storage_next; copy what is to
 * stay. Documents are texts of JSON, to the letter. */
#ifndef STORAGE_VIEWS_H
#define STORAGE_VIEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/record.h"
#include "base/text.h"
#include "base/uuid.h"

struct storage;

#define VIEW_RESOLVE_MAX     10    /* candidates told when an ending is ambiguous */
#define VIEW_ENDING_MIN      6     /* hex digits of an ending */
#define VIEW_READY_AHEAD_MAX 10000 /* counted no further */

enum view_kind {
    VIEW_LIST,    /* jobs that match a filter, newest first, and how many match in all */
    VIEW_SHOW,    /* one job whole: documents, tasks, owner; also what `why` needs */
    VIEW_HISTORY, /* lines of one job, in order */
    VIEW_COUNTS,  /* the state of everything in numbers */
    VIEW_RESOLVE, /* which job do people mean? */
    VIEW_STATES,  /* the states of many jobs, for waiting */
    VIEW_STDERR,  /* what the attempts of one job wrote to stderr */
};

/* One selector for list and the bulk verbs. What is left 0 does not restrict. */
struct view_filter {
    struct text flow;   /* name of the flow */
    uint32_t states;    /* MACHINE_BIT(JOB_…) of each wanted state */
    int64_t since_us;   /* posted at or after */
    int64_t since_ms;   /* posted in the last so many milliseconds, by Postgres' clock */
    struct text engine; /* name of the engine that claimed it last */
    struct text key;    /* idempotency key */
    const struct uuid *ids;
    size_t id_count;
};

struct view_request {
    enum view_kind kind;
    struct view_filter filter; /* LIST */
    int limit;                 /* LIST: so many of the newest; 0: only the total; -1: all.
                                  HISTORY: so many lines; 0: all */
    struct uuid job;           /* SHOW, HISTORY, STDERR */
    int64_t after_seq;         /* HISTORY: lines with a higher number */
    struct text task;          /* STDERR: path; none: all tasks */
    struct text name;          /* RESOLVE: full id, ending of an id, or `key:K` */
    const struct uuid *ids;    /* STATES */
    size_t id_count;
};

/* A task as it is now. */
struct view_task {
    struct task_row row;
    struct text engine; /* where its verb last began, or none */
    int64_t epoch;      /* under which it last began */
    int64_t started_at_us;
    int64_t ended_at_us;
};

/* A boot as it introduced itself. Only Postgres' word: whether it lives, ZooKeeper knows. */
struct view_boot {
    struct uuid boot; /* nil: none, or unknown */
    struct text name; /* of the engine */
    struct text host;
    int32_t pid;
    int32_t supervisor_pid; /* 0: none */
    int64_t began_at_us;
    int64_t claimed; /* COUNTS: jobs RUNNING or REVERTING under it */
};

/* A job. In a LIST without documents, tasks and tags. */
struct view_job {
    struct job_row row;
    struct view_boot owner; /* boot of the last claim, also after its end */
    struct text flow_name;
    struct text key; /* or none */
    int32_t deaths;
    int64_t posted_at_us;
    int64_t started_at_us;
    int64_t ended_at_us;
    int64_t wake_at_us;
    int64_t changed_at_us; /* state or owner */
    int64_t hold_until_us;
    int64_t history_seq; /* number of its last history line */
    struct text input, output, failure;
    struct text flow_text;
    struct text flow_hash; /* bytes, not hex */
    struct text target;    /* path of the wanted task; none: the whole flow */
    const struct text *tags;
    size_t tag_count;
    const struct view_task *tasks; /* by path */
    size_t task_count;
};

struct view_line {
    int64_t seq;
    int64_t at_us;
    struct text task; /* none: the job itself */
    int32_t attempt;
    struct text state;
    struct text engine; /* or none */
    int64_t epoch;
    struct text detail; /* or none */
};

struct view_state {
    struct uuid job;
    bool found;
    enum job_state state;
    int64_t epoch;
    int64_t history_seq; /* to see whether there is something new */
    struct uuid owner;
};

struct view_stderr {
    struct text task;
    int32_t attempt;
    int64_t at_us;
    struct text tail;
};

struct view_answer {
    enum view_kind kind;
    /* 0 · ERR_NOT_FOUND (SHOW, HISTORY, STDERR, RESOLVE: no such job) · ERR_AMBIGUOUS (RESOLVE) ·
     * ERR_INVALID (a malformed name; a row with garbage) · ERR_TIMEOUT (the server gave up) ·
     * ERR_UNKNOWN (the connection broke: ask again) */
    int code;
    struct text error; /* for a person, when `code` is not 0 */
    int64_t now_us;    /* Postgres' clock (SHOW, COUNTS) */
    union {
        struct {
            const struct view_job *jobs;
            size_t count;
            int64_t total; /* that match, also beyond the limit */
        } list;
        struct {
            struct view_job job;
            /* READY: how many READY jobs of the same pool come before it; counted up to
             * VIEW_READY_AHEAD_MAX. Else 0. */
            int64_t ready_ahead;
        } show;
        struct {
            const struct view_line *lines;
            size_t count;
        } history;
        struct {
            int64_t by_state[JOB_STATES];
            int64_t oldest_ready_ms;       /* age of the oldest READY job; -1: none */
            const struct view_boot *boots; /* that have claimed jobs, most first */
            size_t boot_count;
            struct text server; /* version of Postgres */
        } counts;
        struct {
            struct uuid
                jobs[VIEW_RESOLVE_MAX]; /* one when code is 0, the candidates when ambiguous */
            size_t count;
        } resolved;
        struct {
            const struct view_state *states; /* in the order asked */
            size_t count;
        } states;
        struct {
            const struct view_stderr *tails; /* by task and attempt */
            size_t count;
        } stderrs;
    } u;
};

/* Asks. The request is copied. */
void storage_view(struct storage *storage, const struct view_request *request, uint64_t tag);

/* From now on STORAGE_NOTICE answers tell which jobs moved (claims and saves), soon after they
 * did. A count of 0 means "look at everything": once listening began, after every reconnect, and
 * when there were too many to name. A notice may be lost with a connection that breaks elsewhere:
 * look once a second besides. */
void storage_listen(struct storage *storage);

#endif
