/* SPDX-License-Identifier: Apache-2.0 */
/* The root `tasks`: what a task waits for, in its own flow first, then in the flows around. */
#include "engine/flow/compiler.h"

static const char *const task_fields[] = {"result", "failure", "state"};

/* What a name means, and whether it may be used here. */
struct sight {
    const struct draft *found; /* NULL: no task of that name in sight */
    const struct draft *from;  /* the task, or the one around it, that stands beside `found`; NULL:
                                * all of that flow is seen */
    bool is_seen;
};

static struct sight look(const struct compiler *c, const struct use *use)
{
    struct text name = use->names[1];
    const struct draft *draft = use->draft;
    struct sight sight = {.is_seen = true};
    if (use->roots & ROOT_INSIDE && draft->nested)
        sight.found = names_find(&draft->nested->names, name);
    for (; !sight.found && draft; draft = draft->around) {
        const struct level *level = draft->level;
        if (draft == c->finally) {
            sight.found = names_find(&c->job->nested->names, name);
        } else if (level && (sight.found = names_find(&level->names, name))) {
            sight.from = draft;
            sight.is_seen =
                draft->is_bad || level_waits_for(level, draft->number, sight.found->number);
        }
    }
    return sight;
}

/* A task that exists but is not waited for. */
static void report_not_awaited(struct compiler *c, const struct use *use, const struct sight *sight)
{
    const struct draft *used = sight->found, *from = sight->from;
    const struct level *level = used->level;
    struct flow_problem *problem;
    struct span span = scope_span(c, use, 1);
    if (used == from) {
        problem = report_error(&c->report, span,
                               used == use->draft ? "a task can't see itself in `tasks`"
                                                  : "`%.*s` is around this task: it has not ended",
                               TEXT_ARG(used->task->name));
        if (used == use->draft && use->roots & ROOT_RESULT)
            report_hint(&c->report, problem, "its result is `result` here");
        return;
    }
    problem = report_error(&c->report, span, "`%.*s` does not wait for `%.*s`",
                           TEXT_ARG(from->task->name), TEXT_ARG(used->task->name));
    if (level->is_steps && used->number > from->number)
        report_hint(&c->report, problem, "`%.*s` comes later", TEXT_ARG(used->task->name));
    else if (level_waits_for(level, used->number, from->number))
        report_hint(&c->report, problem, "`%.*s` itself waits for `%.*s`",
                    TEXT_ARG(used->task->name), TEXT_ARG(from->task->name));
    else if (from == use->draft)
        report_hint(&c->report, problem, "add it to the task's `needs`");
    else
        report_hint(&c->report, problem,
                    "add it to the `needs` of `%.*s`, the task around this one",
                    TEXT_ARG(from->task->name));
}

/* A task of that name which is out of sight. */
static bool hint_hidden(struct compiler *c, const struct use *use, struct flow_problem *problem)
{
    const struct draft *hidden = find_elsewhere(c, NULL, use->names[1]);
    if (!hidden)
        return false;
    const struct draft *owner = hidden->around;
    if (owner == c->finally)
        report_hint(&c->report, problem, "it is a part of `finally`");
    else
        report_hint(&c->report, problem,
                    "it is a part of `%.*s`, and nobody looks into a nested flow: let it give the "
                    "value by its `output`",
                    TEXT_ARG(owner->task->name));
    return true;
}

static void report_unknown(struct compiler *c, const struct use *use)
{
    struct flow_problem *problem = report_error(&c->report, scope_span(c, use, 1),
                                                "there is no task `%.*s`", TEXT_ARG(use->names[1]));
    if (!report_takes_hint(&c->report, problem))
        return;
    struct text nearest = TEXT_NONE;
    for (const struct draft *draft = use->draft; draft && !nearest.data; draft = draft->around) {
        /* The job and `finally` see the outermost flow. */
        const struct level *level = draft->level ? draft->level : c->job->nested;
        nearest = names_nearest(&level->names, use->names[1]);
    }
    if (hint_hidden(c, use, problem))
        return;
    if (nearest.data)
        report_hint(&c->report, problem, "did you mean `%.*s`?", TEXT_ARG(nearest));
}

/* Whether the task's result is null whatever happens. */
static bool gives_null(const struct draft *draft, const char **ret_why)
{
    const struct flow_task *task = draft->task;
    *ret_why = task->verb == VERB_TASKS  ? "its flow has no `output`"
               : task->verb == VERB_NOOP ? "it does nothing"
               : task->verb == VERB_FAIL ? "it only fails"
                                         : "it has `result: none`";
    return draft->has_known_verb &&
           ((task->verb == VERB_TASKS && !node_member(draft->map, "output")) ||
            task->verb == VERB_NOOP || task->verb == VERB_FAIL || task->result == RESULT_NONE);
}

static void warn_of_null(struct compiler *c, const struct use *use, const struct draft *found)
{
    const char *why;
    if (use->count < 3 || !text_equal(use->names[2], TEXT("result")) || !gives_null(found, &why))
        return;
    report_warning(&c->report, scope_span(c, use, 1), "the result of `%.*s` is always null: %s",
                   TEXT_ARG(found->task->name), why);
}

/* Whether the task whose expression it is only runs when the other one did not fail. */
static bool runs_after_success(const struct draft *draft, const struct draft *other)
{
    const struct flow_task *task = draft->task;
    if (draft->level != other->level || task->join != JOIN_ALL ||
        other->task->on_failure == FAIL_CONTINUE)
        return false;
    for (size_t i = 0; i < task->need_count; i++)
        if (task->needs[i].task == other->number && task->needs[i].kind == NEED_SUCCESS)
            return true;
    return false;
}

static void warn_of_no_failure(struct compiler *c, const struct use *use, const struct draft *found)
{
    struct text text = use->scalar->text;
    bool is_failure = use->count >= 3 && text_equal(use->names[2], TEXT("failure"));
    bool is_state = use->count >= 3 && text_equal(use->names[2], TEXT("state")) &&
                    memmem(text.data, text.len, "FAILURE", strlen("FAILURE"));
    if (!(is_failure || is_state) || !runs_after_success(use->draft, found))
        return;
    struct text name = found->task->name;
    struct flow_problem *problem = report_warning(
        &c->report, scope_span(c, use, 2), "`tasks.%.*s.%s here: `%.*s` needs its success",
        TEXT_ARG(name), is_state ? "state` is never FAILURE" : "failure` is always null",
        TEXT_ARG(use->draft->task->name));
    report_hint(
        &c->report, problem,
        "`needs: {%.*s: failure}` runs when it failed; `on_failure: continue` in `%.*s` lets "
        "both cases through",
        TEXT_ARG(name), TEXT_ARG(name));
}

/* The job itself waits for nothing, and `defaults` hold for every task. */
static bool sees_no_tasks(struct compiler *c, const struct use *use)
{
    const struct draft *draft = use->draft;
    return draft == c->defaults || (draft == c->job && !(use->roots & ROOT_INSIDE));
}

void scope_check_tasks(struct compiler *c, const struct use *use)
{
    if (sees_no_tasks(c, use)) {
        struct flow_problem *problem =
            report_error(&c->report, scope_span(c, use, 0), "`tasks` means nothing in `%s` of %s",
                         use->key, use->draft == c->job ? "the job" : "`defaults`");
        report_hint(&c->report, problem,
                    use->draft == c->job ? "the job waits for no task"
                                         : "it holds for tasks that wait for nothing, too");
        return;
    }
    if (use->count < 2 || !c->job->nested)
        return;
    struct sight sight = look(c, use);
    if (!sight.found) {
        report_unknown(c, use);
        return;
    }
    if (!sight.is_seen)
        report_not_awaited(c, use, &sight);
    else {
        warn_of_null(c, use, sight.found);
        warn_of_no_failure(c, use, sight.found);
    }
    scope_check_field(c, use, 2, "tasks.NAME", task_fields,
                      sizeof task_fields / sizeof task_fields[0]);
}
