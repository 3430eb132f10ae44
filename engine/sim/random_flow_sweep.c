/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/random_flow_sweep.h"

#include <string.h>

#include "base/random.h"
#include "engine/flow/flow.h"
#include "engine/sim/reference.h"
#include "engine/sim/stage_compare.h"

#define PROCESSES_PLENTY 100000  /* no task waits for another's process */
#define LINES_PLENTY     1000000 /* a save is never cut into two */

struct
try {
    const struct flow_options *options;
    struct flow_counts *counts;
    struct buffer *report;
    struct random_flow flow;
    struct flow *compiled;
    struct stage_plan plan;
    struct stage_run plain;
    struct random random;
    struct arena wishes; /* of a rerun */
};

static const char *const rare_names[RARE_STATES] = {
    [RARE_JOB_REVERTED] = "job REVERTED",
    [RARE_JOB_FAILURE] = "job FAILURE",
    [RARE_REVERT_FAILURE] = "REVERT_FAILURE",
    [RARE_NOT_UNDONE] = "not undone",
    [RARE_REVERT_IF] = "revert if",
    [RARE_FLOW_RETRYING] = "a flow RETRYING",
    [RARE_FLOW_IN_FLOW_RETRY] = "a flow RETRYING in a retried flow",
    [RARE_JOB_RETRY] = "a job's retry",
    [RARE_HANDLED] = "SUCCESS with a FAILURE in it",
    [RARE_UNREACHABLE] = "unreachable",
    [RARE_SKIP_REACHED] = "skip reached another",
    [RARE_CRASH_IN_UNDO] = "takeover while REVERTING",
    [RARE_TAKEOVER_OF_REVERT] = "takeover of a revert",
    [RARE_DEEP_REVERT] = "revert four levels down",
    [RARE_ITEM_REVERTED] = "item REVERTED",
    [RARE_ROUND_REVERTED] = "round REVERTED",
    [RARE_FINALLY_AFTER_CRASH] = "finally after a takeover",
    [RARE_DEADLINE] = "deadline",
    [RARE_RERUN] = "rerun",
    [RARE_RERUN_GOES_ON] = "a part went on after a rerun",
    [RARE_GIVEN] = "a result was given",
};

const char *rare_state_name(enum rare_state state)
{
    return rare_names[state];
}

/* ----------------------------------------------------------------------------------- noticing */

static int depth_of(struct text path)
{
    int depth = 1;
    for (size_t i = 0; i < path.len; i++)
        depth += path.data[i] == '/';
    return depth;
}

/* Whether what the path names, which ends in a number, is an item: a round of an item ends in two.
 */
static bool is_item(const struct flow *flow, struct text path)
{
    const struct flow_level *level = &flow->top;
    const struct flow_task *task = NULL;
    int numbers = 0;
    while (path.len > 0) {
        const char *slash = memchr(path.data, '/', path.len);
        struct text name = {path.data, slash ? (size_t)(slash - path.data) : path.len};
        if (task && name.data[0] >= '0' && name.data[0] <= '9') {
            numbers++;
        } else {
            int64_t number = level ? flow_level_find(level, name) : -1;
            if (number < 0)
                return false; /* in `finally` */
            task = &level->tasks[number];
            level = task->nested;
            numbers = 0;
        }
        size_t taken = name.len + (slash != NULL);
        path = (struct text){path.data + taken, path.len - taken};
    }
    return task && numbers == 1 && task->foreach.present;
}

/* Items and rounds have a number for their last name. */
static bool is_numbered(struct text path)
{
    char last = path.len ? path.data[path.len - 1] : 'x';
    char before = path.len > 1 ? path.data[path.len - 2] : 'x';
    return last >= '0' && last <= '9' && before == '/';
}

static void notice_task(const struct try *try, const struct stage_line *line, int claims)
{
    uint64_t *rare = try->counts->rare;
    struct text detail = line->detail;
    bool is_numbered_revert = line->state == TASK_REVERTED && is_numbered(line->task);
    bool is_items = is_numbered_revert && is_item(try->compiled, line->task);
    bool is_takeover = text_equal(detail, TEXT("takeover"));
    rare[RARE_REVERT_FAILURE] += line->state == TASK_REVERT_FAILURE;
    rare[RARE_NOT_UNDONE] += text_equal(detail, TEXT("not undone"));
    rare[RARE_REVERT_IF] += text_equal(detail, TEXT("revert if"));
    rare[RARE_UNREACHABLE] += text_equal(detail, TEXT("unreachable"));
    rare[RARE_SKIP_REACHED] += text_equal(detail, TEXT("skip"));
    rare[RARE_TAKEOVER_OF_REVERT] += is_takeover && line->state == TASK_REVERTING;
    rare[RARE_DEEP_REVERT] += line->state == TASK_REVERTED && depth_of(line->task) >= 4;
    rare[RARE_ITEM_REVERTED] += is_items;
    rare[RARE_ROUND_REVERTED] += is_numbered_revert && !is_items;
    rare[RARE_FINALLY_AFTER_CRASH] += claims > 1 && line->state == TASK_RUNNING && !is_takeover &&
                                      text_equal(line->task, TEXT("finally"));
    rare[RARE_DEADLINE] += text_equal(detail, TEXT("deadline"));
    rare[RARE_RERUN_GOES_ON] += line->state == TASK_RUNNING && text_equal(detail, TEXT("rerun"));
    rare[RARE_GIVEN] += text_equal(detail, TEXT("given"));
    /* Tasks of a retried flow move back to PENDING. */
    rare[RARE_FLOW_RETRYING] += line->state == TASK_PENDING && depth_of(line->task) == 2;
    rare[RARE_FLOW_IN_FLOW_RETRY] += line->state == TASK_PENDING && depth_of(line->task) > 2;
    rare[RARE_JOB_RETRY] += line->state == TASK_PENDING && depth_of(line->task) == 1;
}

static void notice(struct try *try, const struct stage_run *run)
{
    struct flow_counts *counts = try->counts;
    int claims = 0;
    bool failed = false;
    for (size_t i = 0; i < run->line_count; i++) {
        const struct stage_line *line = &run->lines[i];
        bool is_claim = !line->task.data && text_equal(line->detail, TEXT("claim"));
        claims += is_claim;
        counts->rare[RARE_CRASH_IN_UNDO] += is_claim && line->state == JOB_REVERTING;
        failed |= line->task.data && line->state == TASK_FAILURE;
        if (line->task.data)
            notice_task(try, line, claims);
    }
    counts->rare[RARE_RERUN] += (uint64_t)run->reruns;
    counts->rare[RARE_JOB_REVERTED] += run->state == JOB_REVERTED;
    counts->rare[RARE_JOB_FAILURE] += run->state == JOB_FAILURE;
    counts->rare[RARE_HANDLED] += run->state == JOB_SUCCESS && failed;
    counts->runs++;
    counts->saves += (uint64_t)run->saves;
    counts->crashes += (uint64_t)run->faults_met;
    counts->moves += run->line_count;
}

/* ------------------------------------------------------------------------------------- trying */

static bool compiles(struct try *try)
{
    struct flow_problems problems = {0};
    struct text source = buffer_text(&try->flow.text);
    bool good = flow_compile(source, &try->compiled, &problems) == 0;
    if (!good)
        flow_problems_print(&problems, source, "flow", false, try->report);
    flow_problems_done(&problems);
    return good;
}

static bool agrees(struct try *try)
{
    int orders;
    enum reference_verdict verdict = reference_judge(&try->plan, &try->plain, &orders, try->report);
    try->counts->judged++;
    try->counts->ordered += orders > 1 && verdict == REFERENCE_AGREES;
    try->counts->undecided += verdict == REFERENCE_UNDECIDED;
    return verdict != REFERENCE_DISAGREES;
}

static bool play_plain(struct try *try)
{
    stage_play(&try->plan, NULL, 0, &try->plain);
    notice(try, &try->plain);
    bool good = !try->plain.stuck && stage_is_legal(&try->plain, try->report);
    if (try->plain.stuck)
        buffer_printf(try->report, "without a crash: %s\n", try->plain.stuck);
    else if (try->options->judge && !try->flow.has_times)
        good &= agrees(try);
    if (!good || try->options->show) {
        buffer_add_text(try->report, buffer_text(&try->flow.text));
        stage_print(&try->plain, try->report);
    }
    return good;
}

static void count_faults(struct try *try, const struct stage_fault *faults,
                         const struct stage_run *run)
{
    for (int i = 0; i < run->faults_met; i++)
        try->counts->faults[faults[i].kind]++;
}

static void tell(struct try *try, const struct stage_fault *faults, size_t count,
                 const struct stage_run *run)
{
    for (size_t i = 0; i < count; i++)
        buffer_printf(try->report, "%s %d%s", stage_fault_name(faults[i].kind), faults[i].save,
                      i + 1 < count ? ", " : "\n");
    buffer_add_text(try->report, buffer_text(&try->flow.text));
    buffer_printf(try->report, "rerun: %.*s\n", TEXT_ARG(try->plan.rerun));
    buffer_add_string(try->report, "without:\n");
    stage_print(&try->plain, try->report);
    buffer_add_string(try->report, "with:\n");
    stage_print(run, try->report);
}

static size_t choose_faults(struct try *try, struct stage_fault faults[3])
{
    size_t count = 1 + random_below(&try->random, 3);
    int save = 0;
    for (size_t i = 0; i < count; i++) {
        save += 1 + (int)random_below(&try->random, (uint64_t)try->plain.saves);
        faults[i] = (struct stage_fault){
            (enum stage_fault_kind)random_below(&try->random, STAGE_FAULTS), save};
    }
    return count;
}

static bool play_disturbed(struct try *try)
{
    struct stage_fault faults[3];
    struct stage_run run;
    size_t count = choose_faults(try, faults);
    stage_play(&try->plan, faults, count, &run);
    notice(try, &run);
    count_faults(try, faults, &run);
    bool good = stage_is_legal(&run, try->report);
    /* Limits of time begin anew after a crash: the end may be another one. */
    if (try->flow.has_times)
        good &= !run.stuck;
    else
        good &= stage_agrees(&try->plain, &run, false, try->report);
    if (!good)
        tell(try, faults, count, &run);
    stage_run_free(&run);
    return good;
}

/* A path that a person could name: no round of a repeat, and not what is at the end. */
static struct text random_path(struct try *try)
{
    if (try->plain.row_count == 0)
        return TEXT_NONE;
    size_t number = random_below(&try->random, try->plain.row_count);
    struct text path = try->plain.rows[number].row.path;
    bool is_last = path.len >= 7 && !memcmp(path.data, "finally", 7);
    return is_last || is_numbered(path) ? TEXT_NONE : path;
}

/* A job that failed is played once more, with a rerun behind its end. Given results are numbers:
 * who reads something else of them fails. */
static bool play_rerun(struct try *try)
{
    struct buffer wishes = {0};
    if (!try->options->rerun || try->plain.state == JOB_SUCCESS || random_percent(&try->random, 20))
        return true;
    struct text from = random_path(try), skip = random_path(try);
    buffer_add_char(&wishes, '{');
    if (from.data && random_percent(&try->random, 30))
        buffer_printf(&wishes, "\"from\":\"%.*s\"", TEXT_ARG(from));
    if (skip.data && random_percent(&try->random, 30))
        buffer_printf(&wishes, "%s\"skip\":{\"%.*s\":7}", wishes.len > 1 ? "," : "",
                      TEXT_ARG(skip));
    buffer_add_char(&wishes, '}');
    try->plan.rerun = arena_text(&try->wishes, buffer_text(&wishes));
    buffer_done(&wishes);
    stage_run_free(&try->plain);
    return play_plain(try);
}

/* With few slots for processes its tasks wait for each other, and its saves are cut after a few
 * lines. What comes first then is the engine's own, a takeover begins it anew: the end may be
 * another one. */
static bool play_narrow(struct try *try)
{
    struct stage_fault faults[3];
    struct stage_run run;
    size_t count = choose_faults(try, faults);
    try->plan.processes = 1 + (int)random_below(&try->random, 3);
    try->plan.lines = 1 + random_below(&try->random, 30);
    stage_play(&try->plan, faults, count, &run);
    notice(try, &run);
    count_faults(try, faults, &run);
    bool good = stage_is_legal(&run, try->report) && !run.stuck;
    if (run.stuck)
        buffer_printf(try->report, "with %d processes: %s\n", try->plan.processes, run.stuck);
    if (!good)
        tell(try, faults, count, &run);
    stage_run_free(&run);
    return good;
}

bool flow_sweep_seed(uint64_t seed, const struct flow_options *options, struct flow_counts *counts,
                     struct buffer *ret_report)
{
    struct try try = {.options = options, .counts = counts, .report = ret_report};
    random_flow_make(seed, &try.flow);
    random_seed(&try.random, seed);
    for (int i = 0; i < RANDOM_FEATURES; i++)
        counts->uses[i] += try.flow.uses[i];
    try.plan = (struct stage_plan){.flow_name = TEXT("flow"),
                                   .flow_text = buffer_text(&try.flow.text),
                                   .input = TEXT("{}"),
                                   .processes = PROCESSES_PLENTY,
                                   .lines = LINES_PLENTY,
                                   .seed = seed};
    counts->flows++;
    bool good = compiles(&try) && play_plain(&try) && play_rerun(&try);
    for (int i = 0; good && i < options->crashes; i++)
        good = play_disturbed(&try);
    if (good && seed % 4 == 0 && options->crashes > 0)
        good = play_narrow(&try);
    counts->failed += !good;
    stage_run_free(&try.plain);
    arena_done(&try.wishes);
    flow_free(try.compiled);
    random_flow_done(&try.flow);
    return good;
}
