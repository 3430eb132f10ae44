/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "cli/dev_ports.h"
#include "cli/dev_services.h"

/* How often other ports are tried when another program took one before the server did. */
#define PORT_ATTEMPTS 4

static void say_up(const struct dev_service *service)
{
    if (service->port)
        dev_say("%s is up on 127.0.0.1:%d (pid %d)", service->name, service->port,
                (int)service->process.pid);
    else
        dev_say("%s is up (pid %d)", service->name, (int)service->process.pid);
}

/* Says what is in the folder, which is somebody's already. */
static int refuse_folder(struct dev *dev, const char *dir)
{
    struct buffer names = {0};
    for (size_t i = 0; i < dev->state.service_count; i++) {
        const struct dev_service *service = &dev->state.services[i];
        if (dev_process_alive(&service->process))
            buffer_printf(&names, "%s%s (pid %d)", names.len ? ", " : "", service->name,
                          (int)service->process.pid);
    }
    if (names.len)
        error_set(&dev->error, ERR_WRONG_STATE,
                  "a cluster runs in %s already: %.300s; take it down with `jobboard dev down "
                  "--dir %s` or begin anew with --fresh",
                  dir, names.data, dir);
    else
        error_set(&dev->error, ERR_WRONG_STATE,
                  "%s holds what is left of a cluster that does not run any more; remove it with "
                  "`jobboard dev down --dir %s` or begin anew with --fresh",
                  dir, dir);
    buffer_done(&names);
    return ERR_WRONG_STATE;
}

/* Makes and locks the folder; what was there is refused or, with --fresh, taken down. */
static int take_folder(struct dev *dev, const char *dir, bool fresh, bool *ret_created)
{
    for (;;) {
        int code = dev_folder_make(dir, ret_created, &dev->error);
        if (!code)
            code = dev_folder_lock(dir, 0, &dev->lock_fd, &dev->error);
        if (code)
            return code;
        code = dev_state_load(&dev->state, dir, &dev->error);
        if (code == ERR_NOT_FOUND)
            return 0;
        if (code)
            return code;
        if (!fresh)
            return refuse_folder(dev, dir);
        dev_say("taking down what is in %s", dir);
        code = dev_down(dev, false);
        dev_folder_unlock(dev->lock_fd);
        dev_state_done(&dev->state);
        dev->lock_fd = -1;
        if (code)
            return code;
    }
}

static int describe(struct dev *dev, const struct dev_up_options *options)
{
    struct dev_state *state = &dev->state;
    struct dev_service *service;
    char name[DEV_NAME_MAX];
    int code = dev_state_add(state, DEV_POSTGRES, "postgres", &service, &dev->error);
    for (int i = 1; i <= options->zookeepers && !code; i++) {
        snprintf(name, sizeof name, "zookeeper-%d", i);
        code = dev_state_add(state, DEV_ZOOKEEPER, name, &service, &dev->error);
        if (!code)
            service->number = i;
    }
    for (int i = 1; i <= options->engines && !code; i++) {
        snprintf(name, sizeof name, "engine-%d", i);
        code = dev_engine_add(dev, name, options->engine_args, options->engine_arg_count, &service);
    }
    state->board = arena_string(&state->arena, text_of(options->board));
    state->schema = arena_string(&state->arena, text_of(options->schema));
    state->session_timeout_ms = options->session_timeout_ms;
    state->tick_ms = options->tick_ms;
    return code;
}

static int lay_out(struct dev *dev)
{
    struct arena *arena = &dev->state.arena;
    int code = dev_save(dev);
    if (!code)
        code = dev_write_file(arena_printf(arena, "%s/.gitignore", dev->state.dir).data,
                              TEXT("*\n"), &dev->error);
    if (!code)
        code = dev_make_dir(arena_printf(arena, "%s/logs", dev->state.dir).data, &dev->error);
    return code;
}

static int choose_ports(struct dev *dev, bool ensemble)
{
    int ports[DEV_SERVICES_MAX], next = 0;
    size_t count = 1 + (ensemble ? 9 : 1);
    int code = dev_ports_choose(ports, count, &dev->error);
    for (size_t i = 0; i < dev->state.service_count && !code; i++) {
        struct dev_service *service = &dev->state.services[i];
        if (service->kind == DEV_ENGINE)
            continue;
        service->port = ports[next++];
        if (service->kind == DEV_ZOOKEEPER && ensemble) {
            service->quorum_port = ports[next++];
            service->election_port = ports[next++];
        }
    }
    return code ? code : dev_save(dev);
}

typedef int kind_step(struct dev *dev, struct dev_service *service, int64_t timeout_ms);

static int each(struct dev *dev, enum dev_kind kind, int64_t timeout_ms, kind_step *step)
{
    int code = 0;
    for (size_t i = 0; i < dev->state.service_count && !code; i++)
        if (dev->state.services[i].kind == kind)
            code = step(dev, &dev->state.services[i], timeout_ms);
    return code;
}

static int begin_zookeeper(struct dev *dev, struct dev_service *service, int64_t timeout_ms)
{
    int code = dev_zookeeper_prepare(dev, service);
    return code ? code : dev_service_start(dev, service);
}

static int begin_postgres(struct dev *dev, struct dev_service *service, int64_t timeout_ms)
{
    int code = dev_postgres_prepare(dev, service, timeout_ms);
    return code ? code : dev_service_start(dev, service);
}

static int begin_engine(struct dev *dev, struct dev_service *service, int64_t timeout_ms)
{
    return dev_service_start(dev, service);
}

static int finish(struct dev *dev, struct dev_service *service, int64_t timeout_ms)
{
    int code = dev_service_await(dev, service, timeout_ms);
    if (!code)
        say_up(service);
    return code;
}

/* ZooKeeper starts while Postgres makes its files. */
static int start_services(struct dev *dev, int64_t timeout_ms)
{
    int code = each(dev, DEV_ZOOKEEPER, timeout_ms, begin_zookeeper);
    if (!code)
        code = each(dev, DEV_POSTGRES, timeout_ms, begin_postgres);
    if (!code)
        code = each(dev, DEV_POSTGRES, timeout_ms, finish);
    if (!code)
        code = each(dev, DEV_POSTGRES, timeout_ms, dev_postgres_create_database);
    return code ? code : each(dev, DEV_ZOOKEEPER, timeout_ms, finish);
}

static bool lost_a_port(const struct dev *dev, int code)
{
    return (code == ERR_UNREACHABLE || code == ERR_TIMEOUT) && dev->failed_log &&
           dev_file_contains(dev->failed_log, 0, "Address already in use");
}

static int start_with_ports(struct dev *dev, const struct dev_up_options *options)
{
    for (int attempt = 1;; attempt++) {
        int code = choose_ports(dev, options->zookeepers > 1);
        if (!code)
            code = start_services(dev, options->timeout_ms);
        if (!lost_a_port(dev, code) || attempt == PORT_ATTEMPTS)
            return code;
        dev_say("a port was taken by another program; trying others");
        code = dev_down_services(dev);
        if (!code)
            code = lay_out(dev);
        if (code)
            return code;
    }
}

static int start_all(struct dev *dev, const struct dev_up_options *options)
{
    int code = options->engines > 0 ? dev_engine_check(dev) : 0;
    if (!code)
        code = lay_out(dev);
    if (!code)
        code = start_with_ports(dev, options);
    if (!code)
        code = dev_migrate(dev, options->timeout_ms);
    if (!code)
        code = each(dev, DEV_ENGINE, options->timeout_ms, begin_engine);
    return code ? code : each(dev, DEV_ENGINE, options->timeout_ms, finish);
}

/* Nothing stays of a cluster that did not come up, but its culprit's last words are shown. */
static void clear_away(struct dev *dev)
{
    struct error error = dev->error;
    struct buffer tail = {0};
    if (dev->failed_log && error.code != ERR_INTERRUPTED) {
        dev_tail(dev->failed_log, 20, &tail);
        if (tail.len)
            dev_say("the last lines of %s:\n%s", dev->failed_log, tail.data);
    }
    dev_say("taking down what was started");
    dev_down(dev, false);
    buffer_done(&tail);
    dev->error = error;
}

int dev_up(struct dev *dev, const struct dev_up_options *options)
{
    struct arena arena = {0};
    const char *dir = NULL;
    bool created = false;
    *dev = (struct dev){.lock_fd = -1, .interrupt_fd = -1};
    int code = dev_catch_signals(dev);
    if (!code)
        code = dev_folder_resolve(&arena, options->dir, &dir, &dev->error);
    if (!code)
        code = take_folder(dev, dir, options->fresh, &created);
    if (!code) {
        dev_state_init(&dev->state, dir);
        dev->state.created_dir = created;
        code = describe(dev, options);
        if (!code)
            code = start_all(dev, options);
        if (code)
            clear_away(dev);
    }
    arena_done(&arena);
    return code;
}
