/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/check.h"
#include "engine/adapters/process_private.h"

void process_set_trouble(struct step *step, enum process_trouble trouble, const char *what,
                         int error)
{
    const char *text = error ? strerrordesc_np(error) : NULL;
    step->trouble = trouble;
    snprintf(step->trouble_text, sizeof step->trouble_text, "%s%s%s", what, text ? ": " : "",
             text ? text : "");
}

static void exec_trouble(struct step *step, int error)
{
    if (error == ENOENT || error == ENOTDIR)
        process_set_trouble(step, PROCESS_TROUBLE_NOT_FOUND,
                            "program (or the interpreter it names) not found", 0);
    else if (error == EACCES)
        process_set_trouble(step, PROCESS_TROUBLE_NOT_EXECUTABLE, "program cannot be executed",
                            error);
    else if (error == ENOEXEC)
        process_set_trouble(step, PROCESS_TROUBLE_NOT_EXECUTABLE,
                            "neither a program nor a script with a #! line", 0);
    else if (error == EAGAIN || error == ENOMEM || error == ENFILE || error == EMFILE)
        process_set_trouble(step, PROCESS_TROUBLE_RESOURCES, "cannot run the program", error);
    else
        process_set_trouble(step, PROCESS_TROUBLE_EXEC, "cannot run the program", error);
}

void process_start_trouble(struct step *step, const struct warden_message *message)
{
    switch ((enum warden_stage)message->stage) {
    case WARDEN_STAGE_CWD:
        process_set_trouble(step, PROCESS_TROUBLE_CWD, "working directory", message->error);
        return;
    case WARDEN_STAGE_EXEC:
        exec_trouble(step, message->error);
        return;
    case WARDEN_STAGE_LEASE:
        process_set_trouble(step, PROCESS_TROUBLE_LEASE, "the lease was over", 0);
        return;
    case WARDEN_STAGE_STOPPED:
        process_set_trouble(step, PROCESS_TROUBLE_STOPPED, "stopped before it started", 0);
        return;
    case WARDEN_STAGE_SETUP:
        process_set_trouble(step, PROCESS_TROUBLE_RESOURCES, "cannot start a process",
                            message->error);
        return;
    case WARDEN_STAGE_NONE:
        break;
    }
    UNREACHABLE();
}

static enum process_cause cause_of(const struct step *step)
{
    if (step->last.kind != WARDEN_ENDED)
        return PROCESS_CAUSE_WARDEN;
    if (step->out_overflow)
        return PROCESS_CAUSE_LIMIT;
    switch ((enum warden_cause)step->last.cause) {
    case WARDEN_CAUSE_ORDER:
        return PROCESS_CAUSE_ORDER;
    case WARDEN_CAUSE_LEASE:
        return PROCESS_CAUSE_LEASE;
    case WARDEN_CAUSE_SELF:
    case WARDEN_CAUSE_EOF:
        break;
    }
    return PROCESS_CAUSE_SELF;
}

void process_fill_ended(const struct step *step, struct process_event *event)
{
    int status = step->last.status;
    event->kind = PROCESS_ENDED;
    event->cause = cause_of(step);
    event->warden_lost = step->last.kind != WARDEN_ENDED;
    event->exit_code = !event->warden_lost && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    event->signal = event->warden_lost ? SIGKILL : WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    event->stdout_data = buffer_text(&step->out);
    event->stdout_overflow = step->out_overflow;
    event->stderr_tail = step->tail;
    event->stderr_cut = step->err.cut;
}
