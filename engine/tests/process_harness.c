/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/tests/process_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os/clock.h"

#define PATIENCE_MS 20000

const char *harness_child(void)
{
    return PROCESS_CHILD_PATH;
}

const char *harness_warden(void)
{
    return WARDEN_PATH;
}

int harness_setup(void **state)
{
    struct harness *h = xcalloc(1, sizeof *h);
    struct error error = {0};
    h->p = process_source_new(&(struct process_options){.warden_path = WARDEN_PATH}, &error);
    if (!h->p) {
        print_error("%s\n", error.text);
        free(h);
        return -1;
    }
    snprintf(h->marker, sizeof h->marker, "HARNESS_%d_%lld", (int)getpid(),
             (long long)clock_now_us());
    h->count_left = true;
    *state = h;
    return 0;
}

int harness_teardown(void **state)
{
    struct harness *h = *state;
    int alive = harness_alive(h, 0);
    size_t closing = process_close_all(h->p, 5000);
    process_free(h->p);
    int children = harness_children();
    for (size_t i = 0; i < HARNESS_STEPS_MAX; i++) {
        buffer_done(&h->told[i].out);
        buffer_done(&h->told[i].err);
    }
    free(h);
    if (children || alive || closing)
        print_error("left: %d children, %d alive, %zu steps\n", children, alive, closing);
    return children || alive || closing ? -1 : 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool carries(const char *pid, const char *marker)
{
    static char environment[1 << 16];
    char path[64];
    snprintf(path, sizeof path, "/proc/%.20s/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t len = 0;
    ssize_t got;
    while (len < sizeof environment &&
           (got = read(fd, environment + len, sizeof environment - len)) > 0)
        len += (size_t)got;
    close(fd);
    return memmem(environment, len, marker, strlen(marker)) != NULL;
}

static void step_marker(const struct harness *h, uint64_t id, char *ret_marker, size_t max)
{
    if (id)
        snprintf(ret_marker, max, "%s_%llu_", h->marker, (unsigned long long)id);
    else
        snprintf(ret_marker, max, "%s_", h->marker);
}

int harness_alive(const struct harness *h, uint64_t id)
{
    char marker[112];
    step_marker(h, id, marker, sizeof marker);
    DIR *proc = opendir("/proc");
    assert_non_null(proc);
    const struct dirent *entry;
    int count = 0;
    while ((entry = readdir(proc)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            count += carries(entry->d_name, marker);
    closedir(proc);
    return count;
}

void harness_until_alive(const struct harness *h, uint64_t id, int count)
{
    int64_t until_ms = clock_now_ms() + 5000;
    int alive;
    while ((alive = harness_alive(h, id)) != count) {
        if (clock_now_ms() > until_ms)
            fail_msg("%d alive, not %d", alive, count);
        poll(NULL, 0, 2);
    }
}

int64_t harness_until_none_alive(const struct harness *h, int64_t within_ms)
{
    int64_t until_ms = clock_now_ms() + within_ms;
    for (;;) {
        int alive = harness_alive(h, 0);
        int64_t now_ms = clock_now_ms();
        if (alive == 0)
            return now_ms;
        if (now_ms > until_ms)
            fail_msg("%d processes still alive", alive);
        poll(NULL, 0, 2);
    }
}

/* Into `line`, numbers separated by spaces. */
static void read_children(pid_t pid, char *line, size_t max)
{
    char path[64];
    line[0] = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    if (!fgets(line, (int)max, file))
        line[0] = 0;
    fclose(file);
}

int harness_children(void)
{
    char line[4096];
    read_children(getpid(), line, sizeof line);
    int count = 0;
    for (const char *c = line; *c; c++)
        count += *c == ' ';
    return count;
}

void harness_until_children_of(pid_t pid, bool some)
{
    char line[4096];
    for (int64_t until_ms = clock_now_ms() + 5000;;) {
        read_children(pid, line, sizeof line);
        if (!line[0] == !some)
            return;
        assert_true(clock_now_ms() < until_ms);
        poll(NULL, 0, some ? 0 : 2);
    }
}

pid_t harness_nursery(void)
{
    char line[4096], path[64], name[32] = "";
    read_children(getpid(), line, sizeof line);
    for (char *at = line; *at; at = strchr(at, ' ') + 1) {
        pid_t pid = (pid_t)strtol(at, NULL, 10);
        snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
        FILE *file = fopen(path, "re");
        if (file && fgets(name, sizeof name, file) && strcmp(name, "warden-nursery\n") == 0) {
            fclose(file);
            return pid;
        }
        if (file)
            fclose(file);
    }
    fail_msg("no nursery among the children");
    return 0;
}

pid_t harness_parent(pid_t pid)
{
    char path[64], stat[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(stat, sizeof stat, file));
    fclose(file);
    return (pid_t)strtol(strrchr(stat, ')') + 4, NULL, 10);
}

/* --- running ---------------------------------------------------------------------------------- */

void harness_env(const struct harness *h, uint64_t id, struct harness_env *ret_env)
{
    char marker[96];
    step_marker(h, id, marker, sizeof marker);
    snprintf(ret_env->marker, sizeof ret_env->marker, "MARKER=%s", marker);
    ret_env->entries[0] = "PATH=/usr/bin:/bin";
    ret_env->entries[1] = ret_env->marker;
    ret_env->entries[2] = NULL;
}

void harness_start(struct harness *h, uint64_t id, const char *const *argv,
                   const struct process_spec *base)
{
    assert_true(id > 0 && id < HARNESS_STEPS_MAX);
    struct harness_env env;
    harness_env(h, id, &env);
    struct process_spec spec = base ? *base : (struct process_spec){0};
    spec.argv = argv;
    if (!spec.env)
        spec.env = env.entries;
    buffer_done(&h->told[id].out);
    buffer_done(&h->told[id].err);
    h->told[id] = (struct told){0};
    process_start(h->p, id, &spec);
}

static void take_final(struct harness *h, struct told *told, const struct process_event *event)
{
    assert_false(told->final);
    told->final = true;
    told->event = *event;
    told->final_at_ms = clock_now_ms();
    if (h->count_left)
        told->left_alive = harness_alive(h, event->step);
    if (event->kind == PROCESS_NOT_STARTED) {
        assert_false(told->started);
        snprintf(told->text, sizeof told->text, "%.*s", TEXT_ARG(event->text));
        return;
    }
    assert_true(told->started || event->warden_lost);
    buffer_add_text(&told->out, event->stdout_data);
    buffer_add_text(&told->err, event->stderr_tail);
}

static void take(struct harness *h, const struct process_event *event)
{
    assert_true(event->step > 0 && event->step < HARNESS_STEPS_MAX);
    struct told *told = &h->told[event->step];
    switch (event->kind) {
    case PROCESS_STARTED:
        assert_false(told->started || told->final);
        assert_true(event->pid > 1);
        told->started = true;
        told->pid = event->pid;
        return;
    case PROCESS_PROGRESS:
        assert_true(told->started && !told->final);
        told->progress_count++;
        told->fraction = event->fraction;
        snprintf(told->progress, sizeof told->progress, "%.*s", TEXT_ARG(event->text));
        return;
    case PROCESS_NOT_STARTED:
    case PROCESS_ENDED:
        take_final(h, told, event);
        return;
    }
    fail();
}

void harness_pump(struct harness *h, int64_t ms)
{
    struct source source = process_source(h->p);
    source_poll(&source, 1, clock_now_ms() + ms);
    struct process_event event;
    while (process_next(h->p, &event))
        take(h, &event);
}

void harness_until_final(struct harness *h, uint64_t id)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (!h->told[id].final) {
        harness_pump(h, 1000);
        if (clock_now_ms() > until_ms)
            fail_msg("step %llu does not end", (unsigned long long)id);
    }
}

void harness_until_started(struct harness *h, uint64_t id)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (!h->told[id].started && !h->told[id].final) {
        harness_pump(h, 1000);
        if (clock_now_ms() > until_ms)
            fail_msg("step %llu does not start", (unsigned long long)id);
    }
    assert_true(h->told[id].started);
}

void harness_until_ready(struct harness *h, uint64_t id)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (h->told[id].progress_count == 0) {
        harness_pump(h, 1000);
        assert_false(h->told[id].final);
        if (clock_now_ms() > until_ms)
            fail_msg("step %llu is not ready", (unsigned long long)id);
    }
}

struct told *harness_run(struct harness *h, uint64_t id, const char *const *argv,
                         const struct process_spec *base)
{
    harness_start(h, id, argv, base);
    harness_until_final(h, id);
    return &h->told[id];
}
