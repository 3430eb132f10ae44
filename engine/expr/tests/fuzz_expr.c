/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds a source and a document, cut at the first zero byte, to everything that reads them. */
#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"
#include "engine/expr/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t find(void *context, const struct text *names, size_t count, struct text *ret_json)
{
    *ret_json = *(struct text *)context;
    return count > 1 && names[0].len > 5 ? 2 : 1;
}

static void visit(void *context, const struct expr_path *path)
{
    CHECK(path->count >= 1);
}

/* What comes out must be JSON. */
static void check_json(struct arena *arena, const struct buffer *out, struct text document)
{
    struct json *json;
    struct error error = {0};
    if (json_parse(arena, document, &json, NULL) == 0)
        CHECK(json_parse(arena, buffer_text(out), &json, &error) == 0);
}

static void run_expr(struct text source, const struct expr_scope *scope, struct text document)
{
    struct arena arena = {0}, scratch = {0};
    struct expr *expr;
    struct expr_error error;
    struct expr_limits limits = {.cost_max = 20000, .bytes_max = 1 << 20};
    struct buffer out;
    bool value;
    buffer_init(&out, 0);
    if (expr_compile(&arena, source, &expr, &error) == 0) {
        expr_each_path(expr, visit, NULL);
        if (expr_eval(expr, &scratch, scope, &limits, &out, &error) == 0)
            check_json(&scratch, &out, document);
        else
            CHECK(error.code && out.len == 0);
        expr_eval_bool(expr, &scratch, scope, &limits, &value, &error);
    } else {
        CHECK(error.code && error.offset <= source.len);
    }
    buffer_done(&out);
    arena_done(&arena);
    arena_done(&scratch);
}

static void run_template(struct text source, const struct expr_scope *scope, struct text document)
{
    struct arena arena = {0}, scratch = {0};
    struct template *template;
    struct expr_error error;
    struct expr_limits limits = {.cost_max = 20000, .bytes_max = 1 << 20};
    struct buffer out;
    buffer_init(&out, 0);
    if (template_compile(&arena, source, &template, &error) == 0 ||
        template_compile_string(&arena, source, &template, &error) == 0) {
        template_each_path(template, visit, NULL);
        if (template_eval(template, &scratch, scope, &limits, &out, &error) == 0)
            check_json(&scratch, &out, document);
        buffer_clear(&out);
        template_eval_text(template, &scratch, scope, &limits, &out, &error);
    }
    buffer_done(&out);
    arena_done(&arena);
    arena_done(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const uint8_t *cut = size ? memchr(data, 0, size) : NULL;
    size_t len = cut ? (size_t)(cut - data) : size;
    struct text source = {text, len};
    struct text document =
        cut ? (struct text){text + len + 1, size - len - 1} : TEXT("{\"a\":[1]}");
    struct expr_scope scope = {&document, find};
    run_expr(source, &scope, document);
    run_template(source, &scope, document);
    return 0;
}
