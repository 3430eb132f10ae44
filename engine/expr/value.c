/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/value.h"

#include "base/check.h"

static const struct {
    enum value_kind kind;
    const char *name;
} names[] = {
    {VALUE_NULL, "null_type"},
    {VALUE_BOOL, "bool"},
    {VALUE_INT, "int"},
    {VALUE_UINT, "uint"},
    {VALUE_DOUBLE, "double"},
    {VALUE_STRING, "string"},
    {VALUE_BYTES, "bytes"},
    {VALUE_LIST, "list"},
    {VALUE_MAP, "map"},
    {VALUE_TYPE, "type"},
    {VALUE_TIMESTAMP, "google.protobuf.Timestamp"},
    {VALUE_DURATION, "google.protobuf.Duration"},
    {VALUE_OPTIONAL, "optional_type"},
};

const char *value_kind_name(enum value_kind kind)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].kind == kind)
            return names[i].name;
    }
    UNREACHABLE();
}

bool value_kind_of_name(struct text name, enum value_kind *ret_kind)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (text_equal(name, text_of(names[i].name))) {
            *ret_kind = names[i].kind;
            return true;
        }
    }
    return false;
}
