/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that were surely meant to be computed, and arguments of `run` that only a shell would
 * understand. */
#include "engine/flow/compiler.h"

static bool begins_with(struct text text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && memcmp(text.data, start, len) == 0;
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Behind a name at the beginning of `text`. */
static struct text after_name(struct text text)
{
    size_t at = 0;
    while (at < text.len && is_word_char(text.data[at]))
        at++;
    return (struct text){text.data + at, text.len - at};
}

static bool is_declared_input(const struct compiler *c, struct text name)
{
    for (size_t i = 0; i < c->flow->input_count; i++)
        if (text_equal(c->flow->inputs[i].name, name))
            return true;
    return false;
}

/* `tasks.NAME.result…`, or `input.NAME` of a declared one: no prose begins so. */
static bool looks_computed(const struct compiler *c, struct text text)
{
    static const char *const fields[] = {".result", ".failure", ".state"};
    if (begins_with(text, "input.")) {
        struct text name = {text.data + 6, text.len - 6};
        name.len -= after_name(name).len;
        return is_declared_input(c, name);
    }
    if (!begins_with(text, "tasks."))
        return false;
    struct text rest = after_name((struct text){text.data + 6, text.len - 6});
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (begins_with(rest, fields[i]) &&
            after_name((struct text){rest.data + 1, rest.len - 1}).len ==
                rest.len - strlen(fields[i]))
            return true;
    return false;
}

/* `{{ input.x }}`, `$(input.x)`: what other systems write. */
static bool is_of_other_system(struct text text)
{
    static const char *const starts[] = {"{{input.", "{{tasks.", "{{item", "$(input.", "$(tasks."};
    char packed[16];
    size_t len = 0;
    for (size_t at = 0; at < text.len; at++) {
        if (text.data[at] != '{' && text.data[at] != '$')
            continue;
        len = 0;
        for (size_t i = at; i < text.len && len < sizeof packed; i++)
            if (text.data[i] != ' ')
                packed[len++] = text.data[i];
        for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
            if (begins_with((struct text){packed, len}, starts[i]))
                return true;
    }
    return false;
}

static void doubt_string(struct compiler *c, const struct node *node)
{
    struct flow_problem *problem;
    if (memmem(node->text.data, node->text.len, "${", 2))
        return;
    if (looks_computed(c, node->text)) {
        problem = report_warning(&c->report, node->span, "this is a text, nothing is computed");
        if (!memchr(node->text.data, '\n', node->text.len))
            report_hint(&c->report, problem, "an expression stands in `${ }`: \"${ %.*s }\"",
                        TEXT_ARG(node->text));
    } else if (is_of_other_system(node->text)) {
        problem = report_warning(&c->report, node->span, "this is a text, nothing is put into it");
        report_hint(&c->report, problem, "an expression stands in `${ }`: ${ input.NAME }");
    }
}

/* Recurses no deeper than the file. */
static void doubt_strings(struct compiler *c, const struct node *node)
{
    if (!node)
        return;
    if (node->kind == NODE_STRING)
        doubt_string(c, node);
    for (const struct node *child = node->first; child; child = child->next)
        doubt_strings(c, child);
}

/* ----------------------------------------------------------------------------------------- run */

static bool is_one_of(struct text text, const char *const *words)
{
    for (; *words; words++)
        if (text_equal(text, text_of(*words)))
            return true;
    return false;
}

/* Those to which such an argument means something. */
static bool takes_signs(const struct node *program)
{
    static const char *const programs[] = {"sh",   "bash", "dash", "env", "expr",
                                           "test", "[",    "find", NULL};
    struct text name = program->text;
    for (size_t i = program->text.len; i-- > 0 && program->text.data[i] != '/';)
        name = (struct text){program->text.data + i, program->text.len - i};
    return program->kind != NODE_STRING || is_one_of(name, programs) ||
           memchr(name.data, '$', name.len);
}

static bool is_variable(struct text text)
{
    return text.len > 1 && text.data[0] == '$' && (text.data[1] > '9' || text.data[1] < '0') &&
           after_name((struct text){text.data + 1, text.len - 1}).len == 0;
}

static void doubt_run(struct compiler *c, const struct node *list)
{
    static const char *const signs[] = {"|", "||", "&&", ">", ">>", "<", "2>&1", "&", NULL};
    const struct node *program = list->kind == NODE_LIST ? list->first : NULL;
    if (!program)
        return;
    struct flow_problem *problem;
    if (list->count == 1 && program->kind == NODE_STRING && !takes_signs(program) &&
        memchr(program->text.data, ' ', program->text.len)) {
        problem = report_warning(&c->report, program->span, "a program whose name has a blank");
        report_hint(&c->report, problem, "arguments stand one by one: [ls, -l]");
    }
    if (takes_signs(program))
        return;
    for (const struct node *item = program->next; item; item = item->next) {
        if (item->kind != NODE_STRING || item->style == NODE_SINGLE)
            continue;
        if (!is_one_of(item->text, signs) && !is_variable(item->text))
            continue;
        problem = report_warning(&c->report, item->span,
                                 "`run` has no shell: `%.*s` is an argument like any other",
                                 TEXT_ARG(item->text));
        report_hint(&c->report, problem, "a shell script is `sh: TEXT`; '…' says it is meant so");
    }
}

static void doubt_map(struct compiler *c, const struct node *map)
{
    static const char *const keys[] = {"set", "output", "with", "env", "run", "fail", "http"};
    if (!map)
        return;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        doubt_strings(c, node_member(map, keys[i]));
    const struct node *run = node_member(map, "run");
    if (run)
        doubt_run(c, run);
}

void doubt_texts(struct compiler *c, const struct draft *draft)
{
    doubt_map(c, draft->map);
    doubt_map(c, node_member(draft->map, "revert"));
}
