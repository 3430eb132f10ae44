/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "base/os/entropy.h"
#include "jobboard/client/client_private.h"

static void add_member(struct buffer *json, const char *key, struct text value)
{
    if (!value.data)
        return;
    buffer_add_string(json, json->len > 1 ? "," : "");
    buffer_printf(json, "\"%s\":", key);
    buffer_add_json_string(json, value);
}

static struct text wishes(const struct jobboard_rerun *rerun, struct arena *arena)
{
    struct buffer json = {0};
    buffer_add_char(&json, '{');
    add_member(&json, "by", rerun->by);
    add_member(&json, "from", rerun->from);
    for (size_t i = 0; i < rerun->skip_count; i++) {
        const struct jobboard_skip *skip = &rerun->skips[i];
        if (i == 0)
            buffer_printf(&json, "%s\"skip\":{", json.len > 1 ? "," : "");
        else
            buffer_add_char(&json, ',');
        buffer_add_json_string(&json, skip->task);
        buffer_add_char(&json, ':');
        buffer_add_text(&json, skip->result.data ? skip->result : TEXT("null"));
    }
    buffer_add_string(&json, rerun->skip_count ? "}}" : "}");
    struct text text = arena_text(arena, buffer_text(&json));
    buffer_done(&json);
    return text;
}

void jobboard_rerun(struct jobboard *jobboard, const struct jobboard_rerun *rerun, uint64_t tag)
{
    struct post *made = xcalloc(1, sizeof *made);
    CHECK(!jobboard->options.read_only);
    made->is_rerun = true;
    made->inbox = (struct inbox_request){.job = rerun->job,
                                         .id = entropy_uuid_v7(),
                                         .kind = INBOX_KIND_RERUN,
                                         .data = wishes(rerun, &made->arena)};
    made->request.id = rerun->job;
    made->tag = tag;
    made->deadline_ms = clock_now_ms() + jobboard->options.post_timeout_ms;
    DL_APPEND(jobboard->posting, made);
    jobboard->under_way++;
    client_need_board(jobboard);
    storage_inbox(jobboard->storage, &made->inbox, (uintptr_t)made);
}

static struct queued_event *tell(struct jobboard *jobboard, const struct post *post,
                                 enum jobboard_reran outcome)
{
    struct queued_event *queued = client_tell(jobboard, JOBBOARD_RERAN, post->tag);
    queued->event.u.reran.outcome = outcome;
    queued->event.u.reran.job = post->request.id;
    return queued;
}

/* An answer that came before: the job may have moved on since, and wants no card any more. */
static void recorded(struct jobboard *jobboard, struct post *post,
                     const struct inbox_answer *answer)
{
    struct post_request *request = &post->request;
    const struct job_row *row = &answer->row;
    struct text *tags = arena_calloc(&post->arena, answer->tag_count, sizeof *tags);
    for (size_t i = 0; i < answer->tag_count; i++)
        tags[i] = arena_text(&post->arena, answer->tags[i]);
    request->tags = tags;
    request->tag_count = answer->tag_count;
    post->card = (struct card){row->id, row->pool, row->shard, row->priority, row->ready_at_us};
    tell(jobboard, post, JOBBOARD_RERUN_RECORDED);
    if (row->state == JOB_READY) {
        place_begin(jobboard, post, clock_now_ms());
        return;
    }
    struct queued_event *queued = client_tell(jobboard, JOBBOARD_PLACED, post->tag);
    queued->event.u.placed.outcome = JOBBOARD_ON_BOARD;
    queued->event.u.placed.job = request->id;
    post_told(jobboard, post);
    post_free(post);
}

static void refused(struct jobboard *jobboard, struct post *post, const struct inbox_answer *answer)
{
    struct queued_event *queued = tell(jobboard, post, JOBBOARD_RERUN_BAD);
    if (answer->outcome == INBOX_WRONG_STATE)
        queued->event.u.reran.outcome = JOBBOARD_RERUN_REFUSED;
    else if (answer->outcome == INBOX_GONE)
        queued->event.u.reran.outcome = JOBBOARD_RERUN_NO_JOB;
    queued->event.u.reran.state = answer->row.state;
    snprintf(queued->text, sizeof queued->text, "%.*s", TEXT_ARG(answer->error));
    queued->event.u.reran.text = text_of(queued->text);
    post_told(jobboard, post);
    post_free(post);
}

void rerun_answered(struct jobboard *jobboard, struct post *post, const struct inbox_answer *answer)
{
    if (post->is_over) {
        DL_DELETE(jobboard->over, post);
        post_free(post);
        return;
    }
    if (answer->outcome == INBOX_UNKNOWN) {
        storage_inbox(jobboard->storage, &post->inbox, (uintptr_t)post);
        return;
    }
    DL_DELETE(jobboard->posting, post);
    if (answer->outcome == INBOX_OK || answer->outcome == INBOX_SAME)
        recorded(jobboard, post, answer);
    else
        refused(jobboard, post, answer);
}

void rerun_expired(struct jobboard *jobboard, struct post *post)
{
    struct queued_event *queued = tell(jobboard, post, JOBBOARD_RERUN_UNKNOWN);
    snprintf(queued->text, sizeof queued->text, "Postgres did not answer in time: %s",
             storage_trouble(jobboard->storage));
    queued->event.u.reran.text = text_of(queued->text);
}
