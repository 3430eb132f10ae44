/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "engine/expr/tests/expr_testing.h"

/* Far more than a million steps take, even under sanitizers on a loaded machine. */
#define QUICK_MS 5000

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Must end at a limit, and soon. */
static void ends(const char *source, const struct document *docs, int code)
{
    int64_t start_ms = now_ms();
    testing_fails(source, docs, code, code == ERR_COST ? "too many steps" : "too");
    int64_t took_ms = now_ms() - start_ms;
    if (took_ms > QUICK_MS)
        print_message("%s took %lld ms\n", source, (long long)took_ms);
    assert_true(took_ms <= QUICK_MS);
}

static void nested_loops_end(void **state)
{
    ends("[1,2,3,4,5,6,7,8,9,10].map(a, [1,2,3,4,5,6,7,8,9,10].map(b, "
         "[1,2,3,4,5,6,7,8,9,10].map(c, [1,2,3,4,5,6,7,8,9,10].map(d, "
         "[1,2,3,4,5,6,7,8,9,10].map(e, [1,2,3,4,5,6,7,8,9,10].map(f, f))))))",
         NULL, ERR_COST);
}

static void costs_are_not_absorbed(void **state)
{
    ends("cel.bind(l, [0,0,0,0,0,0,0,0,0,0], l.all(a, l.all(b, l.all(c, l.all(d, l.all(e, "
         "l.all(f, l.all(g, true)))))))) || true",
         NULL, ERR_COST);
}

/* bind(s, 'xxxxxxxx', bind(s, s + s + s + s …)): grows eightfold a level. */
static void doubling(struct buffer *out, const char *seed, const char *step, int levels,
                     const char *end)
{
    buffer_init(out, 0);
    buffer_printf(out, "cel.bind(s, %s, ", seed);
    for (int i = 0; i < levels; i++)
        buffer_printf(out, "cel.bind(s, %s, ", step);
    buffer_add_string(out, end);
    for (int i = 0; i <= levels; i++)
        buffer_add_char(out, ')');
}

static void growing_values_end(void **state)
{
    static const struct {
        const char *seed, *step, *end;
        int code;
    } rows[] = {
        {"'xxxxxxxx'", "s+s+s+s+s+s+s+s", "s", ERR_TOO_LARGE},
        {"['x']", "s+s+s+s+s+s+s+s", "s", ERR_TOO_LARGE},
        {"['x']", "[s,s,s,s,s,s,s,s]", "s", ERR_COST},
        {"['x']", "[s,s,s,s,s,s,s,s]", "s == s", ERR_COST},
        {"['x']", "[s,s,s,s,s,s,s,s]", "'%s'.format([s])", ERR_COST},
        {"'xxxxxxxx'", "s.replace('x', s)", "s", ERR_TOO_LARGE},
        {"'xxxxxxxx'", "s.replace('', 'xxxxxxxx')", "s", ERR_TOO_LARGE},
        {"'xxxxxxxx'", "[s,s,s,s,s,s,s,s].join(s)", "s", ERR_TOO_LARGE},
        {"'xxxxxxxx'", "'%s%s%s%s%s%s%s%s'.format([s,s,s,s,s,s,s,s])", "s", ERR_TOO_LARGE},
        {"'xxxxxxxx'", "text([s,s,s,s,s,s,s,s])", "s", ERR_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer source;
        doubling(&source, rows[i].seed, rows[i].step, 12, rows[i].end);
        struct arena arena = {0}, scratch = {0};
        struct expr *expr;
        struct expr_error error = {0};
        struct buffer json;
        buffer_init(&json, 0);
        int64_t start_ms = now_ms();
        assert_int_equal(expr_compile(&arena, buffer_text(&source), &expr, &error), 0);
        int rc = expr_eval(expr, &scratch, NULL, NULL, &json, &error);
        /* Which limit comes first does not matter; that one comes does. */
        if (rc != ERR_COST && rc != ERR_TOO_LARGE)
            print_message("%s: %d %s\n", rows[i].step, rc, error.text);
        assert_true(rc == ERR_COST || rc == ERR_TOO_LARGE);
        assert_true(scratch.used_bytes < 2 * (size_t)EXPR_VALUE_MAX_BYTES);
        assert_true(now_ms() - start_ms <= QUICK_MS);
        buffer_done(&json);
        buffer_done(&source);
        arena_done(&arena);
        arena_done(&scratch);
    }
}

static char *long_text_document(size_t len)
{
    char *json = malloc(len + 3);
    json[0] = '"';
    memset(json + 1, 'a', len);
    json[len + 1] = '"';
    json[len + 2] = 0;
    return json;
}

static void exploding_patterns_end(void **state)
{
    char *text = long_text_document(100000);
    const struct document docs[] = {{"t", text}, {NULL, NULL}};
    ends("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a+)+$')", NULL, ERR_COST);
    ends("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a|aa)+$')", NULL, ERR_COST);
    ends("['^(a+)+$'].exists(p, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches(p))", NULL,
         ERR_COST);
    ends("t.matches('a*[bc]')", docs, ERR_COST);
    ends("t.matches('[^b]*[cd]')", docs, ERR_COST);
    ends("t.matches('.*.*.*[xy]')", docs, ERR_COST);
    ends("t.matches('(a*)*[xy]')", docs, ERR_COST);
    testing_gives("t.matches('^a+$')", docs, "true");
    testing_gives("t.matches('b')", docs, "false");
    testing_gives("t.matches('a*b')", docs, "false");
    free(text);
}

static void many_keys_are_found_quickly(void **state)
{
    struct buffer json;
    buffer_init(&json, 0);
    buffer_add_char(&json, '{');
    for (int i = 0; i < 20000; i++)
        buffer_printf(&json, "%s\"key%d\": %d", i ? "," : "", i, i);
    buffer_add_char(&json, '}');
    const struct document docs[] = {{"m", json.data}, {NULL, NULL}};
    testing_gives("m.all(k, m[k] >= 0)", docs, "true");
    testing_gives("m.map(k, k).filter(k, k in m).size()", docs, "20000");
    testing_gives("m.transformMap(k, v, v + 1)['key19999']", docs, "20000");
    testing_gives("m == m.transformMap(k, v, v)", docs, "true");
    buffer_done(&json);
}

/* A large object that is asked again and again is opened, not searched each time. */
static void asking_often_costs_little(void **state)
{
    struct buffer json;
    buffer_init(&json, 0);
    buffer_printf(&json, "{\"big\": \"%0500000d\", \"list\": [0", 0);
    for (int i = 1; i < 2000; i++)
        buffer_printf(&json, ",%d", i);
    buffer_add_string(&json, "], \"x\": 1}");
    const struct document docs[] = {{"r", json.data}, {NULL, NULL}};
    testing_gives("cel.bind(b, r, r.list.map(i, b.x + i).size())", docs, "2000");
    buffer_done(&json);
}

static void large_documents_cost_little(void **state)
{
    struct buffer json;
    buffer_init(&json, 0);
    buffer_add_string(&json, "{\"big\": \"");
    for (int i = 0; i < 16 * 1024; i++)
        buffer_printf(&json, "%01000d", 0);
    buffer_add_string(&json, "\", \"x\": 5}");
    const struct document docs[] = {{"r", json.data}, {NULL, NULL}};
    testing_gives("r.x == 5 && r.x < 6 && has(r.x)", docs, "true");
    testing_gives("r.x", docs, "5");
    buffer_done(&json);
}

/* `count` times `open`, an `inner`, and as many `close`. */
static char *nest(const char *open, const char *inner, const char *close, int count)
{
    struct buffer out;
    buffer_init(&out, 0);
    for (int i = 0; i < count; i++)
        buffer_add_string(&out, open);
    buffer_add_string(&out, inner);
    for (int i = 0; i < count; i++)
        buffer_add_string(&out, close);
    return out.data;
}

static void deep_sources_are_refused(void **state)
{
    static const struct {
        const char *open, *inner, *close;
    } rows[] = {
        {"(", "1", ")"},   {"[", "1", "]"},        {"{'a':", "1", "}"},
        {"-(", "1", ")"},  {"!-", "true", ""},     {"size(", "''", ")"},
        {"", "a", "[b]"},  {"", "a", ".f(b)"},     {"true ? ", "1", ":1"},
        {"1 < ", "1", ""}, {"", "'a'", ".trim()"}, {"[", "1", "].map(x, x)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *source = nest(rows[i].open, rows[i].inner, rows[i].close, 4000);
        struct arena arena = {0};
        struct expr *expr;
        struct expr_error error = {0};
        assert_int_equal(expr_compile(&arena, text_of(source), &expr, &error), ERR_INVALID);
        arena_done(&arena);
        free(source);
    }
    char *fine = nest("(", "1", ")", EXPR_DEPTH_MAX - 1);
    testing_gives(fine, NULL, "1");
    free(fine);
}

static void long_chains_are_no_nesting(void **state)
{
    char *sum = nest("1 + ", "1", "", 5000), *logic = nest("true && ", "true", "", 5000);
    testing_gives(sum, NULL, "5001");
    testing_gives(logic, NULL, "true");
    free(sum);
    free(logic);
    char *source = malloc(EXPR_SOURCE_MAX_BYTES + 2);
    memset(source, ' ', EXPR_SOURCE_MAX_BYTES + 1);
    source[EXPR_SOURCE_MAX_BYTES + 1] = 0;
    testing_fails(source, NULL, ERR_TOO_LARGE, "at most");
    free(source);
}

static void deep_values_are_refused(void **state)
{
    struct buffer source;
    doubling(&source, "[[[[[[[[1]]]]]]]]", "[[[[[[[[s]]]]]]]]", 100, "s == s");
    testing_fails(source.data, NULL, ERR_TOO_LARGE, "nested too deeply");
    buffer_done(&source);
    char *json = nest("[", "1", "]", 512);
    const struct document docs[] = {{"d", json}, {NULL, NULL}};
    testing_gives("d == d", docs, "true");
    testing_gives("d", docs, json);
    testing_fails("[d]", docs, ERR_TOO_LARGE, "nested too deeply for JSON");
    free(json);
}

static void own_limits_hold(void **state)
{
    struct arena arena = {0}, scratch = {0};
    struct expr *expr;
    struct expr_error error = {0};
    struct expr_limits limits = {.cost_max = 20};
    struct buffer out;
    buffer_init(&out, 0);
    assert_int_equal(expr_compile(&arena, TEXT("[1,2,3].map(x, x + 1)"), &expr, &error), 0);
    assert_int_equal(expr_eval(expr, &scratch, NULL, &limits, &out, &error), ERR_COST);
    limits = (struct expr_limits){.bytes_max = 200};
    assert_int_equal(expr_eval(expr, &scratch, NULL, &limits, &out, &error), ERR_TOO_LARGE);
    limits = (struct expr_limits){0};
    assert_int_equal(expr_eval(expr, &scratch, NULL, &limits, &out, &error), 0);
    assert_string_equal(out.data, "[2,3,4]");
    buffer_done(&out);
    arena_done(&arena);
    arena_done(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_loops_end),
        cmocka_unit_test(costs_are_not_absorbed),
        cmocka_unit_test(growing_values_end),
        cmocka_unit_test(exploding_patterns_end),
        cmocka_unit_test(many_keys_are_found_quickly),
        cmocka_unit_test(asking_often_costs_little),
        cmocka_unit_test(large_documents_cost_little),
        cmocka_unit_test(deep_sources_are_refused),
        cmocka_unit_test(long_chains_are_no_nesting),
        cmocka_unit_test(deep_values_are_refused),
        cmocka_unit_test(own_limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
