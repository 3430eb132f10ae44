/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a hold: from the choice to claim a job until the absence of its lock is proven. */
#include <stdlib.h>
#include <utlist.h>

#include "base/alloc.h"
#include "engine/core/tree_private.h"

#define B               MACHINE_BIT
#define UNLOCK_PAUSE_MS 200

static const struct machine_state states[HOLD_STATES] = {
    [HOLD_READING] = {"reading", B(HOLD_LOCKING) | B(HOLD_GONE), true, false},
    [HOLD_LOCKING] = {"locking", B(HOLD_CLAIMING) | B(HOLD_UNLOCKING) | B(HOLD_GONE), false, false},
    [HOLD_CLAIMING] = {"claiming", B(HOLD_LOADING) | B(HOLD_UNLOCKING) | B(HOLD_GONE), false,
                       false},
    [HOLD_LOADING] = {"loading", B(HOLD_RUNNING) | B(HOLD_UNLOCKING) | B(HOLD_GONE), false, false},
    [HOLD_RUNNING] = {"running",
                      B(HOLD_LEAVING) | B(HOLD_STOPPING) | B(HOLD_UNLOCKING) | B(HOLD_GONE), false,
                      false},
    [HOLD_LEAVING] = {"leaving", B(HOLD_UNLOCKING) | B(HOLD_GONE), false, false},
    [HOLD_STOPPING] = {"stopping", B(HOLD_UNLOCKING) | B(HOLD_GONE), false, false},
    [HOLD_UNLOCKING] = {"unlocking", B(HOLD_GONE), false, false},
    [HOLD_GONE] = {"gone", 0, false, true},
};

#undef B

const struct machine hold_machine = {"hold", states, HOLD_STATES};

static bool is_claiming(int hold)
{
    return hold == HOLD_READING || hold == HOLD_LOCKING || hold == HOLD_CLAIMING ||
           hold == HOLD_LOADING;
}

struct job *hold_new(struct core *core, const struct uuid *id)
{
    struct job *job = xcalloc(1, sizeof *job);
    job->id = *id;
    job->serial = core->next_serial++;
    job->hold = HOLD_READING;
    job->due.kind = DUE_JOB;
    job->due.owner = job;
    job->open = &job->sets[0];
    job->sent = &job->sets[1];
    HASH_ADD(hh, core->by_id, id, sizeof job->id, job);
    HASH_ADD(hh_serial, core->by_serial, serial, sizeof job->serial, job);
    DL_APPEND(core->jobs, job);
    core->job_count++;
    core->claiming++;
    return job;
}

struct job *hold_find(struct core *core, const struct uuid *id)
{
    struct job *job = NULL;
    HASH_FIND(hh, core->by_id, id, sizeof *id, job);
    return job;
}

void hold_move(struct core *core, struct job *job, enum hold_state to)
{
    const char *from = machine_state_name(&hold_machine, job->hold);
    core->claiming -= is_claiming(job->hold);
    machine_move(&hold_machine, &job->hold, (int)to);
    core->claiming += is_claiming(job->hold);
    core_moved(core, MOVED_CLAIM, job, NULL, from, machine_state_name(&hold_machine, job->hold),
               TEXT_NONE);
}

static void forget_save(struct core *core, struct job *job)
{
    struct job **link = &core->to_save;
    while (*link != job)
        link = &(*link)->save_next;
    *link = job->save_next;
}

void hold_free(struct core *core, struct job *job)
{
    if (job->hold == HOLD_LEAVING)
        claim_left(core, &job->card);
    hold_move(core, job, HOLD_GONE);
    tree_free(core, job);
    if (job->wants_save)
        forget_save(core, job);
    deadlines_cancel(&core->deadlines, &job->due);
    HASH_DELETE(hh, core->by_id, job);
    HASH_DELETE(hh_serial, core->by_serial, job);
    DL_DELETE(core->jobs, job);
    core->job_count--;
    if (job->flow)
        flows_give_back(core, job->flow);
    job->next = core->freed;
    core->freed = job;
}

void hold_forget_freed(struct core *core)
{
    while (core->freed) {
        struct job *job = core->freed;
        core->freed = job->next;
        save_sets_done(job);
        arena_done(&job->arena);
        free(job);
    }
}

void hold_unlock(struct core *core, struct job *job)
{
    CHECK(job->locked && job->steps == 0);
    if (job->hold != HOLD_UNLOCKING)
        hold_move(core, job, HOLD_UNLOCKING);
    bool is_current = uuid_equal(&job->boot, &core->lease.boot);
    if (!is_current || core->lease.state == LEASE_NONE) {
        hold_free(core, job);
        return;
    }
    if (core->lease.state == LEASE_OVER) {
        job->tag = 0; /* the session is being ended; its end is the proof */
        return;
    }
    job->tag = core_new_tag(core, job);
    struct core_effect *effect = core_emit(core, EFFECT_UNLOCK);
    effect->tag = job->tag;
    effect->u.board.boot = job->boot;
    effect->u.board.claim = job->claim;
    effect->u.board.card = job->card;
}

void hold_unlocked(struct core *core, struct job *job, const struct core_event *event)
{
    job->tag = 0;
    switch (event->u.board.outcome) {
    case BOARD_OK:
    case BOARD_TAKEN:
    case BOARD_VOID:
        hold_free(core, job);
        return;
    case BOARD_REFUSED:
        core_trouble(core, "unlock_refused", job, TEXT("the board refused the request"));
        __attribute__((fallthrough));
    case BOARD_UNKNOWN:
        if (job->hold != HOLD_UNLOCKING)
            hold_move(core, job, HOLD_UNLOCKING);
        deadlines_set(&core->deadlines, &job->due, core->now_ms + UNLOCK_PAUSE_MS);
        return;
    }
}

/* A step that was reserved but never sent has nothing to be killed. */
static void kill_step(struct core *core, struct unit *unit)
{
    deadlines_cancel(&core->deadlines, &unit->due);
    deadlines_cancel(&core->deadlines, &unit->limit);
    if (!unit->step)
        return;
    if (!unit->step_sent) {
        progress_forget_step(core, unit);
        spec_free(unit);
        return;
    }
    unit->stop = STOP_DROP;
    struct core_effect *effect = core_emit(core, EFFECT_STOP_STEP);
    effect->u.stop.step = unit->step;
    effect->u.stop.grace_ms = 0;
    core->counts.steps_killed++;
}

void hold_drop(struct core *core, struct job *job, const char *why)
{
    if (job->hold == HOLD_STOPPING || job->hold == HOLD_UNLOCKING)
        return;
    core->counts.dropped++;
    if (job->hold == HOLD_RUNNING) {
        core_trouble(core, "dropped", job, text_of(why));
        progress_each_unit(job, kill_step, core);
        job->save_tag = 0;
        job->save_waits = false;
    }
    deadlines_cancel(&core->deadlines, &job->due);
    job->tag = 0;
    if (job->steps > 0)
        hold_move(core, job, HOLD_STOPPING);
    else if (job->locked)
        hold_unlock(core, job);
    else
        hold_free(core, job);
}

void hold_drop_all(struct core *core, const char *why)
{
    struct job *job, *other;
    DL_FOREACH_SAFE(core->jobs, job, other)
    {
        hold_drop(core, job, why);
    }
}

void hold_step_gone(struct core *core, struct job *job)
{
    CHECK(job->hold == HOLD_STOPPING);
    if (job->steps == 0)
        hold_unlock(core, job);
}
