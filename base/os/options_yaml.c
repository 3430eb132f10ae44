/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#include "base/os/options_private.h"

struct reader {
    struct arena *arena;
    const char *path;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; deleted before the next */
    bool has_event;
    struct error *error;
};

static int fail_at(struct reader *reader, yaml_mark_t mark, const char *what)
{
    return error_set(reader->error, ERR_INVALID, "%s:%zu:%zu: %s", reader->path, mark.line + 1,
                     mark.column + 1, what);
}

static int next_event(struct reader *reader)
{
    if (reader->has_event)
        yaml_event_delete(&reader->event);
    reader->has_event = yaml_parser_parse(&reader->parser, &reader->event);
    if (reader->has_event)
        return 0;
    const char *problem = reader->parser.problem ? reader->parser.problem : "is not YAML";
    return fail_at(reader, reader->parser.problem_mark, problem);
}

/* The current event as text; `what` is the trouble if it is none. */
static int take_scalar(struct reader *reader, const char *what, const char **ret_text)
{
    const yaml_event_t *event = &reader->event;
    if (event->type != YAML_SCALAR_EVENT)
        return fail_at(reader, event->start_mark, what);
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (memchr(value, '\0', len))
        return fail_at(reader, event->start_mark, "a value cannot hold a NUL");
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && (len == 0 || !strcmp(value, "~") || !strcmp(value, "null")))
        return fail_at(reader, event->start_mark,
                       "a value is missing; write one or take the "
                       "line out");
    *ret_text = arena_string(reader->arena, (struct text){value, len});
    return 0;
}

/* Reads the value of an entry: a scalar or a sequence of scalars. */
static int read_value(struct reader *reader, struct option_raw *raw)
{
    static const char expected[] = "expected a single value or a list of single values";
    int code = next_event(reader);
    if (code)
        return code;
    const char *text;
    raw->is_list = reader->event.type == YAML_SEQUENCE_START_EVENT;
    if (!raw->is_list) {
        code = take_scalar(reader, expected, &text);
        if (!code)
            option_raw_add(reader->arena, raw, text);
        return code;
    }
    for (;;) {
        code = next_event(reader);
        if (code || reader->event.type == YAML_SEQUENCE_END_EVENT)
            return code;
        code = take_scalar(reader, expected, &text);
        if (code)
            return code;
        option_raw_add(reader->arena, raw, text);
    }
}

static bool has_key(const struct option_entry *entries, const char *key)
{
    for (; entries; entries = entries->next)
        if (!strcmp(entries->key, key))
            return true;
    return false;
}

/* Reads entries up to the end of the map. */
static int read_map(struct reader *reader, struct option_entry **ret_entries)
{
    struct option_entry **tail = ret_entries;
    for (;;) {
        int code = next_event(reader);
        if (code || reader->event.type == YAML_MAPPING_END_EVENT)
            return code;
        yaml_mark_t mark = reader->event.start_mark;
        struct option_entry *entry = arena_calloc(reader->arena, 1, sizeof *entry);
        code = take_scalar(reader, "expected the name of an option", &entry->key);
        if (code)
            return code;
        if (has_key(*ret_entries, entry->key))
            return fail_at(reader, mark, "this key came before; take one of the two out");
        entry->raw.place = arena_printf(reader->arena, "%s:%zu:%zu: %s", reader->path,
                                        mark.line + 1, mark.column + 1, entry->key)
                               .data;
        code = read_value(reader, &entry->raw);
        if (code)
            return code;
        *tail = entry;
        tail = &entry->next;
    }
}

static int read_stream(struct reader *reader, struct option_entry **ret_entries)
{
    int code = next_event(reader); /* stream start */
    if (!code)
        code = next_event(reader);
    if (code || reader->event.type == YAML_STREAM_END_EVENT)
        return code;
    code = next_event(reader); /* what the document holds */
    if (code)
        return code;
    if (reader->event.type == YAML_SCALAR_EVENT && reader->event.data.scalar.length == 0)
        return 0;
    if (reader->event.type != YAML_MAPPING_START_EVENT)
        return fail_at(reader, reader->event.start_mark,
                       "expected lines of the form `name: value`");
    code = read_map(reader, ret_entries);
    if (!code)
        code = next_event(reader); /* document end */
    if (!code)
        code = next_event(reader);
    if (!code && reader->event.type != YAML_STREAM_END_EVENT)
        return fail_at(reader, reader->event.start_mark, "only one document is expected");
    return code;
}

static int open_file(const char *path, FILE **ret_file, struct error *error)
{
    struct stat status;
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(error, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID, "cannot read %s: %s",
                         path, strerror(errno));
    if (fstat(fileno(file), &status) || !S_ISREG(status.st_mode)) {
        fclose(file);
        return error_set(error, ERR_INVALID, "%s is not a regular file", path);
    }
    if (status.st_size > OPTIONS_FILE_MAX_BYTES) {
        fclose(file);
        return error_set(error, ERR_TOO_LARGE, "%s is larger than %d bytes", path,
                         OPTIONS_FILE_MAX_BYTES);
    }
    *ret_file = file;
    return 0;
}

int option_read_yaml(struct arena *arena, const char *path, struct option_entry **ret_entries,
                     struct error *ret_error)
{
    FILE *file = NULL;
    struct reader reader = {.arena = arena, .path = path, .error = ret_error};
    *ret_entries = NULL;
    int code = open_file(path, &file, ret_error);
    if (code)
        return code;
    if (!yaml_parser_initialize(&reader.parser)) {
        fclose(file);
        return error_set(ret_error, ERR_SYSTEM, "libyaml cannot start");
    }
    yaml_parser_set_input_file(&reader.parser, file);
    code = read_stream(&reader, ret_entries);
    if (reader.has_event)
        yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    fclose(file);
    return code;
}
