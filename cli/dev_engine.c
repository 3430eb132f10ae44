/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/dev_services.h"

/* The engine's own log says so when its session and its Postgres connection are good. */
#define READY_MARK     " event=ready"
#define ENGINE_PROGRAM "jobboard-engine"

/* The program `name` that stands beside the running one. */
static int find_beside(struct dev *dev, const char *name, const char **ret_path)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash = NULL;
    if (len > 0) {
        self[len] = '\0';
        slash = strrchr(self, '/');
    }
    if (!slash)
        return error_set(&dev->error, ERR_SYSTEM, "cannot tell where this program is: %s",
                         strerror(errno));
    slash[0] = '\0';
    *ret_path = arena_printf(&dev->state.arena, "%s/%s", self, name).data;
    if (access(*ret_path, X_OK) == 0)
        return 0;
    return error_set(&dev->error, ERR_UNREACHABLE, "%s is not there; build it with scripts/build",
                     *ret_path);
}

const char *const *dev_environment(const struct dev *dev, struct arena *arena, const char *extra)
{
    const char **list = arena_calloc(arena, 7, sizeof list[0]);
    list[0] = arena_printf(arena, "JOBBOARD_POSTGRES=%s", dev_postgres_conninfo(dev, arena)).data;
    list[1] = arena_printf(arena, "JOBBOARD_ZOOKEEPER=%s", dev_zookeeper_hosts(dev, arena)).data;
    list[2] = arena_printf(arena, "JOBBOARD_BOARD=%s", dev->state.board).data;
    list[3] = arena_printf(arena, "JOBBOARD_SCHEMA=%s", dev->state.schema).data;
    list[4] = arena_printf(arena, "JOBBOARD_DEV_DIR=%s", dev->state.dir).data;
    list[5] = extra;
    return list;
}

int dev_engine_check(struct dev *dev)
{
    const char *unused;
    return find_beside(dev, ENGINE_PROGRAM, &unused);
}

int dev_engine_add(struct dev *dev, const char *name, const char **args, size_t arg_count,
                   struct dev_service **ret_service)
{
    int code = dev_state_add(&dev->state, DEV_ENGINE, name, ret_service, &dev->error);
    if (code)
        return code;
    struct dev_service *service = *ret_service;
    service->args = arena_calloc(&dev->state.arena, arg_count + 1, sizeof args[0]);
    service->arg_count = arg_count;
    for (size_t i = 0; i < arg_count; i++)
        service->args[i] = arena_string(&dev->state.arena, text_of(args[i]));
    return 0;
}

int dev_engine_spawn(struct dev *dev, struct dev_service *service)
{
    struct arena *arena = &dev->state.arena;
    const char *all = arena_printf(arena, "%s/engines", dev->state.dir).data;
    const char *folder = arena_printf(arena, "%s/%s", all, service->name).data;
    const char **argv = arena_calloc(arena, service->arg_count + 6, sizeof argv[0]);
    int code = find_beside(dev, ENGINE_PROGRAM, &argv[0]);
    if (!code)
        code = dev_make_dir(all, &dev->error);
    if (!code)
        code = dev_make_dir(folder, &dev->error);
    if (code)
        return code;
    argv[1] = "--name";
    argv[2] = service->name;
    argv[3] = "--session-timeout";
    argv[4] = arena_printf(arena, "%lldms", (long long)dev->state.session_timeout_ms).data;
    for (size_t i = 0; i < service->arg_count; i++)
        argv[5 + i] = service->args[i];
    struct dev_spawn spawn = {.argv = argv,
                              .env = dev_environment(dev, arena, dev_mark(dev)),
                              .log_path = dev_log_path(dev, service->name),
                              .cwd = folder};
    return dev_spawn(&spawn, &service->process, &dev->error);
}

bool dev_engine_healthy(struct dev *dev, const struct dev_service *service)
{
    return dev_file_contains(dev_log_path(dev, service->name), service->log_offset, READY_MARK);
}

/* Whether this build has the verb yet. */
static bool has_migrate(struct dev *dev, const char *program, int64_t timeout_ms)
{
    const char *argv[] = {program, "migrate", "--help", NULL};
    struct dev_spawn spawn = {.argv = argv, .log_path = "/dev/null"};
    bool has = dev_run(dev, &spawn, "jobboard migrate --help", timeout_ms) == 0;
    dev->failed_log = NULL;
    return has;
}

int dev_migrate(struct dev *dev, int64_t timeout_ms)
{
    const char *argv[] = {NULL, "migrate", NULL};
    int code = find_beside(dev, "jobboard", &argv[0]);
    if (code)
        return code;
    if (!has_migrate(dev, argv[0], timeout_ms)) {
        dev_say("this build has no `jobboard migrate`; the database stays empty");
        return 0;
    }
    struct dev_spawn spawn = {.argv = argv,
                              .env = dev_environment(dev, &dev->state.arena, dev_mark(dev)),
                              .log_path = dev_log_path(dev, "migrate")};
    return dev_run(dev, &spawn, "jobboard migrate", timeout_ms);
}
