/* SPDX-License-Identifier: Apache-2.0 */
/* From a card to a running job: read the row, lock, claim, load. */
#include <stdlib.h>
#include <utlist.h>

#include "base/alloc.h"
#include "engine/core/core_private.h"

#define CLAIMS_AT_ONCE  256 /* on the way to RUNNING */
#define RESERVE_PARTS   16  /* one in so many slots is kept for a departed boot's jobs */
#define TRIES_MAX       2   /* readings of a row that keeps changing */
#define BUSY_TRIES_MAX  40
#define BUSY_PAUSE_MS   50
#define SKIP_TAKEN_MS   300
#define SKIP_HELD_MS    1000
#define SKIP_STRANGE_MS 60000
#define SKIP_LEFT_MS    2000 /* longer than an answer of the store is under way */
#define SKIPS_MAX       100000

/* --------------------------------------------------------------------- jobs to be left alone */

static void forget_skip(struct core *core, struct skip *skip)
{
    HASH_DEL(core->skips, skip);
    DL_DELETE(core->skip_list, skip);
    free(skip);
}

/* Whoever is being claimed was not to be left alone, or not any more: is_skipped looked. */
static void add_skip(struct core *core, const struct card *card, int64_t pause_ms, bool has_left)
{
    struct skip *skip = NULL;
    HASH_FIND(hh, core->skips, &card->job, sizeof card->job, skip);
    CHECK(!skip);
    if (HASH_COUNT(core->skips) >= SKIPS_MAX)
        forget_skip(core, core->skip_list);
    skip = xcalloc(1, sizeof *skip);
    skip->job = card->job;
    skip->ready_at_us = card->ready_at_us;
    skip->until_ms = core->now_ms + pause_ms;
    skip->has_left = has_left;
    HASH_ADD(hh, core->skips, job, sizeof skip->job, skip);
    DL_APPEND(core->skip_list, skip);
}

void claim_skip(struct core *core, const struct card *card, int64_t pause_ms)
{
    add_skip(core, card, pause_ms, false);
}

void claim_left(struct core *core, const struct card *card)
{
    while (core->skip_list && core->skip_list->until_ms <= core->now_ms)
        forget_skip(core, core->skip_list);
    add_skip(core, card, SKIP_LEFT_MS, true);
}

bool claim_has_left(struct core *core, const struct card *card)
{
    struct skip *skip = NULL;
    HASH_FIND(hh, core->skips, &card->job, sizeof card->job, skip);
    return skip && skip->has_left && skip->until_ms > core->now_ms &&
           card->ready_at_us <= skip->ready_at_us;
}

static bool is_skipped(struct core *core, const struct card *card)
{
    struct skip *skip = NULL;
    HASH_FIND(hh, core->skips, &card->job, sizeof card->job, skip);
    if (!skip)
        return false;
    if (skip->until_ms > core->now_ms && card->ready_at_us <= skip->ready_at_us)
        return true;
    forget_skip(core, skip);
    return false;
}

/* ----------------------------------------------------------------------------------- requests */

static void read_row(struct core *core, struct job *job)
{
    job->tag = core_new_tag(core, job);
    struct core_effect *effect = core_emit(core, EFFECT_READ_ROW);
    effect->tag = job->tag;
    effect->u.row.job = job->id;
}

static void send_lock(struct core *core, struct job *job)
{
    uint8_t bytes[16];
    random_bytes(&core->random, bytes, sizeof bytes);
    job->claim = uuid_v4(bytes);
    job->boot = core->lease.boot;
    job->locked = true; /* from now on until its absence is proven */
    hold_move(core, job, HOLD_LOCKING);
    job->tag = core_new_tag(core, job);
    struct core_effect *effect = core_emit(core, EFFECT_LOCK);
    effect->tag = job->tag;
    effect->u.board.boot = job->boot;
    effect->u.board.claim = job->claim;
    effect->u.board.card = job->card;
    if (job->pool) {
        effect->u.board.tags = job->pool->tags;
        effect->u.board.tag_count = job->pool->tag_count;
    }
}

static void send_claim(struct core *core, struct job *job)
{
    job->tag = core_new_tag(core, job);
    struct core_effect *effect = core_emit(core, EFFECT_CLAIM);
    effect->tag = job->tag;
    effect->u.claim = (struct claim_request){
        .job = job->id,
        .epoch_seen = job->epoch_seen,
        .epoch_used = 0,
        .claim = job->claim,
        .owner = job->boot,
        .engine = core->options.engine,
    };
}

void claim_load(struct core *core, struct job *job)
{
    job->tag = core_new_tag(core, job);
    struct core_effect *effect = core_emit(core, EFFECT_LOAD);
    effect->tag = job->tag;
    effect->u.row.job = job->id;
    effect->u.row.claim = job->claim;
}

static void give_back(struct core *core, struct job *job, int64_t pause_ms)
{
    claim_skip(core, &job->card, pause_ms);
    hold_unlock(core, job);
}

/* ---------------------------------------------------------------------------------- choosing */

static size_t free_slots(const struct core *core, bool urgent)
{
    size_t slots = (size_t)core->options.slots;
    size_t reserve = urgent ? 0 : slots / RESERVE_PARTS;
    size_t used = core->job_count + reserve;
    return used < slots ? slots - used : 0;
}

bool claim_is_full(const struct core *core)
{
    return free_slots(core, false) == 0;
}

/* The next card of a shard that is worth a look, NULL when there is none. */
static const struct card *shard_head(struct core *core, struct shard *shard)
{
    while (shard->next_card < shard->card_count) {
        const struct card *card = &shard->cards[shard->next_card];
        if (!hold_find(core, &card->job) && !is_skipped(core, card))
            return card;
        shard->next_card++;
        shard_taken(core, shard);
    }
    return NULL;
}

static struct shard *best_shard(struct core *core)
{
    struct shard *best = NULL, *shard;
    const struct card *best_card = NULL;
    DL_FOREACH(core->shards, shard)
    {
        const struct card *card = shard_head(core, shard);
        if (card && (!best || card_compare(card, best_card) < 0)) {
            best = shard;
            best_card = card;
        }
    }
    return best;
}

static struct job *new_candidate(struct core *core, const struct card *card)
{
    struct job *job = hold_new(core, &card->job);
    job->card = *card;
    job->pool = division_pool(core, &card->pool);
    return job;
}

void claim_fill(struct core *core)
{
    if (!core_may_begin(core))
        return;
    while (free_slots(core, false) > 0 && core->claiming < CLAIMS_AT_ONCE) {
        struct shard *shard = best_shard(core);
        if (!shard)
            return;
        struct job *job = new_candidate(core, &shard->cards[shard->next_card++]);
        read_row(core, job);
        shard_taken(core, shard);
    }
}

/* How long to leave a row alone; 0: it may be claimed. */
static int64_t why_not(const struct core *core, const struct job_row *row)
{
    if (row->format > FORMAT_NOW || !job_state_is_claimable(row->state))
        return SKIP_STRANGE_MS;
    if (row->on_hold)
        return SKIP_HELD_MS;
    bool is_own = uuid_equal(&row->owner, &core->lease.boot);
    if (row->state != JOB_READY && !is_own && division_is_alive(core, &row->owner))
        return SKIP_HELD_MS;
    return 0;
}

static void use_row(struct job *job, const struct job_row *row)
{
    job->card = (struct card){row->id, row->pool, row->shard, row->priority, row->ready_at_us};
    job->epoch_seen = row->epoch;
    job->state = row->state;
}

bool claim_row(struct core *core, const struct job_row *row, bool urgent)
{
    struct card card = {row->id, row->pool, row->shard, row->priority, row->ready_at_us};
    if (!core_may_begin(core) || free_slots(core, urgent) == 0 || hold_find(core, &row->id) ||
        is_skipped(core, &card) || why_not(core, row) != 0)
        return false;
    struct job *job = new_candidate(core, &card);
    use_row(job, row);
    send_lock(core, job);
    return true;
}

/* ----------------------------------------------------------------------------------- answers */

void claim_rows(struct core *core, struct job *job, const struct core_event *event)
{
    job->tag = 0;
    const struct job_row *row = event->u.rows.count == 1 ? event->u.rows.list : NULL;
    int64_t pause_ms = row ? why_not(core, row) : SKIP_STRANGE_MS;
    if (event->u.rows.code != 0)
        pause_ms = SKIP_TAKEN_MS;
    if (pause_ms == 0 && !core_may_begin(core))
        pause_ms = SKIP_TAKEN_MS;
    if (job->hold == HOLD_CLAIMING) { /* read again under the lock */
        if (pause_ms != 0) {
            give_back(core, job, pause_ms);
            return;
        }
        use_row(job, row);
        send_claim(core, job);
        return;
    }
    if (pause_ms != 0) {
        claim_skip(core, &job->card, pause_ms);
        hold_free(core, job);
        return;
    }
    use_row(job, row);
    job->pool = division_pool(core, &job->card.pool);
    send_lock(core, job);
}

void claim_locked(struct core *core, struct job *job, const struct core_event *event)
{
    job->tag = 0;
    switch (event->u.board.outcome) {
    case BOARD_OK:
        if (!core_may_begin(core)) {
            give_back(core, job, SKIP_TAKEN_MS);
            return;
        }
        hold_move(core, job, HOLD_CLAIMING);
        send_claim(core, job);
        return;
    case BOARD_UNKNOWN:
        give_back(core, job, SKIP_TAKEN_MS);
        return;
    case BOARD_TAKEN:
        core->counts.locks_taken++;
        claim_skip(core, &job->card, SKIP_TAKEN_MS);
        break;
    case BOARD_REFUSED:
        core_trouble(core, "lock_refused", job, TEXT("the board refused the request"));
        claim_skip(core, &job->card, SKIP_STRANGE_MS);
        break;
    case BOARD_VOID:
        break;
    }
    job->locked = false;
    hold_free(core, job);
}

static void claim_busy(struct core *core, struct job *job)
{
    core->counts.claims_busy++;
    if (++job->tries > BUSY_TRIES_MAX)
        give_back(core, job, SKIP_HELD_MS);
    else
        deadlines_set(&core->deadlines, &job->due, core->now_ms + BUSY_PAUSE_MS);
}

static void claim_done(struct core *core, struct job *job, const struct claim_answer *answer)
{
    job->epoch = answer->row.epoch;
    job->takeover = answer->state_before != JOB_READY;
    core->counts.claims++;
    core->counts.takeovers += job->takeover;
    core_moved(core, MOVED_JOB, job, NULL, job_state_name(answer->state_before),
               job_state_name(answer->row.state), job->takeover ? TEXT("takeover") : TEXT_NONE);
    hold_move(core, job, HOLD_LOADING);
    claim_load(core, job);
}

void claim_claimed(struct core *core, struct job *job, const struct core_event *event)
{
    job->tag = 0;
    switch (event->u.claim.outcome) {
    case CLAIM_OK:
        claim_done(core, job, &event->u.claim);
        return;
    case CLAIM_CHANGED:
        core->counts.claims_changed++;
        if (++job->tries >= TRIES_MAX)
            give_back(core, job, SKIP_TAKEN_MS);
        else
            read_row(core, job);
        return;
    case CLAIM_BUSY:
        claim_busy(core, job);
        return;
    case CLAIM_GONE:
        give_back(core, job, SKIP_STRANGE_MS);
        return;
    case CLAIM_UNKNOWN:
        core->counts.claims_unknown++;
        send_claim(core, job); /* identically: a row that carries my uuid is mine */
        return;
    }
}

void claim_loaded(struct core *core, struct job *job, const struct core_event *event)
{
    job->tag = 0;
    if (job->hold == HOLD_RUNNING) {
        inbox_came(core, job, event);
        return;
    }
    switch (event->u.load.outcome) {
    case LOAD_OK:
        job->load = event->u.load.load; /* views: progress_begin copies */
        progress_begin(core, job);
        return;
    case LOAD_UNKNOWN:
        claim_load(core, job);
        return;
    case LOAD_INVALID:
        core_trouble(core, "rows_invalid", job, event->u.load.error);
        give_back(core, job, SKIP_STRANGE_MS);
        return;
    case LOAD_REFUSED:
        core_trouble(core, "claim_lost", job, TEXT("the row carries another claim at loading"));
        give_back(core, job, SKIP_HELD_MS);
        return;
    }
}

void claim_due(struct core *core, struct job *job)
{
    if (job->hold == HOLD_CLAIMING)
        send_claim(core, job);
    else if (job->hold == HOLD_RUNNING)
        save_again(core, job);
    else
        hold_unlock(core, job);
}
