/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters as bytes, fields out of bytes, and the link's table: what needs no server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "storage/link.h"
#include "storage/params.h"

static const struct statement statement = {"s", "ULITBJuli", ""};

static void types_are_those_of_the_letters(void **state)
{
    static const Oid expected[] = {2951, 1016, 1007, 1009, 1000, 199, 2950, 20, 23};
    Oid types[PARAMS_MAX];
    params_types(&statement, types);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_int_equal(types[i], expected[i]);
}

static void values_are_in_network_order(void **state)
{
    struct params params;
    params_init(&params, &statement);
    params_int(&params, 1, -2);
    params_int(&params, 2, 258);
    params_text(&params, 3, TEXT("ab"));
    params_text(&params, 3, TEXT_NONE);
    params_text(&params, 3, TEXT(""));
    params_int(&params, 7, 1);
    const struct param *p = params.list;
    assert_memory_equal(p[1].data.data + 20, "\0\0\0\10\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
    assert_memory_equal(p[2].data.data + 20, "\0\0\0\4\0\0\1\2", 8);
    assert_memory_equal(p[3].data.data + 20, "\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0", 14);
    assert_int_equal(p[3].count, 3);
    assert_true(p[3].has_null);
    assert_false(p[1].has_null);
    assert_memory_equal(p[7].data.data, "\0\0\0\0\0\0\0\1", 8);
    assert_false(p[7].is_null);
    assert_true(p[8].is_null);
    params_done(&params);
}

static void a_nil_uuid_is_null(void **state)
{
    struct params params;
    params_init(&params, &statement);
    params_uuid(&params, 0, &(struct uuid){{0}});
    params_uuid(&params, 6, &(struct uuid){{0}});
    assert_true(params.list[0].has_null);
    assert_true(params.list[6].is_null);
    params_done(&params);
}

static PGresult *one_field(const char *data, int len)
{
    PGresAttDesc column = {.name = (char *)(uintptr_t) "c", .format = 1};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_true(PQsetResultAttrs(result, 1, &column));
    assert_true(PQsetvalue(result, 0, 0, (char *)(uintptr_t)data, len));
    return result;
}

static void fields_are_read_by_their_length(void **state)
{
    static const struct {
        const char *data;
        int len;
        int64_t value;
        bool ok;
    } cases[] = {
        {"\xff\xfe", 2, -2, true},
        {"\0\0\1\2", 4, 258, true},
        {"\x7f\xff\xff\xff\xff\xff\xff\xff", 8, INT64_MAX, true},
        {"\1\2\3", 3, 0, false},
        {NULL, -1, 0, true}, /* null */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool ok = true;
        PGresult *result = one_field(cases[i].data, cases[i].len);
        assert_true(field_int(result, 0, 0, &ok) == cases[i].value);
        assert_int_equal(ok, cases[i].ok);
        PQclear(result);
    }
}

static void times_count_from_1970(void **state)
{
    bool ok = true;
    PGresult *result = one_field("\0\0\0\0\0\0\0\1", 8);
    assert_true(field_time_us(result, 0, 0, &ok) == INT64_C(946684800000001) && ok);
    PQclear(result);
    result = one_field("\x7f\xff\xff\xff\xff\xff\xff\xff", 8); /* infinity */
    field_time_us(result, 0, 0, &ok);
    assert_false(ok);
    PQclear(result);
}

static void a_uuid_of_wrong_length_is_noticed(void **state)
{
    bool ok = true;
    PGresult *result = one_field("0123456789abcde", 15);
    struct uuid uuid = field_uuid(result, 0, 0, &ok);
    assert_true(uuid_is_nil(&uuid));
    assert_false(ok);
    PQclear(result);
}

static void the_table_of_the_link_is_sound(void **state)
{
    assert_null(machine_fault(&link_machine));
}

static void errors_of_the_session_are_told_apart(void **state)
{
    static const char *const ours[] = {"25006", "42501", "26000", "57P01", "53300", "0A000"};
    static const char *const theirs[] = {"22P02", "23505", "40P01", "55P03", "57014", "54000"};
    for (size_t i = 0; i < 6; i++) {
        assert_true(link_error_is_ours(ours[i]));
        assert_false(link_error_is_ours(theirs[i]));
    }
    assert_false(link_error_is_ours(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_those_of_the_letters),
        cmocka_unit_test(values_are_in_network_order),
        cmocka_unit_test(a_nil_uuid_is_null),
        cmocka_unit_test(fields_are_read_by_their_length),
        cmocka_unit_test(times_count_from_1970),
        cmocka_unit_test(a_uuid_of_wrong_length_is_noticed),
        cmocka_unit_test(the_table_of_the_link_is_sound),
        cmocka_unit_test(errors_of_the_session_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
