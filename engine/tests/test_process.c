/* SPDX-License-Identifier: Apache-2.0 */
/* What a step is given and what it gives back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os/clock.h"
#include "engine/tests/process_harness.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SH(text)  ARGV("/bin/sh", "-eu", "-c", text, "sh")

static void assert_out(const struct told *told, const char *expected)
{
    assert_int_equal(told->event.kind, PROCESS_ENDED);
    assert_string_equal(buffer_text(&told->out).data, expected);
}

static void exit_code_and_cause(void **state)
{
    struct told *told = harness_run(*state, 1, SH("echo hello; exit 3"), NULL);
    assert_out(told, "hello\n");
    assert_int_equal(told->event.exit_code, 3);
    assert_int_equal(told->event.signal, 0);
    assert_int_equal(told->event.cause, PROCESS_CAUSE_SELF);
    assert_int_equal(told->left_alive, 0);
    assert_false(told->event.warden_lost);
}

static void signal_is_told(void **state)
{
    struct told *told = harness_run(*state, 1, SH("kill -11 $$"), NULL);
    assert_int_equal(told->event.exit_code, -1);
    assert_int_equal(told->event.signal, SIGSEGV);
    assert_int_equal(told->event.cause, PROCESS_CAUSE_SELF);
}

static void stderr_is_apart(void **state)
{
    struct told *told = harness_run(*state, 1, SH("echo out; echo err >&2; false"), NULL);
    assert_out(told, "out\n");
    assert_string_equal(buffer_text(&told->err).data, "err\n");
    assert_int_equal(told->event.exit_code, 1);
}

static void no_stdin_is_empty(void **state)
{
    struct told *told = harness_run(*state, 1, ARGV("wc", "-c"), NULL);
    assert_out(told, "0\n");
}

/* 10 MB in and the same out again, while nobody feeds the step. */
static void large_stdin_to_cat(void **state)
{
    size_t len = 10 << 20;
    char *data = xmalloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 2654435761u >> 24);
    struct process_spec base = {.stdin_bytes = {data, len}};
    struct told *told = harness_run(*state, 1, ARGV("cat"), &base);
    assert_int_equal(told->event.exit_code, 0);
    assert_false(told->event.stdout_overflow);
    assert_int_equal(told->out.len, len);
    assert_memory_equal(told->out.data, data, len);
    free(data);
}

static void unread_stdin_is_no_trouble(void **state)
{
    char data[100000] = {0};
    struct process_spec base = {.stdin_bytes = {data, sizeof data}};
    struct told *told = harness_run(*state, 1, ARGV("true"), &base);
    assert_int_equal(told->event.exit_code, 0);
}

static void stdin_cannot_be_changed(void **state)
{
    struct process_spec base = {.stdin_bytes = TEXT("abc")};
    struct told *told = harness_run(*state, 1, SH("echo x 1>&0 2>/dev/null || cat"), &base);
    assert_out(told, "abc");
}

static void raw_bytes_pass(void **state)
{
    struct told *told = harness_run(*state, 1, SH("printf 'a\\000b\\377\\300\\200c'"), NULL);
    assert_int_equal(told->out.len, 7);
    assert_memory_equal(told->out.data,
                        "a\0b\377\xc0\x80"
                        "c",
                        7);
}

static void ten_megabytes_of_stdout(void **state)
{
    struct told *told = harness_run(*state, 1, ARGV(harness_child(), "bytes", "10000000"), NULL);
    assert_int_equal(told->event.exit_code, 0);
    assert_int_equal(told->out.len, 10000000);
    for (size_t i = 0; i < told->out.len; i++)
        if (told->out.data[i] != (char)i)
            fail_msg("byte %zu", i);
}

/* What stands in the pipe when all have ended belongs to the result: nothing is read before. */
static void last_burst_of_stdout(void **state)
{
    struct harness *h = *state;
    harness_start(h, 1, ARGV(harness_child(), "burst", "900000"), NULL);
    harness_until_children_of(harness_nursery(), true);
    harness_until_children_of(harness_nursery(), false);
    harness_until_final(h, 1);
    assert_int_equal(h->told[1].event.exit_code, 0);
    assert_int_equal(h->told[1].out.len, 900000);
}

static void stdout_at_and_beyond_its_limit(void **state)
{
    struct process_spec base = {.stdout_limit_bytes = 100000};
    struct told *told = harness_run(*state, 1, ARGV(harness_child(), "bytes", "100000"), &base);
    assert_int_equal(told->event.exit_code, 0);
    assert_false(told->event.stdout_overflow);
    assert_int_equal(told->out.len, 100000);
    told = harness_run(*state, 2, ARGV("yes"), &base);
    assert_true(told->event.stdout_overflow);
    assert_int_equal(told->event.cause, PROCESS_CAUSE_LIMIT);
    assert_int_equal(told->event.signal, SIGKILL);
    assert_int_equal(told->out.len, 100000);
    assert_int_equal(told->left_alive, 0);
}

static void last_byte_beyond_the_limit(void **state)
{
    struct process_spec base = {.stdout_limit_bytes = 3};
    struct told *told = harness_run(*state, 1, SH("printf abcd"), &base);
    assert_true(told->event.stdout_overflow);
    assert_int_equal(told->event.cause, PROCESS_CAUSE_LIMIT);
    assert_out(told, "abc");
}

static void discarded_stdout_has_no_limit(void **state)
{
    struct process_spec base = {.stdout_limit_bytes = 1000, .discard_stdout = true};
    struct told *told = harness_run(*state, 1, ARGV(harness_child(), "bytes", "50000000"), &base);
    assert_int_equal(told->event.exit_code, 0);
    assert_false(told->event.stdout_overflow);
    assert_int_equal(told->out.len, 0);
}

static void stderr_keeps_its_end(void **state)
{
    struct told *told = harness_run(
        *state, 1, SH("i=0; while [ $i -lt 30000 ]; do echo line $i >&2; i=$((i+1)); done"), NULL);
    assert_int_equal(told->event.exit_code, 0);
    assert_true(told->event.stderr_cut);
    assert_int_equal(told->err.len, PROCESS_STDERR_KEEP_BYTES);
    const char *end = "line 29998\nline 29999\n";
    assert_string_equal(told->err.data + told->err.len - strlen(end), end);
}

static void progress_lines_are_events(void **state)
{
    struct told *told = harness_run(*state, 1, ARGV(harness_child(), "progress"), NULL);
    assert_in_range(told->progress_count, 1, 2);
    assert_true(told->fraction >= 1 && told->fraction <= 1);
    assert_string_equal(told->progress, "");
    assert_string_equal(buffer_text(&told->err).data,
                        "one\ntwo\n::progress 2 too much\n::progressive\nthree");
    assert_false(told->event.stderr_cut);
}

static void trouble(struct harness *h, const char *const *argv, const struct process_spec *base,
                    enum process_trouble expected)
{
    struct told *told = harness_run(h, 1, argv, base);
    assert_int_equal(told->event.kind, PROCESS_NOT_STARTED);
    assert_int_equal(told->event.trouble, expected);
    assert_true(strlen(told->text) > 5);
    assert_int_equal(told->left_alive, 0);
}

static void programs_that_cannot_run(void **state)
{
    trouble(*state, ARGV("no-such-program-anywhere"), NULL, PROCESS_TROUBLE_NOT_FOUND);
    trouble(*state, ARGV("/no/such/program"), NULL, PROCESS_TROUBLE_NOT_FOUND);
    trouble(*state, ARGV(""), NULL, PROCESS_TROUBLE_NOT_FOUND);
    trouble(*state, (const char *const[]){NULL}, NULL, PROCESS_TROUBLE_NOT_FOUND);
    trouble(*state, ARGV("/etc/passwd"), NULL, PROCESS_TROUBLE_NOT_EXECUTABLE);
    trouble(*state, ARGV("/tmp"), NULL, PROCESS_TROUBLE_NOT_EXECUTABLE);
}

/* execvp would hand it to a shell. */
static void no_shell_unless_asked(void **state)
{
    char path[] = "/tmp/process-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "echo shell\n", 11) == 11 && fchmod(fd, 0700) == 0);
    close(fd);
    trouble(*state, ARGV(path), NULL, PROCESS_TROUBLE_NOT_EXECUTABLE);
    unlink(path);
}

static void directories_that_cannot_be_entered(void **state)
{
    trouble(*state, ARGV("true"), &(struct process_spec){.cwd = "/no/such/place"},
            PROCESS_TROUBLE_CWD);
    trouble(*state, ARGV("true"), &(struct process_spec){.cwd = "/etc/passwd"},
            PROCESS_TROUBLE_CWD);
}

static void cwd_is_taken(void **state)
{
    assert_out(harness_run(*state, 1, ARGV("pwd"), &(struct process_spec){.cwd = "/usr"}),
               "/usr\n");
    assert_out(harness_run(*state, 2, ARGV("pwd"), NULL), "/\n");
}

static void too_long_arguments(void **state)
{
    size_t len = 4 << 20;
    char *text = xmalloc(len + 1);
    memset(text, 'x', len);
    text[len] = 0;
    trouble(*state, ARGV("echo", text), NULL, PROCESS_TROUBLE_EXEC);
    free(text);
}

static void path_is_that_of_the_step(void **state)
{
    struct harness *h = *state;
    struct harness_env env;
    harness_env(h, 1, &env);
    env.entries[0] = "PATH=/nowhere";
    trouble(h, ARGV("true"), &(struct process_spec){.env = env.entries}, PROCESS_TROUBLE_NOT_FOUND);
    env.entries[0] = "PATH=/nowhere:/etc/passwd:/bin";
    struct told *told = harness_run(h, 2, ARGV("true"), &(struct process_spec){.env = env.entries});
    assert_int_equal(told->event.exit_code, 0);
}

static void environment_exactly_as_given(void **state)
{
    const char *const env[] = {"B=2", "A=", "C=a b\nc=d", NULL};
    struct told *told =
        harness_run(*state, 1, ARGV(harness_child(), "env"), &(struct process_spec){.env = env});
    assert_out(told, "B=2\nA=\nC=a b\nc=d\n");
    const char *const none[] = {NULL};
    told =
        harness_run(*state, 2, ARGV(harness_child(), "env"), &(struct process_spec){.env = none});
    assert_out(told, "");
}

/* Also what was opened without O_CLOEXEC does not reach the step. */
static void only_three_descriptors(void **state)
{
    int open_fds[20];
    for (int i = 0; i < 20; i++)
        assert_true((open_fds[i] = open("/dev/null", O_RDONLY)) >= 0);
    struct told *told = harness_run(*state, 1, ARGV(harness_child(), "fds"), NULL);
    assert_out(told, "0\n1\n2\n");
    for (int i = 0; i < 20; i++)
        close(open_fds[i]);
}

static int open_fds_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *list = opendir(path);
    assert_non_null(list);
    const struct dirent *entry;
    int count = 0;
    while ((entry = readdir(list)))
        count += entry->d_name[0] != '.';
    closedir(list);
    return count;
}

/* 0, 1, 2, control socket, signalfd, timerfd; the nursery: 0, 1, 2, requests, signalfd. */
static void warden_holds_nothing_else(void **state)
{
    struct harness *h = *state;
    int leaky = open("/dev/null", O_RDONLY);
    harness_start(h, 1, ARGV(harness_child(), "stubborn"), NULL);
    harness_until_ready(h, 1);
    pid_t warden = harness_parent(h->told[1].pid);
    assert_int_equal(open_fds_of(warden), 6);
    assert_int_equal(open_fds_of(harness_nursery()), 5);
    process_stop(h->p, 1, 0);
    harness_until_final(h, 1);
    close(leaky);
}

static void signals_are_as_new(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    sigset_t some, old;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigprocmask(SIG_BLOCK, &some, &old);
    struct told *told = harness_run(*state, 1, ARGV(harness_child(), "signals"), NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
    assert_out(told, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void out_of_descriptors_is_told(void **state)
{
    struct harness *h = *state;
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    for (rlim_t limit = 5; limit < 40; limit++) {
        tight.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        harness_start(h, 1, ARGV("true"), NULL);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        harness_until_final(h, 1);
        if (h->told[1].event.kind == PROCESS_ENDED)
            break;
        assert_int_equal(h->told[1].event.trouble, PROCESS_TROUBLE_RESOURCES);
    }
    assert_int_equal(h->told[1].event.kind, PROCESS_ENDED);
    assert_int_equal(h->told[1].event.exit_code, 0);
}

static void two_hundred_at_once(void **state)
{
    struct harness *h = *state;
    h->count_left = false;
    for (uint64_t id = 1; id <= 200; id++)
        harness_start(h, id, SH("read x; sleep 0.2; echo $x"),
                      &(struct process_spec){.stdin_bytes = TEXT("word\n")});
    assert_int_equal(process_running(h->p), 200);
    for (uint64_t id = 1; id <= 200; id++) {
        harness_until_final(h, id);
        assert_out(&h->told[id], "word\n");
        assert_int_equal(h->told[id].event.exit_code, 0);
    }
    assert_int_equal(process_running(h->p), 0);
    assert_int_equal(harness_alive(h, 0), 0);
    assert_int_equal(harness_children(), 1); /* the nursery */
    harness_until_children_of(harness_nursery(), false);
}

static void missing_warden_is_told_at_once(void **state)
{
    struct error error = {0};
    struct process_options options = {.warden_path = "/no/such/warden"};
    assert_null(process_source_new(&options, &error));
    assert_int_equal(error.code, ERR_SYSTEM);
    assert_non_null(strstr(error.text, "/no/such/warden"));
}

static void broken_warden_is_told_at_once(void **state)
{
    struct error error = {0};
    struct process_options options = {.warden_path = "/bin/false"};
    assert_null(process_source_new(&options, &error));
    assert_int_equal(error.code, ERR_SYSTEM);
    assert_non_null(strstr(error.text, "does not work"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(exit_code_and_cause),
        TEST(signal_is_told),
        TEST(stderr_is_apart),
        TEST(no_stdin_is_empty),
        TEST(large_stdin_to_cat),
        TEST(unread_stdin_is_no_trouble),
        TEST(stdin_cannot_be_changed),
        TEST(raw_bytes_pass),
        TEST(ten_megabytes_of_stdout),
        TEST(last_burst_of_stdout),
        TEST(stdout_at_and_beyond_its_limit),
        TEST(last_byte_beyond_the_limit),
        TEST(discarded_stdout_has_no_limit),
        TEST(stderr_keeps_its_end),
        TEST(progress_lines_are_events),
        TEST(programs_that_cannot_run),
        TEST(no_shell_unless_asked),
        TEST(directories_that_cannot_be_entered),
        TEST(cwd_is_taken),
        TEST(too_long_arguments),
        TEST(path_is_that_of_the_step),
        TEST(environment_exactly_as_given),
        TEST(only_three_descriptors),
        TEST(warden_holds_nothing_else),
        TEST(signals_are_as_new),
        TEST(out_of_descriptors_is_told),
        TEST(two_hundred_at_once),
        TEST(missing_warden_is_told_at_once),
        TEST(broken_warden_is_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
