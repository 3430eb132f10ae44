/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in `retry`. */

#include "base/check.h"
#include "engine/flow/readers.h"
#include "engine/flow/value.h"

#define ATTEMPTS_MAX         1000000 /* of one task; at one a second more than a week */
#define BACKOFF_MAX          100
#define VALUES_MAX           10000
#define DELAY_DEFAULT_MS     1000
#define MAX_DELAY_DEFAULT_MS 3600000
#define JITTER_DEFAULT       0.1

static void set_defaults(struct flow_retry *retry)
{
    *retry = (struct flow_retry){
        .present = true,
        .delay_ms = {.value = DELAY_DEFAULT_MS, .present = true},
        .backoff = 1,
        .max_delay_ms = {.value = MAX_DELAY_DEFAULT_MS, .present = true},
        .jitter = JITTER_DEFAULT,
    };
}

/* The pause after an attempt may depend on it. */
#define ROOTS_OF_PAUSE ROOTS_OF_ATTEMPT
/* Computed before there is an attempt: `retry` is that of the flows around. */
#define ROOTS_OF_PLAN (ROOT_ITEM | ROOT_ROUND)

static struct flow_retry *retry_of(const struct target *target)
{
    return &target->draft->task->retry;
}

void key_attempts(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = home_of(target->draft, "attempts", ROOTS_OF_PLAN);
    target->draft->retry_attempts = value;
    value_count(c, value, &home, 1, ATTEMPTS_MAX, &retry_of(target)->attempts);
}

void key_delay(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = home_of(target->draft, "delay", ROOTS_OF_PAUSE);
    value_duration(c, value, &home, 0, &retry_of(target)->delay_ms);
}

void key_max_delay(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = home_of(target->draft, "max_delay", ROOTS_OF_PAUSE);
    value_duration(c, value, &home, 0, &retry_of(target)->max_delay_ms);
}

void key_backoff(struct compiler *c, const struct target *target, const struct node *value)
{
    value_number(c, value, "backoff", 1, BACKOFF_MAX, &retry_of(target)->backoff);
}

void key_jitter(struct compiler *c, const struct target *target, const struct node *value)
{
    value_number(c, value, "jitter", 0, 1, &retry_of(target)->jitter);
}

void key_retry_if(struct compiler *c, const struct target *target, const struct node *value)
{
    const struct expr_home home =
        home_of(target->draft, "retry.if", ROOT_FAILURE | ROOTS_OF_ATTEMPT);
    retry_of(target)->only_if = value_condition(c, value, &home);
}

void key_values(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = home_of(target->draft, "values", ROOTS_OF_PLAN);
    struct flow_retry *retry = retry_of(target);
    target->draft->retry_values = value;
    if (target->draft->roots & ROOT_FAILURES) {
        struct flow_problem *problem =
            report_error(&c->report, value->key->span, "the `retry` of a revert has no `values`");
        report_hint(&c->report, problem,
                    "in a revert `retry.value` is the one that the task was run with");
        return;
    }
    if (value_is_expression(value)) {
        retry->values_expr = value_expression(c, value, &home);
        return;
    }
    if (value->kind != NODE_LIST) {
        report_error(&c->report, value->span,
                     "`values` must be a list, one value per attempt, not %s",
                     node_kind_name(value));
        return;
    }
    if (value->count == 0 || value->count > VALUES_MAX) {
        report_error(&c->report, value->span, "`values` must have from 1 to %d values", VALUES_MAX);
        return;
    }
    const struct template **values = arena_calloc(c->arena, value->count, sizeof *values);
    for (const struct node *child = value->first; child; child = child->next)
        values[retry->value_count++] = value_data(c, child, &home);
    retry->values = values;
}

/* `values` sets how many attempts there are; saying the same number again is harmless. */
static bool agrees(const struct flow_retry *retry)
{
    return !retry->attempts.present || (!retry->attempts.expr && !retry->values_expr &&
                                        retry->attempts.value == (int64_t)retry->value_count);
}

static void check_attempts(struct compiler *c, const struct target *target, const struct node *node)
{
    struct flow_problem *problem;
    const struct node *attempts = target->draft->retry_attempts;
    if (target->draft->retry_values) {
        if ((retry_of(target)->values || retry_of(target)->values_expr) &&
            !agrees(retry_of(target))) {
            problem = report_error(&c->report, attempts->key->span,
                                   "`values` says how many attempts there are, one per value");
            report_hint(&c->report, problem, "leave `attempts` out");
        }
        return;
    }
    /* An unknown key was reported, and may be what is missing. */
    if (attempts || !language_knows_keys(IN_RETRY, node))
        return;
    problem = report_error(&c->report, node->key->span, "`retry` needs `attempts` (or `values`)");
    report_hint(&c->report, problem, "`attempts: 3` means the first and two more");
}

void retry_read(struct compiler *c, const struct target *target, const struct node *value)
{
    set_defaults(retry_of(target));
    language_read(c, IN_RETRY, value, target);
    check_attempts(c, target, value);
}
