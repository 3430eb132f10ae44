/* SPDX-License-Identifier: Apache-2.0 */
/* Detached processes: known again by pid and start time, found by mark, ended for sure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/dev_folder.h"
#include "cli/dev_ports.h"
#include "cli/dev_process.h"

#define SOON_MS 10000

static struct dev_process start(const char *script, const char *log, const char *variable)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    const char *env[] = {variable, NULL};
    struct dev_spawn spawn = {.argv = argv, .env = env, .log_path = log};
    struct dev_process process = {0};
    struct error error = {0};
    assert_int_equal(dev_spawn(&spawn, &process, &error), 0);
    return process;
}

static void test_identity(void **state)
{
    struct dev_process process = start("exec sleep 1000", "/dev/null", NULL);
    struct dev_process other = {process.pid, process.start_ticks + 1};
    assert_true(dev_process_alive(&process));
    assert_false(dev_process_alive(&other));
    assert_false(dev_process_signal(&other, SIGKILL));
    assert_true(dev_process_await_end(&other, 0));
    assert_true(dev_process_alive(&process));
    assert_false(dev_process_await_end(&process, 1));
    assert_int_equal(getsid(process.pid), process.pid);
    assert_true(dev_process_signal(&process, SIGKILL));
    assert_true(dev_process_await_end(&process, SOON_MS));
    assert_false(dev_process_alive(&process));
    assert_false(dev_process_signal(&process, SIGKILL));
}

static void test_status(void **state)
{
    struct dev_process process = start("exit 3", "/dev/null", NULL);
    int status = 0;
    assert_int_equal(dev_process_wait(&process, SOON_MS, -1, &status), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
}

static void test_interrupt(void **state)
{
    int ends[2];
    struct dev_process process = start("exec sleep 1000", "/dev/null", NULL);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(dev_process_wait(&process, SOON_MS, ends[0], NULL), ERR_INTERRUPTED);
    dev_process_signal(&process, SIGKILL);
    assert_true(dev_process_await_end(&process, SOON_MS));
    close(ends[0]);
    close(ends[1]);
}

static void test_not_there(void **state)
{
    const char *argv[] = {"/nowhere/program", NULL};
    struct dev_spawn spawn = {.argv = argv, .log_path = "/dev/null"};
    struct dev_process process;
    struct error error = {0};
    assert_int_equal(dev_spawn(&spawn, &process, &error), ERR_UNREACHABLE);
    assert_non_null(strstr(error.text, "/nowhere/program"));
    spawn.log_path = "/nowhere/log";
    assert_int_equal(dev_spawn(&spawn, &process, &error), ERR_SYSTEM);
}

/* What the child sees: only its own streams, a fresh signal mask, no PG and JOBBOARD variables. */
static void test_clean(void **state)
{
    char path[] = "/tmp/test-dev-process-XXXXXX";
    struct buffer text = {0};
    int extra[2];
    sigset_t set;
    close(mkstemp(path));
    assert_int_equal(pipe(extra), 0);
    setenv("PGHOST", "nowhere", 1);
    setenv("JOBBOARD_BOARD", "other", 1);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct dev_process process =
        start("pwd; echo pg=$PGHOST board=$JOBBOARD_BOARD mine=$MINE; ls /proc/$$/fd | wc -l; "
              "grep SigBlk /proc/self/status",
              path, "MINE=1");
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    assert_true(dev_process_await_end(&process, SOON_MS));
    dev_tail(path, 10, &text);
    assert_string_equal(text.data, "  /\n  pg= board= mine=1\n  3\n  SigBlk:\t0000000000000000\n");
    buffer_done(&text);
    unlink(path);
    close(extra[0]);
    close(extra[1]);
}

/* A child that left its session is found as descendant, an orphan by its mark. */
static void test_strays(void **state)
{
    struct dev_process_list list = {0};
    char mark[64];
    snprintf(mark, sizeof mark, "TEST_DEV_MARK=%d", (int)getpid());
    char path[] = "/tmp/test-dev-strays-XXXXXX";
    close(mkstemp(path));
    struct dev_process process =
        start("setsid sleep 1000 & (trap '' TERM; sleep 1000) & echo up; wait", path, mark);
    while (!dev_file_contains(path, 0, "up"))
        usleep(1000);
    /* The shell and two sleeps; in the middle of its exec a process shows no environment. */
    do {
        usleep(1000);
        dev_process_list_done(&list);
        dev_process_marked(&list, mark, NULL, NULL);
    } while (list.count < 3);
    dev_process_list_done(&list);
    dev_process_descendants(&list, &process);
    assert_true(list.count >= 2);
    dev_process_signal(&process, SIGKILL);
    assert_true(dev_process_await_end(&process, SOON_MS));
    size_t descendants = list.count;
    dev_process_marked(&list, mark, NULL, NULL);
    assert_true(list.count >= descendants);
    dev_process_list_done(&list);
    dev_process_marked(&list, mark, NULL, NULL);
    assert_true(list.count >= 2);
    assert_int_equal(dev_process_list_end(&list, 0), list.count);
    for (size_t i = 0; i < list.count; i++)
        assert_false(dev_process_alive(&list.items[i]));
    dev_process_list_done(&list);
    dev_process_marked(&list, mark, NULL, NULL);
    assert_int_equal(list.count, 0);
    unlink(path);
}

static void test_freeze(void **state)
{
    struct dev_process process = start("exec sleep 1000", "/dev/null", NULL);
    assert_false(dev_process_frozen(&process));
    dev_process_signal(&process, SIGSTOP);
    while (!dev_process_frozen(&process))
        usleep(1000);
    assert_true(dev_process_alive(&process));
    dev_process_signal(&process, SIGKILL);
    assert_true(dev_process_await_end(&process, SOON_MS));
}

static void test_ports(void **state)
{
    int ports[20];
    struct error error = {0};
    struct buffer answer = {0};
    assert_int_equal(dev_ports_choose(ports, 20, &error), 0);
    for (int i = 0; i < 20; i++) {
        assert_true(ports[i] > 1024 && ports[i] < 65536);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(ports[i], ports[j]);
    }
    assert_int_equal(dev_port_ask(ports[0], "ruok", 1000, &answer), ERR_UNREACHABLE);
    buffer_done(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),  cmocka_unit_test(test_status),
        cmocka_unit_test(test_interrupt), cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_clean),     cmocka_unit_test(test_strays),
        cmocka_unit_test(test_freeze),    cmocka_unit_test(test_ports),
    };
    return cmocka_run_group_tests_name("dev_process", tests, NULL, NULL);
}
