/* SPDX-License-Identifier: Apache-2.0 */
/* What the fakes share: time, chance, memory, the mutants that are switched on, and counts of what
 * really happened.
 *
 * All memory of a run comes from one arena and is given back at its end, so that nothing in a run
 * depends on when something is freed. */
#ifndef ENGINE_SIM_SIM_WORLD_H
#define ENGINE_SIM_SIM_WORLD_H

#include "base/arena.h"
#include "base/random.h"
#include "engine/core/event.h"
#include "engine/sim/sim_queue.h"

/* Deliberate faults of the fakes, each of which the sweep must notice. */
#define SIM_MUTANTS(X)                                                                             \
    X(UNLOCKED_CHECK, "unlocked-check",                                                            \
      "the save's condition is looked at without the row's lock")                                  \
    X(NO_CLAIM_CHECK, "no-claim-check", "a save looks at save_no only")                            \
    X(SAVE_WITHOUT_SAVE_NO, "save-without-save-no", "a save looks at epoch and claim only")        \
    X(NO_EPOCH_SEEN, "claim-without-epoch", "a claim does not look at the epoch that was seen")    \
    X(CLAIM_ANY_STATE, "claim-any-state", "a claim does not look at the state")                    \
    X(CLAIM_TWICE, "claim-resend-forgotten", "a claim sent again does not know its own uuid")      \
    X(LOAD_BEFORE_CLAIM, "load-before-claim", "a load shows what was there before its claim")      \
    X(CLAIM_CLEARED, "claim-cleared-at-end", "an ending save wipes the claim")                     \
    X(READY_REPEATS, "ready-at-repeats", "ready_at has seconds only: placements share a name")     \
    X(EARLY_ANSWER, "early-answer", "a save is answered before it is durable")                     \
    X(INBOX_UNCHECKED, "inbox-unchecked", "an ending save does not look at inbox_seq")             \
    X(LOCK_FOREIGN, "lock-deleted-from-another-session",                                           \
      "unlocks of an ended session are sent in the next one")                                      \
    X(LOCK_SHARED, "lock-shared", "a lock is granted though another's stands")                     \
    X(UNKNOWN_IS_TAKEN, "unknown-is-taken", "a lock of unknown outcome is told as taken")          \
    X(UNKNOWN_IS_OK, "unknown-is-ok", "a lock of unknown outcome is told as held")                 \
    X(EXPIRES_EARLY, "session-expires-early", "a session ends at T/3 of silence")                  \
    X(NO_WARDEN, "no-warden", "nobody kills steps at the lease's deadline")                        \
    X(REPAIR_ROWS_FIRST, "repair-reads-rows-first", "a repair's rows are older than its listing")

enum sim_mutant {
#define X(id, name, what) MUTANT_##id,
    SIM_MUTANTS(X)
#undef X
        MUTANTS,
};

/* What really happened in a run. */
#define SIM_COUNTS_LIST(X)                                                                         \
    X(EVENTS, "events")                                                                            \
    X(POSTED, "jobs posted")                                                                       \
    X(UNPLACED, "posts whose card was lost")                                                       \
    X(KILLED, "engines killed")                                                                    \
    X(KILLED_MID_TURN, "engines killed within a turn")                                             \
    X(FROZEN, "engines frozen")                                                                    \
    X(FROZEN_BEYOND, "engines frozen beyond their session")                                        \
    X(DRAINED, "engines told to stop")                                                             \
    X(EXITED, "engines that left")                                                                 \
    X(BOARD_CUT, "board connections cut")                                                          \
    X(BOARD_DOWN, "board outages")                                                                 \
    X(SESSION_EXPIRED, "sessions expired")                                                         \
    X(SESSION_LOST, "sessions ended by the server alone")                                          \
    X(BOARD_ANSWER_LOST, "board answers lost")                                                     \
    X(BOARD_REQUEST_LOST, "board requests lost")                                                   \
    X(BOARD_LATE, "board requests that met an ended session")                                      \
    X(CARDS_LOST, "times all cards were lost")                                                     \
    X(WATCH_LOST, "watches lost")                                                                  \
    X(MULTI_RESENT, "board requests overtaken by later ones")                                      \
    X(BOARD_OK, "board: ok")                                                                       \
    X(BOARD_TAKEN, "board: taken")                                                                 \
    X(BOARD_UNKNOWN, "board: unknown")                                                             \
    X(BOARD_VOID, "board: void")                                                                   \
    X(STORE_CUT, "store connections cut")                                                          \
    X(STORE_DOWN, "store outages")                                                                 \
    X(STORE_SLOW, "slow statements")                                                               \
    X(STORE_ANSWER_LOST, "store answers lost")                                                     \
    X(STORE_REQUEST_LOST, "statements lost on the way")                                            \
    X(STORE_ABORTED, "statements aborted")                                                         \
    X(STORE_LATE, "writes of dead or reconnected clients applied")                                 \
    X(MID_MESSAGE, "backends frozen mid-message")                                                  \
    X(BLOCKERS_ENDED, "frozen backends ended by a claim")                                          \
    X(ROW_WAITED, "statements that waited for a row")                                              \
    X(ROW_SKIPPED, "rows skipped as busy")                                                         \
    X(CLAIM_OK, "claim: ok")                                                                       \
    X(CLAIM_CHANGED, "claim: changed")                                                             \
    X(CLAIM_BUSY, "claim: busy")                                                                   \
    X(CLAIM_GONE, "claim: gone")                                                                   \
    X(CLAIM_UNKNOWN, "claim: unknown")                                                             \
    X(CLAIM_MINE, "claim: was mine already")                                                       \
    X(CLAIM_TAKEOVER, "claim: takeover")                                                           \
    X(LOAD_OK, "load: ok")                                                                         \
    X(LOAD_REFUSED, "load: refused")                                                               \
    X(LOAD_UNKNOWN, "load: unknown")                                                               \
    X(SAVE_OK, "save: ok")                                                                         \
    X(SAVE_ALREADY, "save: already")                                                               \
    X(SAVE_INBOX, "save: inbox")                                                                   \
    X(SAVE_BUSY, "save: busy")                                                                     \
    X(SAVE_REFUSED, "save: refused")                                                               \
    X(SAVE_BAD, "save: bad")                                                                       \
    X(SAVE_UNKNOWN, "save: unknown")                                                               \
    X(STEPS, "steps run")                                                                          \
    X(STEP_OK, "steps that succeeded")                                                             \
    X(STEP_FAILED, "steps that failed")                                                            \
    X(STEP_REPEATED, "attempts run again after a death")                                           \
    X(STEP_UNSTARTED, "steps that could not start")                                                \
    X(STEP_STOPPED, "steps stopped on order")                                                      \
    X(STEP_WARDEN, "steps killed by a warden at the deadline")                                     \
    X(STEP_ORPHANED, "steps killed at their engine's death")                                       \
    X(INBOX, "inbox rows received")                                                                \
    X(RERUN, "jobs made to run again")                                                             \
    X(RERUN_APPLIED, "reruns applied")                                                             \
    X(JOB_SUCCESS, "jobs ended SUCCESS")                                                           \
    X(JOB_FAILURE, "jobs ended FAILURE")                                                           \
    X(ONCE_UNKNOWN, "`once` steps that ended unknown")

enum sim_count {
#define X(id, text) COUNT_##id,
    SIM_COUNTS_LIST(X)
#undef X
        SIM_COUNTS,
};

/* How long a message takes: most of the time between min and max, sometimes much longer. */
struct sim_delay {
    int32_t min_us;
    int32_t max_us;
    int32_t slow_permille; /* of all */
    int32_t slow_max_us;
};

struct sim_world {
    struct sim_queue queue;
    struct random random;
    struct arena arena;
    uint64_t mutants; /* bits of enum sim_mutant */
    uint64_t counts[SIM_COUNTS];
};

void sim_world_init(struct sim_world *world, uint64_t seed);
void sim_world_done(struct sim_world *world);

static inline bool sim_has(const struct sim_world *world, enum sim_mutant mutant)
{
    return world->mutants >> mutant & 1;
}
static inline void sim_count(struct sim_world *world, enum sim_count what)
{
    world->counts[what]++;
}

/* min..max, both included. */
int64_t sim_between(struct sim_world *world, int64_t min, int64_t max);
int64_t sim_delay_us(struct sim_world *world, const struct sim_delay *delay);
bool sim_permille(struct sim_world *world, int permille);
struct uuid sim_uuid(struct sim_world *world);

const char *sim_count_name(enum sim_count what);
const char *sim_mutant_name(enum sim_mutant mutant);
const char *sim_mutant_what(enum sim_mutant mutant);
/* -1: none of that name. */
int sim_mutant_find(const char *name);

/* Who is told what a fake has to say. The event and all it points at live to the end of the run. */
struct sim_listener {
    void *context;
    void (*tell)(void *context, const struct core_event *event);
};

#endif
