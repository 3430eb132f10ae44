/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/check.h"
#include "engine/flow/value.h"
#include "engine/flow/yaml_trouble.h"

static bool begins_with(struct text text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && !memcmp(text.data, start, len);
}

static bool contains(struct text text, const char *part)
{
    return text.len > 0 && memmem(text.data, text.len, part, strlen(part));
}

/* `text` without blanks around it; sets how many bytes were left out in front. */
static struct text trimmed(struct text text, size_t *ret_skipped)
{
    size_t begin = 0;
    while (begin < text.len && memchr(" \t\r\n", text.data[begin], 4))
        begin++;
    while (text.len > begin && memchr(" \t\r\n", text.data[text.len - 1], 4))
        text.len--;
    *ret_skipped = begin;
    return (struct text){text.data + begin, text.len - begin};
}

bool value_is_expression(const struct node *node)
{
    size_t skipped;
    return node->kind == NODE_STRING && begins_with(trimmed(node->text, &skipped), "${");
}

/* ----------------------------------------------------------------------------- what is not right
 */

static const char *hint_for(struct compiler *c, const struct node *scalar, bool is_condition)
{
    if (contains(scalar->text, "${{"))
        return "an expression stands in `${ … }`, with one brace";
    if (scalar->style == NODE_PLAIN && yaml_trouble_is_cut(&c->source, scalar->span.end))
        return "YAML took what follows ` #` for a comment: put quotes around the whole value";
    if (is_condition && contains(scalar->text, "${"))
        return "write the whole condition without `${ }`, or the whole of it inside one";
    if (is_condition && (contains(scalar->text, " and ") || contains(scalar->text, " or ")))
        return "`and` is written `&&`, `or` is written `||`";
    if (contains(scalar->text, " = "))
        return "equality is written `==`";
    return NULL;
}

/* Reports what the expression library says about `scalar`, whose text from `skipped` on it saw. */
static void report_expression(struct compiler *c, const struct node *scalar, size_t skipped,
                              const struct expr_error *error, bool is_condition)
{
    size_t at = skipped + error->offset;
    if (at > scalar->text.len)
        at = scalar->text.len;
    struct span span = node_text_span(&c->source, scalar, at, at + (at < scalar->text.len));
    struct flow_problem *problem =
        report_error(&c->report, span, "in the expression: %s", error->text);
    const char *hint = hint_for(c, scalar, is_condition);
    if (hint)
        report_hint(&c->report, problem, "%s", hint);
}

/* ------------------------------------------------------------------------------------ their names
 */

/* Where a visited path belongs. */
struct noting {
    struct compiler *c;
    const struct node *scalar;
    size_t skipped; /* bytes of its text that the expression library did not see */
    const struct expr_home *home;
    bool is_condition;
};

static void note_use(void *context, const struct expr_path *path)
{
    const struct noting *noting = context;
    struct compiler *c = noting->c;
    struct use use = {.scalar = noting->scalar,
                      .offset = noting->skipped + path->offset,
                      .key = noting->home->key,
                      .roots = noting->home->roots | ROOT_ALWAYS,
                      .draft = noting->home->draft,
                      .is_condition = noting->is_condition};
    for (; use.count < path->count && use.count < 3; use.count++)
        use.names[use.count] = path->names[use.count];
    c->uses = arena_grow(&c->scratch, c->uses, c->use_count, c->use_count + 1, &c->use_capacity,
                         sizeof *c->uses);
    c->uses[c->use_count++] = use;
}

/* ------------------------------------------------------------------------------------- templates
 */

/* Compiles `text`, the part of the scalar's text from `skipped` on, and notes its names. */
static struct template *compile_part(struct compiler *c, const struct node *scalar,
                                     struct text text, size_t skipped, const struct expr_home *home,
                                     bool is_condition)
{
    struct expr_error error = {0};
    struct template *template;
    if (template_compile_string(c->arena, text, &template, &error)) {
        report_expression(c, scalar, skipped, &error, is_condition);
        return NULL;
    }
    struct noting noting = {c, scalar, skipped, home, is_condition};
    template_each_path(template, note_use, &noting);
    return template;
}

const struct template *value_text(struct compiler *c, const struct node *node,
                                  const struct expr_home *home, bool takes_scalars)
{
    bool is_scalar = node->kind == NODE_NUMBER || node->kind == NODE_BOOLEAN;
    if (node_is_refused(node))
        return NULL;
    if (node->kind != NODE_STRING && !(takes_scalars && is_scalar)) {
        struct flow_problem *problem =
            report_error(&c->report, node->span, "`%s` takes text%s, not %s", home->key,
                         takes_scalars ? " (or a number, true, false)" : "", node_kind_name(node));
        if (is_scalar || node->kind == NODE_NULL)
            report_hint(&c->report, problem, "put quotes around it: \"%.*s\"",
                        TEXT_ARG(node->text));
        return NULL;
    }
    if (memchr(node->text.data, 0, node->text.len)) {
        report_error(&c->report, node->span, "`%s` can't hold the character U+0000", home->key);
        return NULL;
    }
    return compile_part(c, node, node->text, 0, home, false);
}

/* Compiles every string of a value by itself, for the places. Recurses no deeper than the tree. */
static bool check_strings(struct compiler *c, const struct node *node, const struct expr_home *home)
{
    bool is_good = !node_is_refused(node);
    if (node->kind == NODE_STRING && contains(node->text, "${"))
        return compile_part(c, node, node->text, 0, home, false) != NULL;
    for (const struct node *child = node->first; child; child = child->next) {
        if (child->key && child->key->kind == NODE_BAD)
            is_good = false;
        is_good &= check_strings(c, child, home);
    }
    return is_good;
}

const struct template *value_data(struct compiler *c, const struct node *node,
                                  const struct expr_home *home)
{
    struct template *template = NULL;
    struct expr_error error = {0};
    if (!check_strings(c, node, home))
        return NULL;
    struct buffer json;
    buffer_init(&json, 0);
    node_add_json(node, &json);
    if (template_compile(c->arena, buffer_text(&json), &template, &error)) {
        report_error(&c->report, node->span, "in `%s`: %s", home->key, error.text);
        template = NULL;
    }
    buffer_done(&json);
    return template;
}

/* -------------------------------------------------------------------------- expressions,
 * conditions */

/* The one expression that the scalar's trimmed text is. */
static const struct expr *compile_alone(struct compiler *c, const struct node *node,
                                        const struct expr_home *home, bool is_condition)
{
    size_t skipped;
    struct text text = trimmed(node->text, &skipped);
    const struct template *template = compile_part(c, node, text, skipped, home, is_condition);
    if (!template)
        return NULL;
    const struct expr *alone = template_alone(template);
    if (!alone) {
        struct flow_problem *problem = report_error(
            &c->report, node->span, "`%s` takes one expression alone, `${ … }`", home->key);
        if (is_condition)
            report_hint(&c->report, problem,
                        "write the whole condition without `${ }`, or the whole of it inside one");
    }
    return alone;
}

const struct expr *value_expression(struct compiler *c, const struct node *node,
                                    const struct expr_home *home)
{
    return value_is_expression(node) ? compile_alone(c, node, home, false) : NULL;
}

/* A condition without `${ }` around it. */
static const struct expr *compile_bare(struct compiler *c, const struct node *node,
                                       const struct expr_home *home)
{
    size_t skipped;
    struct text text = trimmed(node->text, &skipped);
    struct expr_error error = {0};
    struct expr *expr;
    if (expr_compile(c->arena, text, &expr, &error)) {
        report_expression(c, node, skipped, &error, true);
        return NULL;
    }
    struct noting noting = {c, node, skipped, home, true};
    expr_each_path(expr, note_use, &noting);
    return expr;
}

const struct flow_condition *value_condition(struct compiler *c, const struct node *node,
                                             const struct expr_home *home)
{
    struct flow_condition *condition = arena_calloc(c->arena, 1, sizeof *condition);
    if (node->kind == NODE_BOOLEAN) {
        condition->constant = text_equal(node->text, TEXT("true"));
        return condition;
    }
    if (node->kind != NODE_STRING) {
        struct flow_problem *problem =
            report_error(&c->report, node->span, "`%s` must be a condition, not %s", home->key,
                         node_kind_name(node));
        if (node->style == NODE_FLOW)
            report_hint(&c->report, problem,
                        "put quotes around a condition that begins with `[` or `{`");
        return NULL;
    }
    condition->expr = value_is_expression(node) ? compile_alone(c, node, home, true)
                                                : compile_bare(c, node, home);
    return condition->expr ? condition : NULL;
}
