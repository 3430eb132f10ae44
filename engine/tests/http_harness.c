/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/os/clock.h"
#include "engine/tests/http_harness.h"

/* No call may hold up the loop for longer. It is the processor's time that is measured: the
 * machine may be busy with other things. Waiting shows where something is waited for: see the
 * resolver that hangs. Sanitizers make memory slow, and
 * clang does not say that they are at work. */
#define CALL_MAX_MS 400

int http_setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof *b);
    struct error error = {0};
    static const char *const proxies[] = {"http_proxy",  "https_proxy", "all_proxy",
                                          "HTTPS_PROXY", "ALL_PROXY",   "no_proxy"};
    for (size_t i = 0; i < sizeof proxies / sizeof proxies[0]; i++)
        unsetenv(proxies[i]);
    b->server = http_server_start();
    b->h = http_source_new(&(struct http_options){0}, &error);
    if (!b->h)
        print_error("%s\n", error.text);
    *state = b;
    return b->h ? 0 : -1;
}

int http_teardown(void **state)
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

struct text http_path(struct bench *b, const char *of)
{
    snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d%s", http_server_port(b->server), of);
    return text_of(b->url);
}

void http_begin(struct bench *b, uint64_t step, struct text url, const struct http_spec *base)
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

void http_pump(struct bench *b, int64_t ms)
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

struct told *http_await(struct bench *b, uint64_t step)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (!b->told[step].final) {
        http_pump(b, 1000);
        if (clock_now_ms() > until_ms)
            fail_msg("request %llu does not end", (unsigned long long)step);
    }
    return &b->told[step];
}

struct told *http_run(struct bench *b, uint64_t step, const char *of, const struct http_spec *base)
{
    http_begin(b, step, http_path(b, of), base);
    return http_await(b, step);
}

void http_until_requests(struct bench *b, int count)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (http_server_requests(b->server) < count) {
        http_pump(b, 5);
        assert_true(clock_now_ms() < until_ms);
    }
}

void assert_answered(const struct told *told, int status, const char *body)
{
    if (told->event.kind != HTTP_ANSWERED)
        fail_msg("%s", told->text);
    assert_int_equal(told->event.status, status);
    assert_false(told->event.may_have_arrived);
    assert_int_equal(told->body.len, strlen(body));
    assert_memory_equal(buffer_text(&told->body).data, body, strlen(body));
}

void assert_failed(const struct told *told, enum http_trouble trouble, bool may_have_arrived)
{
    if (told->event.kind != HTTP_FAILED)
        fail_msg("answered with %d", told->event.status);
    assert_true(told->text[0]);
    if (told->event.trouble != trouble || told->event.may_have_arrived != may_have_arrived)
        fail_msg("trouble %d, arrived %d: %s", (int)told->event.trouble,
                 told->event.may_have_arrived, told->text);
}

bool has_line(const struct told *told, const char *line)
{
    return told->body.data && strcasestr(told->body.data, line);
}
