/* SPDX-License-Identifier: Apache-2.0 */
/* `defaults`: what each run, sh and http of the file gets that does not say it itself. */
#include "engine/flow/readers.h"
#include "engine/flow/value.h"

void key_defaults(struct compiler *c, const struct target *target, const struct node *value)
{
    struct draft *draft = draft_new(c, value->key->span);
    const struct target inner = {.draft = draft};
    if (value->kind != NODE_MAP) {
        report_error(&c->report, value->span,
                     "`defaults` must be a map of `timeout`, `retry`, `env` and `cwd`, not %s",
                     node_kind_name(value));
        return;
    }
    c->defaults = draft;
    draft->around = c->job;
    draft->map = value;
    language_read(c, IN_DEFAULTS, value, &inner);
}

/* Variables of the task's own stand in for those of the same name. */
static void merge_env(struct compiler *c, struct flow_task *task, const struct flow_task *defaults)
{
    struct names own = {0};
    size_t count = 0;
    struct flow_env *env =
        arena_calloc(c->arena, defaults->env_count + task->env_count, sizeof *env);
    for (size_t i = 0; i < task->env_count; i++)
        names_add(&own, &c->scratch, task->env[i].name, task);
    for (size_t i = 0; i < defaults->env_count; i++)
        if (!names_find(&own, defaults->env[i].name))
            env[count++] = defaults->env[i];
    for (size_t i = 0; i < task->env_count; i++)
        env[count++] = task->env[i];
    names_done(&own);
    task->env = env;
    task->env_count = count;
}

static void apply(struct compiler *c, struct flow_task *task)
{
    const struct flow_task *defaults = c->defaults->task;
    bool is_process = task->verb == VERB_RUN || task->verb == VERB_SH;
    if (!is_process && task->verb != VERB_HTTP)
        return;
    c->defaults_used = true;
    if (!task->timeout_ms.present)
        task->timeout_ms = defaults->timeout_ms;
    if (!task->retry.present)
        task->retry = defaults->retry;
    if (is_process && !task->cwd)
        task->cwd = defaults->cwd;
    if (is_process && defaults->env_count > 0 && !task->env_count) {
        task->env = defaults->env;
        task->env_count = defaults->env_count;
    } else if (is_process && defaults->env_count > 0) {
        merge_env(c, task, defaults);
    }
}

void defaults_apply(struct compiler *c)
{
    if (!c->defaults)
        return;
    if (c->finally)
        apply(c, c->finally->task);
    for (struct level *level = c->levels; level; level = level->next) {
        for (uint32_t i = 0; i < level->result->task_count; i++) {
            struct flow_task *task = level->drafts[i].task;
            apply(c, task);
            if (task->revert)
                apply(c, (struct flow_task *)task->revert);
        }
    }
}
