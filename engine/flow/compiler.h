/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the compiler share: the state of one compilation and the drafts it fills in.
 *
 * A file goes through three passes. First the tree is read key by key (language.c has the table of
 * keys, each with its home and the function that reads it); expressions are compiled, and every
 * name they use is noted. Then `needs` are resolved (needs.c). Last the noted names are looked up,
 * when it is known what each task waits for (scope.c). Each pass reports all that is wrong and goes
 * on; what was refused once is not refused again. */
#ifndef ENGINE_FLOW_COMPILER_H
#define ENGINE_FLOW_COMPILER_H

#include "engine/flow/names.h"
#include "engine/flow/node.h"

/* Of one file; ten per task where there are most. Bounds the memory that a file of
 * FLOW_TEXT_MAX_BYTES can take. */
#define FLOW_EXPRESSIONS_MAX 100000

/* Roots that an expression may use, beside `input`, `job` and `tasks`, which it always may. */
enum root_bit {
    ROOT_ALWAYS = 1u << 0,
    ROOT_RETRY = 1u << 1,   /* evaluated once per attempt */
    ROOT_RESULT = 1u << 2,  /* the verb has run */
    ROOT_FAILURE = 1u << 3, /* the attempt has failed */
    ROOT_LATER = 1u << 4,   /* nowhere yet */
};

struct level;

/* A task while it is read. */
struct draft {
    struct flow_task *task;          /* what stays of it */
    struct level *level;             /* where it stands */
    uint32_t number;                 /* in its level */
    struct span name_span;           /* its name, or where it begins */
    const struct node *needs;        /* as written; NULL: no such key */
    const struct node *retry_values; /* as written; NULL: no such key */
    const struct node *retry_attempts;
    bool has_known_verb; /* task->verb holds; false: none was written, or one that comes later */
    bool is_bad;         /* its needs could not be resolved */
};

/* One level of tasks while it is read. */
struct level {
    struct flow_level *result; /* what stays of it; its task_count holds while reading, too */
    struct draft *drafts;
    struct names names;  /* task name -> draft */
    bool is_steps;       /* each needs the one before */
    uint64_t *ancestors; /* row per task: bit per task it waits for, directly or not */
    size_t row_words;    /* of a row */
    uint32_t *needed_by; /* per task: 1 + the task that named it as a need last */
    struct level *next;  /* all levels of the file */
};

/* A name that an expression uses. */
struct use {
    const struct node *scalar; /* the expression stands in it */
    size_t offset;             /* of the root, in the scalar's text */
    struct text names[3];      /* the first ones of the path */
    size_t count;
    const char *key;           /* under which it stands, for messages */
    unsigned roots;            /* that it may use: root_bit */
    const struct draft *draft; /* whose expression it is; NULL: the file's own */
    bool is_condition;
};

struct compiler {
    struct flow *flow;
    struct arena *arena;  /* the flow's: for what stays */
    struct arena scratch; /* for what is needed while compiling */
    struct lines lines;
    struct report report;
    struct level *levels; /* all of the file, the outermost last */
    struct level *top;    /* the job's own tasks; NULL: not read */
    struct names inputs;  /* name -> struct flow_input */
    bool inputs_are_bad;  /* declarations were refused: unknown inputs are no news */
    size_t task_total;
    struct use *uses;
    size_t use_count, use_capacity;
    size_t expression_count;
};

/* What a key's reader fills in; only what belongs to the key's home is set. */
struct target {
    struct draft *draft;
    struct flow_retry *retry;
    struct flow_input *input;
};

/* Resolves the needs of all levels: needs, dependents, ancestors; cycles are refused. */
void needs_resolve(struct compiler *c);
/* Whether `task` waits for `other`, of one level. */
static inline bool level_waits_for(const struct level *level, uint32_t task, uint32_t other)
{
    const uint64_t *row = level->ancestors + (size_t)task * level->row_words;
    return row[other / 64] >> (other % 64) & 1;
}

/* Looks up every name that was noted. */
void scope_check(struct compiler *c);

/* Reads the tasks of one level, a map (`tasks`) or a list (`steps`). */
struct level *tasks_read(struct compiler *c, const struct node *node, bool is_steps);

/* A mistake that was reported already, also one that YAML made of a value. */
bool node_is_refused(const struct node *node);

#endif
