/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a task beside its verb. */
#include "engine/flow/readers.h"
#include "engine/flow/value.h"

/* `name` was read before all others (tasks.c); here only its form is checked. */
void key_name(struct compiler *c, const struct target *target, const struct node *value)
{
    value_check_name(c, value, "a step's name");
}

void key_task_description(struct compiler *c, const struct target *target, const struct node *value)
{
    value_plain_text(c, value, "description", &target->draft->task->description);
}

/* Read in its own pass, when all names are known (needs.c). */
void key_needs(struct compiler *c, const struct target *target, const struct node *value)
{
    target->draft->needs = value;
}

void key_if(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home = {"if", 0, target->draft};
    target->draft->task->run_if = value_condition(c, value, &home);
}

void key_expect(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home = {"expect", ROOT_RESULT | ROOT_RETRY, target->draft};
    target->draft->task->expect = value_condition(c, value, &home);
}

void key_timeout(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home = {"timeout", ROOT_RETRY, target->draft};
    value_duration(c, value, &home, 1, &target->draft->task->timeout_ms);
}

void key_once(struct compiler *c, const struct target *target, const struct node *value)
{
    value_boolean(c, value, "once", &target->draft->task->once);
}

void key_result(struct compiler *c, const struct target *target, const struct node *value)
{
    /* In the order of enum flow_result. */
    static const char *const words[] = {"auto", "json", "text", "none"};
    size_t number;
    if (value_choice(c, value, "result", words, sizeof words / sizeof words[0], &number))
        target->draft->task->result = (enum flow_result)number;
}

void key_retry(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_retry *retry = &target->draft->task->retry;
    const struct target inner = {.draft = target->draft, .retry = retry};
    if (value->kind != NODE_MAP) {
        struct flow_problem *problem = report_error(
            &c->report, value->span, "`retry` must be a map {attempts: N, delay: 1s, …}, not %s",
            node_kind_name(value));
        if (value->kind == NODE_NUMBER)
            report_hint(&c->report, problem,
                        "write `retry: {attempts: N}`; attempts counts the first");
        return;
    }
    retry_begin(retry);
    language_read(c, IN_RETRY, value, &inner);
    retry_end(c, &inner, value);
}

/* --------------------------------------------------------------------- what a process starts with
 */

void key_with(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home = {"with", ROOT_RETRY, target->draft};
    target->draft->task->with = value_data(c, value, &home);
}

void key_cwd(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home = {"cwd", ROOT_RETRY, target->draft};
    if (value->kind == NODE_STRING && value->text.len == 0)
        report_error(&c->report, value->span, "`cwd` is empty; expected a path");
    else
        target->draft->task->cwd = value_text(c, value, &home, false);
}

static bool is_set_by_engine(struct text name)
{
    static const char *const names[] = {"JOB_ID",  "JOB_TASK",  "JOB_ATTEMPT",
                                        "JOB_KEY", "JOB_EPOCH", "JOB_TOKEN"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (text_equal(name, text_of(names[i])))
            return true;
    return false;
}

static void read_variable(struct compiler *c, const struct target *target, const struct node *value,
                          struct flow_env *variable)
{
    const struct expr_home home = {"env", ROOT_RETRY, target->draft};
    if (value->key->kind != NODE_STRING)
        return;
    value_check_name(c, value->key, "a variable's name");
    if (is_set_by_engine(value->key->text))
        report_error(&c->report, value->key->span,
                     "the engine itself sets `%.*s` for every step; choose another name",
                     TEXT_ARG(value->key->text));
    variable->name = arena_text(c->arena, value->key->text);
    if (value->kind != NODE_EMPTY) {
        variable->value = value_text(c, value, &home, true);
        return;
    }
    struct flow_problem *problem =
        report_error(&c->report, value->key->span,
                     "the variable `%.*s` has no value; expected text", TEXT_ARG(value->key->text));
    report_hint(&c->report, problem, "an empty text is \"\"");
}

void key_env(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_task *task = target->draft->task;
    if (value->kind != NODE_MAP) {
        struct flow_problem *problem =
            report_error(&c->report, value->span, "`env` must be a map NAME: VALUE, not %s",
                         node_kind_name(value));
        if (value->kind == NODE_LIST)
            report_hint(&c->report, problem, "write `NAME: VALUE`, without `-` in front");
        return;
    }
    struct flow_env *env = arena_calloc(c->arena, value->count + 1, sizeof *env);
    for (const struct node *child = value->first; child; child = child->next)
        read_variable(c, target, child, &env[task->env_count++]);
    task->env = env;
}
