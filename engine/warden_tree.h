/* SPDX-License-Identifier: Apache-2.0 */
/* The descendants of this process, and how to end them.
 *
 * A sub-reaper (PR_SET_CHILD_SUBREAPER) is the new parent of every orphan below it, so what once
 * was in its tree stays in its tree, whatever it called: setsid, double fork, a shell's `&`. Ending
 * a tree is therefore a loop: signal all that is seen, take in what ended, look again, until
 * nothing is left. Each round turns the children of what died into direct children, so the loop
 * makes progress also against what forks meanwhile. Nothing is stopped first (SIGSTOP would be seen
 * by others and may itself be overtaken).
 *
 * No signal can hit a stranger: a direct child keeps its number until we take it in, and anything
 * deeper is signalled through a pidfd whose parent was looked up after it was opened.
 *
 * It refuses to know what a step or an engine is. "Spared" processes are direct children that are
 * left alone together with all that is below them. */
#ifndef ENGINE_WARDEN_TREE_H
#define ENGINE_WARDEN_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Most descendants looked at in one round; more are met in the next one. */
#define TREE_ROUND_MAX 4096

/* Direct children to leave alone, in ascending order. */
struct tree_spared {
    const pid_t *pids;
    size_t count;
};

/* Whether the kernel lists children in /proc (CONFIG_PROC_CHILDREN), without which nothing here
 * works. */
bool tree_supported(void);

/* Sends `sig` once to every descendant found now, ended but untaken ones included in the count.
 * Returns how many were found; 0 means that there is none but the spared. */
size_t tree_signal(int sig, struct tree_spared spared);

/* Takes in (waits for) every direct child that ended and is not spared, without blocking. */
void tree_reap(struct tree_spared spared);

#endif
