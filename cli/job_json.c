/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_json.h"

#include <inttypes.h>

#include "base/timestamp.h"

void json_key(struct buffer *json, const char *name)
{
    if (json->len && json->data[json->len - 1] != '{')
        buffer_add_char(json, ',');
    buffer_add_json_string(json, text_of(name));
    buffer_add_char(json, ':');
}

void json_text(struct buffer *json, const char *name, struct text value)
{
    json_key(json, name);
    if (value.data)
        buffer_add_json_string(json, value);
    else
        buffer_add_string(json, "null");
}

void json_int(struct buffer *json, const char *name, int64_t value)
{
    json_key(json, name);
    buffer_printf(json, "%" PRId64, value);
}

void json_uuid(struct buffer *json, const char *name, const struct uuid *value)
{
    json_text(json, name, uuid_is_nil(value) ? TEXT_NONE : text_of(UUID_STR(value)));
}

void json_time(struct buffer *json, const char *name, int64_t unix_us)
{
    char text[TIMESTAMP_TEXT_MAX];
    json_text(json, name, unix_us ? text_of(timestamp_text(unix_us, text)) : TEXT_NONE);
}

void json_raw(struct buffer *json, const char *name, struct text document)
{
    json_key(json, name);
    buffer_add_text(json, document.data ? document : TEXT("null"));
}

static void add_task(const struct view_task *task, struct buffer *json)
{
    buffer_add_char(json, '{');
    json_text(json, "state", text_of(task_state_name(task->row.state)));
    json_int(json, "attempt", task->row.attempt);
    json_raw(json, "result", task->row.result);
    json_raw(json, "failure", task->row.failure);
    json_text(json, "engine", task->engine);
    json_int(json, "epoch", task->epoch);
    json_time(json, "started_at", task->started_at_us);
    json_time(json, "ended_at", task->ended_at_us);
    buffer_add_char(json, '}');
}

static void add_tasks(const struct view_job *job, struct buffer *json)
{
    json_key(json, "tasks");
    buffer_add_char(json, '{');
    for (size_t i = 0; i < job->task_count; i++) {
        if (i)
            buffer_add_char(json, ',');
        buffer_add_json_string(json, job->tasks[i].row.path);
        buffer_add_char(json, ':');
        add_task(&job->tasks[i], json);
    }
    buffer_add_char(json, '}');
}

static void add_who(const struct view_job *job, struct buffer *json)
{
    json_uuid(json, "id", &job->row.id);
    json_text(json, "flow", job->flow_name);
    json_text(json, "key", job->key);
    json_text(json, "state", text_of(job_state_name(job->row.state)));
    json_int(json, "epoch", job->row.epoch);
    json_uuid(json, "owner", &job->row.owner);
    json_int(json, "priority", job->row.priority);
}

static void add_when(const struct view_job *job, struct buffer *json)
{
    json_time(json, "posted_at", job->posted_at_us);
    json_time(json, "started_at", job->started_at_us);
    json_time(json, "ended_at", job->ended_at_us);
    json_time(json, "wake_at", job->wake_at_us);
    json_int(json, "unclean", job->row.unclean);
    json_int(json, "deaths", job->deaths);
}

void job_json_show(const struct view_job *job, struct buffer *ret_json)
{
    buffer_add_char(ret_json, '{');
    add_who(job, ret_json);
    json_raw(ret_json, "input", job->input);
    json_raw(ret_json, "output", job->output);
    json_raw(ret_json, "failure", job->failure);
    add_when(job, ret_json);
    add_tasks(job, ret_json);
    buffer_add_char(ret_json, '}');
}

void job_json_list(const struct view_job *job, struct buffer *ret_json)
{
    buffer_add_char(ret_json, '{');
    add_who(job, ret_json);
    add_when(job, ret_json);
    buffer_add_char(ret_json, '}');
}

void job_json_line(const struct view_line *line, const struct uuid *job, struct buffer *ret_json)
{
    buffer_add_char(ret_json, '{');
    if (job)
        json_uuid(ret_json, "job", job);
    json_int(ret_json, "seq", line->seq);
    json_time(ret_json, "at", line->at_us);
    json_text(ret_json, "task", line->task);
    json_int(ret_json, "attempt", line->attempt);
    json_text(ret_json, "state", line->state);
    json_text(ret_json, "engine", line->engine);
    json_int(ret_json, "epoch", line->epoch);
    json_text(ret_json, "detail", line->detail);
    buffer_add_char(ret_json, '}');
}

void job_json_stderr(const struct view_stderr *stderr_tail, struct buffer *ret_json)
{
    buffer_add_char(ret_json, '{');
    json_text(ret_json, "task", stderr_tail->task);
    json_int(ret_json, "attempt", stderr_tail->attempt);
    json_time(ret_json, "at", stderr_tail->at_us);
    json_text(ret_json, "stderr", stderr_tail->tail);
    buffer_add_char(ret_json, '}');
}
