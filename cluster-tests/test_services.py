# SPDX-License-Identifier: Apache-2.0
"""ZooKeeper and Postgres fail, restart and stand still under load. Nothing is lost."""
import os
import re
import signal
import socket

import pytest
from cluster import boot_ns, flow_of, until


def four_steps(cluster, ms=100):
    step = cluster.evidence.step
    return flow_of(steps=[step("sleep", ms, name=name) for name in "abcd"])


def under_way(cluster, jobs):
    until(lambda: any(run.job in jobs and run.end_boot for run in cluster.evidence.runs()),
          "jobs to be under way", 20)


def mode(host):
    try:
        with socket.create_connection(tuple(host.split(":")), timeout=5) as wire:
            wire.sendall(b"srvr")
            answer = b"".join(iter(lambda: wire.recv(4096), b"")).decode()
        return next((line.split()[1] for line in answer.splitlines() if line.startswith("Mode")), "")
    except OSError:
        return ""


def numbers_by_mode(cluster):
    modes = {}
    for number, host in enumerate(cluster.env["JOBBOARD_ZOOKEEPER"].split(","), 1):
        modes.setdefault(mode(host), []).append(number)
    return modes


def through(cluster, jobs, within_s=90):
    cluster.await_all(jobs, within_s=within_s)
    runs = cluster.judge(*jobs)
    cluster.await_clean_board(30)
    return runs


def test_zookeeper_leader_killed(ensemble):
    jobs = ensemble.post(four_steps(ensemble), "--count", 40)
    under_way(ensemble, jobs)
    leader = numbers_by_mode(ensemble)["leader"][0]
    ensemble.dev("zookeeper", "kill", leader)
    more = ensemble.post(four_steps(ensemble), "--count", 10)
    through(ensemble, jobs + more)
    ensemble.dev("zookeeper", "start", leader)
    last = ensemble.post(four_steps(ensemble), "--count", 10)
    through(ensemble, last)


def test_zookeeper_followers_killed_in_turn(ensemble):
    jobs = ensemble.post(four_steps(ensemble), "--count", 40)
    under_way(ensemble, jobs)
    for number in until(lambda: numbers_by_mode(ensemble).get("follower"), "followers", 20):
        ensemble.dev("zookeeper", "kill", number)
        ensemble.dev("zookeeper", "start", number)
    through(ensemble, jobs)


def test_zookeeper_without_a_quorum_for_longer_than_the_session(ensemble):
    jobs = ensemble.post(four_steps(ensemble), "--count", 20)
    under_way(ensemble, jobs)
    stopped = [1, 2]
    for number in stopped:
        ensemble.dev("zookeeper", "kill", number)
    cut = boot_ns()
    posted_meanwhile = ensemble.post(four_steps(ensemble), "--count", 5)
    until(lambda: boot_ns() - cut > 1.5 * ensemble.t_ms * 1e6, "one session and a half")
    for number in stopped:
        ensemble.dev("zookeeper", "start", number)
    through(ensemble, jobs + posted_meanwhile)


def test_zookeeper_restarted(cluster):
    """One server: its sessions and locks come back with it."""
    jobs = cluster.post(four_steps(cluster), "--count", 30)
    under_way(cluster, jobs)
    cluster.dev("zookeeper", "kill", 1)
    cluster.dev("zookeeper", "start", 1)
    through(cluster, jobs)


def test_postgres_restarted(cluster):
    """Immediate shutdown is a crash: what was on its way is lost or not, and asked for again."""
    jobs = cluster.post(four_steps(cluster), "--count", 60)
    for _ in range(2):
        under_way(cluster, jobs)
        cluster.dev("postgres", "restart", "--immediate")
    cluster.sql = cluster.connect()
    through(cluster, jobs)


def test_postgres_frozen(cluster):
    """Longer than the session: engines keep their locks and start nothing."""
    jobs = cluster.post(four_steps(cluster), "--count", 30)
    under_way(cluster, jobs)
    cluster.dev("postgres", "freeze")
    begun = boot_ns()
    until(lambda: boot_ns() - begun > 1.5 * cluster.t_ms * 1e6, "one session and a half")
    cluster.dev("postgres", "thaw")
    through(cluster, jobs)


def test_postgres_ends_every_connection(cluster):
    """Again and again, as a failing pooler does."""
    jobs = cluster.post(four_steps(cluster), "--count", 40)
    for _ in range(5):
        under_way(cluster, jobs)
        cluster.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
    through(cluster, jobs)


def test_serializable_by_default(cluster):
    """The server's default isolation level does not matter."""
    cluster.query("ALTER SYSTEM SET default_transaction_isolation = 'serializable'")
    cluster.query("SELECT pg_reload_conf()")
    try:
        jobs = cluster.post(four_steps(cluster, ms=5), "--count", 30)
        through(cluster, jobs)
    finally:
        cluster.query("ALTER SYSTEM RESET default_transaction_isolation")
        cluster.query("SELECT pg_reload_conf()")


def test_zookeeper_lost_everything_while_postgres_takes_no_connection(cluster):
    """The board is made anew once no engine can have it elsewhere. Whether that is so only Postgres
    knows, and the engine does not hold its breath for the answer."""
    first, postmaster = cluster.base[0], cluster.services()["postgres"]["pid"]
    mark = len(cluster.log(first))
    for name in cluster.base:
        cluster.kill(name)
    jobs = cluster.post(four_steps(cluster, ms=5), "--count", 10)
    zk = cluster.zookeeper()
    zk.retry(zk.delete, cluster.board(), recursive=True)
    for name in cluster.base:
        cluster.start(name)
    cluster.await_log(first, mark, "event=root_missing", 20)
    os.kill(postmaster, signal.SIGSTOP)
    begun = boot_ns()
    try:
        until(lambda: boot_ns() - begun > 3e9, "three seconds")
    finally:
        os.kill(postmaster, signal.SIGCONT)
    cluster.await_started()
    through(cluster, jobs)
    turns = re.findall(r"event=slow_turn ms=(\d+)", cluster.log(first)[mark:])
    assert max(map(int, turns), default=0) < 1000, turns


STOPPED = {"postgres stands still": ("postgres", signal.SIGSTOP),
           "postgres is gone": ("postgres", signal.SIGKILL),
           "zookeeper stands still": ("zookeeper-1", signal.SIGSTOP),
           "zookeeper is gone": ("zookeeper-1", signal.SIGKILL)}
LONGEST_TURN_MS = 50
TRIES = 3


def longest_turn(cluster, marks):
    """Of an engine's loop since these places in the logs; 0: none as long as engines tell (50 ms)."""
    told = [turn for name, mark in marks.items()
            for turn in re.findall(r"event=slow_turn ms=(\d+)", cluster.log(name)[mark:])]
    return max(map(int, told), default=0)


def start_anew(cluster):
    for name in cluster.base:
        cluster.kill(name)
    for name in cluster.base:
        cluster.start(name)
    cluster.await_started()


def stop_for(cluster, server, number, ms):
    pid = cluster.services()[server]["pid"]
    os.kill(pid, number)
    begun = boot_ns()
    until(lambda: boot_ns() - begun > ms * 1e6, f"{ms} ms without {server}")
    if number == signal.SIGSTOP:
        os.kill(pid, signal.SIGCONT)
    cluster.heal()


@pytest.mark.parametrize("server,number", STOPPED.values(), ids=STOPPED)
def test_no_turn_waits_for_a_server(cluster, server, number):
    """An engine tells the longest turn of each second. One that waits for a server takes as long each
    time; one that a busy machine held up does not."""
    turns = []
    while len(turns) < TRIES and (not turns or turns[-1] > LONGEST_TURN_MS):
        start_anew(cluster)
        jobs = cluster.post(four_steps(cluster, ms=300), "--count", 10)
        under_way(cluster, jobs)
        marks = {name: len(cluster.log(name)) for name in cluster.base}
        stop_for(cluster, server, number, 1.5 * cluster.t_ms)
        through(cluster, jobs)
        turns.append(longest_turn(cluster, marks))
    assert turns[-1] <= LONGEST_TURN_MS, turns
