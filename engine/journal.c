/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/journal.h"

#include "base/os/log.h"

static void log_job(const struct uuid *job)
{
    if (!uuid_is_nil(job))
        log_string("job", UUID_STR(job));
}

static void log_moved(const struct core_effect *effect)
{
    static const struct {
        const char *event;
        enum log_level level;
    } kinds[] = {
        [MOVED_JOB] = {"job", LOG_INFO},
        [MOVED_TASK] = {"task", LOG_INFO},
        [MOVED_CLAIM] = {"claim", LOG_DEBUG},
        [MOVED_LEASE] = {"lease", LOG_INFO},
    };
    log_begin(kinds[effect->u.moved.what].level, kinds[effect->u.moved.what].event);
    log_job(&effect->u.moved.job);
    if (effect->u.moved.what == MOVED_TASK) {
        log_text("task", effect->u.moved.task);
        log_int("attempt", effect->u.moved.attempt);
    }
    if (effect->u.moved.what != MOVED_LEASE)
        log_int("epoch", effect->u.moved.epoch);
    log_string("from", effect->u.moved.from);
    log_string("to", effect->u.moved.to);
    if (effect->u.moved.detail.len)
        log_text("detail", effect->u.moved.detail);
    log_end();
}

bool journal_perform(const struct core_effect *effect)
{
    if (effect->kind == EFFECT_MOVED) {
        log_moved(effect);
        return true;
    }
    if (effect->kind == EFFECT_TROUBLE) {
        log_begin(LOG_WARN, effect->u.trouble.event);
        log_job(&effect->u.trouble.job);
        log_text("text", effect->u.trouble.text);
        log_end();
        return true;
    }
    return false;
}

struct count {
    const char *name;
    uint64_t value;
};

static void log_counts(const char *event, const struct count *rows, size_t row_count)
{
    log_begin(LOG_INFO, event);
    for (size_t i = 0; i < row_count; i++)
        log_int(rows[i].name, (int64_t)rows[i].value);
    log_end();
}

void journal_counts(const struct core_counts *counts)
{
    const struct count rows[] = {
        {"claims", counts->claims},
        {"takeovers", counts->takeovers},
        {"finished", counts->finished},
        {"released", counts->released},
        {"dropped", counts->dropped},
        {"locks_taken", counts->locks_taken},
        {"claims_changed", counts->claims_changed},
        {"claims_busy", counts->claims_busy},
        {"claims_unknown", counts->claims_unknown},
        {"saves", counts->saves},
        {"saves_already", counts->saves_already},
        {"saves_refused", counts->saves_refused},
        {"saves_busy", counts->saves_busy},
        {"saves_unknown", counts->saves_unknown},
        {"saves_bad", counts->saves_bad},
        {"steps_started", counts->steps_started},
        {"steps_ended", counts->steps_ended},
        {"steps_killed", counts->steps_killed},
        {"leases_doubted", counts->leases_doubted},
        {"sessions_given_up", counts->sessions_given_up},
        {"placed", counts->placed},
        {"removed", counts->removed},
        {"audit_lost", counts->audit_lost},
        {"audit_found", counts->audit_found},
        {"stale_events", counts->stale_events},
    };
    log_counts("counts", rows, sizeof rows / sizeof rows[0]);
}

void journal_store_counts(const struct storage_counts *counts)
{
    /* The order of the kinds is told in storage.h. */
    const struct count rows[] = {
        {"post_statements", counts->statements[0]},
        {"claim_statements", counts->statements[1]},
        {"load_statements", counts->statements[2]},
        {"save_statements", counts->statements[3]},
        {"row_statements", counts->statements[4]},
        {"repair_statements", counts->statements[5]},
        {"view_statements", counts->statements[6]},
        {"other_statements", counts->statements[7]},
        {"saves", counts->saves},
        {"save_batches", counts->save_batches},
        {"rows_written", counts->rows_written},
        {"resent_singly", counts->resent_singly},
        {"unknown", counts->unknown},
        {"refused", counts->refused},
        {"busy", counts->busy},
        {"reconnects", counts->reconnects},
        {"blockers_ended", counts->blockers_ended},
    };
    log_counts("store_counts", rows, sizeof rows / sizeof rows[0]);
}

void journal_board_counts(const struct board_counts *counts)
{
    const struct count rows[] = {
        {"multis", counts->multis},     {"multi_ops", counts->multi_ops},
        {"singles", counts->singles},   {"znodes_written", counts->znodes_written},
        {"unknown", counts->unknown},   {"resent_singly", counts->resent_singly},
        {"sessions", counts->sessions}, {"garbage_names", counts->garbage_names},
        {"oversize", counts->oversize},
    };
    log_counts("board_counts", rows, sizeof rows / sizeof rows[0]);
}
