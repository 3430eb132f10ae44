/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the schema of flow files, for check_schema.py. */
#include <stdio.h>

#include "engine/flow/flow.h"

int main(void)
{
    struct buffer json = {0};
    flow_schema(&json);
    printf("%s\n", json.data);
    buffer_done(&json);
    return 0;
}
