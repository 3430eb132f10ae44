/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a job, written without judging anything: no fence, no look at what is there. */
#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/os/entropy.h"
#include "bench/ceiling_private.h"

#define PARAMS_MAX   20
#define TIME_2000_US INT64_C(946684800000000) /* Postgres counts from the year 2000 */
#define ENGINE       "ceiling"
#define FLOW_HASH    "00000000000000000000000000000000" /* 32 bytes, like a sha256 */

enum type { T_UUID, T_INT, T_TIME, T_TEXT, T_JSON, T_BOOL, TYPES };

static const struct {
    Oid type, array;
} oids[TYPES] = {
    [T_UUID] = {2950, 2951}, [T_INT] = {23, 1007},  [T_TIME] = {1184, 1185},
    [T_TEXT] = {25, 1009},   [T_JSON] = {114, 199}, [T_BOOL] = {16, 1000},
};

/* Parameters of one statement: all arrays, in the binary format. */
struct arrays {
    size_t count;
    enum type types[PARAMS_MAX];
    struct buffer data[PARAMS_MAX];
    uint32_t elements[PARAMS_MAX];
};

/* ----------------------------------------------------------------------------------- parameters */

static void arrays_init(struct arrays *arrays, const enum type *types, size_t count)
{
    CHECK(count <= PARAMS_MAX);
    *arrays = (struct arrays){.count = count};
    for (size_t i = 0; i < count; i++) {
        arrays->types[i] = types[i];
        buffer_init(&arrays->data[i], 0);
        buffer_add(&arrays->data[i], (char[20]){0}, 20);
    }
}

static void add(struct arrays *arrays, size_t index, const void *data, size_t len)
{
    CHECK(index < arrays->count);
    uint32_t length = htonl(data ? (uint32_t)len : UINT32_MAX);
    buffer_add(&arrays->data[index], &length, sizeof length);
    if (data)
        buffer_add(&arrays->data[index], data, len);
    arrays->elements[index]++;
}

static void add_uuid(struct arrays *arrays, size_t index, const struct uuid *uuid)
{
    add(arrays, index, uuid->bytes, sizeof uuid->bytes);
}

static void add_int(struct arrays *arrays, size_t index, uint32_t value)
{
    uint32_t bytes = htonl(value);
    add(arrays, index, &bytes, sizeof bytes);
}

static void add_time(struct arrays *arrays, size_t index, int64_t unix_us)
{
    uint64_t bytes = htobe64((uint64_t)(unix_us - TIME_2000_US));
    add(arrays, index, &bytes, sizeof bytes);
}

static void add_string(struct arrays *arrays, size_t index, const char *string)
{
    add(arrays, index, string, string ? strlen(string) : 0);
}

/* The head of an array: dimensions, whether there are nulls, type, length, first index. */
static void write_head(struct arrays *arrays, size_t index)
{
    uint32_t head[5] = {htonl(1), htonl(1), htonl(oids[arrays->types[index]].type),
                        htonl(arrays->elements[index]), htonl(1)};
    if (!arrays->elements[index]) {
        head[0] = 0;
        arrays->data[index].len = 12;
    }
    memcpy(arrays->data[index].data, head, arrays->data[index].len < 20 ? 12 : 20);
}

static void send_arrays(struct store *store, const char *name, struct arrays *arrays)
{
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX], formats[PARAMS_MAX];
    for (size_t i = 0; i < arrays->count; i++) {
        write_head(arrays, i);
        values[i] = arrays->data[i].data;
        lengths[i] = (int)arrays->data[i].len;
        formats[i] = 1;
    }
    if (!PQsendQueryPrepared(store->conn, name, (int)arrays->count, values, lengths, formats, 1))
        ceiling_die(name, PQerrorMessage(store->conn));
    PQflush(store->conn);
    for (size_t i = 0; i < arrays->count; i++)
        buffer_done(&arrays->data[i]);
}

/* ----------------------------------------------------------------------------------- statements */

#define POST_TYPES                                                                                 \
    {                                                                                              \
        T_UUID, T_INT, T_TIME                                                                      \
    }
static const char post_sql[] =
    "WITH r AS MATERIALIZED (SELECT * FROM unnest($1, $2, $3) AS r(id, shard, at)), "
    "j AS (INSERT INTO jobs (id, flow, pool, shard, priority, state, history_seq, ready_at,"
    "  posted_at, changed_at)"
    " SELECT id, '" FLOW_HASH "'::bytea, '-', shard, 5, 'READY', 1, at, at, at FROM r), "
    "p AS (INSERT INTO payloads (job, input) SELECT id, '{}' FROM r) "
    "INSERT INTO history (at, epoch, seq, attempt, job, state)"
    " SELECT at, 0, 1, 0, id, 'READY' FROM r";

#define CLAIM_TYPES                                                                                \
    {                                                                                              \
        T_UUID, T_UUID, T_UUID                                                                     \
    }
static const char claim_sql[] =
    "WITH j AS (UPDATE jobs j SET epoch = 1, claim = r.claim, owner = r.owner, state = 'RUNNING',"
    "  changed_at = clock_timestamp(), started_at = clock_timestamp(), history_seq = 2"
    " FROM unnest($1, $2, $3) AS r(id, claim, owner) WHERE j.id = r.id) "
    "INSERT INTO history (at, epoch, seq, attempt, job, state, engine)"
    " SELECT clock_timestamp(), 1, 2, 0, id, 'RUNNING', '" ENGINE "' FROM unnest($1) AS r(id)";

/* Jobs · tasks that begin here · tasks that began in an earlier save · history */
enum {
    JOB,
    JOB_STATE,
    JOB_LINES,
    NEW_JOB,
    NEW_PATH,
    NEW_STATE,
    NEW_RESULT,
    NEW_ENDS,
    OLD_JOB,
    OLD_PATH,
    OLD_RESULT,
    LINE_JOB,
    LINE_SEQ,
    LINE_ATTEMPT,
    LINE_STATE,
    LINE_TASK,
};
#define SAVE_TYPES                                                                                 \
    {                                                                                              \
        T_UUID, T_TEXT, T_INT, T_UUID, T_TEXT, T_TEXT, T_JSON, T_BOOL, T_UUID, T_TEXT, T_JSON,     \
            T_UUID, T_INT, T_INT, T_TEXT, T_TEXT                                                   \
    }
static const char save_sql[] =
    "WITH j AS (UPDATE jobs j SET save_no = save_no + 1, state = r.state::job_state,"
    "  history_seq = history_seq + r.lines,"
    "  changed_at = CASE WHEN r.state = 'RUNNING' THEN changed_at ELSE clock_timestamp() END,"
    "  ended_at = CASE WHEN r.state = 'RUNNING' THEN NULL ELSE clock_timestamp() END"
    " FROM unnest($1, $2, $3) AS r(id, state, lines) WHERE j.id = r.id), "
    "n AS (INSERT INTO tasks (job, path, state, attempt, result, engine, epoch, started_at,"
    "  ended_at)"
    " SELECT job, path, state::task_state, 1, result, '" ENGINE "', 1, clock_timestamp(),"
    "  CASE WHEN ends THEN clock_timestamp() END"
    " FROM unnest($4, $5, $6, $7, $8) AS t(job, path, state, result, ends)), "
    "o AS (UPDATE tasks t SET state = 'SUCCESS', result = r.result, ended_at = clock_timestamp()"
    " FROM unnest($9, $10, $11) AS r(job, path, result)"
    " WHERE t.job = r.job AND t.path = r.path) "
    "INSERT INTO history (at, epoch, seq, attempt, job, state, task, engine)"
    " SELECT clock_timestamp(), 1, seq, attempt, job, state, task, '" ENGINE "'"
    " FROM unnest($12, $13, $14, $15, $16) AS l(job, seq, attempt, state, task)";

static const struct {
    const char *name, *sql;
    size_t count;
    enum type types[PARAMS_MAX];
} statements[] = {
    {"post", post_sql, 3, POST_TYPES},
    {"claim", claim_sql, 3, CLAIM_TYPES},
    {"save", save_sql, 16, SAVE_TYPES},
};

/* ---------------------------------------------------------------------------------- connections */

static void must(PGconn *conn, PGresult *result, const char *what)
{
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        ceiling_die(what, PQerrorMessage(conn));
    PQclear(result);
}

/* Plans are made for batches of ids, whatever the statistics say of an empty table. */
static const char settings_sql[] =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
    "SET plan_cache_mode = force_generic_plan; SET jit = off";
static const char flow_sql[] =
    "INSERT INTO flows (hash, name, text) VALUES ('" FLOW_HASH "'::bytea, 'ceiling', '')"
    " ON CONFLICT DO NOTHING";

void store_open(struct store *store, const char *conninfo, const char *schema)
{
    char path[128];
    store->boot = entropy_uuid_v7();
    store->conn = PQconnectdb(conninfo);
    if (PQstatus(store->conn) != CONNECTION_OK)
        ceiling_die("postgres", PQerrorMessage(store->conn));
    snprintf(path, sizeof path, "SET search_path TO \"%s\"", schema);
    must(store->conn, PQexec(store->conn, path), "search_path");
    must(store->conn, PQexec(store->conn, settings_sql), "settings");
    must(store->conn, PQexec(store->conn, flow_sql), "flow");
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        Oid types[PARAMS_MAX];
        for (size_t p = 0; p < statements[i].count; p++)
            types[p] = oids[statements[i].types[p]].array;
        must(store->conn,
             PQprepare(store->conn, statements[i].name, statements[i].sql, (int)statements[i].count,
                       types),
             statements[i].name);
    }
    PQsetnonblocking(store->conn, 1);
}

void store_close(struct store *store)
{
    PQfinish(store->conn);
}

bool store_is_done(struct store *store)
{
    if (PQflush(store->conn) < 0 || !PQconsumeInput(store->conn))
        ceiling_die("postgres", PQerrorMessage(store->conn));
    if (PQisBusy(store->conn))
        return false;
    PGresult *result;
    while ((result = PQgetResult(store->conn)))
        must(store->conn, result, "statement");
    return true;
}

/* --------------------------------------------------------------------------------------- writing
 */

static void begin(struct arrays *arrays, size_t statement)
{
    arrays_init(arrays, statements[statement].types, statements[statement].count);
}

void store_post(struct store *store, const struct job *jobs, size_t count)
{
    struct arrays arrays;
    begin(&arrays, 0);
    for (size_t i = 0; i < count; i++) {
        add_uuid(&arrays, 0, &jobs[i].id);
        add_int(&arrays, 1, jobs[i].shard);
        add_time(&arrays, 2, jobs[i].ready_at_us);
    }
    send_arrays(store, "post", &arrays);
}

void store_claim(struct store *store, const struct job *jobs, size_t count)
{
    struct arrays arrays;
    begin(&arrays, 1);
    for (size_t i = 0; i < count; i++) {
        add_uuid(&arrays, 0, &jobs[i].id);
        add_uuid(&arrays, 1, &jobs[i].claim);
        add_uuid(&arrays, 2, &store->boot);
    }
    send_arrays(store, "claim", &arrays);
}

static const char *const paths[STEPS] = {"step1", "step2", "step3"};
static const char *const results[] = {
    [KIND_NOOP] = "null", [KIND_SET] = "{\"n\": 1}", [KIND_RUN] = "\"\""};

static void add_line(struct arrays *arrays, const struct job *job, uint32_t seq, const char *state,
                     const char *task)
{
    add_uuid(arrays, LINE_JOB, &job->id);
    add_int(arrays, LINE_SEQ, seq);
    add_int(arrays, LINE_ATTEMPT, task ? 1 : 0);
    add_string(arrays, LINE_STATE, state);
    add_string(arrays, LINE_TASK, task);
}

static void add_new_task(struct arrays *arrays, const struct job *job, int step, const char *result)
{
    add_uuid(arrays, NEW_JOB, &job->id);
    add_string(arrays, NEW_PATH, paths[step]);
    add_string(arrays, NEW_STATE, result ? "SUCCESS" : "RUNNING");
    add_string(arrays, NEW_RESULT, result);
    add(arrays, NEW_ENDS, result ? "\1" : "\0", 1);
}

int store_saves(enum kind kind)
{
    return kind == KIND_RUN ? STEPS + 1 : 1;
}

/* History lines 1 and 2 are READY and RUNNING of the job. */
static uint32_t save_at_once(struct arrays *arrays, enum kind kind, const struct job *job)
{
    uint32_t seq = 3;
    for (int step = 0; step < STEPS; step++) {
        add_new_task(arrays, job, step, results[kind]);
        add_line(arrays, job, seq++, "RUNNING", paths[step]);
        add_line(arrays, job, seq++, "SUCCESS", paths[step]);
    }
    add_line(arrays, job, seq++, "SUCCESS", NULL);
    return seq - 3;
}

/* The step before ends and this one begins; the last save ends the job. */
static uint32_t save_of_step(struct arrays *arrays, const struct job *job, int save)
{
    uint32_t first = save == 0 ? 3 : 2 * (uint32_t)save + 2, seq = first;
    if (save > 0) {
        add_uuid(arrays, OLD_JOB, &job->id);
        add_string(arrays, OLD_PATH, paths[save - 1]);
        add_string(arrays, OLD_RESULT, results[KIND_RUN]);
        add_line(arrays, job, seq++, "SUCCESS", paths[save - 1]);
    }
    if (save < STEPS) {
        add_new_task(arrays, job, save, NULL);
        add_line(arrays, job, seq++, "RUNNING", paths[save]);
    } else {
        add_line(arrays, job, seq++, "SUCCESS", NULL);
    }
    return seq - first;
}

void store_save(struct store *store, enum kind kind, int save, const struct job *jobs, size_t count)
{
    struct arrays arrays;
    begin(&arrays, 2);
    for (size_t i = 0; i < count; i++) {
        uint32_t lines = kind == KIND_RUN ? save_of_step(&arrays, &jobs[i], save)
                                          : save_at_once(&arrays, kind, &jobs[i]);
        add_uuid(&arrays, JOB, &jobs[i].id);
        add_string(&arrays, JOB_STATE, save + 1 == store_saves(kind) ? "SUCCESS" : "RUNNING");
        add_int(&arrays, JOB_LINES, lines);
    }
    send_arrays(store, "save", &arrays);
}
