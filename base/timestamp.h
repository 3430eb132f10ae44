/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as text: RFC 3339 in UTC with microseconds. Proleptic Gregorian calendar. */
#ifndef BASE_TIMESTAMP_H
#define BASE_TIMESTAMP_H

#include <stdint.h>

#define TIMESTAMP_TEXT_MAX 40

/* `2026-11-24T03:52:46.123456Z`. Returns `ret_text`. */
char *timestamp_text(int64_t unix_us, char ret_text[TIMESTAMP_TEXT_MAX]);

#endif
