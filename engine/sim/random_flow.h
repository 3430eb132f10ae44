/* SPDX-License-Identifier: Apache-2.0 */
/* Random flows of all constructs, from a seed: valid texts that compile, whose steps are those of a
 * stage (stage.h).
 *
 * Each seed has its own mixture: every construct is off in some seeds and frequent in others, so
 * that rare combinations come up. Without limits of time and pauses (`has_times` false) a crash
 * shifts nothing on the stage's clock, and the run with it must equal the run without. */
#ifndef ENGINE_SIM_RANDOM_FLOW_H
#define ENGINE_SIM_RANDOM_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

enum random_feature {
    RANDOM_NESTED,
    RANDOM_NEEDS, /* of kind failure and done */
    RANDOM_JOIN,
    RANDOM_IF,
    RANDOM_SKIP,
    RANDOM_CONTINUE,
    RANDOM_STOP,
    RANDOM_REVERT_ALL,
    RANDOM_FOREACH,
    RANDOM_REPEAT,
    RANDOM_TASK_RETRY,
    RANDOM_FLOW_RETRY,
    RANDOM_JOB_RETRY,
    RANDOM_REVERT,
    RANDOM_REVERT_FAILS,
    RANDOM_REVERT_IF,
    RANDOM_REVERT_RETRY,
    RANDOM_FINALLY,
    RANDOM_INSTANT, /* set, noop, fail */
    RANDOM_FAILURES,
    RANDOM_READS, /* what tasks gave, in others */
    RANDOM_TIMES, /* timeout, deadline, pauses */
    RANDOM_FEATURES,
};

struct random_flow {
    struct buffer text;             /* JSON */
    bool has_times;                 /* limits of time or pauses stand in it */
    uint32_t uses[RANDOM_FEATURES]; /* how often each stands in the text */
};

void random_flow_make(uint64_t seed, struct random_flow *ret_flow);
void random_flow_done(struct random_flow *flow);
const char *random_feature_name(enum random_feature feature);

#endif
