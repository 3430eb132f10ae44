/* SPDX-License-Identifier: Apache-2.0 */
/* Fake steps: what they do stands in their command. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/random.h"
#include "engine/sim/stage_private.h"

/* -------------------------------------------------------------------------------------- scripts */

static uint64_t hash_of(struct text name, uint64_t seed)
{
    uint64_t hash = random_mix(seed + 1);
    for (size_t i = 0; i < name.len; i++)
        hash = random_mix(hash ^ (unsigned char)name.data[i]);
    return hash;
}

static bool begins(struct text word, const char *with)
{
    size_t len = strlen(with);
    return word.len >= len && !memcmp(word.data, with, len);
}

static int64_t number_in(struct text word, size_t from)
{
    int64_t number = 0;
    for (size_t i = from; i < word.len && word.data[i] >= '0' && word.data[i] <= '9'; i++)
        number = number * 10 + (word.data[i] - '0');
    return number;
}

static void read_word(struct text word, struct stage_script *script, int attempt, uint64_t hash)
{
    if (text_equal(word, TEXT("fail")))
        script->fails = true;
    else if (text_equal(word, TEXT("hang")))
        script->hangs = true;
    else if (text_equal(word, TEXT("echo")))
        script->echoes = true;
    else if (begins(word, "fail-until-"))
        script->fails = attempt < number_in(word, 11);
    else if (begins(word, "chance-"))
        script->fails = (int64_t)(hash / 64 % 100) < number_in(word, 7);
    else if (begins(word, "out:"))
        script->out = (struct text){word.data + 4, word.len - 4};
    else if (word.len > 2 && word.data[0] >= '0' && word.data[0] <= '9' &&
             !memcmp(word.data + word.len - 2, "ms", 2))
        script->duration_ms = number_in(word, 0);
}

struct stage_script stage_read_script(struct text words, struct text name, int attempt,
                                      uint64_t seed)
{
    uint64_t hash = hash_of(name, seed);
    struct stage_script script = {.duration_ms = 1 + (int64_t)(hash / 7 % 40), .order = hash};
    size_t at = 0;
    while (at < words.len) {
        size_t from = at;
        while (at < words.len && !strchr(" \n/?;", words.data[at]))
            at++;
        read_word((struct text){words.data + from, at - from}, &script, attempt, hash);
        at++;
    }
    return script;
}

/* ---------------------------------------------------------------------------------------- calls */

static struct text variable(const struct step_start *start, const char *name)
{
    for (size_t i = 0; i < start->env_count; i++) {
        if (text_equal(start->env[i].name, text_of(name)))
            return start->env[i].value;
    }
    return TEXT_NONE;
}

static int attempt_of(const struct step_start *start)
{
    struct text attempt = variable(start, "JOB_ATTEMPT");
    return attempt.data ? (int)number_in(attempt, 0) : 0;
}

/* The key without the job's id, and the attempt. */
static struct text name_of(struct stage *stage, const struct step_start *start)
{
    CHECK(start->key.len > UUID_TEXT_LEN);
    struct text key = {start->key.data + UUID_TEXT_LEN + 1, start->key.len - UUID_TEXT_LEN - 1};
    return arena_printf(&stage->run->arena, "%.*s@%d", TEXT_ARG(key), attempt_of(start));
}

static size_t find_call(struct stage *stage, struct text name)
{
    struct stage_run *run = stage->run;
    for (size_t i = 0; i < run->call_count; i++) {
        if (text_equal(run->calls[i].name, name))
            return i;
    }
    run->calls = arena_grow(&run->arena, run->calls, run->call_count, run->call_count + 1,
                            &run->call_capacity, sizeof *run->calls);
    run->calls[run->call_count] = (struct stage_call){.name = name};
    return run->call_count++;
}

static struct text words_of(struct stage *stage, const struct step_start *start)
{
    struct text words = start->url.data ? start->url : TEXT("");
    for (size_t i = 0; i < start->argc; i++)
        words = arena_printf(&stage->run->arena, "%.*s %.*s", TEXT_ARG(words),
                             TEXT_ARG(start->argv[i]));
    return words;
}

static struct stage_step new_step(struct stage *stage, const struct step_start *start, size_t call)
{
    struct stage_run *run = stage->run;
    struct text name = run->calls[call].name;
    /* A request does not tell its attempt: its n-th run is another one. */
    if (start->url.data)
        name = arena_printf(&run->arena, "%.*s.%d", TEXT_ARG(name), run->calls[call].ended);
    struct stage_script script =
        stage_read_script(words_of(stage, start), name, attempt_of(start), stage->plan->seed);
    struct text words = words_of(stage, start);
    if (memmem(words.data, words.len, "fail-first-run", 14))
        script.fails = run->reruns == 0;
    struct stage_step step = {.call = call,
                              .end_ms = stage->now_ms + script.duration_ms,
                              .order = script.order,
                              .fails = script.fails,
                              .hangs = script.hangs,
                              .is_http = start->url.data != NULL,
                              .out = script.out.data ? script.out : name};
    if (script.echoes)
        step.out = arena_text(&run->arena, start->input);
    return step;
}

/* ---------------------------------------------------------------------------------------- flight
 */

static struct stage_step *grow(struct stage_step **list, size_t *count, size_t *capacity)
{
    if (*count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 8;
        *list = xrealloc(*list, *capacity, sizeof **list);
    }
    return &(*list)[(*count)++];
}

/* Whether it was lost in flight before; then it goes on as it would have. */
static bool take_lost(struct stage *stage, size_t call, struct stage_step *ret_step)
{
    for (size_t i = 0; i < stage->lost_count; i++) {
        if (stage->lost[i].call != call)
            continue;
        *ret_step = stage->lost[i];
        stage->lost[i] = stage->lost[--stage->lost_count];
        return true;
    }
    return false;
}

void stage_start(struct stage *stage, const struct step_start *start)
{
    size_t call = find_call(stage, name_of(stage, start));
    struct stage_step step;
    if (!take_lost(stage, call, &step))
        step = new_step(stage, start, call);
    if (step.end_ms < stage->now_ms)
        step.end_ms = stage->now_ms;
    step.step = start->step;
    step.stopped = step.handed = false;
    stage->run->calls[call].started++;
    *grow(&stage->flying, &stage->flying_count, &stage->flying_capacity) = step;
    stage_event(stage, EVENT_STEP_STARTED, 0)->u.step.step = start->step;
}

static int64_t end_of(const struct stage_step *step, int64_t now_ms)
{
    return step->stopped ? now_ms : step->hangs ? INT64_MAX : step->end_ms;
}

size_t stage_next_end(const struct stage *stage)
{
    size_t best = SIZE_MAX;
    int64_t best_ms = INT64_MAX;
    for (size_t i = 0; i < stage->flying_count; i++) {
        const struct stage_step *step = &stage->flying[i];
        int64_t end_ms = end_of(step, stage->now_ms);
        if (end_ms < best_ms || (end_ms == best_ms && end_ms < INT64_MAX && best != SIZE_MAX &&
                                 step->order < stage->flying[best].order)) {
            best = i;
            best_ms = end_ms;
        }
    }
    return best;
}

static void lose(struct stage *stage, const struct stage_step *step)
{
    stage->run->calls[step->call].interrupted++;
    *grow(&stage->lost, &stage->lost_count, &stage->lost_capacity) = *step;
}

void stage_stop(struct stage *stage, uint64_t number)
{
    for (size_t i = 0; i < stage->flying_count; i++) {
        struct stage_step *step = &stage->flying[i];
        if (step->step != number)
            continue;
        step->handed |= !step->stopped && stage->draining;
        step->stopped = true;
    }
    /* It failed at the very moment it was told to leave: the core takes that for the leaving. */
    for (size_t i = 0; stage->draining && i < stage->ended_count; i++) {
        if (stage->ended[i].step != number || !stage->ended[i].fails)
            continue;
        stage->run->calls[stage->ended[i].call].ended--;
        lose(stage, &stage->ended[i]);
        stage->ended[i] = stage->ended[--stage->ended_count];
    }
}

void stage_end(struct stage *stage, size_t number)
{
    struct stage_step step = stage->flying[number];
    stage->flying[number] = stage->flying[--stage->flying_count];
    int64_t end_ms = end_of(&step, stage->now_ms);
    if (end_ms > stage->now_ms)
        stage->now_ms = end_ms;
    if (step.stopped && step.handed) {
        lose(stage, &step);
    } else {
        stage->run->calls[step.call].ended++;
        *grow(&stage->ended, &stage->ended_count, &stage->ended_capacity) = step;
    }
    struct core_event *event = stage_event(stage, EVENT_STEP_ENDED, 0);
    event->u.step.step = step.step;
    event->u.step.signal = step.stopped ? 15 : 0;
    event->u.step.exit_code = step.stopped ? -1 : step.fails ? 1 : 0;
    event->u.step.out = step.stopped ? TEXT("") : step.out;
    event->u.step.err = TEXT("");
    if (step.is_http && !step.stopped) {
        event->u.step.exit_code = 0;
        event->u.step.status = step.fails ? 500 : 200;
        event->u.step.headers = TEXT("{}");
    }
}

void stage_lose_steps(struct stage *stage)
{
    for (size_t i = 0; i < stage->flying_count; i++)
        lose(stage, &stage->flying[i]);
    for (size_t i = 0; i < stage->ended_count; i++) {
        stage->run->calls[stage->ended[i].call].ended--;
        lose(stage, &stage->ended[i]);
    }
    stage->flying_count = stage->ended_count = 0;
}
