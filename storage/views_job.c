/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/views_private.h"

#define VIEW_COLUMNS                                                                               \
    JOB_COLUMNS("j")                                                                               \
    ", b.name, b.host, b.pid, b.supervisor_pid, b.began_at, f.name, j.key, j.deaths, j.posted_at," \
    " j.started_at, j.ended_at, j.wake_at, j.changed_at, j.hold_until, j.history_seq"
#define VIEW_COLUMN_COUNT (JOB_COLUMN_COUNT + 15)
#define VIEW_NULLS                                                                                 \
    "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"    \
    " NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"   \
    " NULL"
#define VIEW_JOINS " LEFT JOIN boots b ON b.boot = j.owner LEFT JOIN flows f ON f.hash = j.flow "

/* The plan is made for each request with its values, so what does not restrict falls away. */
#define LIST_FILTER                                                                                \
    " WHERE ($1 IS NULL OR j.flow IN (SELECT hash FROM flows WHERE name = $1))"                    \
    " AND (cardinality($2) = 0 OR j.state = ANY($2::job_state[]))"                                 \
    " AND ($3 = 0 OR j.posted_at >= timestamptz 'epoch' + $3 * interval '1 microsecond')"          \
    " AND ($4 = 0 OR j.posted_at >= clock_timestamp() - $4 * interval '1 millisecond')"            \
    " AND ($5 IS NULL OR j.owner IN (SELECT boot FROM boots WHERE name = $5))"                     \
    " AND ($6 IS NULL OR j.key = $6)"                                                              \
    " AND (cardinality($7) = 0 OR j.id = ANY($7))"

/* Ids begin with their time: the newest have the greatest. Row 0 is the total. */
const struct statement list_statement = {
    "view_list", "tTllttUi",
    "SELECT 1 AS kind, 0::bigint, " VIEW_COLUMNS " FROM (SELECT * FROM jobs j" LIST_FILTER
    "  ORDER BY j.id DESC LIMIT nullif($8, -1)) j" VIEW_JOINS
    "UNION ALL SELECT 0, (SELECT count(*) FROM jobs j" LIST_FILTER "), " VIEW_NULLS};

/* Columns of show, after those of a list. Further down the ones of a task. */
enum {
    S_VIEW = 1,
    S_INPUT = S_VIEW + VIEW_COLUMN_COUNT,
    S_OUTPUT,
    S_FAILURE,
    S_FLOW_TEXT,
    S_FLOW_HASH,
    S_TARGET,
    S_TAGS,
    S_NOW,
    S_AHEAD,
    S_PATH,
    S_STATE,
    S_ATTEMPT,
    S_ENGINE,
    S_EPOCH,
    S_STARTED,
    S_ENDED,
    S_RESULT,
    S_TASK_FAILURE,
    S_INTERNAL,
};

/* $1 job, $2 how far is counted. The row without a path holds notes of the engine, and is no task.
 */
const struct statement show_statement = {
    "view_show", "ul",
    "SELECT 1 AS kind, " VIEW_COLUMNS ", p.input::text, p.output::text, p.failure::text, f.text,"
    " f.hash, p.target, array_to_string(j.tags, E'\\n'), clock_timestamp(),"
    " CASE WHEN j.state = 'READY' THEN (SELECT count(*) FROM (SELECT FROM jobs o"
    "  WHERE o.pool = j.pool AND o.state = 'READY'"
    "   AND (o.priority, o.ready_at, o.id) < (j.priority, j.ready_at, j.id) LIMIT $2) x)"
    " ELSE 0 END, "
    "NULL::text, NULL::text, NULL::integer, NULL::text, NULL::bigint, NULL::timestamptz,"
    " NULL::timestamptz, NULL::text, NULL::text, NULL::text"
    " FROM jobs j" VIEW_JOINS "LEFT JOIN payloads p ON p.job = j.id WHERE j.id = $1 "
    "UNION ALL (SELECT 2, " VIEW_NULLS ", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"
    " t.path, t.state::text, t.attempt, t.engine, t.epoch, t.started_at, t.ended_at,"
    " t.result::text, t.failure::text, t.internal::text FROM tasks t WHERE t.job = $1 AND t.path "
    "<> ''"
    " ORDER BY t.path COLLATE \"C\") ORDER BY 1"};

void list_bind(struct params *params, const struct view_request *request)
{
    const struct view_filter *filter = &request->filter;
    params_text(params, 0, filter->flow);
    for (enum job_state s = 0; s < JOB_STATES; s++)
        if (filter->states & MACHINE_BIT(s))
            params_text(params, 1, text_of(job_state_name(s)));
    params_int(params, 2, filter->since_us);
    params_int(params, 3, filter->since_ms);
    params_text(params, 4, filter->engine);
    params_text(params, 5, filter->key);
    for (size_t i = 0; i < filter->id_count; i++)
        params_uuid(params, 6, &filter->ids[i]);
    params_int(params, 7, request->limit);
}

static void read_job(struct view_reader *reader, int row, int column, struct view_job *job)
{
    *job = (struct view_job){0};
    reader->ok &= job_row_read(reader->result, row, column, &job->row);
    column += JOB_COLUMN_COUNT;
    job->owner.boot = job->row.owner;
    job->owner.name = view_text(reader, row, column++);
    job->owner.host = view_text(reader, row, column++);
    job->owner.pid = (int32_t)view_int(reader, row, column++);
    job->owner.supervisor_pid = (int32_t)view_int(reader, row, column++);
    job->owner.began_at_us = view_time_us(reader, row, column++);
    job->flow_name = view_text(reader, row, column++);
    job->key = view_text(reader, row, column++);
    job->deaths = (int32_t)view_int(reader, row, column++);
    job->posted_at_us = view_time_us(reader, row, column++);
    job->started_at_us = view_time_us(reader, row, column++);
    job->ended_at_us = view_time_us(reader, row, column++);
    job->wake_at_us = view_time_us(reader, row, column++);
    job->changed_at_us = view_time_us(reader, row, column++);
    job->hold_until_us = view_time_us(reader, row, column++);
    job->history_seq = view_int(reader, row, column++);
}

void list_read(struct view_reader *reader, struct view_answer *answer)
{
    int rows = PQntuples(reader->result);
    struct view_job *jobs = arena_calloc(reader->arena, (size_t)rows + 1, sizeof *jobs);
    size_t count = 0;
    for (int row = 0; row < rows; row++) {
        if (view_int(reader, row, 0) == 1)
            read_job(reader, row, 2, &jobs[count++]);
        else
            answer->u.list.total = view_int(reader, row, 1);
    }
    answer->u.list.jobs = jobs;
    answer->u.list.count = count;
}

void show_bind(struct params *params, const struct view_request *request)
{
    params_uuid(params, 0, &request->job);
    params_int(params, 1, VIEW_READY_AHEAD_MAX);
}

static void read_documents(struct view_reader *reader, int row, struct view_job *job)
{
    job->input = view_text(reader, row, S_INPUT);
    job->output = view_text(reader, row, S_OUTPUT);
    job->failure = view_text(reader, row, S_FAILURE);
    job->flow_text = view_text(reader, row, S_FLOW_TEXT);
    job->flow_hash = view_text(reader, row, S_FLOW_HASH);
    job->target = view_text(reader, row, S_TARGET);
    job->tags = tags_split(reader->arena, field_text(reader->result, row, S_TAGS), &job->tag_count);
}

static void read_task(struct view_reader *reader, int row, struct view_task *task)
{
    task->row.path = view_text(reader, row, S_PATH);
    reader->ok &= task_state_find(field_text(reader->result, row, S_STATE), &task->row.state);
    task->row.attempt = (int32_t)view_int(reader, row, S_ATTEMPT);
    task->row.result = view_text(reader, row, S_RESULT);
    task->row.failure = view_text(reader, row, S_TASK_FAILURE);
    task->row.internal = view_text(reader, row, S_INTERNAL);
    task->engine = view_text(reader, row, S_ENGINE);
    task->epoch = view_int(reader, row, S_EPOCH);
    task->started_at_us = view_time_us(reader, row, S_STARTED);
    task->ended_at_us = view_time_us(reader, row, S_ENDED);
}

void show_read(struct view_reader *reader, struct view_answer *answer)
{
    int rows = PQntuples(reader->result);
    struct view_job *job = &answer->u.show.job;
    struct view_task *tasks = arena_calloc(reader->arena, (size_t)rows + 1, sizeof *tasks);
    bool found = false;
    size_t count = 0;
    for (int row = 0; row < rows; row++) {
        if (view_int(reader, row, 0) == 2) {
            read_task(reader, row, &tasks[count++]);
            continue;
        }
        found = true;
        read_job(reader, row, S_VIEW, job);
        read_documents(reader, row, job);
        answer->now_us = view_time_us(reader, row, S_NOW);
        answer->u.show.ready_ahead = view_int(reader, row, S_AHEAD);
    }
    job->tasks = tasks;
    job->task_count = count;
    if (!found)
        answer->code = ERR_NOT_FOUND;
}
