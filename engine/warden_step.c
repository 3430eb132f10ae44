/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/warden_step.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "engine/warden.h"

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

_Noreturn static void give_up(int trouble_fd, enum warden_stage stage)
{
    struct step_trouble trouble = {.stage = stage, .error = errno};
    ssize_t written = write(trouble_fd, &trouble, sizeof trouble);
    _exit(written == sizeof trouble ? 127 : 126);
}

static void limit_files(uint64_t files_max)
{
    struct rlimit limit;
    if (!files_max || getrlimit(RLIMIT_NOFILE, &limit) < 0 || files_max > limit.rlim_max)
        return;
    limit.rlim_cur = files_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Whether the search goes on behind a folder that gave `error`. */
static bool is_not_here(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ENAMETOOLONG;
}

static int exec_in_folder(const char *folder, size_t folder_len, char **argv)
{
    char path[PATH_MAX];
    size_t name_len = strlen(argv[0]);
    if (folder_len + name_len + 2 > sizeof path)
        return ENAMETOOLONG;
    memcpy(path, folder, folder_len);
    size_t at = folder_len;
    if (at)
        path[at++] = '/';
    memcpy(path + at, argv[0], name_len + 1);
    execve(path, argv, environ);
    return errno;
}

/* Not execvpe: that would hand a file without a #! line to a shell. Returns only with errno set. */
static void exec_in_path(char **argv)
{
    if (strchr(argv[0], '/')) {
        execve(argv[0], argv, environ);
        return;
    }
    const char *path = getenv("PATH");
    if (!path)
        path = PATH_DEFAULT;
    bool denied = false;
    for (;;) {
        size_t len = strcspn(path, ":");
        int error = exec_in_folder(path, len, argv);
        denied = denied || error == EACCES;
        if (!is_not_here(error)) {
            errno = error;
            return;
        }
        if (!path[len])
            break;
        path += len + 1;
    }
    errno = denied ? EACCES : ENOENT;
}

/* posix_spawn leaves the two signals that glibc keeps to itself ignored, and glibc refuses to touch
 * them; the kernel does not. An all-zero kernel sigaction is SIG_DFL. */
static void reset_library_signals(void)
{
    static const uint64_t as_new[4];
    for (int sig = 32; sig < SIGRTMIN; sig++)
        syscall(SYS_rt_sigaction, sig, as_new, NULL, sizeof(uint64_t));
}

_Noreturn static void become_step(const struct step_start *start, int trouble_fd)
{
    reset_library_signals();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (setsid() < 0)
        give_up(trouble_fd, WARDEN_STAGE_SETUP);
    limit_files(start->files_max);
    if (chdir(start->cwd) < 0)
        give_up(trouble_fd, WARDEN_STAGE_CWD);
    if (!start->argv[0][0])
        errno = ENOENT;
    else
        exec_in_path(start->argv);
    give_up(trouble_fd, WARDEN_STAGE_EXEC);
}

pid_t step_spawn(const struct step_start *start, int *ret_trouble_fd)
{
    CHECK(start->argv && start->argv[0] && start->cwd);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        become_step(start, ends[1]);
    int error = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        errno = error;
        return -1;
    }
    CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    *ret_trouble_fd = ends[0];
    return pid;
}
