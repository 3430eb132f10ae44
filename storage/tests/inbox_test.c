/* SPDX-License-Identifier: Apache-2.0 */
/* Telling jobs something from outside: what is recorded, what is refused, and that one id counts
 * once whatever gets lost in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/os/entropy.h"
#include "storage/tests/stage.h"

static struct inbox_request rerun_of(const struct uuid *job)
{
    return (struct inbox_request){.job = *job,
                                  .id = entropy_uuid_v7(),
                                  .kind = INBOX_KIND_RERUN,
                                  .data = TEXT("{\"from\": null, \"skip\": {\"a\": 1.10}}")};
}

static struct inbox_answer tell(struct stage *stage, struct storage *store,
                                const struct inbox_request *request)
{
    struct storage_answer answer;
    storage_inbox(store, request, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    assert_int_equal(answer.kind, STORAGE_INBOXED);
    return answer.u.inbox;
}

/* A job that ended in `end`, by a save under its only claim. */
static struct job_row ended_job(struct stage *stage, struct storage *store, enum job_state end)
{
    struct uuid job = stage_post(stage, store);
    struct claim_answer claimed = stage_claim(stage, store, &job, 0, NULL);
    struct save save = stage_save_request(&claimed.row);
    save.state = end;
    save.ends_claim = true;
    save.failure = TEXT("{\"class\": \"exit\"}");
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    return stage_row(stage, store, &job);
}

static void an_ended_job_is_ready_again(void **state)
{
    static const enum job_state ends[] = {JOB_FAILURE, JOB_REVERTED, JOB_CANCELLED};
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    for (size_t i = 0; i < 3; i++) {
        struct job_row before = ended_job(stage, store, ends[i]);
        struct inbox_request request = rerun_of(&before.id);
        struct inbox_answer answer = tell(stage, store, &request);
        assert_int_equal(answer.outcome, INBOX_OK);
        assert_int_equal(answer.row.state, JOB_READY);
        assert_int_equal(answer.row.inbox_seq, before.inbox_seq + 1);
        assert_int_equal(answer.row.inbox_applied, before.inbox_applied);
        assert_int_equal(answer.row.epoch, before.epoch);
        assert_true(answer.row.ready_at_us > before.ready_at_us);
        assert_true(uuid_equal(&answer.row.owner, &before.owner));
        const char *id = UUID_STR(&before.id);
        assert_string_equal(
            stage_sql(stage->raw, "SELECT ended_at IS NULL FROM jobs WHERE id = '%s'", id), "t");
        assert_string_equal(stage_sql(stage->raw,
                                      "SELECT output IS NULL AND failure IS NULL FROM payloads"
                                      " WHERE job = '%s'",
                                      id),
                            "t");
        assert_string_equal(
            stage_sql(stage->raw,
                      "SELECT h.state || ' ' || detail || ' ' || (seq = history_seq)"
                      " FROM history h JOIN jobs j ON j.id = h.job"
                      " WHERE job = '%s' ORDER BY seq DESC LIMIT 1",
                      id),
            "READY rerun skip a true");
    }
}

static void other_states_refuse(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = ended_job(stage, store, JOB_SUCCESS);
    struct inbox_request request = rerun_of(&row.id);
    struct inbox_answer answer = tell(stage, store, &request);
    assert_int_equal(answer.outcome, INBOX_WRONG_STATE);
    assert_int_equal(answer.row.state, JOB_SUCCESS);
    struct uuid ready = stage_post(stage, store);
    request = rerun_of(&ready);
    answer = tell(stage, store, &request);
    assert_int_equal(answer.outcome, INBOX_WRONG_STATE);
    assert_int_equal(answer.row.state, JOB_READY);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM inbox"), 0);
    assert_int_equal(stage_number(stage->raw, "SELECT sum(inbox_seq) FROM jobs"), 0);
}

static void an_unknown_job_is_gone(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid nobody = entropy_uuid_v7();
    struct inbox_request request = rerun_of(&nobody);
    assert_int_equal(tell(stage, store, &request).outcome, INBOX_GONE);
}

static void what_cannot_be_stored_is_bad(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = ended_job(stage, store, JOB_FAILURE);
    struct inbox_request request = rerun_of(&row.id);
    request.data = TEXT("{no json");
    assert_int_equal(tell(stage, store, &request).outcome, INBOX_BAD);
    assert_int_equal(stage_row(stage, store, &row.id).state, JOB_FAILURE);
}

/* Also when the job went on, and when it ended again: the id was taken, it does not count twice. */
static void one_id_counts_once(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct job_row row = ended_job(stage, store, JOB_FAILURE);
    struct inbox_request request = rerun_of(&row.id);
    assert_int_equal(tell(stage, store, &request).outcome, INBOX_OK);
    assert_int_equal(tell(stage, store, &request).outcome, INBOX_SAME);
    struct claim_answer claimed = stage_claim(stage, store, &row.id, row.epoch, NULL);
    assert_int_equal(claimed.outcome, CLAIM_OK);
    struct inbox_answer answer = tell(stage, store, &request);
    assert_int_equal(answer.outcome, INBOX_SAME);
    assert_int_equal(answer.row.state, JOB_RUNNING);
    struct save save = stage_save_request(&claimed.row);
    save.state = JOB_FAILURE;
    save.ends_claim = true;
    save.inbox_applied = claimed.row.inbox_seq;
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    answer = tell(stage, store, &request);
    assert_int_equal(answer.outcome, INBOX_SAME);
    assert_int_equal(answer.row.state, JOB_FAILURE);
    assert_int_equal(stage_row(stage, store, &row.id).inbox_seq, 1);
}

static void a_lost_answer_is_asked_again(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct job_row row = ended_job(stage, store, JOB_FAILURE);
    struct inbox_request request = rerun_of(&row.id);
    uint64_t tag = ++stage->last_tag;
    storage_inbox(store, &request, tag);
    stage_send(store);
    stage_wait(stage, "SELECT state = 'READY' FROM jobs WHERE id = '%s'", UUID_STR(&row.id));
    stage_lose_answers(store);
    stage_await(stage, store, tag, &answer);
    assert_int_equal(answer.u.inbox.outcome, INBOX_UNKNOWN);
    struct inbox_answer again = tell(stage, store, &request);
    assert_int_equal(again.outcome, INBOX_SAME);
    assert_int_equal(again.row.state, JOB_READY);
    assert_int_equal(again.row.inbox_seq, 1);
}

/* Two people, one job: the one who comes second is told what the first one made of it. */
static void of_two_writers_one_is_refused(void **state)
{
    struct stage *stage = *state;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct storage_answer first, second;
    struct job_row row = ended_job(stage, a, JOB_FAILURE);
    struct inbox_request one = rerun_of(&row.id), other = rerun_of(&row.id);
    const char *id = UUID_STR(&row.id);
    stage_sql(stage->raw, "BEGIN");
    stage_sql(stage->raw, "SELECT FROM jobs WHERE id = '%s' FOR UPDATE", id);
    storage_inbox(a, &one, 901);
    stage_until_blocked(stage, "a", 1);
    storage_inbox(b, &other, 902);
    stage_until_blocked(stage, "b", 1);
    stage_sql(stage->raw, "COMMIT");
    stage_await(stage, a, 901, &first);
    enum inbox_outcome outcome = first.u.inbox.outcome;
    stage_await(stage, b, 902, &second);
    assert_int_not_equal(outcome, second.u.inbox.outcome);
    assert_true(outcome == INBOX_OK || second.u.inbox.outcome == INBOX_OK);
    assert_true(outcome == INBOX_WRONG_STATE || second.u.inbox.outcome == INBOX_WRONG_STATE);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM inbox"), 1);
}

/* The first send still waits for the row when the second one comes: the later one sees it through
 * the row's newest version and not through its snapshot. */
static void one_id_from_two_connections_counts_once(void **state)
{
    struct stage *stage = *state;
    struct storage *a = stage_store(stage, "a"), *b = stage_store(stage, "b");
    struct storage_answer answer;
    struct job_row row = ended_job(stage, a, JOB_FAILURE);
    struct inbox_request request = rerun_of(&row.id);
    stage_sql(stage->raw, "BEGIN");
    stage_sql(stage->raw, "SELECT FROM jobs WHERE id = '%s' FOR UPDATE", UUID_STR(&row.id));
    storage_inbox(a, &request, 901);
    stage_until_blocked(stage, "a", 1);
    storage_inbox(b, &request, 902);
    stage_until_blocked(stage, "b", 1);
    stage_sql(stage->raw, "COMMIT");
    stage_await(stage, a, 901, &answer);
    enum inbox_outcome outcome = answer.u.inbox.outcome;
    stage_await(stage, b, 902, &answer);
    assert_true(outcome == INBOX_OK || outcome == INBOX_SAME);
    assert_true(answer.u.inbox.outcome == INBOX_OK || answer.u.inbox.outcome == INBOX_SAME);
    assert_int_not_equal(outcome, answer.u.inbox.outcome);
    assert_int_equal(stage_row(stage, a, &row.id).inbox_seq, 1);
}

static void many_jobs_go_in_one_statement(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct job_row failed = ended_job(stage, store, JOB_FAILURE);
    struct job_row done = ended_job(stage, store, JOB_SUCCESS);
    struct uuid nobody = entropy_uuid_v7();
    struct inbox_request requests[] = {rerun_of(&failed.id), rerun_of(&done.id), rerun_of(&nobody),
                                       rerun_of(&failed.id)};
    static const enum inbox_outcome wanted[] = {INBOX_OK, INBOX_WRONG_STATE, INBOX_GONE,
                                                INBOX_WRONG_STATE};
    enum inbox_outcome got[4];
    for (size_t i = 0; i < 4; i++)
        storage_inbox(store, &requests[i], 910 + i);
    for (size_t count = 0; count < 4;) {
        stage_turn(stage);
        while (storage_next(store, &answer)) {
            if (answer.kind != STORAGE_INBOXED)
                continue;
            got[answer.tag - 910] = answer.u.inbox.outcome;
            count++;
        }
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(got[i], wanted[i]);
}

/* What was not applied comes with the load, in its order; the save that applies it ends that. */
static void the_load_carries_what_was_not_applied(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct uuid claim;
    struct job_row row = ended_job(stage, store, JOB_FAILURE);
    struct inbox_request request = rerun_of(&row.id);
    tell(stage, store, &request);
    struct claim_answer claimed = stage_claim(stage, store, &row.id, row.epoch, &claim);
    storage_load(store, &row.id, &claim, 77);
    stage_await(stage, store, 77, &answer);
    const struct job_load *load = &answer.u.loaded.load;
    assert_int_equal(answer.u.loaded.outcome, LOAD_OK);
    assert_int_equal(load->task_count, 1);
    assert_int_equal(load->inbox_count, 1);
    assert_int_equal(load->inbox[0].seq, 1);
    assert_true(text_equal(load->inbox[0].kind, TEXT(INBOX_RERUN)));
    assert_true(text_equal(load->inbox[0].data, request.data));
    assert_null(load->target.data);
    struct save save = stage_save_request(&claimed.row);
    save.inbox_applied = 1;
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    storage_load(store, &row.id, &claim, 78);
    stage_await(stage, store, 78, &answer);
    assert_int_equal(answer.u.loaded.load.inbox_count, 0);
}

/* A save of the former claim that comes late finds the claim it had, and changes nothing. */
static void a_late_resend_of_the_end_changes_nothing(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid job = stage_post(stage, store);
    struct claim_answer claimed = stage_claim(stage, store, &job, 0, NULL);
    struct save save = stage_save_request(&claimed.row);
    save.state = JOB_FAILURE;
    save.ends_claim = true;
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    struct inbox_request request = rerun_of(&job);
    assert_int_equal(tell(stage, store, &request).outcome, INBOX_OK);
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_ALREADY);
    assert_int_equal(stage_row(stage, store, &job).state, JOB_READY);
}

static void a_target_is_part_of_the_content(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer answer;
    struct uuid claim;
    struct post_request post = stage_post_request();
    post.key = TEXT("k");
    post.target = TEXT("step1");
    storage_post(store, &post, 5);
    stage_await(stage, store, 5, &answer);
    assert_int_equal(answer.u.post.outcome, POST_OK);
    struct uuid first = post.id;
    post.id = entropy_uuid_v7();
    storage_post(store, &post, 6);
    stage_await(stage, store, 6, &answer);
    assert_int_equal(answer.u.post.outcome, POST_SAME);
    post.target = TEXT_NONE;
    storage_post(store, &post, 7);
    stage_await(stage, store, 7, &answer);
    assert_int_equal(answer.u.post.outcome, POST_CONFLICT);
    stage_claim(stage, store, &first, 0, &claim);
    storage_load(store, &first, &claim, 8);
    stage_await(stage, store, 8, &answer);
    assert_true(text_equal(answer.u.loaded.load.target, TEXT("step1")));
    struct view_request show = {.kind = VIEW_SHOW, .job = first};
    storage_view(store, &show, 9);
    stage_await(stage, store, 9, &answer);
    assert_true(text_equal(answer.u.view->u.show.job.target, TEXT("step1")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(an_ended_job_is_ready_again),
        TEST(other_states_refuse),
        TEST(an_unknown_job_is_gone),
        TEST(what_cannot_be_stored_is_bad),
        TEST(one_id_counts_once),
        TEST(a_lost_answer_is_asked_again),
        TEST(of_two_writers_one_is_refused),
        TEST(one_id_from_two_connections_counts_once),
        TEST(many_jobs_go_in_one_statement),
        TEST(the_load_carries_what_was_not_applied),
        TEST(a_late_resend_of_the_end_changes_nothing),
        TEST(a_target_is_part_of_the_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
