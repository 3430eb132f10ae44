/* SPDX-License-Identifier: Apache-2.0 */
/* One line of text for an event or an effect: for traces that people compare, never parsed.
 *
 * Ids are shown by their last six digits, documents by their first bytes. The same event gives the
 * same line. */
#ifndef ENGINE_CORE_RENDER_H
#define ENGINE_CORE_RENDER_H

#include "base/buffer.h"
#include "engine/core/effect.h"
#include "engine/core/event.h"

/* Append the line, without a newline. */
void render_event(const struct core_event *event, struct buffer *ret_line);
void render_effect(const struct core_effect *effect, struct buffer *ret_line);

#endif
