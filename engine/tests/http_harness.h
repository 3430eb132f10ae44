/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of HTTP requests share: a server of bad manners, a source, and all that it told.
 */
#ifndef ENGINE_TESTS_HTTP_HARNESS_H
#define ENGINE_TESTS_HTTP_HARNESS_H

#include "base/buffer.h"
#include "engine/adapters/http.h"
#include "engine/tests/http_server.h"

#define PATIENCE_MS 20000
#define STEPS_MAX   256

/* All that was told about one request. */
struct told {
    bool final;
    struct http_event event; /* its texts are copied below */
    char text[512];
    struct buffer headers;
    struct buffer body;
};

struct bench {
    struct http_server *server;
    struct http_source *h;
    struct told told[STEPS_MAX]; /* by step number */
    char url[256];               /* of http_path */
    int64_t longest_ms;          /* of one call of process() */
};

/* cmocka setup and teardown; the teardown fails if a request is left or a call took long. */
int http_setup(void **state);
int http_teardown(void **state);

/* A URL of the server; it lasts until the next one is made. */
struct text http_path(struct bench *b, const char *of);
/* Starts a request; `base` may be NULL, its method is GET if there is none. */
void http_begin(struct bench *b, uint64_t step, struct text url, const struct http_spec *base);
/* One wait of at most `ms`, and all events pulled. */
void http_pump(struct bench *b, int64_t ms);
/* Pumps until the condition holds; fails the test after PATIENCE_MS. */
struct told *http_await(struct bench *b, uint64_t step);
void http_until_requests(struct bench *b, int count);
/* Start and wait for the end. */
struct told *http_run(struct bench *b, uint64_t step, const char *of, const struct http_spec *base);

void assert_answered(const struct told *told, int status, const char *body);
void assert_failed(const struct told *told, enum http_trouble trouble, bool may_have_arrived);
/* Whether the body (of /echo) holds it. */
bool has_line(const struct told *told, const char *line);

#endif
