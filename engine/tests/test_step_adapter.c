/* SPDX-License-Identifier: Apache-2.0 */
/* A step is a process or a request: each effect reaches the right source, each end becomes the
 * core's event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/os/clock.h"
#include "engine/adapters/step_adapter.h"
#include "engine/tests/http_server.h"

#define PATIENCE_MS 20000

struct stage {
    struct step_sources sources;
    struct arena scratch;
    struct http_server *server;
    char url[100];
};

static const struct step_ground ground = {.cwd = "/", .path = "/usr/bin:/bin"};

static void open_stage(struct stage *stage)
{
    struct error error = {0};
    *stage = (struct stage){.server = http_server_start()};
    stage->sources.processes =
        process_source_new(&(struct process_options){.warden_path = WARDEN_PATH}, &error);
    stage->sources.http = http_source_new(&(struct http_options){0}, &error);
    assert_non_null(stage->sources.processes);
    assert_non_null(stage->sources.http);
}

static void close_stage(struct stage *stage)
{
    assert_int_equal(http_running(stage->sources.http), 0);
    assert_int_equal(process_close_all(stage->sources.processes, 5000), 0);
    http_free(stage->sources.http);
    process_free(stage->sources.processes);
    http_server_end(stage->server);
    arena_done(&stage->scratch);
}

static void perform(struct stage *stage, const struct core_effect *effect)
{
    assert_true(step_adapter_perform(&stage->sources, &ground, &stage->scratch, effect));
}

static void request(struct stage *stage, uint64_t step, const char *path)
{
    static const struct step_variable header = {TEXT("X-A"), TEXT("b")};
    snprintf(stage->url, sizeof stage->url, "http://127.0.0.1:%d%s",
             http_server_port(stage->server), path);
    struct core_effect effect = {
        .kind = EFFECT_START_STEP,
        .u.start = {.step = step,
                    .url = text_of(stage->url),
                    .method = TEXT("POST"),
                    .headers = &header,
                    .header_count = 1,
                    .input = TEXT("[1]"),
                    .input_is_json = true,
                    .key = TEXT("k"),
                    .out_max_bytes = 10000},
    };
    perform(stage, &effect);
}

/* The next event that is not of a start. Its texts live until the next call. */
static struct core_event next(struct stage *stage)
{
    struct source sources[] = {process_source(stage->sources.processes),
                               http_source(stage->sources.http)};
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    struct core_event event = {0};
    while (clock_now_ms() < until_ms) {
        struct process_event process;
        struct http_event answer;
        if (http_next(stage->sources.http, &answer)) {
            step_adapter_translate_http(&answer, &event);
            return event;
        }
        if (process_next(stage->sources.processes, &process) &&
            step_adapter_translate(&process, &stage->scratch, &event) &&
            event.kind != EVENT_STEP_STARTED)
            return event;
        source_poll(sources, 2, clock_now_ms() + 100);
    }
    fail_msg("nothing came");
    return event;
}

static void a_request_is_made_and_its_answer_told(void **state)
{
    struct stage stage;
    open_stage(&stage);
    request(&stage, 7, "/echo");
    struct core_event event = next(&stage);
    assert_int_equal(event.kind, EVENT_STEP_ENDED);
    assert_int_equal(event.u.step.step, 7);
    assert_int_equal(event.u.step.status, 200);
    assert_int_equal(event.u.step.exit_code, 0);
    assert_false(event.u.step.is_lost);
    assert_int_equal(event.u.step.headers.data[0], '{');
    static const char *const lines[] = {"POST /echo", "\r\nX-A: b\r\n",
                                        "\r\nIdempotency-Key: k\r\n",
                                        "\r\nContent-Type: application/json\r\n", "\r\n\r\n[1]"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_non_null(strstr(event.u.step.out.data, lines[i]));
    request(&stage, 8, "/big");
    assert_true(next(&stage).u.step.out_overflow);
    close_stage(&stage);
}

static void a_failure_says_whether_it_may_have_arrived(void **state)
{
    struct stage stage;
    open_stage(&stage);
    request(&stage, 1, "/close");
    struct core_event event = next(&stage);
    assert_int_equal(event.kind, EVENT_STEP_FAILED);
    assert_true(event.u.step.is_lost);
    assert_true(event.u.step.reason.len > 0);
    assert_int_equal(event.u.step.status, 0);
    close_stage(&stage);
}

static void stops_and_the_lease_reach_both(void **state)
{
    struct stage stage;
    open_stage(&stage);
    static const struct text argv[] = {TEXT("sleep"), TEXT("60")};
    struct core_effect sleep = {
        .kind = EFFECT_START_STEP,
        .u.start = {.step = 1, .argv = argv, .argc = 2, .input = TEXT(""), .out_max_bytes = 10},
    };
    struct core_effect stop = {.kind = EFFECT_STOP_STEP, .u.stop.step = 1};
    perform(&stage, &sleep);
    request(&stage, 2, "/never");
    perform(&stage, &stop);
    assert_int_equal(next(&stage).u.step.step, 1);
    stop.u.stop.step = 2;
    perform(&stage, &stop);
    struct core_event event = next(&stage);
    assert_int_equal(event.u.step.step, 2);
    assert_int_equal(event.kind, EVENT_STEP_FAILED);

    sleep.u.start.step = 3;
    perform(&stage, &sleep);
    request(&stage, 4, "/never");
    perform(&stage,
            &(struct core_effect){.kind = EFFECT_KILL_AT, .u.kill_at_ms = clock_now_ms() + 200});
    uint64_t ended = next(&stage).u.step.step;
    assert_int_equal(ended + next(&stage).u.step.step, 3 + 4);
    close_stage(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_made_and_its_answer_told),
        cmocka_unit_test(a_failure_says_whether_it_may_have_arrived),
        cmocka_unit_test(stops_and_the_lease_reach_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
