/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of the fake board: requests on their way, what they are told, what they watch. */
#include <string.h>

#include "base/check.h"
#include "base/placement.h"
#include "engine/sim/sim_board_private.h"

static struct sim_world *world_of(const struct sim_board_link *link)
{
    return link->board->world;
}

int64_t link_to_server_us(struct sim_board_link *link)
{
    int64_t at_us =
        world_of(link)->queue.now_us + sim_delay_us(world_of(link), &link->board->options.network);
    link->arrival_us = at_us > link->arrival_us ? at_us : link->arrival_us;
    return link->arrival_us;
}

static int64_t to_client_us(struct sim_board_link *link)
{
    int64_t at_us =
        world_of(link)->queue.now_us + sim_delay_us(world_of(link), &link->board->options.network);
    link->answer_us = at_us > link->answer_us ? at_us : link->answer_us;
    return link->answer_us;
}

bool link_is_on(const struct sim_board_link *link, uint64_t line)
{
    return !link->is_gone && link->is_connected && link->line == line;
}

/* ----------------------------------------------------------------------------- telling the client
 */

/* A message to the client over one connection. */
struct message {
    struct sim_board_link *link;
    uint64_t line;
    struct core_event event;
    struct sim_shard_watch *watch; /* that fired, or NULL */
    struct sim_request *request;   /* that is answered, or NULL */
};

static void count_outcome(struct sim_world *world, const struct core_event *event)
{
    static const enum sim_count counts[] = {[BOARD_OK] = COUNT_BOARD_OK,
                                            [BOARD_TAKEN] = COUNT_BOARD_TAKEN,
                                            [BOARD_UNKNOWN] = COUNT_BOARD_UNKNOWN,
                                            [BOARD_VOID] = COUNT_BOARD_VOID,
                                            [BOARD_REFUSED] = COUNT_BOARD_VOID};
    if (event->kind == EVENT_LOCKED || event->kind == EVENT_UNLOCKED)
        sim_count(world, counts[event->u.board.outcome]);
}

void link_tell(struct sim_board_link *link, const struct core_event *event)
{
    count_outcome(world_of(link), event);
    if (!link->is_gone)
        link->listener.tell(link->listener.context, event);
}

bool link_is_answered(enum effect_kind kind)
{
    return kind == EFFECT_LIST || kind == EFFECT_LOCK || kind == EFFECT_UNLOCK ||
           kind == EFFECT_CONSUME || kind == EFFECT_RELEASE;
}

void link_drop_request(struct sim_request *request)
{
    struct sim_session *session = request->session;
    struct sim_request **at = &session->first;
    struct sim_request *before = NULL;
    while (*at && *at != request) {
        before = *at;
        at = &(*at)->next;
    }
    CHECK(*at);
    *at = request->next;
    if (session->last == request)
        session->last = before;
    request->stage = REQUEST_DONE;
    if (link_is_answered(request->effect.kind))
        session->link->unanswered--;
}

static void told(void *object, uint64_t arg)
{
    struct message *message = object;
    struct sim_board_link *link = message->link;
    if (!link_is_on(link, message->line))
        return;
    if (message->watch) {
        if (!message->watch->fired)
            return;
        message->watch->fired = false;
    }
    if (message->request)
        link_drop_request(message->request);
    if (message->event.kind == EVENT_SESSION_BEGAN) {
        if (link->began)
            return;
        link->began = true;
        link->members_pending = link->pools_pending = false;
    }
    if (!message->request || link_is_answered(message->request->effect.kind))
        link_tell(link, &message->event);
    if (message->event.kind == EVENT_SESSION_BEGAN && link->session) {
        link_members_later(link);
        link_pools_later(link);
    }
}

static struct message *tell_later(struct sim_board_link *link, const struct core_event *event)
{
    struct message *message = arena_calloc(&world_of(link)->arena, 1, sizeof *message);
    *message = (struct message){.link = link, .line = link->line, .event = *event};
    sim_queue_at(&world_of(link)->queue, to_client_us(link), told, message, 0);
    return message;
}

void link_tell_later(struct sim_board_link *link, const struct core_event *event,
                     struct sim_request *request)
{
    tell_later(link, event)->request = request;
}

/* -------------------------------------------------------------------------------- members and
 * pools */

static void read_members(void *object, uint64_t line)
{
    struct sim_board_link *link = object;
    if (!link_is_on(link, line))
        return;
    link->members_pending = false;
    struct arena *arena = &world_of(link)->arena;
    size_t count = 0, room = 0;
    for (struct sim_session *at = link->board->sessions; at; at = at->next)
        room += at->is_shown;
    struct member *list = arena_calloc(arena, room, sizeof *list);
    for (struct sim_session *at = link->board->sessions; at; at = at->next) {
        const struct sim_board_self *self = &at->link->self;
        if (at->is_shown)
            list[count++] = (struct member){.boot = at->boot,
                                            .name = self->name,
                                            .host = self->name,
                                            .pid = 1,
                                            .tags = self->tags,
                                            .tag_count = self->tag_count,
                                            .slots = self->slots,
                                            .free = at->free,
                                            .draining = at->draining,
                                            .dividing = at->divides};
    }
    struct core_event event = {.kind = EVENT_MEMBERS};
    event.u.members.list = list;
    event.u.members.count = count;
    tell_later(link, &event);
}

static void read_pools(void *object, uint64_t line)
{
    struct sim_board_link *link = object;
    if (!link_is_on(link, line))
        return;
    link->pools_pending = false;
    const struct sim_board *board = link->board;
    struct pool_info *list = arena_calloc(&world_of(link)->arena, board->pool_count, sizeof *list);
    for (size_t i = 0; i < board->pool_count; i++)
        list[i] = (struct pool_info){board->pools[i].pool, board->pools[i].tags,
                                     board->pools[i].tag_count};
    struct core_event event = {.kind = EVENT_POOLS};
    event.u.pools.list = list;
    event.u.pools.count = board->pool_count;
    tell_later(link, &event);
}

void link_members_later(struct sim_board_link *link)
{
    if (link->members_pending || !link->began || !link_is_on(link, link->line))
        return;
    link->members_pending = true;
    sim_queue_at(&world_of(link)->queue, link_to_server_us(link), read_members, link, link->line);
}

void link_pools_later(struct sim_board_link *link)
{
    if (link->pools_pending || !link->began || !link_is_on(link, link->line))
        return;
    link->pools_pending = true;
    sim_queue_at(&world_of(link)->queue, link_to_server_us(link), read_pools, link, link->line);
}

/* ------------------------------------------------------------------------------------------
 * watches */

struct sim_shard_watch *link_watch(struct sim_board_link *link, const struct pool *pool,
                                   uint16_t shard, bool create)
{
    for (size_t i = 0; i < link->watch_count; i++) {
        if (link->watches[i].shard == shard && pool_equal(&link->watches[i].pool, pool))
            return &link->watches[i];
    }
    if (!create)
        return NULL;
    CHECK(link->watch_count < SIM_WATCHES_MAX);
    struct sim_shard_watch *watch = &link->watches[link->watch_count++];
    *watch = (struct sim_shard_watch){.pool = *pool, .shard = shard};
    return watch;
}

void link_watch_fired(struct sim_board_link *link, struct sim_shard_watch *watch)
{
    if (!link_is_on(link, link->line))
        return; /* told at the next connection */
    struct core_event event = {.kind = EVENT_SHARD_CHANGED};
    event.u.shard.pool = watch->pool;
    event.u.shard.shard = watch->shard;
    tell_later(link, &event)->watch = watch;
}

void link_forget_watches(struct sim_board_link *link)
{
    for (size_t i = 0; i < link->watch_count; i++)
        link->watches[i].is_armed = link->watches[i].fired = false;
}

/* -----------------------------------------------------------------------------------------
 * requests */

static bool may_be_overtaken(enum effect_kind kind)
{
    return kind == EFFECT_LOCK || kind == EFFECT_CONSUME || kind == EFFECT_RELEASE;
}

static void request_arrives(void *object, uint64_t arg)
{
    struct sim_request *request = object;
    struct sim_session *session = request->session;
    struct sim_board_link *link = session->link;
    bool was_sent = request->stage == REQUEST_SENT;
    if (!was_sent && (request->stage != REQUEST_LOST || request->is_dropped))
        return;
    if (!link->board->is_up)
        return;
    if (session->has_ended) {
        sim_count(world_of(link), COUNT_BOARD_LATE);
        return;
    }
    session->heard_us = world_of(link)->queue.now_us;
    board_apply(request);
    if (!was_sent || !link_is_on(link, request->line))
        return;
    request->stage = REQUEST_APPLIED;
    tell_later(link, &request->answer)->request = request;
}

static void send_request(struct sim_board_link *link, struct sim_request *request)
{
    struct sim_world *world = world_of(link);
    request->stage = REQUEST_SENT;
    request->line = link->line;
    int64_t at_us = link_to_server_us(link);
    if (may_be_overtaken(request->effect.kind) &&
        sim_permille(world, link->board->options.resent_permille)) {
        sim_count(world, COUNT_MULTI_RESENT);
        at_us += 2 * sim_delay_us(world, &link->board->options.network);
    }
    sim_queue_at(&world->queue, at_us, request_arrives, request, 0);
}

void link_send_waiting(struct sim_board_link *link)
{
    if (!link->session || !link->is_connected || link->is_frozen)
        return;
    for (struct sim_request *at = link->session->first; at; at = at->next) {
        if (at->stage == REQUEST_WAITS)
            send_request(link, at);
    }
}

struct sim_request *link_add_request(struct sim_board_link *link, const struct core_effect *effect)
{
    struct sim_request *request = arena_calloc(&world_of(link)->arena, 1, sizeof *request);
    board_copy_effect(link->board, effect, &request->effect);
    request->session = link->session;
    if (link->session->last)
        link->session->last->next = request;
    else
        link->session->first = request;
    link->session->last = request;
    if (link_is_answered(effect->kind))
        link->unanswered++;
    return request;
}

/* The answer to what is asked of a session that is not the present one. */
static void void_told(void *object, uint64_t arg)
{
    struct message *message = object;
    message->link->unanswered--;
    link_tell(message->link, &message->event);
}

static void void_later(struct sim_board_link *link, const struct core_effect *effect)
{
    if (!link_is_answered(effect->kind))
        return;
    struct sim_request request = {.effect = *effect};
    board_void(&request);
    struct message *message = arena_calloc(&world_of(link)->arena, 1, sizeof *message);
    *message = (struct message){.link = link, .event = request.answer};
    link->unanswered++;
    sim_queue_at(&world_of(link)->queue, 0, void_told, message, 0);
}

void sim_board_request(struct sim_board_link *link, const struct core_effect *effect)
{
    struct sim_shard_watch *watch;
    bool names_boot = may_be_overtaken(effect->kind) || effect->kind == EFFECT_UNLOCK;
    if (effect->kind == EFFECT_GIVE_UP || effect->kind == EFFECT_CLOSE) {
        link_end(link, effect->kind == EFFECT_CLOSE);
    } else if (effect->kind == EFFECT_UNWATCH) {
        watch = link_watch(link, &effect->u.shard.pool, effect->u.shard.shard, false);
        if (watch)
            watch->is_armed = watch->fired = false;
    } else if (!link->session ||
               (names_boot && !uuid_equal(&effect->u.board.boot, &link->session->boot))) {
        void_later(link, effect);
    } else {
        struct sim_request *request = link_add_request(link, effect);
        if (link->is_connected && link->began)
            send_request(link, request);
    }
}

size_t sim_board_unanswered(const struct sim_board_link *link)
{
    return link->unanswered;
}
