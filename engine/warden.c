/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/warden.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/os/clock.h"
#include "engine/warden_step.h"
#include "engine/warden_tree.h"

#define NOTHING_SPARED ((struct tree_spared){0})

/* Rounds of killing without a pause, and the longest pause after them: what dies quickly is gone
 * within those; what cannot die now must not cost a processor. */
#define ROUNDS_AT_ONCE     20
#define ROUND_PAUSE_MAX_MS 50

enum phase { PHASE_RUN, PHASE_TERM, PHASE_KILL };

struct warden {
    int control; /* -1 once the engine is gone */
    int signals; /* signalfd: SIGCHLD */
    int timer;   /* timerfd, CLOCK_BOOTTIME */
    const struct lease_page *lease;
    pid_t main;       /* main process of the step; 0 before it is started */
    bool stop_early;  /* an order to stop came before the start */
    bool main_reaped; /* its number may belong to somebody else now */
    int status;       /* its wait status, once it ended */
    enum phase phase;
    enum warden_cause cause;
    int64_t kill_at_ms; /* end of the grace; PHASE_TERM only */
    int rounds;         /* of killing */
};

static void report(const struct warden *w, const struct warden_message *message)
{
    /* If the engine is gone nobody needs it, and the EOF says so. */
    if (w->control >= 0)
        send(w->control, message, sizeof *message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void enter_kill(struct warden *w, enum warden_cause cause)
{
    if (w->phase == PHASE_KILL)
        return;
    if (w->phase == PHASE_RUN)
        w->cause = cause;
    w->phase = PHASE_KILL;
    w->rounds = 0;
}

static void enter_term(struct warden *w, enum warden_cause cause, int64_t kill_at_ms)
{
    CHECK(w->phase == PHASE_RUN);
    w->phase = PHASE_TERM;
    w->cause = cause;
    w->kill_at_ms = kill_at_ms;
    tree_signal(SIGTERM, NOTHING_SPARED);
}

static void order_stop(struct warden *w, int64_t grace_ms)
{
    int64_t now_ms = clock_now_ms();
    if (!w->main)
        w->stop_early = true;
    else if (grace_ms <= 0)
        enter_kill(w, WARDEN_CAUSE_ORDER);
    else if (w->phase == PHASE_RUN)
        enter_term(w, WARDEN_CAUSE_ORDER, now_ms + grace_ms);
    else if (w->phase == PHASE_TERM && now_ms + grace_ms < w->kill_at_ms)
        w->kill_at_ms = now_ms + grace_ms;
}

static void read_orders(struct warden *w)
{
    while (w->control >= 0) {
        struct warden_message message;
        ssize_t got = recv(w->control, &message, sizeof message, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close(w->control);
            w->control = -1;
            if (w->main)
                enter_kill(w, WARDEN_CAUSE_EOF);
        } else if (got == sizeof message && message.kind == WARDEN_ORDER_STOP) {
            order_stop(w, message.grace_ms);
        }
        /* WARDEN_ORDER_LOOK has done its work by waking us. */
    }
}

static void watch_deadlines(struct warden *w)
{
    int64_t now_ms = clock_now_ms();
    int64_t lease_ms = atomic_load(&w->lease->kill_at_ms);
    int64_t lead_ms = atomic_load(&w->lease->term_lead_ms);
    if (now_ms >= lease_ms)
        enter_kill(w, WARDEN_CAUSE_LEASE);
    else if (w->phase == PHASE_TERM && now_ms >= w->kill_at_ms)
        enter_kill(w, w->cause);
    else if (w->phase == PHASE_RUN && lead_ms > 0 && now_ms >= lease_ms - lead_ms)
        enter_term(w, WARDEN_CAUSE_LEASE, lease_ms);
}

static int64_t next_look_ms(const struct warden *w)
{
    int64_t lease_ms = atomic_load(&w->lease->kill_at_ms);
    switch (w->phase) {
    case PHASE_RUN:
        return lease_ms == LEASE_NEVER_MS ? lease_ms
                                          : lease_ms - atomic_load(&w->lease->term_lead_ms);
    case PHASE_TERM:
        return w->kill_at_ms < lease_ms ? w->kill_at_ms : lease_ms;
    case PHASE_KILL: {
        int pause_ms = w->rounds - ROUNDS_AT_ONCE;
        return clock_now_ms() + (pause_ms < 0                    ? 0
                                 : pause_ms > ROUND_PAUSE_MAX_MS ? ROUND_PAUSE_MAX_MS
                                                                 : pause_ms);
    }
    }
    UNREACHABLE();
}

static void arm_timer(const struct warden *w)
{
    int64_t at_ms = next_look_ms(w);
    struct itimerspec when = {{0, 0}, {0, 0}};
    if (at_ms != LEASE_NEVER_MS) {
        /* All zero would disarm it. */
        if (at_ms < 1)
            at_ms = 1;
        when.it_value = (struct timespec){at_ms / 1000, at_ms % 1000 * 1000000};
    }
    CHECK(timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

static void main_ended(struct warden *w, const siginfo_t *info)
{
    w->status = info->si_code == CLD_EXITED ? (info->si_status & 0xff) << 8 : info->si_status;
    /* The step is over; what it leaves behind goes, unless an order gave it time. */
    if (w->phase == PHASE_RUN)
        enter_kill(w, WARDEN_CAUSE_SELF);
    if (w->phase == PHASE_KILL)
        kill(-w->main, SIGKILL);
    w->main_reaped = true;
}

/* Takes in all that ended; true when no process of the tree is left. */
static bool reap(struct warden *w)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0) {
            CHECK(errno == ECHILD);
            return true;
        }
        if (info.si_pid == 0)
            return false;
        if (info.si_pid == w->main)
            main_ended(w, &info);
        waitpid(info.si_pid, NULL, __WALL);
    }
}

static void kill_round(struct warden *w)
{
    /* A whole process group falls at once, so nothing in it can fork meanwhile. */
    if (!w->main_reaped)
        kill(-w->main, SIGKILL);
    tree_signal(SIGKILL, NOTHING_SPARED);
    w->rounds++;
}

static void wait_for_news(struct warden *w)
{
    arm_timer(w);
    struct pollfd fds[] = {{w->control, POLLIN, 0}, {w->signals, POLLIN, 0}, {w->timer, POLLIN, 0}};
    CHECK(poll(fds, sizeof fds / sizeof *fds, -1) >= 0 || errno == EINTR);
    struct signalfd_siginfo taken;
    uint64_t expired;
    while (read(w->signals, &taken, sizeof taken) > 0)
        continue;
    while (read(w->timer, &expired, sizeof expired) > 0)
        continue;
}

static void guard(struct warden *w)
{
    for (;;) {
        read_orders(w);
        watch_deadlines(w);
        if (w->phase == PHASE_KILL)
            kill_round(w);
        if (reap(w))
            break;
        wait_for_news(w);
    }
    report(w, &(struct warden_message){
                  .kind = WARDEN_ENDED, .status = w->status, .cause = (int32_t)w->cause});
}

static int refuse(const struct warden *w, enum warden_stage stage, int error)
{
    report(w, &(struct warden_message){
                  .kind = WARDEN_NOT_STARTED, .stage = (int32_t)stage, .error = error});
    return 1;
}

/* The pidfd tells the engine for certain when this process has ended and its tree was handed on;
 * the control socket closes a little earlier. */
static int say_hello(const struct warden *w)
{
    int self = pidfd_open(getpid(), 0);
    if (self < 0)
        return errno;
    struct warden_message message = {.kind = WARDEN_HELLO, .pid = getpid()};
    struct iovec part = {&message, sizeof message};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &self, sizeof self);
    struct msghdr packet = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control.space};
    ssize_t sent = sendmsg(w->control, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
    int error = sent < 0 ? errno : 0;
    close(self);
    return error;
}

static int become_warden(struct warden *w)
{
    prctl(PR_SET_NAME, "jobboard-warden");
    w->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (w->timer < 0 || setsid() < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return errno;
    return say_hello(w);
}

int warden_run(const struct warden_birth *birth)
{
    struct warden w = {
        .control = birth->control_fd, .signals = birth->signals_fd, .lease = birth->lease};
    int error = become_warden(&w);
    if (error)
        return refuse(&w, WARDEN_STAGE_SETUP, error);
    /* An engine that died, or was frozen, between its decision and now starts nothing. */
    read_orders(&w);
    if (w.control < 0)
        return 1;
    if (w.stop_early)
        return refuse(&w, WARDEN_STAGE_STOPPED, 0);
    if (clock_now_ms() >= atomic_load(&w.lease->kill_at_ms))
        return refuse(&w, WARDEN_STAGE_LEASE, 0);
    struct step_trouble trouble;
    w.main = step_spawn(birth->start, w.lease, &trouble);
    /* The step's descriptors must not stay open here, or its pipes would never end. */
    for (int i = 0; i < 3; i++)
        close(birth->start->fds[i]);
    if (trouble.stage && w.main > 0)
        waitpid(w.main, NULL, 0);
    if (trouble.stage)
        return refuse(&w, trouble.stage, trouble.error);
    report(&w, &(struct warden_message){.kind = WARDEN_STARTED, .pid = w.main});
    guard(&w);
    return 0;
}
