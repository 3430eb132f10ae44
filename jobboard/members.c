/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include "base/alloc.h"

/* A folder's children are watched, their data are not: heartbeats wake nobody. Data are read once
 * per boot and again only when somebody asks (free slots). */

void members_session_began(struct board *board)
{
    bool watches = board->is_engine;
    board->engines.is_stale = board->division.is_stale = watches || board->members_wanted;
    board->pools_view.is_stale = watches;
}

static void forget_peer(struct board *board, struct peer *peer)
{
    HASH_DEL(board->peers, peer);
    arena_done(&peer->arena);
    free(peer);
}

void members_session_ended(struct board *board)
{
    struct peer *peer, *next;
    HASH_ITER(hh, board->peers, peer, next)
    {
        forget_peer(board, peer);
    }
    free(board->dividing);
    board->dividing = NULL;
    board->dividing_count = board->peers_reading = 0;
    board->engines = board->division = (struct folder_view){0};
    board->members_dirty = false;
    pools_session_ended(board);
}

bool members_changed(struct board *board, const char *path)
{
    struct path poke = path_poke(&board->paths, &board->session.boot);
    if (!strcmp(path, board->paths.engines.text))
        board->engines.is_stale = true;
    else if (!strcmp(path, board->paths.division.text))
        board->division.is_stale = true;
    else if (!strcmp(path, board->paths.jobs.text))
        board->pools_view.is_stale = true;
    else if (!strcmp(path, poke.text))
        presence_poked(board);
    else
        return false;
    return true;
}

void board_read_members(struct board *board)
{
    struct peer *peer, *next;
    HASH_ITER(hh, board->peers, peer, next)
    {
        peer->needs_read = true;
    }
    board->engines.is_stale = board->division.is_stale = true;
    board->members_wanted = true;
}

/* Whether a listing came; one whose answer was lost goes again. */
bool folder_view_listed(struct board *board, struct folder_view *view, const struct reply *reply)
{
    view->is_busy = false;
    if (reply->rc == ZOK) {
        view->is_loaded = true;
        return true;
    }
    if (rc_is_unknown(reply->rc))
        view->is_stale = true;
    else if (reply->rc == ZNONODE && board->is_engine)
        root_repair_folders(board); /* and looks again: nothing is watched now */
    else
        event_trouble(board, ERR_REFUSED, "the board's folders cannot be listed: %s",
                      zerror(reply->rc));
    return false;
}

void folder_view_list(struct board *board, struct folder_view *view, const struct path *path,
                      call_fn fn)
{
    if (!view->is_stale || view->is_busy)
        return;
    view->is_stale = false;
    view->is_busy = true;
    call_children(board, path->text, board->is_engine, fn, (struct call_key){0});
}

/* --------------------------------------------------------------------------------------- peers */

static struct peer *find_peer(struct board *board, const struct uuid *boot)
{
    struct peer *peer;
    HASH_FIND(hh, board->peers, boot, sizeof *boot, peer);
    return peer;
}

static void see_peer(struct board *board, const char *name)
{
    struct uuid boot;
    if (!path_parse_boot(text_of(name), &boot)) {
        board->counts.garbage_names++;
        return;
    }
    struct peer *peer = find_peer(board, &boot);
    if (!peer) {
        peer = xcalloc(1, sizeof *peer);
        peer->boot = peer->member.boot = boot;
        peer->needs_read = true;
        HASH_ADD(hh, board->peers, boot, sizeof peer->boot, peer);
    }
    peer->is_seen = true;
}

static void on_engines(struct board *board, const struct call_key *key, const struct reply *reply)
{
    if (!folder_view_listed(board, &board->engines, reply))
        return;
    struct peer *peer, *next;
    HASH_ITER(hh, board->peers, peer, next)
    {
        peer->is_seen = false;
    }
    for (int32_t i = 0; i < reply->names->count; i++)
        see_peer(board, reply->names->data[i]);
    HASH_ITER(hh, board->peers, peer, next)
    {
        if (!peer->is_seen)
            forget_peer(board, peer);
    }
    board->members_dirty = true;
}

static void on_division(struct board *board, const struct call_key *key, const struct reply *reply)
{
    if (!folder_view_listed(board, &board->division, reply))
        return;
    int32_t count = reply->names->count;
    board->dividing = xrealloc(board->dividing, (size_t)count + 1, sizeof *board->dividing);
    board->dividing_count = 0;
    for (int32_t i = 0; i < count; i++) {
        if (path_parse_boot(text_of(reply->names->data[i]),
                            &board->dividing[board->dividing_count]))
            board->dividing_count++;
        else
            board->counts.garbage_names++;
    }
    board->members_dirty = true;
}

/* A node that cannot be read still is a live session: it is shown without particulars, since a
 * missing boot would mean that its locks are gone. */
static void fill_peer(struct board *board, struct peer *peer, const struct reply *reply)
{
    struct text bytes = {reply->data, (size_t)reply->data_len};
    arena_reset(&peer->arena);
    peer->member = (struct member){.name = TEXT("")};
    if (wire_read_engine(&peer->arena, bytes, &peer->member, NULL) != 0)
        board->counts.garbage_names++;
    peer->member.boot = peer->boot;
}

static void on_peer(struct board *board, const struct call_key *key, const struct reply *reply)
{
    board->peers_reading--;
    struct peer *peer = find_peer(board, &key->boot);
    if (!peer)
        return;
    peer->is_reading = false;
    if (reply->rc == ZOK)
        fill_peer(board, peer, reply);
    else if (rc_is_unknown(reply->rc))
        peer->needs_read = true;
    else if (reply->rc == ZNONODE)
        forget_peer(board, peer);
    board->members_dirty = true;
}

static void read_peers(struct board *board)
{
    struct peer *peer, *next;
    HASH_ITER(hh, board->peers, peer, next)
    {
        if (!peer->needs_read || peer->is_reading || board->singles_in_flight >= SINGLES_IN_FLIGHT)
            continue;
        peer->needs_read = false;
        peer->is_reading = true;
        board->peers_reading++;
        struct path path = path_engine(&board->paths, &peer->boot);
        call_get(board, path.text, false, on_peer, (struct call_key){.boot = peer->boot});
    }
}

static bool some_peer_is_unread(const struct board *board)
{
    for (const struct peer *peer = board->peers; peer; peer = peer->hh.next) {
        if (peer->needs_read)
            return true;
    }
    return false;
}

static bool is_dividing(const struct board *board, const struct uuid *boot)
{
    for (size_t i = 0; i < board->dividing_count; i++) {
        if (uuid_equal(&board->dividing[i], boot))
            return true;
    }
    return false;
}

static struct member copy_member(const struct board *board, struct arena *arena,
                                 const struct member *from)
{
    struct member copy = *from;
    copy.name = arena_text(arena, from->name);
    copy.host = arena_text(arena, from->host);
    struct text *tags = arena_calloc(arena, from->tag_count + 1, sizeof *tags);
    for (size_t i = 0; i < from->tag_count; i++)
        tags[i] = arena_text(arena, from->tags[i]);
    copy.tags = tags;
    copy.dividing = is_dividing(board, &from->boot);
    return copy;
}

static int compare_peers(const struct peer *a, const struct peer *b)
{
    return uuid_compare(&a->boot, &b->boot);
}

static void tell_members(struct board *board)
{
    bool is_complete = board->engines.is_loaded && board->division.is_loaded &&
                       !board->engines.is_busy && !board->division.is_busy &&
                       !board->engines.is_stale && !board->division.is_stale &&
                       board->peers_reading == 0 && !some_peer_is_unread(board);
    if (!is_complete || !board->members_dirty)
        return;
    board->members_dirty = board->members_wanted = false;
    HASH_SORT(board->peers, compare_peers);
    struct event_node *node = event_add(board, BOARD_MEMBERS);
    size_t count = HASH_COUNT(board->peers);
    struct member *members = arena_calloc(&node->arena, count + 1, sizeof *members);
    size_t i = 0;
    for (const struct peer *peer = board->peers; peer; peer = peer->hh.next)
        members[i++] = copy_member(board, &node->arena, &peer->member);
    node->event.members = members;
    node->event.count = count;
}

/* ---------------------------------------------------------------------------------------- pump */

void members_pump(struct board *board)
{
    folder_view_list(board, &board->engines, &board->paths.engines, on_engines);
    folder_view_list(board, &board->division, &board->paths.division, on_division);
    read_peers(board);
    tell_members(board);
    pools_pump(board);
}
