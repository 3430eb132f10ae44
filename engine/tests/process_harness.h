/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the process source share: start steps, pump until one ends, and look for what
 * is left of them. Every step's environment holds a marker of its test, and whoever carries it in
 * /proc/PID/environ belongs to that test: main processes and whatever they forked. At every
 * final event the harness looks whether its step left anything (then `left_alive` is not 0). */
#ifndef ENGINE_TESTS_PROCESS_HARNESS_H
#define ENGINE_TESTS_PROCESS_HARNESS_H

#include "base/buffer.h"
#include "engine/adapters/process.h"

#define HARNESS_STEPS_MAX 512

/* All that was told about one step. */
struct told {
    bool started;
    bool final; /* not started or ended */
    pid_t pid;
    struct process_event event; /* the final one; its texts are copied below */
    char text[512];
    struct buffer out;
    struct buffer err;
    int progress_count;
    double fraction;
    char progress[64];
    int64_t final_at_ms;
    int left_alive; /* carriers of the step's own marker at the final event */
};

struct harness {
    struct process_source *p;
    char marker[64];                     /* of this test */
    struct told told[HARNESS_STEPS_MAX]; /* by step number */
    bool count_left;                     /* look for carriers at each final event */
};

/* cmocka setup and teardown; the teardown fails if a carrier of the marker or a child is left. */
int harness_setup(void **state);
int harness_teardown(void **state);

/* The path of the program of bad manners (process_child.c). */
const char *harness_child(void);
/* …and of the warden. */
const char *harness_warden(void);

/* The usual environment of step `id`: PATH and its marker, `ret_entries` points into `store`. */
struct harness_env {
    char marker[112];
    const char *entries[3];
};
void harness_env(const struct harness *h, uint64_t id, struct harness_env *ret_env);

/* Starts argv (NULL at the end) with the usual environment; `base` may be NULL. */
void harness_start(struct harness *h, uint64_t id, const char *const *argv,
                   const struct process_spec *base);

/* Pumps until the condition holds; fails the test after 20 s. */
void harness_until_final(struct harness *h, uint64_t id);
/* …until the step has said that it stands where the test wants it: with a progress line. */
void harness_until_ready(struct harness *h, uint64_t id);
void harness_until_started(struct harness *h, uint64_t id);
/* One wait of at most `ms`, and all events pulled. */
void harness_pump(struct harness *h, int64_t ms);

/* Start and wait for the end. */
struct told *harness_run(struct harness *h, uint64_t id, const char *const *argv,
                         const struct process_spec *base);

/* Living carriers of the marker: of one step, or of the test if `id` is 0. */
int harness_alive(const struct harness *h, uint64_t id);
/* Waits until there are `count` of them (what a daemon forked on its way ends a little after its
 * main process said that it is ready); fails the test after 5 s. */
void harness_until_alive(const struct harness *h, uint64_t id, int count);
/* Waits until there are none; returns when, and fails the test after `within_ms`. */
int64_t harness_until_none_alive(const struct harness *h, int64_t within_ms);
/* Children of this process that are not waited for yet, living or ended. */
int harness_children(void);
/* Waits until the process has a child, or has none, not even one that ended; fails the test after
 * 5 s. */
void harness_until_children_of(pid_t pid, bool some);
/* The one of them that is the nursery. */
pid_t harness_nursery(void);
/* The parent of a process: of a main process, its warden. */
pid_t harness_parent(pid_t pid);

#endif
