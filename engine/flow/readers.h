/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of all keys, for the table in language_table.c; each fills in its part of the target
 * and reports what is wrong with the value. The value is never refused, bad or (unless the table
 * says so) empty. */
#ifndef ENGINE_FLOW_READERS_H
#define ENGINE_FLOW_READERS_H

#include "engine/flow/language.h"

struct expr_home;

/* file_keys.c */
key_reader key_flow, key_description, key_runs_on, key_priority, key_finally;
/* input_keys.c */
key_reader key_input, key_input_type, key_input_default, key_input_enum, key_input_description;
/* defaults.c */
key_reader key_defaults;
/* verb_keys.c */
key_reader key_run, key_sh, key_set, key_fail, key_noop, key_tasks, key_steps, key_output;
/* http_keys.c */
key_reader key_http, key_method, key_url, key_headers, key_body;
/* task_keys.c */
key_reader key_name, key_task_description, key_needs, key_join, key_if, key_skip, key_on_failure,
    key_deadline, key_expect, key_retry, key_timeout, key_once, key_revert;
/* process_keys.c */
key_reader key_env, key_cwd, key_with, key_result;
/* retry_keys.c */
key_reader key_attempts, key_delay, key_backoff, key_max_delay, key_jitter, key_retry_if,
    key_values;
/* Fills in the retry of the target's task: the defaults, then what the map says. */
void retry_read(struct compiler *c, const struct target *target, const struct node *value);
/* loop_keys.c */
key_reader key_foreach, key_foreach_in, key_concurrency, key_fail_fast, key_enough, key_repeat,
    key_until, key_times, key_repeat_delay;

/* Reads a map NAME: TEXT into `ret_list`, each value with `home`; what a name must be is for the
 * caller. `what` ("the variable") goes into messages. False: it is no map. */
bool read_pairs(struct compiler *c, const struct node *value, const struct expr_home *home,
                const char *what, const struct flow_env **ret_list, size_t *ret_count);

#endif
