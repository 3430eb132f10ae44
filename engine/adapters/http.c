/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/adapters/http_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"

/* One turn serves at most so many sockets: libcurl takes up to 1.6 MB from each. */
#define EVENTS_A_TURN 16

/* libcurl begins all that it was given in one call, and each beginning of TLS takes a millisecond.
 */
#define STARTS_A_TURN 8

/* --- libcurl's side -----------------------------------------------------------------------------
 */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *self, void *known)
{
    struct http_source *h = self;
    struct epoll_event event = {.data.fd = fd};
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, fd, &event);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                   (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    /* A number may have been closed and used again behind our back. */
    if (epoll_ctl(h->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0 && errno == ENOENT)
        epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *self)
{
    struct http_source *h = self;
    h->timer_ms = timeout_ms < 0 ? -1 : clock_now_ms() + timeout_ms;
    return 0;
}

/* --- ends ---------------------------------------------------------------------------------------
 */

void http_set_trouble(struct http_request *r, enum http_trouble trouble, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->trouble_text, sizeof r->trouble_text, format, args);
    va_end(args);
    r->trouble = trouble;
}

static void finish(struct http_source *h, struct http_request *r)
{
    if (r->is_waiting)
        DL_DELETE(h->waiting, r);
    r->is_waiting = false;
    if (r->easy) {
        curl_multi_remove_handle(h->multi, r->easy);
        curl_easy_cleanup(r->easy);
        r->easy = NULL;
        h->under_way--;
    }
    DL_APPEND(h->queue, r);
}

static void abort_request(struct http_source *h, struct http_request *r, enum http_trouble trouble,
                          const char *why)
{
    http_set_trouble(r, trouble, "%s %s", why,
                     r->may_have_arrived ? "before its answer came" : "before it was sent");
    finish(h, r);
}

static void abort_all(struct http_source *h)
{
    for (struct http_request *r = h->requests; r; r = r->hh.next) {
        if (r->easy)
            abort_request(h, r, HTTP_TROUBLE_LEASE, "the lease was over");
    }
}

/* True: it goes on to where it was sent. */
static bool follow(struct http_source *h, struct http_request *r, CURLcode code)
{
    char *location = NULL;
    if (code != CURLE_OK || !r->headers_done || !r->is_safe || r->body.len ||
        r->redirects >= HTTP_REDIRECTS_MAX)
        return false;
    curl_easy_getinfo(r->easy, CURLINFO_REDIRECT_URL, &location);
    if (!location)
        return false;
    char *copy = xstrdup(location);
    bool follows = http_request_redirect(r, copy);
    free(copy);
    if (!follows)
        return false;
    curl_multi_remove_handle(h->multi, r->easy);
    http_answer_reset(r);
    CHECK(curl_multi_add_handle(h->multi, r->easy) == CURLM_OK);
    return true;
}

static void give_waiting(struct http_source *h)
{
    for (int i = 0; i < STARTS_A_TURN && h->waiting; i++) {
        struct http_request *r = h->waiting;
        DL_DELETE(h->waiting, r);
        r->is_waiting = false;
        CHECK(curl_multi_add_handle(h->multi, r->easy) == CURLM_OK);
    }
}

static void take_ended(struct http_source *h)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(h->multi, &left))) {
        struct http_request *r = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&r);
        if (follow(h, r, code))
            continue;
        http_answer_judge(r, code);
        finish(h, r);
    }
}

/* --- the source ------------------------------------------------------------------------------- */

static void source_interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    struct http_source *h = self;
    int64_t due_ms = h->timer_ms;
    if (h->under_way && h->kill_at_ms != HTTP_LEASE_NEVER_MS &&
        (due_ms < 0 || h->kill_at_ms < due_ms))
        due_ms = h->kill_at_ms;
    /* What waits for its turn or to be pulled must not wait for a descriptor. */
    if (h->waiting || h->queue)
        due_ms = now_ms;
    *ret_interest = (struct interest){.fd = h->epoll_fd, .want_read = true, .deadline_ms = due_ms};
}

static void source_process(void *self, bool readable, bool writable, int64_t now_ms)
{
    struct http_source *h = self;
    struct epoll_event events[EVENTS_A_TURN];
    int running;
    /* Before any socket: a frozen process that wakes must not go on sending. */
    if (now_ms >= h->kill_at_ms)
        abort_all(h);
    int count = epoll_wait(h->epoll_fd, events, EVENTS_A_TURN, 0);
    for (int i = 0; i < count; i++) {
        int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(h->multi, events[i].data.fd, what, &running);
    }
    give_waiting(h);
    if (h->timer_ms >= 0 && clock_now_ms() >= h->timer_ms) {
        h->timer_ms = -1;
        curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    take_ended(h);
}

struct source http_source(struct http_source *h)
{
    return (struct source){
        .name = "http", .self = h, .interest = source_interest, .process = source_process};
}

/* The whole bundle of certificates takes tens of milliseconds to parse; a directory of hashed ones
 * is looked into only for what is needed. */
static const char *hashed_certificates(void)
{
    const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);
    if (version->age < CURLVERSION_SEVENTH || !version->capath || access(version->capath, R_OK) < 0)
        return NULL;
    return version->capath;
}

static int open_multi(struct http_source *h, struct error *ret_error)
{
    h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (h->epoll_fd < 0)
        return error_set(ret_error, ERR_SYSTEM, "http source: %s", strerrordesc_np(errno));
    const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);
    if (!(version->features & CURL_VERSION_ASYNCHDNS))
        return error_set(ret_error, ERR_SYSTEM, "this libcurl blocks while it resolves names");
    h->multi = curl_multi_init();
    CHECK(h->multi);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)HTTP_CONNECTIONS_MAX);
    curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)HTTP_HOST_CONNECTIONS_MAX);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_CONNECTIONS_KEPT);
    return 0;
}

struct http_source *http_source_new(const struct http_options *options, struct error *ret_error)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (code != CURLE_OK) {
        error_set(ret_error, ERR_SYSTEM, "libcurl: %s", curl_easy_strerror(code));
        return NULL;
    }
    struct http_source *h = xcalloc(1, sizeof *h);
    h->epoll_fd = -1;
    h->timer_ms = -1;
    h->kill_at_ms = HTTP_LEASE_NEVER_MS;
    h->allow_link_local = options->allow_link_local;
    h->ca_file = options->ca_file ? xstrdup(options->ca_file) : NULL;
    h->ca_path = hashed_certificates();
    if (open_multi(h, ret_error) != 0) {
        http_free(h);
        return NULL;
    }
    return h;
}

static void free_pulled(struct http_source *h)
{
    if (h->pulled)
        http_request_free(h->pulled);
    h->pulled = NULL;
}

void http_free(struct http_source *h)
{
    if (!h)
        return;
    struct http_request *r, *following;
    HASH_ITER(hh, h->requests, r, following)
    {
        HASH_DEL(h->requests, r);
        if (r->easy)
            curl_multi_remove_handle(h->multi, r->easy);
        http_request_free(r);
    }
    free_pulled(h);
    curl_multi_cleanup(h->multi);
    curl_global_cleanup();
    if (h->epoll_fd >= 0)
        close(h->epoll_fd);
    free(h->ca_file);
    free(h);
}

/* --- orders ----------------------------------------------------------------------------------- */

static struct http_request *request_find(struct http_source *h, uint64_t id)
{
    struct http_request *r;
    HASH_FIND(hh, h->requests, &id, sizeof id, r);
    return r;
}

void http_start(struct http_source *h, uint64_t id, const struct http_spec *spec)
{
    CHECK(!request_find(h, id));
    free_pulled(h);
    struct http_request *r = xcalloc(1, sizeof *r);
    r->id = id;
    r->source = h;
    HASH_ADD(hh, h->requests, id, sizeof r->id, r);
    if (clock_now_ms() >= h->kill_at_ms)
        http_set_trouble(r, HTTP_TROUBLE_LEASE, "the lease was over before it was sent");
    if (r->trouble || http_request_prepare(r, spec) < 0) {
        finish(h, r);
        return;
    }
    h->under_way++;
    r->is_waiting = true;
    DL_APPEND(h->waiting, r);
}

void http_stop(struct http_source *h, uint64_t id)
{
    free_pulled(h);
    struct http_request *r = request_find(h, id);
    if (r && r->easy)
        abort_request(h, r, HTTP_TROUBLE_STOPPED, "stopped");
}

void http_set_kill_at(struct http_source *h, int64_t kill_at_ms)
{
    h->kill_at_ms = kill_at_ms;
}

size_t http_running(const struct http_source *h)
{
    return HASH_COUNT(h->requests);
}

/* --- events ----------------------------------------------------------------------------------- */

bool http_next(struct http_source *h, struct http_event *ret_event)
{
    free_pulled(h);
    struct http_request *r = h->queue;
    if (!r)
        return false;
    *ret_event = (struct http_event){.step = r->id, .trouble = r->trouble};
    if (r->trouble) {
        ret_event->kind = HTTP_FAILED;
        ret_event->text = text_of(r->trouble_text);
        ret_event->may_have_arrived = r->may_have_arrived;
    } else {
        ret_event->kind = HTTP_ANSWERED;
        ret_event->status = r->status;
        ret_event->headers = buffer_text(&r->headers_json);
        ret_event->body = buffer_text(&r->in);
        ret_event->body_overflow = r->in_overflow;
    }
    DL_DELETE(h->queue, r);
    HASH_DEL(h->requests, r);
    h->pulled = r;
    return true;
}
