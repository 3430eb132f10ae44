/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/tests/expr_testing.h"

static const struct document docs[] = {
    {"input", "{\"n\": 3, \"price\": 1.10, \"big\": 18446744073709551616, \"s\": \"a\\\"b\","
              " \"none\": null, \"list\": [1, 2], \"yes\": true}"},
    {NULL, NULL},
};

enum form { JSON_FORM, TEXT_FORM };

/* The value of a template given as JSON, or "E: message". */
static char *run(const char *json, enum form form, struct expr_error *error)
{
    struct arena arena = {0}, scratch = {0};
    struct template *template;
    struct expr_scope scope = testing_scope(docs);
    struct buffer out;
    buffer_init(&out, 0);
    buffer_add(&out, "", 0);
    int rc = template_compile(&arena, text_of(json), &template, error);
    if (!rc && form == JSON_FORM)
        rc = template_eval(template, &scratch, &scope, NULL, &out, error);
    else if (!rc)
        rc = template_eval_text(template, &scratch, &scope, NULL, &out, error);
    assert_int_equal(rc, error->code);
    if (rc) {
        assert_int_equal(out.len, 0);
        buffer_printf(&out, "E: %s", error->text);
    }
    arena_done(&arena);
    arena_done(&scratch);
    return out.data;
}

static void gives(const char *json, enum form form, const char *expected)
{
    struct expr_error error = {0};
    char *got = run(json, form, &error);
    assert_string_equal(got, expected);
    free(got);
}

static void fails(const char *json, enum form form, size_t offset, const char *part)
{
    struct expr_error error = {0};
    char *got = run(json, form, &error);
    if (!error.code || !strstr(got, part))
        print_message("%s: %s\n", json, got);
    assert_int_not_equal(error.code, 0);
    assert_non_null(strstr(got, part));
    assert_int_equal(error.offset, offset);
    free(got);
}

static void alone_keeps_its_type(void **state)
{
    gives("\"${ input.n }\"", JSON_FORM, "3");
    gives("\"${input.list}\"", JSON_FORM, "[1, 2]");
    gives("\"${ input.none }\"", JSON_FORM, "null");
    gives("\"${ input.big }\"", JSON_FORM, "18446744073709551616");
    gives("\"${ input.price }\"", JSON_FORM, "1.10");
    gives("\"${ input.s }\"", JSON_FORM, "\"a\\\"b\"");
    gives("\"${ {'a': {'b': 1}}.a }\"", JSON_FORM, "{\"b\":1}");
    gives("\"${ '}' }\"", JSON_FORM, "\"}\"");
    gives("{\"a\": [\"${ input.n }\", 1.0], \"${ x }\": true}", JSON_FORM,
          "{\"a\": [3, 1.0], \"${ x }\": true}");
}

static void text_around_makes_a_string(void **state)
{
    gives("\"n=${ input.n }!\"", JSON_FORM, "\"n=3!\"");
    gives("\"${ input.n }${ input.yes }\"", JSON_FORM, "\"3true\"");
    gives("\" ${ input.n }\"", JSON_FORM, "\" 3\"");
    gives("\"<${ input.s }>\"", JSON_FORM, "\"<a\\\"b>\"");
    gives("\"${ input.price } ${ input.big }\"", JSON_FORM, "\"1.10 18446744073709551616\"");
    gives("\"x\\n${ 6.0 }\"", JSON_FORM, "\"x\\n6.0\"");
    gives("\"at ${ timestamp(0) } for ${ duration('5d') }\"", JSON_FORM,
          "\"at 1970-01-01T00:00:00Z for 432000s\"");
    fails("\"n=${ input.none }\"", JSON_FORM, 5, "null cannot be put into a text");
    fails("\"n=${ input.list }\"", JSON_FORM, 5, "a list cannot be put into a text");
    fails("\"n=${ {} }\"", JSON_FORM, 5, "a map cannot be put into a text");
}

static void dollars_are_escaped(void **state)
{
    gives("\"$${ input.n }\"", JSON_FORM, "\"${ input.n }\"");
    gives("\"a$${b} ${ input.n } $5 {x} $\"", JSON_FORM, "\"a${b} 3 $5 {x} $\"");
    gives("{\"a\": \"$${x}\", \"b\": \"plain \\u0041\"}", JSON_FORM,
          "{\"a\": \"${x}\", \"b\": \"plain \\u0041\"}");
}

static void text_form_unquotes(void **state)
{
    gives("\"${ input.s }\"", TEXT_FORM, "a\"b");
    gives("\"${ input.n }\"", TEXT_FORM, "3");
    gives("\"${ input.price }\"", TEXT_FORM, "1.10");
    gives("\"--n=${ input.n }\"", TEXT_FORM, "--n=3");
    gives("\"$${x}\"", TEXT_FORM, "${x}");
    gives("\"\"", TEXT_FORM, "");
    gives("1.50", TEXT_FORM, "1.50");
    gives("true", TEXT_FORM, "true");
    fails("null", TEXT_FORM, 0, "null cannot stand");
    fails("[1]", TEXT_FORM, 0, "a list cannot stand");
    fails("{}", TEXT_FORM, 0, "an object cannot stand");
    fails("\"${ input.none }\"", TEXT_FORM, 3, "null cannot");
    fails("\"${ input.list }\"", TEXT_FORM, 3, "a list cannot");
}

static void points_into_the_string(void **state)
{
    fails("\"abc ${ input.n + }\"", JSON_FORM, 17,
          "in \"abc ${ input.n + }\": the expression ends");
    fails("[\"x\", \"abc ${ 1\"]", JSON_FORM, 6, "has no closing }");
    fails("\"${}\"", JSON_FORM, 2, "expected an expression");
    fails("\"${{ input.n }}\"", JSON_FORM, 2, "single braces");
    fails("\"ab ${ input.x }\"", JSON_FORM, 6, "there is no 'x'");
    fails("{\"a\": }", JSON_FORM, 0, "not JSON: line 1, column 7");
}

static void plain_strings_compile_too(void **state)
{
    struct arena arena = {0}, scratch = {0};
    struct template *template;
    struct expr_error error = {0};
    struct expr_scope scope = testing_scope(docs);
    struct buffer out;
    buffer_init(&out, 0);
    assert_int_equal(template_compile_string(&arena, TEXT("\"q\" ${ input.n }"), &template, &error),
                     0);
    assert_false(template_is_constant(template));
    assert_null(template_alone(template));
    assert_int_equal(template_eval_text(template, &scratch, &scope, NULL, &out, &error), 0);
    assert_string_equal(out.data, "\"q\" 3");
    buffer_clear(&out);
    assert_int_equal(template_eval(template, &scratch, &scope, NULL, &out, &error), 0);
    assert_string_equal(out.data, "\"\\\"q\\\" 3\"");
    assert_int_equal(template_compile_string(&arena, TEXT("${ input.n }"), &template, NULL), 0);
    assert_non_null(template_alone(template));
    assert_int_equal(template_compile_string(&arena, TEXT("$5"), &template, &error), 0);
    assert_true(template_is_constant(template));
    buffer_done(&out);
    arena_done(&arena);
    arena_done(&scratch);
}

static void count_path(void *context, const struct expr_path *path)
{
    size_t *count = context;
    assert_true(text_equal(path->names[0], TEXT("input")));
    (*count)++;
}

static void visits_all_paths(void **state)
{
    struct arena arena = {0};
    struct template *template;
    size_t count = 0;
    assert_int_equal(
        template_compile(&arena,
                         TEXT("{\"a\": \"${input.a + input.b}\", \"b\": [\"x${input.c}\"]}"),
                         &template, NULL),
        0);
    template_each_path(template, count_path, &count);
    assert_int_equal(count, 3);
    arena_done(&arena);
}

static void place_of_last_path(void *context, const struct expr_path *path)
{
    *(size_t *)context = path->offset;
}

static void places_of_paths_count_within_the_string(void **state)
{
    struct arena arena = {0};
    struct template *template;
    size_t place = 0;
    struct text string = TEXT("a ${ \"}\" + input.a } b ${ input.b }");
    assert_int_equal(template_compile_string(&arena, string, &template, NULL), 0);
    template_each_path(template, place_of_last_path, &place);
    assert_int_equal(place, 26);
    assert_int_equal(template_compile_string(&arena, TEXT("${ input.c }"), &template, NULL), 0);
    template_each_path(template, place_of_last_path, &place);
    assert_int_equal(place, 3);
    arena_done(&arena);
}

static void leaves_the_buffer_on_trouble(void **state)
{
    struct arena arena = {0}, scratch = {0};
    struct template *template;
    struct expr_error error;
    struct expr_scope scope = testing_scope(docs);
    struct buffer out;
    buffer_init(&out, 0);
    buffer_add_string(&out, "before");
    assert_int_equal(
        template_compile(&arena, TEXT("[1, \"${input.n}\", \"${input.x}\"]"), &template, &error),
        0);
    assert_int_equal(template_eval(template, &scratch, &scope, NULL, &out, &error), ERR_REFUSED);
    assert_string_equal(out.data, "before");
    buffer_done(&out);
    arena_done(&arena);
    arena_done(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_keeps_its_type),
        cmocka_unit_test(text_around_makes_a_string),
        cmocka_unit_test(dollars_are_escaped),
        cmocka_unit_test(text_form_unquotes),
        cmocka_unit_test(points_into_the_string),
        cmocka_unit_test(plain_strings_compile_too),
        cmocka_unit_test(places_of_paths_count_within_the_string),
        cmocka_unit_test(visits_all_paths),
        cmocka_unit_test(leaves_the_buffer_on_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
