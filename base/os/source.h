/* SPDX-License-Identifier: Apache-2.0 */
/* The one interface of everything that waits: "what do you wait for?", "it happened".
 *
 * A source never calls back into its user: what came is queued inside and pulled with the module's
 * own typed `…_next`. The engine pumps sources with libev, the tool with poll(). After every
 * process() and after every request the pump asks interest() again and re-arms, since libraries
 * change their descriptor whenever they like. */
#ifndef BASE_OS_SOURCE_H
#define BASE_OS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interest {
    int fd; /* -1: none, only the deadline */
    bool want_read;
    bool want_write;
    int64_t deadline_ms; /* clock_now_ms() at which process() is wanted anyway; -1: none */
};

struct source {
    const char *name; /* for logs */
    void *self;
    /* What it waits for now. Must not block. */
    void (*interest)(void *self, int64_t now_ms, struct interest *ret_interest);
    /* It happened (readable, writable) or the deadline passed (both false). Must not block. */
    void (*process)(void *self, bool readable, bool writable, int64_t now_ms);
};

/* Waits once with poll() until a source is ready, a deadline passes or `until_ms` comes (-1: no
 * limit), and processes what is ready. Returns ERR_INTERRUPTED on a signal, else 0. For programs
 * without a loop of their own. */
int source_poll(const struct source *sources, size_t count, int64_t until_ms);

#endif
