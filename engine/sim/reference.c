/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/check.h"
#include "engine/sim/reference_private.h"

#define LOOKS_MAX 200000 /* over the tree of one job: more is an endless loop */

/* ----------------------------------------------------------------------------------------- nodes
 */

enum layer ref_outermost(const struct flow_task *task)
{
    if (task->foreach.present)
        return LAYER_EACH;
    if (task->repeat.present)
        return LAYER_ROUNDS;
    return task->nested ? LAYER_FLOW : LAYER_VERB;
}

struct node *ref_part(struct reference *ref, struct node *around, const struct flow_task *task,
                      enum layer layer, struct text path)
{
    struct node *node = arena_calloc(ref->arena, 1, sizeof *node);
    node->around = around;
    node->root = around ? around->root : node;
    node->task = task;
    node->layer = layer;
    node->path = path;
    if (layer == LAYER_FLOW)
        node->level = task ? task->nested : &ref->flow->top;
    if (!around)
        return node;
    around->parts =
        arena_grow(ref->arena, around->parts, around->part_count, around->part_count + 1,
                   &around->part_capacity, sizeof *around->parts);
    node->number = (int)around->part_count;
    around->parts[around->part_count++] = node;
    return node;
}

struct trouble *ref_trouble(struct reference *ref, const char *class, struct text task)
{
    struct trouble *trouble = arena_calloc(ref->arena, 1, sizeof *trouble);
    *trouble = (struct trouble){.class = class, .task = task};
    return trouble;
}

void ref_say(struct reference *ref, const struct node *node, int state, const char *detail)
{
    ref->moves = arena_grow(ref->arena, ref->moves, ref->move_count, ref->move_count + 1,
                            &ref->move_capacity, sizeof *ref->moves);
    ref->moves[ref->move_count++] = (struct move){.path = node->path,
                                                  .state = state,
                                                  .attempt = node->path.data ? node->attempt : 0,
                                                  .detail = text_of(detail),
                                                  .at_ms = ref->now_ms};
    ref->changed = true;
}

/* ----------------------------------------------------------------------------------------- verbs
 */

/* How a call is named: the path, the attempts of the flows around if one was retried, `/revert`,
 * the attempt. */
static struct text name_call(struct reference *ref, const struct node *node, bool is_revert)
{
    struct text attempts = TEXT("");
    bool retried = false;
    for (const struct node *flow = node->around; flow; flow = flow->around) {
        if (flow->layer != LAYER_FLOW)
            continue;
        retried |= flow->attempt > 1;
        attempts = arena_printf(ref->arena, "%d%s%.*s", flow->attempt, attempts.len ? "." : "",
                                TEXT_ARG(attempts));
    }
    return arena_printf(ref->arena, "%.*s%s%.*s%s@%d", TEXT_ARG(node->path), retried ? "~" : "",
                        retried ? (int)attempts.len : 0, attempts.data, is_revert ? "/revert" : "",
                        is_revert ? node->undo_attempts : node->attempt);
}

static struct text json_of(struct reference *ref, struct text text)
{
    struct buffer json = {0};
    buffer_add_json_string(&json, text);
    struct text copy = arena_text(ref->arena, buffer_text(&json));
    buffer_done(&json);
    return copy;
}

static void run_step(struct reference *ref, struct act *act, const struct flow_task *task,
                     bool is_revert)
{
    enum own own = is_revert ? OWN_REVERT : OWN_ATTEMPT;
    struct text words = TEXT(""), name = name_call(ref, act->node, is_revert);
    for (size_t i = 0; i < task->argc; i++) {
        struct text word;
        CHECK(ref_read_text(ref, act->node, own, task->argv[i], &word));
        words = arena_printf(ref->arena, "%.*s %.*s", TEXT_ARG(words), TEXT_ARG(word));
    }
    int attempt = is_revert ? act->node->undo_attempts : act->node->attempt;
    struct stage_script script = stage_read_script(words, name, attempt, ref->plan->seed);
    act->end_ms = ref->now_ms + script.duration_ms;
    act->order = script.order / 2;
    act->fails = script.fails;
    act->result = json_of(ref, script.out.data ? script.out : name);
}

static void add_act(struct reference *ref, const struct act *act)
{
    ref->acts = arena_grow(ref->arena, ref->acts, ref->act_count, ref->act_count + 1,
                           &ref->act_capacity, sizeof *ref->acts);
    ref->acts[ref->act_count++] = *act;
}

static void act_ended(struct reference *ref, const struct act *act)
{
    if (act->is_pause && !act->node->paused)
        return;
    act->node->paused = false;
    ref->now_ms = act->end_ms;
    if (act->is_pause && act->node->undo == UNDO_RUNNING)
        ref_undo_go_on(ref, act->node);
    else if (act->is_pause)
        ref_forward_go_on(ref, act->node);
    else if (act->node->undo == UNDO_RUNNING)
        ref_undo_verb_ended(ref, act->node, act);
    else
        ref_forward_verb_ended(ref, act->node, act);
}

/* `set`, `noop` and `fail` take no time. */
void ref_act(struct reference *ref, struct node *node, bool is_revert)
{
    const struct flow_task *task = is_revert ? node->task->revert : node->task;
    struct act act = {.node = node, .end_ms = ref->now_ms};
    if (task->verb == VERB_RUN)
        run_step(ref, &act, task, is_revert);
    else if (task->verb == VERB_SET)
        CHECK(ref_read_value(ref, node, is_revert ? OWN_REVERT : OWN_ATTEMPT, task->value,
                             &act.result));
    else
        act.fails = task->verb == VERB_FAIL;
    if (task->verb != VERB_RUN) {
        act_ended(ref, &act);
        return;
    }
    add_act(ref, &act);
}

void ref_pause(struct reference *ref, struct node *node, const struct flow_retry *retry,
               int attempt)
{
    int64_t pause_ms = ref_read_amount(ref, node, OWN_ATTEMPT, &retry->delay_ms, 1000);
    int64_t most_ms = ref_read_amount(ref, node, OWN_ATTEMPT, &retry->max_delay_ms, 3600000);
    for (int i = 1; i < attempt && pause_ms < most_ms; i++)
        pause_ms = (int64_t)((double)pause_ms * retry->backoff);
    if (pause_ms > most_ms)
        pause_ms = most_ms;
    /* What ends at the same time ends before, in the plainest order. */
    struct act act = {.node = node,
                      .is_pause = true,
                      .end_ms = ref->now_ms + pause_ms,
                      .order = UINT64_MAX / 2 + ref->pauses++};
    if (ref->shuffles)
        act.order = random_next(&ref->random);
    node->paused = true;
    add_act(ref, &act);
}

/* ------------------------------------------------------------------------------------------ time
 */

static struct act take_next(struct reference *ref)
{
    size_t best = 0;
    for (size_t i = 1; i < ref->act_count; i++) {
        const struct act *one = &ref->acts[i], *first = &ref->acts[best];
        if (one->end_ms < first->end_ms ||
            (one->end_ms == first->end_ms && one->order < first->order))
            best = i;
    }
    struct act act = ref->acts[best];
    ref->acts[best] = ref->acts[--ref->act_count];
    return act;
}

/* Every move that can be made now. */
static void look(struct reference *ref, struct node *root)
{
    int looks = 0;
    do {
        CHECK(looks++ < LOOKS_MAX);
        ref->changed = ref->held = false;
        ref->may_hold = ref->shuffles && random_below(&ref->random, 2) == 0;
        ref_forward_look(ref, root);
    } while (ref->changed || ref->held);
}

static void play_tree(struct reference *ref, struct node *root)
{
    ref_forward_begin(ref, root);
    look(ref, root);
    while (ref->act_count > 0) {
        struct act act = take_next(ref);
        ref_order_begin(ref, act.end_ms);
        act_ended(ref, &act);
        look(ref, root);
    }
    CHECK(root->ended);
}

void ref_play(struct reference *ref)
{
    ref->job = ref_part(ref, NULL, NULL, LAYER_FLOW, TEXT_NONE);
    ref->job_state = JOB_RUNNING;
    ref_order_begin(ref, 0);
    play_tree(ref, ref->job);
    const struct flow_task *last = ref->flow->finally;
    if (last) {
        ref->last = ref_part(ref, NULL, last, ref_outermost(last), TEXT("finally"));
        int wanted =
            !last->run_if ? 1 : ref_read_condition(ref, ref->last, OWN_NOTHING, last->run_if);
        if (wanted > 0)
            play_tree(ref, ref->last);
        else if (wanted == 0)
            ref_forward_skip(ref, ref->last, "if");
        else
            ref_forward_end(ref, ref->last, TASK_FAILURE,
                            ref_trouble(ref, "expression", ref->last->path));
    }
    ref_say(ref, ref->job, ref->job_state, NULL);
}
