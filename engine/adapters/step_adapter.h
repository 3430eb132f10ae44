/* SPDX-License-Identifier: Apache-2.0 */
/* Between the core and the processes: a step's plain description becomes argv and environment, a
 * process's end becomes the core's event. Translates, never decides. */
#ifndef ENGINE_ADAPTERS_STEP_ADAPTER_H
#define ENGINE_ADAPTERS_STEP_ADAPTER_H

#include <stdbool.h>

#include "base/arena.h"
#include "engine/adapters/process.h"
#include "engine/core/core.h"

/* What every step inherits: its working directory and the first lines of its environment. */
struct step_ground {
    const char *cwd;  /* where a step without `cwd` runs */
    const char *path; /* PATH, HOME, LANG: NULL leaves one out */
    const char *home;
    const char *lang;
};

/* Performs the effect if it is about steps; false: it is another's. */
bool step_adapter_perform(struct process_source *processes, const struct step_ground *ground,
                          struct arena *scratch, const struct core_effect *effect);

/* Turns a process event into a core event (without its time); false when the core need not know.
 * `scratch` takes the cleaned stderr. */
bool step_adapter_translate(const struct process_event *from, struct arena *scratch,
                            struct core_event *ret_event);

#endif
