/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "cli/job_json.h"
#include "cli/selector.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "cli/wait_jobs.h"

#define RERUNNABLE                                                                                 \
    (MACHINE_BIT(JOB_FAILURE) | MACHINE_BIT(JOB_REVERTED) | MACHINE_BIT(JOB_CANCELLED))
#define NAME_MAX_BYTES 64

struct rerun_options {
    const char *from;
    struct option_list skips;
    bool wait;
    int64_t timeout_ms;
    bool dry_run;
    bool yes;
};

#define FIELD(name) offsetof(struct rerun_options, name)

static const struct option_row rows[] = {
    {.name = "from",
     .kind = OPTION_TEXT,
     .argument = "TASK",
     .offset = FIELD(from),
     .help = "run this task again too, though it succeeded, and all that follows it"},
    {.name = "skip",
     .kind = OPTION_LIST,
     .argument = "TASK[=JSON]",
     .offset = FIELD(skips),
     .help = "do not run this task: it is SUCCESS with this result (null) when its turn comes"},
    {.name = "wait",
     .kind = OPTION_FLAG,
     .offset = FIELD(wait),
     .help = "wait until the jobs ended; exit code 1 when one did not end with SUCCESS"},
    {.name = "timeout",
     .kind = OPTION_DURATION,
     .argument = "TIME",
     .min = 1,
     .max = INT64_C(100) * 365 * 86400000,
     .offset = FIELD(timeout_ms),
     .help = "with --wait: wait no longer (exit code 4)"},
    {.name = "dry-run",
     .kind = OPTION_FLAG,
     .offset = FIELD(dry_run),
     .help = "check and print which jobs would run again, and leave them alone"},
    {.name = "yes",
     .kind = OPTION_FLAG,
     .offset = FIELD(yes),
     .help = "with a selection of jobs: really do it"},
};

/* One call of the verb. */
struct call {
    const struct rerun_options *given;
    const struct connection_options *connection;
    const struct options *options;
    const struct selector *selector;
    struct jobboard *jobboard;
    struct jobboard_skip *skips;
    char by[NAME_MAX_BYTES];
    struct uuid *jobs;
    size_t count;
    struct uuid *done; /* that run again now */
    size_t done_count;
    size_t not_placed[JOBBOARD_AWAY + 1]; /* by outcome */
};

static int usage(const char *text)
{
    session_say("rerun", "%s", text);
    return EXIT_CODE_USAGE;
}

static bool is_selection(const struct selector *selector)
{
    return selector->flow || selector->states.count || selector->since_ms || selector->engine ||
           selector->all;
}

static int check_usage(const struct call *call)
{
    bool names = call->options->operand_count > 0, selects = is_selection(call->selector);
    if (call->given->timeout_ms && !call->given->wait)
        return usage("--timeout belongs to --wait");
    if (names && selects)
        return usage("either name the jobs or select them, not both");
    if (!names && !selects)
        return usage("which jobs? name them, or select them, as by --flow NAME --since 2h");
    return EXIT_CODE_DONE;
}

static void split_skips(struct call *call)
{
    const struct option_list *given = &call->given->skips;
    call->skips = xcalloc(given->count + 1, sizeof *call->skips);
    for (size_t i = 0; i < given->count; i++) {
        const char *item = given->items[i], *equals = strchr(item, '=');
        size_t len = equals ? (size_t)(equals - item) : strlen(item);
        call->skips[i].task = (struct text){item, len};
        call->skips[i].result = equals ? text_of(equals + 1) : TEXT_NONE;
    }
}

/* Who is to be told in the history; a name that cannot stand there is none. */
static void find_name(struct call *call)
{
    const struct passwd *user = getpwuid(geteuid());
    struct text name = text_of(user ? user->pw_name : NULL);
    if (name.len < sizeof call->by && name.len > 0 && utf8_valid(name))
        snprintf(call->by, sizeof call->by, "%.*s", TEXT_ARG(name));
}

static struct jobboard_rerun rerun_of(const struct call *call, const struct uuid *job)
{
    return (struct jobboard_rerun){.job = *job,
                                   .from = text_of(call->given->from),
                                   .skips = call->skips,
                                   .skip_count = call->given->skips.count,
                                   .by = *call->by ? text_of(call->by) : TEXT_NONE};
}

/* ----------------------------------------------------------------------------------- which jobs
 */

static int select_jobs(struct call *call)
{
    const struct view_answer *answer;
    struct view_request request = {.kind = VIEW_LIST, .limit = -1};
    struct error error = {0};
    if (selector_filter(call->selector, &request.filter, &error))
        return cli_fail("rerun", &error);
    if (request.filter.states & ~RERUNNABLE)
        return usage("--state: only FAILURE, REVERTED and CANCELLED jobs can run again");
    if (!request.filter.states)
        request.filter.states = RERUNNABLE;
    int exit = session_view(call->jobboard, "rerun", &request, &answer);
    if (exit)
        return exit;
    call->count = answer->u.list.count;
    call->jobs = xcalloc(call->count + 1, sizeof *call->jobs);
    for (size_t i = 0; i < call->count; i++)
        call->jobs[i] = answer->u.list.jobs[i].row.id;
    session_say("rerun", "board %s: %zu job%s of this selection can run again",
                call->connection->board, call->count, call->count == 1 ? "" : "s");
    if (call->count > 0 && !call->given->yes && !call->given->dry_run)
        return usage("to make all of them run again, say --yes; --dry-run prints them");
    return EXIT_CODE_DONE;
}

static int find_jobs(struct call *call)
{
    if (is_selection(call->selector))
        return select_jobs(call);
    return session_find_jobs(call->jobboard, "rerun", call->options->operands,
                             (size_t)call->options->operand_count, &call->jobs, &call->count);
}

/* --------------------------------------------------------------------------------- running again
 */

static const char *const placed_words[] = {
    [JOBBOARD_ON_BOARD] = "on_board",     [JOBBOARD_WINDOW_FULL] = "window_full",
    [JOBBOARD_NO_ADDRESS] = "no_address", [JOBBOARD_NO_BOARD] = "no_board",
    [JOBBOARD_AWAY] = "zookeeper_away",
};

static void print_one(const struct call *call, const struct uuid *job, const char *outcome,
                      const char *card)
{
    if (!call->connection->json) {
        printf("%s\n", UUID_STR(job));
    } else {
        struct buffer json = {0};
        buffer_add_char(&json, '{');
        json_uuid(&json, "id", job);
        json_text(&json, "outcome", text_of(outcome));
        json_text(&json, "card", text_of(card));
        printf("%s}\n", json.data);
        buffer_done(&json);
    }
    fflush(stdout);
}

static int look_at(const struct call *call, const struct jobboard_rerun *rerun,
                   struct error *ret_error)
{
    struct view_request request = {.kind = VIEW_SHOW, .job = rerun->job};
    const struct view_answer *answer;
    int code = jobboard_view_now(call->jobboard, &request, &answer, ret_error);
    return code ? code : jobboard_rerun_check(&answer->u.show.job, rerun, ret_error);
}

static int rerun_one(struct call *call, const struct uuid *job)
{
    struct jobboard_rerun rerun = rerun_of(call, job);
    enum jobboard_placed placed;
    struct error error = {0};
    bool is_dry = call->given->dry_run;
    int code = is_dry ? look_at(call, &rerun, &error)
                      : jobboard_rerun_now(call->jobboard, &rerun, &placed, &error);
    if (code)
        return cli_fail("rerun", &error);
    if (!is_dry)
        call->not_placed[placed]++;
    print_one(call, job, is_dry ? "can_run_again" : "recorded",
              is_dry ? NULL : placed_words[placed]);
    call->done[call->done_count++] = *job;
    return EXIT_CODE_DONE;
}

/* What a person should know about jobs that no engine sees yet. */
static void tell_not_placed(const struct call *call)
{
    if (call->not_placed[JOBBOARD_AWAY])
        session_say("rerun", "recorded; it moves when ZooKeeper is back");
    if (call->not_placed[JOBBOARD_NO_BOARD])
        session_say("rerun", "recorded; no engine has run on this board yet: it moves when one "
                             "does");
    if (call->not_placed[JOBBOARD_NO_ADDRESS])
        session_say("rerun", "recorded; without --zookeeper the engines find it a little later");
}

/* One that cannot run again does not hold up the others; a service that is away does. */
static int rerun_all(struct call *call)
{
    int exit = EXIT_CODE_DONE;
    call->done = xcalloc(call->count + 1, sizeof *call->done);
    for (size_t i = 0; i < call->count && exit != EXIT_CODE_UNREACHABLE; i++) {
        int one = rerun_one(call, &call->jobs[i]);
        exit = exit && one != EXIT_CODE_UNREACHABLE ? exit : one ? one : exit;
    }
    tell_not_placed(call);
    if (call->given->wait && !call->given->dry_run && call->done_count > 0) {
        int waited = wait_jobs(call->jobboard, "rerun", call->done, call->done_count,
                               call->given->timeout_ms, call->connection->json,
                               call->connection->json ? stdout : stderr);
        exit = exit ? exit : waited;
    }
    return exit;
}

static int run(struct call *call)
{
    int exit = check_usage(call);
    if (exit || !session_open("rerun", call->connection, false, &call->jobboard, &exit))
        return exit;
    split_skips(call);
    find_name(call);
    exit = find_jobs(call);
    if (!exit)
        exit = rerun_all(call);
    free(call->skips);
    free(call->jobs);
    free(call->done);
    jobboard_close(call->jobboard);
    return exit;
}

int verb_rerun(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct rerun_options given = {0};
    struct selector selector = {0};
    struct option_group groups[] = {
        connection_group(&connection),
        {.rows = rows, .count = sizeof rows / sizeof rows[0], .target = &given},
        selector_group(&selector),
    };
    struct option_set set = {
        .program = "jobboard rerun",
        .arguments = "[JOB…]",
        .story =
            "Makes jobs run again that ended FAILURE, REVERTED or CANCELLED, and prints their ids. "
            "A\ntask that succeeded, and all of whose needs did, is not run again; what was "
            "undone, "
            "failed\nor did not run is, and whatever follows it. JOB is an id, its last 6 or more "
            "digits,\nkey:KEY, or - for ids from stdin.",
        .config_option = CONNECTION_CONFIG,
        .groups = groups,
        .group_count = 3,
        .operands_max = -1,
        .examples = "  jobboard rerun 1f8e55c2 --wait\n"
                    "  jobboard rerun 1f8e55c2 --from build\n"
                    "  jobboard rerun 1f8e55c2 --skip deploy/check='{\"ok\": true}' --skip notify\n"
                    "  jobboard rerun --flow nightly --since 12h --dry-run",
    };
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    struct call call = {
        .given = &given, .connection = &connection, .options = &options, .selector = &selector};
    exit = run(&call);
    options_done(&options);
    return exit;
}
