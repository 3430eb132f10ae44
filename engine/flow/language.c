/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/flow/language.h"

#include "base/nearest.h"
#include "engine/flow/readers.h"

#define PROCESS_VERBS (VERB_BIT(VERB_RUN) | VERB_BIT(VERB_SH))

#define ITEM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct key_rule rules[] = {
    {"flow", IN_FILE, NO_VERB, 0, false, key_flow, "the flow's name"},
    {"description", IN_FILE, NO_VERB, 0, false, key_description, "text"},
    {"input", IN_FILE, NO_VERB, 0, false, key_input, "a map NAME: TYPE"},
    {"runs_on", IN_FILE, NO_VERB, 0, false, key_runs_on, "a list of tags"},
    {"priority", IN_FILE, NO_VERB, 0, false, key_priority, "a number from 0 (first) to 9"},
    {"tasks", IN_FILE, NO_VERB, 0, false, key_tasks, "a map NAME: TASK"},
    {"steps", IN_FILE, NO_VERB, 0, false, key_steps, "a list of tasks"},
    {"output", IN_FILE, NO_VERB, 0, false, key_output, "a value"},

    {"run", IN_ANY_TASK, VERB_RUN, 0, false, key_run, "a list [PROGRAM, ARGUMENT, …]"},
    {"sh", IN_ANY_TASK, VERB_SH, 0, false, key_sh, "a shell script"},
    {"set", IN_ANY_TASK, VERB_SET, 0, false, key_set, "a value (`set: null` for none)"},
    {"fail", IN_ANY_TASK, VERB_FAIL, 0, false, key_fail, "the reason as text"},
    {"noop", IN_ANY_TASK, VERB_NOOP, 0, true, key_noop, "nothing"},

    {"name", IN_STEP, NO_VERB, 0, false, key_name, "a name"},
    {"description", IN_ANY_TASK, NO_VERB, 0, false, key_task_description, "text"},
    {"needs", IN_ANY_TASK, NO_VERB, 0, false, key_needs, "a task's name, or a list of them"},
    {"if", IN_ANY_TASK, NO_VERB, 0, false, key_if, "a condition"},
    {"retry", IN_ANY_TASK, NO_VERB, 0, false, key_retry, "a map {attempts: N, …}"},
    {"timeout", IN_ANY_TASK, NO_VERB, 0, false, key_timeout, "a duration such as 90s"},
    {"expect", IN_ANY_TASK, NO_VERB, 0, false, key_expect, "a condition over `result`"},
    {"once", IN_ANY_TASK, NO_VERB, 0, false, key_once, "true or false"},
    {"with", IN_ANY_TASK, NO_VERB, PROCESS_VERBS, false, key_with, "a value"},
    {"env", IN_ANY_TASK, NO_VERB, PROCESS_VERBS, false, key_env, "a map NAME: VALUE"},
    {"cwd", IN_ANY_TASK, NO_VERB, PROCESS_VERBS, false, key_cwd, "a path"},
    {"result", IN_ANY_TASK, NO_VERB, PROCESS_VERBS, false, key_result, "auto, json, text or none"},

    {"attempts", IN_RETRY, NO_VERB, 0, false, key_attempts, "a number, the first included"},
    {"delay", IN_RETRY, NO_VERB, 0, false, key_delay, "a duration such as 3s"},
    {"backoff", IN_RETRY, NO_VERB, 0, false, key_backoff, "a factor from 1"},
    {"max_delay", IN_RETRY, NO_VERB, 0, false, key_max_delay, "a duration such as 10m"},
    {"jitter", IN_RETRY, NO_VERB, 0, false, key_jitter, "a number from 0 to 1"},
    {"if", IN_RETRY, NO_VERB, 0, false, key_retry_if, "a condition over `failure`"},
    {"values", IN_RETRY, NO_VERB, 0, false, key_values, "a list of values, one per attempt"},

    {"type", IN_INPUT, NO_VERB, 0, false, key_input_type, "a type"},
    {"default", IN_INPUT, NO_VERB, 0, false, key_input_default, "a value"},
    {"enum", IN_INPUT, NO_VERB, 0, false, key_input_enum, "a list of values"},
    {"description", IN_INPUT, NO_VERB, 0, false, key_input_description, "text"},
};

/* Known, but not yet. */
static const struct key_later laters[] = {
    {"defaults", IN_FILE, false},
    {"finally", IN_FILE, false},
    {"retry", IN_FILE, false},
    {"timeout", IN_FILE, false},
    {"deadline", IN_FILE | IN_ANY_TASK, false},
    {"on_failure", IN_FILE | IN_ANY_TASK, false},
    {"tasks", IN_ANY_TASK, true},
    {"steps", IN_ANY_TASK, true},
    {"http", IN_ANY_TASK, true},
    {"call", IN_ANY_TASK, true},
    {"job", IN_ANY_TASK, true},
    {"wait", IN_ANY_TASK, true},
    {"approval", IN_ANY_TASK, true},
    {"sleep", IN_ANY_TASK, true},
    {"join", IN_ANY_TASK, false},
    {"skip", IN_ANY_TASK, false},
    {"foreach", IN_ANY_TASK, false},
    {"repeat", IN_ANY_TASK, false},
    {"revert", IN_ANY_TASK, false},
    {"async", IN_ANY_TASK, false},
    {"heartbeat", IN_ANY_TASK, false},
    {"output", IN_ANY_TASK, false},
    /* Kept for what may come; nothing may be called so until it does. */
    {"on", IN_FILE | IN_ANY_TASK, false},
    {"schedule", IN_FILE | IN_ANY_TASK, false},
    {"concurrency", IN_FILE | IN_ANY_TASK, false},
    {"secrets", IN_FILE | IN_ANY_TASK, false},
    {"labels", IN_FILE | IN_ANY_TASK, false},
};

static const char *home_name(enum key_home home)
{
    switch (home) {
    case IN_FILE:
        return "at the top of a flow";
    case IN_TASK:
    case IN_STEP:
    case IN_ANY_TASK:
        return "in a task";
    case IN_RETRY:
        return "in `retry`";
    case IN_INPUT:
        return "in the declaration of an input";
    }
    return "here";
}

static const struct key_rule *find_rule(struct text name, unsigned homes)
{
    for (size_t i = 0; i < ITEM_COUNT(rules); i++)
        if (rules[i].homes & homes && text_equal(name, text_of(rules[i].name)))
            return &rules[i];
    return NULL;
}

static const struct key_later *find_later(struct text name, unsigned homes)
{
    for (size_t i = 0; i < ITEM_COUNT(laters); i++)
        if (laters[i].homes & homes && text_equal(name, text_of(laters[i].name)))
            return &laters[i];
    return NULL;
}

/* -------------------------------------------------------------------------------------- unknown */

void language_hint_key(struct compiler *c, struct flow_problem *problem, struct text word,
                       enum key_home home)
{
    const char *words[ITEM_COUNT(rules) + ITEM_COUNT(laters)];
    char plain[NEAREST_WORD_MAX];
    size_t count = 0, len = word.len < sizeof plain ? word.len : sizeof plain;
    for (size_t i = 0; i < ITEM_COUNT(rules); i++)
        if (rules[i].homes & (unsigned)home)
            words[count++] = rules[i].name;
    for (size_t i = 0; i < ITEM_COUNT(laters); i++)
        if (laters[i].homes & (unsigned)home)
            words[count++] = laters[i].name;
    for (size_t i = 0; i < len; i++)
        plain[i] = word.data[i] == '-'                          ? '_'
                   : word.data[i] >= 'A' && word.data[i] <= 'Z' ? (char)(word.data[i] | 0x20)
                                                                : word.data[i];
    const char *nearest = nearest_word((struct text){plain, len}, words, count);
    if (nearest)
        report_hint(&c->report, problem, "did you mean `%s`?", nearest);
}

/* Whether the empty value belongs to a key that a `,` or a brace follows. */
static bool stands_in_braces(struct compiler *c, const struct node *value)
{
    uint32_t at = value->key->span.end;
    while (at < c->lines.text.len && c->lines.text.data[at] == ' ')
        at++;
    return at < c->lines.text.len && memchr(",}", c->lines.text.data[at], 2);
}

static void report_unknown(struct compiler *c, const struct node *value, enum key_home home)
{
    const struct node *key = value->key;
    const char *habit = habit_hint(key->text, home);
    struct flow_problem *problem = report_error(&c->report, key->span, "unknown key `%.*s` %s",
                                                TEXT_ARG(key->text), home_name(home));
    const struct key_rule *elsewhere = find_rule(key->text, ~0u);
    if (value->kind == NODE_EMPTY && stands_in_braces(c, value))
        report_hint(&c->report, problem,
                    "inside { } a `,` ends a value: put quotes around the whole value");
    else if (habit)
        report_hint(&c->report, problem, "%s", habit);
    else if (home == IN_TASK && elsewhere && elsewhere->homes == IN_STEP)
        report_hint(&c->report, problem, "a task in `tasks` is called as its key says");
    else if (elsewhere)
        report_hint(&c->report, problem, "`%s` stands %s", elsewhere->name,
                    home_name((enum key_home)elsewhere->homes));
    else
        language_hint_key(c, problem, key->text, home);
}

/* ----------------------------------------------------------------------------------------- verbs
 */

/* What the verb pass found. */
struct verb {
    const struct node *key;      /* the first verb; NULL: none */
    const struct key_rule *rule; /* NULL: one that comes later */
    bool is_misspelt;            /* an unknown key was probably meant to be one */
};

static void note_verb(struct compiler *c, const struct node *key, const struct key_rule *rule,
                      struct verb *verb)
{
    if (!verb->key) {
        verb->key = key;
        verb->rule = rule;
        return;
    }
    struct flow_problem *problem = report_error(
        &c->report, key->span, "a second verb, `%.*s`: this task has `%.*s` in line %u already",
        TEXT_ARG(key->text), TEXT_ARG(verb->key->text),
        lines_number(&c->lines, verb->key->span.begin));
    report_hint(&c->report, problem, "a task does one thing: make two tasks of it");
}

/* Whether an unknown key was probably meant to be a verb. */
static bool is_nearly_verb(struct text word)
{
    const char *verbs[ITEM_COUNT(rules)];
    size_t count = 0;
    for (size_t i = 0; i < ITEM_COUNT(rules); i++)
        if (rules[i].verb != NO_VERB)
            verbs[count++] = rules[i].name;
    return habit_is_verb(word) || nearest_word(word, verbs, count);
}

static struct verb find_verb(struct compiler *c, const struct node *map, enum key_home home)
{
    struct verb verb = {0};
    for (const struct node *value = map->first; value; value = value->next) {
        const struct key_rule *rule = NULL;
        if (value->key->kind != NODE_STRING)
            continue;
        rule = find_rule(value->key->text, home);
        const struct key_later *later = rule ? NULL : find_later(value->key->text, home);
        if ((rule && rule->verb != NO_VERB) || (later && later->is_verb))
            note_verb(c, value->key, rule, &verb);
        else if (!rule && !later && is_nearly_verb(value->key->text))
            verb.is_misspelt = true;
    }
    return verb;
}

/* The verbs whose bits are set, as a list in words: "`run` and `sh`". */
static const char *list_verbs(struct compiler *c, unsigned bits, const char *last)
{
    const char *names[ITEM_COUNT(rules)];
    size_t count = 0;
    struct buffer list;
    for (size_t i = 0; i < ITEM_COUNT(rules); i++)
        if (rules[i].verb != NO_VERB && bits & VERB_BIT(rules[i].verb))
            names[count++] = rules[i].name;
    buffer_init(&list, 0);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&list, "%s`%s`", i == 0 ? "" : i + 1 == count ? last : ", ", names[i]);
    const char *string = arena_string(&c->scratch, buffer_text(&list));
    buffer_done(&list);
    return string;
}

static bool goes_with(struct compiler *c, const struct key_rule *rule, const struct node *key,
                      const struct verb *verb)
{
    if (!rule->verbs || !verb->rule || rule->verbs & VERB_BIT(verb->rule->verb))
        return true;
    report_error(&c->report, key->span, "`%s` goes with %s, not with `%s`", rule->name,
                 list_verbs(c, rule->verbs, " and "), verb->rule->name);
    return false;
}

/* --------------------------------------------------------------------------------------- reading
 */

static void read_member(struct compiler *c, enum key_home home, const struct node *value,
                        const struct verb *verb, const struct target *target)
{
    struct text name = value->key->text;
    const struct key_rule *rule = find_rule(name, home);
    if (!rule) {
        const struct key_later *later = find_later(name, home);
        if (later)
            report_error(&c->report, value->key->span,
                         "not yet: `%s` %s comes with a later version", later->name,
                         home_name(home));
        else
            report_unknown(c, value, home);
        return;
    }
    if (rule->verb != NO_VERB && value->key != verb->key)
        return;
    if (!goes_with(c, rule, value->key, verb) || node_is_refused(value))
        return;
    if (value->kind == NODE_EMPTY && !rule->may_be_empty)
        report_error(&c->report, value->key->span, "the key `%s` has no value; expected %s",
                     rule->name, rule->wants);
    else
        rule->read(c, target, value);
}

static void begin_task(struct compiler *c, const struct node *map, const struct verb *verb,
                       const struct target *target)
{
    if (verb->rule) {
        target->draft->has_known_verb = true;
        target->draft->task->verb = (enum flow_verb)verb->rule->verb;
    }
    if (verb->key || verb->is_misspelt || node_is_refused(map))
        return;
    struct flow_problem *problem =
        report_error(&c->report, target->draft->name_span, "the task has no verb; expected %s",
                     list_verbs(c, ~0u, " or "));
    if (map->count == 0)
        report_hint(&c->report, problem, "`noop:` is the verb that does nothing");
}

void language_read(struct compiler *c, enum key_home home, const struct node *map,
                   const struct target *target)
{
    struct verb verb = {0};
    if (home & IN_ANY_TASK) {
        verb = find_verb(c, map, home);
        begin_task(c, map, &verb, target);
    }
    for (const struct node *value = map->first; value; value = value->next)
        if (value->key->kind == NODE_STRING)
            read_member(c, home, value, &verb, target);
}

bool language_knows_keys(enum key_home home, const struct node *map)
{
    for (const struct node *value = map->first; value; value = value->next)
        if (value->key->kind == NODE_STRING && !find_rule(value->key->text, home))
            return false;
    return true;
}

bool node_is_refused(const struct node *node)
{
    if (node->kind == NODE_MAP && node->first)
        return node->first->key->kind == NODE_BAD;
    return node->kind == NODE_BAD;
}
