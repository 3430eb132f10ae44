/* SPDX-License-Identifier: Apache-2.0 */
/* What the contract tests share: a loop over boards and proxies, the events of each board in
 * plain fields to wait for, and an eye: a bare client that looks and meddles beside the boards. */
#ifndef JOBBOARD_TESTS_HARNESS_H
#define JOBBOARD_TESTS_HARNESS_H

#include "jobboard/board.h"
#include "jobboard/tests/proxy.h"

#define TAGS_MAX   4096
#define DESKS_MAX  4
#define LIMIT_MS   30000
#define TIMEOUT_MS 1000

struct desk {
    struct board *board;
    unsigned began, ended, alive, members_told, pools_told, poked, changed, missing, troubles;
    struct uuid boot, ended_boot;
    int32_t timeout_ms;
    int64_t sent_ms;
    bool is_answered[TAGS_MAX];
    enum board_outcome outcome[TAGS_MAX];
    unsigned answers;            /* DONE, CARDS and COUNT */
    unsigned answers_before_end; /* `answers` when the last SESSION_ENDED came */
    struct card cards[256];      /* of the last CARDS */
    size_t card_count;
    size_t count;                /* of the last COUNT */
    struct uuid member_boots[8]; /* of the last MEMBERS */
    bool dividing[8];
    int32_t member_free[8];
    char member_name[8][64];
    size_t member_count;
    size_t pool_count; /* of the last POOLS */
    char pool_tag[64]; /* the last pool's first tag */
    char trouble[512];
    int64_t worst_call_ms; /* longest call into the board that slept in it */
};

struct world {
    char name[64]; /* of the board */
    struct uuid uuid;
    struct desk desks[DESKS_MAX];
    size_t desk_count;
    struct proxy *proxy; /* or NULL */
    struct eye *eye;
    char path[512]; /* of tree_path */
};

const char *server_address(void);
/* A fresh board name and uuid, an eye, no desks. */
void world_init(struct world *world);
/* Frees the boards, removes the tree. */
void world_done(struct world *world);
void world_turn(struct world *world, int64_t until_ms);

/* A board as an engine (`name`) or as a client (NULL). `hosts` NULL: the server itself. */
struct desk *desk_open(struct world *world, const char *engine, const char *hosts);
/* The same with all options; `engine` fills self when given. */
struct desk *desk_open_with(struct world *world, struct board_options *options, const char *engine);
/* Engine desk that is up, on a board that is there. */
struct desk *desk_up(struct world *world, const char *engine, const char *hosts);
void desk_close(struct world *world, struct desk *desk);

/* Turns the loop until `condition` holds; fails the test after LIMIT_MS. */
#define AWAIT(world, condition)                                                                    \
    do {                                                                                           \
        int64_t await_until_ms = harness_now_ms() + LIMIT_MS;                                      \
        while (!(condition)) {                                                                     \
            if (harness_now_ms() > await_until_ms)                                                 \
                fail_msg("not within %d ms: %s", LIMIT_MS, #condition);                            \
            world_turn((world), harness_now_ms() + 50);                                            \
        }                                                                                          \
    } while (0)
int64_t harness_now_ms(void);

struct uuid uuid_nth(unsigned n);
struct card card_nth(unsigned n, uint16_t shard);
enum board_outcome await_answer(struct world *world, struct desk *desk, uint64_t tag);

/* The eye: each blocks until answered and returns the library's code. */
int eye_create(struct world *world, const char *path, const char *data, size_t len,
               bool is_ephemeral);
int eye_delete(struct world *world, const char *path);
int eye_exists(struct world *world, const char *path, int64_t *ret_owner, int *ret_children);
/* A new session of the eye: its ephemerals go. */
void eye_renew(struct world *world);
/* A path in the world's tree; valid until the next call. */
const char *tree_path(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool lock_stands(struct world *world, const struct card *card);
bool card_stands(struct world *world, const struct card *card);

#endif
