/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dev_verbs.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/verbs.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct look_options {
    const char *dir;
    bool json;
    bool keep;
};

#define FIELD(name) offsetof(struct look_options, name)
#define DIR_ROW                                                                                    \
    {                                                                                              \
        .name = "dir", .letter = 'd', .kind = OPTION_TEXT, .argument = "DIR",                      \
        .env = "JOBBOARD_DEV_DIR", .fallback = DEV_DIR_DEFAULT, .offset = FIELD(dir),              \
        .help = "the scratch folder of the cluster"                                                \
    }

static const struct option_row env_rows[] = {DIR_ROW};
static const struct option_row status_rows[] = {
    DIR_ROW,
    {.name = "json", .kind = OPTION_FLAG, .offset = FIELD(json), .help = "one object a line"},
};
static const struct option_row down_rows[] = {
    DIR_ROW,
    {.name = "keep",
     .kind = OPTION_FLAG,
     .offset = FIELD(keep),
     .help = "stop everything but keep the files, for a look at the logs"},
};

/* Parses and opens; false: *ret_exit says what to end with and all is given back. */
static bool begin(struct options *options, struct look_options *look, struct dev *dev,
                  const struct option_set *set, bool lock, int argc, char **argv, int *ret_exit)
{
    if (!cli_parse(options, set, argc, argv, ret_exit))
        return false;
    int code = dev_open(dev, look->dir, lock);
    if (!code)
        return true;
    *ret_exit = dev_exit_of(dev, set->program + sizeof "jobboard " - 1, code);
    dev_close(dev);
    options_done(options);
    return false;
}

int dev_verb_env(int argc, char **argv)
{
    struct options options;
    struct look_options look = {0};
    struct dev dev;
    int exit;
    struct option_group group = {.rows = env_rows, .count = COUNT(env_rows), .target = &look};
    struct option_set set = {.program = "jobboard dev env",
                             .story = "Prints `export` lines for a shell.",
                             .groups = &group,
                             .group_count = 1,
                             .examples = "  eval \"$(jobboard dev env --dir /tmp/try)\""};
    if (!begin(&options, &look, &dev, &set, false, argc, argv, &exit))
        return exit;
    dev_print_env(&dev);
    dev_close(&dev);
    options_done(&options);
    return EXIT_CODE_DONE;
}

int dev_verb_status(int argc, char **argv)
{
    struct options options;
    struct look_options look = {0};
    struct dev dev;
    int exit;
    struct option_group group = {.rows = status_rows, .count = COUNT(status_rows), .target = &look};
    struct option_set set = {
        .program = "jobboard dev status",
        .story = "Asks every service how it is. Exit code 1 when one of them is not healthy.",
        .groups = &group,
        .group_count = 1,
        .examples = "  jobboard dev status --json"};
    if (!begin(&options, &look, &dev, &set, false, argc, argv, &exit))
        return exit;
    bool healthy = dev_print_status(&dev, look.json);
    dev_close(&dev);
    options_done(&options);
    return healthy ? EXIT_CODE_DONE : EXIT_CODE_NO;
}

int dev_verb_down(int argc, char **argv)
{
    struct options options;
    struct look_options look = {0};
    struct dev dev;
    int exit;
    struct option_group group = {.rows = down_rows, .count = COUNT(down_rows), .target = &look};
    struct option_set set = {
        .program = "jobboard dev down",
        .story = "Stops every process of the cluster and removes its files, also those of a\n"
                 "cluster that did not end well.",
        .groups = &group,
        .group_count = 1,
        .examples = "  jobboard dev down --dir /tmp/try"};
    if (!begin(&options, &look, &dev, &set, true, argc, argv, &exit))
        return exit;
    int code = dev_down(&dev, look.keep);
    if (!code)
        dev_say(look.keep ? "all is down; the files are in %s" : "all is down, nothing is left",
                dev.state.dir);
    exit = dev_exit_of(&dev, "dev down", code);
    dev_close(&dev);
    options_done(&options);
    return exit;
}
