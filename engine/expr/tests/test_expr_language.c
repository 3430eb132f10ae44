/* SPDX-License-Identifier: Apache-2.0 */
/* The language by examples that the published cases leave out. */
#include "engine/expr/tests/expr_testing.h"

struct row {
    const char *source;
    const char *expected; /* JSON, or a part of the failure's text after "!" */
};

static void run(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].expected[0] == '!')
            testing_fails(rows[i].source, NULL, ERR_REFUSED, rows[i].expected + 1);
        else
            testing_gives(rows[i].source, NULL, rows[i].expected);
    }
}

#define RUN(rows) run(rows, sizeof rows / sizeof rows[0])

static void optionals(void **state)
{
    static const struct row rows[] = {
        {"optional.of(1).or(optional.none()).value()", "1"},
        {"optional.none().or(optional.of(2)).value()", "2"},
        {"optional.none().value()", "!the optional has no value"},
        {"optional.none().orValue(42)", "42"},
        {"optional.of({'c': {'d': 'x'}}).c.d.value()", "\"x\""},
        {"optional.of({'c': {'d': 'x'}}).?c.?e.hasValue()", "false"},
        {"optional.of({'c': {'d': 'x'}}).c['d'].orValue('z')", "\"x\""},
        {"{'a': {}}.?a.b.c.hasValue()", "false"},
        {"{}.?a[?0].hasValue()", "false"},
        {"[[1]][?0][0].value()", "1"},
        {"[1, 2][?5].hasValue()", "false"},
        {"{'x': null}.?x.hasValue()", "true"},
        {"{'x': null}.?x.y.hasValue()", "false"},
        {"has(optional.none().c)", "false"},
        {"has({'c': {'d': 1}}.?c.d)", "true"},
        {"optional.none() == optional.none()", "true"},
        {"optional.of(1) == optional.of(1.0)", "true"},
        {"optional.of(1) == optional.none()", "false"},
        {"type(optional.none()) == optional_type", "true"},
        {"optional.of(5).optMap(v, v + 1).value()", "6"},
        {"optional.none().optMap(v, 1 / 0).hasValue()", "false"},
        {"optional.of(5).optFlatMap(v, v > 3 ? optional.of(v) : optional.none()).value()", "5"},
        {"optional.of(5).optFlatMap(v, v)", "!needs an optional"},
        {"[?optional.none(), ?optional.of(3), 4]", "[3,4]"},
        {"[?1]", "!needs an optional, not int"},
        {"{?'a': optional.none(), 'b': 2, ?'c': optional.of(3)}", "{\"b\":2,\"c\":3}"},
        {"[1, 2, 3].first().value() + [1, 2, 3].last().value()", "4"},
        {"[].last().hasValue()", "false"},
        {"optional.unwrap([optional.of(1), optional.none()])", "[1]"},
        {"[optional.of(1)].unwrapOpt()", "[1]"},
        {"optional.ofNonZeroValue([]).hasValue() || optional.ofNonZeroValue({}).hasValue()",
         "false"},
    };
    RUN(rows);
}

static void loops(void **state)
{
    static const struct row rows[] = {
        {"[1, 2, 3].exists(i, v, i > 1 && v > 2)", "true"},
        {"[1, 2, 3].all(i, v, i < v)", "true"},
        {"[1, 2, 3].existsOne(i, v, i == 1)", "true"},
        {"{'a': 1, 'b': 2}.exists_one(k, v, v > 0)", "false"},
        {"[1, 2, 3].transformList(i, v, i + v)", "[1,3,5]"},
        {"[1, 2, 3].transformList(i, v, i > 0, i * v)", "[2,6]"},
        {"{'a': 1}.transformList(k, v, k)", "[\"a\"]"},
        {"[1, 2].transformMap(i, v, v * 10)[1]", "20"},
        {"['a', 'b'].transformMapEntry(i, v, {v: i})", "{\"a\":0,\"b\":1}"},
        {"['a', 'a'].transformMapEntry(i, v, {v: i})", "!stands twice"},
        {"[1, 2].transformMapEntry(i, v, v)", "!needs a map, not int"},
        {"[1, 2, 3].map(x, x > 1, x * 2)", "[4,6]"},
        {"5.map(x, x)", "!only lists and maps"},
        {"[1].filter(x, x)", "!needs true or false, not int"},
        {"cel.bind(x, 1, cel.bind(y, x + 1, x + y))", "3"},
        {"[1].map(x, [2].map(x, x + 1))", "[[3]]"},
    };
    RUN(rows);
}

static void numbers(void **state)
{
    static const struct row rows[] = {
        {"1e308 * 10.0 > 1e308", "true"},
        {"math.isNaN(0.0 / 0.0) && 0.0 / 0.0 != 0.0 / 0.0", "true"},
        {"1 + 1.5", "2.5"},
        {"3 / 2 * 1.0", "1.0"},
        {"3 / 2.0 - 1", "0.5"},
        {"5 % 2.0", "!% is not defined for (int, double)"},
        {"1 + 2u", "!+ is not defined for (int, uint)"},
        {"2u + 1.0", "!+ is not defined for (uint, double)"},
        {"'a' + 1", "!string() makes a string"},
        {"string(1e6)", "\"1000000\""},
        {"string(1e21)", "\"1e+21\""},
        {"string(1.5e-7)", "\"1.5e-07\""},
        {"int('-5') + int(' 5'.trim())", "0"},
        {"int('5x')", "!\"5x\" cannot be read as int"},
        {"int(true)", "!int() is not defined for (bool)"},
        {"uint(-0.5)", "!beyond the range of uint"},
        {"double('1e999')", "!cannot be read as double"},
        {"math.sqrt(16)", "4.0"},
        {"math.round(2.5) - math.round(-2.5)", "6.0"},
        {"math.greatest([])", "!nothing"},
        {"1 in [1.0] && 2u in {2: 0}", "true"},
        {"{1: 'a', 1u: 'b'}", "!stands twice"},
        {"{1.5: 2}", "!not double"},
        {"1 < 2 == true && - -5 == 5 && --5 == 5", "true"},
    };
    RUN(rows);
}

static void times(void **state)
{
    static const struct row rows[] = {
        {"timestamp('2024-02-29T12:00:00Z').getDayOfYear()", "59"},
        {"timestamp('2023-02-29T12:00:00Z')", "!is no time"},
        {"timestamp('2024-01-01T00:00:00')", "!is no time"},
        {"timestamp('2024-01-01')", "!is no time"},
        {"timestamp('1969-12-31T23:59:59Z').getDayOfWeek()", "3"},
        {"timestamp('2024-06-01T23:30:00-02:00').getDate()", "2"},
        {"timestamp('2024-06-01T00:00:00Z').getHours('Europe/Paris')", "!UTC or a fixed offset"},
        {"duration('1.5h').getMinutes()", "90"},
        {"duration('-1.5s')", "\"-1.5s\""},
        {"duration('1d2h3m4s5ms6us7ns')", "\"93784.005006007s\""},
        {"duration('2w') == duration('14d')", "true"},
        {"duration('123.321456789s').getMilliseconds()", "321"},
        {"duration('1')", "!is no duration"},
        {"duration('')", "!is no duration"},
        {"duration('1h').getFullYear()", "!has no date"},
        {"timestamp('2023-01-01T00:00:00Z') - timestamp('2022-12-31T23:00:00.5Z')", "\"3599.5s\""},
        {"timestamp('2000-02-28T00:00:00Z') + duration('2d')", "\"2000-03-01T00:00:00Z\""},
        {"timestamp(0) - duration('1ns')", "\"1969-12-31T23:59:59.999999999Z\""},
        {"timestamp(timestamp(5)) == timestamp('1970-01-01T00:00:05Z')", "true"},
    };
    RUN(rows);
}

static void strings(void **state)
{
    static const struct row rows[] = {
        {"'h\xc3\xa9llo'.size() + size(b'h\xc3\xa9')", "8"},
        {"'a'.contains('') && 'a'.startsWith('') && 'a'.endsWith('')", "true"},
        {"'%.2f %d %x %s'.format([1.005, -5, -255, [1, 'a']])", "\"1.00 -5 -ff [1, a]\""},
        {"'%.101f'.format([1.0])", "!more than 100 digits"},
        {"'%'.format([])", "!within a % clause"},
        {"''.split(',').size() + ''.split('').size()", "1"},
        {"'abc'.split('')", "[\"a\",\"b\",\"c\"]"},
        {"'a,b,c'.split(',', 2)", "[\"a\",\"b,c\"]"},
        {"'abc'.replace('', '-')", "\"-a-b-c-\""},
        {"'abc'.replace('', '-', 2)", "\"-a-bc\""},
        {"'aaa'.replace('a', 'b', 0)", "\"aaa\""},
        {"'abc'.lastIndexOf('c', 1)", "-1"},
        {"[1].join()", "!join() is not defined for (int)"},
        {"b'a' + b'b' == b'ab'", "true"},
        {"string(b'\\xff')", "!not UTF-8"},
        {"base64.decode('!!')", "!not base64"},
        {"base64.encode('a')", "!bytes() makes them"},
        {"'a' < 'b' && b'a' < b'b' && false < true", "true"},
        {"'a' < 1", "!string and int have no order; int() or double() makes a number of text"},
        {"1.5 < 'a'", "!double and string have no order; int() or double() makes a number of text"},
        {"'a' < true", "!string and bool have no order"},
        {"1 < true", "!int and bool have no order"},
    };
    RUN(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optionals), cmocka_unit_test(loops),   cmocka_unit_test(numbers),
        cmocka_unit_test(times),     cmocka_unit_test(strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
