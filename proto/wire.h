/* SPDX-License-Identifier: Apache-2.0 */
/* Between bytes in znodes and plain structs. The only user of protobuf-c.
 *
 * Knows the messages of board.proto and their limits. Refuses to know where the bytes come from:
 * they may be anybody's. A reader accepts exactly what a writer of this or a later version makes:
 * unknown fields are passed over (a later writer), everything else that is not as it should be
 * (truncated, oversized, a text that is not clean UTF-8, an id that has not 16 bytes, too many
 * tags) is ERR_INVALID or ERR_TOO_LARGE with a reason. Messages do not nest, so that depth needs
 * no limit; what a reader allocates is bounded by the size of its input. */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/record.h"

#define WIRE_MAX_BYTES 8192 /* any message here; far below what ZooKeeper takes */
#define WIRE_TAGS_MAX  64
#define WIRE_TEXT_MAX  255 /* bytes of a name, host or tag */

/* Packed bytes. */
struct wire_bytes {
    uint8_t data[WIRE_MAX_BYTES];
    size_t len; /* bytes used */
};

struct wire_root {
    struct uuid uuid;
    uint32_t format;
    uint32_t shard_count;
};

struct wire_lock {
    struct uuid boot;  /* session of the engine that made it */
    struct uuid claim; /* of the claim it stands for */
};

struct wire_card {
    uint32_t format;
    struct text flow;     /* name of the flow, or none */
    int64_t placed_at_us; /* 0: not said */
};

/* The writers return 0, or ERR_TOO_LARGE / ERR_INVALID for a struct beyond the limits above: what
 * could not be read back is never written. */
int wire_pack_root(const struct wire_root *root, struct wire_bytes *ret_bytes);
int wire_pack_lock(const struct wire_lock *lock, struct wire_bytes *ret_bytes);
int wire_pack_card(const struct wire_card *card, struct wire_bytes *ret_bytes);
int wire_pack_pool(const struct text *tags, size_t count, struct wire_bytes *ret_bytes);
/* `boot` and `dividing` of the member stand elsewhere and are not written. */
int wire_pack_engine(const struct member *member, struct wire_bytes *ret_bytes);

/* The readers: texts are copied into `arena`. On trouble nothing is set but `ret_error`, which may
 * be NULL. */
int wire_read_root(struct text bytes, struct wire_root *ret_root, struct error *ret_error);
int wire_read_lock(struct text bytes, struct wire_lock *ret_lock, struct error *ret_error);
int wire_read_card(struct arena *arena, struct text bytes, struct wire_card *ret_card,
                   struct error *ret_error);
int wire_read_pool(struct arena *arena, struct text bytes, const struct text **ret_tags,
                   size_t *ret_count, struct error *ret_error);
/* `boot` is left nil and `dividing` false. */
int wire_read_engine(struct arena *arena, struct text bytes, struct member *ret_member,
                     struct error *ret_error);

#endif
