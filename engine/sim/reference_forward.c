/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and ending: items, rounds, attempts, verbs. */
#include "base/check.h"
#include "base/json.h"
#include "engine/sim/reference_private.h"

static void look_items(struct reference *ref, struct node *node);
static void look_rounds(struct reference *ref, struct node *node, bool may_begin);

/* -------------------------------------------------------------------------------- start and end */

static void make_items(struct reference *ref, struct node *node)
{
    struct text text;
    struct json *list = NULL;
    CHECK(ref_read_value(ref, node, OWN_NOTHING, node->task->foreach.in, &text));
    CHECK(json_parse(ref->arena, text, &list, NULL) == 0);
    enum layer layer = node->task->repeat.present ? LAYER_ROUNDS
                       : node->task->nested       ? LAYER_FLOW
                                                  : LAYER_VERB;
    int number = 0;
    for (const struct json *one = list->first; one; one = one->next) {
        struct text path = arena_printf(ref->arena, "%.*s/%d", TEXT_ARG(node->path), number++);
        struct node *part = ref_part(ref, node, node->task, layer, path);
        part->item = one->raw;
        if (list->kind != JSON_OBJECT)
            continue;
        struct buffer pair = {0};
        buffer_add_string(&pair, "{\"key\":");
        buffer_add_json_string(&pair, one->key);
        buffer_printf(&pair, ",\"value\":%.*s}", TEXT_ARG(one->raw));
        part->item = arena_text(ref->arena, buffer_text(&pair));
        buffer_done(&pair);
    }
}

static void begin_round(struct reference *ref, struct node *node)
{
    struct text path =
        arena_printf(ref->arena, "%.*s/%d", TEXT_ARG(node->path), (int)node->part_count);
    ref_forward_begin(
        ref, ref_part(ref, node, node->task, node->task->nested ? LAYER_FLOW : LAYER_VERB, path));
}

static void make_tasks(struct reference *ref, struct node *node)
{
    node->part_count = 0;
    for (uint32_t i = 0; i < node->level->task_count; i++) {
        const struct flow_task *task = &node->level->tasks[i];
        struct text path = arena_printf(ref->arena, "%.*s%s%.*s", TEXT_ARG(node->path),
                                        node->path.data ? "/" : "", TEXT_ARG(task->name));
        ref_part(ref, node, task, ref_outermost(task), path);
    }
}

void ref_forward_begin(struct reference *ref, struct node *node)
{
    node->going = true;
    node->state = TASK_RUNNING;
    node->attempt += node->layer == LAYER_VERB || node->layer == LAYER_FLOW;
    if (node->path.data)
        ref_say(ref, node, TASK_RUNNING, NULL);
    else if (node->attempt == 1 || node->reverts)
        ref_say(ref, node, JOB_RUNNING, node->attempt > 1 ? "retry" : NULL);
    node->reverts = false;
    switch (node->layer) {
    case LAYER_EACH:
        make_items(ref, node);
        look_items(ref, node);
        break;
    case LAYER_ROUNDS:
        begin_round(ref, node);
        break;
    case LAYER_FLOW:
        make_tasks(ref, node);
        break;
    case LAYER_VERB:
        ref_act(ref, node, false);
        break;
    }
}

void ref_forward_end(struct reference *ref, struct node *node, enum task_state state,
                     struct trouble *failure)
{
    node->going = false;
    node->ended = true;
    node->state = state;
    node->failure = failure;
    node->order = ref->ends++;
    if (node->path.data)
        ref_say(ref, node, state, !failure ? NULL : node->paused ? "failed" : failure->class);
    node->paused = false;
    ref->changed = true;
    if (node->around && node->around->layer == LAYER_EACH)
        look_items(ref, node->around);
    else if (node->around && node->around->layer == LAYER_ROUNDS)
        look_rounds(ref, node->around, false);
    else if (node->around)
        ref_level_part_ended(ref, node->around);
}

void ref_forward_skip(struct reference *ref, struct node *node, const char *why)
{
    node->ended = true;
    node->state = TASK_SKIPPED;
    ref_say(ref, node, TASK_SKIPPED, why);
}

void ref_forward_fail_flow(struct reference *ref, struct node *flow, struct trouble *trouble,
                           int64_t order)
{
    if (flow->undoing || flow->ended)
        return;
    if (!flow->blame || order < flow->blame_order) {
        flow->blame = trouble;
        flow->blame_order = order;
    }
    if (flow->failing)
        return;
    flow->failing = true;
    for (size_t i = 0; i < flow->part_count; i++)
        ref_forward_close(ref, flow->parts[i]);
    ref->changed = true;
}

void ref_forward_close(struct reference *ref, struct node *node)
{
    if (!node->going || node->closed || node->behind)
        return;
    node->closed = true;
    if (node->undoing)
        return;
    if (node->paused)
        ref_forward_end(ref, node, TASK_FAILURE, node->failure);
    else if (node->layer == LAYER_FLOW)
        ref_forward_fail_flow(ref, node, ref_trouble(ref, "cancelled", node->path), ref->ends++);
    for (size_t i = 0; i < node->part_count; i++)
        ref_forward_close(ref, node->parts[i]);
}

/* ---------------------------------------------------------------------------------------- verbs */

bool ref_forward_retries(struct reference *ref, const struct node *node)
{
    const struct flow_retry *retry = node->task ? &node->task->retry : &ref->flow->retry;
    const char *class = node->failure->class;
    if (!retry->present || node->closed || node->undo_failed || node->root->doomed ||
        node->root->stopped)
        return false;
    if (node->attempt >= ref_read_amount(ref, node, OWN_NOTHING, &retry->attempts, 1))
        return false;
    if (retry->only_if)
        return ref_read_condition(ref, node, OWN_FAILURE, retry->only_if) > 0;
    return text_compare(text_of(class), TEXT("expression")) != 0;
}

void ref_forward_verb_ended(struct reference *ref, struct node *node, const struct act *act)
{
    const struct flow_task *task = node->task;
    const char *class = task->verb == VERB_FAIL ? "fail" : "exit";
    bool fails = act->fails;
    node->result = fails || !act->result.data ? TEXT("null") : act->result;
    if (!fails && task->expect && ref_read_condition(ref, node, OWN_RESULT, task->expect) <= 0) {
        fails = true;
        class = "expect";
        node->result = TEXT("null");
    }
    if (!fails) {
        ref_forward_end(ref, node, TASK_SUCCESS, NULL);
        return;
    }
    node->failure = ref_trouble(ref, class, node->path);
    if (!ref_forward_retries(ref, node)) {
        ref_forward_end(ref, node, TASK_FAILURE, node->failure);
        return;
    }
    ref_say(ref, node, TASK_RETRYING, class);
    ref_pause(ref, node, &task->retry, node->attempt);
}

void ref_forward_go_on(struct reference *ref, struct node *node)
{
    if (node->layer == LAYER_FLOW)
        ref_level_forget(ref, node);
    node->failure = NULL;
    ref_forward_begin(ref, node);
}

/* ----------------------------------------------------------------------------- items and rounds */

struct tally {
    int going, good, bad, idle;
    int cancelled; /* of the bad ones */
    bool reverted; /* of what failed */
};

static struct tally count(const struct node *node)
{
    struct tally tally = {0};
    for (size_t i = 0; i < node->part_count; i++) {
        const struct node *part = node->parts[i];
        tally.going += part->going;
        tally.idle += !part->going && !part->ended;
        tally.good += part->ended && part->state == TASK_SUCCESS;
        tally.bad += part->ended && part->state == TASK_FAILURE;
        tally.cancelled += part->ended && part->state == TASK_FAILURE &&
                           text_equal(text_of(part->failure->class), TEXT("cancelled"));
        tally.reverted |= part->failure && part->failure->reverted;
    }
    return tally;
}

static int64_t enough(struct reference *ref, const struct node *node)
{
    const struct flow_foreach *each = &node->task->foreach;
    int64_t count = (int64_t)node->part_count;
    int64_t wanted = ref_read_amount(ref, node, OWN_NOTHING, &each->enough, count);
    return each->enough.present && each->enough_is_percent ? (count * wanted + 99) / 100 : wanted;
}

static void look_items(struct reference *ref, struct node *node)
{
    const struct flow_foreach *each = &node->task->foreach;
    struct tally now = count(node);
    bool starts = !node->closed && !(each->fail_fast && now.bad > 0);
    int64_t at_once = ref_read_amount(ref, node, OWN_NOTHING, &each->concurrency, 10);
    bool was_left = false;
    for (size_t i = 0; i < node->part_count && node->going; i++) {
        struct node *part = node->parts[i];
        if (part->going || part->ended)
            continue;
        if (!starts)
            ref_forward_skip(ref, part, "failed");
        else if (now.going < at_once)
            ref_forward_begin(ref, part);
        now = count(node);
        starts &= !node->closed && !(each->fail_fast && now.bad > 0);
    }
    now = count(node);
    if (!node->going || now.going > 0 || now.idle > 0)
        return;
    for (size_t i = 0; i < node->part_count; i++)
        was_left |= node->parts[i]->state == TASK_SKIPPED;
    if (now.good >= enough(ref, node) && !(node->closed && was_left)) {
        ref_forward_end(ref, node, TASK_SUCCESS, NULL);
        return;
    }
    bool cancelled = node->closed && now.bad == now.cancelled;
    struct trouble *failure = ref_trouble(ref, cancelled ? "cancelled" : "foreach", node->path);
    failure->reverted = now.reverted;
    ref_forward_end(ref, node, TASK_FAILURE, failure);
}

static void look_rounds(struct reference *ref, struct node *node, bool may_begin)
{
    const struct flow_repeat *repeat = &node->task->repeat;
    struct node *round = node->parts[node->part_count - 1];
    if (!node->going || !round->ended)
        return;
    node->result = round->result;
    if (round->state == TASK_FAILURE)
        ref_forward_end(ref, node, TASK_FAILURE, round->failure);
    else if (ref_read_condition(ref, round, OWN_RESULT, &repeat->until) > 0)
        ref_forward_end(ref, node, TASK_SUCCESS, NULL);
    else if ((int64_t)node->part_count >=
             ref_read_amount(ref, node, OWN_NOTHING, &repeat->times, INT64_MAX))
        ref_forward_end(ref, node, TASK_FAILURE, ref_trouble(ref, "repeat", node->path));
    else if (node->closed)
        ref_forward_end(ref, node, TASK_FAILURE, ref_trouble(ref, "cancelled", node->path));
    else if (may_begin)
        begin_round(ref, node);
}

void ref_forward_look(struct reference *ref, struct node *node)
{
    if (!node->going)
        return;
    bool first = ref->shuffles && random_below(&ref->random, 2) == 0;
    for (size_t i = 0; !first && i < node->part_count; i++)
        ref_forward_look(ref, node->parts[i]);
    if (node->layer == LAYER_EACH)
        look_items(ref, node);
    else if (node->layer == LAYER_ROUNDS)
        look_rounds(ref, node, !ref_holds(ref));
    else if (node->layer == LAYER_FLOW && !ref_holds(ref))
        ref_level_look(ref, node);
    for (size_t i = 0; first && node->going && i < node->part_count; i++)
        ref_forward_look(ref, node->parts[i]);
}
