/* SPDX-License-Identifier: Apache-2.0 */
#include "base/os/entropy.h"

#include <errno.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/os/clock.h"

void entropy_bytes(void *ret_bytes, size_t len)
{
    char *out = ret_bytes;
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        CHECK(got > 0);
        out += got;
        len -= (size_t)got;
    }
}

uint64_t entropy_seed(void)
{
    uint64_t seed;
    entropy_bytes(&seed, sizeof seed);
    return seed;
}

struct uuid entropy_uuid_v7(void)
{
    static int64_t last_us;
    int64_t now_us = clock_unix_us();
    if (now_us <= last_us)
        now_us = last_us + 1;
    last_us = now_us;
    uint8_t random[10];
    entropy_bytes(random, sizeof random);
    /* RFC 9562, 6.2 method 3: the fraction of the millisecond in the 12 bits after the time keeps
     * the ids of one process in order. */
    unsigned fraction = (unsigned)(now_us % 1000) * 4096u / 1000u;
    random[0] = (uint8_t)(fraction >> 8);
    random[1] = (uint8_t)fraction;
    return uuid_v7(now_us / 1000, random);
}
