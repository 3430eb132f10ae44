/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs: what a task does. */
#include "engine/flow/readers.h"
#include "engine/flow/value.h"
#include "engine/flow/yaml_trouble.h"

#define ARGUMENTS_MAX 4096

/* Evaluated once per attempt. */
static struct expr_home attempt_home(const struct target *target, const char *key)
{
    return home_of(target->draft, key, ROOTS_OF_ATTEMPT);
}

static void read_text_run(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = attempt_home(target, "run");
    if (value_is_expression(value)) {
        target->draft->task->argv_expr = value_expression(c, value, &home);
        return;
    }
    struct flow_problem *problem = report_error(
        &c->report, value->span, "`run` must be a list [PROGRAM, ARGUMENT, …], not text");
    report_hint(&c->report, problem, "a shell command is `sh: …`; `run` starts a program itself");
}

static bool is_empty_text(const struct node *node)
{
    return node->kind == NODE_STRING && node->text.len == 0;
}

void key_run(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_task *task = target->draft->task;
    struct expr_home home = attempt_home(target, "run");
    if (value->kind == NODE_STRING) {
        read_text_run(c, target, value);
        return;
    }
    if (value->kind != NODE_LIST) {
        report_error(&c->report, value->span, "`run` must be a list [PROGRAM, ARGUMENT, …], not %s",
                     node_kind_name(value));
        return;
    }
    if (value->count == 0 || is_empty_text(value->first)) {
        report_error(&c->report, value->span, "`run` has no program; expected its name or path");
        return;
    }
    if (value->count > ARGUMENTS_MAX) {
        report_error(&c->report, value->span, "more than %d arguments", ARGUMENTS_MAX);
        return;
    }
    const struct template **argv = arena_calloc(c->arena, value->count, sizeof *argv);
    for (const struct node *child = value->first; child; child = child->next)
        argv[task->argc++] = value_text(c, child, &home, true);
    task->argv = argv;
}

/* Whether `script` at `at` (where `${` stands) names one of our roots as no shell variable can be
 * named: `${ input.x }`, `${input.x}`. */
static bool is_our_expression(struct text script, size_t at)
{
    static const char *const roots[] = {"input", "tasks", "job", "retry", "item"};
    bool has_blank = false;
    for (at += 2; at < script.len && script.data[at] == ' '; at++)
        has_blank = true;
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        size_t len = strlen(roots[i]);
        if (script.len - at > len && !memcmp(script.data + at, roots[i], len) &&
            (script.data[at + len] == '.' || (has_blank && script.data[at + len] == ' ')))
            return true;
    }
    return false;
}

static void warn_of_expression(struct compiler *c, const struct node *value)
{
    struct text script = value->text;
    for (size_t at = 0; at + 3 < script.len; at++) {
        if (script.data[at] != '$' || script.data[at + 1] != '{' || !is_our_expression(script, at))
            continue;
        size_t end = at;
        while (end < script.len && script.data[end] != '}' && script.data[end] != '\n')
            end++;
        struct flow_problem *problem = report_warning(
            &c->report, node_text_span(&c->lines, value, at, end < script.len ? end + 1 : end),
            "in `sh` the text goes to the shell as it is: `${ }` is the shell's there");
        report_hint(&c->report, problem,
                    "bring the value in: `env: {NAME: \"${ … }\"}`, then $NAME");
        return;
    }
}

static size_t count_of(struct text text, char c)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == c;
    return count;
}

/* What YAML makes of a script that stands behind `sh:` without quotes. */
static void warn_of_plain_script(struct compiler *c, const struct node *value)
{
    struct flow_problem *problem = NULL;
    const char *begin = c->lines.text.data + value->span.begin;
    if (value->style != NODE_PLAIN)
        return;
    if (memchr(begin, '\n', value->span.end - value->span.begin))
        problem = report_warning(&c->report, value->span,
                                 "YAML joins the lines of this script with blanks");
    else if (yaml_trouble_is_cut(&c->lines, value->span.end) &&
             (count_of(value->text, '"') % 2 || count_of(value->text, '\'') % 2))
        problem = report_warning(&c->report, value->span,
                                 "this script ends at ` #`, where YAML begins a comment");
    if (problem)
        report_hint(&c->report, problem, "write the script below `sh: |`");
}

void key_sh(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_task *task = target->draft->task;
    struct flow_problem *problem;
    if (value->kind == NODE_LIST) {
        problem = report_error(&c->report, value->key->span, "`sh` must be text, not a list");
        report_hint(&c->report, problem,
                    "write the commands as lines below `sh: |`, or use `run` for one program");
        return;
    }
    if (!value_plain_text(c, value, "sh", &task->script))
        return;
    if (strspn(task->script.data, " \t\r\n") == task->script.len)
        report_error(&c->report, value->span, "the script is empty; expected shell commands");
    warn_of_plain_script(c, value);
    warn_of_expression(c, value);
}

void key_set(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = attempt_home(target, "set");
    target->draft->task->value = value_data(c, value, &home);
}

void key_fail(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = attempt_home(target, "fail");
    target->draft->task->value = value_text(c, value, &home, false);
}

void key_noop(struct compiler *c, const struct target *target, const struct node *value)
{
    if (value->kind == NODE_EMPTY || value->kind == NODE_NULL)
        return;
    struct flow_problem *problem =
        report_error(&c->report, value->span, "`noop` takes no value; expected `noop:`");
    if (value->kind != NODE_MAP && value->kind != NODE_LIST)
        report_hint(&c->report, problem, "a task that gives a value is `set: %.*s`",
                    TEXT_ARG(value->text));
}

/* ------------------------------------------------------------------------------------ nested flow
 */

static void read_flow(struct compiler *c, const struct target *target, const struct node *value,
                      bool is_steps)
{
    struct draft *draft = target->draft;
    if (draft->nested) {
        report_error(&c->report, value->key->span,
                     "a flow has either `tasks` or `steps`, not both");
        return;
    }
    draft->nested = tasks_read(c, value, is_steps, draft);
}

void key_tasks(struct compiler *c, const struct target *target, const struct node *value)
{
    read_flow(c, target, value, false);
}

void key_steps(struct compiler *c, const struct target *target, const struct node *value)
{
    read_flow(c, target, value, true);
}

void key_output(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = home_of(target->draft, "output", ROOTS_OF_ATTEMPT | ROOT_INSIDE);
    target->draft->output = value_data(c, value, &home);
}
