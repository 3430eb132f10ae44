/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/exit_code.h"

#define FIELD(name) offsetof(struct connection_options, name)

const struct option_row *connection_rows(size_t *ret_count)
{
    static const struct option_row rows[] = {
        {.name = "postgres",
         .kind = OPTION_TEXT,
         .argument = "CONNINFO",
         .env = "JOBBOARD_POSTGRES",
         .offset = FIELD(postgres),
         .help = "where Postgres is, as libpq writes it; without it libpq's own settings count "
                 "(PGHOST, service files, .pgpass)"},
        {.name = "zookeeper",
         .kind = OPTION_TEXT,
         .argument = "HOSTS",
         .env = "JOBBOARD_ZOOKEEPER",
         .offset = FIELD(zookeeper),
         .help = "the ZooKeeper servers, HOST:PORT with commas between"},
        {.name = "zookeeper-auth",
         .kind = OPTION_TEXT,
         .argument = "USER:PASSWORD",
         .env = "JOBBOARD_ZOOKEEPER_AUTH",
         .offset = FIELD(zookeeper_auth),
         .help =
             "how to prove who one is to ZooKeeper; better in the variable, where nobody sees it"},
        {.name = "board",
         .kind = OPTION_TEXT,
         .argument = "NAME",
         .env = "JOBBOARD_BOARD",
         .fallback = "main",
         .offset = FIELD(board),
         .help = "the board of the cluster"},
        {.name = "schema",
         .kind = OPTION_TEXT,
         .argument = "NAME",
         .env = "JOBBOARD_SCHEMA",
         .fallback = "jobboard",
         .offset = FIELD(schema),
         .help = "the Postgres schema the jobs live in"},
        {.name = "config",
         .kind = OPTION_TEXT,
         .argument = "FILE",
         .env = "JOBBOARD_CONFIG",
         .offset = FIELD(config),
         .help = "YAML file with the same names"},
        {.name = "connect-timeout",
         .kind = OPTION_DURATION,
         .argument = "TIME",
         .env = "JOBBOARD_CONNECT_TIMEOUT",
         .fallback = "10s",
         .min = 1,
         .max = 3600000,
         .offset = FIELD(connect_timeout_ms),
         .help = "give up when nothing answers for so long"},
        {.name = "json",
         .kind = OPTION_FLAG,
         .offset = FIELD(json),
         .help = "print JSON, for lists one object a line"},
    };
    *ret_count = sizeof rows / sizeof rows[0];
    return rows;
}

struct option_group connection_group(struct connection_options *target)
{
    struct option_group group = {.title = "Cluster", .target = target};
    group.rows = connection_rows(&group.count);
    return group;
}

int cli_columns(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

bool cli_parse(struct options *options, const struct option_set *set, int argc, char **argv,
               int *ret_exit)
{
    struct error error = {0};
    int code = options_parse(options, set, argc, argv, &error);
    if (!code && !options->help)
        return true;
    if (code) {
        fprintf(stderr, "%s: %s\n", set->program, error.text);
        *ret_exit = EXIT_CODE_USAGE;
    } else {
        struct buffer text = {0};
        options_help(set, cli_columns() > 100 ? 100 : cli_columns(), &text);
        fputs(text.data, stdout);
        buffer_done(&text);
        *ret_exit = EXIT_CODE_DONE;
    }
    options_done(options);
    return false;
}

int cli_fail(const char *verb, const struct error *error)
{
    fprintf(stderr, "jobboard %s: %s\n", verb, error->text);
    return exit_code_of(error->code);
}
