/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/placement.h"
#include "jobboard/address.h"
#include "jobboard/digest.h"
#include "jobboard/paths.h"

static struct card sample(void)
{
    struct card card = {.pool = {"-"}, .shard = 0x2a, .priority = 5, .ready_at_us = 0x123456789};
    for (unsigned i = 0; i < 16; i++)
        card.job.bytes[i] = (uint8_t)(0xa0 + i);
    return card;
}

static void names_round_trip(void **state)
{
    struct paths paths;
    paths_init(&paths, "main");
    struct card card = sample(), back = card;
    struct path path = path_card(&paths, &card);
    assert_string_equal(path.text, "/jobboard/main/jobs/-/2a/"
                                   "50000000123456789-a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf");
    const char *name = strrchr(path.text, '/') + 1;
    assert_int_equal(strlen(name), CARD_NAME_LEN);
    memset(&back.job, 0, sizeof back.job);
    back.ready_at_us = back.priority = 0;
    assert_true(path_parse_card(text_of(name), &back));
    assert_true(card_equal(&card, &back));
    path = path_lock(&paths, card.shard, &card.job);
    assert_string_equal(path.text, "/jobboard/main/locks/2a/a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf");
}

/* The order of names is the order of cards. */
static void names_sort_like_cards(void **state)
{
    struct paths paths;
    paths_init(&paths, "main");
    struct card cards[4] = {sample(), sample(), sample(), sample()};
    cards[1].ready_at_us += 1;
    cards[2].ready_at_us = INT64_MAX;
    cards[3].priority = 6;
    cards[3].ready_at_us = 0;
    for (unsigned i = 0; i + 1 < 4; i++) {
        struct path a = path_card(&paths, &cards[i]), b = path_card(&paths, &cards[i + 1]);
        assert_true(strcmp(a.text, b.text) < 0);
        assert_true(card_compare(&cards[i], &cards[i + 1]) < 0);
    }
}

static void garbage_is_no_card(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "50000000123456789-a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaea",
        "50000000123456789-a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf0",
        "a0000000123456789-a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf",
        "5000000012345678G-a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf",
        "5000000012345678A-a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf",
        "5ffffffffffffffff-a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf",
        "50000000123456789-A0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf",
        "50000000123456789_a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf",
        "50000000123456789-a0a1a2a3xa4a5-a6a7-a8a9-aaabacadaeaf",
        "5 000000123456789-a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf",
    };
    struct card card = {.priority = 99};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(path_parse_card(text_of(bad[i]), &card));
    assert_int_equal(card.priority, 99);
}

static void shard_paths_are_read_back(void **state)
{
    struct paths paths;
    paths_init(&paths, "main");
    struct pool pool = {"0123456789abcdef"}, back;
    uint16_t shard = 0;
    static const uint16_t shards[] = {0, 1, 0x2a, 0xff, 0x100, 0xfff};
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++) {
        struct path path = path_shard(&paths, &pool, shards[i]);
        assert_true(path_parse_shard(&paths, path.text, &back, &shard));
        assert_int_equal(shard, shards[i]);
        assert_true(pool_equal(&pool, &back));
    }
    static const char *const bad[] = {
        "/jobboard/main/jobs",        "/jobboard/main/jobs/-",     "/jobboard/main/jobs/-/",
        "/jobboard/main/jobs/-/2",    "/jobboard/main/jobs/-/2A",  "/jobboard/main/jobs/-/0ff",
        "/jobboard/main/jobs/-/2a/x", "/jobboard/other/jobs/-/2a", "/jobboard/main/jobs/--/2a",
        "/jobboard/main/jobs/-/1000", "/jobboard/main/jobsx/-/2a", "/jobboard/main/jobs/xyz/2a",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(path_parse_shard(&paths, bad[i], &back, &shard));
}

static void board_names_are_checked(void **state)
{
    assert_true(paths_name_is_valid("a"));
    assert_true(paths_name_is_valid("main-2.x_y"));
    char longest[BOARD_NAME_MAX_LEN + 2];
    memset(longest, 'a', sizeof longest);
    longest[BOARD_NAME_MAX_LEN] = 0;
    assert_true(paths_name_is_valid(longest));
    longest[BOARD_NAME_MAX_LEN] = 'a';
    longest[BOARD_NAME_MAX_LEN + 1] = 0;
    assert_false(paths_name_is_valid(longest));
    static const char *const bad[] = {"", ".", "..", "-a", "_a", "A", "a/b", "a b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(paths_name_is_valid(bad[i]));
}

/* Every path of the longest names fits. */
static void longest_paths_fit(void **state)
{
    char name[BOARD_NAME_MAX_LEN + 1];
    memset(name, 'b', sizeof name);
    name[BOARD_NAME_MAX_LEN] = 0;
    struct paths paths;
    paths_init(&paths, name);
    struct card card = sample();
    card.pool = (struct pool){"0123456789abcdef"};
    card.shard = 0xfff;
    card.ready_at_us = INT64_MAX;
    struct path path = path_card(&paths, &card);
    assert_int_equal(strlen(path.text), 10 + 63 + 6 + 16 + 1 + 3 + 1 + CARD_NAME_LEN);
}

static void sha1_of_known_texts(void **state)
{
    static const struct {
        const char *text, *hex;
    } known[] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        unsigned char hash[DIGEST_SHA1_BYTES];
        char hex[2 * DIGEST_SHA1_BYTES + 1];
        digest_sha1(text_of(known[i].text), hash);
        for (unsigned j = 0; j < DIGEST_SHA1_BYTES; j++)
            snprintf(hex + 2 * j, 3, "%02x", hash[j]);
        assert_string_equal(hex, known[i].hex);
    }
    /* Padding at every length around the block's end: all different. */
    char text[130];
    memset(text, 'x', sizeof text);
    unsigned char last[DIGEST_SHA1_BYTES] = {0};
    for (size_t len = 50; len < sizeof text; len++) {
        unsigned char hash[DIGEST_SHA1_BYTES];
        digest_sha1((struct text){text, len}, hash);
        assert_memory_not_equal(hash, last, sizeof hash);
        memcpy(last, hash, sizeof hash);
    }
}

static void digest_ids(void **state)
{
    char id[DIGEST_ID_MAX];
    assert_true(digest_id("super:test", id));
    assert_string_equal(id, "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
    assert_false(digest_id("nocolon", id));
    assert_false(digest_id(":password", id));
}

static unsigned entries(const char *list)
{
    unsigned count = 1;
    for (; *list; list++)
        count += *list == ',';
    return count;
}

/* An even list would be visited only by half. */
static void address_lists_are_odd_and_numeric(void **state)
{
    struct addresses addresses;
    struct error error = {0};
    assert_int_equal(addresses_resolve("127.0.0.1:2181,127.0.0.1:2182", &addresses, &error), 0);
    assert_string_equal(addresses.list, "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2181");
    assert_int_equal(addresses.count, 2);
    assert_int_equal(addresses_resolve("127.0.0.1:1,127.0.0.1:1", &addresses, &error), 0);
    assert_int_equal(entries(addresses.list), 1);
    assert_int_equal(addresses_resolve("localhost:2181", &addresses, &error), 0);
    assert_int_equal(entries(addresses.list) % 2, 1);
    assert_null(strstr(addresses.list, "localhost"));
}

static void bad_addresses_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "host",
                                      ":2181",
                                      "127.0.0.1:",
                                      "127.0.0.1:x",
                                      ",",
                                      "127.0.0.1:2181,",
                                      "127.0.0.1:123456"};
    struct addresses addresses;
    struct error error;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(addresses_resolve(bad[i], &addresses, &error), ERR_INVALID);
    assert_int_equal(addresses_resolve("no-such-host.invalid:2181", &addresses, &error),
                     ERR_UNREACHABLE);
    assert_non_null(strstr(error.text, "no-such-host.invalid"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(names_sort_like_cards),
        cmocka_unit_test(garbage_is_no_card),
        cmocka_unit_test(shard_paths_are_read_back),
        cmocka_unit_test(board_names_are_checked),
        cmocka_unit_test(longest_paths_fit),
        cmocka_unit_test(sha1_of_known_texts),
        cmocka_unit_test(digest_ids),
        cmocka_unit_test(address_lists_are_odd_and_numeric),
        cmocka_unit_test(bad_addresses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
