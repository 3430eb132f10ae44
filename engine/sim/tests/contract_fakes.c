/* SPDX-License-Identifier: Apache-2.0 */
/* The contract, kept by the simulator's fakes. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/placement.h"
#include "engine/sim/sim_board.h"
#include "engine/sim/sim_store.h"
#include "engine/sim/tests/contract.h"

#define CLIENTS    3 /* A, B and a stranger */
#define EVENTS_MAX 512
#define PATIENCE   (60 * INT64_C(1000000))
#define SOON_US    50000

struct fake_client {
    struct core_event events[EVENTS_MAX]; /* what it was told */
    size_t count;
    struct sim_store_link *store;
    struct sim_board_link *board;
};

struct fakes {
    struct sim_world world;
    struct fake_client clients[CLIENTS];
    struct sim_store *store;
    struct sim_board *board;
    struct sim_job *blocked;
    bool loses; /* A's next answer */
    struct sim_delay quick;
};

static void tell(void *context, const struct core_event *event)
{
    struct fake_client *client = context;
    assert_true(client->count < EVENTS_MAX);
    client->events[client->count++] = *event;
}

static const struct core_event *find(const struct fake_client *client, enum event_kind kind,
                                     uint64_t tag, size_t from)
{
    for (size_t i = from; i < client->count; i++) {
        if (client->events[i].kind == kind && client->events[i].tag == tag)
            return &client->events[i];
    }
    return NULL;
}

static void step(struct fakes *fakes)
{
    if (!sim_queue_step(&fakes->world.queue, fakes->world.queue.now_us + PATIENCE))
        fail_msg("nothing happens any more");
}

static void pass_us(struct fakes *fakes, int64_t us)
{
    int64_t until_us = fakes->world.queue.now_us + us;
    while (sim_queue_step(&fakes->world.queue, until_us))
        ;
}

static const struct core_event *await_event(struct fakes *fakes, int client, enum event_kind kind,
                                            uint64_t tag, size_t from)
{
    const struct core_event *event;
    int64_t until_us = fakes->world.queue.now_us + PATIENCE;
    while (!(event = find(&fakes->clients[client], kind, tag, from))) {
        if (fakes->world.queue.now_us >= until_us)
            fail_msg("no answer to %llu", (unsigned long long)tag);
        step(fakes);
    }
    return event;
}

static struct fakes *open_fakes(void)
{
    struct fakes *fakes = xcalloc(1, sizeof *fakes);
    sim_world_init(&fakes->world, 7);
    fakes->quick = (struct sim_delay){200, 200, 0, 0};
    struct sim_store_options store = {.network = fakes->quick, .work = {500, 500, 0, 0}};
    struct sim_board_options board = {
        .network = fakes->quick, .timeout_ms = 1000, .tick_ms = 200, .unknown_permille = 500};
    fakes->store = sim_store_new(&fakes->world, &store);
    fakes->board = sim_board_new(&fakes->world, &board);
    return fakes;
}

static void close_fakes(struct fakes *fakes)
{
    sim_world_done(&fakes->world);
    free(fakes);
}

/* ------------------------------------------------------------------------------------------- store
 */

static struct uuid store_fresh_uuid(void *self)
{
    struct fakes *fakes = self;
    return sim_uuid(&fakes->world);
}

static struct uuid store_post(void *self)
{
    struct fakes *fakes = self;
    struct job_row row = {.id = sim_uuid(&fakes->world),
                          .pool = {"-"},
                          .shard = 7,
                          .priority = PRIORITY_DEFAULT,
                          .format = FORMAT_NOW};
    sim_store_post(fakes->store, &row, TEXT("hello"), TEXT("flow: hello\nsteps: [{noop: }]\n"),
                   TEXT("{}"));
    return row.id;
}

static void store_ask(void *self, int client, const struct core_effect *effect)
{
    struct fakes *fakes = self;
    fakes->clients[client].count = 0; /* tags may be used again */
    sim_store_request(fakes->clients[client].store, effect);
}

static void store_claim(void *self, int client, const struct claim_request *request, uint64_t tag)
{
    struct core_effect effect = {.kind = EFFECT_CLAIM, .tag = tag};
    effect.u.claim = *request;
    store_ask(self, client, &effect);
}

static void store_load(void *self, int client, const struct uuid *job, const struct uuid *claim,
                       uint64_t tag)
{
    struct core_effect effect = {.kind = EFFECT_LOAD, .tag = tag};
    effect.u.row.job = *job;
    effect.u.row.claim = *claim;
    store_ask(self, client, &effect);
}

static void store_save(void *self, int client, const struct save *save, uint64_t tag)
{
    struct core_effect effect = {.kind = EFFECT_SAVE, .tag = tag};
    effect.u.save = *save;
    store_ask(self, client, &effect);
}

static void store_row(void *self, int client, const struct uuid *job, uint64_t tag)
{
    struct core_effect effect = {.kind = EFFECT_READ_ROW, .tag = tag};
    effect.u.row.job = *job;
    store_ask(self, client, &effect);
}

static void copy_text(char ret_text[CONTRACT_TEXT_MAX], struct text text)
{
    assert_true(text.len < CONTRACT_TEXT_MAX);
    if (text.len)
        memcpy(ret_text, text.data, text.len);
    ret_text[text.len] = 0;
}

static void take_load(const struct job_load *load, struct contract_answer *ret_answer)
{
    ret_answer->row = load->row;
    ret_answer->task_count = load->task_count;
    assert_true(load->task_count <= CONTRACT_TASKS_MAX);
    for (size_t i = 0; i < load->task_count; i++) {
        struct contract_task *task = &ret_answer->tasks[i];
        task->state = load->tasks[i].state;
        task->attempt = load->tasks[i].attempt;
        copy_text(task->path, load->tasks[i].path);
        copy_text(task->result, load->tasks[i].result);
    }
}

static bool take_answer(const struct core_event *event, struct contract_answer *ret_answer)
{
    *ret_answer = (struct contract_answer){0};
    switch ((int)event->kind) {
    case EVENT_CLAIMED:
        ret_answer->claim = event->u.claim.outcome;
        ret_answer->row = event->u.claim.row;
        ret_answer->state_before = event->u.claim.state_before;
        return true;
    case EVENT_LOADED:
        ret_answer->load = event->u.load.outcome;
        take_load(&event->u.load.load, ret_answer);
        return true;
    case EVENT_SAVED:
        ret_answer->save = event->u.save.outcome;
        ret_answer->ready_at_us = event->u.save.ready_at_us;
        return true;
    case EVENT_ROWS:
        ret_answer->found = event->u.rows.count == 1;
        if (ret_answer->found)
            ret_answer->row = event->u.rows.list[0];
        return true;
    default:
        return false;
    }
}

static void store_await(void *self, int client, uint64_t tag, struct contract_answer *ret_answer)
{
    struct fakes *fakes = self;
    struct fake_client *from = &fakes->clients[client];
    int64_t until_us = fakes->world.queue.now_us + PATIENCE;
    for (;;) {
        for (size_t i = 0; i < from->count; i++) {
            if (from->events[i].tag == tag && take_answer(&from->events[i], ret_answer))
                return;
        }
        if (fakes->world.queue.now_us >= until_us)
            fail_msg("no answer to %llu", (unsigned long long)tag);
        step(fakes);
    }
}

static void store_block(void *self, const struct uuid *job)
{
    struct fakes *fakes = self;
    fakes->blocked = sim_store_find(fakes->store, job);
    sim_store_block(fakes->store, fakes->blocked);
}

static void store_unblock(void *self)
{
    struct fakes *fakes = self;
    sim_store_unblock(fakes->store, fakes->blocked);
}

static void store_begin_save(void *self, const struct save *save)
{
    struct fakes *fakes = self;
    sim_store_hold_next(fakes->clients[2].store);
    store_save(self, 2, save, 1);
    const struct sim_job *job = sim_store_find(fakes->store, &save->job);
    while (!job->locker)
        step(fakes);
}

static void store_commit_save(void *self)
{
    struct fakes *fakes = self;
    sim_store_thaw(fakes->clients[2].store);
}

static void store_until_blocked(void *self, int client)
{
    struct fakes *fakes = self;
    while (!sim_store_is_waiting(fakes->clients[client].store))
        step(fakes);
}

static void store_lose_answers(void *self, int client)
{
    struct fakes *fakes = self;
    while (!sim_store_is_carried_out(fakes->clients[client].store))
        step(fakes);
    sim_store_break(fakes->clients[client].store);
}

static void store_inbox(void *self, const struct uuid *job)
{
    struct fakes *fakes = self;
    assert_true(sim_store_inbox(fakes->store, sim_store_find(fakes->store, job)));
}

static void store_hold(void *self, const struct uuid *job, int64_t hold_ms)
{
    struct fakes *fakes = self;
    sim_store_hold(fakes->store, sim_store_find(fakes->store, job), hold_ms);
}

static void store_pass(void *self, int64_t ms)
{
    pass_us(self, ms * 1000);
}

static void run_store(void **state)
{
    const struct contract_store_test *test = *state;
    struct fakes *fakes = open_fakes();
    for (int i = 0; i < CLIENTS; i++) {
        struct fake_client *client = &fakes->clients[i];
        client->store = sim_store_connect(fakes->store, (struct sim_listener){client, tell});
        await_event(fakes, i, EVENT_STORE_UP, 0, 0);
    }
    struct contract_store store = {
        .self = fakes,
        .post = store_post,
        .claim = store_claim,
        .load = store_load,
        .save = store_save,
        .row = store_row,
        .await = store_await,
        .block = store_block,
        .unblock = store_unblock,
        .begin_save = store_begin_save,
        .commit_save = store_commit_save,
        .until_blocked = store_until_blocked,
        .lose_answers = store_lose_answers,
        .inbox = store_inbox,
        .hold = store_hold,
        .pass = store_pass,
        .fresh_uuid = store_fresh_uuid,
    };
    test->run(&store);
    close_fakes(fakes);
}

/* ------------------------------------------------------------------------------------------- board
 */

static void board_ask(struct fakes *fakes, int client, enum effect_kind kind,
                      const struct uuid *boot, const struct card *card, const struct card *fresh,
                      const struct uuid *claim, uint64_t tag)
{
    struct core_effect effect = {.kind = kind, .tag = tag};
    struct uuid present = sim_board_boot(fakes->clients[client].board);
    effect.u.board.boot = boot ? *boot : present;
    effect.u.board.card = *card;
    if (fresh)
        effect.u.board.fresh = *fresh;
    if (claim)
        effect.u.board.claim = *claim;
    for (size_t i = 0; i < fakes->clients[client].count; i++) {
        if (fakes->clients[client].events[i].tag == tag)
            fakes->clients[client].events[i].tag = 0;
    }
    sim_board_request(fakes->clients[client].board, &effect);
}

static void board_lock(void *self, int client, const struct uuid *boot, const struct card *card,
                       const struct uuid *claim, uint64_t tag)
{
    board_ask(self, client, EFFECT_LOCK, boot, card, NULL, claim, tag);
}

static void board_unlock(void *self, int client, const struct card *card, const struct uuid *claim,
                         uint64_t tag)
{
    board_ask(self, client, EFFECT_UNLOCK, NULL, card, NULL, claim, tag);
}

static void board_consume(void *self, int client, const struct uuid *boot, const struct card *card,
                          const struct uuid *claim, uint64_t tag)
{
    board_ask(self, client, EFFECT_CONSUME, boot, card, NULL, claim, tag);
}

static void board_release(void *self, int client, const struct card *card, const struct card *fresh,
                          const struct uuid *claim, uint64_t tag)
{
    board_ask(self, client, EFFECT_RELEASE, NULL, card, fresh, claim, tag);
}

static enum board_outcome board_await(void *self, int client, uint64_t tag)
{
    struct fakes *fakes = self;
    struct fake_client *from = &fakes->clients[client];
    int64_t until_us = fakes->world.queue.now_us + PATIENCE;
    for (;;) {
        const struct core_event *event = find(from, EVENT_LOCKED, tag, 0);
        event = event ? event : find(from, EVENT_UNLOCKED, tag, 0);
        if (event)
            return event->u.board.outcome;
        if (fakes->world.queue.now_us >= until_us)
            fail_msg("no answer to %llu", (unsigned long long)tag);
        step(fakes);
        if (client == A && fakes->loses && sim_board_is_applied(from->board)) {
            fakes->loses = false;
            sim_board_cut(from->board);
            sim_board_mend(from->board);
        }
    }
}

static void board_place(void *self, int client, const struct card *card)
{
    board_ask(self, client, EFFECT_PLACE, NULL, card, NULL, NULL, 0);
    pass_us(self, SOON_US);
}

static void board_remove(void *self, int client, const struct card *card)
{
    board_ask(self, client, EFFECT_REMOVE, NULL, card, NULL, NULL, 0);
    pass_us(self, SOON_US);
}

static void board_list(void *self, int client, uint16_t shard, struct contract_cards *ret_cards)
{
    struct fakes *fakes = self;
    static uint64_t tag = 5000;
    struct core_effect effect = {.kind = EFFECT_LIST, .tag = ++tag};
    effect.u.shard.pool = (struct pool){"-"};
    effect.u.shard.shard = shard;
    sim_board_request(fakes->clients[client].board, &effect);
    const struct core_event *event = await_event(fakes, client, EVENT_CARDS, tag, 0);
    ret_cards->outcome = event->u.shard.outcome;
    ret_cards->count = event->u.shard.count;
    assert_true(ret_cards->count <= CONTRACT_CARDS_MAX);
    for (size_t i = 0; i < ret_cards->count; i++)
        ret_cards->cards[i] = event->u.shard.cards[i];
}

static void board_lose_answer(void *self)
{
    struct fakes *fakes = self;
    fakes->loses = true;
}

static void board_hold(void *self)
{
    struct fakes *fakes = self;
    sim_board_options(fakes->board)->network = (struct sim_delay){20000000, 20000000, 0, 0};
}

static void board_let_go(void *self)
{
    pass_us(self, 30000000);
}

static void board_give_up(void *self)
{
    struct fakes *fakes = self;
    sim_board_options(fakes->board)->network = fakes->quick;
    size_t from = fakes->clients[A].count;
    struct core_effect effect = {.kind = EFFECT_GIVE_UP};
    sim_board_request(fakes->clients[A].board, &effect);
    await_event(fakes, A, EVENT_SESSION_BEGAN, 0, from);
}

static struct uuid board_boot(void *self, int client)
{
    struct fakes *fakes = self;
    return sim_board_boot(fakes->clients[client].board);
}

static bool board_lock_stands(void *self, const struct card *card)
{
    struct fakes *fakes = self;
    return sim_board_find_lock(fakes->board, &card->job) != NULL;
}

static bool board_card_stands(void *self, const struct card *card)
{
    struct fakes *fakes = self;
    for (size_t i = 0; i < sim_board_card_count(fakes->board); i++) {
        if (card_equal(sim_board_card(fakes->board, i), card))
            return true;
    }
    return false;
}

static unsigned board_changes(void *self, int client)
{
    struct fakes *fakes = self;
    unsigned changes = 0;
    pass_us(fakes, SOON_US);
    for (size_t i = 0; i < fakes->clients[client].count; i++)
        changes += fakes->clients[client].events[i].kind == EVENT_SHARD_CHANGED;
    return changes;
}

static void board_await_gone(void *self, const struct card *card)
{
    while (board_lock_stands(self, card))
        step(self);
}

static void run_board(void **state)
{
    const struct contract_board_test *test = *state;
    struct fakes *fakes = open_fakes();
    for (int i = 0; i < CONTRACT_CLIENTS; i++) {
        struct sim_board_self self = {.name = TEXT("e"), .slots = 10};
        struct fake_client *client = &fakes->clients[i];
        client->board = sim_board_connect(fakes->board, &self, (struct sim_listener){client, tell});
        await_event(fakes, i, EVENT_SESSION_BEGAN, 0, 0);
    }
    struct contract_board board = {
        .self = fakes,
        .lock = board_lock,
        .unlock = board_unlock,
        .consume = board_consume,
        .release = board_release,
        .await = board_await,
        .place = board_place,
        .remove = board_remove,
        .list = board_list,
        .lose_answer = board_lose_answer,
        .hold = board_hold,
        .let_go = board_let_go,
        .give_up = board_give_up,
        .boot = board_boot,
        .lock_stands = board_lock_stands,
        .card_stands = board_card_stands,
        .changes = board_changes,
        .await_gone = board_await_gone,
    };
    test->run(&board);
    close_fakes(fakes);
}

#define TESTS_MAX 64

int main(void)
{
    struct CMUnitTest tests[TESTS_MAX];
    size_t count = 0;
    for (const struct contract_store_test *at = contract_store_tests; at->name; at++)
        tests[count++] = (struct CMUnitTest){
            .name = at->name, .test_func = run_store, .initial_state = (void *)at};
    for (const struct contract_board_test *at = contract_board_tests; at->name; at++)
        tests[count++] = (struct CMUnitTest){
            .name = at->name, .test_func = run_board, .initial_state = (void *)at};
    return _cmocka_run_group_tests("contract", tests, count, NULL, NULL);
}
