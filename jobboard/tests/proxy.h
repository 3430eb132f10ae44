/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP proxy in front of a ZooKeeper server that loses chosen answers. For tests.
 *
 * Knows ZooKeeper's framing: length, xid, operation. Single-threaded: one source (an epoll
 * descriptor) for the same loop that drives the boards. */
#ifndef JOBBOARD_TESTS_PROXY_H
#define JOBBOARD_TESTS_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/os/source.h"

enum proxy_op {
    PROXY_NONE = 0,
    PROXY_CREATE = 1,
    PROXY_DELETE = 2,
    PROXY_EXISTS = 3,
    PROXY_GET = 4,
    PROXY_SET = 5,
    PROXY_CHILDREN = 8,
    PROXY_SYNC = 9,
    PROXY_PING = 11,
    PROXY_MULTI = 14,
    PROXY_CLOSE = -11,
    PROXY_CONNECT = -1000, /* the first frame of a connection, which names no operation */
};

#define PROXY_LINKS_MAX 16
#define PROXY_XIDS_MAX  2048

struct proxy_pipe {
    uint8_t *data;
    size_t len, capacity;
    size_t ready; /* bytes of whole frames that may go on */
};

struct proxy_link {
    bool is_open;
    int client, server;
    struct proxy_pipe up, down;
    bool up_began, down_began; /* the connect frame has passed */
    struct {
        int32_t xid, op;
    } asked[PROXY_XIDS_MAX];
    unsigned asked_count;
};

struct proxy {
    int epoll, listener;
    uint16_t server_port;
    char address[32]; /* where it listens: "127.0.0.1:port" */
    struct proxy_link links[PROXY_LINKS_MAX];
    /* What is done to the traffic; tests set these. */
    enum proxy_op drop;                 /* answers of this operation vanish, */
    unsigned drop_times;                /* so many of them */
    enum proxy_op hold;                 /* requests of this operation wait, and all behind them */
    bool is_frozen;                     /* nothing passes, connections are taken */
    unsigned dropped;                   /* how many answers vanished */
    unsigned held;                      /* requests that are being held */
    unsigned seen_multis, seen_singles; /* requests that passed */
};

struct proxy *proxy_new(const char *server); /* "127.0.0.1:port" */
void proxy_free(struct proxy *proxy);
struct source proxy_source(struct proxy *proxy);
/* Lets held requests go, to the server they were meant for. */
void proxy_release(struct proxy *proxy);
/* Cuts the clients' side only: what the server's side still holds is delivered when released. */
void proxy_cut_clients(struct proxy *proxy);
/* Ends every connection. */
void proxy_cut(struct proxy *proxy);

#endif
