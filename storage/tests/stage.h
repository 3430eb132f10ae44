/* SPDX-License-Identifier: Apache-2.0 */
/* A stage for scenarios against a real Postgres: a fresh schema each, stores that act as engines,
 * and a bare connection that plays whoever else there is. Runs under with-postgres. */
#ifndef STORAGE_TESTS_STAGE_H
#define STORAGE_TESTS_STAGE_H

#include <libpq-fe.h>

#include "storage/storage.h"
#include "storage/views.h"

#define STAGE_STORES_MAX 4

struct stage {
    char schema[41];
    struct storage *stores[STAGE_STORES_MAX];
    size_t store_count;
    PGconn *raw; /* search_path set; isolation is what the server's owner chose */
    uint64_t last_tag;
    int64_t answer_timeout_ms; /* of stores made from now on, like the next */
    int64_t blocked_ms;        /* long: `raw` may hold locks without being taken for frozen */
};

/* A cmocka setup and teardown: *state is a stage with a migrated schema. */
int stage_setup(void **state);
int stage_teardown(void **state);

struct storage_options stage_options(const struct stage *stage, const char *application);
/* One more store, up. */
struct storage *stage_store(struct stage *stage, const char *application);
PGconn *stage_connect(const struct stage *stage);

/* Runs SQL (printf) and returns the first field of the first row, "" if there is none; valid until
 * the next call. Fails the test on an error. */
const char *stage_sql(PGconn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t stage_number(PGconn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One round of all stores' sources. */
void stage_turn(struct stage *stage);
/* Goes round until `store` answers `tag`; other answers of that store are dropped. */
void stage_await(struct stage *stage, struct storage *store, uint64_t tag,
                 struct storage_answer *ret_answer);
/* Goes round until the SQL gives `t`. */
void stage_until(struct stage *stage, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same while all stores stand still. */
void stage_wait(struct stage *stage, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Goes round until `count` backends of the application wait for a lock. */
void stage_until_blocked(struct stage *stage, const char *application, int count);
/* Sends what is queued at `store` without reading any answer. */
void stage_send(struct storage *store);
/* The server's answer on each of the store's connections is lost, and the connections with it. */
void stage_lose_answers(struct storage *store);

/* Requests with common values, awaited. */
struct uuid stage_post(struct stage *stage, struct storage *store);
struct post_request stage_post_request(void);
struct claim_answer stage_claim(struct stage *stage, struct storage *store, const struct uuid *job,
                                int64_t epoch_seen, struct uuid *ret_claim);
struct claim_request stage_claim_request(const struct uuid *job, int64_t epoch_seen);
/* A save of one ended task under the claim of `row`; its parts are static. */
struct save stage_save_request(const struct job_row *row);
struct save_answer stage_save(struct stage *stage, struct storage *store, const struct save *save);
struct job_row stage_row(struct stage *stage, struct storage *store, const struct uuid *job);

#endif
