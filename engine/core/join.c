/* SPDX-License-Identifier: Apache-2.0 */
/* Needs: when a task may start, when it never can, and whom a no reaches. */
#include <stdlib.h>

#include "engine/core/tree_private.h"

static bool is_passed_over(const struct unit *unit)
{
    return unit->how == HOW_IF || unit->how == HOW_SKIP;
}

enum edge { EDGE_MET, EDGE_VOID, EDGE_DEAD, EDGE_CUT };

static enum edge success_edge(const struct unit *unit, const struct unit *ended)
{
    if (ended->state == TASK_FAILURE)
        return ended->plan->on_failure == FAIL_CONTINUE ? EDGE_MET : EDGE_CUT;
    if (ended->state != TASK_SKIPPED)
        return EDGE_MET;
    if (is_passed_over(ended))
        return unit->plan->join == JOIN_ALL ? EDGE_MET : EDGE_VOID;
    return ended->how == HOW_UNREACHABLE ? EDGE_VOID : EDGE_CUT;
}

/* What the end of a task means for one that needs it. A task that was undone counts by how it had
 * ended: nothing of its level starts any more then. */
static enum edge judge_edge(const struct unit *unit, const struct unit *ended,
                            enum flow_need_kind kind)
{
    switch (kind) {
    case NEED_SUCCESS:
        return success_edge(unit, ended);
    case NEED_FAILURE:
        return ended->state == TASK_FAILURE ? EDGE_MET : EDGE_DEAD;
    case NEED_DONE:
        return EDGE_MET;
    }
    UNREACHABLE();
}

void join_count(struct unit *unit, const struct unit *ended, enum flow_need_kind kind)
{
    switch (judge_edge(unit, ended, kind)) {
    case EDGE_MET:
        unit->met++;
        /* Decided when it starts: its row says so then. */
        if (!unit->started)
            unit->escape |= kind != NEED_SUCCESS || (ended->escape && ended->started);
        return;
    case EDGE_VOID:
        unit->void_needs++;
        return;
    case EDGE_CUT:
        unit->cut = true;
        unit->dead_needs++;
        return;
    case EDGE_DEAD:
        unit->dead_needs++;
        return;
    }
}

/* How many needs must be met for `any` and a number. */
static bool wanted_needs(struct core *core, struct unit *unit, int64_t *ret_wanted,
                         struct text *ret_failure)
{
    *ret_wanted = 1;
    if (unit->plan->join == JOIN_ANY)
        return true;
    struct reading reading;
    reading_begin(&reading, core, unit);
    if (reading_amount(&reading, "join", &unit->plan->join_count, false, 1, ret_wanted))
        return true;
    *ret_failure = reading_failure(&reading);
    return false;
}

enum join_verdict join_judge(struct core *core, struct unit *unit, struct text *ret_failure)
{
    int64_t count = (int64_t)unit->plan->need_count;
    int64_t met = unit->met, open = count - met - unit->void_needs - unit->dead_needs;
    if (unit->plan->join == JOIN_ALL) {
        if (unit->dead_needs > 0)
            return JOIN_IS_DEAD;
        return open > 0 ? JOIN_WAITS : met > 0 ? JOIN_IS_MET : JOIN_IS_DEAD;
    }
    int64_t wanted;
    if (!wanted_needs(core, unit, &wanted, ret_failure))
        return JOIN_IS_INVALID;
    if (met >= wanted)
        return JOIN_IS_MET;
    return met + open < wanted ? JOIN_IS_DEAD : JOIN_WAITS;
}

static void skip(struct core *core, struct unit *unit, enum skip_how how, const char *word)
{
    unit->how = how;
    unit_move(core, unit, TASK_SKIPPED, text_of(word));
}

void join_decide(struct core *core, struct unit *unit)
{
    struct text failure = TEXT_NONE;
    if (unit->state != TASK_PENDING || unit->queued || (unit->level->failing && !unit->escape))
        return;
    switch (join_judge(core, unit, &failure)) {
    case JOIN_WAITS:
        return;
    case JOIN_IS_MET:
        unit_push(unit);
        return;
    case JOIN_IS_DEAD:
        skip(core, unit, unit->cut ? HOW_CUT : HOW_UNREACHABLE, "unreachable");
        level_unit_ended(core, unit);
        return;
    case JOIN_IS_INVALID:
        unit_fail(core, unit, failure, TEXT("expression"));
        return;
    }
}

void join_count_dependents(struct unit *ended)
{
    const struct flow_task *plan = ended->plan;
    ended->counted = true;
    for (size_t i = 0; i < plan->dependent_count; i++)
        join_count(&ended->level->units[plan->dependents[i]], ended, plan->dependent_kinds[i]);
}

void join_decide_dependents(struct core *core, struct unit *ended)
{
    const struct flow_task *plan = ended->plan;
    for (size_t i = 0; i < plan->dependent_count; i++)
        join_decide(core, &ended->level->units[plan->dependents[i]]);
}

/* ------------------------------------------------------------------------------------ skipping */

/* Marks whom the no reaches next: what needs the unit as success and has not begun. Marked first
 * and ended afterwards, so that nobody in between starts. */
static void mark_dependents(const struct unit *unit, struct unit **list, size_t *count)
{
    for (size_t i = 0; i < unit->plan->dependent_count; i++) {
        struct unit *dependent = &unit->level->units[unit->plan->dependents[i]];
        if (unit->plan->dependent_kinds[i] != NEED_SUCCESS || dependent->state != TASK_PENDING ||
            dependent->queued || dependent->how != HOW_NONE)
            continue;
        dependent->how = HOW_SKIP;
        list[(*count)++] = dependent;
    }
}

/* The direct dependents, or all of them, directly or not. */
static void skip_dependents(struct core *core, struct unit *unit, bool all)
{
    struct level *level = unit->level;
    struct unit **list = arena_calloc(&core->scratch, level->plan->task_count, sizeof *list);
    size_t count = 0;
    mark_dependents(unit, list, &count);
    for (size_t i = 0; all && i < count; i++)
        mark_dependents(list[i], list, &count);
    for (size_t i = 0; i < count; i++)
        skip(core, list[i], HOW_SKIP, "skip");
    for (size_t i = 0; i < count; i++)
        level_unit_ended(core, list[i]);
}

/* The task around a unit's level: the items and rounds in between are parts of it. */
static struct unit *task_around(struct unit *unit)
{
    struct unit *outer = unit->level->owner;
    while (outer->parent)
        outer = outer->parent;
    return outer;
}

void join_pass_over(struct core *core, struct unit *unit)
{
    enum flow_skip reach = unit->plan->skip;
    skip(core, unit, HOW_IF, "if");
    unit->level->active++; /* it does not settle before what needs the unit is decided */
    if (reach != SKIP_TASK)
        skip_dependents(core, unit, reach != SKIP_NEIGHBORS);
    for (struct unit *outer = task_around(unit); reach == SKIP_ALL && outer->level;
         outer = task_around(outer))
        skip_dependents(core, outer, true);
    unit->level->active--;
    level_unit_ended(core, unit);
}
