/* SPDX-License-Identifier: Apache-2.0 */
/* The Gregorian calendar without clock, zone files or locale (private to engine/expr). */
#ifndef ENGINE_EXPR_CALENDAR_H
#define ENGINE_EXPR_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

struct date {
    int64_t year; /* 1 … 9999 */
    int month;    /* 1 … 12 */
    int day;      /* 1 … 31 */
};

bool date_is_valid(const struct date *date);
/* Days since 1970-01-01. */
int64_t date_to_days(const struct date *date);
/* Splits seconds since 1970 (UTC) into the date and the second of the day. */
void date_from_seconds(int64_t seconds, struct date *ret_date, int64_t *ret_second_of_day);
/* 0 … 365 */
int date_day_of_year(const struct date *date);

#endif
