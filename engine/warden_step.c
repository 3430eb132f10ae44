/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/warden_step.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/os/clock.h"

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

static void limit_files(uint32_t files_max)
{
    struct rlimit limit;
    if (!files_max || getrlimit(RLIMIT_NOFILE, &limit) < 0 || files_max > limit.rlim_max)
        return;
    limit.rlim_cur = files_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static const char *path_of(char **env)
{
    for (; *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return PATH_DEFAULT;
}

/* Whether the search goes on behind a folder that gave `error`. */
static bool is_not_here(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ENAMETOOLONG;
}

/* Returns the errno of what failed. */
static int exec_in_folder(const char *folder, size_t folder_len, const struct step_start *start)
{
    char path[PATH_MAX];
    size_t name_len = strlen(start->argv[0]);
    if (folder_len + name_len + 2 > sizeof path)
        return ENAMETOOLONG;
    memcpy(path, folder, folder_len);
    size_t at = folder_len;
    if (at)
        path[at++] = '/';
    memcpy(path + at, start->argv[0], name_len + 1);
    execve(path, start->argv, start->env);
    return errno;
}

/* Not execvpe: that would hand a file without a #! line to a shell. Returns the errno. */
static int exec_in_path(const struct step_start *start)
{
    const char *name = start->argv[0];
    if (!name[0])
        return ENOENT;
    if (strchr(name, '/')) {
        execve(name, start->argv, start->env);
        return errno;
    }
    const char *path = path_of(start->env);
    bool denied = false;
    for (;;) {
        size_t len = strcspn(path, ":");
        int error = exec_in_folder(path, len, start);
        denied = denied || error == EACCES;
        if (!is_not_here(error))
            return error;
        if (!path[len])
            return denied ? EACCES : ENOENT;
        path += len + 1;
    }
}

/* posix_spawn, which made the nursery, leaves the signals that glibc keeps to itself ignored, and
 * glibc refuses to touch them; the kernel does not. An all-zero kernel sigaction is SIG_DFL. */
static void reset_library_signals(void)
{
    static const uint64_t as_new[4];
    for (int sig = 32; sig < SIGRTMIN; sig++)
        syscall(SYS_rt_sigaction, sig, as_new, NULL, sizeof(uint64_t));
}

/* In the child, on the parent's memory and stack (vfork): changes nothing but `trouble`. */
_Noreturn static void become_step(const struct step_start *start, const struct lease_page *lease,
                                  struct step_trouble *trouble)
{
    sigset_t none;
    sigemptyset(&none);
    reset_library_signals();
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    limit_files(start->files_max);
    *trouble = (struct step_trouble){.stage = WARDEN_STAGE_SETUP};
    if (setsid() >= 0 && dup2(start->fds[0], 0) >= 0 && dup2(start->fds[1], 1) >= 0 &&
        dup2(start->fds[2], 2) >= 0) {
        trouble->stage = WARDEN_STAGE_CWD;
        if (chdir(start->cwd) == 0) {
            trouble->stage = WARDEN_STAGE_NONE;
            /* Entering a directory of a dead server takes as long as it likes. */
            if (clock_now_ms() < atomic_load(&lease->kill_at_ms))
                errno = exec_in_path(start);
            else
                trouble->stage = WARDEN_STAGE_LEASE;
        }
    }
    if (trouble->stage == WARDEN_STAGE_NONE)
        trouble->stage = WARDEN_STAGE_EXEC;
    trouble->error = errno;
    _exit(127);
}

pid_t step_spawn(const struct step_start *start, const struct lease_page *lease,
                 struct step_trouble *ret_trouble)
{
    CHECK(start->argv[0] && start->cwd);
    CHECK(start->fds[0] > 2 && start->fds[1] > 2 && start->fds[2] > 2);
    *ret_trouble = (struct step_trouble){.stage = WARDEN_STAGE_NONE};
    pid_t pid = vfork();
    if (pid == 0)
        become_step(start, lease, ret_trouble);
    if (pid < 0)
        *ret_trouble = (struct step_trouble){.stage = WARDEN_STAGE_SETUP, .error = errno};
    return pid;
}
