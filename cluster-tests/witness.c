/* SPDX-License-Identifier: Apache-2.0 */
/* The step of the cluster tests: it does what it is told and bears witness outside the system.
 *
 *   witness FILE [WORD …]
 *
 * Appends lines of JSON to FILE, each with one write (O_APPEND), so that lines of many steps do not
 * mix: `start` when it begins, `beat` every few milliseconds while it waits, `end` before it exits.
 * A line carries what the engine told the step (JOB_…), its process, its engine's process (the
 * nearest ancestor of that name) and two clocks: CLOCK_REALTIME, to be laid beside Postgres', and
 * CLOCK_BOOTTIME, which nobody sets. `start` also lists `strangers`: processes alive at this
 * moment that carry this job's JOB_ID and an older JOB_EPOCH in their environment. It knows nothing
 * of the engine's code.
 *
 *   sleep MS      wait so long                  until PATH   wait until PATH exists
 *   say TEXT      print TEXT                    exit CODE    end with CODE
 *   unterm        ignore SIGTERM from here on
 *   leave HOW     leave a process behind that ignores SIGTERM and keeps no descriptor:
 *                 child, setsid, daemon (forked twice, its parent gone)
 *   hold          like `leave setsid`, but it keeps stdout open */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BEAT_MS         20
#define POLL_MS         2
#define LEFT_SECONDS    600
#define ENVIRONMENT_MAX (64 * 1024)

struct witness {
    int fd;
    int engine_pid; /* 0: no ancestor is one */
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "witness: %s: %s\n", what, strerror(errno));
    exit(70);
}

static const char *told(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

/* Reads /proc/PID/NAME into `buffer`, with a NUL behind it. Returns its length, -1: it is gone. */
static ssize_t read_proc(const char *pid, const char *name, char *buffer, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t len = read(fd, buffer, size - 1);
    close(fd);
    if (len >= 0)
        buffer[len] = '\0';
    return len;
}

/* The nearest ancestor that is an engine. */
static int find_engine(void)
{
    int parent = getppid();
    for (int depth = 0; depth < 8 && parent > 1; depth++) {
        char pid[16], stat[512];
        snprintf(pid, sizeof pid, "%d", parent);
        if (read_proc(pid, "stat", stat, sizeof stat) <= 0)
            return 0;
        if (strstr(stat, "(jobboard-engine)"))
            return parent;
        const char *behind = strrchr(stat, ')');
        if (!behind || sscanf(behind, ") %*c %d", &parent) != 1)
            return 0;
    }
    return 0;
}

/* The value of `name` in an environment block, or NULL. */
static const char *find_variable(const char *block, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *at = block; at < block + len; at += strlen(at) + 1)
        if (!strncmp(at, name, name_len) && at[name_len] == '=')
            return at + name_len + 1;
    return NULL;
}

/* Whether process `pid` belongs to an older claim of this job. */
static bool is_stranger(const char *pid, char *block)
{
    ssize_t len = read_proc(pid, "environ", block, ENVIRONMENT_MAX);
    if (len <= 0)
        return false;
    const char *job = find_variable(block, (size_t)len, "JOB_ID");
    const char *epoch = find_variable(block, (size_t)len, "JOB_EPOCH");
    return job && epoch && !strcmp(job, told("JOB_ID")) &&
           strtoll(epoch, NULL, 10) < strtoll(told("JOB_EPOCH"), NULL, 10);
}

static void list_strangers(char *list, size_t size)
{
    static char block[ENVIRONMENT_MAX];
    size_t len = 0;
    DIR *all = opendir("/proc");
    if (!all)
        fail("/proc");
    list[0] = '\0';
    for (struct dirent *entry; (entry = readdir(all)) && len + 16 < size;)
        if (isdigit((unsigned char)entry->d_name[0]) && is_stranger(entry->d_name, block))
            len += (size_t)snprintf(list + len, size - len, "%s%s", len ? "," : "", entry->d_name);
    closedir(all);
}

static void tell(const struct witness *witness, const char *event, const char *strangers)
{
    char line[1024];
    int len =
        snprintf(line, sizeof line,
                 "{\"event\":\"%s\",\"job\":\"%s\",\"task\":\"%s\",\"attempt\":%s,\"key\":\"%s\","
                 "\"epoch\":%s,\"pid\":%d,\"engine_pid\":%d,\"real_ns\":%lld,\"boot_ns\":%lld,"
                 "\"strangers\":[%s]}\n",
                 event, told("JOB_ID"), told("JOB_TASK"), told("JOB_ATTEMPT"), told("JOB_KEY"),
                 told("JOB_EPOCH"), (int)getpid(), witness->engine_pid,
                 (long long)now_ns(CLOCK_REALTIME), (long long)now_ns(CLOCK_BOOTTIME), strangers);
    if (len < 0 || (size_t)len >= sizeof line || write(witness->fd, line, (size_t)len) != len)
        fail("the evidence");
}

/* Waits until `path` exists (NULL: never mind) or `wait_ms` are over (-1: never mind). */
static void await(const struct witness *witness, const char *path, int64_t wait_ms)
{
    int64_t begin_ns = now_ns(CLOCK_BOOTTIME), beat_ns = begin_ns;
    for (;;) {
        int64_t at_ns = now_ns(CLOCK_BOOTTIME);
        if ((path && !access(path, F_OK)) ||
            (wait_ms >= 0 && at_ns >= begin_ns + wait_ms * 1000000))
            return;
        if (at_ns - beat_ns >= BEAT_MS * 1000000) {
            tell(witness, "beat", "");
            beat_ns = at_ns;
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000}, NULL);
    }
}

static void linger(bool keep_stdout)
{
    signal(SIGTERM, SIG_IGN);
    for (int fd = 0; fd < 64; fd++)
        if (!keep_stdout || fd != STDOUT_FILENO)
            close(fd);
    for (unsigned left = LEFT_SECONDS; left;)
        left = sleep(left);
    _exit(0);
}

/* Returns when the one left behind exists and has left what it should leave. */
static void leave(const char *how, bool keep_stdout)
{
    int ready[2];
    char byte;
    if (pipe2(ready, O_CLOEXEC))
        fail("pipe");
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (!child) {
        if (strcmp(how, "child"))
            setsid();
        if (!strcmp(how, "daemon") && fork())
            _exit(0);
        close(ready[0]);
        close(ready[1]);
        linger(keep_stdout);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) < 0)
        fail("read");
    close(ready[0]);
    if (!strcmp(how, "daemon"))
        waitpid(child, NULL, 0);
}

/* Does one word; returns how many of `words` it took. */
static int obey(const struct witness *witness, char **words, int count)
{
    const char *word = words[0], *value = count > 1 ? words[1] : "";
    if (!strcmp(word, "unterm")) {
        signal(SIGTERM, SIG_IGN);
        return 1;
    }
    if (!strcmp(word, "hold")) {
        leave("setsid", true);
        return 1;
    }
    if (!strcmp(word, "sleep"))
        await(witness, NULL, strtoll(value, NULL, 10));
    else if (!strcmp(word, "until"))
        await(witness, value, -1);
    else if (!strcmp(word, "say"))
        printf("%s\n", value);
    else if (!strcmp(word, "leave"))
        leave(value, false);
    else if (strcmp(word, "exit")) {
        fprintf(stderr, "witness: unknown word %s\n", word);
        exit(64);
    }
    return 2;
}

int main(int argc, char **argv)
{
    struct witness witness = {.engine_pid = find_engine()};
    char strangers[512];
    int code = 0;
    if (argc < 2)
        return 64;
    witness.fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (witness.fd < 0)
        fail(argv[1]);
    list_strangers(strangers, sizeof strangers);
    tell(&witness, "start", strangers);
    for (int at = 2; at < argc;) {
        if (!strcmp(argv[at], "exit") && at + 1 < argc)
            code = (int)strtol(argv[at + 1], NULL, 10);
        at += obey(&witness, argv + at, argc - at);
    }
    fflush(stdout);
    tell(&witness, "end", "");
    return code;
}
