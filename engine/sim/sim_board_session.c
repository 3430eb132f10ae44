/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and sessions of the fake board's clients. */
#include <string.h>

#include "base/check.h"
#include "engine/sim/sim_board_private.h"

#define RETRY_MIN_US 10000
#define RETRY_MAX_US 200000
#define PAUSE_US     50000 /* before the next session */
#define LOOK_US      50000 /* how often what waits for a frozen client looks */

static struct sim_world *world_of(const struct sim_board_link *link)
{
    return link->board->world;
}

static int64_t client_ms(const struct sim_board_link *link)
{
    return (world_of(link)->queue.now_us + link->self.clock_us) / 1000;
}

static void after(struct sim_board_link *link, int64_t delay_us,
                  void (*run)(void *object, uint64_t arg), uint64_t arg)
{
    sim_queue_at(&world_of(link)->queue, world_of(link)->queue.now_us + delay_us, run, link, arg);
}

static void try_line(void *object, uint64_t line);

static void retry_later(struct sim_board_link *link, int64_t pause_us)
{
    after(link, pause_us + sim_between(world_of(link), RETRY_MIN_US, RETRY_MAX_US), try_line,
          link->line);
}

/* ----------------------------------------------------------------------------------- proof of life
 */

/* One write of the engines/ node. */
struct beat {
    struct sim_session *session;
    uint64_t line;
    int64_t sent_ms; /* the client's clock */
    int32_t free;
    bool draining;
};

/* Takes the mutant's left-overs of a former session along. */
static void send_carried(struct sim_board_link *link)
{
    for (struct sim_request *at = link->carried; at; at = at->next) {
        struct sim_request request = *at;
        request.effect.kind = EFFECT_UNLOCK;
        request.session = link->session;
        request.meets_any_lock = true;
        board_apply(&request);
    }
    link->carried = NULL;
}

static void beat_arrives(void *object, uint64_t arg)
{
    struct beat *beat = object;
    struct sim_session *session = beat->session;
    struct sim_board_link *link = session->link;
    if (!link_is_on(link, beat->line) || session->has_ended || link->session != session)
        return;
    session->heard_us = world_of(link)->queue.now_us;
    bool first = !session->is_shown;
    bool changed = first || session->draining != beat->draining;
    session->is_shown = true;
    session->free = beat->free;
    session->draining = beat->draining;
    if (changed)
        board_members_changed(link->board);
    send_carried(link);
    struct core_event event = {.kind = link->began ? EVENT_ALIVE : EVENT_SESSION_BEGAN};
    event.u.session.boot = session->boot;
    event.u.session.timeout_ms = link->board->options.timeout_ms;
    event.u.session.sent_ms = beat->sent_ms;
    if (first || link->began)
        link_tell_later(link, &event, NULL);
}

static void send_beat(struct sim_board_link *link)
{
    struct beat *beat = arena_calloc(&world_of(link)->arena, 1, sizeof *beat);
    *beat = (struct beat){link->session, link->line, client_ms(link), link->free, link->draining};
    sim_queue_at(&world_of(link)->queue, link_to_server_us(link), beat_arrives, beat, 0);
}

static void beat_time(void *object, uint64_t arg)
{
    struct sim_session *session = object;
    struct sim_board_link *link = session->link;
    if (link->is_gone || link->session != session)
        return;
    if (link->is_connected && !link->is_frozen)
        send_beat(link);
    sim_queue_at(&world_of(link)->queue,
                 world_of(link)->queue.now_us + link->board->options.timeout_ms * 1000 / 6,
                 beat_time, session, 0);
}

void sim_board_show(struct sim_board_link *link, int32_t free, bool draining)
{
    bool at_once = draining != link->draining;
    link->free = free;
    link->draining = draining;
    if (at_once && link->session && link->is_connected && link->began)
        send_beat(link);
}

/* -------------------------------------------------------------------------------------- connecting
 */

static void knows_session(void *object, uint64_t line)
{
    struct sim_board_link *link = object;
    if (!link_is_on(link, line))
        return;
    if (link->is_frozen) {
        after(link, LOOK_US, knows_session, line);
        return;
    }
    link->session = link->board->sessions;
    while (link->session && (link->session->link != link || link->session->has_ended))
        link->session = link->session->next;
    if (!link->session) {
        sim_link_break(link);
        return;
    }
    beat_time(link->session, 0);
}

static struct uuid new_boot(struct sim_world *world)
{
    uint8_t bytes[10];
    random_bytes(&world->random, bytes, sizeof bytes);
    return uuid_v7(INT64_C(1700000000000) + world->queue.now_us / 1000, bytes);
}

static void make_session(void *object, uint64_t line)
{
    struct sim_board_link *link = object;
    struct sim_board *board = link->board;
    if (!link_is_on(link, line))
        return;
    struct sim_session *session = arena_calloc(&world_of(link)->arena, 1, sizeof *session);
    session->board = board;
    session->link = link;
    session->boot = new_boot(world_of(link));
    session->heard_us = world_of(link)->queue.now_us;
    session->next = board->sessions;
    board->sessions = session;
    board_expire_at(session);
    after(link, sim_delay_us(world_of(link), &board->options.network), knows_session, line);
}

static void session_over(struct sim_board_link *link);

/* The server greets the session again: all that was under way is looked into. */
static void resolve_all(struct sim_board_link *link)
{
    struct sim_session *session = link->session;
    for (struct sim_request *at = session->first, *next; at; at = next) {
        next = at->next;
        if (at->stage != REQUEST_LOST)
            continue;
        board_resolve(at);
        at->stage = REQUEST_APPLIED;
        at->line = link->line;
        link_tell_later(link, &at->answer, at);
    }
}

static void learns_end(void *object, uint64_t line)
{
    struct sim_board_link *link = object;
    if (!link_is_on(link, line))
        return;
    if (link->is_frozen) {
        after(link, LOOK_US, learns_end, line);
        return;
    }
    session_over(link);
}

static void greet_again(void *object, uint64_t line)
{
    struct sim_board_link *link = object;
    struct sim_session *session = link->session;
    if (!link_is_on(link, line))
        return;
    if (session->has_ended) {
        after(link, sim_delay_us(world_of(link), &link->board->options.network), learns_end, line);
        return;
    }
    session->heard_us = world_of(link)->queue.now_us;
    resolve_all(link);
    if (!link->began) {
        session->is_shown = false;
        send_beat(link);
        return;
    }
    for (size_t i = 0; i < link->watch_count; i++) {
        if (link->watches[i].fired)
            link_watch_fired(link, &link->watches[i]);
    }
    link->members_pending = link->pools_pending = false;
    link_members_later(link);
    link_pools_later(link);
    link_send_waiting(link);
}

static void try_line(void *object, uint64_t line)
{
    struct sim_board_link *link = object;
    if (link->is_gone || link->is_connected || link->line != line)
        return;
    if (link->is_closed && !link->session)
        return;
    if (link->is_frozen || link->is_cut || !link->board->is_up) {
        retry_later(link, 0);
        return;
    }
    link->is_connected = true;
    link->line++;
    link->arrival_us = link->answer_us = 0; /* what is late on the old one delays nothing here */
    after(link, sim_delay_us(world_of(link), &link->board->options.network),
          link->session ? greet_again : make_session, link->line);
}

/* ------------------------------------------------------------------------------------------ ending
 */

/* What was on its way is lost, or arrives yet. */
static void lose_requests(struct sim_session *session, int lost_permille)
{
    struct sim_world *world = session->board->world;
    bool lost = false;
    for (struct sim_request *at = session->first; at; at = at->next) {
        if (at->stage == REQUEST_APPLIED) {
            at->stage = REQUEST_LOST;
            if (link_is_answered(at->effect.kind))
                sim_count(world, COUNT_BOARD_ANSWER_LOST);
        } else if (at->stage == REQUEST_SENT) {
            lost = lost || sim_permille(world, lost_permille);
            at->stage = REQUEST_LOST;
            if (lost) {
                sim_count(world, COUNT_BOARD_REQUEST_LOST);
                at->is_dropped = true;
            }
        }
    }
}

void sim_link_break(struct sim_board_link *link)
{
    if (!link->is_connected || link->is_gone)
        return;
    link->is_connected = false;
    link->line++;
    link->members_pending = link->pools_pending = false;
    if (link->session)
        lose_requests(link->session, link->board->options.lost_permille);
    retry_later(link, 0);
}

static void carry(struct sim_board_link *link, const struct sim_request *request)
{
    enum effect_kind kind = request->effect.kind;
    if (!sim_has(world_of(link), MUTANT_LOCK_FOREIGN) ||
        (kind != EFFECT_UNLOCK && kind != EFFECT_CONSUME && kind != EFFECT_RELEASE))
        return;
    struct sim_request *copy = arena_calloc(&world_of(link)->arena, 1, sizeof *copy);
    *copy = *request;
    copy->next = link->carried;
    link->carried = copy;
}

/* The client believes its session to be over: everything meant for it is void. */
static void session_over(struct sim_board_link *link)
{
    struct sim_session *session = link->session;
    link->session = NULL;
    link->began = false;
    if (link->is_connected) {
        link->is_connected = false;
        link->line++;
        lose_requests(session, 0);
    }
    link_forget_watches(link);
    link->members_pending = link->pools_pending = false;
    while (session->first && !link->is_gone) {
        struct sim_request *request = session->first;
        bool answered = link_is_answered(request->effect.kind);
        bool on_its_way = request->stage == REQUEST_LOST && !request->is_dropped;
        carry(link, request);
        board_void(request);
        link_drop_request(request);
        if (on_its_way)
            request->stage = REQUEST_LOST;
        if (answered)
            link_tell(link, &request->answer);
    }
    struct core_event event = {.kind = EVENT_SESSION_ENDED};
    event.u.session.boot = session->boot;
    link_tell(link, &event);
    if (!link->is_closed && !link->is_gone)
        retry_later(link, PAUSE_US);
}

static void close_arrives(void *object, uint64_t arg)
{
    struct sim_session *session = object;
    if (session->board->is_up)
        board_end(session);
}

static void ended_by_client(void *object, uint64_t arg)
{
    struct sim_board_link *link = object;
    if (link->session)
        session_over(link);
}

static void tell_closed(void *object, uint64_t arg)
{
    link_tell(object, &(struct core_event){.kind = EVENT_SESSION_ENDED});
}

void link_end(struct sim_board_link *link, bool close)
{
    struct sim_world *world = world_of(link);
    link->is_closed = link->is_closed || close;
    if (!link->session) {
        if (close)
            sim_queue_at(&world->queue, 0, tell_closed, link, 0);
        return;
    }
    if (link->is_connected) {
        sim_queue_at(&world->queue, link_to_server_us(link), close_arrives, link->session, 0);
        lose_requests(link->session, 0);
        link->is_connected = false;
        link->line++;
    }
    int64_t wait_us = close ? sim_between(world, 0, 100000) : 0;
    after(link, wait_us, ended_by_client, 0);
}

/* -------------------------------------------------------------------------------------------
 * clients */

struct sim_board_link *sim_board_connect(struct sim_board *board, const struct sim_board_self *self,
                                         struct sim_listener listener)
{
    struct sim_board_link *link = arena_calloc(&board->world->arena, 1, sizeof *link);
    link->board = board;
    link->self = *self;
    link->listener = listener;
    link->free = self->slots;
    link->watches = arena_calloc(&board->world->arena, SIM_WATCHES_MAX, sizeof *link->watches);
    link->next = board->links;
    board->links = link;
    retry_later(link, 0);
    return link;
}

void sim_board_cut(struct sim_board_link *link)
{
    if (link->is_gone || link->is_cut)
        return;
    sim_count(world_of(link), COUNT_BOARD_CUT);
    link->is_cut = true;
    sim_link_break(link);
}

void sim_board_mend(struct sim_board_link *link)
{
    link->is_cut = false;
}

bool sim_board_end_session(struct sim_board_link *link)
{
    if (link->is_gone || !link->session || link->session->has_ended || !link->board->is_up)
        return false;
    sim_count(world_of(link), COUNT_SESSION_LOST);
    board_end(link->session);
    sim_link_break(link);
    return true;
}

void sim_board_freeze(struct sim_board_link *link)
{
    link->is_frozen = true;
}

void sim_board_thaw(struct sim_board_link *link)
{
    link->is_frozen = false;
    if (link->began)
        link_send_waiting(link);
}

void sim_board_leave(struct sim_board_link *link)
{
    if (link->is_gone)
        return;
    if (link->session)
        lose_requests(link->session, link->board->options.lost_permille);
    link->is_gone = true;
    link->is_connected = false;
    link->line++;
}

bool sim_board_is_applied(const struct sim_board_link *link)
{
    const struct sim_request *at = link->session ? link->session->first : NULL;
    while (at && at->stage != REQUEST_APPLIED)
        at = at->next;
    return at != NULL;
}

struct uuid sim_board_boot(const struct sim_board_link *link)
{
    return link->session ? link->session->boot : (struct uuid){{0}};
}

bool sim_board_has_ended(const struct sim_board_link *link)
{
    return !link->session || link->session->has_ended;
}
