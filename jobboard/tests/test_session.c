/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: beginning, ending, servers that stop, boards that are not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobboard/board_private.h"
#include "jobboard/tests/harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os/clock.h"

#define CALL_MAX_MS 50

static struct world *fresh(void **state)
{
    static struct world world;
    world_init(&world);
    *state = &world;
    return &world;
}

/* The server's process, to be stopped; 0 when it is not ours. */
static pid_t server_pid(void)
{
    const char *pid = getenv("JOBBOARD_TEST_ZOOKEEPER_PID");
    return pid ? (pid_t)strtol(pid, NULL, 10) : 0;
}

static int clean(void **state)
{
    if (server_pid())
        kill(server_pid(), SIGCONT); /* also after a failure in the middle */
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

static void lock(struct world *world, struct desk *desk, const struct card *card,
                 const struct uuid *claim, uint64_t tag)
{
    board_lock(desk->board, &desk->boot, card, claim, tag);
    assert_int_equal(await_answer(world, desk, tag), BOARD_OK);
}

static void run_for(struct world *world, int64_t ms)
{
    int64_t until_ms = clock_now_ms() + ms;
    while (clock_now_ms() < until_ms)
        world_turn(world, until_ms);
}

static bool engine_stands(struct world *world, const struct uuid *boot)
{
    return eye_exists(world, tree_path(world, "engines/%s", UUID_STR(boot)), NULL, NULL) == ZOK;
}

/* --------------------------------------------------------------------------- beginning, ending */

static void missing_root_is_told_and_made_once(void **state)
{
    struct world *world = fresh(state);
    struct desk *one = desk_open(world, "e1", NULL), *two = desk_open(world, "e2", NULL);
    AWAIT(world, one->missing && two->missing);
    assert_int_equal(one->began + two->began, 0);
    assert_int_equal(eye_exists(world, tree_path(world, "engines"), NULL, NULL), ZNONODE);
    board_create_root(one->board);
    board_create_root(two->board); /* both at once: one makes it, both begin */
    AWAIT(world, one->began && two->began);
    assert_int_equal(one->missing, 1);
    assert_int_equal(two->missing, 1);
    int children = 0;
    assert_int_equal(eye_exists(world, tree_path(world, "locks"), NULL, &children), ZOK);
    assert_int_equal(children, 8);
}

static void anothers_board_is_stayed_out_of(void **state)
{
    struct world *world = fresh(state);
    desk_up(world, "e1", NULL);
    struct uuid ours = world->uuid;
    world->uuid = uuid_nth(666);
    struct desk *stranger = desk_open(world, "e2", NULL);
    world->uuid = ours;
    AWAIT(world, stranger->troubles);
    assert_non_null(strstr(stranger->trouble, UUID_STR(&ours)));
    struct board_options options = {.hosts = server_address(),
                                    .name = world->name,
                                    .board = ours,
                                    .shard_count = 16,
                                    .session_timeout_ms = TIMEOUT_MS};
    struct desk *other_count = desk_open_with(world, &options, "e3");
    AWAIT(world, other_count->troubles);
    run_for(world, 1500); /* looks again, and stays out, and says it once */
    assert_int_equal(stranger->began + other_count->began, 0);
    assert_int_equal(stranger->troubles, 1);
    int children = 0;
    eye_exists(world, tree_path(world, "engines"), NULL, &children);
    assert_int_equal(children, 1);
}

static void garbage_root_is_stayed_out_of(void **state)
{
    struct world *world = fresh(state);
    char root[128];
    snprintf(root, sizeof root, "%s", tree_path(world, "x"));
    *strrchr(root, '/') = 0;
    eye_create(world, PATH_ROOT, "", 0, false);
    assert_int_equal(eye_create(world, root, "\xff\xff", 2, false), ZOK);
    struct desk *desk = desk_open(world, "e1", NULL);
    AWAIT(world, desk->troubles);
    assert_int_equal(desk->began, 0);
    assert_int_equal(desk->missing, 0);
}

static void giving_up_ends_all_at_once(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct card card = card_nth(1, 3);
    struct uuid claim = uuid_nth(100), former = desk->boot;
    place(world, desk, &card, 1);
    lock(world, desk, &card, &claim, 2);
    for (unsigned i = 10; i < 20; i++) {
        struct card other = card_nth(i, 3);
        board_lock(desk->board, &desk->boot, &other, &claim, i);
    }
    board_give_up(desk->board);
    AWAIT(world, desk->ended == 1);
    assert_int_equal(desk->answers_before_end, 12); /* the answers came first */
    for (unsigned i = 10; i < 20; i++)
        assert_int_equal(desk->outcome[i], BOARD_VOID);
    assert_true(uuid_equal(&desk->ended_boot, &former));
    int64_t given_up_ms = clock_now_ms();
    AWAIT(world, !lock_stands(world, &card));
    assert_true(clock_now_ms() - given_up_ms < TIMEOUT_MS / 2); /* closed, not timed out */
    AWAIT(world, desk->began == 2);
    assert_false(uuid_equal(&desk->boot, &former));
    board_lock(desk->board, &former, &card, &claim, 3);
    assert_int_equal(await_answer(world, desk, 3), BOARD_VOID);
    lock(world, desk, &card, &claim, 4);
}

static void closing_closes_the_session(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    int64_t began_ms = clock_now_ms();
    board_close(desk->board, 5000);
    AWAIT(world, desk->ended == 1);
    assert_true(clock_now_ms() - began_ms < TIMEOUT_MS / 2);
    assert_false(engine_stands(world, &desk->boot));
    struct card card = card_nth(1, 3);
    board_place(desk->board, &card, NULL, 0, 1);
    assert_int_equal(await_answer(world, desk, 1), BOARD_VOID);
    assert_int_equal(desk->began, 1);
}

static void freeing_closes_the_session(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct card card = card_nth(1, 3);
    board_place(desk->board, &card, NULL, 0, 1); /* unanswered requests go with the board */
    int64_t began_ms = clock_now_ms();
    desk_close(world, desk);
    while (engine_stands(world, &desk->boot))
        assert_true(clock_now_ms() - began_ms < TIMEOUT_MS / 2);
}

/* ------------------------------------------------------------------------------ losing, resuming
 */

static void cut_connection_resumes_and_misses_nothing(void **state)
{
    struct world *world = fresh(state);
    world->proxy = proxy_new(server_address());
    struct desk *desk = desk_up(world, "e1", world->proxy->address);
    struct desk *peer = desk_up(world, "e2", NULL);
    struct pool plain = {"-"};
    struct card card = card_nth(1, 3), unseen = card_nth(2, 3);
    struct uuid claim = uuid_nth(100);
    place(world, desk, &card, 1);
    lock(world, desk, &card, &claim, 2);
    board_list(desk->board, &plain, 3, 3);
    assert_int_equal(await_answer(world, desk, 3), BOARD_OK);
    world->proxy->is_frozen = true;
    place(world, peer, &unseen, 1);
    proxy_cut(world->proxy);
    world->proxy->is_frozen = false;
    AWAIT(world, desk->changed == 1);
    assert_int_equal(desk->ended, 0);
    assert_true(lock_stands(world, &card));
    unsigned alive = desk->alive;
    AWAIT(world, desk->alive > alive);
}

/* The server has forgotten the session while nothing came through. */
static void expired_session_is_void(void **state)
{
    struct world *world = fresh(state);
    world->proxy = proxy_new(server_address());
    struct desk *desk = desk_up(world, "e1", world->proxy->address);
    struct card card = card_nth(1, 3);
    struct uuid claim = uuid_nth(100), former = desk->boot;
    place(world, desk, &card, 1);
    lock(world, desk, &card, &claim, 2);
    unsigned alive = desk->alive;
    world->proxy->is_frozen = true;
    board_consume(desk->board, &desk->boot, &card, &claim, 3);
    AWAIT(world, !lock_stands(world, &card));
    assert_int_equal(desk->ended, 0); /* the library never says it by itself */
    assert_true(desk->alive <= alive + 1);
    proxy_cut(world->proxy);
    proxy_release(world->proxy);
    AWAIT(world, desk->ended == 1);
    assert_int_equal(desk->outcome[3], BOARD_VOID);
    assert_int_equal(desk->answers_before_end, 3);
    assert_true(uuid_equal(&desk->ended_boot, &former));
    AWAIT(world, desk->began == 2);
    assert_false(uuid_equal(&desk->boot, &former));
    assert_true(card_stands(world, &card)); /* the consume never arrived */
}

/* What a supervisor does: another process closes the session with its id and password. */
static void session_closed_from_outside(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct card card = card_nth(1, 3);
    struct uuid claim = uuid_nth(100);
    place(world, desk, &card, 1);
    lock(world, desk, &card, &claim, 2);
    clientid_t id = *zoo_client_id(desk->board->session.handle);
    struct closer closer;
    closer_init(&closer, &desk->board->addresses);
    int64_t now_ms = clock_now_ms();
    closer_begin(&closer, id.client_id, id.passwd, TIMEOUT_MS, now_ms, now_ms + 5000);
    while (closer.is_active) {
        struct interest interest;
        closer_interest(&closer, clock_now_ms(), &interest);
        closer_process(&closer, interest.want_read, interest.want_write, clock_now_ms());
    }
    assert_true(closer.was_confirmed);
    assert_false(lock_stands(world, &card));
    AWAIT(world, desk->ended == 1 && desk->began == 2);
    /* Closing what is gone is confirmed as well. */
    now_ms = clock_now_ms();
    closer_begin(&closer, id.client_id, id.passwd, TIMEOUT_MS, now_ms, now_ms + 5000);
    while (closer.is_active) {
        struct interest interest;
        closer_interest(&closer, clock_now_ms(), &interest);
        closer_process(&closer, interest.want_read, interest.want_write, clock_now_ms());
    }
    assert_true(closer.was_confirmed);
}

static void removed_engine_node_ends_the_session(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    assert_int_equal(eye_delete(world, tree_path(world, "engines/%s", UUID_STR(&desk->boot))), ZOK);
    AWAIT(world, desk->ended == 1 && desk->began == 2);
    assert_true(engine_stands(world, &desk->boot));
}

/* A client has no core that counts a lease. */
static void client_begins_anew_by_itself(void **state)
{
    struct world *world = fresh(state);
    world->proxy = proxy_new(server_address());
    desk_up(world, "e1", NULL);
    struct desk *client = desk_open(world, NULL, world->proxy->address);
    AWAIT(world, client->began == 1);
    world->proxy->is_frozen = true;
    AWAIT(world, client->ended == 1);
    assert_int_equal(client->began, 1);
    proxy_cut(world->proxy);
    world->proxy->is_frozen = false;
    AWAIT(world, client->began == 2);
}

static void nobody_there_is_told_once(void **state)
{
    struct world *world = fresh(state);
    struct desk *desk = desk_open(world, NULL, "127.0.0.1:1");
    AWAIT(world, desk->troubles == 1);
    assert_non_null(strstr(desk->trouble, "127.0.0.1:1"));
    assert_false(board_is_connected(desk->board));
}

/* With an even list the library would try every second address only. */
static void any_list_finds_the_one_server(void **state)
{
    struct world *world = fresh(state);
    desk_up(world, "e1", NULL);
    static const char *const lists[] = {"127.0.0.1:1,%s", "%s,127.0.0.1:1",
                                        "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,%s"};
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 3; i++) {
            char hosts[256];
            struct text list = text_of(lists[i]);
            const char *hole = strstr(lists[i], "%s");
            snprintf(hosts, sizeof hosts, "%.*s%s%s", (int)(hole - list.data), list.data,
                     server_address(), hole + 2);
            world->desk_count = 1;
            struct desk *desk = desk_open(world, NULL, hosts);
            AWAIT(world, desk->began);
            desk_close(world, desk);
        }
    }
}

/* A server that takes connections and says nothing is left for the next one. */
static void mute_server_is_passed_over(void **state)
{
    struct world *world = fresh(state);
    world->proxy = proxy_new(server_address());
    world->proxy->is_frozen = true;
    desk_up(world, "e1", NULL);
    char hosts[128];
    snprintf(hosts, sizeof hosts, "%s,%s", world->proxy->address, server_address());
    for (unsigned round = 0; round < 4; round++) {
        struct board_options options = {.hosts = hosts,
                                        .name = world->name,
                                        .board = world->uuid,
                                        .shard_count = 8,
                                        .session_timeout_ms = 20000,
                                        .seed = round};
        world->desk_count = 1;
        struct desk *desk = desk_open_with(world, &options, NULL);
        int64_t began_ms = clock_now_ms();
        AWAIT(world, desk->began);
        assert_true(clock_now_ms() - began_ms < 5000); /* 2/3 of the timeout would be 13 s */
        desk_close(world, desk);
    }
}

/* ------------------------------------------------------------------------------------- stopped */

static void fill_queues(struct desk *desk, uint64_t tag)
{
    struct uuid claim = uuid_nth(300);
    struct pool plain = {"-"};
    for (unsigned i = 0; i < 300; i++) {
        struct card card = card_nth(1000 + i, (uint16_t)(i % 8));
        board_place(desk->board, &card, NULL, 0, tag++);
        board_lock(desk->board, &desk->boot, &card, &claim, tag++);
        board_list(desk->board, &plain, (uint16_t)(i % 8), tag++);
    }
}

static void stopped_server_blocks_nobody(void **state)
{
    pid_t server = server_pid();
    if (!server)
        skip();
    struct world *world = fresh(state);
    struct desk *one = desk_up(world, "e1", NULL), *two = desk_up(world, "e2", NULL);
    struct desk *three = desk_up(world, "e3", NULL), *client = desk_up(world, NULL, NULL);
    struct card card = card_nth(1, 3);
    struct uuid claim = uuid_nth(100);
    place(world, one, &card, 1);
    lock(world, one, &card, &claim, 2);
    for (unsigned i = 0; i < DESKS_MAX; i++)
        world->desks[i].worst_call_ms = 0;
    kill(server, SIGSTOP);
    fill_queues(one, 100);
    fill_queues(two, 100);
    run_for(world, 300);
    board_give_up(one->board); /* connected as it seems, with requests under way */
    board_close(three->board, 400);
    int64_t began_ms = clock_now_ms();
    AWAIT(world, one->ended == 1 && three->ended == 1);
    assert_true(clock_now_ms() - began_ms < 1000);
    assert_int_equal(one->outcome[100], BOARD_VOID);
    assert_int_equal(one->answers, 902);
    run_for(world, 2 * TIMEOUT_MS); /* two is cut off by its library, and tries again and again */
    board_give_up(two->board);
    AWAIT(world, two->ended == 1);
    began_ms = clock_now_ms();
    desk_close(world, client);
    int64_t freed_ms = clock_now_ms() - began_ms;
    run_for(world, 300);
    kill(server, SIGCONT);
    AWAIT(world, one->began == 2 && two->began == 2);
    AWAIT(world, !lock_stands(world, &card));
    for (unsigned i = 0; i < DESKS_MAX; i++) {
        print_message("longest call of board %u: %lld ms\n", i,
                      (long long)world->desks[i].worst_call_ms);
        assert_true(world->desks[i].worst_call_ms <= CALL_MAX_MS);
    }
    print_message("board_free with a stopped server: %lld ms\n", (long long)freed_ms);
    assert_true(freed_ms < 500);
    lock(world, one, &card, &claim, 3);
}

/* As long as it takes the session to expire: the answers are VOID, then the next boot begins. */
static void server_stopped_past_the_session(void **state)
{
    pid_t server = server_pid();
    if (!server)
        skip();
    struct world *world = fresh(state);
    struct desk *desk = desk_up(world, "e1", NULL);
    struct card card = card_nth(1, 3);
    struct uuid claim = uuid_nth(100), former = desk->boot;
    place(world, desk, &card, 1);
    lock(world, desk, &card, &claim, 2);
    desk->worst_call_ms = 0;
    kill(server, SIGSTOP);
    board_consume(desk->board, &desk->boot, &card, &claim, 3);
    run_for(world, 3 * TIMEOUT_MS);
    kill(server, SIGCONT);
    /* The server may have read the consume before it looked at its clock: then that counts. */
    AWAIT(world, desk->is_answered[3] && (desk->ended == 0 || desk->began == 2));
    run_for(world, 500);
    AWAIT(world, desk->ended == 0 || desk->began == 2);
    assert_false(lock_stands(world, &card));
    assert_true(desk->worst_call_ms <= CALL_MAX_MS);
    assert_int_equal(desk->ended == 0, uuid_equal(&former, &desk->boot));
    lock(world, desk, &card, &claim, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(missing_root_is_told_and_made_once, clean),
        cmocka_unit_test_teardown(anothers_board_is_stayed_out_of, clean),
        cmocka_unit_test_teardown(garbage_root_is_stayed_out_of, clean),
        cmocka_unit_test_teardown(giving_up_ends_all_at_once, clean),
        cmocka_unit_test_teardown(closing_closes_the_session, clean),
        cmocka_unit_test_teardown(freeing_closes_the_session, clean),
        cmocka_unit_test_teardown(cut_connection_resumes_and_misses_nothing, clean),
        cmocka_unit_test_teardown(expired_session_is_void, clean),
        cmocka_unit_test_teardown(session_closed_from_outside, clean),
        cmocka_unit_test_teardown(removed_engine_node_ends_the_session, clean),
        cmocka_unit_test_teardown(client_begins_anew_by_itself, clean),
        cmocka_unit_test_teardown(nobody_there_is_told_once, clean),
        cmocka_unit_test_teardown(any_list_finds_the_one_server, clean),
        cmocka_unit_test_teardown(mute_server_is_passed_over, clean),
        cmocka_unit_test_teardown(stopped_server_blocks_nobody, clean),
        cmocka_unit_test_teardown(server_stopped_past_the_session, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
