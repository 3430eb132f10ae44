/* SPDX-License-Identifier: Apache-2.0 */
/* From a card to a claim and back, with every answer that the board and the store may give. */
#include "base/alloc.h"
#include "base/error.h"
#include "engine/core/tests/hand.h"

#include <stdlib.h>

#define MINUTE_MS 60000

/* The board shows these cards from now on. */
static void list_again(struct hand *hand, const struct card *cards, size_t count)
{
    struct core_event event = {.kind = EVENT_SHARD_CHANGED};
    event.u.shard.pool = (struct pool){"-"};
    if (hand->waits[EFFECT_SHARD_ROWS])
        hand_rows(hand, EFFECT_SHARD_ROWS, ERR_UNKNOWN, NULL, 0);
    if (!hand->waits[EFFECT_LIST])
        hand_tell(hand, event);
    if (!hand->waits[EFFECT_LIST])
        hand_pass(hand, 10);
    hand_listed(hand, BOARD_OK, cards, count);
}

/* Whether the job's card makes the core read its row. */
static bool is_read_again(struct hand *hand)
{
    struct card card = hand_card(&hand->row);
    uint64_t tag = hand->tags[EFFECT_READ_ROW];
    list_again(hand, &card, 1);
    return hand->tags[EFFECT_READ_ROW] != tag;
}

static void a_lock_that_the_board_refuses(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand_lock(&hand);
    hand_board(&hand, EFFECT_LOCK, BOARD_REFUSED);
    hand_expect_trouble(&hand, "lock_refused");
    assert_null(hand_find(&hand, EFFECT_UNLOCK)); /* it was never sent */
    assert_false(is_read_again(&hand));
    hand_live(&hand, MINUTE_MS);
    assert_true(is_read_again(&hand));
    hand_end(&hand);
}

static void a_row_that_is_not_for_us(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand.row.format = FORMAT_NOW + 1;
    hand_lock(&hand);
    assert_null(hand_find(&hand, EFFECT_LOCK));
    hand_live(&hand, MINUTE_MS / 2);
    assert_false(is_read_again(&hand));
    hand_live(&hand, MINUTE_MS / 2);
    hand.row.format = FORMAT_NOW;
    hand.row.on_hold = true; /* somebody else may not claim it for a second */
    assert_true(is_read_again(&hand));
    hand_rows(&hand, EFFECT_READ_ROW, 0, &hand.row, 1);
    assert_null(hand_find(&hand, EFFECT_LOCK));
    assert_false(is_read_again(&hand));
    hand_live(&hand, 1000);
    hand.row.on_hold = false;
    assert_true(is_read_again(&hand));
    hand_rows(&hand, EFFECT_READ_ROW, 0, &hand.row, 1);
    assert_non_null(hand_find(&hand, EFFECT_LOCK));
    hand_end(&hand);
}

/* The row is locked by another statement for long: after forty tries somebody else may try. */
static void a_row_that_stays_busy(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand_claim(&hand);
    for (int i = 0; i < 40; i++) {
        hand_claimed(&hand, CLAIM_BUSY);
        assert_null(hand_find(&hand, EFFECT_UNLOCK));
        hand_pass(&hand, 50);
        assert_int_equal(hand_count(&hand, EFFECT_CLAIM), 1);
        hand_prove(&hand);
    }
    hand_claimed(&hand, CLAIM_BUSY);
    assert_non_null(hand_find(&hand, EFFECT_UNLOCK));
    hand_end(&hand);
}

static void told_to_stop_while_a_row_is_busy(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand_claim(&hand);
    hand_claimed(&hand, CLAIM_BUSY);
    hand_say(&hand, EVENT_DRAIN_NOW);
    assert_non_null(hand_find(&hand, EFFECT_UNLOCK));
    assert_non_null(hand_find(&hand, EFFECT_CLOSE));
    hand_pass(&hand, 50);
    assert_null(hand_find(&hand, EFFECT_CLAIM));
    assert_null(hand_find(&hand, EFFECT_UNLOCK));
    hand_end(&hand);
}

static void a_row_that_is_gone_and_an_unlock_refused(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand_claim(&hand);
    hand_claimed(&hand, CLAIM_GONE);
    assert_non_null(hand_find(&hand, EFFECT_UNLOCK));
    hand_board(&hand, EFFECT_UNLOCK, BOARD_REFUSED);
    hand_expect_trouble(&hand, "unlock_refused");
    hand_pass(&hand, 199);
    assert_null(hand_find(&hand, EFFECT_UNLOCK));
    hand_pass(&hand, 1);
    assert_non_null(hand_find(&hand, EFFECT_UNLOCK));
    hand_board(&hand, EFFECT_UNLOCK, BOARD_OK);
    assert_false(is_read_again(&hand));
    hand_end(&hand);
}

static void rows_that_cannot_be_read(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand_load(&hand);
    hand_loaded(&hand, LOAD_INVALID);
    hand_expect_trouble(&hand, "rows_invalid");
    assert_non_null(hand_find(&hand, EFFECT_UNLOCK));
    hand_end(&hand);
}

static struct card *many_cards(const struct hand *hand, size_t count)
{
    struct card *cards = xcalloc(count, sizeof *cards);
    for (size_t i = 0; i < count; i++) {
        cards[i] = hand_card(&hand->row);
        cards[i].job = hand_job((int)i + 1);
    }
    return cards;
}

static void not_too_many_claims_at_once(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    struct card *cards = many_cards(&hand, 300);
    hand_session(&hand);
    hand_listed(&hand, BOARD_OK, cards, 300);
    assert_int_equal(hand_count(&hand, EFFECT_READ_ROW), 256);
    hand_rows(&hand, EFFECT_READ_ROW, 0, NULL, 0);
    assert_int_equal(hand_count(&hand, EFFECT_READ_ROW), 1);
    free(cards);
    hand_end(&hand);
}

/* Jobs to be left alone are remembered up to a number; then the oldest are forgotten. */
static void what_is_left_alone_is_bounded(void **state)
{
    size_t count = 100001, asked = 0;
    struct hand hand;
    hand_begin(&hand, NULL);
    struct card *cards = many_cards(&hand, count);
    uint64_t *tags = xcalloc(count, sizeof *tags);
    hand_session(&hand);
    hand_listed(&hand, BOARD_OK, cards, count);
    for (size_t answered = 0; answered < count; answered++) {
        for (size_t i = 0; i < hand.effects.count; i++) {
            if (hand.effects.list[i].kind == EFFECT_READ_ROW)
                tags[asked++] = hand.effects.list[i].tag;
        }
        assert_true(answered < asked);
        hand.tags[EFFECT_READ_ROW] = tags[answered];
        hand_rows(&hand, EFFECT_READ_ROW, 0, NULL, 0);
    }
    list_again(&hand, cards, 3);
    assert_int_equal(hand_count(&hand, EFFECT_READ_ROW), 1);
    assert_true(uuid_equal(&hand_find(&hand, EFFECT_READ_ROW)->u.row.job, &cards[0].job));
    free(cards);
    free(tags);
    hand_end(&hand);
}

/* What was read of a placement that was ours is no news, what is newer is. */
static void the_placement_after_ours(void **state)
{
    for (int newer = 0; newer < 2; newer++) {
        struct hand hand;
        hand_begin(&hand, NULL);
        hand_run(&hand);
        hand_saved(&hand, SAVE_OK);
        hand_board(&hand, EFFECT_CONSUME, BOARD_OK);
        struct job_row row = hand.row;
        row.state = JOB_READY;
        row.ready_at_us += newer;
        hand_live(&hand, 1000);
        hand_listed(&hand, BOARD_OK, NULL, 0);
        hand_rows(&hand, EFFECT_SHARD_ROWS, 0, &row, 1);
        assert_int_equal(hand_count(&hand, EFFECT_PLACE), newer);
        hand_end(&hand);
    }
}

/* Tags come round after a million; none of them is 0, which means none. */
static void tags_come_round(void **state)
{
    struct hand hand;
    hand_begin(&hand, NULL);
    hand_run(&hand);
    uint64_t first = hand.tags[EFFECT_SAVE];
    for (int i = 0; i < (1 << 20) - 1; i++) {
        hand_saved(&hand, SAVE_UNKNOWN);
        assert_int_equal(hand_count(&hand, EFFECT_SAVE), 1);
        assert_true((hand.tags[EFFECT_SAVE] & ((1 << 20) - 1)) != 0);
    }
    assert_int_equal(hand.tags[EFFECT_SAVE], first);
    hand_end(&hand);
}

static void nothing_is_given_back_of_nothing(void **state)
{
    core_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_that_the_board_refuses),
        cmocka_unit_test(a_row_that_is_not_for_us),
        cmocka_unit_test(a_row_that_stays_busy),
        cmocka_unit_test(told_to_stop_while_a_row_is_busy),
        cmocka_unit_test(a_row_that_is_gone_and_an_unlock_refused),
        cmocka_unit_test(rows_that_cannot_be_read),
        cmocka_unit_test(not_too_many_claims_at_once),
        cmocka_unit_test(what_is_left_alone_is_bounded),
        cmocka_unit_test(the_placement_after_ours),
        cmocka_unit_test(tags_come_round),
        cmocka_unit_test(nothing_is_given_back_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
