/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for jobs to end: what `wait` and `post --wait` share. */
#ifndef CLI_WAIT_JOBS_H
#define CLI_WAIT_JOBS_H

#include <stdint.h>
#include <stdio.h>

#include "jobboard/client/jobboard.h"

/* Waits until all ended, and prints a line on `out` for each as it ends. Postgres away: waits on,
 * and says so. `timeout_ms` 0: no limit. Returns an exit code: 0 all SUCCESS, 1 one ended
 * otherwise, 4 timed out, 5 one does not exist. */
int wait_jobs(struct jobboard *jobboard, const char *verb, const struct uuid *jobs, size_t count,
              int64_t timeout_ms, bool json, FILE *out);

#endif
