/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of all keys, for the table in language.c; each fills in its part of the target and
 * reports what is wrong with the value. The value is never refused, bad or (unless the table says
 * so) empty. */
#ifndef ENGINE_FLOW_READERS_H
#define ENGINE_FLOW_READERS_H

#include "engine/flow/language.h"

/* file_keys.c */
key_reader key_flow, key_description, key_runs_on, key_priority, key_output, key_tasks, key_steps;
/* input_keys.c */
key_reader key_input, key_input_type, key_input_default, key_input_enum, key_input_description;
/* verb_keys.c */
key_reader key_run, key_sh, key_set, key_fail, key_noop;
/* task_keys.c */
key_reader key_name, key_task_description, key_needs, key_if, key_expect, key_retry, key_timeout,
    key_env, key_cwd, key_with, key_result, key_once;
/* retry_keys.c */
key_reader key_attempts, key_delay, key_backoff, key_max_delay, key_jitter, key_retry_if,
    key_values;
/* Defaults, and what a retry must have. */
void retry_begin(struct flow_retry *retry);
void retry_end(struct compiler *c, const struct target *target, const struct node *node);

#endif
