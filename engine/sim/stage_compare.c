/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/stage_compare.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/alloc.h"

/* ---------------------------------------------------------------------------------------- rows */

static bool differ(struct buffer *text, const char *what, struct text name, struct text plain,
                   struct text crashed)
{
    buffer_printf(text, "%s of \"%.*s\": \"%.*s\" without, \"%.*s\" with the crash\n", what,
                  TEXT_ARG(name), TEXT_ARG(plain), TEXT_ARG(crashed));
    return false;
}

static bool same(struct buffer *text, const char *what, struct text name, struct text plain,
                 struct text crashed)
{
    return text_equal(plain, crashed) || differ(text, what, name, plain, crashed);
}

static bool same_row(const struct task_row *plain, const struct task_row *crashed, bool has_times,
                     struct buffer *text)
{
    if (plain->attempt != crashed->attempt) {
        buffer_printf(text, "attempt of \"%.*s\": %d without, %d with the crash\n",
                      TEXT_ARG(plain->path), (int)plain->attempt, (int)crashed->attempt);
        return false;
    }
    return same(text, "state", plain->path, text_of(task_state_name(plain->state)),
                text_of(task_state_name(crashed->state))) &&
           same(text, "result", plain->path, plain->result, crashed->result) &&
           (has_times || same(text, "failure", plain->path, plain->failure, crashed->failure));
}

static bool same_rows(const struct stage_run *plain, const struct stage_run *crashed,
                      bool has_times, struct buffer *text)
{
    size_t a = 0, b = 0;
    while (a < plain->row_count || b < crashed->row_count) {
        const struct task_row *one = a < plain->row_count ? &plain->rows[a].row : NULL;
        const struct task_row *other = b < crashed->row_count ? &crashed->rows[b].row : NULL;
        int order = !one ? 1 : !other ? -1 : text_compare(one->path, other->path);
        if (order < 0)
            return differ(text, "row", one->path, text_of(task_state_name(one->state)),
                          TEXT("none"));
        if (order > 0)
            return differ(text, "row", other->path, TEXT("none"),
                          text_of(task_state_name(other->state)));
        if (!same_row(one, other, has_times, text))
            return false;
        a++;
        b++;
    }
    return true;
}

/* --------------------------------------------------------------------------------------- calls */

static const struct stage_call *find_call(const struct stage_run *run, struct text name)
{
    for (size_t i = 0; i < run->call_count; i++) {
        if (text_equal(run->calls[i].name, name))
            return &run->calls[i];
    }
    return NULL;
}

static bool same_calls(const struct stage_run *plain, const struct stage_run *crashed,
                       bool has_times, struct buffer *text)
{
    bool good = true;
    for (size_t i = 0; i < crashed->call_count; i++) {
        const struct stage_call *call = &crashed->calls[i];
        const struct stage_call *without = find_call(plain, call->name);
        int expected = (without ? without->started : 0) + call->interrupted;
        if (call->started == expected ||
            (has_times && without && call->started >= without->started && call->started < expected))
            continue;
        buffer_printf(text, "call \"%.*s\": begun %d times, %d without the crash, %d in flight\n",
                      TEXT_ARG(call->name), call->started, without ? without->started : 0,
                      call->interrupted);
        good = false;
    }
    for (size_t i = 0; i < plain->call_count; i++) {
        if (find_call(crashed, plain->calls[i].name))
            continue;
        buffer_printf(text, "call \"%.*s\": never with the crash\n",
                      TEXT_ARG(plain->calls[i].name));
        good = false;
    }
    return good;
}

/* ------------------------------------------------------------------------------------- history */

/* Lines that only a takeover or a hand-over writes. A job that was handed over in the middle of its
 * undoing is claimed READY, and says REVERTING once more when the next revert starts. */
static bool is_of_claim(const struct stage_line *line, bool handed_over)
{
    if (line->task.data)
        return text_equal(line->detail, TEXT("takeover"));
    return line->state == JOB_READY || text_equal(line->detail, TEXT("claim")) ||
           (handed_over && !job_state_is_final((enum job_state)line->state));
}

static bool was_handed_over(const struct stage_run *run)
{
    bool found = false;
    for (size_t i = 0; i < run->line_count; i++)
        found |= !run->lines[i].task.data && run->lines[i].state == JOB_READY;
    return found;
}

static const struct stage_line *next_line(const struct stage_run *run, size_t *at, bool handed_over)
{
    while (*at < run->line_count && is_of_claim(&run->lines[*at], handed_over))
        ++*at;
    return *at < run->line_count ? &run->lines[(*at)++] : NULL;
}

static bool same_line(const struct stage_line *a, const struct stage_line *b)
{
    return a && b && text_equal(a->task, b->task) && a->attempt == b->attempt &&
           a->state == b->state && text_equal(a->detail, b->detail);
}

static bool same_history(const struct stage_run *plain, const struct stage_run *crashed,
                         struct buffer *text)
{
    size_t a = 0, b = 0;
    bool handed_over = was_handed_over(crashed);
    for (;;) {
        const struct stage_line *one = next_line(plain, &a, handed_over);
        const struct stage_line *other = next_line(crashed, &b, handed_over);
        if (!one && !other)
            return true;
        if (same_line(one, other))
            continue;
        buffer_add_string(text, "history: without the crash ");
        if (one)
            stage_print_line(one, text);
        buffer_add_string(text, ", with it ");
        if (other)
            stage_print_line(other, text);
        buffer_add_char(text, '\n');
        return false;
    }
}

bool stage_agrees(const struct stage_run *plain, const struct stage_run *crashed, bool has_times,
                  struct buffer *ret_text)
{
    if (crashed->stuck) {
        buffer_printf(ret_text, "%s\n", crashed->stuck);
        return false;
    }
    /* Every difference is told, not only the first. */
    bool agrees = same(ret_text, "state", TEXT("the job"), text_of(job_state_name(plain->state)),
                       text_of(job_state_name(crashed->state)));
    agrees &= same(ret_text, "output", TEXT("the job"), plain->output, crashed->output);
    if (!has_times)
        agrees &= same(ret_text, "failure", TEXT("the job"), plain->failure, crashed->failure);
    agrees &= same_rows(plain, crashed, has_times, ret_text);
    agrees &= same_calls(plain, crashed, has_times, ret_text);
    agrees &= same_history(plain, crashed, ret_text);
    return agrees;
}

/* -------------------------------------------------------------------------------------- legality
 */

struct last {
    struct text path;
    int state;
    UT_hash_handle hh;
};

static bool is_remark(struct text detail)
{
    return text_equal(detail, TEXT("no revert")) || text_equal(detail, TEXT("revert if")) ||
           text_equal(detail, TEXT("not undone"));
}

static bool follow(struct last **list, const struct stage_line *line)
{
    struct last *last = NULL;
    HASH_FIND(hh, *list, line->task.data, line->task.len, last);
    if (!last) {
        last = xcalloc(1, sizeof *last);
        last->path = line->task;
        last->state = TASK_PENDING;
        HASH_ADD_KEYPTR(hh, *list, last->path.data, last->path.len, last);
    }
    int from = last->state;
    last->state = line->state;
    if (is_remark(line->detail))
        return from == line->state;
    return machine_allows(&task_machine, from, line->state);
}

/* A revert of the outermost flow that goes on under another claim: the job says that it is undone.
 */
static bool is_told(const struct stage_line *line, int job_state)
{
    bool is_outermost = line->task.data && !memchr(line->task.data, '/', line->task.len);
    bool goes_on = line->state == TASK_REVERTING && text_equal(line->detail, TEXT("takeover"));
    return !is_outermost || !goes_on || job_state == JOB_REVERTING;
}

bool stage_is_legal(const struct stage_run *run, struct buffer *ret_text)
{
    struct last *list = NULL, *last, *other;
    bool good = true;
    int job_state = JOB_READY;
    for (size_t i = 0; i < run->line_count && good; i++) {
        if (!run->lines[i].task.data)
            job_state = run->lines[i].state;
        good = !run->lines[i].task.data || follow(&list, &run->lines[i]);
        good = good && is_told(&run->lines[i], job_state);
        if (good)
            continue;
        buffer_add_string(ret_text, "no such move: ");
        stage_print_line(&run->lines[i], ret_text);
        buffer_add_char(ret_text, '\n');
    }
    HASH_ITER(hh, list, last, other)
    {
        HASH_DEL(list, last);
        free(last);
    }
    return good;
}

void stage_print(const struct stage_run *run, struct buffer *ret_text)
{
    int save = -1;
    for (size_t i = 0; i < run->line_count; i++) {
        const struct stage_line *line = &run->lines[i];
        if (line->save != save || (!line->task.data && text_equal(line->detail, TEXT("claim"))))
            buffer_printf(ret_text, "%s%4d %6lld ", i ? "\n" : "", line->save,
                          (long long)line->at_ms - STAGE_BEGIN_MS);
        save = line->save;
        buffer_add_char(ret_text, ' ');
        stage_print_line(line, ret_text);
    }
    buffer_add_char(ret_text, '\n');
}
