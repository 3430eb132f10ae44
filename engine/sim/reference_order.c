/* SPDX-License-Identifier: Apache-2.0 */
/* Which order of what happens at the same time gives the history that was seen.
 *
 * Every instant has an order of its own, a number: a few plain ones first, others by chance. When
 * a play first differs at some time, the instants before it keep their orders, and only the later
 * ones are tried again. */
#include "base/check.h"
#include "engine/sim/reference_private.h"

#define PLAIN     8    /* orders without chance */
#define CROWD     40   /* moves at the same time */
#define TRIES_MAX 1000 /* from one instant on */

struct kept_order {
    int64_t from_ms;
    uint64_t order;
};

static uint64_t order_at(const struct reference *ref, int64_t now_ms)
{
    uint64_t order = 0;
    for (size_t i = 0; i < ref->kept_count && ref->kept[i].from_ms <= now_ms; i++)
        order = ref->kept[i].order;
    return order;
}

void ref_order_begin(struct reference *ref, int64_t now_ms)
{
    if (now_ms == ref->order_ms)
        return;
    uint64_t order = order_at(ref, now_ms);
    ref->order_ms = now_ms;
    ref->shuffles = order >= PLAIN;
    ref->is_prompt = order & 1;
    ref->skip_is_prompt = order & 2;
    ref->is_eager = order & 4;
    random_seed(&ref->random, random_mix(order) + (uint64_t)now_ms);
}

bool ref_holds(struct reference *ref)
{
    bool holds = ref->may_hold && random_below(&ref->random, 3) == 0;
    ref->held |= holds;
    return holds;
}

struct search {
    const struct stage_plan *plan;
    const struct stage_run *run;
    const struct flow *flow;
    struct kept_order *kept; /* by time; the last one is being tried */
    size_t count, capacity;
    struct arena arena;
};

/* When the play first differs; -1: it does not. */
static int64_t try_it(struct search *search, struct buffer *ret_text)
{
    struct arena arena = {0};
    int64_t wrong_ms = -1;
    struct reference ref = {.arena = &arena,
                            .plan = search->plan,
                            .flow = search->flow,
                            .kept = search->kept,
                            .kept_count = search->count,
                            .order_ms = -1};
    ref_play(&ref);
    if (!ref_compare(&ref, search->run, &wrong_ms, ret_text))
        wrong_ms = wrong_ms < 0 ? INT64_MAX : wrong_ms;
    arena_done(&arena);
    return wrong_ms;
}

static void keep(struct search *search, int64_t from_ms, uint64_t order)
{
    search->kept = arena_grow(&search->arena, search->kept, search->count, search->count + 1,
                              &search->capacity, sizeof *search->kept);
    search->kept[search->count++] = (struct kept_order){from_ms, order};
}

/* Another order of one instant alone, each in its turn. */
static void set_order_of_one(struct search *search, uint64_t order)
{
    const struct stage_line *lines = search->run->lines;
    int64_t at_ms = lines[order % search->run->line_count].at_ms - lines[0].at_ms;
    search->count = 0;
    keep(search, at_ms, order);
    keep(search, at_ms + 1, 0);
}

static int64_t try_again(struct search *search, int *ret_orders)
{
    struct buffer other = {0};
    int64_t wrong_ms = try_it(search, &other);
    buffer_done(&other);
    ++*ret_orders;
    return wrong_ms;
}

/* Other orders from the first instant that is wrong, on and on. */
static bool finds_forward(struct search *search, int64_t *wrong_ms, int *ret_orders)
{
    uint64_t order = 0;
    keep(search, *wrong_ms, 0);
    for (int tries = 0; tries < TRIES_MAX && *wrong_ms < INT64_MAX; tries++) {
        search->kept[search->count - 1].order = ++order;
        int64_t now_wrong_ms = try_again(search, ret_orders);
        if (now_wrong_ms < 0)
            return true;
        if (now_wrong_ms <= *wrong_ms)
            continue;
        /* This far it was right. */
        *wrong_ms = now_wrong_ms;
        keep(search, *wrong_ms, order);
        tries = 0;
    }
    return false;
}

/* What an instant decides may show later, or at the end alone. */
static bool finds_backward(struct search *search, int *ret_orders)
{
    for (uint64_t order = 1; order <= TRIES_MAX; order++) {
        set_order_of_one(search, order);
        if (try_again(search, ret_orders) < 0)
            return true;
    }
    return false;
}

/* So much happens at the time that differs, or at some time when only the end does, that not
 * finding its order says nothing. */
static bool is_crowded(const struct stage_run *run, int64_t wrong_ms)
{
    for (size_t i = 0, from = 0; i < run->line_count; i++) {
        if (run->lines[i].at_ms != run->lines[from].at_ms)
            from = i;
        int64_t at_ms = run->lines[i].at_ms - run->lines[0].at_ms;
        if (i - from >= CROWD && (at_ms == wrong_ms || wrong_ms == INT64_MAX))
            return true;
    }
    return false;
}

enum reference_verdict reference_judge(const struct stage_plan *plan, const struct stage_run *run,
                                       int *ret_orders, struct buffer *ret_text)
{
    struct flow *flow = NULL;
    struct flow_problems problems = {0};
    CHECK(flow_compile(plan->flow_text, &flow, &problems) == 0);
    size_t before = ret_text->len;
    struct search search = {.plan = plan, .run = run, .flow = flow};
    enum reference_verdict verdict = REFERENCE_DISAGREES;
    int64_t wrong_ms = try_it(&search, ret_text);
    *ret_orders = 1;
    if (wrong_ms < 0 || finds_forward(&search, &wrong_ms, ret_orders) ||
        finds_backward(&search, ret_orders))
        verdict = REFERENCE_AGREES;
    else if (is_crowded(run, wrong_ms))
        verdict = REFERENCE_UNDECIDED;
    if (verdict != REFERENCE_DISAGREES && ret_text->len > before)
        ret_text->data[ret_text->len = before] = 0;
    arena_done(&search.arena);
    flow_problems_done(&problems);
    flow_free(flow);
    return verdict;
}
