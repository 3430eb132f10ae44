/* SPDX-License-Identifier: Apache-2.0 */
/* foreach: items begin as long as there is room, and the task ends when enough is known. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/core/tree_private.h"

#define CONCURRENCY_DEFAULT 10
#define ITEMS_MAX           100000

static bool is_full(const struct core *core, const struct job *job)
{
    return job->open->line_count >= core->options.lines;
}

/* ------------------------------------------------------------------------------------- reading */

static struct each *each_new(const struct json *list)
{
    struct each *each = xcalloc(1, sizeof *each);
    each->count = list->count;
    each->is_object = list->kind == JSON_OBJECT;
    each->at = xcalloc(list->count, sizeof(struct json *));
    each->items = xcalloc(list->count, sizeof(struct unit *));
    uint32_t number = 0;
    for (const struct json *item = list->first; item; item = item->next)
        each->at[number++] = item;
    return each;
}

static bool refuse(struct reading *reading, struct text *ret_failure, const char *text)
{
    snprintf(reading->error.text, sizeof reading->error.text, "%s", text);
    reading->where = "foreach";
    *ret_failure = reading_failure(reading);
    return false;
}

static bool read_limits(struct reading *reading, struct each *each, struct text *ret_failure)
{
    const struct flow_foreach *plan = &reading->unit->plan->foreach;
    int64_t concurrency, enough;
    if (!reading_amount(reading, "foreach.concurrency", &plan->concurrency, false,
                        CONCURRENCY_DEFAULT, &concurrency) ||
        !reading_amount(reading, "foreach.enough", &plan->enough, false, each->count, &enough)) {
        *ret_failure = reading_failure(reading);
        return false;
    }
    if (concurrency < 1)
        return refuse(reading, ret_failure, "concurrency must be at least 1");
    if (plan->enough.present && plan->enough_is_percent)
        enough = (enough * each->count + 99) / 100;
    each->concurrency = concurrency > UINT32_MAX ? UINT32_MAX : (uint32_t)concurrency;
    each->enough = enough > each->count ? each->count + 1 : (uint32_t)enough;
    each->fail_fast = plan->fail_fast;
    return true;
}

bool each_read(struct core *core, struct unit *unit, struct text *ret_failure)
{
    struct reading reading;
    struct text text;
    struct json *list = NULL;
    reading_begin(&reading, core, unit);
    if (!reading_json(&reading, "foreach", unit->plan->foreach.in, &unit->job->arena, &text)) {
        *ret_failure = reading_failure(&reading);
        return false;
    }
    if (json_parse(&unit->job->arena, text, &list, NULL) != 0 ||
        (list->kind != JSON_ARRAY && list->kind != JSON_OBJECT))
        return refuse(&reading, ret_failure, "expected a list or an object");
    if (list->count > ITEMS_MAX)
        return refuse(&reading, ret_failure, "more than 100000 items");
    struct each *each = each_new(list);
    unit->each = each;
    return read_limits(&reading, each, ret_failure);
}

/* ------------------------------------------------------------------------------------ running */

struct unit *each_item(struct unit *unit, uint32_t number)
{
    struct each *each = unit->each;
    CHECK(number < each->count && !each->items[number]);
    each->items[number] = unit_new(unit->job, UNIT_ITEM, unit->plan, unit, number);
    return each->items[number];
}

void each_pass(struct each *each)
{
    while (each->next < each->count && each->items[each->next])
        each->next++;
}

static struct unit *next_item(struct unit *unit)
{
    struct unit *item = each_item(unit, unit->each->next);
    each_pass(unit->each);
    return item;
}

void each_begin(struct core *core, struct unit *unit)
{
    struct text failure;
    if (!each_read(core, unit, &failure)) {
        unit_fail(core, unit, failure, TEXT("expression"));
        return;
    }
    unit_move(core, unit, TASK_RUNNING, TEXT_NONE);
    level_unit_started(core, unit);
    each_fill(core, unit);
}

static void finish(struct core *core, struct unit *unit)
{
    struct each *each = unit->each;
    bool enough = each->fail_fast ? each->failed == 0 : each->succeeded >= each->enough;
    uint32_t left = each->count - each->succeeded - each->failed;
    if (enough && left == 0) {
        unit_succeed(core, unit, TEXT_NONE, TEXT_NONE);
        return;
    }
    if (each->cancelled && (each->failed == each->failed_with_it || unit->expired)) {
        const char *class = unit->expired ? "deadline" : "cancelled";
        unit->cancelled = !unit->expired;
        unit_fail(core, unit, cancelled_failure(core, unit, class, each->cancelled),
                  text_of(class));
        return;
    }
    struct text message =
        arena_printf(&core->scratch, "%u of %u items failed, %u succeeded; first: %.*s",
                     each->failed, each->count, each->succeeded, TEXT_ARG(each->first_failure));
    struct failure failure = {
        .class = "foreach", .message = message, .task = unit->path, .exit = -1};
    unit_fail(core, unit, failure_json(&unit->job->arena, &failure), TEXT("foreach"));
}

static void skip_some(struct core *core, struct unit *unit)
{
    struct each *each = unit->each;
    while (each->next < each->count && !is_full(core, unit->job)) {
        struct unit *item = next_item(unit);
        item->how = HOW_FAILED;
        unit_move(core, item, TASK_SKIPPED, TEXT("failed"));
    }
}

void each_fill(struct core *core, struct unit *unit)
{
    struct each *each = unit->each;
    struct job *job = unit->job;
    if (each->filling || unit->state != TASK_RUNNING)
        return;
    each->filling = true;
    while (!each->stopped && each->active < each->concurrency && each->next < each->count &&
           !job->handing_over && !is_full(core, job)) {
        struct unit *item = next_item(unit);
        each->active++;
        unit_start(core, item);
    }
    if (each->stopped)
        skip_some(core, unit);
    each->filling = false;
    bool all_begun = each->next == each->count;
    if (all_begun && each->active == 0)
        finish(core, unit);
    else if (!all_begun && is_full(core, job) &&
             (each->stopped || each->active < each->concurrency))
        unit_push(unit); /* goes on when this save is durable */
}

void each_tell_first(struct core *core, struct unit *item)
{
    struct text message = failure_word(core, item->failure, "message");
    item->parent->each->first_failure =
        arena_printf(&item->job->arena, "%.*s: %.*s", TEXT_ARG(item->path), TEXT_ARG(message));
}

/* What only waits for a process does not start any more. */
static void skip_waiting(struct core *core, struct unit *unit)
{
    struct each *each = unit->each;
    each->stopped = true;
    for (uint32_t i = 0; i < each->count; i++) {
        struct unit *item = each->items[i];
        if (!item || !item->queued || item->state != TASK_PENDING)
            continue;
        progress_dequeue(core, item);
        each->active--;
        item->how = HOW_FAILED;
        unit_move(core, item, TASK_SKIPPED, TEXT("failed"));
    }
}

void each_item_ended(struct core *core, struct unit *item)
{
    struct each *each = item->parent->each;
    each->active--;
    if (item->state == TASK_SUCCESS) {
        each->succeeded++;
    } else {
        if (each->failed++ == 0)
            each_tell_first(core, item);
        if (each->fail_fast && !each->stopped)
            skip_waiting(core, item->parent);
        each->failed_with_it += item->cancelled;
        item->parent->reverts_ran |= item->reverts_ran;
    }
    each_fill(core, item->parent);
}

void each_cancel(struct core *core, struct unit *unit, const char *why, enum stop_reason stop)
{
    struct each *each = unit->each;
    skip_waiting(core, unit);
    each->cancelled = why;
    each->active++; /* it does not end before all are told */
    for (uint32_t i = 0; i < each->count; i++) {
        if (each->items[i])
            unit_cancel(core, each->items[i], why, stop);
    }
    each->active--;
    each_fill(core, unit);
}

/* -------------------------------------------------------------------------------------- result */

struct text each_result(struct arena *arena, const struct unit *unit)
{
    const struct each *each = unit->each;
    struct buffer json = {0};
    buffer_add_char(&json, each->is_object ? '{' : '[');
    for (uint32_t i = 0; i < each->count; i++) {
        const struct unit *item = each->items[i];
        if (i > 0)
            buffer_add_char(&json, ',');
        if (each->is_object) {
            buffer_add_json_string(&json, each->at[i]->key);
            buffer_add_char(&json, ':');
        }
        buffer_add_text(&json, item && item->result.data ? item->result : TEXT("null"));
    }
    buffer_add_char(&json, each->is_object ? '}' : ']');
    struct text text = arena_text(arena, buffer_text(&json));
    buffer_done(&json);
    return text;
}

/* ------------------------------------------------------------------------------------- undoing */

static void undo_some(struct core *core, struct unit *unit)
{
    struct each *each = unit->each;
    if (each->filling)
        return;
    each->filling = true;
    while (each->undo_next > 0 && each->undo_active < each->concurrency) {
        struct unit *item = each->items[--each->undo_next];
        if (!item)
            continue;
        each->undo_active++;
        undo_unit(core, item);
    }
    each->filling = false;
    if (each->undo_next == 0 && each->undo_active == 0)
        undo_unit_done(core, unit);
}

void each_undo(struct core *core, struct unit *unit)
{
    unit->each->undo_next = unit->each->count;
    unit->each->undo_active = 0;
    undo_some(core, unit);
}

void each_item_undone(struct core *core, struct unit *item)
{
    item->parent->undo_failed |= item->undo_failed;
    item->parent->each->undo_active--;
    undo_some(core, item->parent);
}
