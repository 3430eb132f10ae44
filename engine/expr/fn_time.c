/* SPDX-License-Identifier: Apache-2.0 */
/* timestamp, duration and their accessors. Zones are UTC or fixed offsets: zone files change under
 * a running job, and what an expression gives must not. */
#include "engine/expr/function.h"

#include "engine/expr/calendar.h"

static int call_timestamp(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = *args;
    if (args->kind == VALUE_TIMESTAMP)
        return 0;
    if (args->kind == VALUE_INT) {
        *ret = (struct value){.kind = VALUE_TIMESTAMP, .integer = args->integer};
        if (ret->integer >= TIMESTAMP_MIN && ret->integer <= TIMESTAMP_MAX)
            return 0;
        return eval_fail(eval, "a timestamp is outside of the years 1 to 9999");
    }
    if (args->kind != VALUE_STRING)
        return eval_fail_types(eval, "timestamp()", args, 1);
    if (timestamp_parse(args->text, ret))
        return 0;
    return eval_fail(eval, "\"%.*s\" is no time like 2026-01-31T12:00:00Z",
                     (int)(args->text.len < 60 ? args->text.len : 60), args->text.data);
}

static int call_duration(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    *ret = *args;
    if (args->kind == VALUE_DURATION)
        return 0;
    if (args->kind != VALUE_STRING)
        return eval_fail_types(eval, "duration()", args, 1);
    *ret = (struct value){.kind = VALUE_DURATION};
    if (eval_charge_bytes(eval, args->text.len))
        return eval->error->code;
    if (duration_parse(args->text, &ret->integer))
        return 0;
    return eval_fail(eval, "\"%.*s\" is no duration like 1h30m, or beyond 292 years",
                     (int)(args->text.len < 60 ? args->text.len : 60), args->text.data);
}

enum part {
    FULL_YEAR,
    MONTH,
    DAY_OF_YEAR,
    DAY_OF_MONTH,
    DATE,
    DAY_OF_WEEK,
    HOURS,
    MINUTES,
    SECONDS,
    MILLISECONDS,
};

static int64_t date_part(const struct value *time, int64_t zone_seconds, enum part part)
{
    struct date date;
    int64_t of_day, seconds = time->integer + zone_seconds;
    date_from_seconds(seconds, &date, &of_day);
    switch (part) {
    case FULL_YEAR:
        return date.year;
    case MONTH:
        return date.month - 1;
    case DAY_OF_YEAR:
        return date_day_of_year(&date);
    case DAY_OF_MONTH:
        return date.day - 1;
    case DATE:
        return date.day;
    case DAY_OF_WEEK:
        /* 1970-01-01 was a Thursday; no timestamp is 10,000 years before it. */
        return ((seconds - of_day) / 86400 + 4 + 7 * 1000000) % 7;
    case HOURS:
        return of_day / 3600;
    case MINUTES:
        return of_day / 60 % 60;
    case SECONDS:
        return of_day % 60;
    case MILLISECONDS:
        return time->nanos / 1000000;
    }
    return 0;
}

/* Hours, minutes and seconds of the whole duration, but the milliseconds of its last second: so
 * the language has it. */
static int duration_part(struct eval *eval, const struct value *duration, enum part part,
                         struct value *ret)
{
    int64_t ns = duration->integer, second = 1000000000;
    *ret = value_int(part == HOURS     ? ns / second / 3600
                     : part == MINUTES ? ns / second / 60
                     : part == SECONDS ? ns / second
                                       : ns % second / 1000000);
    return part >= HOURS ? 0 : eval_fail(eval, "a duration has no date");
}

static int time_part(struct eval *eval, struct value *args, size_t count, enum part part,
                     struct value *ret)
{
    int64_t zone = 0;
    if (args->kind == VALUE_DURATION && count == 1)
        return duration_part(eval, args, part, ret);
    if (args->kind != VALUE_TIMESTAMP || (count == 2 && args[1].kind != VALUE_STRING))
        return eval_fail_types(eval, "a part of a time", args, count);
    if (count == 2 && !zone_parse(args[1].text, &zone))
        return eval_fail(eval, "\"%.*s\" is no zone: UTC or a fixed offset like +02:00",
                         (int)(args[1].text.len < 60 ? args[1].text.len : 60), args[1].text.data);
    *ret = value_int(date_part(args, zone, part));
    return 0;
}

#define PART(name, part)                                                                           \
    static int name(struct eval *eval, struct value *args, size_t count, struct value *ret)        \
    {                                                                                              \
        return time_part(eval, args, count, part, ret);                                            \
    }
PART(call_full_year, FULL_YEAR)
PART(call_month, MONTH)
PART(call_day_of_year, DAY_OF_YEAR)
PART(call_day_of_month, DAY_OF_MONTH)
PART(call_date, DATE)
PART(call_day_of_week, DAY_OF_WEEK)
PART(call_hours, HOURS)
PART(call_minutes, MINUTES)
PART(call_seconds, SECONDS)
PART(call_milliseconds, MILLISECONDS)
#undef PART

const struct function functions_time[] = {
    {"timestamp", FORM_GLOBAL, 1, 1, call_timestamp},
    {"duration", FORM_GLOBAL, 1, 1, call_duration},
    {"getFullYear", FORM_METHOD, 1, 2, call_full_year},
    {"getMonth", FORM_METHOD, 1, 2, call_month},
    {"getDayOfYear", FORM_METHOD, 1, 2, call_day_of_year},
    {"getDayOfMonth", FORM_METHOD, 1, 2, call_day_of_month},
    {"getDate", FORM_METHOD, 1, 2, call_date},
    {"getDayOfWeek", FORM_METHOD, 1, 2, call_day_of_week},
    {"getHours", FORM_METHOD, 1, 2, call_hours},
    {"getMinutes", FORM_METHOD, 1, 2, call_minutes},
    {"getSeconds", FORM_METHOD, 1, 2, call_seconds},
    {"getMilliseconds", FORM_METHOD, 1, 2, call_milliseconds},
    {0},
};
