/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/function.h"

#include <stdio.h>

#include "base/nearest.h"

/* More names than all tables have. */
#define NAMES_MAX 160

static const struct function *const tables[] = {
    functions_convert, functions_string,   functions_string_edit, functions_math,
    functions_time,    functions_optional, functions_encode,
};

static const char *const macros[] = {"has",           "all",          "exists",
                                     "exists_one",    "map",          "filter",
                                     "transformList", "transformMap", "transformMapEntry",
                                     "cel.bind",      "optMap",       "optFlatMap"};

#define EACH_FUNCTION(f)                                                                           \
    for (size_t table_ = 0; table_ < sizeof tables / sizeof tables[0]; table_++)                   \
        for (const struct function *f = tables[table_]; f->name; f++)

const struct function *function_find(struct text name, enum function_form form)
{
    EACH_FUNCTION(f)
    {
        if ((f->form & form) && f->name[0] == *name.data && text_equal(name, text_of(f->name)))
            return f;
    }
    return NULL;
}

bool function_is_namespace(struct text name)
{
    static const char *const names[] = {"math", "strings", "base64", "optional", "cel"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (text_equal(name, text_of(names[i])))
            return true;
    }
    return false;
}

/* What people write who come from elsewhere. */
static const char *foreign_hint(struct text name)
{
    static const struct {
        const char *name, *hint;
    } rows[] = {
        {"len", "size()"},
        {"length", "size()"},
        {"count", "size()"},
        {"lower", "x.lowerAscii()"},
        {"toLowerCase", "x.lowerAscii()"},
        {"upper", "x.upperAscii()"},
        {"toUpperCase", "x.upperAscii()"},
        {"includes", "x.contains(y), or y in list"},
        {"toString", "string()"},
        {"str", "string()"},
        {"format", "\"%s\".format([x])"},
        {"min", "math.least()"},
        {"max", "math.greatest()"},
        {"abs", "math.abs()"},
        {"default", "a.?b.orValue(c)"},
        {"now", "timestamp() of a recorded value; there is no clock here"},
        {"fromJson", "json()"},
        {"fromJSON", "json()"},
        {"toJson", "text()"},
        {"toJSON", "text()"},
        {"success", "needs: {NAME: success}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (text_equal(name, text_of(rows[i].name)))
            return rows[i].hint;
    }
    return NULL;
}

static const char *nearest_function(struct text name)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < sizeof macros / sizeof macros[0]; i++)
        names[count++] = macros[i];
    EACH_FUNCTION(f)
    {
        if (count < NAMES_MAX)
            names[count++] = f->name;
    }
    return nearest_word(name, names, count);
}

static bool is_macro(struct text name)
{
    for (size_t i = 0; i < sizeof macros / sizeof macros[0]; i++) {
        if (text_equal(name, text_of(macros[i])))
            return true;
    }
    return false;
}

void function_hint(struct text name, enum function_form form, char *ret_text, size_t size)
{
    const char *hint = foreign_hint(name);
    bool method = form == FORM_METHOD;
    int len = (int)(name.len < 60 ? name.len : 60);
    if (function_find(name, method ? FORM_GLOBAL : FORM_METHOD) || (!method && is_macro(name)))
        snprintf(ret_text, size,
                 method ? "%.*s() is written %.*s(x)" : "%.*s() is written x.%.*s()", len,
                 name.data, len, name.data);
    else if (hint)
        snprintf(ret_text, size, "there is no function %.*s(); write %s", len, name.data, hint);
    else if (nearest_function(name))
        snprintf(ret_text, size, "there is no function %.*s(); did you mean %s()?", len, name.data,
                 nearest_function(name));
    else
        snprintf(ret_text, size, "there is no function %.*s()", len, name.data);
}

bool function_is_lazy(const struct function *function)
{
    return function->name[0] == 'o' &&
           (!strcmp(function->name, "or") || !strcmp(function->name, "orValue"));
}

bool function_is_matches(const struct function *function)
{
    return !strcmp(function->name, "matches");
}
