/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests against a server of bad manners: what is sent, what is told of the answer, and, of
 * what has none, whether the request may have arrived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "engine/adapters/http.h"
#include "engine/tests/http_server.h"

#define PATIENCE_MS 20000
#define STEPS_MAX   256

/* No call may hold up the loop for longer. It is the processor's time that is measured: the
 * machine may be busy with other things. Waiting shows where something is waited for: see the
 * resolver that hangs. */
#define CALL_MAX_MS 50

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
    struct told told[STEPS_MAX];
    char url[256];
    int64_t longest_ms; /* of one call of process() */
};

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

/* --- the bench
 * ------------------------------------------------------------------------------------ */

static int setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof *b);
    struct error error = {0};
    b->server = http_server_start();
    b->h = http_source_new(&(struct http_options){0}, &error);
    if (!b->h)
        print_error("%s\n", error.text);
    *state = b;
    return b->h ? 0 : -1;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    size_t running = http_running(b->h);
    http_free(b->h);
    http_server_end(b->server);
    for (size_t i = 0; i < STEPS_MAX; i++) {
        buffer_done(&b->told[i].headers);
        buffer_done(&b->told[i].body);
    }
    if (b->longest_ms > CALL_MAX_MS)
        print_error("a call took %lld ms\n", (long long)b->longest_ms);
    bool good = running == 0 && b->longest_ms <= CALL_MAX_MS;
    free(b);
    return good ? 0 : -1;
}

static struct text path(struct bench *b, const char *of)
{
    snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d%s", http_server_port(b->server), of);
    return text_of(b->url);
}

static void start(struct bench *b, uint64_t step, struct text url, const struct http_spec *base)
{
    struct http_spec spec = base ? *base : (struct http_spec){0};
    spec.url = url;
    if (!spec.method.data)
        spec.method = TEXT("GET");
    http_start(b->h, step, &spec);
}

static int64_t worked_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void pump(struct bench *b, int64_t ms)
{
    struct source source = http_source(b->h);
    struct interest interest;
    int64_t now_ms = clock_now_ms();
    source.interest(source.self, now_ms, &interest);
    assert_true(interest.fd >= 0 && interest.want_read && !interest.want_write);
    int64_t wait_ms = interest.deadline_ms >= 0 && interest.deadline_ms - now_ms < ms
                          ? interest.deadline_ms - now_ms
                          : ms;
    struct pollfd poller = {.fd = interest.fd, .events = POLLIN};
    int ready = poll(&poller, 1, wait_ms > 0 ? (int)wait_ms : 0);
    int64_t before_ms = worked_ms();
    source.process(source.self, ready > 0, false, clock_now_ms());
    int64_t took_ms = worked_ms() - before_ms;
    if (took_ms > b->longest_ms)
        b->longest_ms = took_ms;
    struct http_event event;
    while (http_next(b->h, &event)) {
        struct told *told = &b->told[event.step];
        assert_false(told->final);
        told->final = true;
        told->event = event;
        snprintf(told->text, sizeof told->text, "%.*s", TEXT_ARG(event.text));
        buffer_add_text(&told->headers, event.headers);
        buffer_add_text(&told->body, event.body);
    }
}

static struct told *await(struct bench *b, uint64_t step)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (!b->told[step].final) {
        pump(b, 1000);
        if (clock_now_ms() > until_ms)
            fail_msg("request %llu does not end", (unsigned long long)step);
    }
    return &b->told[step];
}

static struct told *run(struct bench *b, uint64_t step, const char *of,
                        const struct http_spec *base)
{
    start(b, step, path(b, of), base);
    return await(b, step);
}

static void until_requests(struct bench *b, int count)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (http_server_requests(b->server) < count) {
        pump(b, 5);
        assert_true(clock_now_ms() < until_ms);
    }
}

static void assert_answer(const struct told *told, int status, const char *body)
{
    if (told->event.kind != HTTP_ANSWERED)
        fail_msg("%s", told->text);
    assert_int_equal(told->event.status, status);
    assert_false(told->event.may_have_arrived);
    assert_int_equal(told->body.len, strlen(body));
    assert_memory_equal(buffer_text(&told->body).data, body, strlen(body));
}

static void assert_failed(const struct told *told, enum http_trouble trouble, bool may_have_arrived)
{
    if (told->event.kind != HTTP_FAILED)
        fail_msg("answered with %d", told->event.status);
    assert_true(told->text[0]);
    if (told->event.trouble != trouble || told->event.may_have_arrived != may_have_arrived)
        fail_msg("trouble %d, arrived %d: %s", (int)told->event.trouble,
                 told->event.may_have_arrived, told->text);
}

static bool has(const struct told *told, const char *line)
{
    return told->body.data && strcasestr(told->body.data, line);
}

/* --- answers
 * -------------------------------------------------------------------------------------- */

static void a_response_is_told_whole(void **state)
{
    struct told *told = run(*state, 1, "/json", NULL);
    assert_answer(told, 200, "{\"a\":1.10}");
    assert_string_equal(told->headers.data, "{\"content-length\":\"10\",\"content-type\":"
                                            "\"application/json\",\"x-two\":\"a, b\"}");
}

static void every_status_is_an_answer(void **state)
{
    assert_answer(run(*state, 1, "/404", NULL), 404, "nothing");
    assert_answer(run(*state, 2, "/500", NULL), 500, "");
    assert_answer(run(*state, 3, "/204", NULL), 204, "");
    assert_string_equal(((struct bench *)*state)->told[3].headers.data, "{\"x-a\":\"1\"}");
    assert_answer(run(*state, 4, "/slow", NULL), 200, "slow");
}

static void head_has_no_body(void **state)
{
    struct told *told = run(*state, 1, "/head", &(struct http_spec){.method = TEXT("HEAD")});
    assert_answer(told, 200, "");
}

static void interim_headers_and_trailers_are_left_out(void **state)
{
    struct told *told = run(*state, 1, "/continue", NULL);
    assert_answer(told, 200, "ok");
    assert_string_equal(told->headers.data, "{\"content-length\":\"2\",\"x-late\":\"2\"}");
    told = run(*state, 2, "/chunked", NULL);
    assert_answer(told, 200, "abc");
    assert_string_equal(told->headers.data, "{\"transfer-encoding\":\"chunked\"}");
}

static void odd_headers_become_clean_json(void **state)
{
    struct told *told = run(*state, 1, "/bad-headers", NULL);
    assert_answer(told, 200, "");
    assert_string_equal(told->headers.data,
                        "{\"x-bytes\":\"\xef\xbf\xbd\xef\xbf\xbd\\\"\",\"x-fold\":\"one two\","
                        "\"x-empty\":\"\",\"content-length\":\"0\"}");
}

static void raw_bytes_pass(void **state)
{
    struct told *told = run(*state, 1, "/nul-body", NULL);
    assert_int_equal(told->body.len, 4);
    assert_memory_equal(told->body.data, "a\0b\xff", 4);
}

static void ten_megabytes(void **state)
{
    struct told *told = run(*state, 1, "/big", NULL);
    assert_int_equal(told->body.len, 10 << 20);
    for (size_t i = 0; i < told->body.len; i++) {
        if (told->body.data[i] != (char)(i * 2654435761u >> 24))
            fail_msg("byte %zu", i);
    }
}

static void the_body_has_a_limit(void **state)
{
    struct http_spec at = {.body_max_bytes = 10};
    assert_answer(run(*state, 1, "/json", &at), 200, "{\"a\":1.10}");
    struct http_spec beyond = {.body_max_bytes = 9};
    struct told *told = run(*state, 2, "/json", &beyond);
    assert_int_equal(told->event.kind, HTTP_ANSWERED);
    assert_true(told->event.body_overflow);
    assert_int_equal(told->event.status, 200);
    struct http_spec small = {.body_max_bytes = 100000};
    told = run(*state, 3, "/endless", &small);
    assert_true(told->event.body_overflow);
    assert_true(told->body.len <= 100000);
    assert_string_equal(told->headers.data, "{\"x-a\":\"1\"}");
}

static void a_discarded_body_has_none(void **state)
{
    struct http_spec spec = {.body_max_bytes = 9, .discard_body = true};
    struct told *told = run(*state, 1, "/big", &spec);
    assert_answer(told, 200, "");
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
    struct told *told = run(*state, 1, "/echo?q=1", &spec);
    assert_true(has(told, "POST /echo?q=1 HTTP/1.1\r\n"));
    assert_true(has(told, "\r\nUser-Agent: jobboard/" JOBBOARD_VERSION "\r\n"));
    assert_true(has(told, "\r\nIdempotency-Key: job/task\r\n"));
    assert_true(has(told, "\r\nContent-Type: application/json\r\n"));
    assert_true(has(told, "\r\nContent-Length: 7\r\n"));
    assert_true(has(told, "\r\n\r\n{\"x\":1}"));
    assert_false(has(told, "\r\nExpect"));
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
    struct told *told = run(*state, 1, "/echo", &spec);
    assert_true(has(told, "PUT /echo"));
    assert_true(has(told, "\r\nuser-agent: mine\r\n"));
    assert_true(has(told, "\r\nidempotency-key: own\r\n"));
    assert_true(has(told, "\r\ncontent-type: text/csv\r\n"));
    assert_true(has(told, "\r\nX-Empty:"));
    assert_true(has(told, "\r\nAuthorization: Bearer t\r\n"));
    assert_false(has(told, "jobboard/"));
    assert_false(has(told, "job/task"));
    assert_false(has(told, "application/json"));
}

static void methods_and_bodies(void **state)
{
    struct told *told = run(*state, 1, "/echo", &(struct http_spec){.method = TEXT("DELETE")});
    assert_true(has(told, "DELETE /echo"));
    assert_false(has(told, "\r\nContent-Type"));
    assert_false(has(told, "\r\nContent-Length"));
    told = run(*state, 2, "/echo", &(struct http_spec){.method = TEXT("POST")});
    assert_true(has(told, "\r\nContent-Length: 0\r\n"));
    assert_false(has(told, "\r\nContent-Type"));
    struct http_spec text = {.method = TEXT("PURGE"), .body = TEXT("now")};
    told = run(*state, 3, "/echo", &text);
    assert_true(has(told, "PURGE /echo"));
    assert_true(has(told, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    assert_true(has(told, "\r\n\r\nnow"));
}

static void a_large_body_is_sent(void **state)
{
    size_t len = 3 << 20;
    char *data = xmalloc(len);
    memset(data, 'd', len);
    struct http_spec spec = {.method = TEXT("POST"), .body = {data, len}};
    struct told *told = run(*state, 1, "/echo", &spec);
    assert_true(told->body.len > len);
    assert_memory_equal(told->body.data + told->body.len - len, data, len);
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
        start(b, i, bad[i].url,
              &(struct http_spec){.method = bad[i].method, .headers = &header, .header_count = 1});
        assert_failed(await(b, i), HTTP_TROUBLE_INVALID, false);
    }
    struct http_spec head = {.method = TEXT("HEAD"), .body = TEXT("x")};
    assert_failed(run(b, 100, "/head", &head), HTTP_TROUBLE_INVALID, false);
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
    start(b, 1, text_of(b->url), &(struct http_spec){.method = TEXT("POST")});
    assert_failed(await(b, 1), HTTP_TROUBLE_UNREACHABLE, false);
    close(fd);

    start(b, 2, TEXT("http://unknown.invalid/"), NULL);
    assert_failed(await(b, 2), HTTP_TROUBLE_UNREACHABLE, false);

    snprintf(b->url, sizeof b->url, "https://127.0.0.1:%d/", http_server_port(b->server));
    start(b, 3, text_of(b->url), NULL); /* the server waits for the end of a line */
    http_stop(b->h, 3);
    assert_failed(await(b, 3), HTTP_TROUBLE_STOPPED, false);
}

static void link_local_is_denied(void **state)
{
    struct bench *b = *state;
    start(b, 1, TEXT("http://169.254.169.254/latest/meta-data"), NULL);
    assert_failed(await(b, 1), HTTP_TROUBLE_UNREACHABLE, false);
    assert_non_null(strstr(b->told[1].text, "denied"));
    start(b, 2, TEXT("http://2852039166/"), NULL); /* the same address as one number */
    assert_non_null(strstr(await(b, 2)->text, "denied"));
    start(b, 3, TEXT("http://[::ffff:169.254.169.254]/"), NULL);
    assert_non_null(strstr(await(b, 3)->text, "denied"));
    start(b, 4, TEXT("http://[fe80::1]/"), NULL);
    assert_non_null(strstr(await(b, 4)->text, "denied"));
    assert_int_equal(run(b, 5, "/metadata", NULL)->event.kind, HTTP_FAILED);
}

static void what_was_sent_and_not_answered_is_unknown(void **state)
{
    static const char *const paths[] = {
        "/close",   "/reset",      "/mid-head",     "/mid-body",     "/bad-chunks",
        "/garbage", "/nul-header", "/many-headers", "/long-headers", "/endless-continue",
        "/no-colon"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct http_spec post = {.method = TEXT("POST"), .body = TEXT("x")};
        assert_failed(run(*state, 2 * i, paths[i], &post), HTTP_TROUBLE_LOST, true);
        assert_failed(run(*state, 2 * i + 1, paths[i], NULL), HTTP_TROUBLE_LOST, true);
    }
}

/* libcurl alone would send the second POST a second time. */
static void a_post_is_sent_once(void **state)
{
    struct bench *b = *state;
    struct http_spec post = {.method = TEXT("POST"), .body = TEXT("x")};
    assert_answer(run(b, 1, "/stale", &post), 200, "first");
    assert_failed(run(b, 2, "/stale", &post), HTTP_TROUBLE_LOST, true);
    assert_int_equal(http_server_requests(b->server), 2);
    assert_answer(run(b, 3, "/stale", NULL), 200, "first");
    assert_answer(run(b, 4, "/stale", NULL), 200, "first"); /* a GET may be sent again */
    assert_int_equal(http_server_requests(b->server), 5);
}

/* --- redirects
 * ------------------------------------------------------------------------------------ */

static void redirects_are_followed_for_get(void **state)
{
    struct bench *b = *state;
    struct http_header header = {TEXT("X-Secret"), TEXT("s")};
    struct http_spec get = {.headers = &header, .header_count = 1};
    struct told *told = run(b, 1, "/once", &get);
    assert_int_equal(told->event.status, 200);
    assert_true(has(told, "GET /echo"));
    assert_true(has(told, "X-Secret: s"));
    assert_null(strstr(told->headers.data, "x-hop"));
    struct http_spec post = {.method = TEXT("POST"), .body = TEXT("x")};
    told = run(b, 2, "/once", &post);
    assert_answer(told, 302, "moved");
    assert_non_null(strstr(told->headers.data, "\"location\":\"echo\""));
}

static void redirects_end(void **state)
{
    struct bench *b = *state;
    assert_answer(run(b, 1, "/loop", NULL), 302, "again");
    assert_int_equal(http_server_requests(b->server), 1 + HTTP_REDIRECTS_MAX);
    assert_answer(run(b, 2, "/file", NULL), 302, "file");
}

static void a_stranger_gets_no_headers(void **state)
{
    struct http_header header = {TEXT("X-Secret"), TEXT("s")};
    struct http_spec get = {.headers = &header, .header_count = 1};
    struct told *told = run(*state, 1, "/away", &get);
    assert_int_equal(told->event.status, 200);
    assert_true(has(told, "Host: localhost"));
    assert_true(has(told, "User-Agent: jobboard/"));
    assert_false(has(told, "X-Secret"));
}

/* --- many, stopping, the lease
 * -------------------------------------------------------------------- */

static void a_hundred_at_once(void **state)
{
    struct bench *b = *state;
    for (uint64_t i = 0; i < 100; i++)
        start(b, i, path(b, "/held"), NULL);
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (http_server_held(b->server) < HTTP_HOST_CONNECTIONS_MAX) {
        pump(b, 5);
        assert_true(clock_now_ms() < until_ms);
    }
    assert_int_equal(http_running(b->h), 100);
    assert_int_equal(http_server_connections(b->server), HTTP_HOST_CONNECTIONS_MAX);
    while (http_running(b->h)) {
        http_server_release(b->server);
        pump(b, 5);
        assert_true(clock_now_ms() < until_ms);
    }
    for (uint64_t i = 0; i < 100; i++)
        assert_answer(&b->told[i], 200, "held");
}

static void connections_are_used_again(void **state)
{
    struct bench *b = *state;
    struct http_spec post = {.method = TEXT("POST"), .body = TEXT("x")};
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(run(b, i, "/echo", i % 2 ? &post : NULL)->event.status, 200);
    assert_int_equal(http_server_connections(b->server), 1);
}

static void a_request_is_stopped(void **state)
{
    struct bench *b = *state;
    start(b, 1, path(b, "/never"), NULL);
    http_stop(b->h, 1); /* nothing was sent yet */
    assert_failed(await(b, 1), HTTP_TROUBLE_STOPPED, false);
    assert_int_equal(http_server_requests(b->server), 0);
    start(b, 2, path(b, "/never"), NULL);
    start(b, 3, path(b, "/endless"), &(struct http_spec){.discard_body = true});
    until_requests(b, 2);
    http_stop(b->h, 2);
    http_stop(b->h, 3);
    http_stop(b->h, 2); /* orders cross */
    http_stop(b->h, 77);
    assert_failed(await(b, 2), HTTP_TROUBLE_STOPPED, true);
    assert_failed(await(b, 3), HTTP_TROUBLE_STOPPED, true);
    http_stop(b->h, 2);
}

static void the_end_of_the_lease_aborts(void **state)
{
    struct bench *b = *state;
    start(b, 1, path(b, "/never"), NULL);
    until_requests(b, 1);
    int64_t kill_at_ms = clock_now_ms() + 100;
    http_set_kill_at(b->h, kill_at_ms);
    struct told *told = await(b, 1);
    int64_t late_ms = clock_now_ms() - kill_at_ms;
    assert_true(late_ms >= 0 && late_ms < 500);
    assert_failed(told, HTTP_TROUBLE_LEASE, true);
    assert_failed(run(b, 2, "/json", NULL), HTTP_TROUBLE_LEASE, false);
    assert_int_equal(http_server_requests(b->server), 1);
    http_set_kill_at(b->h, clock_now_ms() + 60000);
    assert_answer(run(b, 3, "/json", NULL), 200, "{\"a\":1.10}");
}

/* Frozen between the start and the sending: on waking nothing is sent. */
static void nothing_is_sent_after_the_lease(void **state)
{
    struct bench *b = *state;
    http_set_kill_at(b->h, clock_now_ms() + 30);
    start(b, 1, path(b, "/json"), &(struct http_spec){.method = TEXT("POST")});
    poll(NULL, 0, 40); /* the freeze itself */
    assert_failed(await(b, 1), HTTP_TROUBLE_LEASE, false);
    assert_int_equal(http_server_requests(b->server), 0);
}

static void a_hanging_resolver_holds_up_nothing(void **state)
{
    struct bench *b = *state;
    resolver_goes_on = false;
    for (uint64_t i = 1; i <= 20; i++)
        start(b, i, TEXT("http://hangs.invalid/"), NULL);
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (resolving < 20) {
        pump(b, 5);
        assert_true(clock_now_ms() < until_ms);
    }
    assert_answer(run(b, 30, "/json", NULL), 200, "{\"a\":1.10}");
    /* Whoever waited for a resolver would wait for ever. */
    for (uint64_t i = 1; i <= 19; i++)
        http_stop(b->h, i);
    for (uint64_t i = 1; i <= 19; i++)
        assert_failed(await(b, i), HTTP_TROUBLE_STOPPED, false);
    http_free(b->h); /* the last one goes with the source */
    assert_int_equal(resolving, 20);
    resolver_goes_on = true;
    while (resolving)
        poll(NULL, 0, 1);
    struct error error = {0};
    b->h = http_source_new(&(struct http_options){0}, &error);
    assert_non_null(b->h);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const char *const proxies[] = {"http_proxy",  "https_proxy", "all_proxy",
                                          "HTTPS_PROXY", "ALL_PROXY",   "no_proxy"};
    for (size_t i = 0; i < sizeof proxies / sizeof proxies[0]; i++)
        unsetenv(proxies[i]);
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
        T(redirects_are_followed_for_get),
        T(redirects_end),
        T(a_stranger_gets_no_headers),
        T(a_hundred_at_once),
        T(connections_are_used_again),
        T(a_request_is_stopped),
        T(the_end_of_the_lease_aborts),
        T(nothing_is_sent_after_the_lease),
        T(a_hanging_resolver_holds_up_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
