/* SPDX-License-Identifier: Apache-2.0 */
/* base64, json and text. */
#include "engine/expr/function.h"

#include "base/json.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int call_encode(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    if (args->kind != VALUE_BYTES)
        return eval_fail(eval, "base64.encode() needs bytes, not %s%s", value_kind_name(args->kind),
                         args->kind == VALUE_STRING ? "; bytes() makes them" : "");
    const unsigned char *in = (const unsigned char *)args->text.data;
    size_t len = args->text.len, used = 0;
    if (eval_charge_bytes(eval, len * 2))
        return eval->error->code;
    char *out = eval_alloc_text(eval, (len + 2) / 3 * 4);
    if (!out)
        return eval->error->code;
    for (size_t i = 0; i < len; i += 3) {
        size_t rest = len - i;
        uint32_t bits = (uint32_t)in[i] << 16 | (uint32_t)(rest > 1 ? in[i + 1] : 0) << 8 |
                        (uint32_t)(rest > 2 ? in[i + 2] : 0);
        out[used++] = letters[bits >> 18];
        out[used++] = letters[bits >> 12 & 63];
        out[used++] = rest > 1 ? letters[bits >> 6 & 63] : '=';
        out[used++] = rest > 2 ? letters[bits & 63] : '=';
    }
    *ret = value_string((struct text){out, used});
    return 0;
}

/* Without or with padding; nothing else may stand in the text. */
static bool decode(struct text text, char *out, size_t *ret_len)
{
    uint32_t bits = 0;
    size_t used = 0, taken = 0;
    for (size_t padding = 0; text.len && text.data[text.len - 1] == '='; padding++) {
        if (padding == 2)
            return false;
        text.len--;
    }
    for (size_t i = 0; i < text.len; i++) {
        const char *letter = text.data[i] ? strchr(letters, text.data[i]) : NULL;
        if (!letter)
            return false;
        bits = bits << 6 | (uint32_t)(letter - letters);
        if (++taken % 4 != 1)
            out[used++] = (char)(bits >> (6 - 2 * ((taken - 1) % 4)) & 0xFF);
    }
    *ret_len = used;
    return taken % 4 != 1;
}

static int call_decode(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    if (args->kind != VALUE_STRING)
        return eval_fail_types(eval, "base64.decode()", args, 1);
    int rc = eval_charge_bytes(eval, args->text.len * 2);
    char *out = rc ? NULL : eval_alloc_text(eval, args->text.len);
    size_t len = 0;
    if (!out)
        return eval->error->code;
    if (!decode(args->text, out, &len))
        return eval_fail(eval, "the text is not base64");
    *ret = value_bytes((struct text){out, len});
    return 0;
}

/* No text has more values than this; checking takes memory for each. */
static size_t count_values(struct text text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        count += c == ',' || c == '[' || c == '{';
    }
    return count;
}

/* Checks the whole text, so that what is read from it later cannot fail. */
static int call_json(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    if (args->kind != VALUE_STRING)
        return eval_fail_types(eval, "json()", args, 1);
    int rc = eval_charge(eval, 16 + args->text.len / 8);
    if (rc)
        return rc;
    if (count_values(args->text) > eval->bytes_left / sizeof(struct json))
        return eval_fail_code(eval, ERR_TOO_LARGE, "json(): the text has too many values");
    struct arena checked = {0};
    struct json *json;
    struct error error = {0};
    rc = json_parse(&checked, args->text, &json, &error);
    arena_done(&checked);
    if (rc)
        return eval_fail(eval, "json(): %s", error.text);
    return json_to_value(eval, json_trim(args->text), ret);
}

static int call_text(struct eval *eval, struct value *args, size_t count, struct value *ret)
{
    struct buffer out;
    buffer_init(&out, 0);
    int rc = value_to_json(eval, args, &out);
    *ret = value_string(TEXT_NONE);
    if (!rc)
        return eval_take_buffer(eval, &out, &ret->text);
    buffer_done(&out);
    return rc;
}

const struct function functions_encode[] = {
    {"base64.encode", FORM_GLOBAL, 1, 1, call_encode},
    {"base64.decode", FORM_GLOBAL, 1, 1, call_decode},
    {"json", FORM_GLOBAL, 1, 1, call_json},
    {"text", FORM_GLOBAL, 1, 1, call_text},
    {0},
};
