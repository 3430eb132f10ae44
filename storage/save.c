/* SPDX-License-Identifier: Apache-2.0 */
/* Saving: one statement for many jobs.
 *
 * It locks the rows of the jobs in the order of their ids and passes over those that others hold. A
 * lock returns the newest version of a row, whatever the snapshot of the statement says, and only
 * that version is judged: an unlocked check would not fence, since the claim it looks for may
 * commit between the check and the write. The update reaches the newest version as well, since it
 * is locked. Tasks and history are written only for jobs that passed. */
#include "base/check.h"
#include "storage/storage_private.h"

enum verdict { VERDICT_SAVED, VERDICT_ALREADY, VERDICT_INBOX, VERDICT_REFUSED };

/* Where the columns of each part begin. */
enum { P_JOBS = 0, P_TASKS = 11, P_LINES = 20, P_DOCUMENTS = 26, P_TAILS = 29 };

/* $1..$11  jobs: id, epoch, claim, save_no, state, ends claim, inbox seen, inbox applied,
 *          records a step, engine, number of history lines
 * $12..$20 tasks: which job, path, state, attempt, result, failure, internal, begins, ends
 * $21..$26 history: which job, which line of it, task, attempt, state, detail
 * $27..$29 documents: job, output, failure
 * $30..$33 stderr: which job, path, attempt, tail */
#define SAVE_TYPES                                                                                 \
    "ULULTBLLBTI"                                                                                  \
    "ITTIJJJBB"                                                                                    \
    "IITITT"                                                                                       \
    "UJJ"                                                                                          \
    "ITIT"
#define SAVE_SQL(how)                                                                              \
    "WITH locked AS MATERIALIZED ("                                                                \
    " SELECT r.*, j.id, j.epoch, j.claim, j.save_no, j.state, j.inbox_seq, j.history_seq,"         \
    "  j.ready_at, j.changed_at, j.ended_at, j.unclean, j.hold_until"                              \
    " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) WITH ORDINALITY"                   \
    "  AS r(job, my_epoch, my_claim, my_save_no, my_state, ends, seen, applied, records, engine,"  \
    "   lines, ix)"                                                                                \
    " JOIN jobs j ON j.id = r.job WHERE j.id = ANY($1)"                                            \
    " ORDER BY j.id FOR NO KEY UPDATE OF j" how "), "                                              \
    "judged AS MATERIALIZED ("                                                                     \
    " SELECT *, clock_timestamp() AS at, my_state::job_state AS next, CASE"                        \
    "  WHEN epoch = my_epoch AND claim = my_claim AND save_no = my_save_no"                        \
    "   AND state IN ('RUNNING', 'REVERTING') THEN"                                                \
    "   CASE WHEN ends AND inbox_seq <> seen THEN 2 ELSE 0 END"                                    \
    "  WHEN epoch = my_epoch AND claim = my_claim AND save_no = my_save_no + 1 THEN 1"             \
    "  ELSE 3 END AS verdict FROM locked), "                                                       \
    "saved AS ("                                                                                   \
    " UPDATE jobs j SET save_no = g.save_no + 1, state = g.next, inbox_applied = g.applied,"       \
    "  history_seq = g.history_seq + g.lines,"                                                     \
    "  unclean = CASE WHEN g.records THEN 0 ELSE g.unclean END,"                                   \
    "  hold_until = CASE WHEN g.ends THEN NULL ELSE g.hold_until END,"                             \
    "  changed_at = CASE WHEN g.next <> g.state THEN g.at ELSE g.changed_at END,"                  \
    "  ended_at = CASE WHEN g.next IN ('SUCCESS', 'FAILURE', 'REVERTED', 'CANCELLED',"             \
    "   'QUARANTINED') THEN g.at ELSE g.ended_at END,"                                             \
    "  ready_at = CASE WHEN g.next = 'READY'"                                                      \
    "   THEN greatest(g.at, g.ready_at + interval '1 microsecond') ELSE g.ready_at END"            \
    " FROM judged g WHERE j.id = g.id AND j.id = ANY($1) AND g.verdict = 0), "                     \
    "task AS ("                                                                                    \
    " INSERT INTO tasks AS old (job, path, state, attempt, result, failure, internal, engine,"     \
    "  epoch, started_at, ended_at)"                                                               \
    " SELECT g.id, t.path, t.state::task_state, t.attempt, t.result, t.failure, t.internal,"       \
    "  CASE WHEN t.begins THEN g.engine END, g.my_epoch,"                                          \
    "  CASE WHEN t.begins THEN g.at END, CASE WHEN t.ends THEN g.at END"                           \
    " FROM unnest($12, $13, $14, $15, $16, $17, $18, $19, $20)"                                    \
    "  AS t(ix, path, state, attempt, result, failure, internal, begins, ends)"                    \
    " JOIN judged g ON g.ix = t.ix WHERE g.verdict = 0"                                            \
    " ON CONFLICT (job, path) DO UPDATE SET state = excluded.state, attempt = excluded.attempt,"   \
    "  result = excluded.result, failure = excluded.failure, internal = excluded.internal,"        \
    "  engine = CASE WHEN excluded.started_at IS NULL THEN old.engine ELSE excluded.engine END,"   \
    "  epoch = CASE WHEN excluded.started_at IS NULL THEN old.epoch ELSE excluded.epoch END,"      \
    "  started_at = coalesce(excluded.started_at, old.started_at),"                                \
    "  ended_at = CASE WHEN excluded.started_at IS NULL"                                           \
    "   THEN coalesce(excluded.ended_at, old.ended_at) ELSE excluded.ended_at END), "              \
    "tail AS ("                                                                                    \
    " INSERT INTO stderrs AS old (at, attempt, job, path, tail)"                                   \
    " SELECT g.at, t.attempt, g.id, t.path, t.tail"                                                \
    " FROM unnest($30, $31, $32, $33) AS t(ix, path, attempt, tail)"                               \
    " JOIN judged g ON g.ix = t.ix WHERE g.verdict = 0"                                            \
    " ON CONFLICT (job, path, attempt) DO UPDATE SET at = excluded.at, tail = excluded.tail), "    \
    "line AS ("                                                                                    \
    " INSERT INTO history (at, epoch, seq, attempt, job, state, task, engine, detail)"             \
    " SELECT g.at, g.my_epoch, g.history_seq + l.ord, l.attempt, g.id, l.state, l.task, g.engine," \
    "  l.detail"                                                                                   \
    " FROM unnest($21, $22, $23, $24, $25, $26) AS l(ix, ord, task, attempt, state, detail)"       \
    " JOIN judged g ON g.ix = l.ix WHERE g.verdict = 0), "                                         \
    "document AS ("                                                                                \
    " UPDATE payloads p SET output = coalesce(d.output, p.output),"                                \
    "  failure = coalesce(d.failure, p.failure)"                                                   \
    " FROM unnest($27, $28, $29) AS d(job, output, failure) JOIN judged g ON g.id = d.job"         \
    " WHERE p.job = d.job AND p.job = ANY($27) AND g.verdict = 0)"                                 \
    "SELECT ix, verdict, CASE WHEN verdict = 0"                                                    \
    " THEN greatest(at, ready_at + interval '1 microsecond') ELSE ready_at END FROM judged"

static const struct statement save_statement = {"save", SAVE_TYPES, SAVE_SQL(" SKIP LOCKED")};
static const struct statement save_wait_statement = {"save_wait", SAVE_TYPES, SAVE_SQL("")};

static void bind_job(struct params *params, const struct save *save)
{
    size_t p = P_JOBS;
    params_uuid(params, p++, &save->job);
    params_int(params, p++, save->epoch);
    params_uuid(params, p++, &save->claim);
    params_int(params, p++, save->save_no);
    params_text(params, p++, text_of(job_state_name(save->state)));
    params_bool(params, p++, save->ends_claim);
    params_int(params, p++, save->inbox_seen);
    params_int(params, p++, save->inbox_applied);
    params_bool(params, p++, save->records_step);
    params_text(params, p++, save->engine);
    params_int(params, p++, (int64_t)save->history_count);
    CHECK(p == P_TASKS);
}

static void bind_task(struct params *params, const struct task_change *task, int64_t ix)
{
    size_t p = P_TASKS;
    params_int(params, p++, ix);
    params_text(params, p++, task->row.path);
    params_text(params, p++, text_of(task_state_name(task->row.state)));
    params_int(params, p++, task->row.attempt);
    params_text(params, p++, task->row.result);
    params_text(params, p++, task->row.failure);
    params_text(params, p++, task->row.internal);
    params_bool(params, p++, task->begins);
    params_bool(params, p++, task->ends);
    CHECK(p == P_LINES);
    if (!task->stderr_tail.data)
        return;
    p = P_TAILS;
    params_int(params, p++, ix);
    params_text(params, p++, task->row.path);
    params_int(params, p++, task->row.attempt);
    params_text(params, p++, task->stderr_tail);
}

static void bind_line(struct params *params, const struct history_line *line, int64_t ix,
                      int64_t ordinal)
{
    size_t p = P_LINES;
    const char *state = line->task.data ? task_state_name((enum task_state)line->state)
                                        : job_state_name((enum job_state)line->state);
    params_int(params, p++, ix);
    params_int(params, p++, ordinal);
    params_text(params, p++, line->task);
    params_int(params, p++, line->attempt);
    params_text(params, p++, text_of(state));
    params_text(params, p++, line->detail);
    CHECK(p == P_DOCUMENTS);
}

static void save_bind(struct params *params, struct item *const *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct save *save = &items[i]->u.save;
        int64_t ix = (int64_t)i + 1;
        bind_job(params, save);
        for (size_t t = 0; t < save->task_count; t++)
            bind_task(params, &save->tasks[t], ix);
        for (size_t l = 0; l < save->history_count; l++)
            bind_line(params, &save->history[l], ix, (int64_t)l + 1);
        if (save->output.data || save->failure.data) {
            params_uuid(params, P_DOCUMENTS, &save->job);
            params_text(params, P_DOCUMENTS + 1, save->output);
            params_text(params, P_DOCUMENTS + 2, save->failure);
        }
    }
}

static struct answer *answer_save(struct storage *storage, uint64_t tag, enum save_outcome outcome)
{
    struct answer *answer = answer_new(storage, STORAGE_SAVED, tag);
    answer->body.u.saved.outcome = outcome;
    return answer;
}

static void count_written(struct storage *storage, const struct save *save)
{
    storage->counts.saves++;
    storage->counts.rows_written +=
        1 + save->task_count + save->history_count + (save->output.data || save->failure.data);
    for (size_t i = 0; i < save->task_count; i++)
        storage->counts.rows_written += save->tasks[i].stderr_tail.data != NULL;
}

static void save_verdict(struct storage *storage, const struct item *item, const PGresult *result,
                         int row)
{
    static const enum save_outcome outcomes[] = {SAVE_OK, SAVE_ALREADY, SAVE_INBOX, SAVE_REFUSED};
    bool ok = true;
    int64_t verdict = field_int(result, row, 1, &ok);
    CHECK(ok && verdict >= VERDICT_SAVED && verdict <= VERDICT_REFUSED);
    struct answer *answer = answer_save(storage, item->tag, outcomes[verdict]);
    if (item->u.save.state == JOB_READY && verdict <= VERDICT_ALREADY)
        answer->body.u.saved.ready_at_us = field_time_us(result, row, 2, &ok);
    storage->counts.refused += verdict == VERDICT_REFUSED;
    if (verdict == VERDICT_SAVED) {
        count_written(storage, &item->u.save);
        notify_moved(storage, &item->u.save.job);
    }
}

static void save_read(struct storage *storage, struct batch *batch, const PGresult *result)
{
    for (int row = 0; row < PQntuples(result); row++) {
        bool ok = true;
        int64_t ix = field_int(result, row, 0, &ok);
        CHECK(ok && ix >= 1 && (size_t)ix <= batch->count);
        struct item **item = &batch->items[ix - 1];
        if (!*item)
            continue;
        save_verdict(storage, *item, result, row);
        item_free(*item);
        *item = NULL;
    }
}

/* What is missing was locked, or its row is gone: the statement that waits for the lock tells. */
static void save_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    storage->counts.save_batches++;
    save_read(storage, batch, result);
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->items[i])
            continue;
        storage->counts.busy++;
        lane_add(storage, LANE_SAVE_WAIT, batch->items[i]);
        batch->items[i] = NULL;
    }
}

static void save_wait_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    storage->counts.save_batches++;
    save_read(storage, batch, result);
    if (batch->items[0]) {
        storage->counts.refused++;
        answer_save(storage, batch->items[0]->tag, SAVE_REFUSED);
    }
}

static void save_unknown(struct storage *storage, struct item *item)
{
    storage->counts.unknown++;
    answer_save(storage, item->tag, SAVE_UNKNOWN);
}

static void answer_bad(struct storage *storage, uint64_t tag, struct text why)
{
    struct answer *answer = answer_save(storage, tag, SAVE_BAD);
    answer->body.u.saved.error = arena_text(&answer->arena, why);
}

static void save_failed(struct storage *storage, struct item *item, enum failure_kind kind,
                        struct text text)
{
    if (kind == FAILED_BUSY)
        answer_save(storage, item->tag, SAVE_BUSY);
    else
        answer_bad(storage, item->tag, text);
}

const struct lane_type lane_save = {
    .name = "save",
    .link = LINK_WORK,
    .count = COUNT_SAVE,
    .rows_max = BATCH_ROWS_MAX,
    .batches_max = 1,
    .statement = &save_statement,
    .bind = save_bind,
    .decode = save_decode,
    .unknown = save_unknown,
    .failed = save_failed,
};

const struct lane_type lane_save_wait = {
    .name = "save_wait",
    .link = LINK_SIDE,
    .count = COUNT_SAVE,
    .rows_max = 1,
    .batches_max = 1,
    .statement = &save_wait_statement,
    .bind = save_bind,
    .decode = save_wait_decode,
    .unknown = save_unknown,
    .failed = save_failed,
};

static bool too_large(const struct save *save)
{
    bool large = save->output.len > PAYLOAD_MAX_BYTES || save->failure.len > PAYLOAD_MAX_BYTES;
    for (size_t i = 0; i < save->task_count; i++) {
        const struct task_row *row = &save->tasks[i].row;
        large |= row->result.len > PAYLOAD_MAX_BYTES || row->failure.len > PAYLOAD_MAX_BYTES ||
                 row->internal.len > PAYLOAD_MAX_BYTES;
    }
    return large;
}

static void copy_tasks(struct item *item, const struct save *save)
{
    struct arena *arena = &item->arena;
    struct task_change *tasks = arena_calloc(arena, save->task_count + 1, sizeof *tasks);
    for (size_t i = 0; i < save->task_count; i++) {
        tasks[i] = save->tasks[i];
        tasks[i].row.path = arena_text(arena, save->tasks[i].row.path);
        tasks[i].row.result = arena_text(arena, save->tasks[i].row.result);
        tasks[i].row.failure = arena_text(arena, save->tasks[i].row.failure);
        tasks[i].row.internal = arena_text(arena, save->tasks[i].row.internal);
        tasks[i].stderr_tail = arena_text(arena, save->tasks[i].stderr_tail);
    }
    item->u.save.tasks = tasks;
}

static void copy_history(struct item *item, const struct save *save)
{
    struct history_line *lines = arena_calloc(&item->arena, save->history_count + 1, sizeof *lines);
    for (size_t i = 0; i < save->history_count; i++) {
        lines[i] = save->history[i];
        lines[i].task = arena_text(&item->arena, save->history[i].task);
        lines[i].detail = arena_text(&item->arena, save->history[i].detail);
    }
    item->u.save.history = lines;
}

void storage_save(struct storage *storage, const struct save *save, uint64_t tag)
{
    CHECK(save->state < JOB_STATES && save->save_no >= 0 && !uuid_is_nil(&save->claim));
    if (too_large(save)) {
        answer_bad(storage, tag, TEXT("larger than a document may be (16 MiB)"));
        return;
    }
    struct item *item = item_new();
    item->tag = tag;
    item->u.save = *save;
    item->u.save.output = arena_text(&item->arena, save->output);
    item->u.save.failure = arena_text(&item->arena, save->failure);
    item->u.save.engine = arena_text(&item->arena, save->engine);
    copy_tasks(item, save);
    copy_history(item, save);
    item->bytes = item->arena.used_bytes;
    lane_add(storage, LANE_SAVE, item);
}
