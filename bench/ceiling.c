/* SPDX-License-Identifier: Apache-2.0 */
/* The ceiling: what a bare client reaches that writes the very rows and znodes of our jobs in big
 * batches, with Postgres and ZooKeeper at work at the same time, and thinks nothing: it knows every
 * job beforehand, reads nothing, checks nothing, runs nothing and could not recover from anything.
 *
 *   ceiling --postgres CONNINFO --schema S --zookeeper HOSTS --jobs N [--kind noop|set|run]
 *           [--lanes N] [--chunk N] [--post-only]
 *
 * It prints one JSON object. The schema is one that `jobboard migrate` made; the znodes go under
 * /jobboard/ceiling. */
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "base/os/entropy.h"
#include "base/placement.h"
#include "base/random.h"
#include "bench/ceiling_private.h"

#define ROOT      "/jobboard/ceiling"
#define LANES_MAX 16

struct options {
    const char *postgres, *schema, *zookeeper;
    const char *kind_name;
    enum kind kind;
    long jobs, lanes, chunk;
    int post_only;
};

enum stage {
    STAGE_IDLE,
    STAGE_POST,
    STAGE_PLACE,
    STAGE_LOCK,
    STAGE_CLAIM,
    STAGE_SAVE,
    STAGE_CONSUME
};

struct lane {
    struct store store;
    enum stage stage;
    int save;
    int left; /* multis not answered */
    size_t count;
    struct job jobs[CHUNK_MAX];
};

struct run {
    const struct options *options;
    struct znodes *znodes;
    struct lane lanes[LANES_MAX];
    long to_begin;
    int busy; /* lanes with a chunk */
};

void ceiling_die(const char *what, const char *why)
{
    fprintf(stderr, "ceiling: %s: %s\n", what, why);
    exit(1);
}

/* ---------------------------------------------------------------------------------------- lanes */

static void make_jobs(struct run *run, struct lane *lane)
{
    struct random random;
    random_seed(&random, entropy_seed());
    lane->count =
        (size_t)(run->to_begin < run->options->chunk ? run->to_begin : run->options->chunk);
    run->to_begin -= (long)lane->count;
    int64_t now_us = clock_unix_us();
    for (size_t i = 0; i < lane->count; i++) {
        uint8_t bytes[16];
        struct job *job = &lane->jobs[i];
        random_bytes(&random, bytes, sizeof bytes);
        job->claim = uuid_v4(bytes);
        random_bytes(&random, bytes, sizeof bytes);
        job->id = uuid_v7(now_us / 1000, bytes);
        job->shard = placement_shard(&job->id, SHARDS);
        job->ready_at_us = now_us;
    }
}

/* Begins the lane's present stage. */
static void begin_stage(struct run *run, struct lane *lane)
{
    switch (lane->stage) {
    case STAGE_IDLE:
        break;
    case STAGE_POST:
        make_jobs(run, lane);
        store_post(&lane->store, lane->jobs, lane->count);
        break;
    case STAGE_PLACE:
        znodes_place(run->znodes, lane->jobs, lane->count, &lane->left);
        break;
    case STAGE_LOCK:
        znodes_lock(run->znodes, lane->jobs, lane->count, &lane->left);
        break;
    case STAGE_CLAIM:
        store_claim(&lane->store, lane->jobs, lane->count);
        break;
    case STAGE_SAVE:
        store_save(&lane->store, run->options->kind, lane->save, lane->jobs, lane->count);
        break;
    case STAGE_CONSUME:
        znodes_consume(run->znodes, lane->jobs, lane->count, &lane->left);
        break;
    }
}

static bool waits_for_store(const struct lane *lane)
{
    return lane->stage == STAGE_POST || lane->stage == STAGE_CLAIM || lane->stage == STAGE_SAVE;
}

static bool stage_is_done(struct lane *lane)
{
    return waits_for_store(lane) ? store_is_done(&lane->store) : lane->left == 0;
}

static enum stage next_stage(struct run *run, struct lane *lane)
{
    bool is_last =
        run->options->post_only ? lane->stage == STAGE_PLACE : lane->stage == STAGE_CONSUME;
    if (is_last)
        return run->to_begin > 0 ? STAGE_POST : STAGE_IDLE;
    if (lane->stage == STAGE_SAVE && ++lane->save < store_saves(run->options->kind))
        return STAGE_SAVE;
    lane->save = 0;
    return lane->stage + 1;
}

static void advance(struct run *run, struct lane *lane)
{
    while (lane->stage != STAGE_IDLE && stage_is_done(lane)) {
        lane->stage = next_stage(run, lane);
        if (lane->stage == STAGE_IDLE)
            run->busy--;
        begin_stage(run, lane);
    }
}

/* ----------------------------------------------------------------------------------------- loop */

static void turn(struct run *run)
{
    struct pollfd fds[LANES_MAX + 1] = {{0}};
    int timeout_ms;
    long lanes = run->options->lanes;
    fds[0].fd = znodes_interest(run->znodes, &fds[0].events, &timeout_ms);
    for (long i = 0; i < lanes; i++) {
        bool waits = waits_for_store(&run->lanes[i]);
        fds[i + 1].fd = waits ? PQsocket(run->lanes[i].store.conn) : -1;
        fds[i + 1].events = POLLIN;
        if (waits && PQflush(run->lanes[i].store.conn) == 1)
            fds[i + 1].events |= POLLOUT;
    }
    poll(fds, (nfds_t)lanes + 1, timeout_ms);
    znodes_process(run->znodes, fds[0].revents);
    for (long i = 0; i < lanes; i++) {
        if (!waits_for_store(&run->lanes[i]) || fds[i + 1].revents)
            advance(run, &run->lanes[i]);
    }
}

static double run_jobs(struct run *run)
{
    int64_t began_us = clock_now_us();
    for (long i = 0; i < run->options->lanes && run->to_begin > 0; i++) {
        run->busy++;
        run->lanes[i].stage = STAGE_POST;
        begin_stage(run, &run->lanes[i]);
    }
    while (run->busy)
        turn(run);
    return (double)(clock_now_us() - began_us) / 1e6;
}

/* What one job writes; the counts of both services are compared with it. */
static void print(const struct run *run, double seconds)
{
    const struct options *options = run->options;
    uint64_t multis, ops;
    int saves = store_saves(options->kind);
    bool is_run = options->kind == KIND_RUN;
    znodes_counted(run->znodes, &multis, &ops);
    printf("{\"kind\": \"%s\", \"jobs\": %ld, \"seconds\": %.4f, \"jobs_per_s\": %.1f, "
           "\"lanes\": %ld, \"chunk\": %ld, \"multis\": %" PRIu64 ", \"multi_ops\": %" PRIu64,
           options->kind_name, options->jobs, seconds, (double)options->jobs / seconds,
           options->lanes, options->chunk, multis, ops);
    if (options->post_only)
        printf(", \"rows\": {\"jobs insert\": 1, \"payloads insert\": 1, \"history insert\": 1}"
               ", \"znodes\": {\"card create\": 1}}\n");
    else
        printf(", \"rows\": {\"jobs insert\": 1, \"jobs update\": %d, \"payloads insert\": 1, "
               "\"tasks insert\": %d, \"tasks update\": %d, \"history insert\": %d}"
               ", \"znodes\": {\"card create\": 1, \"lock create\": 1, \"lock delete\": 1, "
               "\"card delete\": 1}}\n",
               1 + saves, STEPS, is_run ? STEPS : 0, 3 + 2 * STEPS);
}

/* -------------------------------------------------------------------------------------- options */

static enum kind kind_of(const char *name)
{
    static const char *const names[] = {
        [KIND_NOOP] = "noop", [KIND_SET] = "set", [KIND_RUN] = "run"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!strcmp(name, names[i]))
            return (enum kind)i;
    }
    ceiling_die("--kind", "noop, set or run");
}

static long number(const char *text, const char *flag, long max)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || value < 1 || value > max)
        ceiling_die(flag, "not such a number");
    return value;
}

static void parse(struct options *options, int argc, char **argv)
{
    static const struct option flags[] = {
        {"postgres", 1, NULL, 'p'}, {"schema", 1, NULL, 's'},    {"zookeeper", 1, NULL, 'z'},
        {"kind", 1, NULL, 'k'},     {"jobs", 1, NULL, 'n'},      {"lanes", 1, NULL, 'l'},
        {"chunk", 1, NULL, 'c'},    {"post-only", 0, NULL, 'o'}, {0}};
    int flag;
    while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
        switch (flag) {
        case 'p':
            options->postgres = optarg;
            break;
        case 's':
            options->schema = optarg;
            break;
        case 'z':
            options->zookeeper = optarg;
            break;
        case 'k':
            options->kind_name = optarg;
            break;
        case 'n':
            options->jobs = number(optarg, "--jobs", 10000000);
            break;
        case 'l':
            options->lanes = number(optarg, "--lanes", LANES_MAX);
            break;
        case 'c':
            options->chunk = number(optarg, "--chunk", CHUNK_MAX);
            break;
        case 'o':
            options->post_only = 1;
            break;
        default:
            ceiling_die("usage", "see the head of bench/ceiling.c");
        }
    }
    if (!options->postgres || !options->schema || !options->zookeeper || !options->jobs)
        ceiling_die("usage", "--postgres, --schema, --zookeeper and --jobs are needed");
    options->kind = kind_of(options->kind_name);
}

int main(int argc, char **argv)
{
    struct options options = {.kind_name = "noop", .lanes = 4, .chunk = 1000};
    parse(&options, argc, argv);
    struct run *run = xcalloc(1, sizeof *run);
    run->options = &options;
    run->to_begin = options.jobs;
    run->znodes = znodes_open(options.zookeeper, ROOT);
    for (long i = 0; i < options.lanes; i++)
        store_open(&run->lanes[i].store, options.postgres, options.schema);
    double seconds = run_jobs(run);
    print(run, seconds);
    for (long i = 0; i < options.lanes; i++)
        store_close(&run->lanes[i].store);
    znodes_close(run->znodes);
    free(run);
    return 0;
}
