/* SPDX-License-Identifier: Apache-2.0 */
/* The board's contract on a real ZooKeeper, when nothing goes wrong but other people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/placement.h"
#include "jobboard/tests/harness.h"

static struct world *fresh(void **state)
{
    static struct world world;
    world_init(&world);
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

static void place(struct world *world, struct desk *desk, const struct card *card, uint64_t tag)
{
    board_place(desk->board, card, NULL, 0, tag);
    assert_int_equal(await_answer(world, desk, tag), BOARD_OK);
}

static void job_goes_its_way(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    assert_int_equal(desk->timeout_ms, TIMEOUT_MS);
    struct card card = card_nth(1, 3), next = card;
    next.ready_at_us++;
    struct uuid claim = uuid_nth(100);
    place(world, desk, &card, 1);
    place(world, desk, &card, 2); /* there already */
    board_lock(desk->board, &desk->boot, &card, &claim, 3);
    assert_int_equal(await_answer(world, desk, 3), BOARD_OK);
    assert_true(lock_stands(world, &card));
    board_lock(desk->board, &desk->boot, &card, &claim, 4); /* the same again */
    assert_int_equal(await_answer(world, desk, 4), BOARD_OK);
    board_release(desk->board, &desk->boot, &card, &next, &claim, 5);
    assert_int_equal(await_answer(world, desk, 5), BOARD_OK);
    assert_false(lock_stands(world, &card));
    assert_false(card_stands(world, &card));
    assert_true(card_stands(world, &next));
    board_lock(desk->board, &desk->boot, &next, &claim, 6);
    assert_int_equal(await_answer(world, desk, 6), BOARD_OK);
    board_consume(desk->board, &desk->boot, &next, &claim, 7);
    assert_int_equal(await_answer(world, desk, 7), BOARD_OK);
    assert_false(lock_stands(world, &next));
    assert_false(card_stands(world, &next));
    board_remove(desk->board, &next, 8); /* not there */
    assert_int_equal(await_answer(world, desk, 8), BOARD_OK);
    place(world, desk, &card, 9);
    board_remove(desk->board, &card, 10);
    assert_int_equal(await_answer(world, desk, 10), BOARD_OK);
    assert_false(card_stands(world, &card));
}

static void unlocking_leaves_the_card(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct card card = card_nth(1, 3);
    struct uuid claim = uuid_nth(100), other = uuid_nth(101);
    place(world, desk, &card, 1);
    board_lock(desk->board, &desk->boot, &card, &claim, 2);
    assert_int_equal(await_answer(world, desk, 2), BOARD_OK);
    board_unlock(desk->board, &desk->boot, card.shard, &card.job, &other, 3); /* not this claim's */
    assert_int_equal(await_answer(world, desk, 3), BOARD_TAKEN);
    assert_true(lock_stands(world, &card));
    board_lock(desk->board, &desk->boot, &card, &other, 4);
    assert_int_equal(await_answer(world, desk, 4), BOARD_TAKEN);
    board_unlock(desk->board, &desk->boot, card.shard, &card.job, &claim, 5);
    assert_int_equal(await_answer(world, desk, 5), BOARD_OK);
    assert_false(lock_stands(world, &card));
    assert_true(card_stands(world, &card));
    board_unlock(desk->board, &desk->boot, card.shard, &card.job, &claim, 6); /* absence is proof */
    assert_int_equal(await_answer(world, desk, 6), BOARD_OK);
}

static void missing_card_comes_with_the_lock(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct card card = card_nth(7, 5);
    struct uuid claim = uuid_nth(100);
    board_lock(desk->board, &desk->boot, &card, &claim, 1);
    assert_int_equal(await_answer(world, desk, 1), BOARD_OK);
    assert_true(lock_stands(world, &card));
    assert_true(card_stands(world, &card));
}

static void second_board_finds_it_taken(void **state)
{
    struct world *world = fresh(state);
    struct desk *one = desk_up(world, "e1", NULL), *two = desk_up(world, "e2", NULL);
    struct card cards[40];
    struct uuid mine = uuid_nth(100), theirs = uuid_nth(200);
    for (unsigned i = 0; i < 40; i++) {
        cards[i] = card_nth(i + 1, (uint16_t)(i % 8));
        place(world, one, &cards[i], i);
    }
    /* Both want all, in opposite order. */
    for (unsigned i = 0; i < 40; i++) {
        board_lock(one->board, &one->boot, &cards[i], &mine, 100 + i);
        board_lock(two->board, &two->boot, &cards[39 - i], &theirs, 139 - i);
    }
    AWAIT(world, one->answers == 80 && two->answers == 40);
    unsigned won = 0;
    for (unsigned i = 0; i < 40; i++) {
        bool by_one = one->outcome[100 + i] == BOARD_OK, by_two = two->outcome[100 + i] == BOARD_OK;
        assert_true(by_one != by_two);
        assert_int_equal(by_one ? two->outcome[100 + i] : one->outcome[100 + i], BOARD_TAKEN);
        assert_true(lock_stands(world, &cards[i]));
        won += by_one;
    }
    /* Nobody touches the other's locks: not by unlocking, consuming or releasing. */
    for (unsigned i = 0; i < 40; i++) {
        bool by_one = one->outcome[100 + i] == BOARD_OK;
        struct desk *loser = by_one ? two : one;
        board_unlock(loser->board, &loser->boot, cards[i].shard, &cards[i].job,
                     by_one ? &theirs : &mine, 200 + i);
        assert_int_equal(await_answer(world, loser, 200 + i), BOARD_TAKEN);
        assert_true(lock_stands(world, &cards[i]));
    }
    print_message("first board won %u of 40; singly: %llu and %llu\n", won,
                  (unsigned long long)board_counted(one->board)->resent_singly,
                  (unsigned long long)board_counted(two->board)->resent_singly);
}

static void fifty_locks_are_one_multi(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct card cards[50];
    struct uuid claim = uuid_nth(100);
    for (unsigned i = 0; i < 50; i++) {
        cards[i] = card_nth(i + 1, (uint16_t)(i % 8));
        board_place(desk->board, &cards[i], NULL, 0, i);
    }
    AWAIT(world, desk->answers == 50);
    struct board_counts before = *board_counted(desk->board);
    for (unsigned i = 0; i < 50; i++)
        board_lock(desk->board, &desk->boot, &cards[i], &claim, 100 + i);
    AWAIT(world, desk->answers == 100);
    const struct board_counts *after = board_counted(desk->board);
    assert_int_equal(after->multis - before.multis, 1);
    assert_int_equal(after->multi_ops - before.multi_ops, 100);
    assert_int_equal(after->resent_singly, 0);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(desk->outcome[100 + i], BOARD_OK);
}

/* The job that the result names is dropped; the others are locked all the same. */
static void one_bad_job_does_not_stop_a_batch(void **state)
{
    struct world *world = fresh(state);
    struct desk *one = desk_up(world, "e1", NULL), *two = desk_up(world, "e2", NULL);
    struct card cards[30];
    struct uuid mine = uuid_nth(100), theirs = uuid_nth(200);
    for (unsigned i = 0; i < 30; i++) {
        cards[i] = card_nth(i + 1, (uint16_t)(i % 8));
        place(world, one, &cards[i], i);
    }
    static const unsigned taken[] = {0, 11, 29};
    for (unsigned i = 0; i < 3; i++) {
        board_lock(two->board, &two->boot, &cards[taken[i]], &theirs, i);
        assert_int_equal(await_answer(world, two, i), BOARD_OK);
    }
    for (unsigned i = 0; i < 30; i++)
        board_lock(one->board, &one->boot, &cards[i], &mine, 100 + i);
    AWAIT(world, one->answers == 60);
    for (unsigned i = 0; i < 30; i++) {
        bool is_taken = i == 0 || i == 11 || i == 29;
        assert_int_equal(one->outcome[100 + i], is_taken ? BOARD_TAKEN : BOARD_OK);
    }
    assert_true(board_counted(one->board)->resent_singly > 0);
}

/* Who is to blame is read from the result: one refusal costs one more multi and nothing else, and
 * nobody is answered for what was not applied. */
static void the_named_job_alone_is_dropped(void **state)
{
    struct world *world = fresh(state);
    struct desk *one = desk_up(world, "e1", NULL), *two = desk_up(world, "e2", NULL);
    struct card cards[20];
    struct uuid mine = uuid_nth(100), theirs = uuid_nth(200);
    for (unsigned i = 0; i < 20; i++)
        cards[i] = card_nth(i + 1, (uint16_t)(i % 8));
    for (unsigned i = 0; i < 8; i++) { /* folders of all shards, and one card of the later batch */
        struct card other = card_nth(500 + i, (uint16_t)i);
        place(world, one, i == 7 ? &cards[7] : &other, 900 + i);
    }
    struct board_counts before = *board_counted(one->board);
    for (unsigned i = 0; i < 20; i++)
        board_place(one->board, &cards[i], NULL, 0, i);
    AWAIT(world, one->answers == 28);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(one->outcome[i], BOARD_OK);
        assert_true(card_stands(world, &cards[i]));
    }
    assert_int_equal(board_counted(one->board)->multis - before.multis, 2);
    board_lock(two->board, &two->boot, &cards[11], &theirs, 1);
    assert_int_equal(await_answer(world, two, 1), BOARD_OK);
    before = *board_counted(one->board);
    for (unsigned i = 0; i < 20; i++)
        board_lock(one->board, &one->boot, &cards[i], &mine, 100 + i);
    AWAIT(world, one->answers == 48);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(one->outcome[100 + i], i == 11 ? BOARD_TAKEN : BOARD_OK);
    assert_int_equal(board_counted(one->board)->multis - before.multis, 2);
    assert_int_equal(board_counted(one->board)->resent_singly, 0);
}

static void shard_is_listed_and_watched(void **state)
{
    struct world *world = fresh(state);
    struct desk *one = desk_up(world, "e1", NULL), *two = desk_up(world, "e2", NULL);
    struct pool plain = {"-"};
    board_list(one->board, &plain, 2, 1); /* no folder yet: empty, and watched all the same */
    assert_int_equal(await_answer(world, one, 1), BOARD_OK);
    assert_int_equal(one->card_count, 0);
    struct card late = card_nth(2, 2), early = card_nth(1, 2), first = card_nth(3, 2);
    first.priority = 0;
    place(world, two, &late, 1);
    AWAIT(world, one->changed == 1);
    board_list(one->board, &plain, 2, 2);
    assert_int_equal(await_answer(world, one, 2), BOARD_OK);
    assert_int_equal(one->card_count, 1);
    place(world, two, &early, 2);
    AWAIT(world, one->changed == 2);
    place(world, two, &first, 3); /* the watch has fired and is not armed: nothing is told */
    board_count_cards(one->board, &plain, 2, 3);
    assert_int_equal(await_answer(world, one, 3), BOARD_OK);
    assert_int_equal(one->count, 3);
    assert_int_equal(one->changed, 2);
    board_list(one->board, &plain, 2, 4);
    assert_int_equal(await_answer(world, one, 4), BOARD_OK);
    assert_int_equal(one->card_count, 3);
    assert_true(card_equal(&one->cards[0], &first));
    assert_true(card_equal(&one->cards[1], &early));
    assert_true(card_equal(&one->cards[2], &late));
    board_unwatch(one->board, &plain, 2);
    board_remove(two->board, &late, 4);
    assert_int_equal(await_answer(world, two, 4), BOARD_OK);
    board_count_cards(one->board, &plain, 2, 5); /* the watch's news came before this answer */
    assert_int_equal(await_answer(world, one, 5), BOARD_OK);
    assert_int_equal(one->changed, 2);
}

static void garbage_names_are_left_out(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct card card = card_nth(1, 2);
    place(world, desk, &card, 1);
    static const char *const names[] = {"x", "50000000000000001-", "locks"};
    for (unsigned i = 0; i < 3; i++) {
        const char *path;
        path = tree_path(world, "jobs/-/02/%s", names[i]);
        assert_int_equal(eye_create(world, path, "\xff\xff", 2, false), 0);
    }
    struct pool plain = {"-"};
    uint64_t before = board_counted(desk->board)->garbage_names;
    board_list(desk->board, &plain, 2, 2);
    assert_int_equal(await_answer(world, desk, 2), BOARD_OK);
    assert_int_equal(desk->card_count, 1);
    assert_int_equal(board_counted(desk->board)->garbage_names - before, 3);
}

/* Contents and names that are nobody's do not end a watch or hide a session. */
static void garbage_among_engines_and_pools(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    AWAIT(world, desk->members_told && desk->pools_told);
    const char *path;
    struct uuid stranger = uuid_nth(77);
    path = tree_path(world, "engines/%s", UUID_STR(&stranger));
    assert_int_equal(eye_create(world, path, "\xff\xff", 2, true), 0);
    path = tree_path(world, "engines/rubbish");
    assert_int_equal(eye_create(world, path, "", 0, true), 0);
    AWAIT(world, desk->member_count == 2);
    assert_true(uuid_equal(&desk->member_boots[0], &stranger) ||
                uuid_equal(&desk->member_boots[1], &stranger));
    path = tree_path(world, "jobs/0123456789abcdef");
    assert_int_equal(eye_create(world, path, "\x0a\x01x", 3, false), 0); /* another pool's tags */
    struct text tag = TEXT("gpu");
    struct card card = card_nth(1, 1);
    card.pool = placement_pool(&tag, 1);
    board_place(desk->board, &card, &tag, 1, 1);
    assert_int_equal(await_answer(world, desk, 1), BOARD_OK);
    AWAIT(world, desk->pool_count == 1 && !strcmp(desk->pool_tag, "gpu"));
    assert_true(board_counted(desk->board)->garbage_names >= 3);
}

static void engines_see_each_other(void **state)
{
    struct world *world = fresh(state);
    struct desk *one = desk_up(world, "e1", NULL);
    AWAIT(world, one->member_count == 1 && !one->dividing[0]);
    board_divide(one->board, true);
    AWAIT(world, one->dividing[0]);
    struct desk *two = desk_up(world, "e2", NULL);
    AWAIT(world, one->member_count == 2 && two->member_count == 2);
    bool first_is_two = uuid_equal(&one->member_boots[0], &two->boot);
    assert_string_equal(one->member_name[first_is_two ? 0 : 1], "e2");
    board_divide(two->board, true);
    AWAIT(world, one->dividing[0] && one->dividing[1]);
    /* Proofs of life go on and wake nobody. */
    unsigned told = one->members_told, alive = two->alive;
    AWAIT(world, two->alive >= alive + 3);
    assert_int_equal(one->members_told, told);
    board_divide(two->board, false);
    AWAIT(world, !(one->dividing[0] && one->dividing[1]));
    board_set_free(two->board, 3, true);
    alive = two->alive;
    AWAIT(world, two->alive > alive);
    board_read_members(one->board);
    AWAIT(world, one->member_free[first_is_two ? 0 : 1] == 3);
    board_close(two->board, 2000);
    AWAIT(world, two->ended == 1);
    assert_true(uuid_equal(&two->ended_boot, &two->boot));
    AWAIT(world, one->member_count == 1);
}

static void pokes_arrive(void **state)
{
    struct world *world = fresh(state);
    struct desk *one = desk_up(world, "e1", NULL), *client = desk_up(world, NULL, NULL);
    AWAIT(world, one->alive);
    for (unsigned i = 1; i <= 3; i++) {
        board_poke(client->board, &one->boot);
        AWAIT(world, one->poked == i);
    }
}

static void client_places_and_looks(void **state)
{
    struct world *world = fresh(state);
    struct desk *engine = desk_up(world, "e1", NULL);
    struct desk *client = desk_open(world, NULL, NULL);
    struct text tags[] = {TEXT("zone-b"), TEXT("gpu")};
    struct card card = card_nth(1, 4);
    card.pool = placement_pool(tags, 2);
    board_place(client->board, &card, tags, 2, 1); /* before it is connected */
    assert_int_equal(await_answer(world, client, 1), BOARD_OK);
    AWAIT(world, engine->pool_count == 1);
    assert_string_equal(engine->pool_tag, "gpu");
    board_count_cards(client->board, &card.pool, 4, 2);
    assert_int_equal(await_answer(world, client, 2), BOARD_OK);
    assert_int_equal(client->count, 1);
    board_read_members(client->board);
    AWAIT(world, client->members_told == 1 && client->member_count == 1);
    assert_string_equal(client->member_name[0], "e1");
    struct card elsewhere = card_nth(2, 4);
    elsewhere.pool = (struct pool){"fedcba9876543210"}; /* no folder, and nobody knows its tags */
    board_place(client->board, &elsewhere, NULL, 0, 3);
    assert_int_equal(await_answer(world, client, 3), BOARD_REFUSED);
    struct uuid claim = uuid_nth(100);
    board_lock(engine->board, &engine->boot, &elsewhere, &claim, 1); /* a lock does without */
    assert_int_equal(await_answer(world, engine, 1), BOARD_OK);
    assert_true(lock_stands(world, &elsewhere));
    assert_false(card_stands(world, &elsewhere));
}

static void malformed_is_refused_before_the_wire(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct card bad[5];
    for (unsigned i = 0; i < 5; i++)
        bad[i] = card_nth(1, 1);
    bad[0].shard = 8; /* there are 0 to 7 */
    bad[1].priority = PRIORITY_MAX + 1;
    bad[2].ready_at_us = -1;
    memcpy(bad[3].pool.name, "../../../etc", 13);
    memset(bad[4].pool.name, 'a', sizeof bad[4].pool.name); /* no NUL */
    struct uuid claim = uuid_nth(100);
    struct board_counts before = *board_counted(desk->board);
    for (unsigned i = 0; i < 5; i++) {
        board_place(desk->board, &bad[i], NULL, 0, 2 * i);
        board_lock(desk->board, &desk->boot, &bad[i], &claim, 2 * i + 1);
    }
    struct card good = card_nth(1, 1);
    struct text many[65];
    for (unsigned i = 0; i < 65; i++)
        many[i] = TEXT("t");
    board_place(desk->board, &good, many, 65, 20); /* too many tags */
    struct text tag = TEXT("gpu");
    board_place(desk->board, &good, &tag, 1, 21); /* tags of another pool */
    AWAIT(world, desk->answers == 12);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(desk->outcome[i], BOARD_REFUSED);
    assert_int_equal(desk->outcome[20], BOARD_REFUSED);
    assert_int_equal(desk->outcome[21], BOARD_REFUSED);
    const struct board_counts *after = board_counted(desk->board);
    assert_int_equal(after->oversize - before.oversize, 12);
    assert_int_equal(after->multis, before.multis);
}

static void folders_come_once_for_a_batch(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct text tag = TEXT("gpu");
    struct pool pool = placement_pool(&tag, 1);
    struct board_counts before = *board_counted(desk->board);
    for (unsigned i = 0; i < 120; i++) {
        struct card card = card_nth(i + 1, (uint16_t)(i % 8));
        card.pool = pool;
        board_place(desk->board, &card, &tag, 1, i);
    }
    AWAIT(world, desk->answers == 120);
    for (unsigned i = 0; i < 120; i++)
        assert_int_equal(desk->outcome[i], BOARD_OK);
    const struct board_counts *after = board_counted(desk->board);
    assert_int_equal(after->multis - before.multis, 2); /* refused once, then all */
    assert_int_equal(after->resent_singly, 0);
}

/* With credentials every node of the board is closed to strangers. */
static void credentials_close_the_board(void **state)
{
    struct world *world = fresh(state);
    struct board_options options = {.hosts = server_address(),
                                    .name = world->name,
                                    .board = world->uuid,
                                    .shard_count = 8,
                                    .session_timeout_ms = TIMEOUT_MS,
                                    .auth = "board:secret"};
    struct desk *desk = desk_open_with(world, &options, "e1");
    AWAIT(world, desk->missing);
    board_create_root(desk->board);
    AWAIT(world, desk->began);
    struct card card = card_nth(1, 1);
    struct uuid claim = uuid_nth(100);
    place(world, desk, &card, 1);
    board_lock(desk->board, &desk->boot, &card, &claim, 2);
    assert_int_equal(await_answer(world, desk, 2), BOARD_OK);
    const char *path;
    path = tree_path(world, "jobs/-/01/x");
    assert_int_equal(eye_create(world, path, "", 0, false), -102);
    path = tree_path(world, "x");
    assert_int_equal(eye_create(world, path, "", 0, false), -102);
    path = tree_path(world, "locks/01/%s", UUID_STR(&card.job));
    assert_int_equal(eye_delete(world, path), -102);
    struct desk *stranger = desk_open(world, "e2", NULL);
    AWAIT(world, stranger->troubles);
    assert_int_equal(stranger->began, 0);
    /* Leave nothing that the eye cannot remove. */
    board_consume(desk->board, &desk->boot, &card, &claim, 3);
    assert_int_equal(await_answer(world, desk, 3), BOARD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(job_goes_its_way, clean),
        cmocka_unit_test_teardown(unlocking_leaves_the_card, clean),
        cmocka_unit_test_teardown(missing_card_comes_with_the_lock, clean),
        cmocka_unit_test_teardown(second_board_finds_it_taken, clean),
        cmocka_unit_test_teardown(fifty_locks_are_one_multi, clean),
        cmocka_unit_test_teardown(one_bad_job_does_not_stop_a_batch, clean),
        cmocka_unit_test_teardown(the_named_job_alone_is_dropped, clean),
        cmocka_unit_test_teardown(shard_is_listed_and_watched, clean),
        cmocka_unit_test_teardown(garbage_names_are_left_out, clean),
        cmocka_unit_test_teardown(garbage_among_engines_and_pools, clean),
        cmocka_unit_test_teardown(engines_see_each_other, clean),
        cmocka_unit_test_teardown(pokes_arrive, clean),
        cmocka_unit_test_teardown(client_places_and_looks, clean),
        cmocka_unit_test_teardown(malformed_is_refused_before_the_wire, clean),
        cmocka_unit_test_teardown(folders_come_once_for_a_batch, clean),
        cmocka_unit_test_teardown(credentials_close_the_board, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
