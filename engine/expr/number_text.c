/* SPDX-License-Identifier: Apache-2.0 */
/* strtod and printf depend on the locale; no program here ever leaves the C locale. */
#include "engine/expr/eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Numbers are written without an exponent from 10^-5 up to here. */
#define PLAIN_BELOW 21

/* The fewest significant digits that read back as the same double. */
static int shortest(double number, char *digits, size_t size)
{
    int first = fabs(number) < 2.3e-308 ? 1 : 15;
    for (int precision = first; precision < 17; precision++) {
        snprintf(digits, size, "%.*e", precision - 1, number);
        if (strtod(digits, NULL) == number)
            return precision;
    }
    snprintf(digits, size, "%.16e", number);
    return 17;
}

void double_to_text(double number, bool json, char ret_text[DOUBLE_TEXT_MAX])
{
    char digits[DOUBLE_TEXT_MAX];
    if (isnan(number) || isinf(number)) {
        snprintf(ret_text, DOUBLE_TEXT_MAX, "%s",
                 isnan(number) ? "NaN"
                 : number < 0  ? "-Infinity"
                               : "Infinity");
        return;
    }
    int precision = shortest(number, digits, sizeof digits);
    char *e = strchr(digits, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    char *last = e - 1;
    for (; precision > 1 && *last == '0'; last--)
        precision--;
    if (exponent < -5 || exponent >= PLAIN_BELOW) {
        snprintf(ret_text, DOUBLE_TEXT_MAX, "%.*e", precision - 1, number);
        return;
    }
    int decimals = precision - 1 - exponent;
    snprintf(ret_text, DOUBLE_TEXT_MAX, "%.*f", decimals > 0 ? decimals : 0, number);
    if (json && decimals <= 0)
        strncat(ret_text, ".0", DOUBLE_TEXT_MAX - strlen(ret_text) - 1);
}

static bool is_decimal(struct text text)
{
    size_t i = text.len && (*text.data == '-' || *text.data == '+');
    size_t digits = 0;
    for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        digits++;
    if (i < text.len && text.data[i] == '.') {
        for (i++; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
            digits++;
    }
    if (!digits || i == text.len)
        return digits;
    if (text.data[i] != 'e' && text.data[i] != 'E')
        return false;
    i++;
    i += i < text.len && (text.data[i] == '-' || text.data[i] == '+');
    size_t from = i;
    while (i < text.len && text.data[i] >= '0' && text.data[i] <= '9')
        i++;
    return i == text.len && i > from;
}

static bool named_double(struct text text, double *ret_number)
{
    static const struct {
        const char *name;
        double number;
    } rows[] = {{"NaN", NAN},       {"Infinity", INFINITY}, {"+Infinity", INFINITY},
                {"Inf", INFINITY},  {"+Inf", INFINITY},     {"-Infinity", -INFINITY},
                {"-Inf", -INFINITY}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (text_equal(text, text_of(rows[i].name))) {
            *ret_number = rows[i].number;
            return true;
        }
    }
    return false;
}

bool text_to_double(struct text text, double *ret_number)
{
    char few[64];
    if (named_double(text, ret_number))
        return true;
    if (!is_decimal(text))
        return false;
    char *copy = text.len < sizeof few ? few : malloc(text.len + 1);
    if (!copy)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    *ret_number = strtod(copy, NULL);
    if (copy != few)
        free(copy);
    return !isinf(*ret_number);
}

bool text_to_uint(struct text text, uint64_t *ret_whole)
{
    uint64_t whole = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned char)text.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, digit, &whole))
            return false;
    }
    *ret_whole = whole;
    return text.len > 0;
}

bool text_to_int(struct text text, int64_t *ret_integer)
{
    bool negative = text.len && *text.data == '-';
    bool sign = negative || (text.len && *text.data == '+');
    uint64_t whole;
    if (!text_to_uint((struct text){text.data + sign, text.len - sign}, &whole) ||
        whole > (uint64_t)INT64_MAX + negative)
        return false;
    *ret_integer = negative ? (int64_t)(0 - whole) : (int64_t)whole;
    return true;
}
