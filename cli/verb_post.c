/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "cli/inputs.h"
#include "cli/post_many.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "cli/wait_jobs.h"

/* One call posts no more jobs. */
#define COUNT_MAX 1000000

struct post_options {
    struct option_list inputs;
    const char *input;
    const char *key;
    const char *target;
    const char *priority; /* one digit; NULL: the flow says */
    int64_t count;
    bool wait;
    int64_t timeout_ms;
};

#define FIELD(name) offsetof(struct post_options, name)

static const char *const priorities[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL};

static const struct option_row rows[] = {
    {.name = "set",
     .letter = 'i',
     .kind = OPTION_LIST,
     .argument = "NAME=VALUE",
     .offset = FIELD(inputs),
     .help = "one input; what it is, the flow declares (array, object and any: as JSON)"},
    {.name = "input",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .offset = FIELD(input),
     .help = "a JSON object with inputs, - for stdin; -i counts before it"},
    {.name = "key",
     .kind = OPTION_TEXT,
     .argument = "KEY",
     .offset = FIELD(key),
     .help = "idempotency key: posting again with it gives the first job"},
    {.name = "target",
     .kind = OPTION_TEXT,
     .argument = "TASK",
     .offset = FIELD(target),
     .help = "run only this task and what it needs, without the flow's output"},
    {.name = "priority",
     .kind = OPTION_TEXT,
     .argument = "0..9",
     .choices = priorities,
     .offset = FIELD(priority),
     .help = "0 goes first; without it the flow says"},
    {.name = "count",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .fallback = "1",
     .min = 1,
     .max = COUNT_MAX,
     .offset = FIELD(count),
     .help = "post each file so many times"},
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
};

/* A file, ready to be posted. */
struct order {
    struct jobboard_flow *flow;
    struct buffer input;
};

static int usage(const char *text)
{
    session_say("post", "%s", text);
    return EXIT_CODE_USAGE;
}

static int check_usage(const struct post_options *given, const struct options *options)
{
    int from_stdin = given->input && !strcmp(given->input, "-");
    for (int i = 0; i < options->operand_count; i++)
        from_stdin += !strcmp(options->operands[i], "-");
    if (from_stdin > 1)
        return usage("only one of the files can come from stdin");
    if (given->key && (options->operand_count > 1 || given->count > 1))
        return usage("--key names one job: it does not go with several files or --count");
    if (given->key && (!*given->key || strlen(given->key) > 255))
        return usage("--key: expected 1 to 255 bytes");
    if (given->timeout_ms && !given->wait)
        return usage("--timeout belongs to --wait");
    return EXIT_CODE_DONE;
}

/* What a person gave cannot be used: wrong usage, whatever the reason. */
static int fail_input(struct error *error)
{
    error->code = ERR_INVALID;
    return cli_fail("post", error);
}

static int read_flow(const char *file, struct jobboard_flow **ret_flow)
{
    struct buffer source = {0}, talk = {0};
    struct error error = {0};
    struct flow_problems problems = {0};
    int exit = EXIT_CODE_DONE;
    if (file_read(file, FLOW_TEXT_MAX_BYTES, &source, &error)) {
        buffer_done(&source);
        return fail_input(&error);
    }
    if (jobboard_flow_read(buffer_text(&source), ret_flow, &problems))
        exit = EXIT_CODE_USAGE;
    flow_problems_print(&problems, buffer_text(&source), file, isatty(STDERR_FILENO), &talk);
    if (talk.len)
        fputs(talk.data, stderr);
    flow_problems_done(&problems);
    buffer_done(&talk);
    buffer_done(&source);
    return exit;
}

static int check_target(const struct post_options *given, const char *file,
                        const struct jobboard_flow *flow)
{
    struct error error = {0};
    if (!flow_check_target(jobboard_flow_plan(flow), text_of(given->target), &error))
        return EXIT_CODE_DONE;
    error_wrap(&error, "%s: --target", file);
    return cli_fail("post", &error);
}

/* Reads all files and builds their inputs, so that nothing is posted when anything is wrong. */
static int read_orders(const struct post_options *given, const struct options *options,
                       struct order *orders)
{
    struct buffer document = {0};
    struct error error = {0};
    int exit = EXIT_CODE_DONE;
    if (given->input && file_read(given->input, PAYLOAD_MAX_BYTES, &document, &error))
        exit = fail_input(&error);
    for (int i = 0; i < options->operand_count && !exit; i++) {
        struct text text = given->input ? buffer_text(&document) : TEXT_NONE;
        struct buffer completed = {0};
        exit = read_flow(options->operands[i], &orders[i].flow);
        if (!exit && given->target)
            exit = check_target(given, options->operands[i], orders[i].flow);
        if (exit)
            break;
        const struct flow *plan = jobboard_flow_plan(orders[i].flow);
        if (inputs_build(plan, text, &given->inputs, &orders[i].input, &error) ||
            flow_complete_input(plan, buffer_text(&orders[i].input), &completed, &error)) {
            error_wrap(&error, "%s", options->operands[i]);
            exit = fail_input(&error);
        }
        buffer_done(&completed);
    }
    buffer_done(&document);
    return exit;
}

static int post_orders(struct jobboard *jobboard, const struct post_options *given, bool json,
                       const struct order *orders, size_t order_count)
{
    int priority = given->priority ? given->priority[0] - '0' : JOBBOARD_PRIORITY_OF_FLOW;
    struct post_many many = {.verb = "post", .json = json};
    struct uuid *jobs = xcalloc(order_count * (size_t)given->count, sizeof *jobs);
    struct jobboard_post *posts = xcalloc(order_count, sizeof *posts);
    for (size_t i = 0; i < order_count; i++)
        posts[i] = (struct jobboard_post){.flow = orders[i].flow,
                                          .input = buffer_text(&orders[i].input),
                                          .key = text_of(given->key),
                                          .target = text_of(given->target),
                                          .priority = priority};
    int exit = post_many(&many, jobboard, posts, order_count, (size_t)given->count, jobs);
    size_t job_count = order_count * (size_t)given->count;
    if (!exit && given->wait)
        exit = wait_jobs(jobboard, "post", jobs, job_count, given->timeout_ms, json,
                         json ? stdout : stderr);
    free(posts);
    free(jobs);
    return exit;
}

static int run(const struct post_options *given, const struct connection_options *connection,
               const struct options *options)
{
    struct jobboard *jobboard;
    size_t count = (size_t)options->operand_count;
    int exit = check_usage(given, options);
    if (exit)
        return exit;
    struct order *orders = xcalloc(count, sizeof *orders);
    exit = read_orders(given, options, orders);
    if (!exit && session_open("post", connection, false, &jobboard, &exit)) {
        exit = post_orders(jobboard, given, connection->json, orders, count);
        jobboard_close(jobboard);
    }
    for (size_t i = 0; i < count; i++) {
        jobboard_flow_free(orders[i].flow);
        buffer_done(&orders[i].input);
    }
    free(orders);
    return exit;
}

int verb_post(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct post_options given = {0};
    struct option_group groups[] = {
        connection_group(&connection),
        {.rows = rows, .count = sizeof rows / sizeof rows[0], .target = &given},
    };
    struct option_set set = {
        .program = "jobboard post",
        .arguments = "FILE…",
        .story = "Posts a job for each flow file and prints its id, a line each, once it is "
                 "recorded.\nAll files and inputs are checked before the first is posted. Without "
                 "ZooKeeper jobs are\nrecorded all the same; they move when it is back.",
        .config_option = CONNECTION_CONFIG,
        .groups = groups,
        .group_count = 2,
        .operands_min = 1,
        .operands_max = -1,
        .examples = "  jobboard post deploy.yaml -i version=1.4 -i 'hosts=[\"a\", \"b\"]'\n"
                    "  jobboard post deploy.yaml -i version=1.4 --target build\n"
                    "  jobboard post nightly.yaml --key nightly-$(date +%F) --wait\n"
                    "  jobboard post load.yaml --count 1000 | jobboard wait -",
    };
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    exit = run(&given, &connection, &options);
    options_done(&options);
    return exit;
}
