/* SPDX-License-Identifier: Apache-2.0 */
/* What tools read, against a real Postgres. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/os/clock.h"
#include "storage/tests/stage.h"

/* Valid until the store's next answer. */
static struct view_answer *ask(struct stage *stage, struct storage *store,
                               const struct view_request *request)
{
    struct storage_answer answer;
    storage_view(store, request, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    assert_int_equal(answer.kind, STORAGE_VIEW);
    assert_int_equal(answer.u.view->kind, request->kind);
    return answer.u.view;
}

/* A job that ran one task under boot `owner` of engine e1. */
static struct uuid job_that_ran(struct stage *stage, struct storage *store, struct uuid *ret_owner)
{
    struct uuid job = stage_post(stage, store);
    struct job_row row = stage_claim(stage, store, &job, 0, NULL).row;
    struct member member = {.boot = row.owner, .name = TEXT("e1"), .host = TEXT("h"), .pid = 42};
    storage_boot_began(store, &member);
    struct save save = stage_save_request(&row);
    assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    stage_until(stage, "SELECT count(*) = 1 FROM boots WHERE boot = '%s'", UUID_STR(&row.owner));
    *ret_owner = row.owner;
    return job;
}

static void show_tells_all_of_a_job(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid owner, job = job_that_ran(stage, store, &owner);
    struct view_answer *answer =
        ask(stage, store, &(struct view_request){.kind = VIEW_SHOW, .job = job});
    const struct view_job *view = &answer->u.show.job;
    assert_int_equal(answer->code, 0);
    assert_true(answer->now_us > view->posted_at_us && view->posted_at_us > 0);
    assert_int_equal(view->row.state, JOB_RUNNING);
    assert_true(uuid_equal(&view->owner.boot, &owner));
    assert_true(text_equal(view->owner.name, TEXT("e1")));
    assert_int_equal(view->owner.pid, 42);
    assert_true(text_equal(view->flow_name, TEXT("hello")));
    assert_true(text_equal(view->input, TEXT("{\"a\": 1.10}")));
    assert_null(view->output.data);
    assert_true(view->started_at_us > 0 && view->ended_at_us == 0);
    assert_int_equal(view->history_seq, 4);
    assert_int_equal(view->task_count, 1);
    assert_true(text_equal(view->tasks[0].row.path, TEXT("one")));
    assert_true(text_equal(view->tasks[0].row.result, TEXT("1.10")));
    assert_true(text_equal(view->tasks[0].engine, TEXT("e1")));
    assert_int_equal(view->tasks[0].epoch, 1);
    assert_true(view->tasks[0].started_at_us > 0 && view->tasks[0].ended_at_us > 0);
}

static void show_of_a_waiting_job_says_who_is_first(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    static const struct text tags[] = {{"gpu", 3}, {"big disk", 8}};
    stage_post(stage, store);
    stage_post(stage, store);
    struct storage_answer posted;
    struct post_request post = stage_post_request();
    post.tags = tags;
    post.tag_count = 2;
    storage_post(store, &post, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &posted);
    struct view_answer *answer =
        ask(stage, store, &(struct view_request){.kind = VIEW_SHOW, .job = post.id});
    assert_int_equal(answer->u.show.ready_ahead, 2);
    assert_true(uuid_is_nil(&answer->u.show.job.owner.boot));
    assert_int_equal(answer->u.show.job.tag_count, 2);
    assert_true(text_equal(answer->u.show.job.tags[1], TEXT("big disk")));
}

static void what_is_not_there_is_not_found(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid none = stage_post_request().id;
    static const enum view_kind kinds[] = {VIEW_SHOW, VIEW_HISTORY, VIEW_STDERR};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct view_request request = {.kind = kinds[i], .job = none};
        assert_int_equal(ask(stage, store, &request)->code, ERR_NOT_FOUND);
    }
    struct view_request states = {.kind = VIEW_STATES, .ids = &none, .id_count = 1};
    struct view_answer *answer = ask(stage, store, &states);
    assert_int_equal(answer->u.states.count, 1);
    assert_false(answer->u.states.states[0].found);
}

static void list_filters_and_counts(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid owner, ran = job_that_ran(stage, store, &owner), ready[3];
    for (int i = 0; i < 3; i++)
        ready[i] = stage_post(stage, store);
    struct view_request request = {.kind = VIEW_LIST, .limit = 2};
    struct view_answer *answer = ask(stage, store, &request);
    assert_int_equal(answer->u.list.total, 4);
    assert_int_equal(answer->u.list.count, 2);
    assert_true(uuid_equal(&answer->u.list.jobs[0].row.id, &ready[2]));
    assert_true(uuid_equal(&answer->u.list.jobs[1].row.id, &ready[1]));

    const struct {
        struct view_filter filter;
        int64_t total;
    } cases[] = {
        {{.flow = TEXT("hello")}, 4},
        {{.flow = TEXT("other")}, 0},
        {{.states = MACHINE_BIT(JOB_RUNNING)}, 1},
        {{.states = MACHINE_BIT(JOB_RUNNING) | MACHINE_BIT(JOB_READY)}, 4},
        {{.states = MACHINE_BIT(JOB_FAILURE)}, 0},
        {{.engine = TEXT("e1")}, 1},
        {{.engine = TEXT("e2")}, 0},
        {{.key = TEXT("k")}, 0},
        {{.since_ms = 3600000}, 4},
        {{.since_us = clock_unix_us() + 3600000000}, 0},
        {{.ids = ready, .id_count = 2}, 2},
        {{.ids = &ran, .id_count = 1, .states = MACHINE_BIT(JOB_READY)}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        request = (struct view_request){.kind = VIEW_LIST, .filter = cases[i].filter, .limit = -1};
        answer = ask(stage, store, &request);
        assert_int_equal(answer->code, 0);
        assert_int_equal(answer->u.list.total, cases[i].total);
        assert_int_equal(answer->u.list.count, cases[i].total);
    }
    request = (struct view_request){.kind = VIEW_LIST, .limit = 0};
    answer = ask(stage, store, &request);
    assert_int_equal(answer->u.list.total, 4);
    assert_int_equal(answer->u.list.count, 0);
}

static void history_comes_in_order_and_in_parts(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid owner, job = job_that_ran(stage, store, &owner);
    struct view_request request = {.kind = VIEW_HISTORY, .job = job};
    struct view_answer *answer = ask(stage, store, &request);
    assert_int_equal(answer->u.history.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(answer->u.history.lines[i].seq, i + 1);
    assert_null(answer->u.history.lines[1].task.data);
    assert_true(text_equal(answer->u.history.lines[1].state, TEXT("RUNNING")));
    assert_true(text_equal(answer->u.history.lines[1].engine, TEXT("e1")));
    assert_int_equal(answer->u.history.lines[1].epoch, 1);
    assert_true(text_equal(answer->u.history.lines[3].task, TEXT("one")));
    request.after_seq = 1;
    request.limit = 2;
    answer = ask(stage, store, &request);
    assert_int_equal(answer->u.history.count, 2);
    assert_int_equal(answer->u.history.lines[0].seq, 2);
}

static void counts_tell_states_and_boots(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct view_request request = {.kind = VIEW_COUNTS};
    assert_int_equal(ask(stage, store, &request)->u.counts.oldest_ready_ms, -1);
    struct uuid owner;
    job_that_ran(stage, store, &owner);
    stage_post(stage, store);
    struct view_answer *answer = ask(stage, store, &request);
    assert_int_equal(answer->u.counts.by_state[JOB_READY], 1);
    assert_int_equal(answer->u.counts.by_state[JOB_RUNNING], 1);
    assert_true(answer->u.counts.oldest_ready_ms >= 0 && answer->u.counts.oldest_ready_ms < 60000);
    assert_int_equal(answer->u.counts.boot_count, 1);
    assert_int_equal(answer->u.counts.boots[0].claimed, 1);
    assert_true(uuid_equal(&answer->u.counts.boots[0].boot, &owner));
    assert_true(answer->u.counts.server.len > 0 && answer->now_us > 0);
}

static int resolve(struct stage *stage, struct storage *store, struct text name,
                   struct uuid *ret_job)
{
    struct view_request request = {.kind = VIEW_RESOLVE, .name = name};
    struct view_answer *answer = ask(stage, store, &request);
    *ret_job = answer->u.resolved.jobs[0];
    return answer->code;
}

static void an_ending_names_a_job(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct storage_answer posted;
    struct uuid found;
    struct post_request post = stage_post_request();
    post.key = TEXT("order 7");
    memcpy(&post.id.bytes[12], "\xAB\xcd\xef\x01", 4);
    storage_post(store, &post, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &posted);
    static const char *const names[] = {"cdef01", "abcdef01", "ABCDEF01", "key:order 7"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(resolve(stage, store, text_of(names[i]), &found), 0);
        assert_true(uuid_equal(&found, &post.id));
    }
    assert_int_equal(resolve(stage, store, text_of(UUID_STR(&post.id)), &found), 0);
    assert_int_equal(resolve(stage, store, TEXT("def01"), &found), ERR_INVALID);
    assert_int_equal(resolve(stage, store, TEXT("xyzxyz"), &found), ERR_INVALID);
    assert_int_equal(resolve(stage, store, TEXT_NONE, &found), ERR_INVALID);
    assert_int_equal(resolve(stage, store, TEXT("bbcdef01"), &found), ERR_NOT_FOUND);
    assert_int_equal(resolve(stage, store, TEXT("key:other"), &found), ERR_NOT_FOUND);

    post = stage_post_request();
    memcpy(&post.id.bytes[12], "\xAA\xcd\xef\x01", 4);
    storage_post(store, &post, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &posted);
    assert_int_equal(resolve(stage, store, TEXT("cdef01"), &found), ERR_AMBIGUOUS);
    assert_int_equal(resolve(stage, store, TEXT("aacdef01"), &found), 0);
    assert_true(uuid_equal(&found, &post.id));
}

static void states_come_in_the_order_asked(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid owner, ids[3];
    ids[2] = job_that_ran(stage, store, &owner);
    ids[0] = stage_post(stage, store);
    ids[1] = stage_post_request().id;
    struct view_request request = {.kind = VIEW_STATES, .ids = ids, .id_count = 3};
    const struct view_state *states = ask(stage, store, &request)->u.states.states;
    assert_true(states[0].found && states[0].state == JOB_READY);
    assert_false(states[1].found);
    assert_true(states[2].found && states[2].state == JOB_RUNNING && states[2].history_seq == 4);
}

static void stderr_is_kept_per_attempt(void **state)
{
    struct stage *stage = *state;
    struct storage *store = stage_store(stage, "a");
    struct uuid job = stage_post(stage, store);
    struct job_row row = stage_claim(stage, store, &job, 0, NULL).row;
    for (int attempt = 1; attempt <= 2; attempt++) {
        struct task_change task = {.row = {.path = TEXT("one"), .attempt = attempt},
                                   .stderr_tail = attempt == 1 ? TEXT("first") : TEXT("second")};
        task.row.state = attempt == 1 ? TASK_RETRYING : TASK_FAILURE;
        struct save save = stage_save_request(&row);
        save.tasks = &task;
        save.save_no = attempt - 1;
        assert_int_equal(stage_save(stage, store, &save).outcome, SAVE_OK);
    }
    struct view_request request = {.kind = VIEW_STDERR, .job = job};
    struct view_answer *answer = ask(stage, store, &request);
    assert_int_equal(answer->u.stderrs.count, 2);
    assert_true(text_equal(answer->u.stderrs.tails[0].tail, TEXT("first")));
    assert_true(text_equal(answer->u.stderrs.tails[1].tail, TEXT("second")));
    request.task = TEXT("other");
    assert_int_equal(ask(stage, store, &request)->u.stderrs.count, 0);
}

static void a_tool_reads_with_one_connection(void **state)
{
    struct stage *stage = *state;
    struct storage *engine = stage_store(stage, "a");
    struct uuid job = stage_post(stage, engine);
    struct storage *tool;
    struct storage_options options = stage_options(stage, "tool");
    struct source sources[STORAGE_SOURCES_MAX];
    options.read_only = true;
    assert_int_equal(storage_new(&options, &tool, &(struct error){0}), 0);
    stage->stores[stage->store_count++] = tool;
    assert_int_equal(storage_sources(tool, sources), 1);
    struct view_request request = {.kind = VIEW_SHOW, .job = job};
    assert_int_equal(ask(stage, tool, &request)->code, 0);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM pg_stat_activity"
                                              " WHERE application_name = 'tool'"),
                     1);
}

static void await_notice(struct stage *stage, struct storage *store, struct storage_answer *answer)
{
    int64_t until_ms = clock_now_ms() + 10000;
    for (;;) {
        while (storage_next(store, answer))
            if (answer->kind == STORAGE_NOTICE)
                return;
        assert_true(clock_now_ms() < until_ms);
        stage_turn(stage);
    }
}

static void who_listens_is_told_what_moved(void **state)
{
    struct stage *stage = *state;
    struct storage *engine = stage_store(stage, "a"), *tool = stage_store(stage, "b");
    struct storage_answer answer;
    struct uuid job = stage_post(stage, engine);
    storage_listen(tool);
    await_notice(stage, tool, &answer);
    assert_int_equal(answer.u.notice.count, 0);
    stage_claim(stage, engine, &job, 0, NULL);
    await_notice(stage, tool, &answer);
    assert_int_equal(answer.u.notice.count, 1);
    assert_true(uuid_equal(&answer.u.notice.jobs[0], &job));
    stage_sql(stage->raw, "SELECT pg_notify('jobboard_%s', 'nonsense')", stage->schema);
    await_notice(stage, tool, &answer);
    assert_int_equal(answer.u.notice.count, 0);
    /* After a reconnect: look at everything. */
    stage_sql(
        stage->raw,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'b'");
    await_notice(stage, tool, &answer);
    assert_int_equal(answer.u.notice.count, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        T(show_tells_all_of_a_job),
        T(show_of_a_waiting_job_says_who_is_first),
        T(what_is_not_there_is_not_found),
        T(list_filters_and_counts),
        T(history_comes_in_order_and_in_parts),
        T(counts_tell_states_and_boots),
        T(an_ending_names_a_job),
        T(states_come_in_the_order_asked),
        T(stderr_is_kept_per_attempt),
        T(a_tool_reads_with_one_connection),
        T(who_listens_is_told_what_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
