/* SPDX-License-Identifier: Apache-2.0 */
/* One flow: what may start, what was passed over, which failure is whose. */
#include "base/check.h"
#include "engine/sim/reference_private.h"

static bool is_started(const struct node *node)
{
    return node->going || (node->ended && node->state != TASK_SKIPPED);
}

/* Nothing new starts but what stands behind a met `failure` or `done` need. */
static bool is_closed(const struct node *flow)
{
    return flow->closed || flow->failing;
}

static bool is_idle(const struct node *node)
{
    return !node->going && !node->ended;
}

/* ----------------------------------------------------------------------------------------- needs
 */

enum verdict { VERDICT_OPEN, VERDICT_MET, VERDICT_VOID, VERDICT_DEAD };

static enum verdict of_success(const struct node *target, enum flow_join join)
{
    if (target->state == TASK_SUCCESS)
        return VERDICT_MET;
    if (target->state == TASK_FAILURE)
        return target->task->on_failure == FAIL_CONTINUE ? VERDICT_MET : VERDICT_DEAD;
    if (target->passed)
        return join == JOIN_ALL ? VERDICT_MET : VERDICT_VOID;
    return target->cut ? VERDICT_DEAD : VERDICT_VOID;
}

static enum verdict of_need(const struct node *flow, const struct node *part,
                            const struct flow_need *need)
{
    const struct node *target = flow->parts[need->task];
    if (!target->ended)
        return VERDICT_OPEN;
    switch (need->kind) {
    case NEED_SUCCESS:
        return of_success(target, part->task->join);
    case NEED_FAILURE:
        return target->state == TASK_FAILURE ? VERDICT_MET : VERDICT_DEAD;
    case NEED_DONE:
        break;
    }
    return VERDICT_MET;
}

static enum verdict of_join(struct reference *ref, const struct node *flow, const struct node *part)
{
    const struct flow_task *task = part->task;
    int count[4] = {0};
    for (size_t i = 0; i < task->need_count; i++)
        count[of_need(flow, part, &task->needs[i])]++;
    if (task->need_count == 0)
        return VERDICT_MET;
    if (task->join == JOIN_ALL) {
        if (count[VERDICT_DEAD] > 0)
            return VERDICT_DEAD;
        if (count[VERDICT_OPEN] > 0)
            return VERDICT_OPEN;
        return count[VERDICT_MET] > 0 ? VERDICT_MET : VERDICT_DEAD;
    }
    int64_t wanted =
        task->join == JOIN_ANY ? 1 : ref_read_amount(ref, flow, OWN_PARTS, &task->join_count, 1);
    if (count[VERDICT_MET] >= wanted)
        return VERDICT_MET;
    return count[VERDICT_MET] + count[VERDICT_OPEN] >= wanted ? VERDICT_OPEN : VERDICT_DEAD;
}

/* A failure cut the task off: one that it needed to succeed, or that so cut off what it needs. */
static bool is_cut(const struct node *flow, const struct node *part)
{
    for (size_t i = 0; i < part->task->need_count; i++) {
        const struct flow_need *need = &part->task->needs[i];
        const struct node *target = flow->parts[need->task];
        if (need->kind != NEED_SUCCESS || !target->ended)
            continue;
        if (of_need(flow, part, need) == VERDICT_DEAD)
            return true;
    }
    return false;
}

/* Behind a met need of a failure or of any end, or behind a task that so started. */
static bool is_behind(const struct node *flow, const struct node *part)
{
    for (size_t i = 0; i < part->task->need_count; i++) {
        const struct flow_need *need = &part->task->needs[i];
        const struct node *target = flow->parts[need->task];
        if (of_need(flow, part, need) != VERDICT_MET)
            continue;
        if (need->kind != NEED_SUCCESS || (is_started(target) && target->behind))
            return true;
    }
    return false;
}

/* It is, or a need is open that may put it there. */
static bool may_be_behind(const struct node *flow, const struct node *part)
{
    bool may = is_behind(flow, part);
    for (size_t i = 0; i < part->task->need_count; i++)
        may |= !flow->parts[part->task->needs[i].task]->ended;
    return may;
}

/* -------------------------------------------------------------------------------- passing over */

static void pass_over(struct reference *ref, struct node *node, const char *why)
{
    node->passed = true;
    ref_forward_skip(ref, node, why);
}

/* What needs the task as `success` and has not started. */
static void pass_over_dependents(struct reference *ref, struct node *flow, uint32_t number,
                                 bool all)
{
    const struct flow_task *task = &flow->level->tasks[number];
    for (size_t i = 0; i < task->dependent_count; i++) {
        struct node *next = flow->parts[task->dependents[i]];
        if (task->dependent_kinds[i] != NEED_SUCCESS || !is_idle(next) ||
            (next->has_turn && !ref->skip_is_prompt && !ref_holds(ref)))
            continue;
        pass_over(ref, next, "skip");
        if (all)
            pass_over_dependents(ref, flow, task->dependents[i], true);
    }
}

static void reach_further(struct reference *ref, struct node *part)
{
    struct node *flow = part->around;
    enum flow_skip skip = part->task->skip;
    if (skip == SKIP_TASK)
        return;
    pass_over_dependents(ref, flow, (uint32_t)part->number, skip != SKIP_NEIGHBORS);
    if (skip != SKIP_ALL)
        return;
    for (struct node *node = flow; node->around; node = node->around) {
        if (node->around->layer == LAYER_FLOW)
            pass_over_dependents(ref, node->around, (uint32_t)node->number, true);
    }
}

static void give_up_dependents(struct reference *ref, struct node *flow, struct node *part);

static void ask_if(struct reference *ref, struct node *flow, struct node *part)
{
    int wanted =
        !part->task->run_if ? 1 : ref_read_condition(ref, part, OWN_NOTHING, part->task->run_if);
    part->behind = is_behind(flow, part);
    if (wanted > 0) {
        ref_forward_begin(ref, part);
    } else if (wanted < 0) {
        ref_forward_end(ref, part, TASK_FAILURE, ref_trouble(ref, "expression", part->path));
    } else {
        pass_over(ref, part, "if");
        reach_further(ref, part);
        give_up_dependents(ref, flow, part);
    }
}

static void consider(struct reference *ref, struct node *flow, struct node *part);
static void judge(struct reference *ref, struct node *flow);

/* What can't start any more because of this one's end. */
static void give_up_dependents(struct reference *ref, struct node *flow, struct node *part)
{
    for (size_t i = 0; i < part->task->dependent_count; i++) {
        struct node *next = flow->parts[part->task->dependents[i]];
        if (is_idle(next) && of_join(ref, flow, next) == VERDICT_DEAD)
            consider(ref, flow, next);
    }
    if (!ref_holds(ref))
        judge(ref, flow);
}

static void consider(struct reference *ref, struct node *flow, struct node *part)
{
    enum verdict verdict = of_join(ref, flow, part);
    bool may = !is_closed(flow) || is_behind(flow, part);
    if (verdict == VERDICT_DEAD && may) {
        part->cut = is_cut(flow, part);
        ref_forward_skip(ref, part, "unreachable");
        give_up_dependents(ref, flow, part);
    } else if (verdict == VERDICT_MET && may) {
        ask_if(ref, flow, part);
    }
}

/* ----------------------------------------------------------------------------------- failures */

enum handling { HANDLING_OPEN, HANDLING_YES, HANDLING_NO };

/* By the tasks that need it as `failure`, or by those that need it as `success` and can do
 * without. */
static enum handling handling_of(const struct node *flow, const struct node *part)
{
    const struct flow_task *task = part->task;
    bool open = false, can_do_without = true;
    int needing = 0, started = 0, coming = 0;
    for (size_t i = 0; i < task->dependent_count; i++) {
        const struct node *other = flow->parts[task->dependents[i]];
        bool has = is_started(other);
        bool may = is_idle(other) && (!is_closed(flow) || may_be_behind(flow, other));
        if (task->dependent_kinds[i] == NEED_FAILURE) {
            if (has)
                return HANDLING_YES;
            open |= may;
        } else if (task->dependent_kinds[i] == NEED_SUCCESS) {
            needing++;
            started += has;
            coming += !has && may;
            can_do_without &= other->task->join != JOIN_ALL;
        }
    }
    if (needing > 0 && can_do_without && started == needing)
        return HANDLING_YES;
    open |= needing > 0 && can_do_without && started + coming == needing;
    return open ? HANDLING_OPEN : HANDLING_NO;
}

static void blame(struct reference *ref, struct node *flow, struct node *part)
{
    struct node *root = flow->root;
    enum flow_on_failure wish = part->task->on_failure;
    if (flow == ref->job && ref->flow->on_failure == FAIL_STOP && wish == FAIL_REVERT)
        wish = FAIL_STOP;
    part->blamed = true;
    bool is_asked = !part->halts && !text_equal(text_of(part->failure->class), TEXT("cancelled"));
    bool halts = is_asked && (wish == FAIL_REVERT_ALL || wish == FAIL_STOP);
    for (struct node *node = flow; halts && node; node = node->around)
        node->halts = true;
    ref_forward_fail_flow(ref, flow, part->failure, part->order);
    if (!halts)
        return;
    root->reverted |= part->failure->reverted;
    root->doomed |= wish == FAIL_REVERT_ALL;
    root->stopped |= wish == FAIL_STOP;
    ref_forward_fail_flow(ref, root, part->failure, part->order);
}

static void judge(struct reference *ref, struct node *flow)
{
    for (size_t i = 0; i < flow->part_count; i++) {
        struct node *part = flow->parts[i];
        if (!part->ended || part->state != TASK_FAILURE || part->blamed || part->handled ||
            part->task->on_failure == FAIL_CONTINUE)
            continue;
        enum handling handling = handling_of(flow, part);
        part->handled = handling == HANDLING_YES;
        if (handling == HANDLING_NO)
            blame(ref, flow, part);
    }
}

/* ----------------------------------------------------------------------------------- the end */

static void end_job(struct reference *ref, struct node *job)
{
    if (!job->failure)
        ref->job_state = JOB_SUCCESS;
    else if ((job->failure->reverted || job->reverted) && !job->undo_failed &&
             (job->doomed || !job->stopped))
        ref->job_state = JOB_REVERTED;
    else
        ref->job_state = JOB_FAILURE;
}

static void end_flow(struct reference *ref, struct node *flow, struct trouble *failure)
{
    flow->result = TEXT("null");
    ref_forward_end(ref, flow, failure ? TASK_FAILURE : TASK_SUCCESS, failure);
    if (flow == ref->job)
        end_job(ref, flow);
}

/* A line for every task that moved; then all of it is new. */
static void forget(struct reference *ref, struct node *node)
{
    for (size_t i = 0; i < node->part_count; i++) {
        struct node *part = node->parts[i];
        part->attempt = 0;
        if (part->state != TASK_PENDING)
            ref_say(ref, part, TASK_PENDING, NULL);
        forget(ref, part);
    }
}

void ref_level_forget(struct reference *ref, struct node *flow)
{
    forget(ref, flow);
    flow->failing = flow->undoing = flow->is_top = false;
    flow->undo = UNDO_NONE;
    flow->blame = NULL;
}

/* What was undone in it because of some failure was undone because of its own. */
static void gather_reverts(struct node *flow)
{
    for (size_t i = 0; i < flow->part_count; i++) {
        const struct node *part = flow->parts[i];
        flow->blame->reverted |= part->blamed && part->failure->reverted;
    }
}

void ref_level_undone(struct reference *ref, struct node *flow)
{
    flow->undoing = false;
    flow->failure = flow->blame;
    gather_reverts(flow);
    if (!ref_forward_retries(ref, flow)) {
        end_flow(ref, flow, flow->failure);
        return;
    }
    if (flow->path.data)
        ref_say(ref, flow, TASK_RETRYING, flow->failure->class);
    ref_pause(ref, flow, flow->task ? &flow->task->retry : &ref->flow->retry, flow->attempt);
    ref->changed = true;
}

static void settle(struct reference *ref, struct node *flow)
{
    bool stays = flow->root->stopped && !flow->root->doomed;
    if (!flow->failing) {
        end_flow(ref, flow, NULL);
    } else if (stays || (flow->root->doomed && flow->around)) {
        gather_reverts(flow);
        end_flow(ref, flow, flow->blame);
    } else {
        flow->undoing = true;
        ref_undo_begin(ref, flow, flow->blame);
    }
}

/* What can't start any more in a failed flow ends with the last that ran, all at once. */
static void give_up(struct reference *ref, struct node *flow)
{
    CHECK(is_closed(flow));
    for (size_t i = 0; i < flow->part_count; i++) {
        struct node *part = flow->parts[i];
        if (!is_idle(part))
            continue;
        part->cut = true;
        ref_forward_skip(ref, part, "failed");
    }
}

/* Whose failure is whose, and what can't start any more. */
static void decide(struct reference *ref, struct node *flow)
{
    if (flow->undoing || !flow->going)
        return;
    judge(ref, flow);
    for (size_t i = 0; i < flow->part_count; i++) {
        struct node *part = flow->parts[i];
        if (is_idle(part) && of_join(ref, flow, part) == VERDICT_DEAD)
            consider(ref, flow, part);
    }
}

static bool has_turn(struct reference *ref, const struct node *flow, const struct node *part)
{
    return is_idle(part) && of_join(ref, flow, part) == VERDICT_MET;
}

/* What can start at the same time starts before what that leads to. True: something let others go
 * first. */
static bool start_some(struct reference *ref, struct node *flow)
{
    bool held = false;
    size_t first = ref->shuffles ? random_below(&ref->random, flow->part_count) : 0;
    for (size_t i = 0; i < flow->part_count; i++)
        flow->parts[i]->has_turn = has_turn(ref, flow, flow->parts[i]);
    for (size_t i = 0; i < flow->part_count; i++) {
        struct node *part = flow->parts[(first + i) % flow->part_count];
        if (ref->is_prompt)
            part->has_turn |= has_turn(ref, flow, part);
        if (!flow->going || flow->undoing || !is_idle(part) || !part->has_turn)
            continue;
        if (ref_holds(ref))
            held = true;
        else
            consider(ref, flow, part);
        decide(ref, flow);
    }
    return held;
}

/* Gives up or settles when nothing in it goes on. */
static void end_if_over(struct reference *ref, struct node *flow)
{
    int going = 0, idle = 0;
    for (size_t i = 0; i < flow->part_count; i++) {
        going += flow->parts[i]->going;
        idle += is_idle(flow->parts[i]);
    }
    if (going == 0 && idle > 0)
        give_up(ref, flow);
    else if (going == 0)
        settle(ref, flow);
}

void ref_level_part_ended(struct reference *ref, struct node *flow)
{
    if (flow->undoing || !flow->going)
        return;
    judge(ref, flow);
    bool all = true;
    for (size_t i = 0; i < flow->part_count; i++)
        all &= flow->parts[i]->ended;
    if (all && ref->is_eager && !ref_holds(ref))
        settle(ref, flow);
}

void ref_level_look(struct reference *ref, struct node *flow)
{
    if (flow->paused)
        return;
    if (flow->undoing) {
        if (ref_undo_look(ref, flow))
            ref_level_undone(ref, flow);
        return;
    }
    bool changed = ref->changed;
    ref->changed = false;
    decide(ref, flow);
    bool held = start_some(ref, flow);
    bool waits = held || ref->changed;
    ref->changed |= changed;
    if (!waits)
        end_if_over(ref, flow);
}
