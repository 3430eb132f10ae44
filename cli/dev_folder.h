/* SPDX-License-Identifier: Apache-2.0 */
/* The scratch folder of a private cluster: finding, making, locking and removing it.
 *
 * In it: dev.json (dev_state.h), lock, .gitignore, logs/, zookeeper-N/, postgres/ and engines/.
 * Nothing else in it is ours, and nothing else is ever removed. */
#ifndef CLI_DEV_FOLDER_H
#define CLI_DEV_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

/* The absolute path of `dir`, whose last part need not exist. ERR_NOT_FOUND: its parent is not
 * there. */
int dev_folder_resolve(struct arena *arena, const char *dir, const char **ret_dir,
                       struct error *ret_error);

/* Makes the folder if it is missing. ERR_WRONG_STATE: it holds something that is not ours. */
int dev_folder_make(const char *dir, bool *ret_created, struct error *ret_error);

/* Takes the folder's lock, which keeps two tools from changing one cluster at once; waits for it at
 * most `wait_ms`. Ends with the process or dev_folder_unlock(). ERR_BUSY: another tool has it. */
int dev_folder_lock(const char *dir, int64_t wait_ms, int *ret_lock_fd, struct error *ret_error);
void dev_folder_unlock(int lock_fd);

/* Removes what is ours, the lock last, and the folder itself if `created`. False when something
 * stayed: `*ret_rest` then holds the path of the first thing that did. */
bool dev_folder_remove(struct arena *arena, const char *dir, bool created, const char **ret_rest);

/* Removes a folder with all it holds; true also when it was not there. Follows no link and leaves
 * the file system it is on. */
bool dev_tree_remove(const char *path);

/* Makes a folder; an existing one is fine. */
int dev_make_dir(const char *path, struct error *ret_error);
/* Writes a small file. */
int dev_write_file(const char *path, struct text content, struct error *ret_error);

/* The last `lines` lines of a file for a person, each with two blanks before it. */
void dev_tail(const char *path, int lines, struct buffer *ret_text);
/* Whether the file holds `needle` behind `offset`. */
bool dev_file_contains(const char *path, int64_t offset, const char *needle);
/* Bytes of a file; 0 when there is none. */
int64_t dev_file_size(const char *path);

#endif
