/* SPDX-License-Identifier: Apache-2.0 */
/* What `watch` shows: as lines that follow each other, or as a picture that is drawn anew. */
#ifndef CLI_WATCH_JOBS_H
#define CLI_WATCH_JOBS_H

#include "base/buffer.h"
#include "jobboard/client/jobboard.h"

/* A watched job. */
struct watch_job {
    struct uuid id;
    bool is_news;      /* it moved since it was shown */
    bool is_over;      /* ended, or gone */
    bool has_failed;   /* ended otherwise than with SUCCESS */
    int64_t shown_seq; /* last history line printed */
};

/* Prints the lines of a job's history that were not printed yet. Returns an exit code. */
int watch_lines(struct jobboard *jobboard, struct watch_job *job, bool json, bool with_id);

/* The picture: rows it took last time, to draw over. */
struct watch_screen {
    int rows;
};

/* Draws all jobs; with a single one, its tasks as well. Returns an exit code. */
int watch_draw(struct watch_screen *screen, struct jobboard *jobboard, const struct watch_job *jobs,
               size_t count);

/* Pure: the first `rows` lines of `text`, each ended with "erase the rest of the line", and a last
 * one that says how many are left out. `ret_rows` is how many there are. */
void watch_fit(struct text text, int rows, struct buffer *ret_text, int *ret_rows);

#endif
