/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/local/local.h"

#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "base/os/entropy.h"
#include "engine/local/local_private.h"

#define TIMEOUT_MS    2000000000 /* of a session that nobody can take away: 23 days */
#define EVENTS_A_TURN 512
#define CLOSE_WAIT_MS 2000

/* ---------------------------------------------------------------------------------- the events */

struct core_event *local_event(struct local *local, enum event_kind kind, uint64_t tag)
{
    if (local->event_count == local->event_capacity) {
        local->event_capacity = local->event_capacity ? local->event_capacity * 2 : 32;
        local->events = xrealloc(local->events, local->event_capacity, sizeof local->events[0]);
    }
    struct core_event *event = &local->events[local->event_count++];
    *event = (struct core_event){.kind = kind, .tag = tag};
    return event;
}

static void perform(struct local *local, const struct core_effect *effect)
{
    if (effect->kind == EFFECT_START_STEP)
        local_remember_step(local, &effect->u.start);
    if (!step_adapter_perform(&local->steps, &local->ground, &local->scratch, effect))
        local_answer(local, effect);
}

static void step(struct local *local, struct core_event *event)
{
    struct effect_list effects;
    event->now_ms = clock_now_ms();
    core_step(local->core, event, &effects);
    for (size_t i = 0; i < effects.count; i++)
        perform(local, &effects.list[i]);
}

/* Answers given meanwhile come after those that were there before. */
static void step_answers(struct local *local)
{
    while (local->event_first < local->event_count) {
        struct core_event event = local->events[local->event_first++];
        step(local, &event);
    }
    local->event_first = local->event_count = 0;
}

static void pull_processes(struct local *local)
{
    struct process_event from;
    struct core_event event;
    while (process_next(local->steps.processes, &from)) {
        if (from.kind == PROCESS_PROGRESS)
            local_progress(local, from.step, from.fraction, from.text);
        else if (step_adapter_translate(&from, &local->scratch, &event))
            step(local, &event);
        if (from.kind == PROCESS_ENDED || from.kind == PROCESS_NOT_STARTED)
            local_forget_step(local, from.step);
        step_answers(local);
    }
}

static void pull_http(struct local *local)
{
    struct http_event from;
    struct core_event event;
    while (http_next(local->steps.http, &from)) {
        step_adapter_translate_http(&from, &event);
        step(local, &event);
        step_answers(local);
    }
}

static void turn(struct local *local, int64_t now_ms)
{
    pull_processes(local);
    pull_http(local);
    int64_t deadline_ms = core_deadline_ms(local->core);
    if (deadline_ms >= 0 && deadline_ms <= now_ms) {
        step(local, &(struct core_event){.kind = EVENT_TICK});
        step_answers(local);
    }
    arena_reset(&local->scratch);
}

/* ------------------------------------------------------------------------------------ the clock */

static void clock_interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    struct local *local = self;
    turn(local, now_ms); /* what the other sources queued since */
    *ret_interest = (struct interest){
        .fd = -1, .deadline_ms = local->first_line ? now_ms : core_deadline_ms(local->core)};
}

static void clock_process(void *self, bool readable, bool writable, int64_t now_ms)
{
    turn(self, now_ms);
}

/* ------------------------------------------------------------------------------------- building */

static void copy_options(struct local *local, const struct local_options *options)
{
    struct job_load *load = &local->load;
    local->boot = entropy_uuid_v7();
    load->row.id = entropy_uuid_v7();
    load->row.pool = (struct pool){"-"};
    load->row.priority = PRIORITY_DEFAULT;
    load->row.format = FORMAT_NOW;
    load->flow_name = arena_text(&local->arena, options->flow_name);
    load->flow_text = arena_text(&local->arena, options->flow_text);
    load->flow_hash = TEXT("the flow");
    load->input = arena_text(&local->arena, options->input);
    load->target = arena_text(&local->arena, options->target);
    load->posted_at_us = clock_unix_us();
    load->row.ready_at_us = load->posted_at_us;
    local->ground = (struct step_ground){
        options->cwd ? arena_string(&local->arena, text_of(options->cwd)) : "/", getenv("PATH"),
        getenv("HOME"), getenv("LANG")};
}

static void build_core(struct local *local, const struct local_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct core_options core = {
        .engine = TEXT("local"),
        .shard_count = 1,
        .slots = 1 << 8,
        .processes = options->processes > 0 ? options->processes : (int)(4 * cores),
        .window = CORE_WINDOW_DEFAULT,
        .grace_ms = options->grace_ms,
        .payload_max_bytes = PAYLOAD_MAX_BYTES,
        .job_max_bytes = CORE_JOB_BYTES_DEFAULT,
        .lines = CORE_LINES_DEFAULT,
        .seed = options->seed,
    };
    local->core = core_new(&core);
}

/* The board and the store come up, and the one shard is ours. */
static void begin(struct local *local)
{
    struct core_event began = {.kind = EVENT_SESSION_BEGAN};
    began.u.session.boot = local->boot;
    began.u.session.timeout_ms = TIMEOUT_MS;
    began.u.session.sent_ms = clock_now_ms();
    step(local, &began);
    step(local, &(struct core_event){.kind = EVENT_STORE_UP});
    struct pool_info pool = {.pool = {"-"}};
    struct core_event pools = {.kind = EVENT_POOLS};
    pools.u.pools.list = &pool;
    pools.u.pools.count = 1;
    step(local, &pools);
    struct member self = {.boot = local->boot, .name = TEXT("local"), .dividing = true};
    struct core_event members = {.kind = EVENT_MEMBERS};
    members.u.members.list = &self;
    members.u.members.count = 1;
    step(local, &members);
    step_answers(local);
}

int local_new(const struct local_options *options, struct local **ret_local,
              struct error *ret_error)
{
    struct local *local = xcalloc(1, sizeof *local);
    struct process_options processes = {.warden_path = options->warden_path};
    copy_options(local, options);
    local->steps.processes = process_source_new(&processes, ret_error);
    if (local->steps.processes)
        local->steps.http = http_source_new(&(struct http_options){0}, ret_error);
    if (!local->steps.http) {
        local_free(local);
        return ret_error->code;
    }
    build_core(local, options);
    local_line(local, TEXT_NONE, 0, job_state_name(JOB_READY), TEXT_NONE, -1);
    begin(local);
    *ret_local = local;
    return 0;
}

void local_free(struct local *local)
{
    if (!local)
        return;
    if (local->steps.processes)
        process_close_all(local->steps.processes, CLOSE_WAIT_MS);
    process_free(local->steps.processes);
    http_free(local->steps.http);
    core_free(local->core);
    local_forget(local);
    arena_done(&local->arena);
    arena_done(&local->scratch);
    free(local->events);
    free(local);
}

size_t local_sources(struct local *local, struct source ret_sources[LOCAL_SOURCES_MAX])
{
    ret_sources[0] = process_source(local->steps.processes);
    ret_sources[1] = http_source(local->steps.http);
    /* The last one: it is asked after the others have queued what came. */
    ret_sources[2] = (struct source){"flow", local, clock_interest, clock_process};
    return 3;
}

void local_stop(struct local *local)
{
    struct core_event event = {.kind = local->stops++ ? EVENT_DRAIN_NOW : EVENT_DRAIN};
    step(local, &event);
    step_answers(local);
}
