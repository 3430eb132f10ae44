/* SPDX-License-Identifier: Apache-2.0 */
#include "base/os/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/os/clock.h"

#define LINE_MAX_BYTES 8192

static struct {
    enum log_level level;
    char who[64];
    struct buffer line;
    bool open;
} logger = {.level = LOG_INFO, .line = {.max_bytes = LINE_MAX_BYTES}};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_init(enum log_level level, const char *who)
{
    logger.level = level;
    snprintf(logger.who, sizeof logger.who, "%s", who ? who : "");
}

enum log_level log_level_now(void)
{
    return logger.level;
}

void log_begin(enum log_level level, const char *event)
{
    logger.open = level <= logger.level;
    if (!logger.open)
        return;
    int64_t now_us = clock_unix_us();
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char stamp[32];
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    buffer_clear(&logger.line);
    buffer_printf(&logger.line, "time=%s.%06" PRId64 "Z level=%s", stamp, now_us % 1000000,
                  level_names[level]);
    if (logger.who[0])
        log_string("engine", logger.who);
    log_string("event", event);
}

static bool is_plain(struct text value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F)
            return false;
    }
    return value.len > 0;
}

void log_text(const char *key, struct text value)
{
    if (!logger.open)
        return;
    buffer_printf(&logger.line, " %s=", key);
    if (is_plain(value))
        buffer_add_text(&logger.line, value);
    else
        buffer_add_json_string(&logger.line, value);
}

void log_string(const char *key, const char *value)
{
    log_text(key, text_of(value));
}

void log_int(const char *key, int64_t value)
{
    if (logger.open)
        buffer_printf(&logger.line, " %s=%" PRId64, key, value);
}

void log_end(void)
{
    if (!logger.open)
        return;
    logger.open = false;
    if (logger.line.len >= LINE_MAX_BYTES)
        logger.line.data[logger.line.len - 1] = '\n';
    else
        buffer_add_char(&logger.line, '\n');
    /* A log that cannot be written must not stop the engine. */
    ssize_t written = write(STDERR_FILENO, logger.line.data, logger.line.len);
    (void)written;
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    if (level > logger.level)
        return;
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_begin(level, event);
    log_string("text", text);
    log_end();
}
