/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters and results in Postgres' binary format: nothing is quoted, escaped or re-read.
 *
 * A statement names the type of each parameter by one letter; capital letters are arrays, the
 * columns that `unnest` turns into rows. What is put in must fit the letter (CHECK). */
#ifndef STORAGE_PARAMS_H
#define STORAGE_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "base/buffer.h"
#include "base/text.h"
#include "base/uuid.h"

#define PARAMS_MAX 36

/* One SQL statement, prepared once per connection. */
struct statement {
    const char *name;  /* of the prepared statement */
    const char *types; /* u uuid, l int8, i int4, b bool, t text, j json, y bytea; capital: array */
    const char *sql;
};

struct param {
    char type;          /* the letter */
    struct buffer data; /* as it goes over the wire */
    int32_t count;      /* elements of an array */
    bool has_null;
    bool is_null; /* a scalar that was not put in */
};

struct params {
    const struct statement *statement;
    size_t count;
    struct param list[PARAMS_MAX];
};

void params_init(struct params *params, const struct statement *statement);
void params_done(struct params *params);
/* What has been put in so far. */
size_t params_bytes(const struct params *params);

/* Put in one value: the next element of an array, or the scalar. No text and a nil uuid are null.
 */
void params_uuid(struct params *params, size_t index, const struct uuid *uuid);
void params_int(struct params *params, size_t index, int64_t value);
void params_bool(struct params *params, size_t index, bool value);
void params_text(struct params *params, size_t index, struct text text);

/* Types of all parameters, for preparing. */
void params_types(const struct statement *statement, Oid ret_types[PARAMS_MAX]);
/* Sends the statement, which must be prepared. Returns what PQsendQueryPrepared returns. */
int params_send(struct params *params, PGconn *conn);

/* Reading a binary result. A null is 0, false, nil, no text. `ret_ok`, never NULL, turns false when
 * the field does not have the length of its type. */
int64_t field_int(const PGresult *result, int row, int column, bool *ret_ok);
bool field_bool(const PGresult *result, int row, int column, bool *ret_ok);
struct uuid field_uuid(const PGresult *result, int row, int column, bool *ret_ok);
/* Microseconds of the Unix epoch. */
int64_t field_time_us(const PGresult *result, int row, int column, bool *ret_ok);
/* A view into the result. */
struct text field_text(const PGresult *result, int row, int column);

#endif
