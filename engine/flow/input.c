/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/nearest.h"
#include "engine/flow/input_type.h"

/* Of a value in a message. */
#define SHOWN_MAX_BYTES 60

const char *const input_type_names[INPUT_TYPE_COUNT] = {
    "any", "string", "integer", "number", "boolean", "array", "object",
};

static bool is_integer(const struct json *value)
{
    return value->kind == JSON_NUMBER && !memchr(value->raw.data, '.', value->raw.len) &&
           !memchr(value->raw.data, 'e', value->raw.len) &&
           !memchr(value->raw.data, 'E', value->raw.len);
}

static bool is_of_type(enum flow_type type, const struct json *value)
{
    switch (type) {
    case FLOW_ANY:
        return true;
    case FLOW_STRING:
        return value->kind == JSON_STRING;
    case FLOW_INTEGER:
        return is_integer(value);
    case FLOW_NUMBER:
        return value->kind == JSON_NUMBER;
    case FLOW_BOOLEAN:
        return value->kind == JSON_TRUE || value->kind == JSON_FALSE;
    case FLOW_ARRAY:
        return value->kind == JSON_ARRAY;
    case FLOW_OBJECT:
        return value->kind == JSON_OBJECT;
    }
    UNREACHABLE();
}

static const char *kind_name(const struct json *value)
{
    static const char *const names[] = {"null",     "false",    "true",     "a number",
                                        "a string", "an array", "an object"};
    return names[value->kind];
}

static const char *article_of(const char *word)
{
    return strchr("aeiou", *word) ? "an" : "a";
}

static bool is_allowed(const struct flow_input *input, const struct json *value)
{
    struct arena arena = {0};
    bool found = input->enum_count == 0;
    for (size_t i = 0; i < input->enum_count && !found; i++) {
        struct json *allowed;
        CHECK(!json_parse(&arena, input->enum_json[i], &allowed, NULL));
        found = json_equal(allowed, value);
    }
    arena_done(&arena);
    return found;
}

static int refuse_value(const struct flow_input *input, struct error *ret_error)
{
    struct buffer list;
    buffer_init(&list, 300);
    for (size_t i = 0; i < input->enum_count; i++) {
        buffer_add_string(&list, i > 0 ? ", " : "");
        buffer_add_text(&list, input->enum_json[i]);
    }
    int code = error_set(ret_error, ERR_INVALID, "must be one of %s%s", list.data,
                         list.overflowed ? "…" : "");
    buffer_done(&list);
    return code;
}

int input_check_value(const struct flow_input *input, const struct json *value,
                      struct error *ret_error)
{
    if (!is_of_type(input->type, value)) {
        const char *type = input_type_names[input->type];
        return error_set(ret_error, ERR_INVALID, "must be %s %s, not %s", article_of(type), type,
                         input->type == FLOW_INTEGER && value->kind == JSON_NUMBER
                             ? "a number with fraction or exponent"
                             : kind_name(value));
    }
    return is_allowed(input, value) ? 0 : refuse_value(input, ret_error);
}

int input_check(const struct flow_input *input, struct text json, struct error *ret_error)
{
    struct arena arena = {0};
    struct json *value;
    CHECK(!json_parse(&arena, json, &value, NULL));
    int code = input_check_value(input, value, ret_error);
    arena_done(&arena);
    return code;
}

/* ----------------------------------------------------------------------------- a whole input
 * object */

/* What is wrong so far, joined by "; ". */
struct complaints {
    struct buffer text;
    size_t count;
};

static void complain(struct complaints *complaints, struct text name, const char *what)
{
    buffer_printf(&complaints->text, "%sinput `%.*s` %s", complaints->count++ ? "; " : "",
                  (int)(name.len < SHOWN_MAX_BYTES ? name.len : SHOWN_MAX_BYTES), name.data, what);
}

static const struct flow_input *find_input(const struct flow *flow, struct text name)
{
    for (size_t i = 0; i < flow->input_count; i++)
        if (text_equal(flow->inputs[i].name, name))
            return &flow->inputs[i];
    return NULL;
}

static const char *nearest_input(const struct flow *flow, struct arena *arena, struct text name)
{
    const char **words = arena_calloc(arena, flow->input_count + 1, sizeof *words);
    for (size_t i = 0; i < flow->input_count; i++)
        words[i] = flow->inputs[i].name.data;
    return nearest_word(name, words, flow->input_count);
}

static void complain_unknown(const struct flow *flow, struct arena *arena, struct text name,
                             struct complaints *complaints)
{
    const char *nearest = nearest_input(flow, arena, name);
    struct text text = nearest
                           ? arena_printf(arena, "is not declared (did you mean `%s`?)", nearest)
                           : TEXT("is not declared");
    complain(complaints, name, text.data);
}

static void complete_one(const struct flow_input *input, const struct json *value,
                         struct complaints *complaints, struct buffer *ret_json)
{
    struct error error = {0};
    if (!value && !input->default_json.data) {
        complain(complaints, input->name, "is missing");
        return;
    }
    if (value && input_check_value(input, value, &error))
        complain(complaints, input->name, error.text);
    buffer_add_json_string(ret_json, input->name);
    buffer_add_char(ret_json, ':');
    buffer_add_text(ret_json, value ? value->raw : input->default_json);
}

static void complete(const struct flow *flow, struct arena *arena, const struct json *object,
                     struct complaints *complaints, struct buffer *ret_json)
{
    for (const struct json *value = object->first; value; value = value->next)
        if (!find_input(flow, value->key))
            complain_unknown(flow, arena, value->key, complaints);
    buffer_add_char(ret_json, '{');
    for (size_t i = 0; i < flow->input_count; i++) {
        if (i > 0)
            buffer_add_char(ret_json, ',');
        complete_one(&flow->inputs[i], json_member(object, flow->inputs[i].name), complaints,
                     ret_json);
    }
    buffer_add_char(ret_json, '}');
}

int flow_complete_input(const struct flow *flow, struct text input_json, struct buffer *ret_json,
                        struct error *ret_error)
{
    struct arena arena = {0};
    struct complaints complaints = {0};
    struct json *object;
    size_t before = ret_json->len;
    int code = json_parse(&arena, input_json, &object, ret_error);
    if (code) {
        error_wrap(ret_error, "the input is not JSON");
    } else if (object->kind != JSON_OBJECT) {
        code = error_set(ret_error, ERR_INVALID, "the input must be an object, not %s",
                         kind_name(object));
    } else {
        buffer_init(&complaints.text, sizeof ret_error->text);
        complete(flow, &arena, object, &complaints, ret_json);
        if (complaints.count > 0) {
            ret_json->len = before;
            code = error_set(ret_error, ERR_INVALID, "%s", complaints.text.data);
        }
        buffer_done(&complaints.text);
    }
    arena_done(&arena);
    return code;
}

/* ---------------------------------------------------------------------------------- typed by a
 * person */

static int refuse_typed(enum flow_type type, struct text typed, struct error *ret_error)
{
    const char *name = input_type_names[type];
    int shown = (int)(typed.len < SHOWN_MAX_BYTES ? typed.len : SHOWN_MAX_BYTES);
    if (type == FLOW_ANY)
        return error_set(ret_error, ERR_INVALID,
                         "must be JSON, and `%.*s` is not: text needs double quotes", shown,
                         typed.data);
    bool is_document = type == FLOW_ARRAY || type == FLOW_OBJECT;
    return error_set(ret_error, ERR_INVALID, "must be %s %s%s, not `%.*s`", article_of(name), name,
                     is_document ? " in JSON" : "", shown, typed.data);
}

static int read_typed(const struct flow_input *input, struct text typed, struct buffer *ret_json,
                      struct error *ret_error)
{
    const struct flow_input only_type = {.type = input->type};
    struct arena arena = {0};
    struct json *value;
    int code = 0;
    if (input->type == FLOW_STRING)
        buffer_add_json_string(ret_json, typed);
    else if (json_parse(&arena, typed, &value, NULL))
        code = refuse_typed(input->type, typed, ret_error);
    else if (!(code = input_check_value(&only_type, value, ret_error)))
        buffer_add_text(ret_json, value->raw);
    arena_done(&arena);
    return code;
}

int flow_input_from_text(const struct flow *flow, struct text name, struct text typed,
                         struct buffer *ret_json, struct error *ret_error)
{
    const struct flow_input *input = find_input(flow, name);
    if (!input) {
        struct complaints complaints = {0};
        struct arena arena = {0};
        buffer_init(&complaints.text, sizeof ret_error->text);
        complain_unknown(flow, &arena, name, &complaints);
        int code = error_set(ret_error, ERR_INVALID, "%s", complaints.text.data);
        buffer_done(&complaints.text);
        arena_done(&arena);
        return code;
    }
    int code = read_typed(input, typed, ret_json, ret_error);
    if (code)
        error_wrap(ret_error, "input `%.*s`", TEXT_ARG(input->name));
    return code;
}
