/* SPDX-License-Identifier: Apache-2.0 */
/* Between views.c (requests, small views) and views_job.c (jobs with all that belongs to them). */
#ifndef STORAGE_VIEWS_PRIVATE_H
#define STORAGE_VIEWS_PRIVATE_H

#include "storage/storage_private.h"

/* A view while it is read: texts are copied into the answer's arena. */
struct view_reader {
    struct arena *arena;
    const PGresult *result;
    bool ok; /* false once a field did not read as its type */
};

struct text view_text(struct view_reader *reader, int row, int column);
int64_t view_int(struct view_reader *reader, int row, int column);
int64_t view_time_us(struct view_reader *reader, int row, int column);
struct uuid view_uuid(struct view_reader *reader, int row, int column);

extern const struct statement list_statement, show_statement;
void list_bind(struct params *params, const struct view_request *request);
void list_read(struct view_reader *reader, struct view_answer *answer);
void show_bind(struct params *params, const struct view_request *request);
void show_read(struct view_reader *reader, struct view_answer *answer);

#endif
