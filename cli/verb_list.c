/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/duration.h"
#include "base/os/clock.h"
#include "cli/job_json.h"
#include "cli/selector.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs.h"

#define NEWEST 50

static const struct table_column columns[] = {
    {"ID", 0},
    {"STATE", TABLE_STATE},
    {"FLOW", TABLE_CUT},
    {"KEY", TABLE_CUT},
    {"PRIO", TABLE_RIGHT},
    {"ENGINE", TABLE_CUT},
    {"AGE", TABLE_RIGHT},
    {"TOOK", TABLE_RIGHT},
};

static struct text length_text(struct arena *arena, int64_t from_us, int64_t to_us)
{
    char text[32];
    if (!from_us)
        return TEXT("-");
    int64_t length_ms = to_us > from_us ? (to_us - from_us) / 1000 : 0;
    return arena_text(arena, text_of(duration_format(length_ms, text, sizeof text)));
}

static void add_row(struct table *table, const struct view_job *job, int64_t now_us)
{
    struct arena arena = {0};
    int64_t until_us = job->ended_at_us ? job->ended_at_us : now_us;
    int64_t age_us = (now_us - job->posted_at_us) / 1000000 * 1000000; /* whole seconds */
    const struct text cells[] = {
        text_of(ID_SHORT(&job->row.id)),
        text_of(job_state_name(job->row.state)),
        job->flow_name,
        job->key,
        arena_printf(&arena, "%d", job->row.priority),
        job->owner.name,
        length_text(&arena, now_us - age_us, now_us),
        length_text(&arena, job->started_at_us, until_us),
    };
    table_row(table, cells);
    arena_done(&arena);
}

static void print_lines(const struct view_answer *answer, bool quiet)
{
    for (size_t i = 0; i < answer->u.list.count; i++) {
        const struct view_job *job = &answer->u.list.jobs[i];
        struct buffer json = {0};
        if (quiet)
            buffer_add_string(&json, UUID_STR(&job->row.id));
        else
            job_json_list(job, &json);
        printf("%s\n", json.data);
        buffer_done(&json);
    }
}

static void print_table(const struct view_answer *answer)
{
    struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    int64_t now_us = answer->now_us ? answer->now_us : clock_unix_us();
    for (size_t i = 0; i < answer->u.list.count; i++)
        add_row(table, &answer->u.list.jobs[i], now_us);
    table_print(table);
}

static int list(struct jobboard *jobboard, const struct selector *selector, bool json,
                const struct view_filter *filter)
{
    struct view_request request = {
        .kind = VIEW_LIST, .filter = *filter, .limit = selector->all ? -1 : NEWEST};
    const struct view_answer *answer;
    int exit = session_view(jobboard, "list", &request, &answer);
    if (exit)
        return exit;
    if (json || selector->quiet)
        print_lines(answer, selector->quiet);
    else
        print_table(answer);
    fflush(stdout);
    if ((int64_t)answer->u.list.count < answer->u.list.total)
        fprintf(stderr, "%zu of %" PRId64 "; --all shows all\n", answer->u.list.count,
                answer->u.list.total);
    else if (!json && !selector->quiet && answer->u.list.total == 0)
        fprintf(stderr, "no jobs\n");
    return EXIT_CODE_DONE;
}

int verb_list(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct selector selector = {0};
    struct option_group groups[] = {connection_group(&connection), selector_group(&selector)};
    struct option_set set = {
        .program = "jobboard list",
        .story = "Lists jobs, the newest first.",
        .config_option = CONNECTION_CONFIG,
        .groups = groups,
        .group_count = 2,
        .examples = "  jobboard list --state running,ready\n"
                    "  jobboard list --flow deploy --since 2h --json\n"
                    "  jobboard list --state failure --all -q | wc -l",
    };
    struct view_filter filter;
    struct error error = {0};
    struct jobboard *jobboard;
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    if (selector_filter(&selector, &filter, &error)) {
        exit = cli_fail("list", &error);
    } else if (session_open("list", &connection, true, &jobboard, &exit)) {
        exit = list(jobboard, &selector, connection.json, &filter);
        jobboard_close(jobboard);
    }
    options_done(&options);
    return exit;
}
