/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs, exit codes, and the connection options that all verbs share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/verbs.h"

static int got_argc;
static char got_word[32];

static int run_post(int argc, char **argv)
{
    got_argc = argc;
    snprintf(got_word, sizeof got_word, "%s", argc > 1 ? argv[1] : "");
    return EXIT_CODE_NO;
}

static const struct verb table[] = {{"post", "posts", run_post}, {"list", "lists", run_post}};

static int dispatch(const char *word, const char *next)
{
    char first[32] = "", second[32] = "";
    char *argv[] = {(char[]){"jobboard"}, first, second, NULL};
    if (word)
        snprintf(first, sizeof first, "%s", word);
    if (next)
        snprintf(second, sizeof second, "%s", next);
    argv[1] = word ? first : NULL;
    argv[2] = next ? second : NULL;
    got_argc = 0;
    return verb_dispatch(table, 2, 1 + !!word + !!next, argv);
}

static void test_dispatch(void **state)
{
    assert_int_equal(dispatch("post", "x"), EXIT_CODE_NO);
    assert_int_equal(got_argc, 2);
    assert_string_equal(got_word, "x");
    assert_int_equal(dispatch("help", "list"), EXIT_CODE_NO);
    assert_string_equal(got_word, "--help");
    assert_int_equal(dispatch("--help", NULL), EXIT_CODE_DONE);
    assert_int_equal(dispatch("--version", NULL), EXIT_CODE_DONE);
    assert_int_equal(got_argc, 0);
    assert_int_equal(dispatch("psot", NULL), EXIT_CODE_USAGE);
    assert_int_equal(dispatch("--board", NULL), EXIT_CODE_USAGE);
    assert_int_equal(dispatch(NULL, NULL), EXIT_CODE_USAGE);
    assert_int_equal(dispatch("help", "nothing"), EXIT_CODE_USAGE);
}

static void test_exit_codes(void **state)
{
    assert_int_equal(exit_code_of(0), 0);
    assert_int_equal(exit_code_of(ERR_UNREACHABLE), 3);
    assert_int_equal(exit_code_of(ERR_TIMEOUT), 4);
    assert_int_equal(exit_code_of(ERR_NOT_FOUND), 5);
    assert_int_equal(exit_code_of(ERR_WRONG_STATE), 6);
    assert_int_equal(exit_code_of(ERR_AMBIGUOUS), 2);
    assert_int_equal(exit_code_of(ERR_INTERRUPTED), 130);
    assert_int_equal(exit_code_of(ERR_SYSTEM), 1);
}

static void test_connection(void **state)
{
    struct connection_options connection;
    struct option_group group = connection_group(&connection);
    struct option_set set = {.program = "jobboard list",
                             .groups = &group,
                             .group_count = 1,
                             .config_option = CONNECTION_CONFIG};
    struct options options;
    char *argv[] = {(char[]){"list"}, (char[]){"--json"}, NULL};
    char *bad[] = {(char[]){"list"}, (char[]){"--connect-timeout=soon"}, NULL};
    int exit = -1;
    setenv("JOBBOARD_POSTGRES", "host=x", 1);
    setenv("JOBBOARD_BOARD", "", 1);
    unsetenv("JOBBOARD_ZOOKEEPER");
    assert_true(cli_parse(&options, &set, 2, argv, &exit));
    assert_string_equal(connection.postgres, "host=x");
    assert_null(connection.zookeeper);
    assert_string_equal(connection.board, "main");
    assert_string_equal(connection.schema, "jobboard");
    assert_int_equal(connection.connect_timeout_ms, 10000);
    assert_true(connection.json);
    options_done(&options);
    assert_false(cli_parse(&options, &set, 2, bad, &exit));
    assert_int_equal(exit, EXIT_CODE_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dispatch),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_connection),
    };
    return cmocka_run_group_tests_name("verbs", tests, NULL, NULL);
}
