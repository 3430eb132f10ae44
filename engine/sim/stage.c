/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/stage.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "engine/sim/stage_private.h"

#define TIMEOUT_MS   2000000000 /* of a session that nobody takes away */
#define PROCESSES    64
#define EVENTS_MAX   400000 /* of one run */
#define QUIET_MAX    5000   /* ticks without a save: about so many seconds */
#define POSTED_AT_US INT64_C(1700000000000000)

const char *stage_fault_name(enum stage_fault_kind kind)
{
    static const char *const names[STAGE_FAULTS] = {
        [STAGE_LOSE] = "lost save",
        [STAGE_CRASH] = "crash after save",
        [STAGE_HAND_OVER] = "hand-over after save",
        [STAGE_HAND_OVER_EARLY] = "hand-over during save",
    };
    return names[kind];
}

struct core_event *stage_event(struct stage *stage, enum event_kind kind, uint64_t tag)
{
    if (stage->event_count == stage->event_capacity) {
        stage->event_capacity = stage->event_capacity ? stage->event_capacity * 2 : 32;
        stage->events = xrealloc(stage->events, stage->event_capacity, sizeof stage->events[0]);
    }
    struct core_event *event = &stage->events[stage->event_count++];
    *event = (struct core_event){.kind = kind, .tag = tag};
    return event;
}

static void step(struct stage *stage, struct core_event *event)
{
    struct effect_list effects;
    event->now_ms = stage->now_ms;
    core_step(stage->core, event, &effects);
    for (size_t i = 0; i < effects.count && !stage->dead; i++)
        stage_answer(stage, &effects.list[i]);
}

/* ---------------------------------------------------------------------------------------- cores */

static struct uuid boot_of(int number)
{
    struct uuid boot = {{1}};
    boot.bytes[14] = (uint8_t)(number >> 8);
    boot.bytes[15] = (uint8_t)number;
    return boot;
}

static void begin_core(struct stage *stage)
{
    struct core_options options = {
        .engine = TEXT("stage"),
        .shard_count = 1,
        .slots = 8,
        .processes = stage->plan->processes > 0 ? stage->plan->processes : PROCESSES,
        .window = CORE_WINDOW_DEFAULT,
        .payload_max_bytes = PAYLOAD_MAX_BYTES,
        .job_max_bytes = CORE_JOB_BYTES_DEFAULT,
        .lines = stage->plan->lines > 0 ? stage->plan->lines : CORE_LINES_DEFAULT,
        .seed = stage->plan->seed,
    };
    stage->core = core_new(&options);
    stage->boot = boot_of(stage->run->claims + 1);
    stage->dead = stage->draining = false;
    stage->drain_tag = 0;
    stage->event_first = stage->event_count = 0;
    struct core_event *began = stage_event(stage, EVENT_SESSION_BEGAN, 0);
    began->u.session.boot = stage->boot;
    began->u.session.timeout_ms = TIMEOUT_MS;
    began->u.session.sent_ms = stage->now_ms;
    stage_event(stage, EVENT_STORE_UP, 0);
    struct pool_info *pool = arena_calloc(&stage->run->arena, 1, sizeof *pool);
    pool->pool = (struct pool){"-"};
    struct core_event *pools = stage_event(stage, EVENT_POOLS, 0);
    pools->u.pools.list = pool;
    pools->u.pools.count = 1;
    struct member *self = arena_calloc(&stage->run->arena, 1, sizeof *self);
    *self = (struct member){.boot = stage->boot, .name = TEXT("stage"), .dividing = true};
    struct core_event *members = stage_event(stage, EVENT_MEMBERS, 0);
    members->u.members.list = self;
    members->u.members.count = 1;
}

static void end_core(struct stage *stage)
{
    stage_lose_steps(stage);
    core_free(stage->core);
    stage->core = NULL;
}

/* ----------------------------------------------------------------------------------------- time */

static void drain_core(struct stage *stage)
{
    stage->drain_tag = 0;
    if (stage->finished || stage->dead)
        return;
    stage->draining = true;
    step(stage, &(struct core_event){.kind = EVENT_DRAIN});
}

/* Whatever comes next: an answer, the end of a step, or a time. */
static void go_on(struct stage *stage)
{
    if (stage->event_first < stage->event_count) {
        struct core_event event = stage->events[stage->event_first++];
        if (stage->event_first == stage->event_count)
            stage->event_first = stage->event_count = 0;
        bool drain = event.kind == EVENT_SAVED && event.tag == stage->drain_tag;
        bool early = drain && stage->drain_early;
        if (early)
            drain_core(stage);
        step(stage, &event);
        if (drain && !early)
            drain_core(stage);
        return;
    }
    size_t ends = stage_next_end(stage);
    int64_t deadline_ms = core_deadline_ms(stage->core);
    const struct stage_step *first = ends == SIZE_MAX ? NULL : &stage->flying[ends];
    if (first && (first->stopped || deadline_ms < 0 || first->end_ms <= deadline_ms)) {
        stage_end(stage, ends);
        return;
    }
    if (deadline_ms > stage->now_ms)
        stage->now_ms = deadline_ms;
    stage->quiet++;
    step(stage, &(struct core_event){.kind = EVENT_TICK});
}

static void begin_job(struct stage *stage)
{
    const struct stage_plan *plan = stage->plan;
    struct job_load *load = &stage->load;
    load->row.id = (struct uuid){{7, 7, 7}};
    load->row.pool = (struct pool){"-"};
    load->row.priority = PRIORITY_DEFAULT;
    load->row.format = FORMAT_NOW;
    load->row.ready_at_us = load->posted_at_us = POSTED_AT_US;
    load->flow_name = plan->flow_name;
    load->flow_text = plan->flow_text;
    load->flow_hash = TEXT("the flow");
    load->input = plan->input;
}

void stage_play(const struct stage_plan *plan, const struct stage_fault *faults, size_t fault_count,
                struct stage_run *ret_run)
{
    struct stage stage = {.plan = plan,
                          .faults = faults,
                          .fault_count = fault_count,
                          .run = ret_run,
                          .now_ms = STAGE_BEGIN_MS};
    *ret_run = (struct stage_run){0};
    begin_job(&stage);
    begin_core(&stage);
    for (int events = 0; !stage.finished && !ret_run->stuck; events++) {
        go_on(&stage);
        bool is_over = stage.finished || (stage.dead && job_state_is_final(stage.load.row.state));
        bool runs_again = is_over && stage_rerun(&stage);
        if (is_over && !runs_again)
            break;
        if (stage.dead || runs_again) {
            end_core(&stage);
            begin_core(&stage);
        }
        if (events > EVENTS_MAX)
            ret_run->stuck = "it does not end";
        else if (stage.quiet > QUIET_MAX)
            ret_run->stuck = "nothing happens any more";
    }
    end_core(&stage);
    stage_collect(&stage);
    free(stage.flying);
    free(stage.lost);
    free(stage.ended);
    free(stage.events);
}

void stage_run_free(struct stage_run *run)
{
    arena_done(&run->arena);
}
