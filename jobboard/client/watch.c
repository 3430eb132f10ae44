/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/os/clock.h"
#include "jobboard/client/client_private.h"

#define LOOK_EVERY_MS 1000
#define LOOK_IDS_MAX  1000 /* in one look */

static struct watched *find(struct jobboard *jobboard, const struct uuid *job)
{
    struct watched *watched;
    HASH_FIND(hh, jobboard->watched, job, sizeof *job, watched);
    return watched;
}

static bool is_open(const struct watched *watched)
{
    return !watched->was_told || (watched->seen.found && !job_state_is_final(watched->seen.state));
}

static void mark(struct jobboard *jobboard, struct watched *watched)
{
    if (!watched->is_due)
        jobboard->due_count++;
    watched->is_due = true;
}

static void unmark(struct jobboard *jobboard, struct watched *watched)
{
    if (watched->is_due)
        jobboard->due_count--;
    watched->is_due = false;
}

void jobboard_watch(struct jobboard *jobboard, const struct uuid *job)
{
    struct watched *watched = find(jobboard, job);
    if (!watched) {
        watched = xcalloc(1, sizeof *watched);
        watched->seen.job = *job;
        HASH_ADD(hh, jobboard->watched, seen.job, sizeof watched->seen.job, watched);
        jobboard->watched_open++;
    } else if (!is_open(watched)) {
        jobboard->watched_open++;
    }
    watched->was_told = false;
    mark(jobboard, watched);
    if (!jobboard->look_next_ms) {
        storage_listen(jobboard->storage);
        jobboard->look_next_ms = clock_now_ms() + LOOK_EVERY_MS;
    }
}

void jobboard_unwatch(struct jobboard *jobboard, const struct uuid *job)
{
    struct watched *watched = find(jobboard, job);
    if (!watched)
        return;
    unmark(jobboard, watched);
    if (is_open(watched))
        jobboard->watched_open--;
    HASH_DEL(jobboard->watched, watched);
    free(watched);
}

void watch_done(struct jobboard *jobboard)
{
    struct watched *watched, *next;
    HASH_ITER(hh, jobboard->watched, watched, next)
    {
        HASH_DEL(jobboard->watched, watched);
        free(watched);
    }
}

static void mark_all(struct jobboard *jobboard, bool also_final)
{
    struct watched *watched, *next;
    HASH_ITER(hh, jobboard->watched, watched, next)
    {
        if (also_final || is_open(watched))
            mark(jobboard, watched);
    }
}

void watch_notice(struct jobboard *jobboard, const struct uuid *jobs, size_t count)
{
    if (count == 0)
        mark_all(jobboard, true);
    for (size_t i = 0; i < count; i++) {
        struct watched *watched = find(jobboard, &jobs[i]);
        if (watched)
            mark(jobboard, watched);
    }
}

static bool has_moved(const struct jobboard_moved *seen, const struct view_state *now)
{
    return seen->found != now->found || seen->state != now->state || seen->epoch != now->epoch ||
           seen->history_seq != now->history_seq || !uuid_equal(&seen->owner, &now->owner);
}

static void looked_at(struct jobboard *jobboard, const struct view_state *now)
{
    struct watched *watched = find(jobboard, &now->job);
    if (!watched || (watched->was_told && !has_moved(&watched->seen, now)))
        return;
    bool was_open = is_open(watched);
    watched->seen = (struct jobboard_moved){.job = now->job,
                                            .found = now->found,
                                            .state = now->state,
                                            .epoch = now->epoch,
                                            .history_seq = now->history_seq,
                                            .owner = now->owner};
    watched->was_told = true;
    jobboard->watched_open += (size_t)is_open(watched) - (size_t)was_open;
    client_tell(jobboard, JOBBOARD_MOVED, 0)->event.u.moved = watched->seen;
}

void watch_answered(struct jobboard *jobboard, const struct view_answer *answer)
{
    jobboard->look_in_flight = false;
    if (answer->code) {
        mark_all(jobboard, false);
        return;
    }
    for (size_t i = 0; i < answer->u.states.count; i++)
        looked_at(jobboard, &answer->u.states.states[i]);
}

static void look(struct jobboard *jobboard)
{
    struct uuid ids[LOOK_IDS_MAX];
    struct watched *watched, *next;
    size_t count = 0;
    HASH_ITER(hh, jobboard->watched, watched, next)
    {
        if (count == LOOK_IDS_MAX || jobboard->due_count == 0)
            break;
        if (!watched->is_due)
            continue;
        unmark(jobboard, watched);
        ids[count++] = watched->seen.job;
    }
    struct view_request request = {.kind = VIEW_STATES, .ids = ids, .id_count = count};
    jobboard->look_in_flight = true;
    storage_view(jobboard->storage, &request, TAG_LOOK);
}

void watch_pump(struct jobboard *jobboard, int64_t now_ms)
{
    if (jobboard->look_next_ms && now_ms >= jobboard->look_next_ms) {
        mark_all(jobboard, false);
        jobboard->look_next_ms = now_ms + LOOK_EVERY_MS;
    }
    if (jobboard->due_count && !jobboard->look_in_flight)
        look(jobboard);
}

int64_t watch_deadline_ms(const struct jobboard *jobboard)
{
    if (jobboard->due_count && !jobboard->look_in_flight)
        return 0;
    return jobboard->watched_open ? jobboard->look_next_ms : -1;
}
