/* SPDX-License-Identifier: Apache-2.0 */
/* The board's contract, kept by a real ZooKeeper. Runs under jobboard/tests/with-zookeeper. */
#include "engine/sim/tests/contract.h"

#include "jobboard/tests/harness.h"

#define TAGS     1000
#define QUIET_MS 300 /* what is under way has arrived by then */

struct services {
    struct world world;
    struct desk *desks[CONTRACT_CLIENTS];  /* A behind the proxy */
    uint64_t tags[CONTRACT_CLIENTS][TAGS]; /* the board's tag for each of the scenario's */
    uint64_t last_tag;
};

static uint64_t new_tag(struct services *services, int client, uint64_t tag)
{
    assert_true(tag < TAGS);
    return services->tags[client][tag] = ++services->last_tag;
}

static void lock(void *self, int client, const struct uuid *boot, const struct card *card,
                 const struct uuid *claim, uint64_t tag)
{
    struct services *services = self;
    struct desk *desk = services->desks[client];
    board_lock(desk->board, boot ? boot : &desk->boot, card, claim, new_tag(services, client, tag));
}

static void unlock(void *self, int client, const struct card *card, const struct uuid *claim,
                   uint64_t tag)
{
    struct services *services = self;
    struct desk *desk = services->desks[client];
    board_unlock(desk->board, &desk->boot, card->shard, &card->job, claim,
                 new_tag(services, client, tag));
}

static void consume(void *self, int client, const struct uuid *boot, const struct card *card,
                    const struct uuid *claim, uint64_t tag)
{
    struct services *services = self;
    struct desk *desk = services->desks[client];
    board_consume(desk->board, boot ? boot : &desk->boot, card, claim,
                  new_tag(services, client, tag));
}

static void release(void *self, int client, const struct card *card, const struct card *fresh,
                    const struct uuid *claim, uint64_t tag)
{
    struct services *services = self;
    struct desk *desk = services->desks[client];
    board_release(desk->board, &desk->boot, card, fresh, claim, new_tag(services, client, tag));
}

static enum board_outcome await(void *self, int client, uint64_t tag)
{
    struct services *services = self;
    return await_answer(&services->world, services->desks[client], services->tags[client][tag]);
}

static void place(void *self, int client, const struct card *card)
{
    struct services *services = self;
    uint64_t tag = new_tag(services, client, 0);
    board_place(services->desks[client]->board, card, NULL, 0, tag);
    assert_int_equal(await_answer(&services->world, services->desks[client], tag), BOARD_OK);
}

static void remove_card(void *self, int client, const struct card *card)
{
    struct services *services = self;
    uint64_t tag = new_tag(services, client, 0);
    board_remove(services->desks[client]->board, card, tag);
    assert_int_equal(await_answer(&services->world, services->desks[client], tag), BOARD_OK);
}

static void list(void *self, int client, uint16_t shard, struct contract_cards *ret_cards)
{
    struct services *services = self;
    struct desk *desk = services->desks[client];
    uint64_t tag = new_tag(services, client, 0);
    board_list(desk->board, &(struct pool){"-"}, shard, tag);
    ret_cards->outcome = await_answer(&services->world, desk, tag);
    ret_cards->count = desk->card_count;
    assert_true(desk->card_count <= CONTRACT_CARDS_MAX);
    for (size_t i = 0; i < desk->card_count; i++)
        ret_cards->cards[i] = desk->cards[i];
}

static void lose_answer(void *self)
{
    struct services *services = self;
    services->world.proxy->drop = PROXY_MULTI;
    services->world.proxy->drop_times = 1;
}

static void hold(void *self)
{
    struct services *services = self;
    services->world.proxy->hold = PROXY_MULTI;
}

static void let_go(void *self)
{
    struct services *services = self;
    proxy_release(services->world.proxy);
}

static void give_up(void *self)
{
    struct services *services = self;
    struct world *world = &services->world;
    struct desk *desk = services->desks[A];
    if (world->proxy->hold != PROXY_NONE)
        AWAIT(world, world->proxy->held);
    unsigned ended = desk->ended, began = desk->began;
    board_give_up(desk->board);
    AWAIT(world, desk->ended == ended + 1 && desk->began == began + 1);
}

static struct uuid boot(void *self, int client)
{
    struct services *services = self;
    return services->desks[client]->boot;
}

static bool lock_is_there(void *self, const struct card *card)
{
    struct services *services = self;
    return lock_stands(&services->world, card);
}

static bool card_is_there(void *self, const struct card *card)
{
    struct services *services = self;
    return card_stands(&services->world, card);
}

static unsigned changes(void *self, int client)
{
    struct services *services = self;
    int64_t until_ms = harness_now_ms() + QUIET_MS;
    while (harness_now_ms() < until_ms)
        world_turn(&services->world, until_ms);
    return services->desks[client]->changed;
}

static void await_gone(void *self, const struct card *card)
{
    struct services *services = self;
    AWAIT(&services->world, !lock_stands(&services->world, card));
}

static void run(void **state)
{
    const struct contract_board_test *test = *state;
    static struct services services;
    services = (struct services){.last_tag = 0};
    world_init(&services.world);
    services.world.proxy = proxy_new(server_address());
    services.desks[A] = desk_up(&services.world, "a", services.world.proxy->address);
    services.desks[B] = desk_up(&services.world, "b", NULL);
    struct contract_board board = {
        .self = &services,
        .lock = lock,
        .unlock = unlock,
        .consume = consume,
        .release = release,
        .await = await,
        .place = place,
        .remove = remove_card,
        .list = list,
        .lose_answer = lose_answer,
        .hold = hold,
        .let_go = let_go,
        .give_up = give_up,
        .boot = boot,
        .lock_stands = lock_is_there,
        .card_stands = card_is_there,
        .changes = changes,
        .await_gone = await_gone,
    };
    test->run(&board);
    world_done(&services.world);
}

#define TESTS_MAX 64

int main(void)
{
    struct CMUnitTest tests[TESTS_MAX];
    size_t count = 0;
    for (const struct contract_board_test *at = contract_board_tests; at->name; at++)
        tests[count++] =
            (struct CMUnitTest){.name = at->name, .test_func = run, .initial_state = (void *)at};
    return _cmocka_run_group_tests("contract with ZooKeeper", tests, count, NULL, NULL);
}
