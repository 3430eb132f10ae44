/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flow_graph.h"

#include <stdlib.h>

/* --------------------------------------------------------------------------------------- states
 */

/* What tells most comes first: of several items with one path that one is shown. */
static const struct {
    const char *state;
    const char *colour;
} looks[] = {
    {"REVERT_FAILURE", "#d65a5a"}, {"FAILURE", "#ee9999"}, {"REVERTING", "#f5c58a"},
    {"RETRYING", "#f9e79f"},       {"RUNNING", "#aed6f1"}, {"WAITING", "#d2b4de"},
    {"REVERTED", "#edbb99"},       {"PENDING", "#f4f4f4"}, {"SUCCESS", "#abebc6"},
    {"SKIPPED", "#dddddd"},
};
#define LOOKS (sizeof looks / sizeof looks[0])

static size_t rank_of(struct text state)
{
    size_t rank = 0;
    while (rank < LOOKS && !text_equal(state, text_of(looks[rank].state)))
        rank++;
    return rank;
}

const char *graph_colour(struct text state)
{
    size_t rank = rank_of(state);
    return rank < LOOKS ? looks[rank].colour : "#ffffff";
}

static bool is_number(struct text part)
{
    for (size_t i = 0; i < part.len; i++)
        if (part.data[i] < '0' || part.data[i] > '9')
            return false;
    return part.len > 0;
}

/* The path without items and rounds. */
static struct text plain_path(struct arena *arena, struct text path)
{
    struct buffer plain = {0};
    for (size_t at = 0; at < path.len;) {
        const char *slash = memchr(path.data + at, '/', path.len - at);
        size_t end = slash ? (size_t)(slash - path.data) : path.len;
        struct text part = {path.data + at, end - at};
        if (!is_number(part)) {
            if (plain.len)
                buffer_add_char(&plain, '/');
            buffer_add_text(&plain, part);
        }
        at = end + 1;
    }
    struct text text = arena_text(arena, buffer_text(&plain));
    buffer_done(&plain);
    return text;
}

void graph_states_add(struct graph_states *states, struct text path, struct text state)
{
    struct text plain = plain_path(&states->arena, path);
    if (plain.len == 0)
        return;
    states->list = arena_grow(&states->arena, states->list, states->count, states->count + 1,
                              &states->capacity, sizeof *states->list);
    states->list[states->count++] = (struct graph_state){plain, arena_text(&states->arena, state)};
}

static int compare(const void *a, const void *b)
{
    const struct graph_state *first = a, *second = b;
    int order = text_compare(first->path, second->path);
    return order ? order : (int)rank_of(first->state) - (int)rank_of(second->state);
}

void graph_states_sort(struct graph_states *states)
{
    size_t kept = 0;
    if (states->count > 0)
        qsort(states->list, states->count, sizeof *states->list, compare);
    for (size_t i = 0; i < states->count; i++)
        if (kept == 0 || !text_equal(states->list[kept - 1].path, states->list[i].path))
            states->list[kept++] = states->list[i];
    states->count = kept;
}

struct text graph_states_find(const struct graph_states *states, struct text path)
{
    size_t low = 0, high = states->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = text_compare(states->list[middle].path, path);
        if (order == 0)
            return states->list[middle].state;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return TEXT_NONE;
}

void graph_states_done(struct graph_states *states)
{
    arena_done(&states->arena);
    *states = (struct graph_states){0};
}

/* --------------------------------------------------------------------------------------- labels
 */

static const char *verb_name(enum flow_verb verb)
{
    static const char *const names[] = {
        [VERB_RUN] = "run",           [VERB_SH] = "sh",
        [VERB_SET] = "set",           [VERB_FAIL] = "fail",
        [VERB_NOOP] = "noop",         [VERB_TASKS] = "tasks",
        [VERB_HTTP] = "http",         [VERB_CALL] = "call",
        [VERB_JOB] = "job",           [VERB_WAIT] = "wait",
        [VERB_APPROVAL] = "approval", [VERB_SLEEP] = "sleep",
    };
    return names[verb];
}

static void add_mark(struct buffer *label, bool has, const char *mark)
{
    if (has)
        buffer_printf(label, " · %s", mark);
}

void graph_label(const struct flow_task *task, const char *name, struct text state,
                 const char *line, struct buffer *ret_label)
{
    static const char *const failures[] = {NULL, "on failure continue", "on failure stop",
                                           "on failure revert all"};
    buffer_printf(ret_label, "%s%s%s", name, line, verb_name(task->verb));
    add_mark(ret_label, task->foreach.present, "foreach");
    add_mark(ret_label, task->repeat.present, "repeat");
    add_mark(ret_label, task->retry.present, "retry");
    add_mark(ret_label, task->run_if != NULL, "if");
    add_mark(ret_label, task->revert != NULL, "revert");
    add_mark(ret_label, task->join == JOIN_ANY, "join any");
    if (task->join == JOIN_COUNT && !task->join_count.expr)
        buffer_printf(ret_label, " · join %lld", (long long)task->join_count.value);
    add_mark(ret_label, task->join == JOIN_COUNT && task->join_count.expr, "join N");
    if (failures[task->on_failure])
        buffer_printf(ret_label, " · %s", failures[task->on_failure]);
    if (state.data)
        buffer_printf(ret_label, "%s%.*s", line, TEXT_ARG(state));
}
