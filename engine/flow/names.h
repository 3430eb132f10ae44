/* SPDX-License-Identifier: Apache-2.0 */
/* A table from names to things, for keys, inputs and tasks: one look-up takes the same time
 * however many there are. `{0}` is an empty table; names are views that must stay. */
#ifndef ENGINE_FLOW_NAMES_H
#define ENGINE_FLOW_NAMES_H

#include "base/arena.h"
#include "base/text.h"

struct names_entry;

struct names {
    struct names_entry *entries;
};

/* Adds `name` for `thing` (not NULL). When the name is there already, changes nothing and returns
 * what it stands for, else NULL. */
void *names_add(struct names *names, struct arena *arena, struct text name, void *thing);
/* What `name` stands for, or NULL. */
void *names_find(const struct names *names, struct text name);
/* The name nearest to `word` that is near enough to be meant, or no text. */
struct text names_nearest(const struct names *names, struct text word);
/* Forgets all; the entries' memory is the arena's. */
void names_done(struct names *names);

#endif
