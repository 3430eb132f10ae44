/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of rows, as one snapshot, and the copies of requests. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/placement.h"
#include "engine/sim/sim_store_private.h"

#define RECENT_US       2000000
#define LATE_US         1000000
#define OLD_SNAPSHOT_US 3000000

struct job_row store_row_now(const struct sim_store *store, const struct sim_job *job)
{
    struct job_row row = job->row;
    int64_t now_us = sim_store_clock_us(store);
    row.on_hold = job->hold_until_us > now_us;
    row.is_recent = now_us - job->changed_at_us < RECENT_US;
    row.tags = NULL; /* only late work tells them */
    row.tag_count = 0;
    return row;
}

/* The list that is being built. */
struct row_list {
    struct sim_store *store;
    struct job_row *rows;
    size_t count, capacity;
};

static void add_row(struct row_list *list, const struct job_row *row)
{
    list->rows = arena_grow(&list->store->world->arena, list->rows, list->count, list->count + 1,
                            &list->capacity, sizeof *list->rows);
    list->rows[list->count++] = *row;
}

/* The row as a shard's listing sees it; false: not at all. */
static bool shard_view(const struct sim_store *store, const struct sim_job *job,
                       struct job_row *ret_row)
{
    *ret_row = store_row_now(store, job);
    if (!sim_has(store->world, MUTANT_REPAIR_ROWS_FIRST))
        return true;
    int64_t then_us = sim_store_clock_us(store) - OLD_SNAPSHOT_US;
    if (job->posted_at_us > then_us)
        return false;
    if (job->changed_at_us > then_us && job->row.epoch > 0) {
        *ret_row = job->before;
        ret_row->is_recent = false;
    }
    return true;
}

static bool is_listed(const struct core_effect *effect, const struct uuid *id)
{
    for (size_t i = 0; i < effect->u.shard.count; i++) {
        if (uuid_equal(&effect->u.shard.jobs[i], id))
            return true;
    }
    return false;
}

static int compare_ready(const void *a, const void *b)
{
    const struct job_row *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    if (x->ready_at_us != y->ready_at_us)
        return x->ready_at_us < y->ready_at_us ? -1 : 1;
    return uuid_compare(&x->id, &y->id);
}

static void read_shard(struct row_list *list, const struct core_effect *effect)
{
    struct sim_store *store = list->store;
    struct row_list ready = {.store = store};
    for (size_t i = 0; i < store->job_count; i++) {
        struct job_row row;
        if (!shard_view(store, store->jobs[i], &row))
            continue;
        bool in_shard =
            row.shard == effect->u.shard.shard && pool_equal(&row.pool, &effect->u.shard.pool);
        bool claimed = row.state == JOB_RUNNING || row.state == JOB_REVERTING;
        if ((in_shard && claimed) || is_listed(effect, &row.id))
            add_row(list, &row);
        else if (in_shard && row.state == JOB_READY)
            add_row(&ready, &row);
    }
    if (ready.count > 1)
        qsort(ready.rows, ready.count, sizeof *ready.rows, compare_ready);
    for (size_t i = 0; i < ready.count && i < (size_t)effect->u.shard.window; i++)
        add_row(list, &ready.rows[i]);
}

static bool contains(const struct uuid *list, size_t count, const struct uuid *id)
{
    for (size_t i = 0; i < count; i++) {
        if (uuid_equal(&list[i], id))
            return true;
    }
    return false;
}

static bool is_shown(const struct late_query *query, const struct pool *pool)
{
    for (size_t i = 0; i < query->shown_count; i++) {
        if (pool_equal(&query->shown[i], pool))
            return true;
    }
    return false;
}

static bool is_late(const struct sim_store *store, const struct sim_job *job,
                    const struct job_row *row, const struct late_query *query)
{
    if (!placement_has_tags(query->tags, query->tag_count, job->row.tags, job->row.tag_count))
        return false;
    if (row->state == JOB_READY)
        return sim_store_clock_us(store) - row->ready_at_us > LATE_US;
    return (row->state == JOB_RUNNING || row->state == JOB_REVERTING) &&
           !contains(query->boots, query->boot_count, &row->owner);
}

/* One part of the answer: claimed rows, then READY ones of pools that are not shown, then others;
 * of each the shards from `from_shard` on, then those before it. */
static void read_late_part(struct row_list *list, const struct late_query *query, int part,
                           bool before)
{
    struct sim_store *store = list->store;
    for (size_t i = 0; i < store->job_count; i++) {
        const struct sim_job *job = store->jobs[i];
        struct job_row row = store_row_now(store, job);
        int of_part = row.state != JOB_READY ? 0 : is_shown(query, &row.pool) ? 2 : 1;
        if (of_part != part || (row.shard < query->from_shard) != before ||
            !is_late(store, job, &row, query) || list->count >= (size_t)query->limit)
            continue;
        row.tags = job->row.tags;
        row.tag_count = job->row.tag_count;
        add_row(list, &row);
    }
}

static void read_late(struct row_list *list, const struct core_effect *effect)
{
    for (int part = 0; part < 3; part++) {
        read_late_part(list, &effect->u.late, part, false);
        read_late_part(list, &effect->u.late, part, true);
    }
}

static void read_owned(struct row_list *list, const struct uuid *boot)
{
    struct sim_store *store = list->store;
    for (size_t i = 0; i < store->job_count; i++) {
        struct job_row row = store_row_now(store, store->jobs[i]);
        if ((row.state == JOB_RUNNING || row.state == JOB_REVERTING) &&
            uuid_equal(&row.owner, boot))
            add_row(list, &row);
    }
}

static void read_one(struct row_list *list, const struct uuid *id)
{
    struct sim_job *job = sim_store_find(list->store, id);
    if (!job)
        return;
    struct job_row row = store_row_now(list->store, job);
    add_row(list, &row);
}

void store_read(struct sim_store *store, struct sim_item *item)
{
    const struct core_effect *effect = &item->effect;
    struct row_list list = {.store = store};
    switch ((int)effect->kind) {
    case EFFECT_READ_ROW:
        read_one(&list, &effect->u.row.job);
        break;
    case EFFECT_SHARD_ROWS:
        read_shard(&list, effect);
        break;
    case EFFECT_LATE_ROWS:
        read_late(&list, effect);
        break;
    case EFFECT_OWNED_ROWS:
        read_owned(&list, &effect->u.boot);
        break;
    default:
        UNREACHABLE();
    }
    item->answer = (struct core_event){.kind = EVENT_ROWS, .tag = effect->tag};
    item->answer.u.rows.list = list.rows;
    item->answer.u.rows.count = list.count;
    item->is_decided = true;
}

/* ------------------------------------------------------------------------------------------ copies
 */

static void *copy_array(struct arena *arena, const void *from, size_t count, size_t bytes)
{
    void *copy = arena_calloc(arena, count, bytes);
    if (count)
        memcpy(copy, from, count * bytes);
    return copy;
}

static const struct text *copy_texts(struct arena *arena, const struct text *from, size_t count)
{
    struct text *copy = arena_calloc(arena, count, sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = arena_text(arena, from[i]);
    return copy;
}

static void copy_save(struct arena *arena, struct save *save)
{
    save->output = arena_text(arena, save->output);
    save->failure = arena_text(arena, save->failure);
    save->engine = arena_text(arena, save->engine);
    struct task_change *tasks =
        copy_array(arena, save->tasks, save->task_count, sizeof *save->tasks);
    for (size_t i = 0; i < save->task_count; i++) {
        struct task_row *row = &tasks[i].row;
        row->path = arena_text(arena, row->path);
        row->result = arena_text(arena, row->result);
        row->failure = arena_text(arena, row->failure);
        row->internal = arena_text(arena, row->internal);
        tasks[i].stderr_tail = arena_text(arena, tasks[i].stderr_tail);
    }
    struct history_line *history =
        copy_array(arena, save->history, save->history_count, sizeof *save->history);
    for (size_t i = 0; i < save->history_count; i++) {
        history[i].task = arena_text(arena, history[i].task);
        history[i].detail = arena_text(arena, history[i].detail);
    }
    save->tasks = tasks;
    save->history = history;
}

void store_copy_effect(struct arena *arena, const struct core_effect *effect,
                       struct core_effect *ret_copy)
{
    *ret_copy = *effect;
    switch ((int)effect->kind) {
    case EFFECT_CLAIM:
        ret_copy->u.claim.engine = arena_text(arena, effect->u.claim.engine);
        break;
    case EFFECT_SAVE:
        copy_save(arena, &ret_copy->u.save);
        break;
    case EFFECT_SHARD_ROWS:
        ret_copy->u.shard.jobs = copy_array(arena, effect->u.shard.jobs, effect->u.shard.count,
                                            sizeof *effect->u.shard.jobs);
        break;
    case EFFECT_LATE_ROWS:
        ret_copy->u.late.tags = copy_texts(arena, effect->u.late.tags, effect->u.late.tag_count);
        ret_copy->u.late.shown = copy_array(arena, effect->u.late.shown, effect->u.late.shown_count,
                                            sizeof *effect->u.late.shown);
        ret_copy->u.late.boots = copy_array(arena, effect->u.late.boots, effect->u.late.boot_count,
                                            sizeof *effect->u.late.boots);
        break;
    default:
        break;
    }
}
