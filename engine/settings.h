/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's options: one table for flags, JOBBOARD_* variables, the YAML file and --help. */
#ifndef ENGINE_SETTINGS_H
#define ENGINE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/os/options.h"

struct settings {
    const char *postgres;       /* conninfo; NULL: libpq's own */
    const char *zookeeper;      /* HOST:PORT,… */
    const char *zookeeper_auth; /* user:password of digest auth, or NULL */
    const char *board;
    const char *schema;
    const char *config; /* the YAML file, or NULL */
    const char *name;   /* of this engine; NULL: the host's name */
    struct option_list tags;
    int64_t slots;
    int64_t processes; /* 0: 4 per core */
    int64_t window;
    int64_t session_timeout_ms;
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
    int64_t grace_ms;
    int64_t payload_max_bytes;
    int64_t job_max_bytes;
    const char *directory; /* where steps without `cwd` run */
    const char *log_level;
};

/* Parses flags, variables and file. Returns 0, ERR_INVALID with the text in `ret_error`; `ret_help`
 * is true when --help was asked for (the help then went to stdout). `options` owns the texts: give
 * it to options_done when the settings are not needed any more. */
int settings_parse(struct options *options, struct settings *settings, int argc, char **argv,
                   bool *ret_help, struct error *ret_error);

#endif
