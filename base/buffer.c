/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/utf8.h"

#define FIRST_BYTES 64

void buffer_init(struct buffer *buffer, size_t max_bytes)
{
    *buffer = (struct buffer){.max_bytes = max_bytes};
}

void buffer_done(struct buffer *buffer)
{
    free(buffer->data);
    buffer_init(buffer, buffer->max_bytes);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->len = 0;
    buffer->overflowed = false;
    if (buffer->data)
        buffer->data[0] = 0;
}

static size_t room_for(struct buffer *buffer, size_t len)
{
    if (buffer->max_bytes && len > buffer->max_bytes - buffer->len) {
        buffer->overflowed = true;
        len = buffer->max_bytes - buffer->len;
    }
    size_t need = buffer->len + len + 1;
    if (need > buffer->capacity) {
        size_t grown = buffer->capacity ? buffer->capacity * 2 : FIRST_BYTES;
        buffer->capacity = grown > need ? grown : need;
        buffer->data = xrealloc(buffer->data, buffer->capacity, 1);
    }
    return len;
}

void buffer_add(struct buffer *buffer, const void *data, size_t len)
{
    len = room_for(buffer, len);
    if (len)
        memcpy(buffer->data + buffer->len, data, len);
    buffer->len += len;
    buffer->data[buffer->len] = 0;
}

void buffer_add_text(struct buffer *buffer, struct text text)
{
    buffer_add(buffer, text.data, text.len);
}

void buffer_add_string(struct buffer *buffer, const char *string)
{
    buffer_add(buffer, string, strlen(string));
}

void buffer_add_char(struct buffer *buffer, char c)
{
    buffer_add(buffer, &c, 1);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char small[256];
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    CHECK(len >= 0);
    if ((size_t)len < sizeof small) {
        buffer_add(buffer, small, (size_t)len);
    } else {
        char *large = xmalloc((size_t)len + 1);
        vsnprintf(large, (size_t)len + 1, format, again);
        buffer_add(buffer, large, (size_t)len);
        free(large);
    }
    va_end(again);
}

static void add_json_ascii(struct buffer *buffer, unsigned char c)
{
    switch (c) {
    case '"':
        buffer_add_string(buffer, "\\\"");
        break;
    case '\\':
        buffer_add_string(buffer, "\\\\");
        break;
    case '\n':
        buffer_add_string(buffer, "\\n");
        break;
    case '\r':
        buffer_add_string(buffer, "\\r");
        break;
    case '\t':
        buffer_add_string(buffer, "\\t");
        break;
    default:
        if (c < 0x20)
            buffer_printf(buffer, "\\u%04x", c);
        else
            buffer_add_char(buffer, (char)c);
    }
}

void buffer_add_json_string(struct buffer *buffer, struct text text)
{
    buffer_add_char(buffer, '"');
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x80) {
            add_json_ascii(buffer, c);
            i++;
            continue;
        }
        size_t len = utf8_sequence(text.data + i, text.len - i);
        if (len)
            buffer_add(buffer, text.data + i, len);
        else
            buffer_add_string(buffer, "\xef\xbf\xbd");
        i += len ? len : 1;
    }
    buffer_add_char(buffer, '"');
}

bool buffer_add_clean_utf8(struct buffer *buffer, struct text text)
{
    bool replaced = false;
    for (size_t i = 0; i < text.len;) {
        size_t len = text.data[i] ? utf8_sequence(text.data + i, text.len - i) : 0;
        if (len) {
            buffer_add(buffer, text.data + i, len);
        } else {
            buffer_add_string(buffer, "\xef\xbf\xbd");
            replaced = true;
        }
        i += len ? len : 1;
    }
    return replaced;
}

void buffer_consume(struct buffer *buffer, size_t len)
{
    CHECK(len <= buffer->len);
    memmove(buffer->data, buffer->data + len, buffer->len - len + 1);
    buffer->len -= len;
}
