/* SPDX-License-Identifier: Apache-2.0 */
/* What a shard's repair makes of cards and rows that do not fit. */
#include "engine/core/tests/hand.h"

#define STRANGE_MAX 64 /* cards under suspicion at once */

/* The next repair: cards, then rows. */
static void repair(struct hand *hand, const struct card *cards, size_t card_count,
                   const struct job_row *rows, size_t row_count)
{
    while (!hand->waits[EFFECT_LIST])
        hand_live(hand, 100);
    hand_listed(hand, BOARD_OK, cards, card_count);
    while (hand->waits[EFFECT_READ_ROW])
        hand_rows(hand, EFFECT_READ_ROW, 0, NULL, 0);
    assert_true(hand->waits[EFFECT_SHARD_ROWS]);
    hand_rows(hand, EFFECT_SHARD_ROWS, 0, rows, row_count);
}

/* One job at a time, and none is to be had. */
static void begin(struct hand *hand)
{
    struct core_options options = hand_options();
    options.slots = 1;
    hand_begin(hand, &options);
    hand_session(hand);
}

static void a_card_without_a_row(void **state)
{
    struct hand hand;
    begin(&hand);
    struct card card = hand_card(&hand.row);
    repair(&hand, &card, 1, NULL, 0);
    assert_null(hand_find(&hand, EFFECT_REMOVE));
    hand_live(&hand, 58000);
    repair(&hand, &card, 1, NULL, 0);
    assert_null(hand_find(&hand, EFFECT_REMOVE));
    hand_live(&hand, 2000);
    repair(&hand, &card, 1, NULL, 0);
    assert_non_null(hand_find(&hand, EFFECT_REMOVE));
    hand_expect_trouble(&hand, "strange_card");
    assert_true(uuid_is_nil(&hand_find(&hand, EFFECT_TROUBLE)->u.trouble.job));
    hand_end(&hand);
}

/* A newer name than the row's may be its next one: it is suspected anew as another card. */
static void a_card_newer_than_its_row(void **state)
{
    struct hand hand;
    begin(&hand);
    struct card card = hand_card(&hand.row);
    card.ready_at_us++;
    repair(&hand, &card, 1, &hand.row, 1);
    hand_live(&hand, 61000);
    card.ready_at_us++;
    repair(&hand, &card, 1, &hand.row, 1);
    assert_null(hand_find(&hand, EFFECT_REMOVE));
    hand_live(&hand, 61000);
    repair(&hand, &card, 1, &hand.row, 1);
    assert_int_equal(hand_find(&hand, EFFECT_REMOVE)->u.board.card.ready_at_us, card.ready_at_us);
    hand_end(&hand);
}

static void not_all_strange_cards_at_once(void **state)
{
    struct hand hand;
    struct card cards[STRANGE_MAX + 1];
    begin(&hand);
    for (int i = 0; i <= STRANGE_MAX; i++) {
        cards[i] = hand_card(&hand.row);
        cards[i].job = hand_job(i + 1);
    }
    repair(&hand, cards, STRANGE_MAX + 1, NULL, 0);
    hand_live(&hand, 61000);
    repair(&hand, cards, STRANGE_MAX + 1, NULL, 0);
    assert_int_equal(hand_count(&hand, EFFECT_REMOVE), STRANGE_MAX);
    hand_end(&hand);
}

static void a_card_of_another_priority(void **state)
{
    struct hand hand;
    begin(&hand);
    struct card card = hand_card(&hand.row);
    card.priority = 0;
    repair(&hand, &card, 1, &hand.row, 1);
    assert_int_equal(hand_find(&hand, EFFECT_REMOVE)->u.board.card.priority, 0);
    assert_int_equal(hand_find(&hand, EFFECT_PLACE)->u.board.card.priority, PRIORITY_DEFAULT);
    hand_end(&hand);
}

/* A row of a later version is left as it is. */
static void a_row_of_a_later_format(void **state)
{
    struct hand hand;
    begin(&hand);
    hand.row.format = FORMAT_NOW + 1;
    repair(&hand, NULL, 0, &hand.row, 1);
    assert_null(hand_find(&hand, EFFECT_PLACE));
    hand_end(&hand);
}

/* The card stands here, its row says another pool, which the board does not show. */
static void a_card_in_the_wrong_pool(void **state)
{
    struct hand hand;
    begin(&hand);
    struct card card = hand_card(&hand.row);
    hand.row.pool = (struct pool){"0123456789abcdef"};
    hand.row.ready_at_us++;
    repair(&hand, &card, 1, &hand.row, 1);
    assert_string_equal(hand_find(&hand, EFFECT_REMOVE)->u.board.card.pool.name, "-");
    const struct core_effect *place = hand_find(&hand, EFFECT_PLACE);
    assert_string_equal(place->u.board.card.pool.name, "0123456789abcdef");
    assert_int_equal(place->u.board.tag_count, 0);
    hand_end(&hand);
}

/* More rows wait than cards are shown, and the shard runs dry while it is being listed: the repair
 * comes as soon as the listing is there. */
static void dry_while_listed(void **state)
{
    struct core_options options = hand_options();
    struct hand hand;
    struct card cards[4];
    struct job_row rows[5];
    options.slots = 1;
    options.window = 4;
    hand_begin(&hand, &options);
    for (int i = 0; i < 5; i++) {
        rows[i] = hand.row;
        rows[i].id = hand_job(i + 1);
        if (i < 4)
            cards[i] = hand_card(&rows[i]);
    }
    hand_session(&hand);
    hand_listed(&hand, BOARD_OK, cards, 4);
    hand_rows(&hand, EFFECT_SHARD_ROWS, 0, rows, 5);
    assert_int_equal(hand_count(&hand, EFFECT_PLACE), 1);
    struct core_event event = {.kind = EVENT_SHARD_CHANGED};
    event.u.shard.pool = (struct pool){"-"};
    hand_pass(&hand, 10);
    hand_tell(&hand, event);
    assert_true(hand.waits[EFFECT_LIST]);
    for (int i = 0; i < 3; i++) /* one after the other is looked at, and is no job of ours */
        hand_rows(&hand, EFFECT_READ_ROW, 0, NULL, 0);
    hand_pass(&hand, 20);
    hand_listed(&hand, BOARD_OK, cards, 4);
    assert_true(hand.waits[EFFECT_LIST]);
    hand_listed(&hand, BOARD_OK, cards, 4);
    assert_true(hand.waits[EFFECT_SHARD_ROWS]);
    hand_end(&hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_without_a_row),
        cmocka_unit_test(a_card_newer_than_its_row),
        cmocka_unit_test(not_all_strange_cards_at_once),
        cmocka_unit_test(a_card_of_another_priority),
        cmocka_unit_test(a_row_of_a_later_format),
        cmocka_unit_test(a_card_in_the_wrong_pool),
        cmocka_unit_test(dry_while_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
