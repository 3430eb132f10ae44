/* SPDX-License-Identifier: Apache-2.0 */
/* What is legal and surely not meant. Runs only over files without errors, so that nothing here
 * follows from a mistake that was reported. */
#include "engine/flow/compiler.h"

static void warn(struct compiler *c, struct span span, const char *message, const char *hint)
{
    struct flow_problem *problem = report_warning(&c->report, span, "%s", message);
    if (hint)
        report_hint(&c->report, problem, "%s", hint);
}

/* ---------------------------------------------------------------------------- keys without effect
 */

static void doubt_retry(struct compiler *c, const struct draft *draft)
{
    const struct flow_retry *retry = &draft->task->retry;
    bool has_default = c->defaults && c->defaults->task->retry.present;
    if (!draft->retry_attempts || retry->values || retry->attempts.expr ||
        retry->attempts.value != 1 || has_default)
        return;
    warn(c, draft->retry_attempts->key->span, "`attempts: 1` retries nothing",
         "`attempts` counts the first: `attempts: 2` tries once more");
}

static bool ends_at_once(const struct flow_task *task)
{
    return task->verb == VERB_SET || task->verb == VERB_FAIL || task->verb == VERB_NOOP;
}

static void doubt_keys(struct compiler *c, const struct draft *draft)
{
    const struct flow_task *task = draft->task;
    if (task->skip != SKIP_TASK && !task->run_if)
        warn(c, draft_key_span(draft, "skip"), "`skip` does nothing without `if`",
             "it says how far a no of `if` reaches");
    if (draft->level && task->need_count == 0 && node_member(draft->map, "join"))
        warn(c, draft_key_span(draft, "join"), "`join` does nothing: the task needs none", NULL);
    if (task->once && (ends_at_once(task) || task->verb == VERB_TASKS))
        warn(c, draft_key_span(draft, "once"), "`once` does nothing here",
             "it goes with `run`, `sh` and `http`, whose outcome may be unknown");
    if (ends_at_once(task) && task->timeout_ms.present)
        warn(c, draft_key_span(draft, "timeout"),
             "`timeout` does nothing here: the verb takes no "
             "time",
             NULL);
}

static void doubt_http(struct compiler *c, const struct draft *draft)
{
    const struct node *http = node_member(draft->map, "http");
    const struct node *method = http ? node_member(http, "method") : NULL;
    const struct node *body = http ? node_member(http, "body") : NULL;
    bool is_head = method && text_equal(method->text, TEXT("HEAD"));
    if (!body || (method && !is_head && !text_equal(method->text, TEXT("GET"))))
        return;
    warn(c, body->key->span, is_head ? "a HEAD has no body" : "a GET has no body",
         method ? NULL : "add `method: POST`");
}

/* --------------------------------------------------------------------------------------- loops */

static void doubt_repeat(struct compiler *c, const struct draft *draft)
{
    const struct flow_repeat *repeat = &draft->task->repeat;
    if (!repeat->present)
        return;
    struct span span = node_member(node_member(draft->map, "repeat"), "until")->span;
    if (repeat->until.expr && !draft->until_changes)
        warn(c, span, "nothing in this condition changes from round to round",
             "`result` is what the round gave, `round` its number from 0");
    else if (!repeat->until.expr && repeat->until.constant)
        warn(c, span, "`until: true` ends after the first round", NULL);
    else if (!repeat->until.expr && !repeat->times.present && !draft->task->deadline_ms.present)
        warn(c, span, "nothing ends these rounds", "`times` or `deadline` would");
}

static void doubt_foreach(struct compiler *c, const struct draft *draft)
{
    const struct flow_foreach *foreach = &draft->task->foreach;
    if (!foreach->present)
        return;
    const struct node *value = node_member(draft->map, "foreach");
    const struct node *list = value->kind == NODE_MAP ? node_member(value, "in") : value;
    if (list->kind != NODE_LIST && list->kind != NODE_MAP)
        return;
    if (list->count == 0)
        warn(c, list->span, "there is no item: the task does nothing", NULL);
    else if (foreach->enough.present && !foreach->enough.expr && !foreach->enough_is_percent &&
             foreach->enough.value > (int64_t)list->count)
        report_warning(&c->report, node_member(value, "enough")->span,
                       "never enough: there are %u items", list->count);
}

/* -------------------------------------------------------------------------------------- reverts */

static void doubt_revert(struct compiler *c, const struct draft *draft)
{
    const struct flow_task *revert = draft->task->revert;
    if (!revert)
        return;
    if (draft->revert->retry_attempts)
        doubt_retry(c, draft->revert);
    const struct node *map = node_member(draft->map, "revert");
    const struct node *condition = node_member(map, "if");
    if (revert->run_if && !revert->run_if->expr && !revert->run_if->constant)
        warn(c, condition->span, "this revert never runs", NULL);
}

/* `stop` of the job leaves everything as it is. */
static void doubt_stop(struct compiler *c, const struct level *top)
{
    const struct draft *with_revert = NULL;
    if (c->flow->on_failure != FAIL_STOP || c->flow->retry.present)
        return; /* between two attempts of the job there is undoing */
    for (uint32_t i = 0; i < top->result->task_count; i++)
        if (top->drafts[i].task->revert && !with_revert)
            with_revert = &top->drafts[i];
    for (const struct level *level = c->levels; level; level = level->next)
        for (uint32_t i = 0; i < level->result->task_count; i++)
            if (level->drafts[i].task->on_failure == FAIL_REVERT_ALL)
                return;
    if (!with_revert)
        return;
    struct flow_problem *problem =
        report_warning(&c->report, draft_key_span(c->job, "on_failure"),
                       "with `stop` no failure of the job undoes anything: the `revert` of `%.*s` "
                       "only runs when the job is cancelled",
                       TEXT_ARG(with_revert->task->name));
    report_hint(&c->report, problem, "leave `on_failure` out to have the job undone");
}

/* ---------------------------------------------------------------------------------- unreachable */

/* Whether nothing can make the task fail. */
static bool never_fails(const struct flow_task *task)
{
    bool is_plain =
        task->verb == VERB_NOOP || (task->verb == VERB_SET && template_is_constant(task->value));
    return is_plain && !task->run_if && !task->expect && !task->deadline_ms.present &&
           !task->foreach.present && !task->repeat.present && !task->join_count.expr;
}

/* Per task, what must have succeeded and what must have failed when it runs. */
struct musts {
    uint64_t *succeed, *fail; /* a row per task */
    size_t words;
};

static bool contradicts(const struct musts *musts, uint32_t task, uint32_t *ret_which)
{
    for (size_t word = 0; word < musts->words; word++) {
        uint64_t both =
            musts->succeed[task * musts->words + word] & musts->fail[task * musts->words + word];
        if (!both)
            continue;
        *ret_which = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(both);
        return true;
    }
    return false;
}

static void set_bit(const struct musts *musts, uint64_t *rows, uint32_t task, uint32_t other)
{
    rows[task * musts->words + other / 64] |= UINT64_C(1) << (other % 64);
}

/* Adds what the needs of the task demand; whether one of those can't run itself. */
static bool gather_musts(const struct level *level, const struct musts *musts, uint32_t number)
{
    const struct flow_task *task = level->drafts[number].task;
    bool inherits = false;
    uint32_t which;
    for (size_t i = 0; task->join == JOIN_ALL && i < task->need_count; i++) {
        uint32_t need = task->needs[i].task;
        if (task->needs[i].kind == NEED_DONE)
            continue;
        for (size_t word = 0; word < musts->words; word++) {
            musts->succeed[number * musts->words + word] |=
                musts->succeed[need * musts->words + word];
            musts->fail[number * musts->words + word] |= musts->fail[need * musts->words + word];
        }
        inherits |= contradicts(musts, need, &which);
        if (task->needs[i].kind == NEED_FAILURE)
            set_bit(musts, musts->fail, number, need);
        else if (level->drafts[need].task->on_failure != FAIL_CONTINUE)
            set_bit(musts, musts->succeed, number, need);
    }
    return inherits;
}

static void doubt_musts(struct compiler *c, const struct level *level)
{
    size_t count = level->result->task_count;
    struct musts musts = {.words = (count + 63) / 64};
    musts.succeed = arena_calloc(&c->scratch, count * musts.words + 1, sizeof(uint64_t));
    musts.fail = arena_calloc(&c->scratch, count * musts.words + 1, sizeof(uint64_t));
    for (uint32_t i = 0; i < level->ordered; i++) {
        const struct draft *draft = &level->drafts[level->result->by_needs[i]];
        uint32_t which;
        if (gather_musts(level, &musts, draft->number) ||
            !contradicts(&musts, draft->number, &which))
            continue;
        struct text name = level->drafts[which].task->name;
        report_warning(&c->report, draft_key_span(draft, "needs"),
                       "this task can never run: `%.*s` would have to fail and to succeed",
                       TEXT_ARG(name));
    }
}

/* Needs of failures that can't be. */
static bool doubt_failures(struct compiler *c, const struct level *level)
{
    bool has_failure_need = false;
    for (uint32_t i = 0; i < level->result->task_count; i++) {
        const struct flow_task *task = level->drafts[i].task;
        for (size_t j = 0; j < task->need_count; j++) {
            const struct flow_task *need = level->drafts[task->needs[j].task].task;
            if (task->needs[j].kind != NEED_FAILURE)
                continue;
            has_failure_need = true;
            if (never_fails(need))
                report_warning(&c->report, draft_key_span(&level->drafts[i], "needs"),
                               "`%.*s` can't fail: this need is never met", TEXT_ARG(need->name));
        }
    }
    return has_failure_need;
}

static bool file_has_skip(const struct compiler *c)
{
    for (const struct level *level = c->levels; level; level = level->next)
        for (uint32_t i = 0; i < level->result->task_count; i++)
            if (level->drafts[i].task->skip != SKIP_TASK)
                return true;
    return false;
}

/* ------------------------------------------------------------------------------------ the file */

static void doubt_inputs(struct compiler *c)
{
    const struct node *declared = c->input ? c->input->first : NULL;
    for (size_t i = 0; i < c->flow->input_count; i++, declared = declared->next)
        if (!c->inputs_used[i])
            report_warning(&c->report, declared->key->span, "the input `%.*s` is never used",
                           TEXT_ARG(c->flow->inputs[i].name));
}

/* Marks whose `until` looks at something that a round may change. */
static void note_changes(struct compiler *c)
{
    static const char *const roots[] = {"result", "prev", "round", "retry"};
    for (const struct use *use = c->uses; use; use = use->next) {
        for (size_t j = 0; !strcmp(use->key, "repeat.until") && j < 4; j++)
            if (text_equal(use->names[0], text_of(roots[j])))
                use->draft->until_changes = true;
    }
}

static void doubt_task(struct compiler *c, const struct draft *draft)
{
    doubt_retry(c, draft);
    doubt_keys(c, draft);
    doubt_http(c, draft);
    doubt_repeat(c, draft);
    doubt_foreach(c, draft);
    doubt_revert(c, draft);
    doubt_texts(c, draft);
}

void doubts_warn(struct compiler *c)
{
    bool has_skip = file_has_skip(c);
    note_changes(c);
    doubt_inputs(c);
    doubt_retry(c, c->job);
    doubt_stop(c, c->job->nested);
    doubt_texts(c, c->job);
    if (c->defaults && !c->defaults_used)
        warn(c, c->defaults->name_span, "no `run`, `sh` or `http` takes these defaults", NULL);
    if (c->finally)
        doubt_task(c, c->finally);
    for (struct level *level = c->levels; level; level = level->next) {
        for (uint32_t i = 0; i < level->result->task_count; i++)
            doubt_task(c, &level->drafts[i]);
        /* What a `skip` reaches counts as met, whatever it needs. */
        if (doubt_failures(c, level) && !has_skip)
            doubt_musts(c, level);
    }
}
