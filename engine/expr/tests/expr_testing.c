/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/tests/expr_testing.h"

/* The longest prefix of the names that there is a document for. */
static size_t find(void *context, const struct text *names, size_t count, struct text *ret_json)
{
    for (size_t used = count; used > 0; used--) {
        struct buffer name;
        buffer_init(&name, 0);
        for (size_t i = 0; i < used; i++) {
            if (i > 0)
                buffer_add_char(&name, '.');
            buffer_add_text(&name, names[i]);
        }
        for (const struct document *d = context; d && d->name; d++) {
            if (text_equal(buffer_text(&name), text_of(d->name))) {
                buffer_done(&name);
                *ret_json = text_of(d->json);
                return used;
            }
        }
        buffer_done(&name);
    }
    return 0;
}

struct expr_scope testing_scope(const struct document *documents)
{
    return (struct expr_scope){(void *)documents, find};
}

static int evaluate(const char *source, const struct document *documents, struct buffer *ret_json,
                    struct expr_error *ret_error)
{
    struct arena arena = {0}, scratch = {0};
    struct expr *expr;
    struct expr_scope scope = testing_scope(documents);
    int rc = expr_compile(&arena, text_of(source), &expr, ret_error);
    if (!rc)
        rc = expr_eval(expr, &scratch, &scope, NULL, ret_json, ret_error);
    assert_int_equal(rc, ret_error->code);
    arena_done(&arena);
    arena_done(&scratch);
    return rc;
}

char *testing_eval(const char *source, const struct document *documents)
{
    struct buffer json;
    struct expr_error error = {0};
    buffer_init(&json, 0);
    if (evaluate(source, documents, &json, &error)) {
        assert_int_equal(json.len, 0);
        buffer_printf(&json, "E: %s", error.text);
    }
    return json.data;
}

void testing_gives(const char *source, const struct document *documents, const char *expected)
{
    char *got = testing_eval(source, documents);
    if (strcmp(got, expected) != 0)
        print_message("%s\n", source);
    assert_string_equal(got, expected);
    free(got);
}

void testing_fails(const char *source, const struct document *documents, int code, const char *part)
{
    struct buffer json;
    struct expr_error error = {0};
    buffer_init(&json, 0);
    int rc = evaluate(source, documents, &json, &error);
    if (rc != code || !strstr(error.text, part))
        print_message("%s: %d %s %s\n", source, rc, error.text, json.data ? json.data : "");
    assert_int_equal(rc, code);
    assert_non_null(strstr(error.text, part));
    buffer_done(&json);
}

void testing_refuses(const char *source, size_t offset, const char *part)
{
    struct arena arena = {0};
    struct expr *expr;
    struct expr_error error = {0};
    int rc = expr_compile(&arena, text_of(source), &expr, &error);
    if (rc != ERR_INVALID || !strstr(error.text, part) || error.offset != offset)
        print_message("%s: %d at %zu: %s\n", source, rc, error.offset, error.text);
    assert_int_equal(rc, ERR_INVALID);
    assert_non_null(strstr(error.text, part));
    assert_int_equal(error.offset, offset);
    arena_done(&arena);
}
