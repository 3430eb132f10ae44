/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks. Deadlines and leases use CLOCK_BOOTTIME, which goes on while the machine sleeps;
 * the wall clock is for ids and log lines only. Postgres' clock is the cluster's clock. */
#ifndef BASE_OS_CLOCK_H
#define BASE_OS_CLOCK_H

#include <stdint.h>

int64_t clock_now_ms(void);
int64_t clock_now_us(void);
int64_t clock_unix_ms(void);
int64_t clock_unix_us(void);

#endif
