/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/job_json.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/verbs.h"

static void print_done(const struct connection_options *connection, int from, int to)
{
    if (connection->json) {
        struct buffer json = {0};
        buffer_add_char(&json, '{');
        json_text(&json, "schema", text_of(connection->schema));
        json_int(&json, "from", from);
        json_int(&json, "to", to);
        printf("%s}\n", json.data);
        buffer_done(&json);
    } else if (from == to) {
        printf("schema %s: version %d already\n", connection->schema, to);
    } else {
        printf("schema %s: version %d, was %d\n", connection->schema, to, from);
    }
}

int verb_migrate(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct option_group group = connection_group(&connection);
    struct option_set set = {
        .program = "jobboard migrate",
        .story = "Brings the Postgres schema to the version of this program, or makes it. Safe to "
                 "run\nagain, and when two run at once. A newer schema is refused (exit code 6).",
        .config_option = CONNECTION_CONFIG,
        .groups = &group,
        .group_count = 1,
        .examples = "  jobboard migrate\n"
                    "  jobboard migrate --postgres 'host=db dbname=jobs user=owner' --schema prod",
    };
    struct error error = {0};
    int exit, from, to;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    struct storage_options storage = {.conninfo = connection.postgres,
                                      .schema = connection.schema,
                                      .application = "jobboard migrate",
                                      .connect_timeout_ms = connection.connect_timeout_ms,
                                      .answer_timeout_ms = JOBBOARD_ANSWER_TIMEOUT_MS};
    int code = storage_migrate(&storage, &from, &to, &error);
    if (code == ERR_TIMEOUT)
        error.code = ERR_UNREACHABLE;
    exit = code ? cli_fail("migrate", &error) : EXIT_CODE_DONE;
    if (!code)
        print_done(&connection, from, to);
    options_done(&options);
    return exit;
}
