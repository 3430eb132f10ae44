/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes into every reader; what was read must pack and read back again. */
#include "base/check.h"
#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_engine(struct arena *arena, struct text bytes)
{
    struct member member, again;
    struct wire_bytes packed;
    if (wire_read_engine(arena, bytes, &member, NULL) == 0 &&
        wire_pack_engine(&member, &packed) == 0) {
        struct text text = {(const char *)packed.data, packed.len};
        CHECK(wire_read_engine(arena, text, &again, NULL) == 0);
        CHECK(text_compare(again.name, member.name) == 0 && again.slots == member.slots);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text bytes = {(const char *)data, size};
    struct arena arena = {0};
    struct wire_root root;
    struct wire_lock lock;
    struct wire_card card;
    const struct text *tags;
    size_t count;
    struct error error;
    (void)wire_read_root(bytes, &root, &error);
    (void)wire_read_lock(bytes, &lock, NULL);
    (void)wire_read_card(&arena, bytes, &card, NULL);
    if (wire_read_pool(&arena, bytes, &tags, &count, &error) == 0) {
        struct wire_bytes packed;
        (void)wire_pack_pool(tags, count, &packed);
    }
    try_engine(&arena, bytes);
    arena_done(&arena);
    return 0;
}
