/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a rerun makes sense, before it is sent: what an engine finds wrong can't be told to a
 * person any more. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "jobboard/client/client_private.h"

static int check_state(const struct view_job *job, struct error *ret_error)
{
    const char *id = UUID_STR(&job->row.id), *state = job_state_name(job->row.state);
    switch (job->row.state) {
    case JOB_FAILURE:
    case JOB_REVERTED:
    case JOB_CANCELLED:
        return 0;
    case JOB_SUCCESS:
        return error_set(ret_error, ERR_WRONG_STATE,
                         "job %s is SUCCESS: there is nothing to run again", id);
    case JOB_QUARANTINED:
        return error_set(ret_error, ERR_WRONG_STATE,
                         "job %s is QUARANTINED: it has to be released from that", id);
    case JOB_READY:
    case JOB_RUNNING:
    case JOB_REVERTING:
    case JOB_WAITING:
    case JOB_SUSPENDED:
    case JOB_STATES:
        break;
    }
    return error_set(ret_error, ERR_WRONG_STATE,
                     "job %s is %s: only a job that ended can run again; wait for its end first",
                     id, state);
}

static const struct task_row *find_row(const struct view_job *job, struct text path)
{
    for (size_t i = 0; i < job->task_count; i++)
        if (text_equal(job->tasks[i].row.path, path))
            return &job->tasks[i].row;
    return NULL;
}

/* Whether a task of the flow is so called; its place among the items is another matter. */
static int check_path(const struct flow *flow, const char *option, struct text path,
                      struct error *ret_error)
{
    const struct flow_task *task;
    int code = flow_find_path(flow, path, &task, ret_error);
    if (code)
        error_wrap(ret_error, "%s", option);
    return code;
}

static int check_from(const struct flow *flow, const struct view_job *job, struct text from,
                      struct error *ret_error)
{
    int code = check_path(flow, "--from", from, ret_error);
    if (code)
        return code;
    const struct task_row *row = find_row(job, from);
    if (row && row->state != TASK_PENDING && row->state != TASK_SKIPPED)
        return 0;
    return error_set(ret_error, ERR_WRONG_STATE,
                     "--from: task '%.*s' %s: what has not run runs without being named",
                     TEXT_ARG(from),
                     row && row->state == TASK_SKIPPED ? "was skipped" : "did not run");
}

/* ------------------------------------------------------------------------------ what stays anyway
 */

struct stay {
    const struct view_job *job;
    struct text from;
};

static bool is_at_or_inside(struct text path, struct text outer)
{
    return path.len >= outer.len && !memcmp(path.data, outer.data, outer.len) &&
           (path.len == outer.len || path.data[outer.len] == '/');
}

static bool has_succeeded(const struct stay *stay, struct text path)
{
    const struct task_row *row = find_row(stay->job, path);
    bool is_named = stay->from.data && is_at_or_inside(stay->from, path);
    return row && row->state == TASK_SUCCESS && !is_named;
}

/* Whether the task of the level and all it needs, directly or not, succeeded and none is named by
 * `from`. `outer` is the path of the level with its slash. */
static bool stays_in(const struct stay *stay, const struct flow_level *level, struct text outer,
                     uint32_t wanted)
{
    struct arena arena = {0};
    bool *seen = arena_calloc(&arena, level->task_count, sizeof *seen), stays = true;
    uint32_t *queue = arena_calloc(&arena, level->task_count, sizeof *queue), count = 0;
    seen[wanted] = true;
    queue[count++] = wanted;
    for (uint32_t at = 0; at < count && stays; at++) {
        const struct flow_task *task = &level->tasks[queue[at]];
        struct text path = arena_printf(&arena, "%.*s%.*s", TEXT_ARG(outer), TEXT_ARG(task->name));
        /* A flow around the named task may go on: what it needs counts, and whether it is named. */
        stays = has_succeeded(stay, path) ||
                (at == 0 && find_row(stay->job, path) && !text_equal(stay->from, path));
        for (size_t i = 0; i < task->need_count; i++) {
            uint32_t need = task->needs[i].task;
            if (!seen[need])
                queue[count++] = need;
            seen[need] = true;
        }
    }
    arena_done(&arena);
    return stays;
}

static struct text part_at(struct text path, size_t from)
{
    const char *slash = memchr(path.data + from, '/', path.len - from);
    size_t end = slash ? (size_t)(slash - path.data) : path.len;
    return (struct text){path.data + from, end - from};
}

static bool stays(const struct flow *flow, const struct stay *stay, struct text path)
{
    const struct flow_level *level = &flow->top;
    size_t at = 0;
    while (level && at < path.len) {
        struct text part = part_at(path, at);
        int64_t number = flow_level_find(level, part);
        if (number < 0 || !stays_in(stay, level, (struct text){path.data, at}, (uint32_t)number))
            return false;
        const struct flow_task *task = &level->tasks[number];
        at += part.len + 1;
        if (task->foreach.present && at < path.len)
            at += part_at(path, at).len + 1;
        level = task->nested;
    }
    return has_succeeded(stay, path);
}

/* ---------------------------------------------------------------------------------------- skipping
 */

static int check_result(const struct jobboard_skip *skip, struct error *ret_error)
{
    struct arena arena = {0};
    struct json *json;
    int code = skip->result.data ? json_parse(&arena, skip->result, &json, ret_error) : 0;
    if (code) {
        error_wrap(ret_error, "--skip %.*s", TEXT_ARG(skip->task));
        size_t len = strlen(ret_error->text);
        snprintf(ret_error->text + len, sizeof ret_error->text - len,
                 "; the result is JSON, a string in quotes: '%.*s=\"…\"'", TEXT_ARG(skip->task));
    }
    arena_done(&arena);
    return code;
}

static int check_skip(const struct flow *flow, const struct view_job *job,
                      const struct jobboard_rerun *rerun, size_t number, struct error *ret_error)
{
    const struct jobboard_skip *skip = &rerun->skips[number];
    struct stay stay = {job, rerun->from};
    int code = check_path(flow, "--skip", skip->task, ret_error);
    if (!code)
        code = check_result(skip, ret_error);
    if (code)
        return code;
    for (size_t i = 0; i < number; i++)
        if (text_equal(rerun->skips[i].task, skip->task))
            return error_set(ret_error, ERR_INVALID, "--skip: task '%.*s' is named twice",
                             TEXT_ARG(skip->task));
    if (stays(flow, &stay, skip->task))
        return error_set(ret_error, ERR_WRONG_STATE,
                         "--skip: task '%.*s' succeeded and is not run again; to replace its "
                         "result, say --from %.*s as well",
                         TEXT_ARG(skip->task), TEXT_ARG(skip->task));
    return 0;
}

static int check_tasks(const struct flow *flow, const struct view_job *job,
                       const struct jobboard_rerun *rerun, struct error *ret_error)
{
    int code = rerun->from.data ? check_from(flow, job, rerun->from, ret_error) : 0;
    for (size_t i = 0; i < rerun->skip_count && !code; i++)
        code = check_skip(flow, job, rerun, i, ret_error);
    return code;
}

int jobboard_rerun_check(const struct view_job *job, const struct jobboard_rerun *rerun,
                         struct error *ret_error)
{
    struct flow *flow = NULL;
    struct flow_problems problems = {0};
    int code = check_state(job, ret_error);
    if (code || (!rerun->from.data && !rerun->skip_count))
        return code;
    code = flow_compile(job->flow_text, &flow, &problems);
    if (code)
        error_set(ret_error, code, "the job's flow does not compile any more");
    else if (job->target.data)
        code = flow_cut_down(flow, job->target, ret_error);
    if (!code)
        code = check_tasks(flow, job, rerun, ret_error);
    flow_problems_done(&problems);
    flow_free(flow);
    return code;
}
