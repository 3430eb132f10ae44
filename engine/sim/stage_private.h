/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a stage, shared by its files. */
#ifndef ENGINE_SIM_STAGE_PRIVATE_H
#define ENGINE_SIM_STAGE_PRIVATE_H

#include <uthash.h>

#include "engine/core/core.h"
#include "engine/sim/stage.h"

/* A task's row in memory. */
struct stage_kept {
    struct task_row row; /* texts in the run's arena */
    int save;            /* number of the save that wrote it last */
    UT_hash_handle hh;   /* by path */
};

/* A step in flight, or one that was lost in flight and waits for its next run. */
struct stage_step {
    uint64_t step;
    size_t call; /* in the run's list */
    int64_t end_ms;
    uint64_t order; /* by its name: decides between equal times */
    bool fails, hangs;
    bool stopped; /* by SIGTERM */
    bool handed;  /* stopped so that another core goes on with it */
    struct text out;
    bool is_http;
};

struct stage {
    const struct stage_plan *plan;
    const struct stage_fault *faults;
    size_t fault_count, fault_next;
    struct stage_run *run;
    struct core *core;
    int64_t now_ms;
    struct uuid boot;
    struct job_load load;   /* the job as the store has it */
    struct inbox_row inbox; /* the rerun, once it came */
    struct stage_kept *rows;
    struct stage_step *flying, *lost;
    struct stage_step *ended; /* since the last save: not recorded */
    size_t flying_count, flying_capacity, lost_count, lost_capacity, ended_count, ended_capacity;
    struct core_event *events; /* answers that the core does not know yet */
    size_t event_first, event_count, event_capacity;
    bool dead;     /* this core is to be dropped */
    bool finished; /* the job's end is saved and answered */
    bool draining;
    uint64_t drain_tag; /* tell it to stop when it hears of this save; 0: no */
    bool drain_early;   /* just before */
    int quiet;          /* ticks since the last save */
};

/* A new answer for the core, given after what is being performed. */
struct core_event *stage_event(struct stage *stage, enum event_kind kind, uint64_t tag);

/* stage_store.c: the board and the store */
void stage_answer(struct stage *stage, const struct core_effect *effect);
void stage_line(struct stage *stage, struct text task, int32_t attempt, int state,
                struct text detail);
void stage_collect(struct stage *stage);
/* The ended job is made to run again, if that is wanted and may be. */
bool stage_rerun(struct stage *stage);

/* stage_steps.c */
void stage_start(struct stage *stage, const struct step_start *start);
void stage_stop(struct stage *stage, uint64_t step);
/* The step that ends first, SIZE_MAX: none. */
size_t stage_next_end(const struct stage *stage);
void stage_end(struct stage *stage, size_t number);
/* All that flies is lost. */
void stage_lose_steps(struct stage *stage);

#endif
