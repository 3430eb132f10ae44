/* SPDX-License-Identifier: Apache-2.0 */
/* The store's contract, kept by a real Postgres. Runs under storage/tests/with-postgres. */
#include "engine/sim/tests/contract.h"

#include "base/os/clock.h"
#include "base/os/entropy.h"
#include "storage/tests/stage.h"

#define TAGS        1000
#define PATIENCE_MS 20000

struct services {
    struct stage *stage;
    struct storage *stores[CONTRACT_CLIENTS];
    bool is_answered[CONTRACT_CLIENTS][TAGS];
    struct contract_answer answers[CONTRACT_CLIENTS][TAGS];
};

static const char *const applications[CONTRACT_CLIENTS] = {"contract_a", "contract_b"};

static struct uuid fresh_uuid(void *self)
{
    return entropy_uuid_v7();
}

static struct uuid post(void *self)
{
    struct services *services = self;
    return stage_post(services->stage, services->stores[A]);
}

static void ask_claim(void *self, int client, const struct claim_request *request, uint64_t tag)
{
    struct services *services = self;
    services->is_answered[client][tag] = false;
    storage_claim(services->stores[client], request, tag);
}

static void ask_load(void *self, int client, const struct uuid *job, const struct uuid *claim,
                     uint64_t tag)
{
    struct services *services = self;
    services->is_answered[client][tag] = false;
    storage_load(services->stores[client], job, claim, tag);
}

static void ask_save(void *self, int client, const struct save *save, uint64_t tag)
{
    struct services *services = self;
    services->is_answered[client][tag] = false;
    storage_save(services->stores[client], save, tag);
}

static void ask_row(void *self, int client, const struct uuid *job, uint64_t tag)
{
    struct services *services = self;
    services->is_answered[client][tag] = false;
    storage_rows(services->stores[client], job, 1, tag);
}

static void copy_text(char ret_text[CONTRACT_TEXT_MAX], struct text text)
{
    assert_true(text.len < CONTRACT_TEXT_MAX);
    if (text.len)
        memcpy(ret_text, text.data, text.len);
    ret_text[text.len] = 0;
}

static void take_load(const struct job_load *load, struct contract_answer *ret_answer)
{
    ret_answer->row = load->row;
    ret_answer->task_count = load->task_count;
    assert_true(load->task_count <= CONTRACT_TASKS_MAX);
    for (size_t i = 0; i < load->task_count; i++) {
        struct contract_task *task = &ret_answer->tasks[i];
        task->state = load->tasks[i].state;
        task->attempt = load->tasks[i].attempt;
        copy_text(task->path, load->tasks[i].path);
        copy_text(task->result, load->tasks[i].result);
    }
    ret_answer->inbox_count = load->inbox_count;
    if (load->inbox_count > 0) {
        const struct inbox_row *last = &load->inbox[load->inbox_count - 1];
        assert_true(text_equal(last->kind, TEXT(INBOX_RERUN)));
        ret_answer->inbox_seq = last->seq;
        copy_text(ret_answer->inbox_data, last->data);
    }
}

static void take_answer(const struct storage_answer *answer, struct contract_answer *ret_answer)
{
    *ret_answer = (struct contract_answer){0};
    if (answer->kind == STORAGE_CLAIMED) {
        ret_answer->claim = answer->u.claim.outcome;
        ret_answer->row = answer->u.claim.row;
        ret_answer->state_before = answer->u.claim.state_before;
    } else if (answer->kind == STORAGE_LOADED) {
        ret_answer->load = answer->u.loaded.outcome;
        if (answer->u.loaded.outcome == LOAD_OK)
            take_load(&answer->u.loaded.load, ret_answer);
    } else if (answer->kind == STORAGE_SAVED) {
        ret_answer->save = answer->u.saved.outcome;
        ret_answer->ready_at_us = answer->u.saved.ready_at_us;
    } else if (answer->kind == STORAGE_ROWS) {
        ret_answer->found = answer->u.rows.count == 1;
        if (ret_answer->found)
            ret_answer->row = answer->u.rows.rows[0];
    }
}

static void take_answers(struct services *services, int client)
{
    struct storage_answer answer;
    while (storage_next(services->stores[client], &answer)) {
        if (answer.kind == STORAGE_UP || answer.kind == STORAGE_DOWN)
            continue;
        assert_true(answer.tag < TAGS);
        take_answer(&answer, &services->answers[client][answer.tag]);
        services->is_answered[client][answer.tag] = true;
    }
}

static void await(void *self, int client, uint64_t tag, struct contract_answer *ret_answer)
{
    struct services *services = self;
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    for (;;) {
        take_answers(services, client);
        if (services->is_answered[client][tag])
            break;
        if (clock_now_ms() > until_ms)
            fail_msg("no answer: %s", storage_trouble(services->stores[client]));
        stage_turn(services->stage);
    }
    *ret_answer = services->answers[client][tag];
}

static void block(void *self, const struct uuid *job)
{
    struct services *services = self;
    stage_sql(services->stage->raw, "BEGIN ISOLATION LEVEL READ COMMITTED");
    stage_sql(services->stage->raw, "SELECT FROM jobs WHERE id = '%s' FOR UPDATE", UUID_STR(job));
}

static void commit(void *self)
{
    struct services *services = self;
    stage_sql(services->stage->raw, "COMMIT");
}

static void begin_save(void *self, const struct save *save)
{
    struct services *services = self;
    PGconn *raw = services->stage->raw;
    stage_sql(raw, "BEGIN ISOLATION LEVEL READ COMMITTED");
    stage_sql(raw, "UPDATE jobs SET save_no = save_no + 1 WHERE id = '%s'", UUID_STR(&save->job));
    for (size_t i = 0; i < save->task_count; i++)
        stage_sql(raw,
                  "INSERT INTO tasks (epoch, state, attempt, job, path) "
                  "VALUES (%lld, '%s', %d, '%s', '%.*s')",
                  (long long)save->epoch, task_state_name(save->tasks[i].row.state),
                  save->tasks[i].row.attempt, UUID_STR(&save->job),
                  TEXT_ARG(save->tasks[i].row.path));
}

static void until_blocked(void *self, int client)
{
    struct services *services = self;
    stage_until_blocked(services->stage, applications[client], 1);
}

/* Every write of the scenarios raises one of these. */
static int64_t progress(struct services *services)
{
    return stage_number(services->stage->raw, "SELECT coalesce(sum(epoch + save_no), 0) FROM jobs");
}

static void lose_answers(void *self, int client)
{
    struct services *services = self;
    int64_t before = progress(services);
    stage_send(services->stores[client]);
    stage_wait(services->stage, "SELECT sum(epoch + save_no) > %lld FROM jobs", (long long)before);
    stage_lose_answers(services->stores[client]);
}

static void inbox(void *self, const struct uuid *job)
{
    struct services *services = self;
    stage_sql(services->stage->raw, "UPDATE jobs SET inbox_seq = inbox_seq + 1 WHERE id = '%s'",
              UUID_STR(job));
}

static bool rerun(void *self, const struct uuid *job, const char *data)
{
    struct services *services = self;
    struct storage_answer answer;
    struct inbox_request request = {
        .job = *job, .id = entropy_uuid_v7(), .kind = INBOX_KIND_RERUN, .data = text_of(data)};
    storage_inbox(services->stores[B], &request, ++services->stage->last_tag);
    stage_await(services->stage, services->stores[B], services->stage->last_tag, &answer);
    assert_int_equal(answer.kind, STORAGE_INBOXED);
    assert_true(answer.u.inbox.outcome == INBOX_OK || answer.u.inbox.outcome == INBOX_WRONG_STATE);
    return answer.u.inbox.outcome == INBOX_OK;
}

static void hold(void *self, const struct uuid *job, int64_t hold_ms)
{
    struct services *services = self;
    stage_sql(services->stage->raw,
              "UPDATE jobs SET hold_until = clock_timestamp() + %lld * interval '1 ms' "
              "WHERE id = '%s'",
              (long long)hold_ms, UUID_STR(job));
}

static void pass(void *self, int64_t ms)
{
    struct services *services = self;
    int64_t until_ms = clock_now_ms() + ms;
    while (clock_now_ms() < until_ms)
        stage_turn(services->stage);
}

static void run(void **state)
{
    const struct contract_store_test *test = *state;
    static struct services services;
    void *stage;
    services = (struct services){0};
    stage_setup(&stage);
    services.stage = stage;
    for (int i = 0; i < CONTRACT_CLIENTS; i++)
        services.stores[i] = stage_store(stage, applications[i]);
    struct contract_store store = {
        .self = &services,
        .post = post,
        .claim = ask_claim,
        .load = ask_load,
        .save = ask_save,
        .row = ask_row,
        .await = await,
        .block = block,
        .unblock = commit,
        .begin_save = begin_save,
        .commit_save = commit,
        .until_blocked = until_blocked,
        .lose_answers = lose_answers,
        .inbox = inbox,
        .rerun = rerun,
        .hold = hold,
        .pass = pass,
        .fresh_uuid = fresh_uuid,
    };
    test->run(&store);
    stage_teardown(&stage);
}

#define TESTS_MAX 64

int main(void)
{
    struct CMUnitTest tests[TESTS_MAX];
    size_t count = 0;
    for (const struct contract_store_test *at = contract_store_tests; at->name; at++)
        tests[count++] =
            (struct CMUnitTest){.name = at->name, .test_func = run, .initial_state = (void *)at};
    return _cmocka_run_group_tests("contract with Postgres", tests, count, NULL, NULL);
}
