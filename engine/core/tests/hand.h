/* SPDX-License-Identifier: Apache-2.0 */
/* A core driven by hand: one turn, one event, and the effects of that turn to look at.
 *
 * Knows the tags of what the core asked for, so that a test says only how it is answered. Refuses
 * to know what is right: the tests say it. One job, one shard, one session of 9 s, unless the test
 * tells otherwise. */
#ifndef ENGINE_CORE_TESTS_HAND_H
#define ENGINE_CORE_TESTS_HAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "engine/core/core.h"

#define HAND_TIMEOUT_MS 9000

struct hand {
    struct core *core;
    int64_t now_ms;
    struct uuid boot;              /* of the session */
    struct effect_list effects;    /* of the newest event */
    uint64_t tags[EFFECT_KINDS];   /* of the newest request of each kind, 0: none */
    bool waits[EFFECT_KINDS];      /* it was not answered */
    struct save save;              /* the newest one; its arrays last until the next event */
    uint64_t step;                 /* the newest one that was to be started */
    struct job_row row;            /* of the job */
    struct text flow_text, target; /* it is loaded with; none: a flow of one `noop` */
    const struct task_row *tasks;  /* it is loaded with */
    size_t task_count;
    const struct inbox_row *inbox;
    size_t inbox_count;
    struct text key;
};

/* The options that a test may change before hand_begin. */
struct core_options hand_options(void);
/* A core with the store up and no session. */
void hand_begin(struct hand *hand, const struct core_options *options);
void hand_end(struct hand *hand);

void hand_tell(struct hand *hand, struct core_event event);
void hand_say(struct hand *hand, enum event_kind kind);
/* Time passes, and the core is told. */
void hand_pass(struct hand *hand, int64_t ms);
/* The same under a session that is proven on the way, however long. */
void hand_live(struct hand *hand, int64_t ms);
void hand_prove(struct hand *hand);

void hand_session(struct hand *hand);
void hand_session_ended(struct hand *hand);
/* Self divides, and so do the others; numbered boots. */
void hand_members(struct hand *hand, int others);
struct uuid hand_boot(int number);
struct uuid hand_job(int number);

/* Answers to the newest request of its kind. */
void hand_listed(struct hand *hand, enum board_outcome outcome, const struct card *cards,
                 size_t count);
void hand_rows(struct hand *hand, enum effect_kind asked, int code, const struct job_row *rows,
               size_t count);
void hand_board(struct hand *hand, enum effect_kind asked, enum board_outcome outcome);
void hand_claimed(struct hand *hand, enum claim_outcome outcome);
void hand_loaded(struct hand *hand, enum load_outcome outcome);
void hand_saved(struct hand *hand, enum save_outcome outcome);
void hand_step_ended(struct hand *hand, uint64_t step, const char *out);

/* What the job's row says, as a card. */
struct card hand_card(const struct job_row *row);
/* From no session to: its row is being read; its lock is being made; its row is being claimed; it
 * is being loaded; it runs, its first turn done. */
void hand_read(struct hand *hand);
void hand_lock(struct hand *hand);
void hand_claim(struct hand *hand);
void hand_load(struct hand *hand);
void hand_run(struct hand *hand);

/* Of the newest turn. */
size_t hand_count(const struct hand *hand, enum effect_kind kind);
const struct core_effect *hand_find(const struct hand *hand, enum effect_kind kind);
/* A person is told so, once. */
void hand_expect_trouble(const struct hand *hand, const char *event);
/* The newest save of a task, by its path; NULL: it has none. */
const struct task_row *hand_saved_row(const struct hand *hand, const char *path);

#endif
