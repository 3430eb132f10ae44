/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the published conformance cases. A case that is listed in cel-differences.txt must not give
 * what the reference gives; every other must. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "engine/expr/eval.h"
#include "engine/expr/run.h"

struct totals {
    size_t cases, passed, listed, wrong;
};

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    struct buffer text;
    buffer_init(&text, 0);
    char chunk[4096];
    size_t len;
    while ((len = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_add(&text, chunk, len);
    fclose(file);
    buffer_add(&text, "", 0);
    return text.data;
}

/* ---- the cases' values ------------------------------------------------------------------- */

static struct text from_hex(struct arena *arena, struct text hex)
{
    unsigned char *bytes = arena_alloc(arena, hex.len / 2 + 1);
    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        char pair[3] = {hex.data[i], hex.data[i + 1], 0};
        bytes[i / 2] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return (struct text){(char *)bytes, hex.len / 2};
}

static struct value to_value(struct arena *arena, const struct json *json);

static struct value to_list(struct arena *arena, const struct json *json)
{
    struct list *list = arena_calloc(arena, 1, sizeof *list);
    list->items = arena_calloc(arena, json->count, sizeof *list->items);
    for (const struct json *item = json->first; item; item = item->next)
        list->items[list->count++] = to_value(arena, item);
    list->open = true;
    list->depth = 1;
    return (struct value){.kind = VALUE_LIST, .list = list};
}

static struct value to_map(struct arena *arena, const struct json *json)
{
    struct map *map = arena_calloc(arena, 1, sizeof *map);
    map->entries = arena_calloc(arena, json->count, sizeof *map->entries);
    for (const struct json *pair = json->first; pair; pair = pair->next) {
        struct entry *entry = &map->entries[map->count++];
        entry->key = to_value(arena, pair->first);
        entry->value = to_value(arena, pair->first->next);
    }
    map->open = true;
    map->depth = 1;
    return (struct value){.kind = VALUE_MAP, .map = map};
}

static struct value to_value(struct arena *arena, const struct json *json)
{
    const struct json *inner = json->first;
    struct text kind = inner->key;
    struct value value = value_null();
    if (text_equal(kind, TEXT("bool"))) {
        value = value_bool(inner->kind == JSON_TRUE);
    } else if (text_equal(kind, TEXT("int"))) {
        value = value_int(0);
        assert_true(text_to_int(inner->string, &value.integer));
    } else if (text_equal(kind, TEXT("uint"))) {
        value = value_uint(0);
        assert_true(text_to_uint(inner->string, &value.whole));
    } else if (text_equal(kind, TEXT("double"))) {
        value = value_double(0);
        char *text = arena_string(arena, inner->string);
        value.number = strtod(text, NULL);
    } else if (text_equal(kind, TEXT("string"))) {
        value = value_string(inner->string);
    } else if (text_equal(kind, TEXT("bytes_hex"))) {
        value = value_bytes(from_hex(arena, inner->string));
    } else if (text_equal(kind, TEXT("list"))) {
        value = to_list(arena, inner);
    } else if (text_equal(kind, TEXT("map"))) {
        value = to_map(arena, inner);
    } else if (text_equal(kind, TEXT("type"))) {
        enum value_kind type;
        assert_true(value_kind_of_name(inner->string, &type));
        value = value_type(type);
    } else {
        assert_true(text_equal(kind, TEXT("null")));
    }
    return value;
}

/* Same type and same value; maps without regard to order. */
static bool same(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind)
        return false;
    switch ((int)a->kind) {
    case VALUE_NULL:
        return true;
    case VALUE_BOOL:
        return a->boolean == b->boolean;
    case VALUE_DOUBLE:
        return (isnan(a->number) && isnan(b->number)) ||
               (a->number == b->number && signbit(a->number) == signbit(b->number));
    case VALUE_STRING:
    case VALUE_BYTES:
        return a->text.len == b->text.len &&
               (!a->text.len || !memcmp(a->text.data, b->text.data, a->text.len));
    case VALUE_TYPE:
        return a->type == b->type;
    case VALUE_LIST:
        if (a->list->count != b->list->count)
            return false;
        for (size_t i = 0; i < a->list->count; i++) {
            if (!same(&a->list->items[i], &b->list->items[i]))
                return false;
        }
        return true;
    case VALUE_MAP:
        if (a->map->count != b->map->count)
            return false;
        for (size_t i = 0; i < a->map->count; i++) {
            bool found = false;
            for (size_t j = 0; j < b->map->count && !found; j++)
                found = same(&a->map->entries[i].key, &b->map->entries[j].key) &&
                        same(&a->map->entries[i].value, &b->map->entries[j].value);
            if (!found)
                return false;
        }
        return true;
    default:
        return a->integer == b->integer && a->nanos == b->nanos;
    }
}

/* ---- running ----------------------------------------------------------------------------- */

struct bindings {
    struct arena *arena;
    const struct json *json; /* object or NULL */
};

/* The longest prefix of the names that is bound. */
static size_t find_value(void *context, const struct text *names, size_t count,
                         struct value *ret_value)
{
    const struct bindings *bindings = context;
    for (size_t used = count; used > 0; used--) {
        struct buffer name;
        buffer_init(&name, 0);
        for (size_t i = 0; i < used; i++) {
            if (i > 0)
                buffer_add_char(&name, '.');
            buffer_add_text(&name, names[i]);
        }
        const struct json *found = json_member(bindings->json, buffer_text(&name));
        buffer_done(&name);
        if (found) {
            *ret_value = to_value(bindings->arena, found);
            return used;
        }
    }
    return 0;
}

static bool passes(struct arena *arena, const struct json *test, char *ret_got, size_t size)
{
    struct expr *expr;
    struct expr_error error = {0};
    struct eval eval;
    struct value value;
    struct bindings bindings = {arena, json_member(test, TEXT("bindings"))};
    const struct json *expected = json_member(test, TEXT("value"));
    int rc = expr_compile_lenient(arena, json_member(test, TEXT("expr"))->string, &expr, &error);
    if (!rc) {
        run_start(&eval, arena, NULL, NULL, &error);
        eval.find_value = find_value;
        eval.find_context = &bindings;
        rc = eval_run(&eval, expr, &value);
    }
    if (rc) {
        snprintf(ret_got, size, "error: %s", error.text);
        return !expected;
    }
    snprintf(ret_got, size, "a value of type %s", value_kind_name(value.kind));
    if (!expected)
        return false;
    struct value wanted = to_value(arena, expected);
    return same(&value, &wanted);
}

/* Lines of "file|section|name|reason". */
static bool is_listed(const char *differences, const char *file, struct text section,
                      struct text name)
{
    char key[512];
    snprintf(key, sizeof key, "\n%s|%.*s|%.*s|", file, TEXT_ARG(section), TEXT_ARG(name));
    return strstr(differences, key) != NULL;
}

static void run_case(const char *file, const char *differences, struct text line,
                     struct totals *totals)
{
    struct arena arena = {0};
    struct json *test;
    struct error error = {0};
    char got[512];
    if (json_parse(&arena, line, &test, &error))
        fail_msg("%s: %s", file, error.text);
    struct text section = json_member(test, TEXT("section"))->string;
    struct text name = json_member(test, TEXT("name"))->string;
    bool listed = is_listed(differences, file, section, name);
    bool passed = passes(&arena, test, got, sizeof got);
    totals->cases++;
    totals->passed += passed;
    totals->listed += listed;
    if (passed == listed) {
        totals->wrong++;
        print_message("%s %.*s/%.*s: %.*s gives %s%s\n", file, TEXT_ARG(section), TEXT_ARG(name),
                      TEXT_ARG(json_member(test, TEXT("expr"))->string), got,
                      listed ? ", as the reference, but is listed as a difference" : "");
    }
    arena_done(&arena);
}

static void run_file(const char *dir, const char *file, const char *differences,
                     struct totals *totals)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    char *text = read_file(path);
    assert_non_null(text);
    for (char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (len)
            run_case(file, differences, (struct text){line, len}, totals);
        line += len + (line[len] == '\n');
    }
    free(text);
}

static void all_cases(void **state)
{
    const char *dir_name = getenv("CEL_CASES_DIR") ? getenv("CEL_CASES_DIR") : CEL_CASES_DIR;
    DIR *dir = opendir(dir_name);
    if (!dir) {
        print_message("no conformance cases at %s: skipped\n", dir_name);
        skip();
    }
    char *differences = read_file(CEL_DIFFERENCES);
    assert_non_null(differences);
    struct totals totals = {0};
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *end = strrchr(entry->d_name, '.');
        if (end && !strcmp(end, ".jsonl"))
            run_file(dir_name, entry->d_name, differences, &totals);
    }
    closedir(dir);
    free(differences);
    print_message("%zu of %zu cases give the reference's value, %zu are deliberate differences\n",
                  totals.passed, totals.cases, totals.listed);
    assert_int_equal(totals.wrong, 0);
    assert_true(totals.cases > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
