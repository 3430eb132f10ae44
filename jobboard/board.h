/* SPDX-License-Identifier: Apache-2.0 */
/* The board: cards, locks, engines and shards in ZooKeeper. The only user of zookeeper.h.
 *
 * Knows sessions, znodes, multis and which answers mean "outcome unknown". Refuses to know rows,
 * flows and policy: it does what it is told and says what it saw. ZooKeeper says who should run a
 * job; who may write is Postgres' business.
 *
 *   /jobboard/<board>                      BoardRoot: uuid, format, shard count
 *   /jobboard/<board>/engines/<boot>       ephemeral: Engine; written every T/6 (proof of life)
 *   /jobboard/<board>/division/<boot>      ephemeral: takes part in dividing the shards
 *   /jobboard/<board>/pokes/<boot>         ephemeral: set to say "look into your inbox"
 *   /jobboard/<board>/jobs/<pool>          persistent: Pool: the tags it needs
 *   /jobboard/<board>/jobs/<pool>/<ss>/<p><ready-at>-<job-id>   persistent: Card
 *   /jobboard/<board>/locks/<ss>/<job-id>  ephemeral: Lock: boot, claim uuid
 *
 * Sessions. A board in engine mode holds one session at a time and makes the next one when it
 * ends; each session is a new boot with a fresh boot uuid. Session lost, given up or closed: all
 * requests meant for it are answered BOARD_VOID, once, before BOARD_SESSION_ENDED is told; a lock
 * is never touched from another session than the one that created it. The client library never
 * declares expiry by itself: whoever counts the lease (the engine's core) calls board_give_up.
 *
 * Batching. Requests are queued; what piles up while one multi is in flight goes in the next, many
 * jobs in one multi (MULTI_OPS_MAX), in the order asked. When a multi fails, the job that the
 * result names is dropped from it and handled by the rule for failed multis, the rest goes again,
 * after two failures singly. Up to MULTIS_IN_FLIGHT are under way.
 *
 * After a failed or unknown multi that touched locks: sync, read the lock, delete it singly only if
 * its ephemeralOwner is this session and it carries this claim. This is done here, for every
 * request; what is answered is what was proven. Nothing blocks after board_new: addresses are
 * resolved there, once, to an odd-length list of numeric ones. */
#ifndef JOBBOARD_BOARD_H
#define JOBBOARD_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/os/source.h"
#include "base/record.h"

#define MULTI_OPS_MAX 200 /* operations in one multi */
#define MULTI_BYTES_MAX                                                                            \
    (256u << 10) /* well below ZooKeeper's 1 MiB, beyond which it cuts the connection */
#define MULTIS_IN_FLIGHT 4
#define SHARDS_MAX       4096

struct board;

struct board_options {
    const char *hosts;      /* host:port,host:port… ; names are resolved in board_new */
    const char *name;       /* of the board; [a-z0-9][a-z0-9._-]{0,62} */
    struct uuid board;      /* its uuid, from Postgres; another one there is ERR_WRONG_BOARD */
    unsigned shard_count;   /* from Postgres */
    int session_timeout_ms; /* asked for; the server may negotiate another */
    const struct member
        *self; /* engine mode: how this engine shows itself (boot is ignored); NULL: client mode */
    const char
        *auth; /* "user:password" for digest auth, or NULL; then every create has an explicit ACL */
    uint64_t seed;
};

/* Resolves the addresses (may block; call before the loop) and starts connecting. ERR_INVALID,
 * ERR_UNREACHABLE (a name that does not resolve). */
int board_new(const struct board_options *options, struct board **ret_board,
              struct error *ret_error);
/* Closes the session without waiting for long (its handle is closed without freezing the loop) and
 * frees everything. */
void board_free(struct board *board);

/* At most BOARD_SOURCES_MAX: the session, and a former session's handle being closed. */
#define BOARD_SOURCES_MAX 2
size_t board_sources(struct board *board, struct source ret_sources[BOARD_SOURCES_MAX]);

/* Creates the missing root (and its folders) with the uuid of the options. Answered by
 * BOARD_SESSION_BEGAN or another BOARD_ROOT_MISSING. Whether it is right to is the caller's
 * judgement (DESIGN 7: nobody with a good lease wrote board.lease_seen for 2T + 10 s). */
void board_create_root(struct board *board);

/* Ends the session at once and begins the next (after a short pause); all locks are given up. */
void board_give_up(struct board *board);
/* Ends the session and begins none: the answer is BOARD_SESSION_ENDED once the server confirmed
 * the close or `wait_ms` passed. For a clean exit. */
void board_close(struct board *board, int64_t wait_ms);

/* What the engines/ node says of this engine from its next write on; a change of `draining` is
 * written at once. */
void board_set_free(struct board *board, int32_t free_slots, bool draining);
/* Enters or leaves division/ in the present session. Idempotent; repeated in the background until
 * it holds. */
void board_divide(struct board *board, bool take_part);
/* Tells an engine to look into its inbox (writes its pokes/ node). Sent once, not repeated and not
 * answered: what it would tell is found by itself a little later. */
void board_poke(struct board *board, const struct uuid *boot);

/* --------------------------------------------------------------------------------------- requests
 * `boot` is the session a request is meant for; another one: BOARD_VOID. Every request is answered
 * exactly once with BOARD_DONE carrying its tag (list and count: BOARD_CARDS and BOARD_COUNT). What
 * is asked before a session began waits for it; when a session ends, all that is unanswered is
 * VOID.
 *
 * Ask one thing per job's lock at a time: unanswered requests of one job have no order. REFUSED
 * also answers what the server's access lists forbid (with a BOARD_TROUBLE). */

/* multi[check card, create lock]; if the card is missing, multi[create card, create lock].
 * OK · TAKEN (another's lock stands) · UNKNOWN (the lock may exist: unlock) · VOID. A lock of this
 * session that already stands with this claim is OK; with another claim of ours: TAKEN. If the
 * card's pool has no folder and its tags are not known, the lock is made without the card. */
void board_lock(struct board *board, const struct uuid *boot, const struct card *card,
                const struct uuid *claim, uint64_t tag);
/* sync, read, delete if it is this session's and carries this claim.
 * OK (absence proven) · TAKEN (another's stands) · UNKNOWN (call again) · VOID. */
void board_unlock(struct board *board, const struct uuid *boot, uint16_t shard,
                  const struct uuid *job, const struct uuid *claim, uint64_t tag);
/* multi[delete lock, delete card]: the job ended or is parked. OK · TAKEN · UNKNOWN · VOID. A card
 * that is left over is shard_sync's to remove. A lock that this session is not known to hold (never
 * answered OK, or put in doubt since) is settled as by board_unlock, and the card left. */
void board_consume(struct board *board, const struct uuid *boot, const struct card *card,
                   const struct uuid *claim, uint64_t tag);
/* multi[delete lock, delete card, create card]: back to READY under its new name. */
void board_release(struct board *board, const struct uuid *boot, const struct card *old_card,
                   const struct card *new_card, const struct uuid *claim, uint64_t tag);
/* Creates a card (already there: OK) with its folders where missing. `tags` are needed for a pool
 * that has no folder yet. Also in client mode (boot NULL). OK · UNKNOWN · REFUSED · VOID. */
void board_place(struct board *board, const struct card *card, const struct text *tags,
                 size_t tag_count, uint64_t tag);
/* The same, but not sent after `until_ms`: VOID then. A card that comes late may meet its job's
 * end, and nobody takes it away for a minute. */
void board_place_until(struct board *board, const struct card *card, const struct text *tags,
                       size_t tag_count, int64_t until_ms, uint64_t tag);
/* Creates the folder of a pool, with its tags, so that every engine that has them divides its
 * shards. Not answered, and not tried again. */
void board_show_pool(struct board *board, const struct pool *pool, const struct text *tags,
                     size_t tag_count);
/* Deletes a card (not there: OK). */
void board_remove(struct board *board, const struct card *card, uint64_t tag);

/* Lists a shard's cards and arms its watch: answered by BOARD_CARDS. A shard whose folder is
 * missing is an empty one. */
void board_list(struct board *board, const struct pool *pool, uint16_t shard, uint64_t tag);
/* Tells no more changes of this shard. */
void board_unwatch(struct board *board, const struct pool *pool, uint16_t shard);
/* How many cards a shard has, without listing: answered by BOARD_COUNT. */
void board_count_cards(struct board *board, const struct pool *pool, uint16_t shard, uint64_t tag);
/* Client mode: asks for one BOARD_MEMBERS. (An engine gets one at every change.) */
void board_read_members(struct board *board);

/* ----------------------------------------------------------------------------------------- events
 */

enum board_event_kind {
    BOARD_ROOT_MISSING,  /* connected, but the board is not there */
    BOARD_SESSION_BEGAN, /* the root is right and (engine mode) our engines/ node stands: `boot`,
                            `timeout_ms` */
    BOARD_ALIVE,         /* an acknowledged write in this session: `sent_ms` */
    BOARD_SESSION_ENDED, /* its locks are gone or going: `boot`; comes after the BOARD_VOID answers
                          */
    BOARD_TROUBLE, /* a person should know: `text` (wrong board, no address answers, auth refused)
                    */
    BOARD_MEMBERS, /* engines/ joined with division/, complete */
    BOARD_POOLS,   /* the pools there are, with their tags, complete */
    BOARD_SHARD_CHANGED, /* a listed shard's watch fired: list it again */
    BOARD_CARDS,         /* the listing of a shard */
    BOARD_COUNT,         /* number of cards of a shard */
    BOARD_POKED,         /* somebody wrote our pokes/ node; the watch is armed again already */
    BOARD_DONE,          /* a request's outcome */
};

struct board_event {
    enum board_event_kind kind;
    uint64_t tag;       /* DONE, CARDS, COUNT */
    struct uuid boot;   /* SESSION_BEGAN, SESSION_ENDED, ALIVE */
    int64_t sent_ms;    /* ALIVE, SESSION_BEGAN: clock_now_ms() when the proving write was sent */
    int32_t timeout_ms; /* SESSION_BEGAN: T as negotiated */
    enum board_outcome outcome; /* DONE, CARDS, COUNT: OK or UNKNOWN or VOID */
    struct pool pool;           /* SHARD_CHANGED, CARDS, COUNT */
    uint16_t shard;
    const struct card
        *cards;   /* CARDS: sorted by card_compare; names with garbage are left out and counted */
    size_t count; /* CARDS, MEMBERS, POOLS, COUNT */
    const struct member *members;
    const struct board_pool {
        struct pool pool;
        const struct text *tags;
        size_t tag_count;
    } * pools;
    struct text text; /* TROUBLE */
};

/* Takes one event; false when there is none. Views are valid until the next call. */
bool board_next(struct board *board, struct board_event *ret_event);

/* Whether the connection is good at this moment (a hint for people; leases decide). */
bool board_is_connected(const struct board *board);

/* ----------------------------------------------------------------------------------------- counts
 */

struct board_counts {
    uint64_t multis, multi_ops, singles; /* sent */
    uint64_t znodes_written;             /* creates, deletes and sets acknowledged */
    uint64_t unknown;                    /* operations whose answer never came */
    uint64_t resent_singly;
    uint64_t sessions;
    uint64_t garbage_names; /* znodes that are not ours */
    uint64_t oversize;      /* refused before the wire */
};
const struct board_counts *board_counted(const struct board *board);

#endif
