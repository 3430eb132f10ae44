/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that outlive the tool: starting them detached, knowing them again, ending them.
 *
 * A process is known by its pid together with its start time from /proc, so that a reused pid is
 * never taken for it. Signals go through a pidfd that was opened before the start time was
 * compared. A zombie counts as gone: nobody may be there to reap it. */
#ifndef CLI_DEV_PROCESS_H
#define CLI_DEV_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct dev_process {
    pid_t pid;            /* 0: none */
    uint64_t start_ticks; /* since the machine's boot, from /proc/PID/stat */
};

/* How to start a program. */
struct dev_spawn {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;  /* NAME=VALUE to add, NULL-terminated; may be NULL. Variables PG… and
                              * JOBBOARD_… of our own environment are not handed on. */
    const char *log_path;    /* stdout and stderr are appended here */
    const char *cwd;         /* NULL: / */
    bool switch_user;        /* to uid and gid, without further groups */
    uid_t uid;
    gid_t gid;
};

/* Starts it in a session of its own with nothing of ours but the log. On trouble (not found, no
 * right to) returns ERR_UNREACHABLE or ERR_SYSTEM with the text. */
int dev_spawn(const struct dev_spawn *spawn, struct dev_process *ret_process,
              struct error *ret_error);

/* Whether the user may enter and write the folder: asked by a child that became the user. */
bool dev_user_can_write(uid_t uid, gid_t gid, const char *folder);

/* Whether it still runs (a frozen one does). */
bool dev_process_alive(const struct dev_process *process);
/* Whether it is stopped by SIGSTOP. */
bool dev_process_frozen(const struct dev_process *process);
/* Sends a signal if it still runs; false if it does not. */
bool dev_process_signal(const struct dev_process *process, int signal);
/* Waits until it is gone, at most `timeout_ms`; reaps it if it is our child. True: gone. */
bool dev_process_await_end(const struct dev_process *process, int64_t timeout_ms);
/* Waits like above; ends early with ERR_INTERRUPTED when `interrupt_fd` (-1: none) is readable.
 * ERR_TIMEOUT: still there. `ret_status`, may be NULL, is as of waitpid, -1 if not our child. */
int dev_process_wait(const struct dev_process *process, int64_t timeout_ms, int interrupt_fd,
                     int *ret_status);

/* A set of processes, grown as needed. */
struct dev_process_list {
    struct dev_process *items;
    size_t count, capacity;
};

void dev_process_list_done(struct dev_process_list *list);
/* Adds all descendants of `root`, without itself; those in the list already are passed over. */
void dev_process_descendants(struct dev_process_list *list, const struct dev_process *root);
/* Adds processes whose environment at their start held exactly `variable` (NAME=VALUE), and
 * programs called `program` whose working folder is `cwd` (either may be NULL). */
void dev_process_marked(struct dev_process_list *list, const char *variable, const char *program,
                        const char *cwd);
/* SIGKILLs those still there after `grace_ms` and waits until all are gone, at most a few
 * seconds. Returns how many had to be killed. */
size_t dev_process_list_end(struct dev_process_list *list, int64_t grace_ms);

#endif
