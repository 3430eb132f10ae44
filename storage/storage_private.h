/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the store: requests as items, queues as lanes, statements as shots.
 *
 * A request becomes an item, which owns a copy of all that it points to, and waits in a lane. A
 * lane turns what waits into one statement on its link; the result is read by the lane's `decode`,
 * which gives the answers. An item is answered exactly once, unless it is forgotten or never
 * answered by nature (LANE_BOOT and the ones after it). */
#ifndef STORAGE_STORAGE_PRIVATE_H
#define STORAGE_STORAGE_PRIVATE_H

#include "base/arena.h"
#include "storage/link.h"
#include "storage/params.h"
#include "storage/storage.h"
#include "storage/targets.h"
#include "storage/views.h"

#define LOAD_ROWS_MAX      200  /* jobs in one load: their documents come back */
#define REPAIRS_IN_FLIGHT  16   /* statements of reading requests that are not batched */
#define SINGLES_IN_FLIGHT  16   /* statements of one job each, after their batch failed */
#define BLOCKED_MS         100  /* a claim that waits longer for a row looks who holds it */
#define LOCK_TIMEOUT_MS    1000 /* a statement that waits longer for a row is given up */
#define NOTIFY_EVERY_MS    20
#define NOTIFY_IDS_MAX     1000 /* pending beyond: "look at everything" */
#define NOTIFY_PAYLOAD_IDS 200  /* 32 digits each; a payload holds less than 8000 bytes */

enum link_index { LINK_WORK, LINK_READ, LINK_SIDE, LINKS };

enum lane_index {
    LANE_POST,
    LANE_LOOK, /* of posts that met a key or id there already: what is it? */
    LANE_INBOX,
    LANE_INBOX_LOOK, /* of those that were refused: perhaps an earlier send was not */
    LANE_CLAIM,
    LANE_LOAD,
    LANE_SAVE,
    LANE_CLAIM_WAIT, /* a claim whose row was locked: waits for the lock, apart from all others */
    LANE_SAVE_WAIT,
    LANE_INBOX_WAIT,
    LANE_ROWS,
    LANE_SHARD_ROWS,
    LANE_LATE_ROWS,
    LANE_OWNED_ROWS,
    LANE_LEASE_AGE,
    LANE_VIEW,
    LANE_BOOT, /* from here on nothing is answered */
    LANE_LEASE,
    LANE_BLOCKERS,
    LANE_NOTIFY,
    LANE_LISTEN,
    LANES,
};

/* Indexes of storage_counts.statements. */
enum statement_kind {
    COUNT_POST,
    COUNT_CLAIM,
    COUNT_LOAD,
    COUNT_SAVE,
    COUNT_ROWS,
    COUNT_REPAIR,
    COUNT_VIEW,
    COUNT_OTHER,
};

struct item {
    struct item *next;
    struct arena arena; /* holds the item itself too */
    uint64_t tag;
    size_t bytes;                      /* what it adds to a statement, about */
    bool alone;                        /* its batch failed: it goes by itself */
    const struct statement *statement; /* instead of the lane's; NULL: the lane's */
    union {
        struct post_request post;
        struct {
            struct inbox_request request;
            enum job_state refused_in; /* what the first statement found */
        } inbox;
        struct claim_request claim;
        struct {
            struct uuid job, claim;
        } load;
        struct save save;
        struct {
            const struct uuid *jobs;
            size_t count;
        } rows;
        struct {
            struct pool pool;
            uint16_t shard;
            int window;
            const struct uuid *jobs;
            size_t count;
        } shard_rows;
        struct late_query late_rows;
        struct uuid boot; /* owned rows */
        struct view_request view;
        struct member member;
        struct {
            int32_t pid; /* of the backend that waits */
            int64_t blocked_ms;
        } blockers;
        struct {
            const char *channel;
            struct text *payloads;
            size_t count;
        } notify;
    } u;
};

/* One statement's items. Those that decode keeps (moves to another lane) it sets to NULL. */
struct batch {
    struct item **items;
    size_t count;
};

/* Why a statement of one item failed, the session being good. */
enum failure_kind {
    FAILED_BUSY, /* locked, deadlock, out of time: the same again may work */
    FAILED_BAD,  /* the values cannot be stored */
};

struct lane_type {
    const char *name;
    enum link_index link;
    enum statement_kind count;
    size_t rows_max;    /* items in one statement */
    size_t batches_max; /* statements in flight */
    const struct statement *statement;
    void (*bind)(struct params *params, struct item *const *items, size_t count);
    void (*decode)(struct storage *storage, struct batch *batch, const PGresult *result);
    void (*unknown)(struct storage *storage, struct item *item);
    /* `text`: the server's reason. */
    void (*failed)(struct storage *storage, struct item *item, enum failure_kind kind,
                   struct text text);
};
extern const struct lane_type *const lane_types[LANES];

struct lane {
    struct item *first, *last;
    size_t queued;
    size_t in_flight;       /* statements */
    size_t alone_in_flight; /* of these, of items that go by themselves */
};

struct answer {
    struct answer *next;
    struct arena arena;
    struct storage_answer body;
};

struct storage_source {
    struct storage *storage;
    enum link_index index;
};

struct storage {
    bool read_only;
    struct targets targets;
    struct link links[LINKS];
    struct storage_source sources[LINKS];
    struct lane lanes[LANES];
    struct answer *answers_first, *answers_last;
    struct answer *taken; /* given out last; lives until the next storage_next */
    struct storage_counts counts;
    bool listens;
    char channel[SCHEMA_MAX + 16];
    char listen_sql[SCHEMA_MAX + 32];
    struct statement listen_statement;
    int64_t blocked_ms;
    int64_t look_ms;    /* when to look who blocks the statement that waits; 0: none waits */
    struct uuid *moved; /* jobs to notify about */
    size_t moved_count;
    bool moved_all;
    int64_t notified_ms;
};

/* lanes.c */
struct item *item_new(void);
void item_free(struct item *item);
/* Copies `count` uuids into the item. */
const struct uuid *item_uuids(struct item *item, const struct uuid *uuids, size_t count);
void lane_add(struct storage *storage, enum lane_index lane, struct item *item);
bool lane_can_send(const struct storage *storage, enum lane_index lane);
void lanes_send(struct storage *storage, int64_t now_ms);
void lanes_take(struct storage *storage);
/* Frees everything that is queued or came back, without an answer. */
void lanes_discard(struct storage *storage);
void lane_clear(struct storage *storage, enum lane_index lane);

/* storage.c */
/* An answer to be filled in; it is in the queue already. */
struct answer *answer_new(struct storage *storage, enum storage_answer_kind kind, uint64_t tag);

/* rows.c: the columns that every answer with a row begins with, of the table called `j`. */
#define JOB_COLUMNS(j)                                                                             \
    j ".id, " j ".state::text, " j ".epoch, " j ".claim, " j ".owner, " j ".save_no, " j           \
      ".inbox_seq, " j ".inbox_applied, " j ".ready_at, " j ".pool, " j ".shard, " j               \
      ".priority, " j ".unclean, " j ".format, "                                                   \
      "coalesce(" j ".hold_until > clock_timestamp(), false), " j                                  \
      ".changed_at > clock_timestamp() - interval '2 s'"
#define JOB_COLUMN_COUNT 16
/* False for a row with garbage. */
bool job_row_read(const PGresult *result, int row, int column, struct job_row *ret_row);
/* The lines of `joined`, in `arena`. */
const struct text *tags_split(struct arena *arena, struct text joined, size_t *ret_count);
bool job_state_find(struct text name, enum job_state *ret_state);
bool task_state_find(struct text name, enum task_state *ret_state);

/* notify.c */
void notify_init(struct storage *storage, const char *schema);
void notify_moved(struct storage *storage, const struct uuid *job);
void notify_pump(struct storage *storage, int64_t now_ms);
int64_t notify_deadline_ms(const struct storage *storage);
void notify_came_up(struct storage *storage);
void notify_take(struct storage *storage);

/* blockers.c: looks for who blocks the statement that waits on the side connection. */
void blockers_pump(struct storage *storage, int64_t now_ms);

/* views.c */
extern const struct lane_type lane_view;

extern const struct lane_type lane_post, lane_look, lane_inbox, lane_inbox_look, lane_inbox_wait,
    lane_claim, lane_claim_wait, lane_load, lane_save, lane_save_wait, lane_rows, lane_shard_rows,
    lane_late_rows, lane_owned_rows, lane_lease_age, lane_boot, lane_lease, lane_blockers,
    lane_notify, lane_listen;

#endif
