/* SPDX-License-Identifier: Apache-2.0 */
/* Words of other systems and what they are called here. */
#include "engine/flow/language.h"

struct habit {
    const char *word; /* in small letters, with `_` for `-` */
    unsigned homes;
    const char *hint;
};

#define SAY_FLOW  "its name is written `flow: NAME`"
#define SAY_NEEDS "the task that waits says so: `needs: TASK`"
#define SAY_FAILURE                                                                                \
    "the task that handles it says so: `needs: {TASK: failure}`; see also `on_failure`"
#define SAY_SH       "a shell script is `sh: TEXT`, a program `run: [PROGRAM, ARGUMENT, …]`"
#define SAY_SET      "a task that gives a value is `set: VALUE`"
#define SAY_TASKS    "tasks stand in `tasks: {NAME: TASK}` or `steps: [TASK]`"
#define SAY_IF       "a condition is `if: COND`"
#define SAY_RETRY    "write `retry: {attempts: 3, delay: 10s}`; attempts counts the first"
#define SAY_ENV      "environment variables are `env: {NAME: VALUE}`"
#define SAY_CWD      "the working directory is `cwd: PATH`"
#define SAY_INPUT    "inputs are declared as `input: {NAME: TYPE}`"
#define SAY_FOREACH  "a loop over a list is `foreach: LIST`"
#define SAY_TIMEOUT  "write `timeout: 5m`, with a unit"
#define SAY_LEAVE    "leave it out: a flow file has no such thing"
#define SAY_ATTEMPTS "write `attempts: N`; it counts the first"
#define SAY_DELAY    "write `delay: 3s`, with a unit"
#define SAY_REVERT   "what undoes a task is its `revert: {VERB …}`"
#define SAY_HTTP     "a request is `http: URL` or `http: {method: POST, url: URL, body: …}`"
#define SAY_ALWAYS                                                                                 \
    "what runs in any case needs others as done: `needs: {TASK: done}`; at the end of the job: "   \
    "`finally` at the top of the file"
#define SAY_IN      "the list is `in: LIST`"
#define SAY_AT_ONCE "how many items run at once is `concurrency: N`"
#define SAY_TIMES   "the most rounds are `times: N`"
#define SAY_UNTIL   "rounds end when a condition is true: `until: COND`"
#define SAY_METHOD  "it is called `method` here"
#define SAY_BODY    "it is called `body` here; a list or an object is sent as JSON"
#define SAY_CHOICE                                                                                 \
    "a choice is a task with an `if` for each branch, the else with the contrary one; what goes "  \
    "on behind needs them all"
#define SAY_BESIDE                                                                                 \
    "tasks side by side are `tasks: {NAME: TASK}`; in `steps`, `needs: []` waits for nothing"
#define SAY_AGAIN  "write `if: COND` over `failure`: true means try again"
#define SAY_RESULT "a task's result is `tasks.NAME.result` in those that need it"

static const struct habit habits[] = {
    {"on_success", IN_ANY_TASK, SAY_NEEDS},
    {"on_complete", IN_ANY_TASK, SAY_NEEDS},
    {"next", IN_ANY_TASK, SAY_NEEDS},
    {"then", IN_ANY_TASK, SAY_NEEDS},
    {"depends_on", IN_ANY_TASK, "it is called `needs` here"},
    {"dependson", IN_ANY_TASK, "it is called `needs` here"},
    {"depends", IN_ANY_TASK, "it is called `needs` here"},
    {"dependencies", IN_ANY_TASK, "it is called `needs` here"},
    {"requires", IN_ANY_TASK, "it is called `needs` here"},
    {"after", IN_ANY_TASK, "it is called `needs` here"},
    {"on_error", IN_ANY_TASK, SAY_FAILURE},
    {"catch", IN_ANY_TASK, SAY_FAILURE},
    {"continue_on_error", IN_ANY_TASK, "it is `on_failure: continue` here"},
    {"continueonerror", IN_ANY_TASK, "it is `on_failure: continue` here"},
    {"allow_failure", IN_ANY_TASK, "it is `on_failure: continue` here"},
    {"ignore_errors", IN_ANY_TASK, "it is `on_failure: continue` here"},
    {"script", IN_ANY_TASK, SAY_SH},
    {"shell", IN_ANY_TASK, SAY_SH},
    {"bash", IN_ANY_TASK, SAY_SH},
    {"command", IN_ANY_TASK, SAY_SH},
    {"cmd", IN_ANY_TASK, SAY_SH},
    {"exec", IN_ANY_TASK, SAY_SH},
    {"args", IN_ANY_TASK, SAY_SH},
    {"action", IN_ANY_TASK, SAY_SH},
    {"uses", IN_ANY_TASK, SAY_SH},
    {"image", IN_ANY_TASK, SAY_LEAVE},
    {"container", IN_ANY_TASK, SAY_LEAVE},
    {"switch", IN_ANY_TASK, SAY_CHOICE},
    {"case", IN_ANY_TASK, SAY_CHOICE},
    {"cases", IN_ANY_TASK, SAY_CHOICE},
    {"choose", IN_ANY_TASK, SAY_CHOICE},
    {"choices", IN_ANY_TASK, SAY_CHOICE},
    {"else", IN_ANY_TASK, SAY_CHOICE},
    {"otherwise", IN_ANY_TASK, SAY_CHOICE},
    {"parallel", IN_ANY_TASK, SAY_BESIDE},
    {"jobs", IN_FILE, SAY_TASKS},
    {"templates", IN_FILE, SAY_TASKS},
    {"dag", IN_FILE, SAY_TASKS},
    {"spec", IN_FILE, SAY_TASKS},
    {"states", IN_FILE, SAY_TASKS},
    {"stages", IN_FILE, SAY_TASKS},
    {"nodes", IN_FILE, SAY_TASKS},
    {"pipeline", IN_FILE, SAY_TASKS},
    {"workflow", IN_FILE, SAY_TASKS},
    {"activities", IN_FILE, SAY_TASKS},
    {"when", IN_ANY_TASK, SAY_IF},
    {"unless", IN_ANY_TASK, "write `if: \"!(…)\"`"},
    {"condition", IN_ANY_TASK, SAY_IF},
    {"only_if", IN_ANY_TASK, SAY_IF},
    {"retries", IN_ANY_TASK | IN_FILE, SAY_RETRY},
    {"attempts", IN_ANY_TASK, SAY_RETRY},
    {"max_attempts", IN_ANY_TASK, SAY_RETRY},
    {"maxattempts", IN_ANY_TASK, SAY_RETRY},
    {"delay", IN_ANY_TASK, SAY_RETRY},
    {"environment", IN_ANY_TASK, SAY_ENV},
    {"environ", IN_ANY_TASK, SAY_ENV},
    {"variables", IN_ANY_TASK, SAY_ENV},
    {"workdir", IN_ANY_TASK, SAY_CWD},
    {"working_dir", IN_ANY_TASK, SAY_CWD},
    {"working_directory", IN_ANY_TASK, SAY_CWD},
    {"workingdirectory", IN_ANY_TASK, SAY_CWD},
    {"chdir", IN_ANY_TASK, SAY_CWD},
    {"dir", IN_ANY_TASK, SAY_CWD},
    {"stdin", IN_ANY_TASK, "what a program reads on stdin is `with: VALUE`, as JSON"},
    {"inputs", IN_FILE, SAY_INPUT},
    {"parameters", IN_FILE, SAY_INPUT},
    {"params", IN_FILE, SAY_INPUT},
    {"variables", IN_FILE, SAY_INPUT},
    {"vars", IN_FILE, SAY_INPUT},
    {"outputs", IN_FILE, "it is called `output` here"},
    {"publish", IN_ANY_TASK, SAY_RESULT},
    {"register", IN_ANY_TASK, SAY_RESULT},
    {"outputs", IN_ANY_TASK, SAY_RESULT},
    {"with_items", IN_ANY_TASK, SAY_FOREACH},
    {"for_each", IN_ANY_TASK, SAY_FOREACH},
    {"loop", IN_ANY_TASK, SAY_FOREACH},
    {"matrix", IN_ANY_TASK, SAY_FOREACH},
    {"strategy", IN_ANY_TASK, SAY_FOREACH},
    {"until", IN_ANY_TASK, "a loop is `repeat: {until: COND, times: N}`"},
    {"while", IN_ANY_TASK, "a loop is `repeat: {until: COND, times: N}`"},
    {"timeout_minutes", IN_ANY_TASK | IN_FILE, SAY_TIMEOUT},
    {"timeout_seconds", IN_ANY_TASK | IN_FILE, SAY_TIMEOUT},
    {"timeout_s", IN_ANY_TASK | IN_FILE, SAY_TIMEOUT},
    {"timeout_ms", IN_ANY_TASK | IN_FILE, SAY_TIMEOUT},
    {"name", IN_FILE, SAY_FLOW},
    {"id", IN_FILE, SAY_FLOW},
    {"id", IN_STEP, "a step's name is `name: NAME`"},
    {"type", IN_FILE, "leave it out: `needs` say the order"},
    {"type", IN_ANY_TASK, "leave it out: the verb says what a task does"},
    {"version", IN_FILE, SAY_LEAVE},
    {"apiversion", IN_FILE, SAY_LEAVE},
    {"kind", IN_FILE, SAY_LEAVE},
    {"entrypoint", IN_FILE, SAY_LEAVE},
    {"metadata", IN_FILE, SAY_FLOW},
    {"tags", IN_FILE, "tags that an engine must have are `runs_on: [TAG]`"},
    {"runs_on", IN_ANY_TASK, "`runs_on` is the whole job's: it stands at the top of the file"},
    {"runs_on", IN_FILE, "it is written `runs_on`"},
    {"env", IN_FILE, "`env` stands in a task; for all of them: `defaults: {env: …}`"},
    {"assert", IN_ANY_TASK, "what must hold of a result is `expect: COND`"},
    {"value", IN_ANY_TASK, SAY_SET},
    {"return", IN_ANY_TASK, SAY_SET},
    {"always", IN_FILE, "what runs at the end, come what may, is `finally: TASK`"},
    {"rollback", IN_ANY_TASK, SAY_REVERT},
    {"compensate", IN_ANY_TASK, SAY_REVERT},
    {"undo", IN_ANY_TASK, SAY_REVERT},
    {"get", IN_ANY_TASK, SAY_HTTP},
    {"post", IN_ANY_TASK, SAY_HTTP},
    {"put", IN_ANY_TASK, SAY_HTTP},
    {"url", IN_ANY_TASK, SAY_HTTP},
    {"uri", IN_ANY_TASK, SAY_HTTP},
    {"request", IN_ANY_TASK, SAY_HTTP},
    {"webhook", IN_ANY_TASK, SAY_HTTP},
    {"always", IN_ANY_TASK, SAY_ALWAYS},
    {"always_run", IN_ANY_TASK, SAY_ALWAYS},
    {"ensure", IN_ANY_TASK, SAY_ALWAYS},
    {"trigger_rule", IN_ANY_TASK,
     "how many needs must be met is `join: all|any|N`, and of which "
     "kind each `needs: {TASK: success|failure|done}`"},
    {"on_exit", IN_FILE, "what runs at the end, come what may, is `finally: TASK`"},
    {"on_error", IN_FILE, "a failed job undoes itself; `on_failure: stop` leaves it as it is"},
    {"items", IN_FOREACH, SAY_IN},
    {"list", IN_FOREACH, SAY_IN},
    {"over", IN_FOREACH, SAY_IN},
    {"of", IN_FOREACH, SAY_IN},
    {"parallel", IN_FOREACH, SAY_AT_ONCE},
    {"parallelism", IN_FOREACH, SAY_AT_ONCE},
    {"max_parallel", IN_FOREACH, SAY_AT_ONCE},
    {"limit", IN_FOREACH, SAY_AT_ONCE},
    {"as", IN_FOREACH, "an item is always called `item`, its number `index`"},
    {"do", IN_FOREACH, "what is done with each item is the task's verb, beside `foreach`"},
    {"steps", IN_FOREACH, "what is done with each item is the task's verb, beside `foreach`"},
    {"tasks", IN_FOREACH, "what is done with each item is the task's verb, beside `foreach`"},
    {"while", IN_REPEAT, SAY_UNTIL},
    {"if", IN_REPEAT, SAY_UNTIL},
    {"count", IN_REPEAT, SAY_TIMES},
    {"attempts", IN_REPEAT, SAY_TIMES},
    {"max", IN_REPEAT, SAY_TIMES},
    {"limit", IN_REPEAT, SAY_TIMES},
    {"interval", IN_REPEAT, SAY_DELAY},
    {"wait", IN_REPEAT, SAY_DELAY},
    {"sleep", IN_REPEAT, SAY_DELAY},
    {"steps", IN_REPEAT, "what is done in each round is the task's verb, beside `repeat`"},
    {"timeout", IN_REPEAT,
     "`timeout` stands beside `repeat`, for one attempt of a round; "
     "`deadline` for all rounds"},
    {"verb", IN_HTTP, SAY_METHOD},
    {"data", IN_HTTP, SAY_BODY},
    {"json", IN_HTTP, SAY_BODY},
    {"payload", IN_HTTP, SAY_BODY},
    {"form", IN_HTTP, SAY_BODY},
    {"timeout", IN_HTTP, "`timeout` stands beside `http`"},
    {"expect", IN_HTTP, "`expect` stands beside `http`"},
    {"status", IN_HTTP, "the status is checked beside `http`: `expect: result.status == 201`"},
    {"max_attempts", IN_RETRY, SAY_ATTEMPTS},
    {"maxattempts", IN_RETRY, SAY_ATTEMPTS},
    {"count", IN_RETRY, SAY_ATTEMPTS},
    {"times", IN_RETRY, SAY_ATTEMPTS},
    {"max", IN_RETRY, SAY_ATTEMPTS},
    {"limit", IN_RETRY, SAY_ATTEMPTS},
    {"retries", IN_RETRY, SAY_ATTEMPTS},
    {"interval", IN_RETRY, SAY_DELAY},
    {"wait", IN_RETRY, SAY_DELAY},
    {"pause", IN_RETRY, SAY_DELAY},
    {"sleep", IN_RETRY, SAY_DELAY},
    {"delay_s", IN_RETRY, SAY_DELAY},
    {"delay_ms", IN_RETRY, SAY_DELAY},
    {"multiplier", IN_RETRY, "it is called `backoff` here"},
    {"factor", IN_RETRY, "it is called `backoff` here"},
    {"break_on", IN_RETRY, SAY_AGAIN},
    {"continue_on", IN_RETRY, SAY_AGAIN},
    {"on", IN_RETRY, SAY_AGAIN},
    {"when", IN_RETRY, SAY_AGAIN},
    {"retry_on", IN_RETRY, SAY_AGAIN},
    {"required", IN_INPUT, "an input without `default` is required"},
    {"optional", IN_INPUT, "an input with a `default` may be left out"},
    {"options", IN_INPUT, "allowed values are `enum: [VALUE]`"},
    {"choices", IN_INPUT, "allowed values are `enum: [VALUE]`"},
    {"values", IN_INPUT, "allowed values are `enum: [VALUE]`"},
};

static bool is_word(struct text text, const char *word)
{
    size_t len = strlen(word);
    if (text.len != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text.data[i];
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        if ((c == '-' ? '_' : c) != word[i])
            return false;
    }
    return true;
}

const char *habit_hint(struct text word, unsigned home)
{
    if (home & (IN_REVERT | IN_FINALLY))
        home |= IN_ANY_TASK;
    for (size_t i = 0; i < sizeof habits / sizeof habits[0]; i++)
        if (habits[i].homes & home && is_word(word, habits[i].word))
            return habits[i].hint;
    return NULL;
}

bool habit_is_verb(struct text word)
{
    const char *hint = habit_hint(word, IN_ANY_TASK);
    return hint && (!strcmp(hint, SAY_SH) || !strcmp(hint, SAY_SET) || !strcmp(hint, SAY_CHOICE) ||
                    !strcmp(hint, SAY_BESIDE));
}
