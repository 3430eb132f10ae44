# SPDX-License-Identifier: Apache-2.0
"""A frozen engine is a zombie when it wakes: it writes nothing and starts nothing."""
import os
import signal

from cluster import Door, Gate, alive, boot_ns, flow_of, proc_state, unique, until
from test_kill import owner_of

ALL_ENGINES = False


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


def test_its_save_comes_late(cluster):
    """The save is on the wire when the engine freezes; the backend reads it only after a peer has
    claimed the job. Nothing but the epoch in that very statement stands between it and the record."""
    door, step = Door(cluster), cluster.evidence.step
    hold = Door(cluster)
    one, two = unique("one"), unique("two")
    job = cluster.post(flow_of(steps=[step("until", door, name=one), step("until", hold, name=two)]))
    first = cluster.await_run(job, one)
    victim = cluster.name_of(first.engine_pid)
    backends = [pid for pid, _ in cluster.backends_of(first.engine_pid)]
    assert backends
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        door.open()
        until(lambda: not alive(first.pid), "the end of the step", 5)
        # its engine has sent the save when it says that the task moved
        until(lambda: f"job={job} task={one} attempt=1 epoch=1 from=RUNNING to=SUCCESS"
              in cluster.log(victim), "the engine to judge the step", 5)
        cluster.freeze(victim)
        second = cluster.await_run(job, one, epoch=2, within_s=20)
        until(lambda: cluster.has_line(job, one, "SUCCESS", epoch=2), "the peer's record", 20)
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)
    cluster.thaw(victim)
    until(lambda: rejoined(cluster, victim, job), f"{victim} to be back", 20)
    assert second.engine_pid != first.engine_pid
    hold.open()
    cluster.await_state(job, "SUCCESS", within_s=20)
    runs = cluster.judge(job)
    assert [(run.task, run.epoch) for run in runs] == [(one, 1), (one, 2), (two, 2)]
    assert not [line for line in cluster.history(job)[job]
                if line["task"] == one and line["state"] == "SUCCESS" and line["epoch"] == 1]


def test_its_save_hangs_half_done(cluster):
    """The save is inside Postgres, judged but not committed, when its engine freezes. Either it is
    before the peer's claim or it is refused: an unlocked check of the epoch lets it land behind."""
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
