/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/tests/contract_fakes.h"

static struct uuid store_fresh_uuid(void *self)
{
    struct fakes *fakes = self;
    return sim_uuid(&fakes->world);
}

static struct uuid store_post(void *self)
{
    struct fakes *fakes = self;
    struct job_row row = {.id = sim_uuid(&fakes->world),
                          .pool = {"-"},
                          .shard = 7,
                          .priority = PRIORITY_DEFAULT,
                          .format = FORMAT_NOW};
    sim_store_post(fakes->store, &row, TEXT("hello"), TEXT("flow: hello\nsteps: [{noop: }]\n"),
                   TEXT("{}"));
    return row.id;
}

static void store_ask(void *self, int client, const struct core_effect *effect)
{
    struct fakes *fakes = self;
    fakes->clients[client].count = 0; /* tags may be used again */
    sim_store_request(fakes->clients[client].store, effect);
}

static void store_claim(void *self, int client, const struct claim_request *request, uint64_t tag)
{
    struct core_effect effect = {.kind = EFFECT_CLAIM, .tag = tag};
    effect.u.claim = *request;
    store_ask(self, client, &effect);
}

static void store_load(void *self, int client, const struct uuid *job, const struct uuid *claim,
                       uint64_t tag)
{
    struct core_effect effect = {.kind = EFFECT_LOAD, .tag = tag};
    effect.u.row.job = *job;
    effect.u.row.claim = *claim;
    store_ask(self, client, &effect);
}

static void store_save(void *self, int client, const struct save *save, uint64_t tag)
{
    struct core_effect effect = {.kind = EFFECT_SAVE, .tag = tag};
    effect.u.save = *save;
    store_ask(self, client, &effect);
}

static void store_row(void *self, int client, const struct uuid *job, uint64_t tag)
{
    struct core_effect effect = {.kind = EFFECT_READ_ROW, .tag = tag};
    effect.u.row.job = *job;
    store_ask(self, client, &effect);
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

static bool take_answer(const struct core_event *event, struct contract_answer *ret_answer)
{
    *ret_answer = (struct contract_answer){0};
    switch ((int)event->kind) {
    case EVENT_CLAIMED:
        ret_answer->claim = event->u.claim.outcome;
        ret_answer->row = event->u.claim.row;
        ret_answer->state_before = event->u.claim.state_before;
        return true;
    case EVENT_LOADED:
        ret_answer->load = event->u.load.outcome;
        take_load(&event->u.load.load, ret_answer);
        return true;
    case EVENT_SAVED:
        ret_answer->save = event->u.save.outcome;
        ret_answer->ready_at_us = event->u.save.ready_at_us;
        return true;
    case EVENT_ROWS:
        ret_answer->found = event->u.rows.count == 1;
        if (ret_answer->found)
            ret_answer->row = event->u.rows.list[0];
        return true;
    default:
        return false;
    }
}

static void store_await(void *self, int client, uint64_t tag, struct contract_answer *ret_answer)
{
    struct fakes *fakes = self;
    struct fake_client *from = &fakes->clients[client];
    int64_t until_us = fakes->world.queue.now_us + PATIENCE;
    for (;;) {
        for (size_t i = 0; i < from->count; i++) {
            if (from->events[i].tag == tag && take_answer(&from->events[i], ret_answer))
                return;
        }
        if (fakes->world.queue.now_us >= until_us)
            fail_msg("no answer to %llu", (unsigned long long)tag);
        fakes_step(fakes);
    }
}

static void store_block(void *self, const struct uuid *job)
{
    struct fakes *fakes = self;
    fakes->blocked = sim_store_find(fakes->store, job);
    sim_store_block(fakes->store, fakes->blocked);
}

static void store_unblock(void *self)
{
    struct fakes *fakes = self;
    sim_store_unblock(fakes->store, fakes->blocked);
}

static void store_begin_save(void *self, const struct save *save)
{
    struct fakes *fakes = self;
    sim_store_hold_next(fakes->clients[2].store);
    store_save(self, 2, save, 1);
    const struct sim_job *job = sim_store_find(fakes->store, &save->job);
    while (!job->locker)
        fakes_step(fakes);
}

static void store_commit_save(void *self)
{
    struct fakes *fakes = self;
    sim_store_thaw(fakes->clients[2].store);
}

static void store_until_blocked(void *self, int client)
{
    struct fakes *fakes = self;
    while (!sim_store_is_waiting(fakes->clients[client].store))
        fakes_step(fakes);
}

static void store_lose_answers(void *self, int client)
{
    struct fakes *fakes = self;
    while (!sim_store_is_carried_out(fakes->clients[client].store))
        fakes_step(fakes);
    sim_store_break(fakes->clients[client].store);
}

static void store_inbox(void *self, const struct uuid *job)
{
    struct fakes *fakes = self;
    assert_true(sim_store_inbox(fakes->store, sim_store_find(fakes->store, job)));
}

static bool store_rerun(void *self, const struct uuid *job, const char *data)
{
    struct fakes *fakes = self;
    return sim_store_rerun(fakes->store, sim_store_find(fakes->store, job), text_of(data));
}

static void store_hold(void *self, const struct uuid *job, int64_t hold_ms)
{
    struct fakes *fakes = self;
    sim_store_hold(fakes->store, sim_store_find(fakes->store, job), hold_ms);
}

static void store_pass(void *self, int64_t ms)
{
    fakes_pass_us(self, ms * 1000);
}

void fakes_run_store(void **state)
{
    const struct contract_store_test *test = *state;
    struct fakes *fakes = fakes_open();
    for (int i = 0; i < CLIENTS; i++) {
        struct fake_client *client = &fakes->clients[i];
        client->store = sim_store_connect(fakes->store, (struct sim_listener){client, fakes_tell});
        fakes_await(fakes, i, EVENT_STORE_UP, 0, 0);
    }
    struct contract_store store = {
        .self = fakes,
        .post = store_post,
        .claim = store_claim,
        .load = store_load,
        .save = store_save,
        .row = store_row,
        .await = store_await,
        .block = store_block,
        .unblock = store_unblock,
        .begin_save = store_begin_save,
        .commit_save = store_commit_save,
        .until_blocked = store_until_blocked,
        .lose_answers = store_lose_answers,
        .inbox = store_inbox,
        .rerun = store_rerun,
        .hold = store_hold,
        .pass = store_pass,
        .fresh_uuid = store_fresh_uuid,
    };
    test->run(&store);
    fakes_close(fakes);
}
