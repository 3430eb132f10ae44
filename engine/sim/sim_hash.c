/* SPDX-License-Identifier: Apache-2.0 */
/* Sums up every byte of an event or effect that means something. Words are mixed, not bytes: it is
 * done for each of them in every run. */
#include "engine/sim/sim.h"

static uint64_t add(uint64_t hash, uint64_t word)
{
    return random_mix(hash ^ word) + word;
}

static uint64_t add_bytes(uint64_t hash, const void *data, size_t len)
{
    const char *bytes = data;
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = add(hash, word);
        bytes += 8;
        len -= 8;
    }
    uint64_t rest = len;
    if (len)
        memcpy(&rest, bytes, len);
    return add(hash, rest ^ (uint64_t)len << 56);
}

static uint64_t add_text(uint64_t hash, struct text text)
{
    return text.data ? add_bytes(add(hash, text.len), text.data, text.len)
                     : add(hash, ~UINT64_C(0));
}

static uint64_t add_uuid(uint64_t hash, const struct uuid *uuid)
{
    return add_bytes(hash, uuid->bytes, sizeof uuid->bytes);
}

static uint64_t add_card(uint64_t hash, const struct card *card)
{
    hash = add_uuid(hash, &card->job);
    hash = add_bytes(hash, card->pool.name, strlen(card->pool.name));
    return add(add(hash, (uint64_t)card->shard << 8 | card->priority), (uint64_t)card->ready_at_us);
}

static uint64_t add_row(uint64_t hash, const struct job_row *row)
{
    hash = add_uuid(add_uuid(add_uuid(hash, &row->id), &row->claim), &row->owner);
    hash = add(hash, (uint64_t)row->state << 32 | (uint64_t)row->unclean);
    hash = add(hash, (uint64_t)row->epoch << 32 ^ (uint64_t)row->save_no);
    hash = add(hash, (uint64_t)row->inbox_seq << 32 ^ (uint64_t)row->inbox_applied);
    hash = add(hash, (uint64_t)row->ready_at_us);
    return add(hash, (uint64_t)row->on_hold << 1 | row->is_recent);
}

static uint64_t add_task_row(uint64_t hash, const struct task_row *row)
{
    hash = add_text(hash, row->path);
    hash = add(hash, (uint64_t)row->state << 32 | (uint32_t)row->attempt);
    return add_text(add_text(add_text(hash, row->result), row->failure), row->internal);
}

/* ------------------------------------------------------------------------------------------ events
 */

static uint64_t add_members(uint64_t hash, const struct core_event *event)
{
    for (size_t i = 0; i < event->u.members.count; i++) {
        const struct member *member = &event->u.members.list[i];
        hash = add_uuid(hash, &member->boot);
        hash = add(hash, (uint64_t)member->free << 2 | (uint64_t)member->draining << 1 |
                             member->dividing);
    }
    return hash;
}

static uint64_t add_load(uint64_t hash, const struct core_event *event)
{
    hash = add(hash, event->u.load.outcome);
    if (event->u.load.outcome != LOAD_OK)
        return hash;
    const struct job_load *load = &event->u.load.load;
    hash = add_row(hash, &load->row);
    for (size_t i = 0; i < load->task_count; i++)
        hash = add_task_row(hash, &load->tasks[i]);
    return hash;
}

static uint64_t add_answer(uint64_t hash, const struct core_event *event)
{
    switch ((int)event->kind) {
    case EVENT_ROWS:
        hash = add(hash, (uint64_t)event->u.rows.code);
        for (size_t i = 0; i < event->u.rows.count; i++)
            hash = add_row(hash, &event->u.rows.list[i]);
        return hash;
    case EVENT_CLAIMED:
        hash = add(hash, event->u.claim.outcome);
        if (event->u.claim.outcome == CLAIM_OK)
            hash = add_row(add(hash, event->u.claim.state_before), &event->u.claim.row);
        return hash;
    case EVENT_LOADED:
        return add_load(hash, event);
    case EVENT_SAVED:
        return add(add(hash, event->u.save.outcome), (uint64_t)event->u.save.ready_at_us);
    default:
        return hash;
    }
}

uint64_t sim_hash_event(uint64_t hash, int engine, const struct core_event *event)
{
    hash = add(hash, (uint64_t)event->kind << 8 | (unsigned)engine);
    hash = add(add(hash, (uint64_t)event->now_ms), event->tag);
    switch ((int)event->kind) {
    case EVENT_SESSION_BEGAN:
    case EVENT_ALIVE:
    case EVENT_SESSION_ENDED:
        return add(add_uuid(hash, &event->u.session.boot), (uint64_t)event->u.session.sent_ms);
    case EVENT_MEMBERS:
        return add_members(hash, event);
    case EVENT_CARDS:
        hash = add(hash, event->u.shard.outcome);
        for (size_t i = 0; i < event->u.shard.count; i++)
            hash = add_card(hash, &event->u.shard.cards[i]);
        return hash;
    case EVENT_SHARD_CHANGED:
        return add(hash, event->u.shard.shard);
    case EVENT_LOCKED:
    case EVENT_UNLOCKED:
        return add(hash, event->u.board.outcome);
    case EVENT_STEP_STARTED:
    case EVENT_STEP_FAILED:
    case EVENT_STEP_ENDED:
        hash = add(hash, event->u.step.step);
        return add_text(add(hash, (uint64_t)event->u.step.exit_code), event->u.step.out);
    default:
        return add_answer(hash, event);
    }
}

/* ----------------------------------------------------------------------------------------- effects
 */

static uint64_t add_save(uint64_t hash, const struct save *save)
{
    hash = add_uuid(add_uuid(hash, &save->job), &save->claim);
    hash = add(add(hash, (uint64_t)save->epoch), (uint64_t)save->save_no);
    hash = add(hash,
               (uint64_t)save->state << 8 | (uint64_t)save->ends_claim << 1 | save->records_step);
    hash = add(add(hash, (uint64_t)save->inbox_seen), (uint64_t)save->inbox_applied);
    hash = add_text(add_text(hash, save->output), save->failure);
    for (size_t i = 0; i < save->task_count; i++) {
        hash = add_task_row(hash, &save->tasks[i].row);
        hash = add(hash, (uint64_t)save->tasks[i].begins << 1 | save->tasks[i].ends);
    }
    for (size_t i = 0; i < save->history_count; i++) {
        const struct history_line *line = &save->history[i];
        hash = add_text(add_text(hash, line->task), line->detail);
        hash = add(hash, (uint64_t)line->state << 32 | (uint32_t)line->attempt);
    }
    return hash;
}

static uint64_t add_start(uint64_t hash, const struct step_start *start)
{
    hash = add(hash, start->step);
    for (size_t i = 0; i < start->argc; i++)
        hash = add_text(hash, start->argv[i]);
    for (size_t i = 0; i < start->env_count; i++)
        hash = add_text(add_text(hash, start->env[i].name), start->env[i].value);
    return add_text(add_text(hash, start->cwd), start->input);
}

static uint64_t add_shard(uint64_t hash, const struct core_effect *effect)
{
    hash = add(hash, (uint64_t)effect->u.shard.window << 16 | effect->u.shard.shard);
    for (size_t i = 0; effect->kind == EFFECT_SHARD_ROWS && i < effect->u.shard.count; i++)
        hash = add_uuid(hash, &effect->u.shard.jobs[i]);
    return hash;
}

static uint64_t add_late(uint64_t hash, const struct core_effect *effect)
{
    hash = add(hash, (uint64_t)effect->u.late.limit << 16 | effect->u.late.from_shard);
    for (size_t i = 0; i < effect->u.late.boot_count; i++)
        hash = add_uuid(hash, &effect->u.late.boots[i]);
    return hash;
}

static uint64_t add_board(uint64_t hash, const struct core_effect *effect)
{
    hash = add_card(hash, &effect->u.board.card);
    if (effect->kind == EFFECT_PLACE || effect->kind == EFFECT_REMOVE ||
        effect->kind == EFFECT_SHOW_POOL)
        return hash;
    if (effect->kind == EFFECT_RELEASE)
        hash = add_card(hash, &effect->u.board.fresh);
    return add_uuid(add_uuid(hash, &effect->u.board.boot), &effect->u.board.claim);
}

uint64_t sim_hash_effect(uint64_t hash, int engine, const struct core_effect *effect)
{
    hash = add(add(hash, (uint64_t)effect->kind << 8 | (unsigned)engine), effect->tag);
    switch ((int)effect->kind) {
    case EFFECT_DIVIDE:
        return add(hash, effect->u.flag);
    case EFFECT_LIST:
    case EFFECT_UNWATCH:
    case EFFECT_SHARD_ROWS:
        return add_shard(hash, effect);
    case EFFECT_LOCK:
    case EFFECT_UNLOCK:
    case EFFECT_CONSUME:
    case EFFECT_RELEASE:
    case EFFECT_PLACE:
    case EFFECT_REMOVE:
    case EFFECT_SHOW_POOL:
        return add_board(hash, effect);
    case EFFECT_READ_ROW:
    case EFFECT_LOAD:
        return add_uuid(hash, &effect->u.row.job);
    case EFFECT_LATE_ROWS:
        return add_late(hash, effect);
    case EFFECT_CLAIM:
        hash = add_uuid(add_uuid(hash, &effect->u.claim.job), &effect->u.claim.claim);
        return add(hash, (uint64_t)effect->u.claim.epoch_seen);
    case EFFECT_SAVE:
        return add_save(hash, &effect->u.save);
    case EFFECT_START_STEP:
        return add_start(hash, &effect->u.start);
    case EFFECT_STOP_STEP:
        return add(add(hash, effect->u.stop.step), (uint64_t)effect->u.stop.grace_ms);
    case EFFECT_KILL_AT:
        return add(hash, (uint64_t)effect->u.kill_at_ms);
    case EFFECT_MOVED:
        hash = add_text(add_uuid(hash, &effect->u.moved.job), effect->u.moved.task);
        hash = add_text(add_text(hash, text_of(effect->u.moved.from)), text_of(effect->u.moved.to));
        return add_text(hash, effect->u.moved.detail);
    case EFFECT_TROUBLE:
        return add_text(hash, effect->u.trouble.text);
    default:
        return hash;
    }
}
