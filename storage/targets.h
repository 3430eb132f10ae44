/* SPDX-License-Identifier: Apache-2.0 */
/* Where to connect: a connection string turned into single addresses.
 *
 * libpq knows several hosts in one string, but has no time limit per host when it is polled, and
 * resolves names inside the first call. So the string is taken apart once, with libpq's own reading
 * of strings, environment and service files: one target per address, names resolved here (may
 * block; before any loop). A link tries one target after the other. A name whose address changes
 * later needs a restart of the program, or a string that lists both hosts. */
#ifndef STORAGE_TARGETS_H
#define STORAGE_TARGETS_H

#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "base/arena.h"
#include "base/error.h"
#include "storage/storage.h"

#define TARGETS_MAX 32
#define SCHEMA_MAX  40

struct target {
    const char *host;     /* NULL: libpq's default (a Unix socket) */
    const char *hostaddr; /* NULL: none needed, or the name did not resolve */
    const char *port;     /* NULL: default */
};

struct targets {
    struct arena arena;
    struct target list[TARGETS_MAX];
    size_t count; /* at least 1 */
    /* Everything else that the string says, with what we insist on; NULL-terminated. */
    const char **keywords;
    const char **values;
    const char *schema;
};

/* ERR_INVALID for a malformed string or schema name. */
int targets_init(struct targets *targets, const struct storage_options *options,
                 struct error *ret_error);
void targets_done(struct targets *targets);

/* Begins a connection to one target. Never NULL but when out of memory (CHECKed). */
PGconn *targets_connect(const struct targets *targets, size_t index);

#endif
