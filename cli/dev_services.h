/* SPDX-License-Identifier: Apache-2.0 */
/* The three kinds of services of a private cluster: preparing, starting, asking and stopping them.
 * Functions that return a code leave its text in dev->error and, if a program failed, the log to
 * look into in dev->failed_log. */
#ifndef CLI_DEV_SERVICES_H
#define CLI_DEV_SERVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/dev.h"
#include "cli/dev_process.h"

/* Any kind (dev_service.c). */

/* DIR/logs/NAME.log */
const char *dev_log_path(struct dev *dev, const char *name);
/* NAME=VALUE that all our processes carry in their environment. */
const char *dev_mark(struct dev *dev);
/* Starts the process and notes pid, time and where its log begins; not yet healthy. */
int dev_service_start(struct dev *dev, struct dev_service *service);
/* Waits until it is healthy. ERR_UNREACHABLE: it ended; ERR_TIMEOUT; ERR_INTERRUPTED. */
int dev_service_await(struct dev *dev, struct dev_service *service, int64_t timeout_ms);
/* Asks it. */
bool dev_service_healthy(struct dev *dev, struct dev_service *service);
/* Sends `signal` (thawing what is frozen) and waits until it is gone. ERR_TIMEOUT: it is not. A
 * service that is gone already is fine. Its pid is 0 afterwards. */
int dev_service_stop(struct dev *dev, struct dev_service *service, int signal, int64_t grace_ms);
/* Runs a program to its end. ERR_REFUSED: its exit status is not 0. */
int dev_run(struct dev *dev, const struct dev_spawn *spawn, const char *what, int64_t timeout_ms);

/* ZooKeeper (dev_zookeeper.c). */

int dev_zookeeper_prepare(struct dev *dev, struct dev_service *service);
int dev_zookeeper_spawn(struct dev *dev, struct dev_service *service);
bool dev_zookeeper_healthy(struct dev *dev, const struct dev_service *service);

/* Postgres (dev_postgres.c). Runs as another user when we are root, since it refuses to be. */

/* Chooses user and place of the data, notes them, and makes an empty cluster there. */
int dev_postgres_prepare(struct dev *dev, struct dev_service *service, int64_t timeout_ms);
int dev_postgres_spawn(struct dev *dev, struct dev_service *service);
int dev_postgres_create_database(struct dev *dev, struct dev_service *service, int64_t timeout_ms);
bool dev_postgres_healthy(struct dev *dev, const struct dev_service *service);
/* Kills the whole server as a power cut would. */
int dev_postgres_kill(struct dev *dev, struct dev_service *service);
/* All its processes, without the first one. */
void dev_postgres_backends(struct dev *dev, const struct dev_service *service,
                           struct dev_process_list *ret_list);
/* After its death: gives the shared memory back that a killed server leaves. */
void dev_postgres_clean(struct dev *dev);
/* The conninfo for the cluster's users. */
const char *dev_postgres_conninfo(const struct dev *dev, struct arena *arena);

/* Engines (dev_engine.c). */

/* Appends engine `name` with arguments of its own. */
int dev_engine_add(struct dev *dev, const char *name, const char **args, size_t arg_count,
                   struct dev_service **ret_service);
/* Whether the engine's program is there at all. */
int dev_engine_check(struct dev *dev);
int dev_engine_spawn(struct dev *dev, struct dev_service *service);
bool dev_engine_healthy(struct dev *dev, const struct dev_service *service);
/* Brings the schema up to date with `jobboard migrate`. */
int dev_migrate(struct dev *dev, int64_t timeout_ms);
/* HOST:PORT,… of all ZooKeeper servers. */
const char *dev_zookeeper_hosts(const struct dev *dev, struct arena *arena);
/* The variables that make the tool and the engines find the cluster, NAME=VALUE, NULL at the end;
 * `extra` may be NULL. */
const char *const *dev_environment(const struct dev *dev, struct arena *arena, const char *extra);

#endif
