/* SPDX-License-Identifier: Apache-2.0 */
/* A small server of bad manners for the tests of HTTP requests: raw sockets on loopback, a thread
 * for each connection. What it does is named by the path (http_server.c, `behaviours`); it counts
 * the requests it has read. */
#ifndef ENGINE_TESTS_HTTP_SERVER_H
#define ENGINE_TESTS_HTTP_SERVER_H

#include <stdint.h>

struct http_server;

/* Listens on 127.0.0.1, on a port of its own. */
struct http_server *http_server_start(void);
/* Cuts what is open and waits for its threads. */
void http_server_end(struct http_server *s);

uint16_t http_server_port(const struct http_server *s);
/* Requests read so far, whole ones. */
int http_server_requests(const struct http_server *s);
/* Connections accepted so far. */
int http_server_connections(const struct http_server *s);
/* Requests of /held that wait, and their answer. */
int http_server_held(struct http_server *s);
void http_server_release(struct http_server *s);

#endif
