/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/closer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#define TRY_MS           300 /* then the next address: a stopped server accepts and says nothing */
#define PAUSE_MS         50  /* after an address that refused at once */
#define OP_CLOSE         (-11)
#define CONNECT_BODY     44 /* version, zxid, timeout, session, password of 16 with its length */
#define CONNECT_REPLY    36 /* version, timeout, session, password; without the read-only flag */
#define REPLY_TIMEOUT_AT 8  /* offset of the granted timeout, behind length and version */

static void put32(uint8_t **at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        *(*at)++ = (uint8_t)(value >> (24 - 8 * i));
}

static void put64(uint8_t **at, uint64_t value)
{
    put32(at, (uint32_t)(value >> 32));
    put32(at, (uint32_t)value);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The zxid is 0, so that no server finds itself too far behind to serve us. */
static void build_frames(struct closer *closer, int64_t session_id, const char password[16],
                         int32_t timeout_ms)
{
    uint8_t *at = closer->frames;
    put32(&at, CONNECT_BODY);
    put32(&at, 0);
    put64(&at, 0);
    put32(&at, (uint32_t)timeout_ms);
    put64(&at, (uint64_t)session_id);
    put32(&at, 16);
    memcpy(at, password, 16);
    at += 16;
    put32(&at, 8);
    put32(&at, 1);
    put32(&at, (uint32_t)OP_CLOSE);
    closer->frames_len = (size_t)(at - closer->frames);
    CHECK(closer->frames_len <= sizeof closer->frames);
}

void closer_init(struct closer *closer, const struct addresses *addresses)
{
    memset(closer, 0, sizeof *closer);
    closer->addresses = addresses;
    closer->fd = -1;
}

static void drop_fd(struct closer *closer)
{
    if (closer->fd >= 0)
        close(closer->fd);
    closer->fd = -1;
    closer->is_sent = false;
    closer->reply_len = 0;
}

void closer_stop(struct closer *closer)
{
    drop_fd(closer);
    closer->is_active = false;
}

static void finish(struct closer *closer)
{
    closer_stop(closer);
    closer->was_confirmed = true;
}

static void try_next(struct closer *closer, int64_t now_ms)
{
    drop_fd(closer);
    if (now_ms >= closer->until_ms) {
        closer_stop(closer);
        return;
    }
    const struct address *address =
        &closer->addresses->each[closer->next++ % closer->addresses->count];
    closer->try_until_ms = now_ms + PAUSE_MS;
    closer->fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (closer->fd < 0)
        return;
    if (connect(closer->fd, (const struct sockaddr *)&address->at, address->len) != 0 &&
        errno != EINPROGRESS)
        drop_fd(closer);
    else
        closer->try_until_ms = now_ms + TRY_MS;
}

void closer_begin(struct closer *closer, int64_t session_id, const char password[16],
                  int32_t timeout_ms, int64_t now_ms, int64_t until_ms)
{
    closer_stop(closer);
    build_frames(closer, session_id, password, timeout_ms);
    closer->is_active = true;
    closer->was_confirmed = false;
    closer->until_ms = until_ms;
    try_next(closer, now_ms);
}

void closer_interest(struct closer *closer, int64_t now_ms, struct interest *ret_interest)
{
    *ret_interest = (struct interest){.fd = -1, .deadline_ms = -1};
    if (!closer->is_active)
        return;
    ret_interest->fd = closer->fd;
    ret_interest->want_read = closer->is_sent;
    ret_interest->want_write = closer->fd >= 0 && !closer->is_sent;
    ret_interest->deadline_ms =
        closer->try_until_ms < closer->until_ms ? closer->try_until_ms : closer->until_ms;
}

/* The frames fit any socket's buffer, so a short write is a broken connection. */
static bool send_frames(struct closer *closer)
{
    ssize_t sent = send(closer->fd, closer->frames, closer->frames_len, MSG_NOSIGNAL);
    closer->is_sent = sent == (ssize_t)closer->frames_len;
    return closer->is_sent;
}

/* A refused session (granted timeout 0) is gone already; else the close has its own reply. */
static bool is_confirmed(const struct closer *closer)
{
    if (closer->reply_len < 4 + CONNECT_REPLY)
        return false;
    if (get32(closer->reply + REPLY_TIMEOUT_AT) == 0)
        return true;
    size_t connect_len = 4 + get32(closer->reply);
    return connect_len < sizeof closer->reply && closer->reply_len >= connect_len + 4 + 16;
}

/* False when the connection is of no more use. */
static bool read_reply(struct closer *closer)
{
    size_t room = sizeof closer->reply - closer->reply_len;
    ssize_t got = recv(closer->fd, closer->reply + closer->reply_len, room, 0);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    closer->reply_len += (size_t)got;
    if (is_confirmed(closer))
        finish(closer);
    return got > 0;
}

void closer_process(struct closer *closer, bool readable, bool writable, int64_t now_ms)
{
    if (!closer->is_active)
        return;
    bool is_good = true;
    if (writable && !closer->is_sent)
        is_good = send_frames(closer);
    else if (readable && closer->is_sent)
        is_good = read_reply(closer);
    if (!closer->is_active)
        return;
    if (!is_good) {
        drop_fd(closer);
        closer->try_until_ms = now_ms + PAUSE_MS;
    }
    if (now_ms >= closer->try_until_ms || now_ms >= closer->until_ms)
        try_next(closer, now_ms);
}
