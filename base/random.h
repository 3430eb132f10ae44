/* SPDX-License-Identifier: Apache-2.0 */
/* A seeded generator (splitmix64): the same seed gives the same numbers on every machine. Not for
 * secrets. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/* 0 .. limit-1; limit > 0. */
uint64_t random_below(struct random *random, uint64_t limit);
/* True `percent` times in a hundred. */
bool random_percent(struct random *random, unsigned percent);
void random_bytes(struct random *random, void *ret_bytes, size_t len);

/* One round of the generator's mixer, for hashing an integer. */
uint64_t random_mix(uint64_t value);

#endif
