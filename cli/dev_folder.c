/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dev_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os/clock.h"

#define LOCK_POLL_MS 50

/* What we put into the folder; the lock is removed last. */
static const char *const our_names[] = {"logs",         "zookeeper-1", "zookeeper-2", "zookeeper-3",
                                        "postgres",     "engines",     ".gitignore",  "dev.json",
                                        "dev.json.new", "lock"};
#define OUR_NAME_COUNT (sizeof our_names / sizeof our_names[0])

int dev_folder_resolve(struct arena *arena, const char *dir, const char **ret_dir,
                       struct error *ret_error)
{
    char real[PATH_MAX];
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    const char *whole = arena_string(arena, (struct text){dir, len});
    if (len > 0 && realpath(whole, real)) {
        *ret_dir = arena_string(arena, text_of(real));
        return 0;
    }
    const char *slash = strrchr(whole, '/');
    const char *last = slash ? slash + 1 : whole;
    struct text parent = {whole, slash ? (size_t)(slash - whole) : 0};
    const char *up = !slash ? "." : parent.len == 0 ? "/" : arena_string(arena, parent);
    if (!*last || !strcmp(last, ".") || !strcmp(last, "..") || !realpath(up, real))
        return error_set(ret_error, ERR_NOT_FOUND, "the folder for %s is not there: %s", dir,
                         strerror(errno));
    *ret_dir = arena_printf(arena, "%s/%s", !strcmp(real, "/") ? "" : real, last).data;
    return 0;
}

static bool is_ours(const char *name)
{
    for (size_t i = 0; i < OUR_NAME_COUNT; i++)
        if (!strcmp(our_names[i], name))
            return true;
    return false;
}

/* The first entry of the folder that is not ours: in a name buffer; false if there is none. */
static bool find_foreign(const char *dir, char ret_name[NAME_MAX + 1])
{
    bool found = false;
    struct dirent *entry;
    DIR *list = opendir(dir);
    while (list && !found && (entry = readdir(list))) {
        found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                !is_ours(entry->d_name);
        if (found)
            snprintf(ret_name, NAME_MAX + 1, "%s", entry->d_name);
    }
    if (list)
        closedir(list);
    return found;
}

int dev_make_dir(const char *path, struct error *ret_error)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return 0;
    return error_set(ret_error, ERR_SYSTEM, "cannot make the folder %s: %s", path, strerror(errno));
}

int dev_folder_make(const char *dir, bool *ret_created, struct error *ret_error)
{
    char foreign[NAME_MAX + 1];
    *ret_created = mkdir(dir, 0755) == 0;
    if (*ret_created)
        return 0;
    if (errno != EEXIST)
        return error_set(ret_error, ERR_SYSTEM, "cannot make the folder %s: %s", dir,
                         strerror(errno));
    if (access(dir, W_OK | X_OK))
        return error_set(ret_error, ERR_WRONG_STATE, "%s cannot be used as a folder: %s", dir,
                         strerror(errno));
    if (find_foreign(dir, foreign))
        return error_set(ret_error, ERR_WRONG_STATE,
                         "%s holds other things (%.100s); give an empty or a new folder", dir,
                         foreign);
    return 0;
}

/* Locks; -1 with EWOULDBLOCK when another has it. A lock file that its holder removed meanwhile
 * locks nothing and is made anew. */
static int try_lock(const char *path)
{
    for (;;) {
        struct stat status;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB)) {
            int trouble = errno;
            close(fd);
            errno = trouble;
            return -1;
        }
        if (fstat(fd, &status) == 0 && status.st_nlink > 0)
            return fd;
        close(fd);
    }
}

int dev_folder_lock(const char *dir, int64_t wait_ms, int *ret_lock_fd, struct error *ret_error)
{
    struct arena arena = {0};
    int64_t until_ms = clock_now_ms() + wait_ms;
    const char *path = arena_printf(&arena, "%s/lock", dir).data;
    int fd = try_lock(path);
    while (fd < 0 && errno == EWOULDBLOCK && clock_now_ms() < until_ms) {
        poll(NULL, 0, LOCK_POLL_MS);
        fd = try_lock(path);
    }
    int trouble = errno;
    arena_done(&arena);
    *ret_lock_fd = fd;
    if (fd >= 0)
        return 0;
    if (trouble == EWOULDBLOCK)
        return error_set(ret_error, ERR_BUSY,
                         "another `jobboard dev` is working on %s; try again when it is done", dir);
    return error_set(ret_error,
                     trouble == ENOENT || trouble == ENOTDIR ? ERR_NOT_FOUND : ERR_SYSTEM,
                     "cannot lock %s: %s", dir, strerror(trouble));
}

void dev_folder_unlock(int lock_fd)
{
    if (lock_fd >= 0)
        close(lock_fd);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    remove(path);
    return 0;
}

bool dev_tree_remove(const char *path)
{
    struct stat status;
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    return lstat(path, &status) != 0;
}

bool dev_folder_remove(struct arena *arena, const char *dir, bool created, const char **ret_rest)
{
    char foreign[NAME_MAX + 1];
    *ret_rest = NULL;
    for (size_t i = 0; i < OUR_NAME_COUNT; i++) {
        const char *path = arena_printf(arena, "%s/%s", dir, our_names[i]).data;
        if (!dev_tree_remove(path) && !*ret_rest)
            *ret_rest = path;
    }
    if (!created || *ret_rest || rmdir(dir) == 0)
        return !*ret_rest;
    bool found = find_foreign(dir, foreign);
    *ret_rest = found ? arena_printf(arena, "%s/%s", dir, foreign).data : dir;
    return false;
}
