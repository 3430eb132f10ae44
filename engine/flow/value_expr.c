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
    if (scalar->style == NODE_PLAIN && yaml_trouble_is_cut(&c->lines, scalar->span.end))
        return "YAML took what follows ` #` for a comment: put quotes around the whole value";
    if (is_condition && contains(scalar->text, "${"))
        return "write the whole condition without `${ }`, or the whole of it inside one";
    return NULL;
}

/* Of a string that the expression library names in a message, about so many bytes are shown. */
#define NAMED_BYTES 60

/* The message without the string it names in front: the caret shows it better. */
static const char *plain_message(const char *message, struct text string)
{
    static const char prefix[] = "in \"";
    size_t most = string.len < NAMED_BYTES ? string.len : NAMED_BYTES - 3;
    if (strncmp(message, prefix, sizeof prefix - 1) != 0)
        return message;
    size_t shown = strnlen(string.data, most);
    const char *end = strstr(message + shown + sizeof prefix - 1, "\": ");
    CHECK(end);
    return end + 3;
}

/* Reports what the expression library says about `text`, which stands in the scalar's text from
 * `skipped` on. */
static void report_expression(struct compiler *c, const struct node *scalar, struct text text,
                              size_t skipped, const struct expr_error *error, bool is_condition)
{
    size_t at = skipped + error->offset;
    CHECK(at <= scalar->text.len);
    struct span span = node_text_span(&c->lines, scalar, at, at + (at < scalar->text.len));
    struct flow_problem *problem =
        report_error(&c->report, span, "in the expression: %s", plain_message(error->text, text));
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
};

static void note_use(void *context, const struct expr_path *path)
{
    const struct noting *noting = context;
    struct compiler *c = noting->c;
    struct use *use = arena_alloc(&c->scratch, sizeof *use);
    *use = (struct use){.scalar = noting->scalar,
                        .offset = noting->skipped + path->offset,
                        .names = path->names,
                        .count = path->count,
                        .roots = noting->home->roots | ROOT_ALWAYS,
                        .key = noting->home->key,
                        .draft = noting->home->draft};
    *c->uses_end = use;
    c->uses_end = &use->next;
}

/* ------------------------------------------------------------------------------------- templates
 */

/* Counts one more expression of the file; false when there are too many. */
static bool count_expressions(struct compiler *c, const struct node *scalar, size_t count)
{
    bool was_full = c->expression_count > FLOW_EXPRESSIONS_MAX;
    c->expression_count += count;
    if (c->expression_count <= FLOW_EXPRESSIONS_MAX)
        return true;
    if (!was_full)
        report_error(&c->report, scalar->span, "more than %d expressions in one file",
                     FLOW_EXPRESSIONS_MAX);
    return false;
}

static size_t count_dollars(struct text text)
{
    size_t count = 0;
    for (size_t at = 0; at + 1 < text.len; at++)
        count += text.data[at] == '$' && text.data[at + 1] == '{';
    return count;
}

/* Compiles `text`, the part of the scalar's text from `skipped` on, into `arena`, and notes its
 * names. */
static struct template *compile_part(struct compiler *c, struct arena *arena,
                                     const struct node *scalar, struct text text, size_t skipped,
                                     const struct expr_home *home, bool is_condition)
{
    struct expr_error error = {0};
    struct template *template;
    if (!count_expressions(c, scalar, count_dollars(text)))
        return NULL;
    if (template_compile_string(arena, text, &template, &error)) {
        report_expression(c, scalar, text, skipped, &error, is_condition);
        return NULL;
    }
    struct noting noting = {c, scalar, skipped, home};
    template_each_path(template, note_use, &noting);
    return template;
}

const struct template *value_text(struct compiler *c, const struct node *node,
                                  const struct expr_home *home, bool takes_scalars)
{
    bool is_scalar = node->kind == NODE_NUMBER || node->kind == NODE_BOOLEAN;
    if (node_is_refused(node))
        return NULL;
    if (node->kind == NODE_EMPTY) {
        report_error(&c->report, node->span, "`%s` has an empty item; expected text", home->key);
        return NULL;
    }
    if (node->kind != NODE_STRING && !(takes_scalars && is_scalar)) {
        struct flow_problem *problem =
            report_error(&c->report, node->span, "`%s` takes text%s, not %s", home->key,
                         takes_scalars ? " (or a number, true, false)" : "", node_kind_name(node));
        if (is_scalar)
            report_hint(&c->report, problem, "put quotes around it: \"%.*s\"",
                        TEXT_ARG(node->text));
        return NULL;
    }
    if (memchr(node->text.data, 0, node->text.len)) {
        report_error(&c->report, node->span, "`%s` can't hold the character U+0000", home->key);
        return NULL;
    }
    return compile_part(c, c->arena, node, node->text, 0, home, false);
}

/* Compiles every string of a value by itself, for the places. Recurses no deeper than the tree. */
static bool check_strings(struct compiler *c, const struct node *node, const struct expr_home *home)
{
    bool is_good = !node_is_refused(node);
    if (node->kind == NODE_STRING && contains(node->text, "${"))
        return compile_part(c, &c->scratch, node, node->text, 0, home, false) != NULL;
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
    struct template *template;
    if (node->kind == NODE_STRING)
        return compile_part(c, c->arena, node, node->text, 0, home, false);
    if (!check_strings(c, node, home))
        return NULL;
    struct buffer json;
    buffer_init(&json, 0);
    node_add_json(node, &json);
    /* Each string of it was compiled, and the JSON is ours. */
    CHECK(!template_compile(c->arena, buffer_text(&json), &template, NULL));
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
    const struct template *template =
        compile_part(c, c->arena, node, text, skipped, home, is_condition);
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

const struct template *value_list(struct compiler *c, const struct node *node,
                                  const struct expr_home *home)
{
    if (node->kind == NODE_LIST || node->kind == NODE_MAP)
        return value_data(c, node, home);
    if (!value_is_expression(node)) {
        struct flow_problem *problem = report_error(
            &c->report, node->span, "`%s` takes a list, or an expression that gives one, not %s",
            home->key, node_kind_name(node));
        if (node->kind == NODE_STRING)
            report_hint(&c->report, problem, "an expression stands in `${ }`");
        return NULL;
    }
    size_t skipped;
    struct text text = trimmed(node->text, &skipped);
    const struct template *template = compile_part(c, c->arena, node, text, skipped, home, false);
    if (template && !template_alone(template)) {
        report_error(&c->report, node->span, "`%s` takes one expression alone, `${ … }`",
                     home->key);
        return NULL;
    }
    return template;
}

const struct expr *value_expression(struct compiler *c, const struct node *node,
                                    const struct expr_home *home)
{
    CHECK(value_is_expression(node));
    return compile_alone(c, node, home, false);
}

/* A condition without `${ }` around it. */
static const struct expr *compile_bare(struct compiler *c, const struct node *node,
                                       const struct expr_home *home)
{
    size_t skipped;
    struct text text = trimmed(node->text, &skipped);
    struct expr_error error = {0};
    struct expr *expr;
    if (!count_expressions(c, node, 1))
        return NULL;
    if (expr_compile(c->arena, text, &expr, &error)) {
        report_expression(c, node, text, skipped, &error, true);
        return NULL;
    }
    struct noting noting = {c, node, skipped, home};
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
