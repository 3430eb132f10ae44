/* SPDX-License-Identifier: Apache-2.0 */
/* The input of a posted job from what a person gave: a document (--input) and single values (-i).
 * Pure. */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/os/options.h"
#include "engine/flow/flow.h"

/* Appends the input object: the members of `document` (none: {}) to the letter, and over them the
 * `NAME=VALUE` of `typed`, each turned into JSON by the type that the flow declares. What is
 * required or not declared is checked by posting, not here. ERR_INVALID. */
int inputs_build(const struct flow *flow, struct text document, const struct option_list *typed,
                 struct buffer *ret_json, struct error *ret_error);

#endif
