/* SPDX-License-Identifier: Apache-2.0 */
/* Posts a job from a program, waits for its end and prints its output:
 *
 *     eval "$(jobboard dev env)"
 *     post_and_wait examples/hello.yaml '{"name": "board"}'
 *
 * The cluster is named by JOBBOARD_POSTGRES, JOBBOARD_ZOOKEEPER, JOBBOARD_BOARD and
 * JOBBOARD_SCHEMA. With a third argument the post has a key: run it twice, and there is one job. */
#include <stdio.h>
#include <stdlib.h>

#include "jobboard/client/jobboard.h"

#define WAIT_MS 60000

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static int fail(const struct error *error)
{
    fprintf(stderr, "post_and_wait: %s\n", error->text);
    return EXIT_FAILURE;
}

/* Reads and checks the flow file; prints what is wrong with it. */
static struct jobboard_flow *read_flow(const char *path)
{
    char chunk[4096];
    struct buffer source = {0}, complaints = {0};
    struct flow_problems problems = {0};
    struct jobboard_flow *flow = NULL;
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return NULL;
    }
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buffer_add(&source, chunk, got);
    fclose(file);
    if (jobboard_flow_read(buffer_text(&source), &flow, &problems) != 0)
        flow = NULL;
    flow_problems_print(&problems, buffer_text(&source), path, false, &complaints);
    if (complaints.len)
        fputs(complaints.data, stderr);
    flow_problems_done(&problems);
    buffer_done(&complaints);
    buffer_done(&source);
    return flow;
}

static int print_output(struct jobboard *jobboard, const struct uuid *job)
{
    struct view_request request = {.kind = VIEW_SHOW, .job = *job};
    const struct view_answer *answer;
    struct error error = {0};
    if (jobboard_view_now(jobboard, &request, &answer, &error) != 0)
        return fail(&error);
    const struct view_job *shown = &answer->u.show.job;
    struct text document = shown->output.data ? shown->output : shown->failure;
    printf("%s: %.*s\n", job_state_name(shown->row.state), TEXT_ARG(document));
    return shown->row.state == JOB_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int post_and_wait(struct jobboard *jobboard, const struct jobboard_post *post)
{
    struct jobboard_result result;
    struct error error = {0};
    enum job_state state;
    /* Returns when Postgres has committed: from here on the job is never lost. */
    if (jobboard_post_now(jobboard, post, &result, &error) != 0)
        return fail(&error);
    printf("job %s%s\n", UUID_STR(&result.job),
           result.outcome == JOBBOARD_SAME ? ", posted before with this key" : "");
    if (jobboard_wait_now(jobboard, &result.job, WAIT_MS, &state, &error) != 0)
        return fail(&error);
    return print_output(jobboard, &result.job);
}

int main(int argc, char **argv)
{
    struct jobboard_options options = {.postgres = setting("JOBBOARD_POSTGRES", NULL),
                                       .zookeeper = setting("JOBBOARD_ZOOKEEPER", NULL),
                                       .board = setting("JOBBOARD_BOARD", "main"),
                                       .schema = setting("JOBBOARD_SCHEMA", "jobboard"),
                                       .application = "post_and_wait"};
    struct jobboard *jobboard;
    struct error error = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: post_and_wait FLOW [INPUT [KEY]]\n");
        return EXIT_FAILURE;
    }
    struct jobboard_flow *flow = read_flow(argv[1]);
    if (!flow)
        return EXIT_FAILURE;
    int exit = EXIT_FAILURE;
    if (jobboard_open(&options, &jobboard, &error) != 0) {
        fail(&error);
    } else {
        struct jobboard_post post = {.flow = flow,
                                     .input = text_of(argc > 2 ? argv[2] : NULL),
                                     .key = text_of(argc > 3 ? argv[3] : NULL),
                                     .priority = JOBBOARD_PRIORITY_OF_FLOW};
        exit = post_and_wait(jobboard, &post);
        jobboard_close(jobboard);
    }
    jobboard_flow_free(flow);
    return exit;
}
