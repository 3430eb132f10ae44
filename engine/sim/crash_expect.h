/* SPDX-License-Identifier: Apache-2.0 */
/* What the author of a flow says about its end, from the text of the language: words of the remark
 * `# expect: NAME=VALUE …`, without blanks in them.
 *
 *   job=STATE                 how it ends
 *   PATH=STATE[:DETAIL]       the newest line of a task, with its remark or reason, a blank in it
 * as
 *                             `_`; PENDING: none
 *   failure=TEXT              stands in the job's failure
 *   output=JSON               the job's output
 *   calls=N                   steps that were begun
 *   end_ms=N                  virtual time at the end */
#ifndef ENGINE_SIM_CRASH_EXPECT_H
#define ENGINE_SIM_CRASH_EXPECT_H

#include "base/buffer.h"
#include "engine/sim/stage.h"

/* False, with what differs, when the undisturbed run came to another end. */
bool crash_is_expected(const struct stage_run *run, struct text expected, struct buffer *ret_text);

#endif
