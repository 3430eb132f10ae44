/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "engine/adapters/process_private.h"

/* A warden's socket closes a moment before its tree is handed on: without its pidfd the first look
 * for orphans waits so long. */
#define SWEEP_BLIND_MS 20

/* Nurseries that may be killed while a step is on its way. */
#define TRIES_MAX 3

static void watch_close(struct step *step, enum watch_kind kind)
{
    /* Closing takes it out of the epoll set too: no one else holds the description. */
    if (step->watches[kind].fd >= 0)
        close(step->watches[kind].fd);
    step->watches[kind].fd = -1;
}

struct step *process_step_new(const struct process_source *p, uint64_t id,
                              const struct process_spec *spec)
{
    struct step *step = xcalloc(1, sizeof *step);
    step->id = id;
    step->overdue_ms = PROCESS_NEVER_MS;
    for (int kind = 0; kind < WATCH_COUNT; kind++)
        step->watches[kind] = (struct watch){step, (enum watch_kind)kind, -1};
    step->stdin_fd = -1;
    step->discard_stdout = spec->discard_stdout;
    buffer_init(&step->request, 0);
    buffer_init(&step->out,
                spec->stdout_limit_bytes ? spec->stdout_limit_bytes : PROCESS_STDOUT_MAX_BYTES);
    process_stderr_init(&step->err, p->options.stderr_keep_bytes);
    return step;
}

void process_release_request(struct step *step)
{
    buffer_done(&step->request);
    if (step->stdin_fd >= 0)
        close(step->stdin_fd);
    step->stdin_fd = -1;
}

void process_step_free(struct step *step)
{
    process_release_request(step);
    for (int kind = 0; kind < WATCH_COUNT; kind++)
        watch_close(step, (enum watch_kind)kind);
    buffer_done(&step->out);
    process_stderr_done(&step->err);
    free(step);
}

void process_send_order(const struct step *step, enum warden_message_kind kind, int64_t grace_ms)
{
    struct warden_message message = {.kind = (int32_t)kind, .grace_ms = grace_ms};
    /* If it cannot be sent the warden is dead, or overdue as it takes nothing. */
    if (step->watches[WATCH_CONTROL].fd >= 0)
        send(step->watches[WATCH_CONTROL].fd, &message, sizeof message,
             MSG_NOSIGNAL | MSG_DONTWAIT);
}

void process_step_stop(struct process_source *p, struct step *step, int64_t grace_ms)
{
    if (step->state == STEP_WAITING) {
        DL_DELETE(p->waiting, step);
        process_set_trouble(step, PROCESS_TROUBLE_STOPPED, "stopped before it started", 0);
        process_finish(p, step);
    }
    if (step->state != STEP_RUNNING)
        return;
    process_send_order(step, WARDEN_ORDER_STOP, grace_ms);
    step->ordered = true;
    int64_t overdue_ms = clock_now_ms() + (grace_ms > 0 ? grace_ms : 0) + WARDEN_OVERDUE_MS;
    if (overdue_ms < step->overdue_ms)
        step->overdue_ms = overdue_ms;
    if (overdue_ms < p->overdue_ms)
        p->overdue_ms = overdue_ms;
}

void process_queue(struct process_source *p, struct step *step)
{
    CHECK(step->state != STEP_WAITING);
    if (step->queued)
        return;
    step->queued = true;
    DL_APPEND(p->queue, step);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Reads once; false: nothing there now, or the end, and then the watch is closed. */
static bool read_once(struct process_source *p, struct step *step, enum watch_kind kind, size_t max)
{
    struct watch *watch = &step->watches[kind];
    if (watch->fd < 0)
        return false;
    ssize_t got = read(watch->fd, p->read_buffer, max);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) {
        watch_close(step, kind);
        return false;
    }
    if (kind == WATCH_STDERR) {
        process_stderr_add(&step->err, p->read_buffer, (size_t)got);
        /* The step may speak before its warden could tell that it started. */
        if (step->err.progress_new && step->main_pid)
            process_queue(p, step);
        return true;
    }
    buffer_add(&step->out, p->read_buffer, (size_t)got);
    if (step->out.overflowed && !step->out_overflow) {
        step->out_overflow = true;
        process_step_stop(p, step, 0);
    }
    return true;
}

/* Reads what stands in the pipe now. Nothing of the tree is alive, so nothing more comes; a
 * stranger who was handed the other end is not waited for. */
static void drain(struct process_source *p, struct step *step, enum watch_kind kind)
{
    int left = 0;
    if (step->watches[kind].fd >= 0 && ioctl(step->watches[kind].fd, FIONREAD, &left) == 0)
        while (left > 0) {
            size_t max = (size_t)left < PROCESS_READ_BYTES ? (size_t)left : PROCESS_READ_BYTES;
            if (!read_once(p, step, kind, max))
                break;
            left -= (int)max;
        }
    watch_close(step, kind);
}

/* Receives one packet and the descriptor that may come with it (-1: none). */
static ssize_t receive(int fd, struct warden_message *ret_message, int *ret_fd)
{
    struct iovec part = {ret_message, sizeof *ret_message};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr packet = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control.space};
    ssize_t got = recvmsg(fd, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    *ret_fd = -1;
    const struct cmsghdr *header = got >= 0 ? CMSG_FIRSTHDR(&packet) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(header), sizeof *ret_fd);
    return got;
}

static void leave_flight(struct process_source *p, struct step *step)
{
    p->in_flight -= step->in_flight;
    step->in_flight = false;
}

static void take_hello(struct process_source *p, struct step *step, pid_t pid, int pidfd)
{
    leave_flight(p, step);
    process_release_request(step);
    step->hello = true;
    step->warden_pid = pid;
    step->watches[WATCH_WARDEN].fd = pidfd;
    /* Without it (no descriptor was left here) the end of the control socket must do. */
    if (process_watch(p, &step->watches[WATCH_WARDEN]) < 0)
        watch_close(step, WATCH_WARDEN);
}

static void take_message(struct process_source *p, struct step *step,
                         const struct warden_message *message, int fd)
{
    switch ((enum warden_message_kind)message->kind) {
    case WARDEN_HELLO:
        take_hello(p, step, message->pid, fd);
        return;
    case WARDEN_STARTED:
        step->main_pid = message->pid;
        step->started_untold = true;
        process_queue(p, step);
        return;
    case WARDEN_NOT_STARTED:
    case WARDEN_ENDED:
        step->last = *message;
        return;
    case WARDEN_ORDER_STOP:
    case WARDEN_ORDER_LOOK:
        break;
    }
    UNREACHABLE();
}

static void read_control(struct process_source *p, struct step *step)
{
    struct watch *watch = &step->watches[WATCH_CONTROL];
    while (watch->fd >= 0) {
        struct warden_message message;
        int fd;
        ssize_t got = receive(watch->fd, &message, &fd);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got == sizeof message)
            take_message(p, step, &message, fd);
        else
            watch_close(step, WATCH_CONTROL);
    }
}

/* --- ends ------------------------------------------------------------------------------------- */

void process_finish(struct process_source *p, struct step *step)
{
    CHECK(step->state != STEP_DONE && step->warden_pid == 0 && !step->in_flight);
    drain(p, step, WATCH_STDOUT);
    drain(p, step, WATCH_STDERR);
    watch_close(step, WATCH_CONTROL);
    process_release_request(step);
    step->tail = process_stderr_end(&step->err);
    if (step->last.kind == WARDEN_NOT_STARTED)
        process_start_trouble(step, &step->last);
    step->state = STEP_DONE;
    process_queue(p, step);
}

/* The warden is gone. */
static void step_over(struct process_source *p, struct step *step, int64_t sweep_at_ms)
{
    leave_flight(p, step);
    step->warden_pid = 0;
    if (!step->last.kind && step->hello) {
        step->state = STEP_ORPHANED;
        p->sweeps = 0;
        if (sweep_at_ms < p->sweep_at_ms)
            p->sweep_at_ms = sweep_at_ms;
        return;
    }
    /* A warden starts nothing before its hello, so this step was not run: its nursery was killed.
     */
    if (!step->last.kind && !step->ordered && ++step->tries < TRIES_MAX) {
        for (int kind = 0; kind < WATCH_COUNT; kind++)
            watch_close(step, (enum watch_kind)kind);
        step->state = STEP_WAITING;
        DL_APPEND(p->waiting, step);
        return;
    }
    if (!step->last.kind && step->ordered)
        process_set_trouble(step, PROCESS_TROUBLE_STOPPED, "stopped before it started", 0);
    else if (!step->last.kind)
        process_set_trouble(step, PROCESS_TROUBLE_WARDEN, "killed before it started", 0);
    process_finish(p, step);
}

static void warden_ended(struct process_source *p, struct step *step, int64_t now_ms)
{
    /* It is a child of this process only if its nursery died before it. */
    siginfo_t info;
    waitid(P_PIDFD, (id_t)step->watches[WATCH_WARDEN].fd, &info, WEXITED | WNOHANG);
    watch_close(step, WATCH_WARDEN);
    read_control(p, step);
    step_over(p, step, now_ms);
}

static void control_readable(struct process_source *p, struct step *step, int64_t now_ms)
{
    read_control(p, step);
    bool ended = step->watches[WATCH_CONTROL].fd < 0 && step->watches[WATCH_WARDEN].fd < 0;
    if (ended && step->state == STEP_RUNNING)
        step_over(p, step, now_ms + SWEEP_BLIND_MS);
}

void process_kill_overdue(struct process_source *p, int64_t now_ms)
{
    p->overdue_ms = PROCESS_NEVER_MS;
    for (struct step *step = p->steps; step; step = step->hh.next) {
        if (step->state != STEP_RUNNING)
            continue;
        if (step->overdue_ms <= now_ms) {
            if (step->watches[WATCH_WARDEN].fd >= 0)
                pidfd_send_signal(step->watches[WATCH_WARDEN].fd, SIGKILL, NULL, 0);
            else
                process_end_nursery(p);
            step->overdue_ms = PROCESS_NEVER_MS;
        }
        if (step->overdue_ms < p->overdue_ms)
            p->overdue_ms = step->overdue_ms;
    }
}

void process_handle(struct process_source *p, struct watch *watch, int64_t now_ms)
{
    if (watch->fd < 0)
        return;
    switch (watch->kind) {
    case WATCH_WARDEN:
        warden_ended(p, watch->step, now_ms);
        return;
    case WATCH_CONTROL:
        control_readable(p, watch->step, now_ms);
        return;
    case WATCH_STDOUT:
    case WATCH_STDERR:
        read_once(p, watch->step, watch->kind, PROCESS_READ_BYTES);
        return;
    case WATCH_NURSERY:
        process_hear_nursery(p);
        return;
    }
    UNREACHABLE();
}
