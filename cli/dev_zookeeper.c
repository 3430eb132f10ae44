/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/dev_ports.h"
#include "cli/dev_services.h"

#define JAR         "/usr/share/java/zookeeper.jar"
#define LOGGER_JAR  "/usr/share/java/slf4j-simple.jar"
#define ASK_WAIT_MS 2000

static bool is_ensemble(const struct dev_service *service)
{
    return service->quorum_port != 0;
}

static const char *server_folder(struct dev *dev, const struct dev_service *service)
{
    return arena_printf(&dev->state.arena, "%s/%s", dev->state.dir, service->name).data;
}

/* One server's configuration. Durability is as delivered: every transaction is forced to disk. */
static void build_config(struct dev *dev, const struct dev_service *service, struct buffer *config)
{
    buffer_printf(config,
                  "tickTime=%lld\ninitLimit=40\nsyncLimit=10\ndataDir=%s/data\n"
                  "clientPort=%d\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n"
                  "minSessionTimeout=%lld\nmaxSessionTimeout=60000\n"
                  "admin.enableServer=false\n4lw.commands.whitelist=*\n",
                  (long long)dev->state.tick_ms, server_folder(dev, service), service->port,
                  (long long)dev->state.tick_ms);
    for (size_t i = 0; i < dev->state.service_count && is_ensemble(service); i++) {
        const struct dev_service *peer = &dev->state.services[i];
        if (peer->kind == DEV_ZOOKEEPER)
            buffer_printf(config, "server.%d=127.0.0.1:%d:%d\n", peer->number, peer->quorum_port,
                          peer->election_port);
    }
}

int dev_zookeeper_prepare(struct dev *dev, struct dev_service *service)
{
    struct arena *arena = &dev->state.arena;
    const char *folder = server_folder(dev, service);
    const char *data = arena_printf(arena, "%s/data", folder).data;
    struct buffer config = {0};
    if (access(JAR, R_OK))
        return error_set(&dev->error, ERR_UNREACHABLE,
                         JAR " is missing; install what is needed with scripts/install-deps");
    build_config(dev, service, &config);
    int code = dev_make_dir(folder, &dev->error);
    if (!code)
        code = dev_make_dir(data, &dev->error);
    if (!code)
        code = dev_write_file(arena_printf(arena, "%s/zoo.cfg", folder).data, buffer_text(&config),
                              &dev->error);
    if (!code && is_ensemble(service))
        code = dev_write_file(arena_printf(arena, "%s/myid", data).data,
                              arena_printf(arena, "%d\n", service->number), &dev->error);
    buffer_done(&config);
    return code;
}

int dev_zookeeper_spawn(struct dev *dev, struct dev_service *service)
{
    struct arena *arena = &dev->state.arena;
    const char *folder = server_folder(dev, service);
    const char *env[] = {dev_mark(dev), NULL};
    /* Three servers share the machine with the engines: small heaps and no collector threads. */
    bool small = is_ensemble(service);
    const char *argv[] = {"java",
                          small ? "-Xmx256m" : "-Xmx1g",
                          small ? "-Xms64m" : "-Xms256m",
                          small ? "-XX:+UseSerialGC" : "-XX:+UseG1GC",
                          "-XX:-UsePerfData",
                          "-Djava.awt.headless=true",
                          "-Dzookeeper.jmx.log4j.disable=true",
                          "-Dorg.slf4j.simpleLogger.showDateTime=true",
                          "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
                          arena_printf(arena, "-Djava.io.tmpdir=%s", folder).data,
                          "-cp",
                          JAR ":" LOGGER_JAR,
                          "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                          arena_printf(arena, "%s/zoo.cfg", folder).data,
                          NULL};
    struct dev_spawn spawn = {
        .argv = argv, .env = env, .log_path = dev_log_path(dev, service->name), .cwd = folder};
    return dev_spawn(&spawn, &service->process, &dev->error);
}

bool dev_zookeeper_healthy(struct dev *dev, const struct dev_service *service)
{
    struct buffer answer = {0};
    int code = dev_port_ask(service->port, "srvr", ASK_WAIT_MS, &answer);
    /* A server of an ensemble tells its mode only once there is a leader. */
    bool healthy = !code && answer.data && strstr(answer.data, "Mode: ");
    buffer_done(&answer);
    return healthy;
}

const char *dev_zookeeper_hosts(const struct dev *dev, struct arena *arena)
{
    struct buffer hosts = {0};
    for (size_t i = 0; i < dev->state.service_count; i++) {
        const struct dev_service *service = &dev->state.services[i];
        if (service->kind == DEV_ZOOKEEPER)
            buffer_printf(&hosts, "%s127.0.0.1:%d", hosts.len ? "," : "", service->port);
    }
    const char *copy = arena_string(arena, buffer_text(&hosts));
    buffer_done(&hosts);
    return copy;
}
