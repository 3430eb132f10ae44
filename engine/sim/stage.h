/* SPDX-License-Identifier: Apache-2.0 */
/* A stage for one job: one core at a time, its rows in memory, fake steps and a virtual clock.
 *
 * Knows how to answer the core as a healthy board and store would, at once; how to lose the core at
 * a given save, with all that is in flight, and to let the next one claim the same rows. Refuses to
 * know what a flow means: it records what was saved and called, and others judge.
 *
 * Same plan and same faults, same run, byte for byte. Time: a save takes none, a step as long as
 * its script says. A step that was lost in flight and is run again ends when it would have ended,
 * so that a crash shifts nothing: whatever differs afterwards is the core's doing.
 *
 * What a fake step does stands in its own command (or script, or URL), as words:
 *   ok  fail  hang           how it ends (default ok)
 *   fail-first-run           fails unless the job was made to run again
 *   fail-until-N             fails while its attempt is below N
 *   chance-P                 fails P times in a hundred, by seed, task and attempt
 *   Nms                      how long it takes (default 1..40 ms, by seed, task and attempt)
 *   out:TEXT  echo           what it writes (default: task and attempt); its stdin */
#ifndef ENGINE_SIM_STAGE_H
#define ENGINE_SIM_STAGE_H

#include "base/arena.h"
#include "base/record.h"

#define STAGE_BEGIN_MS 1000000 /* virtual time at the start */

struct stage_plan {
    struct text flow_name;
    struct text flow_text;
    struct text input; /* JSON object, complete */
    uint64_t seed;     /* of the steps */
    int processes;     /* steps at once; 0: 64 */
    size_t lines;      /* of history in one save; 0: as many as an engine writes */
    struct text rerun; /* none, or a JSON object: a job that ended FAILURE or REVERTED is made to
                        * run again once, with this as the data of its inbox row */
};

enum stage_fault_kind {
    STAGE_LOSE,            /* the core dies before the save is applied */
    STAGE_CRASH,           /* the core dies when the save is applied and before it hears so */
    STAGE_HAND_OVER,       /* the core is told to stop when it heard that the save is applied */
    STAGE_HAND_OVER_EARLY, /* … just before it hears so */
    STAGE_FAULTS,
};

const char *stage_fault_name(enum stage_fault_kind kind);

struct stage_fault {
    enum stage_fault_kind kind;
    int save; /* number of the save in the whole run, from 1; faults come in this order */
};

/* Calls of one attempt of one verb. */
struct stage_call {
    struct text name; /* PATH[~attempts around][/revert][#…]@ATTEMPT */
    int started;      /* how often a process was begun for it */
    int interrupted;  /* of these, in flight at a crash or hand-over: to be called again */
    int ended;        /* of these, whose end the core was told, and lived on */
};

struct stage_line {
    struct text task; /* none: the job itself */
    int32_t attempt;
    int state; /* enum job_state or enum task_state */
    struct text detail;
    int save;      /* number of the save that wrote it; 0: a claim */
    int64_t at_ms; /* virtual time */
};

struct stage_row {
    struct task_row row; /* without `internal` */
};

/* How a run went; lives in `arena`. */
struct stage_run {
    struct arena arena;
    const char *stuck; /* NULL, or why the run was broken off */
    enum job_state state;
    struct text output, failure;
    struct stage_row *rows; /* sorted by path; not the job's own notes */
    size_t row_count;
    struct stage_line *lines;
    size_t line_count, line_capacity;
    struct stage_call *calls; /* in the order of their first start */
    size_t call_count, call_capacity;
    int saves;      /* applied */
    int claims;     /* cores that claimed it */
    int reruns;     /* the job was made to run again: 0 or 1 */
    int faults_met; /* of those asked for */
    int64_t end_ms; /* virtual time */
};

/* Runs the job to its end. `ret_run` is to be freed with stage_run_free. */
void stage_play(const struct stage_plan *plan, const struct stage_fault *faults, size_t fault_count,
                struct stage_run *ret_run);
void stage_run_free(struct stage_run *run);

/* How the step called `name` ends, by its words; the same for everybody who asks. */
struct stage_script {
    bool fails, hangs, echoes;
    int64_t duration_ms;
    uint64_t order;  /* who ends first of those that end at the same time: the lowest */
    struct text out; /* none: the default */
};
struct stage_script stage_read_script(struct text words, struct text name, int attempt,
                                      uint64_t seed);

/* For a person: one line of the history. */
struct buffer;
void stage_print_line(const struct stage_line *line, struct buffer *ret_text);

#endif
