/* SPDX-License-Identifier: Apache-2.0 */
/* `jobboard dev`: a private cluster on this machine, for trying out, tests, demo and bench.
 *
 * Real ZooKeeper servers, a real Postgres and engines, all on 127.0.0.1 and in one scratch folder.
 * The services run detached; what there is stands in DIR/dev.json (dev_state.h). Each call of the
 * tool opens the folder, does one thing under its lock and leaves; only `jobboard dev` without a
 * verb stays, and takes everything down at its end.
 *
 * Invariants: nothing is signalled that dev.json does not identify by pid and start time, or that
 * does not carry the cluster's mark or descend from such a process; nothing is removed that is not
 * in the list of dev_folder.c. No part listens on anything but 127.0.0.1. */
#ifndef CLI_DEV_H
#define CLI_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/dev_folder.h"
#include "cli/dev_state.h"

/* One call of the tool on one cluster. */
struct dev {
    struct dev_state state;
    int lock_fd;            /* the folder's lock; -1: not held */
    int interrupt_fd;       /* readable once somebody wants us to end; -1: nobody can */
    const char *failed_log; /* log of what failed last, to be shown; NULL: none */
    struct error error;     /* the trouble of the last call that returned a code */
};

/* What `dev up` and the foreground can be told. */
struct dev_up_options {
    const char *dir;
    int64_t engines;
    int64_t zookeepers; /* 1 or 3 */
    int64_t session_timeout_ms;
    int64_t tick_ms;
    const char *board;
    const char *schema;
    bool fresh; /* take down and remove what is there first */
    bool json;
    int64_t timeout_ms;       /* for each part to come up */
    const char **engine_args; /* handed to every engine */
    size_t engine_arg_count;
};

/* dev_open.c. Opens the cluster in `dir`; with `lock` waits for the folder's lock. ERR_NOT_FOUND:
 * no cluster there. dev_close() in any case. */
int dev_open(struct dev *dev, const char *dir, bool lock);
void dev_close(struct dev *dev);
/* From now on SIGINT, SIGTERM and SIGHUP are read from interrupt_fd. */
int dev_catch_signals(struct dev *dev);
/* Waits for `pause_ms` or a signal; ERR_INTERRUPTED after a signal. */
int dev_pause(struct dev *dev, int64_t pause_ms);
/* The signal that came, 0: none. Takes it off interrupt_fd. */
int dev_take_signal(struct dev *dev);
int dev_save(struct dev *dev);
/* A line of talk on stderr. */
void dev_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* dev_up.c. Brings a new cluster up; on trouble everything is down and removed again, the log of
 * the culprit was shown and `dev->error` says why. dev_close() in any case. */
int dev_up(struct dev *dev, const struct dev_up_options *options);

/* dev_down.c. Ends every process and removes the folder (or keeps the files, for a look at the
 * logs). Does as much as it can. */
int dev_down(struct dev *dev, bool keep_files);
/* Ends every process and removes data and logs, but keeps folder, state and lock. */
int dev_down_services(struct dev *dev);

/* dev_report.c. */
void dev_print_env(const struct dev *dev);
/* Prints the state of all services; true when all are healthy. */
bool dev_print_status(struct dev *dev, bool json);

/* The verbs; argv[0] is the last word of the verb. */
int dev_verb_foreground(int argc, char **argv);
int dev_verb_up(int argc, char **argv);
int dev_verb_env(int argc, char **argv);
int dev_verb_status(int argc, char **argv);
int dev_verb_down(int argc, char **argv);
int dev_verb_engine(int argc, char **argv);
int dev_verb_zookeeper(int argc, char **argv);
int dev_verb_postgres(int argc, char **argv);

#endif
