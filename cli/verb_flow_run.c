/* SPDX-License-Identifier: Apache-2.0 */
/* `jobboard flow run`: a flow here and now, without a cluster. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/json.h"
#include "base/os/clock.h"
#include "base/os/entropy.h"
#include "base/timestamp.h"
#include "cli/exit_code.h"
#include "cli/inputs.h"
#include "cli/job_json.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs_flow.h"
#include "engine/flow/flow.h"
#include "engine/local/local.h"

struct run_options {
    struct option_list inputs;
    const char *input;
    const char *target;
    int64_t processes;
    int64_t grace_ms;
    const char *directory;
    bool json;
    bool quiet;
};

#define AT(field) offsetof(struct run_options, field)

static const struct option_row rows[] = {
    {.name = "set",
     .letter = 'i',
     .kind = OPTION_LIST,
     .argument = "NAME=VALUE",
     .offset = AT(inputs),
     .help = "an input, typed as the flow declares it"},
    {.name = "input",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .offset = AT(input),
     .help = "a JSON object with inputs; - is stdin"},
    {.name = "target",
     .kind = OPTION_TEXT,
     .argument = "TASK",
     .offset = AT(target),
     .help = "run only this task and what it needs, without the flow's output"},
    {.name = "processes",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .fallback = "0",
     .max = 10000,
     .offset = AT(processes),
     .help = "steps at once; 0 means four per core"},
    {.name = "grace",
     .kind = OPTION_DURATION,
     .argument = "DUR",
     .fallback = "5s",
     .max = 86400000,
     .offset = AT(grace_ms),
     .help = "between SIGTERM and SIGKILL of a step that is told to stop"},
    {.name = "directory",
     .kind = OPTION_TEXT,
     .argument = "PATH",
     .fallback = ".",
     .offset = AT(directory),
     .help = "where steps without `cwd` run"},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_FLAG,
     .offset = AT(quiet),
     .help = "prints no progress: only the output, or why it failed"},
    {.name = "json",
     .kind = OPTION_FLAG,
     .offset = AT(json),
     .help = "the history lines as `jobboard history --json` prints them"},
};

#undef AT

#define STDERR_LINES 10 /* of a program that failed, shown at the end */

/* One run: what was given, and where its lines go. */
struct run {
    const struct run_options *given;
    struct local *local;
    int signal_fd;
    bool interrupted;
    int64_t began_us;
    struct buffer broken; /* paths of what could not be undone, a line each */
};

/* ------------------------------------------------------------------------------------ the lines */

static void print_json_line(const struct local_line *line)
{
    struct buffer json = {0};
    char at[TIMESTAMP_TEXT_MAX];
    bool is_first = line->seq == 1; /* READY: nobody had claimed it */
    buffer_add_char(&json, '{');
    json_int(&json, "seq", line->seq);
    json_text(&json, "at", text_of(timestamp_text(line->at_us, at)));
    json_text(&json, "task", line->task);
    json_int(&json, "attempt", line->attempt);
    json_text(&json, "state", text_of(line->state));
    json_text(&json, "engine", is_first ? TEXT_NONE : TEXT("local"));
    json_int(&json, "epoch", is_first ? 0 : 1);
    json_text(&json, "detail", line->detail);
    buffer_add_char(&json, '}');
    printf("%s\n", json.data);
    buffer_done(&json);
}

static const char *colour_of(const char *state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = {
        {"SUCCESS", "\033[32m"},  {"FAILURE", "\033[31m"},        {"RETRYING", "\033[33m"},
        {"REVERTED", "\033[35m"}, {"REVERT_FAILURE", "\033[31m"}, {"SKIPPED", "\033[2m"},
    };
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++) {
        if (!strcmp(colours[i].state, state))
            return colours[i].colour;
    }
    return "";
}

static void print_human_line(const struct run *run, const struct local_line *line)
{
    bool colour = isatty(STDERR_FILENO);
    const char *begin = colour ? colour_of(line->state) : "";
    struct text task = line->task.data ? line->task : TEXT("(job)");
    fprintf(stderr, "%9.3f  %-30.*s %s%-14s%s", (double)(line->at_us - run->began_us) / 1e6,
            TEXT_ARG(task), begin, line->state, *begin ? "\033[0m" : "");
    if (line->progress >= 0)
        fprintf(stderr, " %3.0f %%", line->progress * 100);
    if (line->attempt > 1)
        fprintf(stderr, " attempt %d", (int)line->attempt);
    if (line->detail.len)
        fprintf(stderr, "  %.*s", TEXT_ARG(line->detail));
    fputc('\n', stderr);
}

/* What is inside stands before what is around it, which cannot be undone only because of that. */
static bool has_broken_inside(const struct run *run, struct text task)
{
    struct text rest = buffer_text(&run->broken);
    while (rest.len) {
        size_t len = (size_t)((const char *)memchr(rest.data, '\n', rest.len) - rest.data);
        if (len > task.len && rest.data[task.len] == '/' && !memcmp(rest.data, task.data, task.len))
            return true;
        rest = (struct text){rest.data + len + 1, rest.len - len - 1};
    }
    return false;
}

static void note_broken(struct run *run, const struct local_line *line)
{
    if (strcmp(line->state, "REVERT_FAILURE") || has_broken_inside(run, line->task))
        return;
    buffer_add_text(&run->broken, line->task);
    buffer_add_char(&run->broken, '\n');
}

static void print_lines(struct run *run)
{
    struct local_line line;
    while (local_next(run->local, &line)) {
        note_broken(run, &line);
        if (run->given->json && line.progress < 0)
            print_json_line(&line);
        else if (!run->given->json && !run->given->quiet)
            print_human_line(run, &line);
    }
}

/* ------------------------------------------------------------------------------------- running */

static void signal_interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    const struct run *run = self;
    *ret_interest = (struct interest){.fd = run->signal_fd, .want_read = true, .deadline_ms = -1};
}

static void signal_process(void *self, bool readable, bool writable, int64_t now_ms)
{
    struct run *run = self;
    struct signalfd_siginfo info;
    while (readable && read(run->signal_fd, &info, sizeof info) == sizeof info) {
        session_say("flow run", "%s",
                    run->interrupted ? "killing what runs" : "stopping what runs");
        run->interrupted = true;
        local_stop(run->local);
    }
}

static void pump(struct run *run)
{
    struct source sources[LOCAL_SOURCES_MAX + 1];
    sources[0] = (struct source){"signals", run, signal_interest, signal_process};
    size_t count = 1 + local_sources(run->local, sources + 1);
    while (!local_has_ended(run->local)) {
        print_lines(run);
        source_poll(sources, count, -1);
    }
    print_lines(run);
}

static int signals_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static struct text string_member(const struct json *json, const char *name)
{
    const struct json *member = json_member(json, text_of(name));
    return member && member->kind == JSON_STRING ? member->string : TEXT_NONE;
}

/* The last lines of what the program wrote. */
static void print_stderr(const struct json *json)
{
    struct text said = string_member(json, "stderr");
    while (said.len && said.data[said.len - 1] == '\n')
        said.len--;
    if (!said.len)
        return;
    size_t from = said.len;
    for (int lines = 0; from > 0; from--)
        if (said.data[from - 1] == '\n' && ++lines == STDERR_LINES)
            break;
    said = (struct text){said.data + from, said.len - from};
    struct buffer text = {0};
    while (said.len) {
        const char *end = memchr(said.data, '\n', said.len);
        size_t len = end ? (size_t)(end - said.data) : said.len;
        buffer_add_string(&text, "  | ");
        text_add_safe(&text, (struct text){said.data, len});
        buffer_add_char(&text, '\n');
        len += end != NULL;
        said = (struct text){said.data + len, said.len - len};
    }
    fwrite(text.data, 1, text.len, stderr);
    buffer_done(&text);
}

static void print_failure(struct text failure, struct text task, const char *what)
{
    struct arena arena = {0};
    struct json *json = NULL;
    if (failure.data && json_parse(&arena, failure, &json, NULL) == 0) {
        if (!task.data)
            task = string_member(json, "task");
        session_say("flow run", "%.*s%s: %.*s", TEXT_ARG(task.len ? task : TEXT("the job")), what,
                    TEXT_ARG(string_member(json, "message")));
        print_stderr(json);
    }
    arena_done(&arena);
}

static void print_broken(const struct run *run)
{
    struct text rest = buffer_text(&run->broken);
    while (rest.len) {
        size_t len = (size_t)((const char *)memchr(rest.data, '\n', rest.len) - rest.data);
        struct text path = {rest.data, len};
        print_failure(local_task(run->local, path)->failure, path, " could not be undone");
        rest = (struct text){rest.data + len + 1, rest.len - len - 1};
    }
}

static int conclude(const struct run *run)
{
    enum job_state state = local_state(run->local);
    if (run->interrupted && !job_state_is_final(state))
        return EXIT_CODE_INTERRUPTED;
    if (state == JOB_SUCCESS) {
        struct text output = local_output(run->local);
        if (output.data && !run->given->json)
            printf("%.*s\n", TEXT_ARG(output));
        return EXIT_CODE_DONE;
    }
    print_failure(local_failure(run->local), TEXT_NONE, "");
    print_broken(run);
    return EXIT_CODE_NO;
}

static int run_flow(const struct run_options *given, const struct flow *flow, struct text source,
                    struct text input)
{
    struct run run = {.given = given, .signal_fd = signals_open(), .began_us = clock_unix_us()};
    struct error error = {0};
    char directory[4096];
    struct local_options options = {
        .flow_text = source,
        .flow_name = flow->name,
        .input = input,
        .target = text_of(given->target),
        .cwd = realpath(given->directory, directory) ? directory : given->directory,
        .processes = (int)given->processes,
        .grace_ms = given->grace_ms,
        .seed = entropy_seed(),
    };
    if (local_new(&options, &run.local, &error))
        return cli_fail("flow run", &error);
    pump(&run);
    int code = conclude(&run);
    buffer_done(&run.broken);
    local_free(run.local);
    close(run.signal_fd);
    return code;
}

/* -------------------------------------------------------------------------------------- reading */

static int complete_input(const struct run_options *given, const struct flow *flow,
                          struct buffer *ret_input)
{
    struct buffer document = {0}, merged = {0};
    struct error error = {0};
    int code = given->input ? file_read(given->input, PAYLOAD_MAX_BYTES, &document, &error) : 0;
    if (!code)
        code = inputs_build(flow, document.len ? buffer_text(&document) : TEXT_NONE, &given->inputs,
                            &merged, &error);
    if (!code)
        code = flow_complete_input(flow, buffer_text(&merged), ret_input, &error);
    buffer_done(&document);
    buffer_done(&merged);
    return code ? cli_fail("flow run", &error) : EXIT_CODE_DONE;
}

static int run_file(const struct run_options *given, const char *file)
{
    struct buffer source = {0}, input = {0};
    struct error error = {0};
    struct flow *flow = NULL;
    struct flow_problems problems = {0};
    if (file_read(file, FLOW_TEXT_MAX_BYTES, &source, &error)) {
        buffer_done(&source);
        return cli_fail("flow run", &error);
    }
    int code = flow_compile(buffer_text(&source), &flow, &problems) ? EXIT_CODE_USAGE : 0;
    struct buffer text = {0};
    flow_problems_print(&problems, buffer_text(&source), file, isatty(STDERR_FILENO), &text);
    if (text.len)
        fputs(text.data, stderr);
    buffer_done(&text);
    flow_problems_done(&problems);
    if (!code && given->target && flow_cut_down(flow, text_of(given->target), &error))
        code = cli_fail("flow run", &error);
    if (!code)
        code = complete_input(given, flow, &input);
    if (!code)
        code = run_flow(given, flow, buffer_text(&source), buffer_text(&input));
    if (flow)
        flow_free(flow);
    buffer_done(&source);
    buffer_done(&input);
    return code;
}

int flow_run(int argc, char **argv)
{
    struct options options;
    struct run_options given = {0};
    struct option_group group = {
        .rows = rows, .count = sizeof rows / sizeof rows[0], .target = &given};
    struct option_set set = {
        .program = "jobboard flow run",
        .arguments = "FILE",
        .story =
            "Runs a flow here and now, without a cluster: the same rules, real steps, nothing\n"
            "saved. Progress goes to stderr, the output (or with --json the history) to\n"
            "stdout. Exit code 1: the job did not end SUCCESS.",
        .groups = &group,
        .group_count = 1,
        .operands_min = 1,
        .operands_max = 1,
        .examples = "  jobboard flow run deploy.yaml -i region=eu\n"
                    "  jobboard flow run --json deploy.yaml | jq -c '[.task, .state]'",
    };
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    exit = run_file(&given, options.operands[0]);
    options_done(&options);
    return exit;
}
