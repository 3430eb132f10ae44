/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/tests/expr_testing.h"

static const struct document docs[] = {
    {"input", "{\"n\": 3, \"price\": 1.10, \"big\": 18446744073709551616, \"region\": \"eu\","
              " \"none\": null, \"list\": [1, 2.50, {\"a\": 1.0e2}, 99999999999999999999],"
              " \"k\\u0065y-x\": \"esc\\u00e9\", \"nested\": {\"deep\": {\"x\": true}}}"},
    {"tasks.a.result", " {\"x\": {\"y\": 7} , \"count\": 4} "},
    {"tasks.a.state", "\"SUCCESS\""},
    {"result", "null"},
    {NULL, NULL},
};

static void follows_paths(void **state)
{
    testing_gives("input.n", docs, "3");
    testing_gives("input.nested.deep.x", docs, "true");
    testing_gives("input['nested'][\"deep\"].x", docs, "true");
    testing_gives("input.`key-x`", docs, "\"esc\\u00e9\"");
    testing_gives("input['key-x'] + '!'", docs, "\"esc\xc3\xa9!\"");
    testing_gives("tasks.a.result", docs, "{\"x\": {\"y\": 7} , \"count\": 4}");
    testing_gives("tasks.a.result.x.y", docs, "7");
    testing_gives("tasks.a.result.count + 1", docs, "5");
    testing_gives("tasks.a.state == 'SUCCESS'", docs, "true");
    testing_gives("input.list[0] + input.n", docs, "4");
    testing_gives("input.list[size(input.list) - 2].a", docs, "1.0e2");
    testing_gives("result == null", docs, "true");
    testing_fails("input.missing", docs, ERR_REFUSED, "there is no 'missing'");
    testing_fails("input.none.x", docs, ERR_REFUSED, "null has no field 'x'");
    testing_fails("input.n.x", docs, ERR_REFUSED, "a value of type int has no field 'x'");
    testing_fails("unknown.x", docs, ERR_REFUSED, "unknown name 'unknown'");
    testing_fails("input.list[7]", docs, ERR_REFUSED, "the index 7 is outside");
    testing_fails("input.list['a']", docs, ERR_REFUSED, "type list has no field 'a'");
}

static void copies_untouched_text(void **state)
{
    testing_gives("input.big", docs, "18446744073709551616");
    testing_gives("input.price", docs, "1.10");
    testing_gives("(input.price)", docs, "1.10");
    testing_gives("input.list[1]", docs, "2.50");
    testing_gives("input.list[3]", docs, "99999999999999999999");
    testing_gives("{'a': input.nested, 'b': input.list}", docs,
                  "{\"a\":{\"deep\": {\"x\": true}},\"b\":[1, 2.50, {\"a\": 1.0e2}, "
                  "99999999999999999999]}");
    testing_gives("input.list.filter(x, true)", docs,
                  "[1,2.50,{\"a\": 1.0e2},99999999999999999999]");
    testing_fails("input.big + 1", docs, ERR_REFUSED, "18446744073709551616 is beyond 64 bits");
    testing_fails("input.big == input.big", docs, ERR_REFUSED, "beyond 64 bits");
    testing_fails("[input.big]", docs, ERR_REFUSED, "beyond 64 bits");
    testing_gives("input.price + 0", docs, "1.1");
}

static void writes_json(void **state)
{
    testing_gives("6.0", NULL, "6.0");
    testing_gives("2 + 4.0", NULL, "6.0");
    testing_gives("7 / 2", NULL, "3");
    testing_gives("7 / 2.0", NULL, "3.5");
    testing_gives("-0.0", NULL, "-0.0");
    testing_gives("1e300", NULL, "1e+300");
    testing_gives("1e15", NULL, "1000000000000000.0");
    testing_gives("0.1 + 0.2", NULL, "0.30000000000000004");
    testing_gives("5e-324", NULL, "5e-324");
    testing_gives("string(6.0)", NULL, "\"6\"");
    testing_gives("9223372036854775807", NULL, "9223372036854775807");
    testing_gives("18446744073709551615u", NULL, "18446744073709551615");
    testing_gives("['a\\n\"\\u0001', null, true]", NULL, "[\"a\\n\\\"\\u0001\",null,true]");
    testing_gives("timestamp('2026-01-31T10:00:00.50+02:00')", NULL, "\"2026-01-31T08:00:00.5Z\"");
    testing_gives("duration('1h30m')", NULL, "\"5400s\"");
    testing_gives("duration('5d') - duration('1.5s')", NULL, "\"431998.5s\"");
    testing_fails("0.0 / 0.0", NULL, ERR_REFUSED, "NaN cannot be written");
    testing_fails("[1.0 / 0.0]", NULL, ERR_REFUSED, "infinity cannot be written");
    testing_fails("b'x'", NULL, ERR_REFUSED, "base64.encode()");
    testing_fails("[int]", NULL, ERR_REFUSED, "a type cannot");
    testing_fails("{1: 2}", NULL, ERR_REFUSED, "a key of type int");
    testing_fails("optional.of(1)", NULL, ERR_REFUSED, "orValue()");
}

static void keeps_the_order_of_maps(void **state)
{
    static const struct document maps[] = {
        {"m", "{\"z\": 1, \"a\": 2, \"m\": 3}"},
        {NULL, NULL},
    };
    testing_gives("m.map(k, k)", maps, "[\"z\",\"a\",\"m\"]");
    testing_gives("m.transformList(k, v, v)", maps, "[1,2,3]");
    testing_gives("m.transformMap(k, v, v > 1, v * 2)", maps, "{\"a\":4,\"m\":6}");
    testing_gives("m.transformMapEntry(k, v, {k + k: v})", maps, "{\"zz\":1,\"aa\":2,\"mm\":3}");
    testing_gives("{'z': 1, 'a': 2}", maps, "{\"z\":1,\"a\":2}");
    testing_gives("m == {'a': 2, 'm': 3.0, 'z': 1u}", maps, "true");
}

static void asks_for_keys(void **state)
{
    testing_gives("has(input.n)", docs, "true");
    testing_gives("has(input.none)", docs, "true");
    testing_gives("has(input.skip)", docs, "false");
    testing_gives("has(input.none.x)", docs, "false");
    testing_gives("has(input.n.x)", docs, "false");
    testing_gives("has(input['key-x'])", docs, "true");
    testing_gives("has(tasks.a.result.x)", docs, "true");
    testing_gives("has(tasks.a.result)", docs, "true");
    testing_fails("has(input.skip.x)", docs, ERR_REFUSED, "there is no 'skip'");
    testing_gives("input.list.exists(x, has(x.a))", docs, "true");
    testing_gives("input.?skip.orValue(5)", docs, "5");
    testing_gives("input.?none.orValue(5)", docs, "null");
    testing_gives("input.?none.?x.orValue(5)", docs, "5");
    testing_gives("input.?nested.deep.x.orValue(5)", docs, "true");
    testing_gives("input.?nested.missing.x.orValue(5)", docs, "5");
    testing_gives("input.list[?9].orValue('no')", docs, "\"no\"");
    testing_gives("input.?skip.hasValue()", docs, "false");
    testing_gives("input.?n.optMap(x, x + 1).value()", docs, "4");
    testing_gives("{?'a': input.?n, ?'b': input.?skip}", docs, "{\"a\":3}");
    testing_gives("[?input.?skip, ?input.?n]", docs, "[3]");
    testing_gives("input.?n.orValue(1 / 0)", docs, "3");
    testing_gives("input.?skip.or(input.?n).value()", docs, "3");
    testing_gives("optional.ofNonZeroValue('').orValue('x')", docs, "\"x\"");
}

static void absorbs_failures(void **state)
{
    testing_gives("true || 1 / 0 > 0", NULL, "true");
    testing_gives("1 / 0 > 0 || true", NULL, "true");
    testing_gives("1 / 0 > 0 && false", NULL, "false");
    testing_fails("1 / 0 > 0 && true", NULL, ERR_REFUSED, "division by zero");
    testing_gives("[0, 2].exists(x, 4 / x == 2)", NULL, "true");
    testing_fails("[0, 2].all(x, 4 / x == 2)", NULL, ERR_REFUSED, "division by zero");
    testing_gives("[0, 3].all(x, 4 / x == 2)", NULL, "false");
    testing_gives("cel.bind(x, 1 / 0, true)", NULL, "true");
    testing_fails("cel.bind(x, 1 / 0, x)", NULL, ERR_REFUSED, "division by zero");
    testing_gives("{'a': 1}.exists(k, v, k == 'a' && v == 1)", NULL, "true");
}

static void reads_and_writes_json_text(void **state)
{
    testing_gives("json('{\"a\": [1, 2]}').a[1]", NULL, "2");
    testing_gives("json(' [1.50] ')", NULL, "[1.50]");
    testing_gives("text({'a': [1, 2.0, null]})", NULL, "\"{\\\"a\\\":[1,2.0,null]}\"");
    testing_gives("text('x')", NULL, "\"\\\"x\\\"\"");
    testing_gives("json(text([1, {'b': 'c'}])) == [1, {'b': 'c'}]", NULL, "true");
    testing_fails("json('{\"a\": 1, \"a\": 2}')", NULL, ERR_REFUSED, "stands twice");
    testing_fails("json('{')", NULL, ERR_REFUSED, "line 1, column 2");
    testing_gives("base64.encode(bytes('hello'))", NULL, "\"aGVsbG8=\"");
}

static void matches_as_re2(void **state)
{
    testing_gives("'hubba'.matches('ubb')", NULL, "true");
    testing_gives("matches('hubba', '^hu')", NULL, "true");
    testing_gives("'a\\n'.matches('^a$')", NULL, "false");
    testing_gives("'a\\n'.matches('(?m)^a$')", NULL, "true");
    testing_gives("'a\\vb'.matches('a\\\\sb')", NULL, "false");
    testing_gives("'a b'.matches('a[\\\\s]b')", NULL, "true");
    testing_gives("'H\xc3\x84'.matches('(?i)h\xc3\xa4')", NULL, "true");
    testing_gives("'x.y'.matches('^\\\\Qx.y\\\\E$')", NULL, "true");
    testing_gives("'xay'.matches('^\\\\Qx.y\\\\E$')", NULL, "false");
    testing_gives("'\xce\xb1'.matches('^\\\\p{Greek}$')", NULL, "true");
    testing_gives("'aaa'.matches('^a{2,3}$')", NULL, "true");
    testing_gives("'ab'.matches('(?P<n>a)b')", NULL, "true");
    testing_gives("['^a', '^b'].exists(p, 'bc'.matches(p))", NULL, "true");
    testing_refuses("'a'.matches('(?=a)')", 12, "look-around");
    testing_refuses("'a'.matches('(?<!a)b')", 12, "not supported");
    testing_refuses("'aa'.matches('(a)\\\\1')", 13, "back-references");
    testing_refuses("'a'.matches('(?>a)')", 12, "not supported");
    testing_refuses("'a'.matches('(?R)')", 12, "not supported");
    testing_refuses("'a'.matches('a*+')", 12, "nothing to repeat");
    testing_refuses("'a'.matches('(*UCP)a')", 12, "nothing to repeat");
    testing_refuses("'a'.matches('a{1001}')", 12, "1000 repetitions");
    testing_refuses("'a'.matches('[a')", 12, "no end");
    testing_refuses("'a'.matches('a)')", 12, "without (");
    testing_fails("['(?=a)'].all(p, 'a'.matches(p))", NULL, ERR_REFUSED, "look-around");
}

static void points_at_mistakes(void **state)
{
    testing_refuses("", 0, "expected an expression");
    testing_refuses("1 +", 3, "ends too early");
    testing_refuses("a == ", 5, "ends too early");
    testing_refuses("a = 1", 2, "write ==");
    testing_refuses("a === 1", 2, "write ==");
    testing_refuses("a & b", 2, "write &&");
    testing_refuses("a and b", 2, "write &&");
    testing_refuses("a or b", 2, "write ||");
    testing_refuses("not a", 0, "write !");
    testing_refuses("(a", 2, "expected ')'");
    testing_refuses("[1, 2", 5, "expected ']'");
    testing_refuses("{'a' 1}", 5, "expected ':'");
    testing_refuses("'abc", 0, "has no end");
    testing_refuses("'a\\q'", 2, "unknown escape");
    testing_refuses("len(a)", 0, "size()");
    testing_refuses("a.startWith('x')", 2, "did you mean startsWith()?");
    testing_refuses("lowerAscii(a)", 0, "lowerAscii() is written x.lowerAscii()");
    testing_refuses("size()", 0, "size() takes 1 argument, not 0");
    testing_refuses("'a'.substring()", 4, "substring() takes 1 to 2 arguments, not 0");
    testing_refuses("math.foo(1)", 0, "there is no function math.foo()");
    testing_refuses("a.map(1, 2)", 6, "the name of a variable");
    testing_refuses("has(a)", 4, "has(a.b)");
    testing_refuses("9223372036854775808", 0, "too large");
    testing_refuses("1 2", 2, "expected an operator");
    testing_refuses("a ?. b", 3, "a.?b");
    testing_refuses("if", 0, "reserved");
    testing_refuses("a.b.{x}", 4, "field name");
    testing_refuses("Msg{a: 1}", 3, "messages");
    testing_refuses("1x", 1, "letter");
    testing_refuses("a \xff", 2, "invalid UTF-8");
}

static void note_path(void *context, const struct expr_path *path)
{
    struct buffer *out = context;
    buffer_printf(out, "%zu:", path->offset);
    for (size_t i = 0; i < path->count; i++)
        buffer_printf(out, "%s%.*s", i > 0 ? "." : "", TEXT_ARG(path->names[i]));
    buffer_add_char(out, ' ');
}

static void assert_paths(const char *source, const char *expected)
{
    struct arena arena = {0};
    struct expr *expr;
    struct expr_error error = {0};
    struct buffer out;
    buffer_init(&out, 0);
    buffer_add(&out, "", 0);
    assert_int_equal(expr_compile(&arena, text_of(source), &expr, &error), 0);
    expr_each_path(expr, note_path, &out);
    assert_string_equal(out.data, expected);
    buffer_done(&out);
    arena_done(&arena);
}

static void lists_free_names(void **state)
{
    assert_paths("tasks.a.result[\"x\"].y > input.n", "0:tasks.a.result.x.y 24:input.n ");
    assert_paths("tasks.a.result[i].y", "0:tasks.a.result 15:i ");
    assert_paths("input.xs.map(x, x.y + z.w)", "0:input.xs 22:z.w ");
    assert_paths("x + [1].map(x, x) + x", "0:x 20:x ");
    assert_paths("cel.bind(t, a.b, t.c + t)", "12:a.b ");
    assert_paths("math.abs(a) + size(b.c.trim())", "9:a 19:b.c ");
    assert_paths("type(a) == int && google.protobuf.Timestamp == b", "5:a 47:b ");
    assert_paths("a.?b.c + a[?'d']", "0:a 9:a ");
    assert_paths("xs.all(i, v, i < v && y)", "0:xs 22:y ");
    assert_paths("1 + 2", "");
}

static bool is_pure(const char *source)
{
    struct arena arena = {0};
    struct expr *expr;
    struct expr_error error = {0};
    struct expr_path path;
    assert_int_equal(expr_compile(&arena, text_of(source), &expr, &error), 0);
    bool pure = expr_is_pure_path(expr, &path);
    arena_done(&arena);
    return pure;
}

static void knows_pure_paths(void **state)
{
    assert_true(is_pure(" tasks.a.result['x'] "));
    assert_true(is_pure("(a.b)"));
    assert_false(is_pure("a.b + 1"));
    assert_false(is_pure("a[0]"));
    assert_false(is_pure("a.?b"));
    assert_false(is_pure("int"));
    assert_false(is_pure("a.size()"));
}

static void gives_conditions(void **state)
{
    struct arena arena = {0}, scratch = {0};
    struct expr *expr;
    struct expr_error error = {0};
    struct expr_scope scope = testing_scope(docs);
    bool value = false;
    assert_int_equal(expr_compile(&arena, TEXT("input.n > 2"), &expr, &error), 0);
    assert_int_equal(expr_eval_bool(expr, &scratch, &scope, NULL, &value, &error), 0);
    assert_true(value);
    assert_int_equal(expr_compile(&arena, TEXT("input.n"), &expr, &error), 0);
    assert_int_equal(expr_eval_bool(expr, &scratch, &scope, NULL, &value, &error), ERR_REFUSED);
    assert_string_equal(error.text, "a condition must give true or false, not int");
    assert_int_equal(expr_eval_bool(expr, &scratch, &scope, NULL, &value, NULL), ERR_REFUSED);
    arena_done(&arena);
    arena_done(&scratch);
}

static void survives_malformed_documents(void **state)
{
    static const struct document bad[] = {
        {"a", "{\"x\": [1, 2"},
        {"b", "{\"x\" 1}"},
        {"c", ""},
        {"d", "{\"x\": \"\\u12\"}"},
        {"e", "{\"x\": 1-2.e}"},
        {"f", "nul"},
        {"g", "{\"x\": }"},
        {"h", "[1,,2]"},
        {"i", "{\"x\": \"\xff\"}"},
        {NULL, NULL},
    };
    testing_fails("a.x[0] + 1", bad, ERR_REFUSED, "malformed JSON");
    testing_fails("b.x + 1", bad, ERR_REFUSED, "malformed JSON");
    testing_fails("c == 1", bad, ERR_REFUSED, "no JSON");
    testing_fails("d.x + ''", bad, ERR_REFUSED, "malformed JSON");
    testing_fails("e.x + 1", bad, ERR_REFUSED, "cannot be read as a double");
    testing_fails("f == 1", bad, ERR_REFUSED, "malformed JSON");
    testing_fails("g.x == 1", bad, ERR_REFUSED, "malformed JSON");
    testing_fails("size(h)", bad, ERR_REFUSED, "malformed JSON");
    testing_fails("i.x == 'a'", bad, ERR_REFUSED, "malformed JSON");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_paths),
        cmocka_unit_test(copies_untouched_text),
        cmocka_unit_test(writes_json),
        cmocka_unit_test(keeps_the_order_of_maps),
        cmocka_unit_test(asks_for_keys),
        cmocka_unit_test(absorbs_failures),
        cmocka_unit_test(reads_and_writes_json_text),
        cmocka_unit_test(matches_as_re2),
        cmocka_unit_test(points_at_mistakes),
        cmocka_unit_test(lists_free_names),
        cmocka_unit_test(knows_pure_paths),
        cmocka_unit_test(gives_conditions),
        cmocka_unit_test(survives_malformed_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
