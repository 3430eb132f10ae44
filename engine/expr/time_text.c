/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/eval.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/expr/calendar.h"

#define NS_PER_SECOND INT64_C(1000000000)

struct reader {
    const char *at, *end;
    bool bad;
};

/* Exactly `count` digits. */
static int64_t digits(struct reader *r, int count)
{
    int64_t value = 0;
    for (int i = 0; i < count; i++, r->at++) {
        if (r->at >= r->end || *r->at < '0' || *r->at > '9') {
            r->bad = true;
            return 0;
        }
        value = value * 10 + (*r->at - '0');
    }
    return value;
}

static void expect(struct reader *r, const char *one_of)
{
    if (r->at >= r->end || !*r->at || !strchr(one_of, *r->at))
        r->bad = true;
    else
        r->at++;
}

/* `.123` up to nine digits, as nanoseconds; 0 when there is none. */
static uint32_t fraction(struct reader *r)
{
    uint32_t nanos = 0, unit = 100000000;
    if (r->at >= r->end || *r->at != '.')
        return 0;
    const char *from = ++r->at;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++, unit /= 10)
        nanos += (uint32_t)(*r->at - '0') * unit;
    r->bad |= r->at == from || r->at - from > 9;
    return nanos;
}

/* hh:mm with a sign or without. */
static int64_t offset(struct reader *r)
{
    bool negative = r->at < r->end && *r->at == '-';
    if (r->at < r->end && (*r->at == '-' || *r->at == '+'))
        r->at++;
    int64_t hours = digits(r, 2);
    expect(r, ":");
    int64_t minutes = digits(r, 2);
    r->bad |= hours > 23 || minutes > 59;
    return (negative ? -1 : 1) * (hours * 3600 + minutes * 60);
}

bool zone_parse(struct text text, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (text_equal(text, TEXT("UTC")) || text_equal(text, TEXT("Z")) || text_equal(text, TEXT("")))
        return true;
    struct reader r = {text.data, text.data + text.len, false};
    *ret_seconds = offset(&r);
    return !r.bad && r.at == r.end;
}

bool timestamp_parse(struct text text, struct value *ret)
{
    struct reader r = {text.data, text.data + text.len, false};
    struct date date = {0};
    date.year = digits(&r, 4);
    expect(&r, "-");
    date.month = (int)digits(&r, 2);
    expect(&r, "-");
    date.day = (int)digits(&r, 2);
    expect(&r, "Tt");
    int64_t hours = digits(&r, 2);
    expect(&r, ":");
    int64_t minutes = digits(&r, 2);
    expect(&r, ":");
    int64_t seconds = digits(&r, 2);
    uint32_t nanos = fraction(&r);
    int64_t zone = 0;
    if (r.at < r.end && (*r.at == '+' || *r.at == '-'))
        zone = offset(&r);
    else
        expect(&r, "Zz");
    if (r.bad || r.at != r.end || !date_is_valid(&date) || hours > 23 || minutes > 59 ||
        seconds > 59)
        return false;
    *ret = (struct value){.kind = VALUE_TIMESTAMP, .nanos = nanos};
    ret->integer = date_to_days(&date) * 86400 + hours * 3600 + minutes * 60 + seconds - zone;
    return ret->integer >= TIMESTAMP_MIN && ret->integer <= TIMESTAMP_MAX;
}

/* The fraction without the zeros at its end. */
static void add_fraction(char *text, size_t size, uint32_t nanos)
{
    size_t len = strlen(text);
    if (!nanos)
        return;
    snprintf(text + len, size - len, ".%09" PRIu32, nanos);
    for (len = strlen(text); text[len - 1] == '0'; len--)
        text[len - 1] = 0;
}

void timestamp_format(const struct value *timestamp, char ret_text[TIME_TEXT_MAX])
{
    struct date date;
    int64_t of_day;
    date_from_seconds(timestamp->integer, &date, &of_day);
    snprintf(ret_text, TIME_TEXT_MAX,
             "%04" PRId64 "-%02d-%02dT%02" PRId64 ":%02" PRId64 ":%02" PRId64, date.year,
             date.month, date.day, of_day / 3600, of_day / 60 % 60, of_day % 60);
    add_fraction(ret_text, TIME_TEXT_MAX - 1, timestamp->nanos);
    strncat(ret_text, "Z", TIME_TEXT_MAX - strlen(ret_text) - 1);
}

void duration_format_ns(int64_t duration_ns, char ret_text[TIME_TEXT_MAX])
{
    uint64_t magnitude = duration_ns < 0 ? 0 - (uint64_t)duration_ns : (uint64_t)duration_ns;
    snprintf(ret_text, TIME_TEXT_MAX, "%s%" PRIu64, duration_ns < 0 ? "-" : "",
             magnitude / NS_PER_SECOND);
    add_fraction(ret_text, TIME_TEXT_MAX - 1, (uint32_t)(magnitude % NS_PER_SECOND));
    strncat(ret_text, "s", TIME_TEXT_MAX - strlen(ret_text) - 1);
}

/* The unit at r->at in nanoseconds, 0 when there is none. */
static int64_t unit(struct reader *r)
{
    static const struct {
        struct text name;
        int64_t ns;
    } units[] = {
        {{"ns", 2}, 1},
        {{"us", 2}, 1000},
        {{"\xc2\xb5s", 3}, 1000},
        {{"ms", 2}, 1000000},
        {{"s", 1}, NS_PER_SECOND},
        {{"m", 1}, 60 * NS_PER_SECOND},
        {{"h", 1}, 3600 * NS_PER_SECOND},
        {{"d", 1}, 86400 * NS_PER_SECOND},
        {{"w", 1}, 7 * 86400 * NS_PER_SECOND},
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        struct text name = units[i].name;
        if ((size_t)(r->end - r->at) >= name.len && !memcmp(r->at, name.data, name.len)) {
            r->at += name.len;
            return units[i].ns;
        }
    }
    return 0;
}

/* One `12.5h`; adds to `*ns`, which is negative or zero so that the least value fits. */
static bool duration_part(struct reader *r, int64_t *ns)
{
    const char *from = r->at;
    int64_t whole = 0, scale = 1, part = 0, value, rest;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, *r->at - '0', &whole))
            return false;
    }
    size_t seen = (size_t)(r->at - from);
    if (r->at < r->end && *r->at == '.') {
        for (r->at++; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++, seen++) {
            /* Digits below a nanosecond of the largest unit cannot matter. */
            if (scale < INT64_C(100000000000000000)) {
                part = part * 10 + (*r->at - '0');
                scale *= 10;
            }
        }
    }
    int64_t per_unit = unit(r);
    if (!seen || !per_unit || __builtin_mul_overflow(whole, per_unit, &value))
        return false;
    rest = (int64_t)((__int128)part * per_unit / scale);
    return !__builtin_sub_overflow(*ns, value, ns) && !__builtin_sub_overflow(*ns, rest, ns);
}

bool duration_parse(struct text text, int64_t *ret_ns)
{
    struct reader r = {text.data, text.data + text.len, false};
    bool negative = text.len && *text.data == '-';
    int64_t ns = 0;
    if (text.len && (*text.data == '-' || *text.data == '+'))
        r.at++;
    if (r.end - r.at == 1 && *r.at == '0') {
        *ret_ns = 0;
        return true;
    }
    if (r.at == r.end)
        return false;
    while (r.at < r.end) {
        if (!duration_part(&r, &ns))
            return false;
    }
    if (!negative && ns == INT64_MIN)
        return false;
    *ret_ns = negative ? ns : -ns;
    return true;
}
