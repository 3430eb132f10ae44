/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "engine/adapters/process_private.h"

/* What one start needs. Each descriptor is -1 when it is not open (or not ours to close). */
struct start {
    int stdin_fd;
    int stdout_ends[2];
    int stderr_ends[2];
    int control_ends[2]; /* ours, the warden's */
    char protocol[16], files[24];
    char **argv; /* for the warden; borrows from the spec */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

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

/* A sealed file in memory: no turn of the loop has to feed the step, and nobody can change it. */
static int stdin_file(struct text bytes)
{
    int fd = memfd_create("stdin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
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

/* A pipe whose reading end, ours, does not block. */
static int reading_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) < 0) {
        ends[0] = ends[1] = -1;
        return -1;
    }
    return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static int open_fds(struct start *start, const struct process_spec *spec)
{
    if (spec->stdin_bytes.len && (start->stdin_fd = stdin_file(spec->stdin_bytes)) < 0)
        return -1;
    if (!spec->discard_stdout && reading_pipe(start->stdout_ends) < 0)
        return -1;
    if (reading_pipe(start->stderr_ends) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, start->control_ends) < 0) {
        start->control_ends[0] = start->control_ends[1] = -1;
        return -1;
    }
    return 0;
}

static void build_argv(const struct process_source *p, struct start *start,
                       const struct process_spec *spec)
{
    size_t count = 0;
    while (spec->argv[count])
        count++;
    snprintf(start->protocol, sizeof start->protocol, "%d", WARDEN_PROTOCOL);
    snprintf(start->files, sizeof start->files, "%llu", (unsigned long long)p->options.files_max);
    start->argv = xcalloc(WARDEN_ARG_STEP + count + 1, sizeof *start->argv);
    start->argv[0] = (char *)"jobboard-warden";
    start->argv[WARDEN_ARG_PROTOCOL] = start->protocol;
    start->argv[WARDEN_ARG_FILES] = start->files;
    start->argv[WARDEN_ARG_CWD] = (char *)(spec->cwd ? spec->cwd : "/");
    for (size_t i = 0; i < count; i++)
        start->argv[WARDEN_ARG_STEP + i] = (char *)spec->argv[i];
}

/* Lays the descriptors out as 0…WARDEN_FD_END-1 and closes all others, also those that some library
 * forgot to mark. By way of numbers above all of them, so that none overwrites another. */
static int add_fd_actions(posix_spawn_file_actions_t *actions, const int fds[WARDEN_FD_END])
{
    int above = 0, error = 0;
    for (int i = 0; i < WARDEN_FD_END; i++)
        above = fds[i] >= above ? fds[i] + 1 : above;
    above = above < WARDEN_FD_END ? WARDEN_FD_END : above;
    for (int i = 0; i < WARDEN_FD_END && !error; i++)
        error = posix_spawn_file_actions_adddup2(actions, fds[i], above + i);
    for (int i = 0; i < WARDEN_FD_END && !error; i++)
        error = posix_spawn_file_actions_adddup2(actions, above + i, i);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(actions, WARDEN_FD_END);
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

static int spawn_with(const struct start *start, const struct process_spec *spec,
                      const int fds[WARDEN_FD_END], pid_t *ret_pid)
{
    char program[32];
    snprintf(program, sizeof program, "/proc/self/fd/%d", WARDEN_FD_SELF);
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
            error = posix_spawn(ret_pid, program, &actions, &attributes, start->argv,
                                (char *const *)spec->env);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Returns 0 or an errno. */
static int spawn_warden(struct process_source *p, struct start *start, struct step *step,
                        const struct process_spec *spec)
{
    int fds[WARDEN_FD_END] = {
        start->stdin_fd >= 0 ? start->stdin_fd : p->null_fd,
        start->stdout_ends[1] >= 0 ? start->stdout_ends[1] : p->null_fd,
        start->stderr_ends[1],
        start->control_ends[1],
        p->lease_fd,
        p->warden_fd,
    };
    build_argv(p, start, spec);
    int error = spawn_with(start, spec, fds, &step->warden_pid);
    free(start->argv);
    if (error) {
        step->warden_pid = 0;
        return error;
    }
    int warden_fd = pidfd_open(step->warden_pid, 0);
    if (warden_fd < 0) {
        /* Nothing of the step runs before the warden has seen that we still hold its socket. */
        error = errno;
        kill(step->warden_pid, SIGKILL);
        waitpid(step->warden_pid, NULL, 0);
        step->warden_pid = 0;
        return error;
    }
    step->watches[WATCH_WARDEN].fd = warden_fd;
    return 0;
}

int process_spawn(struct process_source *p, struct step *step, const struct process_spec *spec)
{
    struct start start = {
        .stdin_fd = -1, .stdout_ends = {-1, -1}, .stderr_ends = {-1, -1}, .control_ends = {-1, -1}};
    int error = open_fds(&start, spec) < 0 ? errno : spawn_warden(p, &start, step, spec);
    if (!error) {
        step->watches[WATCH_STDOUT].fd = start.stdout_ends[0];
        step->watches[WATCH_STDERR].fd = start.stderr_ends[0];
        step->watches[WATCH_CONTROL].fd = start.control_ends[0];
        start.stdout_ends[0] = start.stderr_ends[0] = start.control_ends[0] = -1;
    }
    close_fd(&start.stdin_fd);
    for (int i = 0; i < 2; i++) {
        close_fd(&start.stdout_ends[i]);
        close_fd(&start.stderr_ends[i]);
        close_fd(&start.control_ends[i]);
    }
    if (error == E2BIG)
        process_set_trouble(step, PROCESS_TROUBLE_EXEC, "arguments and environment", error);
    else if (error == ENOENT || error == EACCES || error == ENOEXEC)
        process_set_trouble(step, PROCESS_TROUBLE_WARDEN, "warden program", error);
    else if (error)
        process_set_trouble(step, PROCESS_TROUBLE_RESOURCES, "cannot start a process", error);
    return error ? ERR_SYSTEM : 0;
}
