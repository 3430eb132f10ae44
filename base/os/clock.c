/* SPDX-License-Identifier: Apache-2.0 */
#include "base/os/clock.h"

#include <time.h>

#include "base/check.h"

static int64_t read_us(clockid_t clock)
{
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

int64_t clock_now_ms(void)
{
    return clock_now_us() / 1000;
}

int64_t clock_unix_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t clock_unix_ms(void)
{
    return clock_unix_us() / 1000;
}
