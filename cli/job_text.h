/* SPDX-License-Identifier: Apache-2.0 */
/* Views as text for people. Control characters are made harmless. */
#ifndef CLI_JOB_TEXT_H
#define CLI_JOB_TEXT_H

#include "base/buffer.h"
#include "storage/views.h"

/* Of `show`: facts, documents, tasks. */
void job_text_show(const struct view_job *job, int64_t now_us, struct buffer *ret_text);
/* The tasks alone, as a table. */
void job_text_tasks(const struct view_job *job, int64_t now_us, struct buffer *ret_text);
/* One line of the history, with `job` not NULL with whose it is. */
void job_text_line(const struct view_line *line, const struct uuid *job, struct buffer *ret_text);

/* `2026-11-24 03:52:46.123` in UTC. */
#define TIME_SHORT_MAX 32
char *time_short(int64_t unix_us, char ret_text[TIME_SHORT_MAX]);

#endif
