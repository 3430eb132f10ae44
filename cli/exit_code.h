/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool's exit status says; scripts rely on it. */
#ifndef CLI_EXIT_CODE_H
#define CLI_EXIT_CODE_H

enum exit_code {
    EXIT_CODE_DONE = 0,
    EXIT_CODE_NO = 1,          /* the answer is no: job failed, check found errors, not healthy */
    EXIT_CODE_USAGE = 2,       /* wrong usage, bad option or config, ambiguous id */
    EXIT_CODE_UNREACHABLE = 3, /* a service cannot be reached or did not come up */
    EXIT_CODE_TIMEOUT = 4,
    EXIT_CODE_NOT_FOUND = 5, /* no such job, task, engine, folder */
    EXIT_CODE_REFUSED = 6,   /* not in this state */
    EXIT_CODE_INTERRUPTED = 130,
};

/* The exit code for a trouble code of base/error.h; 0 gives EXIT_CODE_DONE. */
enum exit_code exit_code_of(int error_code);

#endif
