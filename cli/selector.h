/* SPDX-License-Identifier: Apache-2.0 */
/* Which jobs a verb is about: one set of options for all verbs that take many. */
#ifndef CLI_SELECTOR_H
#define CLI_SELECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/os/options.h"
#include "storage/views.h"

struct selector {
    const char *flow;
    struct option_list states;
    int64_t since_ms;
    const char *engine;
    bool all;
    bool quiet;
};

/* The group that fills `*target`. */
struct option_group selector_group(struct selector *target);

/* What the store is asked for. The texts are views of the options. ERR_INVALID: a state that is
 * none; the text says what there is. */
int selector_filter(const struct selector *selector, struct view_filter *ret_filter,
                    struct error *ret_error);

#endif
