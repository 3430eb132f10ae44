/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator: several engines, each the very core of the daemon, over one fake board, one fake
 * store and fake steps, with a virtual clock and seeded faults.
 *
 * A run has two phases. In the first, jobs are posted and faults happen as the seed says. Then all
 * is healed, and within a bound every job must be final and nothing be left lying about. After each
 * delivery the invariants of docs/invariants.md hold; the first one that does not ends the run.
 *
 * The same seed and options give the same run, to the last byte of every event and effect: `hash`
 * sums them up. Scenario tests drive the same world by hand. */
#ifndef ENGINE_SIM_SIM_H
#define ENGINE_SIM_SIM_H

#include <stdio.h>

#include "base/buffer.h"
#include "engine/core/core.h"
#include "engine/sim/sim_board.h"
#include "engine/sim/sim_steps.h"
#include "engine/sim/sim_store.h"
#include "engine/sim/sim_world.h"

#define SIM_ENGINES_MAX 8
#define SIM_SHARDS_MAX  64
#define SIM_TRACE_LINES 50

/* ---------------------------------------------------------------------------------------- options
 */

/* What a run may be told; the rest is chosen by the seed. */
struct sim_options {
    uint64_t seed;
    int engines; /* 0: the seed chooses */
    int jobs;    /* 0: the seed chooses */
    uint64_t mutants;
    FILE *trace;      /* every event and effect as it happens, or NULL */
    bool keep_trace;  /* the last lines are kept for the result */
    bool keep_story;  /* what happened in the world is kept in `story` */
    bool story_turns; /* with every event and effect of the engines */
};

/* The swarm: what the seed chose. Rates are mean intervals in ms, 0: never. */
struct sim_config {
    int engines, jobs;
    int shard_count, slots, processes, window;
    int timeout_ms, tick_ms, grace_ms;
    int64_t safety_ms;
    struct sim_delay store_network, store_work, board_network;
    int busy_told_permille, abort_permille, unknown_permille, resent_permille;
    int watch_lost_permille, unplaced_permille, mid_permille;
    int lost_permille;
    bool has_tags; /* some jobs and engines have a tag */
    int kill_ms, kill_mid_turn_ms, freeze_ms, drain_ms;
    int board_cut_ms, board_down_ms, session_lost_ms, cards_lost_ms;
    int store_cut_ms, store_down_ms, inbox_ms, rerun_ms;
    /* faults that strike while a request of the kind is under way */
    int lock_cut_permille, write_cut_permille, write_freeze_permille, write_kill_permille;
};

/* ------------------------------------------------------------------------------------------- jobs
 */

#define SIM_TASKS_MAX 8

enum sim_verb { SIM_NOOP, SIM_SET, SIM_RUN, SIM_SH, SIM_FAIL, SIM_MISSING, SIM_VERBS };

struct sim_task_plan {
    char name[16];
    enum sim_verb verb;
    uint32_t needs; /* bits of earlier tasks */
    int attempts;   /* at the most */
    bool once;
    bool is_off; /* `if: false` */
};

/* A posted job as the checks know it: the plan its flow text says. */
struct sim_plan {
    struct sim_task_plan tasks[SIM_TASKS_MAX];
    int count;
    uint32_t rerun_from; /* bit of the task that the newest rerun names; 0: none */
};

/* ---------------------------------------------------------------------------------------- engines
 */

struct sim;
struct sim_port;

enum sim_source { SOURCE_BOARD, SOURCE_STORE, SOURCE_STEPS, SIM_SOURCES };

/* An event that waits for a frozen engine. */
struct sim_waiting {
    struct core_event event;
    struct sim_waiting *next;
};

/* One engine by name; its process comes and goes. */
struct sim_engine {
    struct sim *sim;
    int number;
    struct text name;
    const struct text *tags;
    size_t tag_count;
    struct core *core; /* NULL: no process */
    uint64_t life;     /* counts its processes */
    int64_t clock_us;  /* its clock minus the world's */
    struct sim_board_link *board;
    struct sim_store_link *store;
    struct sim_host *host;
    bool is_frozen;
    bool tick_missed;
    struct sim_waiting *first[SIM_SOURCES], *last[SIM_SOURCES];
    int64_t tick_ms;     /* asked for; -1: none */
    uint64_t tick_order; /* so that an old one is known */
    int64_t spin_ms;     /* ticks at this time so far */
    int spins;
    int die_after;                         /* effects of the next turn with any, then die; -1: no */
    int64_t listed_us[2 * SIM_SHARDS_MAX]; /* by pool and shard: when a listing was asked for */
};

/* ------------------------------------------------------------------------------------------ world
 */

struct sim_checks;

struct sim {
    struct sim_world world;
    struct sim_options options;
    struct sim_config config;
    struct sim_board *board;
    struct sim_store *store;
    struct sim_steps *steps;
    struct sim_checks *checks;
    struct sim_engine engines[SIM_ENGINES_MAX];
    struct sim_plan **plans; /* by number of the job */
    size_t plan_count, plan_capacity;
    int posted; /* of config.jobs */
    bool is_healed;
    bool lease_broken; /* a session ended before its time: overlaps are nobody's fault any more */
    bool cards_go;     /* all cards are being lost: nobody's fault */
    uint64_t hash;
    uint64_t budget; /* deliveries left */
    int invariant;   /* that is broken, 0: none */
    char failure[512];
    struct buffer lines[SIM_TRACE_LINES];
    uint64_t line_count;
    struct core_counts core_counts; /* of processes that are gone */
    struct buffer story;            /* a line for each fact, without times */
};

/* A world without faults, engines or jobs: for scenarios. `config` NULL: calm defaults. */
struct sim *sim_new(const struct sim_options *options, const struct sim_config *config);
void sim_free(struct sim *sim);
/* Calm defaults: fixed small delays, no faults. */
void sim_config_calm(struct sim_config *ret_config);
/* What the seed chooses. */
void sim_config_swarm(const struct sim_options *options, struct sim_config *ret_config);

/* Makes deliveries until `until_us`, or an invariant is broken (false). */
bool sim_run_until(struct sim *sim, int64_t until_us);
/* Until `done` says so or `limit_ms` passed (false). */
bool sim_run_while(struct sim *sim, bool (*done)(struct sim *sim, void *context), void *context,
                   int64_t limit_ms);
int64_t sim_now_ms(const struct sim *sim);
/* Every job is final, and no card, lock or step is left. */
bool sim_is_quiet(const struct sim *sim);
/* Says which invariant is broken; the first one counts. */
void sim_fail(struct sim *sim, int invariant, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A fact of the world: a line of the trace and of the story. */
void sim_fact(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds a line to the trace. */
void sim_note(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sim_traces(const struct sim *sim);
/* Sums the counts of all cores, gone and present. */
void sim_core_counts(const struct sim *sim, struct core_counts *ret_counts);

/* sim_engine.c */
void sim_engine_init(struct sim *sim, int number, bool tagged);
void sim_engine_start(struct sim_engine *engine);
void sim_engine_kill(struct sim_engine *engine);
void sim_engine_freeze(struct sim_engine *engine, int mid_permille);
void sim_engine_thaw(struct sim_engine *engine);
/* EVENT_DRAIN, or EVENT_DRAIN_NOW. */
void sim_engine_drain(struct sim_engine *engine, bool now);

/* sim_hash.c */
uint64_t sim_hash_event(uint64_t hash, int engine, const struct core_event *event);
uint64_t sim_hash_effect(uint64_t hash, int engine, const struct core_effect *effect);

/* sim_jobs.c */
/* Posts a random job; its card follows or is lost. */
void sim_post_random(struct sim *sim);
/* A job that failed is made to run again, with or without wishes; its card follows or is lost. */
void sim_rerun_random(struct sim *sim);
/* Posts a job with this flow text. `placed`: with its card, at once. Plan NULL: unknown to checks.
 */
struct sim_job *sim_post(struct sim *sim, struct text flow_name, struct text flow_text,
                         const struct sim_plan *plan, const struct text *tags, size_t tag_count,
                         uint8_t priority, bool placed);

/* sim_faults.c */
void sim_faults_begin(struct sim *sim);
/* After an effect was performed: what strikes while it is under way. */
void sim_faults_effect(struct sim_engine *engine, const struct core_effect *effect);
/* Ends all faults: everything runs, is connected and quick from now on. */
void sim_heal(struct sim *sim);

/* sim_checks.c */
struct sim_checks *sim_checks_new(struct sim *sim);
struct sim_board_watch sim_checks_board(struct sim *sim);
struct sim_store_watch sim_checks_store(struct sim *sim);
struct sim_steps_watch sim_checks_steps(struct sim *sim);
void sim_checks_posted(struct sim *sim, const struct sim_job *job);
/* Before an effect is performed. */
void sim_checks_effect(struct sim_engine *engine, const struct core_effect *effect);
/* After every delivery. */
void sim_checks_delivered(struct sim *sim);
/* When all is over. */
void sim_checks_end(struct sim *sim);

/* --------------------------------------------------------------------------------------- a whole
 * run */

struct sim_result {
    uint64_t hash;
    int invariant; /* broken, 0: none */
    char failure[512];
    uint64_t counts[SIM_COUNTS];
    struct core_counts core_counts;
    int64_t virtual_ms;
    int64_t heal_ms; /* from the end of the faults to the end of the run */
    struct sim_config config;
    char *trace; /* the last lines, to be freed; NULL: not kept */
};

/* Both phases of one seed. */
void sim_run(const struct sim_options *options, struct sim_result *ret_result);

#endif
