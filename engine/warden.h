/* SPDX-License-Identifier: Apache-2.0 */
/* The warden: the small parent of one step.
 *
 * Wardens are forked, without an exec, from the **nursery**: one process per engine that holds
 * nothing but a socket to it, so that a start costs the engine one packet and no pause, however
 * large the engine is. Nursery and wardens are one small program (`jobboard-warden`, linked
 * statically). engine/adapters/process.h is its only user; people never start it by hand.
 *
 *   engine ── nursery ──┬── warden ── main process of a step ── …
 *                       └── warden ── …
 *
 * A warden is sub-reaper of its step's whole tree and ends only when that tree is gone:
 *
 *                     main ended            order to stop, gentle
 *      RUN ------------------------> KILL <---------------- TERM
 *        |   order to stop, hard      ^    grace over         ^
 *        |   lease over               |    order, hard        |
 *        |   engine gone (EOF) -------+    lease over         |
 *        |                                 engine gone        |
 *        +----------------------------------------------------+
 *                 order to stop, gentle: SIGTERM to all
 *
 * In KILL every descendant gets SIGKILL again and again until none is left. In TERM the tree may
 * end by itself; what the main process leaves behind there has the rest of the grace too.
 *
 * - The engine's death shows as EOF on the control socket, which nobody but the engine holds.
 * - The lease deadline stands in a page the engine shares with all its wardens. It is read when the
 *   deadline read last has come, so the engine extends it with one store and no system call; an
 *   engine that is frozen or stuck extends nothing and its steps die in time. The clock is
 *   CLOCK_BOOTTIME, for the timer too.
 * - Signals sent to warden or nursery do nothing but SIGKILL and SIGSTOP; each has a session of its
 *   own, so a terminal's Ctrl-C does not reach it. A warden carries no PDEATHSIG (it must outlive
 *   the engine until its tree is gone), but the step's main process does: it falls with its warden.
 * - If a warden is killed, the kernel gives its tree to the next sub-reaper: not the nursery, which
 *   is none, but the engine, which ends it. If engine and warden are killed in one moment, the tree
 *   falls to the engine's parent if that is a sub-reaper (the supervisor), else to init.
 * - If the nursery is killed, its wardens go on as children of the engine, which makes a new one.
 * - A process of another user (setuid) or in uninterruptible sleep can keep a warden alive: then no
 *   end is reported, which is the truth. */
#ifndef ENGINE_WARDEN_H
#define ENGINE_WARDEN_H

#include <stdatomic.h>
#include <stdint.h>

/* Changes with every change of what is exchanged below. */
#define WARDEN_PROTOCOL 2

/* No deadline. */
#define LEASE_NEVER_MS INT64_MAX

/* The page shared by an engine (writer) and its wardens (readers). */
struct lease_page {
    _Atomic int64_t kill_at_ms;   /* clock_now_ms() at which all trees get SIGKILL */
    _Atomic int64_t term_lead_ms; /* SIGTERM so long before kill_at_ms; 0: no SIGTERM */
};

/* Descriptors the nursery is started with, beside 0, 1, 2 on /dev/null. It is told the protocol as
 * its only argument, and says WARDEN_PROTOCOL (an int32_t) when it works. */
enum nursery_fd { NURSERY_FD_REQUESTS = 3, NURSERY_FD_LEASE, NURSERY_FD_SELF, NURSERY_FD_END };

/* Descriptors that come with a request, in this order. */
enum request_fd {
    REQUEST_FD_STDIN,
    REQUEST_FD_STDOUT,
    REQUEST_FD_STDERR,
    REQUEST_FD_CONTROL,
    REQUEST_FD_STRINGS, /* only if strings_bytes > WARDEN_INLINE_MAX: a file that holds them */
    REQUEST_FD_COUNT
};

#define WARDEN_INLINE_MAX ((uint32_t)32 << 10)

/* One packet (SOCK_SEQPACKET) asks for one step. Strings follow it, each with its NUL: the working
 * directory, then the arguments, then the environment. */
struct warden_request {
    uint32_t argument_count;
    uint32_t environment_count;
    uint32_t strings_bytes;
    uint32_t files_max; /* soft limit of open files for the step; 0: as inherited */
};

enum warden_message_kind {
    WARDEN_ORDER_STOP = 1, /* to the warden: grace_ms */
    WARDEN_ORDER_LOOK,     /* to the warden: read the lease page again */
    WARDEN_HELLO,          /* from it: pid, and with it a pidfd of the warden; the first message */
    WARDEN_STARTED,        /* from it: pid of the main process */
    WARDEN_NOT_STARTED,    /* from it, or from the nursery: stage, error; the last message */
    WARDEN_ENDED,          /* from it: status, cause; the last message, the tree is gone */
};

/* Where a start failed. */
enum warden_stage {
    WARDEN_STAGE_NONE,
    WARDEN_STAGE_LEASE,   /* the lease was over already */
    WARDEN_STAGE_STOPPED, /* an order to stop came first */
    WARDEN_STAGE_SETUP,   /* descriptors, fork, memory */
    WARDEN_STAGE_CWD,
    WARDEN_STAGE_EXEC,
};

/* What set the end off; the first cause counts. */
enum warden_cause {
    WARDEN_CAUSE_SELF,  /* the main process ended by itself */
    WARDEN_CAUSE_ORDER, /* an order to stop */
    WARDEN_CAUSE_LEASE, /* the lease deadline */
    WARDEN_CAUSE_EOF,   /* the engine is gone (nobody reads this) */
};

/* One packet of the control socket (SOCK_SEQPACKET). Fields that a kind does not name are 0. */
struct warden_message {
    int32_t kind;     /* enum warden_message_kind */
    int32_t pid;      /* see the kind */
    int32_t stage;    /* enum warden_stage */
    int32_t error;    /* errno of that stage */
    int32_t status;   /* wait status of the main process */
    int32_t cause;    /* enum warden_cause */
    int64_t grace_ms; /* from SIGTERM to SIGKILL; 0: SIGKILL at once */
};

struct step_start;

/* What a warden begins its life with, in the process that was forked for it. */
struct warden_birth {
    int control_fd;
    int signals_fd; /* signalfd for SIGCHLD, all signals blocked */
    const struct lease_page *lease;
    const struct step_start *start;
};

/* The warden's whole life; returns its exit code. */
int warden_run(const struct warden_birth *birth);

/* The nursery's whole life; returns its exit code. */
int nursery_main(int argc, char **argv);

#endif
