/* SPDX-License-Identifier: Apache-2.0 */
/* Undoing: in reverse order of the needs, rounds and starts. */
#include "base/check.h"
#include "engine/sim/reference_private.h"

/* -------------------------------------------------------------------------------------- asking */

/* Every verb in it that was started and was not undone before. */
static void ask(struct node *node, struct trouble *cause)
{
    node->cause = cause;
    bool started = node->attempt > 0 && node->state != TASK_SKIPPED;
    if (node->layer == LAYER_VERB)
        node->undo = started && node->undo != UNDO_OVER ? UNDO_ASKED : UNDO_OVER;
    else if (node->undo != UNDO_OVER)
        node->undo = UNDO_ASKED;
    for (size_t i = 0; i < node->part_count; i++)
        ask(node->parts[i], cause);
}

void ref_undo_begin(struct reference *ref, struct node *flow, struct trouble *cause)
{
    flow->is_top = true;
    flow->reverts = false;
    ask(flow, cause);
    ref->changed = true;
}

/* -------------------------------------------------------------------------------------- moves */

/* The flow or job, and what lies between, are REVERTING from the first revert on. */
static void say_reverting(struct reference *ref, struct node *node)
{
    if (node->reverts)
        return;
    if (!node->is_top)
        say_reverting(ref, node->around);
    node->reverts = true;
    ref_say(ref, node, node->path.data ? (int)TASK_REVERTING : (int)JOB_REVERTING, NULL);
}

static void keep_needs(struct node *flow, const struct flow_task *task)
{
    for (size_t i = 0; i < task->need_count; i++) {
        flow->parts[task->needs[i].task]->in_use = true;
        keep_needs(flow, flow->parts[task->needs[i].task]->task);
    }
}

/* What stands before it, in its flow and in those around, is still in use. */
static void keep_what_it_needed(struct node *node)
{
    for (; node->around; node = node->around) {
        struct node *around = node->around;
        if (around->layer == LAYER_FLOW)
            keep_needs(around, node->task);
        for (int i = 0; around->layer == LAYER_ROUNDS && i < node->number; i++)
            around->parts[i]->in_use = true;
    }
}

static void begin_revert(struct reference *ref, struct node *node)
{
    say_reverting(ref, node->around);
    node->undo = UNDO_RUNNING;
    node->undo_attempts++;
    node->cause->reverted = true;
    ref_say(ref, node, TASK_REVERTING, NULL);
    ref_act(ref, node, true);
}

void ref_undo_go_on(struct reference *ref, struct node *node)
{
    begin_revert(ref, node);
}

static void undo_verb(struct reference *ref, struct node *node)
{
    const struct flow_task *revert = node->task->revert;
    int wanted = 1;
    if (revert && revert->run_if)
        wanted = ref_read_condition(ref, node, OWN_REVERT, revert->run_if);
    if (revert && wanted > 0) {
        begin_revert(ref, node);
        return;
    }
    node->undo = UNDO_OVER;
    ref_say(ref, node, node->state, revert ? "revert if" : "no revert");
}

void ref_undo_verb_ended(struct reference *ref, struct node *node, const struct act *act)
{
    const struct flow_task *revert = node->task->revert;
    bool fails = act->fails;
    ref->changed = true;
    if (fails && revert->retry.present &&
        node->undo_attempts < ref_read_amount(ref, node, OWN_REVERT, &revert->retry.attempts, 1)) {
        ref_pause(ref, node, &revert->retry, node->undo_attempts);
        return;
    }
    node->undo = UNDO_OVER;
    if (!fails) {
        node->state = TASK_REVERTED;
        ref_say(ref, node, TASK_REVERTED, NULL);
        return;
    }
    node->state = TASK_REVERT_FAILURE;
    node->failure = ref_trouble(ref, revert->verb == VERB_FAIL ? "fail" : "exit", node->path);
    ref_say(ref, node, TASK_REVERT_FAILURE, NULL);
    keep_what_it_needed(node);
    for (struct node *around = node; around; around = around->around)
        around->undo_failed = true;
    /* How `finally` ends changes nothing, not even there. */
    if (node->root == ref->job && !node->root->doomed_by_revert) {
        node->root->doomed = node->root->doomed_by_revert = true;
        ref_forward_fail_flow(ref, node->root, node->failure, INT64_MAX);
    }
}

/* ------------------------------------------------------------------------------------- order */

/* Whether all that needed the task, directly or not, is undone. */
static bool nobody_needs(const struct node *flow, const struct flow_task *task)
{
    for (size_t i = 0; i < task->dependent_count; i++) {
        const struct node *other = flow->parts[task->dependents[i]];
        if (other->undo != UNDO_OVER || !nobody_needs(flow, other->task))
            return false;
    }
    return true;
}

static bool has_turn(struct reference *ref, const struct node *around, size_t number)
{
    if (around->layer == LAYER_FLOW)
        return nobody_needs(around, around->parts[number]->task);
    if (around->layer == LAYER_ROUNDS)
        return number + 1 == around->part_count || around->parts[number + 1]->undo == UNDO_OVER;
    int64_t at_once =
        ref_read_amount(ref, around, OWN_NOTHING, &around->task->foreach.concurrency, 10);
    for (size_t i = number + 1; i < around->part_count; i++)
        at_once -= around->parts[i]->undo != UNDO_OVER;
    return at_once > 0;
}

static void undo_node(struct reference *ref, struct node *node);

/* True when all parts are undone. */
static bool undo_parts(struct reference *ref, struct node *node)
{
    bool all = true;
    for (size_t i = node->part_count; i-- > 0;) {
        struct node *part = node->parts[i];
        if (part->undo != UNDO_OVER && has_turn(ref, node, i) && !ref_holds(ref))
            undo_node(ref, part);
        all &= part->undo == UNDO_OVER;
    }
    return all;
}

static void undo_node(struct reference *ref, struct node *node)
{
    if (node->in_use) {
        node->undo = UNDO_OVER;
        ref->changed = true;
        if (node->ended && node->state != TASK_SKIPPED)
            ref_say(ref, node, node->state, "not undone");
        return;
    }
    if (node->layer == LAYER_VERB) {
        if (node->undo == UNDO_ASKED)
            undo_verb(ref, node);
        return;
    }
    if (!undo_parts(ref, node))
        return;
    node->undo = UNDO_OVER;
    ref->changed = true;
    if (!node->reverts)
        return;
    node->state = node->undo_failed ? TASK_REVERT_FAILURE : TASK_REVERTED;
    ref_say(ref, node, node->state, NULL);
}

bool ref_undo_look(struct reference *ref, struct node *flow)
{
    if (!undo_parts(ref, flow))
        return false;
    /* What goes on further out does not undo it again. */
    flow->undo = UNDO_OVER;
    return true;
}
