/* SPDX-License-Identifier: Apache-2.0 */
/* What expressions see. */
#include "base/check.h"
#include "base/json.h"
#include "engine/sim/reference_private.h"

struct view {
    struct reference *ref;
    const struct node *node;
    enum own own;
};

static struct text failure_json(struct reference *ref, const struct trouble *trouble)
{
    if (!trouble)
        return TEXT("null");
    return arena_printf(ref->arena, "{\"class\":\"%s\",\"task\":\"%.*s\"}", trouble->class,
                        TEXT_ARG(trouble->task));
}

static struct text or_null(struct text json)
{
    return json.data ? json : TEXT("null");
}

/* ------------------------------------------------------------------------------------- results */

/* Built of the parts where there are some. */
static struct text result_of(struct reference *ref, const struct node *node)
{
    if (!node->ended || node->failure || node->state == TASK_SKIPPED)
        return TEXT("null");
    if (node->layer != LAYER_EACH)
        return or_null(node->result);
    struct text all = TEXT("");
    bool is_object = false;
    for (size_t i = 0; i < node->part_count; i++) {
        const struct node *part = node->parts[i];
        all = arena_printf(ref->arena, "%.*s%s%.*s", TEXT_ARG(all), i ? "," : "",
                           TEXT_ARG(result_of(ref, part)));
    }
    return arena_printf(ref->arena, "%c%.*s%c", is_object ? '{' : '[', TEXT_ARG(all),
                        is_object ? '}' : ']');
}

static const char *state_of(const struct node *node)
{
    return task_state_name(node->state);
}

static size_t find_task(const struct view *view, const struct text *names, size_t count,
                        struct text *ret_json)
{
    const struct node *flow = view->own == OWN_PARTS ? view->node : view->node->around;
    if (count < 3)
        return 0;
    for (; flow; flow = flow->around) {
        int64_t number = flow->layer == LAYER_FLOW ? flow_level_find(flow->level, names[1]) : -1;
        if (number < 0)
            continue;
        const struct node *node = flow->parts[number];
        if (text_equal(names[2], TEXT("state")))
            *ret_json = arena_printf(view->ref->arena, "\"%s\"", state_of(node));
        else if (text_equal(names[2], TEXT("failure")))
            *ret_json = failure_json(view->ref, node->ended ? node->failure : NULL);
        else
            *ret_json = result_of(view->ref, node);
        return 3;
    }
    return 0;
}

/* -------------------------------------------------------------------------------------- places */

/* The nearest part of a foreach or of a repeat: the node itself only if `own` says so. */
static const struct node *nearest_part(const struct view *view, enum layer layer)
{
    const struct node *node = view->node;
    if (view->own == OWN_NOTHING && node->task)
        while (node->around && node->around->layer != LAYER_FLOW)
            node = node->around;
    if (view->own == OWN_NOTHING)
        node = node->around;
    for (; node && node->around; node = node->around) {
        if (node->around->layer == layer)
            return node;
    }
    return NULL;
}

static struct text earlier_result(const struct view *view, const struct node *round)
{
    return round->number > 0 ? result_of(view->ref, round->around->parts[round->number - 1])
                             : TEXT("null");
}

static bool has_retry(const struct view *view, const struct node *node)
{
    if (node->layer != LAYER_FLOW && node->layer != LAYER_VERB)
        return false;
    return node->task ? node->task->retry.present : view->ref->flow->retry.present;
}

static struct text retry_json(const struct view *view)
{
    const struct node *node = view->own == OWN_NOTHING ? view->node->around : view->node;
    while (node && !has_retry(view, node))
        node = node->around;
    return arena_printf(view->ref->arena, "{\"attempt\":%d,\"value\":null,\"earlier\":[]}",
                        node ? node->attempt : 1);
}

static struct text result_json(const struct view *view)
{
    const struct node *node = view->node;
    return view->own == OWN_REVERT && node->failure ? TEXT("null") : or_null(node->result);
}

static size_t find(void *context, const struct text *names, size_t count, struct text *ret_json)
{
    const struct view *view = context;
    const struct node *node = view->node;
    const struct node *item = nearest_part(view, LAYER_EACH);
    const struct node *round = nearest_part(view, LAYER_ROUNDS);
    struct text name = names[0];
    if (text_equal(name, TEXT("tasks")))
        return find_task(view, names, count, ret_json);
    if (text_equal(name, TEXT("input")))
        *ret_json = view->ref->plan->input;
    else if (text_equal(name, TEXT("retry")))
        *ret_json = retry_json(view);
    else if (text_equal(name, TEXT("result")))
        *ret_json = result_json(view);
    else if (text_equal(name, TEXT("failure")))
        *ret_json = failure_json(view->ref, view->own == OWN_REVERT ? node->cause : node->failure);
    else if (text_equal(name, TEXT("item")) && item)
        *ret_json = item->item;
    else if (text_equal(name, TEXT("index")) && item)
        *ret_json = arena_printf(view->ref->arena, "%d", item->number);
    else if (text_equal(name, TEXT("prev")) && round)
        *ret_json = earlier_result(view, round);
    else if (text_equal(name, TEXT("round")) && round)
        *ret_json = arena_printf(view->ref->arena, "%d", round->number);
    else
        return 0;
    return 1;
}

/* ------------------------------------------------------------------------------------- reading */

int ref_read_condition(struct reference *ref, const struct node *node, enum own own,
                       const struct flow_condition *condition)
{
    struct view view = {ref, node, own};
    struct expr_scope scope = {&view, find};
    bool value = condition->constant;
    if (condition->expr &&
        expr_eval_bool(condition->expr, ref->arena, &scope, NULL, &value, NULL) != 0)
        return -1;
    return value;
}

static bool finish(struct reference *ref, int rc, struct buffer *buffer, struct text *ret_text)
{
    *ret_text = rc ? TEXT_NONE : arena_text(ref->arena, buffer_text(buffer));
    buffer_done(buffer);
    return rc == 0;
}

bool ref_read_expression(struct reference *ref, const struct node *node, enum own own,
                         const struct expr *expr, struct text *ret_json)
{
    struct view view = {ref, node, own};
    struct expr_scope scope = {&view, find};
    struct buffer json = {0};
    int rc = expr_eval(expr, ref->arena, &scope, NULL, &json, NULL);
    return finish(ref, rc, &json, ret_json);
}

int64_t ref_read_amount(struct reference *ref, const struct node *node, enum own own,
                        const struct flow_amount *amount, int64_t absent)
{
    struct text text;
    struct json *json;
    int64_t value = 0;
    if (!amount->present)
        return absent;
    if (!amount->expr)
        return amount->value;
    CHECK(ref_read_expression(ref, node, own, amount->expr, &text));
    CHECK(json_parse(ref->arena, text, &json, NULL) == 0 && json_int64(json, &value));
    return value;
}

bool ref_read_text(struct reference *ref, const struct node *node, enum own own,
                   const struct template *template, struct text *ret_text)
{
    struct view view = {ref, node, own};
    struct expr_scope scope = {&view, find};
    struct buffer text = {0};
    int rc = template_eval_text(template, ref->arena, &scope, NULL, &text, NULL);
    return finish(ref, rc, &text, ret_text);
}

bool ref_read_value(struct reference *ref, const struct node *node, enum own own,
                    const struct template *template, struct text *ret_json)
{
    struct view view = {ref, node, own};
    struct expr_scope scope = {&view, find};
    struct buffer json = {0};
    int rc = template_eval(template, ref->arena, &scope, NULL, &json, NULL);
    return finish(ref, rc, &json, ret_json);
}
