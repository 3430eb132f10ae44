/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as people write them, and a flow cut down to what one task needs. */
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "engine/flow/flow.h"

/* A path while it is walked. */
struct walk {
    struct text path; /* whole, for messages */
    struct text rest; /* what comes next */
    struct error *error;
};

/* Takes the part before the next `/`. */
static struct text next_part(struct walk *walk)
{
    const char *slash = walk->rest.len ? memchr(walk->rest.data, '/', walk->rest.len) : NULL;
    size_t len = slash ? (size_t)(slash - walk->rest.data) : walk->rest.len;
    struct text part = {walk->rest.data, len};
    walk->rest = slash ? (struct text){slash + 1, walk->rest.len - len - 1} : TEXT_NONE;
    return part;
}

static int refuse_unknown(struct walk *walk, const struct flow_level *level, struct text part)
{
    const struct flow_task *nearest = NULL;
    size_t least = part.len / 3 + 1;
    for (uint32_t i = 0; i < level->task_count; i++) {
        size_t distance = nearest_distance(part, level->tasks[i].name);
        if (distance < least) {
            least = distance;
            nearest = &level->tasks[i];
        }
    }
    if (nearest)
        return error_set(walk->error, ERR_NOT_FOUND,
                         "there is no task '%.*s': did you mean '%.*s'?", TEXT_ARG(walk->path),
                         TEXT_ARG(nearest->name));
    return error_set(walk->error, ERR_NOT_FOUND, "there is no task '%.*s'", TEXT_ARG(walk->path));
}

static int refuse_parts(struct walk *walk, const struct flow_task *task)
{
    return error_set(walk->error, ERR_NOT_FOUND,
                     "there is no task '%.*s': '%.*s' has no such parts", TEXT_ARG(walk->path),
                     TEXT_ARG(task->name));
}

static bool is_number(struct text part)
{
    bool good = part.len > 0 && part.len < 7 && (part.data[0] != '0' || part.len == 1);
    for (size_t i = 0; good && i < part.len; i++)
        good = part.data[i] >= '0' && part.data[i] <= '9';
    return good;
}

/* Past an item's number, if one stands there; then to the level in which the rest is looked for. */
static int enter(struct walk *walk, const struct flow_task *task,
                 const struct flow_level **ret_level)
{
    if (task->foreach.present && !is_number(next_part(walk)))
        return error_set(walk->error, ERR_NOT_FOUND,
                         "there is no task '%.*s': behind '%.*s' stands an item's number, from 0",
                         TEXT_ARG(walk->path), TEXT_ARG(task->name));
    if (!walk->rest.data)
        *ret_level = NULL;
    else if (task->repeat.present)
        return error_set(walk->error, ERR_INVALID,
                         "'%.*s': '%.*s' repeats, and its rounds can't be named one by one",
                         TEXT_ARG(walk->path), TEXT_ARG(task->name));
    else if (task->verb != VERB_TASKS)
        return refuse_parts(walk, task);
    else
        *ret_level = task->nested;
    return 0;
}

int flow_find_path(const struct flow *flow, struct text path, const struct flow_task **ret_task,
                   struct error *ret_error)
{
    struct walk walk = {path, path, ret_error};
    const struct flow_level *level = &flow->top;
    const struct flow_task *task = NULL;
    if (path.len == 0)
        return error_set(ret_error, ERR_NOT_FOUND, "expected the name of a task");
    while (level) {
        struct text part = next_part(&walk);
        int64_t number = flow_level_find(level, part);
        if (number < 0 && level == &flow->top && flow->finally && text_equal(part, TEXT("finally")))
            return error_set(ret_error, ERR_INVALID, "`finally` belongs to every run of the job");
        if (number < 0)
            return refuse_unknown(&walk, level, part);
        task = &level->tasks[number];
        level = NULL;
        int code = walk.rest.data ? enter(&walk, task, &level) : 0;
        if (code)
            return code;
    }
    *ret_task = task;
    return 0;
}

/* --------------------------------------------------------------------------------- cutting down */

/* Marks a task and what it needs, directly or not; returns how many they are. */
static uint32_t mark_needed(const struct flow_level *level, uint32_t wanted, bool *marks,
                            uint32_t *queue)
{
    uint32_t count = 0;
    marks[wanted] = true;
    queue[count++] = wanted;
    for (uint32_t i = 0; i < count; i++) {
        const struct flow_task *task = &level->tasks[queue[i]];
        for (size_t j = 0; j < task->need_count; j++) {
            uint32_t number = task->needs[j].task;
            if (!marks[number])
                queue[count++] = number;
            marks[number] = true;
        }
    }
    return count;
}

/* A task of the level with the numbers of the smaller one. All it needs is there. */
static void renumber(struct arena *arena, struct flow_task *task, const bool *marks,
                     const uint32_t *numbers)
{
    struct flow_need *needs = arena_calloc(arena, task->need_count + 1, sizeof *needs);
    uint32_t *dependents = arena_calloc(arena, task->dependent_count + 1, sizeof *dependents);
    enum flow_need_kind *kinds = arena_calloc(arena, task->dependent_count + 1, sizeof *kinds);
    size_t count = 0;
    for (size_t i = 0; i < task->need_count; i++)
        needs[i] = (struct flow_need){numbers[task->needs[i].task], task->needs[i].kind};
    for (size_t i = 0; i < task->dependent_count; i++) {
        if (!marks[task->dependents[i]])
            continue;
        dependents[count] = numbers[task->dependents[i]];
        kinds[count++] = task->dependent_kinds[i];
    }
    task->needs = needs;
    task->dependents = dependents;
    task->dependent_kinds = kinds;
    task->dependent_count = count;
}

/* What of a list of task numbers is left, in its order. */
static const uint32_t *keep_marked(struct arena *arena, const uint32_t *list, uint32_t count,
                                   const bool *marks, const uint32_t *numbers)
{
    uint32_t *kept = arena_calloc(arena, count, sizeof *kept), next = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (marks[list[i]])
            kept[next++] = numbers[list[i]];
    }
    return kept;
}

/* The level with nothing but the task `wanted` and what that needs, and without output. */
static struct flow_task *cut_level(struct arena *arena, const struct flow_level *level,
                                   uint32_t wanted, struct flow_level *ret_level)
{
    bool *marks = arena_calloc(arena, level->task_count, sizeof *marks);
    uint32_t *numbers = arena_calloc(arena, level->task_count, sizeof *numbers);
    uint32_t count = mark_needed(level, wanted, marks, numbers);
    struct flow_task *tasks = arena_calloc(arena, count, sizeof *tasks);
    uint32_t next = 0, all = level->task_count;
    for (uint32_t i = 0; i < all; i++) {
        numbers[i] = next;
        if (marks[i])
            tasks[next++] = level->tasks[i];
    }
    for (uint32_t i = 0; i < count; i++)
        renumber(arena, &tasks[i], marks, numbers);
    *ret_level = (struct flow_level){
        .tasks = tasks,
        .task_count = count,
        .by_name = keep_marked(arena, level->by_name, all, marks, numbers),
        .by_needs = keep_marked(arena, level->by_needs, all, marks, numbers),
    };
    return &tasks[numbers[wanted]];
}

int flow_check_target(const struct flow *flow, struct text target, struct error *ret_error)
{
    struct walk walk = {target, target, ret_error};
    const struct flow_task *task;
    const struct flow_level *level = &flow->top;
    int code = flow_find_path(flow, target, &task, ret_error);
    while (!code && level) {
        task = &level->tasks[flow_level_find(level, next_part(&walk))];
        level = walk.rest.data ? task->nested : NULL;
        if (walk.rest.data && task->foreach.present)
            code = error_set(ret_error, ERR_INVALID, "'%.*s': an item can't be wanted by itself",
                             TEXT_ARG(target));
    }
    return code;
}

int flow_cut_down(struct flow *flow, struct text target, struct error *ret_error)
{
    int code = flow_check_target(flow, target, ret_error);
    if (code)
        return code;
    struct walk walk = {target, target, ret_error};
    struct flow_level *level = &flow->top;
    for (;;) {
        struct flow_level old = *level;
        uint32_t number = (uint32_t)flow_level_find(&old, next_part(&walk));
        struct flow_task *task = cut_level(&flow->arena, &old, number, level);
        if (!walk.rest.data)
            return 0;
        level = arena_calloc(&flow->arena, 1, sizeof *level);
        *level = *task->nested;
        task->nested = level;
    }
}
