/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/nearest.h"
#include "cli/exit_code.h"

#define VERB_MAX 64

const struct verb *verb_find(const struct verb *verbs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

static void print_help(FILE *out, const struct verb *verbs, size_t count)
{
    fprintf(out, "Usage: jobboard VERB [options]\n\n"
                 "Posts jobs to a jobboard cluster, watches and steers them.\n\nVerbs:\n");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "  %-12s %s\n", verbs[i].name, verbs[i].summary);
    fprintf(out,
            "\n`jobboard VERB --help` tells a verb's options, with examples.\n"
            "`jobboard --version` prints the version.\n\n"
            "Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 a service is unreachable,\n"
            "4 timed out, 5 no such thing, 6 refused in this state, 130 interrupted.\n");
}

static int fail_unknown(const struct verb *verbs, size_t count, const char *name)
{
    const char *names[VERB_MAX];
    CHECK(count <= VERB_MAX);
    for (size_t i = 0; i < count; i++)
        names[i] = verbs[i].name;
    const char *near = nearest_word(text_of(name), names, count);
    if (name[0] == '-')
        fprintf(stderr, "jobboard: unknown option %s; options stand behind the verb\n", name);
    else if (near)
        fprintf(stderr, "jobboard: unknown verb '%s'; did you mean '%s'?\n", name, near);
    else
        fprintf(stderr, "jobboard: unknown verb '%s'; see: jobboard --help\n", name);
    return EXIT_CODE_USAGE;
}

int verb_dispatch(const struct verb *verbs, size_t count, int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr, verbs, count);
        return EXIT_CODE_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--version")) {
        printf("jobboard %s\n", JOBBOARD_VERSION);
        return EXIT_CODE_DONE;
    }
    if (!strcmp(name, "help") && argc > 2) {
        char *swapped[] = {argv[2], (char[]){"--help"}, NULL};
        const struct verb *asked = verb_find(verbs, count, argv[2]);
        return asked ? asked->run(2, swapped) : fail_unknown(verbs, count, argv[2]);
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        print_help(stdout, verbs, count);
        return EXIT_CODE_DONE;
    }
    const struct verb *verb = verb_find(verbs, count, name);
    return verb ? verb->run(argc - 1, argv + 1) : fail_unknown(verbs, count, name);
}
