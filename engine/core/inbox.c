/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in while a job runs here. It is met when a save would end the claim: the rows are read
 * again, what is new is applied, and the flow goes on to wherever that leads. */
#include "engine/core/core_private.h"

static void apply(struct core *core, struct job *job, const struct job_load *load)
{
    for (size_t i = 0; i < load->inbox_count; i++) {
        const struct inbox_row *row = &load->inbox[i];
        if (row->seq > job->inbox_applied)
            core_trouble(core, "inbox_unused", job, row->kind); /* nothing is for a running job */
    }
    job->inbox_seq = job->inbox_applied = load->row.inbox_seq;
}

void inbox_came(struct core *core, struct job *job, const struct core_event *event)
{
    switch (event->u.load.outcome) {
    case LOAD_OK:
        apply(core, job, &event->u.load.load);
        job->looking = false;
        progress_advance(core, job);
        return;
    case LOAD_UNKNOWN:
        claim_load(core, job);
        return;
    case LOAD_REFUSED:
        hold_drop(core, job, "the row carries another claim at reading its inbox");
        return;
    case LOAD_INVALID:
        core_trouble(core, "rows_invalid", job, event->u.load.error);
        hold_drop(core, job, "its rows cannot be read");
        return;
    }
}
