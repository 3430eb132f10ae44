/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/sim_world.h"

#include <string.h>

#include "base/check.h"

void sim_world_init(struct sim_world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    sim_queue_init(&world->queue);
    random_seed(&world->random, random_mix(seed + 1));
    arena_init(&world->arena);
}

void sim_world_done(struct sim_world *world)
{
    sim_queue_done(&world->queue);
    arena_done(&world->arena);
}

int64_t sim_between(struct sim_world *world, int64_t min, int64_t max)
{
    CHECK(min <= max);
    return min + (int64_t)random_below(&world->random, (uint64_t)(max - min) + 1);
}

int64_t sim_delay_us(struct sim_world *world, const struct sim_delay *delay)
{
    if (sim_permille(world, delay->slow_permille))
        return sim_between(world, delay->max_us, delay->slow_max_us);
    return sim_between(world, delay->min_us, delay->max_us);
}

bool sim_permille(struct sim_world *world, int permille)
{
    return permille > 0 && random_below(&world->random, 1000) < (uint64_t)permille;
}

struct uuid sim_uuid(struct sim_world *world)
{
    uint8_t bytes[16];
    random_bytes(&world->random, bytes, sizeof bytes);
    return uuid_v4(bytes);
}

const char *sim_count_name(enum sim_count what)
{
    static const char *const names[SIM_COUNTS] = {
#define X(id, text) text,
        SIM_COUNTS_LIST(X)
#undef X
    };
    return names[what];
}

static const char *const mutant_names[MUTANTS] = {
#define X(id, name, what) name,
    SIM_MUTANTS(X)
#undef X
};

const char *sim_mutant_name(enum sim_mutant mutant)
{
    return mutant_names[mutant];
}

const char *sim_mutant_what(enum sim_mutant mutant)
{
    static const char *const whats[MUTANTS] = {
#define X(id, name, what) what,
        SIM_MUTANTS(X)
#undef X
    };
    return whats[mutant];
}

int sim_mutant_find(const char *name)
{
    for (int i = 0; i < MUTANTS; i++) {
        if (!strcmp(mutant_names[i], name))
            return i;
    }
    return -1;
}
