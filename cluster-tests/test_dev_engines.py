# SPDX-License-Identifier: Apache-2.0
"""`jobboard dev` and engines, with a stand-in for the engine that only says that it is ready: so
what is tested is the tool, and the cases are quick and exact."""
import shutil

import pytest

from dev_tool import (JOBBOARD, await_true, dev, look, processes, scratch, status)

STAND_IN = """#!/bin/sh
# What it was given, for the test to read: in its working folder, which is its own.
printf '%s\\n' "$@" >args
env >environment
[ -e ../../../silent ] && exec sleep 1000
[ -e ../../../broken ] && { echo 'event=failed text="no luck today"' >&2; exit 1; }
if [ -e ../../../stubborn ]; then
    trap '' TERM
    setsid sh -c "trap '' TERM; echo \\$\\$ >child; sleep 1000" &
fi
echo 'level=info event=ready' >&2
while :; do sleep 0.05; done
"""


@pytest.fixture
def tool(scratch):
    """A `jobboard` that has the stand-in beside it."""
    folder = scratch.parent / "bin"
    folder.mkdir()
    shutil.copy(JOBBOARD, folder / "jobboard")
    engine = folder / "jobboard-engine"
    engine.write_text(STAND_IN)
    engine.chmod(0o755)

    def run(*words, engine_options=(), **options):
        behind = ["--", *engine_options] if engine_options else []
        return dev(*words, "--dir", scratch, *behind, program=str(folder / "jobboard"), **options)

    yield run


def given(scratch, name):
    folder = scratch / "engines" / name
    variables = dict(line.split("=", 1) for line in (folder / "environment").read_text().splitlines()
                     if "=" in line)
    return (folder / "args").read_text().split("\n")[:-1], variables


def test_engines(tool, scratch):
    _, talk = tool("up", "--engines", 2, "--session-timeout", 1500, "--board", "b1", "--schema", "s1")
    assert "engine-2 is up" in talk
    rows = status(scratch)
    assert set(rows) == {"postgres", "zookeeper-1", "engine-1", "engine-2"}
    args, variables = given(scratch, "engine-2")
    assert args == ["--name", "engine-2", "--session-timeout", "1500ms"]
    assert variables["JOBBOARD_POSTGRES"].startswith("host=127.0.0.1 port=")
    assert variables["JOBBOARD_ZOOKEEPER"] == f"127.0.0.1:{rows['zookeeper-1']['port']}"
    assert (variables["JOBBOARD_BOARD"], variables["JOBBOARD_SCHEMA"]) == ("b1", "s1")

    for action, state in (("freeze", "frozen"), ("thaw", "running"), ("stop", "stopped"),
                          ("start", "running"), ("kill", "stopped"), ("start", "running"),
                          ("restart", "running")):
        before = look(scratch)["engine-1"]["pid"]
        tool("engine", action, "engine-1")
        row = look(scratch)["engine-1"]
        assert (row["state"], row["healthy"]) == (state, state == "running")
        assert action not in ("start", "restart") or row["pid"] != before
        assert action not in ("stop", "kill") or before not in processes()
    out, _ = tool("engine", "add", engine_options=["--slots", "7"])
    assert out == "engine-3\n"
    assert given(scratch, "engine-3")[0][-2:] == ["--slots", "7"]
    tool("engine", "restart", "engine-3")
    assert given(scratch, "engine-3")[0][-2:] == ["--slots", "7"]
    assert tool("engine", "add", "--name", "big")[0] == "big\n"
    tool("engine", "add", "--name", "big", code=6)
    tool("engine", "add", "--name", "../big", code=2)
    tool("engine", "kill", "engine-9", code=5)
    tool("engine", "kill", "postgres", code=5)
    tool("down")
    assert not scratch.exists()


def test_options_for_all_engines(tool, scratch):
    tool("up", "--engines", 2, engine_options=["--slots=3", "-v"])
    for name in ("engine-1", "engine-2"):
        assert given(scratch, name)[0][-2:] == ["--slots=3", "-v"]
    tool("down")


def test_an_engine_that_fails_is_shown(tool, scratch):
    (scratch.parent / "broken").touch()
    _, talk = tool("up", "--engines", 1, code=3)
    assert "no luck today" in talk and "engine-1 ended" in talk
    assert not scratch.exists()


def test_an_engine_that_never_gets_ready(tool, scratch):
    (scratch.parent / "silent").touch()
    tool("up", "--engines", 0)
    _, talk = tool("engine", "add", "--timeout", "300ms", code=4)
    assert "engine-1 did not come up in time" in talk
    assert look(scratch)["engine-1"]["state"] == "running"
    tool("down")
    assert not scratch.exists()


def test_stubborn_engine_and_its_orphan(tool, scratch):
    """Neither heeds SIGTERM; the child left its parent's session. Both are gone after `down`."""
    (scratch.parent / "stubborn").touch()
    tool("up", "--engines", 1)
    file = scratch / "engines" / "engine-1" / "child"
    await_true(lambda: file.exists() and file.read_text(), "the child")
    child = int(file.read_text())
    tool("engine", "stop", "engine-1", "--timeout", "100ms", code=4)
    tool("engine", "kill", "engine-1")
    assert child in processes()
    _, talk = tool("down")
    assert "killed" in talk
    assert child not in processes()
    assert not scratch.exists()


def test_missing_engine_is_told_first(scratch):
    folder = scratch.parent / "bin"
    folder.mkdir()
    shutil.copy(JOBBOARD, folder / "jobboard")
    _, talk = dev("up", "--dir", scratch, "--engines", 1, code=3, program=str(folder / "jobboard"))
    assert "jobboard-engine is not there; build it" in talk and "is up" not in talk
    assert not scratch.exists()
