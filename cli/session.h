/* SPDX-License-Identifier: Apache-2.0 */
/* What most verbs begin with: the cluster opened, and a person's word for a job understood. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/exit_code.h"
#include "cli/options.h"
#include "jobboard/client/jobboard.h"

/* Digits of an id that people see. */
#define ID_SHORT_LEN 8

/* Opens the cluster. False: the trouble was told, `*ret_exit` is the exit code. From here on Ctrl-C
 * ends the program with EXIT_CODE_INTERRUPTED. */
bool session_open(const char *verb, const struct connection_options *connection, bool read_only,
                  struct jobboard **ret_jobboard, int *ret_exit);

/* The same without telling the trouble. Returns its code. */
int session_try_open(const struct connection_options *connection, bool read_only,
                     struct jobboard **ret_jobboard, struct error *ret_error);

/* The job that `name` means: full id, unique ending, or key:K. Returns an exit code; trouble was
 * told. */
int session_find_job(struct jobboard *jobboard, const char *verb, const char *name,
                     struct uuid *ret_job);
/* The same for many; `-` among them: names from stdin, a line or word each. A job named twice is
 * there once. Stops at the first that is not found. Give `*ret_jobs` to free(). */
int session_find_jobs(struct jobboard *jobboard, const char *verb, const char *const *names,
                      size_t count, struct uuid **ret_jobs, size_t *ret_count);

/* The last ID_SHORT_LEN digits. Returns `ret_short`. */
char *id_short(const struct uuid *id, char ret_short[ID_SHORT_LEN + 1]);
#define ID_SHORT(id) id_short((id), (char[ID_SHORT_LEN + 1]){0})

/* Asks for a view; trouble is told. Returns an exit code. */
int session_view(struct jobboard *jobboard, const char *verb, const struct view_request *request,
                 const struct view_answer **ret_answer);

/* Reads a whole file, or stdin for "-". ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_SYSTEM. */
int file_read(const char *path, size_t max_bytes, struct buffer *ret_content,
              struct error *ret_error);

/* Says something to the person on stderr, behind "jobboard VERB: ". */
void session_say(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
