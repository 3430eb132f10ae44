/* SPDX-License-Identifier: Apache-2.0 */
/* Telling jobs something from outside.
 *
 * The job's row is locked and its newest version judged, as in a save; what passes is written by
 * the same statement. Whether an id came before cannot be said there, since who wrote it may be
 * younger than the snapshot: of two that insert one id the later one inserts nothing, and what was
 * refused or not inserted is looked at by a later statement. */
#include "base/check.h"
#include "storage/storage_private.h"

/* $1 job, $2 id, $3 kind, $4 task, $5 data. Verdicts: 0 recorded, 1 refused. Of several for one job
 * in one statement the first is judged; the others find what it made of the job. */
#define INBOX_TYPES "UUTTJ"
#define INBOX_SQL(how)                                                                             \
    "WITH req AS MATERIALIZED ("                                                                   \
    " SELECT DISTINCT ON (job) * FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY"                  \
    "  AS r(job, new_id, kind, about, data, ix) ORDER BY job, ix), "                               \
    "locked AS MATERIALIZED ("                                                                     \
    " SELECT r.new_id, r.kind, r.about, r.data, r.ix, j.* FROM req r"                              \
    " JOIN jobs j ON j.id = r.job WHERE j.id = ANY($1)"                                            \
    " ORDER BY j.id FOR NO KEY UPDATE OF j" how "), "                                              \
    "judged AS MATERIALIZED ("                                                                     \
    " SELECT *, clock_timestamp() AS now,"                                                         \
    "  state NOT IN ('FAILURE', 'REVERTED', 'CANCELLED') OR kind <> 'rerun' AS refused"            \
    " FROM locked), "                                                                              \
    "put AS ("                                                                                     \
    " INSERT INTO inbox (seq, at, job, id, kind, task, data)"                                      \
    " SELECT inbox_seq + 1, now, id, new_id, kind, about, data FROM judged WHERE NOT refused"      \
    " ON CONFLICT (id) DO NOTHING RETURNING job), "                                                \
    "moved AS ("                                                                                   \
    " UPDATE jobs j SET inbox_seq = g.inbox_seq + 1, state = 'READY',"                             \
    "  ready_at = greatest(g.now, g.ready_at + interval '1 microsecond'), ended_at = NULL,"        \
    "  wake_at = NULL, hold_until = NULL, changed_at = g.now, history_seq = g.history_seq + 1"     \
    " FROM judged g WHERE j.id = g.id AND j.id = ANY($1) AND g.id IN (SELECT job FROM put)"        \
    " RETURNING j.*), "                                                                            \
    "cleared AS ("                                                                                 \
    " UPDATE payloads p SET output = NULL, failure = NULL"                                         \
    " FROM put WHERE p.job = put.job AND p.job = ANY($1)"                                          \
    "  AND (p.output IS NOT NULL OR p.failure IS NOT NULL)), "                                     \
    "line AS ("                                                                                    \
    " INSERT INTO history (at, epoch, seq, attempt, job, state, detail)"                           \
    " SELECT g.now, g.epoch, g.history_seq + 1, 0, g.id, 'READY', g.kind"                          \
    "  || coalesce(' by ' || (g.data->>'by'), '') || coalesce(' from ' || (g.data->>'from'), '')"  \
    "  || coalesce(' skip ' || (SELECT string_agg(k, ', ' ORDER BY n)"                             \
    "   FROM json_object_keys(g.data->'skip') WITH ORDINALITY s(k, n)), '')"                       \
    " FROM judged g WHERE g.id IN (SELECT job FROM put)) "                                         \
    "SELECT g.ix, 0, array_to_string(m.tags, E'\\n'), " JOB_COLUMNS(                               \
        "m") " FROM judged g JOIN moved m ON m.id = g.id "                                         \
             "UNION ALL SELECT g.ix, 1, NULL, " JOB_COLUMNS(                                       \
                 "g") " FROM judged g WHERE g.id NOT IN (SELECT job FROM put)"

static const struct statement inbox_statement = {"inbox", INBOX_TYPES, INBOX_SQL(" SKIP LOCKED")};
static const struct statement inbox_wait_statement = {"inbox_wait", INBOX_TYPES, INBOX_SQL("")};

/* Verdicts: 2 the id was recorded before, 3 it was not. */
static const struct statement look_statement = {
    "inbox_look", INBOX_TYPES,
    "SELECT r.ix, CASE WHEN i.id IS NULL THEN 3 ELSE 2 END, array_to_string(j.tags, "
    "E'\\n'), " JOB_COLUMNS(
        "j") " FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS r(job, id, kind, about, data, ix)"
             " JOIN jobs j ON j.id = r.job AND j.id = ANY($1)"
             " LEFT JOIN inbox i ON i.id = r.id AND i.id = ANY($2) AND i.job = r.job"};

enum verdict { VERDICT_RECORDED, VERDICT_REFUSED, VERDICT_SAME, VERDICT_NEW };

static const char *kind_name(enum inbox_kind kind)
{
    switch (kind) {
    case INBOX_KIND_RERUN:
        return INBOX_RERUN;
    }
    UNREACHABLE();
}

static void inbox_bind(struct params *params, struct item *const *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct inbox_request *request = &items[i]->u.inbox.request;
        params_uuid(params, 0, &request->job);
        params_uuid(params, 1, &request->id);
        params_text(params, 2, text_of(kind_name(request->kind)));
        params_text(params, 3, request->task);
        params_text(params, 4, request->data);
    }
}

static struct answer *answer_inbox(struct storage *storage, const struct item *item,
                                   enum inbox_outcome outcome)
{
    struct answer *answer = answer_new(storage, STORAGE_INBOXED, item->tag);
    answer->body.u.inbox.outcome = outcome;
    answer->body.u.inbox.row.id = item->u.inbox.request.job;
    return answer;
}

static void answer_trouble(struct storage *storage, const struct item *item,
                           enum inbox_outcome outcome, struct text why)
{
    struct answer *answer = answer_inbox(storage, item, outcome);
    answer->body.u.inbox.error = arena_text(&answer->arena, why);
}

/* A row of the first statement or of the look at what it refused. What was refused goes on to the
 * look; then the state stands that refused it, since it may have moved on meanwhile. */
static void inbox_verdict(struct storage *storage, struct item **item, const PGresult *result,
                          int row)
{
    static const enum inbox_outcome outcomes[] = {[VERDICT_RECORDED] = INBOX_OK,
                                                  [VERDICT_SAME] = INBOX_SAME,
                                                  [VERDICT_NEW] = INBOX_WRONG_STATE};
    bool ok = true;
    struct job_row now = {0};
    int64_t verdict = field_int(result, row, 1, &ok);
    ok &= job_row_read(result, row, 3, &now);
    if (!ok) {
        answer_trouble(storage, *item, INBOX_BAD, TEXT("the job's row holds garbage"));
    } else if (verdict == VERDICT_REFUSED) {
        (*item)->u.inbox.refused_in = now.state;
        lane_add(storage, LANE_INBOX_LOOK, *item);
        *item = NULL;
        return;
    } else {
        struct answer *answer = answer_inbox(storage, *item, outcomes[verdict]);
        struct inbox_answer *body = &answer->body.u.inbox;
        body->row = now;
        body->tags = tags_split(&answer->arena, field_text(result, row, 2), &body->tag_count);
        if (verdict == VERDICT_NEW)
            body->row.state = (*item)->u.inbox.refused_in;
        if (verdict == VERDICT_RECORDED) {
            storage->counts.rows_written += 3;
            notify_moved(storage, &now.id);
        }
    }
    item_free(*item);
    *item = NULL;
}

static void inbox_read(struct storage *storage, struct batch *batch, const PGresult *result)
{
    for (int row = 0; row < PQntuples(result); row++) {
        bool ok = true;
        int64_t ix = field_int(result, row, 0, &ok);
        CHECK(ok && ix >= 1 && (size_t)ix <= batch->count);
        if (batch->items[ix - 1])
            inbox_verdict(storage, &batch->items[ix - 1], result, row);
    }
}

/* What is missing was locked, is no more, or came behind another one for the same job. */
static void inbox_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    inbox_read(storage, batch, result);
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->items[i])
            continue;
        storage->counts.busy++;
        lane_add(storage, LANE_INBOX_WAIT, batch->items[i]);
        batch->items[i] = NULL;
    }
}

/* Here nothing is passed over: there is no such job. */
static void inbox_last_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    inbox_read(storage, batch, result);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i])
            answer_inbox(storage, batch->items[i], INBOX_GONE);
}

static void inbox_unknown(struct storage *storage, struct item *item)
{
    storage->counts.unknown++;
    answer_inbox(storage, item, INBOX_UNKNOWN);
}

static void inbox_failed(struct storage *storage, struct item *item, enum failure_kind kind,
                         struct text text)
{
    answer_trouble(storage, item, kind == FAILED_BUSY ? INBOX_UNKNOWN : INBOX_BAD, text);
}

#define INBOX_LANE(name_, link_, rows_max_, statement_, decode_)                                   \
    {                                                                                              \
        .name = name_, .link = link_, .count = COUNT_OTHER, .rows_max = rows_max_,                 \
        .batches_max = 1, .statement = statement_, .bind = inbox_bind, .decode = decode_,          \
        .unknown = inbox_unknown, .failed = inbox_failed,                                          \
    }

const struct lane_type lane_inbox =
    INBOX_LANE("inbox", LINK_WORK, BATCH_ROWS_MAX, &inbox_statement, inbox_decode);
const struct lane_type lane_inbox_look =
    INBOX_LANE("inbox_look", LINK_WORK, BATCH_ROWS_MAX, &look_statement, inbox_last_decode);
const struct lane_type lane_inbox_wait =
    INBOX_LANE("inbox_wait", LINK_SIDE, 1, &inbox_wait_statement, inbox_last_decode);

void storage_inbox(struct storage *storage, const struct inbox_request *request, uint64_t tag)
{
    CHECK(!uuid_is_nil(&request->job) && !uuid_is_nil(&request->id));
    struct item *item = item_new();
    struct inbox_request *copy = &item->u.inbox.request;
    item->tag = tag;
    *copy = *request;
    copy->task = arena_text(&item->arena, request->task);
    copy->data = arena_text(&item->arena, request->data);
    item->bytes = item->arena.used_bytes;
    if (request->data.len > PAYLOAD_MAX_BYTES) {
        answer_trouble(storage, item, INBOX_BAD, TEXT("larger than a document may be (16 MiB)"));
        item_free(item);
        return;
    }
    lane_add(storage, LANE_INBOX, item);
}
