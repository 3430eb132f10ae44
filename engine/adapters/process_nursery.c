/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "engine/adapters/process_private.h"

/* How long the first one may take to say that it works. */
#define NURSERY_PATIENCE_MS 10000

/* Lays the descriptors out as 0…NURSERY_FD_END-1 and closes all others, also those that some
 * library forgot to mark. By way of numbers above all of them, so that none overwrites another. */
static int add_fd_actions(posix_spawn_file_actions_t *actions, const int fds[NURSERY_FD_END])
{
    int above = NURSERY_FD_END, error = 0;
    for (int i = 0; i < NURSERY_FD_END; i++)
        above = fds[i] >= above ? fds[i] + 1 : above;
    for (int i = 0; i < NURSERY_FD_END && !error; i++)
        error = posix_spawn_file_actions_adddup2(actions, fds[i], above + i);
    for (int i = 0; i < NURSERY_FD_END && !error; i++)
        error = posix_spawn_file_actions_adddup2(actions, above + i, i);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(actions, NURSERY_FD_END);
    return error;
}

static int add_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    if (!error)
        error = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    return error;
}

/* Returns 0 or an errno. */
static int spawn(const int fds[NURSERY_FD_END], pid_t *ret_pid)
{
    char program[32], protocol[16];
    snprintf(program, sizeof program, "/proc/self/fd/%d", NURSERY_FD_SELF);
    snprintf(protocol, sizeof protocol, "%d", WARDEN_PROTOCOL);
    char name[] = "jobboard-warden";
    char *argv[] = {name, protocol, NULL}, *env[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = add_attributes(&attributes);
        if (!error)
            error = add_fd_actions(&actions, fds);
        if (!error)
            error = posix_spawn(ret_pid, program, &actions, &attributes, argv, env);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int process_start_nursery(struct process_source *p, struct error *ret_error)
{
    CHECK(p->requests_fd < 0 && p->nursery_pid == 0);
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_set(ret_error, ERR_SYSTEM, "nursery: %s", strerrordesc_np(errno));
    int fds[NURSERY_FD_END] = {p->null_fd, p->null_fd,  p->null_fd,
                               ends[1],    p->lease_fd, p->warden_fd};
    int error = spawn(fds, &p->nursery_pid);
    close(ends[1]);
    p->requests_fd = p->nursery_watch.fd = ends[0];
    if (error) {
        p->nursery_pid = 0;
        process_end_nursery(p);
        return error_set(ret_error, ERR_SYSTEM, "nursery: %s", strerrordesc_np(error));
    }
    if (process_watch(p, &p->nursery_watch) < 0) {
        process_end_nursery(p);
        return error_set(ret_error, ERR_SYSTEM, "nursery: cannot watch it");
    }
    return 0;
}

int process_await_nursery(struct process_source *p, struct error *ret_error)
{
    struct pollfd ready = {p->requests_fd, POLLIN, 0};
    int32_t protocol = 0;
    if (poll(&ready, 1, NURSERY_PATIENCE_MS) == 1 &&
        recv(p->requests_fd, &protocol, sizeof protocol, MSG_DONTWAIT) == sizeof protocol &&
        protocol == WARDEN_PROTOCOL)
        return 0;
    return error_set(ret_error, ERR_SYSTEM, "the warden program does not work with this one");
}

void process_end_nursery(struct process_source *p)
{
    if (p->requests_fd >= 0)
        close(p->requests_fd);
    p->requests_fd = p->nursery_watch.fd = -1;
    if (p->nursery_pid) {
        kill(p->nursery_pid, SIGKILL);
        CHECK(waitpid(p->nursery_pid, NULL, 0) == p->nursery_pid);
        p->nursery_pid = 0;
        /* Wardens that had ended, and that it did not come to take in. */
        process_reap(p);
    }
}

void process_hear_nursery(struct process_source *p)
{
    char anything[16];
    ssize_t got = recv(p->requests_fd, anything, sizeof anything, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        process_end_nursery(p);
}
