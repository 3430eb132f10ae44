/* SPDX-License-Identifier: Apache-2.0 */
/* engine-sim: runs seeds of the simulator, each twice, and says what happened in them. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "engine/sim/sim.h"

struct sweep {
    struct sim_options options;
    uint64_t from, to; /* seeds, `to` included */
    bool once;         /* each seed once, without the second run */
    bool json;
    bool each_mutant;
    bool stop; /* at the first failure */
    uint64_t ran, failed;
    uint64_t first_failed;
    struct sim_result sum;
    int64_t heal_max_ms;
    uint64_t heal_max_seed;
};

static uint64_t present_seed; /* for the hook: which seed was running */

static void say_seed(void)
{
    fprintf(stderr,
            "seed %" PRIu64 ": a check of the code failed\nagain: engine-sim --seed %" PRIu64
            " --trace\n",
            present_seed, present_seed);
}

static const char usage[] =
    "engine-sim: the engine's core over a board, a store and steps that lie\n"
    "\n"
    "  --seed N           one seed\n"
    "  --seeds FROM:TO    many, TO included (default 1:100)\n"
    "  --engines N        instead of what the seed chooses\n"
    "  --jobs N           likewise\n"
    "  --mutant NAME      with a deliberate fault in the fakes; may be repeated\n"
    "  --mutants          lists them\n"
    "  --each-mutant      runs each of them until it is caught; exit 1 if one is not\n"
    "  --trace            prints every event and effect\n"
    "  --once             runs each seed once only\n"
    "  --stop             ends at the first seed that fails\n"
    "  --json             the report as one JSON object\n";

/* ----------------------------------------------------------------------------------------- options
 */

static bool read_number(const char *text, uint64_t *ret_value, char *ret_next)
{
    char *end;
    errno = 0;
    *ret_value = strtoull(text, &end, 10);
    *ret_next = *end;
    return errno == 0 && end != text;
}

static bool read_range(const char *text, uint64_t *ret_from, uint64_t *ret_to)
{
    char next;
    const char *colon = strchr(text, ':');
    if (!colon || !read_number(text, ret_from, &next) || next != ':')
        return false;
    return read_number(colon + 1, ret_to, &next) && next == 0 && *ret_from <= *ret_to;
}

static int list_mutants(void)
{
    for (int i = 0; i < MUTANTS; i++)
        printf("%-34s %s\n", sim_mutant_name((enum sim_mutant)i),
               sim_mutant_what((enum sim_mutant)i));
    return 0;
}

static const struct option long_options[] = {
    {"seed", required_argument, NULL, 's'},
    {"seeds", required_argument, NULL, 'S'},
    {"engines", required_argument, NULL, 'e'},
    {"jobs", required_argument, NULL, 'j'},
    {"mutant", required_argument, NULL, 'm'},
    {"mutants", no_argument, NULL, 'M'},
    {"each-mutant", no_argument, NULL, 'E'},
    {"trace", no_argument, NULL, 't'},
    {"once", no_argument, NULL, 'o'},
    {"stop", no_argument, NULL, 'x'},
    {"json", no_argument, NULL, 'J'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* False: the value is none. */
static bool take_value(struct sweep *sweep, int option, const char *value)
{
    uint64_t number = 0;
    char next = 0;
    if (option == 'S')
        return read_range(value, &sweep->from, &sweep->to);
    if (option == 'm') {
        int mutant = sim_mutant_find(value);
        if (mutant >= 0)
            sweep->options.mutants |= UINT64_C(1) << mutant;
        return mutant >= 0;
    }
    if (!read_number(value, &number, &next) || next != 0)
        return false;
    if (option == 's')
        sweep->from = sweep->to = number;
    else if (option == 'e')
        sweep->options.engines = (int)number;
    else
        sweep->options.jobs = (int)number;
    return option == 's' || (number > 0 && number <= (option == 'e' ? SIM_ENGINES_MAX : 10000));
}

/* -1: go on; else the exit code. */
static int read_options(struct sweep *sweep, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (option == 'M')
            return list_mutants();
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option == 't')
            sweep->options.trace = stdout;
        else if (option == 'o')
            sweep->once = true;
        else if (option == 'x')
            sweep->stop = true;
        else if (option == 'E')
            sweep->each_mutant = true;
        else if (option == 'J')
            sweep->json = true;
        else if (option == '?' || !take_value(sweep, option, optarg)) {
            if (option != '?')
                fprintf(stderr, "engine-sim: not a value of that option: %s\n", optarg);
            return 2;
        }
    }
    return -1;
}

/* ------------------------------------------------------------------------------------------- runs
 */

static void say_failure(const struct sweep *sweep, uint64_t seed, const struct sim_result *result)
{
    printf("seed %" PRIu64 ": I%d broken: %s\n", seed, result->invariant, result->failure);
    printf("again: engine-sim --seed %" PRIu64, seed);
    if (sweep->options.engines)
        printf(" --engines %d", sweep->options.engines);
    if (sweep->options.jobs)
        printf(" --jobs %d", sweep->options.jobs);
    for (int i = 0; i < MUTANTS; i++) {
        if (sweep->options.mutants >> i & 1)
            printf(" --mutant %s", sim_mutant_name((enum sim_mutant)i));
    }
    printf(" --trace\n");
    if (result->trace)
        fputs(result->trace, stdout);
}

static void add_result(struct sweep *sweep, uint64_t seed, const struct sim_result *result)
{
    for (int i = 0; i < SIM_COUNTS; i++)
        sweep->sum.counts[i] += result->counts[i];
    uint64_t *to = (uint64_t *)&sweep->sum.core_counts;
    const uint64_t *from = (const uint64_t *)&result->core_counts;
    for (size_t i = 0; i < sizeof result->core_counts / sizeof *to; i++)
        to[i] += from[i];
    sweep->sum.virtual_ms += result->virtual_ms;
    if (result->heal_ms > sweep->heal_max_ms) {
        sweep->heal_max_ms = result->heal_ms;
        sweep->heal_max_seed = seed;
    }
}

/* Again with its trace kept, which changes nothing of the run. */
static void show_again(const struct sweep *sweep, uint64_t seed)
{
    struct sim_options options = sweep->options;
    options.seed = seed;
    options.keep_trace = true;
    options.trace = NULL;
    struct sim_result result;
    sim_run(&options, &result);
    say_failure(sweep, seed, &result);
    free(result.trace);
}

static void run_seed(struct sweep *sweep, uint64_t seed)
{
    struct sim_result first, second;
    present_seed = seed;
    sweep->options.seed = seed;
    sim_run(&sweep->options, &first);
    second = first;
    if (!sweep->once && !sweep->options.trace)
        sim_run(&sweep->options, &second);
    sweep->ran++;
    add_result(sweep, seed, &first);
    bool differs = first.hash != second.hash;
    if (!first.invariant && !differs)
        return;
    if (sweep->failed++ == 0)
        sweep->first_failed = seed;
    if (sweep->failed > 3 || sweep->json)
        return;
    if (differs)
        printf("seed %" PRIu64 ": two runs differ: %016" PRIx64 " and %016" PRIx64 "\n", seed,
               first.hash, second.hash);
    if (first.invariant)
        show_again(sweep, seed);
}

/* Runs one mutant until a seed catches it. */
static bool is_caught(struct sweep *sweep, enum sim_mutant mutant)
{
    struct sim_options options = sweep->options;
    options.mutants = UINT64_C(1) << mutant;
    for (uint64_t seed = sweep->from; seed <= sweep->to; seed++) {
        struct sim_result result;
        present_seed = options.seed = seed;
        sim_run(&options, &result);
        if (result.invariant) {
            printf("%-34s I%-2d at seed %-5" PRIu64 " %s\n", sim_mutant_name(mutant),
                   result.invariant, seed, result.failure);
            return true;
        }
    }
    printf("%-34s NOT CAUGHT in %" PRIu64 " seeds\n", sim_mutant_name(mutant),
           sweep->to - sweep->from + 1);
    return false;
}

static int run_each_mutant(struct sweep *sweep)
{
    int caught = 0;
    for (int i = 0; i < MUTANTS; i++)
        caught += is_caught(sweep, (enum sim_mutant)i);
    printf("%d of %d mutants caught\n", caught, MUTANTS);
    return caught == MUTANTS ? 0 : 1;
}

/* ------------------------------------------------------------------------------------------ report
 */

#define CORE_COUNTS(X)                                                                             \
    X(claims)                                                                                      \
    X(takeovers)                                                                                   \
    X(finished)                                                                                    \
    X(released)                                                                                    \
    X(dropped)                                                                                     \
    X(locks_taken)                                                                                 \
    X(claims_changed)                                                                              \
    X(claims_busy)                                                                                 \
    X(claims_unknown)                                                                              \
    X(saves)                                                                                       \
    X(saves_already)                                                                               \
    X(saves_refused)                                                                               \
    X(saves_busy)                                                                                  \
    X(saves_unknown)                                                                               \
    X(saves_bad)                                                                                   \
    X(reruns)                                                                                      \
    X(saves_inbox)                                                                                 \
    X(steps_started)                                                                               \
    X(steps_ended)                                                                                 \
    X(steps_killed)                                                                                \
    X(leases_doubted)                                                                              \
    X(sessions_given_up)                                                                           \
    X(placed)                                                                                      \
    X(removed)                                                                                     \
    X(stale_events)                                                                                \
    X(audit_lost)                                                                                  \
    X(audit_found)

static void report_text(const struct sweep *sweep, double seconds)
{
    const struct core_counts *core = &sweep->sum.core_counts;
    printf("\nwhat really happened\n");
    for (int i = 0; i < SIM_COUNTS; i++)
        printf("%12" PRIu64 "  %s\n", sweep->sum.counts[i], sim_count_name((enum sim_count)i));
    printf("\nwhat the cores counted\n");
#define X(name) printf("%12" PRIu64 "  %s\n", core->name, #name);
    CORE_COUNTS(X)
#undef X
    printf("\n%" PRIu64 " seeds%s, %" PRIu64 " failed; %.1f s, %.0f seeds/s; %.1f virtual hours; "
           "longest heal %.1f s (seed %" PRIu64 ")\n",
           sweep->ran, sweep->once ? "" : ", each twice", sweep->failed, seconds,
           (double)sweep->ran / seconds, (double)sweep->sum.virtual_ms / 3.6e6,
           (double)sweep->heal_max_ms / 1e3, sweep->heal_max_seed);
}

static void report_json(const struct sweep *sweep, double seconds)
{
    const struct core_counts *core = &sweep->sum.core_counts;
    printf("{\"seeds\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"first_failed\":", sweep->ran,
           sweep->failed);
    if (sweep->failed)
        printf("%" PRIu64, sweep->first_failed);
    else
        printf("null");
    printf(",\"seconds\":%.3f,\"virtual_ms\":%lld,\"heal_max_ms\":%lld,\"counts\":{", seconds,
           (long long)sweep->sum.virtual_ms, (long long)sweep->heal_max_ms);
    for (int i = 0; i < SIM_COUNTS; i++)
        printf("%s\"%s\":%" PRIu64, i ? "," : "", sim_count_name((enum sim_count)i),
               sweep->sum.counts[i]);
    printf("},\"core\":{");
    const char *between = "";
#define X(name)                                                                                    \
    printf("%s\"%s\":%" PRIu64, between, #name, core->name);                                       \
    between = ",";
    CORE_COUNTS(X)
#undef X
    printf("}}\n");
}

int main(int argc, char **argv)
{
    static struct sweep sweep = {.from = 1, .to = 100};
    int code = read_options(&sweep, argc, argv);
    if (code >= 0)
        return code;
    check_hook = say_seed;
    if (sweep.options.trace)
        setvbuf(stdout, NULL, _IOLBF, 0); /* a failed check loses no line */
    if (sweep.each_mutant)
        return run_each_mutant(&sweep);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (uint64_t seed = sweep.from; seed <= sweep.to && !(sweep.stop && sweep.failed); seed++)
        run_seed(&sweep, seed);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    double seconds =
        (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
    if (sweep.json)
        report_json(&sweep, seconds);
    else
        report_text(&sweep, seconds);
    return sweep.failed ? 1 : 0;
}
