/* SPDX-License-Identifier: Apache-2.0 */
/* The types of inputs, and whether a value is of one. */
#ifndef ENGINE_FLOW_INPUT_TYPE_H
#define ENGINE_FLOW_INPUT_TYPE_H

#include "base/json.h"
#include "engine/flow/flow.h"

#define INPUT_TYPE_COUNT (FLOW_OBJECT + 1)

/* In the order of enum flow_type. */
extern const char *const input_type_names[INPUT_TYPE_COUNT];

/* Whether the text, which is JSON, is of the input's type and one of its allowed values;
 * `ret_error` says what is wrong in words that follow the value's name ("must be an integer, not
 * text"). */
int input_check(const struct flow_input *input, struct text json, struct error *ret_error);
/* The same for a value that was parsed. */
int input_check_value(const struct flow_input *input, const struct json *value,
                      struct error *ret_error);

#endif
