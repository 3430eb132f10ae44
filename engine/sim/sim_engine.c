/* SPDX-License-Identifier: Apache-2.0 */
/* One engine: a core, its three adapters, and what happens to its process. */
#include "base/check.h"
#include "base/placement.h"
#include "engine/core/render.h"
#include "engine/sim/sim.h"

#define LATENESS_MAX_US 1500 /* of a tick */
#define SPINS_MAX       2000 /* ticks at one instant */
#define PUMP_US         20   /* from one waiting event to the next after a thaw */

/* Where a fake tells its events: the process that asked, and what kind of source it is. */
struct sim_port {
    struct sim_engine *engine;
    uint64_t life;
    enum sim_source source;
};

static struct sim_world *world_of(struct sim_engine *engine)
{
    return &engine->sim->world;
}

static int64_t engine_ms(struct sim_engine *engine)
{
    return (world_of(engine)->queue.now_us + engine->clock_us) / 1000;
}

/* ------------------------------------------------------------------------------------------
 * effects */

static void note_effect(struct sim_engine *engine, const struct core_effect *effect)
{
    struct sim *sim = engine->sim;
    sim->hash = sim_hash_effect(sim->hash, engine->number, effect);
    if (sim_traces(sim)) {
        struct buffer line;
        buffer_init(&line, 0);
        render_effect(effect, &line);
        sim_note(sim, "%.*s      -> %.*s", TEXT_ARG(engine->name), TEXT_ARG(buffer_text(&line)));
        buffer_done(&line);
    }
}

static void perform(struct sim_engine *engine, const struct core_effect *effect)
{
    switch ((int)effect->kind) {
    case EFFECT_DIVIDE:
    case EFFECT_GIVE_UP:
    case EFFECT_CLOSE:
    case EFFECT_LIST:
    case EFFECT_UNWATCH:
    case EFFECT_LOCK:
    case EFFECT_UNLOCK:
    case EFFECT_CONSUME:
    case EFFECT_RELEASE:
    case EFFECT_PLACE:
    case EFFECT_REMOVE:
    case EFFECT_SHOW_POOL:
        sim_board_request(engine->board, effect);
        break;
    case EFFECT_START_STEP:
    case EFFECT_STOP_STEP:
    case EFFECT_KILL_AT:
        sim_steps_request(engine->host, effect);
        break;
    case EFFECT_EXIT:
    case EFFECT_MOVED:
    case EFFECT_TROUBLE:
        break;
    default:
        sim_store_request(engine->store, effect);
        break;
    }
}

static void leave(struct sim_engine *engine)
{
    sim_board_leave(engine->board);
    sim_store_leave(engine->store);
    sim_steps_leave(engine->host);
}

static void add_counts(struct core_counts *sum, const struct core_counts *more)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)more;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

static void end_process(struct sim_engine *engine)
{
    leave(engine);
    add_counts(&engine->sim->core_counts, core_counted(engine->core));
    core_free(engine->core);
    engine->core = NULL;
    engine->life++;
    engine->tick_order++;
    engine->is_frozen = false;
    engine->die_after = -1;
    for (int i = 0; i < SIM_SOURCES; i++)
        engine->first[i] = engine->last[i] = NULL;
}

/* Performs the effects of a turn; false when the engine died or left in it. */
static bool perform_all(struct sim_engine *engine, const struct effect_list *effects)
{
    bool leaves = false;
    for (size_t i = 0; i < effects->count; i++) {
        if (engine->die_after == 0) {
            sim_count(world_of(engine), COUNT_KILLED_MID_TURN);
            sim_fact(engine->sim, "%.*s killed within a turn", TEXT_ARG(engine->name));
            end_process(engine);
            return false;
        }
        if (engine->die_after > 0)
            engine->die_after--;
        const struct core_effect *effect = &effects->list[i];
        note_effect(engine, effect);
        sim_checks_effect(engine, effect);
        perform(engine, effect);
        sim_faults_effect(engine, effect);
        leaves = leaves || effect->kind == EFFECT_EXIT;
    }
    if (!leaves)
        return true;
    sim_count(world_of(engine), COUNT_EXITED);
    end_process(engine);
    return false;
}

/* --------------------------------------------------------------------------------------------
 * turns */

static void tick_time(void *object, uint64_t order);

static void ask_tick(struct sim_engine *engine)
{
    struct sim_world *world = world_of(engine);
    int64_t due_ms = core_deadline_ms(engine->core);
    if (due_ms == engine->tick_ms)
        return;
    engine->tick_ms = due_ms;
    engine->tick_order++;
    if (due_ms < 0)
        return;
    int64_t at_us = due_ms * 1000 - engine->clock_us;
    if (at_us < world->queue.now_us)
        at_us = world->queue.now_us;
    sim_queue_at(&world->queue, at_us + sim_between(world, 0, LATENESS_MAX_US), tick_time, engine,
                 engine->tick_order);
}

static void turn(struct sim_engine *engine, const struct core_event *from)
{
    struct sim *sim = engine->sim;
    struct core_event event = *from;
    event.now_ms = engine_ms(engine);
    sim_count(world_of(engine), COUNT_EVENTS);
    sim->hash = sim_hash_event(sim->hash, engine->number, &event);
    if (sim_traces(sim)) {
        struct buffer line;
        buffer_init(&line, 0);
        render_event(&event, &line);
        sim_note(sim, "%.*s %.*s", TEXT_ARG(engine->name), TEXT_ARG(buffer_text(&line)));
        buffer_done(&line);
    }
    struct effect_list effects;
    core_step(engine->core, &event, &effects);
    if (!perform_all(engine, &effects))
        return;
    sim_board_show(engine->board, core_free_slots(engine->core), core_is_draining(engine->core));
    ask_tick(engine);
}

static void check_spin(struct sim_engine *engine)
{
    int64_t now_ms = engine_ms(engine);
    engine->spins = now_ms == engine->spin_ms ? engine->spins + 1 : 0;
    engine->spin_ms = now_ms;
    if (engine->spins > SPINS_MAX)
        sim_fail(engine->sim, 19, "engine %d asks to be called again and again at %lld ms",
                 engine->number, (long long)now_ms);
}

static void tick(struct sim_engine *engine)
{
    engine->tick_ms = -1;
    check_spin(engine);
    turn(engine, &(struct core_event){.kind = EVENT_TICK});
}

static void tick_time(void *object, uint64_t order)
{
    struct sim_engine *engine = object;
    if (!engine->core || engine->tick_order != order)
        return;
    if (engine->is_frozen)
        engine->tick_missed = true;
    else
        tick(engine);
}

static bool has_waiting(const struct sim_engine *engine)
{
    for (int i = 0; i < SIM_SOURCES; i++) {
        if (engine->first[i])
            return true;
    }
    return false;
}

static void tell(void *context, const struct core_event *event)
{
    struct sim_port *port = context;
    struct sim_engine *engine = port->engine;
    if (!engine->core || engine->life != port->life)
        return;
    if (!engine->is_frozen && !has_waiting(engine)) {
        turn(engine, event);
        return;
    }
    struct sim_waiting *waiting = arena_calloc(&world_of(engine)->arena, 1, sizeof *waiting);
    waiting->event = *event;
    if (engine->last[port->source])
        engine->last[port->source]->next = waiting;
    else
        engine->first[port->source] = waiting;
    engine->last[port->source] = waiting;
}

/* -------------------------------------------------------------------------------------------
 * thawing */

static void pump(void *object, uint64_t life)
{
    struct sim_engine *engine = object;
    struct sim_world *world = world_of(engine);
    if (!engine->core || engine->life != life || engine->is_frozen)
        return;
    int source = (int)random_below(&world->random, SIM_SOURCES + 1);
    if (source == SIM_SOURCES) {
        if (engine->tick_missed) {
            engine->tick_missed = false;
            tick(engine);
        }
    } else if (engine->first[source]) {
        struct sim_waiting *waiting = engine->first[source];
        engine->first[source] = waiting->next;
        if (!waiting->next)
            engine->last[source] = NULL;
        turn(engine, &waiting->event);
    }
    if (engine->core && engine->life == life && (has_waiting(engine) || engine->tick_missed))
        sim_queue_at(&world->queue, world->queue.now_us + PUMP_US, pump, engine, life);
}

void sim_engine_freeze(struct sim_engine *engine, int mid_permille)
{
    if (!engine->core || engine->is_frozen)
        return;
    sim_count(world_of(engine), COUNT_FROZEN);
    sim_fact(engine->sim, "%.*s frozen", TEXT_ARG(engine->name));
    engine->is_frozen = true;
    sim_board_freeze(engine->board);
    sim_store_freeze(engine->store, mid_permille);
}

void sim_engine_thaw(struct sim_engine *engine)
{
    if (!engine->core || !engine->is_frozen)
        return;
    sim_fact(engine->sim, "%.*s thawed", TEXT_ARG(engine->name));
    sim_queue_at(&world_of(engine)->queue, 0, pump, engine, engine->life);
    sim_board_thaw(engine->board);
    sim_store_thaw(engine->store); /* may tell: it waits behind the rest */
    engine->is_frozen = false;
}

/* --------------------------------------------------------------------------------- start and end
 */

static struct sim_listener listener(struct sim_engine *engine, enum sim_source source)
{
    struct sim_port *port = arena_calloc(&world_of(engine)->arena, 1, sizeof *port);
    *port = (struct sim_port){engine, engine->life, source};
    return (struct sim_listener){port, tell};
}

void sim_engine_init(struct sim *sim, int number, bool tagged)
{
    struct sim_engine *engine = &sim->engines[number];
    struct arena *arena = &sim->world.arena;
    engine->sim = sim;
    engine->number = number;
    engine->name = arena_printf(arena, "e%d", number);
    engine->clock_us = sim_between(&sim->world, 1, 1000000) * 1000;
    engine->die_after = -1;
    engine->tick_ms = -1;
    if (tagged) {
        struct text *tags = arena_calloc(arena, 1, sizeof *tags);
        tags[0] = TEXT("gpu");
        engine->tags = tags;
        engine->tag_count = 1;
    }
}

void sim_engine_start(struct sim_engine *engine)
{
    struct sim *sim = engine->sim;
    const struct sim_config *config = &sim->config;
    if (engine->core)
        return;
    struct core_options options = {
        .engine = engine->name,
        .tags = engine->tags,
        .tag_count = engine->tag_count,
        .shard_count = (unsigned)config->shard_count,
        .slots = config->slots,
        .processes = config->processes,
        .window = config->window,
        .grace_ms = config->grace_ms,
        .payload_max_bytes = PAYLOAD_MAX_BYTES,
        .job_max_bytes = CORE_JOB_BYTES_DEFAULT,
        .lines = CORE_LINES_DEFAULT,
        .seed = random_next(&sim->world.random),
    };
    sim_fact(sim, "%.*s started", TEXT_ARG(engine->name));
    engine->core = core_new(&options);
    engine->tick_ms = -1;
    engine->tick_missed = false;
    struct sim_board_self self = {.name = engine->name,
                                  .tags = engine->tags,
                                  .tag_count = engine->tag_count,
                                  .slots = config->slots,
                                  .clock_us = engine->clock_us};
    engine->board = sim_board_connect(sim->board, &self, listener(engine, SOURCE_BOARD));
    engine->store = sim_store_connect(sim->store, listener(engine, SOURCE_STORE));
    engine->host = sim_steps_host(sim->steps, engine->number, engine->clock_us,
                                  listener(engine, SOURCE_STEPS));
}

void sim_engine_kill(struct sim_engine *engine)
{
    if (!engine->core)
        return;
    sim_count(world_of(engine), COUNT_KILLED);
    sim_fact(engine->sim, "%.*s killed", TEXT_ARG(engine->name));
    end_process(engine);
}

void sim_engine_drain(struct sim_engine *engine, bool now)
{
    if (!engine->core || engine->is_frozen)
        return;
    sim_count(world_of(engine), COUNT_DRAINED);
    turn(engine, &(struct core_event){.kind = now ? EVENT_DRAIN_NOW : EVENT_DRAIN});
}
