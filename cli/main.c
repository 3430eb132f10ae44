/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <stddef.h>
#include <stdlib.h>

#include "cli/verbs.h"

static const struct verb verbs[] = {
    {"dev", "start a private cluster on this machine, look at it, hurt it, stop it", verb_dev},
    {"post", "post jobs", verb_post},
    {"status", "show the cluster on one screen", verb_status},
    {"list", "list jobs", verb_list},
    {"show", "show one job whole", verb_show},
    {"history", "tell what happened to a job", verb_history},
    {"watch", "show jobs live", verb_watch},
    {"wait", "wait until jobs ended", verb_wait},
    {"rerun", "make jobs that failed run again from where they failed", verb_rerun},
    {"logs", "print what a job's tasks wrote to stderr", verb_logs},
    {"why", "tell why a job does not move, and what would move it", verb_why},
    {"engines", "list the engines on the board", verb_engines},
    {"flow", "check, draw and run flow files", verb_flow},
    {"expr", "evaluate an expression of the flow language", verb_expr},
    {"migrate", "bring the Postgres schema to this version", verb_migrate},
};

/* Tables need to know how wide a character is; everything else is the same everywhere. */
static void set_characters(void)
{
    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
}

int main(int argc, char **argv)
{
    set_characters();
    return verb_dispatch(verbs, sizeof verbs / sizeof verbs[0], argc, argv);
}
