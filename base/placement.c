/* SPDX-License-Identifier: Apache-2.0 */
#include "base/placement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"

uint64_t placement_hash(const void *data, size_t len, uint64_t seed)
{
    const unsigned char *bytes = data;
    uint64_t hash = UINT64_C(0xCBF29CE484222325) ^ seed;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
    return random_mix(hash);
}

uint16_t placement_shard(const struct uuid *job, unsigned shard_count)
{
    CHECK(shard_count > 0 && shard_count <= UINT16_MAX);
    return (uint16_t)(placement_hash(job->bytes, sizeof job->bytes, 0) % shard_count);
}

static int compare_texts(const void *a, const void *b)
{
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

struct pool placement_pool(struct text *tags, size_t count)
{
    struct pool pool = {"-"};
    if (count == 0)
        return pool;
    qsort(tags, count, sizeof *tags, compare_texts);
    uint64_t hash = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !text_equal(tags[i], tags[i - 1]))
            hash = placement_hash(tags[i].data, tags[i].len, hash + 1);
    }
    snprintf(pool.name, sizeof pool.name, "%016llx", (unsigned long long)hash);
    return pool;
}

bool pool_equal(const struct pool *a, const struct pool *b)
{
    return !strcmp(a->name, b->name);
}

static bool has_tag(const struct text *have, size_t count, struct text tag)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(have[i], tag))
            return true;
    }
    return false;
}

bool placement_has_tags(const struct text *have, size_t have_count, const struct text *need,
                        size_t need_count)
{
    for (size_t i = 0; i < need_count; i++) {
        if (!has_tag(have, have_count, need[i]))
            return false;
    }
    return true;
}

uint64_t placement_weight(const struct uuid *boot, const struct pool *pool, uint16_t shard)
{
    uint64_t place = placement_hash(pool->name, strlen(pool->name), shard);
    return placement_hash(boot->bytes, sizeof boot->bytes, place);
}

bool card_equal(const struct card *a, const struct card *b)
{
    return card_compare(a, b) == 0 && pool_equal(&a->pool, &b->pool) && a->shard == b->shard;
}

int card_compare(const struct card *a, const struct card *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    if (a->ready_at_us != b->ready_at_us)
        return a->ready_at_us < b->ready_at_us ? -1 : 1;
    return uuid_compare(&a->job, &b->job);
}
