/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON: refused with a place, or a tree of views into the text that is equal to
 * itself. */
#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tree(struct text source, const struct json *json)
{
    int64_t number;
    uint32_t count = 0;
    CHECK(json->raw.len > 0 && json->raw.data >= source.data &&
          json->raw.data + json->raw.len <= source.data + source.len);
    if (json_int64(json, &number))
        CHECK(json->kind == JSON_NUMBER);
    for (const struct json *child = json->first; child; child = child->next, count++)
        check_tree(source, child);
    CHECK(count == json->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text source = {(const char *)data, size};
    struct arena arena = {0}, other = {0};
    struct json *json = NULL, *again = NULL;
    struct error error = {0};
    if (json_parse(&arena, source, &json, &error) == 0) {
        check_tree(source, json);
        CHECK(json_parse(&other, json->raw, &again, NULL) == 0 && json_equal(json, again));
    } else {
        CHECK(error.code && error.text[0]);
    }
    arena_done(&arena);
    arena_done(&other);
    return 0;
}
