/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/engines.h"
#include "cli/session.h"
#include "cli/verbs.h"

static void print_json(const struct member *members, size_t count)
{
    const struct member **sorted = engines_sorted(members, count);
    for (size_t i = 0; i < count; i++) {
        struct buffer json = {0};
        engine_json(sorted[i], &json);
        puts(json.data);
        buffer_done(&json);
    }
    free(sorted);
}

static int engines(struct jobboard *jobboard, const struct connection_options *connection)
{
    const struct member *members;
    size_t count;
    struct error error = {0};
    if (jobboard_members_now(jobboard, connection->connect_timeout_ms, &members, &count, &error))
        return cli_fail("engines", &error);
    if (connection->json)
        print_json(members, count);
    else
        engines_print(members, count);
    if (count == 0 && !connection->json)
        session_say("engines", "no engine is on board %s", connection->board);
    return EXIT_CODE_DONE;
}

int verb_engines(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct option_group group = connection_group(&connection);
    struct option_set set = {
        .program = "jobboard engines",
        .story = "Lists the engines that are on the board now. Needs ZooKeeper (exit code 3 "
                 "without).\nState: running; draining: told to stop; aside: takes no new jobs "
                 "(just came, in doubt\nabout its lease, or without Postgres).",
        .config_option = CONNECTION_CONFIG,
        .groups = &group,
        .group_count = 1,
        .examples = "  jobboard engines\n"
                    "  jobboard engines --json | jq -r 'select(.running > 0) | .name'",
    };
    struct jobboard *jobboard;
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    if (session_open("engines", &connection, true, &jobboard, &exit)) {
        exit = engines(jobboard, &connection);
        jobboard_close(jobboard);
    }
    options_done(&options);
    return exit;
}
