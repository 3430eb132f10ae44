/* SPDX-License-Identifier: Apache-2.0 */
/* The options that all verbs share, and the one way a verb reads its own.
 *
 * A verb describes its options as rows (base/os/options.h), puts CONNECTION_GROUP before its own
 * group if it talks to the cluster, and begins with
 *
 *     struct options options;
 *     int code;
 *     if (!cli_parse(&options, &set, argc, argv, &code))
 *         return code;
 *     …
 *     options_done(&options);
 *
 * Data goes to stdout, talk to stderr. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/os/options.h"

/* How to reach the cluster. */
struct connection_options {
    const char *postgres;       /* conninfo; NULL: libpq's own PGHOST, service files, … */
    const char *zookeeper;      /* HOST:PORT,…; NULL: none given */
    const char *zookeeper_auth; /* user:password of digest auth, or NULL */
    const char *board;          /* never NULL */
    const char *schema;         /* never NULL */
    const char *config;         /* the YAML file, or NULL */
    int64_t connect_timeout_ms; /* > 0 */
    bool json;                  /* data for programs */
};

/* The rows for `struct connection_options`; connection_rows(&count). */
const struct option_row *connection_rows(size_t *ret_count);

/* Name of the row that names the YAML file: the `config_option` of a set with the group below. */
#define CONNECTION_CONFIG "config"

/* The group that fills `*target`. */
struct option_group connection_group(struct connection_options *target);

/* Parses. Returns true when the verb is to go on. Otherwise help went to stdout or trouble to
 * stderr, the options are given back already, and `*ret_exit` is the exit code. */
bool cli_parse(struct options *options, const struct option_set *set, int argc, char **argv,
               int *ret_exit);

/* Prints "jobboard VERB: text" on stderr and returns the exit code that fits the trouble. */
int cli_fail(const char *verb, const struct error *error);

/* Columns of the terminal on stdout, 80 when it is none. */
int cli_columns(void);

#endif
