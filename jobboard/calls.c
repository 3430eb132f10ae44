/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include "base/alloc.h"

/* The context of one completion. The library runs each completion once, also when it frees the
 * handle, so that these are freed exactly there. */
struct call {
    struct board *board;
    call_fn fn;
    struct call_key key;
    bool is_write;
};

bool rc_is_unknown(int rc)
{
    return rc == ZCONNECTIONLOSS || rc == ZOPERATIONTIMEOUT || rc == ZRUNTIMEINCONSISTENCY ||
           rc == ZCLOSING || rc == ZSESSIONEXPIRED || rc == ZSESSIONMOVED || rc == ZINVALIDSTATE ||
           rc == ZMARSHALLINGERROR;
}

struct text text_of_bytes(const struct wire_bytes *bytes)
{
    return (struct text){(const char *)bytes->data, bytes->len};
}

static struct call *call_new(struct board *board, call_fn fn, struct call_key key, bool is_write)
{
    struct call *call = xmalloc(sizeof *call);
    *call = (struct call){board, fn, key, is_write};
    board->counts.singles++;
    board->singles_in_flight++;
    return call;
}

static void call_done(const void *data, const struct reply *reply)
{
    struct call *call = (struct call *)data;
    struct board *board = call->board;
    board->singles_in_flight--;
    if (call->is_write && reply->rc == ZOK)
        board->counts.znodes_written++;
    if (rc_is_unknown(reply->rc))
        board->counts.unknown++;
    if (!board->session.is_dead)
        call->fn(board, &call->key, reply);
    free(call);
}

/* What the library did not take has no completion. */
static void call_sent(struct call *call, int rc)
{
    if (rc != ZOK)
        call_done(call, &(struct reply){.rc = ZCONNECTIONLOSS});
}

static void on_string(int rc, const char *value, const void *data)
{
    call_done(data, &(struct reply){.rc = rc});
}

static void on_void(int rc, const void *data)
{
    call_done(data, &(struct reply){.rc = rc});
}

static void on_stat(int rc, const struct Stat *stat, const void *data)
{
    call_done(data, &(struct reply){.rc = rc, .stat = stat});
}

static void on_data(int rc, const char *value, int len, const struct Stat *stat, const void *data)
{
    call_done(data, &(struct reply){.rc = rc,
                                    .data = value ? value : "",
                                    .data_len = value && len > 0 ? len : 0,
                                    .stat = stat});
}

static void on_names(int rc, const struct String_vector *names, const void *data)
{
    call_done(data, &(struct reply){.rc = rc, .names = names});
}

void call_create(struct board *board, const char *path, struct text data, bool is_ephemeral,
                 call_fn fn, struct call_key key)
{
    struct call *call = call_new(board, fn, key, true);
    call_sent(call, zoo_acreate(board->session.handle, path, data.data, (int)data.len, &board->acl,
                                is_ephemeral ? ZOO_EPHEMERAL : ZOO_PERSISTENT, on_string, call));
}

void call_delete(struct board *board, const char *path, int version, call_fn fn,
                 struct call_key key)
{
    struct call *call = call_new(board, fn, key, true);
    call_sent(call, zoo_adelete(board->session.handle, path, version, on_void, call));
}

void call_set(struct board *board, const char *path, struct text data, call_fn fn,
              struct call_key key)
{
    struct call *call = call_new(board, fn, key, true);
    call_sent(call,
              zoo_aset(board->session.handle, path, data.data, (int)data.len, -1, on_stat, call));
}

void call_get(struct board *board, const char *path, bool watch, call_fn fn, struct call_key key)
{
    struct call *call = call_new(board, fn, key, false);
    call_sent(call, zoo_aget(board->session.handle, path, watch, on_data, call));
}

void call_exists(struct board *board, const char *path, bool watch, call_fn fn, struct call_key key)
{
    struct call *call = call_new(board, fn, key, false);
    call_sent(call, zoo_aexists(board->session.handle, path, watch, on_stat, call));
}

void call_children(struct board *board, const char *path, bool watch, call_fn fn,
                   struct call_key key)
{
    struct call *call = call_new(board, fn, key, false);
    call_sent(call, zoo_aget_children(board->session.handle, path, watch, on_names, call));
}

void call_sync(struct board *board, const char *path, call_fn fn, struct call_key key)
{
    struct call *call = call_new(board, fn, key, false);
    call_sent(call, zoo_async(board->session.handle, path, on_string, call));
}
