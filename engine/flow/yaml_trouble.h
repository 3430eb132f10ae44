/* SPDX-License-Identifier: Apache-2.0 */
/* Says in plain words what a YAML reader could not read, and what to do instead.
 *
 * Most such mistakes are an expression or a condition without quotes that YAML took apart at a
 * character of its own; the line tells which. Knows the reader's messages, not the reader. */
#ifndef ENGINE_FLOW_YAML_TROUBLE_H
#define ENGINE_FLOW_YAML_TROUBLE_H

#include "engine/flow/node.h"

/* Reports the reader's `problem`, met at byte `at` while it was reading something (`context`, or
 * NULL) that began at `context_at`. */
void yaml_trouble_report(struct report *report, const char *problem, uint32_t at,
                         const char *context, uint32_t context_at);

/* Whether white space and `#` follow the byte `end`: a plain value ended there because YAML saw a
 * comment. */
bool yaml_trouble_is_cut(const struct lines *source, uint32_t end);

/* Reports a plain word that YAML took apart, and makes it bad; leaves others alone. */
void yaml_trouble_check_value(struct report *report, struct node *scalar);
void yaml_trouble_check_key(struct report *report, struct node *key);

#endif
