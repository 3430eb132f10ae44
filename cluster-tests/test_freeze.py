# SPDX-License-Identifier: Apache-2.0
"""A frozen engine is a zombie when it wakes: it writes nothing and starts nothing."""
import os
import pathlib
import platform
import signal

import pytest

from cluster import Door, Gate, alive, boot_ns, flow_of, proc_state, unique, until
from test_kill import owner_of

ALL_ENGINES = False
EPOLL_WAIT = {"x86_64": "232", "aarch64": "22"}.get(platform.machine())    # as /proc says it


def test_frozen_past_the_session(cluster, rounds, report):
    """Its step is dead before the peer starts it, although nobody could tell it to die."""
    for number in range(rounds(2)):
        door, step = Door(cluster), cluster.evidence.step
        job = cluster.post(flow_of(steps=[step(name="one"),
                                          step("unterm", "leave", "daemon", "until", door, name="two"),
                                          step(name="three")]))
        first = cluster.await_run(job, "two")
        victim = cluster.name_of(first.engine_pid)
        frozen = cluster.freeze(victim)
        second = cluster.await_run(job, "two", epoch=2, within_s=20)
        assert not alive(first.pid)
        took_ms = (second.start_boot - frozen) / 1e6
        cluster.thaw(victim)
        until(lambda: cluster.log(victim).count("event=lease") and rejoined(cluster, victim, job),
              f"{victim} to be back", 20)
        door.open()
        cluster.await_state(job, "SUCCESS", within_s=20)
        runs = cluster.judge(job)
        assert [(run.task, run.epoch) for run in runs] == [("one", 1), ("two", 1), ("two", 2),
                                                           ("three", 2)]
        lines = cluster.history(job)[job]
        claim = next(line["seq"] for line in lines if line["epoch"] == 2)
        assert all(line["engine"] != victim for line in lines if line["seq"] >= claim)
        report(battery="zombie", round=number, took_ms=took_ms)


def rejoined(cluster, name, job):
    """The engine has a new session."""
    boots = {row[0] for row in cluster.query("SELECT boot::text FROM boots WHERE name = %s", name)}
    return len(boots & set(cluster.children("engines"))) == 1 and \
        cluster.log(name).rstrip().split("event=lease")[-1].find("to=good") >= 0


def judged(cluster, backends, since):
    """Whether one of these backends has run a save since then, or waits in it for a lock."""
    return cluster.query("SELECT 1 FROM pg_stat_activity WHERE pid = ANY(%s) AND state_change > %s"
                         " AND query LIKE '%%SET save_no%%'"
                         " AND (state = 'idle' OR wait_event_type = 'Lock')", backends, since)


def freeze_waiting(backend):
    """Stops a backend where it waits for its client: elsewhere it may have a lock inside the server
    that everything else stands behind."""
    def stopped():
        os.kill(backend, signal.SIGSTOP)
        until(lambda: proc_state(backend) == "T", f"backend {backend} to stand still", 5, poll_s=0.001)
        if pathlib.Path(f"/proc/{backend}/syscall").read_text().split()[0] == EPOLL_WAIT:
            return True
        os.kill(backend, signal.SIGCONT)
        return False
    until(stopped, f"backend {backend} to wait for its client", 10, poll_s=0.003)


@pytest.mark.parametrize("when", ["during the peer's claim", "after the peer's claim"])
def test_its_save_comes_late(cluster, when):
    """The save is on the wire when the engine freezes; the backend reads it only when a peer has
    claimed the job, or is about to, and has not saved yet. Nothing but the fence in that very
    statement stands between it and the record."""
    key, one, two = unique("key"), unique("one"), unique("two")
    said = len(cluster.log("postgres"))
    door, hold, step = Door(cluster), Door(cluster), cluster.evidence.step
    with Gate(cluster, "jobs", "UPDATE", f"NEW.key = '{key}' AND NEW.epoch > OLD.epoch"
                                         " AND OLD.epoch = 1") as gate:
        job = cluster.post(flow_of(steps=[step("until", door, name=one),
                                          step("until", hold, name=two)]), "--key", key)
        first = cluster.await_run(job, one)
        victim = cluster.name_of(first.engine_pid)
        backends = [pid for pid, _ in cluster.backends_of(first.engine_pid)]
        for pid in backends:
            freeze_waiting(pid)
        try:
            mark = len(cluster.log(victim))
            door.open()
            # it sends the save in the turn in which it says that the task moved
            cluster.await_log(victim, mark, f"job={job} task={one} attempt=1 epoch=1 from=RUNNING")
            cluster.freeze(victim)
            gate.await_waiting(20)
            peer = owner_of(cluster, job)
            assert peer != victim
            if when.startswith("after"):
                cluster.freeze(peer)
                gate.open()
                until(lambda: cluster.has_line(job, None, "RUNNING", epoch=2), "the claim", 5)
            since = cluster.query("SELECT clock_timestamp()")[0][0]
        finally:
            for pid in backends:
                os.kill(pid, signal.SIGCONT)
        until(lambda: judged(cluster, backends, since), "the late save to be judged", 10)
    if when.startswith("after"):
        cluster.thaw(peer)
    second = cluster.await_run(job, one, epoch=2, within_s=20)
    cluster.thaw(victim)
    until(lambda: rejoined(cluster, victim, job), f"{victim} to be back", 20)
    assert second.engine_pid != first.engine_pid
    hold.open()
    cluster.await_state(job, "SUCCESS", within_s=20)
    runs = cluster.judge(job)
    assert [(run.task, run.epoch) for run in runs] == [(one, 1), (one, 2), (two, 2)]
    # The fence refused it with an answer: one that gets past it and is stopped by a lock's time limit
    # or by history's key has found a hole.
    errors = [line for line in cluster.log("postgres")[said:].splitlines() if "ERROR:" in line]
    assert errors == [], errors


def test_its_save_hangs_half_done(cluster):
    """The save is inside Postgres, judged but not committed, when its engine freezes. Either it is
    before the peer's claim or it is refused."""
    one, hold, step = unique("one"), Door(cluster), cluster.evidence.step
    with Gate(cluster, "history", "INSERT",
              f"NEW.task = '{one}' AND NEW.state = 'SUCCESS' AND NEW.epoch = 1") as gate:
        job = cluster.post(flow_of(steps=[step(name=one), step("until", hold, name="two")]))
        gate.await_waiting(20)
        victim = owner_of(cluster, job)
        cluster.freeze(victim)
        session = cluster.locks()[job]
        # the victim's lock is gone, a peer's stands: it claims, or waits for the row to do so
        until(lambda: cluster.locks().get(job) not in (None, session), "a peer's lock", 20)
        until(lambda: cluster.has_line(job, None, "RUNNING", epoch=2) or claim_waits(cluster),
              "a peer's claim", 20)
        gate.open()
        until(lambda: cluster.has_line(job, None, "RUNNING", epoch=2), "the claim", 20)
        cluster.thaw(victim)
        hold.open()
        cluster.await_state(job, "SUCCESS", within_s=20)
    cluster.judge(job)


def claim_waits(cluster):
    return cluster.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                         " AND state = 'active'")


def test_frozen_for_less_than_the_lease(cluster):
    """Nothing happens: same epoch, same run."""
    door, step = Door(cluster), cluster.evidence.step
    job = cluster.post(flow_of(steps=[step("until", door, name="one"), step(name="two")]))
    first = cluster.await_run(job, "one")
    victim = cluster.name_of(first.engine_pid)
    begun = cluster.freeze(victim)
    until(lambda: boot_ns() - begun > cluster.t_ms * 1e6 / 5, "a fifth of T to pass")
    cluster.thaw(victim)
    door.open()
    cluster.await_state(job, "SUCCESS")
    assert [(run.task, run.epoch) for run in cluster.judge(job)] == [("one", 1), ("two", 1)]
    assert proc_state(cluster.pids[victim]) != "T"
