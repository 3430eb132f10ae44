/* SPDX-License-Identifier: Apache-2.0 */
#include <utlist.h>

#include "engine/core/core_private.h"

static const struct machine_state states[LEASE_STATES] = {
    [LEASE_NONE] = {"none", MACHINE_BIT(LEASE_GOOD), true, true},
    [LEASE_GOOD] = {"good", MACHINE_BIT(LEASE_DOUBT) | MACHINE_BIT(LEASE_NONE), false, false},
    [LEASE_DOUBT] = {"doubt",
                     MACHINE_BIT(LEASE_GOOD) | MACHINE_BIT(LEASE_OVER) | MACHINE_BIT(LEASE_NONE),
                     false, false},
    [LEASE_OVER] = {"over", MACHINE_BIT(LEASE_NONE), false, false},
};

const struct machine lease_machine = {"lease", states, LEASE_STATES};

#define JOIN_DELAY_MS 2000 /* DESIGN 7: a new boot joins after 2 s */

static void move(struct core *core, enum lease_state to)
{
    const char *from = machine_state_name(&lease_machine, core->lease.state);
    machine_move(&lease_machine, &core->lease.state, to);
    core_moved(core, MOVED_LEASE, NULL, NULL, from, machine_state_name(&lease_machine, to),
               TEXT_NONE);
}

static void prove(struct core *core, int64_t sent_ms)
{
    struct lease *lease = &core->lease;
    lease->proof_ms = sent_ms;
    deadlines_set(&core->deadlines, &lease->doubt, sent_ms + lease->timeout_ms / 2);
    deadlines_set(&core->deadlines, &lease->over, sent_ms + lease->timeout_ms * 2 / 3);
    struct core_effect *effect = core_emit(core, EFFECT_KILL_AT);
    effect->u.kill_at_ms = sent_ms + lease->timeout_ms * 2 / 3;
}

void lease_began(struct core *core, const struct core_event *event)
{
    struct lease *lease = &core->lease;
    CHECK(lease->state == LEASE_NONE);
    lease->boot = event->u.session.boot;
    lease->timeout_ms = event->u.session.timeout_ms;
    move(core, LEASE_GOOD);
    prove(core, event->u.session.sent_ms);
    struct core_effect *effect = core_emit(core, EFFECT_BOOT_BEGAN);
    effect->u.boot = lease->boot;
    deadlines_set(&core->deadlines, &core->divide_due, core->now_ms + JOIN_DELAY_MS);
    deadlines_set(&core->deadlines, &core->seen_due, core->now_ms);
    if (core->store_up)
        late_begin(core);
    if (core->drain == DRAIN_CLOSING)
        core_emit(core, EFFECT_CLOSE);
}

void lease_alive(struct core *core, const struct core_event *event)
{
    struct lease *lease = &core->lease;
    bool current = uuid_equal(&lease->boot, &event->u.session.boot);
    if (!current || (lease->state != LEASE_GOOD && lease->state != LEASE_DOUBT)) {
        core->counts.stale_events++;
        return;
    }
    if (event->u.session.sent_ms <= lease->proof_ms)
        return;
    prove(core, event->u.session.sent_ms);
    if (lease->state == LEASE_GOOD || core->now_ms >= lease->proof_ms + lease->timeout_ms / 2)
        return;
    move(core, LEASE_GOOD);
    division_take_part(core);
    for (struct job *job = core->jobs; job; job = job->next)
        save_release_outbox(core, job);
}

void lease_due(struct core *core, const struct deadline *due)
{
    struct lease *lease = &core->lease;
    if (due->kind == DUE_DOUBT) {
        if (lease->state != LEASE_GOOD)
            return;
        move(core, LEASE_DOUBT);
        core->counts.leases_doubted++;
        division_take_part(core);
        return;
    }
    move(core, LEASE_OVER); /* doubt came first, and was set first where T is too short for both */
    core->counts.sessions_given_up++;
    hold_drop_all(core, "the lease is over");
    core_emit(core, EFFECT_GIVE_UP);
}

void lease_ended(struct core *core, const struct core_event *event)
{
    struct lease *lease = &core->lease;
    if (lease->state == LEASE_NONE || !uuid_equal(&lease->boot, &event->u.session.boot)) {
        core->counts.stale_events++;
        return;
    }
    move(core, LEASE_NONE);
    deadlines_cancel(&core->deadlines, &lease->doubt);
    deadlines_cancel(&core->deadlines, &lease->over);
    deadlines_cancel(&core->deadlines, &core->divide_due);
    deadlines_cancel(&core->deadlines, &core->seen_due);
    core->dividing = false;
    late_end(core);
    division_forget(core);
    hold_drop_all(core, "the session has ended");
    /* Its locks are gone with it: what only waited for an unlock has nothing left to wait for. */
    struct job *job, *other;
    DL_FOREACH_SAFE(core->jobs, job, other)
    {
        if (job->hold == HOLD_UNLOCKING)
            hold_free(core, job);
    }
}
