/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/os/clock.h"
#include "base/os/entropy.h"

bool session_is_connected(const struct board *board)
{
    const struct session *session = &board->session;
    return session->handle && session->end == END_NOT &&
           zoo_state(session->handle) == ZOO_CONNECTED_STATE;
}

bool session_is_up(const struct board *board)
{
    return board->session.phase == SESSION_UP && session_is_connected(board);
}

void session_want_end(struct board *board, enum session_end why)
{
    if (board->session.end == END_NOT)
        board->session.end = why;
}

/* ------------------------------------------------------------------------------------- opening */

/* The library writes to stderr otherwise; what matters is told by its codes. */
static void ignore_log(const char *message)
{
}

static void ignore_auth(int rc, const void *data)
{
}

static void on_watch(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    struct board *board = context;
    if (board->session.is_dead || type == ZOO_SESSION_EVENT || !path || !path[0])
        return;
    if (!members_changed(board, path))
        shards_watch_fired(board, path);
}

static void open_handle(struct board *board, int64_t now_ms)
{
    struct session *session = &board->session;
    CHECK(!session->handle);
    session->is_dead = false;
    session->was_connected = false;
    session->handle = zookeeper_init2(board->addresses.list, on_watch, board->asked_timeout_ms,
                                      NULL, board, ZOO_NO_LOG_CLIENTENV, ignore_log);
    if (!session->handle) {
        event_trouble(board, ERR_SYSTEM, "the ZooKeeper client cannot start: %m");
        session->next_ms = now_ms + backoff_failed(&session->pause, &board->random);
        return;
    }
    zoo_set_servers_resolution_delay(session->handle, -1);
    if (board->auth)
        zoo_add_auth(session->handle, "digest", board->auth, (int)strlen(board->auth), ignore_auth,
                     NULL);
    session->phase = SESSION_OPENING;
    session->fd = session->attempt_fd = -1;
    session->interest = 0;
    session->library_ms = now_ms;
    session->lost_ms = now_ms;
}

/* -------------------------------------------------------------------------------------- ending */

/* Puts a descriptor at its end into the place of the handle's connection: the library meets end of
 * file, drops the connection and is not connected any more, so that zookeeper_close() has nothing
 * to wait for. The server sees the connection end; the session is closed by the closer. */
static void cut_connection(struct session *session)
{
    int pair[2];
    if (session->fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return;
    close(pair[1]);
    dup2(pair[0], session->fd);
    close(pair[0]);
    zookeeper_process(session->handle, ZOOKEEPER_READ);
}

/* The descriptor changes without a word; the library's own answer is the only true one. */
static void refresh_fd(struct session *session)
{
    struct timeval pause;
    int fd = -1, interest = 0;
    if (zoo_state(session->handle) == ZOO_CONNECTED_STATE &&
        zookeeper_interest(session->handle, &fd, &interest, &pause) == ZOK)
        session->fd = fd;
    else
        session->fd = -1;
}

void session_drop_handle(struct board *board, clientid_t *ret_id)
{
    struct session *session = &board->session;
    memset(ret_id, 0, sizeof *ret_id);
    if (!session->handle)
        return;
    session->is_dead = true;
    if (!is_unrecoverable(session->handle))
        *ret_id = *zoo_client_id(session->handle);
    refresh_fd(session);
    cut_connection(session);
    zookeeper_close(session->handle);
    session->handle = NULL;
    session->fd = -1;
}

static void end_session(struct board *board, int64_t now_ms)
{
    struct session *session = &board->session;
    enum session_end why = session->end;
    bool was_up = session->phase == SESSION_UP;
    clientid_t id;
    session_drop_handle(board, &id);
    session->end = END_NOT;
    int64_t until_ms = why == END_CLOSED ? board->close_until_ms : now_ms + session->timeout_ms;
    if (id.client_id)
        closer_begin(&board->closer, id.client_id, id.passwd, session->timeout_ms, now_ms,
                     until_ms);
    requests_void_all(board);
    board->multis_in_flight = board->folders_in_flight = 0;
    board->folders_broken = false;
    members_session_ended(board);
    shards_session_ended(board);
    locks_session_ended(board);
    if (was_up && why != END_CLOSED)
        event_add(board, BOARD_SESSION_ENDED)->event.boot = session->boot;
    session->phase = why == END_CLOSED ? SESSION_CLOSED : SESSION_PAUSE;
    session->next_ms = now_ms + backoff_failed(&session->pause, &board->random);
}

/* ------------------------------------------------------------------------------------- looking */

static void first_connected(struct board *board, int64_t now_ms)
{
    struct session *session = &board->session;
    session->boot = entropy_uuid_v7();
    session->timeout_ms = zoo_recv_timeout(session->handle);
    session->phase = SESSION_ROOT;
    board->counts.sessions++;
    root_session_began(board, now_ms);
}

static void look_at_connection(struct board *board, int64_t now_ms)
{
    struct session *session = &board->session;
    bool is_connected = zoo_state(session->handle) == ZOO_CONNECTED_STATE;
    if (is_connected && session->phase == SESSION_OPENING)
        first_connected(board, now_ms);
    if (is_connected) {
        session->told_unreachable = false;
    } else {
        if (session->was_connected)
            session->lost_ms = now_ms;
        if (!session->told_unreachable && now_ms - session->lost_ms >= UNREACHABLE_TELL_MS) {
            session->told_unreachable = true;
            board->told.code = 0;
            event_trouble(board, ERR_UNREACHABLE, "no ZooKeeper answers at %s",
                          board->addresses.list);
        }
        /* An engine's core counts its lease and gives up; a client has nobody to do it, and after
         * a loss of the server's data the library reconnects for ever. */
        if (!board->is_engine && session->phase != SESSION_OPENING &&
            now_ms - session->lost_ms >= 2 * (int64_t)session->timeout_ms)
            session_want_end(board, END_GIVEN_UP);
    }
    session->was_connected = is_connected;
}

static int64_t attempt_limit_ms(const struct board *board)
{
    int64_t limit_ms = board->asked_timeout_ms / 6;
    return limit_ms < WATCHDOG_MIN_MS   ? WATCHDOG_MIN_MS
           : limit_ms > WATCHDOG_MAX_MS ? WATCHDOG_MAX_MS
                                        : limit_ms;
}

/* Notes when the present connection attempt began; there may be none. */
static void note_attempt(struct session *session, int64_t now_ms)
{
    bool is_trying = session->fd >= 0 && zoo_state(session->handle) != ZOO_CONNECTED_STATE;
    if (is_trying && session->attempt_fd == session->fd)
        return;
    session->attempt_fd = is_trying ? session->fd : -1;
    session->attempt_ms = now_ms;
}

/* A server that accepts and says nothing would hold the library for 2/3 of the timeout. */
static void watch_attempt(struct board *board, int64_t now_ms)
{
    struct session *session = &board->session;
    note_attempt(session, now_ms);
    if (session->attempt_fd < 0 || now_ms - session->attempt_ms < attempt_limit_ms(board))
        return;
    cut_connection(session);
    session->fd = session->attempt_fd = -1;
    session->library_ms = now_ms + RECONNECT_PAUSE_MS;
}

void session_observe(struct board *board, int64_t now_ms)
{
    struct session *session = &board->session;
    if (session->phase == SESSION_PAUSE && now_ms >= session->next_ms)
        open_handle(board, now_ms);
    if (session->handle) {
        int state = zoo_state(session->handle);
        if (state == ZOO_AUTH_FAILED_STATE) {
            event_trouble(board, ERR_REFUSED, "ZooKeeper refuses the credentials");
            session_want_end(board, END_AUTH);
        } else if (is_unrecoverable(session->handle)) {
            session_want_end(board, END_EXPIRED);
        } else {
            look_at_connection(board, now_ms);
            watch_attempt(board, now_ms);
        }
    }
    if (session->end != END_NOT)
        end_session(board, now_ms);
}

/* ------------------------------------------------------------------------------------- driving */

/* While there is no descriptor the library is asked only when its pause is over: a second question
 * makes it connect at once, and a loop of them hundreds of times a second. */
static void ask_library(struct board *board, int64_t now_ms)
{
    struct session *session = &board->session;
    bool is_pausing = session->fd < 0 && now_ms < session->library_ms;
    if (is_pausing)
        return;
    struct timeval pause = {0, 0};
    int fd = -1, interest = 0;
    int rc = zookeeper_interest(session->handle, &fd, &interest, &pause);
    session->fd = rc == ZOK ? fd : -1;
    session->interest = rc == ZOK && fd >= 0 ? interest : 0;
    int64_t pause_ms = pause.tv_sec * 1000 + pause.tv_usec / 1000;
    if (session->fd < 0 && pause_ms < RECONNECT_PAUSE_MS)
        pause_ms = RECONNECT_PAUSE_MS;
    session->library_ms = now_ms + pause_ms;
}

static void earlier(int64_t *deadline_ms, int64_t candidate_ms)
{
    if (candidate_ms >= 0 && (*deadline_ms < 0 || candidate_ms < *deadline_ms))
        *deadline_ms = candidate_ms;
}

/* What has to happen although no connection says anything. */
static int64_t disconnected_deadline_ms(struct board *board, int64_t now_ms)
{
    struct session *session = &board->session;
    int64_t deadline_ms = -1;
    note_attempt(session, now_ms);
    if (session->attempt_fd >= 0)
        deadline_ms = session->attempt_ms + attempt_limit_ms(board);
    if (!session->told_unreachable)
        earlier(&deadline_ms, session->lost_ms + UNREACHABLE_TELL_MS);
    if (!board->is_engine && session->phase != SESSION_OPENING)
        earlier(&deadline_ms, session->lost_ms + 2 * (int64_t)session->timeout_ms);
    return deadline_ms;
}

void session_interest(struct board *board, int64_t now_ms, struct interest *ret_interest)
{
    struct session *session = &board->session;
    *ret_interest = (struct interest){.fd = -1, .deadline_ms = -1};
    if (session->phase == SESSION_PAUSE)
        ret_interest->deadline_ms = session->next_ms;
    if (!session->handle)
        return;
    ask_library(board, now_ms);
    ret_interest->fd = session->fd;
    ret_interest->want_read = session->interest & ZOOKEEPER_READ;
    ret_interest->want_write = session->interest & ZOOKEEPER_WRITE;
    ret_interest->deadline_ms = session->library_ms;
    if (zoo_state(session->handle) != ZOO_CONNECTED_STATE)
        earlier(&ret_interest->deadline_ms, disconnected_deadline_ms(board, now_ms));
    bool is_news = session->end != END_NOT || board->events || is_unrecoverable(session->handle) ||
                   session->was_connected != session_is_connected(board);
    if (is_news || (session_is_up(board) && multi_has_work(board)))
        earlier(&ret_interest->deadline_ms, now_ms);
    if (session_is_connected(board))
        earlier(&ret_interest->deadline_ms, session->phase == SESSION_UP
                                                ? presence_deadline_ms(board)
                                                : root_deadline_ms(board));
}

void session_process(struct board *board, bool readable, bool writable, int64_t now_ms)
{
    struct session *session = &board->session;
    int events = (readable ? ZOOKEEPER_READ : 0) | (writable ? ZOOKEEPER_WRITE : 0);
    for (unsigned i = 0; session->handle && events && i < REPLIES_PER_TURN; i++) {
        int rc = zookeeper_process(session->handle, events);
        /* After an error the descriptor is closed, and its number may be anybody's. */
        if (rc != ZOK && rc != ZNOTHING) {
            session->fd = -1;
            session->library_ms = now_ms;
        }
        if (rc != ZOK || !readable)
            break;
        events = ZOOKEEPER_READ;
    }
    session_observe(board, now_ms);
    if (session_is_connected(board)) {
        if (session->phase != SESSION_UP)
            root_pump(board, now_ms);
        if (session->phase == SESSION_UP) {
            presence_pump(board, now_ms);
            members_pump(board);
            multi_pump(board);
        }
    }
    session_observe(board, now_ms);
}
