/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/render.h"

#define SHOWN_BYTES 40 /* of a document */

static void show_id(struct buffer *line, const char *label, const struct uuid *id)
{
    if (uuid_is_nil(id))
        buffer_printf(line, " %s=-", label);
    else
        buffer_printf(line, " %s=%02x%02x%02x", label, id->bytes[13], id->bytes[14], id->bytes[15]);
}

static void show_text(struct buffer *line, const char *label, struct text text)
{
    if (!text.data)
        return;
    buffer_printf(line, " %s=", label);
    for (size_t i = 0; i < text.len && i < SHOWN_BYTES; i++)
        buffer_add_char(line, text.data[i] >= ' ' ? text.data[i] : ' ');
    if (text.len > SHOWN_BYTES)
        buffer_add_string(line, "...");
}

static void show_card(struct buffer *line, const char *label, const struct card *card)
{
    show_id(line, label, &card->job);
    buffer_printf(line, "@%lld", (long long)card->ready_at_us);
}

static void show_shard(struct buffer *line, const struct pool *pool, unsigned shard)
{
    buffer_printf(line, " %s/%02x", pool->name, shard);
}

static const char *outcome_of(enum board_outcome outcome)
{
    static const char *const names[] = {[BOARD_OK] = "ok",
                                        [BOARD_TAKEN] = "taken",
                                        [BOARD_UNKNOWN] = "unknown",
                                        [BOARD_VOID] = "void",
                                        [BOARD_REFUSED] = "refused"};
    return names[outcome];
}

static const char *claim_outcome_of(enum claim_outcome outcome)
{
    static const char *const names[] = {[CLAIM_OK] = "ok",
                                        [CLAIM_CHANGED] = "changed",
                                        [CLAIM_BUSY] = "busy",
                                        [CLAIM_GONE] = "gone",
                                        [CLAIM_UNKNOWN] = "unknown"};
    return names[outcome];
}

static const char *load_outcome_of(enum load_outcome outcome)
{
    static const char *const names[] = {[LOAD_OK] = "ok",
                                        [LOAD_REFUSED] = "refused",
                                        [LOAD_INVALID] = "invalid",
                                        [LOAD_UNKNOWN] = "unknown"};
    return names[outcome];
}

static const char *save_outcome_of(enum save_outcome outcome)
{
    static const char *const names[] = {
        [SAVE_OK] = "ok",          [SAVE_ALREADY] = "already", [SAVE_INBOX] = "inbox",
        [SAVE_BUSY] = "busy",      [SAVE_REFUSED] = "refused", [SAVE_BAD] = "bad",
        [SAVE_UNKNOWN] = "unknown"};
    return names[outcome];
}

static const char *event_name(enum event_kind kind)
{
    static const char *const names[EVENT_KINDS] = {
        [EVENT_TICK] = "tick",
        [EVENT_DRAIN] = "drain",
        [EVENT_DRAIN_NOW] = "drain-now",
        [EVENT_SESSION_BEGAN] = "session-began",
        [EVENT_ALIVE] = "alive",
        [EVENT_SESSION_ENDED] = "session-ended",
        [EVENT_MEMBERS] = "members",
        [EVENT_POOLS] = "pools",
        [EVENT_SHARD_CHANGED] = "shard-changed",
        [EVENT_CARDS] = "cards",
        [EVENT_LOCKED] = "locked",
        [EVENT_UNLOCKED] = "unlocked",
        [EVENT_STORE_UP] = "store-up",
        [EVENT_STORE_DOWN] = "store-down",
        [EVENT_ROWS] = "rows",
        [EVENT_CLAIMED] = "claimed",
        [EVENT_LOADED] = "loaded",
        [EVENT_SAVED] = "saved",
        [EVENT_STEP_STARTED] = "step-started",
        [EVENT_STEP_FAILED] = "step-failed",
        [EVENT_STEP_ENDED] = "step-ended",
    };
    return names[kind];
}

static const char *effect_name(enum effect_kind kind)
{
    static const char *const names[EFFECT_KINDS] = {
        [EFFECT_DIVIDE] = "divide",
        [EFFECT_GIVE_UP] = "give-up",
        [EFFECT_CLOSE] = "close",
        [EFFECT_LIST] = "list",
        [EFFECT_UNWATCH] = "unwatch",
        [EFFECT_LOCK] = "lock",
        [EFFECT_UNLOCK] = "unlock",
        [EFFECT_CONSUME] = "consume",
        [EFFECT_RELEASE] = "release",
        [EFFECT_PLACE] = "place",
        [EFFECT_REMOVE] = "remove",
        [EFFECT_SHOW_POOL] = "show-pool",
        [EFFECT_BOOT_BEGAN] = "boot-began",
        [EFFECT_LEASE_SEEN] = "lease-seen",
        [EFFECT_READ_ROW] = "read-row",
        [EFFECT_SHARD_ROWS] = "shard-rows",
        [EFFECT_LATE_ROWS] = "late-rows",
        [EFFECT_OWNED_ROWS] = "owned-rows",
        [EFFECT_CLAIM] = "claim",
        [EFFECT_LOAD] = "load",
        [EFFECT_SAVE] = "save",
        [EFFECT_START_STEP] = "start-step",
        [EFFECT_STOP_STEP] = "stop-step",
        [EFFECT_KILL_AT] = "kill-at",
        [EFFECT_EXIT] = "exit",
        [EFFECT_MOVED] = "moved",
        [EFFECT_TROUBLE] = "trouble",
    };
    return names[kind];
}

/* ----------------------------------------------------------------------------------------- events
 */

static void show_cards(const struct core_event *event, struct buffer *line)
{
    show_shard(line, &event->u.shard.pool, event->u.shard.shard);
    buffer_printf(line, " %s:", outcome_of(event->u.shard.outcome));
    for (size_t i = 0; i < event->u.shard.count; i++)
        show_card(line, "card", &event->u.shard.cards[i]);
}

static void show_members(const struct core_event *event, struct buffer *line)
{
    for (size_t i = 0; i < event->u.members.count; i++) {
        const struct member *member = &event->u.members.list[i];
        show_id(line, "boot", &member->boot);
        buffer_printf(line, "(%.*s%s)", TEXT_ARG(member->name), member->dividing ? ",divides" : "");
    }
}

static void show_row(const struct job_row *row, struct buffer *line)
{
    show_id(line, "job", &row->id);
    buffer_printf(line, "(%s,epoch %lld,save %lld%s%s)", job_state_name(row->state),
                  (long long)row->epoch, (long long)row->save_no, row->on_hold ? ",hold" : "",
                  row->is_recent ? ",recent" : "");
}

static void show_rows(const struct core_event *event, struct buffer *line)
{
    if (event->u.rows.code != 0)
        buffer_printf(line, " code=%d", event->u.rows.code);
    for (size_t i = 0; i < event->u.rows.count; i++)
        show_row(&event->u.rows.list[i], line);
}

static void show_claimed(const struct core_event *event, struct buffer *line)
{
    const struct claim_answer *answer = &event->u.claim;
    buffer_printf(line, " %s", claim_outcome_of(answer->outcome));
    if (answer->outcome != CLAIM_OK)
        return;
    show_row(&answer->row, line);
    buffer_printf(line, " from=%s", job_state_name(answer->state_before));
}

static void show_loaded(const struct core_event *event, struct buffer *line)
{
    buffer_printf(line, " %s", load_outcome_of(event->u.load.outcome));
    if (event->u.load.outcome != LOAD_OK)
        return;
    const struct job_load *load = &event->u.load.load;
    show_row(&load->row, line);
    for (size_t i = 0; i < load->task_count; i++)
        buffer_printf(line, " %.*s=%s/%d", TEXT_ARG(load->tasks[i].path),
                      task_state_name(load->tasks[i].state), load->tasks[i].attempt);
}

static void show_step_end(const struct core_event *event, struct buffer *line)
{
    const struct step_end *end = &event->u.step;
    buffer_printf(line, " step=%llu", (unsigned long long)end->step);
    if (event->kind == EVENT_STEP_ENDED)
        buffer_printf(line, " exit=%d signal=%d", end->exit_code, end->signal);
    if (event->kind == EVENT_STEP_ENDED)
        show_text(line, "out", end->out);
    if (event->kind == EVENT_STEP_FAILED)
        show_text(line, "reason", end->reason);
}

static void show_session(const struct core_event *event, struct buffer *line)
{
    show_id(line, "boot", &event->u.session.boot);
    if (event->kind == EVENT_SESSION_BEGAN)
        buffer_printf(line, " T=%d", event->u.session.timeout_ms);
    if (event->kind != EVENT_SESSION_ENDED)
        buffer_printf(line, " sent=%lld", (long long)event->u.session.sent_ms);
}

void render_event(const struct core_event *event, struct buffer *ret_line)
{
    buffer_add_string(ret_line, event_name(event->kind));
    if (event->tag)
        buffer_printf(ret_line, " #%llu", (unsigned long long)event->tag);
    switch ((int)event->kind) {
    case EVENT_SESSION_BEGAN:
    case EVENT_ALIVE:
    case EVENT_SESSION_ENDED:
        show_session(event, ret_line);
        break;
    case EVENT_MEMBERS:
        show_members(event, ret_line);
        break;
    case EVENT_POOLS:
        buffer_printf(ret_line, " %zu", event->u.pools.count);
        break;
    case EVENT_SHARD_CHANGED:
        show_shard(ret_line, &event->u.shard.pool, event->u.shard.shard);
        break;
    case EVENT_CARDS:
        show_cards(event, ret_line);
        break;
    case EVENT_LOCKED:
    case EVENT_UNLOCKED:
        buffer_printf(ret_line, " %s", outcome_of(event->u.board.outcome));
        break;
    case EVENT_ROWS:
        show_rows(event, ret_line);
        break;
    case EVENT_CLAIMED:
        show_claimed(event, ret_line);
        break;
    case EVENT_LOADED:
        show_loaded(event, ret_line);
        break;
    case EVENT_SAVED:
        buffer_printf(ret_line, " %s", save_outcome_of(event->u.save.outcome));
        break;
    case EVENT_STEP_STARTED:
    case EVENT_STEP_FAILED:
    case EVENT_STEP_ENDED:
        show_step_end(event, ret_line);
        break;
    default:
        break;
    }
}

/* ---------------------------------------------------------------------------------------- effects
 */

static void show_save(const struct save *save, struct buffer *line)
{
    show_id(line, "job", &save->job);
    buffer_printf(line, " epoch=%lld save=%lld %s%s", (long long)save->epoch,
                  (long long)save->save_no, job_state_name(save->state),
                  save->ends_claim ? " ends" : "");
    for (size_t i = 0; i < save->task_count; i++)
        buffer_printf(line, " %.*s=%s/%d", TEXT_ARG(save->tasks[i].row.path),
                      task_state_name(save->tasks[i].row.state), save->tasks[i].row.attempt);
    show_text(line, "output", save->output);
    show_text(line, "failure", save->failure);
}

static void show_start(const struct step_start *start, struct buffer *line)
{
    buffer_printf(line, " step=%llu", (unsigned long long)start->step);
    for (size_t i = 0; i < start->env_count; i++) {
        struct text name = start->env[i].name;
        if (text_equal(name, TEXT("JOB_TASK")) || text_equal(name, TEXT("JOB_ATTEMPT")) ||
            text_equal(name, TEXT("JOB_EPOCH")))
            buffer_printf(line, " %.*s=%.*s", TEXT_ARG(name), TEXT_ARG(start->env[i].value));
    }
}

static void show_moved(const struct core_effect *effect, struct buffer *line)
{
    show_id(line, "job", &effect->u.moved.job);
    if (effect->u.moved.what == MOVED_TASK)
        buffer_printf(line, " %.*s/%d", TEXT_ARG(effect->u.moved.task), effect->u.moved.attempt);
    else
        buffer_printf(line, " %s",
                      effect->u.moved.what == MOVED_JOB     ? "job"
                      : effect->u.moved.what == MOVED_CLAIM ? "claim"
                                                            : "lease");
    buffer_printf(line, " %s -> %s", effect->u.moved.from, effect->u.moved.to);
    show_text(line, "detail", effect->u.moved.detail);
}

static void show_board(const struct core_effect *effect, struct buffer *line)
{
    show_card(line, "card", &effect->u.board.card);
    if (effect->kind == EFFECT_RELEASE)
        show_card(line, "fresh", &effect->u.board.fresh);
    if (effect->kind != EFFECT_PLACE && effect->kind != EFFECT_REMOVE)
        show_id(line, "claim", &effect->u.board.claim);
}

static void show_claim(const struct claim_request *claim, struct buffer *line)
{
    show_id(line, "job", &claim->job);
    buffer_printf(line, " seen=%lld", (long long)claim->epoch_seen);
    show_id(line, "claim", &claim->claim);
}

static void show_late(const struct core_effect *effect, struct buffer *line)
{
    buffer_printf(line, " from=%02x limit=%d alive=%zu", effect->u.late.from_shard,
                  effect->u.late.limit, effect->u.late.boot_count);
}

static void show_trouble(const struct core_effect *effect, struct buffer *line)
{
    buffer_printf(line, " %s", effect->u.trouble.event);
    show_id(line, "job", &effect->u.trouble.job);
    show_text(line, "text", effect->u.trouble.text);
}

/* What a request to the store says; false when it is none. */
static bool show_store(const struct core_effect *effect, struct buffer *line)
{
    switch ((int)effect->kind) {
    case EFFECT_READ_ROW:
    case EFFECT_LOAD:
        show_id(line, "job", &effect->u.row.job);
        return true;
    case EFFECT_SHARD_ROWS:
        show_shard(line, &effect->u.shard.pool, effect->u.shard.shard);
        buffer_printf(line, " window=%d listed=%zu", effect->u.shard.window, effect->u.shard.count);
        return true;
    case EFFECT_LATE_ROWS:
        show_late(effect, line);
        return true;
    case EFFECT_OWNED_ROWS:
    case EFFECT_BOOT_BEGAN:
        show_id(line, "boot", &effect->u.boot);
        return true;
    case EFFECT_CLAIM:
        show_claim(&effect->u.claim, line);
        return true;
    case EFFECT_SAVE:
        show_save(&effect->u.save, line);
        return true;
    default:
        return false;
    }
}

void render_effect(const struct core_effect *effect, struct buffer *ret_line)
{
    buffer_add_string(ret_line, effect_name(effect->kind));
    if (effect->tag)
        buffer_printf(ret_line, " #%llu", (unsigned long long)effect->tag);
    if (show_store(effect, ret_line))
        return;
    switch ((int)effect->kind) {
    case EFFECT_DIVIDE:
        buffer_add_string(ret_line, effect->u.flag ? " enter" : " leave");
        break;
    case EFFECT_LIST:
    case EFFECT_UNWATCH:
        show_shard(ret_line, &effect->u.shard.pool, effect->u.shard.shard);
        break;
    case EFFECT_LOCK:
    case EFFECT_UNLOCK:
    case EFFECT_CONSUME:
    case EFFECT_RELEASE:
    case EFFECT_PLACE:
    case EFFECT_REMOVE:
        show_board(effect, ret_line);
        break;
    case EFFECT_SHOW_POOL:
        buffer_printf(ret_line, " %s", effect->u.board.card.pool.name);
        break;
    case EFFECT_START_STEP:
        show_start(&effect->u.start, ret_line);
        break;
    case EFFECT_STOP_STEP:
        buffer_printf(ret_line, " step=%llu grace=%lld", (unsigned long long)effect->u.stop.step,
                      (long long)effect->u.stop.grace_ms);
        break;
    case EFFECT_KILL_AT:
        buffer_printf(ret_line, " %lld", (long long)effect->u.kill_at_ms);
        break;
    case EFFECT_MOVED:
        show_moved(effect, ret_line);
        break;
    case EFFECT_TROUBLE:
        show_trouble(effect, ret_line);
        break;
    default:
        break;
    }
}
