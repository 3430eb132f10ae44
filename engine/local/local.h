/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one flow here and now, without a cluster: the daemon's core and its real steps over a board
 * and a store in memory. For authors of flows (`jobboard flow run`) and for tests.
 *
 * Knows how to answer the core as a healthy board and store would, at once. Refuses to know
 * ZooKeeper, Postgres, files and terminals. What it shows is what a cluster's history would show.
 *
 * A user without a loop: local_sources with source_poll, then local_next until it has no more. */
#ifndef ENGINE_LOCAL_LOCAL_H
#define ENGINE_LOCAL_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/os/source.h"
#include "base/record.h"
#include "engine/adapters/process.h"

struct local_options {
    struct text flow_text; /* compiles: the caller has checked it */
    struct text flow_name;
    struct text input;       /* JSON object, complete */
    struct text target;      /* path of the task that is wanted, which is there; none: all */
    const char *warden_path; /* NULL: beside this program */
    const char *cwd;         /* where steps without `cwd` run; NULL: / */
    int processes;           /* steps at once; 0: 4 per core */
    int64_t grace_ms;        /* between SIGTERM and SIGKILL of a step told to stop */
    uint64_t seed;
};

struct local;

/* Copies the options. ERR_SYSTEM when steps cannot be run here. */
int local_new(const struct local_options *options, struct local **ret_local,
              struct error *ret_error);
/* Kills what runs, waiting a moment for its end. */
void local_free(struct local *local);

#define LOCAL_SOURCES_MAX 3
size_t local_sources(struct local *local, struct source ret_sources[LOCAL_SOURCES_MAX]);

/* One line of the history, as soon as it is recorded. */
struct local_line {
    int64_t seq;      /* 1, 2, 3 … */
    int64_t at_us;    /* Unix time */
    struct text task; /* path; none: the job itself */
    int32_t attempt;
    const char *state;
    struct text detail; /* or none */
    double
        progress; /* of a step that said so, with its text in `detail`; -1: a line of the history */
};

/* Takes one line; false when there is none. Its texts live until the next call. */
bool local_next(struct local *local, struct local_line *ret_line);

/* Tells what runs to stop; the run ends with what that leads to. The second call kills. */
void local_stop(struct local *local);

/* Whether the job has ended (all lines may not be pulled yet). */
bool local_has_ended(const struct local *local);
enum job_state local_state(const struct local *local);
struct uuid local_job(const struct local *local);
/* JSON, or none; valid until local_free. */
struct text local_output(const struct local *local);
struct text local_failure(const struct local *local);
/* The row of a task, NULL when it never moved. */
const struct task_row *local_task(const struct local *local, struct text path);

#endif
