/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/post_many.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "cli/job_json.h"
#include "cli/session.h"

/* Posts under way at once: enough that batches are full, few enough that memory stays small. */
#define UNDER_WAY_MAX 4000

struct fate {
    bool is_posted, is_done; /* done: nothing more is heard of it */
    bool is_known;           /* recorded, or the same */
    enum jobboard_posted posted;
    enum jobboard_placed placed; /* RECORDED and done */
};

struct run {
    const struct post_many *many;
    struct jobboard *jobboard;
    const struct jobboard_post *posts;
    size_t per_post; /* jobs of each post */
    size_t total, begun, printed;
    struct uuid *jobs;
    struct fate *fates;
    size_t not_placed[JOBBOARD_AWAY + 1]; /* by outcome */
    int exit;
};

static const struct jobboard_post *post_of(const struct run *run, size_t index)
{
    return &run->posts[index / run->per_post];
}

static const char *placed_word(const struct fate *fate)
{
    static const char *const words[] = {
        [JOBBOARD_ON_BOARD] = "on_board",     [JOBBOARD_WINDOW_FULL] = "window_full",
        [JOBBOARD_NO_ADDRESS] = "no_address", [JOBBOARD_NO_BOARD] = "no_board",
        [JOBBOARD_AWAY] = "zookeeper_away",
    };
    return fate->posted == JOBBOARD_RECORDED ? words[fate->placed] : NULL;
}

static void print_one(const struct run *run, size_t index)
{
    const struct jobboard_post *post = post_of(run, index);
    if (!run->many->json) {
        printf("%s\n", UUID_STR(&run->jobs[index]));
        return;
    }
    const struct fate *fate = &run->fates[index];
    struct buffer json = {0};
    buffer_add_char(&json, '{');
    json_uuid(&json, "id", &run->jobs[index]);
    json_text(&json, "flow", jobboard_flow_plan(post->flow)->name);
    json_text(&json, "key", post->key);
    json_text(&json, "outcome", fate->posted == JOBBOARD_SAME ? TEXT("same") : TEXT("recorded"));
    json_text(&json, "card", text_of(placed_word(fate)));
    printf("%s}\n", json.data);
    buffer_done(&json);
}

/* The id as soon as it is recorded; the object when it can be whole. */
static void print_ready(struct run *run)
{
    bool any = false;
    while (run->printed < run->begun) {
        const struct fate *fate = &run->fates[run->printed];
        bool is_ready = run->many->json ? fate->is_done : fate->is_posted;
        if (!is_ready)
            break;
        if (fate->is_known)
            print_one(run, run->printed);
        any |= fate->is_known;
        run->printed++;
    }
    if (any)
        fflush(stdout);
}

static void fail(struct run *run, int exit)
{
    if (!run->exit)
        run->exit = exit;
}

static void take_posted(struct run *run, const struct jobboard_event *event)
{
    size_t index = (size_t)event->tag;
    struct fate *fate = &run->fates[index];
    const char *job = UUID_STR(&event->u.posted.job);
    fate->posted = event->u.posted.outcome;
    fate->is_posted = true;
    fate->is_done = fate->posted != JOBBOARD_RECORDED;
    fate->is_known = fate->posted == JOBBOARD_RECORDED || fate->posted == JOBBOARD_SAME;
    run->jobs[index] = event->u.posted.job;
    switch (fate->posted) {
    case JOBBOARD_RECORDED:
        break;
    case JOBBOARD_SAME:
        session_say(run->many->verb, "posted before with this key; job %s is %s",
                    ID_SHORT(&event->u.posted.job), job_state_name(event->u.posted.state));
        break;
    case JOBBOARD_CONFLICT:
        session_say(
            run->many->verb,
            "refused: the key belongs to job %s, which has another flow, input, target or priority",
            job);
        fail(run, EXIT_CODE_REFUSED);
        break;
    case JOBBOARD_BAD:
        session_say(run->many->verb, "cannot be stored: %.*s", TEXT_ARG(event->u.posted.text));
        fail(run, EXIT_CODE_USAGE);
        break;
    case JOBBOARD_UNKNOWN:
        session_say(run->many->verb, "nobody knows whether job %s was recorded: %.*s", job,
                    TEXT_ARG(event->u.posted.text));
        fail(run, EXIT_CODE_UNREACHABLE);
        break;
    }
}

static void take_placed(struct run *run, const struct jobboard_event *event)
{
    struct fate *fate = &run->fates[event->tag];
    fate->placed = event->u.placed.outcome;
    fate->is_done = true;
    run->not_placed[fate->placed]++;
}

static void begin_more(struct run *run)
{
    struct error error = {0};
    while (!run->exit && run->begun < run->total &&
           jobboard_posts_under_way(run->jobboard) < UNDER_WAY_MAX) {
        size_t index = run->begun;
        if (jobboard_post(run->jobboard, post_of(run, index), index, &run->jobs[index], &error)) {
            fail(run, cli_fail(run->many->verb, &error));
            return;
        }
        run->begun++;
    }
}

/* What a person should know about jobs that no engine sees yet. */
static void tell_not_placed(const struct run *run)
{
    const char *verb = run->many->verb, *trouble = jobboard_board_trouble(run->jobboard);
    if (run->not_placed[JOBBOARD_AWAY])
        session_say(verb, "recorded; it moves when ZooKeeper is back%s%s%s", *trouble ? " (" : "",
                    trouble, *trouble ? ")" : "");
    if (run->not_placed[JOBBOARD_NO_BOARD])
        session_say(verb, "recorded; no engine has run on this board yet: it moves when one does");
    if (run->not_placed[JOBBOARD_NO_ADDRESS])
        session_say(verb, "recorded; without --zookeeper the engines find it a little later");
}

int post_many(const struct post_many *many, struct jobboard *jobboard,
              const struct jobboard_post *posts, size_t post_count, size_t count,
              struct uuid *ret_jobs)
{
    struct run run = {.many = many,
                      .jobboard = jobboard,
                      .posts = posts,
                      .per_post = count,
                      .total = post_count * count,
                      .jobs = ret_jobs};
    struct jobboard_event event;
    CHECK(count > 0);
    run.fates = xcalloc(run.total, sizeof *run.fates);
    begin_more(&run);
    while (jobboard_posts_under_way(jobboard)) {
        jobboard_turn(jobboard, -1);
        while (jobboard_next(jobboard, &event)) {
            if (event.kind == JOBBOARD_POSTED)
                take_posted(&run, &event);
            if (event.kind == JOBBOARD_PLACED)
                take_placed(&run, &event);
        }
        print_ready(&run);
        begin_more(&run);
    }
    tell_not_placed(&run);
    free(run.fates);
    return run.exit;
}
