/* SPDX-License-Identifier: Apache-2.0 */
/* What the run did against what the language says. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "engine/sim/reference_private.h"

/* ----------------------------------------------------------------------------------------- moves
 */

static bool is_claim(const struct stage_line *line)
{
    return !line->task.data && text_equal(line->detail, TEXT("claim"));
}

static struct move move_of(const struct stage_line *line, int64_t began_ms)
{
    struct text detail = is_claim(line) ? TEXT_NONE : line->detail;
    return (struct move){line->task, line->state, line->attempt, detail, line->at_ms - began_ms};
}

static bool same_move(const struct move *one, const struct move *other)
{
    return one->state == other->state && one->attempt == other->attempt &&
           text_equal(one->detail, other->detail) && one->at_ms == other->at_ms;
}

static void tell_move(struct buffer *text, const struct move *move)
{
    if (!move) {
        buffer_add_string(text, "nothing");
        return;
    }
    buffer_printf(text, "\"%.*s\" %s(%d)'%.*s' at %lld", TEXT_ARG(move->path),
                  move->path.data ? task_state_name((enum task_state)move->state)
                                  : job_state_name((enum job_state)move->state),
                  move->attempt, TEXT_ARG(move->detail), (long long)move->at_ms);
}

struct difference {
    bool any;
    int64_t first_ms;
    struct buffer *text;
};

/* Told is the first one that is met. */
static void note(struct difference *difference, const struct move *wanted, const struct move *got)
{
    int64_t at_ms = wanted && got ? (wanted->at_ms < got->at_ms ? wanted->at_ms : got->at_ms)
                    : wanted      ? wanted->at_ms
                                  : got->at_ms;
    if (!difference->any || at_ms < difference->first_ms)
        difference->first_ms = at_ms;
    if (difference->any)
        return;
    difference->any = true;
    buffer_add_string(difference->text, "reference: ");
    tell_move(difference->text, wanted);
    buffer_add_string(difference->text, "; run: ");
    tell_move(difference->text, got);
    buffer_add_string(difference->text, "\n");
}

/* The lines of each path against its moves, in their order. */
static void compare_moves(const struct reference *ref, const struct stage_run *run,
                          struct difference *difference)
{
    bool *used = xcalloc(run->line_count + 1, sizeof *used);
    int64_t began_ms = run->line_count ? run->lines[0].at_ms : 0;
    for (size_t i = 0; i < ref->move_count; i++) {
        const struct move *move = &ref->moves[i];
        size_t at = 0;
        while (at < run->line_count && (used[at] || !text_equal(run->lines[at].task, move->path)))
            at++;
        used[at] = true;
        struct move got = at < run->line_count ? move_of(&run->lines[at], began_ms) : *move;
        if (at == run->line_count)
            note(difference, move, NULL);
        else if (!same_move(move, &got))
            note(difference, move, &got);
    }
    for (size_t i = 0; i < run->line_count; i++) {
        struct move got = move_of(&run->lines[i], began_ms);
        if (!used[i])
            note(difference, NULL, &got);
    }
    free(used);
}

static void tell_all(const struct reference *ref, struct buffer *ret_text)
{
    int64_t at_ms = -1;
    buffer_add_string(ret_text, "the reference:");
    for (size_t i = 0; i < ref->move_count; i++) {
        const struct move *move = &ref->moves[i];
        if (move->at_ms != at_ms)
            buffer_printf(ret_text, "\n   %5lld ", (long long)move->at_ms);
        at_ms = move->at_ms;
        buffer_printf(ret_text, " %.*s:%s(%d)", TEXT_ARG(move->path),
                      move->path.data ? task_state_name((enum task_state)move->state)
                                      : job_state_name((enum job_state)move->state),
                      move->attempt);
        if (move->detail.data)
            buffer_printf(ret_text, "'%.*s'", TEXT_ARG(move->detail));
    }
    buffer_add_string(ret_text, "\n");
}

/* ------------------------------------------------------------------------------------------ ends
 */

static bool same_text(struct buffer *text, const char *what, struct text name, struct text wanted,
                      struct text got)
{
    if (text_equal(wanted, got))
        return true;
    buffer_printf(text, "%s of \"%.*s\": reference %.*s, run %.*s\n", what, TEXT_ARG(name),
                  TEXT_ARG(wanted), TEXT_ARG(got));
    return false;
}

static bool same_failure(const struct reference *ref, const struct trouble *trouble,
                         struct text name, struct text got, struct buffer *ret_text)
{
    struct json *json = NULL;
    if (!trouble || !got.data || json_parse(ref->arena, got, &json, NULL) != 0)
        return same_text(ret_text, "failure", name, trouble ? text_of(trouble->class) : TEXT_NONE,
                         got);
    const struct json *class = json_member(json, TEXT("class"));
    const struct json *task = json_member(json, TEXT("task"));
    return same_text(ret_text, "failure's class", name, text_of(trouble->class),
                     class ? class->string : TEXT_NONE) &&
           same_text(ret_text, "failure's task", name, trouble->task,
                     task ? task->string : TEXT_NONE);
}

static const struct stage_row *find_row(const struct stage_run *run, struct text path)
{
    for (size_t i = 0; i < run->row_count; i++) {
        if (text_equal(run->rows[i].row.path, path))
            return &run->rows[i];
    }
    return NULL;
}

/* The rows of a node and of all in it. */
static bool same_rows(const struct reference *ref, const struct node *node,
                      const struct stage_run *run, struct buffer *ret_text)
{
    const struct stage_row *row = node->path.data ? find_row(run, node->path) : NULL;
    bool good = true;
    if (row) {
        good = same_text(ret_text, "state", node->path, text_of(task_state_name(node->state)),
                         text_of(task_state_name(row->row.state))) &&
               same_failure(ref, node->failure, node->path, row->row.failure, ret_text);
        if (good && node->layer == LAYER_VERB && node->result.data && !node->failure &&
            node->task->verb == VERB_RUN)
            good = same_text(ret_text, "result", node->path, node->result, row->row.result);
    }
    for (size_t i = 0; good && i < node->part_count; i++)
        good = same_rows(ref, node->parts[i], run, ret_text);
    return good;
}

bool ref_compare(const struct reference *ref, const struct stage_run *run, int64_t *ret_wrong_ms,
                 struct buffer *ret_text)
{
    struct difference difference = {.text = ret_text};
    compare_moves(ref, run, &difference);
    if (difference.any)
        *ret_wrong_ms = difference.first_ms;
    bool good = !difference.any &&
                same_failure(ref, ref->job->failure, TEXT("the job"), run->failure, ret_text) &&
                same_rows(ref, ref->job, run, ret_text) &&
                (!ref->last || same_rows(ref, ref->last, run, ret_text));
    if (!good)
        tell_all(ref, ret_text);
    return good;
}
