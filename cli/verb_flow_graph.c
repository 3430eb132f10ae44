/* SPDX-License-Identifier: Apache-2.0 */
/* `jobboard flow graph`: a flow, or a job's flow with the states of its tasks, as a picture. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit_code.h"
#include "cli/flow_graph.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/verbs_flow.h"

struct graph_options {
    bool dot;
    bool mermaid;
    const char *job;
};

static const struct option_row rows[] = {
    {.name = "dot",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct graph_options, dot),
     .help = "the language of Graphviz (default)"},
    {.name = "mermaid",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct graph_options, mermaid),
     .help = "the language of Mermaid"},
    {.name = "job",
     .kind = OPTION_TEXT,
     .argument = "JOB",
     .offset = offsetof(struct graph_options, job),
     .help = "mark the states of this job's tasks; without FILE its own flow is drawn"},
};

/* Compiles and draws; trouble is told. Returns an exit code. */
static int draw(const char *name, struct text source, const struct graph_states *states,
                bool mermaid)
{
    struct flow *flow = NULL;
    struct flow_problems problems = {0};
    struct buffer text = {0};
    int code = flow_compile(source, &flow, &problems);
    if (code) {
        flow_problems_print(&problems, source, name, isatty(STDERR_FILENO), &text);
        fputs(text.data, stderr);
    } else {
        (mermaid ? flow_graph_mermaid : flow_graph_dot)(flow, states, &text);
        fwrite(text.data, 1, text.len, stdout);
    }
    buffer_done(&text);
    flow_free(flow);
    flow_problems_done(&problems);
    return code ? EXIT_CODE_NO : EXIT_CODE_DONE;
}

static int graph_file(const char *file, const struct graph_states *states, bool mermaid)
{
    struct buffer source = {0};
    struct error error = {0};
    int exit;
    if (file_read(file, FLOW_TEXT_MAX_BYTES, &source, &error)) {
        error.code = ERR_INVALID;
        exit = cli_fail("flow graph", &error);
    } else {
        exit = draw(file, buffer_text(&source), states, mermaid);
    }
    buffer_done(&source);
    return exit;
}

/* `file`: what is drawn; NULL: the flow of the job. */
static int graph_job(struct jobboard *jobboard, const char *name, const char *file, bool mermaid)
{
    struct view_request request = {.kind = VIEW_SHOW};
    const struct view_answer *answer;
    struct graph_states states = {0};
    int exit = session_find_job(jobboard, "flow graph", name, &request.job);
    if (!exit)
        exit = session_view(jobboard, "flow graph", &request, &answer);
    if (exit)
        return exit;
    const struct view_job *job = &answer->u.show.job;
    for (size_t i = 0; i < job->task_count; i++)
        graph_states_add(&states, job->tasks[i].row.path,
                         text_of(task_state_name(job->tasks[i].row.state)));
    graph_states_sort(&states);
    exit = file ? graph_file(file, &states, mermaid) : draw(name, job->flow_text, &states, mermaid);
    graph_states_done(&states);
    return exit;
}

static int graph(const struct options *options, const struct connection_options *connection,
                 const struct graph_options *given)
{
    struct jobboard *jobboard;
    int exit;
    const char *file = options->operand_count ? options->operands[0] : NULL;
    struct graph_states none = {0};
    if ((!given->job && !file) || (given->dot && given->mermaid)) {
        fprintf(stderr, "jobboard flow graph: expected %s\n",
                given->dot && given->mermaid ? "--dot or --mermaid, not both"
                                             : "FILE, or --job JOB");
        return EXIT_CODE_USAGE;
    }
    if (!given->job)
        return graph_file(file, &none, given->mermaid);
    if (!session_open("flow graph", connection, true, &jobboard, &exit))
        return exit;
    exit = graph_job(jobboard, given->job, file, given->mermaid);
    jobboard_close(jobboard);
    return exit;
}

int flow_graph(int argc, char **argv)
{
    struct options options;
    struct connection_options connection = {0};
    struct graph_options given = {0};
    struct option_group groups[] = {
        {.rows = rows, .count = sizeof rows / sizeof rows[0], .target = &given},
        connection_group(&connection),
    };
    struct option_set set = {
        .program = "jobboard flow graph",
        .arguments = "[FILE] [--job JOB]",
        .story =
            "Draws a flow: a box for each task, a frame around each nested flow, an arrow from "
            "what\nis needed to what needs it. `-` is stdin. With --job the boxes have the "
            "colours of the\nstates; JOB is an id, its last 6 or more digits, or key:KEY.",
        .config_option = CONNECTION_CONFIG,
        .groups = groups,
        .group_count = 2,
        .operands_min = 0,
        .operands_max = 1,
        .examples = "  jobboard flow graph deploy.yaml | dot -Tsvg > deploy.svg\n"
                    "  jobboard flow graph --mermaid deploy.yaml\n"
                    "  jobboard flow graph --job 1f8e55c2 | dot -Tpng > job.png",
    };
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    exit = graph(&options, &connection, &given);
    options_done(&options);
    return exit;
}
