/* SPDX-License-Identifier: Apache-2.0 */
/* What makes many runs of one task: `foreach` and `repeat`. */
#include "engine/flow/readers.h"
#include "engine/flow/value.h"

#define ITEMS_MAX           100000
#define ROUNDS_MAX          1000000
#define CONCURRENCY_DEFAULT 10

/* --------------------------------------------------------------------------------------- foreach
 */

static struct flow_foreach *foreach_of(const struct target *target)
{
    return &target->draft->task->foreach;
}

void key_foreach_in(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = home_of(target->draft, "foreach", 0);
    if (value->kind == NODE_LIST && value->count > ITEMS_MAX)
        report_error(&c->report, value->key->span, "more than %d items", ITEMS_MAX);
    else
        foreach_of(target)->in = value_list(c, value, &home);
}

void key_concurrency(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = home_of(target->draft, "concurrency", 0);
    value_count(c, value, &home, 1, ITEMS_MAX, &foreach_of(target)->concurrency);
}

void key_fail_fast(struct compiler *c, const struct target *target, const struct node *value)
{
    value_boolean(c, value, "fail_fast", &foreach_of(target)->fail_fast);
}

/* `N%`; false when it is not of that form. */
static bool read_percent(const struct node *value, int64_t *ret_percent)
{
    *ret_percent = 0;
    if (value->kind != NODE_STRING || value->text.len < 2 || value->text.len > 4 ||
        value->text.data[value->text.len - 1] != '%')
        return false;
    for (size_t i = 0; i + 1 < value->text.len; i++) {
        if (value->text.data[i] < '0' || value->text.data[i] > '9')
            return false;
        *ret_percent = *ret_percent * 10 + (value->text.data[i] - '0');
    }
    return *ret_percent <= 100;
}

void key_enough(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_foreach *foreach = foreach_of(target);
    struct expr_home home = home_of(target->draft, "enough", 0);
    int64_t percent;
    if (read_percent(value, &percent)) {
        foreach
            ->enough = (struct flow_amount){.value = percent, .present = true};
        foreach
            ->enough_is_percent = true;
    } else if (value->kind == NODE_STRING && !value_is_expression(value)) {
        report_error(&c->report, value->span,
                     "`enough` must be a number of items, or a percentage such as 80%%");
    } else {
        value_count(c, value, &home, 0, ITEMS_MAX, &foreach->enough);
    }
}

/* `enough` waits for all items; that does not go with stopping at the first failure. */
static void check_enough(struct compiler *c, struct flow_foreach *foreach, const struct node *map)
{
    const struct node *enough = node_member(map, "enough");
    const struct node *fail_fast = node_member(map, "fail_fast");
    if (!enough)
        return;
    if (!fail_fast)
        foreach
            ->fail_fast = false;
    else if (foreach->fail_fast && fail_fast->kind == NODE_BOOLEAN)
        report_hint(&c->report,
                    report_error(&c->report, fail_fast->key->span,
                                 "`fail_fast: true` and `enough` contradict each other"),
                    "with `enough` all items run, and `fail_fast` is false");
}

static void read_foreach_map(struct compiler *c, const struct target *target,
                             const struct node *value)
{
    const struct node *in = node_member(value, "in");
    language_read(c, IN_FOREACH, value, target);
    check_enough(c, foreach_of(target), value);
    if (in)
        return;
    struct flow_problem *problem =
        report_error(&c->report, value->key->span, "`foreach` has no list; expected `in: LIST`");
    if (!language_knows_keys(IN_FOREACH, value))
        report_hint(&c->report, problem,
                    "the members of an object are gone through by `foreach: {in: {KEY: VALUE}}`");
}

void key_foreach(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_foreach *foreach = foreach_of(target);
    foreach
        ->present = true;
    foreach
        ->fail_fast = true;
    foreach
        ->concurrency = (struct flow_amount){.value = CONCURRENCY_DEFAULT, .present = true};
    if (value->kind == NODE_MAP)
        read_foreach_map(c, target, value);
    else
        key_foreach_in(c, target, value);
}

/* ---------------------------------------------------------------------------------------- repeat
 */

static struct flow_repeat *repeat_of(const struct target *target)
{
    return &target->draft->task->repeat;
}

void key_until(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = home_of(target->draft, "repeat.until", ROOT_RESULT | ROOTS_OF_ATTEMPT);
    const struct flow_condition *until = value_condition(c, value, &home);
    if (until)
        repeat_of(target)->until = *until;
}

void key_times(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = home_of(target->draft, "times", ROOT_ITEM);
    value_count(c, value, &home, 1, ROUNDS_MAX, &repeat_of(target)->times);
}

void key_repeat_delay(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = home_of(target->draft, "delay", ROOT_ITEM);
    value_duration(c, value, &home, 0, &repeat_of(target)->delay_ms);
}

void key_repeat(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_problem *problem;
    repeat_of(target)->present = true;
    if (value->kind != NODE_MAP) {
        problem = report_error(&c->report, value->span,
                               "`repeat` must be a map {until: COND, times: N, delay: DUR}, not %s",
                               node_kind_name(value));
        if (value->kind == NODE_NUMBER)
            report_hint(&c->report, problem,
                        "so many rounds, whatever they give: `repeat: {until: \"round == %.*s - "
                        "1\"}`, with rounds counted from 0",
                        TEXT_ARG(value->text));
        return;
    }
    language_read(c, IN_REPEAT, value, target);
    if (node_member(value, "until") || !language_knows_keys(IN_REPEAT, value))
        return;
    problem = report_error(&c->report, value->key->span, "`repeat` needs `until`");
    report_hint(&c->report, problem, "what is tried again after a failure is said by `retry`");
}
