/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/os/clock.h"
#include "cli/job_json.h"
#include "cli/job_text.h"
#include "cli/session.h"
#include "cli/verbs.h"

static int show(struct jobboard *jobboard, const char *name, bool json)
{
    struct view_request request = {.kind = VIEW_SHOW};
    const struct view_answer *answer;
    struct buffer text = {0};
    int exit = session_find_job(jobboard, "show", name, &request.job);
    if (!exit)
        exit = session_view(jobboard, "show", &request, &answer);
    if (exit)
        return exit;
    const struct view_job *job = &answer->u.show.job;
    if (json) {
        job_json_show(job, &text);
        buffer_add_char(&text, '\n');
    } else {
        job_text_show(job, answer->now_us ? answer->now_us : clock_unix_us(), &text);
    }
    fwrite(text.data, 1, text.len, stdout);
    buffer_done(&text);
    return EXIT_CODE_DONE;
}

int verb_show(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct option_group group = connection_group(&connection);
    struct option_set set = {
        .program = "jobboard show",
        .arguments = "JOB",
        .story = "Shows one job whole: state, input, output, failure and tasks. JOB is an id, its "
                 "last\n6 or more digits, or key:KEY.",
        .config_option = CONNECTION_CONFIG,
        .groups = &group,
        .group_count = 1,
        .operands_min = 1,
        .operands_max = 1,
        .examples = "  jobboard show 1f8e55c2\n"
                    "  jobboard show key:nightly-2026-11-24 --json | jq .output",
    };
    struct jobboard *jobboard;
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    if (session_open("show", &connection, true, &jobboard, &exit)) {
        exit = show(jobboard, options.operands[0], connection.json);
        jobboard_close(jobboard);
    }
    options_done(&options);
    return exit;
}
