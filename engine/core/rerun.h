/* SPDX-License-Identifier: Apache-2.0 */
/* An ended job runs again: what its rows say afterwards. Shared by the core's files only.
 *
 * A rerun is a function of the rows: applied to them before the tree is built, so that the tree of
 * a rerun is restored like any other, and a crash after the save that applied it is nothing
 * special. That save carries the changed rows, a history line for each, and the number of the inbox
 * row.
 *
 * What stays: a task that is SUCCESS, or was passed over or unreachable by what stays, while all it
 * needs stays. Everything else runs again, with fresh attempts. A flow, foreach or repeat of which
 * a part stays goes on with the rest (RUNNING); one of which nothing stays begins anew (PENDING).
 * `from` names a task that does not stay. A task that is to be skipped does not run: when its turn
 * comes it is SUCCESS with the result that was given.
 *
 * JOB_KEY is new (`+N`, N the number of the rerun) for what had succeeded or was undone, for what
 * follows something that runs again, and for all of a flow that was undone or had several attempts;
 * a task that merely failed is tried again under its own key. */
#ifndef ENGINE_CORE_RERUN_H
#define ENGINE_CORE_RERUN_H

#include "engine/core/tree_private.h"

/* Applies what the inbox holds to the rows of a job that was just claimed. Returns the rows to
 * build the tree from (in the scratch arena), and puts what changed into the open set. */
struct task_row *rerun_apply(struct core *core, struct job *job, struct task_row *rows,
                             size_t *count);

/* The result that a person gave for this unit, NULL: none. */
const struct json *rerun_given(const struct unit *unit);
/* Whether the unit has ended now, by a result that was given. */
bool rerun_give(struct core *core, struct unit *unit);
/* The rerun that the unit's key names, 0: none. */
uint32_t rerun_of_key(const struct unit *unit);

/* rerun_fate.c: what becomes of each row */
enum fate {
    FATE_STAYS,
    FATE_GOES_ON, /* RUNNING: a part of it stays */
    FATE_AGAIN,   /* PENDING */
};

struct rerun {
    struct core *core;
    struct job *job;
    struct task_row *rows; /* sorted by path */
    enum fate *fates;      /* of the rows; FATE_STAYS at first */
    uint32_t *numbers;     /* of the rows: the rerun that its key names, 0: none */
    size_t count;
    uint32_t number;         /* of the inbox row */
    struct text from;        /* path, or none */
    const struct json *skip; /* path → result; NULL: none */
    bool undone;             /* the job's own flow was undone, or had several attempts */
};

/* Its row, SIZE_MAX: none. */
size_t rerun_find(const struct rerun *rerun, struct text path);
void rerun_decide(struct rerun *rerun);

#endif
