/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the store goes when nothing else is in the way: jobs of three noop steps are posted,
 * claimed, loaded and saved to their end, each phase by itself and then all together.
 * usage: with-postgres storage_throughput [JOBS]        (JOBBOARD_TEST_FSYNC=on for honest numbers)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "storage/tests/stage.h"

enum phase { PHASE_POST, PHASE_CLAIM, PHASE_LOAD, PHASE_STEPS, PHASE_END, PHASES };
static const char *const phase_names[PHASES] = {"post", "claim", "load", "steps saved",
                                                "end saved"};

struct run {
    struct stage *stage;
    struct storage *store;
    struct job_row *rows;
    uint64_t count;
};

static void ask(struct run *run, enum phase phase, uint64_t i)
{
    static const struct task_change steps[] = {
        {.row = {.path = {"one", 3}, .state = TASK_SUCCESS, .attempt = 1}, true, true, {0}},
        {.row = {.path = {"two", 3}, .state = TASK_SUCCESS, .attempt = 1}, true, true, {0}},
        {.row = {.path = {"three", 5}, .state = TASK_SUCCESS, .attempt = 1}, true, true, {0}}};
    static const struct history_line lines[] = {
        {{"one", 3}, 1, TASK_RUNNING, {0}},   {{"one", 3}, 1, TASK_SUCCESS, {0}},
        {{"two", 3}, 1, TASK_RUNNING, {0}},   {{"two", 3}, 1, TASK_SUCCESS, {0}},
        {{"three", 5}, 1, TASK_RUNNING, {0}}, {{"three", 5}, 1, TASK_SUCCESS, {0}}};
    static const struct history_line end = {{0}, 0, JOB_SUCCESS, {0}};
    struct job_row *row = &run->rows[i];
    uint64_t tag = i * PHASES + (uint64_t)phase;
    struct save save = {.job = row->id,
                        .epoch = row->epoch,
                        .claim = row->claim,
                        .save_no = phase == PHASE_END,
                        .engine = TEXT("e1")};
    if (phase == PHASE_POST) {
        struct post_request request = stage_post_request();
        row->id = request.id;
        storage_post(run->store, &request, tag);
    } else if (phase == PHASE_CLAIM) {
        struct claim_request request = stage_claim_request(&row->id, 0);
        storage_claim(run->store, &request, tag);
    } else if (phase == PHASE_LOAD) {
        storage_load(run->store, &row->id, &row->claim, tag);
    } else if (phase == PHASE_STEPS) {
        save.state = JOB_RUNNING;
        save.records_step = true;
        save.tasks = steps;
        save.task_count = 3;
        save.history = lines;
        save.history_count = 6;
        storage_save(run->store, &save, tag);
    } else {
        save.state = JOB_SUCCESS;
        save.ends_claim = true;
        save.history = &end;
        save.history_count = 1;
        storage_save(run->store, &save, tag);
    }
}

/* Which job and phase an answer belongs to. */
static void take(struct run *run, const struct storage_answer *answer)
{
    uint64_t i = answer->tag / PHASES;
    switch (answer->kind) {
    case STORAGE_POSTED:
        CHECK(answer->u.post.outcome == POST_OK);
        return;
    case STORAGE_CLAIMED:
        CHECK(answer->u.claim.outcome == CLAIM_OK);
        run->rows[i] = answer->u.claim.row;
        return;
    case STORAGE_LOADED:
        CHECK(answer->u.loaded.outcome == LOAD_OK);
        return;
    case STORAGE_SAVED:
        CHECK(answer->u.saved.outcome == SAVE_OK);
        return;
    case STORAGE_UP:
    case STORAGE_DOWN:
    case STORAGE_INBOXED:
    case STORAGE_ROWS:
    case STORAGE_LEASE:
    case STORAGE_NOTICE:
    case STORAGE_VIEW:
        return;
    }
}

static bool is_ours(const struct storage_answer *answer)
{
    return answer->kind >= STORAGE_POSTED && answer->kind <= STORAGE_SAVED;
}

/* One phase for all jobs, `window` asked at a time. */
static double run_phase(struct run *run, enum phase phase, uint64_t window)
{
    struct storage_answer answer;
    int64_t began_us = clock_now_us();
    for (uint64_t asked = 0, done = 0; done < run->count;) {
        while (asked < run->count && asked - done < window)
            ask(run, phase, asked++);
        stage_turn(run->stage);
        while (storage_next(run->store, &answer)) {
            take(run, &answer);
            done += is_ours(&answer);
        }
    }
    return (double)(clock_now_us() - began_us) / 1e6;
}

/* Each job goes on to its next phase as soon as it may. */
static double run_whole(struct run *run, uint64_t window)
{
    struct storage_answer answer;
    int64_t began_us = clock_now_us();
    for (uint64_t asked = 0, done = 0; done < run->count;) {
        while (asked < run->count && asked - done < window)
            ask(run, PHASE_POST, asked++);
        stage_turn(run->stage);
        while (storage_next(run->store, &answer)) {
            if (!is_ours(&answer))
                continue;
            take(run, &answer);
            enum phase phase = (enum phase)(answer.tag % PHASES);
            if (phase == PHASE_END)
                done++;
            else
                ask(run, phase + 1, answer.tag / PHASES);
        }
    }
    return (double)(clock_now_us() - began_us) / 1e6;
}

static void print_rate(struct run *run, const char *name, double seconds, uint64_t rows_before)
{
    uint64_t rows = storage_count(run->store)->rows_written - rows_before;
    printf("%-12s %8.0f jobs/s %10.0f rows/s\n", name, (double)run->count / seconds,
           (double)rows / seconds);
}

int main(int argc, char **argv)
{
    void *state;
    struct run run = {.count = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000};
    stage_setup(&state);
    run.stage = state;
    run.store = stage_store(run.stage, "throughput");
    run.rows = xcalloc(run.count, sizeof *run.rows);
    for (enum phase phase = 0; phase < PHASES; phase++) {
        uint64_t rows = storage_count(run.store)->rows_written;
        print_rate(&run, phase_names[phase], run_phase(&run, phase, BATCH_ROWS_MAX * 2), rows);
    }
    uint64_t rows = storage_count(run.store)->rows_written;
    print_rate(&run, "whole lives", run_whole(&run, BATCH_ROWS_MAX * 2), rows);
    const struct storage_counts *counts = storage_count(run.store);
    printf("save batches %llu, saves in one %.0f\n", (unsigned long long)counts->save_batches,
           (double)counts->saves / (double)counts->save_batches);
    free(run.rows);
    return stage_teardown(&state);
}
