/* SPDX-License-Identifier: Apache-2.0 */
/* The swarm: what goes wrong in a run, and how it all ends well. */
#include "engine/sim/sim.h"

void sim_config_calm(struct sim_config *ret_config)
{
    *ret_config = (struct sim_config){
        .engines = 2,
        .shard_count = 1,
        .slots = 10,
        .processes = 10,
        .window = CORE_WINDOW_DEFAULT,
        .timeout_ms = 4000,
        .tick_ms = 200,
        .grace_ms = 1000,
        .store_network = {200, 200, 0, 0},
        .store_work = {500, 500, 0, 0},
        .board_network = {200, 200, 0, 0},
    };
}

/* ------------------------------------------------------------------------------------ the options
 */

static void choose_delay(struct sim_world *world, struct sim_delay *ret_delay)
{
    static const int maxima[] = {300, 1000, 5000, 30000};
    ret_delay->min_us = 50;
    ret_delay->max_us = maxima[sim_between(world, 0, 3)];
    if (random_percent(&world->random, 40)) {
        ret_delay->slow_permille = (int32_t)sim_between(world, 2, 30);
        ret_delay->slow_max_us = (int32_t)sim_between(world, 100000, 6000000);
    }
}

/* A mean interval, or never. */
static int choose_rate(struct sim_world *world, unsigned percent, int min_ms, int max_ms)
{
    return random_percent(&world->random, percent) ? (int)sim_between(world, min_ms, max_ms) : 0;
}

static void choose_faults(struct sim_world *world, struct sim_config *config)
{
    config->kill_ms = choose_rate(world, 50, 1000, 15000);
    config->kill_mid_turn_ms = choose_rate(world, 30, 1000, 15000);
    config->freeze_ms = choose_rate(world, 50, 1000, 10000);
    config->drain_ms = choose_rate(world, 50, 2000, 10000);
    config->board_cut_ms = choose_rate(world, 50, 500, 8000);
    config->board_down_ms = choose_rate(world, 25, 4000, 20000);
    config->session_lost_ms = choose_rate(world, 15, 2000, 10000);
    config->cards_lost_ms = choose_rate(world, 15, 5000, 20000);
    config->store_cut_ms = choose_rate(world, 50, 500, 8000);
    config->store_down_ms = choose_rate(world, 25, 4000, 20000);
    config->inbox_ms = choose_rate(world, 25, 500, 5000);
    config->rerun_ms = choose_rate(world, 50, 200, 3000);
}

static int choose_permille(struct sim_world *world, unsigned percent, int max)
{
    return random_percent(&world->random, percent) ? (int)sim_between(world, 1, max) : 0;
}

void sim_config_swarm(const struct sim_options *options, struct sim_config *ret_config)
{
    static const int timeouts[] = {1000, 2000, 4000, 10000};
    static const int windows[] = {2, 10, CORE_WINDOW_DEFAULT, CORE_WINDOW_DEFAULT};
    struct sim_world dice; /* only for chance: the world's own begins with the run */
    sim_world_init(&dice, options->seed ^ UINT64_C(0x5157AB));
    struct sim_config *config = ret_config;
    *config = (struct sim_config){0};
    config->engines = options->engines ? options->engines : (int)sim_between(&dice, 1, 4);
    config->jobs = options->jobs ? options->jobs : (int)sim_between(&dice, 1, 8);
    config->shard_count = (int)sim_between(&dice, 1, 4);
    config->slots = (int)sim_between(&dice, 2, 20);
    config->processes = (int)sim_between(&dice, 1, 8);
    config->window = windows[sim_between(&dice, 0, 3)];
    config->timeout_ms = timeouts[sim_between(&dice, 0, 3)];
    config->tick_ms = config->timeout_ms / (int)sim_between(&dice, 2, 20);
    config->grace_ms = sim_between(&dice, 0, 3) ? (int)sim_between(&dice, 10, 3000) : 0;
    config->safety_ms = sim_between(&dice, 3000, 20000);
    choose_delay(&dice, &config->store_network);
    choose_delay(&dice, &config->store_work);
    if (random_percent(&dice.random, 20)) { /* statements that hold their locks for long */
        config->store_work.slow_permille = 100;
        config->store_work.slow_max_us = 4000000;
    }
    choose_delay(&dice, &config->board_network);
    config->busy_told_permille = (int)sim_between(&dice, 0, 1000);
    config->abort_permille = (int)sim_between(&dice, 0, 1000);
    config->unknown_permille = (int)sim_between(&dice, 0, 1000);
    config->resent_permille = choose_permille(&dice, 50, 100);
    config->watch_lost_permille = choose_permille(&dice, 30, 200);
    config->unplaced_permille = choose_permille(&dice, 40, 500);
    config->mid_permille = choose_permille(&dice, 80, 1000);
    config->lock_cut_permille = choose_permille(&dice, 40, 80);
    config->write_cut_permille = choose_permille(&dice, 40, 40);
    config->write_freeze_permille = choose_permille(&dice, 40, 40);
    config->write_kill_permille = choose_permille(&dice, 40, 20);
    config->lost_permille = (int)sim_between(&dice, 0, 1000);
    config->has_tags = random_percent(&dice.random, 30);
    choose_faults(&dice, config);
    sim_world_done(&dice);
}

/* ----------------------------------------------------------------------------------------- faults
 */

/* A fault that comes again and again. */
struct fault {
    struct sim *sim;
    int interval_ms;
    void (*strike)(struct sim *sim, struct sim_engine *engine);
};

static void after(struct sim *sim, int64_t delay_ms, void (*run)(void *object, uint64_t arg),
                  void *object)
{
    sim_queue_at(&sim->world.queue, sim->world.queue.now_us + delay_ms * 1000, run, object, 0);
}

static void restart(void *object, uint64_t arg)
{
    sim_engine_start(object);
}

static int64_t some_ms(struct sim *sim, int64_t max_ms)
{
    /* short ones and long ones alike */
    int64_t limit = sim_between(&sim->world, 1, max_ms);
    return sim_between(&sim->world, 1, limit);
}

static void strike_kill(struct sim *sim, struct sim_engine *engine)
{
    sim_engine_kill(engine);
    after(sim, some_ms(sim, 5000), restart, engine);
}

static void strike_mid_turn(struct sim *sim, struct sim_engine *engine)
{
    engine->die_after = (int)sim_between(&sim->world, 0, 6);
}

static void thaw(void *object, uint64_t arg)
{
    sim_engine_thaw(object);
}

static void strike_freeze(struct sim *sim, struct sim_engine *engine)
{
    if (!engine->core || engine->is_frozen)
        return;
    int64_t timeout_ms = sim->config.timeout_ms;
    sim_engine_freeze(engine, sim->config.mid_permille);
    bool beyond = random_percent(&sim->world.random, 50);
    after(sim,
          beyond ? sim_between(&sim->world, timeout_ms, timeout_ms * 5 / 2)
                 : some_ms(sim, timeout_ms),
          thaw, engine);
}

static void strike_drain(struct sim *sim, struct sim_engine *engine)
{
    sim_engine_drain(engine, random_percent(&sim->world.random, 20));
}

static void mend(void *object, uint64_t arg)
{
    struct sim_engine *engine = object;
    if (engine->core)
        sim_board_mend(engine->board);
}

static void strike_board_cut(struct sim *sim, struct sim_engine *engine)
{
    if (!engine->core)
        return;
    sim_fact(sim, "%.*s cut from the board", TEXT_ARG(engine->name));
    sim_board_cut(engine->board);
    after(sim, some_ms(sim, 2 * sim->config.timeout_ms), mend, engine);
}

static void board_up(void *object, uint64_t arg)
{
    struct sim *sim = object;
    sim_fact(sim, "board up");
    sim_board_up(sim->board, random_percent(&sim->world.random, 30));
}

static void strike_board_down(struct sim *sim, struct sim_engine *engine)
{
    if (!sim_board_is_up(sim->board))
        return;
    sim_fact(sim, "board down");
    sim_board_down(sim->board);
    after(sim, some_ms(sim, 2 * sim->config.timeout_ms), board_up, sim);
}

static void strike_session_lost(struct sim *sim, struct sim_engine *engine)
{
    sim_fact(sim, "session of %.*s ended by the server", TEXT_ARG(engine->name));
    if (engine->core && sim_board_end_session(engine->board))
        sim->lease_broken = true;
}

static void strike_cards_lost(struct sim *sim, struct sim_engine *engine)
{
    sim_fact(sim, "all cards lost");
    sim->cards_go = true;
    sim_board_lose_cards(sim->board);
    sim->cards_go = false;
}

static void strike_store_cut(struct sim *sim, struct sim_engine *engine)
{
    sim_fact(sim, "%.*s cut from the store", TEXT_ARG(engine->name));
    if (engine->core)
        sim_store_break(engine->store);
}

static void store_up(void *object, uint64_t arg)
{
    struct sim *sim = object;
    sim_fact(sim, "store up");
    sim_store_up(sim->store);
}

static void strike_store_down(struct sim *sim, struct sim_engine *engine)
{
    if (!sim_store_is_up(sim->store))
        return;
    sim_fact(sim, "store down");
    sim_store_down(sim->store);
    after(sim, some_ms(sim, 10000), store_up, sim);
}

static void strike_inbox(struct sim *sim, struct sim_engine *engine)
{
    size_t count = sim_store_job_count(sim->store);
    if (count == 0)
        return;
    struct sim_job *job = sim_store_job(sim->store, random_below(&sim->world.random, count));
    if (!job_state_is_final(job->row.state))
        sim_store_inbox(sim->store, job);
}

static void strike_rerun(struct sim *sim, struct sim_engine *engine)
{
    sim_rerun_random(sim);
}

static void strike(void *object, uint64_t arg)
{
    struct fault *fault = object;
    struct sim *sim = fault->sim;
    if (sim->is_healed)
        return;
    int64_t engine = sim_between(&sim->world, 0, sim->config.engines - 1);
    fault->strike(sim, &sim->engines[engine]);
    after(sim, sim_between(&sim->world, 1, 2 * fault->interval_ms), strike, fault);
}

static void schedule(struct sim *sim, int interval_ms,
                     void (*run)(struct sim *sim, struct sim_engine *engine))
{
    if (interval_ms == 0)
        return;
    struct fault *fault = arena_calloc(&sim->world.arena, 1, sizeof *fault);
    *fault = (struct fault){sim, interval_ms, run};
    after(sim, sim_between(&sim->world, 1, 2 * interval_ms), strike, fault);
}

static void cut_now(void *object, uint64_t life)
{
    struct sim_engine *engine = object;
    if (engine->life == life && !engine->sim->is_healed)
        strike_board_cut(engine->sim, engine);
}

static void break_now(void *object, uint64_t life)
{
    struct sim_engine *engine = object;
    if (engine->life == life && !engine->sim->is_healed)
        strike_store_cut(engine->sim, engine);
}

static void freeze_now(void *object, uint64_t life)
{
    struct sim_engine *engine = object;
    if (engine->life == life && !engine->sim->is_healed)
        strike_freeze(engine->sim, engine);
}

static void kill_now(void *object, uint64_t life)
{
    struct sim_engine *engine = object;
    if (engine->life == life && !engine->sim->is_healed)
        strike_kill(engine->sim, engine);
}

void sim_faults_effect(struct sim_engine *engine, const struct core_effect *effect)
{
    struct sim *sim = engine->sim;
    struct sim_world *world = &sim->world;
    const struct sim_config *config = &sim->config;
    enum effect_kind kind = effect->kind;
    if (sim->is_healed)
        return;
    bool locks = kind == EFFECT_LOCK || kind == EFFECT_UNLOCK || kind == EFFECT_CONSUME ||
                 kind == EFFECT_RELEASE;
    bool writes = kind == EFFECT_CLAIM || kind == EFFECT_SAVE;
    int64_t board_us = sim_between(world, 0, 3 * config->board_network.max_us);
    int64_t store_us =
        sim_between(world, 0, 2 * config->store_network.max_us + config->store_work.max_us);
    int leaving = kind == EFFECT_RELEASE || kind == EFFECT_CONSUME ? 3 : 1;
    if (locks && sim_permille(world, leaving * config->lock_cut_permille))
        sim_queue_at(&world->queue, world->queue.now_us + board_us, cut_now, engine, engine->life);
    if (writes && sim_permille(world, config->write_cut_permille))
        sim_queue_at(&world->queue, world->queue.now_us + store_us, break_now, engine,
                     engine->life);
    if (writes && sim_permille(world, config->write_kill_permille))
        sim_queue_at(&world->queue, world->queue.now_us + store_us, kill_now, engine, engine->life);
    if (writes && sim_permille(world, config->write_freeze_permille))
        sim_queue_at(&world->queue, world->queue.now_us + store_us, freeze_now, engine,
                     engine->life);
}

static void post(void *object, uint64_t arg)
{
    sim_post_random(object);
}

/* An engine whose process ended by itself is started again. */
static void look_after(void *object, uint64_t arg)
{
    struct sim *sim = object;
    for (int i = 0; i < sim->config.engines; i++) {
        if (!sim->engines[i].core)
            sim_engine_start(&sim->engines[i]);
    }
    after(sim, 2500, look_after, sim);
}

void sim_faults_begin(struct sim *sim)
{
    const struct sim_config *config = &sim->config;
    for (int i = 0; i < config->engines; i++)
        after(sim, some_ms(sim, 500), restart, &sim->engines[i]);
    for (int i = 0; i < config->jobs; i++)
        after(sim, some_ms(sim, config->safety_ms), post, sim);
    after(sim, 2500, look_after, sim);
    schedule(sim, config->kill_ms, strike_kill);
    schedule(sim, config->kill_mid_turn_ms, strike_mid_turn);
    schedule(sim, config->freeze_ms, strike_freeze);
    schedule(sim, config->drain_ms, strike_drain);
    schedule(sim, config->board_cut_ms, strike_board_cut);
    schedule(sim, config->board_down_ms, strike_board_down);
    schedule(sim, config->session_lost_ms, strike_session_lost);
    schedule(sim, config->cards_lost_ms, strike_cards_lost);
    schedule(sim, config->store_cut_ms, strike_store_cut);
    schedule(sim, config->store_down_ms, strike_store_down);
    schedule(sim, config->inbox_ms, strike_inbox);
    schedule(sim, config->rerun_ms, strike_rerun);
}

void sim_heal(struct sim *sim)
{
    static const struct sim_delay quick = {100, 1000, 0, 0};
    sim->is_healed = true;
    sim_fact(sim, "healed");
    sim_store_options(sim->store)->network = quick;
    sim_store_options(sim->store)->work = quick;
    sim_board_options(sim->board)->network = quick;
    sim_store_up(sim->store);
    sim_board_up(sim->board, false);
    for (int i = 0; i < sim->config.engines; i++) {
        struct sim_engine *engine = &sim->engines[i];
        engine->die_after = -1;
        if (!engine->core)
            sim_engine_start(engine);
        sim_board_mend(engine->board);
        sim_engine_thaw(engine);
    }
}
