/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/rerun.h"

#include <stdlib.h>

/* --------------------------------------------------------------------------------- given results
 */

const struct json *rerun_given(const struct unit *unit)
{
    return unit->job->given ? json_member(unit->job->given, unit->path) : NULL;
}

bool rerun_give(struct core *core, struct unit *unit)
{
    const struct json *given = rerun_given(unit);
    if (!given)
        return false;
    unit_succeed(core, unit, given->raw, TEXT("given"));
    return true;
}

static bool is_kept(const struct rerun *rerun, struct text path)
{
    size_t at = rerun_find(rerun, path);
    return at != SIZE_MAX && rerun->fates[at] == FATE_STAYS &&
           rerun->rows[at].state == TASK_SUCCESS;
}

static void add_given(struct buffer *json, const struct json *given)
{
    buffer_add_char(json, json->len ? ',' : '{');
    buffer_add_json_string(json, given->key);
    buffer_add_char(json, ':');
    buffer_add_text(json, given->raw);
}

/* What stays keeps a result that was given to it; what runs again gets those of this rerun. */
static void merge_given(struct rerun *rerun)
{
    struct job *job = rerun->job;
    struct buffer json = {0};
    for (const struct json *old = job->given ? job->given->first : NULL; old; old = old->next) {
        if (is_kept(rerun, old->key))
            add_given(&json, old);
    }
    for (const struct json *new = rerun->skip ? rerun->skip->first : NULL; new; new = new->next) {
        if (!is_kept(rerun, new->key))
            add_given(&json, new);
    }
    job->given = NULL;
    if (json.len) {
        struct json *given = NULL;
        buffer_add_char(&json, '}');
        struct text text = arena_text(&job->arena, buffer_text(&json));
        CHECK(json_parse(&job->arena, text, &given, NULL) == 0);
        job->given = given;
    }
    buffer_done(&json);
}

/* ----------------------------------------------------------------------------------------- keys */

uint32_t rerun_of_key(const struct unit *unit)
{
    uint32_t newest = 0;
    for (; unit; unit = unit_outer(unit)) {
        uint32_t own = unit->kind == UNIT_FINALLY ? unit->job->rerun_number : unit->rerun;
        newest = own > newest ? own : newest;
    }
    return newest;
}

/* ----------------------------------------------------------------------------------------- rows */

static struct unit unit_of(const struct rerun *rerun, const struct task_row *row)
{
    struct unit unit = {.job = rerun->job,
                        .kind = row->path.len ? UNIT_TASK : UNIT_JOB,
                        .path = row->path,
                        .state = (int)row->state,
                        .started = true};
    notes_read(&unit, row->internal);
    return unit;
}

static void tell(struct rerun *rerun, const struct task_row *row, enum task_state state)
{
    struct unit unit = {.job = rerun->job, .path = row->path, .attempt = row->attempt};
    save_line(rerun->job, &unit, (int)state, TEXT("rerun"));
    core_moved(rerun->core, MOVED_TASK, rerun->job, &unit, task_state_name(row->state),
               task_state_name(state), TEXT("rerun"));
}

/* It may be undone by the failures of this run as if by the first. */
static void stay(struct rerun *rerun, struct task_row *row)
{
    struct unit unit = unit_of(rerun, row);
    bool by_itself = row->state != TASK_SUCCESS && (row->state != TASK_FAILURE || unit.reverts_ran);
    if (!unit.undone || by_itself)
        return;
    unit.undone = unit.blocked = unit.reverts_ran = unit.revert_over = false;
    unit.revert_attempt = 0;
    row->internal = notes_write(&rerun->core->scratch, &unit);
    save_row(rerun->job, row, false);
}

static void run_again(struct rerun *rerun, size_t at)
{
    struct task_row *row = &rerun->rows[at];
    bool goes_on = rerun->fates[at] == FATE_GOES_ON;
    int32_t attempt = row->attempt > 0 && goes_on ? 1 : 0;
    if (row->state == TASK_PENDING)
        return;
    struct unit unit = {.job = rerun->job, .state = TASK_PENDING, .rerun = rerun->numbers[at]};
    *row = (struct task_row){.path = row->path, .state = row->state};
    tell(rerun, row, TASK_PENDING);
    row->state = TASK_PENDING;
    row->attempt = attempt;
    if (goes_on) {
        tell(rerun, row, TASK_RUNNING);
        row->state = TASK_RUNNING;
    }
    row->internal = notes_write(&rerun->core->scratch, &unit);
    save_row(rerun->job, row, goes_on);
}

/* The job's own row: its notes, with the flow at its first attempt. */
static void run_job_again(struct rerun *rerun)
{
    struct job *job = rerun->job;
    size_t at = rerun_find(rerun, TEXT(""));
    struct task_row *row = &rerun->rows[at];
    struct unit unit = {.kind = UNIT_JOB, .job = job, .state = TASK_RUNNING, .attempt = 1};
    unit.rerun = rerun->undone ? rerun->number : rerun->numbers[at];
    job->rerun_number = rerun->number;
    job->rerun_at_us = job->load.row.ready_at_us;
    *row = (struct task_row){.path = TEXT(""), .state = TASK_RUNNING, .attempt = 1};
    row->internal = notes_write(&rerun->core->scratch, &unit);
    save_row(job, row, false);
}

static void apply_one(struct rerun *rerun, const struct inbox_row *inbox)
{
    struct json *data = NULL;
    if (inbox->data.data && json_parse(&rerun->core->scratch, inbox->data, &data, NULL) != 0)
        data = NULL; /* a person changed the row: a rerun without wishes */
    const struct json *from = json_member(data, TEXT("from"));
    rerun->from = from && from->kind == JSON_STRING ? from->string : inbox->task;
    rerun->number = (uint32_t)inbox->seq;
    for (size_t at = 0; at < rerun->count; at++) {
        struct unit unit = unit_of(rerun, &rerun->rows[at]);
        rerun->fates[at] = FATE_STAYS;
        rerun->numbers[at] = unit.rerun;
    }
    const struct json *skip = json_member(data, TEXT("skip"));
    rerun->skip = skip && skip->kind == JSON_OBJECT ? skip : NULL;
    rerun_decide(rerun);
    merge_given(rerun);
    for (size_t at = 0; at < rerun->count; at++) {
        if (rerun->rows[at].path.len == 0)
            run_job_again(rerun);
        else if (rerun->fates[at] == FATE_STAYS)
            stay(rerun, &rerun->rows[at]);
        else
            run_again(rerun, at);
    }
}

static int compare_rows(const void *a, const void *b)
{
    return text_compare(((const struct task_row *)a)->path, ((const struct task_row *)b)->path);
}

/* The rows, with one for the job itself, sorted. */
static void take_rows(struct rerun *rerun, const struct task_row *rows, size_t count)
{
    struct arena *arena = &rerun->core->scratch;
    bool has_root = false;
    rerun->rows = arena_calloc(arena, count + 1, sizeof *rerun->rows);
    rerun->fates = arena_calloc(arena, count + 1, sizeof *rerun->fates);
    rerun->numbers = arena_calloc(arena, count + 1, sizeof *rerun->numbers);
    for (size_t i = 0; i < count; i++) {
        rerun->rows[i] = rows[i];
        has_root |= rows[i].path.len == 0;
    }
    if (!has_root)
        rerun->rows[count++] = (struct task_row){.path = TEXT(""), .state = TASK_RUNNING};
    rerun->count = count;
    qsort(rerun->rows, count, sizeof *rerun->rows, compare_rows);
}

struct task_row *rerun_apply(struct core *core, struct job *job, struct task_row *rows,
                             size_t *count)
{
    struct rerun rerun = {.core = core, .job = job};
    for (size_t i = 0; i < job->load.inbox_count; i++) {
        const struct inbox_row *inbox = &job->load.inbox[i];
        if (inbox->seq <= job->inbox_applied)
            continue;
        job->inbox_applied = inbox->seq;
        if (!text_equal(inbox->kind, TEXT(INBOX_RERUN))) {
            core_trouble(core, "inbox_unknown", job, inbox->kind);
            continue;
        }
        if (!rerun.rows)
            take_rows(&rerun, rows, *count);
        apply_one(&rerun, inbox);
        core->counts.reruns++;
    }
    job->inbox_applied = job->inbox_seq;
    if (!rerun.rows)
        return rows;
    *count = rerun.count;
    return rerun.rows;
}
