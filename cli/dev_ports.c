/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dev_ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/os/clock.h"
#include "base/os/entropy.h"
#include "base/random.h"

#define PORT_LOWEST 10240
/* With fewer ports below the kernel's own range the kernel chooses. */
#define PORT_SPAN_MIN 1000
#define PORT_TRIES    1000

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Where the kernel's own range begins. */
static int outgoing_begin(void)
{
    int begin = 32768;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    if (file) {
        if (fscanf(file, "%d", &begin) != 1)
            begin = 32768;
        fclose(file);
    }
    return begin;
}

/* Binds a socket to `port` (0: any) so that it is free once the socket is closed; -1: taken. */
static int hold_port(int port, int *ret_port)
{
    struct sockaddr_in address = loopback(port);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, len) ||
        getsockname(fd, (struct sockaddr *)&address, &len)) {
        close(fd);
        return -1;
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

int dev_ports_choose(int *ret_ports, size_t count, struct error *ret_error)
{
    struct random random;
    int held[64];
    size_t got = 0;
    int span = outgoing_begin() - PORT_LOWEST;
    random_seed(&random, entropy_seed());
    for (int tries = 0; tries < PORT_TRIES && got < count && got < 64; tries++) {
        int port =
            span < PORT_SPAN_MIN ? 0 : PORT_LOWEST + (int)random_below(&random, (uint64_t)span);
        held[got] = hold_port(port, &ret_ports[got]);
        if (held[got] >= 0)
            got++;
    }
    for (size_t i = 0; i < got; i++)
        close(held[i]);
    if (got == count)
        return 0;
    return error_set(ret_error, ERR_SYSTEM, "no free port on 127.0.0.1: %s", strerror(errno));
}

/* Waits for the socket; 0, or ERR_TIMEOUT. */
static int await_socket(int fd, short events, int64_t until_ms)
{
    for (;;) {
        struct pollfd poll_fd = {fd, events, 0};
        int64_t left_ms = until_ms - clock_now_ms();
        int ready = left_ms > 0 ? poll(&poll_fd, 1, (int)left_ms) : 0;
        if (ready > 0)
            return 0;
        if (ready == 0)
            return ERR_TIMEOUT;
    }
}

static int converse(int fd, int port, const char *request, int64_t until_ms,
                    struct buffer *ret_answer)
{
    char chunk[4096];
    struct sockaddr_in address = loopback(port);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        return ERR_UNREACHABLE;
    int code = await_socket(fd, POLLOUT, until_ms);
    if (!code && send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        code = ERR_UNREACHABLE;
    while (!code) {
        code = await_socket(fd, POLLIN, until_ms);
        ssize_t got = code ? 0 : recv(fd, chunk, sizeof chunk, 0);
        if (got < 0)
            return ERR_UNREACHABLE;
        if (got == 0)
            return code;
        buffer_add(ret_answer, chunk, (size_t)got);
    }
    return code;
}

int dev_port_ask(int port, const char *request, int64_t timeout_ms, struct buffer *ret_answer)
{
    int64_t until_ms = clock_now_ms() + timeout_ms;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ERR_UNREACHABLE;
    int code = converse(fd, port, request, until_ms, ret_answer);
    close(fd);
    return code;
}
