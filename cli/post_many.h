/* SPDX-License-Identifier: Apache-2.0 */
/* Posts many jobs and prints their ids in the order posted, each as soon as it and those before it
 * are recorded. */
#ifndef CLI_POST_MANY_H
#define CLI_POST_MANY_H

#include <stdbool.h>
#include <stddef.h>

#include "jobboard/client/jobboard.h"

struct post_many {
    const char *verb;
    bool json; /* an object a line instead of an id a line */
};

/* Posts each of `posts` `count` times, the first one first. `ret_jobs` has room for all and gets
 * the ids of the jobs (SAME: of the first one). Returns an exit code; at the first post that fails
 * no more are begun. */
int post_many(const struct post_many *many, struct jobboard *jobboard,
              const struct jobboard_post *posts, size_t post_count, size_t count,
              struct uuid *ret_jobs);

#endif
