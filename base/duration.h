/* SPDX-License-Identifier: Apache-2.0 */
/* Lengths of time as people write them: `500ms 90s 1h30m 5d 2w`, always with units. */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* No longer length is read: 100 years. */
#define DURATION_MAX_MS (INT64_C(36525) * 24 * 3600 * 1000)

/* Reads one or more whole numbers with the units w d h m s ms, each unit smaller than the one
 * before it. False when `text` is anything else or longer than DURATION_MAX_MS. */
bool duration_parse_ms(struct text text, int64_t *ret_ms);

/* Writes the two largest units that are not zero (`1h30m`, `2m5s`, `350ms`, `0s`); a remainder is
 * left out. `duration_ms` is not negative. Returns `ret_string`. */
char *duration_format(int64_t duration_ms, char *ret_string, size_t size);

#endif
