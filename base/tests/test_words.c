/* SPDX-License-Identifier: Apache-2.0 */
/* Lengths of time and nearest words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/duration.h"
#include "base/nearest.h"

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"500ms", 500},
        {"90s", 90000},
        {"1h30m", 5400000},
        {"5d", 432000000},
        {"2w", 1209600000},
        {"0s", 0},
        {"1w2d3h4m5s6ms", 604800000 + 172800000 + 10800000 + 240000 + 5000 + 6},
        {"007m", 420000},
        {"36525d", DURATION_MAX_MS},
    };
    static const char *const bad[] = {"",     "5",   "s",    "5 s",    "-5s",
                                      "1.5h", "5x",  "1m1h", "1m1m",   "5S",
                                      "5s ",  " 5s", "5ms3", "36526d", "99999999999999999999s",
                                      "+5s"};
    int64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(duration_parse_ms(text_of(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (duration_parse_ms(text_of(bad[i]), &ms))
            fail_msg("'%s' was read as %lld ms", bad[i], (long long)ms);
}

static void test_format(void **state)
{
    char text[32];
    assert_string_equal(duration_format(0, text, sizeof text), "0s");
    assert_string_equal(duration_format(350, text, sizeof text), "350ms");
    assert_string_equal(duration_format(5400000, text, sizeof text), "1h30m");
    assert_string_equal(duration_format(5401000, text, sizeof text), "1h30m");
    assert_string_equal(duration_format(3601000, text, sizeof text), "1h");
    assert_string_equal(duration_format(1250, text, sizeof text), "1s250ms");
    assert_string_equal(duration_format(1250, text, 3), "1s");
}

static void test_distance(void **state)
{
    assert_int_equal(nearest_distance(TEXT("same"), TEXT("same")), 0);
    assert_int_equal(nearest_distance(TEXT("dve"), TEXT("dev")), 1);
    assert_int_equal(nearest_distance(TEXT("kitten"), TEXT("sitting")), 3);
    assert_int_equal(nearest_distance(TEXT(""), TEXT("abc")), 3);
    char longer[NEAREST_WORD_MAX + 1] = {0};
    struct text text = {longer, sizeof longer};
    assert_true(nearest_distance(text, TEXT("a")) == SIZE_MAX);
}

static void test_nearest(void **state)
{
    static const char *const words[] = {"status", NULL, "start", "stop", "name"};
    assert_string_equal(nearest_word(TEXT("strat"), words, 5), "start");
    assert_string_equal(nearest_word(TEXT("stauts"), words, 5), "status");
    assert_string_equal(nearest_word(TEXT("nmae"), words, 5), "name");
    assert_null(nearest_word(TEXT("walrus"), words, 5));
    assert_null(nearest_word(TEXT("s"), words, 5));
    assert_null(nearest_word(TEXT(""), words, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
