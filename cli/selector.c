/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/selector.h"

#include <strings.h>

#include "base/nearest.h"
#include "base/record.h"

#define FIELD(name) offsetof(struct selector, name)

struct option_group selector_group(struct selector *target)
{
    static const struct option_row rows[] = {
        {.name = "flow",
         .kind = OPTION_TEXT,
         .argument = "NAME",
         .offset = FIELD(flow),
         .help = "only jobs of this flow"},
        {.name = "state",
         .kind = OPTION_LIST,
         .argument = "STATE",
         .offset = FIELD(states),
         .help = "only jobs in this state; again or with commas for several"},
        {.name = "since",
         .kind = OPTION_DURATION,
         .argument = "TIME",
         .min = 1,
         .max = INT64_C(100) * 365 * 86400000,
         .offset = FIELD(since_ms),
         .help = "only jobs posted in the last 30m, 2d, …"},
        {.name = "engine",
         .kind = OPTION_TEXT,
         .argument = "NAME",
         .offset = FIELD(engine),
         .help = "only jobs that this engine claimed last"},
        {.name = "all",
         .kind = OPTION_FLAG,
         .offset = FIELD(all),
         .help = "all of them, not only the newest 50"},
        {.name = "quiet",
         .letter = 'q',
         .kind = OPTION_FLAG,
         .offset = FIELD(quiet),
         .help = "print full ids and nothing else"},
    };
    return (struct option_group){.title = "Which jobs",
                                 .rows = rows,
                                 .count = sizeof rows / sizeof rows[0],
                                 .target = target};
}

static int unknown_state(struct text word, struct error *ret_error)
{
    const char *names[JOB_STATES];
    for (int i = 0; i < JOB_STATES; i++)
        names[i] = job_state_name((enum job_state)i);
    const char *near = nearest_word(word, names, JOB_STATES);
    if (near)
        return error_set(ret_error, ERR_INVALID, "--state '%.*s': did you mean %s?", TEXT_ARG(word),
                         near);
    return error_set(ret_error, ERR_INVALID,
                     "--state '%.*s': expected READY RUNNING REVERTING WAITING SUSPENDED SUCCESS "
                     "FAILURE REVERTED CANCELLED or QUARANTINED",
                     TEXT_ARG(word));
}

static int add_state(struct text word, uint32_t *states, struct error *ret_error)
{
    for (int i = 0; i < JOB_STATES; i++) {
        const char *name = job_state_name((enum job_state)i);
        if (strlen(name) == word.len && !strncasecmp(name, word.data, word.len)) {
            *states |= MACHINE_BIT(i);
            return 0;
        }
    }
    return unknown_state(word, ret_error);
}

static int add_states(const char *list, uint32_t *states, struct error *ret_error)
{
    int code = 0;
    while (!code) {
        size_t len = strcspn(list, ",");
        code = add_state((struct text){list, len}, states, ret_error);
        if (!list[len])
            break;
        list += len + 1;
    }
    return code;
}

int selector_filter(const struct selector *selector, struct view_filter *ret_filter,
                    struct error *ret_error)
{
    *ret_filter = (struct view_filter){.flow = text_of(selector->flow),
                                       .since_ms = selector->since_ms,
                                       .engine = text_of(selector->engine)};
    for (size_t i = 0; i < selector->states.count; i++) {
        int code = add_states(selector->states.items[i], &ret_filter->states, ret_error);
        if (code)
            return code;
    }
    return 0;
}
