/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inputs.h"

#include "base/json.h"
#include "base/utf8.h"

struct typed {
    struct text name, value;
};

static int split(const char *item, struct typed *ret_typed, struct error *ret_error)
{
    const char *equals = strchr(item, '=');
    if (!utf8_valid(text_of(item)))
        return error_set(ret_error, ERR_INVALID, "-i: expected UTF-8");
    if (!equals || equals == item)
        return error_set(ret_error, ERR_INVALID, "-i '%s': expected NAME=VALUE", item);
    ret_typed->name = (struct text){item, (size_t)(equals - item)};
    ret_typed->value = text_of(equals + 1);
    return 0;
}

static bool is_typed(const struct typed *typed, size_t count, struct text name)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(typed[i].name, name))
            return true;
    return false;
}

static int split_all(const struct option_list *list, struct typed *typed, struct error *ret_error)
{
    for (size_t i = 0; i < list->count; i++) {
        int code = split(list->items[i], &typed[i], ret_error);
        if (!code && is_typed(typed, i, typed[i].name))
            code =
                error_set(ret_error, ERR_INVALID, "-i %.*s: given twice", TEXT_ARG(typed[i].name));
        if (code)
            return code;
    }
    return 0;
}

static void begin_member(struct buffer *json, struct text name)
{
    if (json->data[json->len - 1] != '{')
        buffer_add_char(json, ',');
    buffer_add_json_string(json, name);
    buffer_add_char(json, ':');
}

static int add_document(struct arena *arena, struct text document, const struct typed *typed,
                        size_t count, struct buffer *json, struct error *ret_error)
{
    struct json *root;
    int code = json_parse(arena, document, &root, ret_error);
    if (code) {
        error_wrap(ret_error, "--input");
        return code;
    }
    if (root->kind != JSON_OBJECT)
        return error_set(ret_error, ERR_INVALID, "--input: expected a JSON object");
    for (const struct json *member = root->first; member; member = member->next) {
        if (is_typed(typed, count, member->key))
            continue;
        begin_member(json, member->key);
        buffer_add_text(json, member->raw);
    }
    return 0;
}

int inputs_build(const struct flow *flow, struct text document, const struct option_list *typed,
                 struct buffer *ret_json, struct error *ret_error)
{
    struct arena arena = {0};
    struct typed *values = arena_calloc(&arena, typed->count + 1, sizeof *values);
    int code = split_all(typed, values, ret_error);
    buffer_add_char(ret_json, '{');
    if (!code && document.data)
        code = add_document(&arena, document, values, typed->count, ret_json, ret_error);
    for (size_t i = 0; !code && i < typed->count; i++) {
        struct buffer value = {0};
        code = flow_input_from_text(flow, values[i].name, values[i].value, &value, ret_error);
        if (!code) {
            begin_member(ret_json, values[i].name);
            buffer_add_text(ret_json, buffer_text(&value));
        }
        buffer_done(&value);
    }
    buffer_add_char(ret_json, '}');
    arena_done(&arena);
    return code;
}
