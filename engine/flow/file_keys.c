/* SPDX-License-Identifier: Apache-2.0 */
/* The keys at the top of a file. */
#include <stdlib.h>

#include "engine/flow/readers.h"
#include "engine/flow/value.h"

#define FLOW_NAME_MAX_BYTES 63
#define TAG_MAX_BYTES       63
#define TAGS_MAX            32
#define PRIORITY_MAX        9

static bool is_flow_name(struct text name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    if (name.len == 0 || name.len > FLOW_NAME_MAX_BYTES ||
        !memchr(first, name.data[0], sizeof first - 1))
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!memchr(rest, name.data[i], sizeof rest - 1))
            return false;
    return true;
}

/* The name that was meant by one with capitals, blanks or underscores at its beginning. */
static struct text mended_flow_name(struct compiler *c, struct text name)
{
    char *mended = arena_string(&c->scratch, name);
    for (size_t i = 0; i < name.len; i++) {
        if (mended[i] >= 'A' && mended[i] <= 'Z')
            mended[i] |= 0x20;
        if (mended[i] == ' ' || mended[i] == '/')
            mended[i] = '-';
    }
    struct text text = {mended, name.len};
    return is_flow_name(text) ? text : TEXT_NONE;
}

void key_flow(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_problem *problem;
    if (value->kind == NODE_MAP || value->kind == NODE_LIST) {
        problem = report_error(&c->report, value->key->span, "`flow` must be a name, not %s",
                               node_kind_name(value));
        report_hint(&c->report, problem, "tasks stand beside it, in `tasks` or `steps`");
        return;
    }
    /* A number can be a name as well: `flow: 42`. */
    if (value->kind != NODE_NULL && is_flow_name(value->text)) {
        c->flow->name = arena_text(c->arena, value->text);
        return;
    }
    problem = report_error(&c->report, value->span,
                           "`%.*s` is not a flow's name: small letters, digits and `. _ -`, up to "
                           "%d, a letter or digit first",
                           TEXT_ARG(value->text), FLOW_NAME_MAX_BYTES);
    struct text mended = mended_flow_name(c, value->text);
    if (mended.data)
        report_hint(&c->report, problem, "write `%.*s`", TEXT_ARG(mended));
}

void key_description(struct compiler *c, const struct target *target, const struct node *value)
{
    value_plain_text(c, value, "description", &c->flow->description);
}

void key_priority(struct compiler *c, const struct target *target, const struct node *value)
{
    int64_t priority;
    if (value_integer(c, value, "priority", 0, PRIORITY_MAX, &priority))
        c->flow->priority = (uint8_t)priority;
}

/* ----------------------------------------------------------------------------------------- tags */

static int compare_tags(const void *a, const void *b)
{
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static bool check_tag(struct compiler *c, const struct node *node)
{
    if (node_is_refused(node))
        return false;
    bool is_good =
        node->kind == NODE_STRING && node->text.len > 0 && node->text.len <= TAG_MAX_BYTES;
    for (size_t i = 0; is_good && i < node->text.len; i++) {
        unsigned char ch = (unsigned char)node->text.data[i];
        is_good = ch > ' ' && ch < 0x7F && ch != ',';
    }
    if (is_good)
        return true;
    struct flow_problem *problem = report_error(
        &c->report, node->span,
        "a tag must be a word of up to %d characters without blank and comma", TAG_MAX_BYTES);
    if (node->kind == NODE_NUMBER || node->kind == NODE_BOOLEAN)
        report_hint(&c->report, problem, "put quotes around it: \"%.*s\"", TEXT_ARG(node->text));
    if (node->kind == NODE_STRING && memmem(node->text.data, node->text.len, "${", 2))
        report_hint(&c->report, problem, "no expression can stand here");
    return false;
}

/* Sorted and without repetition. */
static void keep_tags(struct compiler *c, struct text *tags, size_t count)
{
    size_t kept = 0;
    qsort(tags, count, sizeof *tags, compare_tags);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !text_equal(tags[kept - 1], tags[i]))
            tags[kept++] = tags[i];
    c->flow->runs_on = tags;
    c->flow->tag_count = kept;
}

void key_runs_on(struct compiler *c, const struct target *target, const struct node *value)
{
    struct text *tags = arena_calloc(c->arena, value->count + 1, sizeof *tags);
    size_t count = 0;
    if (value->kind == NODE_STRING) {
        if (check_tag(c, value))
            tags[count++] = arena_text(c->arena, value->text);
    } else if (value->kind != NODE_LIST) {
        report_error(&c->report, value->span, "`runs_on` must be a list of tags, not %s",
                     node_kind_name(value));
        return;
    }
    if (value->count > TAGS_MAX) {
        report_error(&c->report, value->span, "more than %d tags", TAGS_MAX);
        return;
    }
    for (const struct node *child = value->first; child; child = child->next)
        if (check_tag(c, child))
            tags[count++] = arena_text(c->arena, child->text);
    keep_tags(c, tags, count);
}

/* ---------------------------------------------------------------------------------------- finally
 */

void key_finally(struct compiler *c, const struct target *target, const struct node *value)
{
    struct draft *draft = draft_new(c, value->key->span);
    const struct target inner = {.draft = draft};
    c->finally = draft;
    draft->roots = ROOT_FAILURE | ROOT_ENDED;
    draft->map = value;
    c->flow->finally = draft->task;
    if (value->kind == NODE_MAP) {
        language_read(c, IN_FINALLY, value, &inner);
        return;
    }
    struct flow_problem *problem = report_error(
        &c->report, value->span, "`finally` must be one task, not %s", node_kind_name(value));
    if (value->kind == NODE_LIST)
        report_hint(&c->report, problem, "several are `finally: {steps: […]}`");
}
