# SPDX-License-Identifier: Apache-2.0
"""No process of a dead engine's step is alive when a peer starts that step, however it hid: each
run looks for strangers as its first act (witness.c), and the checker knows no mercy.

The engines' grace is longer than T: death knows none."""
import os
import pathlib
import signal

import pytest

from cluster import Door, alive, flow_of, until

ALL_ENGINES = False


def family(job):
    """pids of all processes that carry the job's id."""
    mark, found = f"JOB_ID={job}".encode(), []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def name_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def begin(cluster, *words):
    door, step = Door(cluster), cluster.evidence.step
    job = cluster.post(flow_of(steps=[step(*words, "until", door, name="one"), step(name="two")]))
    return job, cluster.await_run(job, "one"), door


def finish(cluster, job, door):
    door.open()
    cluster.await_state(job, "SUCCESS", within_s=20)
    cluster.judge(job)
    until(lambda: not family(job), lambda: f"the end of {family(job)}", 5)


@pytest.mark.parametrize("words", [["leave", "setsid"], ["leave", "daemon"], ["unterm"],
                                   ["unterm", "leave", "child", "leave", "setsid", "leave", "daemon"]],
                         ids=" ".join)
def test_engine_killed(cluster, words):
    job, first, door = begin(cluster, *words)
    until(lambda: len(family(job)) == 1 + words.count("leave"), "its processes", 5)
    cluster.kill(cluster.name_of(first.engine_pid))
    # long before the session is over
    until(lambda: not family(job), lambda: f"the end of {family(job)}", cluster.t_ms / 2000)
    cluster.await_run(job, "one", epoch=2, within_s=20)
    finish(cluster, job, door)


@pytest.mark.parametrize("words", [["unterm"], ["unterm", "leave", "setsid", "leave", "daemon"]],
                         ids=" ".join)
def test_warden_killed(cluster, words):
    """The tree falls to the engine, which ends it before anything of the job goes on."""
    job, first, door = begin(cluster, *words)
    warden = parent_of(first.pid)
    assert "warden" in name_of(warden)
    os.kill(warden, signal.SIGKILL)
    until(lambda: not alive(first.pid), "the end of the step", 5)
    door.open()
    cluster.await_state(job, "SUCCESS", "FAILURE", within_s=20)
    cluster.judge(job)
    until(lambda: not family(job), lambda: f"the end of {family(job)}", 5)


def test_warden_and_then_engine_killed(cluster):
    """The engine lives long enough to end what the warden lost."""
    job, first, door = begin(cluster, "unterm", "leave", "setsid", "leave", "daemon")
    os.kill(parent_of(first.pid), signal.SIGKILL)
    until(lambda: not family(job) or first.pid not in family(job), "the end of the step", 5)
    until(lambda: not [pid for pid in family(job)
                       if pid not in {run.pid for run in cluster.evidence.runs(job)}],
          lambda: f"the end of {family(job)}", 5)
    cluster.kill(cluster.name_of(first.engine_pid))
    door.open()
    cluster.await_state(job, "SUCCESS", "FAILURE", within_s=20)
    cluster.judge(job)


def test_nursery_killed(cluster):
    """Its wardens go on as children of the engine, which makes a new nursery."""
    job, first, door = begin(cluster, "leave", "setsid")
    nursery = parent_of(parent_of(first.pid))
    assert "nursery" in name_of(nursery)
    os.kill(nursery, signal.SIGKILL)
    door.open()
    cluster.await_state(job, "SUCCESS", within_s=20)
    assert [(run.task, run.epoch) for run in cluster.judge(job)] == [("one", 1), ("two", 1)]


def test_nursery_and_engine_killed(cluster):
    job, first, door = begin(cluster, "unterm", "leave", "setsid", "leave", "daemon")
    nursery = parent_of(parent_of(first.pid))
    assert "nursery" in name_of(nursery)
    os.kill(nursery, signal.SIGKILL)
    cluster.kill(cluster.name_of(first.engine_pid))
    cluster.await_run(job, "one", epoch=2, within_s=20)
    finish(cluster, job, door)


def test_a_step_that_ends_leaves_nobody(cluster):
    """Also in peace: what a step left behind is gone before its end is recorded."""
    step = cluster.evidence.step
    job = cluster.post(flow_of(steps=[step("leave", "setsid", "leave", "daemon", name="one"),
                                      {"name": "two", "sh": "echo"}]))
    cluster.await_state(job, "SUCCESS", within_s=20)
    assert family(job) == []
    cluster.judge(job)
