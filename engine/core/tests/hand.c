/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/tests/hand.h"

#define BEGIN_MS 1000000

struct core_options hand_options(void)
{
    return (struct core_options){
        .engine = TEXT("hand"),
        .shard_count = 1,
        .slots = 1000,
        .processes = 8,
        .window = CORE_WINDOW_DEFAULT,
        .grace_ms = 500,
        .payload_max_bytes = 1 << 16,
        .job_max_bytes = 1 << 20,
        .lines = CORE_LINES_DEFAULT,
        .seed = 7,
    };
}

void hand_begin(struct hand *hand, const struct core_options *options)
{
    struct core_options usual = hand_options();
    *hand = (struct hand){.now_ms = BEGIN_MS};
    hand->core = core_new(options ? options : &usual);
    hand->row = (struct job_row){
        .id = hand_job(1),
        .pool = {"-"},
        .priority = PRIORITY_DEFAULT,
        .format = FORMAT_NOW,
        .ready_at_us = 1000,
    };
    hand_say(hand, EVENT_STORE_UP);
}

void hand_end(struct hand *hand)
{
    core_free(hand->core);
}

struct uuid hand_boot(int number)
{
    struct uuid boot = {{1}};
    boot.bytes[15] = (uint8_t)number;
    return boot;
}

struct uuid hand_job(int number)
{
    struct uuid job = {{7}};
    job.bytes[13] = (uint8_t)(number >> 16);
    job.bytes[14] = (uint8_t)(number >> 8);
    job.bytes[15] = (uint8_t)number;
    return job;
}

void hand_tell(struct hand *hand, struct core_event event)
{
    event.now_ms = hand->now_ms;
    core_step(hand->core, &event, &hand->effects);
    for (size_t i = 0; i < hand->effects.count; i++) {
        const struct core_effect *effect = &hand->effects.list[i];
        if (effect->tag) {
            hand->tags[effect->kind] = effect->tag;
            hand->waits[effect->kind] = true;
        }
        if (effect->kind == EFFECT_SAVE)
            hand->save = effect->u.save;
        if (effect->kind == EFFECT_START_STEP)
            hand->step = effect->u.start.step;
    }
}

void hand_say(struct hand *hand, enum event_kind kind)
{
    hand_tell(hand, (struct core_event){.kind = kind});
}

void hand_pass(struct hand *hand, int64_t ms)
{
    hand->now_ms += ms;
    hand_say(hand, EVENT_TICK);
}

void hand_prove(struct hand *hand)
{
    struct core_event event = {.kind = EVENT_ALIVE};
    event.u.session.boot = hand->boot;
    event.u.session.sent_ms = hand->now_ms;
    hand_tell(hand, event);
}

void hand_live(struct hand *hand, int64_t ms)
{
    for (; ms > HAND_TIMEOUT_MS / 3; ms -= HAND_TIMEOUT_MS / 3) {
        hand_prove(hand);
        hand_pass(hand, HAND_TIMEOUT_MS / 3);
    }
    hand_prove(hand);
    hand_pass(hand, ms);
}

/* ------------------------------------------------------------------------------------- sessions */

void hand_members(struct hand *hand, int others)
{
    struct member list[32] = {{.boot = hand->boot, .name = TEXT("hand"), .dividing = true}};
    for (int i = 1; i <= others; i++)
        list[i] =
            (struct member){.boot = hand_boot(100 + i), .name = TEXT("other"), .dividing = true};
    struct core_event event = {.kind = EVENT_MEMBERS};
    event.u.members.list = list;
    event.u.members.count = (size_t)others + 1;
    hand_tell(hand, event);
}

void hand_session(struct hand *hand)
{
    struct core_event event = {.kind = EVENT_SESSION_BEGAN};
    hand->boot = hand_boot(hand->boot.bytes[15] + 1);
    event.u.session.boot = hand->boot;
    event.u.session.timeout_ms = HAND_TIMEOUT_MS;
    event.u.session.sent_ms = hand->now_ms;
    hand_tell(hand, event);
    struct pool_info pool = {.pool = {"-"}};
    event = (struct core_event){.kind = EVENT_POOLS};
    event.u.pools.list = &pool;
    event.u.pools.count = 1;
    hand_tell(hand, event);
    hand_members(hand, 0);
}

void hand_session_ended(struct hand *hand)
{
    struct core_event event = {.kind = EVENT_SESSION_ENDED};
    event.u.session.boot = hand->boot;
    hand_tell(hand, event);
}

/* -------------------------------------------------------------------------------------- answers */

static struct core_event answer(struct hand *hand, enum event_kind kind, enum effect_kind asked)
{
    hand->waits[asked] = false;
    assert_int_not_equal(hand->tags[asked], 0);
    return (struct core_event){.kind = kind, .tag = hand->tags[asked]};
}

void hand_listed(struct hand *hand, enum board_outcome outcome, const struct card *cards,
                 size_t count)
{
    struct core_event event = answer(hand, EVENT_CARDS, EFFECT_LIST);
    event.u.shard.pool = (struct pool){"-"};
    event.u.shard.outcome = outcome;
    event.u.shard.cards = cards;
    event.u.shard.count = count;
    hand_tell(hand, event);
}

void hand_rows(struct hand *hand, enum effect_kind asked, int code, const struct job_row *rows,
               size_t count)
{
    struct core_event event = answer(hand, EVENT_ROWS, asked);
    event.u.rows.code = code;
    event.u.rows.list = rows;
    event.u.rows.count = count;
    hand_tell(hand, event);
}

void hand_board(struct hand *hand, enum effect_kind asked, enum board_outcome outcome)
{
    struct core_event event =
        answer(hand, asked == EFFECT_LOCK ? EVENT_LOCKED : EVENT_UNLOCKED, asked);
    event.u.board.outcome = outcome;
    hand_tell(hand, event);
}

void hand_claimed(struct hand *hand, enum claim_outcome outcome)
{
    struct core_event event = answer(hand, EVENT_CLAIMED, EFFECT_CLAIM);
    event.u.claim.outcome = outcome;
    event.u.claim.state_before = hand->row.state;
    if (outcome == CLAIM_OK) {
        hand->row.state = hand->row.state == JOB_READY ? JOB_RUNNING : hand->row.state;
        hand->row.epoch++;
        hand->row.owner = hand->boot;
    }
    event.u.claim.row = hand->row;
    hand_tell(hand, event);
}

void hand_loaded(struct hand *hand, enum load_outcome outcome)
{
    struct core_event event = answer(hand, EVENT_LOADED, EFFECT_LOAD);
    struct text flow = TEXT("{flow: one, tasks: {a: {noop: }}}");
    event.u.load.outcome = outcome;
    event.u.load.error = TEXT("row 7 of tasks is none");
    event.u.load.load = (struct job_load){
        .row = hand->row,
        .flow_name = TEXT("one"),
        .flow_text = hand->flow_text.data ? hand->flow_text : flow,
        .flow_hash = hand->flow_text.data ? hand->flow_text : flow,
        .input = TEXT("{}"),
        .key = hand->key,
        .target = hand->target,
        .posted_at_us = 1000,
        .tasks = hand->tasks,
        .task_count = hand->task_count,
        .inbox = hand->inbox,
        .inbox_count = hand->inbox_count,
    };
    hand_tell(hand, event);
}

void hand_saved(struct hand *hand, enum save_outcome outcome)
{
    struct core_event event = answer(hand, EVENT_SAVED, EFFECT_SAVE);
    event.u.save.outcome = outcome;
    event.u.save.error = TEXT("too large");
    event.u.save.ready_at_us = 2000;
    hand_tell(hand, event);
}

void hand_step_ended(struct hand *hand, uint64_t step, const char *out)
{
    struct core_event event = {.kind = EVENT_STEP_ENDED};
    event.u.step.step = step;
    event.u.step.out = text_of(out);
    event.u.step.err = TEXT("");
    hand_tell(hand, event);
}

/* ------------------------------------------------------------------------------- the way of a job
 */

struct card hand_card(const struct job_row *row)
{
    return (struct card){row->id, row->pool, row->shard, row->priority, row->ready_at_us};
}

void hand_read(struct hand *hand)
{
    struct card card = hand_card(&hand->row);
    hand_session(hand);
    hand_listed(hand, BOARD_OK, &card, 1);
    hand_rows(hand, EFFECT_SHARD_ROWS, 0, &hand->row, 1);
}

void hand_lock(struct hand *hand)
{
    hand_read(hand);
    hand_rows(hand, EFFECT_READ_ROW, 0, &hand->row, 1);
}

void hand_claim(struct hand *hand)
{
    hand_lock(hand);
    hand_board(hand, EFFECT_LOCK, BOARD_OK);
}

void hand_load(struct hand *hand)
{
    hand_claim(hand);
    hand_claimed(hand, CLAIM_OK);
}

void hand_run(struct hand *hand)
{
    hand_load(hand);
    hand_loaded(hand, LOAD_OK);
}

/* -------------------------------------------------------------------------------------- looking */

const struct core_effect *hand_find(const struct hand *hand, enum effect_kind kind)
{
    for (size_t i = 0; i < hand->effects.count; i++) {
        if (hand->effects.list[i].kind == kind)
            return &hand->effects.list[i];
    }
    return NULL;
}

size_t hand_count(const struct hand *hand, enum effect_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < hand->effects.count; i++)
        count += hand->effects.list[i].kind == kind;
    return count;
}

void hand_expect_trouble(const struct hand *hand, const char *event)
{
    const struct core_effect *trouble = hand_find(hand, EFFECT_TROUBLE);
    assert_non_null(trouble);
    assert_string_equal(trouble->u.trouble.event, event);
    assert_int_equal(hand_count(hand, EFFECT_TROUBLE), 1);
}

const struct task_row *hand_saved_row(const struct hand *hand, const char *path)
{
    for (size_t i = 0; i < hand->save.task_count; i++) {
        if (text_equal(hand->save.tasks[i].row.path, text_of(path)))
            return &hand->save.tasks[i].row;
    }
    return NULL;
}
