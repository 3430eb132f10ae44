/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a program from one table: flags, environment, a YAML file, and the help text.
 *
 * A program describes each option by one row: flag, argument, variable, default, help. From the
 * rows come the parser and `--help`, so they cannot differ. The value that counts is the first of:
 *   1. the flag on the command line,
 *   2. the environment variable (an empty one counts as not set),
 *   3. the YAML file that the set's `config_option` names: a map from flag names to values,
 *   4. the default of the row.
 * Only rows with an environment variable may stand in the file: what belongs to one call only
 * (`--wait`, `--json`) has no place in either.
 *
 * Values land in a struct of the program's own, at the offset of the row. Knows nothing of what an
 * option means beyond its kind and range. Built on getopt_long: `--name value`, `--name=value`,
 * unique beginnings of names, single letters, `--` ends the options; options and operands may
 * mix. `-h` and `--help` are always there. */
#ifndef BASE_OS_OPTIONS_H
#define BASE_OS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

/* Rows of one set; more is a bug. */
#define OPTIONS_ROW_MAX 96
/* Bytes of a YAML file; a longer one is refused. */
#define OPTIONS_FILE_MAX_BYTES (1 << 20)

/* What a value is, and the type of the field it lands in. */
enum option_kind {
    OPTION_FLAG,     /* bool: true when given; variable and file say true or false */
    OPTION_TEXT,     /* const char *: any text without NUL, NULL when there is none */
    OPTION_NUMBER,   /* int64_t: a whole number */
    OPTION_DURATION, /* int64_t: milliseconds, written `500ms 90s 1h30m 5d 2w` */
    OPTION_LIST,     /* struct option_list: the flag may come again and again; the variable is
                      * split at commas, the file has a sequence */
};

struct option_list {
    const char **items; /* in the order given */
    size_t count;
};

struct option_row {
    const char *name;           /* of the flag, without dashes, and of the key in the file */
    char letter;                /* -x; 0: none */
    enum option_kind kind;      /* decides the type at `offset` */
    const char *argument;       /* how the help calls the value; NULL for OPTION_FLAG */
    const char *env;            /* variable; NULL: neither variable nor file */
    const char *fallback;       /* default, as one would write it; NULL: none (0, NULL, false) */
    const char *help;           /* one sentence; wrapped by the help text */
    int64_t min, max;           /* OPTION_NUMBER, OPTION_DURATION (ms): range when max > 0 */
    const char *const *choices; /* OPTION_TEXT: NULL-terminated list of what is allowed, or NULL;
                                   the help lists it unless `argument` is a range, as 0..9 */
    size_t offset;              /* of the field in the group's target */
};

/* Rows that stand together under a title and fill one struct. */
struct option_group {
    const char *title; /* in the help: "Connection"; NULL: "Options" */
    const struct option_row *rows;
    size_t count;
    void *target; /* the struct that `offset` counts in */
};

struct option_set {
    const char *program;       /* as called: "jobboard post" */
    const char *arguments;     /* behind the options in the usage line: "FILE…"; NULL: none */
    const char *story;         /* what it does; paragraphs keep their lines */
    const char *examples;      /* lines shown as they stand; NULL: none */
    const char *config_option; /* name of the row that names the YAML file; NULL: no file */
    const struct option_group *groups;
    size_t group_count;
    int operands_min, operands_max; /* how many operands may come; max -1: any number */
};

/* What one parse gave besides the fields. Owns the texts that came from variables and file. */
struct options {
    struct arena arena;
    bool help;             /* --help was given: nothing else was looked at, fields are untouched */
    const char **operands; /* what is no option, in the order given */
    int operand_count;
    int dashes_at; /* index of the first operand that stood behind `--`; operand_count: none */
};

/* Fills the targets. `argv[0]` is passed over. On trouble returns ERR_INVALID; the text names the
 * place (flag, variable, or FILE:LINE:COLUMN), what is wrong, and what would be right. `options` is
 * to be given to options_done() in any case. */
int options_parse(struct options *options, const struct option_set *set, int argc, char **argv,
                  struct error *ret_error);
void options_done(struct options *options);

/* Appends the help text, wrapped to `columns`. */
void options_help(const struct option_set *set, int columns, struct buffer *ret_text);

#endif
