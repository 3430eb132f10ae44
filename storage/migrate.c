/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a schema to this program's version. Blocking, on a connection of its own. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/os/clock.h"
#include "storage/migrations.h"
#include "storage/params.h"
#include "storage/storage.h"
#include "storage/targets.h"

/* Another one may be at it; longer than that is no migration any more. */
#define LOCK_WAIT_MS 120000

static int connection_failed(PGconn *conn, struct error *ret_error)
{
    const char *message = PQerrorMessage(conn);
    int len = (int)strlen(message);
    while (len && (message[len - 1] == '\n' || message[len - 1] == ' '))
        len--;
    return error_set(ret_error, ERR_UNREACHABLE, "postgres: %.*s", len, message);
}

/* Polls until it is connected; PQconnectPoll knows no time limit of its own. */
static int finish_connecting(PGconn *conn, int64_t timeout_ms, struct error *ret_error)
{
    int64_t until_ms = clock_now_ms() + timeout_ms;
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    if (PQstatus(conn) == CONNECTION_BAD)
        return connection_failed(conn, ret_error);
    for (;;) {
        if (next == PGRES_POLLING_OK)
            return 0;
        if (next == PGRES_POLLING_FAILED)
            return connection_failed(conn, ret_error);
        int64_t left_ms = until_ms - clock_now_ms();
        struct pollfd fd = {.fd = PQsocket(conn),
                            .events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        int ready = left_ms > 0 ? poll(&fd, 1, (int)left_ms) : 0;
        if (ready < 0)
            return error_set(ret_error, errno == EINTR ? ERR_INTERRUPTED : ERR_SYSTEM,
                             "postgres: waiting for a connection");
        if (ready == 0)
            return error_set(ret_error, ERR_TIMEOUT, "postgres: no connection in %lld ms",
                             (long long)timeout_ms);
        next = PQconnectPoll(conn);
    }
}

static int connect_to_any(const struct targets *targets, const struct storage_options *options,
                          PGconn **ret_conn, struct error *ret_error)
{
    int code = ERR_UNREACHABLE;
    for (size_t i = 0; i < targets->count; i++) {
        PGconn *conn = targets_connect(targets, i);
        code = finish_connecting(conn, options->connect_timeout_ms, ret_error);
        if (!code) {
            *ret_conn = conn;
            return 0;
        }
        PQfinish(conn);
        if (code == ERR_INTERRUPTED)
            return code;
    }
    return code;
}

/* One statement or several; results of queries in `ret_result` (may be NULL). */
static int run(PGconn *conn, const char *sql, PGresult **ret_result, struct error *ret_error)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
        if (ret_result)
            *ret_result = result;
        else
            PQclear(result);
        return 0;
    }
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    bool lost = PQstatus(conn) == CONNECTION_BAD;
    error_set(ret_error, lost ? ERR_UNREACHABLE : ERR_REFUSED, "postgres: %s",
              message && !lost ? message : "the connection broke");
    PQclear(result);
    return ret_error->code;
}

/* A question with one answer, as text in `ret_text` (cut to `size`); "" for null. */
static int ask(PGconn *conn, const char *sql, char *ret_text, size_t size, struct error *ret_error)
{
    PGresult *result;
    int code = run(conn, sql, &result, ret_error);
    if (code)
        return code;
    snprintf(ret_text, size, "%s", PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return 0;
}

static int prepare_session(PGconn *conn, const char *schema, struct error *ret_error)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "SET search_path TO \"%s\", pg_temp; SET client_min_messages TO warning;"
             "SET default_transaction_isolation TO 'read committed';"
             "SET default_transaction_read_only TO off; SET synchronous_commit TO on;"
             "SET lock_timeout TO %d; SET statement_timeout TO 0",
             schema, LOCK_WAIT_MS);
    return run(conn, sql, NULL, ret_error);
}

/* The schema's version, 0 when there is none yet. Fills in ERR_NOT_FOUND for no schema. */
static int read_version(PGconn *conn, const char *schema, int *ret_version, struct error *ret_error)
{
    char text[32], sql[256];
    snprintf(sql, sizeof sql, "SELECT coalesce(to_regclass('\"%s\".schema_migrations')::text, '')",
             schema);
    int code = ask(conn, sql, text, sizeof text, ret_error);
    if (code)
        return code;
    if (!text[0])
        return error_set(ret_error, ERR_NOT_FOUND,
                         "there is no board in schema \"%s\": run jobboard migrate", schema);
    code = ask(conn, "SELECT coalesce(max(version), 0) FROM schema_migrations", text, sizeof text,
               ret_error);
    *ret_version = (int)strtol(text, NULL, 10);
    return code;
}

static int make_schema(PGconn *conn, const char *schema, struct error *ret_error)
{
    char text[64], sql[256];
    int code = ask(conn, "SHOW server_encoding", text, sizeof text, ret_error);
    if (code)
        return code;
    if (strcmp(text, "UTF8"))
        return error_set(ret_error, ERR_INVALID,
                         "the database's encoding is %s: the board needs one with UTF8", text);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'", schema);
    code = ask(conn, sql, text, sizeof text, ret_error);
    if (!code && !strcmp(text, "0")) {
        snprintf(sql, sizeof sql, "CREATE SCHEMA \"%s\"", schema);
        code = run(conn, sql, NULL, ret_error);
    }
    return code ? code
                : run(conn,
                      "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY,"
                      " name text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())",
                      NULL, ret_error);
}

static int apply(PGconn *conn, const struct migration *migration, struct error *ret_error)
{
    char sql[256];
    snprintf(sql, sizeof sql, "INSERT INTO schema_migrations (version, name) VALUES (%d, '%s')",
             migration->version, migration->name);
    int code = run(conn, "BEGIN", NULL, ret_error);
    if (!code)
        code = run(conn, migration->sql, NULL, ret_error);
    if (!code)
        code = run(conn, sql, NULL, ret_error);
    if (!code)
        code = run(conn, "COMMIT", NULL, ret_error);
    if (code)
        error_wrap(ret_error, "migration %s", migration->name);
    return code;
}

static int too_new(const char *schema, int version, struct error *ret_error)
{
    return error_set(ret_error, ERR_SCHEMA,
                     "schema \"%s\" has version %d, this program knows %d: use a newer program",
                     schema, version, SCHEMA_VERSION);
}

static int migrate_locked(PGconn *conn, const char *schema, int *ret_from, int *ret_to,
                          struct error *ret_error)
{
    int version = 0;
    int code = make_schema(conn, schema, ret_error);
    if (!code)
        code = read_version(conn, schema, &version, ret_error);
    if (code)
        return code;
    if (version > SCHEMA_VERSION)
        return too_new(schema, version, ret_error);
    *ret_from = version;
    for (const struct migration *m = migrations; m->version && !code; m++)
        if (m->version > version)
            code = apply(conn, m, ret_error);
    *ret_to = SCHEMA_VERSION;
    return code;
}

/* Session locks: they go with the connection, whatever happens. */
static int lock_schema(PGconn *conn, const char *schema, struct error *ret_error)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT pg_advisory_lock(hashtext('jobboard migrate'), hashtext('%s'))", schema);
    return run(conn, sql, NULL, ret_error);
}

static int open_session(const struct storage_options *options, struct targets *ret_targets,
                        PGconn **ret_conn, struct error *ret_error)
{
    int code = targets_init(ret_targets, options, ret_error);
    if (!code)
        code = connect_to_any(ret_targets, options, ret_conn, ret_error);
    if (!code)
        code = prepare_session(*ret_conn, options->schema, ret_error);
    return code;
}

int storage_migrate(const struct storage_options *options, int *ret_from, int *ret_to,
                    struct error *ret_error)
{
    struct targets targets;
    PGconn *conn = NULL;
    int code = open_session(options, &targets, &conn, ret_error);
    if (!code)
        code = lock_schema(conn, options->schema, ret_error);
    if (!code)
        code = migrate_locked(conn, options->schema, ret_from, ret_to, ret_error);
    PQfinish(conn);
    targets_done(&targets);
    return code;
}

static int read_row(PGconn *conn, struct board_row *ret_board, struct error *ret_error)
{
    PGresult *result;
    int code = run(conn,
                   "SELECT board, shard_count, CASE WHEN lease_seen IS NULL THEN -1 ELSE"
                   " greatest(0, (extract(epoch FROM clock_timestamp() - lease_seen)"
                   " * 1000)::bigint) END FROM board",
                   &result, ret_error);
    if (code)
        return code;
    if (PQntuples(result) != 1 ||
        !uuid_parse(text_of(PQgetvalue(result, 0, 0)), &ret_board->board)) {
        PQclear(result);
        return error_set(ret_error, ERR_INVALID, "table board does not hold one row");
    }
    ret_board->shard_count = (int32_t)strtol(PQgetvalue(result, 0, 1), NULL, 10);
    ret_board->lease_seen_age_ms = strtoll(PQgetvalue(result, 0, 2), NULL, 10);
    PQclear(result);
    return 0;
}

static int check_version(PGconn *conn, const char *schema, struct error *ret_error)
{
    int version;
    int code = read_version(conn, schema, &version, ret_error);
    if (code)
        return code;
    if (version > SCHEMA_VERSION)
        return too_new(schema, version, ret_error);
    if (version < SCHEMA_VERSION)
        return error_set(ret_error, ERR_SCHEMA,
                         "schema \"%s\" has version %d, this program needs %d: run jobboard "
                         "migrate",
                         schema, version, SCHEMA_VERSION);
    return 0;
}

int storage_read_board(const struct storage_options *options, struct board_row *ret_board,
                       struct error *ret_error)
{
    struct targets targets;
    PGconn *conn = NULL;
    int code = open_session(options, &targets, &conn, ret_error);
    if (!code)
        code = check_version(conn, options->schema, ret_error);
    if (!code)
        code = read_row(conn, ret_board, ret_error);
    PQfinish(conn);
    targets_done(&targets);
    return code;
}
