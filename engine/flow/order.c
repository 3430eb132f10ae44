/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from the needs of a level: who depends on whom, what each task waits for, directly
 * or not, and that no tasks need each other in a circle. Linear in tasks and needs, but for the
 * sets, which take a bit per pair of tasks. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/flow/compiler.h"

static void add_dependents(struct compiler *c, struct level *level)
{
    uint32_t count = level->result->task_count;
    uint32_t **lists = arena_calloc(&c->scratch, count + 1, sizeof *lists);
    enum flow_need_kind **kinds = arena_calloc(&c->scratch, count + 1, sizeof *kinds);
    for (uint32_t i = 0; i < count; i++)
        for (size_t j = 0; j < level->drafts[i].task->need_count; j++)
            level->drafts[level->drafts[i].task->needs[j].task].task->dependent_count++;
    for (uint32_t i = 0; i < count; i++) {
        struct flow_task *task = level->drafts[i].task;
        lists[i] = arena_calloc(c->arena, task->dependent_count, sizeof *lists[i]);
        kinds[i] = arena_calloc(c->arena, task->dependent_count, sizeof *kinds[i]);
        task->dependents = lists[i];
        task->dependent_kinds = kinds[i];
        task->dependent_count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        for (size_t j = 0; j < level->drafts[i].task->need_count; j++) {
            const struct flow_need *need = &level->drafts[i].task->needs[j];
            size_t place = level->drafts[need->task].task->dependent_count++;
            lists[need->task][place] = i;
            kinds[need->task][place] = need->kind;
        }
    }
}

static int compare_names(const void *a, const void *b, void *tasks)
{
    const struct flow_task *list = tasks;
    return text_compare(list[*(const uint32_t *)a].name, list[*(const uint32_t *)b].name);
}

/* Sorts the tasks' numbers by name, for flow_level_find. */
static void sort_names(struct compiler *c, struct level *level)
{
    uint32_t count = level->result->task_count;
    uint32_t *numbers = arena_calloc(c->arena, count, sizeof *numbers);
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = i;
    qsort_r(numbers, count, sizeof *numbers, compare_names, (void *)level->result->tasks);
    level->result->by_name = numbers;
}

/* ------------------------------------------------------------------------------------ order,
 * cycles */

static void add_ancestors(struct compiler *c, struct level *level, uint32_t number)
{
    struct ancestors *all = &level->ancestors[number];
    const struct flow_task *task = level->drafts[number].task;
    for (size_t i = 0; i < task->need_count; i++) {
        uint32_t needed = task->needs[i].task, count = level->ancestors[needed].word_count;
        count = count > needed / 64 ? count : needed / 64 + 1;
        all->word_count = all->word_count > count ? all->word_count : count;
    }
    all->words = arena_calloc(&c->scratch, all->word_count, sizeof *all->words);
    for (size_t i = 0; i < task->need_count; i++) {
        uint32_t needed = task->needs[i].task;
        const struct ancestors *other = &level->ancestors[needed];
        for (size_t word = 0; word < other->word_count; word++)
            all->words[word] |= other->words[word];
        all->words[needed / 64] |= UINT64_C(1) << (needed % 64);
    }
}

/* Takes tasks whose needs were all taken, until none is left; fills the ancestors on the way.
 * Leaves in `waiting` how many needs of each were not taken: not 0 in and behind cycles. */
static void take_in_order(struct compiler *c, struct level *level, uint32_t *waiting)
{
    uint32_t count = level->result->task_count, head = 0, tail = 0;
    uint32_t *queue = arena_calloc(c->arena, count, sizeof *queue);
    for (uint32_t i = 0; i < count; i++) {
        waiting[i] = (uint32_t)level->drafts[i].task->need_count;
        if (waiting[i] == 0)
            queue[tail++] = i;
    }
    while (head < tail) {
        uint32_t number = queue[head++];
        const struct flow_task *task = level->drafts[number].task;
        add_ancestors(c, level, number);
        for (size_t i = 0; i < task->dependent_count; i++)
            if (--waiting[task->dependents[i]] == 0)
                queue[tail++] = task->dependents[i];
    }
    level->result->by_needs = queue;
    level->ordered = tail;
}

/* The need of a task that was left over which was left over as well. */
static uint32_t left_over_need(const struct level *level, const uint32_t *waiting, uint32_t number)
{
    const struct flow_task *task = level->drafts[number].task;
    size_t i = 0;
    while (waiting[task->needs[i].task] == 0)
        CHECK(++i < task->need_count);
    return task->needs[i].task;
}

#define CYCLE_SHOWN_MAX 20

/* Where the caret goes: the need of `number` that closes the cycle. */
static struct span span_of_need(const struct level *level, uint32_t number, uint32_t needed)
{
    const struct draft *draft = &level->drafts[number];
    struct text name = level->drafts[needed].task->name;
    const struct node *node = draft->needs;
    CHECK(node); /* a step that says none needs an earlier one only */
    for (const struct node *child = node->first; child; child = child->next) {
        const struct node *named = child->key ? child->key : child;
        if (named->kind == NODE_STRING && text_equal(named->text, name))
            return named->span;
    }
    return node->span;
}

static void report_cycle(struct compiler *c, const struct level *level, const uint32_t *waiting,
                         uint32_t first)
{
    struct buffer path;
    uint32_t number = first, length = 0;
    buffer_init(&path, 0);
    do {
        if (length++ < CYCLE_SHOWN_MAX)
            buffer_printf(&path, "%.*s → ", TEXT_ARG(level->drafts[number].task->name));
        number = left_over_need(level, waiting, number);
    } while (number != first);
    if (length > CYCLE_SHOWN_MAX)
        buffer_printf(&path, "… (%u more) → ", length - CYCLE_SHOWN_MAX);
    struct flow_problem *problem =
        report_error(&c->report, span_of_need(level, first, left_over_need(level, waiting, first)),
                     "these tasks need each other in a circle: %s%.*s", path.data,
                     TEXT_ARG(level->drafts[first].task->name));
    report_hint(&c->report, problem, "`a → b` reads: a needs b; one of these needs must go");
    buffer_done(&path);
}

/* Every task that was left over leads to a cycle by its needs; each cycle is reported once. */
static void report_cycles(struct compiler *c, struct level *level, const uint32_t *waiting)
{
    uint32_t count = level->result->task_count;
    uint32_t *walk_of = arena_calloc(&c->scratch, count + 1, sizeof *walk_of);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = i, walk = i + 1;
        if (waiting[i] == 0)
            continue;
        level->drafts[i].is_bad = true;
        while (!walk_of[number]) {
            walk_of[number] = walk;
            number = left_over_need(level, waiting, number);
        }
        if (walk_of[number] == walk)
            report_cycle(c, level, waiting, number);
    }
}

void order_level(struct compiler *c, struct level *level)
{
    uint32_t count = level->result->task_count;
    add_dependents(c, level);
    sort_names(c, level);
    level->ancestors = arena_calloc(&c->scratch, count, sizeof *level->ancestors);
    uint32_t *waiting = arena_calloc(&c->scratch, count + 1, sizeof *waiting);
    take_in_order(c, level, waiting);
    if (level->ordered < count)
        report_cycles(c, level, waiting);
}
