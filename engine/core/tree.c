/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "engine/core/tree_private.h"

/* ------------------------------------------------------------------------------------- making */

static struct text path_of(const struct unit *unit)
{
    struct arena *arena = &unit->job->arena;
    const struct unit *outer = unit_outer(unit);
    if (unit->kind == UNIT_JOB)
        return TEXT("");
    if (unit->kind == UNIT_FINALLY)
        return TEXT("finally");
    if (unit->kind != UNIT_TASK)
        return arena_printf(arena, "%.*s/%u", TEXT_ARG(outer->path), unit->number);
    if (outer->path.len == 0)
        return unit->plan->name;
    return arena_printf(arena, "%.*s/%.*s", TEXT_ARG(outer->path), TEXT_ARG(unit->plan->name));
}

void unit_init(struct unit *unit, struct job *job, enum unit_kind kind,
               const struct flow_task *plan, struct level *level, struct unit *parent,
               uint32_t number)
{
    *unit = (struct unit){.kind = kind,
                          .plan = plan,
                          .job = job,
                          .level = level,
                          .parent = parent,
                          .number = number,
                          .change = -1};
    unit->path = path_of(unit);
    unit->due.kind = DUE_UNIT;
    unit->due.owner = unit;
    unit->limit.kind = DUE_LIMIT;
    unit->limit.owner = unit;
}

struct unit *unit_new(struct job *job, enum unit_kind kind, const struct flow_task *plan,
                      struct unit *parent, uint32_t number)
{
    struct unit *unit = xcalloc(1, sizeof *unit);
    unit_init(unit, job, kind, plan, NULL, parent, number);
    DL_APPEND2(job->units, unit, all_prev, all_next);
    return unit;
}

struct level *level_new(struct unit *owner, const struct flow_level *plan)
{
    struct level *level = xcalloc(1, sizeof *level);
    level->owner = owner;
    level->plan = plan;
    level->open = plan->task_count;
    level->units = xcalloc(plan->task_count, sizeof *level->units);
    for (uint32_t i = 0; i < plan->task_count; i++)
        unit_init(&level->units[i], owner->job, UNIT_TASK, &plan->tasks[i], level, NULL, i);
    owner->inner = level;
    return level;
}

/* ---------------------------------------------------------------------------------- forgetting */

static void forget(struct core *core, struct unit *unit)
{
    unit_forget_inner(core, unit);
    deadlines_cancel(&core->deadlines, &unit->due);
    deadlines_cancel(&core->deadlines, &unit->limit);
    if (unit->queued) {
        DL_DELETE2(core->queue, unit, queue_prev, queue_next);
        unit->job->queued--;
    }
    if (unit->step)
        progress_forget_step(core, unit);
    spec_free(unit);
    save_forget_unit(unit->job, unit);
}

static void free_child(struct core *core, struct unit *unit)
{
    forget(core, unit);
    DL_DELETE2(unit->job->units, unit, all_prev, all_next);
    free(unit);
}

static void free_level(struct core *core, struct level *level)
{
    for (uint32_t i = 0; i < level->plan->task_count; i++)
        forget(core, &level->units[i]);
    free(level->units);
    free(level->undo_waits);
    free(level);
}

static void free_each(struct core *core, struct each *each)
{
    for (uint32_t i = 0; i < each->count; i++) {
        if (each->items[i])
            free_child(core, each->items[i]);
    }
    free(each->items);
    free(each->at);
    free(each);
}

static void free_rounds(struct core *core, struct rounds *rounds)
{
    for (size_t i = 0; i < rounds->count; i++)
        free_child(core, rounds->list[i]);
    free(rounds->list);
    free(rounds);
}

void unit_forget_inner(struct core *core, struct unit *unit)
{
    if (unit->inner)
        free_level(core, unit->inner);
    if (unit->each)
        free_each(core, unit->each);
    if (unit->rounds)
        free_rounds(core, unit->rounds);
    unit->inner = NULL;
    unit->each = NULL;
    unit->rounds = NULL;
}

void tree_free(struct core *core, struct job *job)
{
    job->last = job->root = NULL;
    while (job->units)
        free_child(core, job->units);
}

/* ------------------------------------------------------------------------------------- asking */

struct unit *unit_outer(const struct unit *unit)
{
    if (unit->parent)
        return unit->parent;
    return unit->level ? unit->level->owner : NULL;
}

bool unit_has_attempts(const struct unit *unit)
{
    const struct flow_task *plan = unit->plan;
    if (plan->foreach.present && unit->kind != UNIT_ITEM && unit->kind != UNIT_ROUND)
        return false;
    return !plan->repeat.present || unit->kind == UNIT_ROUND;
}

bool unit_has_ended(const struct unit *unit)
{
    return task_state_is_final((enum task_state)unit->state);
}

struct text unit_cause(const struct unit *unit)
{
    return unit->cause.data ? unit->cause : unit->failure;
}

/* -------------------------------------------------------------------------------------- moving */

void unit_note(struct core *core, struct unit *unit)
{
    save_unit(unit->job, unit);
    save_wanted(core, unit->job);
}

/* The job's own states stand in its row; between attempts and while it runs nothing moves there. */
static void move_job(struct core *core, struct unit *unit, enum task_state to, struct text detail)
{
    struct job *job = unit->job;
    unit->state = (int)to;
    if (to == TASK_REVERTING)
        job_move(core, job, JOB_REVERTING, detail);
    else if (to == TASK_RUNNING && job->state == JOB_REVERTING)
        job_move(core, job, JOB_RUNNING, TEXT("retry"));
    bool has_last = job->flow->flow->finally && unit_has_ended(unit);
    if (unit->attempt > 1 || unit->earlier.data || has_last || to == TASK_REVERTING)
        unit_note(core, unit);
}

void unit_move(struct core *core, struct unit *unit, enum task_state to, struct text detail)
{
    if (unit->kind == UNIT_JOB) {
        move_job(core, unit, to, detail);
        return;
    }
    struct job *job = unit->job;
    const char *from = task_state_name((enum task_state)unit->state);
    machine_move(&task_machine, &unit->state, (int)to);
    struct task_change *change = save_unit(job, unit);
    change->begins |= to == TASK_RUNNING || to == TASK_REVERTING;
    change->ends = task_state_is_final(to);
    save_line(job, unit, (int)to, detail);
    save_wanted(core, job);
    core_moved(core, MOVED_TASK, job, unit, from, task_state_name(to), detail);
}

/* ----------------------------------------------------------------------------------- work list */

/* Among tasks of a level that become ready together the order is theirs in the flow, or the reverse
 * when they are undone, in whatever order that was found out: so a takeover in between changes
 * nothing. */
static bool comes_before(const struct unit *unit, const struct unit *other)
{
    return unit->level->undoing ? unit->number > other->number : unit->number < other->number;
}

static bool is_ordered(const struct unit *unit)
{
    return unit->level && (unit->level->undoing || unit->state == TASK_PENDING);
}

/* The newest one takes its place. */
static void put_in_order(struct job *job)
{
    size_t newest = job->work_count - 1, place = newest;
    struct unit *unit = job->work[newest];
    uint32_t others = unit->level->work - 1;
    for (size_t at = newest; others > 0;) {
        const struct unit *other = job->work[--at];
        if (other->level != unit->level)
            continue;
        others--;
        if (!is_ordered(other))
            continue;
        if (!comes_before(unit, other))
            break;
        place = at;
    }
    memmove(&job->work[place + 1], &job->work[place], (newest - place) * sizeof *job->work);
    job->work[place] = unit;
}

void unit_push(struct unit *unit)
{
    struct job *job = unit->job;
    if (unit->in_work)
        return;
    unit->in_work = true;
    if (unit->level)
        unit->level->work++;
    if (job->work_first > 0 && job->work_first == job->work_count)
        job->work_first = job->work_count = 0;
    job->work = arena_grow(&job->arena, job->work, job->work_count, job->work_count + 1,
                           &job->work_capacity, sizeof(struct unit *));
    job->work[job->work_count++] = unit;
    if (is_ordered(unit))
        put_in_order(job);
}

struct unit *unit_pop(struct job *job)
{
    if (job->work_first == job->work_count)
        return NULL;
    struct unit *unit = job->work[job->work_first++];
    unit->in_work = false;
    if (unit->level)
        unit->level->work--;
    return unit;
}
