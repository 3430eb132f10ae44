/* SPDX-License-Identifier: Apache-2.0 */
/* dev.json: what is written is read again; a foreign or damaged file is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dev_folder.h"
#include "cli/dev_state.h"

static int setup(void **state)
{
    char *dir = strdup("/tmp/test-dev-state-XXXXXX");
    *state = mkdtemp(dir);
    return 0;
}

static int teardown(void **state)
{
    dev_tree_remove(*state);
    free(*state);
    return 0;
}

static void fill(struct dev_state *state, const char *dir)
{
    struct error error;
    struct dev_service *service;
    const char *args[] = {"--tags", "a \"b\"\n"};
    dev_state_init(state, dir);
    state->created_dir = true;
    state->board = "main";
    state->schema = "jobboard";
    state->session_timeout_ms = 6000;
    state->tick_ms = 500;
    state->postgres_data = arena_printf(&state->arena, "/tmp/jobboard-dev-%s", state->id).data;
    assert_int_equal(dev_state_add(state, DEV_ZOOKEEPER, "zookeeper-1", &service, &error), 0);
    service->process = (struct dev_process){4711, UINT64_C(123456789012)};
    service->number = 1;
    service->port = 2181;
    assert_int_equal(dev_state_add(state, DEV_ENGINE, "engine-1", &service, &error), 0);
    service->ready = true;
    service->log_offset = INT64_C(1) << 40;
    service->args = arena_calloc(&state->arena, 2, sizeof args[0]);
    service->args[0] = args[0];
    service->args[1] = args[1];
    service->arg_count = 2;
}

static void test_round_trip(void **fixture)
{
    struct dev_state saved, loaded;
    struct error error = {0};
    fill(&saved, *fixture);
    assert_int_equal(dev_state_save(&saved, &error), 0);
    assert_int_equal(dev_state_load(&loaded, *fixture, &error), 0);
    assert_string_equal(loaded.id, saved.id);
    assert_string_equal(loaded.postgres_data, saved.postgres_data);
    assert_null(loaded.postgres_user);
    assert_true(loaded.created_dir);
    assert_int_equal(loaded.service_count, 2);
    struct dev_service *zookeeper = dev_state_find(&loaded, "zookeeper-1");
    struct dev_service *engine = dev_state_find(&loaded, "engine-1");
    assert_int_equal(zookeeper->kind, DEV_ZOOKEEPER);
    assert_int_equal(zookeeper->process.pid, 4711);
    assert_true(zookeeper->process.start_ticks == UINT64_C(123456789012));
    assert_int_equal(zookeeper->port, 2181);
    assert_true(engine->ready);
    assert_true(engine->log_offset == INT64_C(1) << 40);
    assert_int_equal(engine->arg_count, 2);
    assert_string_equal(engine->args[1], "a \"b\"\n");
    assert_null(dev_state_find(&loaded, "engine-2"));
    dev_state_done(&saved);
    dev_state_done(&loaded);
}

static void test_other_boot(void **fixture)
{
    struct dev_state saved, loaded;
    struct error error = {0};
    fill(&saved, *fixture);
    snprintf(saved.boot_id, sizeof saved.boot_id, "another boot");
    assert_int_equal(dev_state_save(&saved, &error), 0);
    assert_int_equal(dev_state_load(&loaded, *fixture, &error), 0);
    assert_int_equal(dev_state_find(&loaded, "zookeeper-1")->process.pid, 0);
    dev_state_done(&saved);
    dev_state_done(&loaded);
}

static void test_names(void **fixture)
{
    static const char *const bad[] = {"", "-x", "../x", "a b", "a/b", ".x", "ü"};
    struct dev_state state;
    struct error error = {0};
    struct dev_service *service;
    char name[DEV_NAME_MAX + 1];
    dev_state_init(&state, *fixture);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(dev_state_add(&state, DEV_ENGINE, bad[i], &service, &error), ERR_INVALID);
    memset(name, 'x', sizeof name);
    name[DEV_NAME_MAX] = '\0';
    assert_int_equal(dev_state_add(&state, DEV_ENGINE, name, &service, &error), ERR_INVALID);
    name[DEV_NAME_MAX - 1] = '\0';
    assert_int_equal(dev_state_add(&state, DEV_ENGINE, name, &service, &error), 0);
    assert_int_equal(dev_state_add(&state, DEV_ENGINE, name, &service, &error), ERR_EXISTS);
    for (int i = 1; i < DEV_SERVICES_MAX; i++) {
        snprintf(name, sizeof name, "e%d", i);
        assert_int_equal(dev_state_add(&state, DEV_ENGINE, name, &service, &error), 0);
    }
    assert_int_equal(dev_state_add(&state, DEV_ENGINE, "more", &service, &error), ERR_TOO_LARGE);
    dev_state_done(&state);
}

/* Writes dev.json with one piece replaced and tells what loading says. */
static int load_changed(const char *dir, const char *from, const char *to, struct error *error)
{
    static char text[8192], changed[8192];
    struct dev_state state;
    char path[128];
    fill(&state, dir);
    assert_int_equal(dev_state_save(&state, error), 0);
    dev_state_done(&state);
    snprintf(path, sizeof path, "%s/dev.json", dir);
    FILE *file = fopen(path, "r+");
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    char *at = strstr(text, from);
    assert_non_null(at);
    int len = snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to,
                       at + strlen(from));
    rewind(file);
    assert_int_equal(ftruncate(fileno(file), 0), 0);
    fwrite(changed, 1, (size_t)len, file);
    fclose(file);
    int code = dev_state_load(&state, dir, error);
    if (!code)
        dev_state_done(&state);
    return code;
}

static void test_damaged(void **fixture)
{
    static const char *const changes[][2] = {
        {"\"format\": 1", "\"format\": 2"},
        {"\"format\": 1", "\"format\": \"1\""},
        {"\"postgres_data\": \"/tmp/jobboard-dev-", "\"postgres_data\": \"/tmp/other-"},
        {"\"postgres_data\": \"/tmp/", "\"postgres_data\": \"/etc/../"},
        {"\"created_dir\": true", "\"created_dir\": 1"},
        {"\"dir\": \"/tmp", "\"dir\": \"/etc"},
        {"\"pid\": 4711", "\"pid\": -1"},
        {"\"pid\": 4711", "\"pid\": 99999999999"},
        {"\"port\": 2181", "\"port\": 70000"},
        {"\"name\": \"engine-1\"", "\"name\": \"../../x\""},
        {"\"name\": \"engine-1\"", "\"name\": \"zookeeper-1\""},
        {"\"kind\": \"engine\"", "\"kind\": \"motor\""},
        {"\"args\": [\"--tags\"", "\"args\": [7"},
        {"\"board\": \"main\"", "\"board\": null"},
        {"\"services\"", "\"other\""},
        {"{", ""},
    };
    struct error error = {0};
    assert_int_equal(load_changed(*fixture, "\"port\": 2181", "\"port\": 2182", &error), 0);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if (load_changed(*fixture, changes[i][0], changes[i][1], &error) != ERR_INVALID)
            fail_msg("'%s' was taken", changes[i][1]);
        assert_non_null(strstr(error.text, "dev.json"));
    }
}

static void test_absent(void **fixture)
{
    struct dev_state state;
    struct error error = {0};
    assert_int_equal(dev_state_load(&state, *fixture, &error), ERR_NOT_FOUND);
    assert_int_equal(dev_state_load(&state, "/nowhere/at/all", &error), ERR_NOT_FOUND);
}

static void test_folder(void **fixture)
{
    const char *dir = *fixture, *rest;
    struct arena arena = {0};
    struct error error = {0};
    bool created = true;
    int first, second;
    const char *path = arena_printf(&arena, "%s/logs", dir).data;
    const char *foreign = arena_printf(&arena, "%s/thesis.txt", dir).data;
    assert_int_equal(dev_folder_make(dir, &created, &error), 0);
    assert_false(created);
    assert_int_equal(dev_make_dir(path, &error), 0);
    assert_int_equal(dev_folder_make(dir, &created, &error), 0);
    assert_int_equal(dev_write_file(foreign, TEXT("x"), &error), 0);
    assert_int_equal(dev_folder_make(dir, &created, &error), ERR_WRONG_STATE);
    assert_non_null(strstr(error.text, "thesis.txt"));
    assert_int_equal(dev_folder_lock(dir, 0, &first, &error), 0);
    assert_int_equal(dev_folder_lock(dir, 1, &second, &error), ERR_BUSY);
    dev_folder_unlock(first);
    assert_int_equal(dev_folder_lock(dir, 0, &second, &error), 0);
    assert_false(dev_folder_remove(&arena, dir, true, &rest));
    assert_string_equal(rest, foreign);
    assert_int_equal(access(foreign, F_OK), 0);
    assert_int_not_equal(access(path, F_OK), 0);
    dev_folder_unlock(second);
    arena_done(&arena);
}

static void test_tail(void **fixture)
{
    struct arena arena = {0};
    struct buffer text = {0};
    struct error error = {0};
    const char *path = arena_printf(&arena, "%s/log", (char *)*fixture).data;
    assert_int_equal(dev_write_file(path, TEXT("one\ntwo\n\nthree\xff\n"), &error), 0);
    dev_tail(path, 3, &text);
    assert_string_equal(text.data, "  two\n  \n  three\xef\xbf\xbd\n");
    buffer_clear(&text);
    dev_tail(path, 99, &text);
    assert_int_equal(strncmp(text.data, "  one\n", 6), 0);
    assert_true(dev_file_contains(path, 4, "two"));
    assert_false(dev_file_contains(path, 5, "two"));
    assert_false(dev_file_contains("/nowhere", 0, "two"));
    buffer_done(&text);
    arena_done(&arena);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip), TEST(test_other_boot), TEST(test_names), TEST(test_damaged),
        TEST(test_absent),     TEST(test_folder),     TEST(test_tail),
    };
    return cmocka_run_group_tests_name("dev_state", tests, NULL, NULL);
}
