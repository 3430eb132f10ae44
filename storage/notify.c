/* SPDX-License-Identifier: Apache-2.0 */
/* Telling who waits that jobs moved: one NOTIFY for many, at most every NOTIFY_EVERY_MS, apart from
 * the saves, since a commit with a NOTIFY takes a lock that all of them share. A payload is a run
 * of job ids, 32 digits each; `*` says that there are too many to name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "storage/storage_private.h"

#define DIGITS 32

static const struct statement notify_statement = {"notify", "tT",
                                                  "SELECT pg_notify($1, p) FROM unnest($2) AS p"};

void notify_init(struct storage *storage, const char *schema)
{
    snprintf(storage->channel, sizeof storage->channel, "jobboard_%s", schema);
    snprintf(storage->listen_sql, sizeof storage->listen_sql, "LISTEN \"%s\"", storage->channel);
    storage->listen_statement = (struct statement){"listen", "", storage->listen_sql};
}

void notify_moved(struct storage *storage, const struct uuid *job)
{
    if (storage->moved_all)
        return;
    if (storage->moved_count == NOTIFY_IDS_MAX) {
        storage->moved_all = true;
        storage->moved_count = 0;
        return;
    }
    if (!storage->moved)
        storage->moved = xcalloc(NOTIFY_IDS_MAX, sizeof *storage->moved);
    storage->moved[storage->moved_count++] = *job;
}

static bool is_pending(const struct storage *storage)
{
    const struct lane *lane = &storage->lanes[LANE_NOTIFY];
    return (storage->moved_all || storage->moved_count) && !lane->first && !lane->in_flight;
}

int64_t notify_deadline_ms(const struct storage *storage)
{
    return is_pending(storage) ? storage->notified_ms + NOTIFY_EVERY_MS : -1;
}

static void add_digits(struct buffer *buffer, const struct uuid *id)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        buffer_add_char(buffer, digits[id->bytes[i] >> 4]);
        buffer_add_char(buffer, digits[id->bytes[i] & 15]);
    }
}

static void make_payloads(struct storage *storage, struct item *item)
{
    struct buffer buffer;
    size_t max = NOTIFY_IDS_MAX / NOTIFY_PAYLOAD_IDS + 1;
    item->u.notify.payloads = arena_calloc(&item->arena, max, sizeof(struct text));
    if (storage->moved_all) {
        item->u.notify.payloads[item->u.notify.count++] = TEXT("*");
        return;
    }
    buffer_init(&buffer, 0);
    for (size_t i = 0; i < storage->moved_count; i++) {
        add_digits(&buffer, &storage->moved[i]);
        if ((i + 1) % NOTIFY_PAYLOAD_IDS && i + 1 < storage->moved_count)
            continue;
        CHECK(item->u.notify.count < max);
        item->u.notify.payloads[item->u.notify.count++] =
            arena_text(&item->arena, buffer_text(&buffer));
        buffer_clear(&buffer);
    }
    buffer_done(&buffer);
}

void notify_pump(struct storage *storage, int64_t now_ms)
{
    if (!is_pending(storage) || now_ms < storage->notified_ms + NOTIFY_EVERY_MS)
        return;
    struct item *item = item_new();
    item->u.notify.channel = storage->channel;
    make_payloads(storage, item);
    storage->moved_all = false;
    storage->moved_count = 0;
    storage->notified_ms = now_ms;
    lane_add(storage, LANE_NOTIFY, item);
}

static void notify_bind(struct params *params, struct item *const *items, size_t count)
{
    CHECK(count == 1);
    params_text(params, 0, text_of(items[0]->u.notify.channel));
    for (size_t i = 0; i < items[0]->u.notify.count; i++)
        params_text(params, 1, items[0]->u.notify.payloads[i]);
}

static void notify_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
}

static void notify_unknown(struct storage *storage, struct item *item)
{
    storage->moved_all = true;
}

static void notify_failed(struct storage *storage, struct item *item, enum failure_kind kind,
                          struct text text)
{
    storage->moved_all = true;
}

const struct lane_type lane_notify = {
    .name = "notify",
    .link = LINK_SIDE,
    .count = COUNT_OTHER,
    .rows_max = 1,
    .batches_max = 1,
    .statement = &notify_statement,
    .bind = notify_bind,
    .decode = notify_decode,
    .unknown = notify_unknown,
    .failed = notify_failed,
};

/* --------------------------------------------------------------------------------- listening */

static void ask_to_listen(struct storage *storage)
{
    struct item *item = item_new();
    item->statement = &storage->listen_statement;
    lane_clear(storage, LANE_LISTEN);
    lane_add(storage, LANE_LISTEN, item);
}

void storage_listen(struct storage *storage)
{
    if (storage->listens)
        return;
    storage->listens = true;
    ask_to_listen(storage);
}

void notify_came_up(struct storage *storage)
{
    if (storage->listens)
        ask_to_listen(storage);
}

static void listen_bind(struct params *params, struct item *const *items, size_t count)
{
}

static void listen_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    answer_new(storage, STORAGE_NOTICE, 0);
}

static void listen_unknown(struct storage *storage, struct item *item)
{
}

static void listen_failed(struct storage *storage, struct item *item, enum failure_kind kind,
                          struct text text)
{
}

const struct lane_type lane_listen = {
    .name = "listen",
    .link = LINK_READ,
    .count = COUNT_OTHER,
    .rows_max = 1,
    .batches_max = 1,
    .bind = listen_bind,
    .decode = listen_decode,
    .unknown = listen_unknown,
    .failed = listen_failed,
};

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_digits(const char *text, struct uuid *ret_id)
{
    for (size_t i = 0; i < sizeof ret_id->bytes; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_id->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Anyone may send a NOTIFY: what does not read as ids says "look at everything". */
static void read_notice(struct storage *storage, const char *payload)
{
    struct answer *answer = answer_new(storage, STORAGE_NOTICE, 0);
    size_t count = strlen(payload) / DIGITS;
    struct uuid *jobs = arena_calloc(&answer->arena, count + 1, sizeof *jobs);
    if (strlen(payload) % DIGITS)
        return;
    for (size_t i = 0; i < count; i++)
        if (!read_digits(payload + i * DIGITS, &jobs[i]))
            return;
    answer->body.u.notice.jobs = jobs;
    answer->body.u.notice.count = count;
}

void notify_take(struct storage *storage)
{
    PGnotify *notice;
    while ((notice = link_notice(&storage->links[LINK_READ]))) {
        if (storage->listens && !strcmp(notice->relname, storage->channel))
            read_notice(storage, notice->extra);
        PQfreemem(notice);
    }
}
