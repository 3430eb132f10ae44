/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/os/log.h"
#include "engine/engine.h"

/* As the tool's: 2 usage, 3 unreachable, 1 the answer is no. */
static int exit_code_of(int code)
{
    switch (error_class_of(code)) {
    case CLASS_NONE:
        return 0;
    case CLASS_INVALID:
        return 2;
    case CLASS_RETRY:
        return code == ERR_INTERRUPTED ? 0 : 3;
    case CLASS_UNKNOWN:
    case CLASS_REFUSED:
    case CLASS_LIMIT:
    case CLASS_INTERNAL:
        return 1;
    }
    return 1;
}

static int run(int argc, char **argv)
{
    struct options options = {0};
    struct settings settings = {0};
    struct error error = {0};
    bool help = false;
    struct engine *engine = NULL;
    int code = settings_parse(&options, &settings, argc, argv, &help, &error);
    if (code == 0 && !help)
        code = engine_new(&settings, &engine, &error);
    if (code != 0)
        fprintf(stderr, "jobboard-engine: %s\n", error.text);
    else if (!help)
        code = engine_run(engine);
    engine_free(engine);
    options_done(&options);
    return exit_code_of(code);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--version")) {
        printf("jobboard-engine %s\n", JOBBOARD_VERSION);
        return 0;
    }
    return run(argc, argv);
}
