/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "engine/warden.h"
#include "engine/warden_step.h"

/* What a request became after it was received. */
struct request {
    struct {
        struct warden_request head;
        char strings[WARDEN_INLINE_MAX];
    } packet;
    size_t packet_bytes;
    int fds[REQUEST_FD_COUNT];
    int fd_count;
};

struct nursery {
    int requests;
    int signals; /* signalfd: SIGCHLD */
    const struct lease_page *lease;
    struct request request; /* the one being read */
};

/* --- in the child ----------------------------------------------------------------------------- */

/* Takes `count` strings from `*at`; NULL if they are not there. */
static char **take_strings(char **at, char *end, size_t count)
{
    if (count > (size_t)(end - *at))
        return NULL;
    char **list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; list && i < count; i++) {
        char *nul = memchr(*at, 0, (size_t)(end - *at));
        if (!nul)
            return NULL;
        list[i] = *at;
        *at = nul + 1;
    }
    return list;
}

static char *strings_of(struct request *request)
{
    size_t len = request->packet.head.strings_bytes;
    if (len <= WARDEN_INLINE_MAX)
        return len + sizeof request->packet.head == request->packet_bytes ? request->packet.strings
                                                                          : NULL;
    if (request->fd_count != REQUEST_FD_COUNT)
        return NULL;
    int fd = request->fds[REQUEST_FD_STRINGS];
    char *strings = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return strings == MAP_FAILED ? NULL : strings;
}

/* Returns 0 or an errno. What it allocates lives as long as the process. */
static int read_start(struct request *request, struct step_start *ret_start)
{
    const struct warden_request *head = &request->packet.head;
    char *at = strings_of(request);
    if (!at)
        return EBADMSG;
    char *end = at + head->strings_bytes;
    char **cwd = take_strings(&at, end, 1);
    *ret_start = (struct step_start){.files_max = head->files_max};
    ret_start->argv = cwd ? take_strings(&at, end, head->argument_count) : NULL;
    ret_start->env = ret_start->argv ? take_strings(&at, end, head->environment_count) : NULL;
    if (!ret_start->env || !head->argument_count || at != end)
        return EBADMSG;
    ret_start->cwd = cwd[0];
    for (int i = 0; i < 3; i++)
        ret_start->fds[i] = request->fds[REQUEST_FD_STDIN + i];
    return 0;
}

static void report_trouble(int control_fd, int error)
{
    struct warden_message message = {
        .kind = WARDEN_NOT_STARTED, .stage = WARDEN_STAGE_SETUP, .error = error};
    send(control_fd, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

_Noreturn static void be_warden(struct nursery *n)
{
    close(n->requests);
    int control_fd = n->request.fds[REQUEST_FD_CONTROL];
    struct step_start start;
    int error = read_start(&n->request, &start);
    if (error) {
        report_trouble(control_fd, error);
        _exit(1);
    }
    struct warden_birth birth = {
        .control_fd = control_fd, .signals_fd = n->signals, .lease = n->lease, .start = &start};
    _exit(warden_run(&birth));
}

/* --- in the nursery --------------------------------------------------------------------------- */

static void take_fds(struct request *request, struct msghdr *packet)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(packet);
    request->fd_count = 0;
    if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
        return;
    size_t bytes = control->cmsg_len - CMSG_LEN(0);
    CHECK(bytes <= sizeof request->fds);
    memcpy(request->fds, CMSG_DATA(control), bytes);
    request->fd_count = (int)(bytes / sizeof(int));
}

static void close_fds(const struct request *request)
{
    for (int i = 0; i < request->fd_count; i++)
        close(request->fds[i]);
}

static void serve(struct nursery *n)
{
    struct request *request = &n->request;
    if (request->fd_count > REQUEST_FD_CONTROL &&
        request->packet_bytes >= sizeof request->packet.head) {
        pid_t pid = fork();
        if (pid == 0)
            be_warden(n);
        if (pid < 0)
            report_trouble(request->fds[REQUEST_FD_CONTROL], errno);
    }
    close_fds(request);
}

/* False when the engine is gone. */
static bool read_request(struct nursery *n)
{
    struct request *request = &n->request;
    struct iovec part = {&request->packet, sizeof request->packet};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof request->fds)];
    } control;
    struct msghdr packet = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control.space};
    ssize_t got = recvmsg(n->requests, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return errno == EAGAIN || errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    if (got == 0)
        return false;
    request->packet_bytes = (size_t)got;
    take_fds(request, &packet);
    serve(n);
    return true;
}

static void take_in_wardens(const struct nursery *n)
{
    struct signalfd_siginfo taken;
    while (read(n->signals, &taken, sizeof taken) > 0)
        continue;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
}

static int become_nursery(struct nursery *n)
{
    prctl(PR_SET_NAME, "warden-nursery");
    close(NURSERY_FD_SELF);
    n->requests = NURSERY_FD_REQUESTS;
    const struct lease_page *lease =
        mmap(NULL, sizeof *lease, PROT_READ, MAP_SHARED, NURSERY_FD_LEASE, 0);
    if (lease == MAP_FAILED || fcntl(n->requests, F_SETFD, FD_CLOEXEC) < 0)
        return -1;
    n->lease = lease;
    close(NURSERY_FD_LEASE);
    sigset_t all, child;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    n->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    return n->signals < 0 ? -1 : 0;
}

int nursery_main(int argc, char **argv)
{
    static struct nursery nursery;
    if (argc != 2 || strtol(argv[1], NULL, 10) != WARDEN_PROTOCOL || become_nursery(&nursery) < 0)
        return 2;
    int32_t protocol = WARDEN_PROTOCOL;
    send(nursery.requests, &protocol, sizeof protocol, MSG_NOSIGNAL | MSG_DONTWAIT);
    for (;;) {
        struct pollfd fds[] = {{nursery.requests, POLLIN, 0}, {nursery.signals, POLLIN, 0}};
        CHECK(poll(fds, 2, -1) >= 0 || errno == EINTR);
        if (fds[1].revents)
            take_in_wardens(&nursery);
        if (fds[0].revents && !read_request(&nursery))
            return 0;
    }
}
