/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/why.h"

#include <inttypes.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/placement.h"
#include "cli/job_text.h"
#include "cli/session.h"

static const char *ago(const struct why_facts *facts, int64_t at_us, char *ret_text, size_t size)
{
    int64_t ms = facts->now_us > at_us ? (facts->now_us - at_us) / 1000 : 0;
    return duration_format(ms, ret_text, size);
}

static struct text joined(struct arena *arena, const struct text *words, size_t count)
{
    struct text text = TEXT("");
    for (size_t i = 0; i < count; i++)
        text = arena_printf(arena, "%.*s%s%.*s", TEXT_ARG(text), i ? ", " : "", TEXT_ARG(words[i]));
    return text;
}

/* ---------------------------------------------------------------------------------------- ended */

static struct text failure_text(struct arena *arena, struct text document)
{
    struct json *failure;
    if (!document.data || json_parse(arena, document, &failure, NULL))
        return TEXT("");
    const struct json *class = json_member(failure, TEXT("class"));
    const struct json *message = json_member(failure, TEXT("message"));
    const struct json *task = json_member(failure, TEXT("task"));
    struct text where = task && task->kind == JSON_STRING
                            ? arena_printf(arena, " in task %.*s", TEXT_ARG(task->string))
                            : TEXT("");
    return arena_printf(arena, "; failure %.*s%.*s: %.*s",
                        TEXT_ARG(class ? class->string : TEXT("")), TEXT_ARG(where),
                        TEXT_ARG(message ? message->string : TEXT("")));
}

static void explain_final(const struct why_facts *facts, struct arena *arena, struct why *why)
{
    const struct view_job *job = facts->job;
    char at[TIME_SHORT_MAX] = "a time unknown";
    if (job->ended_at_us)
        time_short(job->ended_at_us, at);
    struct text failure = failure_text(arena, job->failure);
    why->reason = "final";
    why->text = arena_printf(arena, "it ended with %s at %s%.*s", job_state_name(job->row.state),
                             at, TEXT_ARG(failure));
    bool reruns = job->row.state == JOB_FAILURE || job->row.state == JOB_REVERTED ||
                  job->row.state == JOB_CANCELLED;
    why->remedy = reruns ? arena_printf(arena, "put the cause right, then: jobboard rerun %s",
                                        ID_SHORT(&job->row.id))
                         : TEXT("nothing: it is final");
}

/* -------------------------------------------------------------------------------------- running */

static const struct member *find_member(const struct why_facts *facts, const struct uuid *boot)
{
    for (size_t i = 0; i < facts->member_count; i++)
        if (uuid_equal(&facts->members[i].boot, boot))
            return &facts->members[i];
    return NULL;
}

static struct text steps_text(const struct why_facts *facts, struct arena *arena)
{
    const struct view_job *job = facts->job;
    struct text text = TEXT("");
    char length[32];
    for (size_t i = 0; i < job->task_count; i++) {
        const struct view_task *task = &job->tasks[i];
        enum task_state state = task->row.state;
        if (state != TASK_RUNNING && state != TASK_REVERTING && state != TASK_RETRYING &&
            state != TASK_WAITING)
            continue;
        text = arena_printf(arena, "%.*s; task %.*s is %s (attempt %d, since %s)", TEXT_ARG(text),
                            TEXT_ARG(task->row.path), task_state_name(state), task->row.attempt,
                            ago(facts, task->started_at_us, length, sizeof length));
    }
    return text;
}

static void explain_claimed(const struct why_facts *facts, struct arena *arena, struct why *why)
{
    const struct view_job *job = facts->job;
    char length[32];
    bool is_alive = find_member(facts, &job->row.owner) != NULL;
    struct text name = job->owner.name.data ? job->owner.name : TEXT("an engine of unknown name");
    struct text steps = steps_text(facts, arena);
    struct text where =
        arena_printf(arena, "%.*s (epoch %" PRId64 "), claimed %s ago", TEXT_ARG(name),
                     job->row.epoch, ago(facts, job->changed_at_us, length, sizeof length));
    why->remedy = TEXT("its steps go on; it needs nothing");
    if (facts->board_away) {
        why->reason = "running";
        why->text = arena_printf(arena,
                                 "by Postgres it is on %.*s%.*s; whether that lives is not "
                                 "known, since ZooKeeper is away: %s",
                                 TEXT_ARG(where), TEXT_ARG(steps), facts->board_away);
        why->remedy =
            TEXT("running steps go on for a while; new ones start when ZooKeeper is back");
    } else if (is_alive) {
        why->reason = "running";
        why->text = arena_printf(arena, "it runs on %.*s%.*s", TEXT_ARG(where), TEXT_ARG(steps));
    } else if (job->row.on_hold) {
        why->reason = "on_hold";
        why->text = arena_printf(arena, "%.*s left ZooKeeper and holds it%.*s", TEXT_ARG(where),
                                 TEXT_ARG(steps));
        why->remedy = TEXT("its engine comes back, or the hold ends and a peer takes it");
    } else {
        why->reason = "owner_gone";
        why->text = arena_printf(arena, "%.*s is gone%.*s", TEXT_ARG(where), TEXT_ARG(steps));
        why->remedy = facts->member_count ? TEXT("a peer takes it within a moment")
                                          : TEXT("no engine is left: start one");
    }
}

/* ---------------------------------------------------------------------------------------- ready */

struct fitting {
    size_t with_tags, taking, free; /* engines; of these not draining; their free slots */
    int64_t slots;
};

static struct fitting count_fitting(const struct why_facts *facts)
{
    const struct view_job *job = facts->job;
    struct fitting fitting = {0};
    for (size_t i = 0; i < facts->member_count; i++) {
        const struct member *member = &facts->members[i];
        if (!placement_has_tags(member->tags, member->tag_count, job->tags, job->tag_count))
            continue;
        fitting.with_tags++;
        if (member->draining)
            continue;
        fitting.taking++;
        fitting.slots += member->slots;
        fitting.free += member->free > 0 ? (size_t)member->free : 0;
    }
    return fitting;
}

static struct text ahead_text(const struct why_facts *facts, struct arena *arena)
{
    if (facts->ready_ahead >= VIEW_READY_AHEAD_MAX)
        return arena_printf(arena, "more than %d jobs of its kind are before it",
                            VIEW_READY_AHEAD_MAX - 1);
    return arena_printf(arena, "%" PRId64 " job%s of its kind %s before it", facts->ready_ahead,
                        facts->ready_ahead == 1 ? "" : "s", facts->ready_ahead == 1 ? "is" : "are");
}

static void explain_no_tags(const struct why_facts *facts, struct arena *arena, struct why *why)
{
    struct text tags = joined(arena, facts->job->tags, facts->job->tag_count);
    why->reason = "no_engine_with_tags";
    why->text =
        arena_printf(arena, "it needs an engine with the tags %.*s; none of the %zu has them",
                     TEXT_ARG(tags), facts->member_count);
    why->remedy = arena_printf(arena, "an engine with --tags %.*s", TEXT_ARG(tags));
}

static void explain_ready(const struct why_facts *facts, struct arena *arena, struct why *why)
{
    struct fitting fitting = count_fitting(facts);
    if (facts->board_away) {
        why->reason = "zookeeper_away";
        why->text = arena_printf(arena, "engines claim through ZooKeeper, which is away: %s",
                                 facts->board_away);
        why->remedy = TEXT("ZooKeeper, when it is back");
    } else if (facts->member_count == 0) {
        why->reason = "no_engine";
        why->text = TEXT("no engine is on the board");
        why->remedy = TEXT("start one: jobboard-engine");
    } else if (fitting.with_tags == 0) {
        explain_no_tags(facts, arena, why);
    } else if (fitting.taking == 0) {
        why->reason = "all_draining";
        why->text = TEXT("all engines that could take it were told to stop");
        why->remedy = TEXT("start another engine");
    } else if (fitting.free == 0) {
        why->reason = "slots_full";
        why->text = arena_printf(arena,
                                 "all %" PRId64 " slots of the %zu engines that could take it "
                                 "are full; %.*s",
                                 fitting.slots, fitting.taking, TEXT_ARG(ahead_text(facts, arena)));
        why->remedy = TEXT("a slot that gets free, or another engine");
    } else {
        why->reason = "in_line";
        why->text = arena_printf(arena, "it is in line: %.*s", TEXT_ARG(ahead_text(facts, arena)));
        why->remedy = TEXT("an engine with a free slot takes it in its turn");
    }
}

/* -------------------------------------------------------------------------------------- waiting */

static void explain_waiting(const struct why_facts *facts, struct arena *arena, struct why *why)
{
    char at[TIME_SHORT_MAX];
    int64_t wake_us = facts->job->wake_at_us;
    struct text until = wake_us ? arena_printf(arena, " until %s", time_short(wake_us, at))
                                : TEXT(" for something from outside");
    struct text steps = steps_text(facts, arena);
    why->reason = "waiting";
    why->text =
        arena_printf(arena, "it is parked and waits%.*s%.*s", TEXT_ARG(until), TEXT_ARG(steps));
    why->remedy =
        wake_us ? TEXT("its time comes, or something from outside") : TEXT("what it waits for");
}

void why_explain(const struct why_facts *facts, struct arena *arena, struct why *ret_why)
{
    const struct view_job *job = facts->job;
    *ret_why = (struct why){0};
    if (job_state_is_final(job->row.state)) {
        explain_final(facts, arena, ret_why);
    } else if (job->row.format > FORMAT_NOW) {
        ret_why->reason = "newer_format";
        ret_why->text =
            arena_printf(arena, "it has format %d, and programs of this version know %d",
                         job->row.format, FORMAT_NOW);
        ret_why->remedy = TEXT("an engine of a newer version");
    } else if (job->row.state == JOB_RUNNING || job->row.state == JOB_REVERTING) {
        explain_claimed(facts, arena, ret_why);
    } else if (job->row.state == JOB_READY) {
        explain_ready(facts, arena, ret_why);
    } else if (job->row.state == JOB_WAITING) {
        explain_waiting(facts, arena, ret_why);
    } else {
        ret_why->reason = "suspended";
        ret_why->text = TEXT("an operator suspended it");
        ret_why->remedy = TEXT("an operator who resumes it");
    }
}
