/* SPDX-License-Identifier: Apache-2.0 */
/* What a run with crashes must have in common with the same run without them. */
#ifndef ENGINE_SIM_STAGE_COMPARE_H
#define ENGINE_SIM_STAGE_COMPARE_H

#include "base/buffer.h"
#include "engine/sim/stage.h"

/* Where the two differ in what must be the same, told in `ret_text`; true: they agree.
 *   the job's state, output and failure; every task's state, attempt, result and failure;
 *   calls: exactly those in flight at a crash were begun once more;
 *     (`has_times`: or not, when their time was over; how they ended is not known then)
 *   the history, apart from claims and takeovers: the same moves in the same order. */
bool stage_agrees(const struct stage_run *plain, const struct stage_run *crashed, bool has_times,
                  struct buffer *ret_text);
/* Every line of the history is a move that the state machine allows, or a remark. */
bool stage_is_legal(const struct stage_run *run, struct buffer *ret_text);
/* The whole history, a save a line. */
void stage_print(const struct stage_run *run, struct buffer *ret_text);

#endif
