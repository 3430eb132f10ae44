/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that never come, requests that come late. Each operation kind loses its answer in turn:
 * nothing hangs, what is answered is true, and no lock is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/placement.h"
#include "jobboard/tests/harness.h"
#include "proto/wire.h"

static struct world *fresh(void **state)
{
    static struct world world;
    world_init(&world);
    world.proxy = proxy_new(server_address());
    *state = &world;
    return &world;
}

static int clean(void **state)
{
    if (*state)
        world_done(*state);
    *state = NULL;
    return 0;
}

static void lose(struct world *world, enum proxy_op op)
{
    world->proxy->drop = op;
    world->proxy->drop_times = 1;
    world->proxy->dropped = 0;
}

static void place(struct world *world, struct desk *desk, const struct card *card, uint64_t tag)
{
    board_place(desk->board, card, NULL, 0, tag);
    assert_int_equal(await_answer(world, desk, tag), BOARD_OK);
}

static void lock(struct world *world, struct desk *desk, const struct card *card,
                 const struct uuid *claim, uint64_t tag)
{
    board_lock(desk->board, &desk->boot, card, claim, tag);
    assert_int_equal(await_answer(world, desk, tag), BOARD_OK);
}

/* ------------------------------------------------------------------------------- lost answers */

static void lost_lock_is_proven(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", world->proxy->address);
    struct card card = card_nth(1, 3);
    struct uuid claim = uuid_nth(100);
    place(world, desk, &card, 1);
    lose(world, PROXY_MULTI);
    lock(world, desk, &card, &claim, 2); /* it stands, and that was read */
    assert_int_equal(world->proxy->dropped, 1);
    assert_true(lock_stands(world, &card));
    assert_int_equal(desk->ended, 0);
    assert_true(board_counted(desk->board)->unknown > 0);
    board_consume(desk->board, &desk->boot, &card, &claim, 3);
    assert_int_equal(await_answer(world, desk, 3), BOARD_OK);
    assert_false(lock_stands(world, &card));
    assert_false(card_stands(world, &card));
}

static void lost_consume_and_release_are_proven(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", world->proxy->address);
    struct card card = card_nth(1, 3), next = card;
    next.ready_at_us++;
    struct uuid claim = uuid_nth(100);
    place(world, desk, &card, 1);
    lock(world, desk, &card, &claim, 2);
    lose(world, PROXY_MULTI);
    board_release(desk->board, &desk->boot, &card, &next, &claim, 3);
    assert_int_equal(await_answer(world, desk, 3), BOARD_OK);
    assert_int_equal(world->proxy->dropped, 1);
    assert_false(lock_stands(world, &card));
    assert_true(card_stands(world, &next));
    lock(world, desk, &next, &claim, 4);
    lose(world, PROXY_MULTI);
    board_consume(desk->board, &desk->boot, &next, &claim, 5);
    assert_int_equal(await_answer(world, desk, 5), BOARD_OK);
    assert_int_equal(world->proxy->dropped, 1);
    assert_false(lock_stands(world, &next));
    assert_false(card_stands(world, &next));
}

static void lost_place_is_unknown(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", world->proxy->address);
    struct card card = card_nth(1, 3);
    place(world, desk, &card, 1);
    struct card second = card_nth(2, 3);
    lose(world, PROXY_MULTI);
    board_place(desk->board, &second, NULL, 0, 2);
    assert_int_equal(await_answer(world, desk, 2), BOARD_UNKNOWN);
    place(world, desk, &second, 3);
    lose(world, PROXY_MULTI);
    board_remove(desk->board, &second, 4);
    assert_int_equal(await_answer(world, desk, 4), BOARD_UNKNOWN);
    board_remove(desk->board, &second, 5);
    assert_int_equal(await_answer(world, desk, 5), BOARD_OK);
    assert_false(card_stands(world, &second));
}

/* Each of the unlock's three steps. */
static void lost_unlock_is_unknown_until_proven(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", world->proxy->address);
    struct card card = card_nth(1, 3);
    struct uuid claim = uuid_nth(100);
    place(world, desk, &card, 0);
    static const enum proxy_op steps[] = {PROXY_SYNC, PROXY_GET, PROXY_DELETE};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t tag = 10 * (i + 1);
        lock(world, desk, &card, &claim, tag);
        lose(world, steps[i]);
        board_unlock(desk->board, &desk->boot, card.shard, &card.job, &claim, tag + 1);
        assert_int_equal(await_answer(world, desk, tag + 1), BOARD_UNKNOWN);
        assert_int_equal(world->proxy->dropped, 1);
        assert_int_equal(lock_stands(world, &card), steps[i] != PROXY_DELETE);
        board_unlock(desk->board, &desk->boot, card.shard, &card.job, &claim, tag + 2);
        assert_int_equal(await_answer(world, desk, tag + 2), BOARD_OK);
        assert_false(lock_stands(world, &card));
    }
    assert_int_equal(desk->ended, 0);
}

/* Making the board: the look for it, the parent, the tree. */
static void lost_creation_creates_all_the_same(void **state)
{
    static const enum proxy_op steps[] = {PROXY_GET, PROXY_CREATE, PROXY_MULTI};
    for (unsigned i = 0; i < 3; i++) {
        struct world *world = fresh(state);
        struct desk *desk = desk_open(world, "e1", world->proxy->address);
        if (steps[i] == PROXY_GET)
            lose(world, PROXY_GET);
        AWAIT(world, desk->missing);
        if (steps[i] != PROXY_GET)
            lose(world, steps[i]);
        board_create_root(desk->board);
        AWAIT(world, desk->began);
        assert_int_equal(world->proxy->dropped, 1);
        assert_int_equal(desk->troubles, 0);
        clean(state);
    }
}

/* Joining it: the look, our nodes, the session itself. */
static void lost_joining_joins_all_the_same(void **state)
{
    struct world *world = fresh(state);
    desk_up(world, "e1", NULL);
    static const enum proxy_op steps[] = {PROXY_GET, PROXY_CREATE, PROXY_CONNECT};
    for (unsigned i = 0; i < 3; i++) {
        lose(world, steps[i]);
        struct desk *desk = desk_open(world, "e2", world->proxy->address);
        AWAIT(world, desk->began);
        assert_int_equal(world->proxy->dropped, 1);
        assert_int_equal(desk->troubles, 0);
        assert_int_equal(desk->missing, 0);
    }
}

static void lost_division_is_entered_all_the_same(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", world->proxy->address);
    AWAIT(world, desk->member_count == 1);
    lose(world, PROXY_CREATE);
    board_divide(desk->board, true);
    AWAIT(world, desk->dividing[0]);
    assert_int_equal(world->proxy->dropped, 1);
    lose(world, PROXY_DELETE);
    board_divide(desk->board, false);
    AWAIT(world, !desk->dividing[0]);
    AWAIT(world, world->proxy->dropped == 1);
    assert_int_equal(desk->ended, 0);
}

/* A beat's answer is lost: the session goes on, and the next proof is an acknowledged one. */
static void lost_beat_is_no_proof(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", world->proxy->address);
    AWAIT(world, desk->alive >= 1);
    lose(world, PROXY_SET);
    AWAIT(world, world->proxy->dropped == 1);
    unsigned alive = desk->alive;
    int64_t sent_ms = desk->sent_ms;
    AWAIT(world, desk->alive > alive);
    assert_true(desk->sent_ms > sent_ms);
    assert_int_equal(desk->ended, 0);
}

/* A workload of everything while each kind of answer is lost several times. */
static void everything_goes_on(void **state)
{
    struct world *world = fresh(state);
    static const enum proxy_op kinds[] = {PROXY_CREATE, PROXY_DELETE,   PROXY_EXISTS, PROXY_GET,
                                          PROXY_SET,    PROXY_CHILDREN, PROXY_SYNC,   PROXY_MULTI};
    struct desk *desk = desk_up(world, "e1", world->proxy->address);
    struct pool plain = {"-"};
    uint64_t tag = 0;
    unsigned lost = 0;
    for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        world->proxy->drop = kinds[k];
        world->proxy->drop_times = 2;
        struct card cards[8];
        struct uuid claim = uuid_nth(1000 + k);
        uint64_t began = tag;
        unsigned told = desk->members_told;
        board_divide(desk->board, k % 2);
        board_read_members(desk->board);
        for (unsigned i = 0; i < 8; i++) {
            cards[i] = card_nth(k * 100 + i, (uint16_t)i);
            board_place(desk->board, &cards[i], NULL, 0, tag++);
            board_lock(desk->board, &desk->boot, &cards[i], &claim, tag++);
            board_list(desk->board, &plain, (uint16_t)i, tag++);
            board_count_cards(desk->board, &plain, (uint16_t)i, tag++);
        }
        AWAIT(world, desk->answers == tag && desk->members_told > told);
        for (unsigned i = 0; i < 8; i++)
            assert_true(desk->outcome[began + 4 * i + 1] != BOARD_OK ||
                        lock_stands(world, &cards[i]));
        for (unsigned i = 0; i < 8; i++) {
            board_unlock(desk->board, &desk->boot, cards[i].shard, &cards[i].job, &claim, tag++);
            if (await_answer(world, desk, tag - 1) == BOARD_UNKNOWN)
                i--;
        }
        for (unsigned i = 0; i < 8; i++)
            assert_false(lock_stands(world, &cards[i]));
        lost += 2 - world->proxy->drop_times;
    }
    print_message("%u answers lost, %llu outcomes unknown, %u sessions ended\n", lost,
                  (unsigned long long)board_counted(desk->board)->unknown, desk->ended);
    assert_true(lost >= 12);
    assert_int_equal(desk->ended, 0);
}

/* ----------------------------------------------------------------------------- late requests */

static struct path_text {
    char text[256];
} lock_path(struct world *world, const struct card *card)
{
    struct path_text path;
    snprintf(path.text, sizeof path.text, "%s",
             tree_path(world, "locks/%02x/%s", card->shard, UUID_STR(&card->job)));
    return path;
}

static void late_lock_meets_a_peers(void **state)
{
    struct world *world = fresh(state);
    struct desk *late = desk_up(world, "e1", world->proxy->address);
    struct desk *peer = desk_up(world, "e2", NULL);
    struct card card = card_nth(1, 3);
    struct uuid mine = uuid_nth(100), theirs = uuid_nth(200);
    place(world, peer, &card, 1);
    world->proxy->hold = PROXY_MULTI;
    board_lock(late->board, &late->boot, &card, &mine, 1);
    AWAIT(world, world->proxy->held);
    lock(world, peer, &card, &theirs, 2);
    proxy_release(world->proxy);
    assert_int_equal(await_answer(world, late, 1), BOARD_TAKEN);
    board_unlock(late->board, &late->boot, card.shard, &card.job, &mine, 2);
    assert_int_equal(await_answer(world, late, 2), BOARD_TAKEN);
    assert_true(lock_stands(world, &card));
}

/* The consume was on its way when its session was given up; a peer has the job; then it arrives. */
static void late_consume_of_a_former_session(void **state)
{
    struct world *world = fresh(state);
    struct desk *late = desk_up(world, "e1", world->proxy->address);
    struct desk *peer = desk_up(world, "e2", NULL);
    struct card card = card_nth(1, 3);
    struct uuid mine = uuid_nth(100), theirs = uuid_nth(200);
    place(world, peer, &card, 1);
    lock(world, late, &card, &mine, 1);
    struct uuid former = late->boot;
    world->proxy->hold = PROXY_MULTI;
    board_consume(late->board, &late->boot, &card, &mine, 2);
    AWAIT(world, world->proxy->held);
    board_give_up(late->board);
    assert_int_equal(await_answer(world, late, 2), BOARD_VOID);
    AWAIT(world, late->ended == 1 && late->began == 2);
    assert_false(uuid_equal(&former, &late->boot));
    AWAIT(world, !lock_stands(world, &card));
    lock(world, peer, &card, &theirs, 2);
    proxy_release(world->proxy);
    board_unlock(late->board, &late->boot, card.shard, &card.job, &mine, 3);
    assert_int_equal(await_answer(world, late, 3), BOARD_TAKEN);
    assert_true(lock_stands(world, &card));
    assert_true(card_stands(world, &card));
    board_consume(late->board, &former, &card, &mine, 4);
    assert_int_equal(await_answer(world, late, 4), BOARD_VOID);
}

/* A lock that carries our boot and our claim but belongs to another session is not ours: nothing
 * that is asked deletes it. */
static void lock_of_another_session_is_left_alone(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct card card = card_nth(1, 3), next = card;
    next.ready_at_us++;
    struct wire_lock contents = {desk->boot, uuid_nth(100)};
    struct wire_bytes bytes;
    place(world, desk, &card, 1);
    assert_int_equal(wire_pack_lock(&contents, &bytes), 0);
    struct path_text path = lock_path(world, &card);
    assert_int_equal(eye_create(world, path.text, (const char *)bytes.data, bytes.len, true), 0);
    board_lock(desk->board, &desk->boot, &card, &contents.claim, 2);
    assert_int_equal(await_answer(world, desk, 2), BOARD_TAKEN);
    board_unlock(desk->board, &desk->boot, card.shard, &card.job, &contents.claim, 3);
    assert_int_equal(await_answer(world, desk, 3), BOARD_TAKEN);
    board_consume(desk->board, &desk->boot, &card, &contents.claim, 4);
    assert_int_equal(await_answer(world, desk, 4), BOARD_TAKEN);
    board_release(desk->board, &desk->boot, &card, &next, &contents.claim, 5);
    assert_int_equal(await_answer(world, desk, 5), BOARD_TAKEN);
    assert_true(lock_stands(world, &card));
    assert_true(card_stands(world, &card));
    assert_false(card_stands(world, &next));
}

/* The lock's contents are garbage: somebody's, not ours. */
static void garbage_in_a_lock_is_not_ours(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct card card = card_nth(1, 3);
    struct uuid claim = uuid_nth(100);
    place(world, desk, &card, 1);
    struct path_text path = lock_path(world, &card);
    assert_int_equal(eye_create(world, path.text, "\xff\xff\xff", 3, true), 0);
    board_lock(desk->board, &desk->boot, &card, &claim, 2);
    assert_int_equal(await_answer(world, desk, 2), BOARD_TAKEN);
    board_unlock(desk->board, &desk->boot, card.shard, &card.job, &claim, 3);
    assert_int_equal(await_answer(world, desk, 3), BOARD_TAKEN);
    assert_true(lock_stands(world, &card));
}

/* What waited for a session for too long is not sent when there is one. */
static void late_cards_are_not_placed(void **state)
{
    struct world *world = fresh(state);
    desk_up(world, "e1", NULL);
    struct desk *client = desk_open(world, NULL, NULL);
    struct card late = card_nth(1, 3), early = card_nth(2, 3);
    board_place_until(client->board, &late, NULL, 0, harness_now_ms() - 1, 1);
    board_place_until(client->board, &early, NULL, 0, harness_now_ms() + LIMIT_MS, 2);
    assert_int_equal(await_answer(world, client, 1), BOARD_VOID);
    assert_int_equal(await_answer(world, client, 2), BOARD_OK);
    assert_false(card_stands(world, &late));
    assert_true(card_stands(world, &early));
}

/* Somebody deleted jobs/: an engine makes it again, and sees what comes. */
static void deleted_folders_come_back(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct text gpu[] = {TEXT("gpu")};
    struct pool pool = placement_pool(gpu, 1);
    assert_int_equal(eye_delete(world, tree_path(world, "jobs")), 0);
    AWAIT(world, eye_exists(world, tree_path(world, "jobs"), NULL, NULL) == 0);
    board_show_pool(desk->board, &pool, gpu, 1);
    AWAIT(world, desk->pool_count == 1);
    assert_string_equal(desk->pool_tag, "gpu");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(late_cards_are_not_placed, clean),
        cmocka_unit_test_teardown(deleted_folders_come_back, clean),
        cmocka_unit_test_teardown(lost_lock_is_proven, clean),
        cmocka_unit_test_teardown(lost_consume_and_release_are_proven, clean),
        cmocka_unit_test_teardown(lost_place_is_unknown, clean),
        cmocka_unit_test_teardown(lost_unlock_is_unknown_until_proven, clean),
        cmocka_unit_test_teardown(lost_creation_creates_all_the_same, clean),
        cmocka_unit_test_teardown(lost_joining_joins_all_the_same, clean),
        cmocka_unit_test_teardown(lost_division_is_entered_all_the_same, clean),
        cmocka_unit_test_teardown(lost_beat_is_no_proof, clean),
        cmocka_unit_test_teardown(everything_goes_on, clean),
        cmocka_unit_test_teardown(late_lock_meets_a_peers, clean),
        cmocka_unit_test_teardown(late_consume_of_a_former_session, clean),
        cmocka_unit_test_teardown(lock_of_another_session_is_left_alone, clean),
        cmocka_unit_test_teardown(garbage_in_a_lock_is_not_ours, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
