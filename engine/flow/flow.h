/* SPDX-License-Identifier: Apache-2.0 */
/* A flow: parsed, checked and compiled from one YAML or JSON file.
 *
 * Knows the flow language (docs/flow-language.md). Refuses to know states, attempts, time and
 * services: it is the plan, never the progress. Pure: bytes in, a compiled flow or a list of
 * problems out; the same bytes give the same flow.
 *
 * A compiled flow is immutable and lives in its own arena, so that many jobs share one. Tasks of
 * one level are numbered in the order written; `needs` and `dependents` are such numbers. */
#ifndef ENGINE_FLOW_FLOW_H
#define ENGINE_FLOW_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/expr/expr.h"

#define FLOW_TEXT_MAX_BYTES (4u << 20)
#define FLOW_TASKS_MAX      10000 /* tasks in one file */
#define FLOW_NESTING_MAX    32
#define FLOW_PROBLEMS_MAX   100 /* beyond, the list is cut and says so */

/* ----------------------------------------------------------------------------------------- parts
 */

enum flow_type {
    FLOW_ANY,
    FLOW_STRING,
    FLOW_INTEGER,
    FLOW_NUMBER,
    FLOW_BOOLEAN,
    FLOW_ARRAY,
    FLOW_OBJECT,
};

struct flow_input {
    struct text name;
    enum flow_type type;
    struct text default_json;     /* JSON text; none: the input is required */
    const struct text *enum_json; /* allowed values as JSON text; NULL: any */
    size_t enum_count;
    struct text description;
};

/* A condition: an expression, or plain true / false. */
struct flow_condition {
    const struct expr *expr; /* NULL: `constant` */
    bool constant;
};

/* A duration or a number that may be an expression. */
struct flow_amount {
    const struct expr *expr; /* NULL: `value` */
    int64_t value;           /* milliseconds, or a count */
    bool present;            /* false: the key is absent */
};

struct flow_retry {
    bool present;
    struct flow_amount attempts;          /* counts the first; absent with `values`: their number */
    struct flow_amount delay_ms;          /* default 1 s */
    double backoff;                       /* factor from pause to pause, default 1 */
    struct flow_amount max_delay_ms;      /* default 1 h */
    double jitter;                        /* 0..1, default 0.1 */
    const struct flow_condition *only_if; /* NULL: always */
    const struct template *const *values; /* one per attempt; NULL: none */
    size_t value_count;
    const struct expr *values_expr; /* `values` as one expression; NULL: a list */
};

enum flow_verb {
    VERB_RUN,  /* argv */
    VERB_SH,   /* script */
    VERB_SET,  /* value */
    VERB_FAIL, /* value (a text template) */
    VERB_NOOP,
    VERB_TASKS, /* nested flow */
    VERB_HTTP,
    VERB_CALL,
    VERB_JOB,
    VERB_WAIT,
    VERB_APPROVAL,
    VERB_SLEEP,
};

enum flow_result { RESULT_AUTO, RESULT_JSON, RESULT_TEXT, RESULT_NONE };

struct flow_env {
    struct text name;
    const struct template *value;
};

enum flow_need_kind { NEED_SUCCESS, NEED_FAILURE, NEED_DONE };

struct flow_need {
    uint32_t task; /* number in the same level */
    enum flow_need_kind kind;
};

/* How many needs must be met. */
enum flow_join { JOIN_ALL, JOIN_ANY, JOIN_COUNT };

/* How far a no of `if` reaches. */
enum flow_skip { SKIP_TASK, SKIP_NEIGHBORS, SKIP_FLOW, SKIP_ALL };

/* What a failure of the whole task does. */
enum flow_on_failure { FAIL_REVERT, FAIL_CONTINUE, FAIL_STOP, FAIL_REVERT_ALL };

struct flow_foreach {
    bool present;
    const struct template *in;      /* a list or an object: a constant, or one expression alone */
    struct flow_amount concurrency; /* default 10 */
    bool fail_fast;                 /* default true; false with `enough` */
    struct flow_amount enough;      /* absent: all must succeed */
    bool enough_is_percent;         /* rounded up */
};

struct flow_repeat {
    bool present;
    struct flow_condition until; /* over `result`, `prev`, `round` of the round that ended */
    struct flow_amount times;    /* absent: no limit */
    struct flow_amount delay_ms; /* default 0 */
};

struct flow_http {
    const struct template *method;  /* text; NULL: GET */
    const struct template *url;     /* text */
    const struct flow_env *headers; /* names and text templates */
    size_t header_count;
    const struct template *body; /* a string is sent as it is, else JSON; NULL: none */
};

struct flow_level;

struct flow_task {
    struct text name;        /* unique in its level; of a revert or `finally`: none */
    struct text description; /* or none */
    uint32_t line;           /* in the file, from 1 */
    enum flow_verb verb;
    const struct template *const *argv; /* run: each a text template */
    size_t argc;
    const struct expr *argv_expr; /* run: one expression that gives the whole list; argv is NULL */
    struct text script;           /* sh: to the letter */
    const struct template *value; /* set: V; fail: text */
    const struct template *with;  /* NULL: no stdin */
    const struct flow_env *env;   /* defaults are merged in */
    size_t env_count;
    const struct template *cwd; /* NULL: none */
    enum flow_result result;
    bool once;
    const struct flow_condition *run_if; /* `if`; NULL: always */
    const struct flow_condition *expect; /* NULL: none */
    struct flow_retry retry;
    struct flow_amount timeout_ms;
    struct flow_amount deadline_ms; /* over everything but needs, join and if */
    enum flow_join join;
    struct flow_amount join_count; /* JOIN_COUNT */
    enum flow_skip skip;
    enum flow_on_failure on_failure;
    struct flow_foreach foreach;
    struct flow_repeat repeat;
    struct flow_http http; /* VERB_HTTP */
    const struct flow_task
        *revert; /* verb, if, timeout, retry, expect of the undoing; NULL: none */
    const struct flow_level *nested; /* VERB_TASKS: tasks/steps inside; NULL: none */
    const struct flow_need *needs;
    size_t need_count;
    const uint32_t *dependents;                 /* tasks that need this one, ascending, each once */
    const enum flow_need_kind *dependent_kinds; /* as what each of them needs it */
    size_t dependent_count;
};

/* One level of tasks: the job's own, or a nested flow's. */
struct flow_level {
    const struct flow_task *tasks; /* in the order written */
    uint32_t task_count;
    const uint32_t *by_name;       /* task numbers sorted by name, for flow_level_find */
    const uint32_t *by_needs;      /* task numbers, each behind those that it needs */
    const struct template *output; /* NULL: none */
};

struct flow {
    struct arena arena; /* owns all below, this struct included */
    struct text name;
    struct text description;
    const struct flow_input *inputs;
    size_t input_count;
    const struct text *runs_on; /* tags, sorted, without repetition */
    size_t tag_count;
    uint8_t priority;
    struct flow_retry retry;         /* the job's own */
    struct flow_amount timeout_ms;   /* of one attempt of the whole flow */
    struct flow_amount deadline_ms;  /* from the post */
    enum flow_on_failure on_failure; /* FAIL_REVERT or FAIL_STOP */
    const struct flow_task *finally; /* NULL: none */
    struct flow_level top;
};

/* ------------------------------------------------------------------------------------- problems */

struct flow_problem {
    bool is_warning;
    uint32_t line, column; /* from 1; 0: the file as a whole */
    uint32_t width;        /* of the thing pointed at, for the caret; at least 1 */
    struct text message;   /* what is wrong and what was expected */
    struct text hint;      /* what to do instead, or none */
};

struct flow_problems {
    struct arena arena;
    struct flow_problem *list; /* by place */
    size_t count;
    size_t errors; /* of them, not warnings */
    bool cut;      /* there are more */
};

void flow_problems_done(struct flow_problems *problems);

/* Appends the problems as a good compiler prints them: `FILE:LINE:COL: error: …`, the line, a
 * caret, the hint. `file` names the text; ANSI colours when `colour`. */
void flow_problems_print(const struct flow_problems *problems, struct text source, const char *file,
                         bool colour, struct buffer *ret_text);

/* -------------------------------------------------------------------------------------- compiling
 */

/* Compiles `source`. With errors returns ERR_INVALID, no flow, and all problems found; else 0, the
 * flow, and the warnings. The caller frees both. */
int flow_compile(struct text source, struct flow **ret_flow, struct flow_problems *ret_problems);
void flow_free(struct flow *flow);

/* The number of the task called `name` in this level, -1 when there is none. */
int64_t flow_level_find(const struct flow_level *level, struct text name);

/* The task that a path names, as history and tools write it: `deploy/canary`, `hosts/3/install`,
 * and for an item (`hosts/3`) the task it is one of. How many items there are nobody knows here.
 * ERR_NOT_FOUND; ERR_INVALID for `finally` and for what is inside a repeat. */
int flow_find_path(const struct flow *flow, struct text path, const struct flow_task **ret_task,
                   struct error *ret_error);

/* Whether the task at that path can be wanted alone: errors as above, and ERR_INVALID for what is
 * inside a foreach. */
int flow_check_target(const struct flow *flow, struct text target, struct error *ret_error);
/* Cuts the flow down to the task at path `target` and what that needs, directly or not; the rest is
 * gone, and the flow gives no output. The flow must not be shared yet. Errors as for
 * flow_check_target; then nothing has changed. */
int flow_cut_down(struct flow *flow, struct text target, struct error *ret_error);

/* Checks an input object against the declarations and fills in the defaults, in the order
 * declared; numbers and nested documents to the letter. ERR_INVALID with all that is wrong. */
int flow_complete_input(const struct flow *flow, struct text input_json, struct buffer *ret_json,
                        struct error *ret_error);

/* Turns what a person typed for input `name` into JSON text by its declared type: a string is
 * quoted, numbers and booleans are checked, array, object and any are JSON. */
int flow_input_from_text(const struct flow *flow, struct text name, struct text typed,
                         struct buffer *ret_json, struct error *ret_error);

/* Appends the language as JSON Schema (draft 7), for editors. */
void flow_schema(struct buffer *ret_json);

/* Milliseconds of a DUR (`500ms 90s 1h30m 5d 2w`); ERR_INVALID. */
int flow_parse_duration(struct text text, int64_t *ret_ms);

#endif
