/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the language, as tables. */
#include "engine/flow/language.h"
#include "engine/flow/readers.h"

#define PROCESS_VERBS     (VERB_BIT(VERB_RUN) | VERB_BIT(VERB_SH))
#define NESTED_VERBS      VERB_BIT(VERB_TASKS)
#define IN_JOB            (IN_FILE | IN_ANY_TASK)
#define IN_WHOLE          (IN_ANY_TASK | IN_FINALLY)
#define ITEM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* JSON Schema of the values, for schema.c. */
#define REF(name) "{\"$ref\":\"#/$defs/" name "\"}"
#define MAP_OF(kind)                                                                               \
    "{\"type\":\"object\",\"propertyNames\":" REF("name") ",\"additionalProperties\":" REF(kind) "}"
#define NUMBERS(min, max) "{\"type\":\"number\",\"minimum\":" #min ",\"maximum\":" #max "}"
#define WORDS(list)       "{\"enum\":[" list "]}"
#define ANYTHING          "true"
#define STRING            "{\"type\":\"string\"}"
#define BOOLEAN           "{\"type\":\"boolean\"}"

static const struct key_rule rules[] = {
    {"flow", IN_FILE, NO_VERB, 0, false, key_flow, "the flow's name",
     "{\"type\":[\"string\",\"number\"],\"pattern\":\"^[a-z0-9][a-z0-9._-]{0,62}$\"}"},
    {"description", IN_FILE, NO_VERB, 0, false, key_description, "text", STRING},
    {"input", IN_FILE, NO_VERB, 0, false, key_input, "a map NAME: TYPE", MAP_OF("declaration")},
    {"runs_on", IN_FILE, NO_VERB, 0, false, key_runs_on, "a list of tags", REF("tags")},
    {"priority", IN_FILE, NO_VERB, 0, false, key_priority, "a number from 0 (first) to 9",
     "{\"type\":\"integer\",\"minimum\":0,\"maximum\":9}"},
    {"defaults", IN_FILE, NO_VERB, 0, false, key_defaults,
     "a map of `timeout`, `retry`, `env` and `cwd`", REF("defaults")},
    {"tasks", IN_FILE, NO_VERB, 0, false, key_tasks, "a map NAME: TASK", REF("tasks")},
    {"steps", IN_FILE, NO_VERB, 0, false, key_steps, "a list of tasks", REF("steps")},
    {"finally", IN_FILE, NO_VERB, 0, false, key_finally, "a task", REF("finally")},
    {"output", IN_FILE, NO_VERB, 0, false, key_output, "a value", ANYTHING},

    {"run", IN_ANY_VERB, VERB_RUN, 0, false, key_run, "a list [PROGRAM, ARGUMENT, …]", REF("run")},
    {"sh", IN_ANY_VERB, VERB_SH, 0, false, key_sh, "a shell script", STRING},
    {"http", IN_ANY_VERB, VERB_HTTP, 0, false, key_http, "a URL, or a map {method, url, …}",
     "{\"anyOf\":[" STRING "," REF("http") "]}"},
    {"set", IN_ANY_VERB, VERB_SET, 0, false, key_set, "a value (`set: null` for none)", ANYTHING},
    {"fail", IN_ANY_VERB, VERB_FAIL, 0, false, key_fail, "the reason as text", STRING},
    {"noop", IN_ANY_VERB, VERB_NOOP, 0, true, key_noop, "nothing", "{\"type\":\"null\"}"},
    {"tasks", IN_WHOLE, VERB_TASKS, 0, false, key_tasks, "a map NAME: TASK", REF("tasks")},
    {"steps", IN_WHOLE, VERB_TASKS, 0, false, key_steps, "a list of tasks", REF("steps")},

    {"name", IN_STEP, NO_VERB, 0, false, key_name, "a name", REF("name")},
    {"description", IN_ANY_VERB, NO_VERB, 0, false, key_task_description, "text", STRING},
    {"needs", IN_ANY_TASK, NO_VERB, 0, false, key_needs,
     "a task's name, a list of them, or a map NAME: success, failure or done", REF("needs")},
    {"join", IN_ANY_TASK, NO_VERB, 0, false, key_join, "all, any or a number",
     "{\"anyOf\":[" WORDS("\"all\",\"any\"") "," REF("count") "]}"},
    {"if", IN_ANY_VERB, NO_VERB, 0, false, key_if, "a condition", REF("condition")},
    {"skip", IN_ANY_TASK, NO_VERB, 0, false, key_skip, "task, neighbors, flow or all",
     WORDS("\"task\",\"neighbors\",\"flow\",\"all\"")},
    {"on_failure", IN_ANY_TASK, NO_VERB, 0, false, key_on_failure,
     "revert, continue, stop or revert_all",
     WORDS("\"revert\",\"continue\",\"stop\",\"revert_all\"")},
    {"on_failure", IN_FILE, NO_VERB, 0, false, key_on_failure, "revert or stop",
     WORDS("\"revert\",\"stop\"")},
    {"deadline", IN_FILE | IN_WHOLE, NO_VERB, 0, false, key_deadline, "a duration such as 2h",
     REF("duration")},
    {"foreach", IN_WHOLE, NO_VERB, 0, false, key_foreach, "a list, or a map {in: LIST, …}",
     "{\"anyOf\":[{\"type\":\"array\"}," REF("expression") "," REF("foreach") "]}"},
    {"repeat", IN_WHOLE, NO_VERB, 0, false, key_repeat, "a map {until: COND, …}", REF("repeat")},
    {"retry", IN_FILE | IN_ANY_VERB | IN_DEFAULTS, NO_VERB, 0, false, key_retry,
     "a map {attempts: N, …}", REF("retry")},
    {"timeout", IN_FILE | IN_ANY_VERB | IN_DEFAULTS, NO_VERB, 0, false, key_timeout,
     "a duration such as 90s", REF("duration")},
    {"expect", IN_ANY_VERB, NO_VERB, 0, false, key_expect, "a condition over `result`",
     REF("condition")},
    {"revert", IN_ANY_TASK, NO_VERB, 0, false, key_revert, "a map with a verb", REF("revert")},
    {"once", IN_WHOLE, NO_VERB, 0, false, key_once, "true or false", BOOLEAN},
    {"with", IN_ANY_VERB, NO_VERB, PROCESS_VERBS, false, key_with, "a value", ANYTHING},
    {"env", IN_ANY_VERB | IN_DEFAULTS, NO_VERB, PROCESS_VERBS, false, key_env, "a map NAME: VALUE",
     MAP_OF("scalar")},
    {"cwd", IN_ANY_VERB | IN_DEFAULTS, NO_VERB, PROCESS_VERBS, false, key_cwd, "a path", STRING},
    {"result", IN_ANY_VERB, NO_VERB, PROCESS_VERBS, false, key_result, "auto, json, text or none",
     WORDS("\"auto\",\"json\",\"text\",\"none\"")},
    {"output", IN_WHOLE, NO_VERB, NESTED_VERBS, false, key_output, "a value", ANYTHING},

    {"attempts", IN_RETRY, NO_VERB, 0, false, key_attempts, "a number, the first included",
     REF("count")},
    {"delay", IN_RETRY, NO_VERB, 0, false, key_delay, "a duration such as 3s", REF("duration")},
    {"backoff", IN_RETRY, NO_VERB, 0, false, key_backoff, "a factor from 1", NUMBERS(1, 100)},
    {"max_delay", IN_RETRY, NO_VERB, 0, false, key_max_delay, "a duration such as 10m",
     REF("duration")},
    {"jitter", IN_RETRY, NO_VERB, 0, false, key_jitter, "a number from 0 to 1", NUMBERS(0, 1)},
    {"if", IN_RETRY, NO_VERB, 0, false, key_retry_if, "a condition over `failure`",
     REF("condition")},
    {"values", IN_RETRY, NO_VERB, 0, false, key_values, "a list of values, one per attempt",
     "{\"anyOf\":[{\"type\":\"array\",\"minItems\":1}," REF("expression") "]}"},

    {"in", IN_FOREACH, NO_VERB, 0, false, key_foreach_in, "a list or an object",
     "{\"anyOf\":[{\"type\":[\"array\",\"object\"]}," REF("expression") "]}"},
    {"concurrency", IN_FOREACH, NO_VERB, 0, false, key_concurrency, "a number of items",
     REF("count")},
    {"fail_fast", IN_FOREACH, NO_VERB, 0, false, key_fail_fast, "true or false", BOOLEAN},
    {"enough", IN_FOREACH, NO_VERB, 0, false, key_enough, "a number of items, or a percentage",
     "{\"anyOf\":[{\"type\":\"integer\",\"minimum\":0}," REF(
         "expression") ",{\"type\":\"string\",\"pattern\":\"^[0-9]{1,3}%$\"}]}"},

    {"until", IN_REPEAT, NO_VERB, 0, false, key_until, "a condition over `result`",
     REF("condition")},
    {"times", IN_REPEAT, NO_VERB, 0, false, key_times, "a number of rounds", REF("count")},
    {"delay", IN_REPEAT, NO_VERB, 0, false, key_repeat_delay, "a duration such as 3s",
     REF("duration")},

    {"method", IN_HTTP, NO_VERB, 0, false, key_method, "a method such as POST", STRING},
    {"url", IN_HTTP, NO_VERB, 0, false, key_url, "a URL", STRING},
    {"headers", IN_HTTP, NO_VERB, 0, false, key_headers, "a map NAME: VALUE",
     "{\"type\":\"object\",\"additionalProperties\":" REF("scalar") "}"},
    {"body", IN_HTTP, NO_VERB, 0, false, key_body, "a value", ANYTHING},

    {"type", IN_INPUT, NO_VERB, 0, false, key_input_type, "a type", REF("type")},
    {"default", IN_INPUT, NO_VERB, 0, false, key_input_default, "a value", ANYTHING},
    {"enum", IN_INPUT, NO_VERB, 0, false, key_input_enum, "a list of values",
     "{\"type\":\"array\",\"minItems\":1}"},
    {"description", IN_INPUT, NO_VERB, 0, false, key_input_description, "text", STRING},
};

/* Known, but not yet. */
static const struct key_later laters[] = {
    {"call", IN_ANY_VERB, true, NULL},
    {"job", IN_ANY_VERB, true, NULL},
    {"wait", IN_ANY_VERB, true, NULL},
    {"approval", IN_ANY_VERB, true, NULL},
    {"sleep", IN_ANY_VERB, true, NULL},
    {"async", IN_ANY_TASK, false, NULL},
    {"heartbeat", IN_ANY_TASK, false, NULL},
    /* Kept for what may come; nothing may be called so until it does. */
    {"on", IN_JOB, false, NULL},
    {"schedule", IN_JOB, false, NULL},
    {"concurrency", IN_JOB, false,
     "how many items run at once is said in `foreach: {in: LIST, concurrency: N}`"},
    {"secrets", IN_JOB, false, NULL},
    {"labels", IN_JOB, false, NULL},
};

#define NO_ORDER "`finally` begins when everything has ended, and how it ends changes nothing"

/* Known in tasks, and without meaning elsewhere. */
static const struct key_misplaced misplaced[] = {
    {"needs", IN_REVERT, "what is undone when follows from the `needs` of the tasks"},
    {"join", IN_REVERT, "what is undone when follows from the `needs` of the tasks"},
    {"skip", IN_REVERT, "its `if` decides for this revert only"},
    {"on_failure", IN_REVERT, "a failed revert is REVERT_FAILURE, and what it needed stays"},
    {"deadline", IN_REVERT, "nothing but its `timeout` bounds a revert"},
    {"foreach", IN_REVERT, "each item of a `foreach` is undone by itself"},
    {"repeat", IN_REVERT, "each round of a `repeat` is undone by itself"},
    {"revert", IN_REVERT, "a revert is not undone itself"},
    {"once", IN_REVERT, "a revert whose outcome is unknown is run again: let it bear that"},
    {"name", IN_REVERT, "it belongs to the task and goes by its name"},
    {"output", IN_REVERT, "nobody sees what a revert gives but its `expect`"},
    {"tasks", IN_REVERT, "a revert is one verb: write a script, or undo in several tasks"},
    {"steps", IN_REVERT, "a revert is one verb: write a script, or undo in several tasks"},
    {"needs", IN_FINALLY, NO_ORDER},
    {"join", IN_FINALLY, NO_ORDER},
    {"skip", IN_FINALLY, NO_ORDER},
    {"on_failure", IN_FINALLY, NO_ORDER},
    {"revert", IN_FINALLY, "`finally` is never undone: it runs after all undoing"},
    {"name", IN_FINALLY, "it is called `finally`"},
    {"if", IN_FILE,
     "a job that should not run is not posted; a first step with `if` and "
     "`skip: all` ends it early"},
    {"expect", IN_FILE, "a last step with `if: COND` and `fail: REASON` says so"},
    {"foreach", IN_FILE, "it stands in a task: `steps: [{foreach: LIST, steps: […]}]`"},
    {"repeat", IN_FILE, "it stands in a task: `steps: [{repeat: {…}, steps: […]}]`"},
    {"needs", IN_DEFAULTS, "only `timeout`, `retry`, `env` and `cwd` have defaults"},
    {"expect", IN_DEFAULTS, "only `timeout`, `retry`, `env` and `cwd` have defaults"},
    {"on_failure", IN_DEFAULTS, "only `timeout`, `retry`, `env` and `cwd` have defaults"},
    {"result", IN_DEFAULTS, "only `timeout`, `retry`, `env` and `cwd` have defaults"},
    {"with", IN_DEFAULTS, "only `timeout`, `retry`, `env` and `cwd` have defaults"},
    {"deadline", IN_DEFAULTS, "only `timeout`, `retry`, `env` and `cwd` have defaults"},
    {"once", IN_DEFAULTS, "only `timeout`, `retry`, `env` and `cwd` have defaults"},
    {"if", IN_DEFAULTS, "only `timeout`, `retry`, `env` and `cwd` have defaults"},
};

const struct key_rule *language_rules(size_t *ret_count)
{
    *ret_count = ITEM_COUNT(rules);
    return rules;
}

const struct key_later *language_laters(size_t *ret_count)
{
    *ret_count = ITEM_COUNT(laters);
    return laters;
}

const char *language_why_not(struct text name, enum key_home home)
{
    for (size_t i = 0; i < ITEM_COUNT(misplaced); i++)
        if (misplaced[i].homes & (unsigned)home && text_equal(name, text_of(misplaced[i].name)))
            return misplaced[i].why;
    return NULL;
}
