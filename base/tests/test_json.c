/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

static struct json *parse(struct arena *arena, const char *text)
{
    struct json *json = NULL;
    struct error error = {0};
    int rc = json_parse(arena, text_of(text), &json, &error);
    if (rc)
        print_message("%s: %s\n", text, error.text);
    assert_int_equal(rc, 0);
    return json;
}

static void refuse(const char *text, const char *expected)
{
    struct arena arena = {0};
    struct json *json = NULL;
    struct error error = {0};
    assert_int_equal(json_parse(&arena, text_of(text), &json, &error), ERR_INVALID);
    if (!strstr(error.text, expected))
        print_message("%s: %s\n", text, error.text);
    assert_non_null(strstr(error.text, expected));
    assert_int_equal(json_parse(&arena, text_of(text), &json, NULL), ERR_INVALID);
    arena_done(&arena);
}

static void assert_text(struct text text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.data, expected, text.len);
}

static void keeps_text_as_written(void **state)
{
    struct arena arena = {0};
    struct json *json = parse(&arena, " {\"b\" : [1.10, -0, 18446744073709551616] ,\"a\":{}} \n");
    assert_int_equal(json->kind, JSON_OBJECT);
    assert_int_equal(json->count, 2);
    assert_text(json->first->key, "b");
    assert_text(json->first->raw, "[1.10, -0, 18446744073709551616]");
    assert_text(json->first->first->raw, "1.10");
    assert_text(json->first->first->next->next->raw, "18446744073709551616");
    assert_text(json->first->next->key, "a");
    assert_int_equal(json->first->next->kind, JSON_OBJECT);
    assert_null(json->first->next->next);
    assert_text(json->raw, "{\"b\" : [1.10, -0, 18446744073709551616] ,\"a\":{}}");
    arena_done(&arena);
}

static void unescapes_strings(void **state)
{
    struct arena arena = {0};
    struct json *json = parse(&arena, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"");
    assert_text(json->string, "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80");
    json = parse(&arena, "\"a\\u0000b\"");
    assert_int_equal(json->string.len, 3);
    assert_memory_equal(json->string.data, "a\0b", 3);
    json = parse(&arena, "{\"k\\u0065y\": null}");
    assert_non_null(json_member(json, TEXT("key")));
    assert_null(json_member(json, TEXT("kez")));
    assert_null(json_member(NULL, TEXT("key")));
    assert_null(json_member(json->first, TEXT("key")));
    arena_done(&arena);
}

static void refuses_with_the_place(void **state)
{
    refuse("", "line 1, column 1: the text ends too early");
    refuse("[1,\n  2,\n  x]", "line 3, column 3: expected a JSON value");
    refuse("{\"a\": 1, \"b\": 2, \"a\": 3}", "column 23: the key \"a\" stands twice");
    refuse("{\"a\": 1, \"\\u0061\": 3}", "the key \"a\" stands twice");
    refuse("[1] x", "nothing may follow");
    refuse("[1,]", "followed by another");
    refuse("[1 2]", "expected ',' or ']'");
    refuse("{\"a\" 1}", "expected ':'");
    refuse("{a: 1}", "expected a key in double quotes");
    refuse("{\"a\": 1", "ends too early");
    refuse("\"abc", "ends too early");
    refuse("\"abc\\", "ends too early");
    refuse("\"\\x41\"", "unknown escape");
    refuse("\"\\u12g4\"", "hexadecimal");
    refuse("\"\\ud800\"", "lone surrogate");
    refuse("\"\\ud800\\u0041\"", "lone surrogate");
    refuse("\"\\udc00\"", "lone surrogate");
    refuse("\"\xff\"", "invalid UTF-8");
    refuse("\"\xc0\x80\"", "invalid UTF-8");
    refuse("\"\xed\xa0\x80\"", "invalid UTF-8");
    refuse("\"a\nb\"", "control character");
    refuse("01", "must not start with 0");
    refuse("-", "ends too early");
    refuse("1.", "ends too early");
    refuse("1.e3", "expected a digit");
    refuse("1e+", "ends too early");
    refuse("+1", "expected a JSON value");
    refuse("NaN", "expected a JSON value");
    refuse("tru", "expected a JSON value");
    refuse("]", "expected a JSON value");
    refuse("\xef\xbb\xbf{}", "expected a JSON value");
}

static void bounds_the_depth(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 8] = {0};
    struct arena arena = {0};
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    parse(&arena, text);
    arena_done(&arena);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    refuse(text, "nested too deeply");
}

static void finds_doubled_keys_among_many(void **state)
{
    struct buffer text;
    buffer_init(&text, 0);
    buffer_add_char(&text, '{');
    for (int i = 0; i < 50000; i++)
        buffer_printf(&text, "\"k%d\":%d,", i, i);
    size_t len = text.len;
    buffer_printf(&text, "\"z\":1}");
    struct arena arena = {0};
    struct json *json = parse(&arena, text.data);
    assert_int_equal(json->count, 50001);
    arena_done(&arena);
    text.len = len;
    buffer_printf(&text, "\"k777\":1,\"k5\":2}");
    refuse(text.data, "the key \"k777\" stands twice");
    buffer_done(&text);
}

static void reads_int64(void **state)
{
    static const struct {
        const char *text;
        bool fits;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"1.0", false, 0},
        {"1e2", false, 0},
        {"\"1\"", false, 0},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = 0;
        assert_int_equal(json_int64(parse(&arena, rows[i].text), &value), rows[i].fits);
        assert_int_equal(value, rows[i].value);
    }
    arena_done(&arena);
}

static void compares_as_json(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"{\"a\":1,\"b\":[true,null]}", "{ \"b\":[true , null], \"a\" : 1}", true},
        {"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
        {"{\"a\":1}", "{\"b\":1}", false},
        {"{}", "{}", true},
        {"{}", "[]", false},
        {"[1,2]", "[2,1]", false},
        {"[1,2]", "[1,2]", true},
        {"1.0", "1", false},
        {"1.10", "1.10", true},
        {"\"\\u0061\"", "\"a\"", true},
        {"true", "false", false},
        {"null", "null", true},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json *a = parse(&arena, rows[i].a), *b = parse(&arena, rows[i].b);
        assert_int_equal(json_equal(a, b), rows[i].equal);
        assert_int_equal(json_equal(b, a), rows[i].equal);
    }
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_text_as_written),
        cmocka_unit_test(unescapes_strings),
        cmocka_unit_test(refuses_with_the_place),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(finds_doubled_keys_among_many),
        cmocka_unit_test(reads_int64),
        cmocka_unit_test(compares_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
