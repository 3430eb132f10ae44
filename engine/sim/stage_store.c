/* SPDX-License-Identifier: Apache-2.0 */
/* The board and the store of one job in memory: they answer at once, and may lose the core. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/error.h"
#include "engine/sim/stage_private.h"

/* ------------------------------------------------------------------------------------- history */

void stage_line(struct stage *stage, struct text task, int32_t attempt, int state,
                struct text detail)
{
    struct stage_run *run = stage->run;
    run->lines = arena_grow(&run->arena, run->lines, run->line_count, run->line_count + 1,
                            &run->line_capacity, sizeof *run->lines);
    run->lines[run->line_count++] = (struct stage_line){
        .task = arena_text(&run->arena, task),
        .attempt = attempt,
        .state = state,
        .detail = arena_text(&run->arena, detail),
        .save = run->saves,
        .at_ms = stage->now_ms,
    };
}

void stage_print_line(const struct stage_line *line, struct buffer *ret_text)
{
    if (!line->task.data) {
        buffer_printf(ret_text, "[%s]", job_state_name((enum job_state)line->state));
    } else {
        buffer_printf(ret_text, "%.*s:%s(%d)", TEXT_ARG(line->task),
                      task_state_name((enum task_state)line->state), (int)line->attempt);
    }
    if (line->detail.len)
        buffer_printf(ret_text, "'%.*s'", TEXT_ARG(line->detail));
}

/* ---------------------------------------------------------------------------------------- rows */

static void keep_row(struct stage *stage, const struct task_row *row)
{
    struct arena *arena = &stage->run->arena;
    struct stage_kept *kept = NULL;
    HASH_FIND(hh, stage->rows, row->path.data, row->path.len, kept);
    if (!kept) {
        kept = xcalloc(1, sizeof *kept);
        kept->row.path = arena_text(arena, row->path);
        HASH_ADD_KEYPTR(hh, stage->rows, kept->row.path.data, kept->row.path.len, kept);
    }
    CHECK(kept->save != stage->run->saves); /* Postgres refuses a statement that writes one twice */
    struct text path = kept->row.path;
    kept->save = stage->run->saves;
    kept->row = *row;
    kept->row.path = path;
    kept->row.internal = arena_text(arena, row->internal);
    kept->row.result = arena_text(arena, row->result);
    kept->row.failure = arena_text(arena, row->failure);
}

static void apply(struct stage *stage, const struct save *save)
{
    struct job_row *row = &stage->load.row;
    stage->run->saves++;
    stage->ended_count = 0;
    for (size_t i = 0; i < save->task_count; i++)
        keep_row(stage, &save->tasks[i].row);
    for (size_t i = 0; i < save->history_count; i++) {
        const struct history_line *line = &save->history[i];
        stage_line(stage, line->task, line->attempt, line->state, line->detail);
    }
    row->state = save->state;
    row->save_no = save->save_no + 1;
    row->inbox_applied = save->inbox_applied;
    if (job_state_is_final(save->state)) {
        stage->run->output = arena_text(&stage->run->arena, save->output);
        stage->run->failure = arena_text(&stage->run->arena, save->failure);
    }
}

static const struct stage_fault *next_fault(const struct stage *stage)
{
    return stage->fault_next < stage->fault_count ? &stage->faults[stage->fault_next] : NULL;
}

static void save(struct stage *stage, uint64_t tag, const struct save *save)
{
    const struct job_row *row = &stage->load.row;
    CHECK(save->epoch == row->epoch && uuid_equal(&save->claim, &row->claim) &&
          save->save_no == row->save_no);
    CHECK(save->inbox_seen == row->inbox_seq || !save->ends_claim);
    const struct stage_fault *fault = next_fault(stage);
    bool is_met = fault && fault->save == stage->run->saves + 1;
    stage->fault_next += is_met;
    stage->run->faults_met += is_met;
    stage->quiet = 0;
    stage->dead = is_met && (fault->kind == STAGE_LOSE || fault->kind == STAGE_CRASH);
    if (is_met && !stage->dead) {
        stage->drain_tag = tag;
        stage->drain_early = fault->kind == STAGE_HAND_OVER_EARLY;
    }
    if (is_met && fault->kind == STAGE_LOSE)
        return;
    apply(stage, save);
    if (stage->dead)
        return;
    stage->finished = job_state_is_final(save->state);
    struct core_event *event = stage_event(stage, EVENT_SAVED, tag);
    event->u.save.outcome = SAVE_OK;
    event->u.save.ready_at_us = ++stage->load.row.ready_at_us;
}

bool stage_rerun(struct stage *stage)
{
    struct job_row *row = &stage->load.row;
    if (!stage->plan->rerun.data || stage->run->reruns > 0 ||
        (row->state != JOB_FAILURE && row->state != JOB_REVERTED))
        return false;
    stage->run->reruns++;
    stage->lost_count = 0;
    stage->run->output = stage->run->failure = TEXT_NONE;
    stage->inbox =
        (struct inbox_row){++row->inbox_seq, TEXT(INBOX_RERUN), TEXT_NONE, stage->plan->rerun};
    row->state = JOB_READY;
    row->ready_at_us++;
    stage->finished = false;
    stage_line(stage, TEXT_NONE, 0, JOB_READY, TEXT("rerun"));
    return true;
}

static void claim(struct stage *stage, uint64_t tag, const struct claim_request *request)
{
    struct job_row *row = &stage->load.row;
    struct core_event *event = stage_event(stage, EVENT_CLAIMED, tag);
    event->u.claim.outcome = CLAIM_OK;
    event->u.claim.state_before = row->state;
    if (row->state == JOB_READY)
        row->state = JOB_RUNNING;
    row->epoch++;
    row->claim = request->claim;
    row->owner = request->owner;
    event->u.claim.row = *row;
    stage->run->claims++;
    stage_line(stage, TEXT_NONE, 0, (int)row->state, TEXT("claim"));
}

static void load(struct stage *stage, uint64_t tag)
{
    struct arena *arena = &stage->run->arena;
    struct job_load *load = &stage->load;
    struct task_row *rows = arena_calloc(arena, HASH_COUNT(stage->rows), sizeof *rows);
    size_t count = 0;
    for (struct stage_kept *kept = stage->rows; kept; kept = kept->hh.next)
        rows[count++] = kept->row;
    load->tasks = rows;
    load->task_count = count;
    load->inbox = &stage->inbox;
    load->inbox_count = load->row.inbox_applied < load->row.inbox_seq;
    struct core_event *event = stage_event(stage, EVENT_LOADED, tag);
    event->u.load.outcome = LOAD_OK;
    event->u.load.load = *load;
}

static void list(struct stage *stage, const struct core_effect *effect)
{
    struct card *card = arena_calloc(&stage->run->arena, 1, sizeof *card);
    const struct job_row *row = &stage->load.row;
    *card = (struct card){row->id, row->pool, 0, row->priority, row->ready_at_us};
    struct core_event *event = stage_event(stage, EVENT_CARDS, effect->tag);
    event->u.shard.pool = effect->u.shard.pool;
    event->u.shard.cards = card;
    event->u.shard.count = !job_state_is_final(row->state);
}

static void read_row(struct stage *stage, uint64_t tag)
{
    struct core_event *event = stage_event(stage, EVENT_ROWS, tag);
    event->u.rows.list = &stage->load.row;
    event->u.rows.count = 1;
}

void stage_answer(struct stage *stage, const struct core_effect *effect)
{
    switch ((int)effect->kind) {
    case EFFECT_LIST:
        list(stage, effect);
        return;
    case EFFECT_READ_ROW:
        read_row(stage, effect->tag);
        return;
    case EFFECT_SHARD_ROWS:
    case EFFECT_LATE_ROWS:
    case EFFECT_OWNED_ROWS:
        stage_event(stage, EVENT_ROWS, effect->tag)->u.rows.code = ERR_UNKNOWN;
        return;
    case EFFECT_LOCK:
        stage_event(stage, EVENT_LOCKED, effect->tag);
        return;
    case EFFECT_UNLOCK:
    case EFFECT_CONSUME:
    case EFFECT_RELEASE:
        stage_event(stage, EVENT_UNLOCKED, effect->tag);
        return;
    case EFFECT_CLAIM:
        claim(stage, effect->tag, &effect->u.claim);
        return;
    case EFFECT_LOAD:
        load(stage, effect->tag);
        return;
    case EFFECT_SAVE:
        save(stage, effect->tag, &effect->u.save);
        return;
    case EFFECT_START_STEP:
        stage_start(stage, &effect->u.start);
        return;
    case EFFECT_STOP_STEP:
        stage_stop(stage, effect->u.stop.step);
        return;
    case EFFECT_GIVE_UP:
    case EFFECT_CLOSE:
        stage_event(stage, EVENT_SESSION_ENDED, 0)->u.session.boot = stage->boot;
        return;
    case EFFECT_EXIT:
        stage->dead = true;
        return;
    default: /* what a cluster would be told */
        return;
    }
}

/* ---------------------------------------------------------------------------------- at the end */

static int compare_rows(const void *a, const void *b)
{
    return text_compare(((const struct stage_row *)a)->row.path,
                        ((const struct stage_row *)b)->row.path);
}

void stage_collect(struct stage *stage)
{
    struct stage_run *run = stage->run;
    struct stage_kept *kept, *other;
    run->rows = arena_calloc(&run->arena, HASH_COUNT(stage->rows), sizeof *run->rows);
    HASH_ITER(hh, stage->rows, kept, other)
    {
        if (kept->row.path.len > 0) {
            run->rows[run->row_count].row = kept->row;
            run->rows[run->row_count++].row.internal = TEXT_NONE;
        }
        HASH_DEL(stage->rows, kept);
        free(kept);
    }
    if (run->row_count)
        qsort(run->rows, run->row_count, sizeof *run->rows, compare_rows);
    run->state = stage->load.row.state;
    run->end_ms = stage->now_ms;
}
