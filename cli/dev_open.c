/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/dev.h"

/* How long a call waits for another one on the same folder. */
#define LOCK_WAIT_MS 120000

void dev_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("dev: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

int dev_open(struct dev *dev, const char *dir, bool lock)
{
    struct arena arena = {0};
    const char *absolute;
    *dev = (struct dev){.lock_fd = -1, .interrupt_fd = -1};
    int code = dev_folder_resolve(&arena, dir, &absolute, &dev->error);
    if (!code && access(absolute, F_OK))
        code = ERR_NOT_FOUND;
    if (!code && lock)
        code = dev_folder_lock(absolute, LOCK_WAIT_MS, &dev->lock_fd, &dev->error);
    if (!code)
        code = dev_state_load(&dev->state, absolute, &dev->error);
    if (code == ERR_NOT_FOUND)
        error_set(&dev->error, code, "no cluster in %s; start one with: jobboard dev up --dir %s",
                  dir, dir);
    arena_done(&arena);
    return code;
}

void dev_close(struct dev *dev)
{
    dev_folder_unlock(dev->lock_fd);
    if (dev->interrupt_fd >= 0)
        close(dev->interrupt_fd);
    dev->lock_fd = dev->interrupt_fd = -1;
    dev_state_done(&dev->state);
}

int dev_catch_signals(struct dev *dev)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    dev->interrupt_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (dev->interrupt_fd >= 0)
        return 0;
    return error_set(&dev->error, ERR_SYSTEM, "signalfd: %s", strerror(errno));
}

int dev_pause(struct dev *dev, int64_t pause_ms)
{
    struct pollfd fd = {dev->interrupt_fd, POLLIN, 0};
    if (poll(&fd, 1, (int)pause_ms) > 0)
        return error_set(&dev->error, ERR_INTERRUPTED, "interrupted");
    return 0;
}

int dev_take_signal(struct dev *dev)
{
    struct signalfd_siginfo info;
    if (dev->interrupt_fd < 0 || read(dev->interrupt_fd, &info, sizeof info) != sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

int dev_save(struct dev *dev)
{
    return dev_state_save(&dev->state, &dev->error);
}
