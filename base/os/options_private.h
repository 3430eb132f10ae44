/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the option layer; nobody else includes it. */
#ifndef BASE_OS_OPTIONS_PRIVATE_H
#define BASE_OS_OPTIONS_PRIVATE_H

#include "base/os/options.h"

/* A value as text, before it is understood. */
struct option_raw {
    const char *place; /* for messages: "--board", "JOBBOARD_BOARD", "x.yaml:3:7: board"; NULL: none
                        * was given */
    const char **items; /* texts; one unless the row is a list */
    size_t count;
    size_t capacity;
    bool is_list; /* came as a sequence of the file */
};

/* Appends a text. */
void option_raw_add(struct arena *arena, struct option_raw *raw, const char *item);

/* Understands `raw` as the row's kind and writes the field at `target`. */
int option_store(const struct option_row *row, void *target, struct arena *arena,
                 const struct option_raw *raw, struct error *ret_error);

/* One entry of a YAML file. */
struct option_entry {
    const char *key;
    struct option_raw raw; /* its place names file, line, column and key */
    struct option_entry *next;
};

/* Reads a YAML map of scalars and sequences of scalars. An empty file has no entries. Trouble:
 * ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_INVALID with the place. */
int option_read_yaml(struct arena *arena, const char *path, struct option_entry **ret_entries,
                     struct error *ret_error);

#endif
