/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os/clock.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "cli/watch_jobs.h"

#define DRAW_EVERY_MS  100  /* at most */
#define CLOCK_EVERY_MS 1000 /* the picture's times go on */

struct watch {
    struct jobboard *jobboard;
    struct watch_job *jobs;
    size_t count;
    bool draws; /* a picture instead of lines */
    bool json;
    struct watch_screen screen;
    int64_t drawn_ms;
};

static void take_move(struct watch *watch, const struct jobboard_moved *moved)
{
    for (size_t i = 0; i < watch->count; i++) {
        struct watch_job *job = &watch->jobs[i];
        if (!uuid_equal(&job->id, &moved->job))
            continue;
        job->is_news = true;
        job->is_over = !moved->found || job_state_is_final(moved->state);
        job->has_failed = job->is_over && (!moved->found || moved->state != JOB_SUCCESS);
    }
}

static void take_events(struct watch *watch)
{
    struct jobboard_event event;
    while (jobboard_next(watch->jobboard, &event))
        if (event.kind == JOBBOARD_MOVED)
            take_move(watch, &event.u.moved);
}

static bool any_news(const struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++)
        if (watch->jobs[i].is_news)
            return true;
    return false;
}

static bool all_over(const struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++)
        if (!watch->jobs[i].is_over)
            return false;
    return true;
}

static int show_lines(struct watch *watch)
{
    int exit = EXIT_CODE_DONE;
    for (size_t i = 0; i < watch->count && !exit; i++) {
        if (!watch->jobs[i].is_news)
            continue;
        exit = watch_lines(watch->jobboard, &watch->jobs[i], watch->json, watch->count > 1);
        watch->jobs[i].is_news = exit != EXIT_CODE_DONE;
    }
    return exit;
}

static int show_picture(struct watch *watch, int64_t now_ms)
{
    for (size_t i = 0; i < watch->count; i++)
        watch->jobs[i].is_news = false;
    watch->drawn_ms = now_ms;
    return watch_draw(&watch->screen, watch->jobboard, watch->jobs, watch->count);
}

/* When something is to be shown without an event. */
static int64_t until_ms(const struct watch *watch)
{
    if (!watch->draws)
        return -1;
    return watch->drawn_ms + (any_news(watch) ? DRAW_EVERY_MS : CLOCK_EVERY_MS);
}

static int watch_all(struct watch *watch)
{
    int exit = EXIT_CODE_DONE;
    for (;;) {
        take_events(watch);
        bool is_end = all_over(watch);
        int64_t now_ms = clock_now_ms();
        if (watch->draws && (is_end || now_ms >= until_ms(watch)))
            exit = show_picture(watch, now_ms);
        else if (!watch->draws && any_news(watch))
            exit = show_lines(watch);
        if (exit == EXIT_CODE_UNREACHABLE)
            exit = EXIT_CODE_DONE; /* it was said; the next look may find it again */
        if (exit || (is_end && !any_news(watch)))
            break;
        if (ferror(stdout))
            return EXIT_CODE_DONE; /* nobody reads any more */
        if (!any_news(watch) || watch->draws)
            jobboard_turn(watch->jobboard, until_ms(watch));
    }
    for (size_t i = 0; i < watch->count && !exit; i++)
        if (watch->jobs[i].has_failed)
            exit = EXIT_CODE_NO;
    return exit;
}

static int watch_named(struct jobboard *jobboard, const struct options *options, bool json)
{
    struct watch watch = {.jobboard = jobboard, .json = json};
    struct uuid *ids;
    int exit = session_find_jobs(jobboard, "watch", options->operands,
                                 (size_t)options->operand_count, &ids, &watch.count);
    if (!exit) {
        watch.jobs = xcalloc(watch.count + 1, sizeof *watch.jobs);
        watch.draws = !json && isatty(STDOUT_FILENO);
        for (size_t i = 0; i < watch.count; i++) {
            watch.jobs[i].id = ids[i];
            jobboard_watch(jobboard, &ids[i]);
        }
        exit = watch_all(&watch);
        free(watch.jobs);
    }
    free(ids);
    return exit;
}

int verb_watch(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct option_group group = connection_group(&connection);
    struct option_set set = {
        .program = "jobboard watch",
        .arguments = "JOB…",
        .story = "Shows jobs live until they ended: on a terminal a picture that is drawn anew, "
                 "elsewhere\na line for each state that a job or task enters. Exit code 1: one "
                 "ended otherwise than\nwith SUCCESS.",
        .config_option = CONNECTION_CONFIG,
        .groups = &group,
        .group_count = 1,
        .operands_min = 1,
        .operands_max = -1,
        .examples = "  jobboard watch 1f8e55c2\n"
                    "  jobboard post *.yaml | jobboard watch -\n"
                    "  jobboard watch 1f8e55c2 --json | jq .state",
    };
    struct jobboard *jobboard;
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    if (session_open("watch", &connection, true, &jobboard, &exit)) {
        exit = watch_named(jobboard, &options, connection.json);
        jobboard_close(jobboard);
    }
    options_done(&options);
    return exit;
}
