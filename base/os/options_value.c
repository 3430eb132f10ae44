/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/duration.h"
#include "base/os/options_private.h"

static int store_flag(const struct option_raw *raw, const char *text, bool *field,
                      struct error *error)
{
    struct text value = text_of(text);
    if (text_equal(value, TEXT("true")) || text_equal(value, TEXT("false"))) {
        *field = text[0] == 't';
        return 0;
    }
    return error_set(error, ERR_INVALID, "%s: '%s' is neither true nor false", raw->place, text);
}

static int store_text(const struct option_row *row, const struct option_raw *raw, const char *text,
                      const char **field, struct error *error)
{
    struct buffer known = {0};
    if (!row->choices) {
        *field = text;
        return 0;
    }
    for (const char *const *choice = row->choices; *choice; choice++) {
        if (text_equal(text_of(*choice), text_of(text))) {
            *field = *choice;
            return 0;
        }
    }
    for (const char *const *choice = row->choices; *choice; choice++)
        buffer_printf(&known, "%s%s", known.len ? ", " : "", *choice);
    error_set(error, ERR_INVALID, "%s: '%s' is not one of %s", raw->place, text, known.data);
    buffer_done(&known);
    return ERR_INVALID;
}

static int fail_range(const struct option_row *row, const struct option_raw *raw, const char *text,
                      struct error *error)
{
    char low[32], high[32];
    if (row->kind == OPTION_NUMBER) {
        snprintf(low, sizeof low, "%" PRId64, row->min);
        snprintf(high, sizeof high, "%" PRId64, row->max);
    } else {
        duration_format(row->min, low, sizeof low);
        duration_format(row->max, high, sizeof high);
    }
    return error_set(error, ERR_INVALID, "%s: %s is out of range; it may be %s to %s", raw->place,
                     text, low, high);
}

static int store_integer(const struct option_row *row, const struct option_raw *raw,
                         const char *text, int64_t *field, struct error *error)
{
    int64_t value;
    if (row->kind == OPTION_DURATION) {
        if (!duration_parse_ms(text_of(text), &value))
            return error_set(error, ERR_INVALID,
                             "%s: '%s' is not a length of time like 500ms, 90s, 1h30m, 5d or 2w",
                             raw->place, text);
    } else {
        char *end;
        errno = 0;
        value = strtoll(text, &end, 10);
        bool digits = (text[0] >= '0' && text[0] <= '9') || text[0] == '-';
        if (errno || !digits || *end || end == text)
            return error_set(error, ERR_INVALID, "%s: '%s' is not a whole number", raw->place,
                             text);
    }
    if (row->max > 0 && (value < row->min || value > row->max))
        return fail_range(row, raw, text, error);
    *field = value;
    return 0;
}

/* The field of a row that got no value at all. */
static void store_nothing(const struct option_row *row, void *field)
{
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)field = false;
        break;
    case OPTION_TEXT:
        *(const char **)field = NULL;
        break;
    case OPTION_NUMBER:
    case OPTION_DURATION:
        *(int64_t *)field = 0;
        break;
    case OPTION_LIST:
        *(struct option_list *)field = (struct option_list){0};
        break;
    }
}

int option_store(const struct option_row *row, void *target, struct arena *arena,
                 const struct option_raw *raw, struct error *ret_error)
{
    void *field = (char *)target + row->offset;
    if (!raw->place) {
        store_nothing(row, field);
        return 0;
    }
    if (row->kind == OPTION_LIST) {
        *(struct option_list *)field = (struct option_list){raw->items, raw->count};
        return 0;
    }
    if (raw->is_list)
        return error_set(ret_error, ERR_INVALID, "%s: one value is expected, not a list",
                         raw->place);
    CHECK(raw->count > 0);
    const char *text = raw->items[raw->count - 1];
    switch (row->kind) {
    case OPTION_FLAG:
        return store_flag(raw, text, field, ret_error);
    case OPTION_TEXT:
        return store_text(row, raw, text, field, ret_error);
    case OPTION_NUMBER:
    case OPTION_DURATION:
        return store_integer(row, raw, text, field, ret_error);
    case OPTION_LIST:
        break;
    }
    UNREACHABLE();
}
