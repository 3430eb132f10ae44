/* SPDX-License-Identifier: Apache-2.0 */
/* flow-sim: random flows, each undisturbed and with random crashes.
 *
 *   flow-sim --seeds A:B [--crashes N] [--judge | --rerun] [--rare] [--show]
 *
 * Each flow is played undisturbed, then N times with crashes, and every fourth one with few process
 * slots and small saves. --judge: a second reading of the language (reference.h) judges the first.
 * --rare: each rare state must be reached.
 *
 * Exit 0: each run was legal and each crash left no trace. Exit 1: one was not; the first ones are
 * printed with their flows. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/sim/random_flow_sweep.h"

/* The seed at work, for whoever reads of a failed CHECK. */
static volatile uint64_t seed_now;

static void tell_seed(int number)
{
    char text[64];
    int len = snprintf(text, sizeof text, "seed %llu\n", (unsigned long long)seed_now);
    if (write(2, text, (size_t)len) == len)
        signal(number, SIG_DFL);
    raise(number);
}

static void print_counts(const struct flow_counts *counts, double seconds)
{
    printf("%llu flows, %llu runs, %llu saves, %llu crashes, %llu moves; %llu failed; %.1f s, %.0f "
           "seeds/s\nconstructs:",
           (unsigned long long)counts->flows, (unsigned long long)counts->runs,
           (unsigned long long)counts->saves, (unsigned long long)counts->crashes,
           (unsigned long long)counts->moves, (unsigned long long)counts->failed, seconds,
           (double)counts->flows / (seconds > 0 ? seconds : 1));
    for (int i = 0; i < RANDOM_FEATURES; i++)
        printf("%s %s %llu", i ? "," : "", random_feature_name((enum random_feature)i),
               (unsigned long long)counts->uses[i]);
    printf("\nfaults:");
    for (int i = 0; i < STAGE_FAULTS; i++)
        printf("%s %s %llu", i ? "," : "", stage_fault_name((enum stage_fault_kind)i),
               (unsigned long long)counts->faults[i]);
    printf("\nreference: %llu runs judged, %llu of them by another order of equal times, %llu "
           "undecided",
           (unsigned long long)counts->judged, (unsigned long long)counts->ordered,
           (unsigned long long)counts->undecided);
    printf("\nreached:");
    for (int i = 0; i < RARE_STATES; i++)
        printf("%s %s %llu", i ? "," : "", rare_state_name((enum rare_state)i),
               (unsigned long long)counts->rare[i]);
    printf("\n");
}

/* Without reruns nothing is expected of them. */
static bool rare_are_reached(const struct flow_counts *counts, bool rerun)
{
    bool all = true;
    for (int i = 0; i < RARE_STATES; i++) {
        if (counts->rare[i] > 0 || (i >= RARE_RERUN && !rerun))
            continue;
        printf("never reached: %s\n", rare_state_name((enum rare_state)i));
        all = false;
    }
    return all;
}

int main(int argc, char **argv)
{
    uint64_t from = 1, to = 1000;
    struct flow_options options = {.crashes = 2};
    struct flow_counts counts = {0};
    bool all_rare = false;
    for (int i = 1; i < argc; i++) {
        char *end = NULL;
        if (!strcmp(argv[i], "--seeds") && i + 1 < argc) {
            from = strtoull(argv[++i], &end, 10);
            to = *end == ':' ? strtoull(end + 1, NULL, 10) : from;
        } else if (!strcmp(argv[i], "--crashes") && i + 1 < argc) {
            options.crashes = (int)strtol(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--rerun")) {
            options.rerun = true;
        } else if (!strcmp(argv[i], "--judge")) {
            options.judge = true;
        } else if (!strcmp(argv[i], "--show")) {
            options.show = true;
        } else if (!strcmp(argv[i], "--rare")) {
            all_rare = true;
        } else {
            fprintf(stderr,
                    "usage: flow-sim [--seeds A:B] [--crashes N] [--judge | --rerun] [--rare]"
                    " [--show]\n");
            return 2;
        }
    }
    signal(SIGABRT, tell_seed);
    clock_t began = clock();
    for (uint64_t seed = from; seed <= to && counts.failed < 10; seed++) {
        struct buffer report = {0};
        seed_now = seed;
        if (!flow_sweep_seed(seed, &options, &counts, &report) || options.show)
            printf("seed %llu: %.*s", (unsigned long long)seed, (int)report.len,
                   report.data ? report.data : "");
        buffer_done(&report);
    }
    print_counts(&counts, (double)(clock() - began) / CLOCKS_PER_SEC);
    return counts.failed || (all_rare && !rare_are_reached(&counts, options.rerun)) ? 1 : 0;
}
