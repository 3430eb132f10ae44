/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations and versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/os/clock.h"
#include "storage/tests/stage.h"

static struct error error;

static int migrate(struct stage *stage, int *ret_from, int *ret_to)
{
    struct storage_options options = stage_options(stage, "migrate");
    error = (struct error){0};
    return storage_migrate(&options, ret_from, ret_to, &error);
}

static int read_board(struct stage *stage, struct board_row *ret_board)
{
    struct storage_options options = stage_options(stage, "tool");
    error = (struct error){0};
    return storage_read_board(&options, ret_board, &error);
}

static void a_second_migration_does_nothing(void **state)
{
    struct stage *stage = *state;
    int from, to;
    assert_int_equal(migrate(stage, &from, &to), 0);
    assert_int_equal(from, SCHEMA_VERSION);
    assert_int_equal(to, SCHEMA_VERSION);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM schema_migrations"),
                     SCHEMA_VERSION);
}

#define AT_ONCE 6

static void many_migrations_at_once_are_one(void **state)
{
    struct stage *stage = *state;
    int from, to, status;
    stage_sql(stage->raw, "DROP SCHEMA %s CASCADE", stage->schema);
    pid_t children[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            _exit(migrate(stage, &from, &to) ? 2 : from == 0 ? 1 : 0);
    }
    int did_it = 0;
    for (int i = 0; i < AT_ONCE; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
        did_it += WEXITSTATUS(status);
    }
    assert_int_equal(did_it, 1);
    assert_int_equal(stage_number(stage->raw, "SELECT count(*) FROM board"), 1);
}

static int64_t lease_age_ms(struct stage *stage, struct storage *store)
{
    struct storage_answer answer;
    storage_read_lease(store, ++stage->last_tag);
    stage_await(stage, store, stage->last_tag, &answer);
    assert_int_equal(answer.kind, STORAGE_LEASE);
    assert_int_equal(answer.u.lease.code, 0);
    return answer.u.lease.age_ms;
}

static void the_board_row_ties_the_schema_to_a_board(void **state)
{
    struct stage *stage = *state;
    struct board_row board;
    assert_int_equal(read_board(stage, &board), 0);
    assert_false(uuid_is_nil(&board.board));
    assert_int_equal(board.shard_count, SHARDS_DEFAULT);
    assert_int_equal(board.lease_seen_age_ms, -1);
    struct storage *store = stage_store(stage, "a");
    assert_true(lease_age_ms(stage, store) == -1);
    storage_lease_seen(store);
    stage_until(stage, "SELECT lease_seen IS NOT NULL FROM board");
    assert_int_equal(read_board(stage, &board), 0);
    assert_true(board.lease_seen_age_ms >= 0 && board.lease_seen_age_ms < 60000);
    assert_in_range(lease_age_ms(stage, store), 0, 60000);
}

/* A store that cannot come up says why, and comes up when the reason is gone. */
static void await_trouble(struct stage *stage, struct storage *store, const char *word)
{
    int64_t until_ms = clock_now_ms() + 10000;
    while (!strstr(storage_trouble(store), word)) {
        if (clock_now_ms() > until_ms)
            fail_msg("trouble is: %s", storage_trouble(store));
        stage_turn(stage);
    }
    assert_false(storage_is_up(store));
}

static struct storage *store_in_trouble(struct stage *stage)
{
    struct storage *store;
    struct storage_options options = stage_options(stage, "a");
    assert_int_equal(storage_new(&options, &store, &error), 0);
    stage->stores[stage->store_count++] = store;
    return store;
}

static void await_up(struct stage *stage, struct storage *store)
{
    int64_t until_ms = clock_now_ms() + 10000;
    while (!storage_is_up(store)) {
        assert_true(clock_now_ms() < until_ms);
        stage_turn(stage);
    }
}

static void a_newer_schema_is_refused(void **state)
{
    struct stage *stage = *state;
    struct board_row board;
    int from, to;
    stage_sql(stage->raw, "INSERT INTO schema_migrations VALUES (%d, 'later')", SCHEMA_VERSION + 1);
    assert_int_equal(migrate(stage, &from, &to), ERR_SCHEMA);
    assert_non_null(strstr(error.text, "newer program"));
    assert_int_equal(read_board(stage, &board), ERR_SCHEMA);
    struct storage *store = store_in_trouble(stage);
    await_trouble(stage, store, "newer program");
    stage_sql(stage->raw, "DELETE FROM schema_migrations WHERE version > %d", SCHEMA_VERSION);
    await_up(stage, store);
}

static void an_older_schema_is_refused(void **state)
{
    struct stage *stage = *state;
    struct board_row board;
    stage_sql(stage->raw, "UPDATE schema_migrations SET version = version - 1");
    assert_int_equal(read_board(stage, &board), ERR_SCHEMA);
    assert_non_null(strstr(error.text, "jobboard migrate"));
    await_trouble(stage, store_in_trouble(stage), "jobboard migrate");
}

static void a_missing_schema_is_named(void **state)
{
    struct stage *stage = *state;
    struct board_row board;
    stage_sql(stage->raw, "DROP SCHEMA %s CASCADE", stage->schema);
    assert_int_equal(read_board(stage, &board), ERR_NOT_FOUND);
    assert_non_null(strstr(error.text, stage->schema));
    struct storage *store = store_in_trouble(stage);
    await_trouble(stage, store, "jobboard migrate");
    stage_sql(stage->raw, "CREATE SCHEMA IF NOT EXISTS %s", stage->schema);
    int from, to;
    assert_int_equal(migrate(stage, &from, &to), 0);
    await_up(stage, store);
}

static void bad_settings_are_refused(void **state)
{
    struct stage *stage = *state;
    struct storage *store;
    static const char *const schemas[] = {
        "", "A", "a b", "1a", "a\"b", NULL, "a123456789012345678901234567890123456789x"};
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        struct storage_options options = stage_options(stage, "a");
        options.schema = schemas[i];
        assert_int_equal(storage_new(&options, &store, &error), ERR_INVALID);
    }
    static const char *const strings[] = {"host", "nonsense=1", "postgresql://[", "host=a port="};
    for (size_t i = 0; i < 3; i++) {
        struct storage_options options = stage_options(stage, "a");
        options.conninfo = strings[i];
        assert_int_equal(storage_new(&options, &store, &error), ERR_INVALID);
        assert_true(error.text[0] != 0);
    }
}

static void an_unreachable_server_is_told(void **state)
{
    struct stage *stage = *state;
    struct storage_options options = stage_options(stage, "a");
    struct board_row board;
    struct storage *store;
    options.conninfo = "host=/nonexistent,127.0.0.1 port=1 user=x dbname=x";
    assert_int_equal(storage_read_board(&options, &board, &error), ERR_UNREACHABLE);
    assert_int_equal(storage_new(&options, &store, &error), 0);
    stage->stores[stage->store_count++] = store;
    await_trouble(stage, store, "127.0.0.1");
    await_trouble(stage, store, "/nonexistent");
}

static void the_second_host_is_found(void **state)
{
    struct stage *stage = *state;
    struct storage_options options = stage_options(stage, "a");
    char conninfo[512];
    struct storage *store;
    const char *host = stage_sql(stage->raw, "SHOW unix_socket_directories");
    snprintf(conninfo, sizeof conninfo, "host=/nonexistent,%s user=%s dbname=%s", host,
             PQuser(stage->raw), PQdb(stage->raw));
    options.conninfo = conninfo;
    if (PQhost(stage->raw)[0] != '/')
        skip();
    assert_int_equal(storage_new(&options, &store, &error), 0);
    stage->stores[stage->store_count++] = store;
    await_up(stage, store);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        T(a_second_migration_does_nothing),
        T(many_migrations_at_once_are_one),
        T(the_board_row_ties_the_schema_to_a_board),
        T(a_newer_schema_is_refused),
        T(an_older_schema_is_refused),
        T(a_missing_schema_is_named),
        T(bad_settings_are_refused),
        T(an_unreachable_server_is_told),
        T(the_second_host_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
