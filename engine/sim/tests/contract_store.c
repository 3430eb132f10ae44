/* SPDX-License-Identifier: Apache-2.0 */
/* The store's half of the contract: claims, loads and saves, alone and in each other's way. */
#include <string.h>

#include "engine/sim/tests/contract.h"

/* --------------------------------------------------------------------------------------- requests
 */

static struct claim_request claim_request(struct contract_store *store, const struct uuid *job,
                                          int64_t epoch_seen)
{
    return (struct claim_request){.job = *job,
                                  .epoch_seen = epoch_seen,
                                  .claim = store->fresh_uuid(store->self),
                                  .owner = store->fresh_uuid(store->self),
                                  .engine = TEXT("e1")};
}

static struct contract_answer claim(struct contract_store *store, int client,
                                    const struct claim_request *request)
{
    struct contract_answer answer;
    store->claim(store->self, client, request, 900);
    store->await(store->self, client, 900, &answer);
    return answer;
}

static struct contract_answer save(struct contract_store *store, int client,
                                   const struct save *save)
{
    struct contract_answer answer;
    store->save(store->self, client, save, 901);
    store->await(store->self, client, 901, &answer);
    return answer;
}

static struct contract_answer load(struct contract_store *store, int client, const struct uuid *job,
                                   const struct uuid *token)
{
    struct contract_answer answer;
    store->load(store->self, client, job, token, 902);
    store->await(store->self, client, 902, &answer);
    return answer;
}

static struct job_row row(struct contract_store *store, const struct uuid *job)
{
    struct contract_answer answer;
    store->row(store->self, B, job, 903);
    store->await(store->self, B, 903, &answer);
    assert_true(answer.found);
    return answer.row;
}

/* A posted job that A claimed. */
static struct job_row claimed(struct contract_store *store)
{
    struct uuid job = store->post(store->self);
    struct claim_request request = claim_request(store, &job, 0);
    struct contract_answer answer = claim(store, A, &request);
    assert_int_equal(answer.claim, CLAIM_OK);
    return answer.row;
}

/* Task `one` ends, under the claim of `row`. */
static struct save step_save(const struct job_row *row)
{
    static const struct task_change task = {
        .row = {.path = {"one", 3}, .state = TASK_SUCCESS, .attempt = 1, .result = {"1.10", 4}},
        .begins = true,
        .ends = true};
    static const struct history_line lines[] = {
        {.task = {"one", 3}, .attempt = 1, .state = TASK_RUNNING},
        {.task = {"one", 3}, .attempt = 1, .state = TASK_SUCCESS}};
    return (struct save){.job = row->id,
                         .epoch = row->epoch,
                         .claim = row->claim,
                         .save_no = row->save_no,
                         .state = JOB_RUNNING,
                         .inbox_seen = row->inbox_seq,
                         .inbox_applied = row->inbox_applied,
                         .records_step = true,
                         .engine = TEXT("e1"),
                         .tasks = &task,
                         .task_count = 1,
                         .history = lines,
                         .history_count = 2};
}

static struct save ending_save(const struct job_row *row, enum job_state state)
{
    static const struct history_line success = {.state = JOB_SUCCESS};
    static const struct history_line ready = {.state = JOB_READY};
    static const struct history_line failure = {.state = JOB_FAILURE};
    return (struct save){.job = row->id,
                         .epoch = row->epoch,
                         .claim = row->claim,
                         .save_no = row->save_no,
                         .state = state,
                         .ends_claim = true,
                         .inbox_seen = row->inbox_seq,
                         .inbox_applied = row->inbox_applied,
                         .engine = TEXT("e1"),
                         .history = state == JOB_READY     ? &ready
                                    : state == JOB_FAILURE ? &failure
                                                           : &success,
                         .history_count = 1};
}

/* ------------------------------------------------------------------------------------ in peace */

static void a_job_goes_its_way(struct contract_store *store)
{
    struct uuid job = store->post(store->self);
    assert_int_equal(row(store, &job).state, JOB_READY);
    assert_true(row(store, &job).is_recent);
    struct claim_request request = claim_request(store, &job, 0);
    struct contract_answer answer = claim(store, A, &request);
    assert_int_equal(answer.claim, CLAIM_OK);
    assert_int_equal(answer.state_before, JOB_READY);
    assert_int_equal(answer.row.state, JOB_RUNNING);
    assert_int_equal(answer.row.epoch, 1);
    struct job_row mine = answer.row;
    assert_int_equal(load(store, A, &job, &request.claim).task_count, 0);
    struct save step = step_save(&mine);
    assert_int_equal(save(store, A, &step).save, SAVE_OK);
    mine.save_no++;
    answer = load(store, A, &job, &request.claim);
    assert_int_equal(answer.load, LOAD_OK);
    assert_int_equal(answer.row.save_no, 1);
    assert_int_equal(answer.task_count, 1);
    assert_string_equal(answer.tasks[0].path, "one");
    assert_string_equal(answer.tasks[0].result, "1.10");
    struct save end = ending_save(&mine, JOB_SUCCESS);
    assert_int_equal(save(store, A, &end).save, SAVE_OK);
    assert_int_equal(row(store, &job).state, JOB_SUCCESS);
    assert_int_equal(row(store, &job).save_no, 2);
}

static void a_claim_needs_the_epoch_it_saw(struct contract_store *store)
{
    struct job_row mine = claimed(store);
    struct claim_request stale = claim_request(store, &mine.id, 0);
    assert_int_equal(claim(store, B, &stale).claim, CLAIM_CHANGED);
    struct claim_request fresh = claim_request(store, &mine.id, 1);
    struct contract_answer answer = claim(store, B, &fresh);
    assert_int_equal(answer.claim, CLAIM_OK);
    assert_int_equal(answer.state_before, JOB_RUNNING);
    assert_int_equal(answer.row.epoch, 2);
    assert_int_equal(answer.row.unclean, 1);
}

static void a_claim_needs_a_claimable_row(struct contract_store *store)
{
    struct job_row mine = claimed(store);
    struct save end = ending_save(&mine, JOB_SUCCESS);
    assert_int_equal(save(store, A, &end).save, SAVE_OK);
    struct claim_request ended = claim_request(store, &mine.id, 1);
    assert_int_equal(claim(store, B, &ended).claim, CLAIM_CHANGED);
    struct uuid nobody = store->fresh_uuid(store->self);
    struct claim_request missing = claim_request(store, &nobody, 0);
    assert_int_equal(claim(store, B, &missing).claim, CLAIM_GONE);
}

static void a_hold_keeps_others_out(struct contract_store *store)
{
    struct job_row mine = claimed(store);
    store->hold(store->self, &mine.id, 60000);
    assert_true(row(store, &mine.id).on_hold);
    struct claim_request request = claim_request(store, &mine.id, 1);
    assert_int_equal(claim(store, B, &request).claim, CLAIM_CHANGED);
    store->hold(store->self, &mine.id, 0);
    assert_false(row(store, &mine.id).on_hold);
    assert_int_equal(claim(store, B, &request).claim, CLAIM_OK);
}

static void a_claim_sent_again_is_mine(struct contract_store *store)
{
    struct uuid job = store->post(store->self);
    struct claim_request request = claim_request(store, &job, 0);
    assert_int_equal(claim(store, A, &request).claim, CLAIM_OK);
    struct contract_answer again = claim(store, A, &request);
    assert_int_equal(again.claim, CLAIM_OK);
    assert_int_equal(again.row.epoch, 1);
    assert_int_equal(again.state_before, JOB_READY);
    struct claim_request takeover = claim_request(store, &job, 1);
    assert_int_equal(claim(store, B, &takeover).claim, CLAIM_OK);
    again = claim(store, B, &takeover);
    assert_int_equal(again.claim, CLAIM_OK);
    assert_int_equal(again.row.epoch, 2);
    assert_int_equal(again.state_before, JOB_RUNNING);
    assert_int_equal(claim(store, A, &request).claim, CLAIM_CHANGED);
}

static void a_load_needs_its_claim(struct contract_store *store)
{
    struct job_row mine = claimed(store);
    struct uuid other = store->fresh_uuid(store->self);
    assert_int_equal(load(store, B, &mine.id, &other).load, LOAD_REFUSED);
    assert_int_equal(load(store, B, &mine.id, &mine.claim).load, LOAD_OK);
}

/* ------------------------------------------------------------------------------------- the fence
 */

static void a_save_sent_again_applies_once(struct contract_store *store)
{
    struct job_row mine = claimed(store);
    struct save step = step_save(&mine);
    assert_int_equal(save(store, A, &step).save, SAVE_OK);
    assert_int_equal(save(store, A, &step).save, SAVE_ALREADY);
    assert_int_equal(row(store, &mine.id).save_no, 1);
    step.save_no = 2;
    assert_int_equal(save(store, A, &step).save, SAVE_REFUSED);
    assert_int_equal(row(store, &mine.id).save_no, 1);
}

static void an_ending_save_sent_again_is_known(struct contract_store *store)
{
    struct job_row mine = claimed(store);
    struct save end = ending_save(&mine, JOB_READY);
    struct contract_answer first = save(store, A, &end), second = save(store, A, &end);
    assert_int_equal(first.save, SAVE_OK);
    assert_int_equal(second.save, SAVE_ALREADY);
    assert_true(first.ready_at_us == second.ready_at_us);
    assert_true(first.ready_at_us > mine.ready_at_us);
    assert_true(row(store, &mine.id).ready_at_us == first.ready_at_us);
}

static void placements_have_ever_later_names(struct contract_store *store)
{
    struct job_row mine = claimed(store);
    int64_t newest_us = mine.ready_at_us;
    for (int64_t epoch = 1; epoch < 6; epoch++) {
        struct save end = ending_save(&mine, JOB_READY);
        struct contract_answer answer = save(store, A, &end);
        assert_int_equal(answer.save, SAVE_OK);
        assert_true(answer.ready_at_us > newest_us);
        newest_us = answer.ready_at_us;
        struct claim_request request = claim_request(store, &mine.id, epoch);
        answer = claim(store, A, &request);
        assert_int_equal(answer.claim, CLAIM_OK);
        assert_int_equal(answer.state_before, JOB_READY);
        mine = answer.row;
    }
}

static void a_save_under_an_old_claim_is_refused(struct contract_store *store)
{
    struct job_row old = claimed(store);
    struct claim_request request = claim_request(store, &old.id, 1);
    assert_int_equal(claim(store, B, &request).claim, CLAIM_OK);
    struct save step = step_save(&old);
    assert_int_equal(save(store, A, &step).save, SAVE_REFUSED);
    struct save end = ending_save(&old, JOB_SUCCESS);
    assert_int_equal(save(store, A, &end).save, SAVE_REFUSED);
    assert_int_equal(row(store, &old.id).save_no, 0);
    assert_int_equal(load(store, B, &old.id, &request.claim).task_count, 0);
}

static void an_ending_save_looks_into_the_inbox(struct contract_store *store)
{
    struct job_row mine = claimed(store);
    store->inbox(store->self, &mine.id);
    struct save end = ending_save(&mine, JOB_SUCCESS);
    assert_int_equal(save(store, A, &end).save, SAVE_INBOX);
    assert_int_equal(row(store, &mine.id).state, JOB_RUNNING);
    struct save step = step_save(&mine); /* others do not look */
    assert_int_equal(save(store, A, &step).save, SAVE_OK);
    end.save_no = 1;
    end.inbox_seen = 1;
    assert_int_equal(save(store, A, &end).save, SAVE_OK);
}

/* Only some ends are lifted; the row comes with each load until a save has applied it, and a late
 * resend of the end takes nothing back. */
static void a_rerun_is_loaded_until_it_is_applied(struct contract_store *store)
{
    struct job_row mine = claimed(store);
    struct uuid other = store->post(store->self);
    struct save step = step_save(&mine), end;
    assert_false(store->rerun(store->self, &mine.id, "{}"));
    assert_false(store->rerun(store->self, &other, "{}"));
    assert_int_equal(save(store, A, &step).save, SAVE_OK);
    mine.save_no++;
    end = ending_save(&mine, JOB_FAILURE);
    assert_int_equal(save(store, A, &end).save, SAVE_OK);
    assert_true(store->rerun(store->self, &mine.id, "{\"from\": \"one\"}"));
    assert_false(store->rerun(store->self, &mine.id, "{}"));
    struct job_row ready = row(store, &mine.id);
    assert_int_equal(ready.state, JOB_READY);
    assert_int_equal(ready.inbox_seq, mine.inbox_seq + 1);
    assert_int_equal(ready.inbox_applied, mine.inbox_applied);
    assert_true(ready.ready_at_us > mine.ready_at_us);
    assert_int_equal(save(store, A, &end).save, SAVE_ALREADY);
    assert_int_equal(row(store, &mine.id).state, JOB_READY);
    struct claim_request request = claim_request(store, &mine.id, ready.epoch);
    struct contract_answer answer = claim(store, B, &request);
    assert_int_equal(answer.claim, CLAIM_OK);
    assert_int_equal(answer.state_before, JOB_READY);
    for (int i = 0; i < 2; i++) {
        answer = load(store, B, &mine.id, &request.claim);
        assert_int_equal(answer.inbox_count, 1);
        assert_int_equal(answer.inbox_seq, ready.inbox_seq);
        assert_string_equal(answer.inbox_data, "{\"from\": \"one\"}");
    }
    step = step_save(&answer.row);
    step.inbox_applied = ready.inbox_seq;
    assert_int_equal(save(store, B, &step).save, SAVE_OK);
    assert_int_equal(load(store, B, &mine.id, &request.claim).inbox_count, 0);
}

/* ---------------------------------------------------------------------------------- interleavings
 */

/* The old owner's save is under way when the peer claims: what the peer loads contains it. */
static void a_load_after_a_claim_that_waited_sees_the_old_save(struct contract_store *store)
{
    struct job_row old = claimed(store);
    struct save step = step_save(&old);
    struct claim_request request = claim_request(store, &old.id, 1);
    struct contract_answer answer;
    store->begin_save(store->self, &step);
    store->claim(store->self, B, &request, 1);
    store->until_blocked(store->self, B);
    store->commit_save(store->self);
    store->await(store->self, B, 1, &answer);
    assert_int_equal(answer.claim, CLAIM_OK);
    assert_int_equal(answer.row.epoch, 2);
    answer = load(store, B, &old.id, &request.claim);
    assert_int_equal(answer.row.save_no, 1);
    assert_int_equal(answer.task_count, 1);
}

/* And the other way round: the save waits for the row, and finds another claim there. */
static void crossed_claims_give_one_owner(struct contract_store *store)
{
    struct uuid job = store->post(store->self);
    struct claim_request one = claim_request(store, &job, 0), two = claim_request(store, &job, 0);
    struct contract_answer first, second;
    store->block(store->self, &job);
    store->claim(store->self, A, &one, 1);
    store->until_blocked(store->self, A);
    store->claim(store->self, B, &two, 2);
    store->until_blocked(store->self, B);
    store->unblock(store->self);
    store->await(store->self, A, 1, &first);
    store->await(store->self, B, 2, &second);
    assert_true((first.claim == CLAIM_OK) != (second.claim == CLAIM_OK));
    assert_true(first.claim == CLAIM_CHANGED || second.claim == CLAIM_CHANGED);
    assert_int_equal(row(store, &job).epoch, 1);
}

/* A save that waits behind the claim of a peer is judged by what it then finds. */
static void a_save_that_waited_sees_the_new_claim(struct contract_store *store)
{
    struct job_row old = claimed(store);
    struct save step = step_save(&old);
    struct claim_request request = claim_request(store, &old.id, 1);
    struct contract_answer answer;
    store->block(store->self, &old.id);
    store->claim(store->self, B, &request, 1);
    store->until_blocked(store->self, B);
    store->save(store->self, A, &step, 2);
    store->until_blocked(store->self, A);
    store->unblock(store->self);
    store->await(store->self, B, 1, &answer);
    assert_int_equal(answer.claim, CLAIM_OK);
    store->await(store->self, A, 2, &answer);
    assert_int_equal(answer.save, SAVE_REFUSED);
    assert_int_equal(load(store, B, &old.id, &request.claim).task_count, 0);
}

static void a_locked_row_delays_only_its_own_job(struct contract_store *store)
{
    struct job_row blocked = claimed(store), other = claimed(store);
    struct save one = step_save(&blocked), two = step_save(&other);
    struct contract_answer answer;
    store->block(store->self, &blocked.id);
    store->save(store->self, A, &one, 1);
    store->save(store->self, A, &two, 2);
    store->await(store->self, A, 2, &answer);
    assert_int_equal(answer.save, SAVE_OK);
    store->until_blocked(store->self, A);
    store->unblock(store->self);
    store->await(store->self, A, 1, &answer);
    assert_int_equal(answer.save, SAVE_OK);
}

static void a_lost_claim_is_found_again(struct contract_store *store)
{
    struct uuid job = store->post(store->self);
    struct claim_request request = claim_request(store, &job, 0);
    struct contract_answer answer;
    store->claim(store->self, A, &request, 1);
    store->lose_answers(store->self, A);
    store->await(store->self, A, 1, &answer);
    assert_int_equal(answer.claim, CLAIM_UNKNOWN);
    answer = claim(store, A, &request);
    assert_int_equal(answer.claim, CLAIM_OK);
    assert_int_equal(answer.row.epoch, 1);
    assert_int_equal(answer.state_before, JOB_READY);
}

static void a_lost_save_is_found_again(struct contract_store *store)
{
    struct job_row mine = claimed(store);
    struct save step = step_save(&mine);
    struct contract_answer answer;
    store->save(store->self, A, &step, 1);
    store->lose_answers(store->self, A);
    store->await(store->self, A, 1, &answer);
    assert_int_equal(answer.save, SAVE_UNKNOWN);
    assert_int_equal(save(store, A, &step).save, SAVE_ALREADY);
    assert_int_equal(row(store, &mine.id).save_no, 1);
}

#define CROSSED 20

static void batches_in_opposite_orders_end(struct contract_store *store)
{
    struct uuid jobs[CROSSED];
    unsigned won = 0;
    for (int i = 0; i < CROSSED; i++)
        jobs[i] = store->post(store->self);
    for (int i = 0; i < CROSSED; i++) {
        struct claim_request one = claim_request(store, &jobs[i], 0);
        struct claim_request two = claim_request(store, &jobs[CROSSED - 1 - i], 0);
        store->claim(store->self, A, &one, 100 + (uint64_t)i);
        store->claim(store->self, B, &two, 200 + (uint64_t)i);
    }
    for (int i = 0; i < CROSSED; i++) {
        struct contract_answer answer;
        store->await(store->self, A, 100 + (uint64_t)i, &answer);
        won += answer.claim == CLAIM_OK;
        store->await(store->self, B, 200 + (uint64_t)i, &answer);
        won += answer.claim == CLAIM_OK;
    }
    assert_int_equal(won, CROSSED);
    for (int i = 0; i < CROSSED; i++)
        assert_int_equal(row(store, &jobs[i]).epoch, 1);
}

#define T(name)                                                                                    \
    {                                                                                              \
        "store: " #name, name                                                                      \
    }

const struct contract_store_test contract_store_tests[] = {
    T(a_job_goes_its_way),
    T(a_claim_needs_the_epoch_it_saw),
    T(a_claim_needs_a_claimable_row),
    T(a_hold_keeps_others_out),
    T(a_claim_sent_again_is_mine),
    T(a_load_needs_its_claim),
    T(a_save_sent_again_applies_once),
    T(an_ending_save_sent_again_is_known),
    T(placements_have_ever_later_names),
    T(a_save_under_an_old_claim_is_refused),
    T(an_ending_save_looks_into_the_inbox),
    T(a_rerun_is_loaded_until_it_is_applied),
    T(a_load_after_a_claim_that_waited_sees_the_old_save),
    T(crossed_claims_give_one_owner),
    T(a_save_that_waited_sees_the_new_claim),
    T(a_locked_row_delays_only_its_own_job),
    T(a_lost_claim_is_found_again),
    T(a_lost_save_is_found_again),
    T(batches_in_opposite_orders_end),
    {NULL, NULL},
};
