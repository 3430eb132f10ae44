/* SPDX-License-Identifier: Apache-2.0 */
/* The warden: the small parent of one step.
 *
 * It is a program of its own (`jobboard-warden`, linked statically, a few hundred kilobytes), so
 * that starting one costs the engine half a millisecond and holding one costs the machine little.
 * engine/adapters/process.h is its only user; people never start it by hand.
 *
 * It is handed five descriptors, holds nothing else of the engine's, and starts the step's main
 * process in a session of its own. It is sub-reaper of the step's whole tree and ends only when
 * that tree is gone:
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
 * - Signals sent to the warden do nothing but SIGKILL and SIGSTOP; it has its own session, so a
 *   terminal's Ctrl-C does not reach it. It carries no PDEATHSIG (it must outlive the engine until
 *   its tree is gone), but the step's main process does: it falls with its warden.
 * - If the warden itself is killed, the kernel gives its tree to the next sub-reaper, the engine,
 *   which ends it. If engine and warden are killed in one moment, the tree falls to the engine's
 *   parent if that is a sub-reaper (the supervisor), else to init.
 * - A process of another user (setuid) or in uninterruptible sleep can keep a warden alive: then no
 *   end is reported, which is the truth. */
#ifndef ENGINE_WARDEN_H
#define ENGINE_WARDEN_H

#include <stdatomic.h>
#include <stdint.h>

/* Changes with every change of what is exchanged below. */
#define WARDEN_PROTOCOL 1

/* No deadline. */
#define LEASE_NEVER_MS INT64_MAX

/* The page shared by an engine (writer) and its wardens (readers). */
struct lease_page {
    _Atomic int64_t kill_at_ms;   /* clock_now_ms() at which all trees get SIGKILL */
    _Atomic int64_t term_lead_ms; /* SIGTERM so long before kill_at_ms; 0: no SIGTERM */
};

/* What the warden is started with: argv = name, WARDEN_PROTOCOL, soft limit of open files for the
 * step (0: as inherited), cwd, then the step's argv; environ = the step's environment. */
enum warden_argument { WARDEN_ARG_PROTOCOL = 1, WARDEN_ARG_FILES, WARDEN_ARG_CWD, WARDEN_ARG_STEP };

/* Descriptors it is started with; 0, 1 and 2 are the step's. */
enum warden_fd { WARDEN_FD_CONTROL = 3, WARDEN_FD_LEASE, WARDEN_FD_SELF, WARDEN_FD_END };

enum warden_message_kind {
    WARDEN_ORDER_STOP = 1, /* to the warden: grace_ms */
    WARDEN_ORDER_LOOK,     /* to the warden: read the lease page again */
    WARDEN_STARTED,        /* from it: pid */
    WARDEN_NOT_STARTED,    /* from it: stage, error; the last message */
    WARDEN_ENDED,          /* from it: status, cause; the last message, the tree is gone */
};

/* Where a start failed. */
enum warden_stage {
    WARDEN_STAGE_NONE,
    WARDEN_STAGE_PROTOCOL, /* engine and warden are of different versions */
    WARDEN_STAGE_LEASE,    /* the lease was over already */
    WARDEN_STAGE_STOPPED,  /* an order to stop came first */
    WARDEN_STAGE_SETUP,    /* pipe, fork, limits */
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
    int32_t pid;      /* main process */
    int32_t stage;    /* enum warden_stage */
    int32_t error;    /* errno of that stage */
    int32_t status;   /* wait status of the main process */
    int32_t cause;    /* enum warden_cause */
    int64_t grace_ms; /* from SIGTERM to SIGKILL; 0: SIGKILL at once */
};

/* The whole program. Returns its exit code. */
int warden_main(int argc, char **argv);

#endif
