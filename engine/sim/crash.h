/* SPDX-License-Identifier: Apache-2.0 */
/* The crash sweep: a flow is played once undisturbed, then once for each save and each way of
 * losing the core there, and with two of them. */
#ifndef ENGINE_SIM_CRASH_H
#define ENGINE_SIM_CRASH_H

#include "base/buffer.h"
#include "engine/sim/stage.h"

struct crash_options {
    int pairs;     /* sampled runs with two or three faults */
    bool loose;    /* only ends and legal moves are required: chance decides about pauses */
    bool rerun;    /* a job that failed is made to run again, and its core lost there as well */
    uint64_t seed; /* of the steps, and of the sample */
};

struct crash_counts {
    int flows, reruns, saves, lost, crashes, hand_overs, pairs;
};

/* False with a report of the first crash that left a trace. */
bool crash_flow(struct text source, const struct crash_options *options,
                struct crash_counts *counts, struct buffer *ret_report);
/* Plays it undisturbed and tells the history. */
bool crash_show(struct text source, const struct crash_options *options, struct buffer *ret_report);

#endif
