/* SPDX-License-Identifier: Apache-2.0 */
/* Steps with bad manners, for the tests of the process source: `process_child MODE [ARG]`. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *text)
{
    if (write(1, text, strlen(text)) < 0)
        _exit(3);
}

/* The harness waits for this line. */
static void say_ready(void)
{
    static const char line[] = "::progress 0 ready\n";
    if (write(2, line, sizeof line - 1) < 0)
        _exit(3);
}

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

/* Prints the descriptors that are open, one a line. */
static int show_fds(void)
{
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            printf("%d\n", fd);
    return 0;
}

static int show_env(void)
{
    for (char **entry = environ; *entry; entry++)
        printf("%s\n", *entry);
    return 0;
}

/* Prints blocked and ignored signals as the kernel shows them. */
static int show_signals(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "SigBlk", 6) || !strncmp(line, "SigIgn", 6))
            fputs(line, stdout);
    return status ? fclose(status) : 1;
}

/* Writes so many bytes; their values go through all 256. */
static int write_bytes(size_t count)
{
    static char block[65536];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)i;
    while (count) {
        ssize_t written = write(1, block, count < sizeof block ? count : sizeof block);
        if (written <= 0)
            return 4;
        count -= (size_t)written;
    }
    return 0;
}

/* Leaves so many bytes in the pipe at once and ends; late enough to be seen alive before. */
static int write_burst(size_t count)
{
    poll(NULL, 0, 400);
    return fcntl(1, F_SETPIPE_SZ, 1 << 20) < 0 ? 6 : write_bytes(count);
}

/* Ignores what can be ignored and stays. */
static int be_stubborn(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    say_ready();
    wait_for_ever();
    return 0;
}

/* Leaves a stubborn process behind that is in another session (`times` forks deep) and keeps all
 * descriptors, then exits at once if `leave`, else stays too. */
static int be_a_daemon(int times, int leave)
{
    pid_t main_pid = getpid();
    signal(SIGTERM, SIG_IGN);
    int ready[2];
    if (pipe(ready) < 0)
        return 5;
    for (int i = 0; i < times; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return 5;
        if (pid > 0) {
            if (getpid() != main_pid)
                _exit(0);
            break;
        }
        setsid();
    }
    if (getpid() != main_pid) {
        if (write(ready[1], "x", 1) != 1)
            _exit(5);
        wait_for_ever();
    }
    char byte;
    if (read(ready[0], &byte, 1) != 1)
        return 5;
    say_ready();
    if (!leave)
        wait_for_ever();
    return 0;
}

/* Always on the run: each process lives only until it has made its successor, in a new session. */
static int be_a_hydra(int heads)
{
    for (int i = 1; i < heads; i++)
        if (fork() == 0)
            break;
    say_ready();
    for (;;) {
        pid_t pid = fork();
        if (pid > 0)
            _exit(0);
        setsid();
    }
}

/* Ends in good order when asked, a little later. */
static int be_polite(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    say_ready();
    int got;
    sigwait(&set, &got);
    say("bye\n");
    return 7;
}

static int write_progress(void)
{
    static const char text[] = "one\n::progress 0.25 a quarter\ntwo\n::progress 2 too much\n"
                               "::progress 1\n::progressive\nthree";
    return write(2, text, sizeof text - 1) < 0;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    long number = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    if (!strcmp(mode, "fds"))
        return show_fds();
    if (!strcmp(mode, "env"))
        return show_env();
    if (!strcmp(mode, "signals"))
        return show_signals();
    if (!strcmp(mode, "bytes"))
        return write_bytes((size_t)number);
    if (!strcmp(mode, "burst"))
        return write_burst((size_t)number);
    if (!strcmp(mode, "stubborn"))
        return be_stubborn();
    if (!strcmp(mode, "daemon"))
        return be_a_daemon((int)number, 0);
    if (!strcmp(mode, "leave"))
        return be_a_daemon((int)number, 1);
    if (!strcmp(mode, "hydra"))
        return be_a_hydra((int)number);
    if (!strcmp(mode, "polite"))
        return be_polite();
    if (!strcmp(mode, "progress"))
        return write_progress();
    return 9;
}
