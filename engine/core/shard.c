/* SPDX-License-Identifier: Apache-2.0 */
/* Listing a shard's cards, and shard_sync: dealing, repair and rebuild in one piece of code. The
 * cards are listed first and the rows are read afterwards; in the other order a job that moved in
 * between would look like a card without business. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "engine/core/core_private.h"

#define LIST_PAUSE_MS    10    /* between two listings of one shard: a burst of posts is one */
#define REPAIR_BUSY_MS   1000  /* between two repairs of a shard that has cards */
#define REPAIR_IDLE_MS   10000 /* and of an empty one: late work finds what was never placed */
#define REPAIR_SOON_MS   20    /* after it ran dry */
#define ASK_AGAIN_MS     100   /* after an answer that never came */
#define SUSPECT_PAUSE_MS 60000 /* between the two looks before a strange card goes */
#define SUSPECTS_MAX     64
#define IDS_MAX          2000 /* cards whose rows one repair asks for */

static const struct machine_state states[SYNC_STATES] = {
    [SYNC_IDLE] = {"idle", MACHINE_BIT(SYNC_LISTING), true, true},
    [SYNC_LISTING] = {"listing", MACHINE_BIT(SYNC_IDLE) | MACHINE_BIT(SYNC_ROWS), false, false},
    [SYNC_ROWS] = {"rows", MACHINE_BIT(SYNC_IDLE), false, false},
};

const struct machine sync_machine = {"shard_sync", states, SYNC_STATES};

struct shard *shard_find(struct core *core, const struct pool *pool, uint16_t number)
{
    struct shard sample;
    memset(&sample.key, 0, sizeof sample.key);
    memcpy(sample.key.pool.name, pool->name, strlen(pool->name));
    sample.key.number = number;
    struct shard *shard = NULL;
    HASH_FIND(hh, core->shards_by_key, &sample.key, sizeof sample.key, shard);
    return shard;
}

static void list(struct core *core, struct shard *shard, bool repairs)
{
    machine_move(&sync_machine, &shard->state, SYNC_LISTING);
    shard->repairs = repairs;
    shard->changed = false;
    shard->listed_ms = core->now_ms;
    shard->tag = core_new_tag(core, NULL);
    struct core_effect *effect = core_emit(core, EFFECT_LIST);
    effect->tag = shard->tag;
    effect->u.shard.pool = shard->key.pool;
    effect->u.shard.shard = shard->key.number;
}

/* Sets the due time of what an idle shard wants next. */
static void arm(struct core *core, struct shard *shard)
{
    int64_t due_ms = shard->repair_due_ms;
    if (shard->changed && shard->listed_ms + LIST_PAUSE_MS < due_ms)
        due_ms = shard->listed_ms + LIST_PAUSE_MS;
    deadlines_set(&core->deadlines, &shard->due, due_ms);
}

static void look(struct core *core, struct shard *shard)
{
    if (shard->state != SYNC_IDLE)
        return;
    bool repairs = core->now_ms >= shard->repair_due_ms && core->store_up;
    if (repairs || (shard->changed && core->now_ms >= shard->listed_ms + LIST_PAUSE_MS)) {
        list(core, shard, repairs);
        return;
    }
    if (core->now_ms >= shard->repair_due_ms)
        shard->repair_due_ms = core->now_ms + REPAIR_BUSY_MS;
    arm(core, shard);
}

struct shard *shard_acquire(struct core *core, const struct pool *pool, uint16_t number)
{
    struct shard *shard = shard_find(core, pool, number);
    if (shard)
        return shard;
    shard = xcalloc(1, sizeof *shard);
    memcpy(shard->key.pool.name, pool->name, strlen(pool->name));
    shard->key.number = number;
    shard->due.kind = DUE_SHARD;
    shard->due.owner = shard;
    HASH_ADD(hh, core->shards_by_key, key, sizeof shard->key, shard);
    DL_APPEND(core->shards, shard);
    list(core, shard, core->store_up);
    return shard;
}

void shard_drop(struct core *core, struct shard *shard, bool tell)
{
    if (tell) {
        struct core_effect *effect = core_emit(core, EFFECT_UNWATCH);
        effect->u.shard.pool = shard->key.pool;
        effect->u.shard.shard = shard->key.number;
    }
    deadlines_cancel(&core->deadlines, &shard->due);
    HASH_DEL(core->shards_by_key, shard);
    DL_DELETE(core->shards, shard);
    free(shard->cards);
    free(shard->suspects);
    free(shard);
}

void shard_changed(struct core *core, const struct core_event *event)
{
    struct shard *shard = shard_find(core, &event->u.shard.pool, event->u.shard.shard);
    if (!shard) {
        core->counts.stale_events++;
        return;
    }
    shard->changed = true;
    look(core, shard);
}

static void repair_soon(struct core *core, struct shard *shard)
{
    int64_t soon_ms = core->now_ms + REPAIR_SOON_MS;
    if (shard->repair_due_ms <= soon_ms)
        return;
    shard->repair_due_ms = soon_ms;
    if (shard->state == SYNC_IDLE)
        arm(core, shard);
}

void shard_taken(struct core *core, struct shard *shard)
{
    size_t left = shard->card_count - shard->next_card;
    if (shard->is_deep && left * 2 < (size_t)core->options.window)
        repair_soon(core, shard);
}

void shard_due(struct core *core, struct shard *shard)
{
    look(core, shard);
}

static void take_cards(struct shard *shard, const struct card *cards, size_t count)
{
    if (count > shard->card_capacity) {
        shard->cards = xrealloc(shard->cards, count, sizeof *shard->cards);
        shard->card_capacity = count;
    }
    if (count)
        memcpy(shard->cards, cards, count * sizeof *cards);
    shard->card_count = count;
    shard->next_card = 0;
}

static void ask_rows(struct core *core, struct shard *shard)
{
    machine_move(&sync_machine, &shard->state, SYNC_ROWS);
    size_t count = shard->card_count < IDS_MAX ? shard->card_count : IDS_MAX;
    struct uuid *jobs = arena_calloc(&core->scratch, count, sizeof *jobs);
    for (size_t i = 0; i < count; i++)
        jobs[i] = shard->cards[i].job;
    shard->tag = core_new_tag(core, NULL);
    struct core_effect *effect = core_emit(core, EFFECT_SHARD_ROWS);
    effect->tag = shard->tag;
    effect->u.shard.pool = shard->key.pool;
    effect->u.shard.shard = shard->key.number;
    effect->u.shard.window = core->options.window;
    effect->u.shard.jobs = jobs;
    effect->u.shard.count = count;
}

void shard_cards(struct core *core, const struct core_event *event)
{
    struct shard *shard = shard_find(core, &event->u.shard.pool, event->u.shard.shard);
    if (!shard || shard->state != SYNC_LISTING || shard->tag != event->tag) {
        core->counts.stale_events++;
        return;
    }
    if (event->u.shard.outcome != BOARD_OK) {
        machine_move(&sync_machine, &shard->state, SYNC_IDLE);
        shard->changed = true;
        shard->listed_ms = core->now_ms + ASK_AGAIN_MS;
        arm(core, shard);
        return;
    }
    take_cards(shard, event->u.shard.cards, event->u.shard.count);
    if (shard->repairs && core->store_up) {
        ask_rows(core, shard);
        return;
    }
    machine_move(&sync_machine, &shard->state, SYNC_IDLE);
    look(core, shard);
}

/* ------------------------------------------------------------------------------------ comparing */

static int compare_rows(const void *a, const void *b)
{
    return uuid_compare(&((const struct job_row *)a)->id, &((const struct job_row *)b)->id);
}

static struct card card_of_row(const struct job_row *row)
{
    return (struct card){row->id, row->pool, row->shard, row->priority, row->ready_at_us};
}

static void emit_card(struct core *core, enum effect_kind kind, const struct card *card)
{
    struct core_effect *effect = core_emit(core, kind);
    effect->u.board.card = *card;
    const struct pool_entry *pool = division_pool(core, &card->pool);
    if (pool) {
        effect->u.board.tags = pool->tags;
        effect->u.board.tag_count = pool->tag_count;
    }
    if (kind == EFFECT_PLACE)
        core->counts.placed++;
    else
        core->counts.removed++;
}

/* A card newer than its row, or without one, goes only at the second look, a minute later. */
static void suspect_card(struct core *core, struct shard *shard, const struct card *card,
                         struct suspect *kept, size_t *kept_count)
{
    int64_t since_ms = core->now_ms;
    for (size_t i = 0; i < shard->suspect_count; i++) {
        if (card_equal(&shard->suspects[i].card, card))
            since_ms = shard->suspects[i].since_ms;
    }
    if (core->now_ms - since_ms >= SUSPECT_PAUSE_MS) {
        struct text text = arena_printf(&core->scratch, "card of job %s fits no row: removed",
                                        UUID_STR(&card->job));
        core_trouble(core, "strange_card", NULL, text);
        emit_card(core, EFFECT_REMOVE, card);
    } else if (*kept_count < SUSPECTS_MAX) {
        kept[(*kept_count)++] = (struct suspect){*card, since_ms};
    }
}

static void check_card(struct core *core, struct shard *shard, const struct card *card,
                       const struct job_row *row, struct suspect *kept, size_t *kept_count)
{
    if (hold_find(core, &card->job))
        return; /* in our own hands, and moving */
    if (!row || card->ready_at_us > row->ready_at_us) {
        suspect_card(core, shard, card, kept, kept_count);
    } else if (card->ready_at_us < row->ready_at_us || card->priority != row->priority) {
        emit_card(core, EFFECT_REMOVE, card); /* an older name never comes back */
    } else if (!job_state_is_claimable(row->state) && !row->is_recent) {
        emit_card(core, EFFECT_REMOVE, card);
    }
}

static int compare_cards(const void *a, const void *b)
{
    return card_compare(a, b);
}

static bool has_card(const struct shard *shard, const struct card *card)
{
    return shard->card_count > 0 &&
           bsearch(card, shard->cards, shard->card_count, sizeof *card, compare_cards) != NULL;
}

/* The shard is deep when the window was full of rows and some of them had to be dealt: what stands
 * behind them waits for room. */
static void judge_depth(struct core *core, struct shard *shard, const struct job_row *rows,
                        size_t count, uint64_t placed_before)
{
    size_t ready = 0;
    for (size_t i = 0; i < count; i++)
        ready += rows[i].state == JOB_READY;
    shard->is_deep = ready >= (size_t)core->options.window && core->counts.placed > placed_before;
}

static void compare(struct core *core, struct shard *shard, struct job_row *rows, size_t count)
{
    uint64_t placed_before = core->counts.placed;
    qsort(rows, count, sizeof *rows, compare_rows);
    struct suspect kept[SUSPECTS_MAX];
    size_t kept_count = 0;
    size_t checked = shard->card_count < IDS_MAX ? shard->card_count : IDS_MAX;
    for (size_t i = 0; i < checked; i++) {
        struct job_row key = {.id = shard->cards[i].job};
        const struct job_row *row = bsearch(&key, rows, count, sizeof key, compare_rows);
        check_card(core, shard, &shard->cards[i], row, kept, &kept_count);
    }
    for (size_t i = 0; i < count; i++) {
        struct card card = card_of_row(&rows[i]);
        bool wants_card = job_state_is_claimable(rows[i].state) && rows[i].format <= FORMAT_NOW;
        if (wants_card && !rows[i].is_recent && !hold_find(core, &card.job) &&
            !claim_has_left(core, &card) && !has_card(shard, &card))
            emit_card(core, EFFECT_PLACE, &card);
    }
    judge_depth(core, shard, rows, count, placed_before);
    free(shard->suspects);
    shard->suspects = kept_count ? xcalloc(kept_count, sizeof kept[0]) : NULL;
    shard->suspect_count = kept_count;
    if (kept_count)
        memcpy(shard->suspects, kept, kept_count * sizeof kept[0]);
}

bool shard_rows(struct core *core, const struct core_event *event)
{
    struct shard *shard;
    DL_FOREACH(core->shards, shard)
    {
        if (shard->state == SYNC_ROWS && shard->tag == event->tag)
            break;
    }
    if (!shard)
        return false;
    machine_move(&sync_machine, &shard->state, SYNC_IDLE);
    shard->repair_due_ms =
        core->now_ms + (shard->card_count || event->u.rows.count ? REPAIR_BUSY_MS : REPAIR_IDLE_MS);
    /* An answer with an error code is not the whole truth: nothing is concluded from it. */
    if (event->u.rows.code == 0) {
        size_t count = event->u.rows.count;
        struct job_row *rows = arena_calloc(&core->scratch, count, sizeof *rows);
        if (count)
            memcpy(rows, event->u.rows.list, count * sizeof *rows);
        compare(core, shard, rows, count);
    }
    look(core, shard);
    return true;
}
