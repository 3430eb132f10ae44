/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's log: one line per move of a job or task, per trouble, and (debug) per claim move. */
#ifndef ENGINE_JOURNAL_H
#define ENGINE_JOURNAL_H

#include <stdbool.h>

#include "engine/core/core.h"
#include "jobboard/board.h"
#include "storage/storage.h"

/* Writes the line of the effect if it is for the log; false: it is another's. */
bool journal_perform(const struct core_effect *effect);

/* One line each with all counters, at the end of a life. */
void journal_counts(const struct core_counts *counts);
void journal_store_counts(const struct storage_counts *counts);
void journal_board_counts(const struct board_counts *counts);

#endif
