/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/views.h"

#include <string.h>

#include "base/check.h"
#include "storage/views_private.h"

#define KEY_PREFIX "key:"

/* Row 0 says that there is such a job. $1 job, $2 after, $3 limit or 0 */
static const struct statement history_statement = {
    "view_history", "uli",
    "SELECT 0 AS kind, 0 AS seq, NULL::timestamptz AS at, NULL::text AS task, 0 AS attempt,"
    " NULL::text AS state, NULL::text AS engine, 0::bigint AS epoch, NULL::text AS detail"
    " FROM jobs WHERE id = $1 "
    "UNION ALL (SELECT 1, seq, at, task, attempt, state, engine, epoch, detail FROM history"
    " WHERE job = $1 AND seq > $2 ORDER BY seq LIMIT nullif($3, 0)) ORDER BY kind, seq"};

static const struct statement counts_statement = {
    "view_counts", "",
    "SELECT 0 AS kind, count(*) AS jobs, state::text AS state, min(ready_at) AS at,"
    " NULL::uuid AS boot, NULL::text AS name, NULL::text AS host, 0 AS pid, 0 AS supervisor_pid"
    " FROM jobs GROUP BY state "
    "UNION ALL SELECT 1, c.jobs, NULL, b.began_at, c.owner, b.name, b.host, b.pid,"
    " b.supervisor_pid FROM (SELECT owner, count(*) AS jobs FROM jobs"
    "  WHERE state IN ('RUNNING', 'REVERTING') GROUP BY owner) c"
    " LEFT JOIN boots b ON b.boot = c.owner "
    "UNION ALL SELECT 2, 0, current_setting('server_version'), clock_timestamp(), NULL, NULL,"
    " NULL, NULL, NULL ORDER BY 1, 2 DESC"};

/* $1 the last three bytes, $2 the ending as digits, $3 how many are told */
static const struct statement ending_statement = {
    "view_ending", "yti",
    "SELECT job FROM payloads WHERE substring(uuid_send(job) FROM 14 FOR 3) = $1"
    " AND replace(job::text, '-', '') LIKE '%' || $2 ORDER BY job DESC LIMIT $3"};
static const struct statement key_statement = {"view_key", "t",
                                               "SELECT id FROM jobs WHERE key = $1"};

static const struct statement states_statement = {
    "view_states", "U",
    "SELECT r.id, j.id IS NOT NULL, j.state::text, j.epoch, j.history_seq, j.owner"
    " FROM unnest($1) WITH ORDINALITY AS r(id, ix) LEFT JOIN jobs j ON j.id = r.id ORDER BY r.ix"};

/* $1 job, $2 task or null */
static const struct statement stderr_statement = {
    "view_stderr", "ut",
    "SELECT 0 AS kind, NULL::text AS path, 0 AS attempt, NULL::timestamptz, NULL::text"
    " FROM jobs WHERE id = $1 "
    "UNION ALL SELECT 1, path, attempt, at, tail FROM stderrs"
    " WHERE job = $1 AND ($2 IS NULL OR path = $2) ORDER BY kind, path, attempt"};

struct text view_text(struct view_reader *reader, int row, int column)
{
    return arena_text(reader->arena, field_text(reader->result, row, column));
}

int64_t view_int(struct view_reader *reader, int row, int column)
{
    return field_int(reader->result, row, column, &reader->ok);
}

int64_t view_time_us(struct view_reader *reader, int row, int column)
{
    return field_time_us(reader->result, row, column, &reader->ok);
}

struct uuid view_uuid(struct view_reader *reader, int row, int column)
{
    return field_uuid(reader->result, row, column, &reader->ok);
}

static void history_read(struct view_reader *reader, struct view_answer *answer)
{
    int rows = PQntuples(reader->result);
    struct view_line *lines = arena_calloc(reader->arena, (size_t)rows + 1, sizeof *lines);
    for (int row = 1; row < rows; row++) {
        struct view_line *line = &lines[row - 1];
        line->seq = view_int(reader, row, 1);
        line->at_us = view_time_us(reader, row, 2);
        line->task = view_text(reader, row, 3);
        line->attempt = (int32_t)view_int(reader, row, 4);
        line->state = view_text(reader, row, 5);
        line->engine = view_text(reader, row, 6);
        line->epoch = view_int(reader, row, 7);
        line->detail = view_text(reader, row, 8);
    }
    if (rows == 0)
        answer->code = ERR_NOT_FOUND;
    answer->u.history.lines = lines;
    answer->u.history.count = rows ? (size_t)rows - 1 : 0;
}

static void read_boot_count(struct view_reader *reader, int row, struct view_boot *boot)
{
    boot->claimed = view_int(reader, row, 1);
    boot->began_at_us = view_time_us(reader, row, 3);
    boot->boot = view_uuid(reader, row, 4);
    boot->name = view_text(reader, row, 5);
    boot->host = view_text(reader, row, 6);
    boot->pid = (int32_t)view_int(reader, row, 7);
    boot->supervisor_pid = (int32_t)view_int(reader, row, 8);
}

static void counts_read(struct view_reader *reader, struct view_answer *answer)
{
    int rows = PQntuples(reader->result);
    struct view_boot *boots = arena_calloc(reader->arena, (size_t)rows + 1, sizeof *boots);
    int64_t oldest_us = 0;
    for (int row = 0; row < rows; row++) {
        enum job_state state;
        switch (view_int(reader, row, 0)) {
        case 0:
            if (!job_state_find(field_text(reader->result, row, 2), &state))
                continue;
            answer->u.counts.by_state[state] = view_int(reader, row, 1);
            if (state == JOB_READY)
                oldest_us = view_time_us(reader, row, 3);
            continue;
        case 1:
            read_boot_count(reader, row, &boots[answer->u.counts.boot_count++]);
            continue;
        default:
            answer->u.counts.server = view_text(reader, row, 2);
            answer->now_us = view_time_us(reader, row, 3);
        }
    }
    int64_t age_us = answer->now_us - oldest_us;
    answer->u.counts.oldest_ready_ms = !oldest_us ? -1 : age_us < 0 ? 0 : age_us / 1000;
    answer->u.counts.boots = boots;
}

static void resolved_read(struct view_reader *reader, struct view_answer *answer)
{
    int rows = PQntuples(reader->result);
    for (int row = 0; row < rows && row < VIEW_RESOLVE_MAX; row++)
        answer->u.resolved.jobs[answer->u.resolved.count++] = view_uuid(reader, row, 0);
    answer->code = rows == 0 ? ERR_NOT_FOUND : rows > 1 ? ERR_AMBIGUOUS : 0;
}

static void states_read(struct view_reader *reader, struct view_answer *answer)
{
    int rows = PQntuples(reader->result);
    struct view_state *states = arena_calloc(reader->arena, (size_t)rows + 1, sizeof *states);
    for (int row = 0; row < rows; row++) {
        states[row].job = view_uuid(reader, row, 0);
        states[row].found = field_bool(reader->result, row, 1, &reader->ok);
        if (states[row].found)
            reader->ok &= job_state_find(field_text(reader->result, row, 2), &states[row].state);
        states[row].epoch = view_int(reader, row, 3);
        states[row].history_seq = view_int(reader, row, 4);
        states[row].owner = view_uuid(reader, row, 5);
    }
    answer->u.states.states = states;
    answer->u.states.count = (size_t)rows;
}

static void stderr_read(struct view_reader *reader, struct view_answer *answer)
{
    int rows = PQntuples(reader->result);
    struct view_stderr *tails = arena_calloc(reader->arena, (size_t)rows + 1, sizeof *tails);
    for (int row = 1; row < rows; row++) {
        tails[row - 1].task = view_text(reader, row, 1);
        tails[row - 1].attempt = (int32_t)view_int(reader, row, 2);
        tails[row - 1].at_us = view_time_us(reader, row, 3);
        tails[row - 1].tail = view_text(reader, row, 4);
    }
    if (rows == 0)
        answer->code = ERR_NOT_FOUND;
    answer->u.stderrs.tails = tails;
    answer->u.stderrs.count = rows ? (size_t)rows - 1 : 0;
}

static void view_bind(struct params *params, struct item *const *items, size_t count)
{
    const struct view_request *request = &items[0]->u.view;
    CHECK(count == 1);
    switch (request->kind) {
    case VIEW_LIST:
        list_bind(params, request);
        return;
    case VIEW_SHOW:
        show_bind(params, request);
        return;
    case VIEW_HISTORY:
        params_uuid(params, 0, &request->job);
        params_int(params, 1, request->after_seq);
        params_int(params, 2, request->limit);
        return;
    case VIEW_COUNTS:
        return;
    case VIEW_RESOLVE:
        params_text(params, 0, request->name);
        if (params->count == 1)
            return;
        params_text(params, 1, request->task);
        params_int(params, 2, VIEW_RESOLVE_MAX);
        return;
    case VIEW_STATES:
        for (size_t i = 0; i < request->id_count; i++)
            params_uuid(params, 0, &request->ids[i]);
        return;
    case VIEW_STDERR:
        params_uuid(params, 0, &request->job);
        params_text(params, 1, request->task);
        return;
    }
}

static struct answer *answer_view(struct storage *storage, enum view_kind kind, uint64_t tag)
{
    struct answer *answer = answer_new(storage, STORAGE_VIEW, tag);
    answer->body.u.view = arena_calloc(&answer->arena, 1, sizeof(struct view_answer));
    answer->body.u.view->kind = kind;
    return answer;
}

static void answer_trouble(struct storage *storage, enum view_kind kind, uint64_t tag, int code,
                           struct text text)
{
    struct answer *answer = answer_view(storage, kind, tag);
    answer->body.u.view->code = code;
    answer->body.u.view->error = arena_text(&answer->arena, text);
}

static void view_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    static void (*const readers[])(struct view_reader *, struct view_answer *) = {
        [VIEW_LIST] = list_read,     [VIEW_SHOW] = show_read,        [VIEW_HISTORY] = history_read,
        [VIEW_COUNTS] = counts_read, [VIEW_RESOLVE] = resolved_read, [VIEW_STATES] = states_read,
        [VIEW_STDERR] = stderr_read,
    };
    const struct item *item = batch->items[0];
    struct answer *answer = answer_view(storage, item->u.view.kind, item->tag);
    struct view_answer *view = answer->body.u.view;
    struct view_reader reader = {&answer->arena, result, true};
    readers[view->kind](&reader, view);
    if (!reader.ok) {
        view->code = ERR_INVALID;
        view->error = TEXT("a row holds garbage");
    } else if (view->code == ERR_NOT_FOUND) {
        view->error = TEXT("no such job");
    } else if (view->code == ERR_AMBIGUOUS) {
        view->error = TEXT("more than one job's id ends like that");
    }
}

static void view_unknown(struct storage *storage, struct item *item)
{
    answer_trouble(storage, item->u.view.kind, item->tag, ERR_UNKNOWN,
                   TEXT("the connection broke"));
}

static void view_failed(struct storage *storage, struct item *item, enum failure_kind kind,
                        struct text text)
{
    answer_trouble(storage, item->u.view.kind, item->tag,
                   kind == FAILED_BUSY ? ERR_TIMEOUT : ERR_INVALID, text);
}

const struct lane_type lane_view = {
    .name = "view",
    .link = LINK_READ,
    .count = COUNT_VIEW,
    .rows_max = 1,
    .batches_max = REPAIRS_IN_FLIGHT,
    .bind = view_bind,
    .decode = view_decode,
    .unknown = view_unknown,
    .failed = view_failed,
};

/* The hex digits of an id or an ending of one, hyphens left out; how many, 0 for anything else. */
static size_t read_digits(struct text name, char ret_digits[33])
{
    size_t count = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c == '-')
            continue;
        if (c >= 'A' && c <= 'F')
            c = (char)(c - 'A' + 'a');
        if (count == 32 || !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return 0;
        ret_digits[count++] = c;
    }
    ret_digits[count] = 0;
    return count;
}

static unsigned char digit(char c)
{
    return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Chooses the statement of a name; `name` and `task` become its parameters. */
static bool resolve_request(struct item *item, struct text name)
{
    char digits[33], last[3];
    size_t prefix = sizeof KEY_PREFIX - 1;
    if (name.len > prefix && !memcmp(name.data, KEY_PREFIX, prefix)) {
        item->statement = &key_statement;
        item->u.view.name =
            arena_text(&item->arena, (struct text){name.data + prefix, name.len - prefix});
        return true;
    }
    size_t count = name.data ? read_digits(name, digits) : 0;
    if (count < VIEW_ENDING_MIN)
        return false;
    for (size_t i = 0; i < sizeof last; i++)
        last[i] = (char)(digit(digits[count - 6 + 2 * i]) << 4 | digit(digits[count - 5 + 2 * i]));
    item->statement = &ending_statement;
    item->u.view.name = arena_text(&item->arena, (struct text){last, sizeof last});
    item->u.view.task = arena_text(&item->arena, (struct text){digits, count});
    return true;
}

static void copy_request(struct item *item, const struct view_request *request)
{
    static const struct statement *const statements[] = {
        [VIEW_LIST] = &list_statement,
        [VIEW_SHOW] = &show_statement,
        [VIEW_HISTORY] = &history_statement,
        [VIEW_COUNTS] = &counts_statement,
        [VIEW_RESOLVE] = NULL,
        [VIEW_STATES] = &states_statement,
        [VIEW_STDERR] = &stderr_statement,
    };
    struct arena *arena = &item->arena;
    struct view_request *copy = &item->u.view;
    *copy = *request;
    copy->filter.flow = arena_text(arena, request->filter.flow);
    copy->filter.engine = arena_text(arena, request->filter.engine);
    copy->filter.key = arena_text(arena, request->filter.key);
    copy->filter.ids = item_uuids(item, request->filter.ids, request->filter.id_count);
    copy->task = arena_text(arena, request->task);
    copy->ids = item_uuids(item, request->ids, request->id_count);
    item->statement = statements[request->kind];
}

void storage_view(struct storage *storage, const struct view_request *request, uint64_t tag)
{
    CHECK(request->kind <= VIEW_STDERR);
    struct item *item = item_new();
    item->tag = tag;
    copy_request(item, request);
    if (request->kind == VIEW_RESOLVE && !resolve_request(item, request->name)) {
        item_free(item);
        answer_trouble(storage, VIEW_RESOLVE, tag, ERR_INVALID,
                       TEXT("expected a job's id, an ending of it of 6 or more digits, or key:K"));
        return;
    }
    lane_add(storage, LANE_VIEW, item);
}
