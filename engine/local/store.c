/* SPDX-License-Identifier: Apache-2.0 */
/* The board and the store of one job in memory. They never fail and answer at once. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "engine/local/local_private.h"

/* ------------------------------------------------------------------------------------- lines */

void local_line(struct local *local, struct text task, int32_t attempt, const char *state,
                struct text detail, double progress)
{
    struct local_entry *entry = xcalloc(1, sizeof *entry);
    entry->texts = xmalloc(task.len + detail.len + 1);
    if (task.len)
        memcpy(entry->texts, task.data, task.len);
    if (detail.len)
        memcpy(entry->texts + task.len, detail.data, detail.len);
    entry->line = (struct local_line){
        .seq = progress < 0 ? ++local->seq : 0,
        .at_us = clock_unix_us(),
        .task = task.data ? (struct text){entry->texts, task.len} : TEXT_NONE,
        .attempt = attempt,
        .state = state,
        .detail = detail.data ? (struct text){entry->texts + task.len, detail.len} : TEXT_NONE,
        .progress = progress,
    };
    if (local->last_line)
        local->last_line->next = entry;
    else
        local->first_line = entry;
    local->last_line = entry;
}

bool local_next(struct local *local, struct local_line *ret_line)
{
    struct local_entry *entry = local->first_line;
    free(local->pulled);
    local->pulled = NULL;
    if (!entry)
        return false;
    *ret_line = entry->line;
    local->pulled = entry->texts;
    local->first_line = entry->next;
    if (!entry->next)
        local->last_line = NULL;
    free(entry);
    return true;
}

void local_progress(struct local *local, uint64_t step, double fraction, struct text text)
{
    struct local_step *running = NULL;
    HASH_FIND(hh, local->running, &step, sizeof step, running);
    if (running)
        local_line(local, running->path, 0, "progress", text, fraction);
}

/* -------------------------------------------------------------------------------------- rows */

static void save_row(struct local *local, const struct task_row *row)
{
    struct local_row *kept = NULL;
    HASH_FIND(hh, local->rows, row->path.data, row->path.len, kept);
    if (!kept) {
        kept = xcalloc(1, sizeof *kept);
        kept->row.path = arena_text(&local->arena, row->path);
        HASH_ADD_KEYPTR(hh, local->rows, kept->row.path.data, kept->row.path.len, kept);
    }
    struct text path = kept->row.path;
    kept->row = *row;
    kept->row.path = path;
    /* Notes serve a takeover, and nobody takes this job over. */
    kept->row.internal = TEXT_NONE;
    kept->row.result = arena_text(&local->arena, row->result);
    kept->row.failure = arena_text(&local->arena, row->failure);
}

static void save(struct local *local, uint64_t tag, const struct save *save)
{
    for (size_t i = 0; i < save->task_count; i++)
        save_row(local, &save->tasks[i].row);
    for (size_t i = 0; i < save->history_count; i++) {
        const struct history_line *line = &save->history[i];
        const char *state = line->task.data ? task_state_name((enum task_state)line->state)
                                            : job_state_name((enum job_state)line->state);
        local_line(local, line->task, line->attempt, state, line->detail, -1);
    }
    local->load.row.state = save->state;
    local->load.row.save_no = save->save_no + 1;
    if (save->ends_claim) {
        local->output = arena_text(&local->arena, save->output);
        local->failure = arena_text(&local->arena, save->failure);
        local->ended = true;
    }
    struct core_event *event = local_event(local, EVENT_SAVED, tag);
    event->u.save.outcome = SAVE_OK;
    event->u.save.ready_at_us = local->load.row.ready_at_us + 1;
}

static void claim(struct local *local, uint64_t tag, const struct claim_request *request)
{
    struct job_row *row = &local->load.row;
    struct core_event *event = local_event(local, EVENT_CLAIMED, tag);
    event->u.claim.outcome = CLAIM_OK;
    event->u.claim.state_before = row->state;
    row->state = JOB_RUNNING;
    row->epoch++;
    row->claim = request->claim;
    row->owner = request->owner;
    event->u.claim.row = *row;
    local_line(local, TEXT_NONE, 0, job_state_name(JOB_RUNNING), TEXT_NONE, -1);
}

static void read_row(struct local *local, uint64_t tag)
{
    struct core_event *event = local_event(local, EVENT_ROWS, tag);
    event->u.rows.list = &local->load.row;
    event->u.rows.count = local->ended ? 0 : 1;
}

static void list(struct local *local, const struct core_effect *effect)
{
    struct card *card = arena_calloc(&local->arena, 1, sizeof *card);
    const struct job_row *row = &local->load.row;
    *card = (struct card){row->id, row->pool, 0, row->priority, row->ready_at_us};
    struct core_event *event = local_event(local, EVENT_CARDS, effect->tag);
    event->u.shard.pool = effect->u.shard.pool;
    event->u.shard.cards = card;
    event->u.shard.count = row->state == JOB_READY && !local->ended;
}

static void load(struct local *local, uint64_t tag)
{
    struct core_event *event = local_event(local, EVENT_LOADED, tag);
    event->u.load.outcome = LOAD_OK;
    event->u.load.load = local->load;
}

/* ---------------------------------------------------------------------------------- the answers */

void local_remember_step(struct local *local, const struct step_start *start)
{
    struct local_step *step = xcalloc(1, sizeof *step);
    step->step = start->step;
    for (size_t i = 0; i < start->env_count; i++) {
        if (text_equal(start->env[i].name, TEXT("JOB_TASK")))
            step->path = arena_text(&local->arena, start->env[i].value);
    }
    HASH_ADD(hh, local->running, step, sizeof step->step, step);
}

void local_forget_step(struct local *local, uint64_t number)
{
    struct local_step *step = NULL;
    HASH_FIND(hh, local->running, &number, sizeof number, step);
    if (!step)
        return;
    HASH_DEL(local->running, step);
    free(step);
}

void local_answer(struct local *local, const struct core_effect *effect)
{
    switch ((int)effect->kind) {
    case EFFECT_LIST:
        list(local, effect);
        return;
    case EFFECT_READ_ROW:
        read_row(local, effect->tag);
        return;
    case EFFECT_SHARD_ROWS:
    case EFFECT_LATE_ROWS:
    case EFFECT_OWNED_ROWS:
        /* Nobody else works here: whatever the audit finds is what is held. */
        local_event(local, EVENT_ROWS, effect->tag)->u.rows.code = ERR_UNKNOWN;
        return;
    case EFFECT_LOCK:
        local_event(local, EVENT_LOCKED, effect->tag);
        return;
    case EFFECT_UNLOCK:
    case EFFECT_CONSUME:
    case EFFECT_RELEASE:
        local_event(local, EVENT_UNLOCKED, effect->tag);
        return;
    case EFFECT_CLAIM:
        claim(local, effect->tag, &effect->u.claim);
        return;
    case EFFECT_LOAD:
        load(local, effect->tag);
        return;
    case EFFECT_SAVE:
        save(local, effect->tag, &effect->u.save);
        return;
    case EFFECT_GIVE_UP:
    case EFFECT_CLOSE:
        local_event(local, EVENT_SESSION_ENDED, 0)->u.session.boot = local->boot;
        local->ended = true;
        return;
    default: /* what a cluster would be told */
        return;
    }
}

void local_forget(struct local *local)
{
    struct local_row *row, *other_row;
    HASH_ITER(hh, local->rows, row, other_row)
    {
        HASH_DEL(local->rows, row);
        free(row);
    }
    struct local_step *step, *other_step;
    HASH_ITER(hh, local->running, step, other_step)
    {
        HASH_DEL(local->running, step);
        free(step);
    }
    struct local_line line;
    while (local_next(local, &line))
        continue;
}

/* --------------------------------------------------------------------------------------- asking */

bool local_has_ended(const struct local *local)
{
    return local->ended;
}

enum job_state local_state(const struct local *local)
{
    return local->load.row.state;
}

struct uuid local_job(const struct local *local)
{
    return local->load.row.id;
}

struct text local_output(const struct local *local)
{
    return local->output;
}

struct text local_failure(const struct local *local)
{
    return local->failure;
}

const struct task_row *local_task(const struct local *local, struct text path)
{
    struct local_row *row = NULL;
    HASH_FIND(hh, local->rows, path.data, path.len, row);
    return row ? &row->row : NULL;
}
