/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/tests/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"

#define LISTENER_KEY UINT32_MAX
#define READ_BYTES   (64u << 10)
#define FRAME_MAX    (8u << 20)

static int32_t get32(const uint8_t *at)
{
    return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
}

/* --------------------------------------------------------------------------------------- pipes */

static void pipe_add(struct proxy_pipe *pipe, const void *data, size_t len)
{
    if (pipe->len + len > pipe->capacity) {
        pipe->capacity = (pipe->len + len) * 2;
        pipe->data = xrealloc(pipe->data, pipe->capacity, 1);
    }
    memcpy(pipe->data + pipe->len, data, len);
    pipe->len += len;
}

static void pipe_cut(struct proxy_pipe *pipe, size_t at, size_t len)
{
    memmove(pipe->data + at, pipe->data + at + len, pipe->len - at - len);
    pipe->len -= len;
}

static void pipe_reset(struct proxy_pipe *pipe)
{
    free(pipe->data);
    *pipe = (struct proxy_pipe){0};
}

/* The length of the whole frame at `ready`, 0 when it is not all there. */
static size_t next_frame(const struct proxy_pipe *pipe)
{
    if (pipe->len - pipe->ready < 4)
        return 0;
    size_t len = 4 + (size_t)get32(pipe->data + pipe->ready);
    CHECK(len <= FRAME_MAX);
    return pipe->len - pipe->ready >= len ? len : 0;
}

/* -------------------------------------------------------------------------------------- frames */

static void remember(struct proxy_link *link, int32_t xid, int32_t op)
{
    CHECK(link->asked_count < PROXY_XIDS_MAX);
    link->asked[link->asked_count].xid = xid;
    link->asked[link->asked_count++].op = op;
}

/* Pings share one xid, so the oldest entry counts. */
static int32_t recall(struct proxy_link *link, int32_t xid)
{
    for (unsigned i = 0; i < link->asked_count; i++) {
        if (link->asked[i].xid != xid)
            continue;
        int32_t op = link->asked[i].op;
        link->asked_count--;
        memmove(&link->asked[i], &link->asked[i + 1],
                (link->asked_count - i) * sizeof link->asked[0]);
        return op;
    }
    return PROXY_NONE;
}

static void requests_pass(struct proxy *proxy, struct proxy_link *link)
{
    struct proxy_pipe *pipe = &link->up;
    size_t len;
    while ((len = next_frame(pipe)) != 0) {
        const uint8_t *frame = pipe->data + pipe->ready;
        if (link->up_began) {
            int32_t op = get32(frame + 8);
            if (proxy->hold != PROXY_NONE && op == (int32_t)proxy->hold) {
                proxy->held = 1;
                return;
            }
            remember(link, get32(frame + 4), op);
            proxy->seen_multis += op == PROXY_MULTI;
            proxy->seen_singles += op != PROXY_MULTI && op != PROXY_PING;
        }
        link->up_began = true;
        pipe->ready += len;
    }
}

static bool is_to_drop(struct proxy *proxy, struct proxy_link *link, const uint8_t *frame)
{
    int32_t op = link->down_began ? recall(link, get32(frame + 4)) : PROXY_CONNECT;
    link->down_began = true;
    if (proxy->drop == PROXY_NONE || op != (int32_t)proxy->drop || proxy->drop_times == 0)
        return false;
    proxy->drop_times--;
    proxy->dropped++;
    return true;
}

static void answers_pass(struct proxy *proxy, struct proxy_link *link)
{
    struct proxy_pipe *pipe = &link->down;
    size_t len;
    while ((len = next_frame(pipe)) != 0) {
        if (is_to_drop(proxy, link, pipe->data + pipe->ready))
            pipe_cut(pipe, pipe->ready, len);
        else
            pipe->ready += len;
    }
}

/* --------------------------------------------------------------------------------------- links */

static void arm(struct proxy *proxy, int fd, uint32_t key)
{
    struct epoll_event event = {EPOLLIN, {.u32 = key}};
    CHECK(epoll_ctl(proxy->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void link_close(struct proxy_link *link)
{
    close_fd(&link->client);
    close_fd(&link->server);
    pipe_reset(&link->up);
    pipe_reset(&link->down);
    link->is_open = false;
}

static int connect_server(const struct proxy *proxy)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(proxy->server_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static void take_client(struct proxy *proxy)
{
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    int server = connect_server(proxy), on = 1;
    uint32_t slot = 0;
    while (slot < PROXY_LINKS_MAX && proxy->links[slot].is_open)
        slot++;
    if (server < 0 || slot == PROXY_LINKS_MAX) {
        close(client);
        close_fd(&server);
        return;
    }
    struct proxy_link *link = &proxy->links[slot];
    memset(link, 0, sizeof *link);
    link->is_open = true;
    link->client = client;
    link->server = server;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    arm(proxy, client, slot * 2);
    arm(proxy, server, slot * 2 + 1);
}

/* Sends what may pass; the receivers read at once, so that blocking sends do for a test. */
static bool flush(struct proxy_pipe *pipe, int fd)
{
    while (pipe->ready > 0 && fd >= 0) {
        ssize_t sent = send(fd, pipe->data, pipe->ready, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        pipe_cut(pipe, 0, (size_t)sent);
        pipe->ready -= (size_t)sent;
    }
    return true;
}

static void move(struct proxy *proxy, struct proxy_link *link)
{
    if (proxy->is_frozen)
        return;
    requests_pass(proxy, link);
    answers_pass(proxy, link);
    if (!flush(&link->up, link->server) || !flush(&link->down, link->client))
        link_close(link);
}

static void read_side(struct proxy *proxy, struct proxy_link *link, bool from_server)
{
    static uint8_t bytes[READ_BYTES];
    int *fd = from_server ? &link->server : &link->client;
    if (!link->is_open || *fd < 0)
        return;
    ssize_t got = recv(*fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    bool is_detached = link->client < 0;
    if (got > 0)
        pipe_add(from_server ? &link->down : &link->up, bytes, (size_t)got);
    if (got > 0 && !is_detached)
        move(proxy, link);
    else if (got <= 0 && !from_server && proxy->held && link->up.len)
        close_fd(&link->client); /* what is held is delivered when it is let go */
    else if (got <= 0)
        link_close(link);
}

/* -------------------------------------------------------------------------------------- source */

static void interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    struct proxy *proxy = self;
    *ret_interest = (struct interest){proxy->epoll, true, false, -1};
}

static void process(void *self, bool readable, bool writable, int64_t now_ms)
{
    struct proxy *proxy = self;
    struct epoll_event events[2 * PROXY_LINKS_MAX + 1];
    int count = epoll_wait(proxy->epoll, events, 2 * PROXY_LINKS_MAX + 1, 0);
    for (int i = 0; i < count; i++) {
        uint32_t key = events[i].data.u32;
        if (key == LISTENER_KEY)
            take_client(proxy);
        else
            read_side(proxy, &proxy->links[key / 2], key % 2);
    }
}

struct source proxy_source(struct proxy *proxy)
{
    return (struct source){"proxy", proxy, interest, process};
}

void proxy_release(struct proxy *proxy)
{
    proxy->hold = PROXY_NONE;
    proxy->is_frozen = false;
    proxy->held = 0;
    for (unsigned i = 0; i < PROXY_LINKS_MAX; i++) {
        if (proxy->links[i].is_open)
            move(proxy, &proxy->links[i]);
    }
}

void proxy_cut_clients(struct proxy *proxy)
{
    for (unsigned i = 0; i < PROXY_LINKS_MAX; i++) {
        if (proxy->links[i].is_open)
            close_fd(&proxy->links[i].client);
    }
}

void proxy_cut(struct proxy *proxy)
{
    for (unsigned i = 0; i < PROXY_LINKS_MAX; i++) {
        if (proxy->links[i].is_open)
            link_close(&proxy->links[i]);
    }
}

struct proxy *proxy_new(const char *server)
{
    struct proxy *proxy = xcalloc(1, sizeof *proxy);
    const char *colon = strrchr(server, ':');
    CHECK(colon);
    proxy->server_port = (uint16_t)strtoul(colon + 1, NULL, 10);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    proxy->epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(proxy->listener >= 0 && proxy->epoll >= 0);
    CHECK(bind(proxy->listener, (const struct sockaddr *)&at, sizeof at) == 0);
    CHECK(listen(proxy->listener, 64) == 0);
    CHECK(getsockname(proxy->listener, (struct sockaddr *)&at, &len) == 0);
    snprintf(proxy->address, sizeof proxy->address, "127.0.0.1:%u", ntohs(at.sin_port));
    arm(proxy, proxy->listener, LISTENER_KEY);
    return proxy;
}

void proxy_free(struct proxy *proxy)
{
    proxy_cut(proxy);
    close(proxy->listener);
    close(proxy->epoll);
    free(proxy);
}
