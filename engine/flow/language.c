/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/flow/language.h"

#include "base/check.h"
#include "base/nearest.h"

#define WORDS_MAX 128 /* keys of the language */

static const char *home_name(unsigned homes)
{
    static const struct {
        unsigned homes;
        const char *name;
    } names[] = {
        {IN_ANY_TASK, "in a task"},     {IN_FILE, "at the top of a flow"},
        {IN_REVERT, "in `revert`"},     {IN_FINALLY, "in `finally`"},
        {IN_DEFAULTS, "in `defaults`"}, {IN_RETRY, "in `retry`"},
        {IN_FOREACH, "in `foreach`"},   {IN_REPEAT, "in `repeat`"},
        {IN_HTTP, "in `http`"},         {IN_INPUT, "in the declaration of an input"},
    };
    size_t i = 0;
    while (!(homes & names[i].homes))
        CHECK(++i < sizeof names / sizeof names[0]);
    return names[i].name;
}

static const struct key_rule *find_rule(struct text name, unsigned homes)
{
    size_t count;
    const struct key_rule *rules = language_rules(&count);
    for (size_t i = 0; i < count; i++)
        if (rules[i].homes & homes && text_equal(name, text_of(rules[i].name)))
            return &rules[i];
    return NULL;
}

static const struct key_later *find_later(struct text name, unsigned homes)
{
    size_t count;
    const struct key_later *laters = language_laters(&count);
    for (size_t i = 0; i < count; i++)
        if (laters[i].homes & homes && text_equal(name, text_of(laters[i].name)))
            return &laters[i];
    return NULL;
}

/* -------------------------------------------------------------------------------------- unknown */

/* The words that may stand in `home`. */
static size_t list_words(unsigned home, const char **words)
{
    size_t rule_count, later_count, count = 0;
    const struct key_rule *rules = language_rules(&rule_count);
    const struct key_later *laters = language_laters(&later_count);
    CHECK(rule_count + later_count <= WORDS_MAX);
    for (size_t i = 0; i < rule_count; i++)
        if (rules[i].homes & home)
            words[count++] = rules[i].name;
    for (size_t i = 0; i < later_count; i++)
        if (laters[i].homes & home)
            words[count++] = laters[i].name;
    return count;
}

void language_hint_key(struct compiler *c, struct flow_problem *problem, struct text word,
                       enum key_home home)
{
    const char *words[WORDS_MAX];
    char plain[NEAREST_WORD_MAX];
    size_t len = word.len < sizeof plain ? word.len : sizeof plain;
    for (size_t i = 0; i < len; i++)
        plain[i] = word.data[i] == '-'                          ? '_'
                   : word.data[i] >= 'A' && word.data[i] <= 'Z' ? (char)(word.data[i] | 0x20)
                                                                : word.data[i];
    size_t count = list_words((unsigned)home, words);
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
    else if (elsewhere && home & (IN_FOREACH | IN_REPEAT | IN_RETRY | IN_HTTP) &&
             elsewhere->homes & IN_ANY_TASK)
        report_hint(&c->report, problem, "`%s` stands beside %s", elsewhere->name,
                    home_name(home) + strlen("in "));
    else if (elsewhere)
        report_hint(&c->report, problem, "`%s` stands %s", elsewhere->name,
                    home_name(elsewhere->homes));
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

static size_t verb_names(unsigned bits, unsigned homes, const char **names)
{
    size_t rule_count, count = 0;
    const struct key_rule *rules = language_rules(&rule_count);
    for (size_t i = 0; i < rule_count; i++)
        if (rules[i].verb != NO_VERB && bits & VERB_BIT(rules[i].verb) && rules[i].homes & homes)
            names[count++] = rules[i].name;
    return count;
}

/* Whether an unknown key was probably meant to be a verb. */
static bool is_nearly_verb(struct text word)
{
    const char *verbs[WORDS_MAX];
    return habit_is_verb(word) || nearest_word(word, verbs, verb_names(~0u, ~0u, verbs));
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
static const char *list_verbs(struct compiler *c, unsigned bits, unsigned home, const char *last)
{
    const char *names[WORDS_MAX];
    size_t count = verb_names(bits, home, names);
    struct buffer list;
    buffer_init(&list, 0);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&list, "%s`%s`", i == 0 ? "" : i + 1 == count ? last : ", ", names[i]);
    const char *string = arena_string(&c->scratch, buffer_text(&list));
    buffer_done(&list);
    return string;
}

static bool goes_with(struct compiler *c, const struct key_rule *rule, enum key_home home,
                      const struct node *key, const struct verb *verb)
{
    if (!rule->verbs || !verb->rule || rule->verbs & VERB_BIT(verb->rule->verb))
        return true;
    struct flow_problem *problem =
        report_error(&c->report, key->span, "`%s` goes with %s, not with `%s`", rule->name,
                     list_verbs(c, rule->verbs, home, " and "), verb->rule->name);
    if (!strcmp(rule->name, "output"))
        report_hint(&c->report, problem,
                    "what the verb gives is `tasks.NAME.result` in those that need it");
    return false;
}

/* --------------------------------------------------------------------------------------- reading
 */

/* A key that has no reader in this home: it comes later, means nothing here, or is not known. */
static void report_no_rule(struct compiler *c, enum key_home home, const struct node *value)
{
    struct text name = value->key->text;
    const struct key_later *later = find_later(name, home);
    const char *why_not = language_why_not(name, home);
    struct flow_problem *problem;
    if (later) {
        problem = report_error(&c->report, value->key->span,
                               "not yet: `%s` %s comes with a later version", later->name,
                               home_name(home));
        if (later->hint)
            report_hint(&c->report, problem, "%s", later->hint);
    } else if (why_not) {
        problem = report_error(&c->report, value->key->span, "`%.*s` can't stand %s",
                               TEXT_ARG(name), home_name(home));
        report_hint(&c->report, problem, "%s", why_not);
    } else {
        report_unknown(c, value, home);
    }
}

static void read_member(struct compiler *c, enum key_home home, const struct node *value,
                        const struct verb *verb, const struct target *target)
{
    const struct key_rule *rule = find_rule(value->key->text, home);
    if (!rule) {
        report_no_rule(c, home, value);
        return;
    }
    if (rule->verb != NO_VERB && value->key != verb->key)
        return;
    if (!goes_with(c, rule, home, value->key, verb) || node_is_refused(value))
        return;
    if (value->kind == NODE_EMPTY && !rule->may_be_empty)
        report_error(&c->report, value->key->span, "the key `%s` has no value; expected %s",
                     rule->name, rule->wants);
    else
        rule->read(c, target, value);
}

static const char *kind_of_home(enum key_home home)
{
    return home == IN_REVERT ? "`revert`" : home == IN_FINALLY ? "`finally`" : "the task";
}

static void begin_task(struct compiler *c, enum key_home home, const struct node *map,
                       const struct verb *verb, const struct target *target)
{
    if (verb->rule) {
        target->draft->has_known_verb = true;
        target->draft->task->verb = (enum flow_verb)verb->rule->verb;
    }
    if (verb->key || verb->is_misspelt || node_is_refused(map))
        return;
    struct flow_problem *problem =
        report_error(&c->report, target->draft->name_span, "%s has no verb; expected %s",
                     kind_of_home(home), list_verbs(c, ~0u, home, " or "));
    if (map->count == 0)
        report_hint(&c->report, problem, "`noop:` is the verb that does nothing");
}

void language_read(struct compiler *c, enum key_home home, const struct node *map,
                   const struct target *target)
{
    struct verb verb = {0};
    if (home & IN_ANY_VERB) {
        verb = find_verb(c, map, home);
        begin_task(c, home, map, &verb, target);
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
