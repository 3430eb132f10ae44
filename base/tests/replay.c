/* SPDX-License-Identifier: Apache-2.0 */
/* Gives every file of some folders to the fuzzer's function, whole, cut and damaged: a short run
 * that needs no fuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/random.h"
#include "base/text.h"

#define DAMAGES   20        /* of each file */
#define MAX_SIZE  (1 << 16) /* larger ones are left to the tests of limits */
#define MIN_FILES 10        /* fewer, and the folders are not those that were meant */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size, so that reading beyond it is seen. */
static void try_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = xmalloc(size ? size : 1);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void try_damaged(struct random *random, const uint8_t *data, size_t size)
{
    static const char bytes[] = "{}[]:,-#'\"\\\n $|>&*!%@`0aé";
    uint8_t *copy = xmalloc(size);
    memcpy(copy, data, size);
    for (uint64_t i = random_below(random, 4); i < 4; i++)
        copy[random_below(random, size)] =
            random_below(random, 3) == 0 ? (uint8_t)random_below(random, 256)
                                         : (uint8_t)bytes[random_below(random, sizeof bytes - 1)];
    try_copy(copy, size - random_below(random, size / 2 + 1));
    free(copy);
}

static void replay(struct random *random, const char *path)
{
    static uint8_t data[MAX_SIZE];
    FILE *file = fopen(path, "rb");
    CHECK(file);
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    try_copy(data, size);
    for (int i = 0; size > 0 && i < DAMAGES; i++)
        try_damaged(random, data, size);
}

static int replay_folder(struct random *random, const char *folder)
{
    int count = 0;
    char path[1024];
    DIR *directory = opendir(folder);
    CHECK(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.' || entry->d_type == DT_DIR)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        replay(random, path);
        count++;
    }
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    struct random random;
    int count = 0;
    random_seed(&random, 1);
    for (int i = 1; i < argc; i++)
        count += replay_folder(&random, argv[i]);
    printf("%d files, each whole and %d times damaged\n", count, DAMAGES);
    return count >= MIN_FILES ? 0 : 1;
}
