/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/parse.h"

/* A macro that is written as a method. */
struct shape {
    const char *name;
    enum macro macro;
    bool one_variable;  /* may have one variable */
    bool two_variables; /* may have two */
    bool filter;        /* may have a filter before its body */
};

static const struct shape shapes[] = {
    {"all", MACRO_ALL, true, true, false},
    {"exists", MACRO_EXISTS, true, true, false},
    {"exists_one", MACRO_EXISTS_ONE, true, true, false},
    {"existsOne", MACRO_EXISTS_ONE, true, true, false},
    {"map", MACRO_MAP, true, false, true},
    {"filter", MACRO_FILTER, true, false, false},
    {"transformList", MACRO_TRANSFORM_LIST, false, true, true},
    {"transformMap", MACRO_TRANSFORM_MAP, false, true, true},
    {"transformMapEntry", MACRO_TRANSFORM_MAP_ENTRY, false, true, true},
    {"optMap", MACRO_OPT_MAP, true, false, false},
    {"optFlatMap", MACRO_OPT_FLAT_MAP, true, false, false},
};

static const struct shape *find_shape(struct text name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (text_equal(name, text_of(shapes[i].name)))
            return &shapes[i];
    }
    return NULL;
}

/* Takes `NAME ,`. */
static bool take_variable(struct parser *p, const char *macro, struct text *ret_name)
{
    static const char *const words[] = {"true", "false", "null", "in"};
    struct token name = p->token;
    bool word = name.kind == TOKEN_NAME && !name.quoted;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        word = word && !text_equal(name.text, text_of(words[i]));
    if (!word) {
        parse_fail(p, name.offset, "%s() expects the name of a variable first", macro);
        return false;
    }
    *ret_name = name.text;
    return parse_advance(p) && parse_expect(p, ",", "behind the variable");
}

/* Whether `NAME ,` follows: a second variable. Takes nothing. */
static bool at_second_variable(struct parser *p)
{
    struct parser ahead = *p;
    struct expr_error unwanted = {0};
    ahead.error = &unwanted;
    ahead.lexer.error = &unwanted;
    return p->token.kind == TOKEN_NAME && !p->token.quoted && parse_advance(&ahead) &&
           parse_at(&ahead, ",");
}

static struct binding bind(struct parser *p, struct text name)
{
    return (struct binding){name, p->expr->local_count++, p->bindings};
}

static bool adopt_parts(struct parser *p, struct node *node)
{
    return parse_adopt(p, node, node->macro.range) &&
           (!node->macro.filter || parse_adopt(p, node, node->macro.filter)) &&
           parse_adopt(p, node, node->macro.body);
}

/* `[filter ,] body )` with the variables in sight. */
static bool parse_body(struct parser *p, struct node *node, bool filter)
{
    node->macro.body = parse_expr(p);
    if (!node->macro.body)
        return false;
    int comma = filter ? parse_accept(p, ",") : 0;
    if (comma < 0)
        return false;
    if (comma) {
        node->macro.filter = node->macro.body;
        node->macro.body = parse_expr(p);
    }
    return node->macro.body && parse_expect(p, ")", "to close the call");
}

static struct node *parse_loop(struct parser *p, struct node *target, const struct shape *shape,
                               size_t offset)
{
    bool bind_only = shape->macro == MACRO_OPT_MAP || shape->macro == MACRO_OPT_FLAT_MAP;
    struct node *node = parse_node(p, bind_only ? NODE_BIND : NODE_LOOP, offset);
    struct text names[2];
    if (!parse_advance(p) || !take_variable(p, shape->name, &names[0]))
        return NULL;
    bool two = shape->two_variables && (!shape->one_variable || at_second_variable(p));
    if (two && !take_variable(p, shape->name, &names[1]))
        return NULL;
    if (two && text_equal(names[0], names[1]))
        return parse_fail(p, offset, "the two variables of %s() need two names", shape->name);
    const struct binding *outer = p->bindings;
    struct binding first = bind(p, names[0]), second;
    p->bindings = &first;
    if (two) {
        second = bind(p, names[1]);
        p->bindings = &second;
        node->macro.locals[1] = second.slot;
    }
    node->macro.macro = shape->macro;
    node->macro.range = target;
    node->macro.locals[0] = first.slot;
    node->macro.two = two;
    bool done = parse_body(p, node, shape->filter);
    p->bindings = outer;
    return done && adopt_parts(p, node) ? node : NULL;
}

/* cel.bind(name, value, body) */
static struct node *parse_bind(struct parser *p, size_t offset)
{
    struct node *node = parse_node(p, NODE_BIND, offset);
    struct text name;
    if (!parse_advance(p) || !take_variable(p, "cel.bind", &name))
        return NULL;
    node->macro.macro = MACRO_BIND;
    node->macro.range = parse_expr(p);
    if (!node->macro.range || !parse_expect(p, ",", "behind the value of cel.bind()"))
        return NULL;
    const struct binding *outer = p->bindings;
    struct binding binding = bind(p, name);
    p->bindings = &binding;
    node->macro.locals[0] = binding.slot;
    bool done = parse_body(p, node, false);
    p->bindings = outer;
    return done && adopt_parts(p, node) ? node : NULL;
}

static struct node *parse_has(struct parser *p, size_t offset)
{
    struct node *node = parse_node(p, NODE_HAS, offset);
    struct node *argument = parse_advance(p) ? parse_expr(p) : NULL;
    if (!argument || !parse_expect(p, ")", "behind the argument of has()"))
        return NULL;
    bool select = argument->kind == NODE_SELECT && !argument->optional;
    if (!select && !(argument->kind == NODE_PATH && argument->path.count >= 2))
        return parse_fail(p, argument->offset, "has() asks for a field: has(a.b)");
    struct args args = {0};
    parse_args_add(p, &args, argument);
    return parse_args_done(p, node, &args);
}

struct node *parse_macro(struct parser *p, struct node *target, struct text name, size_t offset,
                         bool *ret_is_macro)
{
    const struct shape *shape = target ? find_shape(name) : NULL;
    *ret_is_macro = true;
    if (shape)
        return parse_loop(p, target, shape, offset);
    if (!target && text_equal(name, TEXT("has")))
        return parse_has(p, offset);
    if (!target && text_equal(name, TEXT("cel.bind")))
        return parse_bind(p, offset);
    *ret_is_macro = false;
    return NULL;
}
