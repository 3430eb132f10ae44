/* SPDX-License-Identifier: Apache-2.0 */
/* How a warden starts the main process of its step: own session, the wanted directory, no handler
 * or mask left over, descriptors 0, 1, 2 and no other, the program found through the step's own
 * PATH, and no shell in between. */
#ifndef ENGINE_WARDEN_STEP_H
#define ENGINE_WARDEN_STEP_H

#include <stdint.h>
#include <sys/types.h>

/* What a start that failed leaves in the pipe; nothing stands there when the program runs. */
struct step_trouble {
    int32_t stage; /* enum warden_stage */
    int32_t error; /* errno */
};

struct step_start {
    char **argv;        /* NULL at the end */
    const char *cwd;    /* absolute or relative to the warden's */
    uint64_t files_max; /* soft limit of open files; 0: as inherited */
};

/* Forks. Returns the child's number and the end of a pipe that shows EOF once the program runs or a
 * step_trouble if it cannot; -1 with errno when there is no child. The pipe does not block. */
pid_t step_spawn(const struct step_start *start, int *ret_trouble_fd);

#endif
