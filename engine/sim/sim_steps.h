/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that only pretend: steps of engines, and the wardens that watch them, in virtual time.
 *
 * A step `work MIN MAX FAIL` (as argv, or as the whole script of `sh`) takes MIN to MAX ms and
 * fails FAIL times in a thousand; `missing` cannot be started; `stubborn MIN MAX FAIL` ignores
 * SIGTERM. It prints text that no other run prints. What a run is of is read from its environment,
 * as real steps do.
 *
 * A host is one engine process: its steps die when it dies, and at the lease page's deadline
 * whatever the engine does (wardens). Every run is kept as evidence.
 *
 * Requests are the core's effects, answers its events. */
#ifndef ENGINE_SIM_SIM_STEPS_H
#define ENGINE_SIM_SIM_STEPS_H

#include "engine/core/effect.h"
#include "engine/sim/sim_world.h"

/* One process that really ran. */
struct sim_step_run {
    struct uuid job;
    struct text task;
    int64_t attempt;
    int64_t epoch;
    int engine;       /* number of the engine */
    uint64_t step;    /* the core's number */
    int64_t began_us; /* world's clock */
    int64_t ended_us; /* -1: it runs */
    bool killed;
    int exit_code;
};

struct sim_steps_watch {
    void *context;
    void (*began)(void *context, const struct sim_step_run *run);
    void (*ended)(void *context, const struct sim_step_run *run);
};

struct sim_steps;
struct sim_host;

struct sim_steps *sim_steps_new(struct sim_world *world, const struct sim_steps_watch *watch);
size_t sim_steps_count(const struct sim_steps *steps);
const struct sim_step_run *sim_steps_run(const struct sim_steps *steps, size_t number);
/* Of the task, of any attempt, alive now. */
size_t sim_steps_alive(const struct sim_steps *steps, const struct uuid *job, struct text task);

/* An engine's process. `clock_us`: its clock minus the world's. */
struct sim_host *sim_steps_host(struct sim_steps *steps, int engine, int64_t clock_us,
                                struct sim_listener listener);
/* EFFECT_START_STEP, EFFECT_STOP_STEP, EFFECT_KILL_AT. */
void sim_steps_request(struct sim_host *host, const struct core_effect *effect);
/* The engine's process is gone, and so, at once, are its steps. */
void sim_steps_leave(struct sim_host *host);
/* Steps of the host that are alive or have not been told as ended. */
size_t sim_steps_of(const struct sim_host *host);

#endif
