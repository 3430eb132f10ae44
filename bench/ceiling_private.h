/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the ceiling share. The picture: a few lanes, each with a connection of its own
 * to Postgres and one chunk of jobs; a lane takes its chunk from stage to stage, and while some
 * lanes wait for Postgres the others wait for ZooKeeper. Trouble ends the program. */
#ifndef BENCH_CEILING_PRIVATE_H
#define BENCH_CEILING_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "base/uuid.h"

#define STEPS     3
#define SHARDS    64
#define CHUNK_MAX 1000 /* rows of `jobs` in one statement */

struct job {
    struct uuid id;
    struct uuid claim;
    uint16_t shard;
    int64_t ready_at_us;
};

_Noreturn void ceiling_die(const char *what, const char *why);

/* ------------------------------------------------------------------------------------ Postgres
 * One statement per call and per commit; store_is_done answers once whether it has landed. */

struct store {
    PGconn *conn;
    struct uuid boot;
};

enum kind { KIND_NOOP, KIND_SET, KIND_RUN };

/* Saves of a job: `noop` and `set` steps share one, `run` steps have one before each start. */
int store_saves(enum kind kind);

void store_open(struct store *store, const char *conninfo, const char *schema);
void store_close(struct store *store);
void store_post(struct store *store, const struct job *jobs, size_t count);
void store_claim(struct store *store, const struct job *jobs, size_t count);
/* The save with this number, from 0. */
void store_save(struct store *store, enum kind kind, int save, const struct job *jobs,
                size_t count);
bool store_is_done(struct store *store);

/* ----------------------------------------------------------------------------------- ZooKeeper
 * One session for all lanes. Each call sends its multis at once; `*left` counts those that are not
 * answered yet, and must live until it is 0. */

struct znodes;

struct znodes *znodes_open(const char *hosts, const char *root);
void znodes_close(struct znodes *znodes);
void znodes_place(struct znodes *znodes, const struct job *jobs, size_t count, int *left);
void znodes_lock(struct znodes *znodes, const struct job *jobs, size_t count, int *left);
void znodes_consume(struct znodes *znodes, const struct job *jobs, size_t count, int *left);
/* What to wait for: events for poll() and the longest pause. */
int znodes_interest(struct znodes *znodes, short *ret_events, int *ret_timeout_ms);
void znodes_process(struct znodes *znodes, short events);
/* Multis and operations sent so far. */
void znodes_counted(const struct znodes *znodes, uint64_t *ret_multis, uint64_t *ret_ops);

#endif
