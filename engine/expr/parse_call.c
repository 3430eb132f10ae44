/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/parse.h"

#include <stdio.h>

#include "engine/expr/function.h"
#include "engine/expr/regex.h"

/* Arguments up to and with the closing bracket; p stands on the opening one. */
static bool parse_arguments(struct parser *p, struct args *args)
{
    if (!parse_advance(p))
        return false;
    while (!parse_at(p, ")")) {
        struct node *argument = parse_expr(p);
        if (!argument)
            return false;
        parse_args_add(p, args, argument);
        int comma = parse_accept(p, ",");
        if (comma < 0)
            return false;
        if (!comma)
            break;
        if (parse_at(p, ")")) {
            parse_fail(p, p->token.offset, "expected an argument behind the comma");
            return false;
        }
    }
    return parse_expect(p, ")", "or ',' in a call");
}

static struct node *unknown_call(struct parser *p, struct node *node, struct text name,
                                 enum function_form form, const struct args *args)
{
    char hint[160];
    function_hint(name, form, hint, sizeof hint);
    if (!p->lenient)
        return parse_fail(p, node->offset, "%s", hint);
    node->kind = NODE_UNKNOWN_CALL;
    node->call.name = name;
    return parse_args_done(p, node, args);
}

static struct node *wrong_count(struct parser *p, struct node *node,
                                const struct function *function, struct text name,
                                enum function_form form, const struct args *args)
{
    unsigned target = form == FORM_METHOD;
    unsigned least = function->args_min - target, most = function->args_max - target;
    size_t given = args->count - target;
    if (p->lenient)
        return unknown_call(p, node, name, form, args);
    if (least == most)
        return parse_fail(p, node->offset, "%.*s() takes %u argument%s, not %zu", TEXT_ARG(name),
                          least, least == 1 ? "" : "s", given);
    return parse_fail(p, node->offset, "%.*s() takes %u to %u arguments, not %zu", TEXT_ARG(name),
                      least, most, given);
}

/* A constant pattern is compiled once, and its mistakes are found early. */
static bool prepare_regex(struct parser *p, struct node *node)
{
    const struct node *pattern = node->call.args[1];
    if (pattern->kind != NODE_LITERAL || pattern->literal.kind != VALUE_STRING)
        return true;
    char what[128];
    struct regex *regex = NULL;
    if (regex_compile(p->arena, pattern->literal.text, &regex, what, sizeof what)) {
        if (p->lenient)
            return true;
        parse_fail(p, pattern->offset, "%s", what);
        return false;
    }
    node->call.regex = regex;
    return true;
}

struct node *parse_call(struct parser *p, struct node *target, struct text name, size_t offset)
{
    enum function_form form = target ? FORM_METHOD : FORM_GLOBAL;
    bool is_macro;
    struct node *node = parse_macro(p, target, name, offset, &is_macro);
    if (is_macro)
        return node;
    struct args args = {0};
    if (target)
        parse_args_add(p, &args, target);
    if (!parse_arguments(p, &args))
        return NULL;
    node = parse_node(p, NODE_CALL, offset);
    const struct function *function = function_find(name, form);
    if (!function)
        return unknown_call(p, node, name, form, &args);
    if (args.count < function->args_min || args.count > function->args_max)
        return wrong_count(p, node, function, name, form, &args);
    node->call.function = function;
    if (!parse_args_done(p, node, &args))
        return NULL;
    return function_is_matches(function) && !prepare_regex(p, node) ? NULL : node;
}
