/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios: a calm world of two engines in which one thing goes wrong at a chosen moment. Each
 * ends with every job final, nothing left over and no invariant broken; what happened is compared
 * with a story of facts, or asked of counts. */
#ifndef ENGINE_SIM_TESTS_SCENARIO_H
#define ENGINE_SIM_TESTS_SCENARIO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/sim/sim.h"

/* A calm world with `engines` started (the first of them first) and, if `settle`, in their
 * division. */
struct sim *scenario_new(int engines);
/* Checks that no invariant is broken and frees it. */
void scenario_done(struct sim *sim);

/* Posts a job with the text of its tasks, indented by two spaces, at once with its card. */
struct sim_job *scenario_post(struct sim *sim, const char *tasks);
struct sim_job *scenario_post_unplaced(struct sim *sim, const char *tasks);

/* A moment that a scenario waits for. */
struct moment {
    bool (*is_now)(struct sim *sim, struct sim_job *job);
    struct sim_job *job;
};
/* Runs to the moment; the test fails if it does not come within 60 s. */
void scenario_until(struct sim *sim, bool (*is_now)(struct sim *sim, struct sim_job *job),
                    struct sim_job *job);
void scenario_pass(struct sim *sim, int64_t ms);
/* Runs until all is final and tidy; the test fails after 60 s. */
void scenario_finish(struct sim *sim);

/* Moments. */
bool is_locked(struct sim *sim, struct sim_job *job);   /* not claimed yet */
bool is_claimed(struct sim *sim, struct sim_job *job);  /* nothing saved yet */
bool is_begun(struct sim *sim, struct sim_job *job);    /* a task is RUNNING durably */
bool is_stepping(struct sim *sim, struct sim_job *job); /* a step runs */
bool is_final(struct sim *sim, struct sim_job *job);
bool is_ready_again(struct sim *sim, struct sim_job *job); /* released */

/* The engine that holds the job's newest claim. */
struct sim_engine *scenario_owner(struct sim *sim, const struct sim_job *job);
struct sim_engine *scenario_other(struct sim *sim, const struct sim_engine *engine);

/* The facts since the beginning, or since the last call, must be these lines. */
void scenario_story(struct sim *sim, const char *expected);
/* Forgets the facts so far. */
void scenario_forget(struct sim *sim);
void scenario_count(const struct sim *sim, enum sim_count what, uint64_t expected);

#endif
