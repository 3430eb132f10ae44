/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/duration.h"
#include "base/timestamp.h"
#include "cli/session.h"
#include "cli/table.h"

#define SHORT_DATE_LEN  10 /* of the time's text: 2026-11-24 */
#define SHORT_CLOCK_END 23 /* up to the milliseconds */
#define OUTCOME_BYTES   60 /* shown of a document in the result column */

char *time_short(int64_t unix_us, char ret_text[TIME_SHORT_MAX])
{
    char full[TIMESTAMP_TEXT_MAX];
    timestamp_text(unix_us, full);
    full[SHORT_DATE_LEN] = ' ';
    full[SHORT_CLOCK_END] = 0;
    memcpy(ret_text, full, strlen(full) + 1);
    return ret_text;
}

static void add_fact(struct buffer *text, const char *name, struct text value)
{
    if (!value.data)
        return;
    buffer_printf(text, "%-10s ", name);
    text_add_safe(text, value);
    buffer_add_char(text, '\n');
}

static void add_time(struct buffer *text, const char *name, int64_t unix_us)
{
    char shown[TIME_SHORT_MAX];
    if (unix_us)
        add_fact(text, name, text_of(time_short(unix_us, shown)));
}

static void add_number(struct buffer *text, const char *name, int64_t value)
{
    buffer_printf(text, "%-10s %" PRId64 "\n", name, value);
}

static void add_state(struct buffer *text, const struct view_job *job)
{
    struct text state = text_of(job_state_name(job->row.state));
    const char *colour = state_colour(state);
    buffer_printf(text, "%-10s %s%s%s\n", "state", colour, state.data, *colour ? COLOUR_END : "");
}

static void add_owner(struct buffer *text, const struct view_job *job)
{
    struct arena arena = {0};
    if (!uuid_is_nil(&job->row.owner))
        add_fact(text, "engine",
                 arena_printf(&arena, "%.*s (boot %s)", TEXT_ARG(job->owner.name),
                              UUID_STR(&job->row.owner)));
    arena_done(&arena);
}

static struct text took(struct arena *arena, const struct view_task *task, int64_t now_us)
{
    char text[32];
    if (!task->started_at_us)
        return TEXT("");
    int64_t end_us = task->ended_at_us ? task->ended_at_us : now_us;
    int64_t ms = end_us > task->started_at_us ? (end_us - task->started_at_us) / 1000 : 0;
    return arena_text(arena, text_of(duration_format(ms, text, sizeof text)));
}

/* The first line of what came out, short. */
static struct text outcome(struct arena *arena, const struct view_task *task)
{
    struct text document = task->row.failure.data ? task->row.failure : task->row.result;
    if (!document.data)
        return TEXT("");
    bool is_cut = document.len > OUTCOME_BYTES;
    size_t len = is_cut ? OUTCOME_BYTES : document.len;
    while (is_cut && len > 0 && ((unsigned char)document.data[len] & 0xc0) == 0x80)
        len--;
    char *shown = arena_string(
        arena, arena_printf(arena, "%.*s%s", (int)len, document.data, is_cut ? "…" : ""));
    for (char *c = shown; *c; c++)
        if (*c == '\n' || *c == '\t' || *c == '\r')
            *c = ' ';
    return text_of(shown);
}

/* In the order they began; what has not begun comes last. */
static int by_beginning(const void *a, const void *b)
{
    const struct view_task *const *left = a, *const *right = b;
    int64_t x = (*left)->started_at_us, y = (*right)->started_at_us;
    if (x != y)
        return !x ? 1 : !y ? -1 : x < y ? -1 : 1;
    return text_compare((*left)->row.path, (*right)->row.path);
}

static const struct view_task **tasks_sorted(const struct view_job *job)
{
    const struct view_task **sorted = xcalloc(job->task_count + 1, sizeof *sorted);
    for (size_t i = 0; i < job->task_count; i++)
        sorted[i] = &job->tasks[i];
    qsort(sorted, job->task_count, sizeof *sorted, by_beginning);
    return sorted;
}

void job_text_tasks(const struct view_job *job, int64_t now_us, struct buffer *ret_text)
{
    static const struct table_column columns[] = {
        {"TASK", TABLE_CUT}, {"STATE", TABLE_STATE}, {"ATTEMPT", TABLE_RIGHT},
        {"ENGINE", 0},       {"TOOK", TABLE_RIGHT},  {"RESULT", TABLE_CUT},
    };
    struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    const struct view_task **sorted = tasks_sorted(job);
    for (size_t i = 0; i < job->task_count; i++) {
        struct arena arena = {0};
        const struct view_task *task = sorted[i];
        const struct text cells[] = {
            task->row.path,
            text_of(task_state_name(task->row.state)),
            arena_printf(&arena, "%d", task->row.attempt),
            task->engine,
            took(&arena, task, now_us),
            outcome(&arena, task),
        };
        table_row(table, cells);
        arena_done(&arena);
    }
    free(sorted);
    table_render(table, ret_text);
}

void job_text_show(const struct view_job *job, int64_t now_us, struct buffer *ret_text)
{
    add_fact(ret_text, "id", text_of(UUID_STR(&job->row.id)));
    add_fact(ret_text, "flow", job->flow_name);
    add_fact(ret_text, "key", job->key);
    add_state(ret_text, job);
    add_owner(ret_text, job);
    add_number(ret_text, "epoch", job->row.epoch);
    add_number(ret_text, "priority", job->row.priority);
    add_time(ret_text, "posted", job->posted_at_us);
    add_time(ret_text, "started", job->started_at_us);
    add_time(ret_text, "ended", job->ended_at_us);
    add_time(ret_text, "wakes", job->wake_at_us);
    if (job->row.unclean || job->deaths) {
        add_number(ret_text, "unclean", job->row.unclean);
        add_number(ret_text, "deaths", job->deaths);
    }
    add_fact(ret_text, "input", job->input);
    add_fact(ret_text, "output", job->output);
    add_fact(ret_text, "failure", job->failure);
    if (job->task_count) {
        buffer_add_char(ret_text, '\n');
        job_text_tasks(job, now_us, ret_text);
    }
}

void job_text_line(const struct view_line *line, const struct uuid *job, struct buffer *ret_text)
{
    char at[TIME_SHORT_MAX];
    buffer_add_string(ret_text, time_short(line->at_us, at));
    if (job)
        buffer_printf(ret_text, "  %s", ID_SHORT(job));
    buffer_printf(ret_text, "  %4" PRId64 "  ", line->epoch);
    size_t begin = ret_text->len;
    const char *colour = state_colour(line->state);
    text_add_safe(ret_text, line->task.data ? line->task : TEXT("job"));
    if (line->attempt > 1)
        buffer_printf(ret_text, " #%d", line->attempt);
    for (size_t shown = ret_text->len - begin; shown < 24; shown++)
        buffer_add_char(ret_text, ' ');
    buffer_printf(ret_text, " %s", colour);
    text_add_safe(ret_text, line->state);
    buffer_add_string(ret_text, *colour ? COLOUR_END : "");
    if (line->engine.data) {
        buffer_add_string(ret_text, "  on ");
        text_add_safe(ret_text, line->engine);
    }
    if (line->detail.data) {
        buffer_add_string(ret_text, "  ");
        text_add_safe(ret_text, line->detail);
    }
}
