/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include "base/check.h"
#include "base/os/clock.h"

#define BEATS_PER_TIMEOUT 6

int presence_pack_self(const struct board *board, struct wire_bytes *ret_bytes)
{
    return wire_pack_engine(&board->self, ret_bytes);
}

void presence_session_began(struct board *board, int64_t now_ms)
{
    board->beat_busy = board->beat_now = false;
    board->beat_next_ms = now_ms + board->session.timeout_ms / BEATS_PER_TIMEOUT;
    board->divide_want = board->divide_is = board->divide_busy = false;
    board->divide_next_ms = now_ms;
    board->poke_busy = board->poke_armed_once = false;
    board->poke_stale = board->is_engine;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

int64_t presence_deadline_ms(const struct board *board)
{
    if (!board->is_engine)
        return -1;
    int64_t deadline_ms = board->beat_busy ? -1 : board->beat_now ? 0 : board->beat_next_ms;
    if (board->divide_want != board->divide_is && !board->divide_busy)
        deadline_ms = sooner(deadline_ms, board->divide_next_ms);
    if (board->poke_stale && !board->poke_busy)
        deadline_ms = 0;
    return deadline_ms;
}

/* --------------------------------------------------------------------------------------- beats */

static void on_beat(struct board *board, const struct call_key *key, const struct reply *reply)
{
    board->beat_busy = false;
    if (reply->rc == ZOK) {
        struct event_node *node = event_add(board, BOARD_ALIVE);
        node->event.boot = key->boot;
        node->event.sent_ms = key->sent_ms;
    } else if (rc_is_unknown(reply->rc)) {
        board->beat_now = true;
    } else {
        /* Somebody removed our node: peers take this boot for gone, so it has to be. */
        event_trouble(board, ERR_REFUSED, "our node in engines/ cannot be written: %s",
                      zerror(reply->rc));
        session_want_end(board, END_BROKEN);
    }
}

static void beat(struct board *board, int64_t now_ms)
{
    if (board->beat_busy || (!board->beat_now && now_ms < board->beat_next_ms))
        return;
    struct wire_bytes bytes;
    CHECK(presence_pack_self(board, &bytes) == 0);
    struct path path = path_engine(&board->paths, &board->session.boot);
    board->beat_busy = true;
    board->beat_now = false;
    board->beat_next_ms = now_ms + board->session.timeout_ms / BEATS_PER_TIMEOUT;
    call_set(board, path.text, text_of_bytes(&bytes), on_beat,
             (struct call_key){.boot = board->session.boot, .sent_ms = clock_now_ms()});
}

void board_set_free(struct board *board, int32_t free_slots, bool draining)
{
    if (board->self.draining != draining)
        board->beat_now = true;
    board->self.free = free_slots;
    board->self.draining = draining;
}

/* ------------------------------------------------------------------------------------ division */

static void on_division(struct board *board, bool wanted, int rc)
{
    board->divide_busy = false;
    if (rc == ZOK || rc == (wanted ? ZNODEEXISTS : ZNONODE))
        board->divide_is = wanted;
    else if (!rc_is_unknown(rc)) {
        event_trouble(board, ERR_REFUSED, "division/ cannot be written: %s", zerror(rc));
        board->divide_next_ms = clock_now_ms() + ROOT_CHECK_MS;
    }
}

static void on_entered(struct board *board, const struct call_key *key, const struct reply *reply)
{
    on_division(board, true, reply->rc);
}

static void on_left(struct board *board, const struct call_key *key, const struct reply *reply)
{
    on_division(board, false, reply->rc);
}

static void divide(struct board *board, int64_t now_ms)
{
    bool is_due = board->divide_want != board->divide_is && now_ms >= board->divide_next_ms;
    if (board->divide_busy || !is_due)
        return;
    board->divide_busy = true;
    struct path path = path_division(&board->paths, &board->session.boot);
    if (board->divide_want)
        call_create(board, path.text, TEXT(""), true, on_entered, (struct call_key){0});
    else
        call_delete(board, path.text, -1, on_left, (struct call_key){0});
}

void board_divide(struct board *board, bool take_part)
{
    CHECK(board->is_engine);
    board->divide_want = take_part;
}

/* --------------------------------------------------------------------------------------- pokes */

static void on_poke_read(struct board *board, const struct call_key *key, const struct reply *reply)
{
    board->poke_busy = false;
    if (reply->rc != ZOK) {
        board->poke_stale = rc_is_unknown(reply->rc);
        return;
    }
    /* The first reading only arms; what was told before the session began is read anyway. */
    if (board->poke_armed_once)
        event_add(board, BOARD_POKED);
    board->poke_armed_once = true;
}

static void arm_poke(struct board *board)
{
    if (!board->poke_stale || board->poke_busy)
        return;
    board->poke_stale = false;
    board->poke_busy = true;
    struct path path = path_poke(&board->paths, &board->session.boot);
    call_get(board, path.text, true, on_poke_read, (struct call_key){0});
}

void presence_poked(struct board *board)
{
    board->poke_stale = true;
}

static void on_poked(struct board *board, const struct call_key *key, const struct reply *reply)
{
}

void board_poke(struct board *board, const struct uuid *boot)
{
    if (!session_is_up(board))
        return;
    struct path path = path_poke(&board->paths, boot);
    call_set(board, path.text, TEXT(""), on_poked, (struct call_key){0});
}

void presence_pump(struct board *board, int64_t now_ms)
{
    if (!board->is_engine)
        return;
    beat(board, now_ms);
    divide(board, now_ms);
    arm_poke(board);
}
