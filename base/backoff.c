/* SPDX-License-Identifier: Apache-2.0 */
#include "base/backoff.h"

int64_t backoff_failed(struct backoff *backoff, struct random *random)
{
    int64_t pause = backoff->first_ms;
    for (unsigned i = 0; i < backoff->failures && pause < backoff->max_ms; i++)
        pause *= 2;
    if (pause > backoff->max_ms)
        pause = backoff->max_ms;
    backoff->failures++;
    return pause / 2 + (int64_t)random_below(random, (uint64_t)(pause / 2) + 1);
}

void backoff_succeeded(struct backoff *backoff)
{
    backoff->failures = 0;
}
