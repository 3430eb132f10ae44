/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the compiler share: the state of one compilation and the drafts it fills in.
 *
 * A file goes through these passes. First the tree is read key by key (language_table.c has the
 * keys, each with its home and the function that reads it); expressions are compiled, and every
 * name they use is noted. Then `needs` are resolved (needs.c, order.c) and `defaults` filled in.
 * Then the noted names are looked up, when it is known what each task waits for (scope.c). Last,
 * when nothing was wrong, what is legal and surely not meant is warned of (doubts.c). Each pass
 * reports all that is wrong and goes on; what was refused once is not refused again.
 *
 * The job counts as a task of its own here, around the outermost flow: it has a nested flow, an
 * `output`, a `retry` and so on like any other. */
#ifndef ENGINE_FLOW_COMPILER_H
#define ENGINE_FLOW_COMPILER_H

#include "engine/flow/names.h"
#include "engine/flow/node.h"

/* Of one file; ten per task where there are most. Bounds the memory that a file of
 * FLOW_TEXT_MAX_BYTES can take. */
#define FLOW_EXPRESSIONS_MAX 100000

/* Roots that an expression may use, beside `input`, `job` and `tasks`, which it always may. Of
 * item, round and retry the bit says that the task's own is meant; those of the tasks around it
 * may be used everywhere. */
enum root_bit {
    ROOT_ALWAYS = 1u << 0,
    ROOT_RETRY = 1u << 1,    /* evaluated once per attempt */
    ROOT_ITEM = 1u << 2,     /* evaluated per item of `foreach`: item, index */
    ROOT_ROUND = 1u << 3,    /* evaluated per round of `repeat`: prev, round */
    ROOT_RESULT = 1u << 4,   /* the verb has run */
    ROOT_FAILURE = 1u << 5,  /* something has failed */
    ROOT_FAILURES = 1u << 6, /* something is being undone */
    ROOT_ENDED = 1u << 7,    /* the job has ended: job.state */
    ROOT_INSIDE = 1u << 8,   /* sees all tasks of the task's own nested flow */
    /* What every attempt evaluates. */
    ROOTS_OF_ATTEMPT = ROOT_RETRY | ROOT_ITEM | ROOT_ROUND,
};

struct level;

/* A task while it is read; also the job, `finally`, a revert, and `defaults`. */
struct draft {
    struct flow_task *task;          /* what stays of it */
    struct level *level;             /* where it stands; NULL: the job, `finally`, `defaults` */
    struct level *nested;            /* the flow inside it, or NULL */
    struct draft *revert;            /* or NULL */
    struct draft *scope;             /* whose names its expressions see: itself, but of a revert
                                      * the task */
    struct draft *around;            /* the task whose flow it stands in, or NULL */
    unsigned roots;                  /* that all its expressions may use, beside those of their
                                      * homes */
    uint32_t number;                 /* in its level */
    struct span name_span;           /* its name, or where it begins */
    const struct node *map;          /* all its keys; NULL: it is no map */
    const struct node *needs;        /* as written; NULL: no such key */
    const struct node *retry_values; /* as written; NULL: no such key */
    const struct node *retry_attempts;
    const struct template *output; /* of its nested flow */
    bool has_known_verb; /* task->verb holds; false: none was written, or one that comes later */
    bool is_bad;         /* its needs could not be resolved */
    bool until_changes;  /* `repeat.until` looks at what a round may change */
};

/* What a task waits for, directly or not: a bit per task of its level. */
struct ancestors {
    uint64_t *words;
    uint32_t word_count; /* up to the last that has a bit */
};

/* One level of tasks while it is read. */
struct level {
    struct flow_level *result; /* what stays of it; its task_count holds while reading, too */
    struct draft *owner;       /* the task that it is the flow of */
    struct draft *drafts;
    struct names names;          /* task name -> draft */
    bool is_steps;               /* each needs the one before */
    unsigned depth;              /* flows around it */
    struct ancestors *ancestors; /* per task */
    uint32_t ordered;    /* of result->by_needs; fewer than the tasks where there are cycles */
    uint32_t *needed_by; /* per task: 1 + the task that named it as a need last */
    struct level *next;  /* all levels of the file */
};

/* A name that an expression uses. */
struct use {
    const struct node *scalar; /* the expression stands in it */
    size_t offset;             /* of the root, in the scalar's text */
    const struct text *names;  /* the path */
    size_t count;
    const char *key;     /* under which it stands, for messages */
    unsigned roots;      /* that it may use: root_bit */
    struct draft *draft; /* whose names it sees */
    struct use *next;    /* in the order noted */
};

struct compiler {
    struct flow *flow;
    struct arena *arena;  /* the flow's: for what stays */
    struct arena scratch; /* for what is needed while compiling */
    struct lines lines;
    struct report report;
    struct level *levels;     /* all of the file */
    struct draft *job;        /* the job as a task; its `nested` is the outermost flow */
    struct draft *defaults;   /* NULL: none */
    struct draft *finally;    /* NULL: none */
    bool defaults_used;       /* by some task */
    struct names inputs;      /* name -> struct flow_input */
    const struct node *input; /* the declarations as written, or NULL */
    bool *inputs_used;        /* by number, once names are looked up */
    bool inputs_are_bad;      /* declarations were refused: unknown inputs are no news */
    size_t task_total;
    struct use *uses, **uses_end; /* the first, and where the next one goes */
    size_t expression_count;
};

/* What a key's reader fills in; only what belongs to the key's home is set. */
struct target {
    struct draft *draft;
    struct flow_input *input;
};

/* A draft for something that is not in a level: `task` is made as well. */
struct draft *draft_new(struct compiler *c, struct span place);
/* Where the key `key`, which the task has, stands. */
struct span draft_key_span(const struct draft *draft, const char *key);

/* Resolves the needs of all levels: needs, dependents, ancestors; cycles are refused. */
void needs_resolve(struct compiler *c);
/* What follows from the needs of one level (order.c). */
void order_level(struct compiler *c, struct level *level);
/* Whether `task` waits for `other`, of one level. */
static inline bool level_waits_for(const struct level *level, uint32_t task, uint32_t other)
{
    const struct ancestors *all = &level->ancestors[task];
    return other / 64 < all->word_count && all->words[other / 64] >> (other % 64) & 1;
}
/* The task called `name` in any level but `level`, for hints; NULL: none. */
const struct draft *find_elsewhere(const struct compiler *c, const struct level *level,
                                   struct text name);
/* Whether `level` is inside `draft`'s flow, directly or not. */
bool level_is_inside(const struct level *level, const struct draft *draft);

/* Fills `defaults` into every run, sh and http that does not say it itself. */
void defaults_apply(struct compiler *c);

/* Looks up every name that was noted. */
void scope_check(struct compiler *c);
void scope_check_tasks(struct compiler *c, const struct use *use);
/* Where the name number `index` of the path stands. */
struct span scope_span(struct compiler *c, const struct use *use, size_t index);
/* Whether the name after `path` is one of `words`; reports it otherwise. */
void scope_check_field(struct compiler *c, const struct use *use, size_t index, const char *path,
                       const char *const *words, size_t count);

/* Warns of what is legal and surely not meant; only for files without errors. */
void doubts_warn(struct compiler *c);
/* Those about the texts of one task, or of the job (doubts_text.c). */
void doubt_texts(struct compiler *c, const struct draft *draft);

/* Reads the tasks of `owner`'s flow, a map (`tasks`) or a list (`steps`). */
struct level *tasks_read(struct compiler *c, const struct node *node, bool is_steps,
                         struct draft *owner);

#endif
