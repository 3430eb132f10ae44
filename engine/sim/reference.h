/* SPDX-License-Identifier: Apache-2.0 */
/* A second reading of the flow language: which history a flow has when nothing disturbs it.
 *
 * Knows docs/flow-language.md, compiled flows, and what the fake steps of a stage do (stage.h).
 * Refuses to know the core: nothing here is shared with it but the plan, expressions and words of
 * states, so that the two are wrong in the same way only by misreading the same sentence.
 *
 * It is slow and plain on purpose. All of a job is one tree of nodes; whenever something ended, the
 * whole tree is looked over, again and again, and every move that the language allows is made,
 * until there is none. Then the clock goes on to what ends next.
 *
 * What happens at the same time may happen in any order, and now and then the order decides (two
 * failures at once: which is the flow's?). The plainest order is tried first, then others by
 * chance; a run is right if one of them gives its history.
 *
 * It knows no limits of time and no pauses: a flow with `timeout`, `deadline` or a delay is none of
 * its business (random_flow.h: has_times). */
#ifndef ENGINE_SIM_REFERENCE_H
#define ENGINE_SIM_REFERENCE_H

#include "base/buffer.h"
#include "engine/sim/stage.h"

enum reference_verdict {
    REFERENCE_AGREES,
    REFERENCE_UNDECIDED, /* dozens of moves at one time, and no order of them was found that fits */
    REFERENCE_DISAGREES,
};

/* Whether the undisturbed `run` of `plan` is what the language says; what differs is told in
 * `ret_text`, and `ret_orders` is how many orders were tried. Compared:
 *   for the job and each task, item and round: its moves, with attempt, detail and time, in order;
 *   the job's end and failure; the last state of each row, its failure, and the results of steps.
 */
enum reference_verdict reference_judge(const struct stage_plan *plan, const struct stage_run *run,
                                       int *ret_orders, struct buffer *ret_text);

#endif
