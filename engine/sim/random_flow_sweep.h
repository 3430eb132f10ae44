/* SPDX-License-Identifier: Apache-2.0 */
/* One seed: a random flow is played undisturbed, judged by the reference, and played again with
 * crashes. */
#ifndef ENGINE_SIM_RANDOM_FLOW_SWEEP_H
#define ENGINE_SIM_RANDOM_FLOW_SWEEP_H

#include "engine/sim/random_flow.h"
#include "engine/sim/stage.h"

/* What seldom happens, and must happen in a long sweep. */
enum rare_state {
    RARE_JOB_REVERTED,
    RARE_JOB_FAILURE,
    RARE_REVERT_FAILURE,     /* a revert failed */
    RARE_NOT_UNDONE,         /* what it needed was left */
    RARE_REVERT_IF,          /* a revert was passed over */
    RARE_FLOW_RETRYING,      /* a nested flow undid itself and ran again */
    RARE_FLOW_IN_FLOW_RETRY, /* … inside another that did */
    RARE_JOB_RETRY,          /* the job itself */
    RARE_HANDLED,            /* SUCCESS although a task failed */
    RARE_UNREACHABLE,
    RARE_SKIP_REACHED,       /* `skip` reached another task */
    RARE_CRASH_IN_UNDO,      /* the core was lost while the job was REVERTING */
    RARE_TAKEOVER_OF_REVERT, /* a revert went on under another claim */
    RARE_DEEP_REVERT,        /* a revert four levels down */
    RARE_ITEM_REVERTED,
    RARE_ROUND_REVERTED,
    RARE_FINALLY_AFTER_CRASH, /* `finally` began under a later claim */
    RARE_DEADLINE,
    RARE_RERUN,         /* the job was made to run again */
    RARE_RERUN_GOES_ON, /* … and a flow, foreach or repeat went on with the rest */
    RARE_GIVEN,         /* … and a result was given */
    RARE_STATES,
};

const char *rare_state_name(enum rare_state state);

struct flow_options {
    int crashes; /* disturbed runs a seed */
    bool rerun;  /* jobs that fail are made to run again, most of them */
    bool judge;  /* the reference looks at what is undisturbed and has no limits of time */
    bool show;   /* report the undisturbed run in any case */
};

struct flow_counts {
    uint64_t flows, runs, saves, crashes, moves, failed;
    uint64_t judged;    /* runs that the reference knows */
    uint64_t ordered;   /* of these, those whose order at one time had to be found */
    uint64_t undecided; /* … and was not, among dozens of moves */
    uint64_t uses[RANDOM_FEATURES];
    uint64_t rare[RARE_STATES];
    uint64_t faults[STAGE_FAULTS]; /* met, by kind */
};

bool flow_sweep_seed(uint64_t seed, const struct flow_options *options, struct flow_counts *counts,
                     struct buffer *ret_report);

#endif
