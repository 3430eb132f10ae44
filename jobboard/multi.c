/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"

#define OPS_PER_REQUEST_MAX 3
#define OP_DATA_MAX         64
#define OP_OVERHEAD         64

_Static_assert(MULTI_OPS_MAX *(PATH_MAX_LEN + OP_DATA_MAX + OP_OVERHEAD) <= MULTI_BYTES_MAX,
               "a full multi stays below the server's limit, so bytes need no counting");

enum op_kind { OP_CREATE, OP_DELETE, OP_CHECK };

/* One multi under way. Requests in it stay alive until it is answered: nobody else answers them
 * but the end of the session, which first lets the library run the completion. */
struct batch {
    struct board *board;
    size_t count;
    int op_count;
    struct request *requests[MULTI_OPS_MAX];
    int first_op[MULTI_OPS_MAX]; /* of each request */
    enum op_kind kinds[MULTI_OPS_MAX];
    zoo_op_t ops[MULTI_OPS_MAX];
    zoo_op_result_t results[MULTI_OPS_MAX];
    struct path paths[MULTI_OPS_MAX];
    uint8_t data[MULTI_OPS_MAX][OP_DATA_MAX];
};

/* ------------------------------------------------------------------------------------ building */

static void add_create(struct batch *batch, struct path path, const struct wire_bytes *bytes,
                       int mode)
{
    int op = batch->op_count++;
    CHECK(op < MULTI_OPS_MAX && bytes->len <= OP_DATA_MAX);
    batch->kinds[op] = OP_CREATE;
    batch->paths[op] = path;
    memcpy(batch->data[op], bytes->data, bytes->len);
    zoo_create_op_init(&batch->ops[op], batch->paths[op].text, (char *)batch->data[op],
                       (int)bytes->len, &batch->board->acl, mode, NULL, 0);
}

static void add_delete(struct batch *batch, struct path path)
{
    int op = batch->op_count++;
    CHECK(op < MULTI_OPS_MAX);
    batch->kinds[op] = OP_DELETE;
    batch->paths[op] = path;
    zoo_delete_op_init(&batch->ops[op], batch->paths[op].text, -1);
}

static void add_check(struct batch *batch, struct path path)
{
    int op = batch->op_count++;
    CHECK(op < MULTI_OPS_MAX);
    batch->kinds[op] = OP_CHECK;
    batch->paths[op] = path;
    zoo_check_op_init(&batch->ops[op], batch->paths[op].text, -1);
}

static void add_card(struct batch *batch, const struct card *card)
{
    struct wire_card contents = {.format = FORMAT_NOW, .placed_at_us = clock_unix_us()};
    struct wire_bytes bytes;
    CHECK(wire_pack_card(&contents, &bytes) == 0);
    add_create(batch, path_card(&batch->board->paths, card), &bytes, ZOO_PERSISTENT);
}

static void add_lock(struct batch *batch, const struct request *request)
{
    const struct board *board = batch->board;
    if (request->card_mode == CARD_CHECK)
        add_check(batch, path_card(&board->paths, &request->card));
    else if (request->card_mode == CARD_CREATE)
        add_card(batch, &request->card);
    struct wire_lock lock = {board->session.boot, request->claim};
    struct wire_bytes bytes;
    CHECK(wire_pack_lock(&lock, &bytes) == 0);
    add_create(batch, path_lock(&board->paths, request->card.shard, &request->card.job), &bytes,
               ZOO_EPHEMERAL);
}

static void add_request(struct batch *batch, struct request *request)
{
    const struct paths *paths = &batch->board->paths;
    const struct card *card = &request->card;
    batch->first_op[batch->count] = batch->op_count;
    batch->requests[batch->count++] = request;
    switch (request->kind) {
    case REQUEST_LOCK:
        add_lock(batch, request);
        break;
    case REQUEST_CONSUME:
    case REQUEST_RELEASE:
        add_delete(batch, path_lock(paths, card->shard, &card->job));
        add_delete(batch, path_card(paths, card));
        if (request->kind == REQUEST_RELEASE)
            add_card(batch, &request->new_card);
        break;
    case REQUEST_PLACE:
        add_card(batch, card);
        break;
    case REQUEST_REMOVE:
        add_delete(batch, path_card(paths, card));
        break;
    case REQUEST_UNLOCK:
    case REQUEST_LIST:
    case REQUEST_COUNT:
        UNREACHABLE();
    }
}

/* ----------------------------------------------------------------------------------- answering */

static bool touches_lock(const struct request *request)
{
    return request->kind != REQUEST_PLACE && request->kind != REQUEST_REMOVE;
}

void multi_requeue(struct board *board, struct request *request)
{
    CHECK(!request->queue);
    DL_PREPEND2(board->batchable, request, queue_prev, queue_next);
    request->queue = &board->batchable;
}

static void outcome_is_unknown(struct board *board, struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct request *request = batch->requests[i];
        board->counts.unknown++;
        if (touches_lock(request))
            locks_prove(board, request, false);
        else
            request_answer(board, request, BOARD_UNKNOWN);
    }
}

/* What the one job that the result names does next. */
enum verdict { AGAIN, MAKE_FOLDERS, PROVE, ANSWER_OK, ANSWER_REFUSED, ANSWER_UNKNOWN };

/* A card's or a lock's folder is missing. */
static enum verdict folder_is_missing(struct board *board, struct request *request, bool of_card)
{
    if (request->folder_tries++ == 0)
        return MAKE_FOLDERS;
    if (of_card && !folders_can_make(board, request)) {
        /* Nobody told us this pool's tags: a lock does without its card, shard_sync places it. */
        if (request->kind == REQUEST_LOCK) {
            request->card_mode = CARD_LEAVE;
            return AGAIN;
        }
        return touches_lock(request) ? PROVE : ANSWER_REFUSED;
    }
    if (request->folder_tries <= FOLDER_TRIES_MAX)
        return MAKE_FOLDERS;
    return touches_lock(request) ? PROVE : ANSWER_UNKNOWN;
}

/* `op` counts within the request: 0 is the card unless it is left alone, the last is the lock. */
static enum verdict judge_lock(struct board *board, struct request *request, int op, int err)
{
    bool of_card = op == 0 && request->card_mode != CARD_LEAVE;
    if (err == ZNONODE && of_card && request->card_mode == CARD_CHECK) {
        request->card_mode = CARD_CREATE;
        return request->flips++ < CARD_FLIPS_MAX ? AGAIN : PROVE;
    }
    if (err == ZNODEEXISTS && of_card) {
        request->card_mode = CARD_CHECK;
        return request->flips++ < CARD_FLIPS_MAX ? AGAIN : PROVE;
    }
    if (err == ZNONODE)
        return folder_is_missing(board, request, of_card);
    return err == ZNOAUTH ? ANSWER_REFUSED : PROVE;
}

static enum verdict judge(struct board *board, struct request *request, int op, bool creates,
                          int err)
{
    if (err == ZNOAUTH)
        event_trouble(board, ERR_REFUSED, "the board's access list does not let us write");
    switch (request->kind) {
    case REQUEST_LOCK:
        return judge_lock(board, request, op, err);
    case REQUEST_CONSUME:
    case REQUEST_RELEASE:
        return err == ZNONODE && creates ? folder_is_missing(board, request, true) : PROVE;
    case REQUEST_PLACE:
        return err == ZNODEEXISTS ? ANSWER_OK
               : err == ZNONODE   ? folder_is_missing(board, request, true)
                                  : ANSWER_REFUSED;
    case REQUEST_REMOVE:
        return err == ZNONODE ? ANSWER_OK : ANSWER_REFUSED;
    case REQUEST_UNLOCK:
    case REQUEST_LIST:
    case REQUEST_COUNT:
        break;
    }
    UNREACHABLE();
}

static void carry_out(struct board *board, struct request *request, enum verdict verdict)
{
    switch (verdict) {
    case AGAIN:
    case MAKE_FOLDERS:
        multi_requeue(board, request);
        break;
    case PROVE:
        locks_prove(board, request, true);
        break;
    case ANSWER_OK:
        request_answer(board, request, BOARD_OK);
        break;
    case ANSWER_REFUSED:
        request_answer(board, request, BOARD_REFUSED);
        break;
    case ANSWER_UNKNOWN:
        request_answer(board, request, BOARD_UNKNOWN);
        break;
    }
}

/* The operation that failed: those before it report 0 though nothing was applied, those behind it
 * ZRUNTIMEINCONSISTENCY. */
static int failed_op(const struct batch *batch)
{
    for (int op = 0; op < batch->op_count; op++) {
        if (batch->results[op].err != ZOK && batch->results[op].err != ZRUNTIMEINCONSISTENCY)
            return op;
    }
    return 0;
}

/* Nothing was applied. The named job goes its own way, the rest goes again in its old order. */
static void multi_failed(struct board *board, struct batch *batch, int rc)
{
    int op = failed_op(batch);
    size_t named = batch->count - 1;
    while (batch->first_op[named] > op)
        named--;
    int err = batch->results[op].err ? batch->results[op].err : rc;
    enum verdict verdict = judge(board, batch->requests[named], op - batch->first_op[named],
                                 batch->kinds[op] == OP_CREATE, err);
    if (verdict == MAKE_FOLDERS)
        folders_make(board, batch->requests, batch->count);
    for (size_t i = batch->count; i-- > 0;) {
        struct request *request = batch->requests[i];
        if (i == named) {
            carry_out(board, request, verdict);
            continue;
        }
        if (verdict != MAKE_FOLDERS)
            request->failures++;
        multi_requeue(board, request);
    }
}

static unsigned writes_in(const struct batch *batch)
{
    unsigned writes = 0;
    for (int op = 0; op < batch->op_count; op++)
        writes += batch->kinds[op] != OP_CHECK;
    return writes;
}

static void on_multi(int rc, const void *data)
{
    struct batch *batch = (struct batch *)data;
    struct board *board = batch->board;
    if (board->session.is_dead) {
        free(batch);
        return;
    }
    board->multis_in_flight--;
    if (rc == ZOK) {
        board->counts.znodes_written += writes_in(batch);
        for (size_t i = 0; i < batch->count; i++)
            request_answer(board, batch->requests[i], BOARD_OK);
    } else if (rc_is_unknown(rc)) {
        outcome_is_unknown(board, batch);
    } else {
        multi_failed(board, batch, rc);
    }
    free(batch);
}

/* ------------------------------------------------------------------------------------- sending */

static bool goes_alone(const struct request *request)
{
    return request->failures >= FAILURES_BEFORE_SOLO;
}

static struct request *take(struct board *board)
{
    struct request *request = board->batchable;
    DL_DELETE2(board->batchable, request, queue_prev, queue_next);
    request->queue = NULL;
    return request;
}

/* A multi deletes a lock by its name: it has to be ours for certain. */
static bool deletes_in_doubt(const struct board *board, const struct request *request)
{
    bool deletes = request->kind == REQUEST_CONSUME || request->kind == REQUEST_RELEASE;
    return deletes && !locks_is_held(board, request);
}

static void fill_batch(struct board *board, struct batch *batch)
{
    bool alone = false;
    int64_t now_ms = clock_now_ms();
    while (board->batchable && !alone && batch->op_count + OPS_PER_REQUEST_MAX <= MULTI_OPS_MAX) {
        alone = goes_alone(board->batchable);
        if (alone && batch->count > 0)
            break;
        struct request *request = take(board);
        if (deletes_in_doubt(board, request))
            locks_prove(board, request, true);
        else if (request->until_ms && request->until_ms <= now_ms)
            request_answer(board, request, BOARD_VOID);
        else
            add_request(batch, request);
    }
    board->counts.resent_singly += alone && batch->count == 1;
}

static void send_batch(struct board *board)
{
    struct batch *batch = xmalloc(sizeof *batch);
    batch->board = board;
    batch->count = 0;
    batch->op_count = 0;
    fill_batch(board, batch);
    if (batch->count == 0) {
        free(batch);
        return;
    }
    memset(batch->results, 0, sizeof batch->results);
    board->multis_in_flight++;
    board->counts.multis++;
    board->counts.multi_ops += (uint64_t)batch->op_count;
    if (zoo_amulti(board->session.handle, batch->op_count, batch->ops, batch->results, on_multi,
                   batch) != ZOK)
        on_multi(ZCONNECTIONLOSS, batch);
}

static void send_single(struct board *board, struct request *request)
{
    DL_DELETE2(board->singles, request, queue_prev, queue_next);
    request->queue = NULL;
    if (request->kind == REQUEST_LIST)
        shards_list(board, request);
    else if (request->kind == REQUEST_COUNT)
        shards_count(board, request);
    else
        locks_send_proof(board, request);
}

bool multi_has_work(const struct board *board)
{
    bool may_batch = board->multis_in_flight < MULTIS_IN_FLIGHT && board->folders_in_flight == 0;
    return (board->singles && board->singles_in_flight < SINGLES_IN_FLIGHT) ||
           (board->batchable && may_batch);
}

static void pump_singles(struct board *board)
{
    while (board->singles && board->singles_in_flight < SINGLES_IN_FLIGHT && session_is_up(board))
        send_single(board, board->singles);
}

void multi_pump(struct board *board)
{
    pump_singles(board);
    while (board->batchable && board->multis_in_flight < MULTIS_IN_FLIGHT &&
           board->folders_in_flight == 0 && session_is_up(board))
        send_batch(board);
    pump_singles(board);
}
