/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/wait_jobs.h"

#include "base/os/clock.h"
#include "cli/job_json.h"
#include "cli/session.h"
#include "cli/table.h"

/* Postgres may restart; shorter than that nobody is told. */
#define AWAY_TOLD_MS 1500

struct waiting {
    struct jobboard *jobboard;
    const char *verb;
    bool json;
    FILE *out;
    size_t left;
    int exit;
    int64_t away_since_ms; /* 0: Postgres answers */
    bool away_told;
};

static void print_end(const struct waiting *waiting, const struct jobboard_moved *moved)
{
    struct text state = text_of(job_state_name(moved->state));
    if (!waiting->json) {
        const char *colour = waiting->out == stdout ? state_colour(state) : "";
        fprintf(waiting->out, "%s  %s%s%s\n", ID_SHORT(&moved->job), colour, state.data,
                *colour ? COLOUR_END : "");
    } else {
        struct buffer json = {0};
        buffer_add_char(&json, '{');
        json_uuid(&json, "id", &moved->job);
        json_text(&json, "state", state);
        fprintf(waiting->out, "%s}\n", json.data);
        buffer_done(&json);
    }
    fflush(waiting->out);
}

static void take_move(struct waiting *waiting, const struct jobboard_moved *moved)
{
    if (moved->found && !job_state_is_final(moved->state))
        return;
    jobboard_unwatch(waiting->jobboard, &moved->job);
    waiting->left--;
    if (!moved->found) {
        session_say(waiting->verb, "there is no job %s any more", UUID_STR(&moved->job));
        waiting->exit = EXIT_CODE_NOT_FOUND;
        return;
    }
    print_end(waiting, moved);
    if (moved->state != JOB_SUCCESS && !waiting->exit)
        waiting->exit = EXIT_CODE_NO;
}

static void tell_away(struct waiting *waiting, int64_t now_ms)
{
    if (jobboard_is_up(waiting->jobboard)) {
        if (waiting->away_told)
            session_say(waiting->verb, "Postgres answers again");
        waiting->away_since_ms = 0;
        waiting->away_told = false;
        return;
    }
    if (!waiting->away_since_ms)
        waiting->away_since_ms = now_ms;
    if (waiting->away_told || now_ms - waiting->away_since_ms < AWAY_TOLD_MS)
        return;
    session_say(waiting->verb, "Postgres is away (%s); waiting for it to come back",
                jobboard_trouble(waiting->jobboard));
    waiting->away_told = true;
}

int wait_jobs(struct jobboard *jobboard, const char *verb, const struct uuid *jobs, size_t count,
              int64_t timeout_ms, bool json, FILE *out)
{
    struct waiting waiting = {
        .jobboard = jobboard, .verb = verb, .json = json, .out = out, .left = count};
    int64_t until_ms = timeout_ms > 0 ? clock_now_ms() + timeout_ms : -1;
    struct jobboard_event event;
    for (size_t i = 0; i < count; i++)
        jobboard_watch(jobboard, &jobs[i]);
    for (;;) {
        while (jobboard_next(jobboard, &event))
            if (event.kind == JOBBOARD_MOVED)
                take_move(&waiting, &event.u.moved);
        int64_t now_ms = clock_now_ms();
        if (waiting.left == 0)
            return waiting.exit;
        if (until_ms >= 0 && now_ms >= until_ms)
            break;
        tell_away(&waiting, now_ms);
        int64_t look_ms = now_ms + AWAY_TOLD_MS;
        jobboard_turn(jobboard, until_ms >= 0 && until_ms < look_ms ? until_ms : look_ms);
    }
    session_say(verb, "timed out; %zu of %zu job%s not ended", waiting.left, count,
                count == 1 ? " has" : "s have");
    return EXIT_CODE_TIMEOUT;
}
