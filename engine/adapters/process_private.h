/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the process source share; nobody else includes it.
 *
 *   process.c         the source: API, epoll, reading, events
 *   process_spawn.c   descriptors and the start of a warden
 *   process_orphans.c what falls to this process when a warden was killed
 *   process_stderr.c  tail and progress lines
 *
 * Life of a step (enum step_state): RUNNING → its warden ends → DONE, or, if the warden said
 * nothing of the end, ORPHANED until the sweep found nothing alive → DONE. A DONE step holds its
 * final event until it is pulled, then it is freed with the next call. */
#ifndef ENGINE_ADAPTERS_PROCESS_PRIVATE_H
#define ENGINE_ADAPTERS_PROCESS_PRIVATE_H

#include <uthash.h>

#include "base/buffer.h"
#include "engine/adapters/process.h"
#include "engine/adapters/process_stderr.h"
#include "engine/warden.h"
#include "engine/warden_tree.h"

#define PROCESS_NEVER_MS INT64_MAX

struct step;

enum watch_kind { WATCH_WARDEN, WATCH_CONTROL, WATCH_STDOUT, WATCH_STDERR, WATCH_COUNT };

/* One descriptor in the epoll set; epoll hands its address back. */
struct watch {
    struct step *step;
    enum watch_kind kind;
    int fd; /* -1: closed */
};

enum step_state { STEP_RUNNING, STEP_ORPHANED, STEP_DONE };

struct step {
    uint64_t id;
    enum step_state state;
    pid_t warden_pid; /* 0 if there is none (any more) */
    pid_t main_pid;   /* 0 until the warden told it */
    struct watch watches[WATCH_COUNT];
    struct buffer out;
    bool out_overflow;
    struct process_stderr err;
    int64_t overdue_ms;  /* the warden is killed then; PROCESS_NEVER_MS */
    bool ordered;        /* an order to stop was sent */
    bool started_untold; /* a `started` waits to be pulled */

    /* The final event, DONE only. */
    enum process_trouble trouble; /* none: it ended */
    char trouble_text[256];
    struct warden_message last; /* the warden's last message; kind 0: none */
    struct text tail;           /* of err */

    bool queued;              /* in the list below */
    struct step *prev, *next; /* of those with something to pull */
    UT_hash_handle hh;
};

struct process_source {
    int epoll_fd;
    int null_fd;   /* /dev/null */
    int warden_fd; /* O_PATH of the warden's program: survives its replacement on disk */
    int lease_fd;  /* memory of `lease` */
    struct lease_page *lease;
    struct process_options options;
    char *read_buffer;   /* PROCESS_READ_BYTES */
    struct step *steps;  /* uthash by id */
    struct step *queue;  /* utlist: steps with something to pull */
    struct step *pulled; /* final event pulled; freed with the next call */
    int64_t overdue_ms;  /* not later than the earliest step->overdue_ms */
    int64_t sweep_at_ms; /* next look for orphans; PROCESS_NEVER_MS: no step is ORPHANED */
    int sweeps;          /* since a step became ORPHANED */
    pid_t *kept;         /* children that are no step's */
    size_t kept_count;
};

/* Puts the step among those with something to pull. */
void process_queue(struct process_source *p, struct step *step);

/* Makes the step DONE: closes what it holds and queues its final event. */
void process_finish(struct process_source *p, struct step *step);

/* Records why there was no start; the text is `what: errno text`. */
void process_set_trouble(struct step *step, enum process_trouble trouble, const char *what,
                         int error);

/* Starts the warden and fills warden_pid and watches (not yet in epoll). On trouble it is recorded,
 * nothing is held, and the code is negative. */
int process_spawn(struct process_source *p, struct step *step, const struct process_spec *spec);

/* One look for orphans; finishes the ORPHANED steps when there are none. */
void process_sweep(struct process_source *p, int64_t now_ms);

#endif
