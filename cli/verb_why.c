/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/job_json.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "cli/why.h"

/* A tool that explains trouble does not wait long for what is in trouble. */
#define BOARD_WAIT_MS 2000

static void print_why(const struct view_job *job, const struct why *why, bool json)
{
    struct buffer text = {0};
    if (json) {
        buffer_add_char(&text, '{');
        json_uuid(&text, "id", &job->row.id);
        json_text(&text, "state", text_of(job_state_name(job->row.state)));
        json_text(&text, "reason", text_of(why->reason));
        json_text(&text, "why", why->text);
        json_text(&text, "remedy", why->remedy);
        buffer_add_string(&text, "}\n");
    } else {
        buffer_printf(&text, "%s is %s: ", ID_SHORT(&job->row.id), job_state_name(job->row.state));
        text_add_safe(&text, why->text);
        buffer_add_string(&text, "\nwhat moves it: ");
        text_add_safe(&text, why->remedy);
        buffer_add_char(&text, '\n');
    }
    fputs(text.data, stdout);
    buffer_done(&text);
}

static int64_t board_wait_ms(const struct connection_options *connection)
{
    return connection->connect_timeout_ms < BOARD_WAIT_MS ? connection->connect_timeout_ms
                                                          : BOARD_WAIT_MS;
}

/* First the board, then the job: what the store says lasts until the next call only. */
static int why(struct jobboard *jobboard, const char *name,
               const struct connection_options *connection)
{
    struct view_request request = {.kind = VIEW_SHOW};
    const struct view_answer *answer;
    struct why_facts facts = {0};
    struct error away = {0};
    struct arena arena = {0};
    struct why found;
    int exit = session_find_job(jobboard, "why", name, &request.job);
    if (exit)
        return exit;
    if (jobboard_members_now(jobboard, board_wait_ms(connection), &facts.members,
                             &facts.member_count, &away))
        facts.board_away = away.text;
    exit = session_view(jobboard, "why", &request, &answer);
    if (exit)
        return exit;
    facts.job = &answer->u.show.job;
    facts.now_us = answer->now_us;
    facts.ready_ahead = answer->u.show.ready_ahead;
    why_explain(&facts, &arena, &found);
    print_why(facts.job, &found, connection->json);
    arena_done(&arena);
    return EXIT_CODE_DONE;
}

int verb_why(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct option_group group = connection_group(&connection);
    struct option_set set = {
        .program = "jobboard why",
        .arguments = "JOB",
        .story = "Tells why a job does not move, and what would move it.",
        .config_option = CONNECTION_CONFIG,
        .groups = &group,
        .group_count = 1,
        .operands_min = 1,
        .operands_max = 1,
        .examples = "  jobboard why 1f8e55c2\n"
                    "  jobboard why key:nightly-2026-11-24 --json | jq -r .reason",
    };
    struct jobboard *jobboard;
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    if (session_open("why", &connection, true, &jobboard, &exit)) {
        exit = why(jobboard, options.operands[0], &connection);
        jobboard_close(jobboard);
    } else if (exit == EXIT_CODE_UNREACHABLE) {
        session_say("why", "without Postgres nothing moves; it all goes on when that is back");
    }
    options_done(&options);
    return exit;
}
