/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/eval.h"

#include "base/check.h"

/* Smaller maps are searched from the front. */
#define INDEX_FROM 9

/* So many members are looked up in a map's text before it is opened. */
#define ASK_UNREAD 4

int list_open(struct eval *eval, struct list *list)
{
    return list->open ? 0 : json_open_list(eval, list);
}

int map_open(struct eval *eval, struct map *map)
{
    return map->open ? 0 : json_open_map(eval, map);
}

/* Reads an element that is still JSON text. Containers stay read, so that they are opened once;
 * numbers do not, so that their text is still there to be copied. */
static int read_kept(struct eval *eval, struct value *kept, struct value *ret)
{
    *ret = *kept;
    if (kept->kind != VALUE_JSON)
        return 0;
    int rc = json_to_value(eval, kept->text, ret);
    if (!rc && (ret->kind == VALUE_LIST || ret->kind == VALUE_MAP))
        *kept = *ret;
    return rc;
}

int list_at(struct eval *eval, struct list *list, size_t i, struct value *ret)
{
    CHECK(list->open && i < list->count);
    return read_kept(eval, &list->items[i], ret);
}

int map_at(struct eval *eval, struct map *map, size_t i, struct value *ret)
{
    CHECK(map->open && i < map->count);
    return read_kept(eval, &map->entries[i].value, ret);
}

unsigned value_depth(const struct value *value)
{
    switch ((int)value->kind) {
    case VALUE_LIST:
        return value->list->depth;
    case VALUE_MAP:
        return value->map->depth;
    case VALUE_OPTIONAL:
        return value->inner ? value_depth(value->inner) + 1 : 1;
    default:
        return 0;
    }
}

static int count_depth(struct eval *eval, const struct value *value, unsigned *depth)
{
    unsigned below = value_depth(value);
    if (below >= *depth)
        *depth = below + 1;
    if (*depth > VALUE_DEPTH_MAX)
        return eval_fail_code(eval, ERR_TOO_LARGE, "the value is nested too deeply");
    return 0;
}

int list_new(struct eval *eval, const struct value *items, size_t count, struct value *ret)
{
    struct list *list = eval_alloc(eval, 1, sizeof *list);
    int rc = list ? eval_charge_bytes(eval, count * sizeof *items) : eval->error->code;
    if (rc)
        return rc;
    list->items = (struct value *)items;
    list->count = count;
    list->open = true;
    list->depth = 1;
    for (size_t i = 0; !rc && i < count; i++)
        rc = count_depth(eval, &items[i], &list->depth);
    *ret = (struct value){.kind = VALUE_LIST, .list = list};
    return rc;
}

/* ---- keys -------------------------------------------------------------------------------- */

/* A number as a key: whole numbers of all types are the same key. False for 1.5. */
static bool whole_key(const struct value *key, bool *ret_negative, uint64_t *ret_whole)
{
    double d = key->number;
    switch ((int)key->kind) {
    case VALUE_INT:
        *ret_negative = key->integer < 0;
        *ret_whole = (uint64_t)key->integer;
        return true;
    case VALUE_UINT:
        *ret_negative = false;
        *ret_whole = key->whole;
        return true;
    case VALUE_DOUBLE:
        if (!(d >= -0x1p63 && d < 0x1p64) || d != __builtin_trunc(d))
            return false;
        *ret_negative = d < 0;
        *ret_whole = d < 0 ? (uint64_t)(int64_t)d : (uint64_t)d;
        return true;
    default:
        return false;
    }
}

static bool same_key(const struct value *a, const struct value *b)
{
    bool negative[2];
    uint64_t whole[2];
    if (a->kind == VALUE_STRING || b->kind == VALUE_STRING)
        return a->kind == b->kind && text_equal(a->text, b->text);
    if (a->kind == VALUE_BOOL || b->kind == VALUE_BOOL)
        return a->kind == b->kind && a->boolean == b->boolean;
    return whole_key(a, &negative[0], &whole[0]) && whole_key(b, &negative[1], &whole[1]) &&
           negative[0] == negative[1] && whole[0] == whole[1];
}

static uint64_t hash_key(const struct value *key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    bool negative;
    uint64_t whole = key->kind == VALUE_BOOL ? key->boolean : 0;
    if (key->kind == VALUE_STRING) {
        for (size_t i = 0; i < key->text.len; i++)
            hash = (hash ^ (unsigned char)key->text.data[i]) * 0x100000001b3u;
    } else {
        whole_key(key, &negative, &whole);
        hash = (hash ^ whole) * 0x9e3779b97f4a7c15u;
    }
    /* Neighbouring keys must not be neighbours in the table. */
    hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93u;
    return hash ^ hash >> 32;
}

/* The place in the index where `key` is or would be. Each look is charged: keys can be chosen to
 * collide. */
static int find_place(struct eval *eval, const struct map *map, const struct value *key,
                      size_t *ret_place)
{
    size_t mask = map->index_size - 1, place = hash_key(key) & mask;
    while (map->index[place] && !same_key(&map->entries[map->index[place] - 1].key, key)) {
        if (eval_charge(eval, 1))
            return eval->error->code;
        place = (place + 1) & mask;
    }
    *ret_place = place;
    return 0;
}

static int build_index(struct eval *eval, struct map *map, size_t expected)
{
    size_t size = 16;
    while (size < expected * 2)
        size *= 2;
    map->index = eval_alloc(eval, size, sizeof *map->index);
    map->index_size = size;
    int rc = map->index ? eval_charge(eval, map->count / 8) : eval->error->code;
    for (size_t i = 0; !rc && i < map->count; i++) {
        size_t place;
        rc = find_place(eval, map, &map->entries[i].key, &place);
        if (!rc && !map->index[place])
            map->index[place] = (uint32_t)i + 1;
    }
    return rc;
}

static int find_entry(struct eval *eval, struct map *map, const struct value *key,
                      size_t *ret_entry)
{
    *ret_entry = SIZE_MAX;
    if (map->count < INDEX_FROM) {
        for (size_t i = 0; i < map->count && *ret_entry == SIZE_MAX; i++)
            *ret_entry = same_key(&map->entries[i].key, key) ? i : SIZE_MAX;
        return 0;
    }
    int rc = map->index ? 0 : build_index(eval, map, map->count);
    size_t place = 0;
    if (!rc)
        rc = find_place(eval, map, key, &place);
    if (!rc && map->index[place])
        *ret_entry = map->index[place] - 1;
    return rc;
}

static bool can_be_key(const struct value *key)
{
    return key->kind == VALUE_STRING || key->kind == VALUE_BOOL || key->kind == VALUE_INT ||
           key->kind == VALUE_UINT;
}

int map_find(struct eval *eval, struct map *map, const struct value *key, size_t *ret_entry)
{
    int rc = map_open(eval, map);
    *ret_entry = SIZE_MAX;
    if (rc || !(can_be_key(key) || key->kind == VALUE_DOUBLE))
        return rc;
    if (key->kind == VALUE_STRING)
        rc = eval_charge_bytes(eval, key->text.len);
    return rc ? rc : find_entry(eval, map, key, ret_entry);
}

int map_member(struct eval *eval, struct map *map, struct text name, struct value *ret,
               bool *ret_found)
{
    struct value key = value_string(name);
    size_t entry = SIZE_MAX;
    if (!map->open && map->asked++ < ASK_UNREAD) {
        struct text raw;
        int rc = json_find_member(eval, map->raw, name, &raw);
        *ret_found = !rc && raw.data;
        return *ret_found ? json_to_value(eval, raw, ret) : rc;
    }
    int rc = map_find(eval, map, &key, &entry);
    *ret_found = !rc && entry != SIZE_MAX;
    return *ret_found ? map_at(eval, map, entry, ret) : rc;
}

/* ---- building a map ---------------------------------------------------------------------- */

int map_begin(struct eval *eval, struct map_builder *builder, size_t expected)
{
    struct map *map = eval_alloc(eval, 1, sizeof *map);
    struct entry *entries = map ? eval_alloc(eval, expected, sizeof *entries) : NULL;
    if (!entries)
        return eval->error->code;
    map->entries = entries;
    map->open = true;
    map->depth = 1;
    *builder = (struct map_builder){map, expected};
    return 0;
}

static int grow(struct eval *eval, struct map_builder *builder)
{
    size_t capacity = builder->capacity < 8 ? 16 : builder->capacity * 2;
    struct entry *grown = eval_alloc(eval, capacity, sizeof *grown);
    if (!grown)
        return eval->error->code;
    if (builder->map->count)
        memcpy(grown, builder->map->entries, builder->map->count * sizeof *grown);
    builder->map->entries = grown;
    builder->capacity = capacity;
    return 0;
}

/* Enters the last entry into the index, which exists once the map is large. */
static int index_last(struct eval *eval, struct map *map)
{
    size_t place;
    if (map->count < INDEX_FROM)
        return 0;
    if (map->count * 2 > map->index_size)
        return build_index(eval, map, map->count * 2);
    int rc = find_place(eval, map, &map->entries[map->count - 1].key, &place);
    if (!rc)
        map->index[place] = (uint32_t)map->count;
    return rc;
}

int map_put(struct eval *eval, struct map_builder *builder, const struct value *key,
            const struct value *value)
{
    struct map *map = builder->map;
    size_t entry;
    if (!can_be_key(key))
        return eval_fail(eval, "a key is a string, a bool or a whole number, not %s",
                         value_kind_name(key->kind));
    int rc = map_find(eval, map, key, &entry);
    if (!rc && entry != SIZE_MAX) {
        struct text shown;
        rc = value_to_string(eval, key, &shown);
        return rc ? rc
                  : eval_fail(eval, "the key %.*s stands twice in the map",
                              (int)(shown.len < 100 ? shown.len : 100), shown.data);
    }
    if (!rc && map->count == builder->capacity)
        rc = grow(eval, builder);
    if (!rc)
        rc = count_depth(eval, value, &map->depth);
    if (rc)
        return rc;
    map->entries[map->count++] = (struct entry){*key, *value};
    return index_last(eval, map);
}

int map_end(struct eval *eval, struct map_builder *builder, struct value *ret)
{
    *ret = (struct value){.kind = VALUE_MAP, .map = builder->map};
    return 0;
}
