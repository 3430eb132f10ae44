/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/tests/contract_fakes.h"

#include "base/placement.h"

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
        const struct core_event *event = fakes_find(from, EVENT_LOCKED, tag, 0);
        event = event ? event : fakes_find(from, EVENT_UNLOCKED, tag, 0);
        if (event)
            return event->u.board.outcome;
        if (fakes->world.queue.now_us >= until_us)
            fail_msg("no answer to %llu", (unsigned long long)tag);
        fakes_step(fakes);
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
    fakes_pass_us(self, SOON_US);
}

static void board_remove(void *self, int client, const struct card *card)
{
    board_ask(self, client, EFFECT_REMOVE, NULL, card, NULL, NULL, 0);
    fakes_pass_us(self, SOON_US);
}

static void board_list(void *self, int client, uint16_t shard, struct contract_cards *ret_cards)
{
    struct fakes *fakes = self;
    static uint64_t tag = 5000;
    struct core_effect effect = {.kind = EFFECT_LIST, .tag = ++tag};
    effect.u.shard.pool = (struct pool){"-"};
    effect.u.shard.shard = shard;
    sim_board_request(fakes->clients[client].board, &effect);
    const struct core_event *event = fakes_await(fakes, client, EVENT_CARDS, tag, 0);
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
    fakes_pass_us(self, 30000000);
}

static void board_give_up(void *self)
{
    struct fakes *fakes = self;
    sim_board_options(fakes->board)->network = fakes->quick;
    size_t from = fakes->clients[A].count;
    struct core_effect effect = {.kind = EFFECT_GIVE_UP};
    sim_board_request(fakes->clients[A].board, &effect);
    fakes_await(fakes, A, EVENT_SESSION_BEGAN, 0, from);
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
    fakes_pass_us(fakes, SOON_US);
    for (size_t i = 0; i < fakes->clients[client].count; i++)
        changes += fakes->clients[client].events[i].kind == EVENT_SHARD_CHANGED;
    return changes;
}

static void board_await_gone(void *self, const struct card *card)
{
    while (board_lock_stands(self, card))
        fakes_step(self);
}

void fakes_run_board(void **state)
{
    const struct contract_board_test *test = *state;
    struct fakes *fakes = fakes_open();
    for (int i = 0; i < CONTRACT_CLIENTS; i++) {
        struct sim_board_self self = {.name = TEXT("e"), .slots = 10};
        struct fake_client *client = &fakes->clients[i];
        client->board =
            sim_board_connect(fakes->board, &self, (struct sim_listener){client, fakes_tell});
        fakes_await(fakes, i, EVENT_SESSION_BEGAN, 0, 0);
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
    fakes_close(fakes);
}
