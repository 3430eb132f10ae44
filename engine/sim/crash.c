/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/crash.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "engine/flow/flow.h"
#include "engine/sim/crash_expect.h"
#include "engine/sim/stage_compare.h"

struct sweep {
    struct stage_plan plan;
    struct stage_run plain;
    bool once;  /* the flow has tasks that are not repeated */
    bool times; /* limits of time end what runs: it is not run again after them */
    bool loose; /* chance decides about pauses: only the legality is judged */
    struct buffer input;
    struct buffer *report;
};

/* ---------------------------------------------------------------------------------- preparing */

/* The rest of the first line that begins with `mark`. */
static struct text remark(struct text source, const char *mark)
{
    size_t len = strlen(mark), from = 0;
    while (from < source.len) {
        const char *end = memchr(source.data + from, '\n', source.len - from);
        size_t to = end ? (size_t)(end - source.data) : source.len;
        if (to - from > len && !memcmp(source.data + from, mark, len))
            return (struct text){source.data + from + len, to - from - len};
        from = to + 1;
    }
    return TEXT_NONE;
}

static const char *example_of(enum flow_type type)
{
    static const char *const examples[] = {
        [FLOW_ANY] = "1",     [FLOW_STRING] = "\"x\"", [FLOW_INTEGER] = "1",
        [FLOW_NUMBER] = "1",  [FLOW_BOOLEAN] = "true", [FLOW_ARRAY] = "[\"x\",\"y\"]",
        [FLOW_OBJECT] = "{}",
    };
    return examples[type];
}

/* Something for each input that has to be given. */
static void invent_input(const struct flow *flow, struct buffer *json)
{
    buffer_add_char(json, '{');
    for (size_t i = 0; i < flow->input_count; i++) {
        const struct flow_input *input = &flow->inputs[i];
        if (input->default_json.data)
            continue;
        if (json->len > 1)
            buffer_add_char(json, ',');
        buffer_add_json_string(json, input->name);
        buffer_add_char(json, ':');
        if (input->enum_count)
            buffer_add_text(json, input->enum_json[0]);
        else
            buffer_add_string(json, example_of(input->type));
    }
    buffer_add_char(json, '}');
}

static bool complete_input(struct sweep *sweep, const struct flow *flow, struct text source)
{
    struct buffer given = {0};
    struct error error = {0};
    struct text told = remark(source, "# input: ");
    if (told.data)
        buffer_add_text(&given, told);
    else
        invent_input(flow, &given);
    bool good = flow_complete_input(flow, buffer_text(&given), &sweep->input, &error) == 0;
    if (!good)
        buffer_printf(sweep->report, "input %.*s: %s\n", TEXT_ARG(buffer_text(&given)), error.text);
    buffer_done(&given);
    return good;
}

static bool prepare(struct sweep *sweep, struct text source, const struct crash_options *options)
{
    struct flow *flow = NULL;
    struct flow_problems problems = {0};
    bool good = flow_compile(source, &flow, &problems) == 0;
    if (!good)
        flow_problems_print(&problems, source, "flow", false, sweep->report);
    flow_problems_done(&problems);
    if (!good)
        return false;
    struct text words = remark(source, "# sim: ");
    sweep->once = words.data && memmem(words.data, words.len, "once", 4);
    sweep->times = words.data && memmem(words.data, words.len, "times", 5);
    sweep->loose = words.data && memmem(words.data, words.len, "loose", 5);
    bool narrow = words.data && memmem(words.data, words.len, "narrow", 6);
    sweep->loose |= options->loose || narrow;
    good = complete_input(sweep, flow, source);
    flow_free(flow);
    sweep->plan = (struct stage_plan){.flow_name = TEXT("flow"),
                                      .flow_text = source,
                                      .input = buffer_text(&sweep->input),
                                      .seed = options->seed,
                                      .processes = narrow ? 1 : 0,
                                      .rerun = remark(source, "# rerun: ")};
    if (!sweep->plan.rerun.data && options->rerun)
        sweep->plan.rerun = TEXT("{}");
    if (!good)
        return false;
    stage_play(&sweep->plan, NULL, 0, &sweep->plain);
    if (sweep->plain.stuck)
        buffer_printf(sweep->report, "without a crash: %s\n", sweep->plain.stuck);
    /* What is said of the end is that of a job that nobody makes run again. */
    struct text expected = options->rerun ? TEXT_NONE : remark(source, "# expect: ");
    return !sweep->plain.stuck && stage_is_legal(&sweep->plain, sweep->report) &&
           crash_is_expected(&sweep->plain, expected, sweep->report);
}

static void finish(struct sweep *sweep)
{
    stage_run_free(&sweep->plain);
    buffer_done(&sweep->input);
}

/* ------------------------------------------------------------------------------------- judging */

/* A task marked `once` may be called as often as it is begun without a crash, no more. */
static bool calls_once(const struct stage_run *run, struct buffer *text)
{
    for (size_t i = 0; i < run->call_count; i++) {
        const struct stage_call *call = &run->calls[i];
        if (memmem(call->name.data, call->name.len, "once@", 5) && call->started > 1) {
            buffer_printf(text, "\"%.*s\" was called %d times\n", TEXT_ARG(call->name),
                          call->started);
            return false;
        }
    }
    return !run->stuck;
}

static void tell(struct sweep *sweep, const struct stage_fault *faults, size_t count,
                 const struct stage_run *run, const struct buffer *why)
{
    for (size_t i = 0; i < count; i++)
        buffer_printf(sweep->report, "%s %d%s", stage_fault_name(faults[i].kind), faults[i].save,
                      i + 1 < count ? ", " : ":\n");
    buffer_add_text(sweep->report, buffer_text(why));
    buffer_add_string(sweep->report, "without:\n");
    stage_print(&sweep->plain, sweep->report);
    buffer_add_string(sweep->report, "with:\n");
    stage_print(run, sweep->report);
}

static bool try(struct sweep *sweep, const struct stage_fault *faults, size_t count)
{
    struct stage_run run;
    struct buffer why = {0};
    stage_play(&sweep->plan, faults, count, &run);
    bool good = stage_is_legal(&run, &why);
    if (sweep->loose)
        good &= !run.stuck;
    else
        good &= sweep->once ? calls_once(&run, &why)
                            : stage_agrees(&sweep->plain, &run, sweep->times, &why);
    if (!good)
        tell(sweep, faults, count, &run, &why);
    buffer_done(&why);
    stage_run_free(&run);
    return good;
}

/* ------------------------------------------------------------------------------------ sweeping */

static bool try_singles(struct sweep *sweep, struct crash_counts *counts)
{
    for (int save = 1; save <= sweep->plain.saves; save++) {
        for (int kind = STAGE_LOSE; kind < STAGE_FAULTS; kind++) {
            struct stage_fault fault = {(enum stage_fault_kind)kind, save};
            if (!try(sweep, &fault, 1))
                return false;
        }
        counts->lost++;
        counts->crashes++;
        counts->hand_overs += 2;
    }
    return true;
}

static int compare_faults(const void *a, const void *b)
{
    return ((const struct stage_fault *)a)->save - ((const struct stage_fault *)b)->save;
}

static bool try_several(struct sweep *sweep, const struct crash_options *options,
                        struct crash_counts *counts)
{
    struct random random;
    random_seed(&random, options->seed);
    for (int i = 0; i < options->pairs; i++) {
        struct stage_fault faults[3];
        size_t count = 2 + random_below(&random, 2);
        for (size_t j = 0; j < count; j++) {
            faults[j].kind = (enum stage_fault_kind)random_below(&random, STAGE_FAULTS);
            faults[j].save = 1 + (int)random_below(&random, (uint64_t)sweep->plain.saves + 1);
        }
        qsort(faults, count, sizeof faults[0], compare_faults);
        if (!try(sweep, faults, count))
            return false;
        counts->pairs++;
    }
    return true;
}

bool crash_flow(struct text source, const struct crash_options *options,
                struct crash_counts *counts, struct buffer *ret_report)
{
    struct sweep sweep = {.report = ret_report};
    bool good = prepare(&sweep, source, options);
    if (good) {
        counts->flows++;
        counts->reruns += sweep.plain.reruns;
        counts->saves += sweep.plain.saves;
        good = try_singles(&sweep, counts) && try_several(&sweep, options, counts);
    }
    finish(&sweep);
    return good;
}

bool crash_show(struct text source, const struct crash_options *options, struct buffer *ret_report)
{
    struct sweep sweep = {.report = ret_report};
    bool good = prepare(&sweep, source, options);
    buffer_add_char(ret_report, '\n');
    stage_print(&sweep.plain, ret_report);
    finish(&sweep);
    return good;
}
