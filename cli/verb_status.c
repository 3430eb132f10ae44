/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "cli/engines.h"
#include "cli/job_json.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs.h"

/* A screen of what is wrong does not wait long for what is wrong. */
#define BOARD_WAIT_MS 2000

struct status {
    const struct connection_options *connection;
    const struct view_answer *answer; /* NULL: Postgres is away */
    const char *store_away;
    const char *board_away; /* NULL: it answered, or nobody could ask */
    const struct member *members;
    size_t member_count;
};

/* -------------------------------------------------------------------------------------- programs
 */

static void add_service(struct buffer *json, const char *name, const char *away,
                        struct text version)
{
    json_key(json, name);
    buffer_add_char(json, '{');
    json_raw(json, "up", away ? TEXT("false") : TEXT("true"));
    json_text(json, "trouble", text_of(away));
    if (version.data)
        json_text(json, "version", version);
    buffer_add_char(json, '}');
}

static void add_jobs(struct buffer *json, const struct view_answer *answer)
{
    json_key(json, "jobs");
    buffer_add_char(json, '{');
    for (int i = 0; i < JOB_STATES; i++)
        json_int(json, job_state_name((enum job_state)i), answer->u.counts.by_state[i]);
    buffer_add_char(json, '}');
    if (answer->u.counts.oldest_ready_ms >= 0)
        json_int(json, "oldest_ready_ms", answer->u.counts.oldest_ready_ms);
    else
        json_raw(json, "oldest_ready_ms", TEXT_NONE);
    json_int(json, "quarantined", answer->u.counts.by_state[JOB_QUARANTINED]);
}

static void print_json(const struct status *status)
{
    struct buffer json = {0};
    buffer_add_char(&json, '{');
    json_text(&json, "board", text_of(status->connection->board));
    json_text(&json, "schema", text_of(status->connection->schema));
    add_service(&json, "postgres", status->store_away,
                status->answer ? status->answer->u.counts.server : TEXT_NONE);
    if (status->answer)
        add_service(&json, "zookeeper", status->board_away, TEXT_NONE);
    else
        json_raw(&json, "zookeeper", TEXT_NONE);
    json_key(&json, "engines");
    buffer_add_char(&json, '[');
    for (size_t i = 0; i < status->member_count; i++) {
        if (i)
            buffer_add_char(&json, ',');
        engine_json(&status->members[i], &json);
    }
    buffer_add_char(&json, ']');
    if (status->answer)
        add_jobs(&json, status->answer);
    buffer_add_string(&json, "}\n");
    fputs(json.data, stdout);
    buffer_done(&json);
}

/* ---------------------------------------------------------------------------------------- people
 */

static void print_service(const char *name, const char *away, const char *more)
{
    const char *colour = state_colour(away ? TEXT("away") : TEXT("running"));
    const char *told = away ? away : more;
    printf("%-12s %s%s%s%s%.*s\n", name, colour, away ? "away" : "up", *colour ? COLOUR_END : "",
           *told ? ": " : "", (int)strcspn(told, "\n"), told);
}

static void print_jobs(const struct view_answer *answer)
{
    int64_t total = 0;
    for (int i = 0; i < JOB_STATES; i++)
        total += answer->u.counts.by_state[i];
    printf("%-12s %" PRId64, "jobs", total);
    for (int i = 0; i < JOB_STATES; i++) {
        struct text state = text_of(job_state_name((enum job_state)i));
        const char *colour = state_colour(state);
        if (answer->u.counts.by_state[i])
            printf("  %s%s%s %" PRId64, colour, state.data, *colour ? COLOUR_END : "",
                   answer->u.counts.by_state[i]);
    }
    putchar('\n');
    char age[32];
    if (answer->u.counts.oldest_ready_ms >= 0)
        printf("%-12s READY for %s\n", "oldest",
               duration_format(answer->u.counts.oldest_ready_ms, age, sizeof age));
    if (answer->u.counts.by_state[JOB_QUARANTINED])
        printf("%-12s %" PRId64 "; see: jobboard list --state quarantined\n", "quarantined",
               answer->u.counts.by_state[JOB_QUARANTINED]);
}

static bool is_member(const struct status *status, const struct uuid *boot)
{
    for (size_t i = 0; i < status->member_count; i++)
        if (uuid_equal(&status->members[i].boot, boot))
            return true;
    return false;
}

/* Jobs whose engine is not on the board: somebody takes them over soon, or nobody can. */
static void print_orphans(const struct status *status)
{
    int64_t orphans = 0;
    for (size_t i = 0; i < status->answer->u.counts.boot_count; i++)
        if (!is_member(status, &status->answer->u.counts.boots[i].boot))
            orphans += status->answer->u.counts.boots[i].claimed;
    if (orphans)
        printf("%-12s %" PRId64 " claimed by engines that are not on the board\n", "orphans",
               orphans);
}

static void print_human(const struct status *status)
{
    char more[128] = "";
    if (status->answer)
        snprintf(more, sizeof more, "version %.*s", TEXT_ARG(status->answer->u.counts.server));
    printf("%-12s %s (schema %s)\n", "board", status->connection->board,
           status->connection->schema);
    print_service("postgres", status->store_away, more);
    if (!status->answer)
        return;
    print_service("zookeeper", status->board_away, "");
    if (!status->board_away)
        printf("%-12s %zu\n", "engines", status->member_count);
    print_jobs(status->answer);
    if (!status->board_away)
        print_orphans(status);
    if (status->member_count) {
        putchar('\n');
        fflush(stdout);
        engines_print(status->members, status->member_count);
    }
}

static void print(const struct status *status)
{
    if (status->connection->json)
        print_json(status);
    else
        print_human(status);
}

static int look(struct jobboard *jobboard, const struct connection_options *connection)
{
    struct view_request request = {.kind = VIEW_COUNTS};
    struct status status = {.connection = connection};
    struct error away = {0};
    int64_t wait_ms = connection->connect_timeout_ms < BOARD_WAIT_MS
                          ? connection->connect_timeout_ms
                          : BOARD_WAIT_MS;
    if (jobboard_members_now(jobboard, wait_ms, &status.members, &status.member_count, &away))
        status.board_away = away.text;
    int exit = session_view(jobboard, "status", &request, &status.answer);
    if (!exit)
        print(&status);
    return exit;
}

int verb_status(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct option_group group = connection_group(&connection);
    struct option_set set = {
        .program = "jobboard status",
        .story = "Shows the cluster on one screen: services, engines, jobs by state, the oldest "
                 "that waits,\nand what is in quarantine. Answers also with ZooKeeper away. Exit "
                 "code 3: Postgres is away.",
        .config_option = CONNECTION_CONFIG,
        .groups = &group,
        .group_count = 1,
        .examples = "  jobboard status\n"
                    "  watch -n1 jobboard status\n"
                    "  jobboard status --json | jq .jobs.READY",
    };
    struct jobboard *jobboard;
    struct error error = {0};
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    int code = session_try_open(&connection, true, &jobboard, &error);
    if (!code) {
        exit = look(jobboard, &connection);
        jobboard_close(jobboard);
    } else {
        struct status status = {.connection = &connection, .store_away = error.text};
        exit = exit_code_of(code);
        print(&status);
    }
    options_done(&options);
    return exit;
}
