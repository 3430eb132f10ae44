/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>

#include "base/os/clock.h"
#include "cli/dev_services.h"

/* What the parts of a dying cluster get before SIGKILL. */
#define ENGINE_GRACE_MS  10000
#define SERVICE_GRACE_MS 5000
#define REST_GRACE_MS    3000
#define KILL_WAIT_MS     5000

/* Signals all services of a kind at once, then waits for them; what does not go is killed. */
static void end_kind(struct dev *dev, enum dev_kind kind, int signal, int64_t grace_ms)
{
    int64_t until_ms = clock_now_ms() + grace_ms;
    for (size_t i = 0; i < dev->state.service_count; i++) {
        struct dev_service *service = &dev->state.services[i];
        if (service->kind == kind && dev_process_signal(&service->process, signal))
            dev_process_signal(&service->process, SIGCONT);
    }
    for (size_t i = 0; i < dev->state.service_count; i++) {
        struct dev_service *service = &dev->state.services[i];
        int64_t left_ms = until_ms - clock_now_ms();
        if (service->kind != kind)
            continue;
        if (!dev_process_await_end(&service->process, left_ms > 0 ? left_ms : 0)) {
            dev_say("%s does not end by itself; killing it", service->name);
            dev_service_stop(dev, service, SIGKILL, KILL_WAIT_MS);
        }
    }
}

/* Everything below our services, and what carries our mark without belonging to one any more. */
static void collect(struct dev *dev, struct dev_process_list *list)
{
    for (size_t i = 0; i < dev->state.service_count; i++)
        dev_process_descendants(list, &dev->state.services[i].process);
    dev_process_marked(list, dev_mark(dev), dev->state.postgres_data ? "postgres" : NULL,
                       dev->state.postgres_data);
}

static size_t count_alive(const struct dev_process_list *list)
{
    size_t alive = 0;
    for (size_t i = 0; i < list->count; i++)
        alive += dev_process_alive(&list->items[i]);
    return alive;
}

static int end_processes(struct dev *dev)
{
    struct dev_process_list list = {0};
    collect(dev, &list);
    /* What is frozen cannot end. */
    for (size_t i = 0; i < list.count; i++)
        if (dev_process_frozen(&list.items[i]))
            dev_process_signal(&list.items[i], SIGCONT);
    end_kind(dev, DEV_ENGINE, SIGTERM, ENGINE_GRACE_MS);
    /* The data go away: Postgres need not save them first. */
    end_kind(dev, DEV_POSTGRES, SIGQUIT, SERVICE_GRACE_MS);
    end_kind(dev, DEV_ZOOKEEPER, SIGTERM, SERVICE_GRACE_MS);
    collect(dev, &list);
    size_t killed = dev_process_list_end(&list, REST_GRACE_MS);
    if (killed)
        dev_say("killed %zu processes that their parents had left", killed);
    size_t alive = count_alive(&list);
    dev_process_list_done(&list);
    if (alive)
        return error_set(&dev->error, ERR_TIMEOUT, "%zu processes cannot be ended", alive);
    for (size_t i = 0; i < dev->state.service_count; i++)
        dev->state.services[i].process = (struct dev_process){0};
    return 0;
}

int dev_down_services(struct dev *dev)
{
    struct arena *arena = &dev->state.arena;
    int code = end_processes(dev);
    if (code)
        return code;
    dev_postgres_clean(dev);
    for (size_t i = 0; i < dev->state.service_count; i++)
        if (dev->state.services[i].kind == DEV_ZOOKEEPER)
            dev_tree_remove(
                arena_printf(arena, "%s/%s", dev->state.dir, dev->state.services[i].name).data);
    dev_tree_remove(arena_printf(arena, "%s/logs", dev->state.dir).data);
    if (dev->state.postgres_data && !dev_tree_remove(dev->state.postgres_data))
        return error_set(&dev->error, ERR_SYSTEM, "cannot remove %s", dev->state.postgres_data);
    return 0;
}

int dev_down(struct dev *dev, bool keep_files)
{
    const char *rest;
    if (keep_files) {
        int code = end_processes(dev);
        dev_postgres_clean(dev);
        return code ? code : dev_save(dev);
    }
    int code = dev_down_services(dev);
    if (code)
        return code;
    if (dev_folder_remove(&dev->state.arena, dev->state.dir, dev->state.created_dir, &rest))
        return 0;
    return error_set(&dev->error, ERR_SYSTEM,
                     "all processes ended, but %.300s is not ours to remove or cannot be removed",
                     rest);
}
