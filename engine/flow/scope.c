/* SPDX-License-Identifier: Apache-2.0 */
/* Whether each name that an expression uses means something where it stands. */
#include "base/check.h"
#include "base/nearest.h"
#include "engine/flow/compiler.h"
#include "engine/flow/value.h"

#define FIELDS_MAX 12

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

static const struct root_rule roots[] = {
    {"input", ROOT_ALWAYS, "everywhere", {NULL}},
    {"tasks", ROOT_ALWAYS, "everywhere", {NULL}},
    {"job", ROOT_ALWAYS, "everywhere", {"id", "flow", "key", "priority", "posted_at"}},
    {"retry",
     ROOT_RETRY,
     "in what is evaluated once per attempt (verb, with, env, cwd, timeout, expect, retry.if)",
     {"attempt", "value", "earlier"}},
    {"result", ROOT_RESULT, "in `expect`", {NULL}},
    {"failure", ROOT_FAILURE, "in `retry.if`", FAILURE_FIELDS},
};

static const char *const later_roots[] = {
    "item", "index", "prev", "round", "started", "failures", "secrets", "env",
};

static const char *const task_fields[] = {"result", "failure", "state"};

#define ITEM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Where the name number `index` of the path stands. */
static struct span span_of(struct compiler *c, const struct use *use, size_t index)
{
    struct text text = use->scalar->text;
    size_t begin = use->offset, len = use->names[0].len;
    for (size_t i = 1; i <= index; i++) {
        struct text name = use->names[i];
        size_t from = begin + len;
        const char *found = from < text.len && name.len > 0
                                ? memmem(text.data + from, text.len - from, name.data, name.len)
                                : NULL;
        if (!found)
            break;
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
    report_hint(&c->report, problem, "there are: %s", list.data ? list.data : "");
    buffer_done(&list);
}

/* Whether the name after `path` is one of `words`; reports it otherwise. */
static void check_field(struct compiler *c, const struct use *use, size_t index, const char *path,
                        const char *const *words, size_t count)
{
    if (use->count <= index)
        return;
    for (size_t i = 0; i < count && words[i]; i++)
        if (text_equal(use->names[index], text_of(words[i])))
            return;
    struct flow_problem *problem =
        report_error(&c->report, span_of(c, use, index), "`%s` has no `%.*s`", path,
                     TEXT_ARG(use->names[index]));
    hint_word(c, problem, use->names[index], words, count);
}

/* ------------------------------------------------------------------------------------------- input
 */

static void check_input(struct compiler *c, const struct use *use)
{
    if (use->count < 2 || c->inputs_are_bad || names_find(&c->inputs, use->names[1]))
        return;
    struct flow_problem *problem =
        report_error(&c->report, span_of(c, use, 1), "the input `%.*s` is not declared",
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

/* ------------------------------------------------------------------------------------------- tasks
 */

/* A task that exists but is not waited for. */
static void report_not_awaited(struct compiler *c, const struct use *use, const struct draft *used)
{
    const struct level *level = used->level;
    struct flow_problem *problem;
    struct span span = span_of(c, use, 1);
    if (used == use->draft) {
        problem = report_error(&c->report, span, "a task can't see itself in `tasks`");
        if (use->roots & ROOT_RESULT)
            report_hint(&c->report, problem, "its result is `result` here");
        return;
    }
    problem = report_error(&c->report, span, "`%.*s` does not wait for `%.*s`",
                           TEXT_ARG(use->draft->task->name), TEXT_ARG(used->task->name));
    if (level->is_steps && used->number > use->draft->number)
        report_hint(&c->report, problem, "`%.*s` comes later", TEXT_ARG(used->task->name));
    else if (level_waits_for(level, used->number, use->draft->number))
        report_hint(&c->report, problem, "`%.*s` itself waits for `%.*s`",
                    TEXT_ARG(used->task->name), TEXT_ARG(use->draft->task->name));
    else
        report_hint(&c->report, problem, "add it to the task's `needs`");
}

static void report_unknown_task(struct compiler *c, const struct use *use)
{
    struct flow_problem *problem = report_error(&c->report, span_of(c, use, 1),
                                                "there is no task `%.*s`", TEXT_ARG(use->names[1]));
    if (!report_takes_hint(&c->report, problem))
        return;
    struct text nearest = names_nearest(&c->top->names, use->names[1]);
    if (nearest.data)
        report_hint(&c->report, problem, "did you mean `%.*s`?", TEXT_ARG(nearest));
}

static void check_tasks(struct compiler *c, const struct use *use)
{
    if (use->count < 2 || !c->top)
        return;
    const struct level *level = use->draft ? use->draft->level : c->top;
    const struct draft *used = names_find(&level->names, use->names[1]);
    if (!used) {
        report_unknown_task(c, use);
        return;
    }
    if (use->draft && !use->draft->is_bad &&
        !level_waits_for(level, use->draft->number, used->number))
        report_not_awaited(c, use, used);
    check_field(c, use, 2, "tasks.NAME", task_fields, ITEM_COUNT(task_fields));
}

/* ------------------------------------------------------------------------------------------- retry
 */

static void check_retry(struct compiler *c, const struct use *use)
{
    struct flow_problem *problem;
    const struct flow_retry *retry = &use->draft->task->retry;
    if (!retry->present) {
        problem = report_error(&c->report, span_of(c, use, 0),
                               "`retry` means nothing here: the task has no `retry`");
        report_hint(&c->report, problem, "`retry: {attempts: N}` gives it one");
        return;
    }
    if (use->count >= 2 && text_equal(use->names[1], TEXT("value")) && !use->draft->retry_values) {
        problem =
            report_error(&c->report, span_of(c, use, 1),
                         "`retry.value` means nothing here: the task's `retry` has no `values`");
        report_hint(&c->report, problem, "`retry: {values: [A, B]}` gives each attempt its own");
    }
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
    struct span span = span_of(c, use, 0);
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
    if (names_find(&c->inputs, name))
        report_hint(&c->report, problem, "the input is `input.%.*s`", TEXT_ARG(name));
    else if (c->top && names_find(&c->top->names, name))
        report_hint(&c->report, problem, "the task's result is `tasks.%.*s.result`",
                    TEXT_ARG(name));
    else if (nearest)
        report_hint(&c->report, problem, "did you mean `%s`?", nearest);
    else if (is_boolean_habit(name))
        report_hint(&c->report, problem, "only `true` and `false` mean true and false");
    else if (use->count == 1)
        report_hint(&c->report, problem, "text is written in quotes: '%.*s'", TEXT_ARG(name));
    else
        report_hint(&c->report, problem,
                    "names begin with input, tasks, job, retry, result, failure");
}

static void check_use(struct compiler *c, const struct use *use)
{
    const struct root_rule *root = find_root(use->names[0]);
    if (!root) {
        report_unknown_root(c, use);
        return;
    }
    if (!(use->roots & root->bit)) {
        report_error(&c->report, span_of(c, use, 0), "`%s` means nothing in `%s`; it stands %s",
                     root->name, use->key, root->place);
        return;
    }
    if (root->fields[0])
        check_field(c, use, 1, root->name, root->fields, FIELDS_MAX);
    if (!strcmp(root->name, "input"))
        check_input(c, use);
    else if (!strcmp(root->name, "tasks"))
        check_tasks(c, use);
    else if (root->bit == ROOT_RETRY)
        check_retry(c, use);
}

void scope_check(struct compiler *c)
{
    /* Beyond what is listed nothing is gained, and finding places takes time. */
    for (size_t i = 0; i < c->use_count && !report_is_full(&c->report); i++)
        check_use(c, &c->uses[i]);
}
