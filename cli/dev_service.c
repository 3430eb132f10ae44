/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/check.h"
#include "base/os/clock.h"
#include "cli/dev_services.h"

/* Between two questions whether a service is up yet: they have no other way to tell. */
#define HEALTH_POLL_MS 20
#define KILL_WAIT_MS   5000

const char *dev_log_path(struct dev *dev, const char *name)
{
    return arena_printf(&dev->state.arena, "%s/logs/%s.log", dev->state.dir, name).data;
}

const char *dev_mark(struct dev *dev)
{
    return arena_printf(&dev->state.arena, "JOBBOARD_DEV_CLUSTER=%s", dev->state.id).data;
}

static int spawn_kind(struct dev *dev, struct dev_service *service)
{
    switch (service->kind) {
    case DEV_ZOOKEEPER:
        return dev_zookeeper_spawn(dev, service);
    case DEV_POSTGRES:
        return dev_postgres_spawn(dev, service);
    case DEV_ENGINE:
        return dev_engine_spawn(dev, service);
    }
    UNREACHABLE();
}

int dev_service_start(struct dev *dev, struct dev_service *service)
{
    const char *log = dev_log_path(dev, service->name);
    service->log_offset = dev_file_size(log);
    service->ready = false;
    service->process = (struct dev_process){0};
    int code = spawn_kind(dev, service);
    if (code) {
        dev->failed_log = log;
        return code;
    }
    service->started_at_ms = clock_unix_ms();
    return dev_save(dev);
}

bool dev_service_healthy(struct dev *dev, struct dev_service *service)
{
    bool healthy = false;
    if (!dev_process_alive(&service->process) || dev_process_frozen(&service->process))
        return false;
    switch (service->kind) {
    case DEV_ZOOKEEPER:
        healthy = dev_zookeeper_healthy(dev, service);
        break;
    case DEV_POSTGRES:
        healthy = dev_postgres_healthy(dev, service);
        break;
    case DEV_ENGINE:
        healthy = service->ready || dev_engine_healthy(dev, service);
        break;
    }
    service->ready = service->ready || healthy;
    return healthy;
}

int dev_service_await(struct dev *dev, struct dev_service *service, int64_t timeout_ms)
{
    int64_t until_ms = clock_now_ms() + timeout_ms;
    dev->failed_log = dev_log_path(dev, service->name);
    while (!dev_service_healthy(dev, service)) {
        if (!dev_process_alive(&service->process))
            return error_set(&dev->error, ERR_UNREACHABLE, "%s ended instead of coming up",
                             service->name);
        if (clock_now_ms() >= until_ms)
            return error_set(&dev->error, ERR_TIMEOUT, "%s did not come up in time", service->name);
        int code = dev_process_wait(&service->process, HEALTH_POLL_MS, dev->interrupt_fd, NULL);
        if (code == ERR_INTERRUPTED)
            return error_set(&dev->error, code, "interrupted");
    }
    dev->failed_log = NULL;
    return dev_save(dev);
}

int dev_service_stop(struct dev *dev, struct dev_service *service, int signal, int64_t grace_ms)
{
    if (dev_process_signal(&service->process, signal)) {
        dev_process_signal(&service->process, SIGCONT);
        if (!dev_process_await_end(&service->process, grace_ms))
            return error_set(&dev->error, ERR_TIMEOUT, "%s (pid %d) did not end in time",
                             service->name, (int)service->process.pid);
    }
    dev_process_await_end(&service->process, 0);
    service->process = (struct dev_process){0};
    service->ready = false;
    return 0;
}

int dev_run(struct dev *dev, const struct dev_spawn *spawn, const char *what, int64_t timeout_ms)
{
    struct dev_process process;
    int status;
    dev->failed_log = spawn->log_path;
    int code = dev_spawn(spawn, &process, &dev->error);
    if (code)
        return code;
    code = dev_process_wait(&process, timeout_ms, dev->interrupt_fd, &status);
    if (code) {
        dev_process_signal(&process, SIGKILL);
        dev_process_await_end(&process, KILL_WAIT_MS);
        return error_set(&dev->error, code, "%s %s", what,
                         code == ERR_TIMEOUT ? "took too long" : "was interrupted");
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        dev->failed_log = NULL;
        return 0;
    }
    if (WIFSIGNALED(status))
        return error_set(&dev->error, ERR_REFUSED, "%s was killed by signal %d", what,
                         WTERMSIG(status));
    return error_set(&dev->error, ERR_REFUSED, "%s failed with exit status %d", what,
                     WEXITSTATUS(status));
}
