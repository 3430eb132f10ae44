/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/paths.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static struct path path_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct path path_printf(const char *format, ...)
{
    struct path path;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(path.text, sizeof path.text, format, args);
    va_end(args);
    CHECK(len > 0 && (size_t)len < sizeof path.text);
    return path;
}

bool paths_name_is_valid(const char *board)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(board);
    return len >= 1 && len <= BOARD_NAME_MAX_LEN && strspn(board, allowed) == len &&
           !strchr("._-", board[0]);
}

void paths_init(struct paths *paths, const char *board)
{
    CHECK(paths_name_is_valid(board));
    paths->root = path_printf(PATH_ROOT "/%s", board);
    paths->engines = path_printf(PATH_ROOT "/%s/engines", board);
    paths->division = path_printf(PATH_ROOT "/%s/division", board);
    paths->pokes = path_printf(PATH_ROOT "/%s/pokes", board);
    paths->jobs = path_printf(PATH_ROOT "/%s/jobs", board);
    paths->locks = path_printf(PATH_ROOT "/%s/locks", board);
}

struct path path_engine(const struct paths *paths, const struct uuid *boot)
{
    return path_printf("%s/%s", paths->engines.text, UUID_STR(boot));
}

struct path path_division(const struct paths *paths, const struct uuid *boot)
{
    return path_printf("%s/%s", paths->division.text, UUID_STR(boot));
}

struct path path_poke(const struct paths *paths, const struct uuid *boot)
{
    return path_printf("%s/%s", paths->pokes.text, UUID_STR(boot));
}

struct path path_pool(const struct paths *paths, const struct pool *pool)
{
    return path_printf("%s/%s", paths->jobs.text, pool->name);
}

struct path path_shard(const struct paths *paths, const struct pool *pool, uint16_t shard)
{
    return path_printf("%s/%s/%02x", paths->jobs.text, pool->name, shard);
}

struct path path_card(const struct paths *paths, const struct card *card)
{
    CHECK(card->priority <= PRIORITY_MAX && card->ready_at_us >= 0);
    return path_printf("%s/%s/%02x/%u%016llx-%s", paths->jobs.text, card->pool.name, card->shard,
                       card->priority, (unsigned long long)card->ready_at_us, UUID_STR(&card->job));
}

struct path path_lock_folder(const struct paths *paths, uint16_t shard)
{
    return path_printf("%s/%02x", paths->locks.text, shard);
}

struct path path_lock(const struct paths *paths, uint16_t shard, const struct uuid *job)
{
    return path_printf("%s/%02x/%s", paths->locks.text, shard, UUID_STR(job));
}

/* ------------------------------------------------------------------------------------ reading */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hex(const char *data, size_t len, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = hex_digit(data[i]);
        if (digit < 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *ret_value = value;
    return true;
}

bool path_parse_pool(struct text name, struct pool *ret_pool)
{
    uint64_t value;
    bool is_plain = text_equal(name, TEXT("-"));
    if (!is_plain && (name.len != POOL_LEN || !parse_hex(name.data, name.len, &value)))
        return false;
    memset(ret_pool, 0, sizeof *ret_pool);
    memcpy(ret_pool->name, name.data, name.len);
    return true;
}

/* uuid_parse takes capitals, names do not: two spellings would be two znodes of one job. */
bool path_parse_boot(struct text name, struct uuid *ret_boot)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] >= 'A' && name.data[i] <= 'Z')
            return false;
    }
    return uuid_parse(name, ret_boot);
}

bool path_parse_card(struct text name, struct card *ret_card)
{
    uint64_t ready_at;
    if (name.len != CARD_NAME_LEN || name.data[0] < '0' || name.data[0] > '0' + PRIORITY_MAX ||
        name.data[17] != '-' || !parse_hex(name.data + 1, 16, &ready_at) || ready_at > INT64_MAX)
        return false;
    struct text job = {name.data + 18, UUID_TEXT_LEN};
    if (!path_parse_boot(job, &ret_card->job))
        return false;
    ret_card->priority = (uint8_t)(name.data[0] - '0');
    ret_card->ready_at_us = (int64_t)ready_at;
    return true;
}

static bool parse_shard_name(struct text name, uint16_t *ret_shard)
{
    uint64_t value;
    if (name.len < 2 || name.len > SHARD_NAME_MAX || !parse_hex(name.data, name.len, &value) ||
        (name.len == SHARD_NAME_MAX && name.data[0] == '0'))
        return false;
    *ret_shard = (uint16_t)value;
    return true;
}

bool path_parse_shard(const struct paths *paths, const char *path, struct pool *ret_pool,
                      uint16_t *ret_shard)
{
    size_t prefix = strlen(paths->jobs.text);
    if (strncmp(path, paths->jobs.text, prefix) != 0 || path[prefix] != '/')
        return false;
    const char *pool = path + prefix + 1;
    const char *slash = strchr(pool, '/');
    return slash && path_parse_pool((struct text){pool, (size_t)(slash - pool)}, ret_pool) &&
           parse_shard_name(text_of(slash + 1), ret_shard);
}
