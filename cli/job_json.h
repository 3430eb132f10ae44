/* SPDX-License-Identifier: Apache-2.0 */
/* Views as JSON for programs: names and forms are a contract, see docs. Documents are put in to the
 * letter, as they were stored; times are RFC 3339 in UTC with microseconds, null when there is
 * none. Each call appends one object and no line break. Pure. */
#ifndef CLI_JOB_JSON_H
#define CLI_JOB_JSON_H

#include "base/buffer.h"
#include "storage/views.h"

/* Of `show`: all there is. */
void job_json_show(const struct view_job *job, struct buffer *ret_json);
/* Of `list`: the same without documents and tasks. */
void job_json_list(const struct view_job *job, struct buffer *ret_json);
/* Of `history` and `watch`; with `job` not NULL the line says whose it is. */
void job_json_line(const struct view_line *line, const struct uuid *job, struct buffer *ret_json);
void job_json_stderr(const struct view_stderr *stderr_tail, struct buffer *ret_json);

/* Building blocks: `"name":value`, with a comma before it unless the object begins here. */
void json_key(struct buffer *json, const char *name);
void json_text(struct buffer *json, const char *name, struct text value); /* none: null */
void json_int(struct buffer *json, const char *name, int64_t value);
void json_uuid(struct buffer *json, const char *name, const struct uuid *value); /* nil: null */
void json_time(struct buffer *json, const char *name, int64_t unix_us);          /* 0: null */
void json_raw(struct buffer *json, const char *name, struct text document);      /* none: null */

#endif
