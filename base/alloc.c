/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

void *xmalloc(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    CHECK(p);
    return p;
}

void *xcalloc(size_t count, size_t bytes)
{
    void *p = calloc(count ? count : 1, bytes ? bytes : 1);
    CHECK(p);
    return p;
}

void *xrealloc(void *old, size_t count, size_t bytes)
{
    size_t total;
    CHECK(!__builtin_mul_overflow(count, bytes, &total));
    void *p = realloc(old, total ? total : 1);
    CHECK(p);
    return p;
}

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

void *xmalloc_huge(size_t *bytes)
{
    CHECK(*bytes < SIZE_MAX / 2);
    *bytes = (*bytes + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
    void *p = aligned_alloc(HUGE_PAGE_BYTES, *bytes);
    CHECK(p);
    madvise(p, *bytes, MADV_HUGEPAGE); /* without them it is memory all the same */
    return p;
}

char *xstrdup(const char *string)
{
    return xstrndup(string, strlen(string));
}

char *xstrndup(const char *data, size_t len)
{
    char *copy = xmalloc(len + 1);
    if (len)
        memcpy(copy, data, len);
    copy[len] = 0;
    return copy;
}
