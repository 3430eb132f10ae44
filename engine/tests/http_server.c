/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/tests/http_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/check.h"

#define CONNECTIONS_MAX 1024

struct connection {
    struct http_server *server;
    pthread_t thread;
    int fd;
    int served; /* requests on this connection, this one too */
};

struct http_server {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_int requests;
    atomic_int count;
    struct connection connections[CONNECTIONS_MAX];
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int held;
    int releases;
    bool ending;
};

/* --- talking ------------------------------------------------------------------------------------
 */

static bool send_all(const struct connection *c, const void *data, size_t len)
{
    const char *at = data;
    while (len) {
        ssize_t sent = send(c->fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool say(const struct connection *c, const char *text)
{
    return send_all(c, text, strlen(text));
}

static bool answer(const struct connection *c, const char *status, const char *headers,
                   const char *body, size_t len)
{
    struct buffer text = {0};
    buffer_printf(&text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status, len, headers);
    buffer_add(&text, body, len);
    bool good = send_all(c, text.data, text.len);
    buffer_done(&text);
    return good;
}

static void until_closed(const struct connection *c)
{
    char waste[4096];
    while (recv(c->fd, waste, sizeof waste, 0) > 0)
        continue;
}

/* Reads one request with its body; false: the client closed. */
static bool read_request(const struct connection *c, struct buffer *request)
{
    char data[65536];
    size_t want = 0;
    buffer_clear(request);
    while (!want || request->len < want) {
        ssize_t got = recv(c->fd, data, sizeof data, 0);
        if (got <= 0)
            return false;
        buffer_add(request, data, (size_t)got);
        if (request->data[0] == 0x16) /* TLS */
            return false;
        const char *end = strstr(request->data, "\r\n\r\n");
        if (!end || want)
            continue;
        const char *length = strcasestr(request->data, "\r\nContent-Length:");
        want = (size_t)(end + 4 - request->data) +
               (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
    }
    return true;
}

/* --- behaviours: true keeps the connection
 * -------------------------------------------------------- */

typedef bool behave_fn(struct connection *c, const struct buffer *request);

static bool do_json(struct connection *c, const struct buffer *request)
{
    return answer(c, "200 OK", "Content-Type: application/json\r\nX-Two: a\r\nx-two: b\r\n",
                  "{\"a\":1.10}", 10);
}

static bool do_404(struct connection *c, const struct buffer *request)
{
    return answer(c, "404 Not Found", "", "nothing", 7);
}

static bool do_500(struct connection *c, const struct buffer *request)
{
    return answer(c, "500 Oh", "", "", 0);
}

static bool do_204(struct connection *c, const struct buffer *request)
{
    return say(c, "HTTP/1.1 204 None\r\nX-A: 1\r\n\r\n");
}

static bool do_head(struct connection *c, const struct buffer *request)
{
    return say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
}

static bool do_echo(struct connection *c, const struct buffer *request)
{
    return answer(c, "200 OK", "", request->data, request->len);
}

static bool do_slow(struct connection *c, const struct buffer *request)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nA: b\r\n\r\nslow";
    for (const char *at = text; *at; at++) {
        if (!send_all(c, at, 1))
            return false;
        usleep(2000);
    }
    return true;
}

static bool do_never(struct connection *c, const struct buffer *request)
{
    until_closed(c);
    return false;
}

static bool do_held(struct connection *c, const struct buffer *request)
{
    struct http_server *s = c->server;
    pthread_mutex_lock(&s->mutex);
    s->held++;
    pthread_cond_broadcast(&s->changed);
    int releases = s->releases;
    while (s->releases == releases && !s->ending)
        pthread_cond_wait(&s->changed, &s->mutex);
    s->held--;
    pthread_mutex_unlock(&s->mutex);
    return answer(c, "200 OK", "", "held", 4);
}

static bool do_close(struct connection *c, const struct buffer *request)
{
    return false;
}

static bool do_reset(struct connection *c, const struct buffer *request)
{
    struct linger linger = {.l_onoff = 1};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return false;
}

static bool do_mid_head(struct connection *c, const struct buffer *request)
{
    say(c, "HTTP/1.1 200 OK\r\nContent-Le");
    return false;
}

static bool do_mid_body(struct connection *c, const struct buffer *request)
{
    say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    return false;
}

static bool do_endless(struct connection *c, const struct buffer *request)
{
    char data[65536];
    memset(data, 'x', sizeof data);
    if (!say(c, "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"))
        return false;
    while (send_all(c, data, sizeof data))
        continue;
    return false;
}

static bool do_big(struct connection *c, const struct buffer *request)
{
    size_t len = 10 << 20;
    char *data = xmalloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 2654435761u >> 24);
    bool good = answer(c, "200 OK", "", data, len);
    free(data);
    return good;
}

static bool do_bad_headers(struct connection *c, const struct buffer *request)
{
    return say(c, "HTTP/1.1 200 OK\r\n: no name\r\nX-Bytes: \xff\xfe\"\r\n"
                  "X-Fold: one\r\n   two\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n");
}

static bool do_no_colon(struct connection *c, const struct buffer *request)
{
    return say(c, "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n");
}

static bool do_nul_header(struct connection *c, const struct buffer *request)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 0\r\n\r\n";
    return send_all(c, text, sizeof text - 1);
}

static bool do_nul_body(struct connection *c, const struct buffer *request)
{
    return answer(c, "200 OK", "", "a\0b\xff", 4);
}

static bool do_many_headers(struct connection *c, const struct buffer *request)
{
    say(c, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 10000; i++) {
        if (!say(c, "a:b\r\n"))
            return false;
    }
    return say(c, "Content-Length: 0\r\n\r\n");
}

static bool do_long_headers(struct connection *c, const struct buffer *request)
{
    char value[5000];
    memset(value, 'v', sizeof value);
    say(c, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 20; i++) {
        if (!say(c, "X-L: ") || !send_all(c, value, sizeof value) || !say(c, "\r\n"))
            return false;
    }
    return say(c, "Content-Length: 0\r\n\r\n");
}

static bool do_endless_continue(struct connection *c, const struct buffer *request)
{
    while (say(c, "HTTP/1.1 103 Early\r\nX-Hint: 1234567890\r\n\r\n"))
        continue;
    return false;
}

static bool do_continue(struct connection *c, const struct buffer *request)
{
    return say(c, "HTTP/1.1 103 Early\r\nX-Early: 1\r\n\r\n") &&
           answer(c, "200 OK", "X-Late: 2\r\n", "ok", 2);
}

static bool do_chunked(struct connection *c, const struct buffer *request)
{
    return say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n");
}

static bool do_bad_chunks(struct connection *c, const struct buffer *request)
{
    say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
    until_closed(c);
    return false;
}

static bool do_garbage(struct connection *c, const struct buffer *request)
{
    say(c, "\x16\x03\x01 what is this\r\n\r\n");
    return false;
}

static bool do_loop(struct connection *c, const struct buffer *request)
{
    return answer(c, "302 Found", "Location: /loop\r\n", "again", 5);
}

static bool do_once(struct connection *c, const struct buffer *request)
{
    return answer(c, "302 Found", "Location: echo\r\nX-Hop: 1\r\n", "moved", 5);
}

/* The same server by another name is another origin. */
static bool do_away(struct connection *c, const struct buffer *request)
{
    char header[100];
    snprintf(header, sizeof header, "Location: http://localhost:%d/echo\r\n", c->server->port);
    return answer(c, "307 Away", header, "", 0);
}

static bool do_file(struct connection *c, const struct buffer *request)
{
    return answer(c, "302 Found", "Location: file:///etc/passwd\r\n", "file", 4);
}

static bool do_metadata(struct connection *c, const struct buffer *request)
{
    return answer(c, "302 Found", "Location: http://169.254.169.254/latest\r\n", "", 0);
}

/* Kept after the first answer, and closed when the second request has been read. */
static bool do_stale(struct connection *c, const struct buffer *request)
{
    return c->served == 1 && answer(c, "200 OK", "", "first", 5);
}

static const struct {
    const char *path;
    behave_fn *behave;
} behaviours[] = {
    {"/json", do_json},
    {"/404", do_404},
    {"/500", do_500},
    {"/204", do_204},
    {"/head", do_head},
    {"/echo", do_echo},
    {"/slow", do_slow},
    {"/never", do_never},
    {"/held", do_held},
    {"/close", do_close},
    {"/reset", do_reset},
    {"/mid-head", do_mid_head},
    {"/mid-body", do_mid_body},
    {"/endless", do_endless},
    {"/big", do_big},
    {"/bad-headers", do_bad_headers},
    {"/no-colon", do_no_colon},
    {"/nul-header", do_nul_header},
    {"/nul-body", do_nul_body},
    {"/many-headers", do_many_headers},
    {"/long-headers", do_long_headers},
    {"/continue", do_continue},
    {"/endless-continue", do_endless_continue},
    {"/chunked", do_chunked},
    {"/bad-chunks", do_bad_chunks},
    {"/garbage", do_garbage},
    {"/loop", do_loop},
    {"/once", do_once},
    {"/away", do_away},
    {"/file", do_file},
    {"/metadata", do_metadata},
    {"/stale", do_stale},
};

/* --- threads ------------------------------------------------------------------------------------
 */

static behave_fn *behaviour_of(const struct buffer *request)
{
    const char *path = strchr(request->data, ' ') + 1;
    size_t len = strcspn(path, " ?");
    for (size_t i = 0; i < sizeof behaviours / sizeof behaviours[0]; i++) {
        if (strlen(behaviours[i].path) == len && !memcmp(path, behaviours[i].path, len))
            return behaviours[i].behave;
    }
    return do_404;
}

static void *serve(void *argument)
{
    struct connection *c = argument;
    struct buffer request = {0};
    bool keep = true;
    while (keep && read_request(c, &request)) {
        c->served++;
        c->server->requests++;
        keep = behaviour_of(&request)(c, &request);
    }
    buffer_done(&request);
    pthread_mutex_lock(&c->server->mutex);
    close(c->fd);
    c->fd = -1;
    pthread_mutex_unlock(&c->server->mutex);
    return NULL;
}

static void *accept_all(void *argument)
{
    struct http_server *s = argument;
    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        CHECK(s->count < CONNECTIONS_MAX);
        struct connection *c = &s->connections[s->count];
        c->server = s;
        c->fd = fd;
        CHECK(!pthread_create(&c->thread, NULL, serve, c));
        s->count++;
    }
    return NULL;
}

struct http_server *http_server_start(void)
{
    struct http_server *s = xcalloc(1, sizeof *s);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(s->fd >= 0 && !bind(s->fd, (struct sockaddr *)&address, sizeof address));
    CHECK(!listen(s->fd, 512) && !getsockname(s->fd, (struct sockaddr *)&address, &len));
    s->port = ntohs(address.sin_port);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    CHECK(!pthread_create(&s->thread, NULL, accept_all, s));
    return s;
}

void http_server_end(struct http_server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    pthread_mutex_lock(&s->mutex);
    s->ending = true;
    pthread_cond_broadcast(&s->changed);
    for (int i = 0; i < s->count; i++) {
        if (s->connections[i].fd >= 0)
            shutdown(s->connections[i].fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&s->mutex);
    for (int i = 0; i < s->count; i++)
        pthread_join(s->connections[i].thread, NULL);
    close(s->fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

/* --- looking ------------------------------------------------------------------------------------
 */

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

int http_server_requests(const struct http_server *s)
{
    return s->requests;
}

int http_server_connections(const struct http_server *s)
{
    return s->count;
}

int http_server_held(struct http_server *s)
{
    pthread_mutex_lock(&s->mutex);
    int held = s->held;
    pthread_mutex_unlock(&s->mutex);
    return held;
}

void http_server_release(struct http_server *s)
{
    pthread_mutex_lock(&s->mutex);
    s->releases++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
}
