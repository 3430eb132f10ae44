/* SPDX-License-Identifier: Apache-2.0 */
#include "base/os/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/nearest.h"
#include "base/os/options_private.h"

/* getopt_long's value of a row's long flag; below are letters. */
#define ROW_VALUE_BASE 1000
#define HELP_VALUE     999

struct slot {
    const struct option_row *row;
    void *target;
    struct option_raw from_flag, from_env, from_file;
};

struct parse {
    struct options *options;
    const struct option_set *set;
    struct slot slots[OPTIONS_ROW_MAX];
    size_t count;
    size_t operand_capacity;
    struct error *error;
};

static void collect_rows(struct parse *parse)
{
    for (size_t g = 0; g < parse->set->group_count; g++) {
        const struct option_group *group = &parse->set->groups[g];
        for (size_t r = 0; r < group->count; r++) {
            CHECK(parse->count < OPTIONS_ROW_MAX);
            parse->slots[parse->count++] =
                (struct slot){.row = &group->rows[r], .target = group->target};
        }
    }
}

void option_raw_add(struct arena *arena, struct option_raw *raw, const char *item)
{
    raw->items = arena_grow(arena, raw->items, raw->count, raw->count + 1, &raw->capacity,
                            sizeof raw->items[0]);
    raw->items[raw->count++] = item;
}

static void add_operand(struct parse *parse, const char *operand)
{
    struct options *options = parse->options;
    size_t count = (size_t)options->operand_count;
    options->operands = arena_grow(&options->arena, options->operands, count, count + 1,
                                   &parse->operand_capacity, sizeof options->operands[0]);
    options->operands[options->operand_count++] = operand;
}

/* The tables getopt_long wants; a leading '-' makes it hand out operands in order, ':' tells a
 * missing argument from an unknown flag. */
static void build_getopt(const struct parse *parse, struct option *longs, char *letters)
{
    size_t n = 0;
    letters[n++] = '-';
    letters[n++] = ':';
    letters[n++] = 'h';
    for (size_t i = 0; i < parse->count; i++) {
        const struct option_row *row = parse->slots[i].row;
        bool takes = row->kind != OPTION_FLAG;
        longs[i] = (struct option){row->name, takes ? required_argument : no_argument, NULL,
                                   ROW_VALUE_BASE + (int)i};
        if (row->letter) {
            letters[n++] = row->letter;
            if (takes)
                letters[n++] = ':';
        }
    }
    longs[parse->count] = (struct option){"help", no_argument, NULL, HELP_VALUE};
    longs[parse->count + 1] = (struct option){0};
    letters[n] = '\0';
}

static struct slot *slot_of_letter(struct parse *parse, int letter)
{
    for (size_t i = 0; i < parse->count; i++)
        if (parse->slots[i].row->letter == letter)
            return &parse->slots[i];
    return NULL;
}

static struct slot *slot_of_name(struct parse *parse, struct text name)
{
    for (size_t i = 0; i < parse->count; i++)
        if (text_equal(text_of(parse->slots[i].row->name), name))
            return &parse->slots[i];
    return NULL;
}

/* The known name that was probably meant, or NULL. */
static const char *suggest(const struct parse *parse, struct text name, bool file_only)
{
    const char *names[OPTIONS_ROW_MAX + 1];
    for (size_t i = 0; i < parse->count; i++) {
        const struct option_row *row = parse->slots[i].row;
        names[i] = file_only && !row->env ? NULL : row->name;
    }
    names[parse->count] = file_only ? NULL : "help";
    return nearest_word(name, names, parse->count + 1);
}

static int fail_unknown(struct parse *parse, const char *word)
{
    const char *program = parse->set->program;
    if (word[0] == '-' && word[1] == '-') {
        struct text name = {word + 2, strcspn(word + 2, "=")};
        const char *near = suggest(parse, name, false);
        if (near)
            return error_set(parse->error, ERR_INVALID,
                             "unknown or ambiguous option --%.*s; did you mean --%s?",
                             TEXT_ARG(name), near);
        return error_set(parse->error, ERR_INVALID,
                         "unknown or ambiguous option --%.*s; see: %s --help", TEXT_ARG(name),
                         program);
    }
    return error_set(parse->error, ERR_INVALID, "unknown option -%c; see: %s --help", optopt,
                     program);
}

static int fail_getopt(struct parse *parse, int value, const char *word)
{
    const struct option_row *row = NULL;
    if (optopt >= ROW_VALUE_BASE)
        row = parse->slots[optopt - ROW_VALUE_BASE].row;
    else if (value == ':')
        row = slot_of_letter(parse, optopt)->row;
    if (value == ':')
        return error_set(parse->error, ERR_INVALID, "--%s needs a value: --%s %s", row->name,
                         row->name, row->argument);
    if (row)
        return error_set(parse->error, ERR_INVALID, "--%s takes no value", row->name);
    return fail_unknown(parse, word);
}

static void take_flag(struct parse *parse, struct slot *slot, const char *value)
{
    struct arena *arena = &parse->options->arena;
    if (slot->row->kind != OPTION_LIST)
        slot->from_flag.count = 0;
    slot->from_flag.place = arena_printf(arena, "--%s", slot->row->name).data;
    option_raw_add(arena, &slot->from_flag, value ? value : "true");
}

static int read_flags(struct parse *parse, int argc, char **argv)
{
    struct option longs[OPTIONS_ROW_MAX + 2];
    char letters[OPTIONS_ROW_MAX * 2 + 8];
    build_getopt(parse, longs, letters);
    optind = 0;
    opterr = 0;
    for (;;) {
        int at = optind ? optind : 1;
        int value = getopt_long(argc, argv, letters, longs, NULL);
        if (value == -1)
            break;
        if (value == 1) {
            add_operand(parse, optarg);
        } else if (value == 'h' || value == HELP_VALUE) {
            parse->options->help = true;
            return 0;
        } else if (value == '?' || value == ':') {
            return fail_getopt(parse, value, argv[at]);
        } else if (value >= ROW_VALUE_BASE) {
            take_flag(parse, &parse->slots[value - ROW_VALUE_BASE], optarg);
        } else {
            take_flag(parse, slot_of_letter(parse, value), optarg);
        }
    }
    parse->options->dashes_at = parse->options->operand_count;
    while (optind < argc)
        add_operand(parse, argv[optind++]);
    return 0;
}

static void read_env(struct parse *parse)
{
    struct arena *arena = &parse->options->arena;
    for (size_t i = 0; i < parse->count; i++) {
        struct slot *slot = &parse->slots[i];
        const char *value = slot->row->env ? getenv(slot->row->env) : NULL;
        if (!value || !*value)
            continue;
        slot->from_env.place = slot->row->env;
        bool list = slot->row->kind == OPTION_LIST;
        do {
            size_t len = list ? strcspn(value, ",") : strlen(value);
            option_raw_add(arena, &slot->from_env, arena_string(arena, (struct text){value, len}));
            value += len;
        } while (*value++ == ',');
    }
}

static int take_entry(struct parse *parse, struct option_entry *entry)
{
    struct slot *slot = slot_of_name(parse, text_of(entry->key));
    if (slot && slot->row->env && strcmp(entry->key, parse->set->config_option) != 0) {
        slot->from_file = entry->raw;
        return 0;
    }
    if (slot)
        return error_set(parse->error, ERR_INVALID,
                         "%s: this option cannot stand in a file; give it on the command line",
                         entry->raw.place);
    const char *near = suggest(parse, text_of(entry->key), true);
    if (near)
        return error_set(parse->error, ERR_INVALID, "%s: unknown key; did you mean %s?",
                         entry->raw.place, near);
    return error_set(parse->error, ERR_INVALID, "%s: unknown key; see: %s --help", entry->raw.place,
                     parse->set->program);
}

static const struct option_raw *chosen(const struct slot *slot)
{
    return slot->from_flag.place  ? &slot->from_flag
           : slot->from_env.place ? &slot->from_env
                                  : &slot->from_file;
}

static int read_file(struct parse *parse)
{
    if (!parse->set->config_option)
        return 0;
    struct slot *slot = slot_of_name(parse, text_of(parse->set->config_option));
    CHECK(slot && slot->row->kind == OPTION_TEXT);
    const struct option_raw *raw = chosen(slot);
    if (!raw->place)
        return 0;
    struct option_entry *entries = NULL;
    int code = option_read_yaml(&parse->options->arena, raw->items[0], &entries, parse->error);
    if (code)
        return error_wrap(parse->error, "%s", raw->place);
    for (; entries && !code; entries = entries->next)
        code = take_entry(parse, entries);
    return code;
}

static int store_all(struct parse *parse)
{
    struct arena *arena = &parse->options->arena;
    int code = 0;
    for (size_t i = 0; i < parse->count && !code; i++) {
        struct slot *slot = &parse->slots[i];
        const struct option_raw *raw = chosen(slot);
        struct option_raw fallback = {0};
        if (!raw->place && slot->row->fallback) {
            fallback.place = "default";
            option_raw_add(arena, &fallback, slot->row->fallback);
            raw = &fallback;
        }
        code = option_store(slot->row, slot->target, arena, raw, parse->error);
    }
    return code;
}

static int check_operands(const struct parse *parse)
{
    const struct option_set *set = parse->set;
    const struct options *options = parse->options;
    if (options->operand_count < set->operands_min)
        return error_set(parse->error, ERR_INVALID, "something is missing: %s %s", set->program,
                         set->arguments ? set->arguments : "");
    if (set->operands_max >= 0 && options->operand_count > set->operands_max)
        return error_set(parse->error, ERR_INVALID, "unexpected argument '%s'; see: %s --help",
                         options->operands[set->operands_max], set->program);
    return 0;
}

int options_parse(struct options *options, const struct option_set *set, int argc, char **argv,
                  struct error *ret_error)
{
    struct error unused;
    *options = (struct options){0};
    struct parse *parse = arena_calloc(&options->arena, 1, sizeof *parse);
    *parse = (struct parse){.options = options, .set = set};
    parse->error = ret_error ? ret_error : &unused;
    collect_rows(parse);
    int code = read_flags(parse, argc, argv);
    if (code || options->help)
        return code;
    read_env(parse);
    code = read_file(parse);
    if (!code)
        code = store_all(parse);
    return code ? code : check_operands(parse);
}

void options_done(struct options *options)
{
    arena_done(&options->arena);
}
