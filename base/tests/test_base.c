/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/backoff.h"
#include "base/buffer.h"
#include "base/deadlines.h"
#include "base/error.h"
#include "base/machine.h"
#include "base/placement.h"
#include "base/random.h"
#include "base/record.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "base/uuid.h"

static void arena_keeps_what_it_gave(void **state)
{
    struct arena arena = {0};
    struct text texts[1000];
    for (int i = 0; i < 1000; i++)
        texts[i] = arena_printf(&arena, "text number %d of some length", i);
    for (int i = 0; i < 1000; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "text number %d of some length", i);
        assert_true(text_equal(texts[i], text_of(expected)));
    }
    char *large = arena_alloc(&arena, 1 << 20);
    memset(large, 'x', 1 << 20);
    arena_reset(&arena);
    assert_int_equal(arena.used_bytes, 0);
    assert_null(arena_text(&arena, TEXT_NONE).data);
    assert_non_null(arena_text(&arena, TEXT("")).data);
    arena_done(&arena);
}

/* Beyond some size it takes memory in larger pieces; what is not a piece's size fits as well. */
static void a_large_arena_keeps_what_it_gave(void **state)
{
    enum { COUNT = 9000, BYTES = 1000 };
    struct arena arena = {0};
    static char *pieces[COUNT];
    for (int i = 0; i < COUNT; i++) {
        pieces[i] = arena_alloc(&arena, BYTES);
        memset(pieces[i], i % 251, BYTES);
    }
    char *odd = arena_calloc(&arena, 1, (4u << 20) - 1);
    for (int i = 0; i < COUNT; i++)
        assert_true(pieces[i][0] == (char)(i % 251) && pieces[i][BYTES - 1] == (char)(i % 251));
    assert_int_equal(odd[0] | odd[(4u << 20) - 2], 0);
    arena_reset(&arena);
    memset(arena_alloc(&arena, BYTES), 1, BYTES);
    arena_done(&arena);
}

static void arena_grow_keeps_elements(void **state)
{
    struct arena arena = {0};
    int *list = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 500; i++) {
        list = arena_grow(&arena, list, (size_t)i, (size_t)i + 1, &capacity, sizeof *list);
        list[i] = i * 7;
    }
    for (int i = 0; i < 500; i++)
        assert_int_equal(list[i], i * 7);
    arena_done(&arena);
}

static void buffer_stops_at_its_limit(void **state)
{
    struct buffer buffer;
    buffer_init(&buffer, 10);
    buffer_add_string(&buffer, "12345678");
    assert_false(buffer.overflowed);
    buffer_add_string(&buffer, "abcdef");
    assert_true(buffer.overflowed);
    assert_true(text_equal(buffer_text(&buffer), TEXT("12345678ab")));
    buffer_consume(&buffer, 8);
    assert_true(text_equal(buffer_text(&buffer), TEXT("ab")));
    buffer_done(&buffer);
}

static void buffer_writes_json_strings(void **state)
{
    struct buffer buffer = {0};
    buffer_add_json_string(&buffer, (struct text){"a\"\\\n\0\x01\xff\xc3\xa9", 9});
    assert_string_equal(buffer.data, "\"a\\\"\\\\\\n\\u0000\\u0001\xef\xbf\xbd\xc3\xa9\"");
    buffer_clear(&buffer);
    assert_true(buffer_add_clean_utf8(&buffer, (struct text){"x\0y\xed\xa0\x80", 6}));
    assert_string_equal(buffer.data, "x\xef\xbf\xbdy\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    buffer_clear(&buffer);
    assert_false(buffer_add_clean_utf8(&buffer, TEXT("pl\xc3\xa4in")));
    buffer_done(&buffer);
}

static void utf8_knows_what_is_well_formed(void **state)
{
    assert_true(utf8_valid(TEXT("\xf0\x9f\x98\x80 \xe2\x82\xac \xc3\xa9")));
    assert_false(utf8_valid(TEXT("\xc0\xaf")));         /* overlong */
    assert_false(utf8_valid(TEXT("\xed\xa0\x80")));     /* surrogate */
    assert_false(utf8_valid(TEXT("\xf4\x90\x80\x80"))); /* beyond U+10FFFF */
    assert_false(utf8_valid(TEXT("\xe2\x82")));         /* cut */
    for (uint32_t code = 1; code <= 0x10FFFF; code += 251) {
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        char bytes[4];
        uint32_t back;
        size_t len = utf8_encode(code, bytes);
        assert_int_equal(utf8_decode(bytes, len, &back), len);
        assert_int_equal(back, code);
    }
}

static void uuids_read_what_they_write(void **state)
{
    uint8_t random[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct uuid seven = uuid_v7(0x0123456789AB, random), back;
    assert_string_equal(UUID_STR(&seven), "01234567-89ab-7fff-bfff-ffffffffffff");
    assert_true(uuid_parse(TEXT("01234567-89AB-7FFF-bfff-ffffffffffff"), &back));
    assert_true(uuid_equal(&seven, &back));
    struct uuid four = uuid_v4(random);
    assert_string_equal(UUID_STR(&four), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_false(uuid_parse(TEXT("01234567-89ab-7fff-bfff-fffffffffff"), &back));
    assert_false(uuid_parse(TEXT("01234567x89ab-7fff-bfff-ffffffffffff"), &back));
    assert_false(uuid_parse(TEXT("0123456g-89ab-7fff-bfff-ffffffffffff"), &back));
    struct uuid later = uuid_v7(0x0123456789AC, random);
    assert_true(uuid_compare(&seven, &later) < 0);
}

static void deadlines_come_in_order(void **state)
{
    enum { COUNT = 300 };
    struct deadlines deadlines;
    static struct deadline nodes[COUNT];
    struct random random;
    deadlines_init(&deadlines);
    random_seed(&random, 7);
    assert_int_equal(deadlines_next_ms(&deadlines), -1);
    for (int i = 0; i < COUNT; i++)
        deadlines_set(&deadlines, &nodes[i], (int64_t)random_below(&random, 50));
    for (int i = 0; i < COUNT; i += 3)
        deadlines_cancel(&deadlines, &nodes[i]);
    for (int i = 1; i < COUNT; i += 3)
        deadlines_set(&deadlines, &nodes[i], (int64_t)random_below(&random, 50) + 10);
    int64_t last_ms = -1;
    uint64_t last_order = 0;
    int popped = 0;
    for (struct deadline *node; (node = deadlines_pop(&deadlines, 1000)); popped++) {
        assert_true(node->due_ms > last_ms ||
                    (node->due_ms == last_ms && node->order > last_order));
        last_ms = node->due_ms;
        last_order = node->order;
        assert_false(deadline_is_set(node));
    }
    assert_int_equal(popped, COUNT - COUNT / 3);
    deadlines_set(&deadlines, &nodes[0], 100);
    assert_null(deadlines_pop(&deadlines, 99));
    assert_ptr_equal(deadlines_pop(&deadlines, 100), &nodes[0]);
    deadlines_done(&deadlines);
}

static void backoff_doubles_between_its_bounds(void **state)
{
    struct backoff backoff = {.first_ms = 100, .max_ms = 1000};
    struct random random;
    random_seed(&random, 1);
    const int64_t whole[] = {100, 200, 400, 800, 1000, 1000};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        int64_t pause = backoff_failed(&backoff, &random);
        assert_in_range(pause, whole[i] / 2, whole[i]);
    }
    backoff_succeeded(&backoff);
    assert_in_range(backoff_failed(&backoff, &random), 50, 100);
}

static void pools_do_not_care_for_order(void **state)
{
    struct text one[] = {TEXT("gpu"), TEXT("big"), TEXT("gpu")};
    struct text two[] = {TEXT("big"), TEXT("gpu")};
    struct text three[] = {TEXT("bigg"), TEXT("pu")};
    struct pool a = placement_pool(one, 3), b = placement_pool(two, 2),
                c = placement_pool(three, 2);
    assert_true(pool_equal(&a, &b));
    assert_false(pool_equal(&a, &c));
    struct pool none = placement_pool(NULL, 0);
    assert_string_equal(none.name, "-");
    assert_int_equal(strlen(a.name), POOL_LEN);
}

/* When a member leaves only its own shards move, and the shards are spread fairly. */
static void rendezvous_moves_little(void **state)
{
    enum { MEMBERS = 5, SHARDS = 1024 };
    struct uuid boots[MEMBERS];
    struct random random;
    random_seed(&random, 3);
    random_bytes(&random, boots, sizeof boots);
    struct pool pool = {"-"};
    int count[MEMBERS] = {0};
    for (uint16_t shard = 0; shard < SHARDS; shard++) {
        int best = 0, second = -1;
        for (int i = 1; i < MEMBERS; i++) {
            if (placement_weight(&boots[i], &pool, shard) >
                placement_weight(&boots[best], &pool, shard)) {
                second = best;
                best = i;
            } else if (second < 0 || placement_weight(&boots[i], &pool, shard) >
                                         placement_weight(&boots[second], &pool, shard)) {
                second = i;
            }
        }
        assert_int_not_equal(best, second);
        count[best]++;
    }
    for (int i = 0; i < MEMBERS; i++)
        assert_in_range(count[i], SHARDS / MEMBERS * 7 / 10, SHARDS / MEMBERS * 13 / 10);
}

static void cards_sort_by_priority_then_age(void **state)
{
    struct card a = {.priority = 0, .ready_at_us = 9}, b = {.priority = 5, .ready_at_us = 1};
    struct card c = {.priority = 5, .ready_at_us = 2};
    assert_true(card_compare(&a, &b) < 0);
    assert_true(card_compare(&b, &c) < 0);
    assert_false(card_equal(&b, &c));
    assert_true(card_equal(&b, &b));
}

static void state_tables_are_sound(void **state)
{
    assert_null(machine_fault(&job_machine));
    assert_null(machine_fault(&task_machine));
    for (int i = 0; i < JOB_STATES; i++)
        assert_int_equal(machine_find(&job_machine, job_state_name((enum job_state)i)), i);
    assert_int_equal(machine_find(&task_machine, "NO_SUCH"), -1);
    const struct machine_state broken[] = {{"a", MACHINE_BIT(1), true, false},
                                           {"b", MACHINE_BIT(0), false, false}};
    assert_non_null(machine_fault(&(struct machine){"broken", broken, 2}));
}

static void errors_tell_their_class(void **state)
{
    struct error error = {0};
    assert_int_equal(error_set(&error, ERR_BUSY, "row %d", 7), ERR_BUSY);
    assert_int_equal(error_wrap(&error, "save of %s", "x"), ERR_BUSY);
    assert_string_equal(error.text, "save of x: row 7");
    assert_int_equal(error_class_of(ERR_UNKNOWN), CLASS_UNKNOWN);
    assert_int_equal(error_class_of(-999), CLASS_INTERNAL);
    assert_int_equal(error_class_of(0), CLASS_NONE);
}

static void times_print_as_rfc_3339(void **state)
{
    char text[TIMESTAMP_TEXT_MAX];
    assert_string_equal(timestamp_text(0, text), "1970-01-01T00:00:00.000000Z");
    assert_string_equal(timestamp_text(1795494562804661, text), "2026-11-24T04:29:22.804661Z");
    assert_string_equal(timestamp_text(951782400000000, text), "2000-02-29T00:00:00.000000Z");
    assert_string_equal(timestamp_text(-1, text), "1969-12-31T23:59:59.999999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_keeps_what_it_gave),
        cmocka_unit_test(a_large_arena_keeps_what_it_gave),
        cmocka_unit_test(arena_grow_keeps_elements),
        cmocka_unit_test(buffer_stops_at_its_limit),
        cmocka_unit_test(buffer_writes_json_strings),
        cmocka_unit_test(utf8_knows_what_is_well_formed),
        cmocka_unit_test(uuids_read_what_they_write),
        cmocka_unit_test(deadlines_come_in_order),
        cmocka_unit_test(backoff_doubles_between_its_bounds),
        cmocka_unit_test(pools_do_not_care_for_order),
        cmocka_unit_test(rendezvous_moves_little),
        cmocka_unit_test(cards_sort_by_priority_then_age),
        cmocka_unit_test(state_tables_are_sound),
        cmocka_unit_test(errors_tell_their_class),
        cmocka_unit_test(times_print_as_rfc_3339),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
