/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/dev_folder.h"

/* How much of a log's end is looked at for its last lines. */
#define TAIL_BYTES 16384

int dev_write_file(const char *path, struct text content, struct error *ret_error)
{
    FILE *file = fopen(path, "we");
    bool done = file && fwrite(content.data, 1, content.len, file) == content.len;
    if (file && fclose(file))
        done = false;
    if (done)
        return 0;
    return error_set(ret_error, ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
}

int64_t dev_file_size(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (int64_t)status.st_size : 0;
}

/* Appends what stands behind `offset`. */
static void read_from(const char *path, int64_t offset, struct buffer *text)
{
    char chunk[8192];
    size_t got;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (fseek(file, (long)offset, SEEK_SET) == 0)
        while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
            buffer_add(text, chunk, got);
    fclose(file);
}

bool dev_file_contains(const char *path, int64_t offset, const char *needle)
{
    struct buffer text = {0};
    read_from(path, offset, &text);
    bool found = text.data && memmem(text.data, text.len, needle, strlen(needle));
    buffer_done(&text);
    return found;
}

void dev_tail(const char *path, int lines, struct buffer *ret_text)
{
    struct buffer text = {0};
    int64_t size = dev_file_size(path);
    read_from(path, size > TAIL_BYTES ? size - TAIL_BYTES : 0, &text);
    size_t end = text.len;
    while (end > 0 && text.data[end - 1] == '\n')
        end--;
    size_t begin = end;
    while (begin > 0 && (text.data[begin - 1] != '\n' || --lines > 0))
        begin--;
    while (begin < end) {
        const char *line = text.data + begin;
        const char *stop = memchr(line, '\n', end - begin);
        size_t len = stop ? (size_t)(stop - line) : end - begin;
        buffer_add_string(ret_text, "  ");
        buffer_add_clean_utf8(ret_text, (struct text){line, len});
        buffer_add_char(ret_text, '\n');
        begin += len + 1;
    }
    buffer_done(&text);
}
