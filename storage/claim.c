/* SPDX-License-Identifier: Apache-2.0 */
/* Claiming, and what is done about those who hold a row and do not move. */
#include "base/check.h"
#include "storage/storage_private.h"

/* $1 job, $2 epoch seen, $3 epoch used, $4 claim, $5 owner, $6 engine's name, $7 format.
 *
 * The rows are locked first, in the order of their ids; what a lock returns is the newest version,
 * whatever the snapshot says, and it is judged after it was locked. All that is said about a row is
 * read from that version. Verdicts: 0 taken now, 1 taken by my earlier send, 2 not as it was seen.
 */
#define CLAIM_SQL(how)                                                                             \
    "WITH locked AS MATERIALIZED ("                                                                \
    " SELECT r.ix, r.seen, r.used, r.new_claim, r.new_owner, r.engine, j.*"                        \
    " FROM unnest($1, $2, $3, $4, $5, $6) WITH ORDINALITY"                                         \
    "  AS r(job, seen, used, new_claim, new_owner, engine, ix)"                                    \
    " JOIN jobs j ON j.id = r.job WHERE j.id = ANY($1)"                                            \
    " ORDER BY j.id FOR NO KEY UPDATE OF j" how "), "                                              \
    "judged AS MATERIALIZED ("                                                                     \
    " SELECT *, clock_timestamp() AS at, CASE"                                                     \
    "  WHEN claim = new_claim THEN 1"                                                              \
    "  WHEN epoch = seen AND state IN ('READY', 'RUNNING', 'REVERTING') AND format <= $7"          \
    "   AND (hold_until IS NULL OR hold_until <= clock_timestamp()) THEN 0"                        \
    "  ELSE 2 END AS verdict FROM locked), "                                                       \
    "taken AS ("                                                                                   \
    " UPDATE jobs j SET epoch = greatest(g.epoch, g.used) + 1, claim = g.new_claim,"               \
    "  owner = g.new_owner, hold_until = NULL, changed_at = g.at,"                                 \
    "  state = CASE g.state WHEN 'READY' THEN 'RUNNING'::job_state ELSE g.state END,"              \
    "  unclean = g.unclean + CASE g.state WHEN 'READY' THEN 0 ELSE 1 END,"                         \
    "  started_at = coalesce(g.started_at, g.at), history_seq = g.history_seq + 1"                 \
    " FROM judged g WHERE j.id = g.id AND j.id = ANY($1) AND g.verdict = 0"                        \
    " RETURNING j.*), "                                                                            \
    "line AS ("                                                                                    \
    " INSERT INTO history (at, epoch, seq, attempt, job, state, engine, detail)"                   \
    " SELECT at, greatest(epoch, used) + 1, history_seq + 1, 0, id,"                               \
    "  CASE state WHEN 'READY' THEN 'RUNNING' ELSE state::text END, engine,"                       \
    "  CASE state WHEN 'READY' THEN NULL ELSE 'takeover' END"                                      \
    " FROM judged WHERE verdict = 0)"                                                              \
    "SELECT g.ix, g.verdict, g.state::text, " JOB_COLUMNS(                                         \
        "t") " FROM judged g JOIN taken t ON t.id = g.id WHERE g.verdict = 0 "                     \
             "UNION ALL SELECT g.ix, g.verdict,"                                                   \
             " CASE WHEN EXISTS (SELECT FROM history h WHERE h.job = g.id AND h.epoch = g.epoch"   \
             "  AND h.task IS NULL AND h.detail = 'takeover') THEN g.state::text ELSE 'READY' "    \
             "END, " JOB_COLUMNS("g") " FROM judged g WHERE g.verdict <> 0"

static const struct statement claim_statement = {"claim", "ULLUUTi", CLAIM_SQL(" SKIP LOCKED")};
static const struct statement claim_wait_statement = {"claim_wait", "ULLUUTi", CLAIM_SQL("")};

static void claim_bind(struct params *params, struct item *const *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct claim_request *claim = &items[i]->u.claim;
        params_uuid(params, 0, &claim->job);
        params_int(params, 1, claim->epoch_seen);
        params_int(params, 2, claim->epoch_used);
        params_uuid(params, 3, &claim->claim);
        params_uuid(params, 4, &claim->owner);
        params_text(params, 5, claim->engine);
    }
    params_int(params, 6, FORMAT_NOW);
}

static struct claim_answer *answer_claim(struct storage *storage, const struct item *item,
                                         enum claim_outcome outcome)
{
    struct answer *answer = answer_new(storage, STORAGE_CLAIMED, item->tag);
    answer->body.u.claim.outcome = outcome;
    answer->body.u.claim.row.id = item->u.claim.job;
    return &answer->body.u.claim;
}

static void claim_verdict(struct storage *storage, const struct item *item, const PGresult *result,
                          int row)
{
    bool ok = true;
    struct job_row now;
    enum job_state before = JOB_READY;
    int64_t verdict = field_int(result, row, 1, &ok);
    ok &= job_state_find(field_text(result, row, 2), &before) && job_row_read(result, row, 3, &now);
    if (!ok || verdict > 1) {
        answer_claim(storage, item, CLAIM_CHANGED);
        return;
    }
    struct claim_answer *answer = answer_claim(storage, item, CLAIM_OK);
    answer->row = now;
    answer->state_before = before;
    if (verdict == 0) {
        storage->counts.rows_written += 2;
        notify_moved(storage, &now.id);
    }
}

/* Answers the items that the result names, and empties their places. */
static void claim_read(struct storage *storage, struct batch *batch, const PGresult *result)
{
    for (int row = 0; row < PQntuples(result); row++) {
        bool ok = true;
        int64_t ix = field_int(result, row, 0, &ok);
        CHECK(ok && ix >= 1 && (size_t)ix <= batch->count);
        struct item **item = &batch->items[ix - 1];
        if (!*item)
            continue;
        claim_verdict(storage, *item, result, row);
        item_free(*item);
        *item = NULL;
    }
}

/* What is missing was locked, or is not there: the statement that waits for the lock will tell. */
static void claim_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    claim_read(storage, batch, result);
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->items[i])
            continue;
        storage->counts.busy++;
        lane_add(storage, LANE_CLAIM_WAIT, batch->items[i]);
        batch->items[i] = NULL;
    }
}

static void claim_wait_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    claim_read(storage, batch, result);
    if (batch->items[0])
        answer_claim(storage, batch->items[0], CLAIM_GONE);
}

static void claim_unknown(struct storage *storage, struct item *item)
{
    storage->counts.unknown++;
    answer_claim(storage, item, CLAIM_UNKNOWN);
}

static void claim_failed(struct storage *storage, struct item *item, enum failure_kind kind,
                         struct text text)
{
    answer_claim(storage, item, kind == FAILED_BUSY ? CLAIM_BUSY : CLAIM_CHANGED);
}

const struct lane_type lane_claim = {
    .name = "claim",
    .link = LINK_WORK,
    .count = COUNT_CLAIM,
    .rows_max = BATCH_ROWS_MAX,
    .batches_max = 1,
    .statement = &claim_statement,
    .bind = claim_bind,
    .decode = claim_decode,
    .unknown = claim_unknown,
    .failed = claim_failed,
};

const struct lane_type lane_claim_wait = {
    .name = "claim_wait",
    .link = LINK_SIDE,
    .count = COUNT_CLAIM,
    .rows_max = 1,
    .batches_max = 1,
    .statement = &claim_wait_statement,
    .bind = claim_bind,
    .decode = claim_wait_decode,
    .unknown = claim_unknown,
    .failed = claim_failed,
};

void storage_claim(struct storage *storage, const struct claim_request *request, uint64_t tag)
{
    CHECK(!uuid_is_nil(&request->claim) && !uuid_is_nil(&request->owner));
    struct item *item = item_new();
    item->tag = tag;
    item->u.claim = *request;
    item->u.claim.engine = arena_text(&item->arena, request->engine);
    item->bytes = item->arena.used_bytes;
    lane_add(storage, LANE_CLAIM, item);
}
