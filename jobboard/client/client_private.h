/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the client library.
 *
 *   client.c   opening, sources, events
 *   now.c      calls that wait
 *   flow.c     a flow file with its text and pool
 *   post.c     posts from the queue to their acknowledgement
 *   rerun.c    ended jobs that run again: a `struct post` with an inbox row instead of a request
 *   place.c    cards of recorded jobs
 *   watch.c    watched jobs
 *   members.c  the engines
 *
 * A post lives in `struct post` from jobboard_post to its last answer: it stands in `posting` until
 * its outcome was told, then in `placing` until its card's was. Both lists are in the order of
 * their deadlines, since each post gets the same time. A post whose deadline passed is told and
 * stays, `is_over`, until the answer that is still under way for it comes. */
#ifndef JOBBOARD_CLIENT_CLIENT_PRIVATE_H
#define JOBBOARD_CLIENT_CLIENT_PRIVATE_H

#include <uthash.h>

#include "base/arena.h"
#include "jobboard/board.h"
#include "jobboard/client/jobboard.h"
#include "jobboard/client/window.h"

struct jobboard_flow {
    struct arena arena;
    struct text text;  /* as posted */
    struct flow *plan; /* compiled from it */
    struct pool pool;  /* of its tags */
};

struct post {
    struct arena arena; /* owns the texts of the request */
    struct post_request request;
    struct inbox_request inbox; /* a rerun; `request` then has only what its card needs */
    bool is_rerun;
    uint64_t tag;        /* the caller's */
    int64_t deadline_ms; /* of the present list */
    struct card card;    /* once recorded */
    unsigned tries;      /* to place the card */
    bool is_over;        /* its outcome was told: only an answer is awaited */
    bool asks_board;     /* the board has an answer to give */
    struct post *prev, *next;
    struct post *next_waiter; /* of a folder that is being counted */
};

/* An event on its way to the caller; texts live in `text`. */
struct queued_event {
    struct jobboard_event event;
    char text[256];
    struct queued_event *prev, *next;
};

struct watched {
    struct jobboard_moved seen; /* as told last; `job` is the key */
    bool was_told;
    bool is_due; /* to be looked at */
    UT_hash_handle hh;
};

/* What a source of the board points at: the board itself may come later. */
struct board_slot {
    struct jobboard *jobboard;
    size_t index;
};

struct jobboard {
    struct arena arena; /* owns the texts of the options */
    struct jobboard_options options;
    struct board_row row;
    struct storage *storage;
    struct board *board;   /* NULL: not needed yet, or there is no address */
    bool board_is_up;      /* a session began and did not end */
    bool board_is_missing; /* no engine made it yet */
    char board_trouble[256];
    struct source board_sources[BOARD_SOURCES_MAX];
    struct board_slot slots[BOARD_SOURCES_MAX];
    int64_t store_down_since_ms; /* 0: it is up */

    struct queued_event *events, *taken;
    struct post *posting, *placing, *over; /* utlist */
    size_t under_way;                      /* posts with an event to come */
    struct window *windows;                /* by folder */

    struct watched *watched;
    size_t due_count;
    size_t watched_open; /* watched jobs that are not final */
    bool look_in_flight;
    int64_t look_next_ms; /* the look of each second */

    bool members_came;
    struct arena members_arena;
    struct member *members;
    size_t member_count;

    /* An answer of the store that was not taken yet; while there is one, no other may be asked
     * for, since it would end what this one points at. */
    const struct view_answer *view_answer; /* for jobboard_view_now; NULL: none */
    bool view_is_queued;                   /* among `events` */
    unsigned late_views;                   /* given up by jobboard_view_now; they come first */
};

/* Tags of the client's own requests to the store: views of watched jobs. */
#define TAG_LOOK UINT64_MAX
/* Tag of the call that waits for its view. */
#define TAG_VIEW_NOW (UINT64_MAX - 1)

/* client.c */
struct queued_event *client_tell(struct jobboard *jobboard, enum jobboard_event_kind kind,
                                 uint64_t tag);
/* Takes what board and store have to say. */
void client_pull(struct jobboard *jobboard);
/* Connects to ZooKeeper if there is an address and that was not done yet. */
void client_need_board(struct jobboard *jobboard);

/* post.c */
void post_answered(struct jobboard *jobboard, struct post *post, const struct post_answer *answer);
void post_told(struct jobboard *jobboard, struct post *post);
void post_expire(struct jobboard *jobboard, int64_t now_ms);
void post_free(struct post *post);

/* rerun.c */
void rerun_answered(struct jobboard *jobboard, struct post *post,
                    const struct inbox_answer *answer);
/* Nobody knows: the time is over. */
void rerun_expired(struct jobboard *jobboard, struct post *post);

/* place.c */
void place_begin(struct jobboard *jobboard, struct post *post, int64_t now_ms);
void place_expire(struct jobboard *jobboard, int64_t now_ms);
void place_board_event(struct jobboard *jobboard, const struct board_event *event);
/* There is no board to wait for: what is being placed is told. */
void place_give_up(struct jobboard *jobboard, enum jobboard_placed outcome);

/* watch.c */
void watch_notice(struct jobboard *jobboard, const struct uuid *jobs, size_t count);
void watch_answered(struct jobboard *jobboard, const struct view_answer *answer);
/* Marks all open jobs when a second has passed, and asks for what is due. */
void watch_pump(struct jobboard *jobboard, int64_t now_ms);
int64_t watch_deadline_ms(const struct jobboard *jobboard);
void watch_done(struct jobboard *jobboard);

/* members.c */
void members_came(struct jobboard *jobboard, const struct board_event *event);

#endif
