/* SPDX-License-Identifier: Apache-2.0 */
/* The engines as `engines` and `status` show them. */
#ifndef CLI_ENGINES_H
#define CLI_ENGINES_H

#include "base/buffer.h"
#include "base/record.h"

/* `running`, `draining` (was told to stop) or `aside` (takes no new jobs: just came, is in doubt
 * about its lease, or is without Postgres). */
const char *engine_state(const struct member *member);

/* Appends one object: name boot host pid supervisor_pid state slots running. */
void engine_json(const struct member *member, struct buffer *ret_json);
/* Prints the table, by name. Reorders nothing. */
void engines_print(const struct member *members, size_t count);

/* Pointers to the members by name; give them to free(). */
const struct member **engines_sorted(const struct member *members, size_t count);

#endif
