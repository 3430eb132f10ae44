/* SPDX-License-Identifier: Apache-2.0 */
/* The server's half of the fake store: jobs, and the stages of statements from arrival to commit.
 */
#include "engine/sim/sim_store.h"

#include <string.h>

#include "base/check.h"
#include "engine/sim/sim_store_private.h"

struct sim_store *sim_store_new(struct sim_world *world, const struct sim_store_options *options)
{
    struct sim_store *store = arena_calloc(&world->arena, 1, sizeof *store);
    store->world = world;
    store->options = *options;
    store->is_up = true;
    store->stranger = arena_calloc(&world->arena, 1, sizeof *store->stranger);
    store->stranger->store = store;
    return store;
}

struct sim_store_options *sim_store_options(struct sim_store *store)
{
    return &store->options;
}

int64_t sim_store_clock_us(const struct sim_store *store)
{
    return store->world->queue.now_us + store->options.clock_us;
}

/* ------------------------------------------------------------------------------------------- jobs
 */

static uint64_t hash_id(const struct uuid *id)
{
    uint64_t words[2];
    memcpy(words, id->bytes, sizeof words);
    return random_mix(words[0] ^ random_mix(words[1]));
}

static void insert_slot(struct sim_store *store, uint32_t number)
{
    size_t slot = hash_id(&store->jobs[number]->row.id) & (store->slot_count - 1);
    while (store->slots[slot])
        slot = (slot + 1) & (store->slot_count - 1);
    store->slots[slot] = number + 1;
}

static void grow_slots(struct sim_store *store)
{
    if (store->job_count * 2 < store->slot_count)
        return;
    store->slot_count = store->slot_count ? store->slot_count * 2 : 64;
    store->slots = arena_calloc(&store->world->arena, store->slot_count, sizeof *store->slots);
    for (uint32_t i = 0; i < store->job_count; i++)
        insert_slot(store, i);
}

struct sim_job *sim_store_find(const struct sim_store *store, const struct uuid *id)
{
    if (store->slot_count == 0)
        return NULL;
    size_t slot = hash_id(id) & (store->slot_count - 1);
    for (; store->slots[slot]; slot = (slot + 1) & (store->slot_count - 1)) {
        struct sim_job *job = store->jobs[store->slots[slot] - 1];
        if (uuid_equal(&job->row.id, id))
            return job;
    }
    return NULL;
}

struct sim_job *sim_store_post(struct sim_store *store, const struct job_row *row,
                               struct text flow_name, struct text flow_text, struct text input)
{
    struct arena *arena = &store->world->arena;
    CHECK(!sim_store_find(store, &row->id));
    struct sim_job *job = arena_calloc(arena, 1, sizeof *job);
    int64_t now_us = sim_store_clock_us(store);
    job->row = *row;
    job->row.state = JOB_READY;
    job->row.ready_at_us = now_us;
    job->before = job->row;
    job->changed_at_us = job->posted_at_us = now_us;
    job->flow_name = arena_text(arena, flow_name);
    job->flow_text = arena_text(arena, flow_text);
    job->flow_hash = arena_printf(arena, "%016llx", (unsigned long long)hash_id(&row->id));
    job->input = arena_text(arena, input);
    job->number = (uint32_t)store->job_count;
    store->jobs = arena_grow(arena, store->jobs, store->job_count, store->job_count + 1,
                             &store->job_capacity, sizeof *store->jobs);
    store->jobs[store->job_count] = job;
    grow_slots(store);
    store->job_count++;
    insert_slot(store, job->number);
    return job;
}

bool sim_store_inbox(struct sim_store *store, struct sim_job *job)
{
    if (job->locker || !store->is_up)
        return false;
    job->row.inbox_seq++;
    sim_count(store->world, COUNT_INBOX);
    return true;
}

void sim_store_hold(struct sim_store *store, struct sim_job *job, int64_t hold_ms)
{
    job->hold_until_us = sim_store_clock_us(store) + hold_ms * 1000;
}

size_t sim_store_job_count(const struct sim_store *store)
{
    return store->job_count;
}

struct sim_job *sim_store_job(const struct sim_store *store, size_t number)
{
    CHECK(number < store->job_count);
    return store->jobs[number];
}

/* -------------------------------------------------------------------------------------- row locks
 */

static void lock_rows(struct sim_statement *statement);

static void wake(void *object, uint64_t arg)
{
    struct sim_statement *statement = object;
    if (statement->stage == STAGE_LOCKING && !statement->waits)
        lock_rows(statement);
}

static void unlock_row(struct sim_store *store, struct sim_job *job)
{
    struct sim_statement *next = job->waiting;
    job->locker = NULL;
    if (!next)
        return;
    job->waiting = next->next_waiting;
    next->waits = false;
    job->locker = next; /* handed over, so that nobody comes in between */
    sim_queue_at(&store->world->queue, 0, wake, next, 0);
}

static void unlock_all(struct sim_statement *statement)
{
    for (struct sim_item *item = statement->items; item; item = item->next) {
        if (item->job && item->job->locker == statement)
            unlock_row(statement->store, item->job);
        item->is_locked = false;
    }
}

static void kill_backend(struct sim_conn *conn)
{
    struct sim_store_link *link = conn->link;
    conn->is_dead = true;
    for (struct sim_statement *at = conn->first, *next; at; at = next) {
        next = at->next_in_conn;
        if (at->stage < STAGE_DONE)
            store_abort(at);
    }
    if (link->is_frozen)
        link->breaks_at_thaw = true;
    else if (!link->is_gone)
        store_link_broken(link);
}

static void end_blockers(void *object, uint64_t arg)
{
    struct sim_statement *statement = object;
    if (!statement->waits || statement->stage != STAGE_LOCKING)
        return;
    struct sim_statement *locker = statement->locking->job->locker;
    if (locker && locker->stage == STAGE_STUCK && locker->conn) {
        sim_count(statement->store->world, COUNT_BLOCKERS_ENDED);
        kill_backend(locker->conn);
        return;
    }
    sim_queue_at(&statement->store->world->queue,
                 statement->store->world->queue.now_us + BLOCKED_US, end_blockers, statement, 0);
}

static void wait_for_row(struct sim_statement *statement, struct sim_job *job)
{
    struct sim_world *world = statement->store->world;
    struct sim_statement **end = &job->waiting;
    while (*end)
        end = &(*end)->next_waiting;
    *end = statement;
    statement->next_waiting = NULL;
    statement->waits = true;
    sim_count(world, COUNT_ROW_WAITED);
    if (statement->kind == STATEMENT_CLAIM)
        sim_queue_at(&world->queue, world->queue.now_us + BLOCKED_US, end_blockers, statement, 0);
}

static void stop_waiting(struct sim_statement *statement)
{
    struct sim_statement **at = &statement->locking->job->waiting;
    while (*at != statement)
        at = &(*at)->next_waiting;
    *at = statement->next_waiting;
    statement->waits = false;
}

/* ----------------------------------------------------------------------------------------- stages
 */

static void start_next(struct sim_conn *conn);

static void finish(struct sim_statement *statement, enum statement_stage stage)
{
    struct sim_conn *conn = statement->conn;
    bool was_active = statement->stage >= STAGE_LOCKING && statement->stage <= STAGE_STUCK;
    unlock_all(statement);
    statement->stage = stage;
    if (was_active) {
        conn->is_busy = false;
        start_next(conn);
    }
}

void store_abort(struct sim_statement *statement)
{
    if (statement->waits)
        stop_waiting(statement);
    sim_count(statement->store->world, COUNT_STORE_ABORTED);
    finish(statement, STAGE_GONE);
}

static void answer(void *object, uint64_t arg)
{
    store_answer(object);
}

/* A deliberate lie: every eighth save is answered and then lost. */
static bool lies(struct sim_statement *statement)
{
    struct sim_world *world = statement->store->world;
    return statement->kind == STATEMENT_SAVE && sim_has(world, MUTANT_EARLY_ANSWER) &&
           sim_permille(world, 125);
}

static void commit(struct sim_statement *statement)
{
    struct sim_store *store = statement->store;
    struct sim_conn *conn = statement->conn;
    bool lie = lies(statement);
    for (struct sim_item *item = statement->items; item; item = item->next) {
        if (item->is_alone && !item->is_locked && item->job && !item->is_decided)
            continue; /* was busy: goes again */
        if (lie && item->fits_snapshot) {
            item->answer = (struct core_event){.kind = EVENT_SAVED, .tag = item->effect.tag};
            item->is_decided = true;
        } else {
            store_apply_item(store, statement, item);
        }
    }
    if (!conn->is_open && statement->kind != STATEMENT_READ && statement->kind != STATEMENT_LOAD)
        sim_count(store->world, COUNT_STORE_LATE);
    int64_t at_us =
        store->world->queue.now_us + sim_delay_us(store->world, &store->options.network);
    conn->answer_us = at_us > conn->answer_us ? at_us : conn->answer_us;
    sim_queue_at(&store->world->queue, conn->answer_us, answer, statement, 0);
    finish(statement, STAGE_DONE);
}

static void executed(void *object, uint64_t arg)
{
    struct sim_statement *statement = object;
    if (statement->stage != STAGE_EXECUTING)
        return;
    if (!statement->mid_message) {
        commit(statement);
    } else if (!statement->conn->is_open) {
        store_abort(statement);
    } else {
        statement->stage = STAGE_STUCK;
    }
}

/* Locks from `statement->locking` on; stops where a row must be waited for. */
static void lock_rows(struct sim_statement *statement)
{
    struct sim_store *store = statement->store;
    struct sim_world *world = store->world;
    bool writes = statement->kind == STATEMENT_CLAIM || statement->kind == STATEMENT_SAVE;
    for (; statement->locking; statement->locking = statement->locking->next) {
        struct sim_item *item = statement->locking;
        struct sim_job *job = item->job;
        if (!writes || !job)
            continue;
        if (!job->locker || job->locker == statement) {
            job->locker = statement;
            item->is_locked = true;
        } else if (item->is_alone) {
            wait_for_row(statement, job);
            return;
        } else {
            sim_count(world, COUNT_ROW_SKIPPED);
            item->is_alone = !sim_permille(world, store->options.busy_told_permille);
            if (!item->is_alone)
                store_decide_busy(store, item);
        }
    }
    statement->stage = STAGE_EXECUTING;
    sim_queue_at(&world->queue, world->queue.now_us + sim_delay_us(world, &store->options.work),
                 executed, statement, 0);
}

static void start(struct sim_statement *statement)
{
    struct sim_store *store = statement->store;
    statement->conn->is_busy = true;
    statement->stage = STAGE_LOCKING;
    for (struct sim_item *item = statement->items; item; item = item->next) {
        if (statement->kind == STATEMENT_CLAIM)
            item->job = sim_store_find(store, &item->effect.u.claim.job);
        else if (statement->kind == STATEMENT_LOAD)
            item->job = sim_store_find(store, &item->effect.u.row.job);
        else if (statement->kind == STATEMENT_SAVE)
            item->job = sim_store_find(store, &item->effect.u.save.job);
        store_start_item(store, statement, item);
    }
    statement->locking = statement->items;
    lock_rows(statement);
}

static void start_next(struct sim_conn *conn)
{
    if (conn->is_busy || conn->is_dead)
        return;
    struct sim_statement *at = conn->first;
    while (at && at->stage >= STAGE_DONE)
        at = at->next_in_conn;
    if (at && at->stage == STAGE_QUEUED)
        start(at);
}

static void arrive(void *object, uint64_t arg)
{
    struct sim_statement *statement = object;
    if (statement->stage != STAGE_SENT)
        return;
    if (statement->conn->is_dead) {
        store_abort(statement);
        return;
    }
    statement->stage = STAGE_QUEUED;
    start_next(statement->conn);
}

void store_send(struct sim_statement *statement)
{
    struct sim_store *store = statement->store;
    struct sim_world *world = store->world;
    struct sim_conn *conn = statement->conn;
    int64_t delay_us = sim_delay_us(world, &store->options.network);
    if (delay_us > store->options.network.max_us)
        sim_count(world, COUNT_STORE_SLOW);
    int64_t at_us = world->queue.now_us + delay_us;
    conn->arrival_us = at_us > conn->arrival_us ? at_us : conn->arrival_us;
    if (conn->last)
        conn->last->next_in_conn = statement;
    else
        conn->first = statement;
    conn->last = statement;
    statement->stage = STAGE_SENT;
    sim_queue_at(&world->queue, conn->arrival_us, arrive, statement, 0);
}

/* ----------------------------------------------------------------------------------------- faults
 */

static void kill_connections(struct sim_store_link *link)
{
    for (int i = 0; i < CONNS; i++) {
        struct sim_conn *conn = link->conns[i];
        if (!conn)
            continue;
        conn->is_dead = true;
        for (struct sim_statement *at = conn->first; at; at = at->next_in_conn) {
            if (at->stage < STAGE_DONE)
                store_abort(at);
        }
    }
    if (link->is_frozen)
        link->breaks_at_thaw = true;
    else if (!link->is_gone)
        store_link_broken(link);
}

void sim_store_down(struct sim_store *store)
{
    if (!store->is_up)
        return;
    store->is_up = false;
    sim_count(store->world, COUNT_STORE_DOWN);
    for (struct sim_store_link *link = store->links; link; link = link->next)
        kill_connections(link);
}

void sim_store_up(struct sim_store *store)
{
    store->is_up = true;
}

bool sim_store_is_up(const struct sim_store *store)
{
    return store->is_up;
}

void sim_store_block(struct sim_store *store, struct sim_job *job)
{
    CHECK(!job->locker);
    job->locker = store->stranger;
}

void sim_store_unblock(struct sim_store *store, struct sim_job *job)
{
    CHECK(job->locker == store->stranger);
    unlock_row(store, job);
}

static bool stop_mid_message(struct sim_conn *conn)
{
    for (struct sim_statement *at = conn ? conn->first : NULL; at; at = at->next_in_conn) {
        if (at->stage < STAGE_STUCK && at->kind != STATEMENT_LOAD) {
            at->mid_message = true;
            return true;
        }
    }
    return false;
}

void sim_store_freeze(struct sim_store_link *link, int mid_permille)
{
    link->is_frozen = true;
    if (sim_permille(link->store->world, mid_permille) &&
        (stop_mid_message(link->conns[CONN_WORK]) || stop_mid_message(link->conns[CONN_SIDE])))
        sim_count(link->store->world, COUNT_MID_MESSAGE);
}

static void unstick(struct sim_conn *conn)
{
    for (struct sim_statement *at = conn->first; at; at = at->next_in_conn) {
        at->mid_message = false;
        if (at->stage == STAGE_STUCK) {
            at->stage = STAGE_EXECUTING;
            sim_queue_at(&at->store->world->queue, 0, executed, at, 0);
        }
    }
}

void sim_store_thaw(struct sim_store_link *link)
{
    link->is_frozen = false;
    if (link->breaks_at_thaw) {
        link->breaks_at_thaw = false;
        store_link_broken(link);
        return;
    }
    for (int i = 0; i < CONNS; i++) {
        if (link->conns[i])
            unstick(link->conns[i]);
    }
    for (int kind = 0; kind <= STATEMENT_READ; kind++)
        store_flush(link, (enum statement_kind)kind);
}
