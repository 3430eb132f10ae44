/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/sim.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

#define BUDGET   3000000 /* deliveries of one run */
#define HEAL_MS  240000  /* after the heal all is final within */
#define SLICE_MS 500     /* between two looks whether all is quiet */
#define QUIET_MS 1500    /* and stays so for */

/* ------------------------------------------------------------------------------------------- trace
 */

bool sim_traces(const struct sim *sim)
{
    return sim->options.trace || sim->options.keep_trace;
}

static void add_line(struct sim *sim, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void add_line(struct sim *sim, const char *format, va_list args)
{
    struct buffer *line = &sim->lines[sim->line_count++ % SIM_TRACE_LINES];
    char text[4096];
    vsnprintf(text, sizeof text, format, args);
    buffer_clear(line);
    buffer_printf(line, "%9.3f %s", (double)sim->world.queue.now_us / 1e6, text);
    if (sim->options.trace)
        fprintf(sim->options.trace, "%s\n", line->data);
}

static void add_to_story(struct sim *sim, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void add_to_story(struct sim *sim, const char *format, va_list args)
{
    char text[4096];
    vsnprintf(text, sizeof text, format, args);
    buffer_printf(&sim->story, "%s\n", text);
}

void sim_note(struct sim *sim, const char *format, ...)
{
    va_list args;
    if (sim->options.story_turns) {
        va_start(args, format);
        add_to_story(sim, format, args);
        va_end(args);
    }
    if (!sim_traces(sim))
        return;
    va_start(args, format);
    add_line(sim, format, args);
    va_end(args);
}

void sim_fact(struct sim *sim, const char *format, ...)
{
    va_list args;
    if (sim_traces(sim)) {
        va_start(args, format);
        add_line(sim, format, args);
        va_end(args);
    }
    if (sim->options.keep_story) {
        va_start(args, format);
        add_to_story(sim, format, args);
        va_end(args);
    }
}

void sim_fail(struct sim *sim, int invariant, const char *format, ...)
{
    if (sim->invariant)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(sim->failure, sizeof sim->failure, format, args);
    va_end(args);
    sim->invariant = invariant;
    sim_note(sim, "BROKEN I%d: %s", invariant, sim->failure);
}

static char *trace_tail(const struct sim *sim)
{
    struct buffer text;
    buffer_init(&text, 0);
    uint64_t from = sim->line_count > SIM_TRACE_LINES ? sim->line_count - SIM_TRACE_LINES : 0;
    for (uint64_t i = from; i < sim->line_count; i++) {
        buffer_add_text(&text, buffer_text(&sim->lines[i % SIM_TRACE_LINES]));
        buffer_add_char(&text, '\n');
    }
    char *copy = xstrndup(text.data ? text.data : "", text.len);
    buffer_done(&text);
    return copy;
}

/* ------------------------------------------------------------------------------------------- world
 */

static void make_services(struct sim *sim)
{
    const struct sim_config *config = &sim->config;
    struct sim_store_options store = {
        .network = config->store_network,
        .work = config->store_work,
        .clock_us = sim_between(&sim->world, 0, 1000000) * 1000,
        .busy_told_permille = config->busy_told_permille,
        .abort_permille = config->abort_permille,
        .lost_permille = config->lost_permille,
        .watch = sim_checks_store(sim),
    };
    struct sim_board_options board = {
        .network = config->board_network,
        .timeout_ms = config->timeout_ms,
        .tick_ms = config->tick_ms,
        .unknown_permille = config->unknown_permille,
        .resent_permille = config->resent_permille,
        .watch_lost_permille = config->watch_lost_permille,
        .lost_permille = config->lost_permille,
        .watch = sim_checks_board(sim),
    };
    struct sim_steps_watch steps = sim_checks_steps(sim);
    sim->store = sim_store_new(&sim->world, &store);
    sim->board = sim_board_new(&sim->world, &board);
    sim->steps = sim_steps_new(&sim->world, &steps);
}

struct sim *sim_new(const struct sim_options *options, const struct sim_config *config)
{
    struct sim *sim = xcalloc(1, sizeof *sim);
    sim->options = *options;
    sim_world_init(&sim->world, options->seed);
    sim->world.mutants = options->mutants;
    if (config)
        sim->config = *config;
    else
        sim_config_calm(&sim->config);
    CHECK(sim->config.engines <= SIM_ENGINES_MAX && sim->config.shard_count <= SIM_SHARDS_MAX);
    sim->budget = BUDGET;
    sim->checks = sim_checks_new(sim);
    make_services(sim);
    for (int i = 0; i < sim->config.engines; i++)
        sim_engine_init(sim, i,
                        sim->config.has_tags && (i == 0 || random_percent(&sim->world.random, 50)));
    return sim;
}

void sim_free(struct sim *sim)
{
    for (int i = 0; i < SIM_ENGINES_MAX; i++) {
        if (sim->engines[i].core)
            core_free(sim->engines[i].core);
    }
    for (int i = 0; i < SIM_TRACE_LINES; i++)
        buffer_done(&sim->lines[i]);
    buffer_done(&sim->story);
    sim_world_done(&sim->world);
    free(sim);
}

int64_t sim_now_ms(const struct sim *sim)
{
    return sim->world.queue.now_us / 1000;
}

bool sim_run_until(struct sim *sim, int64_t until_us)
{
    while (!sim->invariant && sim_queue_step(&sim->world.queue, until_us)) {
        sim_checks_delivered(sim);
        if (sim->budget-- == 0)
            sim_fail(sim, 19, "more than %d deliveries", BUDGET);
    }
    return !sim->invariant;
}

bool sim_run_while(struct sim *sim, bool (*done)(struct sim *sim, void *context), void *context,
                   int64_t limit_ms)
{
    int64_t limit_us = sim->world.queue.now_us + limit_ms * 1000;
    while (!sim->invariant && !done(sim, context)) {
        if (!sim_queue_step(&sim->world.queue, limit_us))
            return done(sim, context);
        sim_checks_delivered(sim);
    }
    return !sim->invariant;
}

bool sim_is_quiet(const struct sim *sim)
{
    if (sim_board_card_count(sim->board) > 0 || sim_board_lock_count(sim->board) > 0)
        return false;
    for (size_t i = 0; i < sim_store_job_count(sim->store); i++) {
        if (!job_state_is_final(sim_store_job(sim->store, i)->row.state))
            return false;
    }
    for (int i = 0; i < sim->config.engines; i++) {
        const struct sim_engine *engine = &sim->engines[i];
        struct core_held held[1];
        if (!engine->core)
            continue;
        if (sim_steps_of(engine->host) > 0 || core_held_jobs(engine->core, held, 1) > 0)
            return false;
    }
    return sim->posted >= sim->config.jobs;
}

static void add_counts(struct core_counts *sum, const struct core_counts *more)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)more;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

void sim_core_counts(const struct sim *sim, struct core_counts *ret_counts)
{
    *ret_counts = sim->core_counts;
    for (int i = 0; i < sim->config.engines; i++) {
        if (sim->engines[i].core)
            add_counts(ret_counts, core_counted(sim->engines[i].core));
    }
}

/* -------------------------------------------------------------------------------------- a whole
 * run */

static void describe_leftovers(struct sim *sim)
{
    for (size_t i = 0; i < sim_store_job_count(sim->store); i++) {
        const struct sim_job *job = sim_store_job(sim->store, i);
        const struct sim_lock *lock = sim_board_find_lock(sim->board, &job->row.id);
        if (!job_state_is_final(job->row.state) || lock)
            sim_fail(sim, 21, "%lld ms after the heal job %u is %s, epoch %lld, %s",
                     (long long)HEAL_MS, job->number, job_state_name(job->row.state),
                     (long long)job->row.epoch, lock ? "locked" : "not locked");
    }
    if (sim_board_card_count(sim->board) > 0) {
        const struct card *card = sim_board_card(sim->board, 0);
        const struct sim_job *job = sim_store_find(sim->store, &card->job);
        sim_fail(sim, 18, "a card of job %d stays on the board", job ? (int)job->number : -1);
    }
    sim_fail(sim, 18, "an engine still holds a job or runs a step");
}

/* Runs until all is quiet for a while, or the bound is over. */
static void live(struct sim *sim)
{
    int64_t limit_ms = sim_now_ms(sim) + HEAL_MS;
    int64_t quiet_since_ms = -1;
    while (sim_run_until(sim, (sim_now_ms(sim) + SLICE_MS) * 1000)) {
        if (!sim_is_quiet(sim))
            quiet_since_ms = -1;
        else if (quiet_since_ms < 0)
            quiet_since_ms = sim_now_ms(sim);
        if (quiet_since_ms >= 0 && sim_now_ms(sim) - quiet_since_ms >= QUIET_MS)
            return;
        if (sim_now_ms(sim) > limit_ms) {
            describe_leftovers(sim);
            return;
        }
    }
}

void sim_run(const struct sim_options *options, struct sim_result *ret_result)
{
    struct sim_config config;
    sim_config_swarm(options, &config);
    struct sim *sim = sim_new(options, &config);
    sim_faults_begin(sim);
    if (sim_run_until(sim, config.safety_ms * 1000)) {
        sim_heal(sim);
        live(sim);
    }
    if (!sim->invariant)
        sim_checks_end(sim);
    *ret_result =
        (struct sim_result){.hash = sim->hash, .invariant = sim->invariant, .config = sim->config};
    memcpy(ret_result->failure, sim->failure, sizeof sim->failure);
    memcpy(ret_result->counts, sim->world.counts, sizeof sim->world.counts);
    sim_core_counts(sim, &ret_result->core_counts);
    ret_result->virtual_ms = sim_now_ms(sim);
    ret_result->heal_ms = sim_now_ms(sim) - config.safety_ms;
    if (options->keep_trace)
        ret_result->trace = trace_tail(sim);
    sim_free(sim);
}
