/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine may count on from the store and the board, as scenarios that run against the
 * simulator's fakes (contract_fakes.c) and against real Postgres and ZooKeeper
 * (cluster-tests/contract/) alike: the fakes may lie only as the services may.
 *
 * A scenario has two clients, A and B, of one service, and can interfere as a stranger, the network
 * or time would. It may assert only what both keep. */
#ifndef ENGINE_SIM_TESTS_CONTRACT_H
#define ENGINE_SIM_TESTS_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/record.h"

enum contract_client { A, B, CONTRACT_CLIENTS };

/* ------------------------------------------------------------------------------------------ store
 */

#define CONTRACT_TASKS_MAX 8
#define CONTRACT_TEXT_MAX  64

struct contract_task {
    char path[CONTRACT_TEXT_MAX];
    enum task_state state;
    int32_t attempt;
    char result[CONTRACT_TEXT_MAX];
};

/* An answer, whatever was asked. */
struct contract_answer {
    enum claim_outcome claim;
    enum load_outcome load;
    enum save_outcome save;
    enum job_state state_before;                    /* claim */
    int64_t ready_at_us;                            /* save */
    bool found;                                     /* row */
    struct job_row row;                             /* claim, load, row */
    struct contract_task tasks[CONTRACT_TASKS_MAX]; /* load */
    size_t task_count;
    size_t inbox_count;                 /* load: rows that were not applied */
    int64_t inbox_seq;                  /* … of the last */
    char inbox_data[CONTRACT_TEXT_MAX]; /* … of the last */
};

struct contract_store {
    void *self;
    /* A READY job in shard 7 of the pool without tags. */
    struct uuid (*post)(void *self);
    /* Requests; answered by `await` with the same tag. */
    void (*claim)(void *self, int client, const struct claim_request *request, uint64_t tag);
    void (*load)(void *self, int client, const struct uuid *job, const struct uuid *claim,
                 uint64_t tag);
    void (*save)(void *self, int client, const struct save *save, uint64_t tag);
    void (*row)(void *self, int client, const struct uuid *job, uint64_t tag);
    void (*await)(void *self, int client, uint64_t tag, struct contract_answer *ret_answer);

    /* A stranger's transaction holds the job's row until it lets go. */
    void (*block)(void *self, const struct uuid *job);
    void (*unblock)(void *self);
    /* A stranger's transaction saves under the claim of `save` and has not committed yet. */
    void (*begin_save)(void *self, const struct save *save);
    void (*commit_save)(void *self);
    /* Until a statement of the client waits for a row. */
    void (*until_blocked)(void *self, int client);
    /* What the client asked for is carried out, and its answer is lost with the connection. */
    void (*lose_answers)(void *self, int client);
    void (*inbox)(void *self, const struct uuid *job);
    /* Makes an ended job run again, with this data. False: refused. */
    bool (*rerun)(void *self, const struct uuid *job, const char *data);
    void (*hold)(void *self, const struct uuid *job, int64_t hold_ms);
    void (*pass)(void *self, int64_t ms);
    struct uuid (*fresh_uuid)(void *self);
};

/* ------------------------------------------------------------------------------------------ board
 */

#define CONTRACT_CARDS_MAX 16

struct contract_cards {
    enum board_outcome outcome;
    struct card cards[CONTRACT_CARDS_MAX];
    size_t count;
};

struct contract_board {
    void *self;
    /* `boot` NULL: the client's present one. */
    void (*lock)(void *self, int client, const struct uuid *boot, const struct card *card,
                 const struct uuid *claim, uint64_t tag);
    void (*unlock)(void *self, int client, const struct card *card, const struct uuid *claim,
                   uint64_t tag);
    void (*consume)(void *self, int client, const struct uuid *boot, const struct card *card,
                    const struct uuid *claim, uint64_t tag);
    void (*release)(void *self, int client, const struct card *card, const struct card *fresh,
                    const struct uuid *claim, uint64_t tag);
    enum board_outcome (*await)(void *self, int client, uint64_t tag);
    /* Awaited. */
    void (*place)(void *self, int client, const struct card *card);
    void (*remove)(void *self, int client, const struct card *card);
    void (*list)(void *self, int client, uint16_t shard, struct contract_cards *ret_cards);

    /* The next request of A is carried out and its answer lost with the connection. */
    void (*lose_answer)(void *self);
    /* Requests of A are held on their way until let go, over the end of their session. */
    void (*hold)(void *self);
    void (*let_go)(void *self);
    /* A gives its session up; returns when the next one began. */
    void (*give_up)(void *self);
    struct uuid (*boot)(void *self, int client);
    bool (*lock_stands)(void *self, const struct card *card);
    bool (*card_stands)(void *self, const struct card *card);
    /* Changes of listed shards told to the client so far, after what is under way has arrived. */
    unsigned (*changes)(void *self, int client);
    void (*await_gone)(void *self, const struct card *card); /* its lock */
};

/* --------------------------------------------------------------------------------------- scenarios
 */

struct contract_store_test {
    const char *name;
    void (*run)(struct contract_store *store);
};
struct contract_board_test {
    const char *name;
    void (*run)(struct contract_board *board);
};

/* Ends with one whose `name` is NULL. */
extern const struct contract_store_test contract_store_tests[];
extern const struct contract_board_test contract_board_tests[];

#endif
