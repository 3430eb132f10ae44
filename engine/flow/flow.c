/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/flow/flow.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/nearest.h"
#include "engine/flow/language.h"

#define PRIORITY_DEFAULT 5

/* The struct lives in the arena that it holds. */
static struct flow *new_flow(void)
{
    struct arena arena = {0};
    struct flow *flow = arena_calloc(&arena, 1, sizeof *flow);
    flow->arena = arena;
    flow->priority = PRIORITY_DEFAULT;
    return flow;
}

void flow_free(struct flow *flow)
{
    if (!flow)
        return;
    struct arena arena = flow->arena;
    arena_done(&arena);
}

/* Whether `word` is one of the two keys, or a word for it that was reported as unknown. */
static bool stands_for(struct text word, const char *key, const char *other)
{
    const char *const words[] = {key, other};
    const char *habit = habit_hint(word, IN_FILE);
    return nearest_word(word, words, 2) || (habit && strstr(habit, key));
}

static void check_required(struct compiler *c, const struct node *root)
{
    bool has_flow = false, has_tasks = false;
    for (const struct node *value = root->first; value; value = value->next) {
        if (value->key->kind != NODE_STRING)
            continue;
        has_flow |= stands_for(value->key->text, "flow", "flow");
        has_tasks |= stands_for(value->key->text, "tasks", "steps");
    }
    struct span start = {root->span.begin, root->span.begin};
    if (!has_flow) {
        struct flow_problem *problem =
            report_error(&c->report, start, "the flow has no name; expected `flow: NAME`");
        report_hint(&c->report, problem, "a file is one flow and begins with its name");
    }
    if (!has_tasks)
        report_error(&c->report, start, "the flow has no tasks; expected `tasks` or `steps`");
}

/* What the job has as the outermost flow. */
static void keep_job(struct compiler *c)
{
    const struct flow_task *job = c->job->task;
    struct flow *flow = c->flow;
    flow->retry = job->retry;
    flow->timeout_ms = job->timeout_ms;
    flow->deadline_ms = job->deadline_ms;
    flow->on_failure = job->on_failure;
    flow->top.output = c->job->output;
    for (struct level *level = c->levels; level; level = level->next)
        level->result->output = level->owner->output;
}

static void compile_map(struct compiler *c, const struct node *root)
{
    c->job = draft_new(c, (struct span){root->span.begin, root->span.begin});
    c->job->map = root;
    const struct target target = {.draft = c->job};
    language_read(c, IN_FILE, root, &target);
    check_required(c, root);
    needs_resolve(c);
    defaults_apply(c);
    scope_check(c);
    keep_job(c);
    if (c->report.problems->errors == 0)
        doubts_warn(c);
}

static void compile_root(struct compiler *c, const struct node *root)
{
    struct span start = {0, 0};
    if (root && root->kind == NODE_MAP) {
        compile_map(c, root);
    } else if (root && root->kind != NODE_BAD && root->kind != NODE_EMPTY) {
        report_error(&c->report, root->span,
                     "a flow file must be a map that begins with `flow: NAME`, not %s",
                     node_kind_name(root));
    } else if (!root || root->kind == NODE_EMPTY) {
        if (c->report.problems->errors == 0)
            report_error(&c->report, start, "the file is empty; expected `flow: NAME` and tasks");
    }
}

static void compile(struct compiler *c, struct text text)
{
    /* A mark that says "UTF-8" says nothing new. */
    if (text.len >= 3 && !memcmp(text.data, "\xEF\xBB\xBF", 3))
        text = (struct text){text.data + 3, text.len - 3};
    bool is_too_large = text.len > FLOW_TEXT_MAX_BYTES;
    lines_init(&c->lines, &c->scratch, is_too_large ? TEXT("") : text);
    report_init(&c->report, &c->lines, c->report.problems);
    if (is_too_large)
        report_error(&c->report, SPAN_FILE, "the file has %zu bytes, and a flow at most %u",
                     text.len, FLOW_TEXT_MAX_BYTES);
    else
        compile_root(c, node_read(&c->scratch, &c->lines, &c->report));
    report_sort(&c->report);
}

static void compiler_done(struct compiler *c)
{
    for (struct level *level = c->levels; level; level = level->next)
        names_done(&level->names);
    names_done(&c->inputs);
    arena_done(&c->scratch);
}

int flow_compile(struct text source, struct flow **ret_flow, struct flow_problems *ret_problems)
{
    struct flow *flow = new_flow();
    struct compiler c = {.flow = flow, .arena = &flow->arena};
    *ret_problems = (struct flow_problems){0};
    c.report.problems = ret_problems;
    c.uses_end = &c.uses;
    compile(&c, source.data ? source : TEXT(""));
    compiler_done(&c);
    if (ret_problems->errors > 0) {
        flow_free(flow);
        *ret_flow = NULL;
        return ERR_INVALID;
    }
    *ret_flow = flow;
    return 0;
}

int64_t flow_level_find(const struct flow_level *level, struct text name)
{
    size_t low = 0, high = level->task_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = text_compare(level->tasks[level->by_name[middle]].name, name);
        if (order == 0)
            return level->by_name[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}
