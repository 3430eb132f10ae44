/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/expr.h"

#include "base/json.h"
#include "engine/expr/lexer.h"
#include "engine/expr/run.h"

/* Of a string in a message. */
#define SHOWN_BYTES 60

enum part_kind {
    PART_RAW,     /* JSON text */
    PART_STRING,  /* a whole string without expression */
    PART_QUOTE,   /* begins and ends a JSON string */
    PART_LITERAL, /* plain text within a string */
    PART_TEXT,    /* an expression within a string */
    PART_VALUE,   /* an expression alone: any JSON value */
};

struct part {
    enum part_kind kind;
    struct text text; /* RAW, STRING, LITERAL; of TEXT, VALUE the whole string, for messages */
    const struct expr *expr; /* TEXT, VALUE */
    size_t offset;           /* TEXT, VALUE: of the expression in the string */
};

struct template
{
    struct part *parts;
    size_t count, capacity;
    enum json_kind kind; /* of the whole as written */
    size_t expr_count;
};

struct compiler {
    struct arena *arena;
    struct template *template;
    struct expr_error *error;
};

static struct part *add(struct compiler *c, enum part_kind kind, struct text text)
{
    struct template *t = c->template;
    t->parts =
        arena_grow(c->arena, t->parts, t->count, t->count + 1, &t->capacity, sizeof *t->parts);
    struct part *part = &t->parts[t->count++];
    *part = (struct part){.kind = kind, .text = text};
    return part;
}

/* Names the string and moves the offset from the expression into it. */
static int place_error(struct expr_error *error, struct text string, size_t offset)
{
    struct expr_error inner = *error;
    size_t shown = string.len < SHOWN_BYTES ? string.len : SHOWN_BYTES;
    while (shown < string.len && shown > 0 && ((unsigned char)string.data[shown] & 0xC0) == 0x80)
        shown--;
    return expr_error_set(error, inner.code, inner.offset + offset, "in \"%.*s%s\": %s", (int)shown,
                          string.data, shown < string.len ? "…" : "", inner.text);
}

/* The length of the expression at `from` up to its closing brace. */
static int find_end(struct compiler *c, struct text string, size_t from, size_t *ret_len)
{
    struct lexer lexer = {.arena = c->arena, .error = c->error};
    struct token token;
    unsigned depth = 0;
    lexer.source = (struct text){string.data + from, string.len - from};
    for (;;) {
        int rc = lexer_next(&lexer, &token);
        if (rc)
            return rc;
        if (token.kind == TOKEN_END)
            return expr_error_set(c->error, ERR_INVALID, 0, "${ has no closing }");
        if (token.kind != TOKEN_PUNCTUATION)
            continue;
        if (*token.text.data == '}' && depth-- == 0)
            break;
        depth += *token.text.data == '{';
    }
    *ret_len = token.offset;
    return 0;
}

/* Compiles the expression behind the `${` at `at`; sets where it ends, behind its brace. */
static int compile_one(struct compiler *c, struct text string, size_t at, struct part *ret_part,
                       size_t *ret_end)
{
    size_t from = at + 2, len = 0;
    struct expr *expr = NULL;
    int rc = find_end(c, string, from, &len);
    if (!rc)
        rc = expr_compile(c->arena, (struct text){string.data + from, len}, &expr, c->error);
    if (rc && from < string.len && string.data[from] == '{')
        expr_error_set(c->error, rc, 0, "write ${ … } with single braces");
    if (rc)
        return place_error(c->error, string, from);
    *ret_part = (struct part){.text = string, .expr = expr, .offset = from};
    *ret_end = from + len + 1;
    c->template->expr_count++;
    return 0;
}

/* Whether the string is one expression and nothing else. */
static bool is_alone(struct text string, size_t at, size_t end)
{
    return at == 0 && end == string.len;
}

/* The next `${`, escaped or not, at or behind `from`; string.len when there is none. */
static size_t find_dollar(struct text string, size_t from)
{
    const char *found = memmem(string.data + from, string.len - from, "${", 2);
    return found ? (size_t)(found - string.data) : string.len;
}

static void add_literal(struct compiler *c, struct text string, size_t from, size_t to)
{
    if (to > from)
        add(c, PART_LITERAL, (struct text){string.data + from, to - from});
}

/* Cuts a string into its literal parts and its expressions. */
static int compile_string(struct compiler *c, struct text string)
{
    size_t from = 0, end = 0;
    struct part part;
    size_t quote = c->template->count;
    if (find_dollar(string, 0) == string.len) {
        add(c, PART_STRING, string);
        return 0;
    }
    add(c, PART_QUOTE, TEXT_NONE);
    for (;;) {
        size_t at = find_dollar(string, from);
        if (at == string.len)
            break;
        if (at > from && string.data[at - 1] == '$') {
            /* `$${` is a literal `${`: the first dollar goes. */
            add_literal(c, string, from, at - 1);
            add_literal(c, string, at, at + 2);
            from = at + 2;
            continue;
        }
        add_literal(c, string, from, at);
        int rc = compile_one(c, string, at, &part, &end);
        if (rc)
            return rc;
        if (is_alone(string, at, end)) {
            part.kind = PART_VALUE;
            c->template->count = quote;
            *add(c, PART_VALUE, TEXT_NONE) = part;
            return 0;
        }
        part.kind = PART_TEXT;
        *add(c, PART_TEXT, TEXT_NONE) = part;
        from = end;
    }
    add_literal(c, string, from, string.len);
    add(c, PART_QUOTE, TEXT_NONE);
    return 0;
}

/* What `c` does with the tree: copies the text between the strings that have expressions. */
static int compile_tree(struct compiler *c, const struct json *json, const char **copied)
{
    int rc = 0;
    if (json->kind == JSON_STRING && find_dollar(json->string, 0) < json->string.len) {
        add(c, PART_RAW, (struct text){*copied, (size_t)(json->raw.data - *copied)});
        *copied = json->raw.data + json->raw.len;
        return compile_string(c, arena_text(c->arena, json->string));
    }
    for (const struct json *child = json->first; child && !rc; child = child->next)
        rc = compile_tree(c, child, copied);
    return rc;
}

static int compile_root(struct compiler *c, const struct json *root)
{
    c->template->kind = root->kind;
    if (root->kind == JSON_STRING)
        return compile_string(c, arena_text(c->arena, root->string));
    const char *copied = root->raw.data;
    int rc = compile_tree(c, root, &copied);
    size_t rest = (size_t)(root->raw.data + root->raw.len - copied);
    if (!rc && rest)
        add(c, PART_RAW, (struct text){copied, rest});
    return rc;
}

static void start(struct compiler *c, struct arena *arena, struct expr_error *error)
{
    *error = (struct expr_error){0};
    *c = (struct compiler){arena, arena_calloc(arena, 1, sizeof *c->template), error};
}

int template_compile(struct arena *arena, struct text json, struct template **ret_template,
                     struct expr_error *ret_error)
{
    struct expr_error unwanted;
    struct error error = {0};
    struct compiler c;
    struct arena scratch = {0};
    struct json *root;
    start(&c, arena, ret_error ? ret_error : &unwanted);
    *ret_template = c.template;
    int rc = json_parse(&scratch, arena_text(arena, json), &root, &error);
    if (rc)
        rc = expr_error_set(c.error, ERR_INVALID, 0, "not JSON: %.200s", error.text);
    else
        rc = compile_root(&c, root);
    arena_done(&scratch);
    return rc;
}

/* Room for what a string becomes, and no more: files have many, and most have no expression or are
 * one alone. */
static void reserve(struct compiler *c, struct text string)
{
    size_t room = 1, dollars = 0;
    for (size_t at = find_dollar(string, 0); at < string.len; at = find_dollar(string, at + 2))
        dollars++;
    if (dollars == 1 && *string.data == '$' && string.data[string.len - 1] == '}')
        room = 2;
    else if (dollars > 0)
        room = 3 + 2 * dollars;
    c->template->parts = arena_calloc(c->arena, room, sizeof *c->template->parts);
    c->template->capacity = room;
}

int template_compile_string(struct arena *arena, struct text string, struct template **ret_template,
                            struct expr_error *ret_error)
{
    struct expr_error unwanted;
    struct compiler c;
    start(&c, arena, ret_error ? ret_error : &unwanted);
    c.template->kind = JSON_STRING;
    *ret_template = c.template;
    struct text kept = arena_text(arena, string.data ? string : TEXT(""));
    reserve(&c, kept);
    return compile_string(&c, kept);
}

bool template_is_constant(const struct template *t)
{
    return t->expr_count == 0;
}

const struct expr *template_alone(const struct template *t)
{
    return t->count == 1 && t->parts[0].kind == PART_VALUE ? t->parts[0].expr : NULL;
}

/* Passes paths on with their place in the string. */
struct passing {
    void (*visit)(void *context, const struct expr_path *path);
    void *context;
    size_t offset; /* of the expression in the string */
};

static void pass_path(void *context, const struct expr_path *path)
{
    const struct passing *passing = context;
    struct expr_path moved = *path;
    moved.offset += passing->offset;
    passing->visit(passing->context, &moved);
}

void template_each_path(const struct template *t,
                        void (*visit)(void *context, const struct expr_path *path), void *context)
{
    for (size_t i = 0; i < t->count; i++) {
        struct passing passing = {visit, context, t->parts[i].offset};
        if (t->parts[i].expr)
            expr_each_path(t->parts[i].expr, pass_path, &passing);
    }
}

/* ---- evaluation -------------------------------------------------------------------------- */

struct run {
    struct arena *scratch;
    const struct expr_scope *scope;
    const struct expr_limits *limits;
    struct buffer *out;
    struct expr_error *error;
    bool json; /* or plain text */
};

/* Adds the inside of a JSON string. */
static void add_escaped(struct buffer *out, struct text text)
{
    struct buffer quoted;
    buffer_init(&quoted, 0);
    buffer_add_json_string(&quoted, text);
    buffer_add(out, quoted.data + 1, quoted.len - 2);
    buffer_done(&quoted);
}

static int run_expr(struct run *r, const struct part *part, enum run_form form, struct buffer *out)
{
    int rc = run_append(part->expr, form, r->scratch, r->scope, r->limits, out, r->error);
    return rc ? place_error(r->error, part->text, part->offset) : 0;
}

/* An expression within a string: its text, escaped when the string is JSON. */
static int run_inside(struct run *r, const struct part *part)
{
    struct buffer text;
    if (!r->json)
        return run_expr(r, part, RUN_TEXT, r->out);
    buffer_init(&text, 0);
    int rc = run_expr(r, part, RUN_TEXT, &text);
    if (!rc)
        add_escaped(r->out, buffer_text(&text));
    buffer_done(&text);
    return rc;
}

static int run_part(struct run *r, const struct part *part)
{
    switch (part->kind) {
    case PART_RAW:
        buffer_add_text(r->out, part->text);
        return 0;
    case PART_STRING:
        if (r->json)
            buffer_add_json_string(r->out, part->text);
        else
            buffer_add_text(r->out, part->text);
        return 0;
    case PART_QUOTE:
        if (r->json)
            buffer_add_char(r->out, '"');
        return 0;
    case PART_LITERAL:
        if (r->json)
            add_escaped(r->out, part->text);
        else
            buffer_add_text(r->out, part->text);
        return 0;
    case PART_TEXT:
        return run_inside(r, part);
    case PART_VALUE:
        return run_expr(r, part, r->json ? RUN_JSON : RUN_TEXT, r->out);
    }
    return 0;
}

static int run_template(struct run *r, const struct template *t)
{
    size_t before = r->out->len;
    int rc = 0;
    *r->error = (struct expr_error){0};
    for (size_t i = 0; i < t->count && !rc; i++)
        rc = run_part(r, &t->parts[i]);
    if (!rc && r->out->overflowed)
        rc = expr_error_set(r->error, ERR_TOO_LARGE, 0, "the result is too large");
    if (rc && r->out->len > before) {
        r->out->len = before;
        r->out->data[before] = 0;
    }
    return rc;
}

int template_eval(const struct template *t, struct arena *scratch, const struct expr_scope *scope,
                  const struct expr_limits *limits, struct buffer *ret_json,
                  struct expr_error *ret_error)
{
    struct expr_error unwanted;
    struct run r = {scratch, scope, limits, ret_json, ret_error ? ret_error : &unwanted, true};
    return run_template(&r, t);
}

int template_eval_text(const struct template *t, struct arena *scratch,
                       const struct expr_scope *scope, const struct expr_limits *limits,
                       struct buffer *ret_text, struct expr_error *ret_error)
{
    struct expr_error unwanted;
    struct run r = {scratch, scope, limits, ret_text, ret_error ? ret_error : &unwanted, false};
    if (t->kind == JSON_NULL || t->kind == JSON_ARRAY || t->kind == JSON_OBJECT)
        return expr_error_set(r.error, ERR_REFUSED, 0, "%s cannot stand where text is expected",
                              t->kind == JSON_NULL    ? "null"
                              : t->kind == JSON_ARRAY ? "a list"
                                                      : "an object");
    return run_template(&r, t);
}
