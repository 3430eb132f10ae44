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
int verb_engines(int argc, char **argv);
int verb_expr(int argc, char **argv);
int verb_flow(int argc, char **argv);
int verb_history(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_logs(int argc, char **argv);
int verb_migrate(int argc, char **argv);
int verb_post(int argc, char **argv);
int verb_rerun(int argc, char **argv);
int verb_show(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_wait(int argc, char **argv);
int verb_watch(int argc, char **argv);
int verb_why(int argc, char **argv);

#endif
