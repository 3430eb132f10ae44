/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "base/os/entropy.h"
#include "base/os/log.h"
#include "engine/adapters/board_adapter.h"
#include "engine/adapters/step_adapter.h"
#include "engine/adapters/storage_adapter.h"
#include "engine/journal.h"
#include "engine/loop.h"

#define EVENTS_A_TURN     512
#define CLOSE_WAIT_MS     2000
#define ROOT_PAUSE_MS     1000
#define ROOT_MARGIN_MS    10000 /* DESIGN 7: nobody proved a lease for 2T + 10 s */
#define SLOW_TURN_MS      50
#define SLOW_PAUSE_MS     1000 /* the longest of a second is enough to read */
#define POSTGRES_PAUSE_MS 1000

struct engine {
    const struct settings *settings;
    char name[256];
    char host[256];
    struct text *tags;
    struct member self;
    struct storage_options storage_options;
    struct storage *storage;
    struct board *board;
    struct step_sources steps;
    struct step_ground ground;
    struct core *core;
    struct loop *loop;
    struct arena scratch;
    int signal_fd;
    int signals;         /* SIGTERM or SIGINT received */
    int signals_told;    /* of them, told to the core */
    bool root_missing;   /* no session since the board told so */
    bool root_asked;     /* Postgres owes an answer about it */
    int64_t root_due_ms; /* when to ask; -1: no need */
    int64_t slow_due_ms; /* from when on a slow round is logged again */
    bool ready;          /* event=ready was logged */
    bool done;
};

/* ------------------------------------------------------------------------------------ signals */

static void signals_interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    const struct engine *engine = self;
    *ret_interest = (struct interest){
        .fd = engine->signal_fd, .want_read = true, .deadline_ms = engine->root_due_ms};
}

static void signals_process(void *self, bool readable, bool writable, int64_t now_ms)
{
    struct engine *engine = self;
    struct signalfd_siginfo info;
    while (readable && read(engine->signal_fd, &info, sizeof info) == sizeof info)
        engine->signals++;
}

static sigset_t leave_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

/* -------------------------------------------------------------------------------- performing */

static void log_ready(struct engine *engine)
{
    if (engine->ready)
        return;
    engine->ready = true;
    log_begin(LOG_INFO, "ready");
    log_string("board", engine->settings->board);
    log_int("pid", getpid());
    log_end();
}

static void perform(struct engine *engine, const struct core_effect *effect)
{
    if (journal_perform(effect) ||
        step_adapter_perform(&engine->steps, &engine->ground, &engine->scratch, effect) ||
        storage_adapter_perform(engine->storage, &engine->self, effect))
        return;
    if (effect->kind == EFFECT_DIVIDE && effect->u.flag)
        log_ready(engine);
    if (board_adapter_perform(engine->board, effect))
        return;
    if (effect->kind == EFFECT_CLOSE)
        board_close(engine->board, CLOSE_WAIT_MS);
    else if (effect->kind == EFFECT_EXIT)
        engine->done = true;
    else
        UNREACHABLE();
}

static void step(struct engine *engine, struct core_event *event)
{
    event->now_ms = clock_now_ms();
    struct effect_list effects;
    core_step(engine->core, event, &effects);
    for (size_t i = 0; i < effects.count; i++)
        perform(engine, &effects.list[i]);
}

/* ------------------------------------------------------------------------------ board's root */

/* A missing root is made again only when no engine can have a board elsewhere: a wrong address must
 * not make a second one. Postgres knows; it is asked like for everything else, since jobs of the
 * last session may still be dying here. */
static void ask_about_root(struct engine *engine)
{
    engine->root_due_ms = -1;
    engine->root_asked = true;
    storage_read_lease(engine->storage, 0);
}

static void judge_root(struct engine *engine, const struct storage_answer *answer)
{
    int64_t age_ms = answer->u.lease.age_ms;
    int64_t pause_ms = 2 * engine->settings->session_timeout_ms + ROOT_MARGIN_MS;
    engine->root_asked = false;
    if (!engine->root_missing)
        return;
    engine->root_due_ms = clock_now_ms() + ROOT_PAUSE_MS;
    if (answer->u.lease.code != 0)
        return;
    if (age_ms >= 0 && age_ms < pause_ms) {
        log_line(LOG_WARN, "root_missing",
                 "the board is not in this ZooKeeper, but an engine worked on it %lld ms ago: "
                 "waiting; is the address right?",
                 (long long)age_ms);
        return;
    }
    log_line(LOG_INFO, "root_created", "the board %s is made", engine->settings->board);
    engine->root_due_ms = -1;
    board_create_root(engine->board);
}

/* ----------------------------------------------------------------------------------- the turn */

static bool pull_board(struct engine *engine, int64_t now_ms)
{
    struct board_event from;
    if (!board_next(engine->board, &from))
        return false;
    if (from.kind == BOARD_ROOT_MISSING || from.kind == BOARD_SESSION_BEGAN) {
        engine->root_missing = from.kind == BOARD_ROOT_MISSING;
        engine->root_due_ms = engine->root_missing && !engine->root_asked ? now_ms : -1;
    } else if (from.kind == BOARD_TROUBLE) {
        log_begin(LOG_WARN, "zookeeper");
        log_text("text", from.text);
        log_end();
    }
    struct core_event event;
    if (board_adapter_translate(&from, &engine->scratch, &event))
        step(engine, &event);
    return true;
}

static bool pull_storage(struct engine *engine)
{
    struct storage_answer from;
    if (!storage_next(engine->storage, &from))
        return false;
    if (from.kind == STORAGE_UP || from.kind == STORAGE_DOWN) {
        log_begin(from.kind == STORAGE_UP ? LOG_INFO : LOG_WARN, "postgres");
        log_string("state", from.kind == STORAGE_UP ? "up" : "down");
        if (from.text.len)
            log_text("text", from.text);
        log_end();
    }
    if (from.kind == STORAGE_LEASE)
        judge_root(engine, &from);
    struct core_event event;
    if (storage_adapter_translate(&from, &event))
        step(engine, &event);
    return true;
}

static bool pull_processes(struct engine *engine)
{
    struct process_event from;
    if (!process_next(engine->steps.processes, &from))
        return false;
    struct core_event event;
    if (step_adapter_translate(&from, &engine->scratch, &event))
        step(engine, &event);
    return true;
}

static bool pull_http(struct engine *engine)
{
    struct http_event from;
    if (!http_next(engine->steps.http, &from))
        return false;
    struct core_event event;
    step_adapter_translate_http(&from, &event);
    step(engine, &event);
    return true;
}

static bool pull_signals(struct engine *engine)
{
    if (engine->signals_told >= engine->signals)
        return false;
    struct core_event event = {.kind = engine->signals_told ? EVENT_DRAIN_NOW : EVENT_DRAIN};
    engine->signals_told++;
    log_line(LOG_INFO, "stopping", "%s",
             event.kind == EVENT_DRAIN ? "handing over; a second signal leaves at once"
                                       : "leaving at once");
    step(engine, &event);
    return true;
}

static void log_slow(struct engine *engine, int64_t now_ms)
{
    const struct loop_hold *hold = &loop_counted(engine->loop)->lately;
    if (hold->ms < SLOW_TURN_MS || now_ms < engine->slow_due_ms)
        return;
    log_begin(LOG_WARN, "slow_turn");
    log_int("ms", hold->ms);
    log_string("in", hold->in);
    log_end();
    loop_look_anew(engine->loop);
    engine->slow_due_ms = now_ms + SLOW_PAUSE_MS;
}

static bool turn(void *context, int64_t now_ms)
{
    struct engine *engine = context;
    bool did = false;
    for (int i = 0; i < EVENTS_A_TURN && !engine->done; i++) {
        bool any = pull_signals(engine);
        any |= pull_board(engine, now_ms);
        any |= pull_storage(engine);
        any |= pull_processes(engine);
        any |= pull_http(engine);
        arena_reset(&engine->scratch);
        if (!any)
            break;
        did = true;
    }
    if (engine->root_due_ms >= 0 && engine->root_due_ms <= now_ms)
        ask_about_root(engine);
    int64_t deadline_ms = core_deadline_ms(engine->core);
    if (deadline_ms >= 0 && deadline_ms <= clock_now_ms() && !engine->done) {
        step(engine, &(struct core_event){.kind = EVENT_TICK});
        did = true;
    }
    board_set_free(engine->board, core_free_slots(engine->core), core_is_draining(engine->core));
    log_slow(engine, now_ms);
    if (engine->done)
        loop_stop(engine->loop);
    return did && !engine->done;
}

static int64_t deadline(void *context)
{
    return core_deadline_ms(((struct engine *)context)->core);
}

/* ----------------------------------------------------------------------------------- building */

static bool is_told_to_leave(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT);
}

/* Postgres may come up later than we do. */
static int wait_for_board(struct engine *engine, struct board_row *ret_row, struct error *ret_error)
{
    int64_t told_ms = 0;
    for (;;) {
        int code = storage_read_board(&engine->storage_options, ret_row, ret_error);
        if (code == 0 || error_class_of(code) != CLASS_RETRY)
            return code;
        if (is_told_to_leave())
            return error_set(ret_error, ERR_INTERRUPTED, "told to stop");
        if (clock_now_ms() - told_ms > 10000) {
            told_ms = clock_now_ms();
            log_line(LOG_WARN, "postgres", "waiting for Postgres: %s", ret_error->text);
        }
        usleep(POSTGRES_PAUSE_MS * 1000);
    }
}

static void name_self(struct engine *engine)
{
    const struct settings *settings = engine->settings;
    if (gethostname(engine->host, sizeof engine->host - 1) != 0)
        snprintf(engine->host, sizeof engine->host, "localhost");
    snprintf(engine->name, sizeof engine->name, "%s",
             settings->name ? settings->name : engine->host);
    engine->tags = xcalloc(settings->tags.count, sizeof *engine->tags);
    for (size_t i = 0; i < settings->tags.count; i++)
        engine->tags[i] = text_of(settings->tags.items[i]);
    engine->self = (struct member){
        .name = text_of(engine->name),
        .host = text_of(engine->host),
        .pid = getpid(),
        .tags = engine->tags,
        .tag_count = settings->tags.count,
        .slots = (int32_t)settings->slots,
        .free = (int32_t)settings->slots,
    };
}

static int open_board(struct engine *engine, const struct board_row *row, struct error *ret_error)
{
    const struct settings *settings = engine->settings;
    struct board_options options = {
        .hosts = settings->zookeeper,
        .name = settings->board,
        .board = row->board,
        .shard_count = (unsigned)row->shard_count,
        .session_timeout_ms = (int)settings->session_timeout_ms,
        .self = &engine->self,
        .auth = settings->zookeeper_auth,
        .seed = entropy_seed(),
    };
    return board_new(&options, &engine->board, ret_error);
}

static void build_core(struct engine *engine, unsigned shard_count)
{
    const struct settings *settings = engine->settings;
    struct core_options options = {
        .engine = engine->self.name,
        .tags = engine->tags,
        .tag_count = settings->tags.count,
        .shard_count = shard_count,
        .slots = (int)settings->slots,
        .processes = (int)settings->processes,
        .window = (int)settings->window,
        .grace_ms = settings->grace_ms,
        .payload_max_bytes = (size_t)settings->payload_max_bytes,
        .job_max_bytes = (size_t)settings->job_max_bytes,
        .lines = CORE_LINES_DEFAULT,
        .seed = entropy_seed(),
    };
    engine->core = core_new(&options);
}

static void build_loop(struct engine *engine)
{
    engine->loop =
        loop_new(&(struct loop_user){.context = engine, .turn = turn, .deadline_ms = deadline});
    struct source sources[STORAGE_SOURCES_MAX + BOARD_SOURCES_MAX];
    loop_add(engine->loop, sources, board_sources(engine->board, sources));
    loop_add(engine->loop, sources, storage_sources(engine->storage, sources));
    sources[0] = process_source(engine->steps.processes);
    sources[1] = http_source(engine->steps.http);
    sources[2] = (struct source){"signals", engine, signals_interest, signals_process};
    loop_add(engine->loop, sources, 3);
}

static int build(struct engine *engine, struct error *ret_error)
{
    const struct settings *settings = engine->settings;
    engine->storage_options = (struct storage_options){
        .conninfo = settings->postgres,
        .schema = settings->schema,
        .application = engine->name,
        .connect_timeout_ms = settings->connect_timeout_ms,
        .answer_timeout_ms = settings->answer_timeout_ms,
        .seed = entropy_seed(),
    };
    struct board_row row;
    int code = wait_for_board(engine, &row, ret_error);
    if (code == 0)
        code = storage_new(&engine->storage_options, &engine->storage, ret_error);
    if (code == 0)
        code = open_board(engine, &row, ret_error);
    if (code != 0)
        return code;
    engine->steps.processes = process_source_new(&(struct process_options){0}, ret_error);
    if (!engine->steps.processes)
        return ret_error->code;
    engine->steps.http = http_source_new(&(struct http_options){0}, ret_error);
    if (!engine->steps.http)
        return ret_error->code;
    build_core(engine, (unsigned)row.shard_count);
    build_loop(engine);
    return 0;
}

int engine_new(const struct settings *settings, struct engine **ret_engine, struct error *ret_error)
{
    struct engine *engine = xcalloc(1, sizeof *engine);
    engine->settings = settings;
    engine->root_due_ms = -1;
    signal(SIGPIPE, SIG_IGN);
    sigset_t signals = leave_signals();
    sigprocmask(SIG_BLOCK, &signals, NULL);
    engine->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    engine->ground =
        (struct step_ground){settings->directory, getenv("PATH"), getenv("HOME"), getenv("LANG")};
    name_self(engine);
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {
        {"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (!strcmp(levels[i].name, settings->log_level))
            log_init(levels[i].level, engine->name);
    }
    int code = build(engine, ret_error);
    if (code != 0) {
        engine_free(engine);
        return code;
    }
    *ret_engine = engine;
    return 0;
}

int engine_run(struct engine *engine)
{
    log_line(LOG_INFO, "starting", "version %s", JOBBOARD_VERSION);
    loop_run(engine->loop);
    journal_counts(core_counted(engine->core));
    journal_store_counts(storage_count(engine->storage));
    journal_board_counts(board_counted(engine->board));
    const struct loop_counts *counts = loop_counted(engine->loop);
    log_begin(LOG_INFO, "left");
    log_int("rounds", (int64_t)counts->rounds);
    log_int("longest_round_ms", counts->longest.ms);
    log_string("longest_in", counts->longest.in);
    log_end();
    return 0;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    loop_free(engine->loop);
    core_free(engine->core);
    http_free(engine->steps.http);
    process_free(engine->steps.processes);
    board_free(engine->board);
    storage_free(engine->storage);
    arena_done(&engine->scratch);
    if (engine->signal_fd >= 0)
        close(engine->signal_fd);
    free(engine->tags);
    free(engine);
}
