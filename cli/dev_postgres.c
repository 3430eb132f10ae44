/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/dev_services.h"

#define PROGRAMS      "/usr/lib/postgresql/*/bin/postgres"
#define DATABASE      "jobboard"
#define USER          "jobboard"
#define ASK_WAIT_MS   5000
#define KILL_WAIT_MS  5000
#define MAX_ARGUMENTS 20

/* The folder of the newest server's programs, or NULL. */
static const char *program_folder(struct dev *dev)
{
    glob_t found;
    long newest = -1;
    const char *folder = NULL;
    if (glob(PROGRAMS, 0, NULL, &found))
        return NULL;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *path = found.gl_pathv[i];
        long version = strtol(path + strlen("/usr/lib/postgresql/"), NULL, 10);
        if (version <= newest)
            continue;
        newest = version;
        struct text text = {path, strlen(path) - strlen("/postgres")};
        folder = arena_string(&dev->state.arena, text);
    }
    globfree(&found);
    return folder;
}

/* Begins the start of one of Postgres' programs under the right user: argv[0] is set. */
static int prepare_spawn(struct dev *dev, const char *program, const char *log_name,
                         const char *argv[MAX_ARGUMENTS], struct dev_spawn *ret_spawn)
{
    struct arena *arena = &dev->state.arena;
    const char *folder = program_folder(dev);
    if (!folder)
        return error_set(&dev->error, ERR_UNREACHABLE,
                         "no " PROGRAMS "; install what is needed with scripts/install-deps");
    argv[0] = arena_printf(arena, "%s/%s", folder, program).data;
    const char **env = arena_calloc(arena, 2, sizeof env[0]);
    env[0] = dev_mark(dev);
    *ret_spawn = (struct dev_spawn){.argv = argv, .env = env};
    ret_spawn->log_path = dev_log_path(dev, log_name);
    if (!dev->state.postgres_user)
        return 0;
    const struct passwd *user = getpwnam(dev->state.postgres_user);
    if (!user || user->pw_uid == 0)
        return error_set(&dev->error, ERR_SYSTEM, "the user %s is no user for Postgres",
                         dev->state.postgres_user);
    ret_spawn->switch_user = true;
    ret_spawn->uid = user->pw_uid;
    ret_spawn->gid = user->pw_gid;
    return 0;
}

/* Postgres refuses to run as root: then as `postgres` (Debian's package makes it) or `nobody`. */
static const struct passwd *choose_user(void)
{
    const struct passwd *user = getpwnam("postgres");
    return user ? user : getpwnam("nobody");
}

/* Makes the folder for the user; false if the user cannot get there. */
static bool make_data(const char *path, const struct passwd *user)
{
    if (mkdir(path, 0700) && errno != EEXIST)
        return false;
    if (!user)
        return true;
    if (chown(path, user->pw_uid, user->pw_gid) == 0 &&
        dev_user_can_write(user->pw_uid, user->pw_gid, path))
        return true;
    rmdir(path);
    return false;
}

/* Data stands in the scratch folder, or where Postgres' user can get to if the scratch folder is
 * closed to it. The place is saved before it is made, so that `down` finds it in any case. */
static int choose_data(struct dev *dev)
{
    struct arena *arena = &dev->state.arena;
    const struct passwd *user = geteuid() == 0 ? choose_user() : NULL;
    if (geteuid() == 0 && !user)
        return error_set(&dev->error, ERR_SYSTEM,
                         "Postgres does not run as root and there is no user postgres or nobody");
    dev->state.postgres_user = user ? arena_string(arena, text_of(user->pw_name)) : NULL;
    const char *roots[] = {getenv("TMPDIR"), "/tmp", "/var/tmp"};
    dev->state.postgres_data = arena_printf(arena, "%s/postgres", dev->state.dir).data;
    int code = dev_save(dev);
    bool made = !code && make_data(dev->state.postgres_data, user);
    for (int i = 0; i < 3 && !code && !made; i++) {
        if (!roots[i] || roots[i][0] != '/')
            continue;
        dev->state.postgres_data =
            arena_printf(arena, "%s/jobboard-dev-%s", roots[i], dev->state.id).data;
        code = dev_save(dev);
        made = !code && make_data(dev->state.postgres_data, user);
    }
    if (code || made)
        return code;
    return error_set(&dev->error, ERR_SYSTEM,
                     "no place for Postgres' data that the user %s may "
                     "write to",
                     user ? user->pw_name : "");
}

static int write_settings(struct dev *dev, const struct dev_service *service)
{
    FILE *file = fopen(
        arena_printf(&dev->state.arena, "%s/postgresql.conf", dev->state.postgres_data).data, "ae");
    /* dynamic_shared_memory_type: segments of a killed server go with the folder. */
    if (file)
        fprintf(file,
                "\nlisten_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = ''\n"
                "max_connections = 200\nfsync = on\nsynchronous_commit = on\n"
                "dynamic_shared_memory_type = mmap\nlog_line_prefix = '%%m [%%p] %%a '\n",
                service->port);
    if (file && fclose(file) == 0)
        return 0;
    return error_set(&dev->error, ERR_SYSTEM, "cannot write postgresql.conf: %s", strerror(errno));
}

int dev_postgres_prepare(struct dev *dev, struct dev_service *service, int64_t timeout_ms)
{
    const char *argv[MAX_ARGUMENTS] = {NULL, "-N", "-E", "UTF8",  "--locale=C.UTF-8",
                                       "-U", USER, "-A", "trust", "--no-instructions",
                                       "-D", NULL, NULL};
    struct dev_spawn spawn;
    int code = choose_data(dev);
    if (!code)
        code = prepare_spawn(dev, "initdb", "initdb", argv, &spawn);
    argv[11] = dev->state.postgres_data;
    if (!code)
        code = dev_run(dev, &spawn, "initdb", timeout_ms);
    return code ? code : write_settings(dev, service);
}

int dev_postgres_spawn(struct dev *dev, struct dev_service *service)
{
    const char *argv[MAX_ARGUMENTS] = {NULL, "-D", dev->state.postgres_data, NULL};
    struct dev_spawn spawn;
    int code = prepare_spawn(dev, "postgres", service->name, argv, &spawn);
    return code ? code : dev_spawn(&spawn, &service->process, &dev->error);
}

int dev_postgres_create_database(struct dev *dev, struct dev_service *service, int64_t timeout_ms)
{
    const char *port = arena_printf(&dev->state.arena, "%d", service->port).data;
    const char *argv[MAX_ARGUMENTS] = {NULL,     "-h", "127.0.0.1", "-p",
                                       port,     "-U", USER,        "--maintenance-db=postgres",
                                       DATABASE, NULL};
    struct dev_spawn spawn;
    int code = prepare_spawn(dev, "createdb", "createdb", argv, &spawn);
    return code ? code : dev_run(dev, &spawn, "createdb", timeout_ms);
}

bool dev_postgres_healthy(struct dev *dev, const struct dev_service *service)
{
    const char *port = arena_printf(&dev->state.arena, "%d", service->port).data;
    const char *argv[MAX_ARGUMENTS] = {NULL, "-q", "-t", "2",  "-h",       "127.0.0.1", "-p",
                                       port, "-U", USER, "-d", "postgres", NULL};
    struct dev_spawn spawn;
    struct dev_process process;
    struct error unused;
    int status = -1;
    if (prepare_spawn(dev, "pg_isready", "pg_isready", argv, &spawn))
        return false;
    spawn.log_path = "/dev/null";
    if (dev_spawn(&spawn, &process, &unused))
        return false;
    if (dev_process_wait(&process, ASK_WAIT_MS, -1, &status)) {
        dev_process_signal(&process, SIGKILL);
        dev_process_await_end(&process, KILL_WAIT_MS);
        return false;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

const char *dev_postgres_conninfo(const struct dev *dev, struct arena *arena)
{
    for (size_t i = 0; i < dev->state.service_count; i++)
        if (dev->state.services[i].kind == DEV_POSTGRES)
            return arena_printf(arena, "host=127.0.0.1 port=%d user=" USER " dbname=" DATABASE,
                                dev->state.services[i].port)
                .data;
    return "";
}

void dev_postgres_backends(struct dev *dev, const struct dev_service *service,
                           struct dev_process_list *ret_list)
{
    dev_process_descendants(ret_list, &service->process);
    dev_process_marked(ret_list, NULL, "postgres", dev->state.postgres_data);
    for (size_t i = 0; i < ret_list->count; i++)
        if (ret_list->items[i].pid == service->process.pid)
            ret_list->items[i] = ret_list->items[--ret_list->count];
}

int dev_postgres_kill(struct dev *dev, struct dev_service *service)
{
    struct dev_process_list backends = {0};
    dev_postgres_backends(dev, service, &backends);
    int code = dev_service_stop(dev, service, SIGKILL, KILL_WAIT_MS);
    dev_process_list_end(&backends, 0);
    dev_process_list_done(&backends);
    dev_postgres_clean(dev);
    return code;
}

void dev_postgres_clean(struct dev *dev)
{
    char line[256];
    int key, id, number = 0;
    struct shmid_ds info;
    if (!dev->state.postgres_data)
        return;
    const char *path =
        arena_printf(&dev->state.arena, "%s/postmaster.pid", dev->state.postgres_data).data;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    /* The seventh line names the segment: key and id. */
    while (fgets(line, sizeof line, file))
        if (++number == 7 && sscanf(line, "%d %d", &key, &id) == 2 &&
            shmctl(id, IPC_STAT, &info) == 0 && info.shm_nattch == 0 && info.shm_perm.__key == key)
            shmctl(id, IPC_RMID, NULL);
    fclose(file);
    unlink(path);
}
