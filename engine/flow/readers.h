/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of all keys, for the table in language.c; each fills in its part of the target and
 * reports what is wrong with the value. The value is never refused, bad or (unless the table says
 * so) empty. */
#ifndef ENGINE_FLOW_READERS_H
#define ENGINE_FLOW_READERS_H

#include "engine/flow/language.h"

/* file_keys.c */
key_reader read_flow, read_description, read_runs_on, read_priority, read_output, read_tasks,
    read_steps;
/* input_keys.c */
key_reader read_input, read_input_type, read_input_default, read_input_enum, read_input_description;
/* verb_keys.c */
key_reader read_run, read_sh, read_set, read_fail, read_noop;
/* task_keys.c */
key_reader read_name, read_task_description, read_needs, read_if, read_expect, read_retry,
    read_timeout, read_env, read_cwd, read_with, read_result, read_once;
/* retry_keys.c */
key_reader read_attempts, read_delay, read_backoff, read_max_delay, read_jitter, read_retry_if,
    read_values;
/* Defaults, and what a retry must have. */
void retry_begin(struct flow_retry *retry);
void retry_end(struct compiler *c, const struct target *target, const struct node *node);

#endif
