# SPDX-License-Identifier: Apache-2.0
"""`jobboard dev`: up, env, status, second up, hurting services, down, Ctrl-C, leaving nothing."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile

import pytest
from kazoo.client import KazooClient

from dev_tool import (JOBBOARD, SOON_S, await_true, clean_environment, dev, environment, look,
                      processes, query, scratch, status, traces)

ROOT_IS_OPEN = pytest.mark.skipif(not os.stat("/").st_mode & 0o001,
                                  reason="other users may not enter / here")


@pytest.fixture
def cluster(scratch):
    dev("up", "--dir", scratch, "--engines", 0)
    yield scratch
    dev("down", "--dir", scratch)
    assert not scratch.exists()


def test_life(scratch):
    _, talk = dev("up", "--dir", scratch, "--engines", 0)
    assert "postgres is up" in talk and "zookeeper-1 is up" in talk and "ready" in talk
    rows = status(scratch)
    assert set(rows) == {"postgres", "zookeeper-1"}
    assert all(row["healthy"] and row["state"] == "running" for row in rows.values())
    human, _ = dev("status", "--dir", scratch)
    assert len(human.splitlines()) == 3

    variables = environment(scratch)
    assert variables["JOBBOARD_DEV_DIR"] == str(scratch)
    assert (variables["JOBBOARD_BOARD"], variables["JOBBOARD_SCHEMA"]) == ("main", "jobboard")
    settings = {name: query(scratch, f"show {name}") for name in
                ("fsync", "synchronous_commit", "server_encoding", "max_connections",
                 "listen_addresses", "unix_socket_directories", "lc_collate")}
    assert settings == {"fsync": "on", "synchronous_commit": "on", "server_encoding": "UTF8",
                        "max_connections": "200", "listen_addresses": "127.0.0.1",
                        "unix_socket_directories": "", "lc_collate": "C.UTF-8"}
    client = KazooClient(hosts=variables["JOBBOARD_ZOOKEEPER"])
    client.start(timeout=SOON_S)
    client.create("/x", b"y")
    assert client.get("/x")[0] == b"y"
    client.stop()

    # the same through the variables alone
    out, _ = dev("status", "--json", env={**clean_environment(), "JOBBOARD_DEV_DIR": str(scratch)})
    assert len(out.splitlines()) == 2
    dev("down", "--dir", scratch)
    assert not scratch.exists()
    dev("down", "--dir", scratch, code=5)
    dev("status", "--dir", scratch, code=5)


def test_second_up_says_what_runs(cluster):
    before = status(cluster)
    _, talk = dev("up", "--dir", cluster, "--engines", 0, code=6)
    for name in ("postgres", "zookeeper-1"):
        assert f"{name} (pid {before[name]['pid']})" in talk
    assert "dev down --dir" in talk
    after = status(cluster)
    assert [row["pid"] for row in after.values()] == [row["pid"] for row in before.values()]


def test_two_ups_at_once(scratch):
    command = [JOBBOARD, "dev", "up", "--dir", str(scratch), "--engines", "0"]
    both = [subprocess.Popen(command, env=clean_environment(), stderr=subprocess.PIPE, text=True)
            for _ in range(2)]
    for one in both:
        one.communicate(timeout=SOON_S)
    assert sorted(one.returncode for one in both) == [0, 6]
    assert all(row["healthy"] for row in status(scratch).values())
    dev("down", "--dir", scratch)


def test_fresh(cluster):
    query(cluster, "create table t (); select 1")
    dev("up", "--dir", cluster, "--engines", 0, "--fresh")
    assert query(cluster, "select to_regclass('t') is null")


def test_leftovers_of_a_crash(cluster):
    rows = status(cluster)
    for row in rows.values():
        os.kill(row["pid"], signal.SIGKILL)
    await_true(lambda: not any(row["pid"] in processes() for row in rows.values()), "their end")
    assert {row["state"] for row in status(cluster, code=1).values()} == {"dead"}
    _, talk = dev("up", "--dir", cluster, "--engines", 0, code=6)
    assert "does not run any more" in talk


def test_a_reused_pid_is_not_killed(scratch):
    dev("up", "--dir", scratch, "--engines", 0)
    file = scratch / "dev.json"
    state = json.loads(file.read_text())
    row = next(row for row in state["services"] if row["name"] == "zookeeper-1")
    os.kill(row["pid"], signal.SIGKILL)
    await_true(lambda: row["pid"] not in processes(), "its end")
    with subprocess.Popen(["sleep", "1000"]) as bystander:
        row["pid"] = bystander.pid
        file.write_text(json.dumps(state))
        assert status(scratch, code=1)["zookeeper-1"]["state"] == "dead"
        dev("zookeeper", "kill", 1, "--dir", scratch, code=6)
        dev("down", "--dir", scratch)
        assert bystander.poll() is None
        bystander.kill()
    assert not scratch.exists()


def test_foreign_folder(scratch):
    scratch.mkdir()
    (scratch / "thesis.txt").write_text("x")
    _, talk = dev("up", "--dir", scratch, "--engines", 0, code=6)
    assert "thesis.txt" in talk
    (scratch / "thesis.txt").unlink()
    dev("up", "--dir", scratch, "--engines", 0)
    (scratch / "thesis.txt").write_text("x")
    dev("down", "--dir", scratch)
    assert [path.name for path in scratch.iterdir()] == ["thesis.txt"]


def test_damaged_state(scratch):
    scratch.mkdir()
    (scratch / "dev.json").write_text('{"format": 1, "dir": "/"}')
    for verb in ("up", "down", "status", "env"):
        _, talk = dev(verb, "--dir", scratch, code=2)
        assert "dev.json is damaged" in talk
    (scratch / "dev.json").unlink()


def test_keep(cluster):
    dev("down", "--dir", cluster, "--keep")
    assert "binding to port" in (cluster / "logs" / "zookeeper-1.log").read_text()
    assert {row["state"] for row in status(cluster, code=1).values()} == {"stopped"}


def test_usage(scratch):
    for words in (["up", "--dir", scratch, "--engines", "-1"], ["up", "--zookeepers", "2"],
                  ["up", "--dir", scratch, "stray"], ["pu"], ["up", "--tick"],
                  ["engine", "fly", "engine-1"], ["zookeeper", "stop"], ["engine"]):
        dev(*words, code=2, cwd=scratch.parent)
    assert dev("--help")[0].startswith("Usage: jobboard dev")
    for verb in ("up", "env", "status", "down", "engine", "zookeeper", "postgres"):
        assert "Examples:" in dev(verb, "--help")[0]
    assert not scratch.exists()


def test_ensemble(scratch):
    dev("up", "--dir", scratch, "--engines", 0, "--zookeepers", 3, "--tick", 200)
    servers = [name for name in status(scratch) if name.startswith("zookeeper")]
    assert servers == ["zookeeper-1", "zookeeper-2", "zookeeper-3"]
    hosts = environment(scratch)["JOBBOARD_ZOOKEEPER"].split(",")
    assert len(hosts) == 3

    def mode(host):
        with socket.create_connection(("127.0.0.1", int(host.split(":")[1])), timeout=5) as wire:
            wire.sendall(b"srvr")
            answer = b"".join(iter(lambda: wire.recv(4096), b"")).decode()
        return next(line for line in answer.splitlines() if line.startswith("Mode"))

    assert sorted(map(mode, hosts)) == ["Mode: follower", "Mode: follower", "Mode: leader"]
    leader = 1 + [mode(host) for host in hosts].index("Mode: leader")
    dev("zookeeper", "kill", leader, "--dir", scratch)
    assert status(scratch, code=1)[f"zookeeper-{leader}"]["state"] == "stopped"
    client = KazooClient(hosts=",".join(hosts))
    client.start(timeout=SOON_S)
    client.create("/survives")
    client.stop()
    dev("zookeeper", "start", leader, "--dir", scratch)
    assert all(row["healthy"] for row in status(scratch).values())
    dev("down", "--dir", scratch)


def test_hurting_services(cluster):
    query(cluster, "create table kept (); select 1")
    for action, state in (("freeze", "frozen"), ("thaw", "running"), ("stop", "stopped"),
                          ("start", "running"), ("kill", "stopped"), ("start", "running"),
                          ("restart", "running")):
        for words, name in ((["zookeeper", action, 1], "zookeeper-1"),
                            (["postgres", action], "postgres")):
            port = look(cluster)[name]["port"]
            dev(*words, "--dir", cluster)
            row = look(cluster)[name]
            assert (row["state"], row["healthy"]) == (state, state == "running")
            assert row["port"] == port
    dev("postgres", "restart", "--immediate", "--dir", cluster)
    dev("postgres", "kill", "--immediate", "--dir", cluster)
    dev("postgres", "stop", "--dir", cluster, code=6)
    dev("postgres", "start", "--dir", cluster)
    dev("postgres", "start", "--dir", cluster, code=6)
    assert query(cluster, "select to_regclass('kept') is not null")
    dev("zookeeper", "stop", 2, "--dir", cluster, code=5)
    dev("engine", "kill", "engine-1", "--dir", cluster, code=5)
    # left frozen: down ends them all the same
    dev("postgres", "freeze", "--dir", cluster)
    dev("zookeeper", "freeze", 1, "--dir", cluster)


def test_what_does_not_come_up_is_shown_and_removed(scratch):
    # a java that fails stands first in the path
    broken = scratch.parent / "bin"
    broken.mkdir()
    java = broken / "java"
    java.write_text("#!/bin/sh\necho 'java: no luck today' >&2\nexit 1\n")
    java.chmod(0o755)
    variables = {**clean_environment(), "PATH": f"{broken}:{os.environ['PATH']}"}
    _, talk = dev("up", "--dir", scratch, "--engines", 0, code=3, env=variables)
    assert "no luck today" in talk and "zookeeper-1 ended" in talk
    assert not scratch.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_foreground(scratch, number):
    with subprocess.Popen([JOBBOARD, "dev", "--dir", str(scratch), "--engines", "0"],
                          stderr=subprocess.PIPE, text=True, env=clean_environment()) as front:
        for line in front.stderr:
            if "Ctrl-C" in line:
                break
        assert all(row["healthy"] for row in status(scratch).values())
        if number == signal.SIGINT:
            pid = status(scratch)["zookeeper-1"]["pid"]
            os.kill(pid, signal.SIGKILL)
            assert f"zookeeper-1 (pid {pid}) has ended" in front.stderr.readline()
        front.send_signal(number)
        front.communicate(timeout=SOON_S)
    assert front.returncode == 128 + number
    assert not scratch.exists()


def test_foreground_ends_when_taken_down(scratch):
    with subprocess.Popen([JOBBOARD, "dev", "--dir", str(scratch), "--engines", "0"],
                          stderr=subprocess.PIPE, text=True, env=clean_environment()) as front:
        for line in front.stderr:
            if "Ctrl-C" in line:
                break
        dev("down", "--dir", scratch)
        front.communicate(timeout=SOON_S)
    assert front.returncode == 0


@pytest.mark.parametrize("line", ["cluster", "logs/initdb.log", "logs/postgres.log",
                                  "logs/createdb.log"])
def test_interrupted_up(scratch, line):
    """Ctrl-C at several points of coming up."""
    with subprocess.Popen([JOBBOARD, "dev", "up", "--dir", str(scratch), "--engines", "0"],
                          stderr=subprocess.PIPE, text=True, env=clean_environment()) as up:
        path = scratch if line == "cluster" else scratch / line
        await_true(path.exists, f"{path} to exist")
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=SOON_S)
    assert up.returncode == 130
    assert not scratch.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="is not root: every other test is this one")
@ROOT_IS_OPEN
def test_as_another_user(scratch):
    nobody = "65534"
    dev("up", "--dir", scratch, "--engines", 0, user=nobody, cwd=scratch.parent)
    assert {os.stat(f"/proc/{row['pid']}").st_uid for row in status(scratch).values()} == {65534}
    dev("down", "--dir", scratch, user=nobody)
    assert not scratch.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that Postgres cannot enter")
@ROOT_IS_OPEN
def test_closed_folder():
    """As root in a folder that Postgres' user cannot get to: its data stand elsewhere, and go."""
    with tempfile.TemporaryDirectory(prefix="dev-closed-") as parent:
        os.chmod(parent, 0o700)
        folder = pathlib.Path(parent) / "cluster"
        dev("up", "--dir", folder, "--engines", 0)
        data = json.loads((folder / "dev.json").read_text())["postgres_data"]
        assert not data.startswith(parent) and pathlib.Path(data).is_dir()
        assert query(folder, "select 1") == 1
        dev("down", "--dir", folder)
        assert not folder.exists() and not pathlib.Path(data).exists()
        assert traces(folder) == []
