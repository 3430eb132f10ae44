/* SPDX-License-Identifier: Apache-2.0 */
/* What a private cluster consists of, as its folder remembers it in dev.json.
 *
 * The file is written before anything is started and after each change, by rename, so that whoever
 * comes later (`dev down` after a crash of `dev up`) finds what there is to stop and remove. It is
 * input like any other: what it says is checked before anything is killed or removed for it. */
#ifndef CLI_DEV_STATE_H
#define CLI_DEV_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"
#include "cli/dev_process.h"

#define DEV_STATE_FORMAT    1
#define DEV_NAME_MAX        48
#define DEV_SERVICES_MAX    64
#define DEV_STATE_MAX_BYTES (1 << 20)

enum dev_kind { DEV_ZOOKEEPER, DEV_POSTGRES, DEV_ENGINE };

struct dev_service {
    enum dev_kind kind;
    char name[DEV_NAME_MAX];    /* zookeeper-1, postgres, engine-1: unique */
    int number;                 /* ZooKeeper's server id; 0 for others */
    struct dev_process process; /* pid 0: stopped on purpose, or not started yet */
    int64_t started_at_ms;      /* wall clock of the last start */
    int port;                   /* clients connect here on 127.0.0.1; 0: none */
    int quorum_port;            /* ZooKeeper of three: between the servers */
    int election_port;
    int64_t log_offset; /* bytes of its log that are older than its last start */
    bool ready;         /* was seen healthy since its last start */
    const char **args;  /* engine: arguments of its own */
    size_t arg_count;
};

struct dev_state {
    struct arena arena;              /* holds the strings below */
    char id[UUID_TEXT_LEN + 1];      /* marks the processes and the data folder outside of `dir` */
    char boot_id[UUID_TEXT_LEN + 1]; /* of the machine: pids of another boot mean nothing */
    const char *dir;                 /* absolute */
    bool created_dir;                /* the folder is ours to remove */
    const char *postgres_data;       /* absolute; in `dir`, or outside if Postgres' user cannot get
                                      * there; NULL until known */
    const char *postgres_user;       /* account Postgres runs under; NULL: our own */
    const char *board;
    const char *schema;
    int64_t session_timeout_ms;
    int64_t tick_ms;
    struct dev_service services[DEV_SERVICES_MAX];
    size_t service_count;
};

/* A new cluster's state for the absolute folder `dir`, with a fresh id, without services. */
void dev_state_init(struct dev_state *state, const char *dir);
void dev_state_done(struct dev_state *state);

/* Appends a service; ERR_TOO_LARGE beyond DEV_SERVICES_MAX, ERR_EXISTS when the name is taken,
 * ERR_INVALID when it is no fit name ([A-Za-z0-9._-], not too long). */
int dev_state_add(struct dev_state *state, enum dev_kind kind, const char *name,
                  struct dev_service **ret_service, struct error *ret_error);
/* The service called `name`, or NULL. */
struct dev_service *dev_state_find(struct dev_state *state, const char *name);

/* Writes DIR/dev.json by rename. */
int dev_state_save(const struct dev_state *state, struct error *ret_error);
/* Reads DIR/dev.json. ERR_NOT_FOUND: there is none. A file that is not ours, is damaged or names
 * places outside its folder is ERR_INVALID. On trouble there is nothing to give back. Processes of
 * an earlier boot of the machine come out as stopped. */
int dev_state_load(struct dev_state *ret_state, const char *dir, struct error *ret_error);

const char *dev_kind_name(enum dev_kind kind);

#endif
