# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: an engine hands over and leaves, and no peer has to wait for its session to end."""
import os
import signal

import pytest

from cluster import Door, alive, boot_ns, flow_of, unique, until

MS = 1_000_000
TAG = "handover"
GRACE_MS = 500


@pytest.fixture
def pair(cluster):
    """Two engines of a short grace with a tag of their own."""
    names = [unique("hand").replace("_", "-") for _ in range(2)]
    for name in names:
        cluster.dev("engine", "add", "--name", name, "--", "--tag", TAG, "--grace", f"{GRACE_MS}ms")
    cluster.refresh()
    yield cluster
    for name in names:
        if alive(cluster.pids.get(name, 0)):
            cluster.dev("engine", "kill", name)


def terminate(cluster, name):
    """SIGTERM -> when it was sent. The engine has taken it in: two at once would be one."""
    mark, asked = len(cluster.log(name)), boot_ns()
    os.kill(cluster.pids[name], signal.SIGTERM)
    cluster.await_log(name, mark, "event=stopping")
    return asked


def await_end(cluster, name, within_s):
    until(lambda: not alive(cluster.pids[name]),
          lambda: f"{name} to leave\n{cluster.log(name)[-3000:]}", within_s)
    left = cluster.log(name).rstrip().splitlines()[-1]
    assert "event=left" in left
    return boot_ns()


def test_an_idle_engine_leaves_at_once(cluster):
    victim = cluster.base[0]
    terminate(cluster, victim)
    await_end(cluster, victim, 2)


def test_a_short_step_may_end(cluster):
    """It is recorded where it ran; the next one runs elsewhere at once, under a new epoch."""
    door, step = Door(cluster), cluster.evidence.step
    job = cluster.post(flow_of(steps=[step("until", door, name="one"), step(name="two")]))
    first = cluster.await_run(job, "one")
    victim = cluster.name_of(first.engine_pid)
    terminate(cluster, victim)
    door.open()
    cluster.await_state(job, "SUCCESS", within_s=20)
    one, two = cluster.judge(job)
    assert (one.epoch, two.epoch) == (1, 2) and one.engine_pid != two.engine_pid
    assert two.start_boot - one.end_boot < cluster.t_ms * MS / 2
    assert cluster.has_line(job, None, "READY", epoch=1)
    assert cluster.query("SELECT unclean FROM jobs WHERE id = %s", job) == [(0,)]
    await_end(cluster, victim, 5)
    cluster.await_clean_board()


def test_a_long_step_is_stopped(pair):
    """Neither the grace nor SIGTERM ends it: it is killed, and the attempt goes on elsewhere."""
    cluster, door, step = pair, Door(pair), pair.evidence.step
    job = cluster.post(flow_of(runs_on=[TAG], steps=[
        step(name="zero"), step("unterm", "leave", "setsid", "until", door, name="one"),
        step(name="two")]))
    first = cluster.await_run(job, "one")
    victim = cluster.name_of(first.engine_pid)
    asked = terminate(cluster, victim)
    second = cluster.await_run(job, "one", epoch=2, within_s=20)
    # the grace to end by itself and the grace behind SIGTERM; then no waiting for the session
    assert second.start_boot - asked < (2 * GRACE_MS + cluster.t_ms / 2) * MS
    assert (second.attempt, second.key) == (first.attempt, first.key)
    door.open()
    cluster.await_state(job, "SUCCESS", within_s=20)
    assert [run.task for run in cluster.judge(job)] == ["zero", "one", "one", "two"]
    await_end(cluster, victim, 5)


def test_a_second_signal_leaves_at_once(cluster):
    door, step = Door(cluster), cluster.evidence.step
    job = cluster.post(flow_of(steps=[step("unterm", "until", door, name="one")]))
    first = cluster.await_run(job, "one")
    victim = cluster.name_of(first.engine_pid)
    terminate(cluster, victim)
    asked = boot_ns()
    os.kill(cluster.pids[victim], signal.SIGTERM)
    gone = await_end(cluster, victim, 5)
    second = cluster.await_run(job, "one", epoch=2, within_s=20)
    assert gone - asked < 1000 * MS
    assert second.start_boot - asked < cluster.t_ms * MS
    door.open()
    cluster.await_state(job, "SUCCESS", within_s=20)
    cluster.judge(job)


def test_many_jobs_are_handed_over(cluster):
    """All engines but one leave in the middle of everything; nothing ran in vain."""
    step = cluster.evidence.step
    jobs = cluster.post(flow_of(steps=[step("sleep", 150, name=name) for name in "abcd"]),
                        "--count", 30)
    until(lambda: len({run.engine_pid for run in cluster.evidence.runs() if run.job in jobs}) == 3,
          "all three engines at work", 20)
    for name in cluster.base[:2]:
        terminate(cluster, name)
    for name in cluster.base[:2]:
        await_end(cluster, name, 10)
    cluster.await_all(jobs)
    runs = cluster.judge(*jobs)
    assert len(runs) == 4 * len(jobs)          # steps shorter than the grace are never stopped
