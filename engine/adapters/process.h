/* SPDX-License-Identifier: Apache-2.0 */
/* The source that runs steps: starts each one under a warden, collects what it prints, stops it on
 * order and tells how it ended.
 *
 * What a caller must know:
 * - A step is one process with what it starts. It ends when its main process ends: what is left of
 *   its tree then is killed at once, and `ended` comes only when nothing of it is alive. Stdout is
 *   complete at that moment; a descendant that keeps it open is not waited for. Only after an order
 *   to stop with a grace may the rest of the tree outlive the main process, up to that grace.
 * - Every start is answered by exactly one final event, `not started` or `ended`; before `ended`
 *   comes `started`, unless the warden was killed too early for it.
 * - stdin is a sealed file in memory (reads like a file, can be read again with /dev/stdin), so a
 *   large one costs no turns of the loop. Empty stdin is /dev/null.
 * - stdout is kept raw up to its limit. The first byte beyond kills the step: `stdout_overflow`.
 *   With `discard_stdout` it goes to /dev/null and knows no limit.
 * - stderr: the last `stderr_keep_bytes` are kept. A line `::progress FRACTION TEXT` (fraction 0 to
 *   1, the text optional, at most PROCESS_PROGRESS_MAX bytes) is an event and is not kept, any
 *   other is. Of several such lines not pulled yet only the newest is told; none before `started`.
 * - Deadlines and grace belong to the caller: it orders process_stop. Only the lease is watched by
 *   the wardens themselves (engine/warden.h), since it must hold when this process cannot act.
 * - Creating the source makes this process a sub-reaper. If a warden is killed, its tree falls to
 *   this process, which kills every direct child that is no warden and was not named to
 *   process_keep(), until none is left, and then reports the end with `warden_lost`. Whoever forks
 *   other children in this process must name them.
 * - The wardens' common parent, the nursery, is a child of this process too (engine/warden.h). If
 * it is killed its wardens go on and the next start makes a new one.
 * - A warden that does not answer an order (it was stopped with SIGSTOP) is killed
 *   WARDEN_OVERDUE_MS after the order's grace, which leads to the same.
 * - Each running step holds four descriptors here. Out of descriptors, memory or processes is
 *   `not started` with PROCESS_TROUBLE_RESOURCES.
 *
 * Nothing blocks but process_source_new and process_close_all, and, in the call that meets a killed
 * nursery, the vfork of a new one. */
#ifndef ENGINE_ADAPTERS_PROCESS_H
#define ENGINE_ADAPTERS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/os/source.h"
#include "base/text.h"

#define PROCESS_STDOUT_MAX_BYTES  ((size_t)16 << 20) /* the payload limit */
#define PROCESS_STDERR_KEEP_BYTES ((size_t)64 << 10)
#define PROCESS_PROGRESS_MAX      1024
#define WARDEN_OVERDUE_MS         5000

struct process_source;

struct process_options {
    const char *warden_path;  /* the warden's program; NULL: jobboard-warden beside this program */
    size_t stderr_keep_bytes; /* 0: PROCESS_STDERR_KEEP_BYTES */
    int64_t term_lead_ms;     /* SIGTERM so long before the lease deadline; 0: only SIGKILL at it */
    uint32_t files_max;       /* soft limit of open files for steps; 0: as this process has it */
};

/* All of it is copied or used before process_start returns. */
struct process_spec {
    const char *const *argv;   /* NULL at the end; argv[0] is looked up in the PATH of `env` */
    const char *const *env;    /* NULL at the end; the step's whole environment */
    const char *cwd;           /* NULL: "/" */
    struct text stdin_bytes;   /* any bytes */
    size_t stdout_limit_bytes; /* 0: PROCESS_STDOUT_MAX_BYTES */
    bool discard_stdout;
};

enum process_event_kind {
    PROCESS_STARTED,     /* step, pid */
    PROCESS_NOT_STARTED, /* step, trouble, text */
    PROCESS_PROGRESS,    /* step, fraction, text */
    PROCESS_ENDED,       /* step and the block below */
};

/* Why a step did not start. */
enum process_trouble {
    PROCESS_TROUBLE_NONE,
    PROCESS_TROUBLE_NOT_FOUND,      /* no such program (or its interpreter) */
    PROCESS_TROUBLE_NOT_EXECUTABLE, /* there, but not to be run by us */
    PROCESS_TROUBLE_CWD,            /* the directory is missing or closed to us */
    PROCESS_TROUBLE_EXEC,           /* the kernel refused otherwise: text says how */
    PROCESS_TROUBLE_RESOURCES,      /* no descriptor, memory or process left: may go away */
    PROCESS_TROUBLE_LEASE,          /* the lease was over */
    PROCESS_TROUBLE_STOPPED,        /* process_stop came first */
    PROCESS_TROUBLE_WARDEN,         /* the warden was killed before the start, or cannot be run */
};

/* What set the end off; the first cause counts. */
enum process_cause {
    PROCESS_CAUSE_SELF,   /* the main process ended by itself */
    PROCESS_CAUSE_ORDER,  /* process_stop or process_close_all */
    PROCESS_CAUSE_LEASE,  /* the wardens' deadline */
    PROCESS_CAUSE_LIMIT,  /* stdout went beyond its limit */
    PROCESS_CAUSE_WARDEN, /* the warden was killed or failed */
};

struct process_event {
    enum process_event_kind kind;
    uint64_t step;
    pid_t pid;                    /* main process; 0: not known */
    enum process_trouble trouble; /* not started */
    struct text text;             /* trouble: a sentence for people; progress: its text, raw */
    double fraction;              /* progress: 0 to 1 */

    enum process_cause cause;
    int exit_code;           /* -1: it did not exit */
    int signal;              /* 0: no signal ended it */
    struct text stdout_data; /* raw */
    bool stdout_overflow;    /* there was more than the limit; stdout_data is its beginning */
    struct text stderr_tail; /* raw */
    bool stderr_cut;         /* there was more before it */
    bool warden_lost;        /* exit code and signal are not known: -1 and SIGKILL stand there */
};

/* Returns NULL and the reason if this system cannot run steps safely: no warden program, no lists
 * of children in /proc. The lease deadline is LEASE_NEVER_MS at first. */
struct process_source *process_source_new(const struct process_options *options,
                                          struct error *ret_error);

/* Lets the wardens of what still runs kill it (they see EOF) without waiting for them; takes NULL.
 */
void process_free(struct process_source *p);

struct source process_source(struct process_source *p);

/* `step` is the caller's number, not in use for a step whose final event was not pulled yet. */
void process_start(struct process_source *p, uint64_t step, const struct process_spec *spec);

/* grace_ms > 0: SIGTERM to the whole tree, SIGKILL so much later to what is left; else SIGKILL now.
 * A second order can shorten a grace, never lengthen it. A step that is unknown or has ended is no
 * error: orders and ends cross. */
void process_stop(struct process_source *p, uint64_t step, int64_t grace_ms);

/* When all trees die unless this is called again: clock_now_ms() time, LEASE_NEVER_MS for never.
 * One store into shared memory unless it moves the deadline forward in time. */
void process_set_kill_at(struct process_source *p, int64_t kill_at_ms);

/* Names a direct child that is not a step's, and takes the name back once it is waited for. */
void process_keep(struct process_source *p, pid_t pid);
void process_unkeep(struct process_source *p, pid_t pid);

/* Pulls the oldest event. Its texts live until the next call with this source. */
bool process_next(struct process_source *p, struct process_event *ret_event);

/* Steps started whose final event was not pulled yet. */
size_t process_running(const struct process_source *p);

/* Kills all that runs and waits, blocking, up to `wait_ms` until it is gone. Returns how many steps
 * are still there (a process in uninterruptible sleep). Events can be pulled as ever. */
size_t process_close_all(struct process_source *p, int64_t wait_ms);

#endif
