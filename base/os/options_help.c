/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/os/options.h"

/* Where the explanation of an option begins; a longer left side gets a line of its own. */
#define HELP_COLUMN 28

static void add_spaces(struct buffer *text, size_t count)
{
    while (count-- > 0)
        buffer_add_char(text, ' ');
}

/* Adds words, broken before `columns`; later lines are indented by `indent`. */
static void add_wrapped(struct buffer *text, const char *words, size_t indent, size_t columns)
{
    size_t at = indent;
    while (*words) {
        size_t len = strcspn(words, " ");
        if (at > indent && at + 1 + len > columns) {
            buffer_add_char(text, '\n');
            add_spaces(text, indent);
            at = indent;
        } else if (at > indent) {
            buffer_add_char(text, ' ');
            at++;
        }
        buffer_add(text, words, len);
        at += len;
        words += len;
        while (*words == ' ')
            words++;
    }
    buffer_add_char(text, '\n');
}

static void add_notes(struct buffer *words, const struct option_row *row)
{
    const char *between = " (";
    bool says_all = row->argument && strstr(row->argument, "..");
    if (row->choices && !says_all) {
        for (const char *const *choice = row->choices; *choice; choice++) {
            buffer_printf(words, "%s%s", between, *choice);
            between = ", ";
        }
        between = "; ";
    }
    if (row->kind == OPTION_LIST) {
        buffer_printf(words, "%smay be given again", between);
        between = "; ";
    }
    if (row->fallback) {
        buffer_printf(words, "%sdefault %s", between, row->fallback);
        between = "; ";
    }
    if (row->env) {
        buffer_printf(words, "%s%s", between, row->env);
        between = "; ";
    }
    if (between[0] != ' ')
        buffer_add_char(words, ')');
}

static void add_row(struct buffer *text, const struct option_row *row, size_t columns)
{
    struct buffer left = {0}, words = {0};
    if (row->letter)
        buffer_printf(&left, "  -%c, --%s", row->letter, row->name);
    else
        buffer_printf(&left, "      --%s", row->name);
    if (row->argument)
        buffer_printf(&left, " %s", row->argument);
    buffer_add_text(text, buffer_text(&left));
    if (left.len + 2 > HELP_COLUMN) {
        buffer_add_char(text, '\n');
        add_spaces(text, HELP_COLUMN);
    } else {
        add_spaces(text, HELP_COLUMN - left.len);
    }
    buffer_add_string(&words, row->help);
    add_notes(&words, row);
    add_wrapped(text, words.data, HELP_COLUMN, columns);
    buffer_done(&left);
    buffer_done(&words);
}

void options_help(const struct option_set *set, int columns, struct buffer *ret_text)
{
    static const struct option_row help_row = {
        .name = "help", .letter = 'h', .kind = OPTION_FLAG, .help = "print this text"};
    size_t width = columns < 50 ? 50 : (size_t)columns;
    buffer_printf(ret_text, "Usage: %s [options]%s%s\n", set->program, set->arguments ? " " : "",
                  set->arguments ? set->arguments : "");
    if (set->story)
        buffer_printf(ret_text, "\n%s\n", set->story);
    bool help_shown = false;
    for (size_t g = 0; g < set->group_count; g++) {
        const struct option_group *group = &set->groups[g];
        buffer_printf(ret_text, "\n%s:\n", group->title ? group->title : "Options");
        for (size_t r = 0; r < group->count; r++)
            add_row(ret_text, &group->rows[r], width);
        if (!help_shown)
            add_row(ret_text, &help_row, width);
        help_shown = true;
    }
    if (set->config_option)
        buffer_printf(ret_text,
                      "\nA flag counts before its variable, a variable before the file of --%s\n"
                      "(a YAML map from flag names to values), the file before the default.\n",
                      set->config_option);
    if (set->examples)
        buffer_printf(ret_text, "\nExamples:\n%s\n", set->examples);
}
