/* SPDX-License-Identifier: Apache-2.0 */
/* Between the core and the board: effects become requests, the board's events become the core's.
 * Translates, never decides. */
#ifndef ENGINE_ADAPTERS_BOARD_ADAPTER_H
#define ENGINE_ADAPTERS_BOARD_ADAPTER_H

#include <stdbool.h>

#include "base/arena.h"
#include "engine/core/core.h"
#include "jobboard/board.h"

/* Performs the effect if it is the board's; false: it is another's. */
bool board_adapter_perform(struct board *board, const struct core_effect *effect);

/* Turns a board event into a core event (without its time); false when the core need not know.
 * `scratch` takes what must be reshaped. */
bool board_adapter_translate(const struct board_event *from, struct arena *scratch,
                             struct core_event *ret_event);

#endif
