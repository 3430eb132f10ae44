/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/adapters/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "engine/adapters/process_private.h"

/* One turn reads at most so many times so much, so that it ends within milliseconds. */
#define PROCESS_READ_BYTES ((size_t)64 << 10)
#define EVENTS_A_TURN      64

/* --- steps ------------------------------------------------------------------------------------ */

static struct step *step_find(struct process_source *p, uint64_t id)
{
    struct step *step;
    HASH_FIND(hh, p->steps, &id, sizeof id, step);
    return step;
}

static void watch_close(struct step *step, enum watch_kind kind)
{
    /* Closing takes it out of the epoll set too: no one else holds the description. */
    if (step->watches[kind].fd >= 0)
        close(step->watches[kind].fd);
    step->watches[kind].fd = -1;
}

static struct step *step_new(const struct process_source *p, uint64_t id,
                             const struct process_spec *spec)
{
    struct step *step = xcalloc(1, sizeof *step);
    step->id = id;
    step->overdue_ms = PROCESS_NEVER_MS;
    for (int kind = 0; kind < WATCH_COUNT; kind++)
        step->watches[kind] = (struct watch){step, (enum watch_kind)kind, -1};
    buffer_init(&step->out,
                spec->stdout_limit_bytes ? spec->stdout_limit_bytes : PROCESS_STDOUT_MAX_BYTES);
    process_stderr_init(&step->err, p->options.stderr_keep_bytes);
    return step;
}

static void step_free(struct step *step)
{
    for (int kind = 0; kind < WATCH_COUNT; kind++)
        watch_close(step, (enum watch_kind)kind);
    buffer_done(&step->out);
    process_stderr_done(&step->err);
    free(step);
}

static void send_order(const struct step *step, enum warden_message_kind kind, int64_t grace_ms)
{
    struct warden_message message = {.kind = (int32_t)kind, .grace_ms = grace_ms};
    /* If it cannot be sent the warden is dead, or overdue as it takes nothing. */
    if (step->watches[WATCH_CONTROL].fd >= 0)
        send(step->watches[WATCH_CONTROL].fd, &message, sizeof message,
             MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void step_stop(struct process_source *p, struct step *step, int64_t grace_ms)
{
    if (step->state != STEP_RUNNING)
        return;
    send_order(step, WARDEN_ORDER_STOP, grace_ms);
    step->ordered = true;
    int64_t overdue_ms = clock_now_ms() + (grace_ms > 0 ? grace_ms : 0) + WARDEN_OVERDUE_MS;
    if (overdue_ms < step->overdue_ms)
        step->overdue_ms = overdue_ms;
    if (overdue_ms < p->overdue_ms)
        p->overdue_ms = overdue_ms;
}

void process_queue(struct process_source *p, struct step *step)
{
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
        if (step->err.progress_new)
            process_queue(p, step);
        return true;
    }
    buffer_add(&step->out, p->read_buffer, (size_t)got);
    if (step->out.overflowed && !step->out_overflow) {
        step->out_overflow = true;
        step_stop(p, step, 0);
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

static void read_control(struct process_source *p, struct step *step)
{
    struct watch *watch = &step->watches[WATCH_CONTROL];
    while (watch->fd >= 0) {
        struct warden_message message;
        ssize_t got = recv(watch->fd, &message, sizeof message, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            watch_close(step, WATCH_CONTROL);
        } else if (got == sizeof message && message.kind == WARDEN_STARTED) {
            step->main_pid = message.pid;
            step->started_untold = true;
            process_queue(p, step);
        } else if (got == sizeof message) {
            step->last = message;
        }
    }
}

/* --- ends ------------------------------------------------------------------------------------- */

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

static void start_trouble(struct step *step, const struct warden_message *message)
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
    case WARDEN_STAGE_PROTOCOL:
        break;
    }
    process_set_trouble(step, PROCESS_TROUBLE_WARDEN, "the warden is of another version", 0);
}

void process_finish(struct process_source *p, struct step *step)
{
    CHECK(step->state != STEP_DONE && step->warden_pid == 0);
    drain(p, step, WATCH_STDOUT);
    drain(p, step, WATCH_STDERR);
    watch_close(step, WATCH_CONTROL);
    step->tail = process_stderr_end(&step->err);
    if (step->last.kind == WARDEN_NOT_STARTED)
        start_trouble(step, &step->last);
    step->state = STEP_DONE;
    process_queue(p, step);
}

static void warden_ended(struct process_source *p, struct step *step)
{
    int status;
    pid_t taken = waitpid(step->warden_pid, &status, WNOHANG);
    if (taken == 0)
        return;
    CHECK(taken == step->warden_pid);
    step->warden_pid = 0;
    watch_close(step, WATCH_WARDEN);
    read_control(p, step);
    if (step->last.kind) {
        process_finish(p, step);
        return;
    }
    if (!step->main_pid && WIFEXITED(status))
        process_set_trouble(step, PROCESS_TROUBLE_WARDEN, "the warden cannot work here", 0);
    step->state = STEP_ORPHANED;
    p->sweep_at_ms = 0;
    p->sweeps = 0;
}

static void kill_overdue(struct process_source *p, int64_t now_ms)
{
    p->overdue_ms = PROCESS_NEVER_MS;
    for (struct step *step = p->steps; step; step = step->hh.next) {
        if (step->state != STEP_RUNNING)
            continue;
        if (step->overdue_ms <= now_ms) {
            pidfd_send_signal(step->watches[WATCH_WARDEN].fd, SIGKILL, NULL, 0);
            step->overdue_ms = PROCESS_NEVER_MS;
        }
        if (step->overdue_ms < p->overdue_ms)
            p->overdue_ms = step->overdue_ms;
    }
}

/* --- the source ------------------------------------------------------------------------------- */

static void source_interest(void *self, int64_t now_ms, struct interest *ret_interest)
{
    struct process_source *p = self;
    int64_t due_ms = p->overdue_ms < p->sweep_at_ms ? p->overdue_ms : p->sweep_at_ms;
    /* What waits to be pulled must not wait for a descriptor. */
    if (p->queue)
        due_ms = now_ms;
    *ret_interest = (struct interest){.fd = p->epoll_fd,
                                      .want_read = true,
                                      .deadline_ms = due_ms == PROCESS_NEVER_MS ? -1 : due_ms};
}

static void handle(struct process_source *p, struct watch *watch)
{
    if (watch->fd < 0)
        return;
    switch (watch->kind) {
    case WATCH_WARDEN:
        warden_ended(p, watch->step);
        return;
    case WATCH_CONTROL:
        read_control(p, watch->step);
        return;
    case WATCH_STDOUT:
    case WATCH_STDERR:
        read_once(p, watch->step, watch->kind, PROCESS_READ_BYTES);
        return;
    case WATCH_COUNT:
        break;
    }
    UNREACHABLE();
}

static void source_process(void *self, bool readable, bool writable, int64_t now_ms)
{
    struct process_source *p = self;
    struct epoll_event events[EVENTS_A_TURN];
    int count = epoll_wait(p->epoll_fd, events, EVENTS_A_TURN, 0);
    for (int i = 0; i < count; i++)
        handle(p, events[i].data.ptr);
    if (now_ms >= p->overdue_ms)
        kill_overdue(p, now_ms);
    if (now_ms >= p->sweep_at_ms)
        process_sweep(p, now_ms);
}

struct source process_source(struct process_source *p)
{
    return (struct source){
        .name = "process", .self = p, .interest = source_interest, .process = source_process};
}

/* --- making and ending ------------------------------------------------------------------------ */

static int open_warden(const char *wanted, struct error *ret_error)
{
    char path[PATH_MAX];
    if (wanted) {
        snprintf(path, sizeof path, "%s", wanted);
    } else {
        static const char name[] = "/jobboard-warden";
        ssize_t len = readlink("/proc/self/exe", path, sizeof path - sizeof name);
        while (len > 0 && path[len - 1] != '/')
            len--;
        if (len <= 0)
            return error_set(ret_error, ERR_SYSTEM, "cannot tell where this program stands");
        memcpy(path + len - 1, name, sizeof name);
    }
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || access(path, X_OK) < 0) {
        error_set(ret_error, ERR_SYSTEM, "warden program %s: %s", path, strerrordesc_np(errno));
        if (fd >= 0)
            close(fd);
        return ERR_SYSTEM;
    }
    return fd;
}

static int open_all(struct process_source *p, struct error *ret_error)
{
    p->warden_fd = open_warden(p->options.warden_path, ret_error);
    if (p->warden_fd < 0)
        return ERR_SYSTEM;
    if (!tree_supported())
        return error_set(ret_error, ERR_SYSTEM, "/proc does not list the children of a process");
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    p->lease_fd = memfd_create("lease", MFD_CLOEXEC);
    if (p->epoll_fd < 0 || p->null_fd < 0 || p->lease_fd < 0 ||
        ftruncate(p->lease_fd, sizeof *p->lease) < 0)
        return error_set(ret_error, ERR_SYSTEM, "process source: %s", strerrordesc_np(errno));
    void *page = mmap(NULL, sizeof *p->lease, PROT_READ | PROT_WRITE, MAP_SHARED, p->lease_fd, 0);
    if (page == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return error_set(ret_error, ERR_SYSTEM, "process source: %s", strerrordesc_np(errno));
    p->lease = page;
    atomic_store(&p->lease->kill_at_ms, LEASE_NEVER_MS);
    atomic_store(&p->lease->term_lead_ms, p->options.term_lead_ms);
    return 0;
}

struct process_source *process_source_new(const struct process_options *options,
                                          struct error *ret_error)
{
    struct process_source *p = xcalloc(1, sizeof *p);
    p->options = *options;
    if (!p->options.stderr_keep_bytes)
        p->options.stderr_keep_bytes = PROCESS_STDERR_KEEP_BYTES;
    p->epoll_fd = p->null_fd = p->warden_fd = p->lease_fd = -1;
    p->overdue_ms = p->sweep_at_ms = PROCESS_NEVER_MS;
    p->read_buffer = xmalloc(PROCESS_READ_BYTES);
    if (open_all(p, ret_error) < 0) {
        process_free(p);
        return NULL;
    }
    p->options.warden_path = NULL;
    return p;
}

static void free_pulled(struct process_source *p)
{
    if (p->pulled)
        step_free(p->pulled);
    p->pulled = NULL;
}

void process_free(struct process_source *p)
{
    if (!p)
        return;
    struct step *step, *following;
    HASH_ITER(hh, p->steps, step, following)
    {
        HASH_DEL(p->steps, step);
        step_free(step);
    }
    free_pulled(p);
    int fds[] = {p->epoll_fd, p->null_fd, p->warden_fd, p->lease_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (p->lease)
        munmap(p->lease, sizeof *p->lease);
    free(p->read_buffer);
    free(p->kept);
    free(p);
}

/* --- orders ----------------------------------------------------------------------------------- */

static int watch_all(struct process_source *p, struct step *step)
{
    for (int kind = 0; kind < WATCH_COUNT; kind++) {
        struct watch *watch = &step->watches[kind];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};
        if (watch->fd >= 0 && epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0)
            return ERR_SYSTEM;
    }
    return 0;
}

void process_start(struct process_source *p, uint64_t id, const struct process_spec *spec)
{
    CHECK(spec->argv && spec->env);
    CHECK(!step_find(p, id));
    free_pulled(p);
    struct step *step = step_new(p, id, spec);
    HASH_ADD(hh, p->steps, id, sizeof step->id, step);
    if (!spec->argv[0])
        process_set_trouble(step, PROCESS_TROUBLE_NOT_FOUND, "no program named", 0);
    else if (process_spawn(p, step, spec) == 0 && watch_all(p, step) < 0) {
        /* The kernel refuses more watches: the warden dies, and what it may have started with it.
         */
        process_set_trouble(step, PROCESS_TROUBLE_RESOURCES, "cannot watch a process", ENOSPC);
        kill(step->warden_pid, SIGKILL);
        waitpid(step->warden_pid, NULL, 0);
        step->warden_pid = 0;
        step->state = STEP_ORPHANED;
        p->sweep_at_ms = 0;
        return;
    }
    if (step->trouble)
        process_finish(p, step);
}

void process_stop(struct process_source *p, uint64_t id, int64_t grace_ms)
{
    free_pulled(p);
    struct step *step = step_find(p, id);
    if (step)
        step_stop(p, step, grace_ms);
}

void process_set_kill_at(struct process_source *p, int64_t kill_at_ms)
{
    int64_t before_ms = atomic_exchange(&p->lease->kill_at_ms, kill_at_ms);
    if (kill_at_ms >= before_ms)
        return;
    for (struct step *step = p->steps; step; step = step->hh.next)
        send_order(step, WARDEN_ORDER_LOOK, 0);
}

size_t process_running(const struct process_source *p)
{
    return HASH_COUNT(p->steps);
}

static size_t count_alive(const struct process_source *p)
{
    size_t count = 0;
    for (const struct step *step = p->steps; step; step = step->hh.next)
        count += step->state != STEP_DONE;
    return count;
}

size_t process_close_all(struct process_source *p, int64_t wait_ms)
{
    free_pulled(p);
    int64_t until_ms = clock_now_ms() + wait_ms;
    for (struct step *step = p->steps; step; step = step->hh.next)
        step_stop(p, step, 0);
    size_t alive;
    while ((alive = count_alive(p)) && clock_now_ms() < until_ms) {
        struct epoll_event one;
        /* Short, since sweeps are due too; events themselves wake it at once. */
        epoll_wait(p->epoll_fd, &one, 1, p->sweep_at_ms == PROCESS_NEVER_MS ? 20 : 1);
        source_process(p, true, false, clock_now_ms());
    }
    return alive;
}

/* --- events ----------------------------------------------------------------------------------- */

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

static void fill_ended(const struct step *step, struct process_event *event)
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

static void take_final(struct process_source *p, struct step *step, struct process_event *event)
{
    CHECK(step->state == STEP_DONE);
    if (step->trouble) {
        event->kind = PROCESS_NOT_STARTED;
        event->trouble = step->trouble;
        event->text = text_of(step->trouble_text);
    } else {
        fill_ended(step, event);
    }
    DL_DELETE(p->queue, step);
    HASH_DEL(p->steps, step);
    p->pulled = step;
}

bool process_next(struct process_source *p, struct process_event *ret_event)
{
    free_pulled(p);
    struct step *step = p->queue;
    if (!step)
        return false;
    *ret_event = (struct process_event){.step = step->id, .pid = step->main_pid, .exit_code = -1};
    if (step->started_untold) {
        step->started_untold = false;
        ret_event->kind = PROCESS_STARTED;
    } else if (step->err.progress_new) {
        step->err.progress_new = false;
        ret_event->kind = PROCESS_PROGRESS;
        ret_event->fraction = step->err.fraction;
        ret_event->text = buffer_text(&step->err.progress);
    } else {
        take_final(p, step, ret_event);
        return true;
    }
    if (step->state != STEP_DONE && !step->started_untold && !step->err.progress_new) {
        DL_DELETE(p->queue, step);
        step->queued = false;
    }
    return true;
}
