/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "cli/dev.h"
#include "cli/exit_code.h"
#include "cli/verbs.h"

static const struct verb dev_verbs[] = {
    {"up", "start a cluster and come back when all of it is healthy", dev_verb_up},
    {"env", "print the variables that make every verb find the cluster", dev_verb_env},
    {"status", "tell what runs and whether it is healthy", dev_verb_status},
    {"down", "stop everything and leave nothing", dev_verb_down},
    {"engine", "start, stop, kill, freeze, thaw or add an engine", dev_verb_engine},
    {"zookeeper", "start, stop, kill, freeze or thaw a ZooKeeper server", dev_verb_zookeeper},
    {"postgres", "start, stop, restart, kill, freeze or thaw Postgres", dev_verb_postgres},
};
#define DEV_VERB_COUNT (sizeof dev_verbs / sizeof dev_verbs[0])

static int print_help(void)
{
    printf("Usage: jobboard dev [VERB] [options]\n\n"
           "A private cluster on this machine: real ZooKeeper, Postgres and engines on\n"
           "127.0.0.1, in one scratch folder. Without a verb it stays in the foreground and\n"
           "takes everything down at Ctrl-C; its options are those of `up`.\n\nVerbs:\n");
    for (size_t i = 0; i < DEV_VERB_COUNT; i++)
        printf("  %-12s %s\n", dev_verbs[i].name, dev_verbs[i].summary);
    printf("\nExamples:\n"
           "  jobboard dev                               until Ctrl-C\n"
           "  jobboard dev up --dir /tmp/try --engines 3\n"
           "  eval \"$(jobboard dev env --dir /tmp/try)\"\n"
           "  jobboard dev engine kill engine-1\n"
           "  jobboard dev down\n\n"
           "`jobboard dev VERB --help` tells a verb's options.\n");
    return EXIT_CODE_DONE;
}

int verb_dev(int argc, char **argv)
{
    const char *names[DEV_VERB_COUNT];
    if (argc < 2)
        return dev_verb_foreground(argc, argv);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return print_help();
    if (argv[1][0] == '-')
        return dev_verb_foreground(argc, argv);
    const struct verb *verb = verb_find(dev_verbs, DEV_VERB_COUNT, argv[1]);
    if (verb)
        return verb->run(argc - 1, argv + 1);
    for (size_t i = 0; i < DEV_VERB_COUNT; i++)
        names[i] = dev_verbs[i].name;
    const char *near = nearest_word(text_of(argv[1]), names, DEV_VERB_COUNT);
    fprintf(stderr, "jobboard dev: unknown verb '%s'; ", argv[1]);
    fprintf(stderr, near ? "did you mean '%s'?\n" : "see: jobboard dev --help\n", near);
    return EXIT_CODE_USAGE;
}
