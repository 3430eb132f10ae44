/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"

#define FIXED_FOLDERS 6 /* the root and its five folders */

void root_session_began(struct board *board, int64_t now_ms)
{
    board->root_busy = board->root_create = board->root_told = board->joined_engines = false;
    board->root_next_ms = now_ms;
}

int64_t root_deadline_ms(const struct board *board)
{
    return board->root_busy ? -1 : board->root_next_ms;
}

static void again_in(struct board *board, int64_t pause_ms)
{
    board->root_busy = false;
    board->root_next_ms = clock_now_ms() + pause_ms;
}

/* ------------------------------------------------------------------------------------- joining */

static void session_is_up_now(struct board *board)
{
    struct session *session = &board->session;
    session->phase = SESSION_UP;
    backoff_succeeded(&session->pause);
    board->told.code = 0;
    struct event_node *node = event_add(board, BOARD_SESSION_BEGAN);
    node->event.boot = session->boot;
    node->event.sent_ms = board->join_sent_ms;
    node->event.timeout_ms = session->timeout_ms;
    presence_session_began(board, clock_now_ms());
    members_session_began(board);
}

/* The watches of the old one went with it. */
static void on_folder(struct board *board, const struct call_key *key, const struct reply *reply)
{
    bool is_there = reply->rc == ZOK || reply->rc == ZNODEEXISTS;
    if (is_there && board->is_engine)
        board->engines.is_stale = board->division.is_stale = board->pools_view.is_stale = true;
}

void root_repair_folders(struct board *board)
{
    const struct path *folders[] = {&board->paths.engines, &board->paths.division,
                                    &board->paths.pokes, &board->paths.jobs, &board->paths.locks};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        call_create(board, folders[i]->text, TEXT(""), false, on_folder, (struct call_key){0});
}

static void on_joined(struct board *board, const struct call_key *key, const struct reply *reply)
{
    /* The boot is fresh: a node that exists already is ours, its answer was lost. */
    bool is_there = reply->rc == ZOK || reply->rc == ZNODEEXISTS;
    if (!is_there && !rc_is_unknown(reply->rc) && reply->rc != ZNONODE)
        event_trouble(board, ERR_REFUSED, "cannot join the board: %s", zerror(reply->rc));
    if (reply->rc == ZNONODE)
        root_repair_folders(board);
    again_in(board, is_there || reply->rc == ZNONODE ? 0 : RECONNECT_PAUSE_MS);
    if (is_there && !board->joined_engines)
        board->joined_engines = true;
    else if (is_there)
        session_is_up_now(board);
}

static void join(struct board *board)
{
    if (!board->is_engine) {
        session_is_up_now(board);
        return;
    }
    struct uuid *boot = &board->session.boot;
    struct wire_bytes bytes = {.len = 0};
    struct path path;
    if (board->joined_engines) {
        path = path_poke(&board->paths, boot);
    } else {
        CHECK(presence_pack_self(board, &bytes) == 0);
        path = path_engine(&board->paths, boot);
        board->join_sent_ms = clock_now_ms();
    }
    board->root_busy = true;
    call_create(board, path.text, text_of_bytes(&bytes), true, on_joined, (struct call_key){0});
}

/* ------------------------------------------------------------------------------------ creating */

struct creation {
    struct board *board;
    zoo_op_result_t results[MULTI_OPS_MAX];
};

static void on_created(int rc, const void *data)
{
    struct creation *creation = (struct creation *)data;
    struct board *board = creation->board;
    free(creation);
    if (board->session.is_dead)
        return;
    again_in(board, rc == ZOK || rc == ZNODEEXISTS ? 0 : RECONNECT_PAUSE_MS);
    if (rc_is_unknown(rc))
        return;
    board->root_create = board->root_told = false;
    if (rc != ZOK && rc != ZNODEEXISTS)
        event_trouble(board, ERR_REFUSED, "cannot create the board: %s", zerror(rc));
}

/* All in one multi: nobody ever sees half a board. More lock folders than fit are made when they
 * are first needed. */
static void create_tree(struct board *board)
{
    struct wire_root root = {board->uuid, FORMAT_NOW, board->shard_count};
    struct wire_bytes bytes;
    CHECK(wire_pack_root(&root, &bytes) == 0);
    struct paths *paths = &board->paths;
    struct path *fixed[FIXED_FOLDERS] = {&paths->root,  &paths->engines, &paths->division,
                                         &paths->pokes, &paths->jobs,    &paths->locks};
    zoo_op_t ops[MULTI_OPS_MAX];
    struct path *locks = xcalloc(MULTI_OPS_MAX, sizeof *locks);
    int count = 0;
    for (; count < FIXED_FOLDERS; count++)
        zoo_create_op_init(&ops[count], fixed[count]->text, count ? "" : (char *)bytes.data,
                           count ? 0 : (int)bytes.len, &board->acl, ZOO_PERSISTENT, NULL, 0);
    for (unsigned shard = 0; shard < board->shard_count && count < MULTI_OPS_MAX;
         shard++, count++) {
        locks[count] = path_lock_folder(paths, (uint16_t)shard);
        zoo_create_op_init(&ops[count], locks[count].text, "", 0, &board->acl, ZOO_PERSISTENT, NULL,
                           0);
    }
    struct creation *creation = xcalloc(1, sizeof *creation);
    creation->board = board;
    board->counts.multis++;
    board->counts.multi_ops += (uint64_t)count;
    if (zoo_amulti(board->session.handle, count, ops, creation->results, on_created, creation) !=
        ZOK)
        on_created(ZCONNECTIONLOSS, creation);
    free(locks);
}

static void on_parent(struct board *board, const struct call_key *key, const struct reply *reply)
{
    if (reply->rc == ZOK || reply->rc == ZNODEEXISTS) {
        create_tree(board);
        return;
    }
    again_in(board, RECONNECT_PAUSE_MS);
    if (rc_is_unknown(reply->rc))
        return;
    board->root_create = board->root_told = false;
    event_trouble(board, ERR_REFUSED, "cannot create %s: %s", PATH_ROOT, zerror(reply->rc));
}

void board_create_root(struct board *board)
{
    board->root_create = true;
    board->root_next_ms = 0;
}

/* ------------------------------------------------------------------------------------- checking */

static void root_is_missing(struct board *board)
{
    if (!board->root_told)
        event_add(board, BOARD_ROOT_MISSING);
    board->root_told = true;
    again_in(board, ROOT_CHECK_MS);
}

static bool root_is_ours(struct board *board, struct text bytes)
{
    struct wire_root root;
    struct error error = {0};
    if (wire_read_root(bytes, &root, &error) != 0)
        event_trouble(board, ERR_WRONG_BOARD, "%s is no board: %s", board->paths.root.text,
                      error.text);
    else if (!uuid_equal(&root.uuid, &board->uuid))
        event_trouble(board, ERR_WRONG_BOARD, "%s is board %s, Postgres has %s",
                      board->paths.root.text, UUID_STR(&root.uuid), UUID_STR(&board->uuid));
    else if (root.format > FORMAT_NOW)
        event_trouble(board, ERR_WRONG_BOARD, "%s has format %u, this program knows %d",
                      board->paths.root.text, root.format, FORMAT_NOW);
    else if (root.shard_count != board->shard_count)
        event_trouble(board, ERR_WRONG_BOARD, "%s has %u shards, Postgres has %u",
                      board->paths.root.text, root.shard_count, board->shard_count);
    else
        return true;
    return false;
}

static void on_root(struct board *board, const struct call_key *key, const struct reply *reply)
{
    if (reply->rc == ZNONODE) {
        root_is_missing(board);
        return;
    }
    if (reply->rc != ZOK) {
        if (!rc_is_unknown(reply->rc))
            event_trouble(board, ERR_REFUSED, "cannot read %s: %s", board->paths.root.text,
                          zerror(reply->rc));
        again_in(board, rc_is_unknown(reply->rc) ? RECONNECT_PAUSE_MS : ROOT_CHECK_MS);
        return;
    }
    struct text bytes = {reply->data, (size_t)reply->data_len};
    bool is_ours = root_is_ours(board, bytes);
    again_in(board, is_ours ? 0 : ROOT_CHECK_MS);
    if (is_ours) {
        board->join_sent_ms = key->sent_ms;
        board->session.phase = SESSION_JOIN;
    }
}

void root_pump(struct board *board, int64_t now_ms)
{
    if (board->root_busy || now_ms < board->root_next_ms)
        return;
    if (board->session.phase == SESSION_JOIN) {
        join(board);
        return;
    }
    CHECK(board->session.phase == SESSION_ROOT);
    board->root_busy = true;
    if (board->root_create)
        call_create(board, PATH_ROOT, TEXT(""), false, on_parent, (struct call_key){0});
    else
        call_get(board, board->paths.root.text, false, on_root,
                 (struct call_key){.sent_ms = now_ms});
}
