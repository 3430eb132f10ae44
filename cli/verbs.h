/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `jobboard`. One row each in the table of main.c; each verb is one function in a file
 * verb_NAME.c (dev: dev.c), that parses its own options (cli/options.h) and returns an exit code.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include <stddef.h>

struct verb {
    const char *name;
    const char *summary;               /* one line of `jobboard --help` */
    int (*run)(int argc, char **argv); /* argv[0] is the verb; returns an enum exit_code */
};

/* The row called `name`, or NULL. */
const struct verb *verb_find(const struct verb *verbs, size_t count, const char *name);

/* Finds argv[1] in the table and runs it with its arguments; `--help`, `--version` and an unknown
 * verb are answered here. */
int verb_dispatch(const struct verb *verbs, size_t count, int argc, char **argv);

int verb_dev(int argc, char **argv);

#endif
