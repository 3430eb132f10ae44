/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit_code.h"
#include "cli/job_json.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "cli/verbs_flow.h"
#include "engine/flow/flow.h"

struct check_options {
    bool json;
};

static const struct option_row rows[] = {
    {.name = "json",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct check_options, json),
     .help = "one object per file: file, ok, flow, tasks, errors, problems"},
};

static void add_problem(const struct flow_problem *problem, struct buffer *json)
{
    buffer_add_char(json, '{');
    json_text(json, "severity", problem->is_warning ? TEXT("warning") : TEXT("error"));
    json_int(json, "line", problem->line);
    json_int(json, "column", problem->column);
    json_int(json, "width", problem->width);
    json_text(json, "message", problem->message);
    json_text(json, "hint", problem->hint);
    buffer_add_char(json, '}');
}

static void print_json(const char *file, const struct flow *flow,
                       const struct flow_problems *problems)
{
    struct buffer json = {0};
    buffer_add_char(&json, '{');
    json_text(&json, "file", text_of(file));
    json_raw(&json, "ok", flow ? TEXT("true") : TEXT("false"));
    json_text(&json, "flow", flow ? flow->name : TEXT_NONE);
    json_key(&json, "tasks");
    flow ? buffer_printf(&json, "%u", flow->top.task_count) : buffer_add_string(&json, "null");
    json_int(&json, "errors", (int64_t)problems->errors);
    json_key(&json, "problems");
    buffer_add_char(&json, '[');
    for (size_t i = 0; i < problems->count; i++) {
        if (i)
            buffer_add_char(&json, ',');
        add_problem(&problems->list[i], &json);
    }
    buffer_add_string(&json, "]}");
    printf("%s\n", json.data);
    buffer_done(&json);
}

static void print_human(const char *file, struct text source, const struct flow *flow,
                        const struct flow_problems *problems)
{
    struct buffer text = {0};
    flow_problems_print(problems, source, file, isatty(STDERR_FILENO), &text);
    if (text.len)
        fputs(text.data, stderr);
    if (flow)
        printf("%s: flow %.*s, %u task%s: good\n", file, TEXT_ARG(flow->name), flow->top.task_count,
               flow->top.task_count == 1 ? "" : "s");
    buffer_done(&text);
}

/* Checks one file; returns an exit code. */
static int check_file(const char *file, bool json)
{
    struct buffer source = {0};
    struct error error = {0};
    struct flow *flow = NULL;
    struct flow_problems problems = {0};
    if (file_read(file, FLOW_TEXT_MAX_BYTES, &source, &error)) {
        error.code = ERR_INVALID;
        buffer_done(&source);
        return cli_fail("flow check", &error);
    }
    int code = flow_compile(buffer_text(&source), &flow, &problems);
    if (code)
        flow = NULL;
    if (json)
        print_json(file, flow, &problems);
    else
        print_human(file, buffer_text(&source), flow, &problems);
    flow_free(flow);
    flow_problems_done(&problems);
    buffer_done(&source);
    return code ? EXIT_CODE_NO : EXIT_CODE_DONE;
}

static int flow_check(int argc, char **argv)
{
    struct options options;
    struct check_options given = {0};
    struct option_group group = {.rows = rows, .count = 1, .target = &given};
    struct option_set set = {
        .program = "jobboard flow check",
        .arguments = "FILE…",
        .story = "Checks flow files and tells all that is wrong, with the places. `-` is stdin.\n"
                 "Exit code 1: at least one has errors.",
        .groups = &group,
        .group_count = 1,
        .operands_min = 1,
        .operands_max = -1,
        .examples = "  jobboard flow check deploy.yaml\n"
                    "  jobboard flow check --json flows/*.yaml | jq .problems",
    };
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    exit = EXIT_CODE_DONE;
    for (int i = 0; i < options.operand_count; i++) {
        int checked = check_file(options.operands[i], given.json);
        exit = checked > exit ? checked : exit;
    }
    options_done(&options);
    return exit;
}

static void print_help(FILE *out)
{
    fputs("Usage: jobboard flow check FILE… [--json]\n"
          "       jobboard flow graph FILE [--mermaid]\n"
          "       jobboard flow run FILE [-i NAME=VALUE]… [--json]\n"
          "       jobboard flow schema\n\n"
          "Works on flow files; needs no cluster.\n\nVerbs:\n"
          "  check        check flow files and tell all that is wrong\n"
          "  graph        draw a flow, or how a job stands\n"
          "  run          run a flow here and now, without a cluster\n"
          "  schema       print the language as JSON Schema, for editors\n\n"
          "Examples:\n"
          "  jobboard flow check deploy.yaml\n"
          "  jobboard flow run deploy.yaml -i region=eu\n\n"
          "`jobboard flow VERB --help` tells the options of a verb.\n",
          out);
}

int verb_flow(int argc, char **argv)
{
    if (argc >= 2 && !strcmp(argv[1], "check"))
        return flow_check(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "graph"))
        return flow_graph(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "schema"))
        return flow_print_schema(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "run"))
        return flow_run(argc - 1, argv + 1);
    if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        print_help(stdout);
        return EXIT_CODE_DONE;
    }
    if (argc >= 2)
        fprintf(stderr, "jobboard flow: unknown verb '%s'; see: jobboard flow --help\n", argv[1]);
    else
        print_help(stderr);
    return EXIT_CODE_USAGE;
}
