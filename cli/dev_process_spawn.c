/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/dev_process_private.h"

extern char **environ;

/* Our environment without what speaks of other clusters, and with `added`. */
static char **build_environment(const char *const *added)
{
    size_t count = 1;
    for (char **entry = environ; *entry; entry++)
        count++;
    for (const char *const *entry = added; entry && *entry; entry++)
        count++;
    char **list = xcalloc(count, sizeof list[0]);
    size_t n = 0;
    for (char **entry = environ; *entry; entry++)
        if (strncmp(*entry, "PG", 2) != 0 && strncmp(*entry, "JOBBOARD_", 9) != 0)
            list[n++] = xstrdup(*entry);
    for (const char *const *entry = added; entry && *entry; entry++)
        list[n++] = xstrdup(*entry);
    return list;
}

static void free_environment(char **list)
{
    for (char **entry = list; *entry; entry++)
        free(*entry);
    free(list);
}

/* A root folder that is closed to everybody but root (a chroot made with mktemp) would hide every
 * program from the user. Then the right to search folders is kept, and no other. */
static int keep_search_right(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    uint32_t right = 1u << CAP_DAC_READ_SEARCH;
    data[0] = (struct __user_cap_data_struct){right, right, right};
    if (syscall(SYS_capset, &header, data))
        return errno;
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) ? errno : 0;
}

static bool is_root_closed(void)
{
    struct stat status;
    return stat("/", &status) == 0 && !(status.st_mode & S_IXOTH);
}

static int become_user(uid_t uid, gid_t gid)
{
    bool is_closed = is_root_closed();
    /* access() asks with the real user's rights, and would find nothing without this bit. */
    if (is_closed && prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
        return errno;
    if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
        return errno;
    return is_closed ? keep_search_right() : 0;
}

/* In the child: from here on the only way back is an errno through the pipe. */
static int run_child(const struct dev_spawn *spawn, char **environment, int log_fd, int null_fd)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    setsid();
    if (dup2(null_fd, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0)
        return errno;
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    int trouble = spawn->switch_user ? become_user(spawn->uid, spawn->gid) : 0;
    if (!trouble && chdir(spawn->cwd ? spawn->cwd : "/"))
        trouble = errno;
    if (trouble)
        return trouble;
    environ = environment;
    execvp(spawn->argv[0], (char *const *)spawn->argv);
    return errno;
}

/* Reads the child's errno; 0: it runs the program. */
static int await_exec(int pipe_fd)
{
    int trouble = 0;
    ssize_t got;
    do
        got = read(pipe_fd, &trouble, sizeof trouble);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof trouble ? trouble : 0;
}

static int fork_child(const struct dev_spawn *spawn, int log_fd, int null_fd,
                      struct dev_process *ret_process)
{
    int ends[2];
    struct dev_proc_stat stat = {0};
    if (pipe2(ends, O_CLOEXEC))
        return errno;
    char **environment = build_environment(spawn->env);
    pid_t pid = fork();
    if (pid == 0) {
        int trouble = run_child(spawn, environment, log_fd, null_fd);
        ssize_t unused = write(ends[1], &trouble, sizeof trouble);
        (void)unused;
        _exit(127);
    }
    int trouble = pid < 0 ? errno : 0;
    free_environment(environment);
    close(ends[1]);
    if (!trouble)
        trouble = await_exec(ends[0]);
    close(ends[0]);
    if (trouble) {
        if (pid > 0)
            waitpid(pid, NULL, 0);
        return trouble;
    }
    dev_proc_stat(pid, &stat);
    *ret_process = (struct dev_process){pid, stat.start_ticks};
    return 0;
}

int dev_spawn(const struct dev_spawn *spawn, struct dev_process *ret_process,
              struct error *ret_error)
{
    int log_fd = open(spawn->log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (log_fd < 0)
        return error_set(ret_error, ERR_SYSTEM, "cannot write %s: %s", spawn->log_path,
                         strerror(errno));
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int trouble = null_fd < 0 ? errno : fork_child(spawn, log_fd, null_fd, ret_process);
    close(log_fd);
    if (null_fd >= 0)
        close(null_fd);
    if (!trouble)
        return 0;
    return error_set(ret_error, trouble == ENOENT ? ERR_UNREACHABLE : ERR_SYSTEM,
                     "cannot start %s: %s", spawn->argv[0], strerror(trouble));
}

bool dev_user_can_write(uid_t uid, gid_t gid, const char *folder)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(become_user(uid, gid) || access(folder, W_OK | X_OK) ? 1 : 0);
    if (pid < 0)
        return false;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
