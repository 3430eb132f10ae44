/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files and what is said about them: `bad/NAME` gives the messages of `bad/NAME.err`, to the
 * letter; `good/`, `examples/` and the examples of the reference give none. GOLDEN_WRITE=1 writes
 * the messages instead of comparing them. */
#include <dirent.h>

#include "engine/flow/tests/flow_fixture.h"

#define HERE           "engine/flow/tests/"
#define BAD_MIN        40 /* files; so many real mistakes at least are looked at */
#define PATH_MAX_BYTES 512

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);
    return len > end_len && !strcmp(name + len - end_len, end);
}

static void write_file(const char *path, struct text text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

/* Returns whether the messages are the expected ones. */
static bool compare(const char *path, struct text said)
{
    char expected_path[PATH_MAX_BYTES + 8];
    snprintf(expected_path, sizeof expected_path, "%s.err", path);
    if (getenv("GOLDEN_WRITE")) {
        write_file(expected_path, said);
        return true;
    }
    struct text expected = read_file(expected_path);
    bool same = text_equal(expected, said);
    if (!same)
        print_error("%s: expected\n%.*s\ngot\n%.*s\n", path, TEXT_ARG(expected), TEXT_ARG(said));
    free((char *)expected.data);
    return same;
}

static bool check_bad(const char *directory, const char *name)
{
    char path[PATH_MAX_BYTES];
    struct buffer said;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    struct text source = read_file(path);
    buffer_init(&said, 0);
    flow_free(compile_text(source, name, &said));
    assert_true(said.len > 0);
    bool same = compare(path, buffer_text(&said));
    buffer_done(&said);
    free((char *)source.data);
    return same;
}

static void test_bad_files(void **state)
{
    int count = 0, wrong = 0;
    DIR *directory = opendir(HERE "bad");
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.' || ends_with(entry->d_name, ".err"))
            continue;
        count++;
        wrong += !check_bad(HERE "bad", entry->d_name);
    }
    closedir(directory);
    assert_int_equal(wrong, 0);
    assert_true(count >= BAD_MIN);
}

static int check_good(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char file[PATH_MAX_BYTES];
        if (!ends_with(entry->d_name, ".yaml") && !ends_with(entry->d_name, ".json"))
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        struct text source = read_file(file);
        flow_free(good_text(source, file));
        free((char *)source.data);
        count++;
    }
    closedir(directory);
    return count;
}

static void test_good_files(void **state)
{
    assert_true(check_good(HERE "good") >= 3);
}

static void test_examples(void **state)
{
    assert_true(check_good("examples") >= 5);
}

/* Each block of the reference that is fenced as yaml, and begins with `flow:`, is a whole flow. */
static void test_reference(void **state)
{
    static const char fence[] = "```yaml\n";
    struct text text = read_file("docs/flow-language.md");
    const char *at = text.data, *end = text.data + text.len;
    int count = 0;
    while ((at = memmem(at, (size_t)(end - at), fence, sizeof fence - 1))) {
        char name[64];
        at += sizeof fence - 1;
        const char *close = memmem(at, (size_t)(end - at), "```", 3);
        assert_non_null(close);
        snprintf(name, sizeof name, "docs/flow-language.md, example %d", ++count);
        flow_free(good_text((struct text){at, (size_t)(close - at)}, name));
        at = close;
    }
    free((char *)text.data);
    assert_true(count >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_good_files),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
