/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "base/os/entropy.h"
#include "base/placement.h"
#include "jobboard/client/client_private.h"

#define KEY_MAX_BYTES 255

void post_free(struct post *post)
{
    arena_done(&post->arena);
    free(post);
}

static int check_post(const struct jobboard *jobboard, const struct jobboard_post *post,
                      struct error *ret_error)
{
    CHECK(!jobboard->options.read_only);
    if (post->priority != JOBBOARD_PRIORITY_OF_FLOW &&
        (post->priority < 0 || post->priority > PRIORITY_MAX))
        return error_set(ret_error, ERR_INVALID, "priority %d: expected 0 (first) to %d",
                         post->priority, PRIORITY_MAX);
    if (post->key.data && (post->key.len == 0 || post->key.len > KEY_MAX_BYTES))
        return error_set(ret_error, ERR_INVALID, "a key of %zu bytes: expected 1 to %d",
                         post->key.len, KEY_MAX_BYTES);
    if (post->input.len > PAYLOAD_MAX_BYTES)
        return error_set(ret_error, ERR_TOO_LARGE, "an input of %zu bytes: at most %u",
                         post->input.len, PAYLOAD_MAX_BYTES);
    if (post->target.data)
        return flow_check_target(post->flow->plan, post->target, ret_error);
    return 0;
}

static int complete_input(const struct jobboard_post *post, struct arena *arena,
                          struct text *ret_input, struct error *ret_error)
{
    struct buffer json;
    struct text input = post->input.data ? post->input : TEXT("{}");
    buffer_init(&json, 0);
    int code = flow_complete_input(post->flow->plan, input, &json, ret_error);
    if (!code && json.len > PAYLOAD_MAX_BYTES)
        code = error_set(ret_error, ERR_TOO_LARGE, "an input of %zu bytes: at most %u", json.len,
                         PAYLOAD_MAX_BYTES);
    if (!code)
        *ret_input = arena_text(arena, buffer_text(&json));
    buffer_done(&json);
    return code;
}

static void fill_request(const struct jobboard *jobboard, const struct jobboard_post *post,
                         struct arena *arena, struct post_request *request)
{
    const struct jobboard_flow *flow = post->flow;
    bool flow_decides = post->priority == JOBBOARD_PRIORITY_OF_FLOW;
    request->id = uuid_is_nil(&post->id) ? entropy_uuid_v7() : post->id;
    request->key = arena_text(arena, post->key);
    request->target = arena_text(arena, post->target);
    request->flow_name = flow->plan->name;
    request->flow_text = flow->text;
    request->pool = flow->pool;
    request->tags = flow->plan->runs_on;
    request->tag_count = flow->plan->tag_count;
    request->shard = placement_shard(&request->id, (unsigned)jobboard->row.shard_count);
    request->priority = flow_decides ? flow->plan->priority : (uint8_t)post->priority;
}

int jobboard_post(struct jobboard *jobboard, const struct jobboard_post *post, uint64_t tag,
                  struct uuid *ret_id, struct error *ret_error)
{
    int code = check_post(jobboard, post, ret_error);
    if (code)
        return code;
    struct post *made = xcalloc(1, sizeof *made);
    code = complete_input(post, &made->arena, &made->request.input, ret_error);
    if (code) {
        post_free(made);
        return code;
    }
    fill_request(jobboard, post, &made->arena, &made->request);
    made->tag = tag;
    made->deadline_ms = clock_now_ms() + jobboard->options.post_timeout_ms;
    DL_APPEND(jobboard->posting, made);
    jobboard->under_way++;
    client_need_board(jobboard);
    *ret_id = made->request.id;
    storage_post(jobboard->storage, &made->request, (uintptr_t)made);
    return 0;
}

size_t jobboard_posts_under_way(const struct jobboard *jobboard)
{
    return jobboard->under_way;
}

static void tell(struct jobboard *jobboard, const struct post *post, enum jobboard_posted outcome,
                 const struct post_answer *answer)
{
    struct queued_event *queued = client_tell(jobboard, JOBBOARD_POSTED, post->tag);
    queued->event.u.posted.outcome = outcome;
    queued->event.u.posted.job = answer ? answer->id : post->request.id;
    if (answer)
        queued->event.u.posted.state = answer->state;
    if (answer && answer->error.data)
        snprintf(queued->text, sizeof queued->text, "%.*s", TEXT_ARG(answer->error));
    else if (outcome == JOBBOARD_UNKNOWN)
        snprintf(queued->text, sizeof queued->text, "Postgres did not answer in time: %s",
                 storage_trouble(jobboard->storage));
    queued->event.u.posted.text = text_of(queued->text);
}

void post_told(struct jobboard *jobboard, struct post *post)
{
    CHECK(jobboard->under_way > 0);
    jobboard->under_way--;
    post->is_over = true;
}

/* Recorded by an earlier try of ours and moved on since: no card is wanted any more. */
static bool wants_card(const struct post_answer *answer)
{
    return answer->state == JOB_READY;
}

static void recorded(struct jobboard *jobboard, struct post *post, const struct post_answer *answer)
{
    const struct post_request *request = &post->request;
    tell(jobboard, post, JOBBOARD_RECORDED, answer);
    post->card = (struct card){.job = request->id,
                               .pool = request->pool,
                               .shard = request->shard,
                               .priority = request->priority,
                               .ready_at_us = answer->ready_at_us};
    if (wants_card(answer)) {
        place_begin(jobboard, post, clock_now_ms());
        return;
    }
    struct queued_event *queued = client_tell(jobboard, JOBBOARD_PLACED, post->tag);
    queued->event.u.placed.outcome = JOBBOARD_ON_BOARD;
    queued->event.u.placed.job = request->id;
    post_told(jobboard, post);
    post_free(post);
}

void post_answered(struct jobboard *jobboard, struct post *post, const struct post_answer *answer)
{
    if (post->is_over) {
        DL_DELETE(jobboard->over, post);
        post_free(post);
        return;
    }
    if (answer->outcome == POST_UNKNOWN) {
        storage_post(jobboard->storage, &post->request, (uintptr_t)post);
        return;
    }
    DL_DELETE(jobboard->posting, post);
    if (answer->outcome == POST_OK) {
        recorded(jobboard, post, answer);
        return;
    }
    tell(jobboard, post,
         answer->outcome == POST_SAME       ? JOBBOARD_SAME
         : answer->outcome == POST_CONFLICT ? JOBBOARD_CONFLICT
                                            : JOBBOARD_BAD,
         answer);
    post_told(jobboard, post);
    post_free(post);
}

void post_expire(struct jobboard *jobboard, int64_t now_ms)
{
    struct post *post;
    while ((post = jobboard->posting) && post->deadline_ms <= now_ms) {
        DL_DELETE(jobboard->posting, post);
        if (post->is_rerun)
            rerun_expired(jobboard, post);
        else
            tell(jobboard, post, JOBBOARD_UNKNOWN, NULL);
        post_told(jobboard, post);
        DL_APPEND(jobboard->over, post);
    }
}
