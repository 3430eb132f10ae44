/* SPDX-License-Identifier: Apache-2.0 */
/* Where a job stands on the board and who looks after it. Pure functions of ids and names: every
 * program computes the same answer. The hashes are part of the board's format. */
#ifndef BASE_PLACEMENT_H
#define BASE_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/record.h"

/* 64-bit FNV-1a, finished with a mixer so that all bits depend on all bytes. */
uint64_t placement_hash(const void *data, size_t len, uint64_t seed);

/* The shard of a job: its id hashed, below `shard_count`. */
uint16_t placement_shard(const struct uuid *job, unsigned shard_count);

/* The pool of a set of tags, whatever their order or repetition; no tags: "-". `tags` may be
 * reordered in place. */
struct pool placement_pool(struct text *tags, size_t count);
bool pool_equal(const struct pool *a, const struct pool *b);

/* Whether `have` contains all of `need`. */
bool placement_has_tags(const struct text *have, size_t have_count, const struct text *need,
                        size_t need_count);

/* Rendezvous hashing (Thaler, Ravishankar: "A name-based mapping scheme for rendezvous", 1996):
 * the weight of a member for a shard of a pool; the member with the highest weight has it, ties go
 * to the higher boot. When a member comes or goes only its own shards move. */
uint64_t placement_weight(const struct uuid *boot, const struct pool *pool, uint16_t shard);

/* Byte-wise equality of two placements. */
bool card_equal(const struct card *a, const struct card *b);
/* The board's order: priority, then ready_at, then id. */
int card_compare(const struct card *a, const struct card *b);

#endif
