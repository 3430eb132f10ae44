/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/why.h"

static const struct text gpu[] = {TEXT("gpu")};

/* Engines; boot 1, 2, 3 in the first byte. */
static const struct member plain = {
    .boot = {{1}}, .name = TEXT("plain"), .slots = 10, .free = 4, .dividing = true};
static const struct member full = {
    .boot = {{2}}, .name = TEXT("full"), .slots = 10, .free = 0, .dividing = true};
static const struct member leaving = {
    .boot = {{3}}, .name = TEXT("leaving"), .slots = 10, .free = 10, .draining = true};

struct row {
    struct view_job job;
    const struct member *members;
    size_t member_count;
    const char *away;
    int64_t ahead;
    const char *reason, *text, *remedy; /* text, remedy: what must stand in them */
};

static void check(const struct row *row, size_t number)
{
    struct arena arena = {0};
    struct why why;
    struct why_facts facts = {.job = &row->job,
                              .now_us = 100000000,
                              .ready_ahead = row->ahead,
                              .board_away = row->away,
                              .members = row->members,
                              .member_count = row->member_count};
    why_explain(&facts, &arena, &why);
    const char *text = arena_string(&arena, why.text);
    const char *remedy = arena_string(&arena, why.remedy);
    if (strcmp(why.reason, row->reason) || !strstr(text, row->text) || !strstr(remedy, row->remedy))
        fail_msg("row %zu: %s / %s / %s", number, why.reason, text, remedy);
    arena_done(&arena);
}

static void ready_jobs(void **state)
{
    const struct member three[] = {full, leaving, plain};
    const struct row rows[] = {
        {{.row = {.format = 1}}, NULL, 0, NULL, 0, "no_engine", "no engine", "start one"},
        {{.row = {.format = 1}}, NULL, 0, "no answer", 0, "zookeeper_away", "no answer", "back"},
        {{.row = {.format = 1}, .tags = gpu, .tag_count = 1},
         three,
         3,
         NULL,
         0,
         "no_engine_with_tags",
         "gpu; none of the 3",
         "--tags gpu"},
        {{.row = {.format = 1}}, &leaving, 1, NULL, 0, "all_draining", "told to stop", "another"},
        {{.row = {.format = 1}}, three, 2, NULL, 7, "slots_full", "all 10 slots of the 1", "slot"},
        {{.row = {.format = 1}}, three, 2, NULL, 7, "slots_full", "7 jobs", "another engine"},
        {{.row = {.format = 1}}, three, 3, NULL, 1, "in_line", "1 job of its kind is", "takes it"},
        {{.row = {.format = 1}},
         three,
         3,
         NULL,
         VIEW_READY_AHEAD_MAX,
         "in_line",
         "more than 9999",
         "takes it"},
        {{.row = {.format = FORMAT_NOW + 1}},
         three,
         3,
         NULL,
         0,
         "newer_format",
         "format 2",
         "newer version"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i], i);
}

static void claimed_jobs(void **state)
{
    const struct view_task tasks[] = {
        {.row = {.path = TEXT("done"), .state = TASK_SUCCESS}},
        {.row = {.path = TEXT("now"), .state = TASK_RUNNING, .attempt = 2},
         .started_at_us = 88000000},
    };
    struct view_job job = {.row = {.state = JOB_RUNNING, .format = 1, .epoch = 3, .owner = {{1}}},
                           .owner = {.name = TEXT("plain")},
                           .changed_at_us = 40000000,
                           .tasks = tasks,
                           .task_count = 2};
    struct view_job held = job;
    held.row.on_hold = true;
    const struct row rows[] = {
        {job, &plain, 1, NULL, 0, "running", "plain (epoch 3), claimed 1m ago", "nothing"},
        {job, &plain, 1, NULL, 0, "running", "task now is RUNNING (attempt 2, since 12s)", ""},
        {job, &full, 1, NULL, 0, "owner_gone", "plain (epoch 3)", "a peer"},
        {job, NULL, 0, NULL, 0, "owner_gone", "is gone", "start one"},
        {held, &full, 1, NULL, 0, "on_hold", "holds it", "hold ends"},
        {job, NULL, 0, "mute", 0, "running", "ZooKeeper is away: mute", "go on"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i], i);
}

static void other_jobs(void **state)
{
    const struct row rows[] = {
        {{.row = {.state = JOB_SUCCESS}, .ended_at_us = 1000000},
         NULL,
         0,
         NULL,
         0,
         "final",
         "SUCCESS at 1970-01-01 00:00:01.000",
         "final"},
        {{.row = {.state = JOB_FAILURE},
          .ended_at_us = 1000000,
          .failure = TEXT("{\"class\":\"exit\",\"message\":\"code 3\",\"task\":\"t\"}")},
         NULL,
         0,
         "away",
         0,
         "final",
         "failure exit in task t: code 3",
         "jobboard rerun 00000000"},
        {{.row = {.state = JOB_FAILURE}, .failure = TEXT("{\"class\": 1, garbage")},
         NULL,
         0,
         NULL,
         0,
         "final",
         "FAILURE",
         "rerun"},
        {{.row = {.state = JOB_WAITING, .format = 1}, .wake_at_us = 2000000},
         NULL,
         0,
         NULL,
         0,
         "waiting",
         "until 1970-01-01 00:00:02.000",
         "time"},
        {{.row = {.state = JOB_WAITING, .format = 1}},
         NULL,
         0,
         NULL,
         0,
         "waiting",
         "outside",
         "waits for"},
        {{.row = {.state = JOB_SUSPENDED, .format = 1}},
         NULL,
         0,
         NULL,
         0,
         "suspended",
         "operator",
         "resumes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i], i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_jobs),
        cmocka_unit_test(claimed_jobs),
        cmocka_unit_test(other_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
