/* SPDX-License-Identifier: Apache-2.0 */
/* Whether each name that an expression uses means something where it stands. */
#include "base/check.h"
#include "base/nearest.h"
#include "engine/flow/compiler.h"
#include "engine/flow/value.h"

#define FIELDS_MAX 12
/* Of the job's: all but the last, `state`, which there is when the job has ended. */
#define JOB_FIELDS_ALWAYS 5

/* The roots as data: where each may stand and what its fields are. */
struct root_rule {
    const char *name;
    unsigned bit;                   /* an expression that may use it has this bit */
    const char *place;              /* where it stands, for messages */
    const char *fields[FIELDS_MAX]; /* none: any */
};

#define FAILURE_FIELDS                                                                             \
    {                                                                                              \
        "class", "message", "task", "attempt", "outcome", "exit", "signal", "status", "data",      \
            "stderr", "child"                                                                      \
    }
#define PLACE_OF_ITEM  "in what a task with `foreach` does per item, and in the flow inside it"
#define PLACE_OF_ROUND "in what a task with `repeat` does per round, and in the flow inside it"

static const struct root_rule roots[] = {
    {"input", ROOT_ALWAYS, "everywhere", {NULL}},
    {"tasks", ROOT_ALWAYS, "everywhere", {NULL}},
    {"job", ROOT_ALWAYS, "everywhere", {"id", "flow", "key", "priority", "posted_at", "state"}},
    {"retry",
     ROOT_RETRY,
     "in what is evaluated once per attempt (verb, with, env, cwd, timeout, expect, retry.if)",
     {"attempt", "value", "earlier"}},
    {"result", ROOT_RESULT, "in `expect`, `repeat.until` and `revert`", {NULL}},
    {"failure", ROOT_FAILURE, "in `retry.if`, `revert` and `finally`", FAILURE_FIELDS},
    {"failures", ROOT_FAILURES, "in `revert`", {NULL}},
    {"item", ROOT_ITEM, PLACE_OF_ITEM, {NULL}},
    {"index", ROOT_ITEM, PLACE_OF_ITEM, {NULL}},
    {"prev", ROOT_ROUND, PLACE_OF_ROUND, {NULL}},
    {"round", ROOT_ROUND, PLACE_OF_ROUND, {NULL}},
};

static const char *const later_roots[] = {"started", "secrets", "env"};

#define ITEM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct span scope_span(struct compiler *c, const struct use *use, size_t index)
{
    struct text text = use->scalar->text;
    size_t begin = use->offset, len = use->names[0].len;
    for (size_t i = 1; i <= index; i++) {
        struct text name = use->names[i];
        size_t from = begin + len;
        const char *found = memmem(text.data + from, text.len - from, name.data, name.len);
        if (!found)
            break; /* written with escapes: `tasks["\x61"]` */
        begin = (size_t)(found - text.data);
        len = name.len;
    }
    return node_text_span(&c->lines, use->scalar, begin, begin + len);
}

static void hint_word(struct compiler *c, struct flow_problem *problem, struct text word,
                      const char *const *words, size_t count)
{
    const char *nearest = nearest_word(word, words, count);
    if (nearest) {
        report_hint(&c->report, problem, "did you mean `%s`?", nearest);
        return;
    }
    struct buffer list;
    buffer_init(&list, 0);
    for (size_t i = 0; i < count && words[i]; i++)
        buffer_printf(&list, "%s%s", i > 0 ? ", " : "", words[i]);
    report_hint(&c->report, problem, "there are: %s", list.data);
    buffer_done(&list);
}

void scope_check_field(struct compiler *c, const struct use *use, size_t index, const char *path,
                       const char *const *words, size_t count)
{
    if (use->count <= index)
        return;
    for (size_t i = 0; i < count && words[i]; i++)
        if (text_equal(use->names[index], text_of(words[i])))
            return;
    struct flow_problem *problem =
        report_error(&c->report, scope_span(c, use, index), "`%s` has no `%.*s`", path,
                     TEXT_ARG(use->names[index]));
    hint_word(c, problem, use->names[index], words, count);
}

/* ------------------------------------------------------------------------------------------- input
 */

static void check_input(struct compiler *c, const struct use *use)
{
    if (c->inputs_are_bad)
        return;
    /* The whole of it, or a computed member: any of them. */
    for (size_t i = 0; use->count < 2 && i < c->flow->input_count; i++)
        c->inputs_used[i] = true;
    if (use->count < 2)
        return;
    const struct flow_input *input = names_find(&c->inputs, use->names[1]);
    if (input) {
        c->inputs_used[input - c->flow->inputs] = true;
        return;
    }
    struct flow_problem *problem =
        report_error(&c->report, scope_span(c, use, 1), "the input `%.*s` is not declared",
                     TEXT_ARG(use->names[1]));
    if (!report_takes_hint(&c->report, problem))
        return;
    struct text nearest = names_nearest(&c->inputs, use->names[1]);
    if (nearest.data)
        report_hint(&c->report, problem, "did you mean `%.*s`?", TEXT_ARG(nearest));
    else if (value_is_name(use->names[1]))
        report_hint(&c->report, problem, "declare it at the top: `input: {%.*s: string}`",
                    TEXT_ARG(use->names[1]));
}

/* --------------------------------------------------------------------- of tasks and those around
 */

static bool has_values(const struct draft *draft)
{
    const struct flow_retry *retry = &draft->task->retry;
    return retry->values || retry->values_expr || draft->retry_values;
}

static bool has(const struct draft *draft, unsigned bit)
{
    const struct flow_task *task = draft->task;
    return bit == ROOT_ITEM    ? task->foreach.present
           : bit == ROOT_ROUND ? task->repeat.present
                               : task->retry.present;
}

static bool is_around(const struct draft *draft, bool (*what)(const struct draft *draft, unsigned),
                      unsigned bit)
{
    for (draft = draft->around; draft; draft = draft->around)
        if (what(draft, bit))
            return true;
    return false;
}

static void report_no_loop(struct compiler *c, const struct use *use, const struct root_rule *root)
{
    bool is_item = root->bit == ROOT_ITEM;
    const char *key = is_item ? "foreach" : "repeat";
    struct flow_problem *problem;
    if (has(use->draft, root->bit)) {
        problem = report_error(&c->report, scope_span(c, use, 0),
                               "`%s` means nothing in `%s`, which is asked once, outside of `%s`",
                               root->name, use->key, key);
        report_hint(&c->report, problem,
                    is_item ? "leave items out in the list: `foreach: ${ LIST.filter(item, …) }`; "
                              "or put the task into `steps` under the `foreach`"
                            : "put the task into `steps` under the `repeat`");
        return;
    }
    problem =
        report_error(&c->report, scope_span(c, use, 0), "`%s` means nothing in `%s`; it stands %s",
                     root->name, use->key, root->place);
    if (use->draft->level)
        report_hint(&c->report, problem, "neither `%.*s` nor a task around it has a `%s`",
                    TEXT_ARG(use->draft->task->name), key);
}

static bool has_retry_values(const struct draft *draft, unsigned bit)
{
    return has_values(draft);
}

static bool some_task_retries(const struct compiler *c)
{
    for (const struct level *level = c->levels; level; level = level->next)
        for (uint32_t i = 0; i < level->result->task_count; i++)
            if (level->drafts[i].task->retry.present)
                return true;
    return false;
}

static void check_retry(struct compiler *c, const struct use *use)
{
    struct flow_problem *problem;
    bool is_own = use->roots & ROOT_RETRY && use->draft->task->retry.present;
    if (!is_own && !is_around(use->draft, has, ROOT_RETRY)) {
        problem = report_error(&c->report, scope_span(c, use, 0),
                               "`retry` means nothing here: the %s has no `retry`",
                               use->draft == c->job ? "job" : "task");
        report_hint(&c->report, problem, "%s",
                    some_task_retries(c)
                        ? "the retry of another task is over: put that one into `steps`, with the "
                          "`retry` beside them and an `output` that gives the value"
                        : "`retry: {attempts: N}` gives it one");
        return;
    }
    if (use->count >= 2 && text_equal(use->names[1], TEXT("value")) &&
        !(is_own && has_values(use->draft)) && !is_around(use->draft, has_retry_values, 0)) {
        problem =
            report_error(&c->report, scope_span(c, use, 1),
                         "`retry.value` means nothing here: the task's `retry` has no `values`");
        report_hint(&c->report, problem, "`retry: {values: [A, B]}` gives each attempt its own");
    }
}

/* Of these the task's own is meant, or the nearest around it. */
static bool comes_from_around(const struct use *use, const struct root_rule *root)
{
    unsigned loops = ROOT_RETRY | ROOT_ITEM | ROOT_ROUND;
    return (use->roots & root->bit && has(use->draft, root->bit)) ||
           (root->bit & loops && is_around(use->draft, has, root->bit));
}

/* ------------------------------------------------------------------------------------------- roots
 */

static const struct root_rule *find_root(struct text name)
{
    for (size_t i = 0; i < ITEM_COUNT(roots); i++)
        if (text_equal(name, text_of(roots[i].name)))
            return &roots[i];
    return NULL;
}

static bool is_boolean_habit(struct text name)
{
    static const char *const words[] = {"yes", "no", "on", "off", "True", "False"};
    for (size_t i = 0; i < ITEM_COUNT(words); i++)
        if (text_equal(name, text_of(words[i])))
            return true;
    return false;
}

static void report_unknown_root(struct compiler *c, const struct use *use)
{
    const char *words[ITEM_COUNT(roots)];
    struct text name = use->names[0];
    struct span span = scope_span(c, use, 0);
    for (size_t i = 0; i < ITEM_COUNT(later_roots); i++) {
        if (text_equal(name, text_of(later_roots[i]))) {
            report_error(&c->report, span, "not yet: `%s` comes with a later version",
                         later_roots[i]);
            return;
        }
    }
    for (size_t i = 0; i < ITEM_COUNT(roots); i++)
        words[i] = roots[i].name;
    struct flow_problem *problem =
        report_error(&c->report, span, "unknown name `%.*s`", TEXT_ARG(name));
    const char *nearest = nearest_word(name, words, ITEM_COUNT(roots));
    bool is_task = text_equal(name, TEXT("steps")) || text_equal(name, TEXT("needs"));
    if (names_find(&c->inputs, name))
        report_hint(&c->report, problem, "the input is `input.%.*s`", TEXT_ARG(name));
    else if (c->job->nested && names_find(&c->job->nested->names, name))
        report_hint(&c->report, problem, "the task's result is `tasks.%.*s.result`",
                    TEXT_ARG(name));
    else if (is_task)
        report_hint(&c->report, problem, "a task's result is `tasks.NAME.result`");
    else if (text_equal(name, TEXT("None")) || text_equal(name, TEXT("nil")))
        report_hint(&c->report, problem, "nothing is written `null`");
    else if (nearest)
        report_hint(&c->report, problem, "did you mean `%s`?", nearest);
    else if (is_boolean_habit(name))
        report_hint(&c->report, problem, "only `true` and `false` mean true and false");
    else if (use->count == 1)
        report_hint(&c->report, problem, "text is written in quotes: '%.*s'", TEXT_ARG(name));
    else
        report_hint(&c->report, problem,
                    "names begin with input, tasks, job, retry, result, failure, item …");
}

static void check_job(struct compiler *c, const struct use *use, const struct root_rule *root)
{
    bool has_ended = use->roots & ROOT_ENDED;
    if (!has_ended && use->count >= 2 && text_equal(use->names[1], TEXT("state")))
        report_error(&c->report, scope_span(c, use, 1), "`job.state` stands in `finally` only");
    else
        scope_check_field(c, use, 1, root->name, root->fields,
                          has_ended ? FIELDS_MAX : JOB_FIELDS_ALWAYS);
}

static void check_use(struct compiler *c, const struct use *use)
{
    const struct root_rule *root = find_root(use->names[0]);
    bool is_loop = root && (root->bit == ROOT_ITEM || root->bit == ROOT_ROUND);
    if (!root) {
        report_unknown_root(c, use);
        return;
    }
    if (is_loop && !comes_from_around(use, root)) {
        report_no_loop(c, use, root);
        return;
    }
    if (!is_loop && !(use->roots & root->bit) && !comes_from_around(use, root)) {
        report_error(&c->report, scope_span(c, use, 0), "`%s` means nothing in `%s`; it stands %s",
                     root->name, use->key, root->place);
        return;
    }
    if (!strcmp(root->name, "job"))
        check_job(c, use, root);
    else if (root->fields[0])
        scope_check_field(c, use, 1, root->name, root->fields, FIELDS_MAX);
    if (!strcmp(root->name, "input"))
        check_input(c, use);
    else if (!strcmp(root->name, "tasks"))
        scope_check_tasks(c, use);
    else if (root->bit == ROOT_RETRY)
        check_retry(c, use);
}

void scope_check(struct compiler *c)
{
    c->inputs_used = arena_calloc(&c->scratch, c->flow->input_count + 1, sizeof(bool));
    /* Beyond what is listed nothing is gained, and finding places takes time. */
    for (const struct use *use = c->uses; use && !report_is_full(&c->report); use = use->next)
        check_use(c, use);
}
