/* SPDX-License-Identifier: Apache-2.0 */
/* Random flows, as the YAML text a person would post, and the plan that the checks compare with. */
#include "base/check.h"
#include "base/placement.h"
#include "engine/sim/sim.h"

#define POST_AGAIN_US 100000 /* while the store is away */

/* -------------------------------------------------------------------------------------- the flow
 */

static void plan_task(struct sim_world *world, struct sim_plan *plan, int number, bool in_steps)
{
    struct sim_task_plan *task = &plan->tasks[number];
    int64_t dice = sim_between(world, 0, 99);
    snprintf(task->name, sizeof task->name, "t%d", number);
    task->verb = dice < 15   ? SIM_NOOP
                 : dice < 30 ? SIM_SET
                 : dice < 70 ? SIM_RUN
                 : dice < 96 ? SIM_SH
                 : dice < 98 ? SIM_FAIL
                             : SIM_MISSING;
    task->attempts = random_percent(&world->random, 50) ? 1 : (int)sim_between(world, 2, 4);
    task->once = random_percent(&world->random, 15);
    task->is_off = random_percent(&world->random, 5);
    for (int earlier = 0; earlier < number && !in_steps; earlier++) {
        if (random_percent(&world->random, 35))
            task->needs |= 1u << earlier;
    }
    if (in_steps && number > 0)
        task->needs = 1u << (number - 1);
}

/* A task that this one waits for, directly, and that is not passed over; -1: none. */
static int readable(const struct sim_plan *plan, const struct sim_task_plan *task)
{
    for (int i = 0; i < plan->count; i++) {
        if (task->needs >> i & 1)
            return i;
    }
    return -1;
}

static void write_work(struct sim_world *world, const struct sim_task_plan *task,
                       struct buffer *text)
{
    static const int lengths[] = {1, 20, 100, 400, 2500, 8000};
    const char *word = random_percent(&world->random, 15) ? "stubborn" : "work";
    int max = lengths[sim_between(world, 0, 5)];
    int fail = random_percent(&world->random, 30) ? 300 : 0;
    if (task->verb == SIM_RUN)
        buffer_printf(text, "run: [%s, \"%d\", \"%d\", \"%d\"]", word, max / 4 + 1, max, fail);
    else
        buffer_printf(text, "sh: \"%s %d %d %d\"", word, max / 4 + 1, max, fail);
    if (random_percent(&world->random, 20))
        buffer_printf(text, ", timeout: %dms", (int)sim_between(world, 10, 1000));
    if (random_percent(&world->random, 10))
        buffer_add_string(text, ", result: none");
    if (task->once)
        buffer_add_string(text, ", once: true");
}

static void write_verb(struct sim_world *world, const struct sim_plan *plan,
                       const struct sim_task_plan *task, struct buffer *text)
{
    int read = readable(plan, task);
    switch (task->verb) {
    case SIM_NOOP:
        buffer_add_string(text, "noop: ");
        break;
    case SIM_SET:
        if (read >= 0)
            buffer_printf(text, "set: {v: \"${ tasks.%s.result }\", n: %d}", plan->tasks[read].name,
                          (int)sim_between(world, 0, 99));
        else
            buffer_printf(text, "set: %d", (int)sim_between(world, 0, 99));
        break;
    case SIM_RUN:
    case SIM_SH:
        write_work(world, task, text);
        break;
    case SIM_FAIL:
        buffer_add_string(text, "fail: meant to");
        break;
    case SIM_MISSING:
        buffer_add_string(text, "run: [missing]");
        break;
    case SIM_VERBS:
        UNREACHABLE();
    }
}

static void write_retry(struct sim_world *world, const struct sim_task_plan *task,
                        struct buffer *text)
{
    if (task->attempts == 1)
        return;
    buffer_printf(text, ", retry: {attempts: %d, delay: %dms", task->attempts,
                  (int)sim_between(world, 0, 400));
    if (random_percent(&world->random, 30))
        buffer_add_string(text, ", backoff: 2");
    buffer_add_char(text, '}');
}

static void write_needs(const struct sim_plan *plan, const struct sim_task_plan *task,
                        struct buffer *text)
{
    const char *between = "";
    if (!task->needs)
        return;
    buffer_add_string(text, ", needs: [");
    for (int i = 0; i < plan->count; i++) {
        if (!(task->needs >> i & 1))
            continue;
        buffer_printf(text, "%s%s", between, plan->tasks[i].name);
        between = ", ";
    }
    buffer_add_char(text, ']');
}

static void write_task(struct sim_world *world, const struct sim_plan *plan, int number,
                       bool in_steps, struct buffer *text)
{
    const struct sim_task_plan *task = &plan->tasks[number];
    if (in_steps)
        buffer_printf(text, "  - {name: %s, ", task->name);
    else
        buffer_printf(text, "  %s: {", task->name);
    write_verb(world, plan, task, text);
    write_retry(world, task, text);
    if (!in_steps)
        write_needs(plan, task, text);
    if (task->is_off)
        buffer_add_string(text, ", if: false");
    buffer_add_string(text, "}\n");
}

static struct text write_flow(struct sim_world *world, struct sim_plan *plan, bool tagged)
{
    struct buffer text;
    buffer_init(&text, 0);
    bool in_steps = random_percent(&world->random, 40);
    plan->count = (int)sim_between(world, 1, 6);
    for (int i = 0; i < plan->count; i++)
        plan_task(world, plan, i, in_steps);
    buffer_add_string(&text, "flow: sim\n");
    if (tagged)
        buffer_add_string(&text, "runs_on: [gpu]\n");
    if (random_percent(&world->random, 30))
        buffer_printf(&text, "output: \"${ tasks.%s.result }\"\n", plan->tasks[0].name);
    buffer_add_string(&text, in_steps ? "steps:\n" : "tasks:\n");
    for (int i = 0; i < plan->count; i++)
        write_task(world, plan, i, in_steps, &text);
    struct text copy = arena_text(&world->arena, buffer_text(&text));
    buffer_done(&text);
    return copy;
}

/* ---------------------------------------------------------------------------------------- posting
 */

/* A card on its way to the board. */
struct placing {
    struct sim *sim;
    struct card card;
    const struct text *tags;
    size_t tag_count;
};

static void place(void *object, uint64_t arg)
{
    struct placing *placing = object;
    sim_board_place(placing->sim->board, &placing->card, placing->tags, placing->tag_count);
}

static struct uuid new_id(struct sim_world *world)
{
    uint8_t bytes[10];
    random_bytes(&world->random, bytes, sizeof bytes);
    return uuid_v7(INT64_C(1700000000000) + world->queue.now_us / 1000, bytes);
}

static void keep_plan(struct sim *sim, const struct sim_plan *plan)
{
    sim->plans = arena_grow(&sim->world.arena, sim->plans, sim->plan_count, sim->plan_count + 1,
                            &sim->plan_capacity, sizeof(struct sim_plan *));
    struct sim_plan *copy = arena_calloc(&sim->world.arena, 1, sizeof *copy);
    if (plan)
        *copy = *plan;
    sim->plans[sim->plan_count++] = copy;
}

static void send_card(struct sim *sim, const struct sim_job *job)
{
    const struct job_row *row = &job->row;
    struct placing *placing = arena_calloc(&sim->world.arena, 1, sizeof *placing);
    *placing = (struct placing){sim,
                                {row->id, row->pool, row->shard, row->priority, row->ready_at_us},
                                row->tags,
                                row->tag_count};
    sim_queue_at(&sim->world.queue,
                 sim->world.queue.now_us + sim_delay_us(&sim->world, &sim->config.board_network),
                 place, placing, 0);
}

struct sim_job *sim_post(struct sim *sim, struct text flow_name, struct text flow_text,
                         const struct sim_plan *plan, const struct text *tags, size_t tag_count,
                         uint8_t priority, bool placed)
{
    struct arena *arena = &sim->world.arena;
    struct text *sorted = arena_calloc(arena, tag_count, sizeof *sorted);
    for (size_t i = 0; i < tag_count; i++)
        sorted[i] = arena_text(arena, tags[i]);
    struct job_row row = {.id = new_id(&sim->world),
                          .priority = priority,
                          .format = FORMAT_NOW,
                          .tags = sorted,
                          .tag_count = tag_count};
    row.pool = placement_pool(sorted, tag_count);
    row.shard = placement_shard(&row.id, (unsigned)sim->config.shard_count);
    struct sim_job *job = sim_store_post(sim->store, &row, flow_name, flow_text, TEXT("{}"));
    keep_plan(sim, plan);
    sim_count(&sim->world, COUNT_POSTED);
    sim_fact(sim, "posted job %u", job->number);
    sim_checks_posted(sim, job);
    if (placed) /* else its pool is on the board only if another job's card was placed */
        send_card(sim, job);
    return job;
}

static void post_again(void *object, uint64_t arg)
{
    sim_post_random(object);
}

void sim_post_random(struct sim *sim)
{
    struct sim_world *world = &sim->world;
    if (!sim_store_is_up(sim->store)) {
        sim_queue_at(&world->queue, world->queue.now_us + POST_AGAIN_US, post_again, sim, 0);
        return;
    }
    static const struct text gpu[1] = {{"gpu", 3}};
    bool tagged = sim->config.has_tags && random_percent(&world->random, 30);
    struct sim_plan plan = {0};
    struct text text = write_flow(world, &plan, tagged);
    bool placed = !sim_permille(world, sim->config.unplaced_permille);
    if (!placed)
        sim_count(world, COUNT_UNPLACED);
    sim_post(sim, TEXT("sim"), text, &plan, gpu, tagged ? 1 : 0,
             (uint8_t)sim_between(world, 0, PRIORITY_MAX), placed);
    sim->posted++;
}

/* --------------------------------------------------------------------------------- running again
 */

/* A task in that state, -1: none. */
static int task_in(struct sim *sim, const struct sim_job *job, enum task_state state)
{
    const struct sim_plan *plan = sim->plans[job->number];
    int from = (int)random_below(&sim->world.random, (uint64_t)plan->count);
    for (int i = 0; i < plan->count; i++) {
        int number = (from + i) % plan->count;
        const struct task_row *row = sim_job_task(job, text_of(plan->tasks[number].name));
        if (row && row->state == state)
            return number;
    }
    return -1;
}

static void write_wishes(const struct sim_plan *plan, int from, int skip, struct buffer *data)
{
    buffer_add_char(data, '{');
    if (from >= 0)
        buffer_printf(data, "\"from\":\"%s\"", plan->tasks[from].name);
    if (skip >= 0)
        buffer_printf(data, "%s\"skip\":{\"%s\":1}", from >= 0 ? "," : "", plan->tasks[skip].name);
    buffer_add_char(data, '}');
}

void sim_rerun_random(struct sim *sim)
{
    struct sim_world *world = &sim->world;
    size_t count = sim_store_job_count(sim->store);
    if (count == 0)
        return;
    struct sim_job *job = sim_store_job(sim->store, random_below(&world->random, count));
    struct sim_plan *plan = sim->plans[job->number];
    if (plan->count == 0 || job->row.state != JOB_FAILURE)
        return;
    int from = random_percent(&world->random, 30) ? task_in(sim, job, TASK_SUCCESS) : -1;
    int skip = random_percent(&world->random, 30) ? task_in(sim, job, TASK_FAILURE) : -1;
    uint32_t before = plan->rerun_from;
    struct buffer data = {0};
    write_wishes(plan, from, skip, &data);
    plan->rerun_from = from < 0 ? 0 : UINT32_C(1) << from;
    if (!sim_store_rerun(sim->store, job, buffer_text(&data)))
        plan->rerun_from = before;
    else if (!sim_permille(world, sim->config.unplaced_permille))
        send_card(sim, job);
    buffer_done(&data);
}
