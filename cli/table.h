/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people, on stdout. The only user of libsmartcols.
 *
 * On a terminal a table fits its width (columns that may be cut are), and states have colours,
 * unless NO_COLOR is set; elsewhere nothing is cut and nothing coloured. Control characters never
 * reach the terminal. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/text.h"

enum table_flags {
    TABLE_RIGHT = 1, /* numbers */
    TABLE_CUT = 2,   /* may be cut when the terminal is narrow */
    TABLE_STATE = 4, /* coloured by what it says */
};

struct table_column {
    const char *title;
    int flags; /* enum table_flags */
};

struct table;

struct table *table_new(const struct table_column *columns, size_t count);
/* One row; `cells` has as many texts as there are columns, and they are copied. None: empty. */
void table_row(struct table *table, const struct text *cells);
/* Prints and frees. A table without rows prints nothing. */
void table_print(struct table *table);
/* Appends to `ret_text` instead, and frees. */
void table_render(struct table *table, struct buffer *ret_text);

/* Whether stdout wants colours. */
bool table_colours(void);
/* The escape that begins the colour of a job or task state, "" without colours. */
const char *state_colour(struct text state);
#define COLOUR_END "\033[0m"

/* Appends text for a terminal: control characters but line breaks and tabs become `?`, what is no
 * UTF-8 becomes U+FFFD. */
void text_add_safe(struct buffer *buffer, struct text text);

#endif
