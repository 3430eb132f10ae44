/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/settings.h"

#include <stdio.h>
#include <unistd.h>

#include "engine/core/core.h"

#define AT(field) offsetof(struct settings, field)

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};

static const struct option_row connection[] = {
    {.name = "postgres",
     .kind = OPTION_TEXT,
     .argument = "CONNINFO",
     .env = "JOBBOARD_POSTGRES",
     .help = "Postgres, as a connection string or URI. Without it libpq's own PGHOST, service "
             "files and .pgpass decide.",
     .offset = AT(postgres)},
    {.name = "zookeeper",
     .kind = OPTION_TEXT,
     .argument = "HOST:PORT,…",
     .env = "JOBBOARD_ZOOKEEPER",
     .fallback = "127.0.0.1:2181",
     .help = "The servers of the ZooKeeper ensemble.",
     .offset = AT(zookeeper)},
    {.name = "zookeeper-auth",
     .kind = OPTION_TEXT,
     .argument = "USER:PASSWORD",
     .env = "JOBBOARD_ZOOKEEPER_AUTH",
     .help = "Digest credentials; every znode then gets an ACL of its own.",
     .offset = AT(zookeeper_auth)},
    {.name = "board",
     .kind = OPTION_TEXT,
     .argument = "NAME",
     .env = "JOBBOARD_BOARD",
     .fallback = "main",
     .help = "Name of the board in ZooKeeper.",
     .offset = AT(board)},
    {.name = "schema",
     .kind = OPTION_TEXT,
     .argument = "NAME",
     .env = "JOBBOARD_SCHEMA",
     .fallback = "jobboard",
     .help = "Schema of the board in Postgres.",
     .offset = AT(schema)},
    {.name = "config",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .env = "JOBBOARD_CONFIG",
     .help = "YAML file with any of these options by their long names.",
     .offset = AT(config)},
    {.name = "connect-timeout",
     .kind = OPTION_DURATION,
     .argument = "DUR",
     .env = "JOBBOARD_CONNECT_TIMEOUT",
     .fallback = "10s",
     .min = 100,
     .max = 3600000,
     .help = "One try to connect may take so long.",
     .offset = AT(connect_timeout_ms)},
    {.name = "answer-timeout",
     .kind = OPTION_DURATION,
     .argument = "DUR",
     .env = "JOBBOARD_ANSWER_TIMEOUT",
     .fallback = "5s",
     .min = 100,
     .max = 3600000,
     .help = "A Postgres that owes an answer for longer is taken for dead.",
     .offset = AT(answer_timeout_ms)},
};

static const struct option_row engine[] = {
    {.name = "name",
     .kind = OPTION_TEXT,
     .argument = "NAME",
     .env = "JOBBOARD_ENGINE_NAME",
     .help = "Name of this engine, unique on the board; without it the host's name.",
     .offset = AT(name)},
    {.name = "tag",
     .kind = OPTION_LIST,
     .argument = "TAG",
     .env = "JOBBOARD_TAGS",
     .help = "A tag this engine has; may be given again. Jobs with `runs_on` need all of theirs.",
     .offset = AT(tags)},
    {.name = "slots",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .env = "JOBBOARD_SLOTS",
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .help = "Jobs held at once.",
     .offset = AT(slots)},
    {.name = "processes",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .env = "JOBBOARD_PROCESSES",
     .fallback = "0",
     .min = 0,
     .max = 10000,
     .help = "Steps run at once; 0 means four per core.",
     .offset = AT(processes)},
    {.name = "window",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .env = "JOBBOARD_WINDOW",
     .fallback = "200",
     .min = 10,
     .max = 1000,
     .help = "Cards of ready jobs a shard holds at the most; the rest is dealt in as it drains.",
     .offset = AT(window)},
    {.name = "session-timeout",
     .kind = OPTION_DURATION,
     .argument = "DUR",
     .env = "JOBBOARD_SESSION_TIMEOUT",
     .fallback = "10s",
     .min = 500,
     .max = 600000,
     .help = "Session timeout T asked of ZooKeeper: how long a lost node keeps its locks.",
     .offset = AT(session_timeout_ms)},
    {.name = "grace",
     .kind = OPTION_DURATION,
     .argument = "DUR",
     .env = "JOBBOARD_GRACE",
     .fallback = "10s",
     .min = 0,
     .max = 86400000,
     .help = "Between SIGTERM and SIGKILL of a step, and for steps to end when the engine stops.",
     .offset = AT(grace_ms)},
    {.name = "payload-max",
     .kind = OPTION_NUMBER,
     .argument = "BYTES",
     .env = "JOBBOARD_PAYLOAD_MAX",
     .fallback = "16777216",
     .min = 1024,
     .max = 67108864,
     .help = "Largest result of a step.",
     .offset = AT(payload_max_bytes)},
    {.name = "job-max",
     .kind = OPTION_NUMBER,
     .argument = "BYTES",
     .env = "JOBBOARD_JOB_MAX",
     .fallback = "268435456",
     .min = 1024,
     .max = 4294967296,
     .help = "All documents of one job together.",
     .offset = AT(job_max_bytes)},
    {.name = "directory",
     .kind = OPTION_TEXT,
     .argument = "PATH",
     .env = "JOBBOARD_DIRECTORY",
     .fallback = "/",
     .help = "Where a step without `cwd` runs.",
     .offset = AT(directory)},
    {.name = "log-level",
     .kind = OPTION_TEXT,
     .argument = "LEVEL",
     .env = "JOBBOARD_LOG_LEVEL",
     .fallback = "info",
     .choices = levels,
     .help = "error, warn, info or debug.",
     .offset = AT(log_level)},
};

#undef AT

int settings_parse(struct options *options, struct settings *settings, int argc, char **argv,
                   bool *ret_help, struct error *ret_error)
{
    struct option_group groups[] = {
        {"Connection", connection, sizeof connection / sizeof connection[0], settings},
        {"Engine", engine, sizeof engine / sizeof engine[0], settings},
    };
    struct option_set set = {
        .program = "jobboard-engine",
        .story = "Claims jobs from the board in ZooKeeper, runs their flows step by step, and\n"
                 "writes every step to Postgres before it acts on it. SIGTERM hands everything\n"
                 "over and leaves; a second SIGTERM leaves at once.",
        .examples = "  jobboard-engine --name engine-1 --zookeeper zk1:2181,zk2:2181,zk3:2181 \\\n"
                    "      --postgres 'host=db1,db2 dbname=jobboard'\n"
                    "  jobboard-engine --config /etc/jobboard/engine.yaml --tag gpu --tag big",
        .config_option = "config",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .operands_max = 0,
    };
    int code = options_parse(options, &set, argc, argv, ret_error);
    *ret_help = code == 0 && options->help;
    if (*ret_help) {
        struct buffer help = {0};
        options_help(&set, 80, &help);
        fwrite(help.data, 1, help.len, stdout);
        buffer_done(&help);
    }
    if (code == 0 && settings->processes == 0)
        settings->processes = 4 * sysconf(_SC_NPROCESSORS_ONLN);
    return code;
}
