/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/adapters/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "engine/adapters/process_private.h"

/* One turn handles at most so many descriptors, each with one read of PROCESS_READ_BYTES at most,
 * so that it ends within milliseconds. */
#define EVENTS_A_TURN 64

static struct step *step_find(struct process_source *p, uint64_t id)
{
    struct step *step;
    HASH_FIND(hh, p->steps, &id, sizeof id, step);
    return step;
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

static void source_process(void *self, bool readable, bool writable, int64_t now_ms)
{
    struct process_source *p = self;
    struct epoll_event events[EVENTS_A_TURN];
    int count = epoll_wait(p->epoll_fd, events, EVENTS_A_TURN, 0);
    for (int i = 0; i < count; i++)
        process_handle(p, events[i].data.ptr, now_ms);
    if (now_ms >= p->overdue_ms)
        process_kill_overdue(p, now_ms);
    if (now_ms >= p->sweep_at_ms)
        process_sweep(p, now_ms);
    process_hand_over(p);
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
    if (process_start_nursery(p, ret_error) < 0)
        return ERR_SYSTEM;
    return process_await_nursery(p, ret_error);
}

struct process_source *process_source_new(const struct process_options *options,
                                          struct error *ret_error)
{
    struct process_source *p = xcalloc(1, sizeof *p);
    p->options = *options;
    if (!p->options.stderr_keep_bytes)
        p->options.stderr_keep_bytes = PROCESS_STDERR_KEEP_BYTES;
    p->epoll_fd = p->null_fd = p->warden_fd = p->lease_fd = p->requests_fd = -1;
    p->nursery_watch = (struct watch){NULL, WATCH_NURSERY, -1};
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
        process_step_free(p->pulled);
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
        process_step_free(step);
    }
    free_pulled(p);
    process_end_nursery(p);
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

int process_watch(struct process_source *p, struct watch *watch)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};
    return watch->fd < 0 ? 0 : epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event);
}

void process_start(struct process_source *p, uint64_t id, const struct process_spec *spec)
{
    CHECK(spec->argv && spec->env);
    CHECK(!step_find(p, id));
    free_pulled(p);
    struct step *step = process_step_new(p, id, spec);
    HASH_ADD(hh, p->steps, id, sizeof step->id, step);
    if (!spec->argv[0])
        process_set_trouble(step, PROCESS_TROUBLE_NOT_FOUND, "no program named", 0);
    if (step->trouble || process_prepare(step, spec, p->options.files_max) < 0) {
        process_finish(p, step);
        return;
    }
    DL_APPEND(p->waiting, step);
    process_hand_over(p);
}

void process_stop(struct process_source *p, uint64_t id, int64_t grace_ms)
{
    free_pulled(p);
    struct step *step = step_find(p, id);
    if (step)
        process_step_stop(p, step, grace_ms);
}

void process_set_kill_at(struct process_source *p, int64_t kill_at_ms)
{
    int64_t before_ms = atomic_exchange(&p->lease->kill_at_ms, kill_at_ms);
    if (kill_at_ms >= before_ms)
        return;
    for (struct step *step = p->steps; step; step = step->hh.next)
        process_send_order(step, WARDEN_ORDER_LOOK, 0);
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
        process_step_stop(p, step, 0);
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

static void take_final(struct process_source *p, struct step *step, struct process_event *event)
{
    CHECK(step->state == STEP_DONE);
    if (step->trouble) {
        event->kind = PROCESS_NOT_STARTED;
        event->trouble = step->trouble;
        event->text = text_of(step->trouble_text);
    } else {
        process_fill_ended(step, event);
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
    } else if (step->err.progress_new && step->main_pid) {
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
