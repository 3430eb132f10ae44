/* SPDX-License-Identifier: Apache-2.0 */
/* Which tasks of an ended job stay as they are, which go on, and which run again. */
#include "engine/core/rerun.h"

/* The first row that is not before `path`. */
static size_t first_at(const struct rerun *rerun, struct text path)
{
    size_t low = 0, high = rerun->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (text_compare(path, rerun->rows[middle].path) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t rerun_find(const struct rerun *rerun, struct text path)
{
    size_t at = first_at(rerun, path);
    return at < rerun->count && text_equal(rerun->rows[at].path, path) ? at : SIZE_MAX;
}

static bool is_inside(struct text path, struct text outer)
{
    return path.len > outer.len && path.data[outer.len] == '/' &&
           !memcmp(path.data, outer.data, outer.len);
}

/* `from` names it, or something in it. */
static bool is_touched(const struct rerun *rerun, struct text path)
{
    return rerun->from.data && (text_equal(rerun->from, path) || is_inside(rerun->from, path));
}

/* Rows of what is inside follow at once: `/` sorts before whatever a name is made of. The end of a
 * unit's rows, its own included. */
static size_t end_of(const struct rerun *rerun, size_t at)
{
    struct text outer = rerun->rows[at].path;
    size_t end = at + 1;
    while (end < rerun->count && is_inside(rerun->rows[end].path, outer))
        end++;
    return end;
}

static void begin_again(struct rerun *rerun, size_t own, uint32_t number)
{
    size_t end = end_of(rerun, own);
    for (size_t at = own; at < end; at++) {
        enum task_state state = rerun->rows[at].state;
        rerun->fates[at] = FATE_AGAIN;
        if (state != TASK_PENDING && state != TASK_SKIPPED)
            rerun->numbers[at] = number; /* what never ran has used no key */
    }
}

static void begin_anew(struct rerun *rerun, struct text path)
{
    size_t own = rerun_find(rerun, path);
    if (own != SIZE_MAX)
        begin_again(rerun, own, rerun->number);
}

/* It runs again as a whole, or would: a result was given for it. */
static bool is_named(const struct rerun *rerun, struct text path)
{
    return text_equal(rerun->from, path) || json_member(rerun->skip, path);
}

static struct text inner_path(const struct rerun *rerun, struct text outer, struct text name)
{
    if (outer.len == 0)
        return name;
    return arena_printf(&rerun->core->scratch, "%.*s/%.*s", TEXT_ARG(outer), TEXT_ARG(name));
}

static struct text numbered_path(const struct rerun *rerun, struct text outer, unsigned number)
{
    return arena_printf(&rerun->core->scratch, "%.*s/%u", TEXT_ARG(outer), number);
}

static struct unit notes_of(const struct rerun *rerun, size_t at)
{
    struct unit unit = {.job = rerun->job, .kind = UNIT_TASK, .started = true};
    notes_read(&unit, rerun->rows[at].internal);
    return unit;
}

/* It ended in a way that would come out the same. */
static bool is_settled(const struct rerun *rerun, size_t at)
{
    if (at == SIZE_MAX)
        return false;
    if (rerun->rows[at].state == TASK_SUCCESS)
        return true;
    enum skip_how how = notes_of(rerun, at).how;
    return rerun->rows[at].state == TASK_SKIPPED &&
           (how == HOW_IF || how == HOW_SKIP || how == HOW_UNREACHABLE);
}

static bool was_undone(enum task_state state)
{
    return state == TASK_REVERTED || state == TASK_REVERT_FAILURE;
}

static bool enter(struct rerun *rerun, const struct flow_task *plan, struct text path,
                  enum unit_kind kind);

/* ------------------------------------------------------------------------------------- a level */

/* Who runs again is marked, and `fed` whoever needs such a one, directly or not. */
static void spread(const struct flow_level *level, bool *again, bool *fed, uint32_t *queue)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < level->task_count; i++) {
        if (again[i])
            queue[count++] = i;
    }
    for (uint32_t at = 0; at < count; at++) {
        const struct flow_task *task = &level->tasks[queue[at]];
        for (size_t i = 0; i < task->dependent_count; i++) {
            uint32_t dependent = task->dependents[i];
            fed[dependent] = true;
            if (!again[dependent])
                queue[count++] = dependent;
            again[dependent] = true;
        }
    }
}

/* True: something in it stays. */
static bool enter_level(struct rerun *rerun, const struct flow_level *level, struct text outer)
{
    struct arena *arena = &rerun->core->scratch;
    bool *again = arena_calloc(arena, level->task_count, sizeof *again);
    bool *fed = arena_calloc(arena, level->task_count, sizeof *fed);
    uint32_t *queue = arena_calloc(arena, level->task_count, sizeof *queue);
    struct text *paths = arena_calloc(arena, level->task_count, sizeof *paths);
    bool stays = false;
    for (uint32_t i = 0; i < level->task_count; i++) {
        paths[i] = inner_path(rerun, outer, level->tasks[i].name);
        again[i] = !is_settled(rerun, rerun_find(rerun, paths[i])) || is_touched(rerun, paths[i]);
    }
    spread(level, again, fed, queue);
    for (uint32_t i = 0; i < level->task_count; i++) {
        if (!again[i])
            stays |= rerun->rows[rerun_find(rerun, paths[i])].state == TASK_SUCCESS;
        else if (fed[i] || is_named(rerun, paths[i]))
            begin_anew(rerun, paths[i]);
        else
            stays |= enter(rerun, &level->tasks[i], paths[i], UNIT_TASK);
    }
    return stays;
}

/* --------------------------------------------------------------------------- items and rounds */

static bool enter_items(struct rerun *rerun, const struct flow_task *plan, struct text outer)
{
    bool stays = false;
    for (unsigned i = 0;; i++) {
        struct text path = numbered_path(rerun, outer, i);
        size_t at = rerun_find(rerun, path);
        if (at == SIZE_MAX)
            return stays;
        if (rerun->rows[at].state == TASK_SUCCESS && !is_touched(rerun, path))
            stays = true;
        else if (is_named(rerun, path))
            begin_anew(rerun, path);
        else
            stays |= enter(rerun, plan, path, UNIT_ITEM);
    }
}

/* Rounds build on each other: those before the first that did not succeed stay. A repeat that gave
 * up after its last round begins anew. */
static bool enter_rounds(struct rerun *rerun, const struct flow_task *plan, struct text outer)
{
    size_t own = rerun_find(rerun, outer), at;
    unsigned good = 0;
    while ((at = rerun_find(rerun, numbered_path(rerun, outer, good))) != SIZE_MAX &&
           rerun->rows[at].state == TASK_SUCCESS)
        good++;
    bool is_open = at != SIZE_MAX && rerun->rows[at].state != TASK_PENDING;
    struct unit notes = notes_of(rerun, own);
    if (good == 0 && !is_open)
        return false;
    if (!is_open && !notes.cancelled && notes.halted == STOP_NONE) {
        begin_anew(rerun, outer);
        return false;
    }
    bool stays = good > 0;
    if (is_open)
        stays |= enter(rerun, plan, numbered_path(rerun, outer, good), UNIT_ROUND);
    for (unsigned i = good + 1;; i++) {
        struct text path = numbered_path(rerun, outer, i);
        if (rerun_find(rerun, path) == SIZE_MAX)
            return stays;
        begin_anew(rerun, path);
    }
}

/* -------------------------------------------------------------------------------------- a unit */

/* Whether the row is of a task, item or round that stands right in the unit. */
static bool is_part(struct text path, struct text outer)
{
    size_t begin = outer.len + 1;
    return !memchr(path.data + begin, '/', path.len - begin);
}

/* The unit was undone, or a part of it. */
static bool was_undone_inside(const struct rerun *rerun, size_t own)
{
    bool undone = was_undone(rerun->rows[own].state);
    size_t end = end_of(rerun, own);
    for (size_t at = own + 1; at < end && !undone; at++)
        undone = was_undone(rerun->rows[at].state) &&
                 is_part(rerun->rows[at].path, rerun->rows[own].path);
    return undone;
}

static uint32_t newest_inside(const struct rerun *rerun, size_t own)
{
    uint32_t newest = 0;
    size_t end = end_of(rerun, own);
    for (size_t at = own; at < end; at++)
        newest = rerun->numbers[at] > newest ? rerun->numbers[at] : newest;
    return newest;
}

/* A unit that runs again although all it needs stays. True: a part of it stays. What is begun as if
 * it had never been knows nothing of the numbers inside: the unit around it keeps them. */
static bool enter(struct rerun *rerun, const struct flow_task *plan, struct text path,
                  enum unit_kind kind)
{
    size_t own = rerun_find(rerun, path);
    bool stays = false, is_flow = false;
    if (own == SIZE_MAX)
        return false;
    if (kind == UNIT_TASK && plan->foreach.present) {
        stays = enter_items(rerun, plan, path);
    } else if (kind != UNIT_ROUND && plan->repeat.present) {
        stays = enter_rounds(rerun, plan, path);
    } else if (plan->verb == VERB_TASKS) {
        stays = enter_level(rerun, plan->nested, path);
        is_flow = true;
    }
    bool anew = (is_flow && rerun->rows[own].attempt > 1) || was_undone_inside(rerun, own);
    if (anew)
        rerun->numbers[own] = rerun->number;
    else if (!stays || !is_flow)
        rerun->numbers[own] = newest_inside(rerun, own);
    if (stays)
        rerun->fates[own] = FATE_GOES_ON;
    else
        begin_again(rerun, own, rerun->numbers[own]);
    return stays;
}

void rerun_decide(struct rerun *rerun)
{
    const struct flow *flow = rerun->job->flow->flow;
    size_t root = rerun_find(rerun, TEXT(""));
    struct unit notes = {.kind = UNIT_JOB, .job = rerun->job, .attempt = 1};
    notes_read(&notes, rerun->rows[root].internal);
    rerun->undone = notes.attempt > 1;
    for (uint32_t i = 0; i < flow->top.task_count; i++) {
        size_t at = rerun_find(rerun, flow->top.tasks[i].name);
        rerun->undone |= at != SIZE_MAX && was_undone(rerun->rows[at].state);
    }
    enter_level(rerun, &flow->top, TEXT(""));
    /* It runs at the end of every run, under the number of the job's newest rerun. */
    size_t last = flow->finally ? rerun_find(rerun, TEXT("finally")) : SIZE_MAX;
    if (last != SIZE_MAX)
        begin_again(rerun, last, 0);
}
