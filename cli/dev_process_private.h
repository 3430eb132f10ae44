/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files dev_process*.c; nobody else includes it. */
#ifndef CLI_DEV_PROCESS_PRIVATE_H
#define CLI_DEV_PROCESS_PRIVATE_H

#include "cli/dev_process.h"

/* What we read of /proc/PID/stat. */
struct dev_proc_stat {
    char state; /* R S D T Z … */
    pid_t parent;
    uint64_t start_ticks;
};

/* False: no such process. */
bool dev_proc_stat(pid_t pid, struct dev_proc_stat *ret_stat);

#endif
