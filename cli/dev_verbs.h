/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `jobboard dev`'s verbs share. */
#ifndef CLI_DEV_VERBS_H
#define CLI_DEV_VERBS_H

#include "base/os/options.h"
#include "cli/dev.h"

/* Where a cluster stands when nobody says. */
#define DEV_DIR_DEFAULT ".jobboard-dev"

/* Prints the trouble, if `code` is one, and returns the exit code. */
int dev_exit_of(const struct dev *dev, const char *verb, int code);

#endif
