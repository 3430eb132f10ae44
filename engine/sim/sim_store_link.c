/* SPDX-License-Identifier: Apache-2.0 */
/* The client's half of the fake store: batches, connections, answers. */
#include <string.h>

#include "base/check.h"
#include "engine/sim/sim_store_private.h"

static void tell(struct sim_store_link *link, const struct core_event *event)
{
    if (!link->is_gone)
        link->listener.tell(link->listener.context, event);
}

static void tell_state(struct sim_store_link *link, enum event_kind kind)
{
    tell(link, &(struct core_event){.kind = kind});
}

/* ---------------------------------------------------------------------------------------- requests
 */

static enum statement_kind kind_of(enum effect_kind kind)
{
    if (kind == EFFECT_CLAIM)
        return STATEMENT_CLAIM;
    if (kind == EFFECT_LOAD)
        return STATEMENT_LOAD;
    return kind == EFFECT_SAVE ? STATEMENT_SAVE : STATEMENT_READ;
}

static void append(struct sim_store_link *link, struct sim_item *item)
{
    enum statement_kind kind = kind_of(item->effect.kind);
    struct sim_item **end = item->is_alone ? &link->alone[kind] : &link->pending[kind];
    while (*end)
        end = &(*end)->next;
    item->next = NULL;
    *end = item;
}

void sim_store_request(struct sim_store_link *link, const struct core_effect *effect)
{
    if (effect->kind == EFFECT_BOOT_BEGAN || effect->kind == EFFECT_LEASE_SEEN || link->is_gone)
        return;
    struct arena *arena = &link->store->world->arena;
    struct sim_item *item = arena_calloc(arena, 1, sizeof *item);
    store_copy_effect(arena, effect, &item->effect);
    link->unanswered++;
    append(link, item);
    store_flush(link, kind_of(effect->kind));
}

size_t sim_store_unanswered(const struct sim_store_link *link)
{
    return link->unanswered;
}

static const struct uuid *item_job(const struct sim_item *item)
{
    switch ((int)item->effect.kind) {
    case EFFECT_CLAIM:
        return &item->effect.u.claim.job;
    case EFFECT_SAVE:
        return &item->effect.u.save.job;
    default:
        return &item->effect.u.row.job;
    }
}

static void add_sorted(struct sim_statement *statement, struct sim_item *item)
{
    struct sim_item **at = &statement->items;
    while (*at && uuid_compare(item_job(*at), item_job(item)) <= 0)
        at = &(*at)->next;
    item->next = *at;
    *at = item;
    statement->count++;
}

/* Whether the item may join: those to go alone do, and a job goes once. */
static bool may_join(const struct sim_statement *statement, const struct sim_item *item)
{
    if (statement->count == 0)
        return true;
    if (statement->kind == STATEMENT_READ || statement->count >= STATEMENT_ITEMS_MAX)
        return false;
    for (const struct sim_item *at = statement->items; at; at = at->next) {
        if (uuid_equal(item_job(at), item_job(item)))
            return false;
    }
    return true;
}

static struct sim_statement *new_statement(struct sim_store_link *link, enum statement_kind kind,
                                           enum conn_index conn)
{
    struct sim_statement *statement =
        arena_calloc(&link->store->world->arena, 1, sizeof *statement);
    statement->store = link->store;
    statement->kind = kind;
    statement->conn = link->conns[conn];
    if (link->hold_next && (kind == STATEMENT_CLAIM || kind == STATEMENT_SAVE)) {
        statement->mid_message = true;
        link->hold_next = false;
    }
    return statement;
}

static void flush_batch(struct sim_store_link *link, enum statement_kind kind)
{
    struct sim_statement *statement =
        new_statement(link, kind, kind == STATEMENT_READ ? CONN_READ : CONN_WORK);
    while (link->pending[kind] && may_join(statement, link->pending[kind])) {
        struct sim_item *item = link->pending[kind];
        link->pending[kind] = item->next;
        add_sorted(statement, item);
    }
    if (kind < STATEMENT_BATCHED)
        link->in_flight[kind] = true;
    store_send(statement);
}

static void flush_alone(struct sim_store_link *link, enum statement_kind kind)
{
    struct sim_statement *statement = new_statement(link, kind, CONN_SIDE);
    struct sim_item *item = link->alone[kind];
    link->alone[kind] = item->next;
    add_sorted(statement, item);
    link->alone_in_flight[kind] = true;
    store_send(statement);
}

void store_flush(struct sim_store_link *link, enum statement_kind kind)
{
    if (!link->conns[CONN_WORK] || link->is_frozen || link->is_gone)
        return;
    while (link->pending[kind] && (kind >= STATEMENT_BATCHED || !link->in_flight[kind]))
        flush_batch(link, kind);
    if (kind < STATEMENT_BATCHED && link->alone[kind] && !link->alone_in_flight[kind])
        flush_alone(link, kind);
}

/* ----------------------------------------------------------------------------------------- answers
 */

static void forget(struct sim_statement *statement)
{
    struct sim_conn *conn = statement->conn;
    struct sim_statement **at = &conn->first;
    struct sim_statement *before = NULL;
    while (*at && *at != statement) {
        before = *at;
        at = &(*at)->next_in_conn;
    }
    if (!*at)
        return;
    *at = statement->next_in_conn;
    if (conn->last == statement)
        conn->last = before;
}

static void count_answer(struct sim_world *world, const struct core_event *event)
{
    static const enum sim_count claims[] = {[CLAIM_OK] = COUNT_CLAIM_OK,
                                            [CLAIM_CHANGED] = COUNT_CLAIM_CHANGED,
                                            [CLAIM_BUSY] = COUNT_CLAIM_BUSY,
                                            [CLAIM_GONE] = COUNT_CLAIM_GONE,
                                            [CLAIM_UNKNOWN] = COUNT_CLAIM_UNKNOWN};
    static const enum sim_count loads[] = {[LOAD_OK] = COUNT_LOAD_OK,
                                           [LOAD_REFUSED] = COUNT_LOAD_REFUSED,
                                           [LOAD_INVALID] = COUNT_LOAD_REFUSED,
                                           [LOAD_UNKNOWN] = COUNT_LOAD_UNKNOWN};
    static const enum sim_count saves[] = {
        [SAVE_OK] = COUNT_SAVE_OK,           [SAVE_ALREADY] = COUNT_SAVE_ALREADY,
        [SAVE_INBOX] = COUNT_SAVE_INBOX,     [SAVE_BUSY] = COUNT_SAVE_BUSY,
        [SAVE_REFUSED] = COUNT_SAVE_REFUSED, [SAVE_BAD] = COUNT_SAVE_BAD,
        [SAVE_UNKNOWN] = COUNT_SAVE_UNKNOWN};
    if (event->kind == EVENT_CLAIMED)
        sim_count(world, claims[event->u.claim.outcome]);
    else if (event->kind == EVENT_LOADED)
        sim_count(world, loads[event->u.load.outcome]);
    else if (event->kind == EVENT_SAVED)
        sim_count(world, saves[event->u.save.outcome]);
}

static void tell_answer(struct sim_store_link *link, const struct core_event *event)
{
    if (link->is_gone)
        return;
    CHECK(link->unanswered > 0);
    link->unanswered--;
    count_answer(link->store->world, event);
    tell(link, event);
}

void store_answer(struct sim_statement *statement)
{
    struct sim_conn *conn = statement->conn;
    struct sim_store_link *link = conn->link;
    if (statement->stage != STAGE_DONE || !conn->is_open || conn->is_dead)
        return; /* lost: told as unknown when the client notices */
    statement->stage = STAGE_GONE;
    forget(statement);
    for (struct sim_item *item = statement->items, *next; item; item = next) {
        next = item->next;
        if (item->is_decided)
            tell_answer(link, &item->answer);
        else
            append(link, item);
    }
    if (link->is_gone || !conn->is_open)
        return;
    if (conn == link->conns[CONN_SIDE])
        link->alone_in_flight[statement->kind] = false;
    else if (statement->kind < STATEMENT_BATCHED)
        link->in_flight[statement->kind] = false;
    store_flush(link, statement->kind);
}

/* ---------------------------------------------------------------------------------------
 * connecting */

static struct sim_conn *new_conn(struct sim_store_link *link)
{
    struct sim_conn *conn = arena_calloc(&link->store->world->arena, 1, sizeof *conn);
    conn->link = link;
    conn->is_open = true;
    return conn;
}

static void try_later(struct sim_store_link *link);

static void try_connect(void *object, uint64_t tries)
{
    struct sim_store_link *link = object;
    if (link->is_gone || link->tries != tries)
        return;
    if (link->is_frozen || !link->store->is_up) {
        try_later(link);
        return;
    }
    for (int i = 0; i < CONNS; i++)
        link->conns[i] = new_conn(link);
    tell_state(link, EVENT_STORE_UP);
    for (int kind = 0; kind <= STATEMENT_READ; kind++)
        store_flush(link, (enum statement_kind)kind);
}

static void try_later(struct sim_store_link *link)
{
    struct sim_world *world = link->store->world;
    sim_queue_at(&world->queue,
                 world->queue.now_us + sim_between(world, RECONNECT_MIN_US, RECONNECT_MAX_US),
                 try_connect, link, ++link->tries);
}

struct sim_store_link *sim_store_connect(struct sim_store *store, struct sim_listener listener)
{
    struct sim_store_link *link = arena_calloc(&store->world->arena, 1, sizeof *link);
    link->store = store;
    link->listener = listener;
    link->next = store->links;
    store->links = link;
    try_later(link);
    return link;
}

/* What becomes of the statements of a connection that its client lost: the server may never see
 * them, execute them, or abort them; those that were committed stay. */
static void cut_conn(struct sim_conn *conn)
{
    struct sim_store *store = conn->link->store;
    bool lost = false;
    conn->is_open = false;
    for (struct sim_statement *at = conn->first, *next; at; at = next) {
        next = at->next_in_conn;
        if (at->stage == STAGE_DONE)
            sim_count(store->world, COUNT_STORE_ANSWER_LOST);
        lost = lost || (at->stage <= STAGE_QUEUED &&
                        sim_permille(store->world, store->options.lost_permille));
        if (at->stage <= STAGE_QUEUED && lost) {
            sim_count(store->world, COUNT_STORE_REQUEST_LOST);
            store_abort(at);
        } else if (at->stage == STAGE_STUCK ||
                   (at->stage < STAGE_STUCK && at->stage > STAGE_QUEUED &&
                    sim_permille(store->world, store->options.abort_permille))) {
            store_abort(at);
        }
    }
}

/* Tells "unknown" for all that was under way. The items stay with the server, which may decide
 * them yet: a copy is told. */
static void tell_unknown(struct sim_store_link *link, struct sim_statement *first)
{
    for (struct sim_statement *at = first; at; at = at->next_in_conn) {
        for (struct sim_item *item = at->items; item; item = item->next) {
            struct sim_item copy = *item;
            store_decide_unknown(link->store, &copy);
            tell_answer(link, &copy.answer);
        }
    }
}

static void cut_conns(struct sim_store_link *link)
{
    for (int i = 0; i < CONNS; i++) {
        if (link->conns[i])
            cut_conn(link->conns[i]);
        link->conns[i] = NULL;
    }
}

void store_link_broken(struct sim_store_link *link)
{
    struct sim_statement *first[CONNS];
    if (!link->conns[CONN_WORK])
        return;
    for (int i = 0; i < CONNS; i++)
        first[i] = link->conns[i]->first;
    cut_conns(link);
    memset(link->in_flight, 0, sizeof link->in_flight);
    memset(link->alone_in_flight, 0, sizeof link->alone_in_flight);
    tell_state(link, EVENT_STORE_DOWN);
    for (int i = 0; i < CONNS; i++)
        tell_unknown(link, first[i]);
    try_later(link);
}

void sim_store_break(struct sim_store_link *link)
{
    if (link->is_gone || !link->conns[CONN_WORK])
        return;
    sim_count(link->store->world, COUNT_STORE_CUT);
    if (link->is_frozen)
        link->breaks_at_thaw = true;
    else
        store_link_broken(link);
}

void sim_store_leave(struct sim_store_link *link)
{
    link->is_gone = true;
    cut_conns(link);
}

bool sim_store_is_waiting(const struct sim_store_link *link)
{
    for (int i = 0; i < CONNS; i++) {
        const struct sim_statement *at = link->conns[i] ? link->conns[i]->first : NULL;
        for (; at; at = at->next_in_conn) {
            if (at->waits)
                return true;
        }
    }
    return false;
}

bool sim_store_is_carried_out(const struct sim_store_link *link)
{
    for (int kind = 0; kind <= STATEMENT_READ; kind++) {
        if (link->pending[kind] || (kind < STATEMENT_BATCHED && link->alone[kind]))
            return false;
    }
    for (int i = 0; i < CONNS; i++) {
        const struct sim_statement *at = link->conns[i] ? link->conns[i]->first : NULL;
        for (; at; at = at->next_in_conn) {
            if (at->stage < STAGE_DONE)
                return false;
        }
    }
    return true;
}

void sim_store_hold_next(struct sim_store_link *link)
{
    link->hold_next = true;
}
