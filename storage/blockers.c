/* SPDX-License-Identifier: Apache-2.0 */
/* A frozen engine may hold row locks for ever, and no timeout fires while its backend waits in the
 * middle of a message. When the statement that waits for a lock on the side connection has waited
 * too long, the work connection ends those who block it and themselves only wait for their client.
 * A backend that works is left alone, however long it takes; so is one whose client paused only
 * just now. */
#include "base/check.h"
#include "storage/storage_private.h"

static const struct statement blockers_statement = {
    "blockers", "ii",
    "SELECT count(pg_terminate_backend(pid))::integer FROM pg_catalog.pg_stat_activity"
    " WHERE pid = ANY(pg_blocking_pids($1)) AND datname = current_database()"
    " AND (wait_event_type = 'Client' OR state LIKE 'idle in transaction%')"
    " AND state_change < clock_timestamp() - $2 * interval '1 ms'"};

static void blockers_bind(struct params *params, struct item *const *items, size_t count)
{
    CHECK(count == 1);
    params_int(params, 0, items[0]->u.blockers.pid);
    params_int(params, 1, items[0]->u.blockers.blocked_ms);
}

static void blockers_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    bool ok = true;
    storage->counts.blockers_ended += (uint64_t)field_int(result, 0, 0, &ok);
}

static void blockers_unknown(struct storage *storage, struct item *item)
{
}

static void blockers_failed(struct storage *storage, struct item *item, enum failure_kind kind,
                            struct text text)
{
}

const struct lane_type lane_blockers = {
    .name = "blockers",
    .link = LINK_WORK,
    .count = COUNT_OTHER,
    .rows_max = 1,
    .batches_max = 1,
    .statement = &blockers_statement,
    .bind = blockers_bind,
    .decode = blockers_decode,
    .unknown = blockers_unknown,
    .failed = blockers_failed,
};

/* When the statement that waits for a lock was sent; 0: none waits. */
static int64_t waits_since_ms(const struct storage *storage)
{
    for (const struct shot *shot = storage->links[LINK_SIDE].first; shot; shot = shot->next)
        if (!shot->own && (shot->kind == LANE_CLAIM_WAIT || shot->kind == LANE_SAVE_WAIT ||
                           shot->kind == LANE_INBOX_WAIT))
            return shot->sent_ms;
    return 0;
}

void blockers_pump(struct storage *storage, int64_t now_ms)
{
    const struct lane *lane = &storage->lanes[LANE_BLOCKERS];
    int64_t since_ms = waits_since_ms(storage);
    if (!since_ms) {
        storage->look_ms = 0;
        return;
    }
    if (storage->look_ms < since_ms + storage->blocked_ms)
        storage->look_ms = since_ms + storage->blocked_ms;
    if (now_ms < storage->look_ms || lane->first || lane->in_flight)
        return;
    storage->look_ms = now_ms + storage->blocked_ms;
    struct item *item = item_new();
    item->u.blockers.pid = storage->links[LINK_SIDE].now.pid;
    item->u.blockers.blocked_ms = storage->blocked_ms;
    lane_add(storage, LANE_BLOCKERS, item);
}
