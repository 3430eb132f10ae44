/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/states.md from the state tables; with --check FILE compares instead (exit 1: it
 * differs, or a table is unsound). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "engine/core/core_private.h"

static const struct {
    const struct machine *machine;
    const char *story;
} tables[] = {
    {&job_machine, "A job, as its row in Postgres has it. RUNNING to RUNNING is a takeover."},
    {&task_machine, "A task, as its row has it. RUNNING to RUNNING: a takeover continues it."},
    {&hold_machine,
     "An engine's hold on a job, from the choice to claim it until its lock's absence "
     "is proven (engine/core/hold.c)."},
    {&lease_machine, "The proof that an engine's session lives (engine/core/lease.c)."},
    {&sync_machine, "The repair of one shard: cards first, rows afterwards (engine/core/shard.c)."},
};

static void print_machine(struct buffer *text, const struct machine *machine, const char *story)
{
    buffer_printf(text, "\n## %s\n\n%s\n\n```mermaid\nstateDiagram-v2\n", machine->name, story);
    for (int i = 0; i < machine->count; i++) {
        if (machine->states[i].initial)
            buffer_printf(text, "    [*] --> %s\n", machine->states[i].name);
        for (int j = 0; j < machine->count; j++) {
            if (machine_allows(machine, i, j))
                buffer_printf(text, "    %s --> %s\n", machine->states[i].name,
                              machine->states[j].name);
        }
        if (machine->states[i].final)
            buffer_printf(text, "    %s --> [*]\n", machine->states[i].name);
    }
    buffer_add_string(text, "```\n");
}

static int compare(const char *path, const struct buffer *text)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return 1;
    }
    struct buffer there = {0};
    char part[4096];
    for (size_t len; (len = fread(part, 1, sizeof part, file)) > 0;)
        buffer_add(&there, part, len);
    fclose(file);
    bool same = text_equal(buffer_text(&there), buffer_text(text));
    buffer_done(&there);
    if (!same)
        fprintf(stderr, "%s differs from the tables: print_states >%s\n", path, path);
    return same ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct buffer text = {0};
    int code = 0;
    buffer_add_string(&text, "# States\n\nGenerated from the tables in the code by "
                             "`print_states`; a test compares.\n");
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        const char *fault = machine_fault(tables[i].machine);
        if (fault) {
            fprintf(stderr, "%s\n", fault);
            code = 1;
        }
        print_machine(&text, tables[i].machine, tables[i].story);
    }
    if (argc == 3 && !strcmp(argv[1], "--check"))
        code |= compare(argv[2], &text);
    else
        fwrite(text.data, 1, text.len, stdout);
    buffer_done(&text);
    return code;
}
