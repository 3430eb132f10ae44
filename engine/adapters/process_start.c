/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/check.h"
#include "engine/adapters/process_private.h"

/* More than any kernel takes; keeps the sizes in the packet within their type. */
#define STRINGS_MAX_BYTES ((size_t)16 << 20)

/* What one hand-over holds until the packet is sent; -1: not open. */
struct parcel {
    int control, out, err; /* ours */
    int fds[REQUEST_FD_COUNT];
};

static int write_all(int fd, struct text text)
{
    while (text.len) {
        ssize_t written = write(fd, text.data, text.len);
        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            text.data += written;
            text.len -= (size_t)written;
        }
    }
    return 0;
}

/* A sealed file in memory: no turn of the loop has to feed its reader, and nobody can change it. */
static int sealed_file(const char *name, struct text bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    if (write_all(fd, bytes) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, seals) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static uint32_t add_strings(struct buffer *packet, const char *const *strings)
{
    uint32_t count = 0;
    for (; strings[count] && packet->len <= STRINGS_MAX_BYTES; count++)
        buffer_add(packet, strings[count], strlen(strings[count]) + 1);
    return count;
}

int process_prepare(struct step *step, const struct process_spec *spec, uint32_t files_max)
{
    struct warden_request head = {.files_max = files_max};
    buffer_add(&step->request, &head, sizeof head);
    const char *cwd = spec->cwd ? spec->cwd : "/";
    buffer_add(&step->request, cwd, strlen(cwd) + 1);
    head.argument_count = add_strings(&step->request, spec->argv);
    head.environment_count = add_strings(&step->request, spec->env);
    if (step->request.len > STRINGS_MAX_BYTES) {
        process_set_trouble(step, PROCESS_TROUBLE_EXEC, "arguments and environment", E2BIG);
        return ERR_TOO_LARGE;
    }
    head.strings_bytes = (uint32_t)(step->request.len - sizeof head);
    memcpy(step->request.data, &head, sizeof head);
    if (!spec->stdin_bytes.len)
        return 0;
    step->stdin_fd = sealed_file("stdin", spec->stdin_bytes);
    if (step->stdin_fd >= 0)
        return 0;
    process_set_trouble(step, PROCESS_TROUBLE_RESOURCES, "cannot hold stdin", errno);
    return ERR_SYSTEM;
}

/* --- one hand-over ---------------------------------------------------------------------------- */

/* A pipe whose reading end, ours, does not block. */
static int reading_pipe(int *ret_read, int *ret_write)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    *ret_read = ends[0];
    *ret_write = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static int open_parcel(const struct process_source *p, struct step *step, struct parcel *parcel)
{
    int ends[2];
    size_t strings_bytes = step->request.len - sizeof(struct warden_request);
    parcel->fds[REQUEST_FD_STDIN] = step->stdin_fd >= 0 ? step->stdin_fd : p->null_fd;
    if (step->discard_stdout)
        parcel->fds[REQUEST_FD_STDOUT] = p->null_fd;
    else if (reading_pipe(&parcel->out, &parcel->fds[REQUEST_FD_STDOUT]) < 0)
        return -1;
    if (reading_pipe(&parcel->err, &parcel->fds[REQUEST_FD_STDERR]) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    parcel->control = ends[0];
    parcel->fds[REQUEST_FD_CONTROL] = ends[1];
    if (strings_bytes <= WARDEN_INLINE_MAX)
        return 0;
    struct text strings = {step->request.data + sizeof(struct warden_request), strings_bytes};
    parcel->fds[REQUEST_FD_STRINGS] = sealed_file("strings", strings);
    return parcel->fds[REQUEST_FD_STRINGS] < 0 ? -1 : 0;
}

/* Closes what the nursery has now, or shall not have. */
static void close_parcel(const struct process_source *p, const struct step *step,
                         struct parcel *parcel)
{
    for (int i = 0; i < REQUEST_FD_COUNT; i++)
        if (parcel->fds[i] >= 0 && parcel->fds[i] != p->null_fd && parcel->fds[i] != step->stdin_fd)
            close(parcel->fds[i]);
    int ours[] = {parcel->control, parcel->out, parcel->err};
    for (int i = 0; i < 3; i++)
        if (ours[i] >= 0)
            close(ours[i]);
}

static int send_parcel(const struct process_source *p, const struct step *step,
                       const struct parcel *parcel)
{
    bool apart = parcel->fds[REQUEST_FD_STRINGS] >= 0;
    struct iovec part = {step->request.data,
                         apart ? sizeof(struct warden_request) : step->request.len};
    size_t fds_bytes = sizeof(int) * (size_t)(REQUEST_FD_COUNT - !apart);
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * REQUEST_FD_COUNT)];
    } control = {.header = {.cmsg_len = CMSG_LEN(fds_bytes),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), parcel->fds, fds_bytes);
    struct msghdr packet = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = CMSG_SPACE(fds_bytes)};
    return sendmsg(p->requests_fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

static int watch_step(struct process_source *p, struct step *step, struct parcel *parcel)
{
    step->watches[WATCH_CONTROL].fd = parcel->control;
    step->watches[WATCH_STDOUT].fd = parcel->out;
    step->watches[WATCH_STDERR].fd = parcel->err;
    parcel->control = parcel->out = parcel->err = -1;
    for (int kind = WATCH_CONTROL; kind < WATCH_COUNT; kind++)
        if (process_watch(p, &step->watches[kind]) < 0)
            return -1;
    return 0;
}

/* Returns 0 or an errno; EAGAIN: not now. */
static int hand_over(struct process_source *p, struct step *step)
{
    struct error why;
    if (p->requests_fd < 0 && process_start_nursery(p, &why) < 0)
        return EPIPE;
    struct parcel parcel = {.control = -1, .out = -1, .err = -1};
    for (int i = 0; i < REQUEST_FD_COUNT; i++)
        parcel.fds[i] = -1;
    int error = 0;
    if (open_parcel(p, step, &parcel) < 0 || send_parcel(p, step, &parcel) < 0 ||
        watch_step(p, step, &parcel) < 0)
        error = errno;
    close_parcel(p, step, &parcel);
    return error;
}

static void start_refused(struct process_source *p, struct step *step, int error)
{
    if (error == EPIPE || error == ECONNRESET)
        process_set_trouble(step, PROCESS_TROUBLE_WARDEN, "the wardens' parent cannot work", 0);
    else
        process_set_trouble(step, PROCESS_TROUBLE_RESOURCES, "cannot start a process", error);
    process_finish(p, step);
}

void process_hand_over(struct process_source *p)
{
    while (p->waiting && p->in_flight < STARTS_IN_FLIGHT_MAX) {
        struct step *step = p->waiting;
        int error = hand_over(p, step);
        if (error == EPIPE || error == ECONNRESET) {
            process_end_nursery(p);
            error = hand_over(p, step);
        }
        /* Each hello and each end of those in flight leads here again. */
        if ((error == EAGAIN || error == ETOOMANYREFS) && p->in_flight)
            return;
        DL_DELETE(p->waiting, step);
        if (error) {
            start_refused(p, step, error);
            continue;
        }
        step->state = STEP_RUNNING;
        step->in_flight = true;
        p->in_flight++;
    }
}
