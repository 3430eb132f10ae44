/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* The length (1..4) of the well-formed sequence at `data`, 0 if there is none in `len` bytes. */
size_t utf8_sequence(const char *data, size_t len);
/* Decodes the sequence at `data`, which is well-formed; sets the code point, returns its length. */
size_t utf8_decode(const char *data, size_t len, uint32_t *ret_code);
/* Writes `code` (a scalar value) to `ret_bytes`, returns how many of the 4 were used. */
size_t utf8_encode(uint32_t code, char ret_bytes[4]);
bool utf8_valid(struct text text);
/* Code points in a well-formed text. */
size_t utf8_length(struct text text);

#endif
