/* SPDX-License-Identifier: Apache-2.0 */
/* Measures starts: `process_rate WARDEN COUNT AT-ONCE BALLAST-MB`. Not a test; prints steps per
 * second, what one process_start costs the loop, and the longest turn. The ballast is memory that
 * this process holds and has touched, as an engine with many jobs would. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/os/clock.h"
#include "engine/adapters/process.h"

struct rate {
    struct process_source *p;
    long started, ended;
    int64_t *start_us;       /* one per start */
    int64_t longest_turn_us; /* of source process() and the pulling of its events */
};

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void start_one(struct rate *rate)
{
    static const char *const argv[] = {"true", NULL};
    static const char *const env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL};
    struct process_spec spec = {.argv = argv, .env = env, .stdin_bytes = TEXT("{\"a\":1}")};
    int64_t from_us = clock_now_us();
    process_start(rate->p, (uint64_t)rate->started, &spec);
    rate->start_us[rate->started++] = clock_now_us() - from_us;
}

static void turn(struct rate *rate)
{
    struct source source = process_source(rate->p);
    struct interest interest;
    source.interest(source.self, clock_now_ms(), &interest);
    source_poll(&source, 1, clock_now_ms() + 1000);
    int64_t from_us = clock_now_us();
    source.process(source.self, true, false, clock_now_ms());
    struct process_event event;
    while (process_next(rate->p, &event)) {
        if (event.kind == PROCESS_NOT_STARTED || event.exit_code > 0 || event.signal)
            fprintf(stderr, "step %llu: %.*s\n", (unsigned long long)event.step,
                    TEXT_ARG(event.text));
        rate->ended += event.kind == PROCESS_ENDED || event.kind == PROCESS_NOT_STARTED;
    }
    int64_t turn_us = clock_now_us() - from_us;
    if (turn_us > rate->longest_turn_us)
        rate->longest_turn_us = turn_us;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    long count = strtol(argv[2], NULL, 10), at_once = strtol(argv[3], NULL, 10);
    size_t ballast = (size_t)strtol(argv[4], NULL, 10) << 20;
    char *memory = xmalloc(ballast + 1);
    memset(memory, 1, ballast + 1);
    struct error error = {0};
    struct rate rate = {.start_us = xcalloc((size_t)count, sizeof(int64_t))};
    rate.p = process_source_new(&(struct process_options){.warden_path = argv[1]}, &error);
    if (!rate.p) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    int64_t from_us = clock_now_us();
    while (rate.ended < count) {
        while (rate.started < count && rate.started - rate.ended < at_once)
            start_one(&rate);
        turn(&rate);
    }
    int64_t spent_us = clock_now_us() - from_us;
    qsort(rate.start_us, (size_t)count, sizeof *rate.start_us, compare);
    printf("%ld steps, %ld at once, %zu MB: %.0f steps/s; start p50 %lld p99 %lld max %lld us; "
           "longest turn %lld us (ballast %d)\n",
           count, at_once, ballast >> 20, (double)count * 1e6 / (double)spent_us,
           (long long)rate.start_us[count / 2], (long long)rate.start_us[count * 99 / 100],
           (long long)rate.start_us[count - 1], (long long)rate.longest_turn_us, memory[ballast]);
    process_close_all(rate.p, 1000);
    process_free(rate.p);
    free(rate.start_us);
    free(memory);
    return 0;
}
