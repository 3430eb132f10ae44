/* SPDX-License-Identifier: Apache-2.0 */
/* State machines as data: an enum, a table of allowed moves, one function that moves.
 *
 * machine_move() is the only writer of a state field. A move that the table does not list is a
 * bug (CHECK). The tables are printed into docs/states.md and walked by a test. */
#ifndef BASE_MACHINE_H
#define BASE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define MACHINE_BIT(state) (UINT32_C(1) << (state))

struct machine_state {
    const char *name; /* as it stands in logs, SQL and docs; NULL: no such state */
    uint32_t next;    /* MACHINE_BIT of every state it may move to */
    bool initial;     /* a life may begin here */
    bool final;       /* a life may end here */
};

struct machine {
    const char *name; /* e.g. "claim" */
    const struct machine_state *states;
    int count; /* <= 32 */
};

/* Whether the table lists the move. */
bool machine_allows(const struct machine *machine, int from, int to);

/* Moves `*state`; a move that is not listed ends the process. Moving to the same state is a move
 * like any other and must be listed. */
void machine_move(const struct machine *machine, int *state, int to);

const char *machine_state_name(const struct machine *machine, int state);

/* The state called `name`, or -1. */
int machine_find(const struct machine *machine, const char *name);

/* NULL when the table is sound: every state is reachable from an initial one, every non-final
 * state can reach a final one, no move leads to a missing state. Else what is wrong, in a static
 * buffer. */
const char *machine_fault(const struct machine *machine);

#endif
