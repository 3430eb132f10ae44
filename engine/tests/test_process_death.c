/* SPDX-License-Identifier: Apache-2.0 */
/* Who dies, and what becomes of the step: the warden, the engine, the lease. An engine that dies or
 * freezes is a forked copy of the test here, which holds a source of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os/clock.h"
#include "engine/tests/process_harness.h"
#include "engine/warden.h"

#define ARGV(...)  ((const char *const[]){__VA_ARGS__, NULL})
#define SH(text)   ARGV("/bin/sh", "-eu", "-c", text, "sh")
#define CHILD(...) ARGV(harness_child(), __VA_ARGS__)

/* How much later than due something may be on a machine that is busy with other tests. */
#define SLACK_MS 1500

static void start_and_wait_ready(struct harness *h, uint64_t id, const char *const *argv)
{
    harness_start(h, id, argv, NULL);
    harness_until_started(h, id);
    harness_until_ready(h, id);
}

static void assert_warden_lost(const struct told *told)
{
    assert_int_equal(told->event.kind, PROCESS_ENDED);
    assert_true(told->event.warden_lost);
    assert_int_equal(told->event.cause, PROCESS_CAUSE_WARDEN);
    assert_int_equal(told->event.exit_code, -1);
    assert_int_equal(told->left_alive, 0);
}

/* --- the warden ------------------------------------------------------------------------------- */

static void killed_warden(void **state)
{
    struct harness *h = *state;
    for (int round = 0; round < 5; round++) {
        start_and_wait_ready(h, 1, CHILD("daemon", "2"));
        assert_int_equal(kill(harness_parent(h->told[1].pid), SIGKILL), 0);
        harness_until_final(h, 1);
        assert_warden_lost(&h->told[1]);
    }
}

static void step_kills_its_warden(void **state)
{
    struct harness *h = *state;
    harness_run(h, 1, SH("setsid sleep 1000 & kill -9 $PPID; sleep 1000"), NULL);
    assert_warden_lost(&h->told[1]);
}

static void runaway_without_warden(void **state)
{
    struct harness *h = *state;
    char text[512];
    snprintf(text, sizeof text, "'%s' hydra 3 & kill -9 $PPID; sleep 1000", harness_child());
    harness_run(h, 1, SH(text), NULL);
    assert_warden_lost(&h->told[1]);
}

/* The trees of others stay untouched, and so does a child that was named. */
static void killed_warden_among_others(void **state)
{
    struct harness *h = *state;
    pid_t named = fork();
    if (named == 0) {
        for (;;)
            pause();
    }
    process_keep(h->p, named);
    for (uint64_t id = 1; id <= 6; id++)
        start_and_wait_ready(h, id, CHILD("daemon", "2"));
    for (uint64_t id = 1; id <= 2; id++)
        assert_int_equal(kill(harness_parent(h->told[id].pid), SIGKILL), 0);
    for (uint64_t id = 1; id <= 2; id++) {
        harness_until_final(h, id);
        assert_warden_lost(&h->told[id]);
    }
    for (uint64_t id = 3; id <= 6; id++)
        harness_until_alive(h, id, 2);
    assert_int_equal(waitpid(named, NULL, WNOHANG), 0);
    kill(named, SIGKILL);
    assert_int_equal(waitpid(named, NULL, 0), named);
    process_unkeep(h->p, named);
    for (uint64_t id = 3; id <= 6; id++) {
        process_stop(h->p, id, 0);
        harness_until_final(h, id);
        assert_false(h->told[id].event.warden_lost);
    }
}

static void warden_ignores_other_signals(void **state)
{
    struct harness *h = *state;
    start_and_wait_ready(h, 1, CHILD("polite"));
    pid_t warden = harness_parent(h->told[1].pid);
    assert_int_equal(getsid(warden), warden);
    assert_int_equal(getsid(h->told[1].pid), h->told[1].pid);
    int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGALRM, SIGPIPE, SIGCHLD};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        assert_int_equal(kill(warden, signals[i]), 0);
    process_stop(h->p, 1, 15000);
    harness_until_final(h, 1);
    assert_false(h->told[1].event.warden_lost);
    assert_int_equal(h->told[1].event.exit_code, 7);
}

static void frozen_warden_is_overdue(void **state)
{
    struct harness *h = *state;
    start_and_wait_ready(h, 1, CHILD("daemon", "2"));
    assert_int_equal(kill(harness_parent(h->told[1].pid), SIGSTOP), 0);
    int64_t ordered_ms = clock_now_ms();
    process_stop(h->p, 1, 0);
    harness_until_final(h, 1);
    assert_warden_lost(&h->told[1]);
    assert_true(h->told[1].final_at_ms < ordered_ms + WARDEN_OVERDUE_MS + SLACK_MS);
}

/* --- the nursery ------------------------------------------------------------------------------ */

static void killed_nursery(void **state)
{
    struct harness *h = *state;
    for (uint64_t id = 1; id <= 3; id++)
        start_and_wait_ready(h, id, CHILD("daemon", "2"));
    pid_t nursery = harness_nursery();
    assert_int_equal(kill(nursery, SIGKILL), 0);
    start_and_wait_ready(h, 4, CHILD("daemon", "2"));
    assert_true(harness_nursery() != nursery);
    for (uint64_t id = 1; id <= 4; id++)
        harness_until_alive(h, id, 2);
    /* A warden that was adopted is still told apart from an orphan. */
    assert_int_equal(kill(harness_parent(h->told[4].pid), SIGKILL), 0);
    harness_until_final(h, 4);
    assert_warden_lost(&h->told[4]);
    assert_int_equal(kill(harness_parent(h->told[3].pid), SIGKILL), 0);
    harness_until_final(h, 3);
    assert_warden_lost(&h->told[3]);
    for (uint64_t id = 1; id <= 2; id++) {
        harness_until_alive(h, id, 2);
        process_stop(h->p, id, 0);
        harness_until_final(h, id);
        assert_int_equal(h->told[id].event.cause, PROCESS_CAUSE_ORDER);
        assert_int_equal(h->told[id].left_alive, 0);
    }
    assert_int_equal(harness_children(), 1);
}

/* What was on its way starts from the next one; what ran goes on; each has one final event. */
static void killed_nursery_while_starting(void **state)
{
    struct harness *h = *state;
    h->count_left = false;
    for (int round = 0; round < 10; round++) {
        for (uint64_t id = 1; id <= 60; id++)
            harness_start(h, id, ARGV("echo", "once"), NULL);
        poll(NULL, 0, round * 3);
        assert_int_equal(kill(harness_nursery(), SIGKILL), 0);
        for (uint64_t id = 1; id <= 60; id++) {
            harness_until_final(h, id);
            assert_int_equal(h->told[id].event.kind, PROCESS_ENDED);
            assert_int_equal(h->told[id].event.exit_code, 0);
            assert_string_equal(h->told[id].out.data, "once\n");
        }
    }
    assert_int_equal(harness_alive(h, 0), 0);
}

/* --- the lease -------------------------------------------------------------------------------- */

static void lease_runs_out(void **state)
{
    struct harness *h = *state;
    start_and_wait_ready(h, 1, CHILD("daemon", "2"));
    int64_t kill_at_ms = clock_now_ms() + 300;
    process_set_kill_at(h->p, kill_at_ms);
    harness_until_final(h, 1);
    const struct told *told = &h->told[1];
    assert_int_equal(told->event.cause, PROCESS_CAUSE_LEASE);
    assert_int_equal(told->event.signal, SIGKILL);
    assert_int_equal(told->left_alive, 0);
    assert_in_range(told->final_at_ms, kill_at_ms, kill_at_ms + SLACK_MS);
}

static void lease_over_starts_nothing(void **state)
{
    struct harness *h = *state;
    process_set_kill_at(h->p, clock_now_ms());
    struct told *told = harness_run(h, 1, ARGV("true"), NULL);
    assert_int_equal(told->event.kind, PROCESS_NOT_STARTED);
    assert_int_equal(told->event.trouble, PROCESS_TROUBLE_LEASE);
}

static void lease_is_extended(void **state)
{
    struct harness *h = *state;
    process_set_kill_at(h->p, clock_now_ms() + 1000);
    harness_start(h, 1, SH("sleep 2; echo through"), NULL);
    while (!h->told[1].final) {
        process_set_kill_at(h->p, clock_now_ms() + 1000);
        harness_pump(h, 50);
    }
    assert_int_equal(h->told[1].event.exit_code, 0);
    assert_string_equal(h->told[1].out.data, "through\n");
}

/* An order's grace does not reach beyond the lease. */
static void lease_cuts_the_grace(void **state)
{
    struct harness *h = *state;
    start_and_wait_ready(h, 1, CHILD("stubborn"));
    int64_t kill_at_ms = clock_now_ms() + 300;
    process_set_kill_at(h->p, kill_at_ms);
    process_stop(h->p, 1, 60000);
    harness_until_final(h, 1);
    assert_int_equal(h->told[1].event.cause, PROCESS_CAUSE_ORDER);
    assert_in_range(h->told[1].final_at_ms, kill_at_ms, kill_at_ms + SLACK_MS);
}

static void lease_may_ask_first(void **state)
{
    struct harness *h = *state;
    struct error error = {0};
    process_free(h->p);
    struct process_options options = {.warden_path = harness_warden(), .term_lead_ms = 5000};
    h->p = process_source_new(&options, &error);
    assert_non_null(h->p);
    start_and_wait_ready(h, 1, CHILD("polite"));
    int64_t kill_at_ms = clock_now_ms() + 5200;
    process_set_kill_at(h->p, kill_at_ms);
    harness_until_final(h, 1);
    assert_int_equal(h->told[1].event.cause, PROCESS_CAUSE_LEASE);
    assert_int_equal(h->told[1].event.exit_code, 7);
    assert_in_range(h->told[1].final_at_ms, kill_at_ms - 5000, kill_at_ms - 1);
}

/* --- the engine ------------------------------------------------------------------------------- */

/* A child process with its own source and `steps` daemons that all ignore SIGTERM; returns once all
 * are ready. The child goes on to extend the lease by `lease_ms` every 20 ms (0: no lease). */
static pid_t fork_engine(struct harness *h, uint64_t steps, int64_t lease_ms)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) {
        close(ready[1]);
        char byte;
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        return pid;
    }
    struct error error = {0};
    h->p = process_source_new(&(struct process_options){.warden_path = harness_warden()}, &error);
    if (!h->p)
        _exit(1);
    for (uint64_t id = 1; id <= steps; id++)
        harness_start(h, id, CHILD("daemon", "2"), NULL);
    for (uint64_t id = 1; id <= steps; id++)
        harness_until_ready(h, id);
    if (write(ready[1], "x", 1) != 1)
        _exit(1);
    for (;;) {
        if (lease_ms)
            process_set_kill_at(h->p, clock_now_ms() + lease_ms);
        harness_pump(h, 20);
    }
}

/* What the dead engine left falls to this process, a sub-reaper as the supervisor is. Only the
 * nursery of its own source stays. */
static void take_in_children(void)
{
    int64_t until_ms = clock_now_ms() + 10000;
    while (harness_children() > 1) {
        if (waitpid(-1, NULL, WNOHANG) == 0)
            poll(NULL, 0, 2);
        assert_true(clock_now_ms() < until_ms);
    }
}

static void killed_engine(void **state)
{
    struct harness *h = *state;
    for (int round = 0; round < 5; round++) {
        pid_t engine = fork_engine(h, 10, 0);
        harness_until_alive(h, 0, 20);
        int64_t killed_ms = clock_now_ms();
        assert_int_equal(kill(engine, SIGKILL), 0);
        int64_t gone_ms = harness_until_none_alive(h, SLACK_MS);
        print_message("all dead %lld ms after the engine\n", (long long)(gone_ms - killed_ms));
        take_in_children();
    }
}

static void killed_engine_while_starting(void **state)
{
    struct harness *h = *state;
    for (int round = 0; round < 20; round++) {
        pid_t engine = fork();
        assert_true(engine >= 0);
        if (engine == 0) {
            struct process_options options = {.warden_path = harness_warden()};
            struct error error = {0};
            h->p = process_source_new(&options, &error);
            for (uint64_t id = 1; id < 400; id++)
                harness_start(h, id, CHILD("daemon", "1"), NULL);
            _exit(0);
        }
        /* Not a wait for something: any moment is right, and each round takes a later one. */
        poll(NULL, 0, 2 + round * 3);
        kill(engine, SIGKILL);
        waitpid(engine, NULL, 0);
        harness_until_none_alive(h, 5000);
        take_in_children();
        assert_int_equal(harness_alive(h, 0), 0);
    }
}

static void frozen_engine(void **state)
{
    struct harness *h = *state;
    pid_t engine = fork_engine(h, 10, 600);
    poll(NULL, 0, 1500);
    harness_until_alive(h, 0, 20);
    assert_int_equal(kill(engine, SIGSTOP), 0);
    int64_t frozen_ms = clock_now_ms();
    int64_t gone_ms = harness_until_none_alive(h, 600 + SLACK_MS);
    print_message("all dead %lld ms after the freeze, lease 600\n",
                  (long long)(gone_ms - frozen_ms));
    kill(engine, SIGKILL);
    take_in_children();
}

static pid_t first_child(pid_t pid)
{
    char path[64];
    int child = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &child), 1);
    fclose(file);
    return child;
}

/* Engine and warden in one moment: what is left falls to the parent. The main process goes with its
 * warden in any case. */
static void engine_and_warden_at_once(void **state)
{
    struct harness *h = *state;
    pid_t engine = fork_engine(h, 1, 0);
    pid_t nursery = first_child(engine), warden = first_child(nursery);
    assert_int_equal(kill(engine, SIGSTOP), 0);
    kill(nursery, SIGKILL);
    kill(warden, SIGKILL);
    kill(engine, SIGKILL);
    /* This process stands for the supervisor: any warden lost makes it look for orphans. */
    start_and_wait_ready(h, 2, CHILD("stubborn"));
    process_keep(h->p, engine);
    assert_int_equal(kill(harness_parent(h->told[2].pid), SIGKILL), 0);
    harness_until_final(h, 2);
    process_unkeep(h->p, engine);
    take_in_children();
    assert_int_equal(harness_alive(h, 0), 0);
}

static void freed_source_ends_its_steps(void **state)
{
    struct harness *h = *state;
    start_and_wait_ready(h, 1, CHILD("daemon", "2"));
    process_free(h->p);
    harness_until_none_alive(h, SLACK_MS);
    struct error error = {0};
    h->p = process_source_new(&(struct process_options){.warden_path = harness_warden()}, &error);
    assert_non_null(h->p);
    take_in_children();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(killed_warden),
        TEST(step_kills_its_warden),
        TEST(runaway_without_warden),
        TEST(killed_warden_among_others),
        TEST(warden_ignores_other_signals),
        TEST(frozen_warden_is_overdue),
        TEST(killed_nursery),
        TEST(killed_nursery_while_starting),
        TEST(lease_runs_out),
        TEST(lease_over_starts_nothing),
        TEST(lease_is_extended),
        TEST(lease_cuts_the_grace),
        TEST(lease_may_ask_first),
        TEST(killed_engine),
        TEST(killed_engine_while_starting),
        TEST(frozen_engine),
        TEST(engine_and_warden_at_once),
        TEST(freed_source_ends_its_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
