/* SPDX-License-Identifier: Apache-2.0 */
/* The contract, kept by the simulator's fakes. */
#include "engine/sim/tests/contract_fakes.h"

#include <stdlib.h>

#include "base/alloc.h"

void fakes_tell(void *context, const struct core_event *event)
{
    struct fake_client *client = context;
    assert_true(client->count < EVENTS_MAX);
    client->events[client->count++] = *event;
}

const struct core_event *fakes_find(const struct fake_client *client, enum event_kind kind,
                                    uint64_t tag, size_t from)
{
    for (size_t i = from; i < client->count; i++) {
        if (client->events[i].kind == kind && client->events[i].tag == tag)
            return &client->events[i];
    }
    return NULL;
}

void fakes_step(struct fakes *fakes)
{
    if (!sim_queue_step(&fakes->world.queue, fakes->world.queue.now_us + PATIENCE))
        fail_msg("nothing happens any more");
}

void fakes_pass_us(struct fakes *fakes, int64_t us)
{
    int64_t until_us = fakes->world.queue.now_us + us;
    while (sim_queue_step(&fakes->world.queue, until_us))
        ;
}

const struct core_event *fakes_await(struct fakes *fakes, int client, enum event_kind kind,
                                     uint64_t tag, size_t from)
{
    const struct core_event *event;
    int64_t until_us = fakes->world.queue.now_us + PATIENCE;
    while (!(event = fakes_find(&fakes->clients[client], kind, tag, from))) {
        if (fakes->world.queue.now_us >= until_us)
            fail_msg("no answer to %llu", (unsigned long long)tag);
        fakes_step(fakes);
    }
    return event;
}

struct fakes *fakes_open(void)
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

void fakes_close(struct fakes *fakes)
{
    sim_world_done(&fakes->world);
    free(fakes);
}

#define TESTS_MAX 64

int main(void)
{
    struct CMUnitTest tests[TESTS_MAX];
    size_t count = 0;
    for (const struct contract_store_test *at = contract_store_tests; at->name; at++)
        tests[count++] = (struct CMUnitTest){
            .name = at->name, .test_func = fakes_run_store, .initial_state = (void *)at};
    for (const struct contract_board_test *at = contract_board_tests; at->name; at++)
        tests[count++] = (struct CMUnitTest){
            .name = at->name, .test_func = fakes_run_board, .initial_state = (void *)at};
    return _cmocka_run_group_tests("contract", tests, count, NULL, NULL);
}
