/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a step's stderr, in pieces of any size: the same end is kept however it was cut, and
 * no progress beyond 0 … 1 is believed. The first byte says how large the pieces are. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/adapters/process_stderr.h"

#define KEEP_BYTES 100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_in_pieces(struct process_stderr *err, const char *data, size_t len, size_t piece)
{
    process_stderr_init(err, KEEP_BYTES);
    for (size_t at = 0; at < len; at += piece)
        process_stderr_add(err, data + at, len - at < piece ? len - at : piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct process_stderr whole, cut;
    if (size < 2)
        return 0;
    read_in_pieces(&whole, (const char *)data + 1, size - 1, size);
    read_in_pieces(&cut, (const char *)data + 1, size - 1, (size_t)data[0] % 40 + 1);
    struct text a = process_stderr_end(&whole), b = process_stderr_end(&cut);
    CHECK(text_equal(a, b) && a.len <= KEEP_BYTES);
    CHECK(whole.progress_new == cut.progress_new);
    CHECK(!whole.progress_new || (whole.fraction >= 0 && whole.fraction <= 1));
    CHECK(!whole.progress_new || whole.fraction == cut.fraction);
    process_stderr_done(&whole);
    process_stderr_done(&cut);
    return 0;
}
