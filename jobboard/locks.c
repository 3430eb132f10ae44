/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include "base/alloc.h"
#include "base/check.h"

/* The rule of failed and unknown multis, in one place: sync, read the lock, and delete it singly
 * only if its ephemeralOwner is this session and it carries this claim.
 *
 * A multi deletes a lock by its name, whoever's it is. So multis that delete are sent only for
 * locks that are known to be held: a lock's multi was acknowledged, and nothing since has put it in
 * doubt. All others are settled by the rule, one by one. */

enum sight { SIGHT_ABSENT, SIGHT_OURS, SIGHT_OTHERS, SIGHT_UNSURE };

static enum sight look(const struct board *board, const struct request *request,
                       const struct reply *reply)
{
    struct wire_lock lock;
    struct text bytes = {reply->data, (size_t)reply->data_len};
    if (reply->rc == ZNONODE)
        return SIGHT_ABSENT;
    if (reply->rc != ZOK)
        return SIGHT_UNSURE;
    if (reply->stat->ephemeralOwner != zoo_client_id(board->session.handle)->client_id)
        return SIGHT_OTHERS;
    bool is_ours = wire_read_lock(bytes, &lock, NULL) == 0 &&
                   uuid_equal(&lock.claim, &request->claim) &&
                   uuid_equal(&lock.boot, &board->session.boot);
    return is_ours ? SIGHT_OURS : SIGHT_OTHERS;
}

static void on_deleted(struct board *board, const struct call_key *key, const struct reply *reply)
{
    bool is_absent = reply->rc == ZOK || reply->rc == ZNONODE;
    request_answer(board, key->request, is_absent ? BOARD_OK : BOARD_UNKNOWN);
}

/* The lock is seen to be absent after a lock's multi: it stood when the server refused ours, and
 * went; or our multi never arrived. The latter is not told as a no: the caller unlocks first. */
static enum board_outcome absent_after(const struct request *request)
{
    if (request->kind != REQUEST_LOCK)
        return BOARD_OK;
    return request->was_refused ? BOARD_TAKEN : BOARD_UNKNOWN;
}

static void delete_ours(struct board *board, struct request *request, const struct reply *reply)
{
    struct path path = path_lock(&board->paths, request->card.shard, &request->card.job);
    call_delete(board, path.text, reply->stat->version, on_deleted,
                (struct call_key){.request = request});
}

static void on_read(struct board *board, const struct call_key *key, const struct reply *reply)
{
    struct request *request = key->request;
    switch (look(board, request, reply)) {
    case SIGHT_ABSENT:
        request_answer(board, request, absent_after(request));
        break;
    case SIGHT_OTHERS:
        request_answer(board, request, BOARD_TAKEN);
        break;
    case SIGHT_UNSURE:
        request_answer(board, request, BOARD_UNKNOWN);
        break;
    case SIGHT_OURS:
        if (request->kind == REQUEST_LOCK)
            request_answer(board, request, BOARD_OK);
        else
            delete_ours(board, request, reply);
        break;
    }
}

static void on_synced(struct board *board, const struct call_key *key, const struct reply *reply)
{
    struct request *request = key->request;
    if (reply->rc != ZOK) {
        request_answer(board, request, BOARD_UNKNOWN);
        return;
    }
    struct path path = path_lock(&board->paths, request->card.shard, &request->card.job);
    call_get(board, path.text, false, on_read, *key);
}

void locks_send_proof(struct board *board, struct request *request)
{
    CHECK(request->kind == REQUEST_UNLOCK || request->is_proving);
    struct path path = path_lock(&board->paths, request->card.shard, &request->card.job);
    call_sync(board, path.text, on_synced, (struct call_key){.request = request});
}

void locks_prove(struct board *board, struct request *request, bool was_refused)
{
    CHECK(!request->queue);
    request->is_proving = true;
    request->was_refused = was_refused;
    DL_APPEND2(board->singles, request, queue_prev, queue_next);
    request->queue = &board->singles;
}

/* ---------------------------------------------------------------------------------------- held */

static struct held_lock *find_held(const struct board *board, const struct uuid *job)
{
    struct held_lock *held;
    HASH_FIND(hh, board->held, job, sizeof *job, held);
    return held;
}

static void forget(struct board *board, struct held_lock *held)
{
    HASH_DEL(board->held, held);
    free(held);
}

bool locks_is_held(const struct board *board, const struct request *request)
{
    const struct held_lock *held = find_held(board, &request->card.job);
    return held && uuid_equal(&held->claim, &request->claim);
}

static void hold(struct board *board, const struct request *request)
{
    struct held_lock *held = find_held(board, &request->card.job);
    if (!held) {
        held = xcalloc(1, sizeof *held);
        held->job = request->card.job;
        HASH_ADD(hh, board->held, job, sizeof held->job, held);
    }
    held->claim = request->claim;
}

void locks_note(struct board *board, const struct request *request, enum board_outcome outcome)
{
    bool is_ending = request->kind == REQUEST_UNLOCK || request->kind == REQUEST_CONSUME ||
                     request->kind == REQUEST_RELEASE;
    if (request->kind == REQUEST_LOCK && outcome == BOARD_OK)
        hold(board, request);
    else if (is_ending && outcome != BOARD_REFUSED && locks_is_held(board, request))
        forget(board, find_held(board, &request->card.job));
}

void locks_session_ended(struct board *board)
{
    struct held_lock *held, *next;
    HASH_ITER(hh, board->held, held, next)
    {
        forget(board, held);
    }
}
