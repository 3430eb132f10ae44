/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/board_private.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

struct event_node *event_add(struct board *board, enum board_event_kind kind)
{
    struct event_node *node = xcalloc(1, sizeof *node);
    node->event.kind = kind;
    if (board->events)
        board->events_last->next = node;
    else
        board->events = node;
    board->events_last = node;
    return node;
}

static void node_free(struct event_node *node)
{
    if (!node)
        return;
    arena_done(&node->arena);
    free(node);
}

bool board_next(struct board *board, struct board_event *ret_event)
{
    node_free(board->current);
    board->current = board->events;
    if (!board->current)
        return false;
    board->events = board->current->next;
    *ret_event = board->current->event;
    return true;
}

void events_free(struct board *board)
{
    struct board_event event;
    while (board_next(board, &event))
        continue;
}

void event_trouble(struct board *board, int code, const char *format, ...)
{
    char text[sizeof board->told.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (board->told.code == code && !strcmp(board->told.text, text))
        return;
    error_set(&board->told, code, "%s", text);
    struct event_node *node = event_add(board, BOARD_TROUBLE);
    node->event.text = arena_text(&node->arena, text_of(board->told.text));
}

/* ------------------------------------------------------------------------------------ requests */

static void unqueue(struct request *request)
{
    if (request->queue)
        DL_DELETE2(*request->queue, request, queue_prev, queue_next);
    request->queue = NULL;
}

void request_free(struct board *board, struct request *request)
{
    unqueue(request);
    DL_DELETE(board->all, request);
    free(request->tags);
    free(request);
}

static enum board_event_kind answer_kind(const struct request *request)
{
    return request->kind == REQUEST_LIST    ? BOARD_CARDS
           : request->kind == REQUEST_COUNT ? BOARD_COUNT
                                            : BOARD_DONE;
}

void request_answer(struct board *board, struct request *request, enum board_outcome outcome)
{
    struct event_node *node = event_add(board, answer_kind(request));
    node->event.tag = request->tag;
    node->event.outcome = outcome;
    node->event.pool = request->card.pool;
    node->event.shard = request->card.shard;
    locks_note(board, request, outcome);
    request_free(board, request);
}

void requests_void_all(struct board *board)
{
    while (board->all)
        request_answer(board, board->all, BOARD_VOID);
}

struct text *texts_copy(const struct text *texts, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += texts[i].len;
    struct text *copies = xmalloc((count + 1) * sizeof *copies + bytes);
    char *at = (char *)(copies + count + 1);
    for (size_t i = 0; i < count; i++) {
        copies[i] = (struct text){at, texts[i].len};
        if (texts[i].len)
            memcpy(at, texts[i].data, texts[i].len);
        at += texts[i].len;
    }
    return copies;
}
