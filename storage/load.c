/* SPDX-License-Identifier: Apache-2.0 */
/* Loading claimed jobs. A statement of its own, later than the claim: a claim that waited behind
 * the former owner's save sees tasks as they were before that save. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "storage/storage_private.h"

/* A row of the answer is a flow (once per definition), a job, or a task or inbox row of one. */
enum load_kind { KIND_FLOW, KIND_JOB, KIND_TASK, KIND_INBOX };

/* Columns: kind, ix, the row, then these. */
enum {
    C_ROW = 2,
    C_HASH = C_ROW + JOB_COLUMN_COUNT, /* flow, job */
    C_FIRST,                           /* flow: text · job: input · task: result · inbox: data */
    C_SECOND,                          /* flow: name · job: key · task: failure · inbox: kind */
    C_THIRD,                           /* job: target · task: internal */
    C_POSTED,                          /* job */
    C_PATH,                            /* task, inbox */
    C_STATE,                           /* task */
    C_ATTEMPT,                         /* task · inbox: seq */
    C_NOW,                             /* job */
};

#define NO_ROW                                                                                     \
    "NULL::uuid, NULL, NULL, NULL::uuid, NULL::uuid, NULL, NULL, NULL, NULL::timestamptz, NULL,"   \
    " NULL, NULL, NULL, NULL, NULL::boolean, NULL::boolean"

/* $1 jobs, $2 claims */
static const struct statement load_statement = {
    "load", "UU",
    "WITH mine AS MATERIALIZED ("
    " SELECT r.ix, j.* FROM unnest($1, $2) WITH ORDINALITY AS r(job, my_claim, ix)"
    " JOIN jobs j ON j.id = r.job AND j.claim = r.my_claim WHERE j.id = ANY($1))"
    "SELECT 1, m.ix, " JOB_COLUMNS(
        "m") ", m.flow, p.input::text, m.key, p.target, m.posted_at,"
             " NULL::text, NULL::text, NULL::bigint, clock_timestamp()"
             " FROM mine m LEFT JOIN payloads p ON p.job = m.id AND p.job = ANY($1) "
             "UNION ALL SELECT 0, 0, " NO_ROW
             ", f.hash, f.text, f.name, NULL, NULL, NULL, NULL, NULL, NULL"
             " FROM flows f WHERE f.hash = ANY(ARRAY(SELECT DISTINCT flow FROM mine)) "
             "UNION ALL SELECT 2, m.ix, " NO_ROW ", NULL, t.result::text, t.failure::text,"
             " t.internal::text, NULL, t.path, t.state::text, t.attempt, NULL"
             " FROM mine m JOIN tasks t ON t.job = m.id AND t.job = ANY($1) "
             "UNION ALL SELECT 3, m.ix, " NO_ROW ", NULL, i.data::text, i.kind, NULL, NULL, i.task,"
             " NULL, i.seq, NULL FROM mine m JOIN inbox i ON i.job = m.id AND i.job = ANY($1)"
             "  AND i.seq > m.inbox_applied"};

/* One job of the answer while it is put together. */
struct loading {
    struct answer *answer; /* NULL: the row does not carry the claim */
    struct task_row *tasks;
    size_t task_count, task_capacity;
    struct inbox_row *inbox;
    size_t inbox_count, inbox_capacity;
    const char *fault; /* garbage: what */
};

static void load_bind(struct params *params, struct item *const *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        params_uuid(params, 0, &items[i]->u.load.job);
        params_uuid(params, 1, &items[i]->u.load.claim);
    }
}

static struct answer *answer_load(struct storage *storage, const struct item *item,
                                  enum load_outcome outcome)
{
    struct answer *answer = answer_new(storage, STORAGE_LOADED, item->tag);
    answer->body.u.loaded.outcome = outcome;
    answer->body.u.loaded.load.row.id = item->u.load.job;
    return answer;
}

static int kind_of(const PGresult *result, int row)
{
    bool ok = true;
    return (int)field_int(result, row, 0, &ok);
}

static struct loading *loading_of(struct loading *loadings, size_t count, const PGresult *result,
                                  int row)
{
    bool ok = true;
    int64_t ix = field_int(result, row, 1, &ok);
    CHECK(ok && ix >= 1 && (size_t)ix <= count);
    return &loadings[ix - 1];
}

static void read_flow(struct loading *loading, const PGresult *result, int row)
{
    struct job_load *load = &loading->answer->body.u.loaded.load;
    struct text hash = field_text(result, row, C_HASH);
    for (int i = 0; i < PQntuples(result); i++) {
        if (kind_of(result, i) != KIND_FLOW || !text_equal(field_text(result, i, C_HASH), hash))
            continue;
        load->flow_hash = arena_text(&loading->answer->arena, hash);
        load->flow_text = arena_text(&loading->answer->arena, field_text(result, i, C_FIRST));
        load->flow_name = arena_text(&loading->answer->arena, field_text(result, i, C_SECOND));
        return;
    }
    loading->fault = "its flow is missing";
}

static void read_job(struct storage *storage, const struct item *item, struct loading *loading,
                     const PGresult *result, int row)
{
    bool ok = true;
    loading->answer = answer_load(storage, item, LOAD_OK);
    struct arena *arena = &loading->answer->arena;
    struct job_load *load = &loading->answer->body.u.loaded.load;
    ok = job_row_read(result, row, C_ROW, &load->row);
    load->input = arena_text(arena, field_text(result, row, C_FIRST));
    load->key = arena_text(arena, field_text(result, row, C_SECOND));
    load->target = arena_text(arena, field_text(result, row, C_THIRD));
    load->posted_at_us = field_time_us(result, row, C_POSTED, &ok);
    load->now_us = field_time_us(result, row, C_NOW, &ok);
    read_flow(loading, result, row);
    if (!ok)
        loading->fault = "its row holds garbage";
    else if (!load->input.data)
        loading->fault = "its input is missing";
    else if (load->row.format > FORMAT_NOW)
        loading->fault = "its format is newer than this program";
}

static void read_task(struct loading *loading, const PGresult *result, int row)
{
    bool ok = true;
    struct arena *arena = &loading->answer->arena;
    loading->tasks = arena_grow(arena, loading->tasks, loading->task_count, loading->task_count + 1,
                                &loading->task_capacity, sizeof *loading->tasks);
    struct task_row *task = &loading->tasks[loading->task_count++];
    task->result = arena_text(arena, field_text(result, row, C_FIRST));
    task->failure = arena_text(arena, field_text(result, row, C_SECOND));
    task->internal = arena_text(arena, field_text(result, row, C_THIRD));
    task->path = arena_text(arena, field_text(result, row, C_PATH));
    task->attempt = (int32_t)field_int(result, row, C_ATTEMPT, &ok);
    if (!task_state_find(field_text(result, row, C_STATE), &task->state) || !ok ||
        !task->path.data || task->attempt < 0)
        loading->fault = "a row of its tasks holds garbage";
}

/* Put in by its number, since rows come in no promised order; there are few. */
static void read_inbox(struct loading *loading, const PGresult *result, int row)
{
    bool ok = true;
    struct arena *arena = &loading->answer->arena;
    size_t at = loading->inbox_count++;
    loading->inbox = arena_grow(arena, loading->inbox, at, at + 1, &loading->inbox_capacity,
                                sizeof *loading->inbox);
    struct inbox_row read = {
        .seq = field_int(result, row, C_ATTEMPT, &ok),
        .kind = arena_text(arena, field_text(result, row, C_SECOND)),
        .task = arena_text(arena, field_text(result, row, C_PATH)),
        .data = arena_text(arena, field_text(result, row, C_FIRST)),
    };
    if (!ok || !read.kind.data)
        loading->fault = "a row of its inbox holds garbage";
    for (; at > 0 && loading->inbox[at - 1].seq > read.seq; at--)
        loading->inbox[at] = loading->inbox[at - 1];
    loading->inbox[at] = read;
}

static void finish(struct storage *storage, const struct item *item, struct loading *loading)
{
    if (!loading->answer) {
        storage->counts.refused++;
        answer_load(storage, item, LOAD_REFUSED);
        return;
    }
    struct storage_answer *body = &loading->answer->body;
    body->u.loaded.load.tasks = loading->tasks;
    body->u.loaded.load.task_count = loading->task_count;
    body->u.loaded.load.inbox = loading->inbox;
    body->u.loaded.load.inbox_count = loading->inbox_count;
    if (!loading->fault)
        return;
    body->u.loaded.outcome = LOAD_INVALID;
    body->text = arena_printf(&loading->answer->arena, "job %s: %s", UUID_STR(&item->u.load.job),
                              loading->fault);
}

/* The rows come in no promised order: jobs first, then what belongs to them. */
static void load_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    struct loading *loadings = xcalloc(batch->count, sizeof *loadings);
    int rows = PQntuples(result);
    for (int row = 0; row < rows; row++) {
        if (kind_of(result, row) != KIND_JOB)
            continue;
        struct loading *loading = loading_of(loadings, batch->count, result, row);
        if (!loading->answer)
            read_job(storage, batch->items[loading - loadings], loading, result, row);
    }
    for (int row = 0; row < rows; row++) {
        int kind = kind_of(result, row);
        if (kind != KIND_TASK && kind != KIND_INBOX)
            continue;
        struct loading *loading = loading_of(loadings, batch->count, result, row);
        if (loading->answer && kind == KIND_TASK)
            read_task(loading, result, row);
        else if (loading->answer)
            read_inbox(loading, result, row);
    }
    for (size_t i = 0; i < batch->count; i++)
        finish(storage, batch->items[i], &loadings[i]);
    free(loadings);
}

static void load_unknown(struct storage *storage, struct item *item)
{
    storage->counts.unknown++;
    answer_load(storage, item, LOAD_UNKNOWN);
}

static void load_failed(struct storage *storage, struct item *item, enum failure_kind kind,
                        struct text text)
{
    bool busy = kind == FAILED_BUSY;
    struct answer *answer = answer_load(storage, item, busy ? LOAD_UNKNOWN : LOAD_INVALID);
    answer->body.text = arena_text(&answer->arena, text);
}

const struct lane_type lane_load = {
    .name = "load",
    .link = LINK_WORK,
    .count = COUNT_LOAD,
    .rows_max = LOAD_ROWS_MAX,
    .batches_max = 1,
    .statement = &load_statement,
    .bind = load_bind,
    .decode = load_decode,
    .unknown = load_unknown,
    .failed = load_failed,
};

void storage_load(struct storage *storage, const struct uuid *job, const struct uuid *claim,
                  uint64_t tag)
{
    struct item *item = item_new();
    item->tag = tag;
    item->u.load.job = *job;
    item->u.load.claim = *claim;
    lane_add(storage, LANE_LOAD, item);
}
