/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the board; nobody else includes it.
 *
 * Who does what: session.c holds the library's handle and its life, calls.c issues single
 * operations, root.c checks or creates the tree and joins it, presence.c writes the proof of life
 * and the division, members.c, pools.c and shards.c look, multi.c batches, locks.c proves,
 * folders.c makes what is missing, events.c keeps what is to be told, board.c is the door.
 *
 * Two rules keep completions harmless. (1) A completion gets the board and plain keys; what belongs
 * to a session is looked up, never pointed to, or outlives the handle. (2) While a session ends,
 * `session.is_dead` is set before the library runs the completions that are left, and they only
 * free themselves. Nothing ends a session inside a completion: it sets `session.end`, and the outer
 * call does it. */
#ifndef JOBBOARD_BOARD_PRIVATE_H
#define JOBBOARD_BOARD_PRIVATE_H

/* The library's struct buffer is not ours: base/buffer.h and this file do not meet. */
#include <zookeeper/zookeeper.h>

#include <uthash.h>
#include <utlist.h>

#include "base/arena.h"
#include "base/backoff.h"
#include "base/random.h"
#include "jobboard/address.h"
#include "jobboard/board.h"
#include "jobboard/closer.h"
#include "jobboard/digest.h"
#include "jobboard/paths.h"
#include "proto/wire.h"

#define REPLIES_PER_TURN     256 /* replies handled before the loop gets its turn */
#define SINGLES_IN_FLIGHT    256 /* the server stops reading at 1,000 requests */
#define FAILURES_BEFORE_SOLO 2   /* then a job's operations go alone */
#define CARD_FLIPS_MAX       4   /* check card, create card, … before the lock is read instead */
#define FOLDER_TRIES_MAX     3
#define ROOT_CHECK_MS        1000 /* how often a missing or wrong root is looked at again */
#define WATCHDOG_MIN_MS      200
#define WATCHDOG_MAX_MS      1000 /* an accepted connection without a session: the next address */
#define UNREACHABLE_TELL_MS  5000 /* without a connection: tell a person, once */
#define RECONNECT_PAUSE_MS   20   /* after a failed attempt that the library does not delay */
#define SESSION_PAUSE_MS     50   /* before the next session: doubles while none begins */
#define SESSION_PAUSE_MAX_MS 2000
#define FREE_WAIT_MS         40 /* board_free waits so long for the close to be confirmed */

/* ------------------------------------------------------------------------------------ requests */

enum request_kind {
    REQUEST_LOCK,
    REQUEST_UNLOCK,
    REQUEST_CONSUME,
    REQUEST_RELEASE,
    REQUEST_PLACE,
    REQUEST_REMOVE,
    REQUEST_LIST,
    REQUEST_COUNT,
};

/* What a lock's multi does with the card. */
enum card_mode { CARD_CHECK, CARD_CREATE, CARD_LEAVE };

struct request {
    enum request_kind kind;
    uint64_t tag;
    struct card card; /* UNLOCK: job and shard; LIST, COUNT: pool and shard */
    struct card new_card;
    struct uuid claim;
    enum card_mode card_mode;
    struct text *tags; /* PLACE: one allocation with its texts, or NULL */
    size_t tag_count;
    int64_t until_ms;  /* not sent after it; 0: whenever */
    unsigned failures; /* multis that failed with it in */
    unsigned flips;    /* of card_mode */
    unsigned folder_tries;
    bool is_proving;             /* the lock is to be read */
    bool was_refused;            /* the server answered its multi: nothing of it was applied */
    struct request *prev, *next; /* all unanswered ones, in the order asked */
    struct request **queue;      /* `batchable` or `singles`, where it waits; NULL: it does not */
    struct request *queue_prev, *queue_next;
};

/* ------------------------------------------------------------------------------------- session */

enum session_phase {
    SESSION_PAUSE,   /* no handle; the next one at `next_ms` */
    SESSION_OPENING, /* a handle, never connected */
    SESSION_ROOT,    /* connected once; the root is not known to be right */
    SESSION_JOIN,    /* the root is right; our nodes are being made */
    SESSION_UP,
    SESSION_CLOSED, /* board_close: no further one */
};

/* Why a session shall end; the first reason stays. */
enum session_end { END_NOT, END_GIVEN_UP, END_EXPIRED, END_BROKEN, END_AUTH, END_CLOSED };

struct session {
    enum session_phase phase;
    enum session_end end; /* wanted by the outer call */
    bool is_dead;         /* completions that still run free themselves and do nothing */
    bool was_connected;   /* at the last look */
    zhandle_t *handle;
    struct uuid boot;
    int32_t timeout_ms; /* negotiated */
    int fd;             /* as the library last said */
    int interest;
    int64_t library_ms; /* when the library wants to be asked */
    int64_t attempt_ms; /* when the present connection attempt began */
    int attempt_fd;
    int64_t lost_ms; /* when the connection was lost, or the handle made */
    bool told_unreachable;
    int64_t next_ms; /* PAUSE */
    struct backoff pause;
};

/* A folder whose children are of interest. */
struct folder_view {
    bool is_stale; /* to be listed */
    bool is_busy;  /* being listed */
    bool is_loaded;
};

struct peer {
    struct uuid boot;
    struct member member;
    struct arena arena; /* of member */
    bool needs_read, is_reading, is_seen;
    UT_hash_handle hh;
};

struct known_pool {
    struct pool pool;
    struct text *tags; /* one allocation with its texts */
    size_t tag_count;
    bool needs_read, is_reading, is_seen, is_garbage;
    UT_hash_handle hh;
};

struct shard_key {
    struct pool pool;
    uint16_t shard;
};

struct watched_shard {
    struct shard_key key;
    UT_hash_handle hh;
};

/* A lock that certainly stands and is this session's. */
struct held_lock {
    struct uuid job, claim;
    UT_hash_handle hh;
};

struct event_node {
    struct board_event event;
    struct arena arena;
    struct event_node *next;
};

struct board {
    struct addresses addresses;
    struct paths paths;
    struct uuid uuid;
    unsigned shard_count;
    int asked_timeout_ms;
    bool is_engine;
    struct member self; /* in `arena` */
    char *auth;
    char auth_id[DIGEST_ID_MAX];
    struct ACL acl_entry;
    struct ACL_vector acl;
    struct arena arena;
    struct random random;
    struct board_counts counts;

    struct event_node *events, *events_last;
    struct event_node *current; /* the one whose views are out */
    struct session session;
    struct closer closer;
    bool is_closing; /* board_close: SESSION_ENDED is told when the closer is done */
    int64_t close_until_ms;
    struct error told; /* the last TROUBLE, not told twice in a row */

    struct request *all;
    struct request *batchable; /* waiting for a multi */
    struct request *singles;   /* waiting to be sent by themselves */
    unsigned multis_in_flight, singles_in_flight, folders_in_flight;
    bool folders_broken; /* what these stand in is missing */

    /* root.c */
    bool root_busy;
    bool root_create; /* the caller wants it made */
    bool root_told;   /* ROOT_MISSING was told since the session began or the last making failed */
    bool joined_engines;
    int64_t root_next_ms;
    int64_t join_sent_ms;

    /* presence.c */
    bool beat_busy, beat_now;
    int64_t beat_next_ms;
    bool divide_want, divide_is, divide_busy;
    int64_t divide_next_ms;
    bool poke_stale, poke_busy, poke_armed_once;

    /* members.c */
    struct folder_view engines, division, pools_view;
    struct peer *peers;
    unsigned peers_reading;
    struct uuid *dividing; /* boots in division/ */
    size_t dividing_count;
    bool members_dirty, members_wanted;
    struct known_pool *pools;
    unsigned pools_reading;
    bool pools_dirty;

    struct watched_shard *watched; /* shards.c */
    struct held_lock *held;        /* locks.c */
};

/* -------------------------------------------------------------------------------------- calls.c */

/* What a completion is told beside its reply. */
struct call_key {
    struct request *request; /* unanswered, hence alive */
    struct uuid boot;
    struct shard_key shard;
    int64_t sent_ms;
};

struct reply {
    int rc;
    const char *data;
    int data_len;
    const struct Stat *stat;
    const struct String_vector *names;
};

typedef void (*call_fn)(struct board *board, const struct call_key *key, const struct reply *reply);

/* Each is answered exactly once, unless the session dies first: then never. When the library
 * refuses to take it, it is answered at once with ZCONNECTIONLOSS. */
void call_create(struct board *board, const char *path, struct text data, bool is_ephemeral,
                 call_fn fn, struct call_key key);
void call_delete(struct board *board, const char *path, int version, call_fn fn,
                 struct call_key key);
void call_set(struct board *board, const char *path, struct text data, call_fn fn,
              struct call_key key);
void call_get(struct board *board, const char *path, bool watch, call_fn fn, struct call_key key);
void call_exists(struct board *board, const char *path, bool watch, call_fn fn,
                 struct call_key key);
void call_children(struct board *board, const char *path, bool watch, call_fn fn,
                   struct call_key key);
void call_sync(struct board *board, const char *path, call_fn fn, struct call_key key);

/* The answer never came: it may have happened. */
bool rc_is_unknown(int rc);
struct text text_of_bytes(const struct wire_bytes *bytes);

/* ------------------------------------------------------------------------------------ session.c */

void session_interest(struct board *board, int64_t now_ms, struct interest *ret_interest);
void session_process(struct board *board, bool readable, bool writable, int64_t now_ms);
/* Looks at the library's state, and ends or begins what has to. Not inside a completion. */
void session_observe(struct board *board, int64_t now_ms);
/* Whether operations may be sent. */
bool session_is_connected(const struct board *board);
bool session_is_up(const struct board *board);
void session_want_end(struct board *board, enum session_end why);
/* Drops the handle; `ret_id` is 0 when there is no session left to close. */
void session_drop_handle(struct board *board, clientid_t *ret_id);

/* --------------------------------------------------------------------------------------- root.c */

void root_session_began(struct board *board, int64_t now_ms);
/* The root stands but a folder in it does not: somebody's hand. */
void root_repair_folders(struct board *board);
void root_pump(struct board *board, int64_t now_ms);
int64_t root_deadline_ms(const struct board *board);

/* ----------------------------------------------------------------------------------- presence.c */

void presence_session_began(struct board *board, int64_t now_ms);
void presence_pump(struct board *board, int64_t now_ms);
int64_t presence_deadline_ms(const struct board *board);
void presence_poked(struct board *board);
int presence_pack_self(const struct board *board, struct wire_bytes *ret_bytes);

/* ------------------------------------------------------------------------------------ members.c */

void members_session_began(struct board *board);
void members_session_ended(struct board *board);
void members_pump(struct board *board);
/* A watch fired on one of the three folders; false when `path` is none of them. */
bool members_changed(struct board *board, const char *path);
/* Lists a stale folder; what the answer means for it. */
void folder_view_list(struct board *board, struct folder_view *view, const struct path *path,
                      call_fn fn);
bool folder_view_listed(struct board *board, struct folder_view *view, const struct reply *reply);

/* -------------------------------------------------------------------------------------- pools.c */

void pools_session_ended(struct board *board);
void pools_pump(struct board *board);
/* A pool with its tags, if they are known. */
const struct known_pool *pools_find(const struct board *board, const struct pool *pool);

/* ------------------------------------------------------------------------------------- shards.c */

void shards_list(struct board *board, struct request *request);
void shards_count(struct board *board, struct request *request);
void shards_watch_fired(struct board *board, const char *path);
void shards_session_ended(struct board *board);

/* -------------------------------------------------------------------------------------- multi.c */

/* Sends what waits, as far as it may be in flight. */
void multi_pump(struct board *board);
bool multi_has_work(const struct board *board);
/* To the front of the queue, to be sent again. */
void multi_requeue(struct board *board, struct request *request);

/* -------------------------------------------------------------------------------------- locks.c */

/* Queues the reading of the request's lock; what it shows becomes the answer. */
void locks_prove(struct board *board, struct request *request, bool was_refused);
void locks_send_proof(struct board *board, struct request *request);
/* Whether the lock certainly is this session's under the request's claim: only then a multi may
 * delete it unseen. */
bool locks_is_held(const struct board *board, const struct request *request);
/* Learns from an answer. */
void locks_note(struct board *board, const struct request *request, enum board_outcome outcome);
void locks_session_ended(struct board *board);

/* ------------------------------------------------------------------------------------ folders.c */

/* Creates the folders that these requests' cards and locks stand in; no multi is sent until the
 * answers are there. */
void folders_make(struct board *board, struct request **requests, size_t count);
/* Creates a pool's folder. */
void folders_show_pool(struct board *board, const struct pool *pool, const struct text *tags,
                       size_t tag_count);
bool folders_can_make(const struct board *board, const struct request *request);

/* ------------------------------------------------------------------------------------- events.c */

/* Appends an event; its views may live in the returned node's arena. */
struct event_node *event_add(struct board *board, enum board_event_kind kind);
void event_trouble(struct board *board, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Answers a request and frees it. */
void request_answer(struct board *board, struct request *request, enum board_outcome outcome);
/* Takes it out of the lists without an answer (the caller has told it) and frees it. */
void request_free(struct board *board, struct request *request);
void requests_void_all(struct board *board);
void events_free(struct board *board);
/* A copy of texts in one allocation. */
struct text *texts_copy(const struct text *texts, size_t count);

#endif
