/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <string.h>

#include "base/check.h"

/* Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014), with Stafford's
 * variant 13 of the mixer. */
uint64_t random_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void random_seed(struct random *random, uint64_t seed)
{
    random->state = seed;
}

uint64_t random_next(struct random *random)
{
    random->state += UINT64_C(0x9E3779B97F4A7C15);
    return random_mix(random->state);
}

uint64_t random_below(struct random *random, uint64_t limit)
{
    CHECK(limit > 0);
    return (uint64_t)(((unsigned __int128)random_next(random) * limit) >> 64);
}

bool random_percent(struct random *random, unsigned percent)
{
    return random_below(random, 100) < percent;
}

void random_bytes(struct random *random, void *ret_bytes, size_t len)
{
    unsigned char *out = ret_bytes;
    while (len > 0) {
        uint64_t word = random_next(random);
        size_t part = len < sizeof word ? len : sizeof word;
        memcpy(out, &word, part);
        out += part;
        len -= part;
    }
}
