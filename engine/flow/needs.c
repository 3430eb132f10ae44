/* SPDX-License-Identifier: Apache-2.0 */
/* What a task waits for: needs by name become numbers. */
#include "base/check.h"
#include "base/nearest.h"

#include "engine/flow/compiler.h"

/* ---------------------------------------------------------------------------------- names to
 * numbers */

/* The needs of one task while they are gathered. */
struct gathering {
    struct compiler *c;
    struct draft *draft;
    struct flow_need *needs; /* has room for all */
    size_t count;
};

/* The task around `draft` that stands side by side with `other`; NULL: none. */
static const struct draft *task_beside(const struct draft *draft, const struct draft *other)
{
    for (draft = draft->around; draft; draft = draft->around)
        if (draft->level && draft->level == other->level && draft != other)
            return draft;
    return NULL;
}

/* A task of that name that is no sibling. */
static bool hint_elsewhere(struct gathering *g, struct flow_problem *problem, struct text name)
{
    struct compiler *c = g->c;
    const struct draft *other = find_elsewhere(c, g->draft->level, name);
    const struct draft *beside = other ? task_beside(g->draft, other) : NULL;
    const struct draft *holder = other ? task_beside(other, g->draft) : NULL;
    if (!other)
        return false;
    if (level_is_inside(g->draft->level, other))
        report_hint(&c->report, problem, "this task is a part of `%.*s`", TEXT_ARG(name));
    else if (level_is_inside(other->level, g->draft))
        report_hint(&c->report, problem, "`%.*s` is a part of this task", TEXT_ARG(name));
    else if (beside)
        report_hint(&c->report, problem,
                    "`%.*s` stands beside `%.*s`: write `needs: %.*s` there, and what is inside "
                    "waits with it",
                    TEXT_ARG(name), TEXT_ARG(beside->task->name), TEXT_ARG(name));
    else if (holder)
        report_hint(&c->report, problem, "`%.*s` is a part of `%.*s`: need that one",
                    TEXT_ARG(name), TEXT_ARG(holder->task->name));
    else
        report_hint(&c->report, problem,
                    "the `%.*s` in line %u stands in another flow: only tasks side by side can "
                    "need each other",
                    TEXT_ARG(name), other->task->line);
    return true;
}

static void report_unknown(struct gathering *g, const struct node *node)
{
    struct compiler *c = g->c;
    const struct names *names = &g->draft->level->names;
    struct flow_problem *problem =
        report_error(&c->report, node->span, "there is no task `%.*s`", TEXT_ARG(node->text));
    if (!report_takes_hint(&c->report, problem) || hint_elsewhere(g, problem, node->text))
        return;
    struct text nearest = names_nearest(names, node->text);
    if (nearest.data)
        report_hint(&c->report, problem, "did you mean `%.*s`?", TEXT_ARG(nearest));
    else if (memchr(node->text.data, ',', node->text.len))
        report_hint(&c->report, problem, "several names are a list: `needs: [a, b]`");
    else if (memmem(node->text.data, node->text.len, "${", 2))
        report_hint(&c->report, problem, "no expression can stand here");
}

/* Whether this task named that one before; from now on it did. */
static bool is_doubled(struct draft *draft, uint32_t number)
{
    uint32_t *by = &draft->level->needed_by[number];
    bool doubled = *by == draft->number + 1;
    *by = draft->number + 1;
    return doubled;
}

/* Adds the need that `node` names. */
static bool gather(struct gathering *g, const struct node *node, enum flow_need_kind kind)
{
    struct compiler *c = g->c;
    struct draft *draft = g->draft;
    if (node_is_refused(node))
        return false;
    if (node->kind != NODE_STRING) {
        struct flow_problem *problem = report_error(
            &c->report, node->span, "a need must be a task's name, not %s", node_kind_name(node));
        if (node->kind == NODE_MAP)
            report_hint(&c->report, problem,
                        "kinds are said for all: `needs: {a: success, b: failure}`");
        return false;
    }
    const struct draft *needed = names_find(&draft->level->names, node->text);
    if (!needed) {
        report_unknown(g, node);
        return false;
    }
    if (needed == draft) {
        report_error(&c->report, node->span, "the task needs itself");
        return false;
    }
    if (draft->level->is_steps && needed->number > draft->number) {
        report_error(&c->report, node->span,
                     "`%.*s` comes later; a step can only need earlier ones", TEXT_ARG(node->text));
        return false;
    }
    if (is_doubled(draft, needed->number)) {
        report_warning(&c->report, node->span, "`%.*s` is named twice", TEXT_ARG(node->text));
        return true;
    }
    g->needs[g->count++] = (struct flow_need){needed->number, kind};
    return true;
}

/* Words of other systems for the kinds. */
static const char *kind_habit(struct text word)
{
    static const char *const habits[][2] = {
        {"ok", "success"},     {"succeeded", "success"}, {"passed", "success"},
        {"true", "success"},   {"failed", "failure"},    {"fail", "failure"},
        {"error", "failure"},  {"always", "done"},       {"any", "done"},
        {"completed", "done"}, {"complete", "done"},     {"finished", "done"},
        {"ended", "done"},     {"skipped", "done"},
    };
    for (size_t i = 0; i < sizeof habits / sizeof habits[0]; i++)
        if (text_equal(word, text_of(habits[i][0])))
            return habits[i][1];
    return NULL;
}

/* `{NAME: KIND}`: the key names the task, the value says what of it. */
static bool gather_kind(struct gathering *g, const struct node *value)
{
    /* In the order of enum flow_need_kind. */
    static const char *const words[] = {"success", "failure", "done"};
    struct compiler *c = g->c;
    if (value->key->kind != NODE_STRING || node_is_refused(value))
        return false;
    for (size_t i = 0; value->kind == NODE_STRING && i < 3; i++)
        if (text_equal(value->text, text_of(words[i])))
            return gather(g, value->key, (enum flow_need_kind)i);
    struct flow_problem *problem =
        report_error(&c->report, value->kind == NODE_EMPTY ? value->key->span : value->span,
                     "a need must be `success`, `failure` or `done`");
    bool is_word = value->kind == NODE_STRING || value->kind == NODE_BOOLEAN;
    const char *meant = is_word ? kind_habit(value->text) : NULL;
    if (!meant && is_word)
        meant = nearest_word(value->text, words, 3);
    if (meant)
        report_hint(&c->report, problem, "write `%.*s: %s`", TEXT_ARG(value->key->text), meant);
    return false;
}

/* In the order written; false when something was refused. */
static bool gather_written(struct gathering *g)
{
    const struct node *node = g->draft->needs;
    bool is_good = true;
    if (node->kind != NODE_LIST && node->kind != NODE_MAP)
        return gather(g, node, NEED_SUCCESS);
    for (const struct node *child = node->first; child; child = child->next)
        is_good &= node->kind == NODE_LIST ? gather(g, child, NEED_SUCCESS) : gather_kind(g, child);
    return is_good;
}

/* What comes after a step that only runs when something failed? Better not guessed. */
static void check_step_before(struct compiler *c, const struct draft *draft)
{
    const struct draft *before = &draft->level->drafts[draft->number - 1];
    for (size_t i = 0; i < before->task->need_count; i++) {
        if (before->task->needs[i].kind != NEED_FAILURE)
            continue;
        struct text failed = draft->level->drafts[before->task->needs[i].task].task->name;
        struct flow_problem *problem = report_error(
            &c->report, draft->name_span,
            "this step must say its `needs`: the one before, `%.*s`, only runs when `%.*s` fails",
            TEXT_ARG(before->task->name), TEXT_ARG(failed));
        report_hint(&c->report, problem,
                    "`needs: %.*s` goes on when that succeeded, `needs: {%.*s: done}` in any case",
                    TEXT_ARG(failed), TEXT_ARG(before->task->name));
        return;
    }
}

/* More needs than there are can't be met. */
static void check_join(struct compiler *c, const struct draft *draft)
{
    const struct flow_task *task = draft->task;
    if (draft->is_bad || task->join != JOIN_COUNT || task->join_count.expr ||
        task->join_count.value <= (int64_t)task->need_count)
        return;
    report_error(&c->report, node_member(draft->map, "join")->span,
                 "`join: %lld` can't be met: the task has %zu need%s",
                 (long long)task->join_count.value, task->need_count,
                 task->need_count == 1 ? "" : "s");
}

static void resolve_task(struct compiler *c, struct level *level, struct draft *draft)
{
    struct flow_task *task = draft->task;
    size_t room = draft->needs ? draft->needs->count + 1 : 1;
    struct flow_need *needs = arena_calloc(c->arena, room, sizeof *needs);
    struct gathering g = {c, draft, needs, 0};
    if (draft->needs)
        draft->is_bad = !gather_written(&g);
    else if (level->is_steps && draft->number > 0)
        needs[g.count++] = (struct flow_need){draft->number - 1, NEED_SUCCESS};
    task->needs = needs;
    task->need_count = g.count;
    if (level->is_steps && draft->number > 0 && !draft->needs)
        check_step_before(c, draft);
    check_join(c, draft);
}

static void resolve_level(struct compiler *c, struct level *level)
{
    uint32_t count = level->result->task_count;
    level->needed_by = arena_calloc(&c->scratch, count + 1, sizeof *level->needed_by);
    for (uint32_t i = 0; i < count; i++)
        resolve_task(c, level, &level->drafts[i]);
    order_level(c, level);
}

void needs_resolve(struct compiler *c)
{
    for (struct level *level = c->levels; level; level = level->next)
        resolve_level(c, level);
}

/* ----------------------------------------------------------------------------------- elsewhere */

const struct draft *find_elsewhere(const struct compiler *c, const struct level *level,
                                   struct text name)
{
    for (const struct level *other = c->levels; other; other = other->next) {
        const struct draft *found = other != level ? names_find(&other->names, name) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

bool level_is_inside(const struct level *level, const struct draft *draft)
{
    for (const struct draft *around = level->owner; around; around = around->around)
        if (around == draft)
            return true;
    return false;
}
