/* SPDX-License-Identifier: Apache-2.0 */
/* Reading rows: for claiming, for shard_sync, for late work, for the claim audit. */
#include <string.h>

#include "base/check.h"
#include "storage/storage_private.h"

static const struct statement rows_statement = {
    "rows", "UI",
    "SELECT r.call, " JOB_COLUMNS(
        "j") " FROM unnest($1, $2) AS r(id, call) JOIN jobs j ON j.id = r.id ORDER BY r.call"};

/* $1 pool, $2 shard, $3 window, $4 further ids */
static const struct statement shard_rows_statement = {
    "shard_rows", "tiiU",
    "WITH wanted AS ("
    " (SELECT id FROM jobs WHERE pool = $1 AND shard = $2 AND state = 'READY'"
    "  ORDER BY priority, ready_at, id LIMIT $3)"
    " UNION SELECT id FROM jobs"
    "  WHERE pool = $1 AND shard = $2 AND state IN ('RUNNING', 'REVERTING')"
    " UNION SELECT unnest($4))"
    "SELECT 0, " JOB_COLUMNS("j") " FROM wanted w JOIN jobs j ON j.id = w.id"};

/* $1 our tags, $2 pools on the board, $3 boots, $4 first shard, $5 limit, $6 format. What is on
 * hold or of a newer format nobody may claim: it would only fill the list. Rows that changed just
 * now are on their way.
 *
 * `waiting` hops over the index from pool to pool, one row of each: all rows of a pool have the
 * same tags, and a million of them in pools that are not ours cost one hop each pool. */
#define READY_FROM(range)                                                                          \
    "(SELECT * FROM jobs WHERE pool = p.pool AND state = 'READY' AND shard " range                 \
    "  AND ready_at < clock_timestamp() - interval '1 s' AND format <= $6"                         \
    "  ORDER BY shard, priority, ready_at, id LIMIT $5)"
static const struct statement late_rows_statement = {
    "late_rows", "TTUiii",
    "WITH RECURSIVE waiting(pool, tags) AS ("
    " (SELECT pool, tags FROM jobs WHERE state = 'READY' ORDER BY pool LIMIT 1)"
    " UNION ALL SELECT n.pool, n.tags FROM waiting w, LATERAL"
    "  (SELECT pool, tags FROM jobs WHERE state = 'READY' AND pool > w.pool"
    "   ORDER BY pool LIMIT 1) n)"
    "SELECT 0, " JOB_COLUMNS(
        "j") ", array_to_string(j.tags, E'\n') FROM ("
             " (SELECT * FROM jobs WHERE state IN ('RUNNING', 'REVERTING') AND tags <@ $1"
             "   AND (owner <> ALL($3)) IS NOT FALSE AND format <= $6"
             "   AND (hold_until IS NULL OR hold_until <= clock_timestamp())"
             "  ORDER BY shard < $4, shard LIMIT $5)"
             " UNION ALL"
             " SELECT r.* FROM"
             "  (SELECT pool FROM waiting WHERE tags <@ $1 ORDER BY pool = ANY($2)) p,"
             "  LATERAL (" READY_FROM(">= $4") " UNION ALL " READY_FROM("< $4") ") r"
                                                                                ") j LIMIT $5"};

static const struct statement owned_rows_statement = {
    "owned_rows", "u",
    "SELECT 0, " JOB_COLUMNS("j") " FROM jobs j"
                                  " WHERE owner = $1 AND state IN ('RUNNING', 'REVERTING')"};

bool job_state_find(struct text name, enum job_state *ret_state)
{
    for (enum job_state s = 0; s < JOB_STATES; s++) {
        if (text_equal(name, text_of(job_state_name(s)))) {
            *ret_state = s;
            return true;
        }
    }
    return false;
}

bool task_state_find(struct text name, enum task_state *ret_state)
{
    for (enum task_state s = 0; s < TASK_STATES; s++) {
        if (text_equal(name, text_of(task_state_name(s)))) {
            *ret_state = s;
            return true;
        }
    }
    return false;
}

static bool pool_read(struct text name, struct pool *ret_pool)
{
    *ret_pool = (struct pool){{0}};
    if (name.len != 1 && name.len != POOL_LEN)
        return false;
    memcpy(ret_pool->name, name.data, name.len);
    return true;
}

const struct text *tags_split(struct arena *arena, struct text joined, size_t *ret_count)
{
    struct text copy = arena_text(arena, joined);
    struct text *tags = arena_calloc(arena, copy.len + 1, sizeof *tags);
    const char *p = copy.data, *end = copy.data ? copy.data + copy.len : NULL;
    size_t count = 0;
    while (p && p < end) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((line ? line : end) - p);
        tags[count++] = (struct text){p, len};
        p += len + 1;
    }
    *ret_count = count;
    return tags;
}

bool job_row_read(const PGresult *result, int row, int column, struct job_row *ret_row)
{
    bool ok = true;
    struct job_row *r = ret_row;
    *r = (struct job_row){0};
    r->id = field_uuid(result, row, column++, &ok);
    ok &= job_state_find(field_text(result, row, column++), &r->state);
    r->epoch = field_int(result, row, column++, &ok);
    r->claim = field_uuid(result, row, column++, &ok);
    r->owner = field_uuid(result, row, column++, &ok);
    r->save_no = field_int(result, row, column++, &ok);
    r->inbox_seq = field_int(result, row, column++, &ok);
    r->inbox_applied = field_int(result, row, column++, &ok);
    r->ready_at_us = field_time_us(result, row, column++, &ok);
    ok &= pool_read(field_text(result, row, column++), &r->pool);
    int64_t shard = field_int(result, row, column++, &ok);
    int64_t priority = field_int(result, row, column++, &ok);
    r->unclean = (int32_t)field_int(result, row, column++, &ok);
    r->format = (int32_t)field_int(result, row, column++, &ok);
    r->on_hold = field_bool(result, row, column++, &ok);
    r->is_recent = field_bool(result, row, column++, &ok);
    ok &= shard >= 0 && shard <= INT16_MAX && priority >= 0 && priority <= PRIORITY_MAX;
    ok &= r->epoch >= 0 && r->save_no >= 0 && !uuid_is_nil(&r->id);
    r->shard = (uint16_t)shard;
    r->priority = (uint8_t)priority;
    return ok;
}

static void rows_bind(struct params *params, struct item *const *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < items[i]->u.rows.count; k++) {
            params_uuid(params, 0, &items[i]->u.rows.jobs[k]);
            params_int(params, 1, (int64_t)i);
        }
    }
}

/* Late rows have one column more. */
static void read_tags(struct answer *answer, const PGresult *result, int row,
                      struct job_row *ret_row)
{
    if (PQnfields(result) > 1 + JOB_COLUMN_COUNT)
        ret_row->tags = tags_split(&answer->arena, field_text(result, row, 1 + JOB_COLUMN_COUNT),
                                   &ret_row->tag_count);
}

/* Answers one request with the result's rows `begin` to `end`. */
static void answer_rows(struct storage *storage, uint64_t tag, const PGresult *result, int begin,
                        int end)
{
    struct answer *answer = answer_new(storage, STORAGE_ROWS, tag);
    struct job_row *rows = arena_calloc(&answer->arena, (size_t)(end - begin) + 1, sizeof *rows);
    size_t count = 0;
    for (int row = begin; row < end; row++) {
        if (job_row_read(result, row, 1, &rows[count])) {
            read_tags(answer, result, row, &rows[count]);
            count++;
            continue;
        }
        answer->body.u.rows.code = ERR_INVALID;
        answer->body.text = arena_printf(&answer->arena, "job %s: the row holds garbage",
                                         UUID_STR(&rows[count].id));
    }
    answer->body.u.rows.rows = rows;
    answer->body.u.rows.count = count;
}

static void rows_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    bool ok = true;
    int row = 0, count = PQntuples(result);
    for (size_t i = 0; i < batch->count; i++) {
        int begin = row;
        while (row < count && field_int(result, row, 0, &ok) == (int64_t)i)
            row++;
        answer_rows(storage, batch->items[i]->tag, result, begin, row);
    }
    CHECK(ok && row == count);
}

static void rows_failed_with(struct storage *storage, const struct item *item, int code,
                             struct text text)
{
    struct answer *answer = answer_new(storage, STORAGE_ROWS, item->tag);
    answer->body.u.rows.code = code;
    answer->body.text = arena_text(&answer->arena, text);
}

static void rows_unknown(struct storage *storage, struct item *item)
{
    storage->counts.unknown++;
    rows_failed_with(storage, item, ERR_UNKNOWN, TEXT_NONE);
}

static void rows_failed(struct storage *storage, struct item *item, enum failure_kind kind,
                        struct text text)
{
    rows_failed_with(storage, item, kind == FAILED_BUSY ? ERR_UNKNOWN : ERR_INVALID, text);
}

static void shard_rows_bind(struct params *params, struct item *const *items, size_t count)
{
    const struct item *item = items[0];
    CHECK(count == 1);
    params_text(params, 0, text_of(item->u.shard_rows.pool.name));
    params_int(params, 1, item->u.shard_rows.shard);
    params_int(params, 2, item->u.shard_rows.window);
    for (size_t i = 0; i < item->u.shard_rows.count; i++)
        params_uuid(params, 3, &item->u.shard_rows.jobs[i]);
}

static void late_rows_bind(struct params *params, struct item *const *items, size_t count)
{
    const struct late_query *query = &items[0]->u.late_rows;
    CHECK(count == 1);
    for (size_t i = 0; i < query->tag_count; i++)
        params_text(params, 0, query->tags[i]);
    for (size_t i = 0; i < query->shown_count; i++)
        params_text(params, 1, text_of(query->shown[i].name));
    for (size_t i = 0; i < query->boot_count; i++)
        params_uuid(params, 2, &query->boots[i]);
    params_int(params, 3, query->from_shard);
    params_int(params, 4, query->limit);
    params_int(params, 5, FORMAT_NOW);
}

static void owned_rows_bind(struct params *params, struct item *const *items, size_t count)
{
    CHECK(count == 1);
    params_uuid(params, 0, &items[0]->u.boot);
}

#define ROWS_LANE(lane, kind, rows, batches)                                                       \
    const struct lane_type lane_##lane = {                                                         \
        .name = #lane,                                                                             \
        .link = LINK_READ,                                                                         \
        .count = kind,                                                                             \
        .rows_max = rows,                                                                          \
        .batches_max = batches,                                                                    \
        .statement = &lane##_statement,                                                            \
        .bind = lane##_bind,                                                                       \
        .decode = rows_decode,                                                                     \
        .unknown = rows_unknown,                                                                   \
        .failed = rows_failed,                                                                     \
    }
ROWS_LANE(rows, COUNT_ROWS, BATCH_ROWS_MAX, 1);
ROWS_LANE(shard_rows, COUNT_REPAIR, 1, REPAIRS_IN_FLIGHT);
ROWS_LANE(late_rows, COUNT_REPAIR, 1, REPAIRS_IN_FLIGHT);
ROWS_LANE(owned_rows, COUNT_REPAIR, 1, REPAIRS_IN_FLIGHT);

static struct item *request(uint64_t tag)
{
    struct item *item = item_new();
    item->tag = tag;
    return item;
}

void storage_rows(struct storage *storage, const struct uuid *jobs, size_t count, uint64_t tag)
{
    struct item *item = request(tag);
    item->u.rows.jobs = item_uuids(item, jobs, count);
    item->u.rows.count = count;
    lane_add(storage, LANE_ROWS, item);
}

void storage_shard_rows(struct storage *storage, const struct pool *pool, uint16_t shard,
                        int window, const struct uuid *jobs, size_t count, uint64_t tag)
{
    CHECK(window >= 0);
    struct item *item = request(tag);
    item->u.shard_rows.pool = *pool;
    item->u.shard_rows.shard = shard;
    item->u.shard_rows.window = window;
    item->u.shard_rows.jobs = item_uuids(item, jobs, count);
    item->u.shard_rows.count = count;
    lane_add(storage, LANE_SHARD_ROWS, item);
}

void storage_late_rows(struct storage *storage, const struct late_query *query, uint64_t tag)
{
    CHECK(query->limit >= 0);
    struct item *item = request(tag);
    struct late_query *mine = &item->u.late_rows;
    *mine = *query;
    struct pool *shown = arena_calloc(&item->arena, query->shown_count, sizeof *shown);
    if (query->shown_count)
        memcpy(shown, query->shown, query->shown_count * sizeof *shown);
    struct text *tags = arena_calloc(&item->arena, query->tag_count, sizeof *tags);
    for (size_t i = 0; i < query->tag_count; i++)
        tags[i] = arena_text(&item->arena, query->tags[i]);
    mine->shown = shown;
    mine->tags = tags;
    mine->boots = item_uuids(item, query->boots, query->boot_count);
    lane_add(storage, LANE_LATE_ROWS, item);
}

void storage_owned_rows(struct storage *storage, const struct uuid *boot, uint64_t tag)
{
    struct item *item = request(tag);
    item->u.boot = *boot;
    lane_add(storage, LANE_OWNED_ROWS, item);
}
