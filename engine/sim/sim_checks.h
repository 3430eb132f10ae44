/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants by number, as docs/invariants.md words them, and what the checks remember to
 * judge them. Nothing here asks the fakes whether something was right: the checks keep books of
 * their own. */
#ifndef ENGINE_SIM_SIM_CHECKS_H
#define ENGINE_SIM_SIM_CHECKS_H

#include "engine/sim/sim.h"

enum sim_invariant {
    INV_NOT_LOST = 1,      /* a posted job is there and, after the heal, final */
    INV_FENCE = 2,         /* a write only under the newest claim */
    INV_SAVE_ONCE = 3,     /* each save number is written once, with one content */
    INV_RESULT_STANDS = 4, /* what is recorded as ended never changes */
    INV_NOT_REPEATED = 5,  /* a recorded step is not run again */
    INV_NO_OVERLAP = 6,    /* two runs of a step never overlap */
    INV_SAVED_FIRST = 7,   /* a step starts after its RUNNING is durable, under the newest claim */
    INV_NEEDS = 8,         /* and after all it needs is recorded */
    INV_LEGAL_MOVE = 9,    /* every move stands in the tables, and has its line in the history */
    INV_EPOCHS = 10,       /* 1, 2, 3 … */
    INV_OWN_LOCK = 11,     /* a lock goes only by its own session */
    INV_CLAIM_LOCKED = 12, /* no claim by a live session while another's lock stands */
    INV_ATTEMPTS = 13,     /* not more than the retry says; `once` once */
    INV_OUTCOME = 14,      /* the job's end fits its tasks' ends */
    INV_TRUE_ANSWER = 15,  /* the store tells the truth about a save */
    INV_INBOX = 16,        /* nothing that came in is overlooked by an ending save */
    INV_CARD = 17,         /* a repair takes no card that is needed, places none that is stale */
    INV_TIDY = 18,         /* after the end no card, lock, step or hold is left */
    INV_NO_SPIN = 19,      /* an engine does not ask for time again and again */
    INV_ONE_HOLDER = 20,   /* one engine holds a job under one epoch */
    INV_LATE = 21,         /* after the heal all ends within a bound */
    INV_READY_AT = 22,     /* each placement has its own, later name */
};

struct task_check {
    struct text path;
    int state;       /* enum task_state, by the history */
    int32_t attempt; /* the newest */
};

/* The books of one job. */
struct job_check {
    const struct sim_job *job;
    int64_t epoch; /* newest claim */
    struct uuid claim;
    int64_t saves;    /* written so far */
    uint64_t content; /* of the newest one */
    int64_t ready_at_us;
    int state; /* enum job_state, by the history */
    bool final;
    int64_t rerun_seq;   /* inbox row of a rerun that no save has applied yet, 0: none */
    int64_t rerun_epoch; /* the newest claim when it was made to run again; 0: never */
    uint32_t rerun_mask; /* by number in the plan: tasks that run again though they succeeded */
    bool applies;        /* the save being looked at applies a rerun */
    struct task_check *tasks;
    size_t task_count, task_capacity;
};

struct sim_checks {
    struct job_check *jobs; /* by number */
    size_t count, capacity;
    uint64_t deliveries;
};

struct job_check *check_of(struct sim *sim, const struct sim_job *job);
/* The task's books, made when they are missing. */
struct task_check *check_task(struct sim *sim, struct job_check *check, struct text path);
/* The plan of a task; NULL: not known. */
const struct sim_task_plan *check_plan(const struct sim *sim, const struct sim_job *job,
                                       struct text path);

/* sim_checks_store.c */
void check_claimed(void *context, const struct sim_job *job, const struct claim_request *request,
                   int64_t epoch);
void check_reran(void *context, const struct sim_job *job);
void check_saved(void *context, const struct sim_job *job, const struct save *save);
void check_decided(void *context, const struct sim_job *job, const struct save *save,
                   enum save_outcome outcome);

#endif
