/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"

struct unit {
    const char *name;
    int64_t ms;
};

static const struct unit units[] = {
    {"w", INT64_C(604800000)},
    {"d", 86400000},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};
#define UNIT_COUNT (sizeof units / sizeof units[0])

/* The number at `*at`; moves behind it. False without a digit or beyond the longest length. */
static bool parse_number(struct text text, size_t *at, int64_t *ret_number)
{
    size_t begin = *at;
    int64_t number = 0;
    while (*at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9') {
        number = number * 10 + (text.data[*at] - '0');
        if (number > DURATION_MAX_MS)
            return false;
        ++*at;
    }
    *ret_number = number;
    return *at > begin;
}

static bool parse_unit(struct text text, size_t *at, size_t *ret_unit)
{
    size_t begin = *at;
    while (*at < text.len && text.data[*at] >= 'a' && text.data[*at] <= 'z')
        ++*at;
    struct text name = {text.data + begin, *at - begin};
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (text_equal(name, text_of(units[i].name))) {
            *ret_unit = i;
            return true;
        }
    }
    return false;
}

bool duration_parse_ms(struct text text, int64_t *ret_ms)
{
    int64_t total_ms = 0;
    size_t at = 0, next_unit = 0;
    do {
        int64_t number;
        size_t unit;
        if (!parse_number(text, &at, &number) || !parse_unit(text, &at, &unit))
            return false;
        if (unit < next_unit || number > (DURATION_MAX_MS - total_ms) / units[unit].ms)
            return false;
        total_ms += number * units[unit].ms;
        next_unit = unit + 1;
    } while (at < text.len);
    *ret_ms = total_ms;
    return true;
}

char *duration_format(int64_t duration_ms, char *ret_string, size_t size)
{
    CHECK(duration_ms >= 0 && size > 0);
    size_t first = 0;
    while (first < UNIT_COUNT && duration_ms < units[first].ms)
        first++;
    if (first == UNIT_COUNT) {
        snprintf(ret_string, size, "0s");
        return ret_string;
    }
    int64_t count = duration_ms / units[first].ms;
    int used = snprintf(ret_string, size, "%" PRId64 "%s", count, units[first].name);
    if (first + 1 == UNIT_COUNT || used < 0 || (size_t)used >= size)
        return ret_string;
    const struct unit *second = &units[first + 1];
    int64_t rest = duration_ms % units[first].ms / second->ms;
    if (rest > 0)
        snprintf(ret_string + used, size - (size_t)used, "%" PRId64 "%s", rest, second->name);
    return ret_string;
}
