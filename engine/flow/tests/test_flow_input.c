/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/flow/tests/flow_fixture.h"

static struct flow *declared(void)
{
    return good("flow: x\n"
                "input:\n"
                "  day: string\n"
                "  limit: {type: integer, default: 10, description: how many}\n"
                "  rate: {type: number, default: 1.50}\n"
                "  dry: {type: boolean, default: false}\n"
                "  list: {type: array, default: [1, {a: null}, \"x\"]}\n"
                "  any: {type: any, default: null}\n"
                "  map: {type: object, default: {}}\n"
                "  size: {type: string, enum: [small, large], default: small}\n"
                "tasks: {a: {set: \"${ input }\"}}\n");
}

static void assert_completed(const char *input, const char *expected)
{
    struct flow *flow = declared();
    struct buffer json;
    struct error error = {0};
    buffer_init(&json, 0);
    int code = flow_complete_input(flow, text_of(input), &json, &error);
    if (code)
        fail_msg("refused: %s", error.text);
    assert_text(buffer_text(&json), expected);
    buffer_done(&json);
    flow_free(flow);
}

static void assert_refused(const char *input, const char *expected)
{
    struct flow *flow = declared();
    struct buffer json;
    struct error error = {0};
    buffer_init(&json, 0);
    assert_int_equal(flow_complete_input(flow, text_of(input), &json, &error), ERR_INVALID);
    assert_int_equal(error.code, ERR_INVALID);
    assert_string_equal(error.text, expected);
    assert_int_equal(json.len, 0);
    buffer_done(&json);
    flow_free(flow);
}

static void test_defaults_are_filled_in(void **state)
{
    assert_completed("{\"day\": \"mon\"}",
                     "{\"day\":\"mon\",\"limit\":10,\"rate\":1.50,\"dry\":false,"
                     "\"list\":[1,{\"a\":null},\"x\"],\"any\":null,\"map\":{},\"size\":\"small\"}");
}

static void test_values_are_kept_to_the_letter(void **state)
{
    assert_completed(
        "{ \"limit\" : 18446744073709551616, \"rate\": 1.10, \"any\": {\"b\" : 1e400 ,\"a\":2},\n"
        " \"day\": \"\\u0041\", \"size\": \"large\", \"list\": [ ], \"dry\": true}",
        "{\"day\":\"\\u0041\",\"limit\":18446744073709551616,\"rate\":1.10,\"dry\":true,"
        "\"list\":[ ],\"any\":{\"b\" : 1e400 ,\"a\":2},\"map\":{},\"size\":\"large\"}");
}

static void test_all_that_is_wrong_is_said(void **state)
{
    assert_refused("{\"limti\": 1, \"limit\": 1.0, \"dry\": 0, \"size\": \"medium\"}",
                   "input `limti` is not declared (did you mean `limit`?); "
                   "input `day` is missing; "
                   "input `limit` must be an integer, not a number with fraction or exponent; "
                   "input `dry` must be a boolean, not a number; "
                   "input `size` must be one of \"small\", \"large\"");
    assert_refused("{\"day\": null, \"rate\": \"1\", \"list\": {}, \"limit\": 1e3}",
                   "input `day` must be a string, not null; "
                   "input `limit` must be an integer, not a number with fraction or exponent; "
                   "input `rate` must be a number, not a string; "
                   "input `list` must be an array, not an object");
}

static void test_input_must_be_an_object(void **state)
{
    assert_refused("[1]", "the input must be an object, not an array");
    struct flow *flow = declared();
    struct buffer json;
    struct error error = {0};
    buffer_init(&json, 0);
    assert_int_equal(flow_complete_input(flow, TEXT("{\"day\":"), &json, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "the input is not JSON: line 1"));
    assert_int_equal(
        flow_complete_input(flow, TEXT("{\"day\":\"a\",\"day\":\"b\"}"), &json, &error),
        ERR_INVALID);
    buffer_done(&json);
    flow_free(flow);
}

static void test_much_that_is_wrong_is_cut(void **state)
{
    struct buffer input, json;
    struct error error = {0};
    struct flow *flow = declared();
    buffer_init(&input, 0);
    buffer_init(&json, 0);
    buffer_add_string(&input, "{\"day\": \"x\"");
    for (int i = 0; i < 200; i++)
        buffer_printf(&input, ", \"unknown%d\": %d", i, i);
    buffer_add_string(&input, "}");
    assert_int_equal(flow_complete_input(flow, buffer_text(&input), &json, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "input `unknown0` is not declared; "));
    buffer_done(&input);
    buffer_done(&json);
    flow_free(flow);
}

static void assert_typed(const char *name, const char *typed, const char *expected)
{
    struct flow *flow = declared();
    struct buffer json;
    struct error error = {0};
    buffer_init(&json, 0);
    int code = flow_input_from_text(flow, text_of(name), text_of(typed), &json, &error);
    if (code)
        assert_string_equal(error.text, expected);
    else
        assert_text(buffer_text(&json), expected);
    buffer_done(&json);
    flow_free(flow);
}

static void test_typed_values_follow_the_declaration(void **state)
{
    assert_typed("day", "true", "\"true\"");
    assert_typed("day", "say \"x\"\n", "\"say \\\"x\\\"\\n\"");
    assert_typed("day", "", "\"\"");
    assert_typed("limit", "007", "input `limit`: must be an integer, not `007`");
    assert_typed("limit", "7", "7");
    assert_typed("limit", " -18446744073709551616 ", "-18446744073709551616");
    assert_typed("rate", "1.10", "1.10");
    assert_typed("dry", "true", "true");
    assert_typed("dry", "yes", "input `dry`: must be a boolean, not `yes`");
    assert_typed("list", "[1, 2]", "[1, 2]");
    assert_typed("list", "[1", "input `list`: must be an array in JSON, not `[1`");
    assert_typed("list", "{}", "input `list`: must be an array, not an object");
    assert_typed("any", "{\"a\": 1}", "{\"a\": 1}");
    assert_typed("map", "{\"a\": 1}", "{\"a\": 1}");
    assert_typed("map", "a", "input `map`: must be an object in JSON, not `a`");
    assert_typed("limit", "null", "input `limit`: must be an integer, not null");
    assert_typed("any", "plain",
                 "input `any`: must be JSON, and `plain` is not: text needs double quotes");
    assert_typed("dya", "x", "input `dya` is not declared (did you mean `day`?)");
}

static void test_long_words_are_cut(void **state)
{
    struct buffer allowed = {0};
    buffer_add_string(&allowed, "flow: x\ninput: {a: {enum: [");
    for (int i = 0; i < 40; i++)
        buffer_printf(&allowed, "%svalue%d", i ? ", " : "", i);
    buffer_add_string(&allowed, "]}}\ntasks: {t: {set: \"${ input }\"}}\n");
    struct flow *flow = good(allowed.data);
    struct buffer json = {0};
    struct error error = {0};
    assert_int_equal(flow_complete_input(flow, TEXT("{\"a\": 1}"), &json, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "input `a` must be one of \"value0\", \"value1\", "));
    assert_string_equal(error.text + strlen(error.text) - 3, "…");
    flow_free(flow);
    buffer_done(&allowed);
#define SIXTY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    assert_typed("limit", SIXTY "b", "input `limit`: must be an integer, not `" SIXTY "`");
    assert_refused("{\"day\": \"\", \"" SIXTY "b\": 1}", "input `" SIXTY "` is not declared");
#undef SIXTY
    buffer_done(&json);
}

static void test_durations(void **state)
{
    int64_t ms;
    assert_int_equal(flow_parse_duration(TEXT("1h30m"), &ms), 0);
    assert_int_equal(ms, 5400000);
    assert_int_equal(flow_parse_duration(TEXT("500ms"), &ms), 0);
    assert_int_equal(ms, 500);
    assert_int_equal(flow_parse_duration(TEXT("2w"), &ms), 0);
    assert_int_equal(ms, 1209600000);
    assert_int_equal(flow_parse_duration(TEXT("90"), &ms), ERR_INVALID);
    assert_int_equal(flow_parse_duration(TEXT(""), &ms), ERR_INVALID);
    assert_int_equal(flow_parse_duration(TEXT("1.5s"), &ms), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_filled_in),
        cmocka_unit_test(test_values_are_kept_to_the_letter),
        cmocka_unit_test(test_all_that_is_wrong_is_said),
        cmocka_unit_test(test_input_must_be_an_object),
        cmocka_unit_test(test_much_that_is_wrong_is_cut),
        cmocka_unit_test(test_typed_values_follow_the_declaration),
        cmocka_unit_test(test_long_words_are_cut),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
