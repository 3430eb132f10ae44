/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "storage/storage_private.h"

const struct lane_type *const lane_types[LANES] = {
    [LANE_POST] = &lane_post,           [LANE_LOOK] = &lane_look,
    [LANE_INBOX] = &lane_inbox,         [LANE_INBOX_LOOK] = &lane_inbox_look,
    [LANE_CLAIM] = &lane_claim,         [LANE_LOAD] = &lane_load,
    [LANE_SAVE] = &lane_save,           [LANE_CLAIM_WAIT] = &lane_claim_wait,
    [LANE_SAVE_WAIT] = &lane_save_wait, [LANE_INBOX_WAIT] = &lane_inbox_wait,
    [LANE_ROWS] = &lane_rows,           [LANE_SHARD_ROWS] = &lane_shard_rows,
    [LANE_LATE_ROWS] = &lane_late_rows, [LANE_OWNED_ROWS] = &lane_owned_rows,
    [LANE_LEASE_AGE] = &lane_lease_age, [LANE_VIEW] = &lane_view,
    [LANE_BOOT] = &lane_boot,           [LANE_LEASE] = &lane_lease,
    [LANE_BLOCKERS] = &lane_blockers,   [LANE_NOTIFY] = &lane_notify,
    [LANE_LISTEN] = &lane_listen,
};

struct item *item_new(void)
{
    struct arena arena;
    arena_init(&arena);
    struct item *item = arena_calloc(&arena, 1, sizeof *item);
    item->arena = arena;
    return item;
}

void item_free(struct item *item)
{
    if (!item)
        return;
    struct arena arena = item->arena; /* the item lies in it */
    arena_done(&arena);
}

const struct uuid *item_uuids(struct item *item, const struct uuid *uuids, size_t count)
{
    struct uuid *copy = arena_calloc(&item->arena, count + 1, sizeof *copy);
    if (count)
        memcpy(copy, uuids, count * sizeof *copy);
    item->bytes += count * sizeof *copy;
    return copy;
}

void lane_add(struct storage *storage, enum lane_index index, struct item *item)
{
    struct lane *lane = &storage->lanes[index];
    CHECK(!storage->read_only || lane_types[index]->link == LINK_READ);
    item->next = NULL;
    if (lane->last)
        lane->last->next = item;
    else
        lane->first = item;
    lane->last = item;
    lane->queued++;
}

static void put_first(struct lane *lane, struct item *item)
{
    item->next = lane->first;
    lane->first = item;
    if (!lane->last)
        lane->last = item;
    lane->queued++;
}

static struct item *take(struct lane *lane)
{
    struct item *item = lane->first;
    CHECK(item != NULL && lane->queued > 0);
    lane->first = item->next;
    if (!lane->first)
        lane->last = NULL;
    lane->queued--;
    item->next = NULL;
    return item;
}

void lane_clear(struct storage *storage, enum lane_index index)
{
    while (storage->lanes[index].first)
        item_free(take(&storage->lanes[index]));
}

bool lane_can_send(const struct storage *storage, enum lane_index index)
{
    const struct lane *lane = &storage->lanes[index];
    const struct lane_type *type = lane_types[index];
    if (!lane->first || !link_is_up(&storage->links[type->link]))
        return false;
    if (lane->first->alone && lane->in_flight == lane->alone_in_flight)
        return lane->in_flight < SINGLES_IN_FLIGHT;
    return lane->in_flight < type->batches_max;
}

static struct batch *gather(struct lane *lane, const struct lane_type *type)
{
    struct batch *batch = xcalloc(1, sizeof *batch);
    size_t max = lane->queued < type->rows_max ? lane->queued : type->rows_max;
    size_t bytes = 0;
    batch->items = xcalloc(max, sizeof *batch->items);
    bool alone = lane->first->alone;
    do {
        bytes += lane->first->bytes;
        batch->items[batch->count++] = take(lane);
    } while (batch->count < max && !alone && !lane->first->alone &&
             bytes + lane->first->bytes <= BATCH_BYTES_MAX);
    return batch;
}

static void send_batch(struct storage *storage, enum lane_index index, int64_t now_ms)
{
    struct lane *lane = &storage->lanes[index];
    const struct lane_type *type = lane_types[index];
    struct batch *batch = gather(lane, type);
    struct item *first = batch->items[0];
    struct params params;
    struct shot *shot = xcalloc(1, sizeof *shot);
    shot->statement = first->statement ? first->statement : type->statement;
    shot->kind = (int)index;
    shot->batch = batch;
    params_init(&params, shot->statement);
    type->bind(&params, batch->items, batch->count);
    lane->in_flight++;
    lane->alone_in_flight += first->alone;
    storage->counts.statements[type->count]++;
    link_send(&storage->links[type->link], shot, &params, now_ms);
    params_done(&params);
}

void lanes_send(struct storage *storage, int64_t now_ms)
{
    for (enum lane_index index = 0; index < LANES; index++) {
        if (storage->lanes[index].first)
            link_want(&storage->links[lane_types[index]->link], now_ms);
        while (lane_can_send(storage, index))
            send_batch(storage, index, now_ms);
    }
}

/* Out of the batch, into the lane again: first come those that were first. */
static void send_singly(struct storage *storage, struct lane *lane, struct batch *batch)
{
    for (size_t i = batch->count; i-- > 0;) {
        batch->items[i]->alone = true;
        put_first(lane, batch->items[i]);
        batch->items[i] = NULL;
    }
    storage->counts.resent_singly += batch->count;
}

static enum failure_kind failure_kind(const char *sqlstate)
{
    static const char *const busy[] = {"40", "55P03", "57014", "25P03"};
    for (size_t i = 0; sqlstate && i < sizeof busy / sizeof busy[0]; i++)
        if (!strncmp(sqlstate, busy[i], strlen(busy[i])))
            return FAILED_BUSY;
    return FAILED_BAD;
}

static void batch_failed(struct storage *storage, enum lane_index index, struct batch *batch,
                         const PGresult *result)
{
    struct lane *lane = &storage->lanes[index];
    if (batch->count > 1) {
        send_singly(storage, lane, batch);
        return;
    }
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    lane_types[index]->failed(storage, batch->items[0], failure_kind(sqlstate),
                              text_of(message ? message : "no reason given"));
}

static void free_shot_and_batch(struct shot *shot)
{
    struct batch *batch = shot->batch;
    for (size_t i = 0; i < batch->count; i++)
        item_free(batch->items[i]);
    free(batch->items);
    free(batch);
    shot_free(shot);
}

static void shot_landed(struct storage *storage, struct shot *shot)
{
    enum lane_index index = (enum lane_index)shot->kind;
    struct batch *batch = shot->batch;
    struct lane *lane = &storage->lanes[index];
    CHECK(lane->in_flight > 0 && batch->count > 0);
    lane->in_flight--;
    lane->alone_in_flight -= batch->items[0]->alone;
    if (shot->broken || !shot->result) {
        for (size_t i = 0; i < batch->count; i++)
            lane_types[index]->unknown(storage, batch->items[i]);
    } else if (PQresultStatus(shot->result) != PGRES_TUPLES_OK &&
               PQresultStatus(shot->result) != PGRES_COMMAND_OK) {
        batch_failed(storage, index, batch, shot->result);
    } else {
        lane_types[index]->decode(storage, batch, shot->result);
    }
    free_shot_and_batch(shot);
}

void lanes_take(struct storage *storage)
{
    for (int i = 0; i < LINKS; i++) {
        struct shot *shot;
        while ((shot = link_next(&storage->links[i])))
            shot_landed(storage, shot);
    }
}

void lanes_discard(struct storage *storage)
{
    struct shot *shot;
    for (int i = 0; i < LINKS; i++)
        while ((shot = link_next(&storage->links[i])))
            free_shot_and_batch(shot);
    for (enum lane_index i = 0; i < LANES; i++)
        lane_clear(storage, i);
}
