/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/calendar.h"

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_before(int month, bool leap)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    return before[month - 1] + (leap && month > 2);
}

bool date_is_valid(const struct date *d)
{
    bool leap = is_leap(d->year);
    return d->year >= 1 && d->month >= 1 && d->month <= 12 && d->day >= 1 &&
           d->day <= days_before(d->month + 1, leap) - days_before(d->month, leap);
}

/* Days before January 1st of `year`, counted from the year 1. */
static int64_t days_before_year(int64_t year)
{
    int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400;
}

int64_t date_to_days(const struct date *date)
{
    return days_before_year(date->year) - days_before_year(1970) + date_day_of_year(date);
}

void date_from_seconds(int64_t seconds, struct date *ret_date, int64_t *ret_second_of_day)
{
    int64_t days = seconds / 86400;
    if (seconds % 86400 < 0)
        days--;
    *ret_second_of_day = seconds - days * 86400;
    days += days_before_year(1970);
    /* The mean length of a year guesses the year, one off at most. */
    int64_t year = days * 400 / 146097 + 1;
    while (days < days_before_year(year))
        year--;
    while (days >= days_before_year(year + 1))
        year++;
    int rest = (int)(days - days_before_year(year)), month = 12;
    while (rest < days_before(month, is_leap(year)))
        month--;
    *ret_date = (struct date){year, month, rest - days_before(month, is_leap(year)) + 1};
}

int date_day_of_year(const struct date *date)
{
    return days_before(date->month, is_leap(date->year)) + date->day - 1;
}
