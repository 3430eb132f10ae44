/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dev_process.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os/clock.h"
#include "cli/dev_process_private.h"

bool dev_proc_stat(pid_t pid, struct dev_proc_stat *ret_stat)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    /* The name in parentheses may hold anything, also spaces and parentheses. */
    const char *rest = strrchr(text, ')');
    if (!rest)
        return false;
    int parent;
    int taken = sscanf(rest + 1,
                       " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                       "%*d %" SCNu64,
                       &ret_stat->state, &parent, &ret_stat->start_ticks);
    ret_stat->parent = parent;
    return taken == 3;
}

static bool is_same(const struct dev_process *process, struct dev_proc_stat *ret_stat)
{
    return process->pid > 0 && dev_proc_stat(process->pid, ret_stat) &&
           ret_stat->start_ticks == process->start_ticks;
}

bool dev_process_alive(const struct dev_process *process)
{
    struct dev_proc_stat stat;
    return is_same(process, &stat) && stat.state != 'Z' && stat.state != 'X';
}

bool dev_process_frozen(const struct dev_process *process)
{
    struct dev_proc_stat stat;
    return is_same(process, &stat) && stat.state == 'T';
}

/* A descriptor that surely means this process; -1: it is gone. */
static int open_process(const struct dev_process *process)
{
    struct dev_proc_stat stat;
    if (process->pid <= 0)
        return -1;
    int fd = pidfd_open(process->pid, 0);
    if (fd >= 0 && !is_same(process, &stat)) {
        close(fd);
        return -1;
    }
    return fd;
}

bool dev_process_signal(const struct dev_process *process, int signal)
{
    int fd = open_process(process);
    if (fd < 0)
        return false;
    bool sent = pidfd_send_signal(fd, signal, NULL, 0) == 0;
    close(fd);
    return sent;
}

static int wait_on(int process_fd, int64_t timeout_ms, int interrupt_fd)
{
    int64_t until_ms = clock_now_ms() + timeout_ms;
    for (;;) {
        struct pollfd fds[2] = {{process_fd, POLLIN, 0}, {interrupt_fd, POLLIN, 0}};
        int64_t left_ms = until_ms - clock_now_ms();
        int ready = poll(fds, 2, left_ms > 0 ? (int)left_ms : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (fds[0].revents)
            return 0;
        if (ready > 0 && fds[1].revents)
            return ERR_INTERRUPTED;
        if (left_ms <= 0)
            return ERR_TIMEOUT;
    }
}

int dev_process_wait(const struct dev_process *process, int64_t timeout_ms, int interrupt_fd,
                     int *ret_status)
{
    int status = -1;
    int code = 0;
    int fd = open_process(process);
    if (fd >= 0) {
        code = wait_on(fd, timeout_ms, interrupt_fd);
        close(fd);
    }
    if (!code && waitpid(process->pid, &status, WNOHANG) != process->pid)
        status = -1;
    if (ret_status)
        *ret_status = status;
    return code;
}

bool dev_process_await_end(const struct dev_process *process, int64_t timeout_ms)
{
    return process->pid <= 0 || dev_process_wait(process, timeout_ms, -1, NULL) == 0;
}
