/* SPDX-License-Identifier: Apache-2.0 */
/* Golden traces: what the core is told and what it wants, turn by turn, as lines. Ids, tags and
 * times are blotted out, and so is what comes at intervals. */
#include <ctype.h>
#include <stdio.h>

#include "engine/sim/tests/scenario.h"

#define ID_DIGITS 6

static bool starts_with(const char *text, const char *word)
{
    return !strncmp(text, word, strlen(word));
}

/* What comes at intervals, whatever happens. */
static bool is_routine(const char *line)
{
    static const char *const words[] = {
        "tick",          "alive",      "kill-at", "list",       "cards",
        "shard-changed", "members",    "pools",   "shard-rows", "late-rows",
        "owned-rows",    "lease-seen", "posted",  "rows",       "unwatch",
    };
    const char *text = strstr(line, "-> ");
    text = text ? text + 3 : starts_with(line, "e0 ") || starts_with(line, "e1 ") ? line + 3 : line;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (starts_with(text, words[i]))
            return true;
    }
    return false;
}

static bool is_id(const char *text)
{
    for (int i = 0; i < ID_DIGITS; i++) {
        if (!isxdigit((unsigned char)text[i]))
            return false;
    }
    return !isalnum((unsigned char)text[ID_DIGITS]);
}

/* Appends the line without what differs from run to run. */
static void blot(const char *line, struct buffer *ret_text)
{
    for (; *line; line++) {
        if (*line == '=' && is_id(line + 1)) {
            buffer_add_string(ret_text, "=*");
            line += ID_DIGITS;
        } else if (starts_with(line, " #") || *line == '@') {
            line += *line == ' ';
            while (isdigit((unsigned char)line[1]))
                line++;
        } else {
            buffer_add_char(ret_text, *line);
        }
    }
    buffer_add_char(ret_text, '\n');
}

static void expect_turns(struct sim *sim, const char *expected)
{
    struct buffer turns;
    buffer_init(&turns, 0);
    buffer_add_char(&sim->story, 0);
    char *rest = sim->story.data, *line;
    while ((line = strsep(&rest, "\n"))) {
        if (*line && !is_routine(line))
            blot(line, &turns);
    }
    if (strcmp(turns.data, expected)) {
        fputs(turns.data, stderr); /* beyond what fail_msg shows */
        fail_msg("expected\n%s", expected);
    }
    buffer_done(&turns);
}

static void a_job_from_card_to_end(void **state)
{
    struct sim *sim = scenario_new(1);
    sim->options.story_turns = true;
    scenario_post(sim, "  a: {run: [work, \"50\", \"50\", \"0\"]}\n"
                       "  b: {needs: a, set: \"${ tasks.a.result }\"}\n");
    scenario_finish(sim);
    expect_turns(sim, "board  card of job 0 made\n"
                      "e0      -> read-row job=*\n"
                      "e0      -> moved job=* claim reading -> locking\n"
                      "e0      -> lock card=* claim=*\n"
                      "board  lock of job 0 made\n"
                      "e0 locked ok\n"
                      "e0      -> moved job=* claim locking -> claiming\n"
                      "e0      -> claim job=* seen=0 claim=*\n"
                      "store  job 0 claimed, epoch 1\n"
                      "e0 claimed ok job=*(RUNNING,epoch 1,save 0,recent) from=READY\n"
                      "e0      -> moved job=* job READY -> RUNNING\n"
                      "e0      -> moved job=* claim claiming -> loading\n"
                      "e0      -> load job=*\n"
                      "e0 loaded ok job=*(RUNNING,epoch 1,save 0,recent)\n"
                      "e0      -> moved job=* claim loading -> running\n"
                      "e0      -> moved job=* a/1 PENDING -> RUNNING\n"
                      "e0      -> save job=* epoch=1 save=0 RUNNING a=RUNNING/1\n"
                      "store  job 0 saved, epoch 1: RUNNING a=RUNNING/1\n"
                      "e0 saved ok\n"
                      "e0      -> start-step step=1 JOB_TASK=a JOB_ATTEMPT=1 JOB_EPOCH=1\n"
                      "step   a/1 of e0 begins, epoch 1\n"
                      "e0 step-started step=1\n"
                      "step   a/1 of e0 ends\n"
                      "e0 step-ended step=1 exit=0 signal=0 out=run 1 \n"
                      "e0      -> moved job=* a/1 RUNNING -> SUCCESS\n"
                      "e0      -> moved job=* b/1 PENDING -> RUNNING\n"
                      "e0      -> moved job=* b/1 RUNNING -> SUCCESS\n"
                      "e0      -> moved job=* job RUNNING -> SUCCESS\n"
                      "e0      -> save job=* epoch=1 save=1 SUCCESS ends a=SUCCESS/1 b=SUCCESS/1\n"
                      "store  job 0 saved, epoch 1: SUCCESS a=SUCCESS/1 b=SUCCESS/1\n"
                      "e0 saved ok\n"
                      "e0      -> moved job=* claim running -> leaving\n"
                      "e0      -> consume card=* claim=*\n"
                      "board  lock of job 0 gone\n"
                      "board  card of job 0 gone\n");
    scenario_done(sim);
}

static void a_save_of_unknown_outcome(void **state)
{
    struct sim *sim = scenario_new(1);
    struct sim_job *job = scenario_post(sim, "  a: {run: [work, \"50\", \"50\", \"0\"]}\n");
    scenario_until(sim, is_begun, job);
    sim->options.story_turns = true;
    scenario_forget(sim);
    sim_store_break(sim->engines[0].store);
    scenario_finish(sim);
    expect_turns(sim, "e0 store-down\n"
                      "e0      -> divide leave\n"
                      "e0 saved unknown\n"
                      "e0      -> save job=* epoch=1 save=0 RUNNING a=RUNNING/1\n"
                      "e0 store-up\n"
                      "e0      -> divide enter\n"
                      "e0 saved already\n"
                      "e0      -> start-step step=1 JOB_TASK=a JOB_ATTEMPT=1 JOB_EPOCH=1\n"
                      "step   a/1 of e0 begins, epoch 1\n"
                      "e0 step-started step=1\n"
                      "step   a/1 of e0 ends\n"
                      "e0 step-ended step=1 exit=0 signal=0 out=run 1 \n"
                      "e0      -> moved job=* a/1 RUNNING -> SUCCESS\n"
                      "e0      -> moved job=* job RUNNING -> SUCCESS\n"
                      "e0      -> save job=* epoch=1 save=1 SUCCESS ends a=SUCCESS/1\n"
                      "store  job 0 saved, epoch 1: SUCCESS a=SUCCESS/1\n"
                      "e0 saved ok\n"
                      "e0      -> moved job=* claim running -> leaving\n"
                      "e0      -> consume card=* claim=*\n"
                      "board  lock of job 0 gone\n"
                      "board  card of job 0 gone\n");
    scenario_done(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_from_card_to_end),
        cmocka_unit_test(a_save_of_unknown_outcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
