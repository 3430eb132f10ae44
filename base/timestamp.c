/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timestamp.h"

#include <stdio.h>

#define DAY_US INT64_C(86400000000)

char *timestamp_text(int64_t unix_us, char ret_text[TIMESTAMP_TEXT_MAX])
{
    int64_t days = unix_us / DAY_US, rest = unix_us % DAY_US;
    if (rest < 0) {
        rest += DAY_US;
        days--;
    }
    /* Days to a date: the algorithm `civil_from_days` of Howard Hinnant, "chrono-compatible
     * low-level date algorithms". */
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
    int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    unsigned second = (unsigned)(rest / 1000000);
    snprintf(ret_text, TIMESTAMP_TEXT_MAX, "%04d-%02u-%02uT%02u:%02u:%02u.%06uZ", (int)year % 10000,
             (unsigned)month % 100, (unsigned)day % 100, second / 3600 % 24, second / 60 % 60,
             second % 60, (unsigned)(rest % 1000000) % 1000000);
    return ret_text;
}
