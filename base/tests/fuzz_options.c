/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the YAML file of options: every field within its range, or an error with a place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/os/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
    const char *config, *host, *level;
    int64_t slots, grace_ms;
    bool strict;
    struct option_list tags;
};

#define ROW(name_, kind_, argument_, field)                                                        \
    .name = name_, .kind = kind_, .argument = argument_, .env = "FUZZ_" name_, .help = "x",        \
    .offset = offsetof(struct values, field)

static const char *const levels[] = {"info", "debug", NULL};
static const struct option_row rows[] = {
    {.name = "config", .kind = OPTION_TEXT, .argument = "FILE", .help = "x", .offset = 0},
    {ROW("host", OPTION_TEXT, "NAME", host), .fallback = "localhost"},
    {ROW("level", OPTION_TEXT, "LEVEL", level), .choices = levels, .fallback = "info"},
    {ROW("slots", OPTION_NUMBER, "N", slots), .min = 1, .max = 100, .fallback = "10"},
    {ROW("grace", OPTION_DURATION, "DUR", grace_ms), .min = 1, .max = 1000, .fallback = "5ms"},
    {ROW("strict", OPTION_FLAG, NULL, strict)},
    {ROW("tag", OPTION_LIST, "TAG", tags)},
};

static void check_values(const struct values *values)
{
    CHECK(values->host && (!strcmp(values->level, "info") || !strcmp(values->level, "debug")));
    CHECK(values->slots >= 1 && values->slots <= 100);
    CHECK(values->grace_ms >= 1 && values->grace_ms <= 1000);
    for (size_t i = 0; i < values->tags.count; i++)
        CHECK(values->tags.items[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct values values = {0};
    struct option_group group = {
        .rows = rows, .count = sizeof rows / sizeof rows[0], .target = &values};
    struct option_set set = {
        .program = "fuzz", .config_option = "config", .groups = &group, .group_count = 1};
    struct options options = {0};
    struct error error = {0};
    char program[] = "fuzz", flag[] = "--config", path[64];
    char *argv[] = {program, flag, path, NULL};
    int file = memfd_create("options", 0);
    CHECK(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (options_parse(&options, &set, 3, argv, &error) == 0)
        check_values(&values);
    else
        CHECK(error.code && error.text[0]);
    options_done(&options);
    close(file);
    return 0;
}
