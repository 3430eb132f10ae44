/* SPDX-License-Identifier: Apache-2.0 */
/* The language as JSON Schema, made from the table of keys: for editors that complete and check
 * while one types. It can't say all (what a task waits for, what an expression means), and says
 * nothing wrong. */
#include "engine/flow/language.h"

/* The kinds that the table's schemas refer to. */
static const char kinds[] =
    "\"name\":{\"type\":\"string\",\"pattern\":\"^[A-Za-z_][A-Za-z0-9_]{0,62}$\","
    "\"not\":{\"enum\":[\"in\",\"true\",\"false\",\"null\"]}},"
    "\"expression\":{\"type\":\"string\",\"pattern\":\"^\\\\s*\\\\$\\\\{\"},"
    "\"condition\":{\"type\":[\"string\",\"boolean\"]},"
    "\"duration\":{\"anyOf\":[{\"type\":\"string\",\"pattern\":"
    "\"^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$\",\"minLength\":2},"
    "{\"$ref\":\"#/$defs/expression\"}]},"
    "\"count\":{\"anyOf\":[{\"type\":\"integer\",\"minimum\":1},"
    "{\"$ref\":\"#/$defs/expression\"}]},"
    "\"scalar\":{\"type\":[\"string\",\"number\",\"boolean\"]},"
    "\"type\":{\"enum\":[\"any\",\"string\",\"integer\",\"number\",\"boolean\",\"array\","
    "\"object\"]},"
    "\"declaration\":{\"anyOf\":[{\"$ref\":\"#/$defs/type\"},{\"$ref\":\"#/$defs/input\"}]},"
    "\"tags\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"maxItems\":32,"
    "\"items\":{\"type\":\"string\"}}]},"
    "\"run\":{\"anyOf\":[{\"type\":\"array\",\"minItems\":1,"
    "\"items\":{\"$ref\":\"#/$defs/scalar\"}},{\"$ref\":\"#/$defs/expression\"}]},"
    "\"needs\":{\"anyOf\":[{\"$ref\":\"#/$defs/name\"},{\"type\":\"array\","
    "\"items\":{\"$ref\":\"#/$defs/name\"}},{\"type\":\"object\","
    "\"propertyNames\":{\"$ref\":\"#/$defs/name\"},"
    "\"additionalProperties\":{\"enum\":[\"success\",\"failure\",\"done\"]}}]},"
    "\"tasks\":{\"type\":\"object\",\"minProperties\":1,"
    "\"propertyNames\":{\"$ref\":\"#/$defs/name\"},"
    "\"additionalProperties\":{\"$ref\":\"#/$defs/task\"}},"
    "\"steps\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/$defs/step\"}}";

static const struct {
    const char *name; /* in $defs */
    enum key_home home;
    const char *demands; /* further members of its schema, or NULL */
} homes[] = {
    {"task", IN_TASK, NULL},
    {"step", IN_STEP, NULL},
    {"revert", IN_REVERT, NULL},
    {"finally", IN_FINALLY, NULL},
    {"defaults", IN_DEFAULTS, NULL},
    {"retry", IN_RETRY, "\"anyOf\":[{\"required\":[\"attempts\"]},{\"required\":[\"values\"]}]"},
    {"foreach", IN_FOREACH, "\"required\":[\"in\"]"},
    {"repeat", IN_REPEAT, "\"required\":[\"until\"]"},
    {"http", IN_HTTP, "\"required\":[\"url\"]"},
    {"input", IN_INPUT, NULL},
};

/* One verb, and no second one. */
static void add_verbs(struct buffer *json, unsigned home)
{
    size_t count, written = 0;
    const struct key_rule *rules = language_rules(&count);
    buffer_add_string(json, ",\"oneOf\":[");
    for (size_t i = 0; i < count; i++)
        if (rules[i].verb != NO_VERB && rules[i].homes & home)
            buffer_printf(json, "%s{\"required\":[\"%s\"]}", written++ ? "," : "", rules[i].name);
    buffer_add_char(json, ']');
}

static void add_dependency(struct buffer *json, const struct key_rule *key, unsigned home)
{
    size_t count, written = 0;
    const struct key_rule *rules = language_rules(&count);
    buffer_printf(json, "\"%s\":{\"anyOf\":[", key->name);
    for (size_t i = 0; i < count; i++)
        if (rules[i].verb != NO_VERB && rules[i].homes & home &&
            key->verbs & VERB_BIT(rules[i].verb))
            buffer_printf(json, "%s{\"required\":[\"%s\"]}", written++ ? "," : "", rules[i].name);
    buffer_add_string(json, "]}");
}

/* Keys that go with some verbs only. */
static void add_dependencies(struct buffer *json, unsigned home)
{
    size_t count, written = 0;
    const struct key_rule *rules = language_rules(&count);
    buffer_add_string(json, ",\"dependencies\":{");
    for (size_t i = 0; i < count; i++) {
        if (!rules[i].verbs || !(rules[i].homes & home))
            continue;
        buffer_add_string(json, written++ ? "," : "");
        add_dependency(json, &rules[i], home);
    }
    buffer_add_char(json, '}');
}

static void add_home(struct buffer *json, unsigned home, const char *demands)
{
    size_t count, written = 0;
    const struct key_rule *rules = language_rules(&count);
    buffer_add_string(json, "\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    for (size_t i = 0; i < count; i++) {
        if (!(rules[i].homes & home))
            continue;
        buffer_printf(json, "%s\"%s\":{\"description\":", written++ ? "," : "", rules[i].name);
        buffer_add_json_string(json, text_of(rules[i].wants));
        buffer_printf(json, ",\"allOf\":[%s]}", rules[i].schema);
    }
    buffer_add_char(json, '}');
    if (home & IN_ANY_VERB) {
        add_verbs(json, home);
        add_dependencies(json, home);
    }
    if (demands)
        buffer_printf(json, ",%s", demands);
}

void flow_schema(struct buffer *ret_json)
{
    buffer_add_string(ret_json, "{\"$schema\":\"http://json-schema.org/draft-07/schema#\","
                                "\"title\":\"A flow of the jobboard\",");
    add_home(ret_json, IN_FILE,
             "\"required\":[\"flow\"],"
             "\"oneOf\":[{\"required\":[\"tasks\"]},{\"required\":[\"steps\"]}]");
    buffer_add_string(ret_json, ",\"$defs\":{");
    buffer_add_string(ret_json, kinds);
    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
        buffer_printf(ret_json, ",\"%s\":{", homes[i].name);
        add_home(ret_json, homes[i].home, homes[i].demands);
        buffer_add_char(ret_json, '}');
    }
    buffer_add_string(ret_json, "}}");
}
