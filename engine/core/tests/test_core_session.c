/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, their leases and members, and the ways out of them. */
#include "engine/core/tests/hand.h"

#define STEP TEXT("{flow: s, tasks: {a: {run: [x]}}}")

static void run_step(struct hand *hand)
{
    hand->flow_text = STEP;
    hand_run(hand);
    hand_saved(hand, SAVE_OK);
    assert_non_null(hand_find(hand, EFFECT_START_STEP));
}

static const char *lease_now(const struct hand *hand)
{
    const struct core_effect *moved = hand_find(hand, EFFECT_MOVED);
    return moved && moved->u.moved.what == MOVED_LEASE ? moved->u.moved.to : "as before";
}

static void prove_with(struct hand *hand, int boot, int64_t sent_ms)
{
    struct core_event event = {.kind = EVENT_ALIVE};
    event.u.session.boot = hand_boot(boot);
    event.u.session.sent_ms = sent_ms;
    hand_tell(hand, event);
}

/* A sign of life of another session proves nothing, and an old one not enough. */
static void what_proves_a_lease(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand_session(&hand);
    int64_t began_ms = hand.now_ms;
    hand_pass(&hand, 4000);
    prove_with(&hand, 77, hand.now_ms);
    hand_pass(&hand, 499);
    assert_string_equal(lease_now(&hand), "as before");
    hand_pass(&hand, 1);
    assert_string_equal(lease_now(&hand), "doubt");
    hand_pass(&hand, 500);
    prove_with(&hand, 1, began_ms + 400); /* sent 4.6 s ago */
    assert_string_equal(lease_now(&hand), "as before");
    hand_pass(&hand, 100);
    assert_string_equal(lease_now(&hand), "as before");
    prove_with(&hand, 1, began_ms + 1000);
    assert_string_equal(lease_now(&hand), "good");
    hand_end(&hand);
}

/* Told to stop between two sessions, with a step that does not die: the next session is closed as
 * soon as it is there, and nobody leaves before the step is dead. */
static void told_to_stop_between_sessions(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    run_step(&hand);
    hand_pass(&hand, 6000);
    assert_non_null(hand_find(&hand, EFFECT_GIVE_UP));
    assert_non_null(hand_find(&hand, EFFECT_STOP_STEP));
    hand_session_ended(&hand);
    hand_say(&hand, EVENT_DRAIN_NOW);
    assert_null(hand_find(&hand, EFFECT_EXIT));
    hand_session(&hand);
    struct core_event event = {.kind = EVENT_SESSION_ENDED};
    event.u.session.boot = hand.boot;
    hand_tell(&hand, event);
    assert_null(hand_find(&hand, EFFECT_EXIT));
    hand_step_ended(&hand, hand.step, "");
    assert_non_null(hand_find(&hand, EFFECT_EXIT));
    hand_end(&hand);
}

static void a_session_that_came_too_late_is_closed(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    run_step(&hand);
    hand_pass(&hand, 6000);
    hand_session_ended(&hand);
    hand_say(&hand, EVENT_DRAIN_NOW);
    struct core_event event = {.kind = EVENT_SESSION_BEGAN};
    event.u.session.boot = hand_boot(2);
    event.u.session.timeout_ms = HAND_TIMEOUT_MS;
    event.u.session.sent_ms = hand.now_ms;
    hand_tell(&hand, event);
    assert_non_null(hand_find(&hand, EFFECT_CLOSE));
    hand_end(&hand);
}

/* Ten seconds without Postgres while a peer has it: what we hold is better off there. */
static void stranded(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    run_step(&hand);
    hand_say(&hand, EVENT_STORE_DOWN);
    hand_live(&hand, 10000);
    assert_null(hand_find(&hand, EFFECT_GIVE_UP)); /* nobody else has it */
    hand_members(&hand, 1);
    hand_live(&hand, 9999);
    assert_null(hand_find(&hand, EFFECT_GIVE_UP));
    hand_pass(&hand, 1);
    assert_non_null(hand_find(&hand, EFFECT_GIVE_UP));
    assert_non_null(hand_find(&hand, EFFECT_STOP_STEP));
    hand_end(&hand);
}

static void stranded_with_nothing_in_hand(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand_session(&hand);
    hand_members(&hand, 1);
    hand_say(&hand, EVENT_STORE_DOWN);
    for (int i = 0; i < 4; i++) {
        hand_live(&hand, 10000);
        assert_null(hand_find(&hand, EFFECT_GIVE_UP));
    }
    hand_end(&hand);
}

static void the_rows_of_many_departed_boots(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand_session(&hand);
    hand_members(&hand, 20);
    hand_members(&hand, 0);
    assert_int_equal(hand_count(&hand, EFFECT_OWNED_ROWS), 20);
    hand.row.state = JOB_RUNNING;
    hand.row.owner = hand_boot(101);
    hand_rows(&hand, EFFECT_OWNED_ROWS, 0, &hand.row, 1);
    assert_non_null(hand_find(&hand, EFFECT_LOCK));
    hand_end(&hand);
}

/* The list of members is late and does not show us yet: nobody has left. */
static void our_own_boot_does_not_depart(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand_session(&hand);
    struct member other = {.boot = hand_boot(101), .name = TEXT("other"), .dividing = true};
    struct core_event event = {.kind = EVENT_MEMBERS};
    event.u.members.list = &other;
    event.u.members.count = 1;
    hand_tell(&hand, event);
    assert_int_equal(hand_count(&hand, EFFECT_OWNED_ROWS), 0);
    assert_int_equal(hand_count(&hand, EFFECT_UNWATCH), 1);
    hand_end(&hand);
}

/* The audit finds our job's row under another claim: its step dies now. */
static void a_claim_that_is_another_s(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    run_step(&hand);
    hand_live(&hand, 3000);
    assert_true(hand.waits[EFFECT_OWNED_ROWS]);
    struct job_row row = hand.row;
    row.claim = (struct uuid){{9}};
    hand_rows(&hand, EFFECT_OWNED_ROWS, 0, &row, 1);
    hand_expect_trouble(&hand, "dropped");
    assert_int_equal(hand_find(&hand, EFFECT_STOP_STEP)->u.stop.grace_ms, 0);
    hand_end(&hand);
}

static void pools_before_a_session(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    struct pool_info pool = {.pool = {"-"}};
    struct core_event event = {.kind = EVENT_POOLS};
    event.u.pools.list = &pool;
    event.u.pools.count = 1;
    hand_tell(&hand, event);
    assert_null(hand_find(&hand, EFFECT_LIST));
    hand_end(&hand);
}

/* One to whom the shard does not go. */
static void let_a_peer_in(struct hand *hand)
{
    struct member list[2] = {{.boot = hand->boot, .name = TEXT("hand"), .dividing = true},
                             {.name = TEXT("other"), .dividing = true}};
    struct core_event event = {.kind = EVENT_MEMBERS};
    event.u.members.list = list;
    event.u.members.count = 2;
    for (int number = 100; number < 200; number++) {
        list[1].boot = hand_boot(number);
        hand_tell(hand, event);
        if (!hand_find(hand, EFFECT_UNWATCH))
            return;
        hand_members(hand, 0);
        hand_listed(hand, BOARD_OK, NULL, 0);
        hand_rows(hand, EFFECT_SHARD_ROWS, 0, NULL, 0);
    }
}

/* Posted, run and ended: an engine of one slot that is full and free again. Returns how long it
 * was full until it left the division, in steps of 100 ms. */
static int64_t be_full(struct hand *hand)
{
    int64_t ms = 0;
    hand->row.id.bytes[15]++;
    hand->row.state = JOB_READY;
    hand->row.epoch = 0;
    for (int i = 0; i < 2000 && !hand->waits[EFFECT_LIST]; i++)
        hand_live(hand, 10);
    struct card card = hand_card(&hand->row);
    hand_listed(hand, BOARD_OK, &card, 1);
    if (hand->waits[EFFECT_SHARD_ROWS])
        hand_rows(hand, EFFECT_SHARD_ROWS, 0, &hand->row, 1);
    for (bool left = false; !left && ms < 60000; ms += 100) {
        hand_live(hand, 100);
        const struct core_effect *divide = hand_find(hand, EFFECT_DIVIDE);
        left = divide && !divide->u.flag;
    }
    hand_rows(hand, EFFECT_READ_ROW, 0, NULL, 0);
    assert_true(hand_find(hand, EFFECT_DIVIDE)->u.flag);
    return ms;
}

/* Each time it is back soon it stays for twice as long, up to half a minute. */
static void full_again_and_again(void **state)
{
    static const int64_t pauses_ms[] = {100,  200,   400,   800,   1600, 3200,
                                        6400, 12800, 25600, 30000, 30000};
    struct core_options options = hand_options();
    struct hand hand;
    options.slots = 1;
    hand_begin(&hand, &options);
    hand_session(&hand);
    hand_listed(&hand, BOARD_OK, NULL, 0);
    hand_rows(&hand, EFFECT_SHARD_ROWS, 0, NULL, 0);
    let_a_peer_in(&hand);
    hand_live(&hand, 2000);
    for (size_t i = 0; i < sizeof pauses_ms / sizeof pauses_ms[0]; i++)
        assert_int_equal(be_full(&hand), pauses_ms[i]);
    hand_end(&hand);
}

static void what_is_held(void **state)
{
    struct hand hand;
    struct core_held held;
    hand_begin(&hand, NULL);
    run_step(&hand);
    assert_int_equal(core_held_jobs(hand.core, NULL, 0), 1);
    assert_int_equal(core_held_jobs(hand.core, &held, 1), 1);
    assert_true(uuid_equal(&held.job, &hand.row.id));
    assert_int_equal(held.steps, 1);
    hand_end(&hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_proves_a_lease),
        cmocka_unit_test(told_to_stop_between_sessions),
        cmocka_unit_test(a_session_that_came_too_late_is_closed),
        cmocka_unit_test(stranded),
        cmocka_unit_test(stranded_with_nothing_in_hand),
        cmocka_unit_test(the_rows_of_many_departed_boots),
        cmocka_unit_test(our_own_boot_does_not_depart),
        cmocka_unit_test(a_claim_that_is_another_s),
        cmocka_unit_test(pools_before_a_session),
        cmocka_unit_test(full_again_and_again),
        cmocka_unit_test(what_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
