/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of contract_fakes share: a world with both fakes in it, and clients that keep
 * what they are told. */
#ifndef ENGINE_SIM_TESTS_CONTRACT_FAKES_H
#define ENGINE_SIM_TESTS_CONTRACT_FAKES_H

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

struct fakes *fakes_open(void);
void fakes_close(struct fakes *fakes);
/* For sim_listener: keeps the event. */
void fakes_tell(void *client, const struct core_event *event);
/* The first event of the kind with the tag, from the numbered one on; NULL: none yet. */
const struct core_event *fakes_find(const struct fake_client *client, enum event_kind kind,
                                    uint64_t tag, size_t from);
/* Runs until it came. */
const struct core_event *fakes_await(struct fakes *fakes, int client, enum event_kind kind,
                                     uint64_t tag, size_t from);
/* The next delivery. */
void fakes_step(struct fakes *fakes);
void fakes_pass_us(struct fakes *fakes, int64_t us);

/* One scenario: *state is its test. */
void fakes_run_store(void **state);
void fakes_run_board(void **state);

#endif
