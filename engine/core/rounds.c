/* SPDX-License-Identifier: Apache-2.0 */
/* repeat: round after round until the condition is true. */
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/core/tree_private.h"

struct unit *rounds_add(struct unit *unit)
{
    struct rounds *rounds = unit->rounds;
    if (rounds->count == rounds->capacity) {
        rounds->capacity = rounds->capacity ? rounds->capacity * 2 : 4;
        rounds->list = xrealloc(rounds->list, rounds->capacity, sizeof(struct unit *));
    }
    struct unit *round = unit_new(unit->job, UNIT_ROUND, unit->plan, unit, (uint32_t)rounds->count);
    rounds->list[rounds->count++] = round;
    return round;
}

void rounds_begin(struct core *core, struct unit *unit)
{
    unit->rounds = xcalloc(1, sizeof *unit->rounds);
    unit_move(core, unit, TASK_RUNNING, TEXT_NONE);
    level_unit_started(core, unit);
    unit_start(core, rounds_add(unit));
}

/* Whether `until` holds for the round that ended; an error means: not yet. */
static bool is_reached(struct core *core, struct unit *round)
{
    const struct flow_condition *until = &round->plan->repeat.until;
    struct reading reading;
    bool reached = false;
    reading_begin(&reading, core, round);
    reading.scope.result = round->result;
    return reading_condition(&reading, "repeat.until", until, &reached) && reached;
}

static void fail_repeat(struct core *core, struct unit *unit, int64_t times)
{
    struct failure failure = {
        .class = "repeat",
        .message = arena_printf(&core->scratch, "not reached in %lld rounds", (long long)times),
        .task = unit->path,
        .exit = -1,
    };
    unit_fail(core, unit, failure_json(&unit->job->arena, &failure), TEXT("repeat"));
}

/* False, and the unit has failed, when a limit or a delay cannot be computed. */
static bool read_limits(struct core *core, struct unit *unit, int64_t *ret_times,
                        int64_t *ret_delay_ms)
{
    const struct flow_repeat *plan = &unit->plan->repeat;
    struct reading reading;
    reading_begin(&reading, core, unit);
    if (reading_amount(&reading, "repeat.times", &plan->times, false, INT64_MAX, ret_times) &&
        reading_amount(&reading, "repeat.delay", &plan->delay_ms, true, 0, ret_delay_ms))
        return true;
    unit_fail(core, unit, reading_failure(&reading), TEXT("expression"));
    return false;
}

static void fail_cancelled(struct core *core, struct unit *unit)
{
    const char *class = unit->expired ? "deadline" : "cancelled";
    unit->cancelled = !unit->expired;
    unit_fail(core, unit, cancelled_failure(core, unit, class, unit->rounds->cancelled),
              text_of(class));
}

/* The newest round has succeeded, and it was not the last one. */
static void after_round(struct core *core, struct unit *unit)
{
    struct rounds *rounds = unit->rounds;
    int64_t times, delay_ms;
    if (!read_limits(core, unit, &times, &delay_ms))
        return;
    if ((int64_t)rounds->count >= times) {
        fail_repeat(core, unit, times);
        return;
    }
    if (rounds->cancelled) {
        fail_cancelled(core, unit);
        return;
    }
    if (delay_ms > 0)
        deadlines_set(&core->deadlines, &unit->due, core->now_ms + delay_ms);
    else
        unit_push(unit);
}

void rounds_round_ended(struct core *core, struct unit *round)
{
    struct unit *unit = round->parent;
    unit->resumes = false;
    if (round->state == TASK_FAILURE) {
        unit->reverts_ran |= round->reverts_ran;
        unit->cancelled = round->cancelled;
        unit_fail(core, unit, round->failure, failure_word(core, round->failure, "class"));
    } else if (is_reached(core, round)) {
        unit_succeed(core, unit, round->result, TEXT_NONE);
    } else {
        after_round(core, unit);
    }
}

void rounds_go_on(struct core *core, struct unit *unit)
{
    struct rounds *rounds = unit->rounds;
    struct unit *newest = rounds->count ? rounds->list[rounds->count - 1] : NULL;
    if (newest && !unit_has_ended(newest))
        return;
    if (unit->resumes && newest) {
        /* The takeover came between the end of a round and what follows from it. */
        unit->resumes = false;
        rounds_round_ended(core, newest);
        return;
    }
    unit_start(core, rounds_add(unit));
}

void rounds_cancel(struct core *core, struct unit *unit, const char *why, enum stop_reason stop)
{
    struct rounds *rounds = unit->rounds;
    rounds->cancelled = why;
    struct unit *newest = rounds->count ? rounds->list[rounds->count - 1] : NULL;
    if (newest && newest->queued && newest->state == TASK_PENDING) {
        progress_dequeue(core, newest); /* it only waits for a process, and does not start */
    } else if (newest && !unit_has_ended(newest)) {
        unit_cancel(core, newest, why, stop);
        return;
    }
    deadlines_cancel(&core->deadlines, &unit->due);
    fail_cancelled(core, unit);
}

/* ------------------------------------------------------------------------------------- undoing */

static void undo_next(struct core *core, struct unit *unit)
{
    struct rounds *rounds = unit->rounds;
    if (rounds->undo_next == 0)
        undo_unit_done(core, unit);
    else
        undo_unit(core, rounds->list[--rounds->undo_next]);
}

void rounds_undo(struct core *core, struct unit *unit)
{
    unit->rounds->undo_next = unit->rounds->count;
    undo_next(core, unit);
}

void rounds_round_undone(struct core *core, struct unit *round)
{
    struct unit *unit = round->parent;
    unit->undo_failed |= round->undo_failed;
    /* What a round built on is left as it is when the round could not be undone. */
    for (size_t i = 0; round->undo_failed && i < unit->rounds->undo_next; i++)
        unit->rounds->list[i]->blocked = true;
    undo_next(core, unit);
}
