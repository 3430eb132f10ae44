/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <utlist.h>

#include "base/check.h"
#include "base/os/clock.h"
#include "jobboard/client/client_private.h"

/* An answer that never came says nothing: the same card again does no harm. */
#define TRIES_MAX 5

/* Tells what became of the card and lets go of the post, now or when the board answers. */
static void placed(struct jobboard *jobboard, struct post *post, enum jobboard_placed outcome)
{
    struct queued_event *queued = client_tell(jobboard, JOBBOARD_PLACED, post->tag);
    queued->event.u.placed.outcome = outcome;
    queued->event.u.placed.job = post->request.id;
    DL_DELETE(jobboard->placing, post);
    post_told(jobboard, post);
    if (post->asks_board)
        DL_APPEND(jobboard->over, post);
    else
        post_free(post);
}

static void wait_for_count(struct window *window, struct post *post)
{
    post->asks_board = true;
    post->next_waiter = window->waiters;
    window->waiters = post;
}

static void try_to_place(struct jobboard *jobboard, struct post *post, int64_t now_ms)
{
    struct window *window = window_of(&jobboard->windows, &post->card.pool, post->card.shard);
    if (post->tries++ >= TRIES_MAX) {
        placed(jobboard, post, JOBBOARD_AWAY);
        return;
    }
    switch (window_take(window, post->card.priority, now_ms)) {
    case WINDOW_ROOM:
        post->asks_board = true;
        board_place_until(jobboard->board, &post->card, post->request.tags, post->request.tag_count,
                          post->deadline_ms, (uintptr_t)post);
        break;
    case WINDOW_FULL:
        placed(jobboard, post, JOBBOARD_WINDOW_FULL);
        break;
    case WINDOW_COUNT:
        wait_for_count(window, post);
        board_count_cards(jobboard->board, &post->card.pool, post->card.shard, 0);
        break;
    case WINDOW_WAIT:
        wait_for_count(window, post);
        break;
    }
}

void place_begin(struct jobboard *jobboard, struct post *post, int64_t now_ms)
{
    post->deadline_ms = now_ms + jobboard->options.place_timeout_ms;
    DL_APPEND(jobboard->placing, post);
    if (!jobboard->options.zookeeper)
        placed(jobboard, post, JOBBOARD_NO_ADDRESS);
    else if (!jobboard->board)
        placed(jobboard, post, JOBBOARD_AWAY);
    else if (jobboard->board_is_missing)
        placed(jobboard, post, JOBBOARD_NO_BOARD);
    else
        try_to_place(jobboard, post, now_ms);
}

void place_expire(struct jobboard *jobboard, int64_t now_ms)
{
    while (jobboard->placing && jobboard->placing->deadline_ms <= now_ms)
        placed(jobboard, jobboard->placing, JOBBOARD_AWAY);
}

void place_give_up(struct jobboard *jobboard, enum jobboard_placed outcome)
{
    while (jobboard->placing)
        placed(jobboard, jobboard->placing, outcome);
}

/* What waited for an answer of the board has it: false when nobody waits for the post any more. */
static bool is_awaited(struct jobboard *jobboard, struct post *post)
{
    CHECK(post->asks_board);
    post->asks_board = false;
    if (!post->is_over)
        return true;
    DL_DELETE(jobboard->over, post);
    post_free(post);
    return false;
}

static void counted(struct jobboard *jobboard, const struct board_event *event)
{
    int64_t now_ms = clock_now_ms();
    struct window *window = window_of(&jobboard->windows, &event->pool, event->shard);
    int64_t cards = event->outcome == BOARD_OK ? (int64_t)event->count : -1;
    struct post *waiter = window->waiters;
    window->waiters = NULL;
    window_counted(window, cards, JOBBOARD_WINDOW, now_ms);
    while (waiter) {
        struct post *next = waiter->next_waiter;
        if (is_awaited(jobboard, waiter))
            try_to_place(jobboard, waiter, now_ms);
        waiter = next;
    }
}

static void card_done(struct jobboard *jobboard, struct post *post, enum board_outcome outcome)
{
    if (!is_awaited(jobboard, post))
        return;
    if (outcome == BOARD_OK)
        placed(jobboard, post, JOBBOARD_ON_BOARD);
    else if (outcome == BOARD_REFUSED || outcome == BOARD_TAKEN)
        placed(jobboard, post, JOBBOARD_AWAY);
    else
        try_to_place(jobboard, post, clock_now_ms());
}

static void board_is_missing(struct jobboard *jobboard)
{
    jobboard->board_is_missing = true;
    place_give_up(jobboard, JOBBOARD_NO_BOARD);
}

void place_board_event(struct jobboard *jobboard, const struct board_event *event)
{
    switch (event->kind) {
    case BOARD_ROOT_MISSING:
        board_is_missing(jobboard);
        break;
    case BOARD_SESSION_BEGAN:
        jobboard->board_is_missing = false;
        jobboard->board_is_up = true;
        jobboard->board_trouble[0] = 0;
        break;
    case BOARD_SESSION_ENDED:
        jobboard->board_is_up = false;
        break;
    case BOARD_TROUBLE:
        snprintf(jobboard->board_trouble, sizeof jobboard->board_trouble, "%.*s",
                 TEXT_ARG(event->text));
        break;
    case BOARD_COUNT:
        counted(jobboard, event);
        break;
    case BOARD_DONE:
        card_done(jobboard, (struct post *)(uintptr_t)event->tag, event->outcome);
        break;
    case BOARD_MEMBERS:
        members_came(jobboard, event);
        break;
    case BOARD_ALIVE:
    case BOARD_POOLS:
    case BOARD_SHARD_CHANGED:
    case BOARD_CARDS:
    case BOARD_POKED:
        break;
    }
}
