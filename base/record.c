/* SPDX-License-Identifier: Apache-2.0 */
#include "base/record.h"

#include "base/check.h"

#define B MACHINE_BIT

static const struct machine_state job_states[JOB_STATES] = {
    [JOB_READY] = {"READY",
                   B(JOB_RUNNING) | B(JOB_SUSPENDED) | B(JOB_CANCELLED) | B(JOB_QUARANTINED), true,
                   false},
    [JOB_RUNNING] = {"RUNNING",
                     B(JOB_RUNNING) | B(JOB_READY) | B(JOB_REVERTING) | B(JOB_WAITING) |
                         B(JOB_SUSPENDED) | B(JOB_SUCCESS) | B(JOB_FAILURE) | B(JOB_REVERTED) |
                         B(JOB_CANCELLED) | B(JOB_QUARANTINED),
                     false, false},
    [JOB_REVERTING] = {"REVERTING",
                       B(JOB_REVERTING) | B(JOB_RUNNING) | B(JOB_READY) | B(JOB_WAITING) |
                           B(JOB_SUSPENDED) | B(JOB_SUCCESS) | B(JOB_FAILURE) | B(JOB_REVERTED) |
                           B(JOB_CANCELLED) | B(JOB_QUARANTINED),
                       false, false},
    [JOB_WAITING] = {"WAITING", B(JOB_READY) | B(JOB_SUSPENDED) | B(JOB_CANCELLED), false, false},
    [JOB_SUSPENDED] = {"SUSPENDED", B(JOB_READY) | B(JOB_WAITING) | B(JOB_CANCELLED), false, false},
    [JOB_SUCCESS] = {"SUCCESS", 0, false, true},
    [JOB_FAILURE] = {"FAILURE", B(JOB_READY), false, true},
    [JOB_REVERTED] = {"REVERTED", B(JOB_READY), false, true},
    [JOB_CANCELLED] = {"CANCELLED", B(JOB_READY), false, true},
    [JOB_QUARANTINED] = {"QUARANTINED", B(JOB_READY), false, true},
};

const struct machine job_machine = {"job", job_states, JOB_STATES};

/* RUNNING to RUNNING is a takeover: the attempt goes on under a new epoch. PENDING to SUCCESS: a
 * person who had the job rerun gave the result. */
static const struct machine_state task_states[TASK_STATES] = {
    [TASK_PENDING] = {"PENDING",
                      B(TASK_RUNNING) | B(TASK_WAITING) | B(TASK_FAILURE) | B(TASK_SKIPPED) |
                          B(TASK_SUCCESS),
                      true, false},
    [TASK_RUNNING] = {"RUNNING",
                      B(TASK_RUNNING) | B(TASK_WAITING) | B(TASK_RETRYING) | B(TASK_SUCCESS) |
                          B(TASK_FAILURE) | B(TASK_REVERTING) | B(TASK_REVERTING),
                      false, false},
    [TASK_WAITING] = {"WAITING",
                      B(TASK_RUNNING) | B(TASK_RETRYING) | B(TASK_SUCCESS) | B(TASK_FAILURE), false,
                      false},
    [TASK_RETRYING] = {"RETRYING",
                       B(TASK_RUNNING) | B(TASK_WAITING) | B(TASK_FAILURE) | B(TASK_PENDING), false,
                       false},
    [TASK_SUCCESS] = {"SUCCESS", B(TASK_REVERTING) | B(TASK_PENDING), false, true},
    [TASK_FAILURE] = {"FAILURE", B(TASK_REVERTING) | B(TASK_PENDING), false, true},
    /* A flow that undid itself goes RETRYING or FAILURE. */
    [TASK_REVERTING] = {"REVERTING",
                        B(TASK_REVERTING) | B(TASK_REVERTED) | B(TASK_REVERT_FAILURE) |
                            B(TASK_RETRYING) | B(TASK_FAILURE),
                        false, false},
    [TASK_REVERTED] = {"REVERTED", B(TASK_PENDING), false, true},
    [TASK_REVERT_FAILURE] = {"REVERT_FAILURE", B(TASK_PENDING), false, true},
    [TASK_SKIPPED] = {"SKIPPED", B(TASK_PENDING), false, true},
};

const struct machine task_machine = {"task", task_states, TASK_STATES};

#undef B

const char *job_state_name(enum job_state state)
{
    return machine_state_name(&job_machine, (int)state);
}

const char *task_state_name(enum task_state state)
{
    return machine_state_name(&task_machine, (int)state);
}

bool job_state_is_final(enum job_state state)
{
    CHECK(state < JOB_STATES);
    return job_states[state].final;
}

bool job_state_is_claimable(enum job_state state)
{
    return state == JOB_READY || state == JOB_RUNNING || state == JOB_REVERTING;
}

bool task_state_is_final(enum task_state state)
{
    CHECK(state < TASK_STATES);
    return task_states[state].final;
}
