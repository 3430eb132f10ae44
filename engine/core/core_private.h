/* SPDX-License-Identifier: Apache-2.0 */
/* The core's inner structures, shared by its files only. The picture:
 *
 *   core ─┬─ lease       the session and how long it is proven
 *         ├─ division    members and pools → the shards that are ours
 *         ├─ shards      cards listed, repairs (shard_sync)
 *         ├─ jobs        every job from the choice to claim it until its lock's absence is proven
 *         │    ├─ hold   the claim machine
 *         │    ├─ sets   changes: the open set, and the one in flight
 *         │    └─ units  the flow's progress: tree_private.h
 *         └─ deadlines   everything that waits for a time
 *
 * Hash tables are for looking up; whatever has an order is walked by lists or sorted arrays, so
 * that a run can be repeated byte for byte. */
#ifndef ENGINE_CORE_CORE_PRIVATE_H
#define ENGINE_CORE_CORE_PRIVATE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/check.h"
/* Out of memory in a table is a bug like any other. */
#define uthash_fatal(message) UNREACHABLE()
#include <uthash.h>

#include "base/deadlines.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/placement.h"
#include "base/random.h"
#include "engine/core/core.h"
#include "engine/flow/flow.h"

/* What a due time is for: `kind` of a deadline node. */
enum due_kind {
    DUE_DOUBT,      /* lease: T/2 without proof */
    DUE_LEASE_OVER, /* lease: 2T/3 without proof */
    DUE_DIVIDE,     /* join the division */
    DUE_FULL,       /* no slot was free for long: leave it */
    DUE_LATE,       /* look for late work */
    DUE_AUDIT,      /* claim audit */
    DUE_SEEN,       /* write lease_seen */
    DUE_STRANDED,   /* without Postgres for too long while peers have it */
    DUE_DRAIN_OVER, /* grace of a drain is over */
    DUE_SHARD,      /* owner: struct shard */
    DUE_JOB,        /* owner: struct job: the claim machine tries again */
    DUE_UNIT,       /* owner: struct unit: timeout of its attempt, or end of a delay */
    DUE_LIMIT,      /* owner: struct unit: its `deadline` */
};

/* ------------------------------------------------------------------------------------ the lease */

enum lease_state {
    LEASE_NONE,  /* no session */
    LEASE_GOOD,  /* proven within T/2 */
    LEASE_DOUBT, /* nothing new starts */
    LEASE_OVER,  /* steps are killed, the session is being given up */
    LEASE_STATES,
};

struct lease {
    int state; /* enum lease_state */
    struct uuid boot;
    int64_t timeout_ms; /* T */
    int64_t proof_ms;   /* when the newest proving write was sent */
    struct deadline doubt;
    struct deadline over;
};

/* ----------------------------------------------------------------------------------- the shards */

enum sync_state {
    SYNC_IDLE,
    SYNC_LISTING, /* a listing is on its way */
    SYNC_ROWS,    /* after the listing: its rows are on their way */
    SYNC_STATES,
};

/* A card that has no business there, seen for the first time at `since_ms`. */
struct suspect {
    struct card card;
    int64_t since_ms;
};

struct shard {
    struct {
        struct pool pool;
        uint16_t number;
    } key;
    int state;             /* enum sync_state */
    bool repairs;          /* the present listing is the first half of a repair */
    bool changed;          /* the watch fired while we were busy */
    bool mine;             /* scratch of division.c */
    uint64_t tag;          /* of the request on its way */
    int64_t listed_ms;     /* when the last listing was asked for */
    int64_t repair_due_ms; /* when shard_sync wants to look again */
    struct card *cards;    /* of the last listing, sorted */
    size_t card_count;
    size_t card_capacity;
    size_t next_card; /* cards before it were looked at */
    bool is_deep;     /* more rows wait than the window holds */
    struct suspect *suspects;
    size_t suspect_count;
    struct deadline due;
    struct shard *prev, *next; /* all shards of ours, by key */
    UT_hash_handle hh;
};

struct pool_entry {
    struct pool pool;
    const struct text *tags;
    size_t tag_count;
    bool served; /* we have its tags */
};

/* -------------------------------------------------------------------------------------- the jobs
 */

enum hold_state {
    HOLD_READING,   /* its row is being read */
    HOLD_LOCKING,   /* its lock is being created */
    HOLD_CLAIMING,  /* its row is being claimed */
    HOLD_LOADING,   /* its rows are being loaded */
    HOLD_RUNNING,   /* its flow runs here */
    HOLD_LEAVING,   /* ended or released durably: lock and card are being taken away */
    HOLD_STOPPING,  /* given up: waiting until its steps are dead */
    HOLD_UNLOCKING, /* until the lock's absence is proven */
    HOLD_GONE,
    HOLD_STATES,
};

struct job;
struct unit;
struct level;

/* The changes that one save writes, and what waits for it. */
struct change_set {
    struct arena arena;
    struct task_change *tasks;
    size_t task_count, task_capacity;
    struct unit **owners; /* of the rows in `tasks`, in the same order; NULL: it is no more */
    size_t owner_capacity;
    struct history_line *lines;
    size_t line_count, line_capacity;
    struct unit **starts; /* outbox: steps to start once this is durable; NULL: it is no more */
    size_t start_count, start_capacity;
    enum job_state state; /* of the job, as this save leaves it */
    bool ends_claim;
    enum job_state state_before; /* ends_claim: of the job, as it was */
    bool has_orphans;            /* rows whose unit is no more: another may have the same path */
    bool records_step;
    struct text output, failure;
};

/* A failure that ends the job as a whole. */
struct halt {
    struct text failure;
    uint32_t order; /* among the job's failures */
};

struct job {
    struct uuid id;
    uint64_t serial;         /* of this hold; a job claimed again has another */
    int hold;                /* enum hold_state */
    int state;               /* enum job_state */
    struct card card;        /* the row's own placement */
    struct pool_entry *pool; /* NULL: not on the board */
    struct uuid boot;        /* session of the lock */
    struct uuid claim;
    int64_t epoch_seen, epoch;
    int64_t save_no, inbox_seq, inbox_applied;
    int tries;         /* of the present claim */
    bool locked;       /* a lock may exist */
    bool takeover;     /* it was RUNNING or REVERTING when claimed */
    bool handing_over; /* release it when its steps have ended */
    bool released;     /* the save in flight or done is a release */
    int64_t held_since_ms;
    uint64_t tag; /* of the board or claim request on its way; 0: none */
    struct deadline due;

    struct arena arena; /* the load, results, failures; dies with the job */
    struct flow_entry *flow;
    struct job_load load; /* views into arena */
    struct text job_json; /* the root `job` of expressions */
    struct unit *units;   /* all of the tree but those in levels, the newest last */
    struct unit *root;    /* UNIT_JOB; NULL: the flow did not compile */
    struct unit *last;    /* `finally`, once the flow has ended */
    struct unit **work;   /* units to look at: a queue */
    size_t work_first, work_count, work_capacity;
    uint32_t steps;               /* processes reserved, started or not */
    uint32_t failures;            /* FAILURE moves so far: the order of failures */
    enum flow_on_failure verdict; /* FAIL_STOP, FAIL_REVERT_ALL: the whole job ends */
    bool restoring;               /* the tree is being built from the rows: nothing settles */
    bool counting;                /* … and what its units mean for each other is not known */
    uint32_t queued;              /* units that wait for a process slot */
    uint32_t pauses;              /* begun so far, of retries */
    struct halt *halts;           /* met while counting, by order */
    size_t halt_count, halt_capacity;
    const struct json *given; /* path → result that a person gave instead of a run; NULL: none */
    uint32_t rerun_number;    /* of the newest rerun, 0: none */
    int64_t rerun_at_us;      /* when the job was made to run again; 0: never */
    bool looking;             /* something came in before the end: the inbox is being read */
    bool broken;              /* a revert failed: the rest is undone, nobody is asked any more */
    bool flow_ended;          /* `final_state` stands */
    enum job_state final_state;
    struct text output;
    struct text failure; /* of the job */
    size_t bytes;        /* of results kept */

    uint64_t save_tag; /* of the save on its way; 0: none */
    bool save_waits;   /* the store was busy: sent again at `due` */
    bool wants_save;   /* stands in core.to_save */
    struct change_set sets[2];
    struct change_set *open, *sent;
    struct unit **outbox; /* durable starts held back by doubt; NULL: it is no more */
    size_t outbox_count, outbox_capacity;

    struct job *prev, *next;  /* core.jobs, in the order they came */
    struct job *save_next;    /* core.to_save */
    UT_hash_handle hh;        /* core.by_id */
    UT_hash_handle hh_serial; /* core.by_serial */
};

/* A compiled flow that jobs share. */
struct flow_entry {
    struct text hash;
    struct flow *flow;
    uint32_t jobs;                  /* that run it now */
    struct flow_entry *prev, *next; /* the least recently begun first */
    UT_hash_handle hh;
};

/* A placement to be left alone for a while; a newer one of the same job is another matter. */
struct skip {
    struct uuid job;
    int64_t ready_at_us; /* of the placement */
    int64_t until_ms;
    bool has_left;            /* it was in our hands: nobody needs to look for it */
    struct skip *prev, *next; /* in the order they came */
    UT_hash_handle hh;
};

/* ----------------------------------------------------------------------------------------- core */

enum drain_state { DRAIN_NO, DRAIN_ASKED, DRAIN_CLOSING, DRAIN_DONE };

struct core {
    struct core_options options;
    struct arena names; /* copies of the options' texts */
    struct random random;
    int64_t now_ms;
    uint64_t next_tag, next_serial, next_step;

    struct arena scratch; /* texts of the present effects */
    struct core_effect *effects;
    size_t effect_count, effect_capacity;

    struct deadlines deadlines;
    struct lease lease;
    bool store_up;
    bool dividing;
    bool is_aside;         /* out of the division because no slot is free */
    int64_t aside_ms;      /* since when */
    int64_t full_pause_ms; /* how long to be full before that */
    enum drain_state drain;
    struct deadline divide_due, full_due, late_due, audit_due, seen_due, stranded_due, drain_due;

    struct arena member_arena; /* of `members` */
    struct member *members;
    size_t member_count;
    struct arena pool_arena; /* of `pools` */
    struct pool_entry *pools;
    size_t pool_count;
    struct shard *shards;        /* list */
    struct shard *shards_by_key; /* hash */

    struct job *jobs;  /* list */
    struct job *freed; /* since the last event: its effects may still look into them */
    struct job *by_id, *by_serial;
    size_t job_count;
    size_t claiming;     /* of them, on the way to RUNNING */
    struct job *to_save; /* changed in this step */
    struct unit *steps;  /* hash by step number */
    struct unit *queue;  /* units that wait for a process slot */
    int processes;       /* slots in use */
    struct skip *skips, *skip_list;
    struct flow_entry *flows, *flow_list;
    size_t flow_count;

    uint64_t late_tag, audit_tag; /* queries on their way; 0: none */
    int64_t audit_sent_ms;
    uint64_t *owned_tags; /* queries for departed boots' rows on their way */
    size_t owned_count, owned_capacity;

    struct core_counts counts;
};

/* core.c */
uint64_t core_new_tag(struct core *core, const struct job *job);
struct core_effect *core_emit(struct core *core, enum effect_kind kind);
void core_moved(struct core *core, enum moved_what what, const struct job *job,
                const struct unit *unit, const char *from, const char *to, struct text detail);
void core_trouble(struct core *core, const char *event, const struct job *job, struct text text);
/* May something new start: the lease is good, the store is up, nobody told us to stop. */
bool core_may_begin(const struct core *core);

/* lease.c */
extern const struct machine lease_machine;
void lease_began(struct core *core, const struct core_event *event);
void lease_alive(struct core *core, const struct core_event *event);
void lease_ended(struct core *core, const struct core_event *event);
void lease_due(struct core *core, const struct deadline *due);

/* division.c */
void division_members(struct core *core, const struct core_event *event);
void division_pools(struct core *core, const struct core_event *event);
void division_update(struct core *core);
void division_forget(struct core *core);
/* Joins or leaves as the state of things demands. */
void division_take_part(struct core *core);
/* Watches whether slots are free: an engine that can take nothing leaves its shards to a peer. */
void division_weigh(struct core *core);
void division_full_due(struct core *core);
bool division_is_alive(const struct core *core, const struct uuid *boot);
struct pool_entry *division_pool(struct core *core, const struct pool *pool);
/* Whether the shard is ours, or nobody's: no peer looks after it. */
bool division_may_take(struct core *core, const struct pool *pool, uint16_t shard);

/* shard.c */
extern const struct machine sync_machine;
struct shard *shard_find(struct core *core, const struct pool *pool, uint16_t number);
struct shard *shard_acquire(struct core *core, const struct pool *pool, uint16_t number);
void shard_drop(struct core *core, struct shard *shard, bool tell);
void shard_changed(struct core *core, const struct core_event *event);
void shard_cards(struct core *core, const struct core_event *event);
/* Whether the rows were a shard's. */
bool shard_rows(struct core *core, const struct core_event *event);
void shard_due(struct core *core, struct shard *shard);
/* Cards were looked at (`next_card` grew): looks again soon when the shard runs dry. */
void shard_taken(struct core *core, struct shard *shard);

/* claim.c */
extern const struct machine hold_machine;
void claim_fill(struct core *core);
/* No slot is free for READY jobs. */
bool claim_is_full(const struct core *core);
/* Begins a claim of a row seen just now; false when it may not be claimed here and now. */
bool claim_row(struct core *core, const struct job_row *row, bool urgent);
void claim_rows(struct core *core, struct job *job, const struct core_event *event);
void claim_locked(struct core *core, struct job *job, const struct core_event *event);
void claim_claimed(struct core *core, struct job *job, const struct core_event *event);
void claim_loaded(struct core *core, struct job *job, const struct core_event *event);
void claim_due(struct core *core, struct job *job);
void claim_skip(struct core *core, const struct card *card, int64_t pause_ms);
/* The job ended or was given back: what was read of this placement before is no news. */
void claim_left(struct core *core, const struct card *card);
/* Reads the rows of a job that is ours. */
void claim_load(struct core *core, struct job *job);
bool claim_has_left(struct core *core, const struct card *card);

/* late.c */
void late_begin(struct core *core);
void late_end(struct core *core);
void late_departed(struct core *core, const struct uuid *boot);
void late_due_now(struct core *core);
void audit_due_now(struct core *core);
void late_rows(struct core *core, const struct core_event *event);

/* hold.c */
struct job *hold_new(struct core *core, const struct uuid *id);
struct job *hold_find(struct core *core, const struct uuid *id);
struct job *hold_by_tag(struct core *core, uint64_t tag);
void hold_move(struct core *core, struct job *job, enum hold_state to);
void hold_unlock(struct core *core, struct job *job);
void hold_unlocked(struct core *core, struct job *job, const struct core_event *event);
/* Kills its steps, then unlocks (unless the session is over). */
void hold_drop(struct core *core, struct job *job, const char *why);
void hold_drop_all(struct core *core, const char *why);
void hold_step_gone(struct core *core, struct job *job);
void hold_free(struct core *core, struct job *job);
/* Gives the memory of those back. */
void hold_forget_freed(struct core *core);

/* save.c */
void save_wanted(struct core *core, struct job *job);
void save_flush(struct core *core);
void save_answered(struct core *core, struct job *job, const struct core_event *event);
void save_again(struct core *core, struct job *job);
void save_release_outbox(struct core *core, struct job *job);
struct task_change *save_unit(struct job *job, struct unit *unit);
/* A row that no unit of the tree stands for yet; it is copied. */
void save_row(struct job *job, const struct task_row *row, bool begins);
void save_line(struct job *job, const struct unit *unit, int state, struct text detail);
/* The unit's step goes into the outbox of the open set. */
void save_start(struct job *job, struct unit *unit);
/* Empties a set; what waited in it is forgotten. */
void save_forget(struct change_set *set);
/* The unit is no more: sets and outbox must not point at it. Its rows stay. */
void save_forget_unit(struct job *job, struct unit *unit);
void save_sets_done(struct job *job);

/* progress.c: the flow of one job */
void progress_begin(struct core *core, struct job *job);
void progress_advance(struct core *core, struct job *job);
void progress_step_ended(struct core *core, struct unit *unit, const struct step_end *end,
                         bool started);
void progress_unit_due(struct core *core, struct unit *unit);
void progress_limit_due(struct core *core, struct unit *unit);
void progress_fill_queue(struct core *core);
void progress_hand_over(struct core *core, struct job *job);
void progress_abandon(struct core *core, struct job *job, struct text reason);
/* The outermost flow has ended, undone as far as it is to be. */
void progress_flow_ended(struct core *core, struct job *job, enum job_state state);
void job_move(struct core *core, struct job *job, enum job_state to, struct text detail);
/* Out of the queue for a process slot. */
void progress_dequeue(struct core *core, struct unit *unit);
/* Takes its process slot back and forgets its step; what was sent must have ended. */
void progress_forget_step(struct core *core, struct unit *unit);
/* Every unit of the tree, levels included, in the order they stand. */
void progress_each_unit(struct job *job, void (*visit)(struct core *core, struct unit *unit),
                        struct core *core);

/* inbox.c */
/* The rows of a job that runs here were read, because something came in before its end. */
void inbox_came(struct core *core, struct job *job, const struct core_event *event);

/* restore.c: the tree as the rows have it */
void restore_tree(struct core *core, struct job *job, struct task_row *rows, size_t count);

/* failure.c */
struct failure {
    const char *class;
    struct text message;
    struct text task; /* path, or none */
    int32_t attempt;
    bool unknown; /* outcome: unknown */
    int exit;     /* -1: null */
    int signal;   /* 0: null */
    int status;   /* 0: null */
    struct text stderr_tail;
};
struct text failure_json(struct arena *arena, const struct failure *failure);
/* What a failure document says under `key`, `unknown` when that is no text; valid until the scratch
 * memory is reset. */
struct text failure_word(struct core *core, struct text failure, const char *key);

/* flows.c: the cache of compiled flows */
/* NULL and a reason in `arena` when the text does not compile. */
struct flow_entry *flows_take(struct core *core, const struct job_load *load, struct arena *arena,
                              struct text *ret_reason);
void flows_give_back(struct core *core, struct flow_entry *entry);
void flows_done(struct core *core);

#endif
