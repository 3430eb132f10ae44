/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os/clock.h"
#include "cli/dev_process_private.h"

/* How long SIGKILL may take: a process in uninterruptible sleep is not waited for longer. */
#define KILL_WAIT_MS 5000

void dev_process_list_done(struct dev_process_list *list)
{
    free(list->items);
    *list = (struct dev_process_list){0};
}

static void list_add(struct dev_process_list *list, pid_t pid, uint64_t start_ticks)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].pid == pid && list->items[i].start_ticks == start_ticks)
            return;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 32;
        list->items = xrealloc(list->items, list->capacity, sizeof list->items[0]);
    }
    list->items[list->count++] = (struct dev_process){pid, start_ticks};
}

/* The next process of /proc, 0 at the end. */
static pid_t next_pid(DIR *proc)
{
    struct dirent *entry;
    while ((entry = readdir(proc))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end == '\0' && pid > 0)
            return (pid_t)pid;
    }
    return 0;
}

static bool list_has(const struct dev_process_list *list, pid_t pid)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].pid == pid)
            return true;
    return false;
}

/* One pass over /proc; true when it found children of what is known. */
static bool add_children(struct dev_process_list *list, pid_t root)
{
    struct dev_proc_stat stat;
    size_t before = list->count;
    DIR *proc = opendir("/proc");
    if (!proc)
        return false;
    for (pid_t pid = next_pid(proc); pid; pid = next_pid(proc))
        if (!list_has(list, pid) && dev_proc_stat(pid, &stat) && stat.state != 'Z' &&
            (stat.parent == root || list_has(list, stat.parent)))
            list_add(list, pid, stat.start_ticks);
    closedir(proc);
    return list->count > before;
}

void dev_process_descendants(struct dev_process_list *list, const struct dev_process *root)
{
    struct dev_process_list found = {0};
    if (dev_process_alive(root))
        while (add_children(&found, root->pid))
            ;
    for (size_t i = 0; i < found.count; i++)
        list_add(list, found.items[i].pid, found.items[i].start_ticks);
    dev_process_list_done(&found);
}

static bool has_variable(pid_t pid, const char *variable)
{
    char path[64];
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    while (!found && getdelim(&line, &size, '\0', file) > 0)
        found = !strcmp(line, variable);
    free(line);
    fclose(file);
    return found;
}

static bool link_is(pid_t pid, const char *link, const char *wanted, bool last_part)
{
    char path[64], target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, link);
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len < 0)
        return false;
    target[len] = '\0';
    const char *slash = strrchr(target, '/');
    return !strcmp(last_part && slash ? slash + 1 : target, wanted);
}

void dev_process_marked(struct dev_process_list *list, const char *variable, const char *program,
                        const char *cwd)
{
    struct dev_proc_stat stat;
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    for (pid_t pid = next_pid(proc); pid; pid = next_pid(proc)) {
        bool marked = (variable && has_variable(pid, variable)) ||
                      (program && cwd && link_is(pid, "exe", program, true) &&
                       link_is(pid, "cwd", cwd, false));
        if (marked && pid != getpid() && dev_proc_stat(pid, &stat) && stat.state != 'Z')
            list_add(list, pid, stat.start_ticks);
    }
    closedir(proc);
}

static void await_all(const struct dev_process_list *list, int64_t timeout_ms)
{
    int64_t until_ms = clock_now_ms() + timeout_ms;
    for (size_t i = 0; i < list->count; i++) {
        int64_t left_ms = until_ms - clock_now_ms();
        dev_process_await_end(&list->items[i], left_ms > 0 ? left_ms : 0);
    }
}

size_t dev_process_list_end(struct dev_process_list *list, int64_t grace_ms)
{
    size_t killed = 0;
    await_all(list, grace_ms);
    for (size_t i = 0; i < list->count; i++)
        if (dev_process_alive(&list->items[i]))
            killed += dev_process_signal(&list->items[i], SIGKILL);
    await_all(list, KILL_WAIT_MS);
    return killed;
}
