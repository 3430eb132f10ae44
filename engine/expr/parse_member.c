/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/parse.h"

#include "engine/expr/function.h"

static bool is_reserved(struct text name)
{
    static const char *const words[] = {
        "as",  "break", "const", "continue", "else",      "for",    "function", "if",   "import",
        "let", "loop",  "in",    "package",  "namespace", "return", "var",      "void", "while"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (text_equal(name, text_of(words[i])))
            return true;
    }
    return false;
}

static const struct binding *find_binding(const struct parser *p, struct text name)
{
    const struct binding *b = p->bindings;
    while (b && !text_equal(b->name, name))
        b = b->outer;
    return b;
}

static void path_add(struct parser *p, struct node *path, struct text name)
{
    path->path.names = arena_grow(p->arena, path->path.names, path->path.count,
                                  path->path.count + 1, &path->path.capacity, sizeof name);
    path->path.names[path->path.count++] = name;
}

static struct node *new_path(struct parser *p, struct text name, size_t offset)
{
    struct expr *expr = p->expr;
    struct node *node = parse_node(p, NODE_PATH, offset);
    path_add(p, node, name);
    node->path.slot = expr->slot_count++;
    expr->paths = arena_grow(p->arena, expr->paths, expr->path_count, expr->path_count + 1,
                             &expr->path_capacity, sizeof *expr->paths);
    expr->paths[expr->path_count++] = node;
    return node;
}

static void drop_last_path(struct parser *p)
{
    p->expr->path_count--;
    p->expr->slot_count--;
}

static struct node *literal(struct parser *p, struct value value)
{
    struct node *node = parse_node(p, NODE_LITERAL, p->token.offset);
    node->literal = value;
    return parse_advance(p) ? node : NULL;
}

static struct node *parse_name(struct parser *p, bool rooted)
{
    struct token name = p->token;
    if (name.quoted)
        return parse_fail(p, name.offset, "a name between backquotes can only stand behind a dot");
    if (!rooted && text_equal(name.text, TEXT("true")))
        return literal(p, value_bool(true));
    if (!rooted && text_equal(name.text, TEXT("false")))
        return literal(p, value_bool(false));
    if (!rooted && text_equal(name.text, TEXT("null")))
        return literal(p, value_null());
    if (text_equal(name.text, TEXT("not")) && !find_binding(p, name.text))
        return parse_fail(p, name.offset, "expected an expression; write ! for not");
    if (is_reserved(name.text))
        return parse_fail(p, name.offset, "'%.*s' is a reserved word", TEXT_ARG(name.text));
    if (!parse_advance(p))
        return NULL;
    if (parse_at(p, "("))
        return parse_call(p, NULL, name.text, name.offset);
    const struct binding *binding = rooted ? NULL : find_binding(p, name.text);
    if (!binding)
        return new_path(p, name.text, name.offset);
    struct node *node = parse_node(p, NODE_LOCAL, name.offset);
    node->local = binding->slot;
    return node;
}

/* An element with an optional `?` before it; notes the sign. */
static bool accept_wrap(struct parser *p, bool **wraps, size_t count, size_t *capacity)
{
    int optional = parse_accept(p, "?");
    if (optional < 0)
        return false;
    *wraps = arena_grow(p->arena, *wraps, count, count + 1, capacity, sizeof **wraps);
    (*wraps)[count] = optional;
    return true;
}

static struct node *parse_list(struct parser *p)
{
    struct node *node = parse_node(p, NODE_LIST, p->token.offset);
    struct args args = {0};
    bool *wraps = NULL;
    size_t capacity = 0;
    if (!parse_advance(p))
        return NULL;
    while (!parse_at(p, "]")) {
        if (!accept_wrap(p, &wraps, args.count, &capacity))
            return NULL;
        struct node *element = parse_expr(p);
        if (!element)
            return NULL;
        parse_args_add(p, &args, element);
        int comma = parse_accept(p, ",");
        if (comma < 0)
            return NULL;
        if (!comma)
            break;
    }
    node->call.wraps = wraps;
    return parse_expect(p, "]", "or ',' in a list") ? parse_args_done(p, node, &args) : NULL;
}

static struct node *parse_map(struct parser *p)
{
    struct node *node = parse_node(p, NODE_MAP, p->token.offset);
    struct args args = {0};
    bool *wraps = NULL;
    size_t capacity = 0;
    if (!parse_advance(p))
        return NULL;
    while (!parse_at(p, "}")) {
        if (!accept_wrap(p, &wraps, args.count / 2, &capacity))
            return NULL;
        struct node *key = parse_expr(p);
        if (!key || !parse_expect(p, ":", "after a key"))
            return NULL;
        parse_args_add(p, &args, key);
        struct node *value = parse_expr(p);
        if (!value)
            return NULL;
        parse_args_add(p, &args, value);
        int comma = parse_accept(p, ",");
        if (comma < 0)
            return NULL;
        if (!comma)
            break;
    }
    node->call.wraps = wraps;
    return parse_expect(p, "}", "or ',' in a map") ? parse_args_done(p, node, &args) : NULL;
}

static struct node *parse_primary(struct parser *p)
{
    struct token *token = &p->token;
    switch (token->kind) {
    case TOKEN_INT:
        if (token->whole > INT64_MAX)
            return parse_fail(p, token->offset, "the number is too large for an int");
        return literal(p, value_int((int64_t)token->whole));
    case TOKEN_UINT:
        return literal(p, value_uint(token->whole));
    case TOKEN_DOUBLE:
        return literal(p, value_double(token->number));
    case TOKEN_STRING:
        return literal(p, value_string(token->text));
    case TOKEN_BYTES:
        return literal(p, value_bytes(token->text));
    case TOKEN_NAME:
        return parse_name(p, false);
    case TOKEN_END:
        return parse_fail(p, token->offset, "the expression ends too early");
    case TOKEN_PUNCTUATION:
        break;
    }
    if (parse_at(p, "[") || parse_at(p, "{"))
        return parse_at(p, "[") ? parse_list(p) : parse_map(p);
    if (parse_at(p, "(")) {
        struct node *inner = parse_advance(p) ? parse_expr(p) : NULL;
        return inner && parse_expect(p, ")", "to close the bracket") ? inner : NULL;
    }
    if (parse_at(p, ".")) {
        if (!parse_advance(p))
            return NULL;
        if (token->kind == TOKEN_NAME)
            return parse_name(p, true);
    }
    return parse_fail(p, token->offset, "expected an expression, not '%.*s'",
                      TEXT_ARG(token->text));
}

static struct node *select_field(struct parser *p, struct node *operand, struct text name,
                                 bool optional, size_t offset)
{
    if (operand->kind == NODE_PATH && !optional) {
        path_add(p, operand, name);
        return operand;
    }
    struct node *node = parse_node(p, NODE_SELECT, offset);
    node->optional = optional;
    node->select.operand = operand;
    node->select.name = name;
    return parse_adopt(p, node, operand) ? node : NULL;
}

/* `math.abs(` and the like: a function of a namespace, not a method of a variable. */
static bool is_namespaced(const struct node *operand)
{
    return operand->kind == NODE_PATH && operand->path.count == 1 &&
           function_is_namespace(operand->path.names[0]);
}

static struct node *parse_dot(struct parser *p, struct node *operand)
{
    int optional = parse_advance(p) ? parse_accept(p, "?") : -1;
    if (optional < 0)
        return NULL;
    struct token name = p->token;
    if (name.kind != TOKEN_NAME)
        return parse_fail(p, name.offset, "expected a field name behind the dot");
    if (!parse_advance(p))
        return NULL;
    if (!parse_at(p, "(") || optional || name.quoted)
        return select_field(p, operand, name.text, optional, name.offset);
    if (!is_namespaced(operand))
        return parse_call(p, operand, name.text, name.offset);
    struct text full =
        arena_printf(p->arena, "%.*s.%.*s", TEXT_ARG(operand->path.names[0]), TEXT_ARG(name.text));
    drop_last_path(p);
    return parse_call(p, NULL, full, operand->offset);
}

static struct node *parse_index(struct parser *p, struct node *operand)
{
    size_t offset = p->token.offset;
    int optional = parse_advance(p) ? parse_accept(p, "?") : -1;
    struct node *index = optional < 0 ? NULL : parse_expr(p);
    if (!index || !parse_expect(p, "]", "behind the index"))
        return NULL;
    if (index->kind == NODE_LITERAL && index->literal.kind == VALUE_STRING)
        return select_field(p, operand, index->literal.text, optional, offset);
    struct node *node = parse_node(p, NODE_INDEX, offset);
    node->optional = optional;
    struct args args = {0};
    parse_args_add(p, &args, operand);
    parse_args_add(p, &args, index);
    return parse_args_done(p, node, &args);
}

/* A path that is the name of a type is that type. */
static struct node *settle_path(struct parser *p, struct node *node)
{
    enum value_kind kind;
    struct text name = node->path.names[0];
    if (node->path.count == 3)
        name = arena_printf(p->arena, "%.*s.%.*s.%.*s", TEXT_ARG(node->path.names[0]),
                            TEXT_ARG(node->path.names[1]), TEXT_ARG(node->path.names[2]));
    if ((node->path.count != 1 && node->path.count != 3) || !value_kind_of_name(name, &kind))
        return node;
    drop_last_path(p);
    node->kind = NODE_LITERAL;
    node->literal = value_type(kind);
    return node;
}

struct node *parse_member(struct parser *p)
{
    struct node *node = parse_primary(p);
    bool path = node && node->kind == NODE_PATH;
    while (node) {
        if (parse_at(p, "."))
            node = parse_dot(p, node);
        else if (parse_at(p, "["))
            node = parse_index(p, node);
        else
            break;
    }
    if (node && path && parse_at(p, "{"))
        return parse_fail(p, p->token.offset,
                          "messages cannot be built; a map is {\"key\": value}");
    return node && node->kind == NODE_PATH ? settle_path(p, node) : node;
}
