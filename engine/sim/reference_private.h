/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the reference, shared by its files. */
#ifndef ENGINE_SIM_REFERENCE_PRIVATE_H
#define ENGINE_SIM_REFERENCE_PRIVATE_H

#include "base/random.h"
#include "base/record.h"
#include "engine/flow/flow.h"
#include "engine/sim/reference.h"

/* What went wrong; the same one while it travels outward. */
struct trouble {
    const char *class;
    struct text task; /* where it began */
    bool reverted;    /* a revert ran because of it */
};

/* The keys of a task wrap its verb; each that makes parts is a node of its own. */
enum layer {
    LAYER_EACH,   /* foreach: a part per item */
    LAYER_ROUNDS, /* repeat: a part per round */
    LAYER_FLOW,   /* the job, or a nested flow: a part per task */
    LAYER_VERB,
};

enum undo {
    UNDO_NONE,
    UNDO_ASKED,   /* it is to be undone when its turn comes */
    UNDO_RUNNING, /* its revert runs, or that of something in it */
    UNDO_OVER,
};

struct node {
    struct node *around; /* NULL: a root: the job, or `finally` */
    struct node *root;
    enum layer layer;
    const struct flow_task *task;   /* NULL: the job */
    const struct flow_level *level; /* LAYER_FLOW */
    struct text path;               /* none: the job */
    int number;                     /* of the task, item or round among its siblings */
    enum task_state state;
    int attempt;
    struct text result; /* JSON */
    struct text item;   /* of an item: JSON */
    struct trouble *failure;
    struct node **parts;
    size_t part_count, part_capacity;

    bool going;    /* between its start and its end */
    bool ended;    /* SUCCESS, FAILURE or SKIPPED; undoing changes nothing about that */
    bool closed;   /* nothing new starts in it: its flow, or one around, has failed */
    bool has_turn; /* it may start, or cannot any more */
    bool passed;   /* SKIPPED by an `if`, its own or one that reached it */
    bool cut;      /* SKIPPED because of a failure */
    bool behind;   /* it stands behind a met `failure` or `done` need */
    bool handled;  /* its failure is */
    bool blamed;   /* its failure is known to be unhandled */

    int64_t order;         /* number of its end */
    bool paused;           /* between two attempts */
    bool failing;          /* a flow with an unhandled failure */
    struct trouble *blame; /* of a failing flow: its first failure … */
    int64_t blame_order;   /* … and the number of that */
    bool undoing;          /* a flow that undoes itself */
    enum undo undo;
    bool is_top;           /* of the undoing that goes on: nothing outside says REVERTING */
    bool in_use;           /* it is not undone: what needed it could not be */
    bool reverts;          /* something in it began to be undone */
    bool undo_failed;      /* something in it could not be */
    int undo_attempts;     /* of its revert */
    struct trouble *cause; /* of its undoing */

    bool halts;            /* a failure in it decided about the job: its own asks nobody */
    bool reverted;         /* root: a revert ran because of such a failure */
    bool stopped;          /* root: `stop` */
    bool doomed;           /* root: the whole job is undone, and nothing is asked any more */
    bool doomed_by_revert; /* root: a revert failed */
};

struct move {
    struct text path; /* none: the job */
    int state;
    int attempt;
    struct text detail;
    int64_t at_ms;
};

/* A verb at work, or a pause before the next attempt. */
struct act {
    struct node *node;
    bool is_pause;
    int64_t end_ms;
    uint64_t order; /* between equal times */
    bool fails;
    struct text result;
};

struct kept_order;

struct reference {
    struct arena *arena;
    const struct stage_plan *plan;
    const struct flow *flow;
    struct node *job, *last; /* `last`: `finally` */
    int64_t now_ms;
    int64_t ends;    /* so far */
    uint64_t pauses; /* so far */
    struct move *moves;
    size_t move_count, move_capacity;
    struct act *acts;
    size_t act_count, act_capacity;
    int job_state;
    bool over;
    bool changed;                  /* the last look over the tree made a move */
    bool is_prompt;                /* what gets its turn in a look takes it in the same look */
    bool skip_is_prompt;           /* it reaches what would start in the same look */
    bool is_eager;                 /* a flow settles as soon as its last task has ended */
    bool may_hold;                 /* in this look */
    bool shuffles;                 /* another order of what happens at the same time */
    const struct kept_order *kept; /* from when on which order; the plainest before */
    size_t kept_count;
    int64_t order_ms;     /* the instant whose order is set */
    struct random random; /* … by chance */
    bool held;            /* something that could have moved waits for the next look */
};

/* reference.c */
void ref_play(struct reference *ref);
void ref_say(struct reference *ref, const struct node *node, int state, const char *detail);
struct node *ref_part(struct reference *ref, struct node *around, const struct flow_task *task,
                      enum layer layer, struct text path);
enum layer ref_outermost(const struct flow_task *task);
struct trouble *ref_trouble(struct reference *ref, const char *class, struct text task);
/* Starts the verb of `node`, or of its revert. */
void ref_act(struct reference *ref, struct node *node, bool is_revert);
/* The pause before attempt `attempt` + 1 of `node`, or of its revert. */
void ref_pause(struct reference *ref, struct node *node, const struct flow_retry *retry,
               int attempt);

/* reference_order.c */
/* The clock comes to `now_ms`. */
void ref_order_begin(struct reference *ref, int64_t now_ms);
/* Whether it lets others move first, among what happens at the same time. */
bool ref_holds(struct reference *ref);

/* reference_forward.c */
void ref_forward_begin(struct reference *ref, struct node *node);
void ref_forward_end(struct reference *ref, struct node *node, enum task_state state,
                     struct trouble *failure);
void ref_forward_skip(struct reference *ref, struct node *node, const char *why);
/* The pause before the next attempt is over. */
void ref_forward_go_on(struct reference *ref, struct node *node);
void ref_forward_verb_ended(struct reference *ref, struct node *node, const struct act *act);
/* Makes what moves can be made at and below this node. */
void ref_forward_look(struct reference *ref, struct node *node);
/* Whether the retry of the node is asked and says yes. */
bool ref_forward_retries(struct reference *ref, const struct node *node);
/* The flow around it has failed: nothing new starts in it, and a flow has failed with that. */
void ref_forward_close(struct reference *ref, struct node *node);
/* The flow has failed: nothing new starts in it. */
void ref_forward_fail_flow(struct reference *ref, struct node *flow, struct trouble *trouble,
                           int64_t order);

/* reference_level.c */
void ref_level_look(struct reference *ref, struct node *flow);
/* One of its tasks has ended. */
void ref_level_part_ended(struct reference *ref, struct node *flow);
/* The flow is undone. */
void ref_level_undone(struct reference *ref, struct node *flow);
/* A flow is retried: all of it is new. */
void ref_level_forget(struct reference *ref, struct node *flow);

/* reference_undo.c */
/* The flow begins to undo itself. */
void ref_undo_begin(struct reference *ref, struct node *flow, struct trouble *cause);
/* Goes on with it; true when it is over. */
bool ref_undo_look(struct reference *ref, struct node *flow);
void ref_undo_verb_ended(struct reference *ref, struct node *node, const struct act *act);
/* The next attempt of a revert. */
void ref_undo_go_on(struct reference *ref, struct node *node);

/* reference_read.c: expressions. `node`: where the expression stands. `own`: what of the node
 * itself they see. */
enum own { OWN_NOTHING, OWN_PARTS, OWN_ATTEMPT, OWN_RESULT, OWN_FAILURE, OWN_REVERT };
/* 1, 0, or -1: it cannot be computed. */
int ref_read_condition(struct reference *ref, const struct node *node, enum own own,
                       const struct flow_condition *condition);
int64_t ref_read_amount(struct reference *ref, const struct node *node, enum own own,
                        const struct flow_amount *amount, int64_t absent);
bool ref_read_text(struct reference *ref, const struct node *node, enum own own,
                   const struct template *template, struct text *ret_text);
bool ref_read_value(struct reference *ref, const struct node *node, enum own own,
                    const struct template *template, struct text *ret_json);
bool ref_read_expression(struct reference *ref, const struct node *node, enum own own,
                         const struct expr *expr, struct text *ret_json);

/* reference_compare.c */
/* `ret_wrong_ms`: when the first move differs, untouched when none does. */
bool ref_compare(const struct reference *ref, const struct stage_run *run, int64_t *ret_wrong_ms,
                 struct buffer *ret_text);

#endif
