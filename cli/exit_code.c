/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/exit_code.h"

#include "base/error.h"

enum exit_code exit_code_of(int error_code)
{
    static const struct {
        int error;
        enum exit_code exit;
    } table[] = {
        {0, EXIT_CODE_DONE},
        {ERR_UNREACHABLE, EXIT_CODE_UNREACHABLE},
        {ERR_UNKNOWN, EXIT_CODE_UNREACHABLE},
        {ERR_TIMEOUT, EXIT_CODE_TIMEOUT},
        {ERR_NOT_FOUND, EXIT_CODE_NOT_FOUND},
        {ERR_INVALID, EXIT_CODE_USAGE},
        {ERR_AMBIGUOUS, EXIT_CODE_USAGE},
        {ERR_TOO_LARGE, EXIT_CODE_USAGE},
        {ERR_BUSY, EXIT_CODE_REFUSED},
        {ERR_REFUSED, EXIT_CODE_REFUSED},
        {ERR_EXISTS, EXIT_CODE_REFUSED},
        {ERR_WRONG_STATE, EXIT_CODE_REFUSED},
        {ERR_WRONG_BOARD, EXIT_CODE_REFUSED},
        {ERR_SCHEMA, EXIT_CODE_REFUSED},
        {ERR_INTERRUPTED, EXIT_CODE_INTERRUPTED},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].error == error_code)
            return table[i].exit;
    return EXIT_CODE_NO;
}
