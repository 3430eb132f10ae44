/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/params.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <string.h>

#include "base/check.h"

#define ARRAY_HEAD_BYTES  20
#define EMPTY_ARRAY_BYTES 12
#define TIME_2000_US      INT64_C(946684800000000) /* Postgres counts from the year 2000 */

static const struct {
    char letter;
    Oid type, array_type; /* fixed numbers of pg_type */
} types[] = {
    {'u', 2950, 2951}, {'l', 20, 1016}, {'i', 23, 1007}, {'b', 16, 1000},
    {'t', 25, 1009},   {'j', 114, 199}, {'y', 17, 1001},
};

static size_t type_of(char letter)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].letter == tolower((unsigned char)letter))
            return i;
    UNREACHABLE();
}

static bool is_array(const struct param *param)
{
    return isupper((unsigned char)param->type);
}

void params_init(struct params *params, const struct statement *statement)
{
    *params = (struct params){.statement = statement, .count = strlen(statement->types)};
    CHECK(params->count <= PARAMS_MAX);
    for (size_t i = 0; i < params->count; i++) {
        struct param *param = &params->list[i];
        param->type = statement->types[i];
        param->is_null = true;
        buffer_init(&param->data, 0);
        if (is_array(param))
            buffer_add(&param->data, (char[ARRAY_HEAD_BYTES]){0}, ARRAY_HEAD_BYTES);
    }
}

void params_done(struct params *params)
{
    for (size_t i = 0; i < params->count; i++)
        buffer_done(&params->list[i].data);
    *params = (struct params){0};
}

size_t params_bytes(const struct params *params)
{
    size_t bytes = 0;
    for (size_t i = 0; i < params->count; i++)
        bytes += params->list[i].data.len;
    return bytes;
}

static void add_uint32(struct buffer *buffer, uint32_t value)
{
    value = htonl(value);
    buffer_add(buffer, &value, sizeof value);
}

static void put(struct params *params, size_t index, const void *data, size_t len)
{
    CHECK(index < params->count && len < INT32_MAX);
    struct param *param = &params->list[index];
    if (is_array(param)) {
        param->count++;
        param->has_null |= !data;
        add_uint32(&param->data, data ? (uint32_t)len : UINT32_MAX);
    } else {
        CHECK(param->is_null && param->data.len == 0);
        param->is_null = !data;
    }
    if (data && len)
        buffer_add(&param->data, data, len);
}

static char letter_of(const struct params *params, size_t index)
{
    CHECK(index < params->count);
    return (char)tolower((unsigned char)params->list[index].type);
}

void params_uuid(struct params *params, size_t index, const struct uuid *uuid)
{
    CHECK(letter_of(params, index) == 'u');
    put(params, index, uuid_is_nil(uuid) ? NULL : uuid->bytes, sizeof uuid->bytes);
}

void params_int(struct params *params, size_t index, int64_t value)
{
    if (letter_of(params, index) == 'l') {
        uint64_t big = htobe64((uint64_t)value);
        put(params, index, &big, sizeof big);
        return;
    }
    CHECK(letter_of(params, index) == 'i' && value >= INT32_MIN && value <= INT32_MAX);
    uint32_t small = htonl((uint32_t)(int32_t)value);
    put(params, index, &small, sizeof small);
}

void params_bool(struct params *params, size_t index, bool value)
{
    CHECK(letter_of(params, index) == 'b');
    put(params, index, &(char){value ? 1 : 0}, 1);
}

void params_text(struct params *params, size_t index, struct text text)
{
    char letter = letter_of(params, index);
    CHECK(letter == 't' || letter == 'j' || letter == 'y');
    put(params, index, text.data, text.len);
}

void params_types(const struct statement *statement, Oid ret_types[PARAMS_MAX])
{
    for (size_t i = 0; statement->types[i]; i++) {
        size_t t = type_of(statement->types[i]);
        ret_types[i] =
            isupper((unsigned char)statement->types[i]) ? types[t].array_type : types[t].type;
    }
}

/* The head says how many elements there are, which is known only now. */
static void finish_array(struct param *param)
{
    if (param->count == 0)
        CHECK(param->data.len == ARRAY_HEAD_BYTES);
    uint32_t head[5] = {htonl(param->count ? 1 : 0), htonl(param->has_null),
                        htonl(types[type_of(param->type)].type), htonl((uint32_t)param->count),
                        htonl(1)};
    memcpy(param->data.data, head, sizeof head);
}

int params_send(struct params *params, PGconn *conn)
{
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX], formats[PARAMS_MAX];
    for (size_t i = 0; i < params->count; i++) {
        struct param *param = &params->list[i];
        CHECK(param->data.len < INT32_MAX);
        if (is_array(param))
            finish_array(param);
        values[i] = is_array(param) || !param->is_null ? buffer_text(&param->data).data : NULL;
        lengths[i] = is_array(param) && !param->count ? EMPTY_ARRAY_BYTES : (int)param->data.len;
        formats[i] = 1;
    }
    return PQsendQueryPrepared(conn, params->statement->name, (int)params->count, values, lengths,
                               formats, 1);
}

static const char *field(const PGresult *result, int row, int column, int len, bool *ret_ok)
{
    if (PQgetisnull(result, row, column))
        return NULL;
    if (PQgetlength(result, row, column) != len) {
        *ret_ok = false;
        return NULL;
    }
    return PQgetvalue(result, row, column);
}

int64_t field_int(const PGresult *result, int row, int column, bool *ret_ok)
{
    uint64_t big;
    uint32_t small;
    uint16_t tiny;
    int len = PQgetlength(result, row, column);
    const char *data = field(result, row, column, len == 2 || len == 4 ? len : 8, ret_ok);
    if (!data)
        return 0;
    switch (len) {
    case 2:
        memcpy(&tiny, data, sizeof tiny);
        return (int16_t)ntohs(tiny);
    case 4:
        memcpy(&small, data, sizeof small);
        return (int32_t)ntohl(small);
    default:
        memcpy(&big, data, sizeof big);
        return (int64_t)be64toh(big);
    }
}

bool field_bool(const PGresult *result, int row, int column, bool *ret_ok)
{
    const char *data = field(result, row, column, 1, ret_ok);
    return data && *data;
}

struct uuid field_uuid(const PGresult *result, int row, int column, bool *ret_ok)
{
    struct uuid uuid = {{0}};
    const char *data = field(result, row, column, sizeof uuid.bytes, ret_ok);
    if (data)
        memcpy(uuid.bytes, data, sizeof uuid.bytes);
    return uuid;
}

int64_t field_time_us(const PGresult *result, int row, int column, bool *ret_ok)
{
    if (PQgetisnull(result, row, column))
        return 0;
    int64_t us, value = field_int(result, row, column, ret_ok);
    if (__builtin_add_overflow(value, TIME_2000_US, &us)) {
        *ret_ok = false;
        return 0;
    }
    return us;
}

struct text field_text(const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column))
        return TEXT_NONE;
    return (struct text){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}
