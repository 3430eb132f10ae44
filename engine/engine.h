/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: the core, its adapters and the loop in one piece. One turn: pull the events of all
 * modules, step the core with each, perform the effects (every adapter only queues). */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/error.h"
#include "engine/settings.h"

struct engine;

/* Reads the board's row (waits for Postgres, retrying), resolves the addresses, builds all. This is
 * the only part that blocks. ERR_SCHEMA, ERR_NOT_FOUND, ERR_INVALID, ERR_WRONG_BOARD,
 * ERR_INTERRUPTED (SIGTERM while waiting). */
int engine_new(const struct settings *settings, struct engine **ret_engine,
               struct error *ret_error);

/* Runs until it has left cleanly. Returns the exit code. */
int engine_run(struct engine *engine);
void engine_free(struct engine *engine);

#endif
