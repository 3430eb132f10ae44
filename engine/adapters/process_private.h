/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the process source share; nobody else includes it.
 *
 *   process.c         the source: API, epoll, the queue of events
 *   process_step.c    one step: reading, orders, its end
 *   process_event.c   what an end is called
 *   process_nursery.c the nursery
 *   process_start.c   what is handed to it
 *   process_orphans.c what falls to this process when a warden was killed
 *   process_stderr.c  tail and progress lines
 *
 * Life of a step (enum step_state): WAITING until few enough starts are on their way (descriptors
 * in flight are few for users that are not root) → RUNNING from the packet to the nursery on (and
 * back if that dies before a warden said hello) → its warden ends → DONE, or, if a warden that had
 * said hello said nothing of the end, ORPHANED until the sweep found nothing alive → DONE. A DONE
 * step holds its final event until it is pulled, then it is freed with the next call. */
#ifndef ENGINE_ADAPTERS_PROCESS_PRIVATE_H
#define ENGINE_ADAPTERS_PROCESS_PRIVATE_H

#include <uthash.h>

#include "base/buffer.h"
#include "engine/adapters/process.h"
#include "engine/adapters/process_stderr.h"
#include "engine/warden.h"
#include "engine/warden_tree.h"

#define PROCESS_NEVER_MS   INT64_MAX
#define PROCESS_READ_BYTES ((size_t)64 << 10)

struct step;

enum watch_kind {
    WATCH_WARDEN, /* pidfd */
    WATCH_CONTROL,
    WATCH_STDOUT,
    WATCH_STDERR,
    WATCH_COUNT, /* of a step */
    WATCH_NURSERY = WATCH_COUNT,
};

/* One descriptor in the epoll set; epoll hands its address back. */
struct watch {
    struct step *step; /* NULL: the nursery's */
    enum watch_kind kind;
    int fd; /* -1: closed */
};

enum step_state { STEP_WAITING, STEP_RUNNING, STEP_ORPHANED, STEP_DONE };

/* Starts handed to the nursery whose warden has not said hello yet. */
#define STARTS_IN_FLIGHT_MAX 32

struct step {
    uint64_t id;
    enum step_state state;
    struct buffer request; /* until the hello: the packet for the nursery */
    int stdin_fd;          /* until the hello: -1 for /dev/null */
    int tries;             /* that ended without hello */
    bool discard_stdout;
    bool in_flight;   /* handed over, and no hello yet */
    bool hello;       /* its warden has said hello */
    pid_t warden_pid; /* known from its hello until it has ended; else 0 */
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
    struct step *prev, *next; /* of those with something to pull, or of those WAITING */
    UT_hash_handle hh;
};

struct process_source {
    int epoll_fd;
    int requests_fd;   /* socket to the nursery; -1: there is none */
    pid_t nursery_pid; /* 0: there is none */
    struct watch nursery_watch;
    size_t in_flight;     /* steps that are */
    struct step *waiting; /* utlist */
    int null_fd;          /* /dev/null */
    int warden_fd;        /* O_PATH of the warden's program: survives its replacement on disk */
    int lease_fd;         /* memory of `lease` */
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

struct step *process_step_new(const struct process_source *p, uint64_t id,
                              const struct process_spec *spec);
void process_step_free(struct step *step);

/* Sends an order to its warden, if there is one. */
void process_send_order(const struct step *step, enum warden_message_kind kind, int64_t grace_ms);

/* process_stop for a step that is known. */
void process_step_stop(struct process_source *p, struct step *step, int64_t grace_ms);

/* The watch's descriptor is readable. */
void process_handle(struct process_source *p, struct watch *watch, int64_t now_ms);

/* Kills the wardens that did not answer an order in time. */
void process_kill_overdue(struct process_source *p, int64_t now_ms);

/* Puts the step among those with something to pull. */
void process_queue(struct process_source *p, struct step *step);

/* Makes the step DONE: closes what it holds and queues its final event. */
void process_finish(struct process_source *p, struct step *step);

/* Records why there was no start; the text is `what: errno text`. */
void process_set_trouble(struct step *step, enum process_trouble trouble, const char *what,
                         int error);

/* The same from what the warden said. */
void process_start_trouble(struct step *step, const struct warden_message *message);

/* Fills the final event of a step that ran. */
void process_fill_ended(const struct step *step, struct process_event *ret_event);

/* Puts the watch into the epoll set unless it is closed. */
int process_watch(struct process_source *p, struct watch *watch);

/* Frees what a step needs only until its warden has it. */
void process_release_request(struct step *step);

/* Makes the packet for the nursery from `spec`. On trouble it is recorded in the step. */
int process_prepare(struct step *step, const struct process_spec *spec, uint32_t files_max);

/* Hands over what is WAITING, as much as may be in flight. Troubles finish their steps. */
void process_hand_over(struct process_source *p);

/* Starts the nursery; blocks for a vfork. */
int process_start_nursery(struct process_source *p, struct error *ret_error);

/* Blocks until it has said that it works. */
int process_await_nursery(struct process_source *p, struct error *ret_error);

/* Its socket is readable: if it is gone it is taken in; the next start makes a new one. */
void process_hear_nursery(struct process_source *p);

/* Kills it if it still runs, and takes it in. Its wardens go on as children of this process. */
void process_end_nursery(struct process_source *p);

/* Takes in ended children that belong to nobody. */
void process_reap(struct process_source *p);

/* One look for orphans; finishes the ORPHANED steps when there are none. */
void process_sweep(struct process_source *p, int64_t now_ms);

#endif
