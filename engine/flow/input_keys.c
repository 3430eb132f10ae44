/* SPDX-License-Identifier: Apache-2.0 */
/* The declarations of a flow's input. */
#include "base/check.h"
#include "base/json.h"
#include "base/nearest.h"
#include "engine/flow/input_type.h"
#include "engine/flow/readers.h"
#include "engine/flow/value.h"

#define INPUTS_MAX 1000

static const char *type_habit(struct text word)
{
    static const char *const habits[][2] = {
        {"str", "string"},   {"text", "string"},   {"int", "integer"},  {"long", "integer"},
        {"float", "number"}, {"double", "number"}, {"bool", "boolean"}, {"list", "array"},
        {"map", "object"},   {"dict", "object"},   {"json", "any"},
    };
    for (size_t i = 0; i < sizeof habits / sizeof habits[0]; i++)
        if (text_equal(word, text_of(habits[i][0])))
            return habits[i][1];
    return NULL;
}

void key_input_type(struct compiler *c, const struct target *target, const struct node *value)
{
    const char *habit = value->kind == NODE_STRING ? type_habit(value->text) : NULL;
    size_t number;
    if (habit) {
        struct flow_problem *problem =
            report_error(&c->report, value->span, "unknown type `%.*s`", TEXT_ARG(value->text));
        report_hint(&c->report, problem, "it is called `%s` here", habit);
    } else if (value_choice(c, value, "type", input_type_names, INPUT_TYPE_COUNT, &number)) {
        target->input->type = (enum flow_type)number;
    }
}

void key_input_description(struct compiler *c, const struct target *target,
                           const struct node *value)
{
    value_plain_text(c, value, "description", &target->input->description);
}

/* Reports the first string of the value that holds an expression. */
static bool is_constant(struct compiler *c, const struct node *node, const char *key)
{
    if (node_is_refused(node))
        return false;
    if (node->kind == NODE_STRING && memmem(node->text.data, node->text.len, "${", 2)) {
        struct flow_problem *problem = report_error(
            &c->report, node->span, "no expression can stand in `%s` of an input", key);
        report_hint(&c->report, problem, "a task with `set` can compute a value from the input");
        return false;
    }
    for (const struct node *child = node->first; child; child = child->next)
        if (!is_constant(c, child, key))
            return false;
    return true;
}

static struct text json_of(struct compiler *c, const struct node *node)
{
    struct buffer json;
    buffer_init(&json, 0);
    node_add_json(node, &json);
    struct text text = arena_text(c->arena, buffer_text(&json));
    buffer_done(&json);
    return text;
}

void key_input_default(struct compiler *c, const struct target *target, const struct node *value)
{
    if (is_constant(c, value, "default"))
        target->input->default_json = json_of(c, value);
}

void key_input_enum(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_input *input = target->input;
    if (value->kind != NODE_LIST || value->count == 0) {
        report_error(&c->report, value->span, "`enum` must be a list of the allowed values");
        return;
    }
    struct text *allowed = arena_calloc(c->arena, value->count, sizeof *allowed);
    for (const struct node *child = value->first; child; child = child->next)
        if (is_constant(c, child, "enum"))
            allowed[input->enum_count++] = json_of(c, child);
    input->enum_json = allowed;
}

/* ---------------------------------------------------------------------------------- declarations
 */

/* Whether the default and the allowed values are what the declaration itself asks for. */
static void check_declaration(struct compiler *c, const struct flow_input *input,
                              const struct node *node)
{
    struct error error = {0};
    if (input->default_json.data && input_check(input, input->default_json, &error)) {
        const struct node *fallback = node_member(node, "default");
        struct flow_problem *problem =
            report_error(&c->report, fallback->span, "the default of `%.*s` %s",
                         TEXT_ARG(input->name), error.text);
        if (input->type == FLOW_BOOLEAN)
            value_hint_plain(c, problem, fallback);
    }
    const struct flow_input only_type = {.type = input->type};
    const struct node *value = node_member(node, "enum");
    if (!value || value->count != input->enum_count)
        return;
    value = value->first;
    for (size_t i = 0; i < input->enum_count; i++, value = value->next)
        if (input_check(&only_type, input->enum_json[i], &error))
            report_error(&c->report, value->span, "this value of `%.*s` %s", TEXT_ARG(input->name),
                         error.text);
}

static void read_declaration(struct compiler *c, struct flow_input *input, const struct node *value)
{
    const struct target target = {.input = input};
    if (value->kind == NODE_MAP) {
        language_read(c, IN_INPUT, value, &target);
        check_declaration(c, input, value);
    } else if (value->kind == NODE_STRING) {
        key_input_type(c, &target, value);
    } else if (value->kind == NODE_EMPTY) {
        report_error(&c->report, value->key->span, "the input `%.*s` has no type",
                     TEXT_ARG(input->name));
    } else if (value->kind != NODE_BAD) {
        struct flow_problem *problem =
            report_error(&c->report, value->span, "an input is declared by its type, not by %s",
                         node_kind_name(value));
        report_hint(&c->report, problem, "with a default: {type: …, default: …}");
    }
}

void key_input(struct compiler *c, const struct target *target, const struct node *value)
{
    c->inputs_are_bad = true;
    c->input = value;
    if (value->kind != NODE_MAP) {
        struct flow_problem *problem =
            report_error(&c->report, value->span, "`input` must be a map NAME: TYPE, not %s",
                         node_kind_name(value));
        if (value->kind == NODE_LIST)
            report_hint(&c->report, problem, "every input says its type: `{name: string}`");
        return;
    }
    if (value->count > INPUTS_MAX) {
        report_error(&c->report, value->key->span, "more than %d inputs", INPUTS_MAX);
        return;
    }
    struct flow_input *inputs = arena_calloc(c->arena, value->count + 1, sizeof *inputs);
    c->flow->inputs = inputs;
    c->inputs_are_bad = false;
    for (const struct node *child = value->first; child; child = child->next) {
        if (child->key->kind != NODE_STRING) {
            c->inputs_are_bad = true;
            continue;
        }
        struct flow_input *input = &inputs[c->flow->input_count++];
        input->name = arena_text(c->arena, child->key->text);
        value_check_name(c, child->key, "an input's name");
        names_add(&c->inputs, &c->scratch, input->name, input);
        read_declaration(c, input, child);
    }
}
