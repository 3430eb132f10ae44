/* SPDX-License-Identifier: Apache-2.0 */
/* The tree that a flow becomes while it runs, shared by the core's files only.
 *
 *   unit (job) ── level ──┬─ unit (task)
 *                         ├─ unit (task) ── each ── unit (item) ── rounds ── unit (round)
 *                         └─ unit (task) ── level (nested flow) ── …
 *
 * A unit is a node with a state of its own and a row: the job, a task, an item of a foreach, a
 * round of a repeat. The innermost of task, item and round has the attempts. A level is one attempt
 * of a flow. What ends tells the unit around it; what starts is told from there. The tree is a
 * function of the rows: restore.c builds it again after a takeover and goes on exactly there. */
#ifndef ENGINE_CORE_TREE_PRIVATE_H
#define ENGINE_CORE_TREE_PRIVATE_H

#include "engine/core/core_private.h"

enum unit_kind {
    UNIT_JOB,     /* the job as the outermost flow; its row has path "" and only notes */
    UNIT_TASK,    /* a task of a level */
    UNIT_ITEM,    /* an item of a foreach */
    UNIT_ROUND,   /* a round of a repeat */
    UNIT_FINALLY, /* the job's `finally` */
};

/* Why a unit is SKIPPED; it decides what its dependents make of it. */
enum skip_how {
    HOW_NONE,
    HOW_IF,          /* its own condition said no */
    HOW_SKIP,        /* the `skip` of another one reached it */
    HOW_UNREACHABLE, /* it only waited for a failure that did not come */
    HOW_CUT,         /* a failure cut it off */
    HOW_FAILED,      /* its flow failed before it could start */
};

/* Why a step was told to stop. */
enum stop_reason {
    STOP_NONE,
    STOP_TIMEOUT,  /* of its attempt */
    STOP_DEADLINE, /* of its task, or of a flow around it */
    STOP_CANCEL,   /* the attempt of a flow around it ran out of time */
    STOP_HANDOVER, /* the engine leaves: the next owner continues the attempt */
    STOP_DROP,     /* the job is not ours any more */
};

/* The items of a foreach. */
struct each {
    const struct json **at; /* items by number, in the job's arena */
    struct unit **items;    /* by number; NULL: not started */
    uint32_t count;
    uint32_t next;   /* the first one not started */
    uint32_t active; /* started and not ended */
    uint32_t succeeded, failed;
    uint32_t failed_with_it; /* of the failed ones, those that only failed with the flow around */
    uint32_t concurrency;
    uint32_t enough; /* how many must succeed */
    bool is_object;
    bool fail_fast;
    bool stopped;          /* no further item starts: the rest is SKIPPED */
    bool filling;          /* each_fill is at work further up the stack */
    const char *cancelled; /* why nothing more starts, NULL: by its own items */
    uint32_t undo_next;    /* items below it are still to be undone */
    uint32_t undo_active;
    struct text first_failure; /* message of the item that failed first */
};

/* The rounds of a repeat. */
struct rounds {
    struct unit **list; /* by number */
    size_t count, capacity;
    const char *cancelled; /* no further round, and why; NULL: goes on */
    size_t undo_next;      /* rounds below it are still to be undone */
};

struct unit {
    enum unit_kind kind;
    const struct flow_task *plan;
    struct job *job;
    struct level *level; /* TASK: where it stands; else NULL */
    struct unit *parent; /* ITEM, ROUND: the unit it belongs to; else NULL */
    uint32_t number;     /* in its level, of the item, of the round */
    struct text path;
    int state;           /* enum task_state */
    int saved_state;     /* as the store has it */
    int32_t attempt;     /* of what has attempts; else 0 */
    struct text result;  /* JSON, in the job's arena */
    struct text failure; /* JSON, of the last failed attempt or revert, or none */
    struct text cause; /* JSON, of its own failure once `failure` is that of its revert, or none */
    struct text earlier; /* JSON array of {value, failure} of the failed attempts, or none */
    int32_t revert_attempt;
    bool revert_over;   /* it failed, and another one follows */
    bool revert_queued; /* its revert waits for a process slot */
    uint32_t order;     /* number of its failure among the job's; 0: none */
    uint32_t broke; /* the same of the failure of its revert, if that stopped the job; 0: none */
    uint32_t rerun; /* number of the rerun that its key names, 0: none */
    uint32_t pause; /* number of its newest pause between attempts among the job's; 0: none */
    uint32_t own;   /* the same of a failure of its flow that is none of its tasks'; 0: none */
    enum skip_how how;
    bool undone;             /* what it did is undone, or there is nothing to undo */
    bool blocked;            /* what needed it could not be undone: it is left as it is */
    bool reverts_ran;        /* a revert ran in its newest undoing, or in a part of it */
    bool undo_failed;        /* a revert of it, or of a part of it, failed */
    bool halts;              /* a failure in it decided about the job: its own asks nobody */
    bool cancelled;          /* its failure is not its own: the flow around it fails */
    bool expired;            /* its `deadline` passed: it is not tried again */
    enum stop_reason halted; /* its time is over, and what runs in it was told to stop */

    /* TASK: the join. Every need is counted once, when the task it names has ended. */
    uint32_t met, void_needs, dead_needs;
    bool cut;             /* one of the dead ones is so because of a failure */
    bool escape;          /* a failure or done need is met, or a task that so started is needed: it
                           * may start although its flow fails */
    bool started;         /* it was begun: an attempt, or its items or rounds */
    bool pending_failure; /* FAILURE, and somebody may still handle it */
    bool counted;         /* its end stands in the joins of those that need it */
    bool active;          /* counted in level->active */
    bool in_work;         /* stands in the job's work */

    struct each *each;     /* foreach, once it began */
    struct rounds *rounds; /* repeat, once it began */
    struct level *inner;   /* nested flow of the newest attempt */

    uint64_t step;  /* number of its step; 0: none */
    bool step_sent; /* START_STEP was emitted */
    bool resumes;   /* it was under way when the job was taken over */
    enum stop_reason stop;
    struct arena *spec_arena; /* owns `spec`; NULL: none */
    struct step_start *spec;  /* the process to run, until the step ends */
    int64_t timeout_ms;       /* of this attempt; 0: none */
    int change;               /* its row in the open set; -1: none */
    bool queued;              /* waits for a process slot */
    bool called;              /* its turn has come: it has one before whoever waits */
    struct unit *queue_prev, *queue_next;
    struct deadline due;   /* timeout of its attempt, retry delay, or pause between rounds */
    struct deadline limit; /* `deadline` */
    struct unit *all_prev, *all_next; /* job.units */
    UT_hash_handle hh;                /* core.steps, by `step` */
};

/* The tasks of one flow while an attempt of it runs. */
struct level {
    struct unit *owner;
    const struct flow_level *plan;
    struct unit *units; /* by number */
    uint32_t open;      /* not ended */
    uint32_t active;    /* begun and not ended, or waiting for a process slot */
    uint32_t work;      /* of its units, in the job's work */
    uint32_t pending_failures;
    bool failing;           /* a failure nobody handles: nothing new starts but what may escape */
    bool no_retry;          /* the flow around it fails, or its time is over */
    struct text failure;    /* the first one in history */
    uint32_t failure_order; /* of it */
    struct text failures;   /* JSON list, without brackets, of those that set the undoing off */
    bool undoing;
    bool undoes_itself;   /* not as a part of an outer undoing */
    bool ended;           /* its owner was told */
    uint32_t undo_open;   /* units that are not undone yet */
    uint32_t *undo_waits; /* per unit: dependents that are not undone yet */
};

/* tree.c: the units */
void unit_init(struct unit *unit, struct job *job, enum unit_kind kind,
               const struct flow_task *plan, struct level *level, struct unit *parent,
               uint32_t number);
struct unit *unit_new(struct job *job, enum unit_kind kind, const struct flow_task *plan,
                      struct unit *parent, uint32_t number);
/* Forgets what is in the unit: an earlier attempt's level, its items and rounds. No process of
 * them may live. */
void unit_forget_inner(struct core *core, struct unit *unit);
/* All units of the job. */
void tree_free(struct core *core, struct job *job);
/* The unit around this one: of a round or item its parent, of a task the owner of its level. */
struct unit *unit_outer(const struct unit *unit);
/* No item or round is made of it: it has the attempts itself. */
bool unit_has_attempts(const struct unit *unit);
bool unit_has_ended(const struct unit *unit);
/* Why it failed itself, whatever became of its revert. */
struct text unit_cause(const struct unit *unit);
void unit_move(struct core *core, struct unit *unit, enum task_state to, struct text detail);
/* Its row is written with the next save because something in its notes changed. */
void unit_note(struct core *core, struct unit *unit);
struct level *level_new(struct unit *owner, const struct flow_level *plan);
/* The unit is looked at before this turn is over. */
void unit_push(struct unit *unit);
struct unit *unit_pop(struct job *job);

/* notes.c: what a row keeps for the core itself */
struct text notes_write(struct arena *arena, const struct unit *unit);
void notes_read(struct unit *unit, struct text notes);

/* level.c: the progress of a level */
void level_begin(struct core *core, struct unit *owner);
/* Looks at a unit of the work list. */
void level_consider(struct core *core, struct unit *unit);
void level_unit_started(struct core *core, struct unit *unit);
void level_unit_ended(struct core *core, struct unit *unit);
void level_settle(struct core *core, struct level *level);
void level_activate(struct unit *unit, bool active);

/* fail.c: failures that nobody handles, and what they stop */
void level_judge(struct core *core, struct unit *failed);
/* Judges the open ones again: who might have handled one may be unable to start now. */
void level_judge_pending(struct core *core, struct level *level);
void level_fail(struct core *core, struct level *level, struct text failure, uint32_t order);
/* By a failure that is none of its tasks': it stands in the owner's row until the attempt ends. */
void level_fail_itself(struct core *core, struct level *level, struct text failure);
/* Nothing new starts in it, what waits ends; `stop` not NONE: what runs is told to stop. */
void unit_cancel(struct core *core, struct unit *unit, const char *why, enum stop_reason stop);
/* The failure of a unit whose flow fails around it: it is not tried again. */
bool unit_is_in_finally(const struct unit *unit);
bool unit_is_doomed(const struct unit *unit);
/* How the job ends when its outermost flow has ended so. */
enum job_state job_state_after(const struct unit *root);
/* Comes after every failure: that of a revert is the job's only when no task's is. */
#define FAILURE_LAST UINT32_MAX
/* Outer levels are not asked: the job as a whole stops (FAIL_STOP) or is undone. */
void job_halt(struct core *core, struct job *job, enum flow_on_failure verdict, struct text failure,
              uint32_t order);
/* The time of an attempt of its flow (STOP_CANCEL) or of the whole (STOP_DEADLINE) is over: what is
 * in it ends. */
void unit_halt(struct core *core, struct unit *unit, enum stop_reason stop);
const char *cancel_class(enum stop_reason stop);
struct text cancelled_failure(struct core *core, const struct unit *unit, const char *class,
                              const char *why);

/* join.c: needs */
enum join_verdict { JOIN_WAITS, JOIN_IS_MET, JOIN_IS_DEAD, JOIN_IS_INVALID };
void join_count(struct unit *unit, const struct unit *ended, enum flow_need_kind kind);
enum join_verdict join_judge(struct core *core, struct unit *unit, struct text *ret_failure);
/* Its end counts at everything that needs it; then what that decides is done. */
void join_count_dependents(struct unit *ended);
void join_decide_dependents(struct core *core, struct unit *ended);
void join_decide(struct core *core, struct unit *unit);
/* The unit is passed over, and whom its `skip` reaches as well. */
void join_pass_over(struct core *core, struct unit *unit);

/* each.c, rounds.c */
void each_begin(struct core *core, struct unit *unit);
bool each_read(struct core *core, struct unit *unit, struct text *ret_failure);
/* `next` goes past the items that are there: after a rerun some stand between others. */
void each_pass(struct each *each);
void each_fill(struct core *core, struct unit *unit);
struct unit *each_item(struct unit *unit, uint32_t number);
void each_item_ended(struct core *core, struct unit *item);
/* The item is the one that failed first. */
void each_tell_first(struct core *core, struct unit *item);
void each_cancel(struct core *core, struct unit *unit, const char *why, enum stop_reason stop);
void each_undo(struct core *core, struct unit *unit);
void each_item_undone(struct core *core, struct unit *item);
struct text each_result(struct arena *arena, const struct unit *unit);
void rounds_begin(struct core *core, struct unit *unit);
struct unit *rounds_add(struct unit *unit);
void rounds_go_on(struct core *core, struct unit *unit);
void rounds_round_ended(struct core *core, struct unit *round);
void rounds_cancel(struct core *core, struct unit *unit, const char *why, enum stop_reason stop);
void rounds_undo(struct core *core, struct unit *unit);
void rounds_round_undone(struct core *core, struct unit *round);

/* undo.c */
void undo_level(struct core *core, struct level *level, bool by_itself);
void undo_unit(struct core *core, struct unit *unit);
void undo_unit_done(struct core *core, struct unit *unit);
/* Its first revert begins: what is around it is REVERTING from now on. */
void undo_begins(struct core *core, struct unit *unit);
void undo_succeeded(struct core *core, struct unit *unit, struct text detail);
void undo_failed(struct core *core, struct unit *unit, struct text failure);
/* The level whose undoing the unit is part of, by the failure that set it off. */
const struct level *undo_origin(const struct unit *unit);

/* attempt.c: attempts and their ends */
/* The join is met and the condition, if any, said yes. */
void unit_start(struct core *core, struct unit *unit);
/* The times of a unit under way, after a claim: they begin anew, as far as they are not over. */
void unit_arm(struct core *core, struct unit *unit);
void attempt_begin(struct core *core, struct unit *unit);
void attempt_begin_revert(struct core *core, struct unit *unit);
void attempt_failed(struct core *core, struct unit *unit, struct text failure,
                    struct text stderr_tail);
void attempt_succeeded(struct core *core, struct unit *unit, struct text result_json,
                       struct text stderr_tail, struct text note);
/* The unit has ended for good. */
void unit_fail(struct core *core, struct unit *unit, struct text failure, struct text detail);
void unit_succeed(struct core *core, struct unit *unit, struct text result, struct text detail);

/* retry.c */
struct reading;
/* False: the attempt cannot begin, because `values` has none for it or cannot be computed. */
bool retry_has_value(struct reading *reading, int32_t attempt);
bool retry_wanted(struct core *core, struct unit *unit, const struct flow_retry *retry,
                  int32_t attempt, struct text failure);
int64_t retry_delay_ms(struct core *core, struct unit *unit, const struct flow_retry *retry,
                       int32_t attempt);
void retry_remember(struct core *core, struct unit *unit, struct text failure);

/* scope.c: what the roots of expressions mean */
struct scope {
    struct job *job;
    struct unit *unit;    /* whose expression it is */
    struct level *level;  /* whose tasks are seen first; NULL: those around the unit */
    struct text result;   /* root `result`, none: not there */
    struct text failure;  /* root `failure`, none: not there */
    struct text failures; /* root `failures`, none: not there */
    bool retry_of_outer;  /* root `retry` is that of the flows around the unit */
    struct arena *arena;  /* for objects built on demand */
};
struct expr_scope scope_of(struct scope *scope);
/* retry.value of the unit's present attempt, none: it has no values. */
struct text scope_retry_value(struct scope *scope, struct unit *unit);

/* reading.c: evaluations on behalf of a unit, with the place for the message when one fails */
struct reading {
    struct core *core;
    struct unit *unit;
    struct scope scope;
    struct expr_scope roots;
    struct expr_error error;
    const char *where;
};
void reading_begin(struct reading *reading, struct core *core, struct unit *unit);
bool reading_text(struct reading *reading, const char *where, const struct template *template,
                  struct arena *arena, struct text *ret_text);
bool reading_json(struct reading *reading, const char *where, const struct template *template,
                  struct arena *arena, struct text *ret_json);
bool reading_value(struct reading *reading, const char *where, const struct expr *expr,
                   struct arena *arena, struct json **ret_value);
bool reading_amount(struct reading *reading, const char *where, const struct flow_amount *amount,
                    bool is_duration, int64_t absent, int64_t *ret_value);
bool reading_condition(struct reading *reading, const char *where,
                       const struct flow_condition *condition, bool *ret_value);
/* The failure of class `expression` that the reading met. */
struct text reading_failure(struct reading *reading);

/* spec.c: what a verb needs to run */
bool verb_needs_process(const struct flow_task *plan);
bool spec_read(struct reading *reading, const struct flow_task *plan);
void spec_free(struct unit *unit);

/* outcome.c: what a step's end means */
/* Whether `expect` holds for what a verb without a process, or a flow, gave. */
bool outcome_is_expected(struct core *core, struct unit *unit, struct text result,
                         struct text *ret_failure);
void outcome_of_step(struct core *core, struct unit *unit, const struct step_end *end,
                     bool started);

#endif
