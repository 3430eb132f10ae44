/* SPDX-License-Identifier: Apache-2.0 */
/* Claims, loads and saves as storage.h words them. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "engine/sim/sim_store_private.h"

struct task_row *sim_job_task(const struct sim_job *job, struct text path)
{
    for (size_t i = 0; i < job->task_count; i++) {
        if (text_equal(job->tasks[i].path, path))
            return &job->tasks[i];
    }
    return NULL;
}

static struct task_row *copy_tasks(struct arena *arena, const struct sim_job *job)
{
    struct task_row *copy = arena_calloc(arena, job->task_count, sizeof *copy);
    if (job->task_count)
        memcpy(copy, job->tasks, job->task_count * sizeof *copy);
    return copy;
}

static struct inbox_row *copy_inbox(struct arena *arena, const struct sim_job *job, size_t from)
{
    size_t count = job->inbox_count - from;
    struct inbox_row *copy = arena_calloc(arena, count, sizeof *copy);
    if (count)
        memcpy(copy, job->inbox + from, count * sizeof *copy);
    return copy;
}

static void add_history(struct sim_store *store, struct sim_job *job,
                        const struct history_line *line, int64_t epoch)
{
    job->history = arena_grow(&store->world->arena, job->history, job->history_count,
                              job->history_count + 1, &job->history_capacity, sizeof *job->history);
    job->history[job->history_count++] =
        (struct sim_history){sim_store_clock_us(store), *line, epoch};
}

static void set_state(struct sim_store *store, struct sim_job *job, enum job_state state)
{
    if (job->row.state != state)
        job->changed_at_us = sim_store_clock_us(store);
    job->row.state = state;
}

/* ------------------------------------------------------------------------------------------ claim
 */

static void decide_claim(struct sim_item *item, enum claim_outcome outcome)
{
    item->answer = (struct core_event){.kind = EVENT_CLAIMED, .tag = item->effect.tag};
    item->answer.u.claim.outcome = outcome;
    item->is_decided = true;
}

static bool may_claim(struct sim_store *store, const struct sim_job *job,
                      const struct claim_request *request)
{
    struct sim_world *world = store->world;
    if (job->row.epoch != request->epoch_seen && !sim_has(world, MUTANT_NO_EPOCH_SEEN))
        return false;
    if (!job_state_is_claimable(job->row.state) && !sim_has(world, MUTANT_CLAIM_ANY_STATE))
        return false;
    return job->hold_until_us <= sim_store_clock_us(store);
}

static void take_claim(struct sim_store *store, struct sim_job *job,
                       const struct claim_request *request)
{
    struct job_row *row = &job->row;
    int64_t newest = row->epoch > request->epoch_used ? row->epoch : request->epoch_used;
    if (store->options.watch.claimed)
        store->options.watch.claimed(store->options.watch.context, job, request, newest + 1);
    job->before = *row;
    job->claimed_from = row->state;
    row->unclean = row->state == JOB_READY ? row->unclean : row->unclean + 1;
    row->epoch = newest + 1;
    row->claim = request->claim;
    row->owner = request->owner;
    job->hold_until_us = 0;
    set_state(store, job, row->state == JOB_REVERTING ? JOB_REVERTING : JOB_RUNNING);
    struct history_line line = {.state = (int)row->state};
    add_history(store, job, &line, row->epoch);
    if (job->claimed_from != JOB_READY)
        sim_count(store->world, COUNT_CLAIM_TAKEOVER);
}

static void apply_claim(struct sim_store *store, struct sim_item *item)
{
    struct sim_job *job = item->job;
    const struct claim_request *request = &item->effect.u.claim;
    if (!job) {
        decide_claim(item, CLAIM_GONE);
        return;
    }
    bool is_mine =
        uuid_equal(&job->row.claim, &request->claim) && !sim_has(store->world, MUTANT_CLAIM_TWICE);
    if (is_mine) {
        sim_count(store->world, COUNT_CLAIM_MINE);
    } else if (may_claim(store, job, request)) {
        take_claim(store, job, request);
    } else {
        decide_claim(item, CLAIM_CHANGED);
        return;
    }
    decide_claim(item, CLAIM_OK);
    item->answer.u.claim.row = store_row_now(store, job);
    item->answer.u.claim.state_before = job->claimed_from;
}

/* ------------------------------------------------------------------------------------------- load
 */

static void decide_load(struct sim_item *item, enum load_outcome outcome)
{
    item->answer = (struct core_event){.kind = EVENT_LOADED, .tag = item->effect.tag};
    item->answer.u.load.outcome = outcome;
    item->is_decided = true;
}

/* What was not applied stands at the end. */
static size_t inbox_applied(const struct sim_job *job)
{
    size_t count = 0;
    while (count < job->inbox_count && job->inbox[count].seq <= job->row.inbox_applied)
        count++;
    return count;
}

static void read_load(struct sim_store *store, struct sim_item *item)
{
    struct sim_job *job = item->job;
    const struct uuid *claim = &item->effect.u.row.claim;
    if (!job || !uuid_equal(&job->row.claim, claim)) {
        decide_load(item, LOAD_REFUSED);
        return;
    }
    decide_load(item, LOAD_OK);
    bool stale =
        sim_has(store->world, MUTANT_LOAD_BEFORE_CLAIM) && uuid_equal(&job->stale_claim, claim);
    item->answer.u.load.load = (struct job_load){
        .row = store_row_now(store, job),
        .flow_name = job->flow_name,
        .flow_text = job->flow_text,
        .flow_hash = job->flow_hash,
        .input = job->input,
        .key = job->key,
        .posted_at_us = job->posted_at_us,
        .now_us = sim_store_clock_us(store),
        .tasks = stale ? job->stale_tasks : copy_tasks(&store->world->arena, job),
        .task_count = stale ? job->stale_count : job->task_count,
        .inbox = copy_inbox(&store->world->arena, job, inbox_applied(job)),
        .inbox_count = job->inbox_count - inbox_applied(job),
    };
}

/* ------------------------------------------------------------------------------------------- save
 */

static void decide_save(struct sim_store *store, struct sim_item *item, enum save_outcome outcome)
{
    item->answer = (struct core_event){.kind = EVENT_SAVED, .tag = item->effect.tag};
    item->answer.u.save.outcome = outcome;
    item->is_decided = true;
    if ((outcome == SAVE_OK || outcome == SAVE_ALREADY) && item->job)
        item->answer.u.save.ready_at_us = item->job->row.ready_at_us;
    if (store->options.watch.decided)
        store->options.watch.decided(store->options.watch.context, item->job, &item->effect.u.save,
                                     outcome);
}

static bool fits(const struct sim_store *store, const struct sim_job *job, const struct save *save,
                 int64_t save_no)
{
    const struct sim_world *world = store->world;
    const struct job_row *row = &job->row;
    if (row->save_no != save_no && !sim_has(world, MUTANT_SAVE_WITHOUT_SAVE_NO))
        return false;
    if (sim_has(world, MUTANT_NO_CLAIM_CHECK))
        return true;
    return row->epoch == save->epoch && uuid_equal(&row->claim, &save->claim);
}

static void apply_task(struct sim_store *store, struct sim_job *job,
                       const struct task_change *change)
{
    struct task_row *row = sim_job_task(job, change->row.path);
    if (!row) {
        job->tasks = arena_grow(&store->world->arena, job->tasks, job->task_count,
                                job->task_count + 1, &job->task_capacity, sizeof *job->tasks);
        row = &job->tasks[job->task_count++];
    }
    *row = change->row;
}

static int64_t next_ready_at(const struct sim_store *store, const struct sim_job *job)
{
    int64_t now_us = sim_store_clock_us(store);
    if (sim_has(store->world, MUTANT_READY_REPEATS))
        return job->posted_at_us;
    return now_us > job->row.ready_at_us ? now_us : job->row.ready_at_us + 1;
}

bool sim_store_rerun(struct sim_store *store, struct sim_job *job, struct text data)
{
    struct arena *arena = &store->world->arena;
    enum job_state state = job->row.state;
    if (job->locker || !store->is_up ||
        (state != JOB_FAILURE && state != JOB_REVERTED && state != JOB_CANCELLED))
        return false;
    job->inbox = arena_grow(arena, job->inbox, job->inbox_count, job->inbox_count + 1,
                            &job->inbox_capacity, sizeof *job->inbox);
    job->inbox[job->inbox_count++] = (struct inbox_row){
        .seq = ++job->row.inbox_seq, .kind = TEXT(INBOX_RERUN), .data = arena_text(arena, data)};
    job->before = job->row;
    job->row.ready_at_us = next_ready_at(store, job);
    set_state(store, job, JOB_READY);
    job->output = job->failure = TEXT_NONE;
    job->hold_until_us = 0;
    add_history(store, job, &(struct history_line){.state = JOB_READY, .detail = TEXT(INBOX_RERUN)},
                job->row.epoch);
    sim_count(store->world, COUNT_RERUN);
    if (store->options.watch.reran)
        store->options.watch.reran(store->options.watch.context, job);
    return true;
}

static void write_save(struct sim_store *store, struct sim_job *job, const struct save *save)
{
    if (store->options.watch.saved)
        store->options.watch.saved(store->options.watch.context, job, save);
    job->before = job->row;
    for (size_t i = 0; i < save->task_count; i++) {
        for (size_t j = 0; j < i; j++) /* Postgres refuses to write a row twice */
            CHECK(!text_equal(save->tasks[i].row.path, save->tasks[j].row.path));
        apply_task(store, job, &save->tasks[i]);
    }
    for (size_t i = 0; i < save->history_count; i++)
        add_history(store, job, &save->history[i], save->epoch);
    job->row.save_no++;
    job->row.inbox_applied = save->inbox_applied;
    if (save->state == JOB_READY && job->row.state != JOB_READY)
        job->row.ready_at_us = next_ready_at(store, job);
    set_state(store, job, save->state);
    if (save->records_step)
        job->row.unclean = 0;
    if (save->output.data)
        job->output = save->output;
    if (save->failure.data)
        job->failure = save->failure;
    if (save->ends_claim)
        job->hold_until_us = 0;
    if (save->ends_claim && sim_has(store->world, MUTANT_CLAIM_CLEARED))
        job->row.claim = (struct uuid){{0}};
}

static void apply_save(struct sim_store *store, struct sim_item *item)
{
    struct sim_job *job = item->job;
    const struct save *save = &item->effect.u.save;
    if (!job) {
        decide_save(store, item, SAVE_REFUSED);
        return;
    }
    bool unlocked = sim_has(store->world, MUTANT_UNLOCKED_CHECK);
    if (unlocked ? item->fits_snapshot : fits(store, job, save, save->save_no)) {
        bool checks_inbox = save->ends_claim && !sim_has(store->world, MUTANT_INBOX_UNCHECKED);
        if (checks_inbox && job->row.inbox_seq != save->inbox_seen) {
            decide_save(store, item, SAVE_INBOX);
            return;
        }
        write_save(store, job, save);
        decide_save(store, item, SAVE_OK);
    } else if (fits(store, job, save, save->save_no + 1)) {
        decide_save(store, item, SAVE_ALREADY);
    } else {
        decide_save(store, item, SAVE_REFUSED);
    }
}

/* ---------------------------------------------------------------------------------------- any item
 */

void store_start_item(struct sim_store *store, struct sim_statement *statement,
                      struct sim_item *item)
{
    struct sim_job *job = item->job;
    switch (statement->kind) {
    case STATEMENT_CLAIM:
        if (job && sim_has(store->world, MUTANT_LOAD_BEFORE_CLAIM)) {
            job->stale_claim = item->effect.u.claim.claim;
            job->stale_tasks = copy_tasks(&store->world->arena, job);
            job->stale_count = job->task_count;
        }
        break;
    case STATEMENT_LOAD:
        read_load(store, item);
        break;
    case STATEMENT_SAVE:
        item->fits_snapshot =
            job && fits(store, job, &item->effect.u.save, item->effect.u.save.save_no);
        break;
    case STATEMENT_READ:
        store_read(store, item);
        break;
    }
}

void store_apply_item(struct sim_store *store, struct sim_statement *statement,
                      struct sim_item *item)
{
    if (item->is_decided)
        return;
    if (statement->kind == STATEMENT_CLAIM)
        apply_claim(store, item);
    else if (statement->kind == STATEMENT_SAVE)
        apply_save(store, item);
}

void store_decide_busy(struct sim_store *store, struct sim_item *item)
{
    if (item->effect.kind == EFFECT_CLAIM)
        decide_claim(item, CLAIM_BUSY);
    else
        decide_save(store, item, SAVE_BUSY);
}

void store_decide_unknown(struct sim_store *store, struct sim_item *item)
{
    switch ((int)item->effect.kind) {
    case EFFECT_CLAIM:
        decide_claim(item, CLAIM_UNKNOWN);
        break;
    case EFFECT_LOAD:
        decide_load(item, LOAD_UNKNOWN);
        break;
    case EFFECT_SAVE:
        decide_save(store, item, SAVE_UNKNOWN);
        break;
    default:
        item->answer = (struct core_event){.kind = EVENT_ROWS, .tag = item->effect.tag};
        item->answer.u.rows.code = ERR_UNKNOWN;
        item->is_decided = true;
        break;
    }
}
