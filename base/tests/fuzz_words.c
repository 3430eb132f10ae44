/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the small words that people and services write: durations, ids, UTF-8. What is read
 * and written is read as the same again. */
#include <stdlib.h>

#include "base/check.h"
#include "base/duration.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "base/uuid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_duration(struct text text)
{
    int64_t ms, again;
    char written[64];
    if (!duration_parse_ms(text, &ms))
        return;
    CHECK(ms >= 0 && ms <= DURATION_MAX_MS);
    duration_format(ms, written, sizeof written);
    CHECK(duration_parse_ms(text_of(written), &again) && again <= ms);
}

static void try_uuid(struct text text)
{
    struct uuid uuid, again;
    if (!uuid_parse(text, &uuid))
        return;
    CHECK(uuid_parse(text_of(UUID_STR(&uuid)), &again) && uuid_equal(&uuid, &again));
}

static void try_utf8(struct text text)
{
    size_t count = 0;
    uint32_t code;
    char written[4];
    if (!utf8_valid(text))
        return;
    for (size_t at = 0; at < text.len; count++) {
        size_t len = utf8_decode(text.data + at, text.len - at, &code);
        CHECK(len > 0 && utf8_encode(code, written) == len &&
              memcmp(written, text.data + at, len) == 0);
        at += len;
    }
    CHECK(count == utf8_length(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = {(const char *)data, size};
    try_duration(text);
    try_uuid(text);
    try_utf8(text);
    return 0;
}
