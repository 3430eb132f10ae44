/* SPDX-License-Identifier: Apache-2.0 */
/* Small writes about the engine itself, which nobody waits for, and when an engine wrote last. */
#include "base/check.h"
#include "storage/storage_private.h"

/* $1 boot, $2 name, $3 host, $4 pid, $5 supervisor's pid */
static const struct statement boot_statement = {
    "boot", "uttii",
    "INSERT INTO boots (boot, name, host, pid, supervisor_pid)"
    " VALUES ($1, $2, $3, $4, nullif($5, 0)) ON CONFLICT (boot) DO UPDATE"
    " SET name = excluded.name, host = excluded.host, pid = excluded.pid,"
    "  supervisor_pid = excluded.supervisor_pid"};

static const struct statement lease_statement = {"lease", "",
                                                 "UPDATE board SET lease_seen = clock_timestamp()"};

static const struct statement lease_age_statement = {
    "lease_age", "",
    "SELECT CASE WHEN lease_seen IS NULL THEN -1 ELSE"
    " greatest(0, (extract(epoch FROM clock_timestamp() - lease_seen) * 1000)::bigint) END"
    " FROM board"};

static void boot_bind(struct params *params, struct item *const *items, size_t count)
{
    const struct member *member = &items[0]->u.member;
    CHECK(count == 1);
    params_uuid(params, 0, &member->boot);
    params_text(params, 1, member->name);
    params_text(params, 2, member->host);
    params_int(params, 3, member->pid);
    params_int(params, 4, member->supervisor_pid);
}

static void nothing_to_bind(struct params *params, struct item *const *items, size_t count)
{
}

static void nothing_to_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
}

/* It is written once a session: try until it stands. */
static void boot_unknown(struct storage *storage, struct item *item)
{
    storage_boot_began(storage, &item->u.member);
}

static void lease_unknown(struct storage *storage, struct item *item)
{
}

static void not_answered(struct storage *storage, struct item *item, enum failure_kind kind,
                         struct text text)
{
}

static void answer_lease(struct storage *storage, const struct item *item, int code, int64_t age_ms)
{
    struct answer *answer = answer_new(storage, STORAGE_LEASE, item->tag);
    answer->body.u.lease.code = code;
    answer->body.u.lease.age_ms = age_ms;
}

static void lease_age_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    bool ok = PQntuples(result) == 1;
    int64_t age_ms = ok ? field_int(result, 0, 0, &ok) : 0;
    answer_lease(storage, batch->items[0], ok ? 0 : ERR_INVALID, age_ms);
}

static void lease_age_unknown(struct storage *storage, struct item *item)
{
    answer_lease(storage, item, ERR_UNKNOWN, 0);
}

static void lease_age_failed(struct storage *storage, struct item *item, enum failure_kind kind,
                             struct text text)
{
    answer_lease(storage, item, ERR_UNKNOWN, 0);
}

const struct lane_type lane_lease_age = {
    .name = "lease_age",
    .link = LINK_READ,
    .count = COUNT_OTHER,
    .rows_max = 1,
    .batches_max = 1,
    .statement = &lease_age_statement,
    .bind = nothing_to_bind,
    .decode = lease_age_decode,
    .unknown = lease_age_unknown,
    .failed = lease_age_failed,
};

const struct lane_type lane_boot = {
    .name = "boot",
    .link = LINK_WORK,
    .count = COUNT_OTHER,
    .rows_max = 1,
    .batches_max = 1,
    .statement = &boot_statement,
    .bind = boot_bind,
    .decode = nothing_to_decode,
    .unknown = boot_unknown,
    .failed = not_answered,
};

const struct lane_type lane_lease = {
    .name = "lease",
    .link = LINK_WORK,
    .count = COUNT_OTHER,
    .rows_max = 1,
    .batches_max = 1,
    .statement = &lease_statement,
    .bind = nothing_to_bind,
    .decode = nothing_to_decode,
    .unknown = lease_unknown,
    .failed = not_answered,
};

void storage_boot_began(struct storage *storage, const struct member *member)
{
    struct item *item = item_new();
    item->u.member = *member;
    item->u.member.name = arena_text(&item->arena, member->name);
    item->u.member.host = arena_text(&item->arena, member->host);
    item->u.member.tags = NULL;
    item->u.member.tag_count = 0;
    lane_add(storage, LANE_BOOT, item);
}

void storage_lease_seen(struct storage *storage)
{
    if (!storage->lanes[LANE_LEASE].first)
        lane_add(storage, LANE_LEASE, item_new());
}

void storage_read_lease(struct storage *storage, uint64_t tag)
{
    struct item *item = item_new();
    item->tag = tag;
    lane_add(storage, LANE_LEASE_AGE, item);
}
