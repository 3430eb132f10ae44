/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the fake board: the tree (sim_board.c), what requests do to it
 * (sim_board_server.c), and clients with their sessions (sim_board_link.c). */
#ifndef ENGINE_SIM_SIM_BOARD_PRIVATE_H
#define ENGINE_SIM_SIM_BOARD_PRIVATE_H

#include "engine/sim/sim_board.h"

#define SIM_POOL_TAGS_MAX 4
#define SIM_WATCHES_MAX   256 /* of one client */

struct sim_pool {
    struct pool pool;
    struct text tags[SIM_POOL_TAGS_MAX];
    size_t tag_count;
};

enum request_stage {
    REQUEST_WAITS, /* no connection: not sent yet */
    REQUEST_SENT,
    REQUEST_APPLIED, /* by the server; the answer is on its way */
    REQUEST_LOST,    /* its fate is not known to the client */
    REQUEST_DONE,    /* answered */
};

struct sim_request {
    struct core_effect effect;
    struct sim_session *session;
    enum request_stage stage;
    uint64_t line;       /* the connection it went over */
    bool is_dropped;     /* lost on its way */
    bool meets_any_lock; /* (a mutant's) sent in a session it was not meant for */
    struct core_event answer;
    struct sim_request *next; /* of the session, in order */
};

struct sim_session {
    struct sim_board *board;
    struct sim_board_link *link;
    struct uuid boot;
    bool has_ended; /* at the server */
    bool is_shown;  /* engines/ node */
    bool divides;   /* division/ node */
    int32_t free;
    bool draining;
    int64_t heard_us;                 /* of it, by the server */
    struct sim_request *first, *last; /* not answered */
    struct sim_session *next;         /* of the board, newest first */
};

struct sim_shard_watch {
    struct pool pool;
    uint16_t shard;
    bool is_armed;
    bool fired; /* and not told yet */
};

struct sim_board_link {
    struct sim_board *board;
    struct sim_board_self self;
    struct sim_listener listener;
    struct sim_session *session; /* as the client believes; NULL: none */
    bool began;                  /* EVENT_SESSION_BEGAN was told for it */
    bool is_gone;
    bool is_frozen;
    bool is_cut;                   /* the network */
    bool is_connected;             /* over `line` */
    bool is_closed;                /* no further session */
    struct sim_request *carried;   /* (a mutant's) of an ended session, for the next one */
    uint64_t line;                 /* counts connections */
    int64_t arrival_us, answer_us; /* newest message each way */
    struct sim_shard_watch *watches;
    size_t watch_count;
    bool members_pending, pools_pending;
    int32_t free;
    bool draining;
    size_t unanswered;
    struct sim_board_link *next;
};

struct sim_board {
    struct sim_world *world;
    struct sim_board_options options;
    bool is_up;
    struct sim_session *sessions;
    struct sim_board_link *links;
    struct sim_lock *locks;
    size_t lock_count, lock_capacity;
    struct card *cards;
    size_t card_count, card_capacity;
    struct sim_pool *pools;
    size_t pool_count, pool_capacity;
};

/* sim_board.c: the tree. */
struct sim_lock *board_find_lock(const struct sim_board *board, const struct uuid *job);
void board_make_lock(struct sim_board *board, const struct sim_lock *lock);
void board_delete_lock(struct sim_board *board, struct sim_lock *lock, const struct uuid *by);
bool board_has_card(const struct sim_board *board, const struct card *card);
/* A card whose pool has no folder needs its tags, unless it is the pool without any. */
bool board_can_make_card(const struct sim_board *board, const struct pool *pool, size_t tag_count);
/* False: it was there (make), it was not there (delete). */
bool board_make_card(struct sim_board *board, const struct card *card, const struct text *tags,
                     size_t tag_count);
bool board_delete_card(struct sim_board *board, const struct card *card);
/* Ends a session at the server with all it owned. */
void board_end(struct sim_session *session);
void board_expire_at(struct sim_session *session);
void board_members_changed(struct sim_board *board);

/* sim_board_server.c: what a request does when it arrives. Sets the answer. */
void board_apply(struct sim_request *request);
/* After a lost answer, in the same session: what is proven. */
void board_resolve(struct sim_request *request);
/* The answer when the session has ended. */
void board_void(struct sim_request *request);
void board_copy_effect(struct sim_board *board, const struct core_effect *effect,
                       struct core_effect *ret_copy);

/* sim_board_link.c: requests and messages. */
bool link_is_on(const struct sim_board_link *link, uint64_t line);
int64_t link_to_server_us(struct sim_board_link *link);
void link_tell(struct sim_board_link *link, const struct core_event *event);
/* Later, in order, if its connection still stands then; `request`: that it answers, or NULL. */
void link_tell_later(struct sim_board_link *link, const struct core_event *event,
                     struct sim_request *request);
void link_members_later(struct sim_board_link *link);
void link_pools_later(struct sim_board_link *link);
void link_watch_fired(struct sim_board_link *link, struct sim_shard_watch *watch);
struct sim_shard_watch *link_watch(struct sim_board_link *link, const struct pool *pool,
                                   uint16_t shard, bool create);
void link_forget_watches(struct sim_board_link *link);
bool link_is_answered(enum effect_kind kind);
struct sim_request *link_add_request(struct sim_board_link *link, const struct core_effect *effect);
void link_drop_request(struct sim_request *request);
void link_send_waiting(struct sim_board_link *link);

/* sim_board_session.c: connections and sessions. */
void sim_link_break(struct sim_board_link *link);
/* The client gives its session up, or closes for good. */
void link_end(struct sim_board_link *link, bool close);

#endif
