/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "cli/verbs.h"

static const struct verb verbs[] = {
    {"dev", "start a private cluster on this machine, look at it, hurt it, stop it", verb_dev},
};

int main(int argc, char **argv)
{
    return verb_dispatch(verbs, sizeof verbs / sizeof verbs[0], argc, argv);
}
