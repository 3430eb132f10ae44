/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that hurt and heal single services: `dev engine|zookeeper|postgres ACTION`. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "base/os/clock.h"
#include "cli/dev_services.h"
#include "cli/dev_verbs.h"
#include "cli/exit_code.h"
#include "cli/options.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define FREEZE_WAIT_MS 5000
#define KILL_WAIT_MS   5000

struct control_options {
    const char *dir;
    const char *name; /* engine add */
    bool immediate;   /* postgres */
    int64_t timeout_ms;
};

/* One verb while it runs. */
struct control {
    struct dev dev;
    struct options options;
    struct control_options values;
    enum dev_kind kind;
    struct dev_service *service; /* what is acted on; NULL for `add` */
};

typedef int control_action(struct control *control);

struct action {
    const char *name;
    control_action *run;
    int kinds; /* bits of enum dev_kind */
};

#define ANY (1 << DEV_ENGINE | 1 << DEV_ZOOKEEPER | 1 << DEV_POSTGRES)

static int fail_state(struct control *control, const char *text)
{
    return error_set(&control->dev.error, ERR_WRONG_STATE, "%s %s", control->service->name, text);
}

static int act_start(struct control *control)
{
    struct dev_service *service = control->service;
    if (dev_process_alive(&service->process))
        return fail_state(control, "runs already");
    int code = dev_service_start(&control->dev, service);
    return code ? code : dev_service_await(&control->dev, service, control->values.timeout_ms);
}

static int act_stop(struct control *control)
{
    struct dev_service *service = control->service;
    /* Postgres: fast or immediate shutdown; for the others SIGTERM is the order to end. */
    int signal = service->kind != DEV_POSTGRES ? SIGTERM
                 : control->values.immediate   ? SIGQUIT
                                               : SIGINT;
    if (!dev_process_alive(&service->process))
        return fail_state(control, "does not run");
    int code = dev_service_stop(&control->dev, service, signal, control->values.timeout_ms);
    return code ? code : dev_save(&control->dev);
}

static int act_restart(struct control *control)
{
    int code = act_stop(control);
    return code ? code : act_start(control);
}

static int act_kill(struct control *control)
{
    struct dev_service *service = control->service;
    if (!dev_process_alive(&service->process))
        return fail_state(control, "does not run");
    if (service->kind == DEV_POSTGRES && control->values.immediate)
        return act_stop(control);
    int code = service->kind == DEV_POSTGRES
                   ? dev_postgres_kill(&control->dev, service)
                   : dev_service_stop(&control->dev, service, SIGKILL, KILL_WAIT_MS);
    return code ? code : dev_save(&control->dev);
}

/* Signals the service, Postgres with all its processes, and waits until it is frozen or not. */
static int set_frozen(struct control *control, bool frozen)
{
    struct dev_process_list all = {0};
    const struct dev_service *service = control->service;
    int64_t until_ms = clock_now_ms() + FREEZE_WAIT_MS;
    if (!dev_process_alive(&service->process))
        return fail_state(control, "does not run");
    dev_process_signal(&service->process, frozen ? SIGSTOP : SIGCONT);
    if (service->kind == DEV_POSTGRES)
        dev_postgres_backends(&control->dev, service, &all);
    for (size_t i = 0; i < all.count; i++)
        dev_process_signal(&all.items[i], frozen ? SIGSTOP : SIGCONT);
    dev_process_list_done(&all);
    while (dev_process_frozen(&service->process) != frozen) {
        if (clock_now_ms() > until_ms)
            return error_set(&control->dev.error, ERR_TIMEOUT, "%s does not %s", service->name,
                             frozen ? "freeze" : "thaw");
        dev_process_wait(&service->process, 1, -1, NULL);
    }
    return 0;
}

static int act_freeze(struct control *control)
{
    return set_frozen(control, true);
}

static int act_thaw(struct control *control)
{
    return set_frozen(control, false);
}

/* The first engine-N that is not taken. */
static const char *free_engine_name(struct control *control)
{
    struct dev_state *state = &control->dev.state;
    for (int number = 1;; number++) {
        const char *name = arena_printf(&state->arena, "engine-%d", number).data;
        if (!dev_state_find(state, name))
            return name;
    }
}

static int act_add(struct control *control)
{
    struct options *options = &control->options;
    const char *name = control->values.name ? control->values.name : free_engine_name(control);
    int first = options->dashes_at;
    int code = dev_engine_add(&control->dev, name, options->operands + first,
                              (size_t)(options->operand_count - first), &control->service);
    if (!code)
        code = act_start(control);
    if (!code)
        printf("%s\n", name);
    return code;
}

static const struct action actions[] = {
    {"start", act_start, ANY},         {"stop", act_stop, ANY}, {"kill", act_kill, ANY},
    {"freeze", act_freeze, ANY},       {"thaw", act_thaw, ANY}, {"restart", act_restart, ANY},
    {"add", act_add, 1 << DEV_ENGINE},
};

static const struct action *find_action(struct control *control, const char *name)
{
    const char *names[COUNT(actions)];
    for (size_t i = 0; i < COUNT(actions); i++) {
        names[i] = actions[i].kinds & 1 << control->kind ? actions[i].name : NULL;
        if (names[i] && !strcmp(names[i], name))
            return &actions[i];
    }
    const char *near = nearest_word(text_of(name), names, COUNT(actions));
    error_set(&control->dev.error, ERR_INVALID, "unknown action '%.60s'%s%s", name,
              near ? "; did you mean " : "; see --help", near ? near : "");
    return NULL;
}

/* Finds what the words behind the action name: `engine-2`, for ZooKeeper also just `2`. */
static int find_service(struct control *control, const char *word)
{
    struct dev_state *state = &control->dev.state;
    const char *name = control->kind == DEV_POSTGRES ? "postgres" : word;
    control->service = dev_state_find(state, name);
    if (!control->service)
        control->service = dev_state_find(
            state, arena_printf(&state->arena, "%s-%s", dev_kind_name(control->kind), name).data);
    if (control->service && control->service->kind == control->kind)
        return 0;
    return error_set(&control->dev.error, ERR_NOT_FOUND, "there is no %s called %.60s",
                     dev_kind_name(control->kind), name);
}

static int run_action(struct control *control)
{
    struct options *options = &control->options;
    const struct action *action = find_action(control, options->operands[0]);
    if (!action)
        return ERR_INVALID;
    bool add = action->run == act_add;
    int words = add || control->kind == DEV_POSTGRES ? 1 : 2;
    if (options->dashes_at > words || (!add && options->operand_count > words))
        return error_set(&control->dev.error, ERR_INVALID, "too many words; see --help");
    if (!add && options->operand_count < words)
        return error_set(&control->dev.error, ERR_INVALID, "say which %s; see --help",
                         dev_kind_name(control->kind));
    int code = dev_open(&control->dev, control->values.dir, true);
    if (!code && !add)
        code = find_service(control, options->operand_count > 1 ? options->operands[1] : NULL);
    if (!code)
        code = action->run(control);
    return code;
}

static void say_done(const struct control *control)
{
    const struct dev_service *service = control->service;
    if (dev_process_alive(&service->process))
        dev_say("%s: %s (pid %d)", service->name, control->options.operands[0],
                (int)service->process.pid);
    else
        dev_say("%s: %s", service->name, control->options.operands[0]);
}

#define FIELD(field) offsetof(struct control_options, field)
#define SHARED_ROWS                                                                                \
    {.name = "dir",                                                                                \
     .letter = 'd',                                                                                \
     .kind = OPTION_TEXT,                                                                          \
     .argument = "DIR",                                                                            \
     .env = "JOBBOARD_DEV_DIR",                                                                    \
     .fallback = DEV_DIR_DEFAULT,                                                                  \
     .offset = FIELD(dir),                                                                         \
     .help = "the scratch folder of the cluster"},                                                 \
    {                                                                                              \
        .name = "timeout", .kind = OPTION_DURATION, .argument = "TIME", .fallback = "1m",          \
        .min = 1, .max = 3600000, .offset = FIELD(timeout_ms),                                     \
        .help = "how long starting or stopping may take"                                           \
    }

static const struct option_row engine_rows[] = {
    SHARED_ROWS,
    {.name = "name",
     .kind = OPTION_TEXT,
     .argument = "NAME",
     .offset = FIELD(name),
     .help = "add: what to call it (the next engine-N)"},
};
static const struct option_row zookeeper_rows[] = {SHARED_ROWS};
static const struct option_row postgres_rows[] = {
    SHARED_ROWS,
    {.name = "immediate",
     .kind = OPTION_FLAG,
     .offset = FIELD(immediate),
     .help = "stop, restart, kill: immediate shutdown (recovery at the next start)"},
};

static int run_control(enum dev_kind kind, struct option_set set, const struct option_row *rows,
                       size_t row_count, int argc, char **argv)
{
    struct control control = {.kind = kind};
    struct option_group group = {.rows = rows, .count = row_count, .target = &control.values};
    int exit;
    set.groups = &group;
    set.group_count = 1;
    set.operands_min = 1;
    set.operands_max = -1;
    control.dev.lock_fd = control.dev.interrupt_fd = -1;
    if (!cli_parse(&control.options, &set, argc, argv, &exit))
        return exit;
    int code = run_action(&control);
    if (code && control.dev.failed_log) {
        struct buffer tail = {0};
        dev_tail(control.dev.failed_log, 20, &tail);
        if (tail.len)
            dev_say("the last lines of %s:\n%s", control.dev.failed_log, tail.data);
        buffer_done(&tail);
    }
    exit = dev_exit_of(&control.dev, set.program + sizeof "jobboard " - 1, code);
    if (!code)
        say_done(&control);
    dev_close(&control.dev);
    options_done(&control.options);
    return exit;
}

int dev_verb_engine(int argc, char **argv)
{
    struct option_set set = {
        .program = "jobboard dev engine",
        .arguments = "start|stop|restart|kill|freeze|thaw NAME  |  add [-- ENGINE-OPTIONS]",
        .story =
            "`stop` lets the engine hand over its jobs (SIGTERM); `kill` is SIGKILL; `freeze`\n"
            "stops it until `thaw`. Each returns when done, a start when the engine is ready.",
        .examples = "  jobboard dev engine kill engine-1\n"
                    "  jobboard dev engine add --name big -- --slots 5000"};
    return run_control(DEV_ENGINE, set, engine_rows, COUNT(engine_rows), argc, argv);
}

int dev_verb_zookeeper(int argc, char **argv)
{
    struct option_set set = {.program = "jobboard dev zookeeper",
                             .arguments = "start|stop|restart|kill|freeze|thaw N",
                             .story = "N is the server's number; the ports stay the same.",
                             .examples = "  jobboard dev zookeeper kill 2"};
    return run_control(DEV_ZOOKEEPER, set, zookeeper_rows, COUNT(zookeeper_rows), argc, argv);
}

int dev_verb_postgres(int argc, char **argv)
{
    struct option_set set = {
        .program = "jobboard dev postgres",
        .arguments = "start|stop|restart|kill|freeze|thaw",
        .story = "`stop` is a fast shutdown; `kill` is SIGKILL to all its processes at once.",
        .examples = "  jobboard dev postgres restart --immediate"};
    return run_control(DEV_POSTGRES, set, postgres_rows, COUNT(postgres_rows), argc, argv);
}
