/* SPDX-License-Identifier: Apache-2.0 */
/* libjobboard: posts jobs to a cluster, watches them, and looks at what there is.
 *
 * Knows what a post promises, how a job's card comes to the board and how one waits without asking
 * all the time. Refuses to know how jobs are run. Only Postgres is needed; ZooKeeper makes a posted
 * job start at once instead of a second later.
 *
 * Posting. A post is acknowledged when Postgres has committed it: JOBBOARD_POSTED with RECORDED.
 * From then on the job is never lost. What follows, putting its card on the board, is only for
 * speed: it is bounded by `place_timeout_ms`, never fails a post, and is told by JOBBOARD_PLACED.
 * A job without a card is found by the engines (a second later, or when ZooKeeper is back).
 *   The id of a job is chosen here, before the first try. When the connection breaks while a post
 * is under way, nobody knows whether it was committed; it is then sent again with the same id and
 * the same content until that is known, and is never recorded twice. When `post_timeout_ms` passes
 * without an answer the outcome is told as UNKNOWN: it may be recorded, now or a moment later. Who
 * wants to know posts it again with that id, and gets RECORDED in either case.
 *   A key makes posts by different programs one: the first one makes the job; the same key with the
 * same content (flow text, input, target, priority) is SAME and names the first job, with other
 * content it is refused as CONFLICT. A key is used up for as long as its job is kept, also after
 * its end.
 *
 * Watching. For each watched job comes one JOBBOARD_MOVED with the state it is in now, and one
 * after each change seen (state, epoch, owner, or a new history line). Changes are noticed by
 * Postgres' notification, within a few tens of ms, and by a look each second in case one got lost.
 * Several moves in a row may be told as one; the history has them all. A job that does not exist is
 * told once with `found` false.
 *
 * A program with a loop of its own waits for the sources (base/os/source.h), and calls
 * jobboard_next until it has no more. A program without one uses jobboard_turn, or the calls below
 * that wait. One `struct jobboard` belongs to one thread. */
#ifndef JOBBOARD_CLIENT_JOBBOARD_H
#define JOBBOARD_CLIENT_JOBBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/os/source.h"
#include "base/record.h"
#include "base/text.h"
#include "base/uuid.h"
#include "engine/flow/flow.h"
#include "storage/storage.h"
#include "storage/views.h"

struct jobboard;

/* ------------------------------------------------------------------------------- opening, closing
 */

struct jobboard_options {
    const char *postgres;       /* libpq connection string; NULL: libpq's own settings */
    const char *schema;         /* never NULL */
    const char *zookeeper;      /* HOST:PORT,…; NULL: posts wait for the engines to find them */
    const char *zookeeper_auth; /* user:password, or NULL */
    const char *board;          /* never NULL */
    const char *application;    /* shown in Postgres' list of sessions; never NULL */
    int64_t connect_timeout_ms; /* 0: JOBBOARD_CONNECT_TIMEOUT_MS */
    int64_t post_timeout_ms;    /* 0: JOBBOARD_POST_TIMEOUT_MS */
    int64_t place_timeout_ms;   /* 0: JOBBOARD_PLACE_TIMEOUT_MS */
    bool read_only;             /* posts nothing */
};

#define JOBBOARD_CONNECT_TIMEOUT_MS 10000
#define JOBBOARD_POST_TIMEOUT_MS    30000
#define JOBBOARD_PLACE_TIMEOUT_MS   1000
#define JOBBOARD_ANSWER_TIMEOUT_MS  30000 /* a statement that takes longer is given up */
#define JOBBOARD_WINDOW             200   /* cards in a shard's folder: beyond, the engines deal */

/* Asks Postgres which board this is, and blocks until it answered or the connect timeout passed.
 * ERR_INVALID (malformed options) · ERR_UNREACHABLE (Postgres) · ERR_SCHEMA (no schema there, or
 * one of another version). ZooKeeper is not needed, and not talked to before the first post. */
int jobboard_open(const struct jobboard_options *options, struct jobboard **ret_jobboard,
                  struct error *ret_error);
/* Ends the connections. What was not acknowledged yet may be recorded or not. */
void jobboard_close(struct jobboard *jobboard);

/* What to wait for: at most JOBBOARD_SOURCES_MAX, always the same ones. */
#define JOBBOARD_SOURCES_MAX (STORAGE_SOURCES_MAX + 3)
size_t jobboard_sources(struct jobboard *jobboard, struct source ret_sources[JOBBOARD_SOURCES_MAX]);

/* Whether Postgres answers now, and why not. */
bool jobboard_is_up(const struct jobboard *jobboard);
const char *jobboard_trouble(const struct jobboard *jobboard);
/* Why cards cannot be placed; "" when nothing is known to be wrong. */
const char *jobboard_board_trouble(const struct jobboard *jobboard);

/* ----------------------------------------------------------------------------------------- flows
 */

/* A flow file that was checked, with its text: what a post is made of. */
struct jobboard_flow;

/* Compiles and checks. ERR_INVALID: no flow, and all that is wrong in `ret_problems`, which the
 * caller gives to flow_problems_done in any case (it may hold warnings). */
int jobboard_flow_read(struct text source, struct jobboard_flow **ret_flow,
                       struct flow_problems *ret_problems);
void jobboard_flow_free(struct jobboard_flow *flow);
/* The compiled flow: its name, inputs and tags. */
const struct flow *jobboard_flow_plan(const struct jobboard_flow *flow);

/* --------------------------------------------------------------------------------------- posting
 */

#define JOBBOARD_PRIORITY_OF_FLOW (-1)

struct jobboard_post {
    const struct jobboard_flow *flow; /* stays until the last event of this post */
    struct text input;                /* a JSON object; none: {} */
    struct text key;                  /* idempotency key of 1 to 255 bytes, or none */
    struct text target;               /* path of a task: only it and what it needs runs, without
                                       * the flow's output; none: the whole flow */
    int priority;                     /* 0..9 or JOBBOARD_PRIORITY_OF_FLOW */
    struct uuid id;                   /* nil: chosen by the call; else that of an earlier try */
};

/* Checks the input, fills in what the flow declares as default, and queues the post; what is queued
 * while others are under way goes in one statement. `ret_id` is the job's id if it is recorded.
 * ERR_INVALID, ERR_TOO_LARGE, ERR_NOT_FOUND (no such target): nothing was queued, and no event
 * follows. */
int jobboard_post(struct jobboard *jobboard, const struct jobboard_post *post, uint64_t tag,
                  struct uuid *ret_id, struct error *ret_error);
/* Posts that have an event to come. */
size_t jobboard_posts_under_way(const struct jobboard *jobboard);

enum jobboard_posted {
    JOBBOARD_RECORDED, /* committed; a JOBBOARD_PLACED follows */
    JOBBOARD_SAME,     /* this key has this job already: `job` is the first one, in `state` */
    JOBBOARD_CONFLICT, /* key or id belongs to a job of other content: `job`; nothing was posted */
    JOBBOARD_BAD,      /* Postgres cannot store it: `text` says why */
    JOBBOARD_UNKNOWN,  /* no answer in time: it may be recorded or not */
};

enum jobboard_placed {
    JOBBOARD_ON_BOARD,    /* its card stands: an engine sees it at once */
    JOBBOARD_WINDOW_FULL, /* the shard has cards enough: the engines deal it in later */
    JOBBOARD_NO_ADDRESS,  /* no ZooKeeper was given: the engines find it within a second or two */
    JOBBOARD_NO_BOARD,    /* no engine ever ran on this board: it starts when one does */
    JOBBOARD_AWAY,        /* ZooKeeper did not answer in time: it moves when that is back */
};

/* ----------------------------------------------------------------------------------- running again
 *
 * A job that ended FAILURE, REVERTED or CANCELLED can be made to run again: it becomes READY, its
 * output and failure are cleared, and the engine that claims it runs what did not succeed, and what
 * follows from that (docs/flow-language.md, "Running again"). It is recorded in one commit or not
 * at all; of two at once one is refused. Its card follows as after a post. */

struct jobboard_skip {
    struct text task;   /* path */
    struct text result; /* JSON; none: null */
};

struct jobboard_rerun {
    struct uuid job;
    struct text from; /* path of a task that runs again although it succeeded, or none */
    const struct jobboard_skip *skips; /* tasks that do not run, but are SUCCESS with this result */
    size_t skip_count;
    struct text by; /* who wants it, for the history, or none */
};

/* Whether `job`, as VIEW_SHOW gave it, can run again in this way. ERR_WRONG_STATE: it did not end
 * or ended SUCCESS; `from` names a task that did not run; a task to be skipped is not run anyway.
 * ERR_NOT_FOUND: no such task. ERR_INVALID: a task that cannot be named here, or no JSON. */
int jobboard_rerun_check(const struct view_job *job, const struct jobboard_rerun *rerun,
                         struct error *ret_error);

/* Sends it, unchecked, under a fresh id; sent again until Postgres answers or `post_timeout_ms`
 * passed. Answered by JOBBOARD_RERAN with this tag, and after RECORDED by JOBBOARD_PLACED. */
void jobboard_rerun(struct jobboard *jobboard, const struct jobboard_rerun *rerun, uint64_t tag);

enum jobboard_reran {
    JOBBOARD_RERUN_RECORDED, /* committed; a JOBBOARD_PLACED follows */
    JOBBOARD_RERUN_REFUSED,  /* the job is in `state`, out of which nothing runs again */
    JOBBOARD_RERUN_NO_JOB,   /* there is no such job */
    JOBBOARD_RERUN_BAD,      /* Postgres cannot store it: `text` says why */
    JOBBOARD_RERUN_UNKNOWN,  /* no answer in time: it may be recorded or not */
};

/* -------------------------------------------------------------------------------------- watching
 */

/* Begins to watch a job; again: as if new. */
void jobboard_watch(struct jobboard *jobboard, const struct uuid *job);
void jobboard_unwatch(struct jobboard *jobboard, const struct uuid *job);

struct jobboard_moved {
    struct uuid job;
    bool found;           /* false: there is no such job */
    enum job_state state; /* and what follows: as of the look */
    int64_t epoch;
    int64_t history_seq; /* number of its last history line */
    struct uuid owner;   /* boot that claimed it last; nil: none */
};

/* --------------------------------------------------------------------------------------- looking
 */

/* Asks for a view (storage/views.h); answered by JOBBOARD_VIEWED with this tag. */
void jobboard_view(struct jobboard *jobboard, const struct view_request *request, uint64_t tag);

/* ---------------------------------------------------------------------------------------- events
 */

enum jobboard_event_kind {
    JOBBOARD_POSTED, /* the fate of a post */
    JOBBOARD_PLACED, /* the fate of the card of a job that was recorded, or made to run again */
    JOBBOARD_RERAN,  /* the fate of a rerun */
    JOBBOARD_MOVED,  /* a watched job */
    JOBBOARD_VIEWED, /* the answer to a view */
};

struct jobboard_event {
    enum jobboard_event_kind kind;
    uint64_t tag; /* of the post or the view */
    union {
        struct {
            enum jobboard_posted outcome;
            struct uuid job;
            enum job_state state; /* SAME */
            struct text text;     /* BAD, UNKNOWN: for a person */
        } posted;
        struct {
            enum jobboard_placed outcome;
            struct uuid job;
        } placed;
        struct {
            enum jobboard_reran outcome;
            struct uuid job;
            enum job_state state; /* REFUSED */
            struct text text;     /* for a person: BAD, UNKNOWN */
        } reran;
        struct jobboard_moved moved;
        const struct view_answer *view;
    } u;
};

/* Takes one event; false when there is none. What it points at lasts until the next call. */
bool jobboard_next(struct jobboard *jobboard, struct jobboard_event *ret_event);

/* --------------------------------------------------------------------------- calls that wait
 * For programs without a loop. They may be mixed with events: what comes meanwhile and is not
 * theirs stays for jobboard_next, but for answers to views. */

/* Waits once until something happens or `until_ms` (clock_now_ms(); -1: no limit) comes. Returns 0,
 * or ERR_INTERRUPTED after a signal. Events may have come; or not. */
int jobboard_turn(struct jobboard *jobboard, int64_t until_ms);

struct jobboard_result {
    enum jobboard_posted outcome;
    struct uuid job;
    enum job_state state; /* SAME */
    bool was_placed;      /* `placed` is known: RECORDED only */
    enum jobboard_placed placed;
};

/* Posts and waits for the fate of job and card. Returns 0 for RECORDED and SAME; ERR_EXISTS for
 * CONFLICT, ERR_INVALID for BAD, ERR_UNKNOWN; or what jobboard_post returns. `ret_result->job` is
 * set whenever the post went out. */
int jobboard_post_now(struct jobboard *jobboard, const struct jobboard_post *post,
                      struct jobboard_result *ret_result, struct error *ret_error);

/* Looks at the job, checks, sends and waits for the fate of job and card. What
 * jobboard_rerun_check returns, or ERR_WRONG_STATE (somebody was quicker), ERR_NOT_FOUND (no such
 * job), ERR_INVALID, ERR_UNKNOWN, ERR_UNREACHABLE. */
int jobboard_rerun_now(struct jobboard *jobboard, const struct jobboard_rerun *rerun,
                       enum jobboard_placed *ret_placed, struct error *ret_error);

/* Waits until the job ended. ERR_TIMEOUT (`timeout_ms` -1: never), ERR_NOT_FOUND. */
int jobboard_wait_now(struct jobboard *jobboard, const struct uuid *job, int64_t timeout_ms,
                      enum job_state *ret_state, struct error *ret_error);

/* Asks for a view and waits for it. Returns the answer's code, or ERR_UNREACHABLE when Postgres is
 * away for longer than the connect timeout. The answer lasts until the next call of this module. */
int jobboard_view_now(struct jobboard *jobboard, const struct view_request *request,
                      const struct view_answer **ret_answer, struct error *ret_error);

/* The engines as ZooKeeper shows them, waiting at most `timeout_ms`. A board that no engine ever
 * made has none. ERR_UNREACHABLE: ZooKeeper did not answer. They last until the next such call. */
int jobboard_members_now(struct jobboard *jobboard, int64_t timeout_ms,
                         const struct member **ret_members, size_t *ret_count,
                         struct error *ret_error);

#endif
