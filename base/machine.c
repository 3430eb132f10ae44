/* SPDX-License-Identifier: Apache-2.0 */
#include "base/machine.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static bool exists(const struct machine *machine, int state)
{
    return state >= 0 && state < machine->count && machine->states[state].name;
}

bool machine_allows(const struct machine *machine, int from, int to)
{
    return exists(machine, from) && exists(machine, to) &&
           (machine->states[from].next & MACHINE_BIT(to));
}

void machine_move(const struct machine *machine, int *state, int to)
{
    if (!machine_allows(machine, *state, to)) {
        fprintf(stderr, "machine %s: no move from %s to %s\n", machine->name,
                machine_state_name(machine, *state), machine_state_name(machine, to));
        CHECK(machine_allows(machine, *state, to));
    }
    *state = to;
}

const char *machine_state_name(const struct machine *machine, int state)
{
    return exists(machine, state) ? machine->states[state].name : "?";
}

int machine_find(const struct machine *machine, const char *name)
{
    for (int i = 0; i < machine->count; i++) {
        if (exists(machine, i) && !strcmp(machine->states[i].name, name))
            return i;
    }
    return -1;
}

/* The states that `from` leads to, itself included. */
static uint32_t reach(const struct machine *machine, uint32_t from)
{
    for (;;) {
        uint32_t more = from;
        for (int i = 0; i < machine->count; i++) {
            if (from & MACHINE_BIT(i))
                more |= machine->states[i].next;
        }
        if (more == from)
            return from;
        from = more;
    }
}

const char *machine_fault(const struct machine *machine)
{
    static char fault[128];
    uint32_t initial = 0, final = 0, all = 0;
    for (int i = 0; i < machine->count; i++) {
        if (!exists(machine, i))
            continue;
        all |= MACHINE_BIT(i);
        initial |= machine->states[i].initial ? MACHINE_BIT(i) : 0;
        final |= machine->states[i].final ? MACHINE_BIT(i) : 0;
    }
    uint32_t reached = reach(machine, initial);
    for (int i = 0; i < machine->count; i++) {
        if (!exists(machine, i))
            continue;
        const char *name = machine->states[i].name;
        const char *what = NULL;
        if (machine->states[i].next & ~all)
            what = "moves to a missing state";
        else if (!(reached & MACHINE_BIT(i)))
            what = "is not reachable";
        else if (!(reach(machine, MACHINE_BIT(i)) & final))
            what = "never ends";
        if (what) {
            snprintf(fault, sizeof fault, "%s: %s %s", machine->name, name, what);
            return fault;
        }
    }
    return NULL;
}
