/* SPDX-License-Identifier: Apache-2.0 */
/* Between the core and the store: effects become requests, answers become events. Translates,
 * never decides. */
#ifndef ENGINE_ADAPTERS_STORAGE_ADAPTER_H
#define ENGINE_ADAPTERS_STORAGE_ADAPTER_H

#include <stdbool.h>

#include "engine/core/core.h"
#include "storage/storage.h"

/* Performs the effect if it is the store's; false: it is another's. `self` is how this engine shows
 * itself. */
bool storage_adapter_perform(struct storage *storage, const struct member *self,
                             const struct core_effect *effect);

/* Turns an answer into a core event (without its time); false when the core need not know. */
bool storage_adapter_translate(const struct storage_answer *from, struct core_event *ret_event);

#endif
