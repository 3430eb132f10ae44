/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/job_json.h"
#include "cli/job_text.h"
#include "cli/session.h"
#include "cli/verbs.h"

/* Lines of one question; a history may be long. */
#define PAGE 1000

static void print_lines(const struct view_answer *answer, bool json)
{
    for (size_t i = 0; i < answer->u.history.count; i++) {
        struct buffer text = {0};
        if (json)
            job_json_line(&answer->u.history.lines[i], NULL, &text);
        else
            job_text_line(&answer->u.history.lines[i], NULL, &text);
        puts(text.data);
        buffer_done(&text);
    }
}

static int print_history(struct jobboard *jobboard, const char *name, bool json)
{
    struct view_request request = {.kind = VIEW_HISTORY, .limit = PAGE};
    const struct view_answer *answer;
    int exit = session_find_job(jobboard, "history", name, &request.job);
    while (!exit) {
        exit = session_view(jobboard, "history", &request, &answer);
        if (exit)
            break;
        print_lines(answer, json);
        if (answer->u.history.count < PAGE)
            break;
        request.after_seq = answer->u.history.lines[answer->u.history.count - 1].seq;
    }
    return exit;
}

int verb_history(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct option_group group = connection_group(&connection);
    struct option_set set = {
        .program = "jobboard history",
        .arguments = "JOB",
        .story = "Prints what happened to a job, a line for each state that it or a task of it "
                 "entered:\ntime (UTC), epoch, task and attempt, state, engine, detail.",
        .config_option = CONNECTION_CONFIG,
        .groups = &group,
        .group_count = 1,
        .operands_min = 1,
        .operands_max = 1,
        .examples = "  jobboard history 1f8e55c2\n"
                    "  jobboard history 1f8e55c2 --json | jq 'select(.state == \"FAILURE\")'",
    };
    struct jobboard *jobboard;
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    if (session_open("history", &connection, true, &jobboard, &exit)) {
        exit = print_history(jobboard, options.operands[0], connection.json);
        jobboard_close(jobboard);
    }
    options_done(&options);
    return exit;
}
