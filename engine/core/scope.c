/* SPDX-License-Identifier: Apache-2.0 */
/* What the roots of expressions mean: input, job, tasks, item, index, prev, round, retry, result,
 * failure, failures. */
#include "engine/core/tree_private.h"

static struct text or_null(struct text json)
{
    return json.data ? json : TEXT("null");
}

static struct text take(struct arena *arena, struct buffer *json)
{
    struct text text = arena_text(arena, buffer_text(json));
    buffer_done(json);
    return text;
}

/* ------------------------------------------------------------------------------------- tasks */

/* What was undone keeps the result it had. */
static bool has_ended(const struct unit *unit)
{
    return unit_has_ended(unit) || unit->state == TASK_REVERTING;
}

static struct text result_of(struct scope *scope, const struct unit *unit)
{
    if (!has_ended(unit))
        return TEXT("null");
    bool failed = unit->state == TASK_FAILURE || unit->state == TASK_SKIPPED;
    if (unit->each && !failed)
        return each_result(scope->arena, unit);
    return failed ? TEXT("null") : or_null(unit->result);
}

static struct text failure_of(const struct unit *unit)
{
    return has_ended(unit) ? or_null(unit->failure) : TEXT("null");
}

static void add_task(struct scope *scope, struct buffer *json, const struct unit *unit)
{
    buffer_add_string(json, "{\"result\":");
    buffer_add_text(json, result_of(scope, unit));
    buffer_add_string(json, ",\"failure\":");
    buffer_add_text(json, failure_of(unit));
    buffer_printf(json, ",\"state\":\"%s\"}", task_state_name((enum task_state)unit->state));
}

/* The level whose tasks are seen first, then those around it. */
static struct level *first_level(const struct scope *scope)
{
    if (scope->level)
        return scope->level;
    for (const struct unit *unit = scope->unit; unit; unit = unit_outer(unit)) {
        if (unit->level)
            return unit->level;
    }
    return scope->job->root->inner;
}

static struct level *level_around(const struct level *level)
{
    for (const struct unit *unit = level->owner; unit; unit = unit_outer(unit)) {
        if (unit->level)
            return unit->level;
        if (unit->kind == UNIT_FINALLY)
            return unit->job->root->inner;
    }
    return NULL;
}

static struct text all_tasks(struct scope *scope)
{
    struct buffer json = {0};
    struct level *level = first_level(scope);
    buffer_add_char(&json, '{');
    for (uint32_t i = 0; i < level->plan->task_count; i++) {
        if (i > 0)
            buffer_add_char(&json, ',');
        buffer_add_json_string(&json, level->units[i].plan->name);
        buffer_add_char(&json, ':');
        add_task(scope, &json, &level->units[i]);
    }
    buffer_add_char(&json, '}');
    return take(scope->arena, &json);
}

static const struct unit *find_unit(struct scope *scope, struct text name)
{
    for (struct level *level = first_level(scope); level; level = level_around(level)) {
        int64_t number = flow_level_find(level->plan, name);
        if (number >= 0)
            return &level->units[number];
    }
    return NULL;
}

static size_t find_task(struct scope *scope, const struct text *names, size_t count,
                        struct text *ret_json)
{
    if (count == 1) {
        *ret_json = all_tasks(scope);
        return 1;
    }
    const struct unit *unit = find_unit(scope, names[1]);
    if (!unit) {
        /* `finally` may name tasks that this job was not posted for. */
        *ret_json = count >= 3 ? TEXT("null") : TEXT("{\"result\":null,\"failure\":null}");
        return count >= 3 ? 3 : 2;
    }
    if (count >= 3 && text_equal(names[2], TEXT("result"))) {
        *ret_json = result_of(scope, unit);
    } else if (count >= 3 && text_equal(names[2], TEXT("failure"))) {
        *ret_json = failure_of(unit);
    } else if (count >= 3) { /* state: the check lets no other name pass */
        *ret_json =
            arena_printf(scope->arena, "\"%s\"", task_state_name((enum task_state)unit->state));
    } else {
        struct buffer json = {0};
        add_task(scope, &json, unit);
        *ret_json = take(scope->arena, &json);
        return 2;
    }
    return 3;
}

/* ------------------------------------------------------------------------------ items and rounds
 */

static const struct unit *nearest(const struct unit *unit, enum unit_kind kind)
{
    while (unit && unit->kind != kind)
        unit = unit_outer(unit);
    return unit;
}

static bool find_item(struct scope *scope, struct text *ret_json)
{
    const struct unit *item = nearest(scope->unit, UNIT_ITEM);
    if (!item)
        return false;
    const struct each *each = item->parent->each;
    const struct json *value = each->at[item->number];
    if (!each->is_object) {
        *ret_json = value->raw;
        return true;
    }
    struct buffer json = {0};
    buffer_add_string(&json, "{\"key\":");
    buffer_add_json_string(&json, value->key);
    buffer_add_string(&json, ",\"value\":");
    buffer_add_text(&json, value->raw);
    buffer_add_char(&json, '}');
    *ret_json = take(scope->arena, &json);
    return true;
}

static bool find_index(struct scope *scope, struct text *ret_json)
{
    const struct unit *item = nearest(scope->unit, UNIT_ITEM);
    if (item)
        *ret_json = arena_printf(scope->arena, "%u", item->number);
    return item != NULL;
}

static bool find_round(struct scope *scope, struct text *ret_json)
{
    const struct unit *round = nearest(scope->unit, UNIT_ROUND);
    if (round)
        *ret_json = arena_printf(scope->arena, "%u", round->number);
    return round != NULL;
}

static bool find_prev(struct scope *scope, struct text *ret_json)
{
    const struct unit *round = nearest(scope->unit, UNIT_ROUND);
    if (!round)
        return false;
    const struct rounds *rounds = round->parent->rounds;
    *ret_json = round->number > 0 ? or_null(rounds->list[round->number - 1]->result) : TEXT("null");
    return true;
}

/* -------------------------------------------------------------------------------------- retry */

static struct text value_of_list(struct scope *scope, struct text text, size_t number)
{
    struct json *list = NULL;
    CHECK(json_parse(scope->arena, text, &list, NULL) == 0); /* what an expression gives is JSON */
    const struct json *item = list->first;
    while (item && number-- > 0)
        item = item->next;
    return item ? item->raw : TEXT_NONE;
}

struct text scope_retry_value(struct scope *scope, struct unit *unit)
{
    const struct flow_retry *retry = &unit->plan->retry;
    size_t number = (size_t)unit->attempt - 1;
    struct scope inner = {
        .job = scope->job, .unit = unit, .retry_of_outer = true, .arena = scope->arena};
    struct expr_scope roots;
    struct expr_error error = {0};
    struct buffer json = {0};
    struct text value = TEXT_NONE;
    roots = scope_of(&inner);
    if (retry->values && number < retry->value_count &&
        template_eval(retry->values[number], scope->arena, &roots, NULL, &json, &error) == 0)
        value = arena_text(scope->arena, buffer_text(&json));
    else if (retry->values_expr &&
             expr_eval(retry->values_expr, scope->arena, &roots, NULL, &json, &error) == 0)
        value = value_of_list(scope, arena_text(scope->arena, buffer_text(&json)), number);
    buffer_done(&json);
    return value;
}

/* The nearest unit that has attempts and a retry, own first. What is asked before its own attempts
 * begin, `if` and the like, sees those around. */
static struct unit *nearest_retry(struct unit *unit, bool with_values)
{
    for (; unit; unit = unit_outer(unit)) {
        const struct flow_retry *retry = &unit->plan->retry;
        if (unit_has_attempts(unit) && unit->attempt > 0 && retry->present &&
            (!with_values || retry->values || retry->values_expr))
            return unit;
    }
    return NULL;
}

static bool find_retry(struct scope *scope, struct text *ret_json)
{
    struct unit *first = scope->retry_of_outer ? unit_outer(scope->unit) : scope->unit;
    struct unit *unit = nearest_retry(first, false);
    if (!unit)
        return false;
    struct unit *valued = nearest_retry(first, true);
    struct text value = valued ? scope_retry_value(scope, valued) : TEXT_NONE;
    struct buffer json = {0};
    buffer_printf(&json, "{\"attempt\":%d,\"value\":", (int)unit->attempt);
    buffer_add_text(&json, or_null(value));
    buffer_add_string(&json, ",\"earlier\":");
    buffer_add_text(&json, unit->earlier.data ? unit->earlier : TEXT("[]"));
    buffer_add_char(&json, '}');
    *ret_json = take(scope->arena, &json);
    return true;
}

/* ----------------------------------------------------------------------------------- failures */

static bool find_failure(struct scope *scope, struct text *ret_json)
{
    const struct level *level = undo_origin(scope->unit);
    if (scope->failure.data)
        *ret_json = scope->failure;
    else if (level)
        *ret_json = or_null(level->failure);
    else if (scope->job->flow_ended)
        *ret_json = or_null(scope->job->failure);
    else
        return false;
    return true;
}

static bool find_failures(struct scope *scope, struct text *ret_json)
{
    const struct level *level = undo_origin(scope->unit);
    if (!level)
        return false;
    *ret_json = arena_printf(scope->arena, "[%.*s]", TEXT_ARG(level->failures));
    return true;
}

static bool find_input(struct scope *scope, struct text *ret_json)
{
    *ret_json = scope->job->load.input;
    return true;
}

/* In `finally` the job's final state stands beside the rest. */
static bool find_job(struct scope *scope, struct text *ret_json)
{
    struct text json = scope->job->job_json;
    if (scope->job->flow_ended)
        json = arena_printf(scope->arena, "%.*s,\"state\":\"%s\"}", (int)json.len - 1, json.data,
                            job_state_name(scope->job->final_state));
    *ret_json = json;
    return true;
}

static bool find_result(struct scope *scope, struct text *ret_json)
{
    *ret_json = scope->result;
    return scope->result.data != NULL;
}

static size_t find(void *context, const struct text *names, size_t count, struct text *ret_json)
{
    static const struct {
        struct text name;
        bool (*find)(struct scope *scope, struct text *ret_json);
    } roots[] = {
        {TEXT("input"), find_input},     {TEXT("job"), find_job},
        {TEXT("item"), find_item},       {TEXT("index"), find_index},
        {TEXT("prev"), find_prev},       {TEXT("round"), find_round},
        {TEXT("retry"), find_retry},     {TEXT("result"), find_result},
        {TEXT("failure"), find_failure}, {TEXT("failures"), find_failures},
    };
    struct scope *scope = context;
    if (text_equal(names[0], TEXT("tasks")))
        return find_task(scope, names, count, ret_json);
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        if (text_equal(names[0], roots[i].name))
            return roots[i].find(scope, ret_json) ? 1 : 0;
    }
    return 0;
}

struct expr_scope scope_of(struct scope *scope)
{
    return (struct expr_scope){.context = scope, .find = find};
}
