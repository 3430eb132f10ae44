/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/warden_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

struct node {
    pid_t pid;
    pid_t parent;
};

struct tree {
    struct node nodes[TREE_ROUND_MAX];
    size_t count;
    struct tree_spared spared;
    pid_t self;
    int kill_signal; /* sent to direct children the moment they are seen; 0: not */
};

static int compare_pids(const void *a, const void *b)
{
    pid_t left = *(const pid_t *)a, right = *(const pid_t *)b;
    return (left > right) - (left < right);
}

static bool is_spared(struct tree_spared spared, pid_t pid)
{
    return spared.count &&
           bsearch(&pid, spared.pids, spared.count, sizeof *spared.pids, compare_pids);
}

static void tree_add(struct tree *tree, pid_t pid, pid_t parent)
{
    CHECK(pid > 1);
    if (tree->count == TREE_ROUND_MAX || (parent == tree->self && is_spared(tree->spared, pid)))
        return;
    /* What forks and ends all the time is only met if no work lies between sight and signal. */
    if (tree->kill_signal && parent == tree->self)
        kill(pid, tree->kill_signal);
    tree->nodes[tree->count++] = (struct node){.pid = pid, .parent = parent};
}

/* Reads numbers separated by spaces; a number may be cut between two reads. */
static void add_listed(struct tree *tree, int fd, pid_t parent)
{
    char chunk[4096];
    ssize_t got;
    pid_t pid = 0;
    while ((got = read(fd, chunk, sizeof chunk)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (chunk[i] >= '0' && chunk[i] <= '9') {
                pid = pid * 10 + (chunk[i] - '0');
            } else if (pid) {
                tree_add(tree, pid, parent);
                pid = 0;
            }
        }
    }
}

static void add_children_of_thread(struct tree *tree, pid_t pid, const char *thread)
{
    char path[64];
    int len = snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)pid, thread);
    if (len < 0 || (size_t)len >= sizeof path)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    add_listed(tree, fd, pid);
    close(fd);
}

static void add_children(struct tree *tree, pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    if (!threads)
        return;
    const struct dirent *entry;
    while ((entry = readdir(threads)))
        if (entry->d_name[0] != '.')
            add_children_of_thread(tree, pid, entry->d_name);
    closedir(threads);
}

static pid_t parent_of(pid_t pid)
{
    char path[32], stat[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (got <= 0)
        return -1;
    stat[got] = 0;
    /* The name between the brackets may hold anything, brackets too. */
    const char *after = strrchr(stat, ')');
    if (!after || strlen(after) < 4)
        return -1;
    return (pid_t)strtol(after + 4, NULL, 10);
}

static void signal_node(const struct tree *tree, const struct node *node, int sig)
{
    if (node->parent == tree->self) {
        kill(node->pid, sig);
        return;
    }
    int fd = pidfd_open(node->pid, 0);
    if (fd < 0)
        return;
    /* Its parent may have ended a moment ago, and then it is a child of this process. */
    pid_t parent = parent_of(node->pid);
    if (parent == node->parent || parent == tree->self)
        pidfd_send_signal(fd, sig, NULL, 0);
    close(fd);
}

bool tree_supported(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    return access(path, R_OK) == 0;
}

size_t tree_signal(int sig, struct tree_spared spared)
{
    struct tree tree;
    tree.count = 0;
    tree.spared = spared;
    tree.self = getpid();
    tree.kill_signal = sig == SIGKILL ? SIGKILL : 0;
    add_children(&tree, tree.self);
    for (size_t i = 0; i < tree.count; i++)
        add_children(&tree, tree.nodes[i].pid);
    /* Children before their parents: whoever is asked to end should not be orphaned by it first. */
    for (size_t i = tree.count; i-- > 0;)
        signal_node(&tree, &tree.nodes[i], sig);
    return tree.count;
}

void tree_reap(struct tree_spared spared)
{
    struct tree tree;
    tree.count = 0;
    tree.spared = spared;
    tree.self = getpid();
    tree.kill_signal = 0;
    add_children(&tree, tree.self);
    for (size_t i = 0; i < tree.count; i++)
        waitpid(tree.nodes[i].pid, NULL, WNOHANG | __WALL);
}
