/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/expr.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/expr/run.h"

int expr_error_set(struct expr_error *error, int code, size_t offset, const char *format, ...)
{
    va_list args;
    error->code = code;
    error->offset = offset;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return code;
}

static struct expr_path path_of(const struct node *node)
{
    return (struct expr_path){node->path.names, node->path.count, node->offset};
}

void expr_each_path(const struct expr *expr,
                    void (*visit)(void *context, const struct expr_path *path), void *context)
{
    for (size_t i = 0; i < expr->path_count; i++) {
        struct expr_path path = path_of(expr->paths[i]);
        visit(context, &path);
    }
}

bool expr_is_pure_path(const struct expr *expr, struct expr_path *ret_path)
{
    if (expr->root->kind != NODE_PATH)
        return false;
    *ret_path = path_of(expr->root);
    return true;
}

/* A failure that was absorbed left its words. */
static void clear_error(struct expr_error *error)
{
    error->code = 0;
    error->offset = 0;
    error->text[0] = 0;
}

void run_start(struct eval *eval, struct arena *scratch, const struct expr_scope *scope,
               const struct expr_limits *limits, struct expr_error *error)
{
    *eval = (struct eval){.arena = scratch, .scope = scope, .error = error};
    eval->cost_left = limits && limits->cost_max ? limits->cost_max : EXPR_COST_MAX;
    eval->bytes_left = limits && limits->bytes_max ? limits->bytes_max : EXPR_VALUE_MAX_BYTES;
    clear_error(error);
}

static int run_json(struct eval *eval, const struct expr *expr, struct buffer *ret_json)
{
    struct text raw;
    struct value value;
    int rc = eval_prepare(eval, expr);
    if (!rc)
        rc = eval_raw(eval, expr->root, &raw);
    if (rc)
        return rc;
    if (raw.data) {
        buffer_add_text(ret_json, raw);
        return 0;
    }
    rc = eval_node(eval, expr->root, &value);
    eval->offset = expr->root->offset;
    return rc ? rc : value_to_json(eval, &value, ret_json);
}

static int run_text(struct eval *eval, const struct expr *expr, struct buffer *ret_text)
{
    struct text raw;
    struct value value;
    int rc = eval_prepare(eval, expr);
    if (!rc)
        rc = eval_raw(eval, expr->root, &raw);
    if (rc)
        return rc;
    if (raw.data && (*raw.data == '-' || (*raw.data >= '0' && *raw.data <= '9'))) {
        buffer_add_text(ret_text, raw);
        return 0;
    }
    rc = raw.data ? json_to_value(eval, raw, &value) : eval_node(eval, expr->root, &value);
    eval->offset = expr->root->offset;
    return rc ? rc : value_to_text(eval, &value, ret_text);
}

int run_append(const struct expr *expr, enum run_form form, struct arena *scratch,
               const struct expr_scope *scope, const struct expr_limits *limits,
               struct buffer *ret_buffer, struct expr_error *error)
{
    struct eval eval;
    size_t before = ret_buffer->len;
    run_start(&eval, scratch, scope, limits, error);
    int rc =
        form == RUN_JSON ? run_json(&eval, expr, ret_buffer) : run_text(&eval, expr, ret_buffer);
    if (!rc && ret_buffer->overflowed)
        rc = eval_fail_code(&eval, ERR_TOO_LARGE, "the result is too large");
    if (rc && ret_buffer->len > before) {
        ret_buffer->len = before;
        ret_buffer->data[before] = 0;
    }
    if (!rc)
        clear_error(error);
    return rc;
}

int expr_eval(const struct expr *expr, struct arena *scratch, const struct expr_scope *scope,
              const struct expr_limits *limits, struct buffer *ret_json,
              struct expr_error *ret_error)
{
    struct expr_error unwanted;
    return run_append(expr, RUN_JSON, scratch, scope, limits, ret_json,
                      ret_error ? ret_error : &unwanted);
}

int expr_eval_bool(const struct expr *expr, struct arena *scratch, const struct expr_scope *scope,
                   const struct expr_limits *limits, bool *ret_value, struct expr_error *ret_error)
{
    struct expr_error unwanted;
    struct eval eval;
    struct value value;
    run_start(&eval, scratch, scope, limits, ret_error ? ret_error : &unwanted);
    int rc = eval_run(&eval, expr, &value);
    if (rc)
        return rc;
    eval.offset = expr->root->offset;
    if (value.kind != VALUE_BOOL)
        return eval_fail(&eval, "a condition must give true or false, not %s",
                         value_kind_name(value.kind));
    *ret_value = value.boolean;
    clear_error(eval.error);
    return 0;
}
