/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/dev_services.h"
#include "cli/dev_verbs.h"
#include "cli/exit_code.h"
#include "cli/options.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How often the foreground looks whether all is as it should be. */
#define WATCH_MS 500

static const char up_story[] = "Starts ZooKeeper, Postgres and engines on free ports of 127.0.0.1. "
                               "What stands behind `--` is\n"
                               "handed to every engine.";

int dev_exit_of(const struct dev *dev, const char *verb, int code)
{
    struct error error = dev->error;
    error.code = code;
    return code ? cli_fail(verb, &error) : EXIT_CODE_DONE;
}

#define FIELD(name) offsetof(struct dev_up_options, name)

static const struct option_row up_rows[] = {
    {.name = "dir",
     .letter = 'd',
     .kind = OPTION_TEXT,
     .argument = "DIR",
     .env = "JOBBOARD_DEV_DIR",
     .fallback = DEV_DIR_DEFAULT,
     .offset = FIELD(dir),
     .help = "the scratch folder: new or empty"},
    {.name = "engines",
     .letter = 'n',
     .kind = OPTION_NUMBER,
     .argument = "N",
     .fallback = "3",
     .min = 0,
     .max = 50,
     .offset = FIELD(engines),
     .help = "how many engines"},
    {.name = "zookeepers",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .fallback = "1",
     .min = 1,
     .max = 3,
     .offset = FIELD(zookeepers),
     .help = "ZooKeeper servers, 1 or 3"},
    {.name = "session-timeout",
     .kind = OPTION_NUMBER,
     .argument = "MS",
     .fallback = "6000",
     .min = 200,
     .max = 60000,
     .offset = FIELD(session_timeout_ms),
     .help = "the engines' ZooKeeper session timeout in ms"},
    {.name = "tick",
     .kind = OPTION_NUMBER,
     .argument = "MS",
     .fallback = "500",
     .min = 50,
     .max = 10000,
     .offset = FIELD(tick_ms),
     .help = "ZooKeeper's tickTime in ms"},
    {.name = "board",
     .kind = OPTION_TEXT,
     .argument = "NAME",
     .fallback = "main",
     .offset = FIELD(board),
     .help = "name of the board"},
    {.name = "schema",
     .kind = OPTION_TEXT,
     .argument = "NAME",
     .fallback = "jobboard",
     .offset = FIELD(schema),
     .help = "name of the Postgres schema"},
    {.name = "fresh",
     .kind = OPTION_FLAG,
     .offset = FIELD(fresh),
     .help = "take down and remove first what an earlier one left in the folder"},
    {.name = "timeout",
     .kind = OPTION_DURATION,
     .argument = "TIME",
     .fallback = "2m",
     .min = 1,
     .max = 3600000,
     .offset = FIELD(timeout_ms),
     .help = "how long each part may take to come up"},
};

/* Parses the options of `up` and the foreground. False: *ret_exit says what to end with. */
static bool parse_up(struct options *options, struct dev_up_options *up, const char *program,
                     int argc, char **argv, int *ret_exit)
{
    struct option_group group = {.rows = up_rows, .count = COUNT(up_rows), .target = up};
    struct option_set set = {.program = program,
                             .arguments = "[-- ENGINE-OPTIONS]",
                             .story = up_story,
                             .groups = &group,
                             .group_count = 1,
                             .operands_max = -1,
                             .examples = "  jobboard dev up --dir /tmp/try --zookeepers 3\n"
                                         "  jobboard dev up --engines 2 -- --slots 10"};
    *up = (struct dev_up_options){0};
    if (!cli_parse(options, &set, argc, argv, ret_exit))
        return false;
    const char *trouble = NULL;
    if (options->dashes_at > 0)
        trouble = "options for the engines stand behind `--`; nothing else may follow";
    else if (up->zookeepers == 2)
        trouble = "--zookeepers: two servers stand no failure; take 1 or 3";
    if (trouble) {
        fprintf(stderr, "%s: %s\n", program, trouble);
        options_done(options);
        *ret_exit = EXIT_CODE_USAGE;
        return false;
    }
    up->engine_args = options->operands;
    up->engine_arg_count = (size_t)options->operand_count;
    return true;
}

/* The exit status for having been ended by `signal`. */
static int exit_of_signal(int signal)
{
    return signal ? 128 + signal : EXIT_CODE_INTERRUPTED;
}

int dev_verb_up(int argc, char **argv)
{
    struct options options;
    struct dev_up_options up;
    struct dev dev;
    int exit;
    if (!parse_up(&options, &up, "jobboard dev up", argc, argv, &exit))
        return exit;
    int code = dev_up(&dev, &up);
    if (code)
        exit = dev_exit_of(&dev, "dev up", code);
    if (code == ERR_INTERRUPTED)
        exit = exit_of_signal(dev_take_signal(&dev));
    if (!code) {
        dev_say("ready; use it with: eval \"$(jobboard dev env --dir %s)\"", dev.state.dir);
        exit = EXIT_CODE_DONE;
    }
    dev_close(&dev);
    options_done(&options);
    return exit;
}

/* Tells once of each service that ended without being told to. */
static void watch_services(struct dev *dev, bool told[DEV_SERVICES_MAX])
{
    for (size_t i = 0; i < dev->state.service_count; i++) {
        struct dev_service *service = &dev->state.services[i];
        bool dead = service->process.pid && !dev_process_alive(&service->process);
        if (dead && !told[i])
            dev_say("%s (pid %d) has ended; its log: %s", service->name, (int)service->process.pid,
                    dev_log_path(dev, service->name));
        told[i] = dead;
    }
}

/* Stays until a signal comes or somebody else takes the cluster down. Other calls may change the
 * cluster meanwhile, so the state is read anew each time. Returns the signal, 0: it is down. */
static int stay(struct dev *dev, const char *dir)
{
    bool told[DEV_SERVICES_MAX] = {false};
    while (!dev_pause(dev, WATCH_MS)) {
        struct dev_state fresh;
        struct error error;
        for (size_t i = 0; i < dev->state.service_count; i++)
            dev_process_await_end(&dev->state.services[i].process, 0);
        int code = dev_state_load(&fresh, dir, &error);
        if (code == ERR_NOT_FOUND)
            return 0;
        if (code)
            continue;
        dev_state_done(&dev->state);
        dev->state = fresh;
        watch_services(dev, told);
    }
    return dev_take_signal(dev);
}

int dev_verb_foreground(int argc, char **argv)
{
    struct options options;
    struct dev_up_options up;
    struct dev dev, ending;
    struct arena arena = {0};
    int exit;
    if (!parse_up(&options, &up, "jobboard dev", argc, argv, &exit))
        return exit;
    int code = dev_up(&dev, &up);
    if (code) {
        exit = dev_exit_of(&dev, "dev", code);
        if (code == ERR_INTERRUPTED)
            exit = exit_of_signal(dev_take_signal(&dev));
        dev_close(&dev);
        options_done(&options);
        return exit;
    }
    const char *dir = arena_string(&arena, text_of(dev.state.dir));
    dev_say("ready; in another terminal: eval \"$(jobboard dev env --dir %s)\"", dir);
    dev_say("Ctrl-C takes everything down");
    dev_folder_unlock(dev.lock_fd);
    dev.lock_fd = -1;
    int signal = stay(&dev, dir);
    exit = signal ? exit_of_signal(signal) : EXIT_CODE_DONE;
    dev_say(signal ? "taking everything down" : "somebody else took it down");
    code = signal ? dev_open(&ending, dir, true) : ERR_NOT_FOUND;
    if (!code)
        code = dev_down(&ending, false);
    if (code && code != ERR_NOT_FOUND)
        exit = dev_exit_of(&ending, "dev", code);
    if (signal)
        dev_close(&ending);
    dev_close(&dev);
    arena_done(&arena);
    options_done(&options);
    return exit;
}
