/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tests/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/os/clock.h"
#include "base/os/entropy.h"

#define PATIENCE_MS 20000

static const char *conninfo(void)
{
    const char *given = getenv("JOBBOARD_TEST_POSTGRES");
    if (!given) {
        fprintf(stderr,
                "JOBBOARD_TEST_POSTGRES is not set: run under storage/tests/with-postgres\n");
        exit(1);
    }
    return given;
}

struct storage_options stage_options(const struct stage *stage, const char *application)
{
    return (struct storage_options){.conninfo = conninfo(),
                                    .schema = stage->schema,
                                    .application = application,
                                    .connect_timeout_ms = 5000,
                                    .answer_timeout_ms = stage->answer_timeout_ms,
                                    .blocked_ms = stage->blocked_ms,
                                    .seed = entropy_seed()};
}

PGconn *stage_connect(const struct stage *stage)
{
    PGconn *conn = PQconnectdb(conninfo());
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    stage_sql(conn, "SET search_path TO %s", stage->schema);
    stage_sql(conn, "SET client_min_messages TO warning");
    return conn;
}

int stage_setup(void **state)
{
    struct stage *stage = xcalloc(1, sizeof *stage);
    struct error error = {0};
    int from, to;
    snprintf(stage->schema, sizeof stage->schema, "t_%016llx", (unsigned long long)entropy_seed());
    stage->answer_timeout_ms = 10000;
    stage->blocked_ms = 60000;
    struct storage_options options = stage_options(stage, "stage");
    if (storage_migrate(&options, &from, &to, &error))
        fail_msg("%s", error.text);
    stage->raw = stage_connect(stage);
    *state = stage;
    return 0;
}

int stage_teardown(void **state)
{
    struct stage *stage = *state;
    for (size_t i = 0; i < stage->store_count; i++)
        storage_free(stage->stores[i]);
    PQfinish(stage->raw);
    PGconn *conn = stage_connect(stage);
    stage_sql(conn, "DROP SCHEMA IF EXISTS %s CASCADE", stage->schema);
    PQfinish(conn);
    free(stage);
    return 0;
}

struct storage *stage_store(struct stage *stage, const char *application)
{
    struct storage *store;
    struct error error = {0};
    struct storage_options options = stage_options(stage, application);
    if (storage_new(&options, &store, &error))
        fail_msg("%s", error.text);
    assert_true(stage->store_count < STAGE_STORES_MAX);
    stage->stores[stage->store_count++] = store;
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (!storage_is_up(store)) {
        if (clock_now_ms() > until_ms)
            fail_msg("not up: %s", storage_trouble(store));
        stage_turn(stage);
    }
    return store;
}

static const char *sql_va(PGconn *conn, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static const char *sql_va(PGconn *conn, const char *format, va_list args)
{
    static char value[4096];
    char sql[8192];
    vsnprintf(sql, sizeof sql, format, args);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQresultErrorMessage(result));
    snprintf(value, sizeof value, "%s",
             status == PGRES_TUPLES_OK && PQntuples(result) && PQnfields(result)
                 ? PQgetvalue(result, 0, 0)
                 : "");
    PQclear(result);
    return value;
}

const char *stage_sql(PGconn *conn, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *value = sql_va(conn, format, args);
    va_end(args);
    return value;
}

int64_t stage_number(PGconn *conn, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *value = sql_va(conn, format, args);
    va_end(args);
    return strtoll(value, NULL, 10);
}

void stage_turn(struct stage *stage)
{
    struct source sources[STAGE_STORES_MAX * STORAGE_SOURCES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < stage->store_count; i++)
        count += storage_sources(stage->stores[i], &sources[count]);
    source_poll(sources, count, clock_now_ms() + 10);
}

void stage_await(struct stage *stage, struct storage *store, uint64_t tag,
                 struct storage_answer *ret_answer)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    for (;;) {
        while (storage_next(store, ret_answer))
            if (ret_answer->tag == tag)
                return;
        if (clock_now_ms() > until_ms)
            fail_msg("no answer: %s", storage_trouble(store));
        stage_turn(stage);
    }
}

void stage_until(struct stage *stage, const char *format, ...)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    for (;;) {
        va_list args;
        va_start(args, format);
        bool there = !strcmp(sql_va(stage->raw, format, args), "t");
        va_end(args);
        if (there)
            return;
        if (clock_now_ms() > until_ms)
            fail_msg("never true: %s", format);
        stage_turn(stage);
    }
}

void stage_wait(struct stage *stage, const char *format, ...)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    for (;;) {
        va_list args;
        va_start(args, format);
        bool there = !strcmp(sql_va(stage->raw, format, args), "t");
        va_end(args);
        if (there)
            return;
        if (clock_now_ms() > until_ms)
            fail_msg("never true: %s", format);
        source_poll(NULL, 0, clock_now_ms() + 2);
    }
}

void stage_until_blocked(struct stage *stage, const char *application, int count)
{
    /* Another connection: `raw` may be in a transaction, where the statistics stand still. */
    PGconn *conn = stage_connect(stage);
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (stage_number(conn,
                        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s' "
                        "AND wait_event_type = 'Lock'",
                        application) < count) {
        if (clock_now_ms() > until_ms)
            fail_msg("nothing of %s waits for a lock", application);
        stage_turn(stage);
    }
    PQfinish(conn);
}

/* Writable only: what the server says stays unread. */
void stage_send(struct storage *store)
{
    struct source sources[STORAGE_SOURCES_MAX];
    size_t count = storage_sources(store, sources);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < count; i++) {
            struct interest interest;
            sources[i].interest(sources[i].self, clock_now_ms(), &interest);
            if (interest.want_write && interest.fd >= 0)
                sources[i].process(sources[i].self, false, true, clock_now_ms());
        }
    }
}

void stage_lose_answers(struct storage *store)
{
    struct source sources[STORAGE_SOURCES_MAX];
    size_t count = storage_sources(store, sources);
    for (size_t i = 0; i < count; i++) {
        struct interest interest;
        char stolen[4096];
        sources[i].interest(sources[i].self, clock_now_ms(), &interest);
        if (interest.fd < 0)
            continue;
        while (recv(interest.fd, stolen, sizeof stolen, MSG_DONTWAIT) > 0)
            ;
        shutdown(interest.fd, SHUT_RDWR);
    }
}

struct post_request stage_post_request(void)
{
    return (struct post_request){.id = entropy_uuid_v7(),
                                 .flow_name = TEXT("hello"),
                                 .flow_text = TEXT("flow: hello\nsteps: [{noop: }]\n"),
                                 .input = TEXT("{\"a\": 1.10}"),
                                 .pool = {"-"},
                                 .shard = 7,
                                 .priority = PRIORITY_DEFAULT};
}

struct uuid stage_post(struct stage *stage, struct storage *store)
{
    struct storage_answer answer;
    struct post_request request = stage_post_request();
    storage_post(store, &request, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    assert_int_equal(answer.u.post.outcome, POST_OK);
    return request.id;
}

struct claim_request stage_claim_request(const struct uuid *job, int64_t epoch_seen)
{
    uint8_t bytes[16];
    entropy_bytes(bytes, sizeof bytes);
    return (struct claim_request){.job = *job,
                                  .epoch_seen = epoch_seen,
                                  .claim = uuid_v4(bytes),
                                  .owner = entropy_uuid_v7(),
                                  .engine = TEXT("e1")};
}

struct claim_answer stage_claim(struct stage *stage, struct storage *store, const struct uuid *job,
                                int64_t epoch_seen, struct uuid *ret_claim)
{
    struct storage_answer answer;
    struct claim_request request = stage_claim_request(job, epoch_seen);
    storage_claim(store, &request, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    if (ret_claim)
        *ret_claim = request.claim;
    return answer.u.claim;
}

struct save stage_save_request(const struct job_row *row)
{
    static const struct task_change task = {
        .row = {.path = {"one", 3}, .state = TASK_SUCCESS, .attempt = 1, .result = {"1.10", 4}},
        .begins = true,
        .ends = true};
    static const struct history_line lines[] = {
        {.task = {"one", 3}, .attempt = 1, .state = TASK_RUNNING},
        {.task = {"one", 3}, .attempt = 1, .state = TASK_SUCCESS}};
    return (struct save){.job = row->id,
                         .epoch = row->epoch,
                         .claim = row->claim,
                         .save_no = row->save_no,
                         .state = JOB_RUNNING,
                         .inbox_seen = row->inbox_seq,
                         .inbox_applied = row->inbox_applied,
                         .records_step = true,
                         .engine = TEXT("e1"),
                         .tasks = &task,
                         .task_count = 1,
                         .history = lines,
                         .history_count = 2};
}

struct save_answer stage_save(struct stage *stage, struct storage *store, const struct save *save)
{
    struct storage_answer answer;
    storage_save(store, save, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    return answer.u.saved;
}

struct job_row stage_row(struct stage *stage, struct storage *store, const struct uuid *job)
{
    struct storage_answer answer;
    storage_rows(store, job, 1, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    assert_int_equal(answer.u.rows.code, 0);
    assert_int_equal(answer.u.rows.count, 1);
    return answer.u.rows.rows[0];
}
