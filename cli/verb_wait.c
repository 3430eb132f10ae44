/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "cli/session.h"
#include "cli/verbs.h"
#include "cli/wait_jobs.h"

struct wait_options {
    int64_t timeout_ms;
};

static const struct option_row rows[] = {
    {.name = "timeout",
     .kind = OPTION_DURATION,
     .argument = "TIME",
     .min = 1,
     .max = INT64_C(100) * 365 * 86400000,
     .offset = offsetof(struct wait_options, timeout_ms),
     .help = "wait no longer (exit code 4); without it: for ever"},
};

int verb_wait(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct wait_options given = {0};
    struct option_group groups[] = {
        connection_group(&connection),
        {.rows = rows, .count = 1, .target = &given},
    };
    struct option_set set = {
        .program = "jobboard wait",
        .arguments = "JOB…",
        .story = "Waits until the jobs ended, and prints a line for each. JOB is an id, its last 6 "
                 "or\nmore digits, key:KEY, or - for ids from stdin. Exit codes: 0 all SUCCESS, 1 "
                 "one ended\notherwise, 4 timed out, 5 no such job.",
        .config_option = CONNECTION_CONFIG,
        .groups = groups,
        .group_count = 2,
        .operands_min = 1,
        .operands_max = -1,
        .examples = "  jobboard wait 1f8e55c2 --timeout 30s\n"
                    "  jobboard wait key:nightly-2026-11-24\n"
                    "  jobboard post *.yaml | jobboard wait -",
    };
    struct jobboard *jobboard;
    struct uuid *jobs;
    size_t count;
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    if (session_open("wait", &connection, true, &jobboard, &exit)) {
        exit = session_find_jobs(jobboard, "wait", options.operands, (size_t)options.operand_count,
                                 &jobs, &count);
        if (!exit)
            exit =
                wait_jobs(jobboard, "wait", jobs, count, given.timeout_ms, connection.json, stdout);
        free(jobs);
        jobboard_close(jobboard);
    }
    options_done(&options);
    return exit;
}
