/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again: doubling pauses with jitter, between two bounds. The caller brings the time.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

#include "base/random.h"

struct backoff {
    int64_t first_ms;  /* pause after the first failure */
    int64_t max_ms;    /* no pause is longer */
    unsigned failures; /* in a row */
};

/* Counts a failure and returns the pause: between half of and the whole of
 * min(first_ms * 2^(failures-1), max_ms). */
int64_t backoff_failed(struct backoff *backoff, struct random *random);
void backoff_succeeded(struct backoff *backoff);

#endif
