/* SPDX-License-Identifier: Apache-2.0 */
/* The board's half of the contract: locks, cards, listings, lost answers, ended sessions. */
#include "base/placement.h"
#include "engine/sim/tests/contract.h"

#define SHARD 3

static struct card card_nth(uint8_t n)
{
    struct card card = {.pool = {"-"}, .shard = SHARD, .priority = 5, .ready_at_us = 1000 + n};
    card.job.bytes[15] = n;
    card.job.bytes[6] = 0x70;
    card.job.bytes[8] = 0x80;
    return card;
}

static struct uuid claim_nth(uint8_t n)
{
    struct uuid claim = {{n, 1, 2, 3, 4, 5, 0x40, 7, 0x80}};
    return claim;
}

static enum board_outcome lock(struct contract_board *board, int client, const struct card *card,
                               const struct uuid *claim)
{
    board->lock(board->self, client, NULL, card, claim, 800);
    return board->await(board->self, client, 800);
}

static enum board_outcome unlock(struct contract_board *board, int client, const struct card *card,
                                 const struct uuid *claim)
{
    board->unlock(board->self, client, card, claim, 801);
    return board->await(board->self, client, 801);
}

static enum board_outcome consume(struct contract_board *board, int client, const struct card *card,
                                  const struct uuid *claim)
{
    board->consume(board->self, client, NULL, card, claim, 802);
    return board->await(board->self, client, 802);
}

static bool locked(struct contract_board *board, const struct card *card)
{
    return board->lock_stands(board->self, card);
}

static bool placed(struct contract_board *board, const struct card *card)
{
    return board->card_stands(board->self, card);
}

/* --------------------------------------------------------------------------------------- in peace
 */

static void a_job_goes_its_way(struct contract_board *board)
{
    struct card card = card_nth(1);
    struct uuid claim = claim_nth(1);
    board->place(board->self, A, &card);
    assert_true(placed(board, &card));
    assert_int_equal(lock(board, A, &card, &claim), BOARD_OK);
    assert_true(locked(board, &card));
    assert_int_equal(consume(board, A, &card, &claim), BOARD_OK);
    assert_false(locked(board, &card));
    assert_false(placed(board, &card));
}

static void a_lock_is_one_engines(struct contract_board *board)
{
    struct card card = card_nth(1);
    struct uuid mine = claim_nth(1), theirs = claim_nth(2);
    board->place(board->self, A, &card);
    assert_int_equal(lock(board, A, &card, &mine), BOARD_OK);
    assert_int_equal(lock(board, B, &card, &theirs), BOARD_TAKEN);
    assert_int_equal(unlock(board, B, &card, &theirs), BOARD_TAKEN);
    assert_true(locked(board, &card));
    assert_int_equal(unlock(board, A, &card, &mine), BOARD_OK);
    assert_false(locked(board, &card));
    assert_true(placed(board, &card));
    assert_int_equal(lock(board, B, &card, &theirs), BOARD_OK);
}

static void a_lock_asked_for_again_is_held(struct contract_board *board)
{
    struct card card = card_nth(1);
    struct uuid claim = claim_nth(1), other = claim_nth(2);
    board->place(board->self, A, &card);
    assert_int_equal(lock(board, A, &card, &claim), BOARD_OK);
    assert_int_equal(lock(board, A, &card, &claim), BOARD_OK);
    assert_int_equal(lock(board, A, &card, &other), BOARD_TAKEN);
}

static void a_missing_card_comes_with_the_lock(struct contract_board *board)
{
    struct card first = card_nth(9), card = card_nth(1);
    struct uuid claim = claim_nth(1);
    board->place(board->self, A, &first); /* the pool has its folder */
    assert_int_equal(lock(board, A, &card, &claim), BOARD_OK);
    assert_true(locked(board, &card));
    assert_true(placed(board, &card));
}

static void an_absent_lock_is_proven_absent(struct contract_board *board)
{
    struct card card = card_nth(1);
    struct uuid claim = claim_nth(1);
    board->place(board->self, A, &card);
    assert_int_equal(unlock(board, A, &card, &claim), BOARD_OK);
    assert_true(placed(board, &card));
}

static void a_consume_without_its_card_unlocks(struct contract_board *board)
{
    struct card card = card_nth(1);
    struct uuid claim = claim_nth(1);
    board->place(board->self, A, &card);
    assert_int_equal(lock(board, A, &card, &claim), BOARD_OK);
    board->remove(board->self, B, &card);
    assert_int_equal(consume(board, A, &card, &claim), BOARD_OK);
    assert_false(locked(board, &card));
}

static void a_release_renames_the_card(struct contract_board *board)
{
    struct card card = card_nth(1), fresh = card;
    struct uuid claim = claim_nth(1);
    fresh.ready_at_us += 500;
    board->place(board->self, A, &card);
    assert_int_equal(lock(board, A, &card, &claim), BOARD_OK);
    board->release(board->self, A, &card, &fresh, &claim, 1);
    assert_int_equal(board->await(board->self, A, 1), BOARD_OK);
    assert_false(locked(board, &card));
    assert_false(placed(board, &card));
    assert_true(placed(board, &fresh));
}

/* The new name stands already: the multi fails as a whole, and the lock goes all the same. */
static void a_release_that_meets_its_card_unlocks(struct contract_board *board)
{
    struct card card = card_nth(1), fresh = card;
    struct uuid claim = claim_nth(1);
    fresh.ready_at_us += 500;
    board->place(board->self, A, &card);
    board->place(board->self, B, &fresh);
    assert_int_equal(lock(board, A, &card, &claim), BOARD_OK);
    board->release(board->self, A, &card, &fresh, &claim, 1);
    assert_int_equal(board->await(board->self, A, 1), BOARD_OK);
    assert_false(locked(board, &card));
    assert_true(placed(board, &fresh));
}

static void a_placed_card_may_be_placed_again(struct contract_board *board)
{
    struct card card = card_nth(1);
    board->place(board->self, A, &card);
    board->place(board->self, B, &card);
    board->remove(board->self, A, &card);
    board->remove(board->self, B, &card);
    assert_false(placed(board, &card));
}

static void a_listing_is_sorted(struct contract_board *board)
{
    struct contract_cards cards;
    for (uint8_t n = 5; n > 0; n--) {
        struct card card = card_nth(n);
        board->place(board->self, A, &card);
    }
    board->list(board->self, A, SHARD, &cards);
    assert_int_equal(cards.outcome, BOARD_OK);
    assert_int_equal(cards.count, 5);
    for (uint8_t n = 1; n <= 5; n++) {
        struct card card = card_nth(n);
        assert_true(card_equal(&cards.cards[n - 1], &card));
    }
    board->list(board->self, A, SHARD + 1, &cards);
    assert_int_equal(cards.outcome, BOARD_OK);
    assert_int_equal(cards.count, 0);
}

/* One listing, one word of change, whatever happens after it. */
static void a_watch_fires_once(struct contract_board *board)
{
    struct contract_cards cards;
    struct card one = card_nth(1), two = card_nth(2), three = card_nth(3);
    board->place(board->self, B, &one);
    board->list(board->self, A, SHARD, &cards);
    unsigned before = board->changes(board->self, A);
    board->place(board->self, B, &two);
    assert_int_equal(board->changes(board->self, A), before + 1);
    board->place(board->self, B, &three);
    assert_int_equal(board->changes(board->self, A), before + 1);
    board->list(board->self, A, SHARD, &cards);
    assert_int_equal(cards.count, 3);
    board->remove(board->self, B, &two);
    assert_int_equal(board->changes(board->self, A), before + 2);
}

/* ----------------------------------------------------------------------------- sessions and losses
 */

static void another_sessions_request_is_void(struct contract_board *board)
{
    struct card card = card_nth(1);
    struct uuid claim = claim_nth(1), former = board->boot(board->self, A);
    board->place(board->self, B, &card);
    board->give_up(board->self);
    struct uuid present = board->boot(board->self, A);
    assert_false(uuid_equal(&former, &present));
    board->lock(board->self, A, &former, &card, &claim, 1);
    assert_int_equal(board->await(board->self, A, 1), BOARD_VOID);
    assert_false(locked(board, &card));
}

static void locks_go_with_their_session(struct contract_board *board)
{
    struct card card = card_nth(1);
    struct uuid mine = claim_nth(1), theirs = claim_nth(2);
    board->place(board->self, B, &card);
    assert_int_equal(lock(board, A, &card, &mine), BOARD_OK);
    board->give_up(board->self);
    board->await_gone(board->self, &card);
    assert_true(placed(board, &card));
    assert_int_equal(lock(board, B, &card, &theirs), BOARD_OK);
    assert_int_equal(unlock(board, A, &card, &mine), BOARD_TAKEN);
    assert_true(locked(board, &card));
}

/* Whatever is answered: the lock stands if it is said to, and goes when it is asked to. */
static void a_lost_lock_is_proven_or_unknown(struct contract_board *board)
{
    struct card card = card_nth(1);
    struct uuid claim = claim_nth(1);
    board->place(board->self, B, &card);
    board->lose_answer(board->self);
    enum board_outcome outcome = lock(board, A, &card, &claim);
    assert_true(outcome == BOARD_OK || outcome == BOARD_UNKNOWN);
    if (outcome == BOARD_OK)
        assert_true(locked(board, &card));
    while ((outcome = unlock(board, A, &card, &claim)) == BOARD_UNKNOWN)
        ;
    assert_int_equal(outcome, BOARD_OK);
    assert_false(locked(board, &card));
}

static void a_lost_consume_is_proven_or_unknown(struct contract_board *board)
{
    struct card card = card_nth(1);
    struct uuid claim = claim_nth(1);
    board->place(board->self, B, &card);
    assert_int_equal(lock(board, A, &card, &claim), BOARD_OK);
    board->lose_answer(board->self);
    enum board_outcome outcome = consume(board, A, &card, &claim);
    assert_true(outcome == BOARD_OK || outcome == BOARD_UNKNOWN);
    while (outcome == BOARD_UNKNOWN)
        outcome = unlock(board, A, &card, &claim);
    assert_int_equal(outcome, BOARD_OK);
    assert_false(locked(board, &card));
}

/* A consume is held up until its session has ended and a peer has the lock: it does nothing. */
static void a_late_consume_leaves_the_peers_lock(struct contract_board *board)
{
    struct card card = card_nth(1);
    struct uuid mine = claim_nth(1), theirs = claim_nth(2);
    board->place(board->self, B, &card);
    assert_int_equal(lock(board, A, &card, &mine), BOARD_OK);
    board->hold(board->self);
    board->consume(board->self, A, NULL, &card, &mine, 1);
    board->give_up(board->self);
    assert_int_equal(board->await(board->self, A, 1), BOARD_VOID);
    board->await_gone(board->self, &card);
    assert_int_equal(lock(board, B, &card, &theirs), BOARD_OK);
    board->let_go(board->self);
    assert_int_equal(unlock(board, A, &card, &mine), BOARD_TAKEN);
    assert_true(locked(board, &card));
    assert_true(placed(board, &card));
}

#define T(name)                                                                                    \
    {                                                                                              \
        "board: " #name, name                                                                      \
    }

const struct contract_board_test contract_board_tests[] = {
    T(a_job_goes_its_way),
    T(a_lock_is_one_engines),
    T(a_lock_asked_for_again_is_held),
    T(a_missing_card_comes_with_the_lock),
    T(an_absent_lock_is_proven_absent),
    T(a_consume_without_its_card_unlocks),
    T(a_release_renames_the_card),
    T(a_release_that_meets_its_card_unlocks),
    T(a_placed_card_may_be_placed_again),
    T(a_listing_is_sorted),
    T(a_watch_fires_once),
    T(another_sessions_request_is_void),
    T(locks_go_with_their_session),
    T(a_lost_lock_is_proven_or_unknown),
    T(a_lost_consume_is_proven_or_unknown),
    T(a_late_consume_leaves_the_peers_lock),
    {NULL, NULL},
};
