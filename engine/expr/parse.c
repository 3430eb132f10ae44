/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/parse.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

struct node *parse_fail(struct parser *p, size_t offset, const char *format, ...)
{
    char text[sizeof p->error->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    expr_error_set(p->error, ERR_INVALID, offset, "%s", text);
    return NULL;
}

bool parse_advance(struct parser *p)
{
    return !lexer_next(&p->lexer, &p->token);
}

bool parse_at(const struct parser *p, const char *punctuation)
{
    return p->token.kind == TOKEN_PUNCTUATION && text_equal(p->token.text, text_of(punctuation));
}

int parse_accept(struct parser *p, const char *punctuation)
{
    if (!parse_at(p, punctuation))
        return 0;
    return parse_advance(p) ? 1 : -1;
}

bool parse_expect(struct parser *p, const char *punctuation, const char *where)
{
    if (!parse_at(p, punctuation)) {
        parse_fail(p, p->token.offset, "expected '%s' %s", punctuation, where);
        return false;
    }
    return parse_advance(p);
}

struct node *parse_node(struct parser *p, enum node_kind kind, size_t offset)
{
    struct node *node = arena_calloc(p->arena, 1, sizeof *node);
    node->kind = kind;
    node->offset = (uint32_t)offset;
    node->depth = 1;
    return node;
}

bool parse_adopt(struct parser *p, struct node *parent, const struct node *child)
{
    if (child->depth >= parent->depth)
        parent->depth = child->depth + 1;
    if (parent->depth <= EXPR_DEPTH_MAX)
        return true;
    parse_fail(p, parent->offset, "nested too deeply (%d levels at most)", EXPR_DEPTH_MAX);
    return false;
}

void parse_args_add(struct parser *p, struct args *args, const struct node *node)
{
    args->items = arena_grow(p->arena, args->items, args->count, args->count + 1, &args->capacity,
                             sizeof *args->items);
    args->items[args->count++] = node;
}

struct node *parse_args_done(struct parser *p, struct node *node, const struct args *args)
{
    node->call.args = args->items;
    node->call.count = args->count;
    for (size_t i = 0; i < args->count; i++) {
        if (!parse_adopt(p, node, args->items[i]))
            return NULL;
    }
    return node;
}

static struct node *negative_literal(struct parser *p, size_t offset)
{
    struct node *node = parse_node(p, NODE_LITERAL, offset);
    if (p->token.kind == TOKEN_DOUBLE)
        node->literal = value_double(-p->token.number);
    else
        node->literal = value_int((int64_t)(0 - p->token.whole));
    return parse_advance(p) ? node : NULL;
}

/* `!` and `-` before an operand. Any number of the same sign is one node or two. */
static struct node *parse_unary(struct parser *p)
{
    size_t offset = p->token.offset;
    char sign = parse_at(p, "!") ? '!' : parse_at(p, "-") ? '-' : 0;
    size_t count = 0;
    while (sign && parse_at(p, sign == '!' ? "!" : "-")) {
        count++;
        if (!parse_advance(p))
            return NULL;
    }
    struct node *operand;
    bool number = p->token.kind == TOKEN_INT || p->token.kind == TOKEN_DOUBLE;
    if (sign == '-' && number) {
        operand = negative_literal(p, offset);
        count--;
    } else if (sign && (parse_at(p, "!") || parse_at(p, "-"))) {
        if (++p->depth > EXPR_DEPTH_MAX)
            return parse_fail(p, offset, "nested too deeply");
        operand = parse_unary(p);
        p->depth--;
    } else {
        operand = parse_member(p);
    }
    for (size_t times = count == 0 ? 0 : 2 - count % 2; operand && times; times--) {
        struct args args = {0};
        parse_args_add(p, &args, operand);
        operand =
            parse_args_done(p, parse_node(p, sign == '!' ? NODE_NOT : NODE_NEGATE, offset), &args);
    }
    return operand;
}

/* A level of operators that associate from the left: `first (op operand)*` as one node. */
static struct node *parse_arithmetic(struct parser *p, const char *operators,
                                     struct node *(*parse_operand)(struct parser *p))
{
    struct node *first = parse_operand(p);
    struct node *node = NULL;
    struct args args = {0};
    size_t ops_capacity = 0, offsets_capacity = 0;
    char *ops = NULL;
    uint32_t *offsets = NULL;
    while (first && p->token.kind == TOKEN_PUNCTUATION && p->token.text.len == 1 &&
           strchr(operators, *p->token.text.data)) {
        if (!node) {
            node = parse_node(p, NODE_ARITHMETIC, p->token.offset);
            parse_args_add(p, &args, first);
        }
        ops = arena_grow(p->arena, ops, args.count - 1, args.count, &ops_capacity, 1);
        offsets = arena_grow(p->arena, offsets, args.count - 1, args.count, &offsets_capacity,
                             sizeof *offsets);
        ops[args.count - 1] = *p->token.text.data;
        offsets[args.count - 1] = (uint32_t)p->token.offset;
        struct node *operand = parse_advance(p) ? parse_operand(p) : NULL;
        if (!operand)
            return NULL;
        parse_args_add(p, &args, operand);
    }
    if (!node)
        return first;
    node->call.ops = ops;
    node->call.offsets = offsets;
    return parse_args_done(p, node, &args);
}

static struct node *parse_product(struct parser *p)
{
    return parse_arithmetic(p, "*/%", parse_unary);
}

static struct node *parse_sum(struct parser *p)
{
    return parse_arithmetic(p, "+-", parse_product);
}

static bool at_relation(const struct parser *p, enum node_kind *ret_kind, enum compare_op *ret_op)
{
    static const struct {
        const char *text;
        enum compare_op op;
    } rows[] = {{"==", COMPARE_EQ}, {"!=", COMPARE_NE}, {"<", COMPARE_LT},
                {"<=", COMPARE_LE}, {">", COMPARE_GT},  {">=", COMPARE_GE}};
    *ret_kind = NODE_COMPARE;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (parse_at(p, rows[i].text)) {
            *ret_op = rows[i].op;
            return true;
        }
    }
    *ret_kind = NODE_IN;
    return p->token.kind == TOKEN_NAME && !p->token.quoted && text_equal(p->token.text, TEXT("in"));
}

static struct node *parse_relation(struct parser *p)
{
    struct node *left = parse_sum(p);
    enum node_kind kind;
    enum compare_op op = COMPARE_EQ;
    while (left && at_relation(p, &kind, &op)) {
        struct node *node = parse_node(p, kind, p->token.offset);
        struct args args = {0};
        node->call.compare = op;
        parse_args_add(p, &args, left);
        struct node *right = parse_advance(p) ? parse_sum(p) : NULL;
        if (!right)
            return NULL;
        parse_args_add(p, &args, right);
        left = parse_args_done(p, node, &args);
    }
    return left;
}

static struct node *parse_chain(struct parser *p, const char *op, enum node_kind kind,
                                struct node *(*parse_operand)(struct parser *p))
{
    struct node *first = parse_operand(p);
    struct node *node = NULL;
    struct args args = {0};
    while (first && parse_at(p, op)) {
        if (!node) {
            node = parse_node(p, kind, p->token.offset);
            parse_args_add(p, &args, first);
        }
        struct node *operand = parse_advance(p) ? parse_operand(p) : NULL;
        if (!operand)
            return NULL;
        parse_args_add(p, &args, operand);
    }
    return node ? parse_args_done(p, node, &args) : first;
}

static struct node *parse_and(struct parser *p)
{
    return parse_chain(p, "&&", NODE_AND, parse_relation);
}

static struct node *parse_or(struct parser *p)
{
    return parse_chain(p, "||", NODE_OR, parse_and);
}

static struct node *parse_ternary(struct parser *p)
{
    struct node *condition = parse_or(p);
    if (!condition || !parse_at(p, "?"))
        return condition;
    struct node *node = parse_node(p, NODE_TERNARY, p->token.offset);
    struct args args = {0};
    parse_args_add(p, &args, condition);
    if (!parse_advance(p))
        return NULL;
    if (parse_at(p, "."))
        return parse_fail(p, p->token.offset, "unknown operator ?. ; an optional field is a.?b");
    struct node *yes = parse_or(p);
    if (!yes || !parse_expect(p, ":", "of the condition's other side"))
        return NULL;
    parse_args_add(p, &args, yes);
    struct node *no = parse_expr(p);
    if (!no)
        return NULL;
    parse_args_add(p, &args, no);
    return parse_args_done(p, node, &args);
}

struct node *parse_expr(struct parser *p)
{
    if (p->depth >= EXPR_DEPTH_MAX)
        return parse_fail(p, p->token.offset, "nested too deeply (%d levels at most)",
                          EXPR_DEPTH_MAX);
    p->depth++;
    struct node *node = parse_ternary(p);
    p->depth--;
    return node;
}

/* What stands where the expression should have ended. */
static void fail_at_rest(struct parser *p)
{
    static const struct {
        const char *word, *hint;
    } words[] = {{"and", "write && for and"},       {"or", "write || for or"},
                 {"not", "write ! for not"},        {"is", "write == to compare"},
                 {"if", "write condition ? a : b"}, {"then", "write condition ? a : b"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0] && p->token.kind == TOKEN_NAME; i++) {
        if (text_equal(p->token.text, text_of(words[i].word))) {
            parse_fail(p, p->token.offset, "expected an operator, not '%s'; %s", words[i].word,
                       words[i].hint);
            return;
        }
    }
    size_t len = p->lexer.at - p->token.offset;
    parse_fail(p, p->token.offset, "expected an operator or the end, not '%.*s'",
               (int)(len < 40 ? len : 40), p->lexer.source.data + p->token.offset);
}

static int compile(struct arena *arena, struct text source, bool lenient, struct expr **ret_expr,
                   struct expr_error *ret_error)
{
    struct expr_error unwanted;
    struct expr_error *error = ret_error ? ret_error : &unwanted;
    *error = (struct expr_error){0};
    if (source.len > EXPR_SOURCE_MAX_BYTES)
        return expr_error_set(error, ERR_TOO_LARGE, 0, "an expression has at most %d bytes",
                              EXPR_SOURCE_MAX_BYTES);
    for (size_t i = 0, len; i < source.len; i += len) {
        len = utf8_sequence(source.data + i, source.len - i);
        if (!len)
            return expr_error_set(error, ERR_INVALID, i, "invalid UTF-8");
    }
    struct expr *expr = arena_calloc(arena, 1, sizeof *expr);
    source = arena_text(arena, source.data ? source : TEXT(""));
    struct parser p = {.arena = arena, .expr = expr, .error = error, .lenient = lenient};
    p.lexer = (struct lexer){.arena = arena, .source = source, .error = error};
    if (!parse_advance(&p))
        return error->code;
    if (p.token.kind == TOKEN_END)
        return expr_error_set(error, ERR_INVALID, 0, "expected an expression, found nothing");
    expr->root = parse_expr(&p);
    if (expr->root && p.token.kind != TOKEN_END)
        fail_at_rest(&p);
    if (error->code)
        return error->code;
    *ret_expr = expr;
    return 0;
}

int expr_compile(struct arena *arena, struct text source, struct expr **ret_expr,
                 struct expr_error *ret_error)
{
    return compile(arena, source, false, ret_expr, ret_error);
}

int expr_compile_lenient(struct arena *arena, struct text source, struct expr **ret_expr,
                         struct expr_error *ret_error)
{
    return compile(arena, source, true, ret_expr, ret_error);
}
