/* SPDX-License-Identifier: Apache-2.0 */
/* How views become JSON for programs and text for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "cli/job_json.h"
#include "cli/job_text.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/watch_jobs.h"

#define ID "0192a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"

static struct uuid uuid_of(const char *text)
{
    struct uuid uuid;
    assert_true(uuid_parse(text_of(text), &uuid));
    return uuid;
}

static void a_new_job_has_all_keys(void **state)
{
    struct buffer json = {0};
    struct view_job job = {.row = {.id = uuid_of(ID), .state = JOB_READY, .priority = 5},
                           .flow_name = TEXT("f"),
                           .input = TEXT("{}"),
                           .posted_at_us = 1700000000000001};
    job_json_show(&job, &json);
    assert_string_equal(
        json.data, "{\"id\":\"" ID "\",\"flow\":\"f\",\"key\":null,\"state\":\"READY\",\"epoch\":0,"
                   "\"owner\":null,\"priority\":5,\"input\":{},\"output\":null,\"failure\":null,"
                   "\"posted_at\":\"2023-11-14T22:13:20.000001Z\",\"started_at\":null,"
                   "\"ended_at\":null,\"wake_at\":null,\"unclean\":0,\"deaths\":0,\"tasks\":{}}");
    buffer_done(&json);
}

static void documents_are_kept_to_the_letter(void **state)
{
    static const char document[] =
        "{ \"b\": 1.10,\n \"a\": 18446744073709551616, \"b2\": \"\\u0000\" }";
    struct buffer json = {0};
    struct view_task tasks[] = {
        {.row = {.path = TEXT("a/\"b\""),
                 .state = TASK_SUCCESS,
                 .attempt = 2,
                 .result = text_of(document)},
         .engine = TEXT("e1"),
         .epoch = 3,
         .started_at_us = 1,
         .ended_at_us = 2},
        {.row = {.path = TEXT("c"), .state = TASK_PENDING}},
    };
    struct view_job job = {.row = {.id = uuid_of(ID), .owner = uuid_of(ID), .state = JOB_SUCCESS},
                           .flow_name = TEXT("f"),
                           .key = TEXT("k\n"),
                           .input = text_of(document),
                           .output = text_of(document),
                           .tasks = tasks,
                           .task_count = 2};
    struct arena arena = {0};
    struct json *root;
    job_json_show(&job, &json);
    assert_int_equal(json_parse(&arena, buffer_text(&json), &root, NULL), 0);
    assert_int_equal(root->count, 17);
    assert_true(text_equal(json_member(root, TEXT("input"))->raw, text_of(document)));
    assert_true(text_equal(json_member(root, TEXT("output"))->raw, text_of(document)));
    assert_true(text_equal(json_member(root, TEXT("key"))->string, TEXT("k\n")));
    assert_true(text_equal(json_member(root, TEXT("owner"))->string, TEXT(ID)));
    const struct json *shown = json_member(root, TEXT("tasks"));
    assert_int_equal(shown->count, 2);
    const struct json *first = json_member(shown, TEXT("a/\"b\""));
    assert_true(text_equal(json_member(first, TEXT("result"))->raw, text_of(document)));
    assert_int_equal(json_member(first, TEXT("failure"))->kind, JSON_NULL);
    assert_true(
        text_equal(json_member(json_member(shown, TEXT("c")), TEXT("engine"))->raw, TEXT("null")));
    arena_done(&arena);
    buffer_done(&json);
}

static void history_lines_have_the_contract_s_keys(void **state)
{
    struct buffer json = {0};
    struct uuid id = uuid_of(ID);
    struct view_line line = {.seq = 7,
                             .at_us = 1700000000000000,
                             .attempt = 0,
                             .state = TEXT("RUNNING"),
                             .engine = TEXT("e"),
                             .epoch = 2};
    job_json_line(&line, NULL, &json);
    assert_string_equal(json.data,
                        "{\"seq\":7,\"at\":\"2023-11-14T22:13:20.000000Z\",\"task\":null,"
                        "\"attempt\":0,\"state\":\"RUNNING\",\"engine\":\"e\",\"epoch\":2,"
                        "\"detail\":null}");
    buffer_clear(&json);
    job_json_line(&line, &id, &json);
    assert_memory_equal(json.data, "{\"job\":\"" ID "\",\"seq\":7,", 52);
    buffer_done(&json);
}

static void terminals_get_no_control_characters(void **state)
{
    static const struct {
        const char *raw, *safe;
    } rows[] = {
        {"plain\n\ttext", "plain\n\ttext"},
        {"\033[2J", "?[2J"},
        {"a\rb", "a?b"},
        {"\x7f", "?"},
        {"\xc2\x9b"
         "31m",
         "??31m"},
        {"\xff", "\xef\xbf\xbd"},
        {"gr\xc3\xbcn", "gr\xc3\xbcn"},
        {"\xc2\xa0", "\xc2\xa0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer text = {0};
        text_add_safe(&text, text_of(rows[i].raw));
        assert_string_equal(text.data, rows[i].safe);
        buffer_done(&text);
    }
}

static void people_see_the_end_of_an_id(void **state)
{
    struct uuid id = uuid_of(ID);
    assert_string_equal(ID_SHORT(&id), "2e3f4a5b");
}

static void tasks_stand_in_the_order_they_began(void **state)
{
    struct buffer text = {0};
    struct view_task tasks[] = {
        {.row = {.path = TEXT("a_last"), .state = TASK_PENDING}},
        {.row = {.path = TEXT("b_second"), .state = TASK_RUNNING, .attempt = 1},
         .started_at_us = 2000000},
        {.row = {.path = TEXT("c_first"), .state = TASK_SUCCESS, .attempt = 1},
         .started_at_us = 1000000,
         .ended_at_us = 1500000},
    };
    struct view_job job = {.tasks = tasks, .task_count = 3};
    job_text_tasks(&job, 4000000, &text);
    const char *first = strstr(text.data, "c_first"), *second = strstr(text.data, "b_second"),
               *last = strstr(text.data, "a_last");
    assert_non_null(first);
    assert_true(first < second && second < last);
    assert_non_null(strstr(first, "500ms"));
    assert_non_null(strstr(second, "2s"));
    assert_int_equal(text.data[text.len - 1], '\n');
    buffer_done(&text);
}

static void pictures_fit_the_terminal(void **state)
{
    static const struct {
        const char *text;
        int rows;
        const char *fit;
        int taken;
    } rows[] = {
        {"a\nb\n", 2, "a\033[K\nb\033[K\n", 2},
        {"a\nb\nc\n", 2, "a\033[K\n… 2 more\033[K\n", 2},
        {"a\n", 5, "a\033[K\n", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer fit = {0};
        int taken;
        watch_fit(text_of(rows[i].text), rows[i].rows, &fit, &taken);
        assert_string_equal(fit.data, rows[i].fit);
        assert_int_equal(taken, rows[i].taken);
        buffer_done(&fit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_job_has_all_keys),
        cmocka_unit_test(documents_are_kept_to_the_letter),
        cmocka_unit_test(history_lines_have_the_contract_s_keys),
        cmocka_unit_test(terminals_get_no_control_characters),
        cmocka_unit_test(people_see_the_end_of_an_id),
        cmocka_unit_test(tasks_stand_in_the_order_they_began),
        cmocka_unit_test(pictures_fit_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
