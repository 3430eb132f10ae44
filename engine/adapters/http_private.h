/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the HTTP source share; nobody else includes it.
 *
 *   http.c          the source: API, epoll and timer for libcurl, the queue of events
 *   http_request.c  what is asked: checks, headers, libcurl's options
 *   http_answer.c   what comes back: headers, body, redirects, what an end is called
 *
 * Life of a request: WAITING for its turn → UNDER WAY (its easy handle is in the multi handle) →
 * DONE (the handle is gone) → pulled, and freed with the next call. A redirect takes the handle out
 * and puts it in again. */
#ifndef ENGINE_ADAPTERS_HTTP_PRIVATE_H
#define ENGINE_ADAPTERS_HTTP_PRIVATE_H

#include <curl/curl.h>
#include <uthash.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "engine/adapters/http.h"

struct http_source {
    CURLM *multi;
    int epoll_fd;        /* all of libcurl's sockets */
    int64_t timer_ms;    /* when libcurl wants to be called; -1: not */
    int64_t kill_at_ms;  /* the lease's end */
    const char *ca_path; /* directory of hashed certificates; NULL: libcurl's own way */
    char *ca_file;       /* NULL: the system's */
    bool allow_link_local;
    size_t under_way;              /* WAITING ones too */
    struct http_request *waiting;  /* utlist, oldest first */
    struct http_request *requests; /* uthash by id, DONE ones too */
    struct http_request *queue;    /* utlist: DONE ones, to be pulled */
    struct http_request *pulled;   /* freed with the next call */
};

/* One field of the response, in the order of coming. */
struct http_field {
    struct text name; /* in lower case */
    struct text value;
};

struct http_request {
    uint64_t id;
    struct http_source *source;
    CURL *easy; /* NULL: DONE */
    CURLU *url;
    struct arena arena; /* copies of what the caller gave, and the response's fields */
    struct text method;
    struct text body;           /* of the request */
    struct curl_slist *own;     /* headers of the source, for every origin */
    struct curl_slist *headers; /* those and the caller's */
    bool is_safe;               /* GET or HEAD: may be sent again */
    int redirects;

    /* This hop. */
    int sendings;      /* times a connection was ready to take it */
    bool lease_over;   /* found when it was about to be sent */
    bool is_denied;    /* an address of its host was */
    bool headers_done; /* of the response itself: what follows are trailers */
    bool headers_overflow;
    struct http_field *fields;
    size_t field_count, field_capacity;
    size_t header_bytes; /* received, those of 1xx too */
    struct buffer in;    /* the response's body */
    bool discard_in;
    bool in_overflow;

    char curl_text[CURL_ERROR_SIZE];
    bool may_have_arrived; /* some hop had a connection ready */

    /* The event, DONE only. */
    enum http_trouble trouble; /* none: answered */
    char trouble_text[CURL_ERROR_SIZE + 64];
    int status;
    struct buffer headers_json;

    bool is_waiting;
    struct http_request *prev, *next; /* of the WAITING or in the queue */
    UT_hash_handle hh;
};

/* Copies and checks `spec` and makes the easy handle. Returns 0, or -1 with the trouble set. */
int http_request_prepare(struct http_request *r, const struct http_spec *spec);

/* The next hop of a redirect to `location`, an absolute URL; false: it is not to be followed. */
bool http_request_redirect(struct http_request *r, const char *location);

void http_request_free(struct http_request *r);

void http_set_trouble(struct http_request *r, enum http_trouble trouble, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes libcurl tell this request what comes back. */
void http_answer_attach(struct http_request *r);

/* Forgets the hop's response. */
void http_answer_reset(struct http_request *r);

/* Records what the end of the transfer means, in the fields of the event. */
void http_answer_judge(struct http_request *r, CURLcode code);

#endif
