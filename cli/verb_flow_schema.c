/* SPDX-License-Identifier: Apache-2.0 */
/* `jobboard flow schema`: the language as JSON Schema. */
#include <stdio.h>

#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/verbs_flow.h"
#include "engine/flow/flow.h"

int flow_print_schema(int argc, char **argv)
{
    struct options options;
    struct option_set set = {
        .program = "jobboard flow schema",
        .arguments = "",
        .story = "Prints the flow language as JSON Schema (draft 7), for editors that complete and "
                 "check\nwhile you type. `jobboard flow check` sees more.",
        .examples = "  jobboard flow schema > ~/.config/flow.schema.json",
    };
    struct buffer json = {0};
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    flow_schema(&json);
    printf("%s\n", json.data);
    buffer_done(&json);
    options_done(&options);
    return EXIT_CODE_DONE;
}
