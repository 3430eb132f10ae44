/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include "base/check.h"
#include "base/placement.h"

/* Folders are made when something is first put there. While their answers are out no multi is
 * sent, so that a whole batch waits for them once instead of failing job by job. */

static void on_made(struct board *board, const struct call_key *key, const struct reply *reply)
{
    CHECK(board->folders_in_flight > 0);
    board->folders_in_flight--;
    board->folders_broken |= reply->rc == ZNONODE;
    if (board->folders_in_flight > 0 || !board->folders_broken)
        return;
    board->folders_broken = false;
    root_repair_folders(board);
}

static void make(struct board *board, struct path path, struct text data)
{
    board->folders_in_flight++;
    call_create(board, path.text, data, false, on_made, (struct call_key){0});
}

/* The card that a request creates, or NULL. */
static const struct card *created_card(const struct request *request)
{
    if (request->kind == REQUEST_RELEASE)
        return &request->new_card;
    return request->kind == REQUEST_LOCK || request->kind == REQUEST_PLACE ? &request->card : NULL;
}

static bool is_plain(const struct pool *pool)
{
    return !strcmp(pool->name, "-");
}

bool folders_can_make(const struct board *board, const struct request *request)
{
    const struct card *card = created_card(request);
    return card && (is_plain(&card->pool) || request->tag_count || pools_find(board, &card->pool));
}

static void make_pool(struct board *board, const struct request *request)
{
    const struct pool *pool = &created_card(request)->pool;
    const struct known_pool *known = pools_find(board, pool);
    struct wire_bytes bytes;
    int code;
    if (request->tag_count || !known)
        code = wire_pack_pool(request->tags, request->tag_count, &bytes);
    else
        code = wire_pack_pool(known->tags, known->tag_count, &bytes);
    CHECK(code == 0); /* looked at when the request came, or read from the board */
    make(board, path_pool(&board->paths, pool), text_of_bytes(&bytes));
}

void folders_show_pool(struct board *board, const struct pool *pool, const struct text *tags,
                       size_t tag_count)
{
    struct wire_bytes bytes;
    CHECK(wire_pack_pool(tags, tag_count, &bytes) == 0); /* looked at before */
    make(board, path_pool(&board->paths, pool), text_of_bytes(&bytes));
}

struct needs {
    bool pool, shard, lock_folder;
};

/* What of this request's folders no request before it in the batch has asked for. */
static struct needs needs_of(const struct board *board, struct request **requests, size_t index)
{
    const struct request *request = requests[index];
    const struct card *card = created_card(request);
    struct needs needs = {card && folders_can_make(board, request), card,
                          request->kind == REQUEST_LOCK};
    for (size_t i = 0; i < index && card; i++) {
        const struct card *earlier = created_card(requests[i]);
        if (!earlier)
            continue;
        bool same_pool = pool_equal(&earlier->pool, &card->pool);
        bool same_shard = earlier->shard == card->shard;
        if (same_pool && folders_can_make(board, requests[i]))
            needs.pool = false;
        if (same_pool && same_shard)
            needs.shard = false;
        if (same_shard && requests[i]->kind == REQUEST_LOCK)
            needs.lock_folder = false;
    }
    return needs;
}

void folders_make(struct board *board, struct request **requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct card *card = created_card(requests[i]);
        struct needs needs = needs_of(board, requests, i);
        if (needs.pool)
            make_pool(board, requests[i]);
        if (needs.shard)
            make(board, path_shard(&board->paths, &card->pool, card->shard), TEXT(""));
        if (needs.lock_folder)
            make(board, path_lock_folder(&board->paths, card->shard), TEXT(""));
    }
}
