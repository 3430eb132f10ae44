/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what happens to a core: the first chooses a flow, each pair of the others an event.
 * When they are over, all goes well, and the job must come to its end. */
#include "base/check.h"
#include "engine/core/tests/fuzz_world.h"

#define EVENTS_MAX 600  /* from bytes */
#define HEALS_MAX  6000 /* until the job has to be at its end */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const flows[] = {
    "{flow: line, steps: [{name: a, run: [x], revert: {run: [y]}}, {name: b, run: [x]}]}",
    "{flow: fan, tasks: {a: {foreach: {in: [1, 2, 3], concurrency: 2}, run: [x], revert: {run: "
    "[y], "
    "retry: {attempts: 2, delay: 10ms}}}, b: {needs: {a: done}, run: [x]}}}",
    "{flow: again, retry: {attempts: 2, delay: 20ms}, steps: [{name: a, run: [x], revert: {run: "
    "[y]}},"
    " {name: n, retry: {attempts: 2, delay: 0s}, steps: [{name: b, run: [x], retry: {attempts: 2, "
    "delay: 5ms}, revert: {run: [y]}}, {name: c, run: [x]}]}]}",
    "{flow: loop, tasks: {a: {repeat: {until: 'round >= 1', times: 3, delay: 10ms}, run: [x], "
    "revert: "
    "{run: [y]}}, b: {run: [x], timeout: 50ms, on_failure: continue}}, finally: {run: [z]}}",
    "{flow: handled, tasks: {a: {run: [x]}, b: {needs: {a: failure}, run: [x], revert: {run: "
    "[y]}}, "
    "c: {needs: [a, b], join: any, run: [x]}, d: {needs: c, http: 'http://h/x', deadline: 300ms}}}",
    "{flow: once, steps: [{name: a, run: [x], once: true, revert: {run: [y]}}, {name: b, sh: x, "
    "on_failure: stop, result: json}], finally: {steps: [{run: [z]}, {run: [z]}]}}",
    "{flow: deep, steps: [{name: n, foreach: [1, 2], steps: [{name: m, steps: [{name: a, run: [x], "
    "revert: {run: [y]}}]}, {name: b, run: [x], on_failure: revert_all}]}], timeout: 2s}",
    "{flow: quick, steps: [{set: 1}, {noop: }, {if: 'false', skip: flow, noop: }, {fail: no}], "
    "retry: {values: [1, 2], delay: 1ms}}",
};

static void pass_time(struct fuzz_world *world, uint8_t how)
{
    static const int64_t steps_ms[] = {1, 10, 60, 400, 2000, 4600, 7000, 60000};
    world->now_ms += steps_ms[how % 8];
    if (how & 8)
        fuzz_tell(world, &(struct core_event){.kind = EVENT_TICK});
}

/* A sign of life of the session, or what is not true any more, or never was. */
static void tell_odd(struct fuzz_world *world, uint8_t how)
{
    struct core_event event = {0};
    switch (how % 8) {
    case 0:
        event.kind = EVENT_STEP_ENDED;
        event.u.step.step = world->step_max + 1 + how; /* one that runs would be a lie */
        event.u.step.out = event.u.step.err = TEXT("");
        break;
    case 1:
        event.kind = how & 8 ? EVENT_SAVED : EVENT_CLAIMED;
        event.tag = world->tag_max + how;
        break;
    case 2:
        event.kind = how & 8 ? EVENT_STORE_DOWN : EVENT_STORE_UP;
        break;
    case 3:
        event.kind = EVENT_SHARD_CHANGED;
        event.u.shard.pool = (struct pool){"-"};
        break;
    case 4:
        event.kind = EVENT_SESSION_ENDED;
        event.u.session.boot = (struct uuid){{how}};
        break;
    default:
        event.kind = EVENT_ALIVE;
        event.u.session.boot = world->boot;
        event.u.session.sent_ms = world->now_ms;
        if (uuid_is_nil(&world->boot))
            return;
        world->proof_ms = world->now_ms;
        break;
    }
    fuzz_tell(world, &event);
}

static void change_session(struct fuzz_world *world, uint8_t how)
{
    if (how % 8 == 7) {
        fuzz_crash(world);
    } else if (how % 8 == 6 && !world->leaves) {
        world->leaves = true;
        fuzz_tell(world, &(struct core_event){.kind = EVENT_DRAIN});
    } else if (!uuid_is_nil(&world->boot)) {
        fuzz_end_session(world);
    } else if (!world->leaves) {
        /* An adapter answers what a session asked before the next one has asked much. */
        while (world->pending_count > FUZZ_PENDING / 2)
            fuzz_answer(world, 0, FUZZ_HONEST);
        fuzz_begin_session(world);
    }
}

/* The last answer once more. */
static void answer_twice(struct fuzz_world *world)
{
    if (world->answered.tag == 0 || world->pending_count == FUZZ_PENDING)
        return;
    world->pending[world->pending_count++] = world->answered;
    fuzz_answer(world, world->pending_count - 1, FUZZ_HONEST);
}

static void happen(struct fuzz_world *world, uint8_t what, uint8_t how)
{
    if (what < 120 && world->pending_count > 0)
        fuzz_answer(world, what % world->pending_count, FUZZ_HONEST);
    else if (what < 150 && world->pending_count > 0)
        fuzz_answer(world, what % world->pending_count, (enum fuzz_way)(how % FUZZ_WAYS));
    else if (what < 200 && world->step_count > 0)
        fuzz_end_step(world, what % world->step_count, how);
    else if (what < 225)
        pass_time(world, how);
    else if (what < 245)
        tell_odd(world, how);
    else if (what < 250)
        answer_twice(world);
    else
        change_session(world, how);
}

/* From here on all goes well. */
static void heal(struct fuzz_world *world)
{
    if (world->leaves || world->gone)
        fuzz_crash(world);
    fuzz_tell(world, &(struct core_event){.kind = EVENT_STORE_UP});
    for (int i = 0; i < HEALS_MAX && !job_state_is_final(world->row.state); i++) {
        if (world->given_up) {
            fuzz_end_session(world);
        } else if (uuid_is_nil(&world->boot)) {
            fuzz_begin_session(world);
        } else if (world->pending_count > 0) {
            fuzz_answer(world, 0, FUZZ_HONEST);
        } else if (world->step_count > 0) {
            fuzz_end_step(world, 0, 16);
        } else {
            tell_odd(world, 7);
            int64_t next_ms = core_deadline_ms(world->core);
            CHECK(next_ms >= 0);
            world->now_ms = next_ms > world->now_ms ? next_ms : world->now_ms;
            world->proof_ms = world->now_ms;
            tell_odd(world, 7);
            fuzz_tell(world, &(struct core_event){.kind = EVENT_TICK});
        }
    }
    CHECK(job_state_is_final(world->row.state));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_world world;
    if (size == 0)
        return 0;
    fuzz_world_begin(&world, text_of(flows[data[0] % (sizeof flows / sizeof flows[0])]));
    for (size_t i = 1; i + 1 < size && i < 2 * EVENTS_MAX && !world.gone; i += 2)
        happen(&world, data[i], data[i + 1]);
    heal(&world);
    fuzz_world_end(&world);
    return 0;
}
