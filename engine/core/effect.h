/* SPDX-License-Identifier: Apache-2.0 */
/* What the core wants done. Effects belong to the core and are valid until the next core_step; an
 * adapter copies what outlives the turn. Each effect names the event that answers it; every one of
 * those is answered exactly once, except that the end of the session answers all that was meant
 * for it with BOARD_VOID. */
#ifndef ENGINE_CORE_EFFECT_H
#define ENGINE_CORE_EFFECT_H

#include "base/record.h"

enum effect_kind {
    EFFECT_DIVIDE,     /* flag: enter or leave the division. Not answered */
    EFFECT_GIVE_UP,    /* end this session, begin the next: SESSION_ENDED */
    EFFECT_CLOSE,      /* end this session, begin none: SESSION_ENDED */
    EFFECT_LIST,       /* shard: list its cards, arm its watch: CARDS */
    EFFECT_UNWATCH,    /* shard: not looked after any more. Not answered */
    EFFECT_LOCK,       /* board: LOCKED */
    EFFECT_UNLOCK,     /* board: UNLOCKED */
    EFFECT_CONSUME,    /* board: lock and card away: UNLOCKED */
    EFFECT_RELEASE,    /* board: lock and card away, new card there: UNLOCKED */
    EFFECT_PLACE,      /* board.card: put it on the board. Not answered */
    EFFECT_REMOVE,     /* board.card: take it off. Not answered */
    EFFECT_SHOW_POOL,  /* board.card.pool, board.tags: its folder is to stand there. Not answered */
    EFFECT_BOOT_BEGAN, /* boot: record it. Not answered */
    EFFECT_LEASE_SEEN, /* record that an engine with a good lease lives. Not answered */
    EFFECT_READ_ROW,   /* row: ROWS with it, or empty */
    EFFECT_SHARD_ROWS, /* shard: ROWS */
    EFFECT_LATE_ROWS,  /* late: ROWS */
    EFFECT_OWNED_ROWS, /* boot: ROWS */
    EFFECT_CLAIM,      /* claim: CLAIMED */
    EFFECT_LOAD,       /* row, with its claim: LOADED */
    EFFECT_SAVE,       /* save: SAVED */
    EFFECT_START_STEP, /* start: STEP_STARTED then STEP_ENDED, or STEP_FAILED */
    EFFECT_STOP_STEP,  /* stop: STEP_ENDED comes the sooner. Not answered by itself */
    EFFECT_KILL_AT,    /* kill_at_ms: what the wardens must have killed by then. Not answered */
    EFFECT_EXIT,       /* nothing is held any more: leave the process. Not answered */
    EFFECT_MOVED,      /* moved: a state moved; for the log. Not answered */
    EFFECT_TROUBLE,    /* trouble: a person should know; for the log. Not answered */
    EFFECT_KINDS,
};

struct step_variable {
    struct text name;
    struct text value;
};

/* A process to run, or (url is there) an HTTP request to make. */
struct step_start {
    uint64_t step; /* number of the step, unique in this core */
    const struct text *argv;
    size_t argc;
    const struct step_variable *env; /* all but PATH HOME LANG, which the shell adds first */
    size_t env_count;
    struct text cwd;      /* none: the engine's working folder for steps */
    struct text input;    /* stdin, or the request's body */
    struct text key;      /* idempotency key */
    size_t out_max_bytes; /* of stdout or the response; beyond: killed */
    bool discard_out;     /* result: none */
    struct text url;      /* none: a process */
    struct text method;
    const struct step_variable *headers;
    size_t header_count;
    bool input_is_json; /* Content-Type: application/json, unless a header says otherwise */
};

enum moved_what { MOVED_JOB, MOVED_TASK, MOVED_CLAIM, MOVED_LEASE };

struct core_effect {
    enum effect_kind kind;
    uint64_t tag; /* of requests that are answered */
    union {
        bool flag;
        struct uuid boot;
        int64_t kill_at_ms;
        struct {
            struct pool pool;
            uint16_t shard;
            int window;              /* SHARD_ROWS: READY rows wanted */
            const struct uuid *jobs; /* SHARD_ROWS: rows wanted whatever their state */
            size_t count;
        } shard;
        struct {
            struct uuid boot; /* the session it is meant for */
            struct uuid claim;
            struct card card;  /* its shard and job are what UNLOCK uses */
            struct card fresh; /* RELEASE: the new placement */
            const struct text
                *tags; /* LOCK, PLACE, RELEASE, SHOW_POOL: of the pool, in case it has no folder */
            size_t tag_count;
        } board;
        struct {
            struct uuid job;
            struct uuid claim; /* LOAD */
        } row;
        struct late_query late;
        struct claim_request claim;
        struct save save;
        struct step_start start;
        struct {
            uint64_t step;
            int64_t grace_ms; /* SIGTERM, then SIGKILL after it; 0: SIGKILL at once */
        } stop;
        struct {
            enum moved_what what;
            struct uuid job; /* nil for the lease */
            int64_t epoch;
            struct text task; /* MOVED_TASK: path */
            int32_t attempt;
            const char *from;
            const char *to;
            struct text detail;
        } moved;
        struct {
            const char *event; /* a word for the log */
            struct uuid job;   /* nil: none */
            struct text text;
        } trouble;
    } u;
};

/* The effects of one core_step, in the order they are to be performed. */
struct effect_list {
    const struct core_effect *list;
    size_t count;
};

#endif
