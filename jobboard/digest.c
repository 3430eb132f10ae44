/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/digest.h"

#include <stdint.h>
#include <stdio.h>

#define BLOCK 64

static uint32_t rotate(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

static uint32_t round_value(unsigned t, const uint32_t h[5])
{
    if (t < 20)
        return ((h[1] & h[2]) | (~h[1] & h[3])) + 0x5A827999u;
    if (t < 40)
        return (h[1] ^ h[2] ^ h[3]) + 0x6ED9EBA1u;
    if (t < 60)
        return ((h[1] & h[2]) | (h[1] & h[3]) | (h[2] & h[3])) + 0x8F1BBCDCu;
    return (h[1] ^ h[2] ^ h[3]) + 0xCA62C1D6u;
}

static void sha1_block(uint32_t state[5], const unsigned char *block)
{
    uint32_t w[80], h[5];
    for (unsigned t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (unsigned t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    memcpy(h, state, sizeof h);
    for (unsigned t = 0; t < 80; t++) {
        uint32_t next = rotate(h[0], 5) + round_value(t, h) + h[4] + w[t];
        h[4] = h[3];
        h[3] = h[2];
        h[2] = rotate(h[1], 30);
        h[1] = h[0];
        h[0] = next;
    }
    for (unsigned i = 0; i < 5; i++)
        state[i] += h[i];
}

void digest_sha1(struct text text, unsigned char ret_hash[DIGEST_SHA1_BYTES])
{
    uint32_t state[5] = {0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u, 0xC3D2E1F0u};
    size_t whole = text.len / BLOCK * BLOCK, rest = text.len - whole;
    for (size_t at = 0; at < whole; at += BLOCK)
        sha1_block(state, (const unsigned char *)text.data + at);
    unsigned char last[2 * BLOCK] = {0};
    if (rest)
        memcpy(last, text.data + whole, rest);
    last[rest] = 0x80;
    size_t end = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    uint64_t bits = (uint64_t)text.len * 8;
    for (unsigned i = 0; i < 8; i++)
        last[end - 1 - i] = (unsigned char)(bits >> (8 * i));
    for (size_t at = 0; at < end; at += BLOCK)
        sha1_block(state, last + at);
    for (unsigned i = 0; i < DIGEST_SHA1_BYTES; i++)
        ret_hash[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const unsigned char hash[DIGEST_SHA1_BYTES], char ret_text[29])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char padded[21] = {0};
    memcpy(padded, hash, DIGEST_SHA1_BYTES);
    for (unsigned i = 0; i < 7; i++) {
        uint32_t group =
            (uint32_t)padded[3 * i] << 16 | (uint32_t)padded[3 * i + 1] << 8 | padded[3 * i + 2];
        for (unsigned j = 0; j < 4; j++)
            ret_text[4 * i + j] = digits[group >> (18 - 6 * j) & 63];
    }
    ret_text[27] = '=';
    ret_text[28] = 0;
}

bool digest_id(const char *auth, char ret_id[DIGEST_ID_MAX])
{
    const char *colon = strchr(auth, ':');
    if (!colon || colon == auth)
        return false;
    unsigned char hash[DIGEST_SHA1_BYTES];
    char encoded[29];
    digest_sha1(text_of(auth), hash);
    base64(hash, encoded);
    int len = snprintf(ret_id, DIGEST_ID_MAX, "%.*s:%s", (int)(colon - auth), auth, encoded);
    return len > 0 && len < DIGEST_ID_MAX;
}
