/* SPDX-License-Identifier: Apache-2.0 */
/* A ZooKeeper that lies as ZooKeeper may: the board at the level of board.h, in virtual time.
 *
 * One `struct sim_board` is the ensemble: sessions, locks, cards, engines/, division/, pools. A
 * `struct sim_board_link` is one client (an engine's `struct board`), which makes one session after
 * the other, each a new boot. What is true of it:
 *
 *   A session ends when the server has not heard of it for T, rounded up to ticks; its locks and
 *   its engines/ node go then, whatever its owner does or believes. While the ensemble is away
 *   nothing ends; when it is back every session has its whole T again, or has ended.
 *   Requests of one session arrive in order and are applied at once when they arrive; a multi is
 *   all or nothing. One that failed and was sent again may be overtaken.
 *   A list is what stood there when the server handled it. The watch it armed fires once.
 *   When the connection breaks, what was under way was applied or not. In the same session the
 *   client then reads the lock and answers what that proves, or "unknown"; when the session has
 *   ended all of it is void.
 *
 * Requests are the core's effects, answers its events. */
#ifndef ENGINE_SIM_SIM_BOARD_H
#define ENGINE_SIM_SIM_BOARD_H

#include "engine/core/effect.h"
#include "engine/sim/sim_world.h"

struct sim_board;
struct sim_board_link;
struct sim_session;

/* A job's lock. */
struct sim_lock {
    struct uuid job;
    struct uuid claim;
    struct sim_session *session; /* its owner */
    uint16_t shard;
};

struct sim_board_watch {
    void *context;
    void (*lock_made)(void *context, const struct sim_lock *lock);
    /* `by`: the boot of the session that deletes it; of its own when that ends. */
    void (*lock_gone)(void *context, const struct sim_lock *lock, const struct uuid *owner,
                      const struct uuid *by);
    void (*card_made)(void *context, const struct card *card);
    void (*card_gone)(void *context, const struct card *card);
};

struct sim_board_options {
    struct sim_delay network; /* one way */
    int32_t timeout_ms;       /* T */
    int32_t tick_ms;
    int unknown_permille; /* a lost answer that is told as unknown though it could be proven */
    int resent_permille;  /* requests overtaken by later ones */
    int watch_lost_permille;
    int lost_permille; /* requests lost on the way when their connection breaks */
    struct sim_board_watch watch;
};

struct sim_board *sim_board_new(struct sim_world *world, const struct sim_board_options *options);
struct sim_board_options *sim_board_options(struct sim_board *board);

/* The ensemble is away: every connection breaks. */
void sim_board_down(struct sim_board *board);
/* It is back; with `expire_all` every session not heard of for T has ended meanwhile. */
void sim_board_up(struct sim_board *board, bool expire_all);
bool sim_board_is_up(const struct sim_board *board);
/* All cards are gone (somebody deleted them), sometimes with the folders of the pools. */
void sim_board_lose_cards(struct sim_board *board);
/* A client that is no engine creates a card; `tags` are the pool's. */
void sim_board_place(struct sim_board *board, const struct card *card, const struct text *tags,
                     size_t tag_count);

/* A client creates the folder of a pool. */
void sim_board_make_pool(struct sim_board *board, const struct pool *pool, const struct text *tags,
                         size_t tag_count);

/* What stands there now. */
size_t sim_board_card_count(const struct sim_board *board);
const struct card *sim_board_card(const struct sim_board *board, size_t number);
size_t sim_board_lock_count(const struct sim_board *board);
const struct sim_lock *sim_board_find_lock(const struct sim_board *board, const struct uuid *job);
/* The name of the engine whose session owns it. */
struct text sim_lock_owner(const struct sim_lock *lock);
/* Whether the server still holds this session. */
bool sim_board_is_alive(const struct sim_board *board, const struct uuid *boot);

/* --------------------------------------------------------------------------------------- clients
 */

/* How an engine shows itself. Texts live to the end of the run. */
struct sim_board_self {
    struct text name;
    const struct text *tags;
    size_t tag_count;
    int32_t slots;
    int64_t clock_us; /* the engine's clock minus the world's */
};

/* A client that starts to connect; EVENT_SESSION_BEGAN tells when it has a session. */
struct sim_board_link *sim_board_connect(struct sim_board *board, const struct sim_board_self *self,
                                         struct sim_listener listener);
/* Asks for what the effect says: EFFECT_DIVIDE .. EFFECT_REMOVE. It is copied. */
void sim_board_request(struct sim_board_link *link, const struct core_effect *effect);
/* What the engines/ node says from its next write on. */
void sim_board_show(struct sim_board_link *link, int32_t free, bool draining);
/* The network between this client and the servers is cut, and whole again. */
void sim_board_cut(struct sim_board_link *link);
void sim_board_mend(struct sim_board_link *link);
/* The server ends the client's session before its time, which no ZooKeeper does unless it lost
 * everything or was told to: the lease is worth nothing then, the store's fence still is. False:
 * there is none. */
bool sim_board_end_session(struct sim_board_link *link);
/* The client sends nothing while frozen; what it has sent goes on. */
void sim_board_freeze(struct sim_board_link *link);
void sim_board_thaw(struct sim_board_link *link);
/* The client's process is gone. Its session lives on until it times out. */
void sim_board_leave(struct sim_board_link *link);
/* The boot of the client's session as the client believes; nil: none. */
struct uuid sim_board_boot(const struct sim_board_link *link);
/* Whether that session has ended at the server. */
bool sim_board_has_ended(const struct sim_board_link *link);
/* Whether a request was applied and is not answered yet. */
bool sim_board_is_applied(const struct sim_board_link *link);
/* Requests not answered yet. */
size_t sim_board_unanswered(const struct sim_board_link *link);

#endif
