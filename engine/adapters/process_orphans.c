/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "engine/adapters/process_private.h"

/* The first looks come at once, later ones at this distance: what is still there cannot die now. */
#define SWEEPS_AT_ONCE     20
#define SWEEP_PAUSE_MAX_MS 50

static int compare_pids(const void *a, const void *b)
{
    pid_t left = *(const pid_t *)a, right = *(const pid_t *)b;
    return (left > right) - (left < right);
}

/* The nursery, wardens (children only if their nursery died; also those that have ended but were
 * not taken in yet) and named children. To be freed. */
static struct tree_spared spared_children(struct process_source *p)
{
    size_t max = HASH_COUNT(p->steps) + p->kept_count + 1, count = 0;
    pid_t *pids = xcalloc(max, sizeof *pids);
    if (p->nursery_pid)
        pids[count++] = p->nursery_pid;
    for (struct step *step = p->steps; step; step = step->hh.next)
        if (step->warden_pid)
            pids[count++] = step->warden_pid;
    if (p->kept_count)
        memcpy(pids + count, p->kept, p->kept_count * sizeof *pids);
    count += p->kept_count;
    CHECK(count <= max);
    qsort(pids, count, sizeof *pids, compare_pids);
    return (struct tree_spared){pids, count};
}

void process_reap(struct process_source *p)
{
    struct tree_spared spared = spared_children(p);
    tree_reap(spared);
    free((void *)spared.pids);
}

void process_sweep(struct process_source *p, int64_t now_ms)
{
    struct tree_spared spared = spared_children(p);
    tree_reap(spared);
    size_t found = tree_signal(SIGKILL, spared);
    free((void *)spared.pids);
    if (found) {
        int pause_ms = p->sweeps++ - SWEEPS_AT_ONCE;
        pause_ms = pause_ms < 1 ? 1 : pause_ms;
        p->sweep_at_ms = now_ms + (pause_ms < SWEEP_PAUSE_MAX_MS ? pause_ms : SWEEP_PAUSE_MAX_MS);
        return;
    }
    p->sweep_at_ms = PROCESS_NEVER_MS;
    for (struct step *step = p->steps; step; step = step->hh.next)
        if (step->state == STEP_ORPHANED)
            process_finish(p, step);
}

void process_keep(struct process_source *p, pid_t pid)
{
    CHECK(pid > 1);
    p->kept = xrealloc(p->kept, p->kept_count + 1, sizeof *p->kept);
    p->kept[p->kept_count++] = pid;
}

void process_unkeep(struct process_source *p, pid_t pid)
{
    for (size_t i = 0; i < p->kept_count; i++) {
        if (p->kept[i] == pid) {
            p->kept[i] = p->kept[--p->kept_count];
            return;
        }
    }
}
