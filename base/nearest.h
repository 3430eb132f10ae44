/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean …?": the known word that is closest to one that is not known. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

#include "base/text.h"

/* Longer words have no neighbours. */
#define NEAREST_WORD_MAX 64

/* How many letters must be put in, taken out, replaced or swapped with their neighbour to make
 * `b` of `a`; SIZE_MAX when either is longer than NEAREST_WORD_MAX. */
size_t nearest_distance(struct text a, struct text b);

/* The first of `words` with the least distance to `word`, or NULL when none is close enough (a
 * third of its letters) to be what was meant. NULL entries are passed over. */
const char *nearest_word(struct text word, const char *const *words, size_t count);

#endif
