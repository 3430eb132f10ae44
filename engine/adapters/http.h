/* SPDX-License-Identifier: Apache-2.0 */
/* The source that makes HTTP requests: many at once, on libcurl, without a thread of its own but
 * libcurl's resolvers.
 *
 * What a caller must know:
 * - Every start is answered by exactly one event: `answered` with status, headers and body of a
 *   complete response, whatever its status; else `failed`.
 * - `failed` says whether the request may have arrived. It certainly did not if no connection was
 *   ready for it (refused, not resolved, TLS failed, denied, stopped before). From the moment its
 *   first byte could have been sent it may have, and a response cut short proves nothing.
 * - A request other than GET and HEAD is sent once. Where libcurl would silently send it again (a
 *   kept connection died under it) it fails as possibly arrived. To make that rare it only uses a
 *   connection that was idle for at most HTTP_UNSAFE_IDLE_S.
 * - Redirects are followed for GET and HEAD without a body, at most HTTP_REDIRECTS_MAX, to http and
 *   https only and never from https to http. A redirect that is not followed is the response. To
 *   another origin go none of the caller's headers. A redirected request keeps the word that it may
 *   have arrived.
 * - Headers the source adds unless the caller gives them: User-Agent, Idempotency-Key (if there is
 *   a key), Content-Type (of a body). Headers that frame the message or rule the connection belong
 *   to the source: giving one is `failed`, as is whatever cannot be sent as it stands (a method or
 *   a name that is no token, control characters, another scheme than http and https).
 * - The response's headers are a JSON object: names in lower case in the order of their first
 *   coming, repeated ones joined by ", ", bytes that are no UTF-8 replaced by U+FFFD; only those of
 *   the response itself: no 1xx, no trailers, no proxy. More than HTTP_HEADERS_MAX of them or
 *   HTTP_HEADER_MAX_BYTES is `failed`.
 * - The body is raw. The first byte beyond its limit ends the transfer: `answered` with
 *   body_overflow and the body's beginning. A discarded body knows no limit.
 * - Link-local addresses, where clouds keep their credentials, are denied, by the address that is
 *   connected to and not by its name. Whoever is behind a proxy relies on the proxy for that. The
 *   proxy is taken from the environment as libcurl does (http_proxy, https_proxy, no_proxy).
 * - Deadlines belong to the caller: it orders http_stop. Only the lease is watched here: what is
 *   under way at that time is aborted, and nothing starts or is sent later. (A process that cannot
 *   act at that time aborts it as soon as it acts, before anything else is sent.)
 * - At most HTTP_CONNECTIONS_MAX connections, HTTP_HOST_CONNECTIONS_MAX of them to one host; what
 *   is beyond waits for one.
 *
 * Nothing blocks. A resolver thread that hangs is left to itself when its request ends. */
#ifndef ENGINE_ADAPTERS_HTTP_H
#define ENGINE_ADAPTERS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/os/source.h"
#include "base/text.h"

#define HTTP_BODY_MAX_BYTES       ((size_t)16 << 20) /* the payload limit */
#define HTTP_HEADER_MAX_BYTES     ((size_t)64 << 10) /* all names and values of a response */
#define HTTP_HEADERS_MAX          256
#define HTTP_REDIRECTS_MAX        5
#define HTTP_CONNECTIONS_MAX      256
#define HTTP_HOST_CONNECTIONS_MAX 64
#define HTTP_CONNECTIONS_KEPT     32 /* idle ones */
#define HTTP_UNSAFE_IDLE_S        2  /* less than any usual server keeps an idle connection */
#define HTTP_LEASE_NEVER_MS       INT64_MAX

struct http_source;

struct http_options {
    const char *ca_file;   /* certificates to trust; NULL: the system's */
    bool allow_link_local; /* 169.254.0.0/16 and fe80::/10 too */
};

struct http_header {
    struct text name;
    struct text value;
};

/* All of it is copied before http_start returns. */
struct http_spec {
    struct text method;
    struct text url;
    const struct http_header *headers;
    size_t header_count;
    struct text body;      /* empty or no text: none */
    bool body_is_json;     /* its Content-Type is application/json, else text/plain in UTF-8 */
    struct text key;       /* Idempotency-Key; no text: none */
    size_t body_max_bytes; /* of the response; 0: HTTP_BODY_MAX_BYTES */
    bool discard_body;     /* of the response */
};

enum http_event_kind {
    HTTP_ANSWERED, /* step and the block below */
    HTTP_FAILED,   /* step, trouble, text, may_have_arrived */
};

enum http_trouble {
    HTTP_TROUBLE_NONE,
    HTTP_TROUBLE_INVALID,     /* this cannot be sent as a request */
    HTTP_TROUBLE_UNREACHABLE, /* no connection came about */
    HTTP_TROUBLE_LOST,        /* no complete response came */
    HTTP_TROUBLE_STOPPED,     /* http_stop */
    HTTP_TROUBLE_LEASE,       /* the lease was over */
};

struct http_event {
    enum http_event_kind kind;
    uint64_t step;
    enum http_trouble trouble;
    struct text text; /* failed: a sentence for people */
    bool may_have_arrived;

    int status;
    struct text headers; /* JSON object */
    struct text body;    /* raw */
    bool body_overflow;  /* there was more than the limit */
};

/* Returns NULL and the reason if libcurl here cannot do this. The lease deadline is
 * HTTP_LEASE_NEVER_MS at first. */
struct http_source *http_source_new(const struct http_options *options, struct error *ret_error);

/* Drops what is under way; takes NULL. */
void http_free(struct http_source *h);

struct source http_source(struct http_source *h);

/* `step` is the caller's number, not in use for a request whose event was not pulled yet. */
void http_start(struct http_source *h, uint64_t step, const struct http_spec *spec);

/* Aborts it at once. Unknown or ended is no error: orders and ends cross. */
void http_stop(struct http_source *h, uint64_t step);

/* When all requests are aborted unless this is called again: clock_now_ms() time,
 * HTTP_LEASE_NEVER_MS for never. */
void http_set_kill_at(struct http_source *h, int64_t kill_at_ms);

/* Pulls the oldest event. Its texts live until the next call with this source. */
bool http_next(struct http_source *h, struct http_event *ret_event);

/* Requests started whose event was not pulled yet. */
size_t http_running(const struct http_source *h);

#endif
