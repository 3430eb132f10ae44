/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a local run, shared by its files. */
#ifndef ENGINE_LOCAL_LOCAL_PRIVATE_H
#define ENGINE_LOCAL_LOCAL_PRIVATE_H

#include <uthash.h>

#include "engine/adapters/step_adapter.h"
#include "engine/core/core.h"
#include "engine/local/local.h"

/* A task's row in memory. */
struct local_row {
    struct task_row row; /* texts in the run's arena */
    UT_hash_handle hh;   /* by path */
};

/* A line that was not pulled yet. */
struct local_entry {
    struct local_line line;
    char *texts; /* owns task and detail */
    struct local_entry *next;
};

/* A step that runs, so that its progress has a name. */
struct local_step {
    uint64_t step;
    struct text path;
    UT_hash_handle hh;
};

struct local {
    struct arena arena;   /* texts that live to the end */
    struct arena scratch; /* of one turn */
    struct core *core;
    struct step_sources steps;
    struct step_ground ground;
    struct uuid boot;
    struct job_load load; /* the job as the store would have it */
    struct local_row *rows;
    struct local_step *running;
    struct text output, failure;
    int64_t seq;
    bool ended;
    int stops;
    struct core_event *events; /* answers that the core does not know yet */
    size_t event_first, event_count, event_capacity;
    struct local_entry *first_line, *last_line;
    char *pulled; /* texts of the line that was given last */
};

/* An answer for the core, given after what is being performed. */
struct core_event *local_event(struct local *local, enum event_kind kind, uint64_t tag);
/* store.c: answers an effect as a healthy board and store would. */
void local_answer(struct local *local, const struct core_effect *effect);
void local_line(struct local *local, struct text task, int32_t attempt, const char *state,
                struct text detail, double progress);
void local_progress(struct local *local, uint64_t step, double fraction, struct text text);
/* Whose step it is, for its progress. */
void local_remember_step(struct local *local, const struct step_start *start);
void local_forget_step(struct local *local, uint64_t step);
void local_forget(struct local *local);

#endif
