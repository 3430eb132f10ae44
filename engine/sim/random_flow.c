/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/random_flow.h"

#include <stdio.h>

#include "base/random.h"

#define DEPTH_MAX 4
#define TASKS_MAX 28 /* in one flow */

struct maker {
    struct random random;
    struct random_flow *flow;
    unsigned percent[RANDOM_FEATURES];
    int tasks;
};

/* Where a task stands, and what its expressions may name. */
struct place {
    int depth;
    bool in_item, in_round, in_retry;
    bool in_revert;
    bool is_last; /* `finally` itself */
    bool in_last; /* in it: nothing is undone there */
};

static const char *const names[RANDOM_FEATURES] = {
    [RANDOM_NESTED] = "nested flow",
    [RANDOM_NEEDS] = "needs failure/done",
    [RANDOM_JOIN] = "join any/N",
    [RANDOM_IF] = "if",
    [RANDOM_SKIP] = "skip",
    [RANDOM_CONTINUE] = "on_failure continue",
    [RANDOM_STOP] = "on_failure stop",
    [RANDOM_REVERT_ALL] = "on_failure revert_all",
    [RANDOM_FOREACH] = "foreach",
    [RANDOM_REPEAT] = "repeat",
    [RANDOM_TASK_RETRY] = "retry of a task",
    [RANDOM_FLOW_RETRY] = "retry of a flow",
    [RANDOM_JOB_RETRY] = "retry of the job",
    [RANDOM_REVERT] = "revert",
    [RANDOM_REVERT_FAILS] = "revert that may fail",
    [RANDOM_REVERT_IF] = "revert.if",
    [RANDOM_REVERT_RETRY] = "revert.retry",
    [RANDOM_FINALLY] = "finally",
    [RANDOM_INSTANT] = "set, noop, fail",
    [RANDOM_FAILURES] = "steps that may fail",
    [RANDOM_READS] = "results read",
    [RANDOM_TIMES] = "timeout, deadline, pauses",
};

const char *random_feature_name(enum random_feature feature)
{
    return names[feature];
}

/* ------------------------------------------------------------------------------------- chances */

static uint64_t below(struct maker *maker, uint64_t limit)
{
    return random_below(&maker->random, limit);
}

static bool chance(struct maker *maker, enum random_feature feature)
{
    bool yes = random_percent(&maker->random, maker->percent[feature]);
    maker->flow->uses[feature] += yes;
    return yes;
}

static void mix(struct maker *maker)
{
    static const unsigned levels[] = {0, 0, 8, 20, 45};
    for (int i = 0; i < RANDOM_FEATURES; i++)
        maker->percent[i] = levels[below(maker, sizeof levels / sizeof levels[0])];
    maker->percent[RANDOM_REVERT] = 20 + 75 * (unsigned)below(maker, 2);
    maker->percent[RANDOM_NESTED] = 5 + (unsigned)below(maker, 35);
    maker->percent[RANDOM_STOP] /= 4;
    maker->percent[RANDOM_REVERT_ALL] /= 4;
    if (below(maker, 8) != 0)
        maker->percent[RANDOM_TIMES] = 0;
}

static void add(struct maker *maker, const char *text)
{
    buffer_add_string(&maker->flow->text, text);
}

/* ---------------------------------------------------------------------------------------- verbs */

static void add_words(struct maker *maker, const struct place *place)
{
    struct buffer *text = &maker->flow->text;
    enum random_feature fails = place->in_revert ? RANDOM_REVERT_FAILS : RANDOM_FAILURES;
    const char *word = "ok";
    if (chance(maker, fails)) {
        static const char *const words[] = {"fail", "fail-until-2", "fail-until-3", "chance-50"};
        word = words[below(maker, 4)];
    }
    buffer_printf(text, "\"run\":[\"%s\",\"%dms\"]", word, 1 + (int)below(maker, 60));
}

static void add_verb(struct maker *maker, const struct place *place)
{
    if (!chance(maker, RANDOM_INSTANT)) {
        add_words(maker, place);
        return;
    }
    bool fails = below(maker, 4) == 0;
    add(maker, fails ? "\"fail\":\"Woot\"" : below(maker, 2) == 0 ? "\"noop\":null" : "\"set\":7");
}

static void add_retry(struct maker *maker, enum random_feature feature)
{
    if (!chance(maker, feature))
        return;
    bool pauses = chance(maker, RANDOM_TIMES);
    maker->flow->has_times |= pauses;
    buffer_printf(&maker->flow->text,
                  ",\"retry\":{\"attempts\":%d,\"delay\":\"%dms\",\"jitter\":0}",
                  2 + (int)below(maker, 2), pauses ? 30 : 0);
}

static void add_revert(struct maker *maker, const struct place *place)
{
    static const char *const conditions[] = {"result != null", "false", "true", "failure == null"};
    struct place inner = *place;
    inner.in_revert = true;
    if (!chance(maker, RANDOM_REVERT))
        return;
    add(maker, ",\"revert\":{");
    add_verb(maker, &inner);
    if (chance(maker, RANDOM_REVERT_IF))
        buffer_printf(&maker->flow->text, ",\"if\":\"%s\"", conditions[below(maker, 4)]);
    add_retry(maker, RANDOM_REVERT_RETRY);
    add(maker, "}");
}

/* ----------------------------------------------------------------------------------- wrappers */

static void add_if(struct maker *maker, const struct place *place, bool may_skip)
{
    static const char *const reaches[] = {"task", "flow", "neighbors", "all"};
    const char *choices[6] = {"false", "true", "false"};
    size_t count = 3;
    if (place->in_item)
        choices[count++] = "index % 2 == 0";
    if (place->in_round)
        choices[count++] = "round != 1";
    if (place->in_retry)
        choices[count++] = "retry.attempt > 1";
    if (!chance(maker, RANDOM_IF))
        return;
    buffer_printf(&maker->flow->text, ",\"if\":\"%s\"", choices[below(maker, count)]);
    if (may_skip && chance(maker, RANDOM_SKIP))
        buffer_printf(&maker->flow->text, ",\"skip\":\"%s\"", reaches[below(maker, 4)]);
}

static void add_foreach(struct maker *maker, struct place *place)
{
    static const char *const lists[] = {"[]", "[1]", "[1,2]", "[1,2,3]", "{\"x\":1,\"y\":2}"};
    struct buffer *text = &maker->flow->text;
    if (place->is_last || !chance(maker, RANDOM_FOREACH))
        return;
    place->in_item = true;
    buffer_printf(text, ",\"foreach\":{\"in\":%s,\"concurrency\":%d", lists[below(maker, 5)],
                  1 + (int)below(maker, 3));
    switch (below(maker, 4)) {
    case 0:
        add(maker, ",\"fail_fast\":false");
        break;
    case 1:
        add(maker, ",\"enough\":1");
        break;
    case 2:
        add(maker, ",\"enough\":\"50%\"");
        break;
    default:
        break;
    }
    add(maker, "}");
}

static void add_repeat(struct maker *maker, struct place *place)
{
    if (place->is_last || !chance(maker, RANDOM_REPEAT))
        return;
    place->in_round = true;
    buffer_printf(&maker->flow->text, ",\"repeat\":{\"until\":\"round >= %d\",\"times\":%d}",
                  (int)below(maker, 3), 1 + (int)below(maker, 3));
}

static void add_on_failure(struct maker *maker, const struct place *place)
{
    if (chance(maker, RANDOM_CONTINUE))
        add(maker, ",\"on_failure\":\"continue\"");
    else if (place->in_last)
        return;
    else if (chance(maker, RANDOM_STOP))
        add(maker, ",\"on_failure\":\"stop\"");
    else if (chance(maker, RANDOM_REVERT_ALL))
        add(maker, ",\"on_failure\":\"revert_all\"");
}

static void add_times(struct maker *maker)
{
    struct buffer *text = &maker->flow->text;
    if (!chance(maker, RANDOM_TIMES))
        return;
    maker->flow->has_times = true;
    buffer_printf(text, ",\"%s\":\"%dms\"", below(maker, 2) ? "timeout" : "deadline",
                  10 + (int)below(maker, 80));
}

/* ---------------------------------------------------------------------------------------- needs */

/* One need of each of some earlier tasks. */
static void add_needs(struct maker *maker, int number)
{
    struct buffer *text = &maker->flow->text;
    int count = 0, wanted = (int)below(maker, 4);
    bool reads = chance(maker, RANDOM_READS);
    int read = -1;
    add(maker, ",\"needs\":{");
    for (int i = 0; i < wanted; i++) {
        int from = number * i / wanted, to = number * (i + 1) / wanted;
        if (to <= from)
            continue;
        const char *kind = "success";
        if (chance(maker, RANDOM_NEEDS))
            kind = below(maker, 2) ? "failure" : "done";
        read = from + (int)below(maker, (uint64_t)(to - from));
        buffer_printf(text, "%s\"t%d\":\"%s\"", count++ ? "," : "", read, kind);
    }
    add(maker, "}");
    if (count > 0 && chance(maker, RANDOM_JOIN)) {
        if (below(maker, 2))
            add(maker, ",\"join\":\"any\"");
        else
            buffer_printf(text, ",\"join\":%d", 1 + (int)below(maker, (uint64_t)count));
    }
    if (reads && read >= 0)
        buffer_printf(text,
                      ",\"env\":{\"SEEN\":\"${ tasks.t%d.state }${ tasks.t%d.failure == null }\"}",
                      read, read);
}

/* ---------------------------------------------------------------------------------------- tasks */

static void add_level(struct maker *maker, const struct place *place);

static void add_leaf(struct maker *maker, const struct place *place, int number, bool with_needs)
{
    bool instant = chance(maker, RANDOM_INSTANT);
    struct place inner = *place;
    if (instant) {
        bool fails = below(maker, 4) == 0;
        add(maker, fails ? "\"fail\":\"Woot\"" : "\"noop\":null");
    } else {
        add_words(maker, place);
    }
    unsigned reads = maker->percent[RANDOM_READS];
    if (instant)
        maker->percent[RANDOM_READS] = 0; /* `env` is for programs */
    if (with_needs)
        add_needs(maker, number);
    maker->percent[RANDOM_READS] = reads;
    add_foreach(maker, &inner);
    add_repeat(maker, &inner);
    add_retry(maker, RANDOM_TASK_RETRY);
    if (!instant)
        add_times(maker);
    if (!place->is_last)
        add_revert(maker, place);
}

static void add_nested(struct maker *maker, const struct place *place, int number, bool with_needs)
{
    struct place inner = *place;
    unsigned reads = maker->percent[RANDOM_READS];
    inner.depth++;
    buffer_printf(&maker->flow->text, "\"description\":\"depth %d\"", inner.depth);
    maker->percent[RANDOM_READS] = 0;
    if (with_needs)
        add_needs(maker, number);
    maker->percent[RANDOM_READS] = reads;
    add_foreach(maker, &inner);
    add_repeat(maker, &inner);
    size_t before = maker->flow->text.len;
    add_retry(maker, RANDOM_FLOW_RETRY);
    inner.in_retry |= maker->flow->text.len > before;
    add_times(maker);
    add(maker, ",");
    add_level(maker, &inner);
}

static void add_task(struct maker *maker, const struct place *place, int number, bool with_needs)
{
    maker->tasks++;
    if (place->depth < DEPTH_MAX && maker->tasks < TASKS_MAX && chance(maker, RANDOM_NESTED))
        add_nested(maker, place, number, with_needs);
    else
        add_leaf(maker, place, number, with_needs);
    add_if(maker, place, !place->is_last);
    if (!place->is_last)
        add_on_failure(maker, place);
}

static void add_level(struct maker *maker, const struct place *place)
{
    bool is_list = below(maker, 2) == 0;
    int count = 1 + (int)below(maker, 5);
    struct place inner = *place;
    inner.is_last = false;
    add(maker, is_list ? "\"steps\":[" : "\"tasks\":{");
    for (int i = 0; i < count; i++) {
        add(maker, i ? "," : "");
        if (is_list)
            buffer_printf(&maker->flow->text, "{\"name\":\"t%d\",", i);
        else
            buffer_printf(&maker->flow->text, "\"t%d\":{", i);
        /* A list in which one step says its needs says them all: after a need of a failure they
         * have to be said. */
        add_task(maker, &inner, i, !is_list);
        add(maker, "}");
    }
    add(maker, is_list ? "]" : "}");
}

void random_flow_make(uint64_t seed, struct random_flow *ret_flow)
{
    struct maker maker = {.flow = ret_flow};
    struct place place = {0};
    *ret_flow = (struct random_flow){0};
    random_seed(&maker.random, seed * 7919 + 13);
    mix(&maker);
    buffer_printf(&ret_flow->text, "{\"flow\":\"seed-%llu\"", (unsigned long long)seed);
    size_t before = ret_flow->text.len;
    add_retry(&maker, RANDOM_JOB_RETRY);
    place.in_retry = ret_flow->text.len > before;
    add_times(&maker);
    add(&maker, ",");
    add_level(&maker, &place);
    if (chance(&maker, RANDOM_FINALLY)) {
        add(&maker, ",\"finally\":{");
        place = (struct place){.depth = 2, .is_last = true, .in_last = true};
        add_task(&maker, &place, 0, false);
        add(&maker, "}");
    }
    add(&maker, "}\n");
}

void random_flow_done(struct random_flow *flow)
{
    buffer_done(&flow->text);
}
