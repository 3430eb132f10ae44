/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/flow/names.h"

#include "base/check.h"
#include "base/nearest.h"

#define uthash_fatal(message) check_failed(__FILE__, __LINE__, message)
#include <uthash.h>

struct names_entry {
    UT_hash_handle hh;
    struct text name;
    void *thing;
};

static struct names_entry *find_entry(const struct names *names, struct text name)
{
    struct names_entry *entry = NULL;
    HASH_FIND(hh, names->entries, name.data, name.len, entry);
    return entry;
}

void *names_add(struct names *names, struct arena *arena, struct text name, void *thing)
{
    CHECK(thing && name.data);
    struct names_entry *entry = find_entry(names, name);
    if (entry)
        return entry->thing;
    entry = arena_calloc(arena, 1, sizeof *entry);
    entry->name = name;
    entry->thing = thing;
    HASH_ADD_KEYPTR(hh, names->entries, entry->name.data, entry->name.len, entry);
    return NULL;
}

void *names_find(const struct names *names, struct text name)
{
    const struct names_entry *entry = find_entry(names, name);
    return entry ? entry->thing : NULL;
}

struct text names_nearest(const struct names *names, struct text word)
{
    struct text best = TEXT_NONE;
    size_t best_distance = word.len / 3 + 1;
    if (word.len < 2)
        return best;
    for (const struct names_entry *entry = names->entries; entry; entry = entry->hh.next) {
        size_t longer =
            word.len > entry->name.len ? word.len - entry->name.len : entry->name.len - word.len;
        if (longer > best_distance)
            continue;
        size_t distance = nearest_distance(word, entry->name);
        if (distance < best_distance || (!best.data && distance == best_distance)) {
            best = entry->name;
            best_distance = distance;
        }
    }
    return best;
}

void names_done(struct names *names)
{
    HASH_CLEAR(hh, names->entries);
}
