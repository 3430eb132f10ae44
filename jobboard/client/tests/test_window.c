/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobboard/client/window.h"

static struct pool pool_named(const char *name)
{
    struct pool pool;
    memset(&pool, 0xee, sizeof pool); /* what lies behind the name must not matter */
    memcpy(pool.name, name, strlen(name) + 1);
    return pool;
}

static void folders_are_told_apart(void **state)
{
    struct window *windows = NULL;
    struct pool none = pool_named("-"), other = pool_named("0123456789abcdef");
    struct window *first = window_of(&windows, &none, 3);
    none = pool_named("-");
    assert_ptr_equal(window_of(&windows, &none, 3), first);
    assert_ptr_not_equal(window_of(&windows, &none, 4), first);
    assert_ptr_not_equal(window_of(&windows, &other, 3), first);
    windows_free(&windows);
    assert_null(windows);
}

static void room_is_what_a_count_left(void **state)
{
    struct window *windows = NULL;
    struct pool none = pool_named("-");
    struct window *window = window_of(&windows, &none, 0);
    assert_int_equal(window_take(window, PRIORITY_MAX, 1000), WINDOW_COUNT);
    assert_int_equal(window_take(window, PRIORITY_MAX, 1000), WINDOW_WAIT);
    window_counted(window, 198, 200, 1010);
    assert_int_equal(window_take(window, PRIORITY_MAX, 1020), WINDOW_ROOM);
    assert_int_equal(window_take(window, PRIORITY_MAX, 1020), WINDOW_ROOM);
    assert_int_equal(window_take(window, PRIORITY_MAX, 1020), WINDOW_FULL);
    /* not asked again at once, but when the count is old */
    assert_int_equal(window_take(window, PRIORITY_MAX, 1009 + WINDOW_FRESH_MS), WINDOW_FULL);
    assert_int_equal(window_take(window, PRIORITY_MAX, 1010 + WINDOW_FRESH_MS), WINDOW_COUNT);
    window_counted(window, 500, 200, 2020);
    assert_int_equal(window_take(window, PRIORITY_MAX, 2021), WINDOW_FULL);
    windows_free(&windows);
}

/* A folder full of less urgent cards has room for a more urgent one, at every step. */
static void urgent_cards_have_places_of_their_own(void **state)
{
    struct window *windows = NULL;
    struct pool none = pool_named("-");
    struct window *window = window_of(&windows, &none, 0);
    assert_int_equal(window_take(window, PRIORITY_MAX, 1), WINDOW_COUNT);
    window_counted(window, 200, 200, 2);
    for (int priority = PRIORITY_MAX; priority >= 0; priority--) {
        int placed = 0;
        while (window_take(window, (uint8_t)priority, 3) == WINDOW_ROOM)
            placed++;
        assert_int_equal(placed, priority == PRIORITY_MAX ? 0 : WINDOW_STEP);
    }
    windows_free(&windows);
}

static void failed_count_is_asked_again(void **state)
{
    struct window *windows = NULL;
    struct pool none = pool_named("-");
    struct window *window = window_of(&windows, &none, 0);
    assert_int_equal(window_take(window, PRIORITY_MAX, 5), WINDOW_COUNT);
    window_counted(window, -1, 200, 6);
    assert_int_equal(window_take(window, PRIORITY_MAX, 6), WINDOW_COUNT);
    window_counted(window, 0, 200, 7);
    assert_int_equal(window_take(window, PRIORITY_MAX, 7), WINDOW_ROOM);
    windows_free(&windows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_told_apart),
        cmocka_unit_test(room_is_what_a_count_left),
        cmocka_unit_test(urgent_cards_have_places_of_their_own),
        cmocka_unit_test(failed_count_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
