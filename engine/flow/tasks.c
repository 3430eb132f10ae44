/* SPDX-License-Identifier: Apache-2.0 */
/* One level of tasks: their names, and the keys of each. */
#include "base/check.h"
#include "engine/flow/language.h"
#include "engine/flow/value.h"

struct draft *draft_new(struct compiler *c, struct span place)
{
    struct draft *draft = arena_calloc(&c->scratch, 1, sizeof *draft);
    draft->task = arena_calloc(c->arena, 1, sizeof *draft->task);
    draft->task->line = lines_number(&c->lines, place.begin);
    draft->name_span = place;
    draft->scope = draft;
    return draft;
}

struct span draft_key_span(const struct draft *draft, const char *key)
{
    const struct node *value = node_member(draft->map, key);
    CHECK(value);
    return value->key->span;
}

static struct level *new_level(struct compiler *c, uint32_t count, bool is_steps,
                               struct draft *owner)
{
    struct level *level = arena_calloc(&c->scratch, 1, sizeof *level);
    struct flow_task *tasks = arena_calloc(c->arena, count, sizeof *tasks);
    level->drafts = arena_calloc(&c->scratch, count, sizeof *level->drafts);
    level->is_steps = is_steps;
    level->owner = owner;
    level->depth = owner->level ? owner->level->depth + 1 : owner == c->job ? 0 : 1;
    level->result =
        owner == c->job ? &c->flow->top : arena_calloc(c->arena, 1, sizeof *level->result);
    level->result->tasks = tasks;
    owner->task->nested = level->result;
    level->next = c->levels;
    c->levels = level;
    return level;
}

static struct draft *add_draft(struct compiler *c, struct level *level, struct text name,
                               struct span place, const struct node *map)
{
    uint32_t number = level->result->task_count++;
    struct draft *draft = &level->drafts[number];
    draft->task = (struct flow_task *)&level->result->tasks[number];
    draft->level = level;
    draft->scope = draft;
    draft->around = level->owner;
    draft->roots = level->owner->roots;
    draft->number = number;
    draft->name_span = place;
    draft->map = map->kind == NODE_MAP ? map : NULL;
    draft->task->name = arena_text(c->arena, name);
    draft->task->line = lines_number(&c->lines, place.begin);
    return draft;
}

/* What somebody may have meant who wrote text instead of a task. */
static void hint_text_task(struct compiler *c, struct flow_problem *problem,
                           const struct node *node)
{
    if (node->kind != NODE_STRING)
        return;
    if (text_equal(node->text, TEXT("noop")))
        report_hint(&c->report, problem, "write `noop:`, with a colon");
    else if (node->text.len <= 60 && node->style != NODE_BLOCK)
        report_hint(&c->report, problem, "write `sh: %.*s`", TEXT_ARG(node->text));
    else
        report_hint(&c->report, problem, "a shell script is `sh: TEXT`");
}

static void read_keys(struct compiler *c, struct draft *draft, const struct node *node,
                      enum key_home home)
{
    const struct target target = {.draft = draft};
    if (node->kind == NODE_BAD)
        return;
    if (node->kind == NODE_MAP) {
        language_read(c, home, node, &target);
        return;
    }
    struct flow_problem *problem;
    if (node->kind == NODE_EMPTY) {
        problem = report_error(&c->report, draft->name_span, "the task `%.*s` is empty",
                               TEXT_ARG(draft->task->name));
        report_hint(&c->report, problem,
                    "`{noop: }` is a task that does nothing; check the "
                    "indentation of what follows");
        return;
    }
    problem = report_error(&c->report, node->span, "a task must be a map with a verb, not %s",
                           node_kind_name(node));
    hint_text_task(c, problem, node);
}

/* The paths of `finally` and of a task of the job must differ. */
static void check_finally(struct compiler *c, const struct draft *draft)
{
    if (draft->around != c->job || !text_equal(draft->task->name, TEXT("finally")))
        return;
    struct flow_problem *problem =
        report_error(&c->report, draft->name_span, "a task of the job can't be called `finally`");
    report_hint(&c->report, problem,
                "the task that runs at the end, come what may, stands at the top of the file");
}

static void add_name(struct compiler *c, struct draft *draft)
{
    struct draft *other = names_add(&draft->level->names, &c->scratch, draft->task->name, draft);
    check_finally(c, draft);
    if (!other)
        return;
    struct flow_problem *problem = report_error(&c->report, draft->name_span,
                                                "the name `%.*s` is taken by the step in line %u",
                                                TEXT_ARG(draft->task->name), other->task->line);
    if (!memcmp(draft->task->name.data, "step", 4))
        report_hint(&c->report, problem, "a step without `name` is called `step` and its place");
}

static void read_map(struct compiler *c, struct level *level, const struct node *map)
{
    for (const struct node *value = map->first; value; value = value->next) {
        if (value->key->kind != NODE_STRING)
            continue;
        struct draft *draft = add_draft(c, level, value->key->text, value->key->span, value);
        value_check_name(c, value->key, "a task's name");
        add_name(c, draft);
        read_keys(c, draft, value, IN_TASK);
    }
}

/* The value of a step's `name`, or NULL. */
static const struct node *find_name(const struct node *step)
{
    if (step->kind != NODE_MAP)
        return NULL;
    for (const struct node *value = step->first; value; value = value->next)
        if (value->key->kind == NODE_STRING && text_equal(value->key->text, TEXT("name")) &&
            value->kind == NODE_STRING)
            return value;
    return NULL;
}

static void read_list(struct compiler *c, struct level *level, const struct node *list)
{
    for (const struct node *step = list->first; step; step = step->next) {
        const struct node *name = find_name(step);
        uint32_t number = level->result->task_count + 1;
        struct text text = name ? name->text : arena_printf(&c->scratch, "step%u", number);
        struct draft *draft = add_draft(c, level, text, name ? name->span : step->span, step);
        if (step->kind == NODE_MAP && step->first && !name)
            draft->name_span = step->first->key->span;
        add_name(c, draft);
        read_keys(c, draft, step, IN_STEP);
    }
}

static bool check_form(struct compiler *c, const struct node *node, bool is_steps)
{
    struct flow_problem *problem;
    const char *key = is_steps ? "steps" : "tasks";
    if (node->kind != (is_steps ? NODE_LIST : NODE_MAP)) {
        problem = report_error(&c->report, node->key->span, "`%s` must be %s, not %s", key,
                               is_steps ? "a list of tasks" : "a map from names to tasks",
                               node_kind_name(node));
        if (node->kind == NODE_LIST)
            report_hint(&c->report, problem, "a list of tasks that run in order is `steps`");
        else if (node->kind == NODE_MAP)
            report_hint(&c->report, problem, "a map of tasks that `needs` put in order is `tasks`");
        return false;
    }
    if (node->count == 0) {
        report_error(&c->report, node->key->span, "`%s` is empty; expected at least one task", key);
        return false;
    }
    if (c->task_total + node->count > FLOW_TASKS_MAX) {
        report_error(&c->report, node->key->span, "more than %d tasks in one file", FLOW_TASKS_MAX);
        return false;
    }
    return true;
}

struct level *tasks_read(struct compiler *c, const struct node *node, bool is_steps,
                         struct draft *owner)
{
    struct level *level = new_level(c, node->count + 1, is_steps, owner);
    if (!check_form(c, node, is_steps))
        return level;
    if (level->depth > FLOW_NESTING_MAX) {
        report_error(&c->report, node->key->span, "more than %d flows inside each other",
                     FLOW_NESTING_MAX);
        return level;
    }
    c->task_total += node->count;
    if (is_steps)
        read_list(c, level, node);
    else
        read_map(c, level, node);
    return level;
}
