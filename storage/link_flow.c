/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "storage/link_private.h"

/* What a role, a database or the server's owner may have set otherwise must not matter. $1 is the
 * path, $2 and $3 are milliseconds, $4 and $5 decide how plans are made: statements over arrays of
 * ids must find their rows by index even while the statistics still say that the table is empty. */
static const char settings_sql[] =
    "SELECT pg_backend_pid(),"
    " (SELECT backend_start::text FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()),"
    " set_config('search_path', $1, false),"
    " set_config('default_transaction_isolation', 'read committed', false),"
    " set_config('default_transaction_read_only', 'off', false),"
    " set_config('default_transaction_deferrable', 'off', false),"
    " CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
    "      THEN set_config('synchronous_commit', 'on', false) END,"
    " set_config('statement_timeout', $2, false),"
    " set_config('idle_in_transaction_session_timeout', $2, false),"
    " set_config('lock_timeout', $3, false),"
    " set_config('enable_seqscan', $4, false),"
    " set_config('enable_nestloop', $4, false),"
    " set_config('enable_mergejoin', $4, false),"
    " set_config('plan_cache_mode', $5, false),"
    " set_config('jit', 'off', false),"
    " set_config('bytea_output', 'hex', false)";

/* Whether this program fits the schema; and our own former backend ends: it may hold row locks,
 * waiting in the middle of a message for a connection that is no more. */
static const char fitness_sql[] =
    "SELECT (SELECT max(version) FROM schema_migrations),"
    " (SELECT count(pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity"
    "  WHERE pid = $1::integer AND backend_start = $2::timestamptz)";

bool link_error_is_ours(const char *sqlstate)
{
    static const char *const ours[] = {"08", "25006", "26", "0A", "28", "42", "53", "57P", "58"};
    for (size_t i = 0; sqlstate && i < sizeof ours / sizeof ours[0]; i++)
        if (!strncmp(sqlstate, ours[i], strlen(ours[i])))
            return true;
    return false;
}

void shot_free(struct shot *shot)
{
    if (shot)
        PQclear(shot->result);
    free(shot);
}

struct shot *link_next(struct link *link)
{
    struct shot *shot = link->done_first;
    if (shot) {
        link->done_first = shot->next;
        if (!shot->next)
            link->done_last = NULL;
        shot->next = NULL;
    }
    return shot;
}

static void append(struct shot **first, struct shot **last, struct shot *shot)
{
    shot->next = NULL;
    if (*last)
        (*last)->next = shot;
    else
        *first = shot;
    *last = shot;
}

static struct shot *take_first(struct link *link)
{
    struct shot *shot = link->first;
    CHECK(shot != NULL);
    link->first = shot->next;
    if (!shot->next)
        link->last = NULL;
    shot->next = NULL;
    return shot;
}

void link_flow_broke(struct link *link)
{
    while (link->first) {
        struct shot *shot = take_first(link);
        shot->broken = true;
        if (shot->own)
            shot_free(shot);
        else
            append(&link->done_first, &link->done_last, shot);
    }
}

/* What was sent needs a sync at its end, which also makes libpq send it. */
static void in_flight(struct link *link, struct shot *shot, bool sent, int64_t now_ms)
{
    if (!link->first)
        link->heard_ms = now_ms;
    shot->sent_ms = now_ms;
    append(&link->first, &link->last, shot);
    if (!sent || !PQpipelineSync(link->conn)) {
        link_break(link, PQerrorMessage(link->conn), now_ms);
        return;
    }
    link->flush_needed = PQflush(link->conn) == 1;
}

static struct shot *own_shot(enum own_shot own)
{
    struct shot *shot = xcalloc(1, sizeof *shot);
    shot->own = (int)own;
    return shot;
}

void link_flow_set_up(struct link *link, int64_t now_ms)
{
    char path[SCHEMA_MAX + 32], statement_ms[24], lock_ms[24], former[16];
    bool batches = link->limits.plans_for_batches;
    snprintf(path, sizeof path, "\"%s\", pg_temp", link->targets->schema);
    snprintf(statement_ms, sizeof statement_ms, "%lld",
             (long long)(link->limits.answer_timeout_ms * 9 / 10 + 1));
    snprintf(lock_ms, sizeof lock_ms, "%lld", (long long)link->limits.lock_timeout_ms);
    snprintf(former, sizeof former, "%d", (int)link->former.pid);
    const char *settings[] = {path, statement_ms, lock_ms, batches ? "off" : "on",
                              batches ? "force_generic_plan" : "force_custom_plan"};
    int sent = PQsendQueryParams(link->conn, settings_sql, 5, NULL, settings, NULL, NULL, 1);
    in_flight(link, own_shot(OWN_SETTINGS), sent, now_ms);
    if (link->state != LINK_SETTING_UP)
        return;
    const char *fitness[] = {former, link->former.pid ? link->former.start : "epoch"};
    sent = PQsendQueryParams(link->conn, fitness_sql, 2, NULL, fitness, NULL, NULL, 1);
    in_flight(link, own_shot(OWN_FITNESS), sent, now_ms);
}

static bool is_prepared(const struct link *link, const struct statement *statement)
{
    for (size_t i = 0; i < link->prepared_count; i++)
        if (link->prepared[i] == statement)
            return true;
    return false;
}

void link_send(struct link *link, struct shot *shot, struct params *params, int64_t now_ms)
{
    CHECK(link->state == LINK_UP && shot->statement == params->statement && !shot->result);
    if (!is_prepared(link, shot->statement)) {
        Oid types[PARAMS_MAX];
        CHECK(link->prepared_count < PREPARED_MAX);
        link->prepared[link->prepared_count++] = shot->statement;
        params_types(shot->statement, types);
        int sent = PQsendPrepare(link->conn, shot->statement->name, shot->statement->sql,
                                 (int)params->count, types);
        in_flight(link, own_shot(OWN_PREPARE), sent, now_ms);
    }
    if (link->state != LINK_UP) { /* it broke just now */
        shot->broken = true;
        append(&link->done_first, &link->done_last, shot);
        return;
    }
    in_flight(link, shot, params_send(params, link->conn), now_ms);
}

static void session_began(struct link *link, const PGresult *result)
{
    bool ok = true;
    link->now.pid = (int32_t)field_int(result, 0, 0, &ok);
    struct text start = field_text(result, 0, 1);
    snprintf(link->now.start, sizeof link->now.start, "%.*s", TEXT_ARG(start));
    if (!ok || !start.data)
        link->now.pid = 0;
}

static void session_fits(struct link *link, const PGresult *result, int64_t now_ms)
{
    bool ok = true;
    char text[TROUBLE_MAX];
    int64_t version = field_int(result, 0, 0, &ok);
    link->former = (struct backend){0};
    if (ok && version == SCHEMA_VERSION) {
        link_flow_came_up(link);
        return;
    }
    snprintf(text, sizeof text, "schema \"%s\" has version %lld, this program needs %d: %s",
             link->targets->schema, (long long)version, SCHEMA_VERSION,
             version > SCHEMA_VERSION ? "use a newer program" : "run jobboard migrate");
    link_break(link, text, now_ms);
}

static void own_failed(struct link *link, const struct shot *shot, int64_t now_ms)
{
    char text[TROUBLE_MAX];
    const char *sqlstate = PQresultErrorField(shot->result, PG_DIAG_SQLSTATE);
    if (shot->own == OWN_FITNESS && sqlstate && !strcmp(sqlstate, "42P01"))
        snprintf(text, sizeof text, "schema \"%s\" is missing: run jobboard migrate",
                 link->targets->schema);
    else
        snprintf(text, sizeof text, "%s", PQresultErrorMessage(shot->result));
    link_break(link, text, now_ms);
}

static void own_done(struct link *link, struct shot *shot, int64_t now_ms)
{
    ExecStatusType status = PQresultStatus(shot->result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        own_failed(link, shot, now_ms);
    else if (shot->own == OWN_SETTINGS)
        session_began(link, shot->result);
    else if (shot->own == OWN_FITNESS)
        session_fits(link, shot->result, now_ms);
    shot_free(shot);
}

/* An error of the session, as against one of the statement, ends the session: the next one may find
 * another server, and the pause keeps us from asking in a circle. */
static void shot_done(struct link *link, struct shot *shot, int64_t now_ms)
{
    const char *sqlstate = PQresultErrorField(shot->result, PG_DIAG_SQLSTATE);
    bool is_ours = link_error_is_ours(sqlstate);
    if (!sqlstate)
        backoff_succeeded(&link->backoff);
    append(&link->done_first, &link->done_last, shot);
    if (is_ours) {
        shot->broken = true;
        link_break(link, PQresultErrorMessage(shot->result), now_ms);
    }
}

static void synced(struct link *link, int64_t now_ms)
{
    struct shot *shot = take_first(link);
    link->nulls = 0;
    if (shot->own)
        own_done(link, shot, now_ms);
    else
        shot_done(link, shot, now_ms);
}

static bool is_live(const struct link *link)
{
    return link->state == LINK_UP || link->state == LINK_SETTING_UP;
}

/* Takes the results there are. The first result of a statement counts; an aborted pipeline cannot
 * be, since each statement has its own sync. */
static void take_results(struct link *link, int64_t now_ms)
{
    while (is_live(link) && link->first && !PQisBusy(link->conn)) {
        PGresult *result = PQgetResult(link->conn);
        if (!result) {
            if (PQstatus(link->conn) == CONNECTION_BAD || ++link->nulls > 2)
                link_break(link, PQerrorMessage(link->conn), now_ms);
            continue;
        }
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            synced(link, now_ms);
        } else if (!link->first->result) {
            link->first->result = result;
        } else {
            PQclear(result);
        }
        if (is_live(link) && PQstatus(link->conn) == CONNECTION_BAD)
            link_break(link, PQerrorMessage(link->conn), now_ms);
    }
}

void link_flow_process(struct link *link, bool readable, bool writable, int64_t now_ms)
{
    if (writable || link->flush_needed) {
        int left = PQflush(link->conn);
        link->flush_needed = left == 1;
        if (left < 0 && !readable) {
            link_break(link, PQerrorMessage(link->conn), now_ms);
            return;
        }
    }
    if (readable) {
        link->heard_ms = now_ms;
        bool good = PQconsumeInput(link->conn);
        take_results(link, now_ms); /* also the last words of a server that shuts down */
        if (is_live(link) && !link->first)
            (void)PQisBusy(link->conn); /* reads what came unasked */
        if (is_live(link) && (!good || PQstatus(link->conn) == CONNECTION_BAD))
            link_break(link, PQerrorMessage(link->conn), now_ms);
    }
    if (is_live(link) && link->first && now_ms >= link->heard_ms + link->limits.answer_timeout_ms)
        link_break(link, "no answer to a statement in time", now_ms);
}

PGnotify *link_notice(struct link *link)
{
    return link->state == LINK_UP ? PQnotifies(link->conn) : NULL;
}
