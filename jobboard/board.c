/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "base/placement.h"

/* ----------------------------------------------------------------------------------------- life */

static int check_options(const struct board_options *options, struct error *ret_error)
{
    struct wire_bytes bytes;
    char id[DIGEST_ID_MAX];
    if (!options->hosts || !options->hosts[0])
        return error_set(ret_error, ERR_INVALID, "no ZooKeeper address given");
    if (!options->name || !paths_name_is_valid(options->name))
        return error_set(ret_error, ERR_INVALID,
                         "board name '%s': expected [a-z0-9][a-z0-9._-]{0,62}",
                         options->name ? options->name : "");
    if (options->shard_count == 0 || options->shard_count > SHARDS_MAX)
        return error_set(ret_error, ERR_INVALID, "%u shards: expected 1 to %d",
                         options->shard_count, SHARDS_MAX);
    if (options->session_timeout_ms < 100)
        return error_set(ret_error, ERR_INVALID, "session timeout of %d ms: expected 100 or more",
                         options->session_timeout_ms);
    if (options->auth && !digest_id(options->auth, id))
        return error_set(ret_error, ERR_INVALID, "ZooKeeper credentials: expected user:password");
    if (options->self && wire_pack_engine(options->self, &bytes) != 0)
        return error_set(ret_error, ERR_TOO_LARGE,
                         "engine name, host or tags: at most %d tags of %d bytes of UTF-8",
                         WIRE_TAGS_MAX, WIRE_TEXT_MAX);
    return 0;
}

static void copy_self(struct board *board, const struct member *self)
{
    board->is_engine = true;
    board->self = *self;
    board->self.name = arena_text(&board->arena, self->name);
    board->self.host = arena_text(&board->arena, self->host);
    struct text *tags = arena_calloc(&board->arena, self->tag_count + 1, sizeof *tags);
    for (size_t i = 0; i < self->tag_count; i++)
        tags[i] = arena_text(&board->arena, self->tags[i]);
    board->self.tags = tags;
}

/* Never "whoever created it": behind a shared tunnel that is everybody. */
static void prepare_acl(struct board *board, const char *auth)
{
    if (!auth) {
        board->acl = ZOO_OPEN_ACL_UNSAFE;
        return;
    }
    board->auth = xstrdup(auth);
    CHECK(digest_id(auth, board->auth_id));
    board->acl_entry = (struct ACL){ZOO_PERM_ALL, {(char *)"digest", board->auth_id}};
    board->acl = (struct ACL_vector){1, &board->acl_entry};
}

int board_new(const struct board_options *options, struct board **ret_board,
              struct error *ret_error)
{
    int code = check_options(options, ret_error);
    if (code != 0)
        return code;
    struct board *board = xcalloc(1, sizeof *board);
    code = addresses_resolve(options->hosts, &board->addresses, ret_error);
    if (code != 0) {
        free(board);
        return code;
    }
    paths_init(&board->paths, options->name);
    board->uuid = options->board;
    board->shard_count = options->shard_count;
    board->asked_timeout_ms = options->session_timeout_ms;
    random_seed(&board->random, options->seed);
    prepare_acl(board, options->auth);
    if (options->self)
        copy_self(board, options->self);
    closer_init(&board->closer, &board->addresses);
    board->session.fd = board->session.attempt_fd = -1;
    board->session.pause = (struct backoff){SESSION_PAUSE_MS, SESSION_PAUSE_MAX_MS, 0};
    board->session.next_ms = clock_now_ms();
    session_observe(board, board->session.next_ms);
    *ret_board = board;
    return 0;
}

/* Gives the close a moment: a client that leaves shall not stay in the server's table. */
static void close_briefly(struct board *board)
{
    int64_t now_ms = clock_now_ms();
    board->is_closing = false;
    board->close_until_ms = now_ms + FREE_WAIT_MS;
    session_want_end(board, END_CLOSED);
    session_observe(board, now_ms);
    struct source sources[BOARD_SOURCES_MAX];
    size_t count = board_sources(board, sources);
    while (board->closer.is_active && now_ms < board->close_until_ms) {
        source_poll(sources, count, board->close_until_ms);
        now_ms = clock_now_ms();
    }
}

void board_free(struct board *board)
{
    if (!board)
        return;
    close_briefly(board);
    closer_stop(&board->closer);
    CHECK(!board->all && !board->session.handle);
    events_free(board);
    arena_done(&board->arena);
    free(board->auth);
    free(board);
}

void board_give_up(struct board *board)
{
    if (board->session.phase != SESSION_CLOSED && board->session.handle)
        session_want_end(board, END_GIVEN_UP);
}

void board_close(struct board *board, int64_t wait_ms)
{
    if (board->is_closing)
        return;
    board->is_closing = true;
    board->close_until_ms = clock_now_ms() + wait_ms;
    session_want_end(board, END_CLOSED);
}

bool board_is_connected(const struct board *board)
{
    return session_is_connected(board);
}

const struct board_counts *board_counted(const struct board *board)
{
    return &board->counts;
}

/* ------------------------------------------------------------------------------------- sources */

static void interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    session_interest(self, now_ms, ret_interest);
}

static void closer_source_interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    struct board *board = self;
    closer_interest(&board->closer, now_ms, ret_interest);
}

/* A clean exit is told when the server confirmed, or the caller's patience is over. */
static void tell_closed(struct board *board)
{
    if (!board->is_closing || board->session.phase != SESSION_CLOSED || board->closer.is_active)
        return;
    board->is_closing = false;
    event_add(board, BOARD_SESSION_ENDED)->event.boot = board->session.boot;
}

static void process(void *self, bool readable, bool writable, int64_t now_ms)
{
    session_process(self, readable, writable, now_ms);
    tell_closed(self);
}

static void closer_source_process(void *self, bool readable, bool writable, int64_t now_ms)
{
    struct board *board = self;
    closer_process(&board->closer, readable, writable, now_ms);
    tell_closed(board);
}

size_t board_sources(struct board *board, struct source ret_sources[BOARD_SOURCES_MAX])
{
    ret_sources[0] = (struct source){"zookeeper", board, interest, process};
    ret_sources[1] =
        (struct source){"zookeeper-close", board, closer_source_interest, closer_source_process};
    return 2;
}

/* ------------------------------------------------------------------------------------ requests */

static bool card_is_sound(const struct board *board, const struct card *card)
{
    struct pool pool;
    return card->shard < board->shard_count && card->priority <= PRIORITY_MAX &&
           card->ready_at_us >= 0 && memchr(card->pool.name, 0, sizeof card->pool.name) &&
           path_parse_pool(text_of(card->pool.name), &pool);
}

/* Unused bytes of a pool's name are cleared: names are hashed as they lie. */
static struct pool clean_pool(const struct pool *pool)
{
    struct pool clean;
    memset(&clean, 0, sizeof clean);
    memcpy(clean.name, pool->name, strnlen(pool->name, POOL_LEN));
    return clean;
}

static struct request *request_new(struct board *board, enum request_kind kind, uint64_t tag,
                                   const struct card *card)
{
    struct request *request = xcalloc(1, sizeof *request);
    request->kind = kind;
    request->tag = tag;
    request->card = *card;
    request->card.pool = clean_pool(&card->pool);
    DL_APPEND(board->all, request);
    return request;
}

static void enqueue(struct board *board, struct request *request)
{
    bool is_single = request->kind == REQUEST_UNLOCK || request->kind == REQUEST_LIST ||
                     request->kind == REQUEST_COUNT;
    if (board->session.phase == SESSION_CLOSED) {
        request_answer(board, request, BOARD_VOID);
        return;
    }
    request->queue = is_single ? &board->singles : &board->batchable;
    DL_APPEND2(*request->queue, request, queue_prev, queue_next);
}

static void refuse(struct board *board, struct request *request)
{
    board->counts.oversize++;
    request_answer(board, request, BOARD_REFUSED);
}

static bool is_present(const struct board *board, const struct uuid *boot)
{
    return board->session.phase == SESSION_UP && board->session.end == END_NOT &&
           uuid_equal(boot, &board->session.boot);
}

/* A request that is meant for one session. */
static struct request *lock_request(struct board *board, enum request_kind kind, uint64_t tag,
                                    const struct uuid *boot, const struct card *card,
                                    const struct uuid *claim)
{
    struct request *request = request_new(board, kind, tag, card);
    request->claim = *claim;
    if (!card_is_sound(board, card))
        refuse(board, request);
    else if (!is_present(board, boot))
        request_answer(board, request, BOARD_VOID);
    else
        return request;
    return NULL;
}

void board_lock(struct board *board, const struct uuid *boot, const struct card *card,
                const struct uuid *claim, uint64_t tag)
{
    struct request *request = lock_request(board, REQUEST_LOCK, tag, boot, card, claim);
    if (request)
        enqueue(board, request);
}

void board_unlock(struct board *board, const struct uuid *boot, uint16_t shard,
                  const struct uuid *job, const struct uuid *claim, uint64_t tag)
{
    struct card card = {.job = *job, .pool = {"-"}, .shard = shard};
    struct request *request = lock_request(board, REQUEST_UNLOCK, tag, boot, &card, claim);
    if (request)
        enqueue(board, request);
}

void board_consume(struct board *board, const struct uuid *boot, const struct card *card,
                   const struct uuid *claim, uint64_t tag)
{
    struct request *request = lock_request(board, REQUEST_CONSUME, tag, boot, card, claim);
    if (request)
        enqueue(board, request);
}

void board_release(struct board *board, const struct uuid *boot, const struct card *old_card,
                   const struct card *new_card, const struct uuid *claim, uint64_t tag)
{
    struct request *request = lock_request(board, REQUEST_RELEASE, tag, boot, old_card, claim);
    if (!request)
        return;
    request->new_card = *new_card;
    request->new_card.pool = clean_pool(&new_card->pool);
    if (card_is_sound(board, new_card))
        enqueue(board, request);
    else
        refuse(board, request);
}

/* The tags given have to be the ones that the pool is named after. */
static bool tags_are_sound(const struct pool *pool, const struct text *tags, size_t count)
{
    struct wire_bytes bytes;
    if (count == 0)
        return true;
    if (count > WIRE_TAGS_MAX || wire_pack_pool(tags, count, &bytes) != 0)
        return false;
    struct text scratch[WIRE_TAGS_MAX];
    memcpy(scratch, tags, count * sizeof *scratch);
    struct pool named = placement_pool(scratch, count);
    return pool_equal(&named, pool);
}

void board_place(struct board *board, const struct card *card, const struct text *tags,
                 size_t tag_count, uint64_t tag)
{
    board_place_until(board, card, tags, tag_count, 0, tag);
}

void board_place_until(struct board *board, const struct card *card, const struct text *tags,
                       size_t tag_count, int64_t until_ms, uint64_t tag)
{
    struct request *request = request_new(board, REQUEST_PLACE, tag, card);
    if (!card_is_sound(board, card) || !tags_are_sound(&card->pool, tags, tag_count)) {
        refuse(board, request);
        return;
    }
    request->tags = tag_count ? texts_copy(tags, tag_count) : NULL;
    request->tag_count = tag_count;
    request->until_ms = until_ms;
    enqueue(board, request);
}

void board_show_pool(struct board *board, const struct pool *pool, const struct text *tags,
                     size_t tag_count)
{
    struct pool named = clean_pool(pool);
    bool is_named = tag_count > 0 || !strcmp(named.name, "-");
    if (is_named && tags_are_sound(&named, tags, tag_count) && session_is_up(board))
        folders_show_pool(board, &named, tags, tag_count);
}

void board_remove(struct board *board, const struct card *card, uint64_t tag)
{
    struct request *request = request_new(board, REQUEST_REMOVE, tag, card);
    if (card_is_sound(board, card))
        enqueue(board, request);
    else
        refuse(board, request);
}

static void look(struct board *board, enum request_kind kind, const struct pool *pool,
                 uint16_t shard, uint64_t tag)
{
    struct card card = {.pool = *pool, .shard = shard};
    struct request *request = request_new(board, kind, tag, &card);
    if (card_is_sound(board, &card))
        enqueue(board, request);
    else
        refuse(board, request);
}

void board_list(struct board *board, const struct pool *pool, uint16_t shard, uint64_t tag)
{
    look(board, REQUEST_LIST, pool, shard, tag);
}

void board_count_cards(struct board *board, const struct pool *pool, uint16_t shard, uint64_t tag)
{
    look(board, REQUEST_COUNT, pool, shard, tag);
}
