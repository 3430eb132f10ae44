/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "proto/wire.h"

static struct text view(const struct wire_bytes *bytes)
{
    return (struct text){(const char *)bytes->data, bytes->len};
}

static struct uuid some_uuid(uint8_t first)
{
    struct uuid uuid;
    for (unsigned i = 0; i < sizeof uuid.bytes; i++)
        uuid.bytes[i] = (uint8_t)(first + i);
    return uuid;
}

static void root_round_trip(void **state)
{
    struct wire_root root = {some_uuid(1), 1, 64}, back;
    struct wire_bytes bytes;
    assert_int_equal(wire_pack_root(&root, &bytes), 0);
    assert_int_equal(wire_read_root(view(&bytes), &back, NULL), 0);
    assert_true(uuid_equal(&root.uuid, &back.uuid));
    assert_int_equal(back.format, 1);
    assert_int_equal(back.shard_count, 64);
}

static void lock_round_trip(void **state)
{
    struct wire_lock lock = {some_uuid(1), some_uuid(100)}, back;
    struct wire_bytes bytes;
    assert_int_equal(wire_pack_lock(&lock, &bytes), 0);
    assert_int_equal(wire_read_lock(view(&bytes), &back, NULL), 0);
    assert_true(uuid_equal(&lock.boot, &back.boot));
    assert_true(uuid_equal(&lock.claim, &back.claim));
}

static void card_round_trip(void **state)
{
    struct arena arena = {0};
    struct wire_card card = {1, TEXT("deploy"), 123456789}, back;
    struct wire_bytes bytes;
    assert_int_equal(wire_pack_card(&card, &bytes), 0);
    assert_int_equal(wire_read_card(&arena, view(&bytes), &back, NULL), 0);
    assert_true(text_equal(card.flow, back.flow));
    assert_int_equal(back.placed_at_us, 123456789);
    arena_done(&arena);
}

static struct member some_member(const struct text *tags, size_t count)
{
    return (struct member){.name = TEXT("engine-1"),
                           .host = TEXT("host.example"),
                           .pid = 4711,
                           .supervisor_pid = 4710,
                           .tags = tags,
                           .tag_count = count,
                           .slots = 1000,
                           .free = -1,
                           .draining = true};
}

static void engine_round_trip(void **state)
{
    struct arena arena = {0};
    struct text tags[] = {TEXT("gpu"), TEXT("z\xc3\xbcrich")};
    struct member member = some_member(tags, 2), back;
    struct wire_bytes bytes;
    assert_int_equal(wire_pack_engine(&member, &bytes), 0);
    assert_int_equal(wire_read_engine(&arena, view(&bytes), &back, NULL), 0);
    assert_true(text_equal(back.name, member.name));
    assert_true(text_equal(back.host, member.host));
    assert_int_equal(back.tag_count, 2);
    assert_true(text_equal(back.tags[1], tags[1]));
    assert_int_equal(back.free, -1);
    assert_true(back.draining);
    assert_false(back.dividing);
    arena_done(&arena);
}

/* Every prefix is refused or reads as something, and never overruns (the sanitizer looks). */
static void truncated_is_refused(void **state)
{
    struct wire_lock lock = {some_uuid(1), some_uuid(100)}, back;
    struct wire_bytes bytes;
    assert_int_equal(wire_pack_lock(&lock, &bytes), 0);
    for (size_t len = 0; len < bytes.len; len++) {
        char *copy = test_malloc(len + 1);
        memcpy(copy, bytes.data, len);
        struct error error = {0};
        assert_int_equal(wire_read_lock((struct text){copy, len}, &back, &error), ERR_INVALID);
        assert_true(error.text[0] != 0);
        test_free(copy);
    }
}

static void garbage_is_refused(void **state)
{
    struct random random;
    random_seed(&random, 7);
    unsigned refused = 0;
    for (unsigned round = 0; round < 2000; round++) {
        char noise[64];
        random_bytes(&random, noise, sizeof noise);
        struct wire_root root;
        refused += wire_read_root((struct text){noise, sizeof noise}, &root, NULL) != 0;
    }
    assert_int_equal(refused, 2000);
    struct wire_root root;
    assert_int_equal(wire_read_root(TEXT_NONE, &root, NULL), ERR_INVALID);
}

static void wrong_id_length_is_refused(void **state)
{
    /* BoardRoot with a uuid of 3 bytes */
    static const char bytes[] = "\x0a\x03"
                                "abc"
                                "\x10\x01\x18\x40";
    struct wire_root root;
    struct error error = {0};
    struct text text = {bytes, sizeof bytes - 1};
    assert_int_equal(wire_read_root(text, &root, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "not 16"));
}

static void unknown_fields_are_passed_over(void **state)
{
    struct wire_lock lock = {some_uuid(1), some_uuid(100)}, back;
    struct wire_bytes bytes;
    assert_int_equal(wire_pack_lock(&lock, &bytes), 0);
    static const uint8_t extra[] = {0xa0, 0x06, 0x07}; /* field 100, varint 7 */
    memcpy(bytes.data + bytes.len, extra, sizeof extra);
    bytes.len += sizeof extra;
    assert_int_equal(wire_read_lock(view(&bytes), &back, NULL), 0);
    assert_true(uuid_equal(&lock.claim, &back.claim));
}

static void oversize_is_refused(void **state)
{
    static char big[WIRE_MAX_BYTES + 1];
    struct wire_root root;
    assert_int_equal(wire_read_root((struct text){big, sizeof big}, &root, NULL), ERR_TOO_LARGE);
    struct wire_bytes bytes;
    struct text tags[WIRE_TAGS_MAX + 1];
    for (size_t i = 0; i < WIRE_TAGS_MAX + 1; i++)
        tags[i] = TEXT("t");
    assert_int_equal(wire_pack_pool(tags, WIRE_TAGS_MAX + 1, &bytes), ERR_TOO_LARGE);
    memset(big, 'x', sizeof big);
    struct text long_tag = {big, WIRE_TEXT_MAX + 1};
    assert_int_equal(wire_pack_pool(&long_tag, 1, &bytes), ERR_INVALID);
    struct wire_card card = {1, long_tag, 0};
    assert_int_equal(wire_pack_card(&card, &bytes), ERR_INVALID);
}

static void too_many_tags_are_refused(void **state)
{
    char bytes[(WIRE_TAGS_MAX + 1) * 3];
    for (size_t i = 0; i < sizeof bytes; i += 3)
        memcpy(bytes + i, "\x0a\x01t", 3);
    struct arena arena = {0};
    const struct text *tags;
    size_t count;
    struct text text = {bytes, sizeof bytes};
    assert_int_equal(wire_read_pool(&arena, text, &tags, &count, NULL), ERR_TOO_LARGE);
    text.len -= 3;
    assert_int_equal(wire_read_pool(&arena, text, &tags, &count, NULL), 0);
    assert_int_equal(count, WIRE_TAGS_MAX);
    arena_done(&arena);
}

static void bad_utf8_is_refused(void **state)
{
    struct arena arena = {0};
    const struct text *tags;
    size_t count;
    assert_int_equal(wire_read_pool(&arena, TEXT("\x0a\x02\xff\xfe"), &tags, &count, NULL),
                     ERR_INVALID);
    struct wire_bytes bytes;
    struct text nul = {"a\0b", 3};
    assert_int_equal(wire_pack_pool(&nul, 1, &bytes), ERR_INVALID);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_round_trip),
        cmocka_unit_test(lock_round_trip),
        cmocka_unit_test(card_round_trip),
        cmocka_unit_test(engine_round_trip),
        cmocka_unit_test(truncated_is_refused),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(wrong_id_length_is_refused),
        cmocka_unit_test(unknown_fields_are_passed_over),
        cmocka_unit_test(oversize_is_refused),
        cmocka_unit_test(too_many_tags_are_refused),
        cmocka_unit_test(bad_utf8_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
