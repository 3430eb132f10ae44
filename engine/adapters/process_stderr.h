/* SPDX-License-Identifier: Apache-2.0 */
/* The stderr of one step: takes bytes as they come, keeps the last ones, and picks out progress
 * lines. Knows nothing of descriptors. */
#ifndef ENGINE_ADAPTERS_PROCESS_STDERR_H
#define ENGINE_ADAPTERS_PROCESS_STDERR_H

#include "base/buffer.h"

/* Where the line being read stands. */
enum stderr_line {
    STDERR_LINE_MAYBE, /* at its beginning, or all of it may still become a progress line */
    STDERR_LINE_PLAIN, /* it is none: straight to the tail */
};

struct process_stderr {
    size_t keep_bytes;
    struct buffer tail; /* up to twice keep_bytes; the end of it counts */
    bool cut;           /* something was dropped from the tail */
    struct buffer line; /* of a possible progress line; without its newline */
    enum stderr_line state;
    struct buffer progress; /* text of the newest progress line */
    double fraction;
    bool progress_new; /* not yet taken by the reader of this struct, who clears it */
};

void process_stderr_init(struct process_stderr *err, size_t keep_bytes);
void process_stderr_done(struct process_stderr *err);

/* Takes the next bytes. */
void process_stderr_add(struct process_stderr *err, const char *data, size_t len);

/* No more will come: an unfinished line counts as one. Returns the kept bytes. */
struct text process_stderr_end(struct process_stderr *err);

#endif
