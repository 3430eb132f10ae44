/* SPDX-License-Identifier: Apache-2.0 */
/* flow-crash: loses the core at every single save of a flow and requires the same end.
 *
 *   flow-crash [--pairs N] [--seed S] [--rerun] [--show] FILE…
 *
 * Exit 0: every crash left no trace but takeovers. Exit 1: one did; it is printed. A file may begin
 * with lines `# sim: WORD…`: `once` (calls are not repeated, the end may be another one),
 * `times` (limits of time end what runs), `narrow` (one process at a time, whose order is chance),
 * `# input: JSON`, `# expect: NAME=VALUE…` (how it ends undisturbed, see crash_expect.h); with `#
 * rerun: JSON`, or for all with --rerun, a job that failed is made to run again once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/random.h"
#include "engine/flow/flow.h"
#include "engine/sim/crash.h"

struct options {
    struct crash_options crash;
    bool show;
    int first_file;
};

static bool read_file(const char *path, struct buffer *ret_text)
{
    FILE *file = fopen(path, "r");
    char chunk[4096];
    size_t len;
    if (!file) {
        perror(path);
        return false;
    }
    while ((len = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_add(ret_text, chunk, len);
    fclose(file);
    return true;
}

static bool read_options(int argc, char **argv, struct options *ret_options)
{
    *ret_options = (struct options){.crash = {.pairs = 60, .seed = 1}};
    int i = 1;
    for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
        if (!strcmp(argv[i], "--pairs") && i + 1 < argc)
            ret_options->crash.pairs = (int)strtol(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            ret_options->crash.seed = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--loose"))
            ret_options->crash.loose = true;
        else if (!strcmp(argv[i], "--rerun"))
            ret_options->crash.rerun = true;
        else if (!strcmp(argv[i], "--show"))
            ret_options->show = true;
        else
            return false;
    }
    ret_options->first_file = i;
    return i < argc;
}

static bool try_file(const char *path, const struct options *options, struct crash_counts *counts)
{
    struct buffer source = {0}, report = {0};
    if (!read_file(path, &source))
        return false;
    bool good = options->show ? crash_show(buffer_text(&source), &options->crash, &report)
                              : crash_flow(buffer_text(&source), &options->crash, counts, &report);
    if (report.len)
        printf("%s: %.*s", path, (int)report.len, report.data);
    buffer_done(&source);
    buffer_done(&report);
    return good;
}

int main(int argc, char **argv)
{
    struct options options;
    struct crash_counts counts = {0};
    int bad = 0;
    if (!read_options(argc, argv, &options)) {
        fprintf(stderr, "usage: flow-crash [--pairs N] [--seed S] [--rerun] [--show] FILE...\n");
        return 2;
    }
    for (int i = options.first_file; i < argc; i++)
        bad += !try_file(argv[i], &options, &counts);
    printf("flows %d, reruns %d, saves %d, crash points %d (lost save %d, crash %d, hand-over %d), "
           "pairs %d, "
           "bad flows %d\n",
           counts.flows, counts.reruns, counts.saves,
           counts.lost + counts.crashes + counts.hand_overs, counts.lost, counts.crashes,
           counts.hand_overs, counts.pairs, bad);
    return bad ? 1 : 0;
}
