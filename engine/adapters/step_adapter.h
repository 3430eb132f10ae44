/* SPDX-License-Identifier: Apache-2.0 */
/* Between the core and what runs steps: a step's plain description becomes argv and environment or
 * a request, an end or an answer becomes the core's event. Translates, never decides. */
#ifndef ENGINE_ADAPTERS_STEP_ADAPTER_H
#define ENGINE_ADAPTERS_STEP_ADAPTER_H

#include <stdbool.h>

#include "base/arena.h"
#include "engine/adapters/http.h"
#include "engine/adapters/process.h"
#include "engine/core/core.h"

/* What every step inherits: its working directory and the first lines of its environment. */
struct step_ground {
    const char *cwd;  /* where a step without `cwd` runs */
    const char *path; /* PATH, HOME, LANG: NULL leaves one out */
    const char *home;
    const char *lang;
};

/* Where steps run: a step is a process or a request, and only its own source knows its number. */
struct step_sources {
    struct process_source *processes;
    struct http_source *http;
};

/* Performs the effect if it is about steps; false: it is another's. */
bool step_adapter_perform(const struct step_sources *sources, const struct step_ground *ground,
                          struct arena *scratch, const struct core_effect *effect);

/* Turns a process event into a core event (without its time); false when the core need not know.
 * `scratch` takes the cleaned stderr. */
bool step_adapter_translate(const struct process_event *from, struct arena *scratch,
                            struct core_event *ret_event);

/* The same for an HTTP event: a response is the end of a step, whatever its status. */
void step_adapter_translate_http(const struct http_event *from, struct core_event *ret_event);

#endif
