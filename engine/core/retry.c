/* SPDX-License-Identifier: Apache-2.0 */
/* The retry policy: whether another attempt follows, and when. */
#include <stdio.h>

#include "engine/core/tree_private.h"

#define RETRY_DELAY_MS     1000
#define RETRY_MAX_DELAY_MS 3600000

/* `values` sees the retry of the flows around. */
static bool count_values(struct reading *reading, const struct flow_retry *retry,
                         int64_t *ret_count)
{
    struct json *list = NULL;
    reading->scope.retry_of_outer = true;
    bool good =
        reading_value(reading, "retry.values", retry->values_expr, &reading->core->scratch, &list);
    reading->scope.retry_of_outer = false;
    if (!good)
        return false;
    if (list->kind != JSON_ARRAY || list->count == 0) {
        snprintf(reading->error.text, sizeof reading->error.text,
                 "expected a list of at least one value");
        return false;
    }
    *ret_count = list->count;
    return true;
}

/* How many attempts there are at the most. `values` without `attempts`: one for each. */
static bool attempts_of(struct core *core, struct unit *unit, const struct flow_retry *retry,
                        int64_t *ret_attempts)
{
    struct reading reading;
    reading_begin(&reading, core, unit);
    if (retry->attempts.present || !retry->values_expr)
        return reading_amount(&reading, "retry.attempts", &retry->attempts, false,
                              retry->values ? (int64_t)retry->value_count : 1, ret_attempts);
    return count_values(&reading, retry, ret_attempts);
}

bool retry_has_value(struct reading *reading, int32_t attempt)
{
    const struct flow_retry *retry = &reading->unit->plan->retry;
    int64_t count = (int64_t)retry->value_count;
    struct text text;
    if (!retry->present || (!retry->values && !retry->values_expr))
        return true;
    if (!retry->values && !count_values(reading, retry, &count))
        return false;
    if (attempt < 1 || attempt > count) {
        reading->where = "retry.values";
        snprintf(reading->error.text, sizeof reading->error.text, "there are only %lld",
                 (long long)count);
        return false;
    }
    if (!retry->values)
        return true;
    reading->scope.retry_of_outer = true;
    bool good = reading_json(reading, "retry.values", retry->values[attempt - 1],
                             &reading->core->scratch, &text);
    reading->scope.retry_of_outer = false;
    return good;
}

bool retry_wanted(struct core *core, struct unit *unit, const struct flow_retry *retry,
                  int32_t attempt, struct text failure)
{
    int64_t attempts;
    if (!retry->present || !attempts_of(core, unit, retry, &attempts) || attempt >= attempts)
        return false;
    bool is_unknown = text_equal(failure_word(core, failure, "outcome"), TEXT("unknown"));
    if (is_unknown && unit->plan->once && !unit->inner)
        return false;
    struct text class = failure_word(core, failure, "class");
    if (!retry->only_if)
        return !text_equal(class, TEXT("expression")) && !text_equal(class, TEXT("rejected"));
    struct reading reading;
    bool again = false;
    reading_begin(&reading, core, unit);
    reading.scope.failure = failure;
    return reading_condition(&reading, "retry.if", retry->only_if, &again) && again;
}

int64_t retry_delay_ms(struct core *core, struct unit *unit, const struct flow_retry *retry,
                       int32_t attempt)
{
    struct reading reading;
    reading_begin(&reading, core, unit);
    int64_t delay_ms, max_ms;
    if (!reading_amount(&reading, "retry.delay", &retry->delay_ms, true, RETRY_DELAY_MS, &delay_ms))
        delay_ms = RETRY_DELAY_MS;
    if (!reading_amount(&reading, "retry.max_delay", &retry->max_delay_ms, true, RETRY_MAX_DELAY_MS,
                        &max_ms))
        max_ms = RETRY_MAX_DELAY_MS;
    double pause = (double)delay_ms;
    for (int32_t i = 1; i < attempt && pause < (double)max_ms && retry->backoff > 1; i++)
        pause *= retry->backoff;
    if (pause > (double)max_ms)
        pause = (double)max_ms;
    double swing = (double)random_below(&core->random, 2001) / 1000.0 - 1.0; /* -1 .. 1 */
    return (int64_t)(pause * (1.0 + retry->jitter * swing));
}

void retry_remember(struct core *core, struct unit *unit, struct text failure)
{
    struct scope scope = {.job = unit->job, .unit = unit, .arena = &core->scratch};
    struct text value = scope_retry_value(&scope, unit);
    struct buffer json = {0};
    if (unit->earlier.data) {
        buffer_add(&json, unit->earlier.data, unit->earlier.len - 1);
        buffer_add_char(&json, ',');
    } else {
        buffer_add_char(&json, '[');
    }
    buffer_add_string(&json, "{\"value\":");
    buffer_add_text(&json, value.data ? value : TEXT("null"));
    buffer_add_string(&json, ",\"failure\":");
    buffer_add_text(&json, failure);
    buffer_add_string(&json, "}]");
    unit->earlier = arena_text(&unit->job->arena, buffer_text(&json));
    buffer_done(&json);
}
