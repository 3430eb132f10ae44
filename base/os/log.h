/* SPDX-License-Identifier: Apache-2.0 */
/* The log: logfmt lines on stderr, one per line of fact, e.g.
 *   time=2026-11-24T03:52:46.123456Z level=info event=claimed job=… epoch=2
 * Values are quoted when they need it. Below the level nothing is built. Libraries do not log; the
 * program logs once, where it decides. */
#ifndef BASE_OS_LOG_H
#define BASE_OS_LOG_H

#include <stdint.h>

#include "base/text.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above `level` are left out; `who` (may be NULL) stands in each line as engine=. */
void log_init(enum log_level level, const char *who);
enum log_level log_level_now(void);

/* Begins a line; fields follow; log_end writes it in one write(). Lines do not nest. */
void log_begin(enum log_level level, const char *event);
void log_text(const char *key, struct text value);
void log_string(const char *key, const char *value);
void log_int(const char *key, int64_t value);
void log_end(void);

/* A whole line: event and one printf text under `text=`. */
void log_line(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
