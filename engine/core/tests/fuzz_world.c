/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/tests/fuzz_world.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"

#define BEGIN_MS 1000000

/* --------------------------------------------------------------------------------------- checks */

static bool is_remark(const struct history_line *line, int from)
{
    return line->state == from && line->detail.len > 0;
}

static int state_of(const struct fuzz_world *world, struct text path)
{
    for (size_t i = 0; i < world->row_count; i++) {
        if (text_equal(world->rows[i].path, path))
            return (int)world->rows[i].state;
    }
    return TASK_PENDING;
}

/* Each task's lines in one save lead from its row to its new row, move by move. */
static void check_moves(const struct fuzz_world *world, const struct save *save)
{
    for (size_t i = 0; i < save->history_count; i++) {
        const struct history_line *line = &save->history[i];
        int from = line->task.data ? state_of(world, line->task) : (int)world->row.state;
        for (size_t j = 0; j < i; j++) {
            if (text_equal(save->history[j].task, line->task))
                from = save->history[j].state;
        }
        const struct machine *machine = line->task.data ? &task_machine : &job_machine;
        CHECK(line->state >= 0 && line->state < machine->count);
        CHECK(is_remark(line, from) || machine_allows(machine, from, line->state));
    }
}

static void check_start(struct fuzz_world *world, const struct step_start *start)
{
    CHECK(!uuid_is_nil(&world->boot) && world->now_ms < world->proof_ms + FUZZ_TIMEOUT_MS / 2);
    for (size_t i = 0; i < world->started_count && i < FUZZ_STARTS; i++)
        CHECK(world->started[i] != start->step);
    world->started[world->started_count++ % FUZZ_STARTS] = start->step;
    CHECK(start->url.data || start->argc > 0);
    CHECK(start->key.len > UUID_TEXT_LEN);
    CHECK(world->step_count < FUZZ_PROCESSES);
    if (start->step > world->step_max)
        world->step_max = start->step;
    world->steps[world->step_count++] = (struct fuzz_step){.number = start->step};
}

static void check_stop(const struct fuzz_world *world, uint64_t step)
{
    bool runs = step == world->ending; /* the core hears so after what is due by then */
    for (size_t i = 0; i < world->step_count; i++)
        runs |= world->steps[i].number == step;
    CHECK(runs);
}

static void check_core(struct fuzz_world *world)
{
    struct core_held held[4];
    size_t count = core_held_jobs(world->core, held, 4);
    CHECK(count <= 2 && core_free_slots(world->core) >= 0);
    CHECK(!world->gone || (count == 0 && world->step_count == 0));
    int64_t deadline_ms = core_deadline_ms(world->core);
    CHECK(deadline_ms >= -1);
}

/* ------------------------------------------------------------------------------------- requests */

static void copy_save(struct fuzz_world *world, const struct save *save, struct save *ret_save)
{
    struct arena *arena = &world->arena;
    struct task_change *tasks = arena_calloc(arena, save->task_count + 1, sizeof *tasks);
    struct history_line *lines = arena_calloc(arena, save->history_count + 1, sizeof *lines);
    *ret_save = *save;
    for (size_t i = 0; i < save->task_count; i++) {
        tasks[i] = save->tasks[i];
        tasks[i].row.path = arena_text(arena, save->tasks[i].row.path);
        tasks[i].row.result = arena_text(arena, save->tasks[i].row.result);
        tasks[i].row.failure = arena_text(arena, save->tasks[i].row.failure);
        tasks[i].row.internal = arena_text(arena, save->tasks[i].row.internal);
    }
    for (size_t i = 0; i < save->history_count; i++) {
        lines[i] = save->history[i];
        lines[i].task = arena_text(arena, lines[i].task);
        lines[i].detail = arena_text(arena, lines[i].detail);
    }
    ret_save->tasks = tasks;
    ret_save->history = lines;
}

static void note_request(struct fuzz_world *world, const struct core_effect *effect)
{
    CHECK(world->pending_count < FUZZ_PENDING);
    CHECK(effect->tag > 0);
    for (size_t i = 0; i < world->pending_count; i++)
        CHECK(world->pending[i].tag != effect->tag);
    if (effect->tag > world->tag_max)
        world->tag_max = effect->tag;
    struct fuzz_request *request = &world->pending[world->pending_count];
    *request = (struct fuzz_request){
        .kind = effect->kind, .tag = effect->tag, .boot = world->boot, .done = -1};
    if (effect->kind == EFFECT_CLAIM) {
        request->claim = effect->u.claim;
    } else if (effect->kind == EFFECT_SAVE) {
        for (size_t i = 0; i < world->pending_count; i++)
            CHECK(world->pending[i].kind != EFFECT_SAVE || world->pending[i].is_answered ||
                  !uuid_equal(&world->pending[i].save.claim, &effect->u.save.claim));
        copy_save(world, &effect->u.save, &request->save);
    } else if (effect->kind == EFFECT_LIST) {
        request->pool = effect->u.shard.pool;
        request->shard = effect->u.shard.shard;
    }
    world->pending_count++;
}

static void take(struct fuzz_world *world, const struct core_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_LIST:
    case EFFECT_LOCK:
    case EFFECT_UNLOCK:
    case EFFECT_CONSUME:
    case EFFECT_RELEASE:
    case EFFECT_READ_ROW:
    case EFFECT_SHARD_ROWS:
    case EFFECT_LATE_ROWS:
    case EFFECT_OWNED_ROWS:
    case EFFECT_CLAIM:
    case EFFECT_LOAD:
    case EFFECT_SAVE:
        note_request(world, effect);
        return;
    case EFFECT_START_STEP:
        check_start(world, &effect->u.start);
        return;
    case EFFECT_STOP_STEP:
        check_stop(world, effect->u.stop.step);
        return;
    case EFFECT_EXIT:
        world->gone = true;
        return;
    case EFFECT_GIVE_UP:
    case EFFECT_CLOSE:
        world->given_up = true;
        return;
    case EFFECT_DIVIDE:
    case EFFECT_UNWATCH:
    case EFFECT_PLACE:
    case EFFECT_REMOVE:
    case EFFECT_SHOW_POOL:
    case EFFECT_BOOT_BEGAN:
    case EFFECT_LEASE_SEEN:
    case EFFECT_KILL_AT:
    case EFFECT_MOVED:
    case EFFECT_TROUBLE:
    case EFFECT_KINDS:
        return;
    }
}

void fuzz_tell(struct fuzz_world *world, struct core_event *event)
{
    struct effect_list effects;
    event->now_ms = world->now_ms;
    core_step(world->core, event, &effects);
    for (size_t i = 0; i < effects.count; i++)
        take(world, &effects.list[i]);
    check_core(world);
}

/* -------------------------------------------------------------------------------------- the truth
 */

static bool same_claim(const struct save *save, const struct job_row *row)
{
    return save->epoch == row->epoch && uuid_equal(&save->claim, &row->claim);
}

static void keep_row(struct fuzz_world *world, const struct task_row *row)
{
    size_t at = 0;
    while (at < world->row_count && !text_equal(world->rows[at].path, row->path))
        at++;
    CHECK(at < FUZZ_ROWS);
    world->row_count += at == world->row_count;
    world->rows[at] = *row;
}

static int apply_save(struct fuzz_world *world, const struct save *save)
{
    struct job_row *row = &world->row;
    if (world->applied > 0 && same_claim(save, row) && save->save_no + 1 == row->save_no &&
        same_claim(&world->last, row) && world->last.save_no == save->save_no)
        return SAVE_ALREADY;
    if (!same_claim(save, row) || save->save_no != row->save_no)
        return SAVE_REFUSED;
    if (save->ends_claim && save->inbox_seen != row->inbox_seq)
        return SAVE_INBOX;
    check_moves(world, save);
    for (size_t i = 0; i < save->task_count; i++)
        keep_row(world, &save->tasks[i].row);
    row->state = save->state;
    row->save_no++;
    row->inbox_applied = save->inbox_applied;
    row->ready_at_us += save->state == JOB_READY;
    if (save->ends_claim) /* its identity goes: nobody saves under it any more */
        row->claim = (struct uuid){{0}};
    world->last = *save;
    world->applied++;
    return SAVE_OK;
}

static int apply_claim(struct fuzz_world *world, const struct claim_request *claim)
{
    struct job_row *row = &world->row;
    if (uuid_equal(&row->claim, &claim->claim))
        return CLAIM_OK; /* sent again */
    if (row->epoch != claim->epoch_seen || !job_state_is_claimable(row->state))
        return CLAIM_CHANGED;
    row->epoch = (claim->epoch_used > row->epoch ? claim->epoch_used : row->epoch) + 1;
    row->claim = claim->claim;
    row->owner = claim->owner;
    if (row->state == JOB_READY)
        row->state = JOB_RUNNING;
    return CLAIM_OK;
}

static void perform(struct fuzz_world *world, struct fuzz_request *request)
{
    if (request->done >= 0)
        return;
    request->done = 0;
    if (request->kind == EFFECT_SAVE)
        request->done = apply_save(world, &request->save);
    else if (request->kind == EFFECT_CLAIM)
        request->done = apply_claim(world, &request->claim);
}

/* -------------------------------------------------------------------------------------- answers */

static void fill_load(struct fuzz_world *world, struct job_load *load)
{
    *load = (struct job_load){
        .row = world->row,
        .flow_name = TEXT("fuzz"),
        .flow_text = world->flow_text,
        .flow_hash = world->flow_text,
        .input = TEXT("{}"),
        .posted_at_us = 1,
        .tasks = world->rows,
        .task_count = world->row_count,
        .inbox = &world->inbox,
        .inbox_count = world->row.inbox_applied < world->row.inbox_seq,
    };
}

static void answer_save(const struct fuzz_world *world, const struct fuzz_request *request,
                        enum fuzz_way way, struct core_event *event)
{
    event->kind = EVENT_SAVED;
    event->u.save.outcome = way == FUZZ_BUSY ? SAVE_BUSY
                            : way == FUZZ_UNKNOWN || way == FUZZ_UNKNOWN_DONE
                                ? SAVE_UNKNOWN
                                : (enum save_outcome)request->done;
    event->u.save.ready_at_us = world->row.ready_at_us;
}

static void answer_claim(const struct fuzz_world *world, const struct fuzz_request *request,
                         enum fuzz_way way, struct core_event *event)
{
    event->kind = EVENT_CLAIMED;
    event->u.claim.outcome = way == FUZZ_BUSY ? CLAIM_BUSY
                             : way == FUZZ_UNKNOWN || way == FUZZ_UNKNOWN_DONE
                                 ? CLAIM_UNKNOWN
                                 : (enum claim_outcome)request->done;
    event->u.claim.row = world->row;
    event->u.claim.state_before = world->row.save_no ? world->row.state : JOB_READY;
}

static void answer_rows(const struct fuzz_world *world, const struct fuzz_request *request,
                        enum fuzz_way way, struct core_event *event)
{
    event->kind = EVENT_ROWS;
    event->u.rows.code = way == FUZZ_HONEST || way == FUZZ_AGAIN ? 0 : ERR_UNKNOWN;
    event->u.rows.list = &world->row;
    event->u.rows.count = request->kind == EFFECT_READ_ROW || request->kind == EFFECT_SHARD_ROWS;
    if (request->kind == EFFECT_OWNED_ROWS)
        event->u.rows.count = !job_state_is_final(world->row.state) && world->row.epoch > 0;
}

static void answer_board(const struct fuzz_world *world, const struct fuzz_request *request,
                         enum fuzz_way way, struct core_event *event)
{
    bool is_void = !uuid_equal(&request->boot, &world->boot);
    event->kind = request->kind == EFFECT_LOCK ? EVENT_LOCKED : EVENT_UNLOCKED;
    event->u.board.outcome = is_void                                            ? BOARD_VOID
                             : way == FUZZ_UNKNOWN || way == FUZZ_UNKNOWN_DONE  ? BOARD_UNKNOWN
                             : way == FUZZ_BUSY && request->kind == EFFECT_LOCK ? BOARD_TAKEN
                                                                                : BOARD_OK;
}

static void fill_answer(struct fuzz_world *world, const struct fuzz_request *request,
                        enum fuzz_way way, struct core_event *event)
{
    bool good = way == FUZZ_HONEST || way == FUZZ_AGAIN;
    event->tag = request->tag;
    if (request->kind == EFFECT_SAVE) {
        answer_save(world, request, way, event);
    } else if (request->kind == EFFECT_CLAIM) {
        answer_claim(world, request, way, event);
    } else if (request->kind == EFFECT_LOAD) {
        event->kind = EVENT_LOADED;
        event->u.load.outcome = good ? LOAD_OK : way == FUZZ_BUSY ? LOAD_REFUSED : LOAD_UNKNOWN;
        fill_load(world, &event->u.load.load);
    } else if (request->kind == EFFECT_LIST) {
        struct card *card = arena_calloc(&world->arena, 1, sizeof *card);
        const struct job_row *row = &world->row;
        *card = (struct card){row->id, row->pool, 0, row->priority, row->ready_at_us};
        event->kind = EVENT_CARDS;
        event->u.shard.pool = request->pool;
        event->u.shard.shard = request->shard;
        event->u.shard.outcome = good ? BOARD_OK : BOARD_UNKNOWN;
        event->u.shard.cards = card;
        event->u.shard.count = good && !job_state_is_final(row->state);
    } else if (request->kind == EFFECT_READ_ROW || request->kind == EFFECT_SHARD_ROWS ||
               request->kind == EFFECT_LATE_ROWS || request->kind == EFFECT_OWNED_ROWS) {
        answer_rows(world, request, way, event);
    } else {
        answer_board(world, request, way, event);
    }
}

void fuzz_answer(struct fuzz_world *world, size_t number, enum fuzz_way way)
{
    struct core_event event = {0};
    struct fuzz_request *request = &world->pending[number];
    if (way != FUZZ_UNKNOWN && way != FUZZ_BUSY)
        perform(world, request);
    if (request->done >= 0 && way == FUZZ_BUSY)
        way = FUZZ_HONEST; /* it has happened: nobody can say that it has not */
    fill_answer(world, request, way, &event);
    request->is_answered = true;
    world->answered = *request;
    if (way != FUZZ_AGAIN)
        *request = world->pending[--world->pending_count];
    fuzz_tell(world, &event);
}

void fuzz_end_step(struct fuzz_world *world, size_t number, uint8_t how)
{
    struct fuzz_step *step = &world->steps[number];
    struct core_event event = {.kind = EVENT_STEP_ENDED};
    event.u.step.step = step->number;
    if (how % 8 != 1 && !step->told) {
        struct core_event began = event;
        step->told = true;
        began.kind = EVENT_STEP_STARTED;
        fuzz_tell(world, &began);
        return;
    }
    event.kind = step->told ? EVENT_STEP_ENDED : EVENT_STEP_FAILED;
    event.u.step.reason = TEXT("nothing there");
    event.u.step.exit_code = how & 8 ? 3 : 0;
    event.u.step.signal = how % 8 == 2 ? 9 : 0;
    if (event.u.step.signal)
        event.u.step.exit_code = -1;
    event.u.step.is_lost = how % 8 == 3;
    event.u.step.out_overflow = how % 8 == 4;
    event.u.step.status = how & 16 ? 200 : how & 32 ? 503 : 0;
    event.u.step.headers = how & 64 ? TEXT("{}") : TEXT("{\"a\": \"b\"}");
    event.u.step.out = how & 128 ? TEXT("{\"ok\": true}") : TEXT("said\n");
    event.u.step.err = TEXT("");
    *step = world->steps[--world->step_count];
    world->ending = event.u.step.step;
    fuzz_tell(world, &event);
    world->ending = 0;
}

/* --------------------------------------------------------------------------- cores and sessions */

static void new_core(struct fuzz_world *world)
{
    struct core_options options = {
        .engine = TEXT("fuzz"),
        .shard_count = 1,
        .slots = 2,
        .processes = FUZZ_PROCESSES,
        .window = CORE_WINDOW_DEFAULT,
        .grace_ms = 500,
        .payload_max_bytes = 1 << 16,
        .job_max_bytes = 1 << 20,
        .lines = 12,
        .seed = 7,
    };
    world->core = core_new(&options);
    world->pending_count = world->step_count = world->started_count = 0;
    world->tag_max = world->step_max = 0;
    world->leaves = world->gone = world->given_up = false;
    world->boot = (struct uuid){{0}};
}

void fuzz_begin_session(struct fuzz_world *world)
{
    struct core_event event = {.kind = EVENT_SESSION_BEGAN};
    world->boot = (struct uuid){{1}};
    world->boot.bytes[14] = (uint8_t)(world->boots >> 8);
    world->boot.bytes[15] = (uint8_t)++world->boots;
    world->proof_ms = world->now_ms;
    event.u.session.boot = world->boot;
    event.u.session.timeout_ms = FUZZ_TIMEOUT_MS;
    event.u.session.sent_ms = world->now_ms;
    fuzz_tell(world, &event);
    struct pool_info pool = {.pool = {"-"}};
    event = (struct core_event){.kind = EVENT_POOLS};
    event.u.pools.list = &pool;
    event.u.pools.count = 1;
    fuzz_tell(world, &event);
    struct member self = {.boot = world->boot, .name = TEXT("fuzz"), .dividing = true};
    event = (struct core_event){.kind = EVENT_MEMBERS};
    event.u.members.list = &self;
    event.u.members.count = 1;
    fuzz_tell(world, &event);
}

void fuzz_end_session(struct fuzz_world *world)
{
    struct core_event event = {.kind = EVENT_SESSION_ENDED};
    event.u.session.boot = world->boot;
    world->boot = (struct uuid){{0}};
    world->given_up = false;
    fuzz_tell(world, &event);
}

void fuzz_crash(struct fuzz_world *world)
{
    core_free(world->core);
    new_core(world);
    fuzz_tell(world, &(struct core_event){.kind = EVENT_STORE_UP});
    fuzz_begin_session(world);
}

void fuzz_world_begin(struct fuzz_world *world, struct text flow_text)
{
    *world = (struct fuzz_world){.flow_text = flow_text, .now_ms = BEGIN_MS};
    world->row.id = (struct uuid){{7, 7, 7}};
    world->row.pool = (struct pool){"-"};
    world->row.priority = PRIORITY_DEFAULT;
    world->row.format = FORMAT_NOW;
    world->row.ready_at_us = 1;
    new_core(world);
    fuzz_tell(world, &(struct core_event){.kind = EVENT_STORE_UP});
    fuzz_begin_session(world);
}

void fuzz_world_end(struct fuzz_world *world)
{
    core_free(world->core);
    arena_done(&world->arena);
}
