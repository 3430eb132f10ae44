/* SPDX-License-Identifier: Apache-2.0 */
/* The znodes of a job: card and lock come, lock and card go. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zookeeper/zookeeper.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "bench/ceiling_private.h"

#define OPS_MAX    200
#define PATH_BYTES 160
#define CARD_BYTES 11 /* as long as what the board writes */
#define LOCK_BYTES 36

struct znodes {
    zhandle_t *handle;
    const char *root;
    uint64_t multis, ops;
    int folders_left;
};

struct multi {
    struct znodes *znodes;
    int *left;
    int count;
    zoo_op_t ops[OPS_MAX];
    zoo_op_result_t results[OPS_MAX];
    char paths[OPS_MAX][PATH_BYTES];
};

static const char contents[LOCK_BYTES];

static void card_path(const struct znodes *znodes, const struct job *job, char *ret_path)
{
    snprintf(ret_path, PATH_BYTES, "%s/jobs/-/%02x/5%016llx-%s", znodes->root, job->shard,
             (unsigned long long)job->ready_at_us, UUID_STR(&job->id));
}

static void lock_path(const struct znodes *znodes, const struct job *job, char *ret_path)
{
    snprintf(ret_path, PATH_BYTES, "%s/locks/%02x/%s", znodes->root, job->shard,
             UUID_STR(&job->id));
}

/* -------------------------------------------------------------------------------------- multis */

static void on_multi(int rc, const void *data)
{
    struct multi *multi = (struct multi *)data;
    if (rc != ZOK)
        ceiling_die("multi", zerror(rc));
    --*multi->left;
    free(multi);
}

static struct multi *new_multi(struct znodes *znodes, int *left)
{
    struct multi *multi = xmalloc(sizeof *multi);
    multi->znodes = znodes;
    multi->left = left;
    multi->count = 0;
    return multi;
}

static void send_multi(struct multi *multi)
{
    multi->znodes->multis++;
    multi->znodes->ops += (uint64_t)multi->count;
    ++*multi->left;
    int rc = zoo_amulti(multi->znodes->handle, multi->count, multi->ops, multi->results, on_multi,
                        multi);
    if (rc != ZOK)
        ceiling_die("multi", zerror(rc));
}

static struct multi *room_for(struct multi *multi, int ops)
{
    if (multi->count + ops <= OPS_MAX)
        return multi;
    struct multi *next = new_multi(multi->znodes, multi->left);
    send_multi(multi);
    return next;
}

static void add_create(struct multi *multi, int bytes, int mode)
{
    zoo_create_op_init(&multi->ops[multi->count], multi->paths[multi->count], contents, bytes,
                       &ZOO_OPEN_ACL_UNSAFE, mode, NULL, 0);
    multi->count++;
}

static void add_delete(struct multi *multi)
{
    zoo_delete_op_init(&multi->ops[multi->count], multi->paths[multi->count], -1);
    multi->count++;
}

void znodes_place(struct znodes *znodes, const struct job *jobs, size_t count, int *left)
{
    struct multi *multi = new_multi(znodes, left);
    for (size_t i = 0; i < count; i++) {
        multi = room_for(multi, 1);
        card_path(znodes, &jobs[i], multi->paths[multi->count]);
        add_create(multi, CARD_BYTES, ZOO_PERSISTENT);
    }
    send_multi(multi);
}

void znodes_lock(struct znodes *znodes, const struct job *jobs, size_t count, int *left)
{
    struct multi *multi = new_multi(znodes, left);
    for (size_t i = 0; i < count; i++) {
        multi = room_for(multi, 1);
        lock_path(znodes, &jobs[i], multi->paths[multi->count]);
        add_create(multi, LOCK_BYTES, ZOO_EPHEMERAL);
    }
    send_multi(multi);
}

void znodes_consume(struct znodes *znodes, const struct job *jobs, size_t count, int *left)
{
    struct multi *multi = new_multi(znodes, left);
    for (size_t i = 0; i < count; i++) {
        multi = room_for(multi, 2);
        lock_path(znodes, &jobs[i], multi->paths[multi->count]);
        add_delete(multi);
        card_path(znodes, &jobs[i], multi->paths[multi->count]);
        add_delete(multi);
    }
    send_multi(multi);
}

void znodes_counted(const struct znodes *znodes, uint64_t *ret_multis, uint64_t *ret_ops)
{
    *ret_multis = znodes->multis;
    *ret_ops = znodes->ops;
}

/* ------------------------------------------------------------------------------------- session */

int znodes_interest(struct znodes *znodes, short *ret_events, int *ret_timeout_ms)
{
    int fd = -1, interest = 0;
    struct timeval tv = {0};
    zookeeper_interest(znodes->handle, &fd, &interest, &tv);
    *ret_events = (short)((interest & ZOOKEEPER_READ ? POLLIN : 0) |
                          (interest & ZOOKEEPER_WRITE ? POLLOUT : 0));
    *ret_timeout_ms = (int)(tv.tv_sec * 1000 + tv.tv_usec / 1000) + 1;
    return fd;
}

void znodes_process(struct znodes *znodes, short events)
{
    int bits = (events & (POLLIN | POLLHUP | POLLERR) ? ZOOKEEPER_READ : 0) |
               (events & POLLOUT ? ZOOKEEPER_WRITE : 0);
    while (zookeeper_process(znodes->handle, bits) == ZOK && bits & ZOOKEEPER_READ)
        bits = ZOOKEEPER_READ;
    if (zoo_state(znodes->handle) == ZOO_EXPIRED_SESSION_STATE)
        ceiling_die("zookeeper", "the session is over");
}

static void turn(struct znodes *znodes)
{
    struct pollfd fd = {0};
    int timeout_ms;
    fd.fd = znodes_interest(znodes, &fd.events, &timeout_ms);
    poll(&fd, 1, timeout_ms);
    znodes_process(znodes, fd.revents);
}

static void on_folder(int rc, const char *value, const void *data)
{
    struct znodes *znodes = (struct znodes *)data;
    if (rc != ZOK && rc != ZNODEEXISTS)
        ceiling_die("folder", zerror(rc));
    znodes->folders_left--;
}

static void make_folder(struct znodes *znodes, const char *path)
{
    znodes->folders_left++;
    if (zoo_acreate(znodes->handle, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, on_folder,
                    znodes) != ZOK)
        ceiling_die("folder", path);
}

static void make_folders(struct znodes *znodes)
{
    static const char *const above[] = {"", "/jobs", "/jobs/-", "/locks"};
    char path[PATH_BYTES];
    make_folder(znodes, "/jobboard");
    for (size_t i = 0; i < sizeof above / sizeof above[0]; i++) {
        snprintf(path, sizeof path, "%s%s", znodes->root, above[i]);
        make_folder(znodes, path);
    }
    for (int shard = 0; shard < SHARDS; shard++) {
        snprintf(path, sizeof path, "%s/jobs/-/%02x", znodes->root, shard);
        make_folder(znodes, path);
        snprintf(path, sizeof path, "%s/locks/%02x", znodes->root, shard);
        make_folder(znodes, path);
    }
    while (znodes->folders_left)
        turn(znodes);
}

struct znodes *znodes_open(const char *hosts, const char *root)
{
    struct znodes *znodes = xcalloc(1, sizeof *znodes);
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    znodes->root = root;
    znodes->handle = zookeeper_init2(hosts, NULL, 30000, NULL, NULL, ZOO_NO_LOG_CLIENTENV, NULL);
    if (!znodes->handle)
        ceiling_die("zookeeper", hosts);
    zoo_set_servers_resolution_delay(znodes->handle, -1);
    int64_t until_ms = clock_now_ms() + 30000;
    while (zoo_state(znodes->handle) != ZOO_CONNECTED_STATE) {
        if (clock_now_ms() > until_ms)
            ceiling_die("zookeeper", "no connection within 30 s");
        turn(znodes);
    }
    make_folders(znodes);
    return znodes;
}

void znodes_close(struct znodes *znodes)
{
    zookeeper_close(znodes->handle);
    free(znodes);
}
