/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes of the system, for ids and seeds. */
#ifndef BASE_OS_ENTROPY_H
#define BASE_OS_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"

void entropy_bytes(void *ret_bytes, size_t len);
uint64_t entropy_seed(void);
/* A fresh UUIDv7 of the wall clock, increasing within one process. */
struct uuid entropy_uuid_v7(void);

#endif
