/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a task beside its verb and what belongs to the verb. */
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

void key_join(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_task *task = target->draft->task;
    struct expr_home home = home_of(target->draft, "join", 0);
    if (value->kind == NODE_STRING && text_equal(value->text, TEXT("all"))) {
        task->join = JOIN_ALL;
    } else if (value->kind == NODE_STRING && text_equal(value->text, TEXT("any"))) {
        task->join = JOIN_ANY;
    } else if (value->kind == NODE_NUMBER || value_is_expression(value)) {
        task->join = JOIN_COUNT;
        value_count(c, value, &home, 1, FLOW_TASKS_MAX, &task->join_count);
    } else {
        struct flow_problem *problem = report_error(
            &c->report, value->span, "`join` must be `all`, `any`, or how many needs must be met");
        if (value->kind == NODE_LIST || value->kind == NODE_MAP)
            report_hint(&c->report, problem, "which tasks they are is said in `needs`");
        else if (text_equal(value->text, TEXT("one")))
            report_hint(&c->report, problem, "did you mean `any`?");
    }
}

void key_if(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home = home_of(target->draft, "if", 0);
    target->draft->task->run_if = value_condition(c, value, &home);
}

void key_skip(struct compiler *c, const struct target *target, const struct node *value)
{
    /* In the order of enum flow_skip. */
    static const char *const words[] = {"task", "neighbors", "flow", "all"};
    size_t number;
    if (value_choice(c, value, "skip", words, sizeof words / sizeof words[0], &number))
        target->draft->task->skip = (enum flow_skip)number;
}

static void report_wide_failure(struct compiler *c, const struct node *value, bool is_job)
{
    struct flow_problem *problem;
    if (is_job) {
        problem = report_error(&c->report, value->span,
                               "`on_failure` of the job is `revert` or `stop`, not `%.*s`",
                               TEXT_ARG(value->text));
        report_hint(&c->report, problem,
                    text_equal(value->text, TEXT("continue"))
                        ? "there is nothing around a job that could go on"
                        : "the whole job is what `revert` undoes");
        return;
    }
    problem = report_error(&c->report, value->span,
                           "`%.*s` reaches the whole job, and inside `finally` it has ended",
                           TEXT_ARG(value->text));
    report_hint(&c->report, problem, "`continue` and `revert` reach no further than the flow here");
}

void key_on_failure(struct compiler *c, const struct target *target, const struct node *value)
{
    /* In the order of enum flow_on_failure. */
    static const char *const words[] = {"revert", "continue", "stop", "revert_all"};
    bool is_job = target->draft == c->job;
    size_t number;
    if (!value_choice(c, value, "on_failure", words, sizeof words / sizeof words[0], &number))
        return;
    bool is_wide = number == FAIL_STOP || number == FAIL_REVERT_ALL;
    if (is_job ? number == FAIL_CONTINUE || number == FAIL_REVERT_ALL
               : is_wide && target->draft->roots & ROOT_ENDED)
        report_wide_failure(c, value, is_job);
    target->draft->task->on_failure = (enum flow_on_failure)number;
}

void key_deadline(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home = home_of(target->draft, "deadline", 0);
    value_duration(c, value, &home, 1, &target->draft->task->deadline_ms);
}

void key_expect(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home = home_of(target->draft, "expect", ROOT_RESULT | ROOTS_OF_ATTEMPT);
    target->draft->task->expect = value_condition(c, value, &home);
}

void key_timeout(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home = home_of(target->draft, "timeout", ROOTS_OF_ATTEMPT);
    value_duration(c, value, &home, 1, &target->draft->task->timeout_ms);
}

void key_once(struct compiler *c, const struct target *target, const struct node *value)
{
    value_boolean(c, value, "once", &target->draft->task->once);
}

void key_retry(struct compiler *c, const struct target *target, const struct node *value)
{
    if (value->kind == NODE_MAP) {
        retry_read(c, target, value);
        return;
    }
    struct flow_problem *problem = report_error(
        &c->report, value->span, "`retry` must be a map {attempts: N, delay: 1s, …}, not %s",
        node_kind_name(value));
    if (value->kind == NODE_NUMBER)
        report_hint(&c->report, problem, "write `retry: {attempts: N}`; attempts counts the first");
}

/* ---------------------------------------------------------------------------------------- revert
 */

static void report_no_revert(struct compiler *c, const struct node *value)
{
    struct flow_problem *problem =
        report_error(&c->report, value->span, "`revert` must be a map with a verb, not %s",
                     node_kind_name(value));
    if (value->kind == NODE_STRING && value->style != NODE_BLOCK && value->text.len <= 60)
        report_hint(&c->report, problem, "write `revert: {sh: %.*s}`", TEXT_ARG(value->text));
    else if (value->kind == NODE_STRING)
        report_hint(&c->report, problem, "a shell script is `revert: {sh: TEXT}`");
    else if (value->kind == NODE_LIST)
        report_hint(&c->report, problem, "a program is `revert: {run: [PROGRAM, ARGUMENT, …]}`");
}

void key_revert(struct compiler *c, const struct target *target, const struct node *value)
{
    struct draft *task = target->draft;
    if (task->has_known_verb && task->task->verb == VERB_TASKS) {
        struct flow_problem *problem =
            report_error(&c->report, value->key->span, "a nested flow has no `revert`");
        report_hint(&c->report, problem,
                    "its tasks undo themselves, in reverse order: give them their own `revert`");
        return;
    }
    if (value->kind != NODE_MAP) {
        report_no_revert(c, value);
        return;
    }
    struct draft *draft = draft_new(c, value->key->span);
    const struct target inner = {.draft = draft};
    draft->scope = task;
    draft->around = task->around;
    draft->map = value;
    draft->roots = task->roots | ROOTS_OF_ATTEMPT | ROOT_RESULT | ROOT_FAILURE | ROOT_FAILURES;
    task->task->revert = draft->task;
    task->revert = draft;
    language_read(c, IN_REVERT, value, &inner);
}
