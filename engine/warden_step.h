/* SPDX-License-Identifier: Apache-2.0 */
/* How a warden starts the main process of its step: own session, the wanted directory, no handler
 * or mask left over, descriptors 0, 1, 2 and no other, the program found through the step's own
 * PATH, and no shell in between. */
#ifndef ENGINE_WARDEN_STEP_H
#define ENGINE_WARDEN_STEP_H

#include <stdint.h>
#include <sys/types.h>

#include "engine/warden.h"

struct step_start {
    char **argv; /* NULL at the end; at least the program */
    char **env;  /* NULL at the end */
    const char *cwd;
    int fds[3];         /* become 0, 1, 2; none of them is 0, 1 or 2 */
    uint32_t files_max; /* soft limit of open files; 0: as inherited */
};

/* Why a program does not run; stage NONE when it does. */
struct step_trouble {
    enum warden_stage stage;
    int error; /* errno */
};

/* Starts it, and waits until the program runs or cannot. Returns the child's number, also if its
 * program cannot run (then the child has ended and waits to be taken in); -1 without a child. */
pid_t step_spawn(const struct step_start *start, const struct lease_page *lease,
                 struct step_trouble *ret_trouble);

#endif
