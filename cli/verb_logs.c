/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "cli/job_json.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs.h"

static void print_human(const struct view_stderr *tail, bool with_title)
{
    struct buffer text = {0};
    if (with_title) {
        buffer_add_string(&text, "==> ");
        text_add_safe(&text, tail->task);
        buffer_printf(&text, " attempt %d\n", tail->attempt);
    }
    if (isatty(STDOUT_FILENO))
        text_add_safe(&text, tail->tail);
    else
        buffer_add_text(&text, tail->tail);
    if (text.len && text.data[text.len - 1] != '\n')
        buffer_add_char(&text, '\n');
    if (text.len)
        fwrite(text.data, 1, text.len, stdout);
    buffer_done(&text);
}

static void print_tails(const struct view_answer *answer, bool json)
{
    for (size_t i = 0; i < answer->u.stderrs.count; i++) {
        const struct view_stderr *tail = &answer->u.stderrs.tails[i];
        struct buffer text = {0};
        if (!json) {
            print_human(tail, answer->u.stderrs.count > 1);
            continue;
        }
        job_json_stderr(tail, &text);
        puts(text.data);
        buffer_done(&text);
    }
}

/* Nothing was kept: because it wrote nothing, or because there is no such task? */
static int explain_none(struct jobboard *jobboard, const struct view_request *asked)
{
    struct view_request request = {.kind = VIEW_SHOW, .job = asked->job};
    const struct view_answer *answer;
    int exit = session_view(jobboard, "logs", &request, &answer);
    if (exit)
        return exit;
    for (size_t i = 0; i < answer->u.show.job.task_count; i++)
        if (!asked->task.data || text_equal(answer->u.show.job.tasks[i].row.path, asked->task)) {
            session_say("logs", "nothing was written to stderr so far");
            return EXIT_CODE_DONE;
        }
    if (!asked->task.data) {
        session_say("logs", "no task has begun yet");
        return EXIT_CODE_DONE;
    }
    session_say("logs", "no task '%.*s' has begun in this job", TEXT_ARG(asked->task));
    return EXIT_CODE_NOT_FOUND;
}

static int logs(struct jobboard *jobboard, const char *name, const char *task, bool json)
{
    struct view_request request = {.kind = VIEW_STDERR, .task = text_of(task)};
    const struct view_answer *answer;
    int exit = session_find_job(jobboard, "logs", name, &request.job);
    if (!exit)
        exit = session_view(jobboard, "logs", &request, &answer);
    if (exit)
        return exit;
    if (answer->u.stderrs.count == 0)
        return explain_none(jobboard, &request);
    print_tails(answer, json);
    return EXIT_CODE_DONE;
}

int verb_logs(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct option_group group = connection_group(&connection);
    struct option_set set = {
        .program = "jobboard logs",
        .arguments = "JOB [TASK]",
        .story = "Prints what the attempts of a job's tasks wrote to stderr; the last 64 KiB of "
                 "each are kept.",
        .config_option = CONNECTION_CONFIG,
        .groups = &group,
        .group_count = 1,
        .operands_min = 1,
        .operands_max = 2,
        .examples = "  jobboard logs 1f8e55c2\n"
                    "  jobboard logs 1f8e55c2 deploy/canary --json",
    };
    struct jobboard *jobboard;
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    if (session_open("logs", &connection, true, &jobboard, &exit)) {
        exit = logs(jobboard, options.operands[0],
                    options.operand_count > 1 ? options.operands[1] : NULL, connection.json);
        jobboard_close(jobboard);
    }
    options_done(&options);
    return exit;
}
