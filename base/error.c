/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct row {
    int code;
    enum error_class class;
    const char *text;
} rows[] = {
#define X(name, value, class, text) {value, class, text},
    ERROR_LIST(X)
#undef X
};

static const struct row *find(int code)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == code)
            return &rows[i];
    }
    return NULL;
}

enum error_class error_class_of(int code)
{
    if (code == 0)
        return CLASS_NONE;
    const struct row *row = find(code);
    return row ? row->class : CLASS_INTERNAL;
}

const char *error_text(int code)
{
    if (code == 0)
        return "success";
    const struct row *row = find(code);
    return row ? row->text : "unlisted error";
}

int error_set(struct error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    error->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return code;
}

int error_wrap(struct error *error, const char *format, ...)
{
    char inner[sizeof error->text];
    memcpy(inner, error->text, sizeof inner);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    if (used < 0)
        used = 0;
    size_t at = (size_t)used < sizeof error->text ? (size_t)used : sizeof error->text - 1;
    size_t room = sizeof error->text - at;
    snprintf(error->text + at, room, ": %.*s", room > 3 ? (int)(room - 3) : 0, inner);
    return error->code;
}
