/* SPDX-License-Identifier: Apache-2.0 */
/* What a process starts with, and what its stdout becomes. */
#include "engine/flow/readers.h"
#include "engine/flow/value.h"

#define VARIABLES_MAX 1000
/* They are copied into every task that has variables of its own. */
#define DEFAULT_VARIABLES_MAX 100

void key_result(struct compiler *c, const struct target *target, const struct node *value)
{
    /* In the order of enum flow_result. */
    static const char *const words[] = {"auto", "json", "text", "none"};
    size_t number;
    if (value_choice(c, value, "result", words, sizeof words / sizeof words[0], &number))
        target->draft->task->result = (enum flow_result)number;
}

void key_with(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home = home_of(target->draft, "with", ROOTS_OF_ATTEMPT);
    target->draft->task->with = value_data(c, value, &home);
}

void key_cwd(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home = home_of(target->draft, "cwd", ROOTS_OF_ATTEMPT);
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

static void check_variable(struct compiler *c, const struct node *key)
{
    if (key->kind != NODE_STRING)
        return;
    value_check_name(c, key, "a variable's name");
    if (is_set_by_engine(key->text))
        report_error(&c->report, key->span,
                     "the engine itself sets `%.*s` for every step; choose another name",
                     TEXT_ARG(key->text));
}

void key_env(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_task *task = target->draft->task;
    const struct expr_home home = home_of(target->draft, "env", ROOTS_OF_ATTEMPT);
    uint32_t max = target->draft == c->defaults ? DEFAULT_VARIABLES_MAX : VARIABLES_MAX;
    if (value->kind == NODE_MAP && value->count > max) {
        report_error(&c->report, value->key->span, "more than %u variables", max);
        return;
    }
    if (read_pairs(c, value, &home, "the variable", &task->env, &task->env_count))
        for (const struct node *child = value->first; child; child = child->next)
            check_variable(c, child->key);
}

/* ---------------------------------------------------------------------------------- names, values
 */

static void read_pair(struct compiler *c, const struct node *value, const struct expr_home *home,
                      const char *what, struct flow_env *pair)
{
    pair->name = arena_text(c->arena, value->key->text);
    if (value->kind != NODE_EMPTY) {
        pair->value = value_text(c, value, home, true);
        return;
    }
    struct flow_problem *problem =
        report_error(&c->report, value->key->span, "%s `%.*s` has no value; expected text", what,
                     TEXT_ARG(value->key->text));
    report_hint(&c->report, problem, "an empty text is \"\"");
}

bool read_pairs(struct compiler *c, const struct node *value, const struct expr_home *home,
                const char *what, const struct flow_env **ret_list, size_t *ret_count)
{
    if (value->kind != NODE_MAP) {
        struct flow_problem *problem =
            report_error(&c->report, value->span, "`%s` must be a map NAME: VALUE, not %s",
                         home->key, node_kind_name(value));
        if (value->kind == NODE_LIST)
            report_hint(&c->report, problem, "write `NAME: VALUE`, without `-` in front");
        return false;
    }
    struct flow_env *list = arena_calloc(c->arena, value->count + 1, sizeof *list);
    for (const struct node *child = value->first; child; child = child->next)
        if (child->key->kind == NODE_STRING)
            read_pair(c, child, home, what, &list[(*ret_count)++]);
    *ret_list = list;
    return true;
}
