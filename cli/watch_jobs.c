/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/watch_jobs.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/duration.h"
#include "cli/job_json.h"
#include "cli/job_text.h"
#include "cli/session.h"
#include "cli/table.h"

#define PAGE         1000
#define ROWS_DEFAULT 24
#define LINE_END     "\033[K\n" /* erases what an earlier picture left there */
#define SCREEN_END   "\033[J"

/* ---------------------------------------------------------------------------------------- lines */

static void print_line(const struct view_line *line, const struct uuid *id, bool json)
{
    struct buffer text = {0};
    if (json)
        job_json_line(line, id, &text);
    else
        job_text_line(line, id, &text);
    puts(text.data);
    buffer_done(&text);
}

int watch_lines(struct jobboard *jobboard, struct watch_job *job, bool json, bool with_id)
{
    struct view_request request = {.kind = VIEW_HISTORY, .job = job->id, .limit = PAGE};
    const struct view_answer *answer;
    size_t count;
    do {
        request.after_seq = job->shown_seq;
        int exit = session_view(jobboard, "watch", &request, &answer);
        if (exit)
            return exit;
        count = answer->u.history.count;
        for (size_t i = 0; i < count; i++) {
            const struct view_line *line = &answer->u.history.lines[i];
            print_line(line, json || with_id ? &job->id : NULL, json);
            job->shown_seq = line->seq;
        }
    } while (count == PAGE);
    fflush(stdout);
    return EXIT_CODE_DONE;
}

/* -------------------------------------------------------------------------------------- picture */

static int terminal_rows(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 2)
        return size.ws_row;
    return ROWS_DEFAULT;
}

void watch_fit(struct text text, int rows, struct buffer *ret_text, int *ret_rows)
{
    int lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    int shown = lines <= rows ? lines : rows - 1;
    const char *at = text.data;
    for (int i = 0; i < shown; i++) {
        const char *end = memchr(at, '\n', text.len - (size_t)(at - text.data));
        buffer_add(ret_text, at, (size_t)(end - at));
        buffer_add_string(ret_text, LINE_END);
        at = end + 1;
    }
    if (shown < lines)
        buffer_printf(ret_text, "… %d more" LINE_END, lines - shown);
    *ret_rows = shown + (shown < lines);
}

static void add_job(const struct view_answer *answer, bool with_tasks, struct buffer *text)
{
    const struct view_job *job = &answer->u.show.job;
    struct text state = text_of(job_state_name(job->row.state));
    const char *colour = state_colour(state);
    size_t ended = 0;
    char length[32];
    int64_t until_us = job->ended_at_us ? job->ended_at_us : answer->now_us;
    int64_t took_ms = job->started_at_us ? (until_us - job->started_at_us) / 1000 : 0;
    for (size_t i = 0; i < job->task_count; i++)
        ended += task_state_is_final(job->tasks[i].row.state);
    buffer_printf(text, "%s  %s%-11s%s  %.*s  %zu/%zu tasks ended  %s", ID_SHORT(&job->row.id),
                  colour, state.data, *colour ? COLOUR_END : "", TEXT_ARG(job->flow_name), ended,
                  job->task_count,
                  duration_format(took_ms > 0 ? took_ms / 100 * 100 : 0, length, sizeof length));
    if (job->owner.name.data) {
        buffer_add_string(text, "  on ");
        text_add_safe(text, job->owner.name);
        buffer_printf(text, " (epoch %lld)", (long long)job->row.epoch);
    }
    buffer_add_char(text, '\n');
    if (with_tasks)
        job_text_tasks(job, answer->now_us, text);
}

int watch_draw(struct watch_screen *screen, struct jobboard *jobboard, const struct watch_job *jobs,
               size_t count)
{
    struct buffer text = {0}, picture = {0};
    int exit = EXIT_CODE_DONE, rows = 0;
    for (size_t i = 0; i < count && !exit; i++) {
        struct view_request request = {.kind = VIEW_SHOW, .job = jobs[i].id};
        const struct view_answer *answer;
        exit = session_view(jobboard, "watch", &request, &answer);
        if (!exit)
            add_job(answer, count == 1, &text);
    }
    if (!exit) {
        if (screen->rows)
            buffer_printf(&picture, "\033[%dA\r", screen->rows);
        watch_fit(buffer_text(&text), terminal_rows() - 1, &picture, &rows);
        buffer_add_string(&picture, SCREEN_END);
        fwrite(picture.data, 1, picture.len, stdout);
        fflush(stdout);
        screen->rows = rows;
    }
    buffer_done(&picture);
    buffer_done(&text);
    return exit;
}
