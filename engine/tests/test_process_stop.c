/* SPDX-License-Identifier: Apache-2.0 */
/* A step ends with all it started: by itself, by order, whatever it did to get away. The harness
 * looks at each final event for living carriers of the step's marker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/os/clock.h"
#include "engine/tests/process_harness.h"

#define ARGV(...)  ((const char *const[]){__VA_ARGS__, NULL})
#define SH(text)   ARGV("/bin/sh", "-eu", "-c", text, "sh")
#define CHILD(...) ARGV(harness_child(), __VA_ARGS__)

/* How much later than ordered an end may come on a machine that is busy with other tests. */
#define SLACK_MS 1500

static void start_and_wait_ready(struct harness *h, const char *const *argv)
{
    harness_start(h, 1, argv, NULL);
    harness_until_started(h, 1);
    harness_until_ready(h, 1);
}

static struct told *stop_and_wait(struct harness *h, int64_t grace_ms)
{
    int64_t ordered_ms = clock_now_ms();
    process_stop(h->p, 1, grace_ms);
    harness_until_final(h, 1);
    struct told *told = &h->told[1];
    assert_int_equal(told->event.kind, PROCESS_ENDED);
    assert_int_equal(told->left_alive, 0);
    assert_true(told->final_at_ms <= ordered_ms + grace_ms + SLACK_MS);
    return told;
}

/* The main process ends with success; the rest keeps stdout open, ignores SIGTERM and is gone. */
static void leavings_go_with_the_main_process(void **state)
{
    struct harness *h = *state;
    int64_t from_ms = clock_now_ms();
    struct told *told =
        harness_run(h, 1, SH("(trap '' TERM; while :; do sleep 1000; done) & echo done"), NULL);
    assert_int_equal(told->event.exit_code, 0);
    assert_int_equal(told->event.cause, PROCESS_CAUSE_SELF);
    assert_string_equal(told->out.data, "done\n");
    assert_int_equal(told->left_alive, 0);
    assert_true(told->final_at_ms - from_ms < 5000);
}

static void leavings_in_other_sessions_too(void **state)
{
    struct harness *h = *state;
    for (int times = 1; times <= 3; times++) {
        char number[8];
        snprintf(number, sizeof number, "%d", times);
        struct told *told = harness_run(h, 1, CHILD("leave", number), NULL);
        assert_int_equal(told->event.exit_code, 0);
        assert_int_equal(told->progress_count, 1);
        assert_int_equal(told->left_alive, 0);
    }
}

static void hard_stop(void **state)
{
    start_and_wait_ready(*state, CHILD("stubborn"));
    struct told *told = stop_and_wait(*state, 0);
    assert_int_equal(told->event.signal, SIGKILL);
    assert_int_equal(told->event.cause, PROCESS_CAUSE_ORDER);
    assert_false(told->event.warden_lost);
}

static void hard_stop_of_a_daemon(void **state)
{
    start_and_wait_ready(*state, CHILD("daemon", "2"));
    harness_until_alive(*state, 1, 2); /* main, daemon */
    stop_and_wait(*state, 0);
}

static void hard_stop_of_a_stopped_tree(void **state)
{
    struct harness *h = *state;
    start_and_wait_ready(h, CHILD("daemon", "2"));
    assert_int_equal(kill(h->told[1].pid, SIGSTOP), 0);
    stop_and_wait(h, 0);
}

/* Polite: says goodbye when asked, and is asked. */
static void gentle_stop(void **state)
{
    start_and_wait_ready(*state, CHILD("polite"));
    struct told *told = stop_and_wait(*state, 15000);
    assert_int_equal(told->event.exit_code, 7);
    assert_string_equal(told->out.data, "bye\n");
    assert_int_equal(told->event.cause, PROCESS_CAUSE_ORDER);
}

static void gentle_stop_of_the_stubborn(void **state)
{
    start_and_wait_ready(*state, CHILD("stubborn"));
    int64_t from_ms = clock_now_ms();
    struct told *told = stop_and_wait(*state, 300);
    assert_true(told->final_at_ms >= from_ms + 300);
    assert_int_equal(told->event.signal, SIGKILL);
}

/* The main process dies of SIGTERM at once; its child gets the signal as well, and its grace. */
static void grace_is_for_the_whole_tree(void **state)
{
    struct harness *h = *state;
    char text[512];
    snprintf(text, sizeof text, "'%s' polite & wait", harness_child());
    start_and_wait_ready(h, SH(text));
    struct told *told = stop_and_wait(h, 15000);
    assert_int_equal(told->event.signal, SIGTERM);
    assert_string_equal(told->out.data, "bye\n");
}

static void second_order_shortens_the_grace(void **state)
{
    struct harness *h = *state;
    start_and_wait_ready(h, CHILD("stubborn"));
    process_stop(h->p, 1, 1000000);
    process_stop(h->p, 1, 2000000);
    struct told *told = stop_and_wait(h, 100);
    assert_int_equal(told->event.signal, SIGKILL);
}

/* New processes all the time, each in a session of its own, each gone at once. */
static void what_runs_away_is_caught(void **state)
{
    for (int round = 0; round < 5; round++) {
        harness_start(*state, 1, CHILD("hydra", "3"), NULL);
        harness_until_final(*state, 1);
        struct told *told = &((struct harness *)*state)->told[1];
        assert_int_equal(told->left_alive, 0);
        assert_true(told->started && !told->event.warden_lost);
    }
}

static void many_children(void **state)
{
    struct harness *h = *state;
    start_and_wait_ready(h, SH("trap '' TERM; i=0; while [ $i -lt 150 ]; do setsid sleep 1000 & "
                               "i=$((i+1)); done; echo '::progress 0 ready' >&2; wait"));
    struct told *told = stop_and_wait(h, 0);
    assert_int_equal(told->event.signal, SIGKILL);
}

static void stop_before_the_start(void **state)
{
    struct harness *h = *state;
    int not_started = 0;
    for (uint64_t id = 1; id <= 20; id++) {
        harness_start(h, id, ARGV("sleep", "1000"), NULL);
        process_stop(h->p, id, id % 2 ? 0 : 100);
        harness_until_final(h, id);
        assert_int_equal(h->told[id].left_alive, 0);
        if (h->told[id].event.kind == PROCESS_NOT_STARTED) {
            assert_int_equal(h->told[id].event.trouble, PROCESS_TROUBLE_STOPPED);
            not_started++;
        } else {
            assert_int_equal(h->told[id].event.cause, PROCESS_CAUSE_ORDER);
        }
    }
    assert_true(not_started > 0);
}

static void stop_of_nobody(void **state)
{
    struct harness *h = *state;
    process_stop(h->p, 77, 0);
    harness_run(h, 1, ARGV("true"), NULL);
    process_stop(h->p, 1, 0);
    assert_int_equal(process_running(h->p), 0);
}

static void close_all(void **state)
{
    struct harness *h = *state;
    h->count_left = false;
    for (uint64_t id = 1; id <= 30; id++)
        harness_start(h, id, CHILD("daemon", "2"), NULL);
    for (uint64_t id = 1; id <= 30; id++)
        harness_until_ready(h, id);
    harness_until_alive(h, 0, 60);
    assert_int_equal(process_close_all(h->p, 10000), 0);
    assert_int_equal(harness_alive(h, 0), 0);
    harness_pump(h, 0);
    for (uint64_t id = 1; id <= 30; id++)
        assert_true(h->told[id].final && h->told[id].event.cause == PROCESS_CAUSE_ORDER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(leavings_go_with_the_main_process),
        TEST(leavings_in_other_sessions_too),
        TEST(hard_stop),
        TEST(hard_stop_of_a_daemon),
        TEST(hard_stop_of_a_stopped_tree),
        TEST(gentle_stop),
        TEST(gentle_stop_of_the_stubborn),
        TEST(grace_is_for_the_whole_tree),
        TEST(second_order_shortens_the_grace),
        TEST(what_runs_away_is_caught),
        TEST(many_children),
        TEST(stop_before_the_start),
        TEST(stop_of_nobody),
        TEST(close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
