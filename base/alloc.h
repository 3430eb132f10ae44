/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that cannot fail: out of memory ends the process, which is safe (check.h). What can
 * grow from outside has a limit long before that. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

void *xmalloc(size_t bytes);
void *xcalloc(size_t count, size_t bytes);
/* Like realloc for `count` elements of `bytes`; an overflow of the product ends the process. */
void *xrealloc(void *old, size_t count, size_t bytes);
/* At least `*bytes`, in huge pages where the system has them to give: for much that is used whole,
 * since a fault per small page costs more than what is done with it. Sets `*bytes` to what there
 * is. */
void *xmalloc_huge(size_t *bytes);
char *xstrdup(const char *string);
/* A NUL-terminated copy of `len` bytes. */
char *xstrndup(const char *data, size_t len);

#endif
