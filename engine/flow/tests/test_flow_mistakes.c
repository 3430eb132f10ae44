/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes that no file of `bad/` can hold beside others: those of the text itself, those that end
 * the reading, and those that take many. */
#include "engine/flow/tests/flow_fixture.h"

#define TASKS "tasks: {a: {noop: }}\n"

/* A mistake and part of what is said about it, the place at least. */
struct mistake {
    const char *source;
    const char *said;
};

static void expect_all(const struct mistake *mistakes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bad(mistakes[i].source, mistakes[i].said);
}

#define EXPECT_ALL(mistakes) expect_all(mistakes, sizeof(mistakes) / sizeof((mistakes)[0]))

static void test_names_of_flows(void **state)
{
    static const struct mistake mistakes[] = {
        {"flow: \"\"\n" TASKS, "test.yaml:1:7: error: `` is not a flow's name"},
        {"flow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" TASKS,
         "test.yaml:1:7: error: `aaaa"},
        {"flow: a!\n" TASKS, "      |       ^~\n"},
        {"flow: Team/Deploy it\n" TASKS, "      = hint: write `team-deploy-it`\n"},
        {"flow: [a]\n" TASKS, "test.yaml:1:1: error: `flow` must be a name, not a list\n"},
        {"flow: {a: b}\n" TASKS, "test.yaml:1:1: error: `flow` must be a name, not a map\n"},
        {"flow: null\n" TASKS, "test.yaml:1:7: error: `null` is not a flow's name"},
    };
    EXPECT_ALL(mistakes);
}

static void test_whole_files(void **state)
{
    static const struct mistake mistakes[] = {
        {"*x\n", "test.yaml:1:1: error: `*x` is an alias"},
        {"&x", "test.yaml:1:1: error: `&x` is an anchor"},
        {"---\n", "test.yaml:1:1: error: the file is empty"},
        {"flow: x\nruns_on: a b\n" TASKS, "test.yaml:2:10: error: a tag must be a word"},
        {"flow: x\ninput: 5\n" TASKS,
         "test.yaml:2:8: error: `input` must be a map NAME: TYPE, not a number\n"},
        {"flow: x\ntasks: {a: {noop: , nme , }}\n", "test.yaml:2:21: error: unknown key `nme`"},
        {"flow: x\nnme:\n" TASKS, "test.yaml:2:1: error: unknown key `nme` at the top"},
        {"flow: x\n" TASKS "? nme", "test.yaml:3:3: error: unknown key `nme` at the top"},
        {"flow: x\n?\n: 1\n", "test.yaml:2:2: error: a key is missing before this `:`\n"},
    };
    EXPECT_ALL(mistakes);
    struct flow *flow;
    struct flow_problems problems;
    assert_int_equal(flow_compile(TEXT_NONE, &flow, &problems), ERR_INVALID);
    assert_non_null(strstr(problems.list[0].message.data, "the file is empty"));
    flow_problems_done(&problems);
}

static void test_characters(void **state)
{
    static const struct mistake mistakes[] = {
        {"flow: x # \x7F", "test.yaml:1:11: error: the control character U+007F can't stand"},
        {"flow: é\u00A0 # \x01\n", "    1 | flow: é\u00A0 # \uFFFD\n"},
        {"flow: x # \xC2\x85", "test.yaml:1:11: error: the character U+0085 ends a line for some"},
        {"flow: x # \xC2\x85", "    1 | flow: x # \uFFFD\n"},
        {"flow: x # \xC2\x9F", "test.yaml:1:11: error: the control character U+009F can't stand"},
        {"flow: x # \u2028", "test.yaml:1:11: error: the character U+2028 ends a line"},
        {"flow: x # \u2029", "test.yaml:1:11: error: the character U+2029 ends a line"},
        {"flow: x # \uFEFF", "test.yaml:1:11: error: a byte order mark in the middle"},
        {"flow: x # \uFFFE", "test.yaml:1:11: error: the control character U+FFFE"},
        {"flow: x # \uFFFF", "test.yaml:1:11: error: the control character U+FFFF"},
        {"\xFE\xFF-", "test.yaml:1:1: error: the file is UTF-16"},
    };
    EXPECT_ALL(mistakes);
}

static void test_yaml(void **state)
{
    static const struct mistake mistakes[] = {
        {"%YAML 3.0\n---\nflow: x\n", "test.yaml:1:1: error: not YAML: found incompatible YAML"},
        {"%TAG ! tag:x,2000:\n---\nflow: x\n" TASKS, "test.yaml:1:1: error: a directive (`%`)"},
        {"flow: x\ntasks: {a: [1, 2 \t\r\n \n", "test.yaml:2:12: error: this `[` is never closed"},
        {"flow: x\noutput: ${ a", "test.yaml:2:12: error: in the expression: ${ has no closing"},
        {"flow: x\noutput: ${ a  \n", "test.yaml:2:12: error: in the expression: ${ has no clos"},
        {"flow: x\noutput: ${ a  ", "test.yaml:2:12: error: in the expression: ${ has no clos"},
        {"flow: x\noutput: ${ a\t# b }\n", "test.yaml:2:9: error: this value ends at ` #`"},
        {"flow: x\noutput: of ${ a #\n", "test.yaml:2:9: error: this value ends at ` #`"},
        {"flow: x\noutput: $${ a # b\n", "test.yaml:1:1: error: the flow has no tasks"},
        {"flow: x\noutput: a{b # c\n", "test.yaml:1:1: error: the flow has no tasks"},
        {"flow: x\ndescription: \"übergrößenträger\n  öä\n",
         "test.yaml:2:14: error: the quotation that begins here never ends\n"},
        {"flow: x\ntasks: {a: {noop: }}\nif: 'a' == b\n",
         "test.yaml:3:9: error: the value ends at its closing quote, and nothing can follow it"},
        {"flow: x\nrepeat:\n  until: \"a\" == b\n",
         "      = hint: put quotes around the whole condition"},
        {"flow: x\n    expect: \"a\" == b\n", "test.yaml:2:11: error: `: ` can't stand here"},
        {"flow: x\na:\n  expect: \"a\" == b\n",
         "      = hint: put quotes around the whole condition"},
        {"flow: x\nrepeat:\n  other: \"a\" == b\n",
         "      = hint: put the whole value into quotes of the other kind"},
        {"flow: x\nname: a\n b: c\n", "test.yaml:3:3: error: `: ` can't stand here"},
    };
    EXPECT_ALL(mistakes);
}

static void test_places_with_other_line_ends(void **state)
{
    static const struct mistake mistakes[] = {
        {"flow: x\rtasks:\r  a:\r    sh: date\r    if: |\r      true &&\r      foo == 1\r",
         "test.yaml:7:7: error: unknown name `foo`"},
        {"flow: x\r\ntasks:\r\n  a:\r\n    sh: date\r\n    if: |\r\n      true &&\r\n"
         "      foo == 1\r\n",
         "test.yaml:7:7: error: unknown name `foo`"},
        {"flow: x\rtasks: {a: {noop: }}\rx: 1\r", "test.yaml:3:1: error: unknown key `x`"},
        {"flow: x\r" TASKS "if: |", "test.yaml:3:1: error: `if` can't stand at the top"},
        {"flow: x\ntasks:\n  a:\n    sh: date\n    if: |",
         "test.yaml:5:10: error: in the expression: expected an expression, found nothing"},
    };
    EXPECT_ALL(mistakes);
}

/* `head`, and `line` so many times, with its number. */
static struct buffer repeated(const char *head, const char *line, int count)
{
    struct buffer text = {0};
    buffer_add_string(&text, head);
    for (int i = 0; i < count; i++) {
        for (const char *at = line; *at; at++) {
            if (*at == '#')
                buffer_printf(&text, "%d", i);
            else
                buffer_add_char(&text, *at);
        }
    }
    return text;
}

/* What is not listed needs no hint, and costs no search for one. */
static void test_more_than_is_listed(void **state)
{
    static const char *const lines[] = {
        "  t#: {set: \"${ input.n# }\"}\n",
        "  t#: {set: \"${ tasks.n#.result }\"}\n",
        "  t#: {noop: , needs: n#}\n",
        "  t#: {set: \"${ n# }\"}\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct buffer text = repeated("flow: x\ninput: {nn: string}\ntasks:\n", lines[i], 150);
        bad(text.data, "test.yaml: more problems were found; the first 100 are shown\n");
        buffer_done(&text);
    }
}

/* Warnings leave room for errors. */
static void test_errors_behind_many_warnings(void **state)
{
    struct buffer text = repeated("flow: x\nsteps:\n", "- {sh: \"echo ${input.n}\"}\n", 70);
    buffer_add_string(&text, "- {set: \"${ input.n }\"}\n- {set: \"${ input.m }\"}\n");
    bad(text.data, "test.yaml:73:19: error: the input `n` is not declared\n");
    bad(text.data, "test.yaml:74:19: error: the input `m` is not declared\n");
    buffer_done(&text);
}

static void test_many_values(void **state)
{
    struct buffer text = repeated("flow: x\ntasks: {a: {sh: date, retry: {values: [", "#,", 10001);
    buffer_add_string(&text, "]}}}\n");
    bad(text.data, "test.yaml:2:39: error: `values` must have from 1 to 10000 values\n");
    buffer_done(&text);
}

static void test_deep_json(void **state)
{
    struct buffer text = repeated("{\"flow\": \"x\", \"tasks\": {\"a\": {\"set\": ", "[", 200);
    for (int i = 0; i < 200; i++)
        buffer_add_char(&text, ']');
    buffer_add_string(&text, "}}}");
    bad(text.data, "error: nested more than 200 levels deep\n");
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_flows),
        cmocka_unit_test(test_whole_files),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_yaml),
        cmocka_unit_test(test_places_with_other_line_ends),
        cmocka_unit_test(test_more_than_is_listed),
        cmocka_unit_test(test_errors_behind_many_warnings),
        cmocka_unit_test(test_many_values),
        cmocka_unit_test(test_deep_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
