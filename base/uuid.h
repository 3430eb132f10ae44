/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs (RFC 9562): version 7 for jobs and boots, version 4 for claims. The caller brings the time
 * and the random bytes. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

#define UUID_TEXT_LEN 36

struct uuid {
    uint8_t bytes[16];
};

/* Version 7: milliseconds of the Unix epoch, then 74 of the 80 random bits. */
struct uuid uuid_v7(int64_t unix_ms, const uint8_t random[10]);
/* Version 4: 122 of the 128 random bits. */
struct uuid uuid_v4(const uint8_t random[16]);
/* Lower-case hex with hyphens and a NUL. Returns `ret_text`. */
char *uuid_format(const struct uuid *uuid, char ret_text[UUID_TEXT_LEN + 1]);
/* Exactly 36 characters, hex in either case. */
bool uuid_parse(struct text text, struct uuid *ret_uuid);
bool uuid_equal(const struct uuid *a, const struct uuid *b);
/* Byte order: <0, 0, >0. */
int uuid_compare(const struct uuid *a, const struct uuid *b);
bool uuid_is_nil(const struct uuid *uuid);

/* For printf("%s", UUID_STR(&id)): valid until the end of the enclosing block. */
#define UUID_STR(uuid) uuid_format((uuid), (char[UUID_TEXT_LEN + 1]){0})

#endif
