/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the name of a znode: what is read is written as the same name again. */
#include <stdlib.h>

#include "base/check.h"
#include "jobboard/paths.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool ends_with(const struct path *path, struct text name)
{
    struct text text = text_of(path->text);
    return text.len > name.len && text.data[text.len - name.len - 1] == '/' &&
           memcmp(text.data + text.len - name.len, name.data, name.len) == 0;
}

static void try_names(const struct paths *paths, struct text name)
{
    struct card card = {0};
    struct pool pool;
    struct uuid boot;
    if (path_parse_card(name, &card)) {
        struct path path = path_card(paths, &card);
        CHECK(card.priority <= 9 && ends_with(&path, name));
    }
    if (path_parse_pool(name, &pool)) {
        struct path path = path_pool(paths, &pool);
        CHECK(ends_with(&path, name));
    }
    if (path_parse_boot(name, &boot)) {
        struct path path = path_engine(paths, &boot);
        CHECK(ends_with(&path, name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct paths paths;
    struct pool pool;
    uint16_t shard;
    char *text = malloc(size + 1);
    CHECK(text);
    memcpy(text, data, size);
    text[size] = '\0';
    paths_init(&paths, "main");
    try_names(&paths, (struct text){text, size});
    if (path_parse_shard(&paths, text, &pool, &shard)) {
        struct path path = path_shard(&paths, &pool, shard);
        CHECK(!strcmp(path.text, text));
    }
    (void)paths_name_is_valid(text);
    free(text);
    return 0;
}
