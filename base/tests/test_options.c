/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os/options.h"

struct values {
    const char *host;
    const char *level;
    int64_t slots;
    int64_t grace_ms;
    bool json;
    bool strict;
    struct option_list tags;
    const char *config;
};

#define FIELD(name) offsetof(struct values, name)

static const char *const levels[] = {"info", "debug", NULL};
static const struct option_row rows[] = {
    {.name = "host",
     .letter = 'H',
     .kind = OPTION_TEXT,
     .argument = "NAME",
     .env = "T_HOST",
     .fallback = "localhost",
     .help = "where",
     .offset = FIELD(host)},
    {.name = "level",
     .kind = OPTION_TEXT,
     .argument = "LEVEL",
     .env = "T_LEVEL",
     .choices = levels,
     .fallback = "info",
     .help = "how much",
     .offset = FIELD(level)},
    {.name = "slots",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .env = "T_SLOTS",
     .fallback = "10",
     .min = 1,
     .max = 100,
     .help = "how many",
     .offset = FIELD(slots)},
    {.name = "grace",
     .kind = OPTION_DURATION,
     .argument = "TIME",
     .env = "T_GRACE",
     .min = 1000,
     .max = 3600000,
     .help = "how long",
     .offset = FIELD(grace_ms)},
    {.name = "json", .letter = 'j', .kind = OPTION_FLAG, .help = "as JSON", .offset = FIELD(json)},
    {.name = "strict",
     .kind = OPTION_FLAG,
     .env = "T_STRICT",
     .help = "be strict",
     .offset = FIELD(strict)},
    {.name = "tag",
     .kind = OPTION_LIST,
     .argument = "TAG",
     .env = "T_TAG",
     .help = "what",
     .offset = FIELD(tags)},
    {.name = "config",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .env = "T_CONFIG",
     .help = "file",
     .offset = FIELD(config)},
};

struct fixture {
    struct values values;
    struct options options;
    struct option_group group;
    struct option_set set;
    struct error error;
    char path[64]; /* of the YAML file; empty: none */
};

static int setup(void **state)
{
    static const char *const names[] = {"T_HOST",   "T_LEVEL", "T_SLOTS", "T_GRACE",
                                        "T_STRICT", "T_TAG",   "T_CONFIG"};
    struct fixture *f = calloc(1, sizeof *f);
    f->group = (struct option_group){.rows = rows, .count = sizeof rows / sizeof rows[0]};
    f->group.target = &f->values;
    f->set = (struct option_set){.program = "prog", .config_option = "config", .group_count = 1};
    f->set.groups = &f->group;
    f->set.operands_max = -1;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    options_done(&f->options);
    if (f->path[0])
        unlink(f->path);
    free(f);
    return 0;
}

/* Parses "prog" and the given words. */
#define PARSE(f, ...) parse(f, (char *[]){(char[]){"prog"}, __VA_ARGS__, NULL})
#define W(word)       ((char[]){word})

static int parse(struct fixture *f, char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    options_done(&f->options);
    f->error = (struct error){0};
    return options_parse(&f->options, &f->set, argc, argv, &f->error);
}

static void write_config(struct fixture *f, const char *text)
{
    if (!f->path[0]) {
        snprintf(f->path, sizeof f->path, "/tmp/test-options-XXXXXX");
        close(mkstemp(f->path));
    }
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    setenv("T_CONFIG", f->path, 1);
}

static void assert_says(struct fixture *f, const char *part)
{
    if (!strstr(f->error.text, part))
        fail_msg("'%s' is not in '%s'", part, f->error.text);
}

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse(f, (char *[]){W("prog"), NULL}), 0);
    assert_string_equal(f->values.host, "localhost");
    assert_string_equal(f->values.level, "info");
    assert_int_equal(f->values.slots, 10);
    assert_int_equal(f->values.grace_ms, 0);
    assert_false(f->values.json);
    assert_null(f->values.config);
    assert_int_equal(f->values.tags.count, 0);
}

static void test_flags(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(PARSE(f, W("one"), W("--host=a"), W("--host"), W("b"), W("-j"), W("two"),
                           W("--grace"), W("30m15s"), W("--tag"), W("x"), W("--tag=y"),
                           W("--slots"), W("7"), W("--"), W("--three")),
                     0);
    assert_string_equal(f->values.host, "b");
    assert_true(f->values.json);
    assert_int_equal(f->values.grace_ms, 1815000);
    assert_int_equal(f->values.slots, 7);
    assert_int_equal(f->values.tags.count, 2);
    assert_string_equal(f->values.tags.items[1], "y");
    assert_int_equal(f->options.operand_count, 3);
    assert_int_equal(f->options.dashes_at, 2);
    assert_string_equal(f->options.operands[0], "one");
    assert_string_equal(f->options.operands[1], "two");
    assert_string_equal(f->options.operands[2], "--three");
}

static void test_precedence(void **state)
{
    struct fixture *f = *state;
    write_config(f, "host: file\nslots: 3\ngrace: 2s\ntag: [p, q, r]\nstrict: true\n");
    setenv("T_HOST", "env", 1);
    setenv("T_SLOTS", "4", 1);
    setenv("T_GRACE", "", 1);
    assert_int_equal(PARSE(f, W("--host"), W("flag")), 0);
    assert_string_equal(f->values.host, "flag");
    assert_int_equal(f->values.slots, 4);
    assert_int_equal(f->values.grace_ms, 2000);
    assert_int_equal(f->values.tags.count, 3);
    assert_true(f->values.strict);
    setenv("T_TAG", "a,b", 1);
    assert_int_equal(PARSE(f, W("x")), 0);
    assert_string_equal(f->values.host, "env");
    assert_int_equal(f->values.tags.count, 2);
    assert_string_equal(f->values.tags.items[1], "b");
}

static void test_help(void **state)
{
    struct fixture *f = *state;
    struct buffer text = {0};
    assert_int_equal(PARSE(f, W("--help")), 0);
    assert_true(f->options.help);
    options_help(&f->set, 80, &text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_non_null(strstr(text.data, rows[i].name));
        assert_non_null(strstr(text.data, rows[i].help));
        if (rows[i].env)
            assert_non_null(strstr(text.data, rows[i].env));
    }
    assert_non_null(strstr(text.data, "default localhost"));
    for (const char *line = text.data; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 80);
    buffer_done(&text);
}

/* Words, the place that must be named, and what must be said. */
static void test_bad_flags(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *words[2];
        const char *place, *says;
    } cases[] = {
        {{"--hots=x"}, "--hots", "did you mean --host"},
        {{"--zzzzzzzz"}, "--zzzzzzzz", "prog --help"},
        {{"-x"}, "-x", "prog --help"},
        {{"--host"}, "--host", "needs a value"},
        {{"-H"}, "--host", "needs a value"},
        {{"--json=yes"}, "--json", "takes no value"},
        {{"--slots", "x"}, "--slots", "not a whole number"},
        {{"--slots", "1x"}, "--slots", "not a whole number"},
        {{"--slots", " 1"}, "--slots", "not a whole number"},
        {{"--slots", "99999999999999999999"}, "--slots", "not a whole number"},
        {{"--slots", "101"}, "--slots", "1 to 100"},
        {{"--slots", "0"}, "--slots", "1 to 100"},
        {{"--grace", "5"}, "--grace", "90s"},
        {{"--grace", "1ms"}, "--grace", "1s to 1h"},
        {{"--level", "loud"}, "--level", "info, debug"},
        {{"--config", "/nowhere/x.yaml"}, "--config", "/nowhere/x.yaml"},
        {{"--config", "/tmp"}, "--config", "not a regular file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char first[64], second[64];
        char *argv[] = {W("prog"), first, cases[i].words[1] ? second : NULL, NULL};
        snprintf(first, sizeof first, "%s", cases[i].words[0]);
        snprintf(second, sizeof second, "%s", cases[i].words[1] ? cases[i].words[1] : "");
        assert_int_not_equal(parse(f, argv), 0);
        assert_says(f, cases[i].place);
        assert_says(f, cases[i].says);
    }
}

static void test_bad_environment(void **state)
{
    struct fixture *f = *state;
    setenv("T_SLOTS", "many", 1);
    assert_int_equal(parse(f, (char *[]){W("prog"), NULL}), ERR_INVALID);
    assert_says(f, "T_SLOTS: 'many'");
    setenv("T_SLOTS", "5", 1);
    setenv("T_STRICT", "maybe", 1);
    assert_int_equal(parse(f, (char *[]){W("prog"), NULL}), ERR_INVALID);
    assert_says(f, "T_STRICT: 'maybe' is neither true nor false");
}

static void test_bad_file(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text, *place, *says;
    } cases[] = {
        {"host: a\nhots: b\n", ":2:1: hots", "did you mean host"},
        {"json: true\n", ":1:1: json", "command line"},
        {"config: x\n", ":1:1: config", "command line"},
        {"slots: [1, 2]\n", ":1:1: slots", "not a list"},
        {"slots:\n", ":1:7", "missing"},
        {"slots: ~\n", ":1:8", "missing"},
        {"slots: {a: 1}\n", ":1:8", "single value"},
        {"tag: [[a]]\n", ":1:7", "single value"},
        {"slots: *x\n", ":1:8", "single value"},
        {"host: a\nhost: b\n", ":2:1", "came before"},
        {"- a\n", ":1:1", "name: value"},
        {"just text\n", ":1:1", "name: value"},
        {"host: a\n--- \nhost: b\n", ":2:1", "one document"},
        {"host: \"a\n", ":2:1", "end of stream"},
        {"host: \"a\\0b\"\n", ":1:7", "NUL"},
        {"slots: 5000\n", ":1:1: slots", "1 to 100"},
        {"host: \xff\n", "", "invalid"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_config(f, cases[i].text);
        assert_int_equal(parse(f, (char *[]){W("prog"), NULL}), ERR_INVALID);
        assert_says(f, f->path);
        assert_says(f, cases[i].place);
        assert_says(f, cases[i].says);
    }
    write_config(f, "");
    assert_int_equal(parse(f, (char *[]){W("prog"), NULL}), 0);
    write_config(f, "# only a comment\n");
    assert_int_equal(parse(f, (char *[]){W("prog"), NULL}), 0);
}

static void test_huge_file(void **state)
{
    struct fixture *f = *state;
    write_config(f, "host: a\n");
    assert_int_equal(truncate(f->path, OPTIONS_FILE_MAX_BYTES + 1), 0);
    assert_int_equal(parse(f, (char *[]){W("prog"), NULL}), ERR_TOO_LARGE);
    assert_says(f, "larger");
}

static void test_operands(void **state)
{
    struct fixture *f = *state;
    f->set.operands_min = 1;
    f->set.operands_max = 2;
    f->set.arguments = "FILE…";
    assert_int_equal(parse(f, (char *[]){W("prog"), NULL}), ERR_INVALID);
    assert_says(f, "prog FILE…");
    assert_int_equal(PARSE(f, W("a"), W("b")), 0);
    assert_int_equal(PARSE(f, W("a"), W("b"), W("c")), ERR_INVALID);
    assert_says(f, "unexpected argument 'c'");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults), TEST(test_flags),     TEST(test_precedence),
        TEST(test_help),     TEST(test_bad_flags), TEST(test_bad_environment),
        TEST(test_bad_file), TEST(test_huge_file), TEST(test_operands),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
