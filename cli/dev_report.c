/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/os/clock.h"
#include "cli/dev_services.h"

/* Prints `export NAME='value'`, quoted for any POSIX shell. */
static void print_export(const char *variable)
{
    size_t name_len = strcspn(variable, "=");
    printf("export %.*s='", (int)name_len, variable);
    for (const char *c = variable + name_len + 1; *c; c++) {
        if (*c == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*c);
    }
    fputs("'\n", stdout);
}

void dev_print_env(const struct dev *dev)
{
    struct arena arena = {0};
    const char *const *variables = dev_environment(dev, &arena, NULL);
    for (; *variables; variables++)
        print_export(*variables);
    arena_done(&arena);
}

static const char *state_name(const struct dev_service *service)
{
    if (service->process.pid == 0)
        return "stopped";
    if (!dev_process_alive(&service->process))
        return "dead";
    return dev_process_frozen(&service->process) ? "frozen" : "running";
}

static void print_row(struct dev *dev, const struct dev_service *service, bool healthy, bool json)
{
    char uptime[32] = "-", port[16] = "-", pid[16] = "-";
    bool alive = dev_process_alive(&service->process);
    int64_t uptime_ms = alive ? clock_unix_ms() - service->started_at_ms : 0;
    if (json) {
        printf("{\"name\": \"%s\", \"kind\": \"%s\", \"pid\": ", service->name,
               dev_kind_name(service->kind));
        alive ? printf("%d", (int)service->process.pid) : printf("null");
        service->port ? printf(", \"port\": %d", service->port) : printf(", \"port\": null");
        printf(", \"state\": \"%s\", \"healthy\": %s, \"uptime_ms\": %" PRId64 ", \"log\": ",
               state_name(service), healthy ? "true" : "false", uptime_ms < 0 ? 0 : uptime_ms);
        struct buffer log = {0};
        buffer_add_json_string(&log, text_of(dev_log_path(dev, service->name)));
        printf("%s}\n", log.data);
        buffer_done(&log);
        return;
    }
    if (alive) {
        duration_format(uptime_ms < 0 ? 0 : uptime_ms / 1000 * 1000, uptime, sizeof uptime);
        snprintf(pid, sizeof pid, "%d", (int)service->process.pid);
    }
    if (service->port)
        snprintf(port, sizeof port, "%d", service->port);
    printf("%-16s %-8s %-8s %-6s %-8s %s\n", service->name, state_name(service),
           healthy ? "yes" : "no", port, pid, uptime);
}

bool dev_print_status(struct dev *dev, bool json)
{
    bool all = true;
    if (!json)
        printf("%-16s %-8s %-8s %-6s %-8s %s\n", "NAME", "STATE", "HEALTHY", "PORT", "PID",
               "UPTIME");
    for (size_t i = 0; i < dev->state.service_count; i++) {
        bool healthy = dev_service_healthy(dev, &dev->state.services[i]);
        print_row(dev, &dev->state.services[i], healthy, json);
        all = all && healthy;
    }
    return all;
}
