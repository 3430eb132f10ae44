/* SPDX-License-Identifier: Apache-2.0 */
/* What the core is told. Each event carries the time it came; texts and arrays are views that need
 * to last only during core_step. A `tag` is the one of the effect that is answered. */
#ifndef ENGINE_CORE_EVENT_H
#define ENGINE_CORE_EVENT_H

#include "base/record.h"

enum event_kind {
    EVENT_TICK,          /* the time of core_deadline_ms came */
    EVENT_DRAIN,         /* told to stop: hand everything over, then leave */
    EVENT_DRAIN_NOW,     /* told twice: close the session at once */
    EVENT_SESSION_BEGAN, /* session */
    EVENT_ALIVE,         /* session.sent_ms: an acknowledged write proves the session */
    EVENT_SESSION_ENDED, /* session.boot: its locks are gone */
    EVENT_MEMBERS,       /* members */
    EVENT_POOLS,         /* pools */
    EVENT_SHARD_CHANGED, /* shard: its cards changed since the last listing */
    EVENT_CARDS,         /* shard: the listing asked for */
    EVENT_LOCKED,        /* board: answers EFFECT_LOCK */
    EVENT_UNLOCKED,      /* board: answers EFFECT_UNLOCK, EFFECT_CONSUME, EFFECT_RELEASE */
    EVENT_STORE_UP,
    EVENT_STORE_DOWN,
    EVENT_ROWS,         /* rows: answers EFFECT_READ_ROW, _SHARD_ROWS, _LATE_ROWS, _OWNED_ROWS */
    EVENT_CLAIMED,      /* claim */
    EVENT_LOADED,       /* load */
    EVENT_SAVED,        /* save */
    EVENT_STEP_STARTED, /* step: its process runs */
    EVENT_STEP_FAILED,  /* step: it could not be started */
    EVENT_STEP_ENDED,   /* step: its whole process tree is gone */
    EVENT_KINDS,
};

/* How a step's process ended. */
struct step_end {
    uint64_t step;
    int exit_code;      /* -1: it did not exit by itself */
    int signal;         /* 0: no signal */
    struct text out;    /* stdout, as it was written */
    bool out_overflow;  /* it wrote more than the limit and was killed */
    struct text err;    /* the tail of stderr, clean UTF-8 */
    struct text reason; /* STEP_FAILED: why it could not be started, for a person */
    bool is_lost; /* the outcome is not known: a request that may have arrived, a step whose warden
                     was lost */
    int status;   /* of a response; 0: a process */
    struct text headers; /* of a response: a JSON object, names in lower case */
};

struct core_event {
    enum event_kind kind;
    int64_t now_ms; /* CLOCK_BOOTTIME; never goes back */
    uint64_t tag;
    union {
        struct {
            struct uuid boot;
            int32_t timeout_ms; /* SESSION_BEGAN: T as negotiated */
            int64_t sent_ms;    /* SESSION_BEGAN, ALIVE: when the proving write was sent */
        } session;
        struct {
            const struct member *list; /* complete */
            size_t count;
        } members;
        struct {
            const struct pool_info {
                struct pool pool;
                const struct text *tags;
                size_t tag_count;
            } * list; /* complete */
            size_t count;
        } pools;
        struct {
            struct pool pool;
            uint16_t shard;
            enum board_outcome outcome; /* CARDS */
            const struct card *cards;   /* CARDS: sorted by card_compare */
            size_t count;
        } shard;
        struct {
            enum board_outcome outcome;
        } board;
        struct {
            int code; /* 0 or an error code: ask again */
            const struct job_row *list;
            size_t count;
        } rows;
        struct claim_answer claim;
        struct {
            enum load_outcome outcome;
            struct job_load load;
            struct text error; /* LOAD_INVALID */
        } load;
        struct save_answer save;
        struct step_end step;
    } u;
};

#endif
