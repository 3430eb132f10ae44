/* SPDX-License-Identifier: Apache-2.0 */
/* The names of znodes, in one place. Pure text.
 *
 * Knows how a board's tree is spelled and reads names back strictly: what is not exactly as it is
 * written here is somebody else's and is refused (the caller counts it as garbage). */
#ifndef JOBBOARD_PATHS_H
#define JOBBOARD_PATHS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/record.h"
#include "base/text.h"

#define PATH_ROOT          "/jobboard"
#define BOARD_NAME_MAX_LEN 63
/* "/jobboard/<63>/jobs/<16>/<3>/<54>" and its NUL, rounded up. */
#define PATH_MAX_LEN   192
#define CARD_NAME_LEN  (1 + 16 + 1 + UUID_TEXT_LEN)
#define SHARD_NAME_MAX 3

struct path {
    char text[PATH_MAX_LEN];
};

/* The fixed folders of one board. */
struct paths {
    struct path root;
    struct path engines;
    struct path division;
    struct path pokes;
    struct path jobs;
    struct path locks;
};

/* [a-z0-9][a-z0-9._-]{0,62} */
bool paths_name_is_valid(const char *board);
void paths_init(struct paths *paths, const char *board);

struct path path_engine(const struct paths *paths, const struct uuid *boot);
struct path path_division(const struct paths *paths, const struct uuid *boot);
struct path path_poke(const struct paths *paths, const struct uuid *boot);
struct path path_pool(const struct paths *paths, const struct pool *pool);
struct path path_shard(const struct paths *paths, const struct pool *pool, uint16_t shard);
struct path path_card(const struct paths *paths, const struct card *card);
struct path path_lock_folder(const struct paths *paths, uint16_t shard);
struct path path_lock(const struct paths *paths, uint16_t shard, const struct uuid *job);

/* "-" or POOL_LEN lower-case hex digits. */
bool path_parse_pool(struct text name, struct pool *ret_pool);
/* `<p><ready-at hex16>-<job-id>`; sets priority, ready_at_us and job. */
bool path_parse_card(struct text name, struct card *ret_card);
/* A boot's name: a uuid in lower case. */
bool path_parse_boot(struct text name, struct uuid *ret_boot);
/* A whole path of a shard's folder on this board. */
bool path_parse_shard(const struct paths *paths, const char *path, struct pool *ret_pool,
                      uint16_t *ret_shard);

#endif
