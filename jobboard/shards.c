/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include "base/alloc.h"
#include "base/placement.h"

static struct shard_key key_of(const struct request *request)
{
    struct shard_key key;
    memset(&key, 0, sizeof key); /* hashed with its padding */
    key.pool = request->card.pool;
    key.shard = request->card.shard;
    return key;
}

static struct watched_shard *find_watched(struct board *board, const struct shard_key *key)
{
    struct watched_shard *watched;
    HASH_FIND(hh, board->watched, key, sizeof *key, watched);
    return watched;
}

static void watch(struct board *board, const struct request *request)
{
    struct shard_key key = key_of(request);
    if (find_watched(board, &key))
        return;
    struct watched_shard *watched = xcalloc(1, sizeof *watched);
    watched->key = key;
    HASH_ADD(hh, board->watched, key, sizeof watched->key, watched);
}

static void forget(struct board *board, struct watched_shard *watched)
{
    HASH_DEL(board->watched, watched);
    free(watched);
}

/* The library keeps the watch until it fires once more; it is passed over then. */
void board_unwatch(struct board *board, const struct pool *pool, uint16_t shard)
{
    struct shard_key key;
    memset(&key, 0, sizeof key);
    key.pool = *pool;
    key.shard = shard;
    struct watched_shard *watched = find_watched(board, &key);
    if (watched)
        forget(board, watched);
}

void shards_session_ended(struct board *board)
{
    struct watched_shard *watched, *next;
    HASH_ITER(hh, board->watched, watched, next)
    {
        forget(board, watched);
    }
}

void shards_watch_fired(struct board *board, const char *path)
{
    struct shard_key key;
    memset(&key, 0, sizeof key);
    if (!path_parse_shard(&board->paths, path, &key.pool, &key.shard) || !find_watched(board, &key))
        return;
    struct event_node *node = event_add(board, BOARD_SHARD_CHANGED);
    node->event.pool = key.pool;
    node->event.shard = key.shard;
}

/* ------------------------------------------------------------------------------------- listing */

static int compare_cards(const void *a, const void *b)
{
    return card_compare(a, b);
}

static void tell_cards(struct board *board, struct request *request,
                       const struct String_vector *names)
{
    struct event_node *node = event_add(board, BOARD_CARDS);
    node->event.tag = request->tag;
    node->event.outcome = BOARD_OK;
    node->event.pool = request->card.pool;
    node->event.shard = request->card.shard;
    int32_t count = names ? names->count : 0;
    struct card *cards = arena_calloc(&node->arena, (size_t)count + 1, sizeof *cards);
    for (int32_t i = 0; i < count; i++) {
        struct card *card = &cards[node->event.count];
        if (path_parse_card(text_of(names->data[i]), card)) {
            card->pool = request->card.pool;
            card->shard = request->card.shard;
            node->event.count++;
        } else {
            board->counts.garbage_names++;
        }
    }
    qsort(cards, node->event.count, sizeof *cards, compare_cards);
    node->event.cards = cards;
    request_free(board, request);
}

static void answer_failed(struct board *board, struct request *request, int rc)
{
    if (!rc_is_unknown(rc))
        event_trouble(board, ERR_REFUSED, "a shard cannot be read: %s", zerror(rc));
    request_answer(board, request, rc_is_unknown(rc) ? BOARD_UNKNOWN : BOARD_REFUSED);
}

/* The folder was missing: the watch now stands on its creation. */
static void on_missing(struct board *board, const struct call_key *key, const struct reply *reply)
{
    struct request *request = key->request;
    if (reply->rc == ZNONODE)
        tell_cards(board, request, NULL);
    else if (reply->rc == ZOK)
        shards_list(board, request);
    else
        answer_failed(board, request, reply->rc);
}

static void on_listed(struct board *board, const struct call_key *key, const struct reply *reply)
{
    struct request *request = key->request;
    struct path path = path_shard(&board->paths, &request->card.pool, request->card.shard);
    if (reply->rc == ZOK)
        tell_cards(board, request, reply->names);
    else if (reply->rc == ZNONODE)
        call_exists(board, path.text, true, on_missing, *key);
    else
        answer_failed(board, request, reply->rc);
}

void shards_list(struct board *board, struct request *request)
{
    watch(board, request);
    struct path path = path_shard(&board->paths, &request->card.pool, request->card.shard);
    call_children(board, path.text, true, on_listed, (struct call_key){.request = request});
}

static void on_counted(struct board *board, const struct call_key *key, const struct reply *reply)
{
    struct request *request = key->request;
    if (reply->rc != ZOK && reply->rc != ZNONODE) {
        answer_failed(board, request, reply->rc);
        return;
    }
    struct event_node *node = event_add(board, BOARD_COUNT);
    node->event.tag = request->tag;
    node->event.outcome = BOARD_OK;
    node->event.pool = request->card.pool;
    node->event.shard = request->card.shard;
    node->event.count = reply->rc == ZOK ? (size_t)reply->stat->numChildren : 0;
    request_free(board, request);
}

void shards_count(struct board *board, struct request *request)
{
    struct path path = path_shard(&board->paths, &request->card.pool, request->card.shard);
    call_exists(board, path.text, false, on_counted, (struct call_key){.request = request});
}
