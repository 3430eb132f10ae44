/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <libsmartcols.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/check.h"

#define COLUMNS_MAX 16

struct table {
    struct libscols_table *table;
    struct libscols_column *columns[COLUMNS_MAX];
    int flags[COLUMNS_MAX];
    size_t count;
    size_t rows;
    struct arena arena;
};

bool table_colours(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && (!no || !*no);
}

static const char *colour_of(struct text state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = {
        {"SUCCESS", "\033[32m"},     {"RUNNING", "\033[36m"},   {"running", "\033[32m"},
        {"WAITING", "\033[34m"},     {"FAILURE", "\033[31m"},   {"REVERT_FAILURE", "\033[31m"},
        {"QUARANTINED", "\033[35m"}, {"REVERTING", "\033[33m"}, {"REVERTED", "\033[33m"},
        {"RETRYING", "\033[33m"},    {"CANCELLED", "\033[33m"}, {"SKIPPED", "\033[2m"},
        {"draining", "\033[33m"},    {"aside", "\033[33m"},     {"away", "\033[31m"},
    };
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++)
        if (text_equal(state, text_of(colours[i].state)))
            return colours[i].colour;
    return NULL;
}

const char *state_colour(struct text state)
{
    const char *colour = table_colours() ? colour_of(state) : NULL;
    return colour ? colour : "";
}

static void *made(void *thing)
{
    CHECK(thing != NULL); /* smartcols fails only without memory */
    return thing;
}

struct table *table_new(const struct table_column *columns, size_t count)
{
    struct table *table = xcalloc(1, sizeof *table);
    CHECK(count <= COLUMNS_MAX);
    table->table = made(scols_new_table());
    scols_table_enable_colors(table->table, table_colours());
    table->count = count;
    for (size_t i = 0; i < count; i++) {
        int flags = (columns[i].flags & TABLE_RIGHT ? SCOLS_FL_RIGHT : 0) |
                    (columns[i].flags & TABLE_CUT ? SCOLS_FL_TRUNC : 0);
        table->columns[i] = made(scols_table_new_column(table->table, columns[i].title, 0, flags));
        table->flags[i] = columns[i].flags;
    }
    return table;
}

void table_row(struct table *table, const struct text *cells)
{
    struct libscols_line *line = made(scols_table_new_line(table->table, NULL));
    table->rows++;
    for (size_t i = 0; i < table->count; i++) {
        struct buffer clean = {0};
        buffer_add_clean_utf8(&clean, cells[i].data ? cells[i] : TEXT(""));
        buffer_add(&clean, "", 0);
        scols_line_set_data(line, i, clean.data);
        if (table->flags[i] & TABLE_STATE && colour_of(cells[i]))
            scols_cell_set_color(scols_line_get_cell(line, i), colour_of(cells[i]));
        buffer_done(&clean);
    }
}

static void table_free(struct table *table)
{
    scols_unref_table(table->table);
    arena_done(&table->arena);
    free(table);
}

void table_print(struct table *table)
{
    if (table->rows)
        scols_print_table(table->table);
    table_free(table);
}

void table_render(struct table *table, struct buffer *ret_text)
{
    char *text = NULL;
    if (table->rows && scols_print_table_to_string(table->table, &text) == 0) {
        buffer_add_string(ret_text, text);
        if (ret_text->data[ret_text->len - 1] != '\n')
            buffer_add_char(ret_text, '\n');
        free(text);
    }
    table_free(table);
}

void text_add_safe(struct buffer *buffer, struct text text)
{
    size_t begin = buffer->len;
    buffer_add_clean_utf8(buffer, text);
    for (size_t i = begin; i < buffer->len; i++) {
        unsigned char c = (unsigned char)buffer->data[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            buffer->data[i] = '?';
        if (c == 0xc2 && i + 1 < buffer->len && (unsigned char)buffer->data[i + 1] < 0xa0)
            buffer->data[i] = buffer->data[i + 1] = '?'; /* C1: an escape in one character */
    }
}
