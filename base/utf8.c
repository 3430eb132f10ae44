/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "base/check.h"

static bool is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

size_t utf8_sequence(const char *data, size_t len)
{
    const unsigned char *s = (const unsigned char *)data;
    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        return len >= 2 && is_tail(s[1]) ? 2 : 0;
    if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        if (len < 3 || !is_tail(s[1]) || !is_tail(s[2]))
            return 0;
        if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F))
            return 0;
        return 3;
    }
    if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        if (len < 4 || !is_tail(s[1]) || !is_tail(s[2]) || !is_tail(s[3]))
            return 0;
        if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
            return 0;
        return 4;
    }
    return 0;
}

size_t utf8_decode(const char *data, size_t len, uint32_t *ret_code)
{
    static const unsigned char first_mask[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    size_t n = utf8_sequence(data, len);
    CHECK(n);
    uint32_t code = (unsigned char)data[0] & first_mask[n];
    for (size_t i = 1; i < n; i++)
        code = code << 6 | ((unsigned char)data[i] & 0x3F);
    *ret_code = code;
    return n;
}

size_t utf8_encode(uint32_t code, char ret_bytes[4])
{
    CHECK(code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF));
    if (code < 0x80) {
        ret_bytes[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        ret_bytes[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    static const unsigned char lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    ret_bytes[0] = (char)(lead[n] | code);
    return n;
}

bool utf8_valid(struct text text)
{
    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_sequence(text.data + i, text.len - i);
        if (!n)
            return false;
        i += n;
    }
    return true;
}

size_t utf8_length(struct text text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += !is_tail((unsigned char)text.data[i]);
    return count;
}
