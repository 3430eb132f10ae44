/* SPDX-License-Identifier: Apache-2.0 */
/* What YAML and JSON become, and where it stood. */
#include "engine/flow/node.h"
#include "engine/flow/tests/flow_fixture.h"

/* One text as read; ended by `reading_done`. */
struct reading {
    struct arena arena;
    struct lines source;
    struct flow_problems problems;
    struct report report;
    struct node *root;
};

static void read_text(struct reading *reading, const char *text)
{
    *reading = (struct reading){0};
    lines_init(&reading->source, &reading->arena, text_of(text));
    report_init(&reading->report, &reading->source, &reading->problems);
    reading->root = node_read(&reading->arena, &reading->source, &reading->report);
}

static void reading_done(struct reading *reading)
{
    flow_problems_done(&reading->problems);
    arena_done(&reading->arena);
}

static void assert_json(const char *text, const char *expected)
{
    struct reading reading;
    struct buffer json;
    read_text(&reading, text);
    assert_int_equal(reading.problems.count, 0);
    assert_non_null(reading.root);
    buffer_init(&json, 0);
    node_add_json(reading.root, &json);
    assert_text(buffer_text(&json), expected);
    buffer_done(&json);
    reading_done(&reading);
}

static void test_plain_words(void **state)
{
    assert_json("[true, false, null]", "[true,false,null]");
    assert_json("- True\n- yes\n- on\n- No\n- ~\n- Null\n- NULL\n",
                "[\"True\",\"yes\",\"on\",\"No\",\"~\",\"Null\",\"NULL\"]");
    assert_json("- 0777\n- 1_000\n- 1:30\n- 0x1F\n- 0o17\n- +1\n- .5\n- 1.\n- 1e\n- 1.5.2\n",
                "[\"0777\",\"1_000\",\"1:30\",\"0x1F\",\"0o17\",\"+1\",\".5\",\"1.\",\"1e\","
                "\"1.5.2\"]");
    assert_json("- .inf\n- .nan\n- 2024-01-01\n- 12 34\n",
                "[\".inf\",\".nan\",\"2024-01-01\",\"12 34\"]");
    assert_json("- 'true'\n- \"null\"\n- \"5\"\n- |-\n  5\n", "[\"true\",\"null\",\"5\",\"5\"]");
}

static void test_numbers_are_kept_to_the_letter(void **state)
{
    assert_json("- 0\n- -0\n- 1.10\n- 18446744073709551616\n- 1E+2\n- -0.0e-0\n- 1e999\n",
                "[0,-0,1.10,18446744073709551616,1E+2,-0.0e-0,1e999]");
}

static void test_texts(void **state)
{
    assert_json("a: |\n  one\n    two\n\n  three\nb: >\n  x\n  y\n\n  z\nc: |+\n  k\n\n",
                "{\"a\":\"one\\n  two\\n\\nthree\\n\",\"b\":\"x y\\nz\\n\",\"c\":\"k\\n\\n\"}");
    assert_json("\"a\": 'it''s'\n\"b\\tc\": \"\\u00e4 \\U0001F600 \\0 \\x41 \\\n  joined\"\n",
                "{\"a\":\"it's\",\"b\\tc\":\"ä 😀 \\u0000 A joined\"}");
    assert_json("a: plain\n  goes on\nb:\n", "{\"a\":\"plain goes on\",\"b\":null}");
}

static void test_json_is_read_as_json(void **state)
{
    assert_json("{\"a\":\"\\ud83d\\ude00\\/\",\"b\":[1.10,{}],\"c\":{\"\\n\":null}}",
                "{\"a\":\"😀/\",\"b\":[1.10,{}],\"c\":{\"\\n\":null}}");
    assert_json(" [\t\"x\",\r\n 1 ] ", "[\"x\",1]");
    assert_json("{\"sep\":\"\xE2\x80\xA8\"}", "{\"sep\":\"\xE2\x80\xA8\"}");
    /* YAML's own way to write the same. */
    assert_json("{a: x, b: [1, {c: }]}", "{\"a\":\"x\",\"b\":[1,{\"c\":null}]}");
}

static void test_line_ends(void **state)
{
    struct reading reading;
    read_text(&reading, "a: 1\r\nb: 2\rc: 3\n\nd: 4");
    assert_int_equal(reading.root->count, 4);
    const uint32_t lines[] = {1, 2, 3, 5};
    const struct node *value = reading.root->first;
    for (size_t i = 0; i < 4; i++, value = value->next) {
        assert_int_equal(lines_number(&reading.source, value->span.begin), lines[i]);
        assert_int_equal(reading.source.text.data[value->span.begin], '1' + (int)i);
    }
    reading_done(&reading);
}

/* Every node's place is where its text stands. */
static void assert_place(const char *text, const char *part, const char *expected)
{
    struct reading reading;
    read_text(&reading, text);
    assert_non_null(reading.root);
    const struct node *value = reading.root->first;
    const char *found = memmem(value->text.data, value->text.len, part, strlen(part));
    assert_non_null(found);
    size_t at = (size_t)(found - value->text.data);
    struct span span = node_text_span(&reading.source, value, at, at + strlen(part));
    assert_text(((struct text){text + span.begin, span.end - span.begin}), expected);
    reading_done(&reading);
}

static void test_places_in_texts(void **state)
{
    assert_place("k: plain text", "text", "text");
    assert_place("k: plain\n  goes on here", "on", "on");
    assert_place("k: 'it''s quoted ''here'''", "here", "here");
    assert_place("k: \"a\\tb\\u00e4\\x41 \\\"q\\\" here\"", "here", "here");
    assert_place("k: \"a \\\n     here\"", "here", "here");
    assert_place("k: |  # head\n\n  first\n    here\n", "here", "here");
    assert_place("k: >-\n  first\n  second\n\n  here\n", "here", "here");
    assert_place("{\"k\": \"\\ud83d\\ude00 here\"}", "here", "here");
    assert_place("k: \"t\\u00fcr t\xC3\xBCr here\"", "here", "here");
    assert_place("k: \"one\\ntwo\"", "two", "two");
    assert_place("k: \"\\u0061bc\"", "a", "\\");
    assert_place("k: \"\\U0001F600\\N\\_\\L\\P\\u0020\\x20 here\"", "here", "here");
}

static void test_depth_is_bounded(void **state)
{
    struct reading reading;
    struct buffer text;
    buffer_init(&text, 0);
    for (int i = 0; i < 100000; i++)
        buffer_add_char(&text, '[');
    read_text(&reading, text.data);
    assert_null(reading.root);
    assert_int_equal(reading.problems.errors, 1);
    reading_done(&reading);
    buffer_clear(&text);
    for (int i = 0; i < 100000; i++)
        buffer_add_string(&text, "- ");
    read_text(&reading, text.data);
    assert_null(reading.root);
    reading_done(&reading);
    buffer_done(&text);
}

static void test_doubled_keys_of_large_maps(void **state)
{
    struct reading reading;
    struct buffer text;
    buffer_init(&text, 0);
    for (int i = 0; i < 20000; i++)
        buffer_printf(&text, "k%d: %d\n", i % 19999, i);
    read_text(&reading, text.data);
    assert_int_equal(reading.problems.errors, 1);
    assert_int_equal(reading.problems.list[0].line, 20000);
    reading_done(&reading);
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_words),
        cmocka_unit_test(test_numbers_are_kept_to_the_letter),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_json_is_read_as_json),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_places_in_texts),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_doubled_keys_of_large_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
