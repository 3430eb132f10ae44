/* SPDX-License-Identifier: Apache-2.0 */
#include <utlist.h>

#include "base/check.h"
#include "base/os/clock.h"
#include "jobboard/client/client_private.h"

/* Takes the first queued event of this kind that is about `job`; false when there is none. */
static bool take(struct jobboard *jobboard, enum jobboard_event_kind kind, uint64_t tag,
                 struct queued_event *ret_event)
{
    struct queued_event *queued, *next;
    DL_FOREACH_SAFE(jobboard->events, queued, next)
    {
        if (queued->event.kind != kind || queued->event.tag != tag)
            continue;
        DL_DELETE(jobboard->events, queued);
        *ret_event = *queued;
        free(queued);
        return true;
    }
    return false;
}

static int posted(const struct queued_event *queued, struct jobboard_result *ret_result,
                  struct error *ret_error)
{
    const struct jobboard_event *event = &queued->event;
    ret_result->outcome = event->u.posted.outcome;
    ret_result->job = event->u.posted.job;
    ret_result->state = event->u.posted.state;
    switch (event->u.posted.outcome) {
    case JOBBOARD_RECORDED:
    case JOBBOARD_SAME:
        return 0;
    case JOBBOARD_CONFLICT:
        return error_set(ret_error, ERR_EXISTS, "key or id belongs to job %s of other content",
                         UUID_STR(&event->u.posted.job));
    case JOBBOARD_BAD:
        return error_set(ret_error, ERR_INVALID, "%s", queued->text);
    case JOBBOARD_UNKNOWN:
        return error_set(ret_error, ERR_UNKNOWN, "%s", queued->text);
    }
    UNREACHABLE();
}

int jobboard_post_now(struct jobboard *jobboard, const struct jobboard_post *post,
                      struct jobboard_result *ret_result, struct error *ret_error)
{
    struct queued_event queued;
    uint64_t tag = TAG_VIEW_NOW;
    *ret_result = (struct jobboard_result){.outcome = JOBBOARD_BAD};
    int code = jobboard_post(jobboard, post, tag, &ret_result->job, ret_error);
    if (code)
        return code;
    while (!take(jobboard, JOBBOARD_POSTED, tag, &queued))
        jobboard_turn(jobboard, -1);
    code = posted(&queued, ret_result, ret_error);
    if (code || ret_result->outcome != JOBBOARD_RECORDED)
        return code;
    while (!take(jobboard, JOBBOARD_PLACED, tag, &queued))
        jobboard_turn(jobboard, -1);
    ret_result->was_placed = true;
    ret_result->placed = queued.event.u.placed.outcome;
    return 0;
}

static int reran(const struct queued_event *queued, struct error *ret_error)
{
    const struct jobboard_event *event = &queued->event;
    const char *job = UUID_STR(&event->u.reran.job);
    switch (event->u.reran.outcome) {
    case JOBBOARD_RERUN_RECORDED:
        return 0;
    case JOBBOARD_RERUN_REFUSED:
        return error_set(ret_error, ERR_WRONG_STATE,
                         "job %s is %s: somebody else has made it run again", job,
                         job_state_name(event->u.reran.state));
    case JOBBOARD_RERUN_NO_JOB:
        return error_set(ret_error, ERR_NOT_FOUND, "there is no job %s", job);
    case JOBBOARD_RERUN_BAD:
        return error_set(ret_error, ERR_INVALID, "%s", queued->text);
    case JOBBOARD_RERUN_UNKNOWN:
        return error_set(ret_error, ERR_UNKNOWN, "%s", queued->text);
    }
    UNREACHABLE();
}

int jobboard_rerun_now(struct jobboard *jobboard, const struct jobboard_rerun *rerun,
                       enum jobboard_placed *ret_placed, struct error *ret_error)
{
    struct view_request request = {.kind = VIEW_SHOW, .job = rerun->job};
    const struct view_answer *answer;
    struct queued_event queued;
    int code = jobboard_view_now(jobboard, &request, &answer, ret_error);
    if (!code)
        code = jobboard_rerun_check(&answer->u.show.job, rerun, ret_error);
    if (code)
        return code;
    jobboard_rerun(jobboard, rerun, TAG_VIEW_NOW);
    while (!take(jobboard, JOBBOARD_RERAN, TAG_VIEW_NOW, &queued))
        jobboard_turn(jobboard, -1);
    code = reran(&queued, ret_error);
    if (code)
        return code;
    while (!take(jobboard, JOBBOARD_PLACED, TAG_VIEW_NOW, &queued))
        jobboard_turn(jobboard, -1);
    *ret_placed = queued.event.u.placed.outcome;
    return 0;
}

/* The newest news of a watched job that was not taken yet. */
static bool take_move(struct jobboard *jobboard, const struct uuid *job,
                      struct jobboard_moved *ret_moved)
{
    struct queued_event *queued, *next;
    bool found = false;
    DL_FOREACH_SAFE(jobboard->events, queued, next)
    {
        if (queued->event.kind != JOBBOARD_MOVED || !uuid_equal(&queued->event.u.moved.job, job))
            continue;
        *ret_moved = queued->event.u.moved;
        found = true;
        DL_DELETE(jobboard->events, queued);
        free(queued);
    }
    return found;
}

int jobboard_wait_now(struct jobboard *jobboard, const struct uuid *job, int64_t timeout_ms,
                      enum job_state *ret_state, struct error *ret_error)
{
    int64_t until_ms = timeout_ms < 0 ? -1 : clock_now_ms() + timeout_ms;
    struct jobboard_moved moved;
    int code = 0;
    jobboard_watch(jobboard, job);
    for (;;) {
        bool is_news = take_move(jobboard, job, &moved);
        if (is_news && (!moved.found || job_state_is_final(moved.state)))
            break;
        if (until_ms >= 0 && clock_now_ms() >= until_ms)
            code = error_set(ret_error, ERR_TIMEOUT, "job %s did not end in time", UUID_STR(job));
        else
            code = jobboard_turn(jobboard, until_ms);
        if (code)
            break;
    }
    jobboard_unwatch(jobboard, job);
    if (!code && !moved.found)
        code = error_set(ret_error, ERR_NOT_FOUND, "there is no job %s", UUID_STR(job));
    if (!code)
        *ret_state = moved.state;
    return code;
}

/* Whether Postgres has been away for longer than one waits for a connection. */
static bool store_is_lost(const struct jobboard *jobboard, int64_t now_ms)
{
    return !jobboard_is_up(jobboard) && jobboard->store_down_since_ms &&
           now_ms - jobboard->store_down_since_ms >= jobboard->options.connect_timeout_ms;
}

static int await_view(struct jobboard *jobboard, struct error *ret_error)
{
    while (!jobboard->view_answer) {
        int64_t now_ms = clock_now_ms();
        if (store_is_lost(jobboard, now_ms))
            return error_set(ret_error, ERR_UNREACHABLE, "%s", jobboard_trouble(jobboard));
        int64_t until_ms = jobboard->store_down_since_ms ? jobboard->store_down_since_ms +
                                                               jobboard->options.connect_timeout_ms
                                                         : -1;
        int code = jobboard_turn(jobboard, until_ms);
        if (code)
            return error_set(ret_error, code, "%s", error_text(code));
    }
    return 0;
}

int jobboard_view_now(struct jobboard *jobboard, const struct view_request *request,
                      const struct view_answer **ret_answer, struct error *ret_error)
{
    CHECK(!jobboard->view_is_queued);
    for (;;) {
        jobboard->view_answer = NULL;
        storage_view(jobboard->storage, request, TAG_VIEW_NOW);
        int code = await_view(jobboard, ret_error);
        if (code) {
            jobboard->late_views++;
            return code;
        }
        *ret_answer = jobboard->view_answer;
        jobboard->view_answer = NULL;
        if ((*ret_answer)->code != ERR_UNKNOWN)
            break;
    }
    if ((*ret_answer)->code)
        error_set(ret_error, (*ret_answer)->code, "%.*s", TEXT_ARG((*ret_answer)->error));
    return (*ret_answer)->code;
}
