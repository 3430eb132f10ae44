/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests that go elsewhere, that are many, that are stopped, and whose resolver hangs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>

#include "base/os/clock.h"
#include "engine/tests/http_harness.h"

/* --- a resolver that hangs
 * ------------------------------------------------------------------------ */

static atomic_int resolving;
static atomic_bool resolver_goes_on;

/* Stands before libc's, in libcurl too. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_list)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && !strcmp(node, "unknown.invalid"))
        return EAI_NONAME;
    if (!node || strcmp(node, "hangs.invalid") != 0)
        return real(node, service, hints, ret_list);
    resolving++;
    while (!resolver_goes_on)
        poll(NULL, 0, 1);
    resolving--;
    return EAI_AGAIN;
}

/* --- redirects
 * ------------------------------------------------------------------------------------ */

static void redirects_are_followed_for_get(void **state)
{
    struct bench *b = *state;
    struct http_header header = {TEXT("X-Secret"), TEXT("s")};
    struct http_spec get = {.headers = &header, .header_count = 1};
    struct told *told = http_run(b, 1, "/once", &get);
    assert_int_equal(told->event.status, 200);
    assert_true(has_line(told, "GET /echo"));
    assert_true(has_line(told, "X-Secret: s"));
    assert_null(strstr(told->headers.data, "x-hop"));
    struct http_spec post = {.method = TEXT("POST"), .body = TEXT("x")};
    told = http_run(b, 2, "/once", &post);
    assert_answered(told, 302, "moved");
    assert_non_null(strstr(told->headers.data, "\"location\":\"echo\""));
}

static void redirects_end(void **state)
{
    struct bench *b = *state;
    assert_answered(http_run(b, 1, "/loop", NULL), 302, "again");
    assert_int_equal(http_server_requests(b->server), 1 + HTTP_REDIRECTS_MAX);
    assert_answered(http_run(b, 2, "/file", NULL), 302, "file");
}

static void a_stranger_gets_no_headers(void **state)
{
    struct http_header header = {TEXT("X-Secret"), TEXT("s")};
    struct http_spec get = {.headers = &header, .header_count = 1};
    struct told *told = http_run(*state, 1, "/away", &get);
    assert_int_equal(told->event.status, 200);
    assert_true(has_line(told, "Host: localhost"));
    assert_true(has_line(told, "User-Agent: jobboard/"));
    assert_false(has_line(told, "X-Secret"));
}

/* --- many, stopping, the lease
 * -------------------------------------------------------------------- */

static void a_hundred_at_once(void **state)
{
    struct bench *b = *state;
    for (uint64_t i = 0; i < 100; i++)
        http_begin(b, i, http_path(b, "/held"), NULL);
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (http_server_held(b->server) < HTTP_HOST_CONNECTIONS_MAX) {
        http_pump(b, 5);
        assert_true(clock_now_ms() < until_ms);
    }
    assert_int_equal(http_running(b->h), 100);
    assert_int_equal(http_server_connections(b->server), HTTP_HOST_CONNECTIONS_MAX);
    while (http_running(b->h)) {
        http_server_release(b->server);
        http_pump(b, 5);
        assert_true(clock_now_ms() < until_ms);
    }
    for (uint64_t i = 0; i < 100; i++)
        assert_answered(&b->told[i], 200, "held");
}

static void connections_are_used_again(void **state)
{
    struct bench *b = *state;
    struct http_spec post = {.method = TEXT("POST"), .body = TEXT("x")};
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(http_run(b, i, "/echo", i % 2 ? &post : NULL)->event.status, 200);
    assert_int_equal(http_server_connections(b->server), 1);
}

static void a_request_is_stopped(void **state)
{
    struct bench *b = *state;
    http_begin(b, 1, http_path(b, "/never"), NULL);
    http_stop(b->h, 1); /* nothing was sent yet */
    assert_failed(http_await(b, 1), HTTP_TROUBLE_STOPPED, false);
    assert_int_equal(http_server_requests(b->server), 0);
    http_begin(b, 2, http_path(b, "/never"), NULL);
    http_begin(b, 3, http_path(b, "/endless"), &(struct http_spec){.discard_body = true});
    http_until_requests(b, 2);
    http_stop(b->h, 2);
    http_stop(b->h, 3);
    http_stop(b->h, 2); /* orders cross */
    http_stop(b->h, 77);
    assert_failed(http_await(b, 2), HTTP_TROUBLE_STOPPED, true);
    assert_failed(http_await(b, 3), HTTP_TROUBLE_STOPPED, true);
    http_stop(b->h, 2);
}

static void the_end_of_the_lease_aborts(void **state)
{
    struct bench *b = *state;
    http_begin(b, 1, http_path(b, "/never"), NULL);
    http_until_requests(b, 1);
    int64_t kill_at_ms = clock_now_ms() + 100;
    http_set_kill_at(b->h, kill_at_ms);
    struct told *told = http_await(b, 1);
    int64_t late_ms = clock_now_ms() - kill_at_ms;
    assert_true(late_ms >= 0 && late_ms < 500);
    assert_failed(told, HTTP_TROUBLE_LEASE, true);
    assert_failed(http_run(b, 2, "/json", NULL), HTTP_TROUBLE_LEASE, false);
    assert_int_equal(http_server_requests(b->server), 1);
    http_set_kill_at(b->h, clock_now_ms() + 60000);
    assert_answered(http_run(b, 3, "/json", NULL), 200, "{\"a\":1.10}");
}

/* Frozen between the start and the sending: on waking nothing is sent. */
static void nothing_is_sent_after_the_lease(void **state)
{
    struct bench *b = *state;
    http_set_kill_at(b->h, clock_now_ms() + 30);
    http_begin(b, 1, http_path(b, "/json"), &(struct http_spec){.method = TEXT("POST")});
    poll(NULL, 0, 40); /* the freeze itself */
    assert_failed(http_await(b, 1), HTTP_TROUBLE_LEASE, false);
    assert_int_equal(http_server_requests(b->server), 0);
}

static void an_unknown_name_was_never_sent_to(void **state)
{
    http_begin(*state, 1, TEXT("http://unknown.invalid/"), NULL);
    assert_failed(http_await(*state, 1), HTTP_TROUBLE_UNREACHABLE, false);
}

static void a_hanging_resolver_holds_up_nothing(void **state)
{
    struct bench *b = *state;
    resolver_goes_on = false;
    for (uint64_t i = 1; i <= 20; i++)
        http_begin(b, i, TEXT("http://hangs.invalid/"), NULL);
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (resolving < 20) {
        http_pump(b, 5);
        assert_true(clock_now_ms() < until_ms);
    }
    assert_answered(http_run(b, 30, "/json", NULL), 200, "{\"a\":1.10}");
    /* Whoever waited for a resolver would wait for ever. */
    for (uint64_t i = 1; i <= 19; i++)
        http_stop(b->h, i);
    for (uint64_t i = 1; i <= 19; i++)
        assert_failed(http_await(b, i), HTTP_TROUBLE_STOPPED, false);
    http_free(b->h); /* the last one goes with the source */
    assert_int_equal(resolving, 20);
    resolver_goes_on = true;
    while (resolving)
        poll(NULL, 0, 1);
    struct error error = {0};
    b->h = http_source_new(&(struct http_options){0}, &error);
    assert_non_null(b->h);
}

#define T(name) cmocka_unit_test_setup_teardown(name, http_setup, http_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(redirects_are_followed_for_get),    T(redirects_end),
        T(a_stranger_gets_no_headers),        T(a_hundred_at_once),
        T(connections_are_used_again),        T(a_request_is_stopped),
        T(the_end_of_the_lease_aborts),       T(nothing_is_sent_after_the_lease),
        T(an_unknown_name_was_never_sent_to), T(a_hanging_resolver_holds_up_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
