/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/eval.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "engine/expr/function.h"
#include "engine/expr/regex.h"

/* A failure costs this much: it is put into words each time. */
#define FAILURE_COST 8

/* Arguments of a call beyond these are kept in the arena instead of on the stack. */
#define FEW_ARGS 4

int eval_fail(struct eval *eval, const char *format, ...)
{
    char text[sizeof eval->error->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return eval_fail_code(eval, ERR_REFUSED, text);
}

int eval_fail_code(struct eval *eval, int code, const char *text)
{
    if (code == ERR_REFUSED && eval_charge(eval, FAILURE_COST))
        return eval->error->code;
    return expr_error_set(eval->error, code, eval->offset, "%s", text);
}

int eval_fail_types(struct eval *eval, const char *what, const struct value *args, size_t count)
{
    char types[160] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof types; i++)
        used += (size_t)snprintf(types + used, sizeof types - used, "%s%s", i == 0 ? "" : ", ",
                                 value_kind_name(args[i].kind));
    return eval_fail(eval, "%s is not defined for (%s)", what, types);
}

int eval_charge_slow(struct eval *eval)
{
    eval->cost_left = 0;
    return expr_error_set(eval->error, ERR_COST, eval->offset,
                          "the expression takes too many steps");
}

static bool take_bytes(struct eval *eval, size_t bytes)
{
    if (bytes > eval->bytes_left) {
        eval->bytes_left = 0;
        expr_error_set(eval->error, ERR_TOO_LARGE, eval->offset,
                       "the expression builds values that are too large");
        return false;
    }
    eval->bytes_left -= bytes;
    return true;
}

void *eval_alloc(struct eval *eval, size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        total = SIZE_MAX;
    return take_bytes(eval, total) ? arena_calloc(eval->arena, 1, total) : NULL;
}

int eval_account(struct eval *eval, size_t bytes)
{
    return take_bytes(eval, bytes) ? 0 : eval->error->code;
}

char *eval_alloc_text(struct eval *eval, size_t len)
{
    return take_bytes(eval, len) ? arena_alloc(eval->arena, len + 1) : NULL;
}

int eval_take_buffer(struct eval *eval, struct buffer *buffer, struct text *ret_text)
{
    char *copy = eval_alloc_text(eval, buffer->len);
    if (copy && buffer->len)
        memcpy(copy, buffer->data, buffer->len);
    *ret_text = (struct text){copy, buffer->len};
    buffer_done(buffer);
    return copy ? 0 : eval->error->code;
}

int eval_args(struct eval *eval, const struct node *node, struct value *ret_args)
{
    for (size_t i = 0; i < node->call.count; i++) {
        int rc = eval_node(eval, node->call.args[i], &ret_args[i]);
        if (rc)
            return rc;
    }
    return 0;
}

static int match_constant(struct eval *eval, const struct node *node, struct value *ret)
{
    struct value subject;
    int rc = eval_node(eval, node->call.args[0], &subject);
    if (rc)
        return rc;
    eval->offset = node->offset;
    if (subject.kind != VALUE_STRING)
        return eval_fail_types(eval, "matches()", &subject, 1);
    bool match = false;
    rc = eval_charge(eval, REGEX_MATCH_COST + subject.text.len / 32);
    if (rc)
        return rc;
    rc = regex_match(node->call.regex, subject.text, &eval->cost_left, &match);
    *ret = value_bool(match);
    return rc == ERR_COST ? eval_charge_slow(eval)
           : rc           ? eval_fail(eval, "matches() failed on this text")
                          : 0;
}

/* or() and orValue() leave their argument alone when there is a value. */
static int call_lazy(struct eval *eval, const struct node *node, struct value *ret)
{
    struct value args[2];
    int rc = eval_node(eval, node->call.args[0], &args[0]);
    if (rc)
        return rc;
    bool present = args[0].kind == VALUE_OPTIONAL && args[0].inner;
    args[1] = value_null();
    if (!present)
        rc = eval_node(eval, node->call.args[1], &args[1]);
    eval->offset = node->offset;
    return rc ? rc : node->call.function->call(eval, args, 2, ret);
}

static int call(struct eval *eval, const struct node *node, struct value *ret)
{
    struct value few[FEW_ARGS];
    struct value *args = few;
    if (node->call.regex)
        return match_constant(eval, node, ret);
    if (function_is_lazy(node->call.function))
        return call_lazy(eval, node, ret);
    if (node->call.count > FEW_ARGS)
        args = eval_alloc(eval, node->call.count, sizeof *args);
    int rc = args ? eval_args(eval, node, args) : eval->error->code;
    eval->offset = node->offset;
    return rc ? rc : node->call.function->call(eval, args, node->call.count, ret);
}

static int unknown_call(struct eval *eval, const struct node *node)
{
    eval->offset = node->offset;
    return eval_fail(eval, "there is no function %.*s() with %zu argument%s",
                     TEXT_ARG(node->call.name), node->call.count, node->call.count == 1 ? "" : "s");
}

/* && and ||: the deciding value wins over failures on either side. */
static int logic(struct eval *eval, const struct node *node, bool deciding, struct value *ret)
{
    struct expr_error first;
    first.code = 0;
    for (size_t i = 0; i < node->call.count; i++) {
        struct value value;
        int rc = eval_node(eval, node->call.args[i], &value);
        if (!rc && value.kind != VALUE_BOOL) {
            eval->offset = node->call.args[i]->offset;
            rc = eval_fail(eval, "%s needs true or false, not %s", deciding ? "||" : "&&",
                           value_kind_name(value.kind));
        }
        if (rc && rc != ERR_REFUSED)
            return rc;
        if (rc && !first.code)
            first = *eval->error;
        if (!rc && value.boolean == deciding) {
            *ret = value;
            return 0;
        }
    }
    if (first.code) {
        *eval->error = first;
        return first.code;
    }
    *ret = value_bool(!deciding);
    return 0;
}

static int not(struct eval * eval, const struct node *node, struct value *ret)
{
    int rc = eval_node(eval, node->call.args[0], ret);
    if (rc)
        return rc;
    eval->offset = node->offset;
    if (ret->kind != VALUE_BOOL)
        return eval_fail(eval, "! needs true or false, not %s", value_kind_name(ret->kind));
    ret->boolean = !ret->boolean;
    return 0;
}

static int ternary(struct eval *eval, const struct node *node, struct value *ret)
{
    struct value condition;
    int rc = eval_node(eval, node->call.args[0], &condition);
    if (rc)
        return rc;
    eval->offset = node->offset;
    if (condition.kind != VALUE_BOOL)
        return eval_fail(eval, "a condition needs true or false, not %s",
                         value_kind_name(condition.kind));
    return eval_node(eval, node->call.args[condition.boolean ? 1 : 2], ret);
}

static int arithmetic(struct eval *eval, const struct node *node, struct value *ret)
{
    int rc = eval_node(eval, node->call.args[0], ret);
    for (size_t i = 1; !rc && i < node->call.count; i++) {
        struct value right, left = *ret;
        rc = eval_node(eval, node->call.args[i], &right);
        eval->offset = rc ? eval->offset : node->call.offsets[i - 1];
        if (!rc)
            rc = eval_arithmetic(eval, node->call.ops[i - 1], &left, &right, ret);
    }
    return rc;
}

/* The elements of a list literal; an element with `?` stands for none or one. */
static int list_literal(struct eval *eval, const struct node *node, struct value *ret)
{
    size_t count = 0;
    struct value *items = eval_alloc(eval, node->call.count, sizeof *items);
    if (!items)
        return eval->error->code;
    for (size_t i = 0; i < node->call.count; i++) {
        struct value *item = &items[count];
        int rc = eval_node(eval, node->call.args[i], item);
        if (rc)
            return rc;
        count++;
        if (!node->call.wraps[i])
            continue;
        eval->offset = node->call.args[i]->offset;
        if (item->kind != VALUE_OPTIONAL)
            return eval_fail(eval, "an element with ? needs an optional, not %s",
                             value_kind_name(item->kind));
        if (item->inner)
            *item = *item->inner;
        else
            count--;
    }
    eval->offset = node->offset;
    return list_new(eval, items, count, ret);
}

static int map_literal(struct eval *eval, const struct node *node, struct value *ret)
{
    struct map_builder builder;
    int rc = map_begin(eval, &builder, node->call.count / 2);
    for (size_t i = 0; !rc && i < node->call.count; i += 2) {
        struct value pair[2];
        rc = eval_node(eval, node->call.args[i], &pair[0]);
        if (!rc)
            rc = eval_node(eval, node->call.args[i + 1], &pair[1]);
        if (rc)
            return rc;
        eval->offset = node->call.args[i]->offset;
        if (node->call.wraps[i / 2]) {
            if (pair[1].kind != VALUE_OPTIONAL)
                return eval_fail(eval, "an entry with ? needs an optional, not %s",
                                 value_kind_name(pair[1].kind));
            if (!pair[1].inner)
                continue;
            pair[1] = *pair[1].inner;
        }
        rc = map_put(eval, &builder, &pair[0], &pair[1]);
    }
    eval->offset = node->offset;
    return rc ? rc : map_end(eval, &builder, ret);
}

static int local(struct eval *eval, const struct node *node, struct value *ret)
{
    *ret = eval->locals[node->local];
    if (ret->kind != VALUE_FAILED)
        return 0;
    *eval->error = *(const struct expr_error *)ret->failure;
    return eval->error->code;
}

static int compare(struct eval *eval, const struct node *node, struct value *ret)
{
    struct value args[2];
    int rc = eval_args(eval, node, args);
    if (rc)
        return rc;
    eval->offset = node->offset;
    return node->kind == NODE_IN ? eval_in(eval, &args[0], &args[1], ret)
                                 : eval_compare(eval, node->call.compare, &args[0], &args[1], ret);
}

static int negate(struct eval *eval, const struct node *node, struct value *ret)
{
    int rc = eval_node(eval, node->call.args[0], ret);
    eval->offset = rc ? eval->offset : node->offset;
    return rc ? rc : eval_negate(eval, ret);
}

int eval_node(struct eval *eval, const struct node *node, struct value *ret)
{
    if (eval_charge(eval, 1))
        return eval->error->code;
    switch (node->kind) {
    case NODE_LITERAL:
        *ret = node->literal;
        return 0;
    case NODE_PATH:
        return eval_path(eval, node, ret);
    case NODE_LOCAL:
        return local(eval, node, ret);
    case NODE_SELECT:
        return eval_select(eval, node, ret);
    case NODE_INDEX:
        return eval_index(eval, node, ret);
    case NODE_HAS:
        return eval_has(eval, node->call.args[0], ret);
    case NODE_CALL:
        return call(eval, node, ret);
    case NODE_UNKNOWN_CALL:
        return unknown_call(eval, node);
    case NODE_NOT:
        return not(eval, node, ret);
    case NODE_NEGATE:
        return negate(eval, node, ret);
    case NODE_AND:
        return logic(eval, node, false, ret);
    case NODE_OR:
        return logic(eval, node, true, ret);
    case NODE_TERNARY:
        return ternary(eval, node, ret);
    case NODE_ARITHMETIC:
        return arithmetic(eval, node, ret);
    case NODE_COMPARE:
    case NODE_IN:
        return compare(eval, node, ret);
    case NODE_LIST:
        return list_literal(eval, node, ret);
    case NODE_MAP:
        return map_literal(eval, node, ret);
    case NODE_LOOP:
        return eval_loop(eval, node, ret);
    case NODE_BIND:
        return eval_bind(eval, node, ret);
    }
    UNREACHABLE();
}

int eval_prepare(struct eval *eval, const struct expr *expr)
{
    eval->locals = eval_alloc(eval, expr->local_count, sizeof *eval->locals);
    eval->found = eval_alloc(eval, expr->slot_count, sizeof *eval->found);
    if (!eval->locals || !eval->found)
        return eval->error->code;
    for (size_t i = 0; i < expr->slot_count; i++)
        eval->found[i].kind = VALUE_JSON;
    return 0;
}

int eval_run(struct eval *eval, const struct expr *expr, struct value *ret)
{
    int rc = eval_prepare(eval, expr);
    return rc ? rc : eval_node(eval, expr->root, ret);
}
