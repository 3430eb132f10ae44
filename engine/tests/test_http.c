/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests against a server of bad manners: what is sent, what is told of the answer, and, of
 * what has none, whether the request may have arrived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "engine/tests/http_harness.h"

/* --- answers
 * -------------------------------------------------------------------------------------- */

static void a_response_is_told_whole(void **state)
{
    struct told *told = http_run(*state, 1, "/json", NULL);
    assert_answered(told, 200, "{\"a\":1.10}");
    assert_string_equal(told->headers.data, "{\"content-length\":\"10\",\"content-type\":"
                                            "\"application/json\",\"x-two\":\"a, b\"}");
}

static void every_status_is_an_answer(void **state)
{
    assert_answered(http_run(*state, 1, "/404", NULL), 404, "nothing");
    assert_answered(http_run(*state, 2, "/500", NULL), 500, "");
    assert_answered(http_run(*state, 3, "/204", NULL), 204, "");
    assert_string_equal(((struct bench *)*state)->told[3].headers.data, "{\"x-a\":\"1\"}");
    assert_answered(http_run(*state, 4, "/slow", NULL), 200, "slow");
}

static void head_has_no_body(void **state)
{
    struct told *told = http_run(*state, 1, "/head", &(struct http_spec){.method = TEXT("HEAD")});
    assert_answered(told, 200, "");
}

static void interim_headers_and_trailers_are_left_out(void **state)
{
    struct told *told = http_run(*state, 1, "/continue", NULL);
    assert_answered(told, 200, "ok");
    assert_string_equal(told->headers.data, "{\"content-length\":\"2\",\"x-late\":\"2\"}");
    told = http_run(*state, 2, "/chunked", NULL);
    assert_answered(told, 200, "abc");
    assert_string_equal(told->headers.data, "{\"transfer-encoding\":\"chunked\"}");
}

static void odd_headers_become_clean_json(void **state)
{
    struct told *told = http_run(*state, 1, "/bad-headers", NULL);
    assert_answered(told, 200, "");
    assert_string_equal(told->headers.data,
                        "{\"x-bytes\":\"\xef\xbf\xbd\xef\xbf\xbd\\\"\",\"x-fold\":\"one two\","
                        "\"x-empty\":\"\",\"content-length\":\"0\"}");
}

static void raw_bytes_pass(void **state)
{
    struct told *told = http_run(*state, 1, "/nul-body", NULL);
    assert_int_equal(told->body.len, 4);
    assert_memory_equal(told->body.data, "a\0b\xff", 4);
}

static void ten_megabytes(void **state)
{
    struct told *told = http_run(*state, 1, "/big", NULL);
    assert_int_equal(told->body.len, 10 << 20);
    for (size_t i = 0; i < told->body.len; i++) {
        if (told->body.data[i] != (char)(i * 2654435761u >> 24))
            fail_msg("byte %zu", i);
    }
}

static void the_body_has_a_limit(void **state)
{
    struct http_spec at = {.body_max_bytes = 10};
    assert_answered(http_run(*state, 1, "/json", &at), 200, "{\"a\":1.10}");
    struct http_spec beyond = {.body_max_bytes = 9};
    struct told *told = http_run(*state, 2, "/json", &beyond);
    assert_int_equal(told->event.kind, HTTP_ANSWERED);
    assert_true(told->event.body_overflow);
    assert_int_equal(told->event.status, 200);
    struct http_spec small = {.body_max_bytes = 100000};
    told = http_run(*state, 3, "/endless", &small);
    assert_true(told->event.body_overflow);
    assert_true(told->body.len <= 100000);
    assert_string_equal(told->headers.data, "{\"x-a\":\"1\"}");
}

static void a_discarded_body_has_none(void **state)
{
    struct http_spec spec = {.body_max_bytes = 9, .discard_body = true};
    struct told *told = http_run(*state, 1, "/big", &spec);
    assert_answered(told, 200, "");
    assert_false(told->event.body_overflow);
}

/* --- what is sent
 * --------------------------------------------------------------------------------- */

static void the_source_adds_its_headers(void **state)
{
    struct http_spec spec = {
        .method = TEXT("POST"),
        .body = TEXT("{\"x\":1}"),
        .body_is_json = true,
        .key = TEXT("job/task"),
    };
    struct told *told = http_run(*state, 1, "/echo?q=1", &spec);
    assert_true(has_line(told, "POST /echo?q=1 HTTP/1.1\r\n"));
    assert_true(has_line(told, "\r\nUser-Agent: jobboard/" JOBBOARD_VERSION "\r\n"));
    assert_true(has_line(told, "\r\nIdempotency-Key: job/task\r\n"));
    assert_true(has_line(told, "\r\nContent-Type: application/json\r\n"));
    assert_true(has_line(told, "\r\nContent-Length: 7\r\n"));
    assert_true(has_line(told, "\r\n\r\n{\"x\":1}"));
    assert_false(has_line(told, "\r\nExpect"));
}

static void given_headers_win(void **state)
{
    struct http_header headers[] = {{TEXT("user-agent"), TEXT("mine")},
                                    {TEXT("idempotency-key"), TEXT("own")},
                                    {TEXT("content-type"), TEXT("text/csv")},
                                    {TEXT("X-Empty"), TEXT("")},
                                    {TEXT("Authorization"), TEXT("Bearer t")}};
    struct http_spec spec = {
        .method = TEXT("PUT"),
        .headers = headers,
        .header_count = 5,
        .body = TEXT("a,b"),
        .body_is_json = true,
        .key = TEXT("job/task"),
    };
    struct told *told = http_run(*state, 1, "/echo", &spec);
    assert_true(has_line(told, "PUT /echo"));
    assert_true(has_line(told, "\r\nuser-agent: mine\r\n"));
    assert_true(has_line(told, "\r\nidempotency-key: own\r\n"));
    assert_true(has_line(told, "\r\ncontent-type: text/csv\r\n"));
    assert_true(has_line(told, "\r\nX-Empty:"));
    assert_true(has_line(told, "\r\nAuthorization: Bearer t\r\n"));
    assert_false(has_line(told, "jobboard/"));
    assert_false(has_line(told, "job/task"));
    assert_false(has_line(told, "application/json"));
}

static void methods_and_bodies(void **state)
{
    struct told *told = http_run(*state, 1, "/echo", &(struct http_spec){.method = TEXT("DELETE")});
    assert_true(has_line(told, "DELETE /echo"));
    assert_false(has_line(told, "\r\nContent-Type"));
    assert_false(has_line(told, "\r\nContent-Length"));
    told = http_run(*state, 2, "/echo", &(struct http_spec){.method = TEXT("POST")});
    assert_true(has_line(told, "\r\nContent-Length: 0\r\n"));
    assert_false(has_line(told, "\r\nContent-Type"));
    struct http_spec text = {.method = TEXT("PURGE"), .body = TEXT("now")};
    told = http_run(*state, 3, "/echo", &text);
    assert_true(has_line(told, "PURGE /echo"));
    assert_true(has_line(told, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    assert_true(has_line(told, "\r\n\r\nnow"));
}

static void a_large_body_is_sent(void **state)
{
    size_t len = 3 << 20;
    char *data = xmalloc(len);
    memset(data, 'd', len);
    struct http_spec spec = {.method = TEXT("POST"), .body = {data, len}};
    struct told *told = http_run(*state, 1, "/echo", &spec);
    assert_true(told->body.len > len);
    assert_memory_equal(told->body.data + told->body.len - len, data, len);
    told->body.data[told->body.len - len] = 0;
    assert_false(has_line(told, "Expect"));
    free(data);
}

static void what_cannot_be_sent_is_refused(void **state)
{
    struct bench *b = *state;
    static const struct {
        struct text url, method, name, value;
    } bad[] = {
        {TEXT("file:///etc/passwd"), TEXT("GET"), TEXT("A"), TEXT("b")},
        {TEXT("gopher://127.0.0.1/"), TEXT("GET"), TEXT("A"), TEXT("b")},
        {TEXT("127.0.0.1/"), TEXT("GET"), TEXT("A"), TEXT("b")},
        {TEXT("http://"), TEXT("GET"), TEXT("A"), TEXT("b")},
        {TEXT(""), TEXT("GET"), TEXT("A"), TEXT("b")},
        {TEXT("http://127.0.0.1/\r\nX: y"), TEXT("GET"), TEXT("A"), TEXT("b")},
        {TEXT("http://127.0.0.1/\0"), TEXT("GET"), TEXT("A"), TEXT("b")},
        {TEXT("http://127.0.0.1:99999/"), TEXT("GET"), TEXT("A"), TEXT("b")},
        {TEXT("http://127.0.0.1/"), TEXT("GET /x"), TEXT("A"), TEXT("b")},
        {TEXT("http://127.0.0.1/"), TEXT(""), TEXT("A"), TEXT("b")},
        {TEXT("http://127.0.0.1/"), TEXT("CONNECT"), TEXT("A"), TEXT("b")},
        {TEXT("http://127.0.0.1/"), TEXT("GET"), TEXT("A:"), TEXT("b")},
        {TEXT("http://127.0.0.1/"), TEXT("GET"), TEXT(""), TEXT("b")},
        {TEXT("http://127.0.0.1/"), TEXT("GET"), TEXT("A"), TEXT("b\r\nX: y")},
        {TEXT("http://127.0.0.1/"), TEXT("GET"), TEXT("A"), TEXT("b\0c")},
        {TEXT("http://127.0.0.1/"), TEXT("GET"), TEXT("content-length"), TEXT("3")},
        {TEXT("http://127.0.0.1/"), TEXT("GET"), TEXT("Transfer-Encoding"), TEXT("chunked")},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct http_header header = {bad[i].name, bad[i].value};
        http_begin(
            b, i, bad[i].url,
            &(struct http_spec){.method = bad[i].method, .headers = &header, .header_count = 1});
        assert_failed(http_await(b, i), HTTP_TROUBLE_INVALID, false);
    }
    struct http_spec head = {.method = TEXT("HEAD"), .body = TEXT("x")};
    assert_failed(http_run(b, 100, "/head", &head), HTTP_TROUBLE_INVALID, false);
    assert_int_equal(http_server_requests(b->server), 0);
}

/* --- failures
 * ------------------------------------------------------------------------------------- */

static void what_was_never_sent_is_known(void **state)
{
    struct bench *b = *state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, but nobody listens */
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    http_begin(b, 1, text_of(b->url), &(struct http_spec){.method = TEXT("POST")});
    assert_failed(http_await(b, 1), HTTP_TROUBLE_UNREACHABLE, false);
    close(fd);

    snprintf(b->url, sizeof b->url, "https://127.0.0.1:%d/", http_server_port(b->server));
    http_begin(b, 3, text_of(b->url), NULL); /* it does not speak TLS */
    assert_failed(http_await(b, 3), HTTP_TROUBLE_UNREACHABLE, false);
    assert_int_equal(http_server_requests(b->server), 0);
}

static void link_local_is_denied(void **state)
{
    struct bench *b = *state;
    http_begin(b, 1, TEXT("http://169.254.169.254/latest/meta-data"), NULL);
    assert_failed(http_await(b, 1), HTTP_TROUBLE_UNREACHABLE, false);
    assert_non_null(strstr(b->told[1].text, "denied"));
    http_begin(b, 2, TEXT("http://2852039166/"), NULL); /* the same address as one number */
    assert_non_null(strstr(http_await(b, 2)->text, "denied"));
    http_begin(b, 3, TEXT("http://[::ffff:169.254.169.254]/"), NULL);
    assert_non_null(strstr(http_await(b, 3)->text, "denied"));
    http_begin(b, 4, TEXT("http://[fe80::1]/"), NULL);
    assert_non_null(strstr(http_await(b, 4)->text, "denied"));
    assert_int_equal(http_run(b, 5, "/metadata", NULL)->event.kind, HTTP_FAILED);
}

static void what_was_sent_and_not_answered_is_unknown(void **state)
{
    static const char *const paths[] = {
        "/close",   "/reset",      "/mid-head",     "/mid-body",     "/bad-chunks",
        "/garbage", "/nul-header", "/many-headers", "/long-headers", "/endless-continue",
        "/no-colon"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct http_spec post = {.method = TEXT("POST"), .body = TEXT("x")};
        assert_failed(http_run(*state, 2 * i, paths[i], &post), HTTP_TROUBLE_LOST, true);
        assert_failed(http_run(*state, 2 * i + 1, paths[i], NULL), HTTP_TROUBLE_LOST, true);
    }
}

/* libcurl alone would send the second POST a second time. */
static void a_post_is_sent_once(void **state)
{
    struct bench *b = *state;
    struct http_spec post = {.method = TEXT("POST"), .body = TEXT("x")};
    assert_answered(http_run(b, 1, "/stale", &post), 200, "first");
    assert_failed(http_run(b, 2, "/stale", &post), HTTP_TROUBLE_LOST, true);
    assert_int_equal(http_server_requests(b->server), 2);
    assert_answered(http_run(b, 3, "/stale", NULL), 200, "first");
    assert_answered(http_run(b, 4, "/stale", NULL), 200, "first"); /* a GET may be sent again */
    assert_int_equal(http_server_requests(b->server), 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, http_setup, http_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_response_is_told_whole),
        T(every_status_is_an_answer),
        T(head_has_no_body),
        T(interim_headers_and_trailers_are_left_out),
        T(odd_headers_become_clean_json),
        T(raw_bytes_pass),
        T(ten_megabytes),
        T(the_body_has_a_limit),
        T(a_discarded_body_has_none),
        T(the_source_adds_its_headers),
        T(given_headers_win),
        T(methods_and_bodies),
        T(a_large_body_is_sent),
        T(what_cannot_be_sent_is_refused),
        T(what_was_never_sent_is_known),
        T(link_local_is_denied),
        T(what_was_sent_and_not_answered_is_unknown),
        T(a_post_is_sent_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
