# SPDX-License-Identifier: Apache-2.0
"""Many jobs, and every few seconds an engine is killed, frozen or told to leave, and started again:
nothing is lost, no recorded step is repeated."""
import os
import random
import signal

from cluster import alive, boot_ns, flow_of, until

PERIOD_MS = 2500


def hurt(cluster, dice, name):
    how = dice.choice(["kill", "kill", "kill", "freeze", "stop"])
    if how == "kill":
        cluster.kill(name)
    elif how == "stop":
        os.kill(cluster.pids[name], signal.SIGTERM)
    else:
        cluster.freeze(name)
    return how


def mend(cluster, name, how):
    if how == "freeze":
        cluster.thaw(name)
        return
    until(lambda: not alive(cluster.pids[name]), f"the end of {name}", 30)
    cluster.start(name)
    cluster.await_started(name)


def open_jobs(cluster, jobs):
    return cluster.query("SELECT count(*) FROM jobs WHERE id = ANY(%s::uuid[]) AND state::text IN"
                         " ('READY', 'RUNNING')", jobs)[0][0]


def test_jobs_survive(cluster, request, report):
    count = request.config.getoption("--jobs") or 60
    dice, step = random.Random(7), cluster.evidence.step
    flow = flow_of(tasks={
        "first": step("sleep", 100),
        **{name: step("sleep", 300, needs="first") for name in ("left", "right")},
        "join": step("sleep", 100, needs=["left", "right"]),
        "last": step("sleep", 100, needs="join")})
    jobs, begun, hurts = [], boot_ns(), []
    while len(jobs) < count:
        jobs += cluster.post(flow, "--count", min(100, count - len(jobs)))
    while open_jobs(cluster, jobs):
        name = dice.choice(cluster.base)
        until(lambda: any(run.job in jobs for run in cluster.evidence.runs()), "work", 30)
        how = hurt(cluster, dice, name)
        hurts.append(how)
        since = boot_ns()
        until(lambda: boot_ns() - since > PERIOD_MS * 1e6, "some time to pass")
        mend(cluster, name, how)
        assert boot_ns() - begun < (120 + count) * 1e9, f"{open_jobs(cluster, jobs)} are still open"
    cluster.await_all(jobs)
    runs = cluster.judge(*jobs)
    cluster.await_clean_board()
    epochs = cluster.query("SELECT count(*), max(epoch) FROM jobs WHERE id = ANY(%s::uuid[])"
                           " AND epoch > 1", jobs)[0]
    report(battery="load", jobs=count, kills=hurts.count("kill"), freezes=hurts.count("freeze"),
           stops=hurts.count("stop"), taken_over=epochs[0], most_epochs=epochs[1],
           runs=len(runs), ran_again=len(runs) - 5 * count, took_ms=(boot_ns() - begun) / 1e6)
    assert len(runs) >= 5 * count
