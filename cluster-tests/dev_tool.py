# SPDX-License-Identifier: Apache-2.0
"""What tests of `jobboard dev` share: running it, looking for what it leaves.

The binary is $JOBBOARD_BIN/jobboard, or build/bin/jobboard.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import psycopg2
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("JOBBOARD_BIN", ROOT / "build" / "bin"))
JOBBOARD = str(BIN / "jobboard")
SOON_S = 90


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith(("JOBBOARD_", "PG"))}


def dev(*words, code=0, user=None, program=JOBBOARD, **options):
    """Runs `jobboard dev …`, checks its exit code, gives (stdout, stderr)."""
    command = [program, "dev", *map(str, words)]
    if user is not None:
        command = ["setpriv", "--reuid", user, "--clear-groups", *command]
    options.setdefault("env", clean_environment())
    done = subprocess.run(command, capture_output=True, text=True, timeout=SOON_S * 2, **options)
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout, done.stderr


def status(folder, code=0):
    out, _ = dev("status", "--json", "--dir", folder, code=code)
    return {row["name"]: row for row in map(json.loads, out.splitlines())}


def look(folder):
    """Like status, healthy or not."""
    done = subprocess.run([JOBBOARD, "dev", "status", "--json", "--dir", str(folder)],
                          capture_output=True, text=True, env=clean_environment(), timeout=SOON_S)
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == (0 if all(row["healthy"] for row in rows.values()) else 1)
    return rows


def environment(folder):
    """What a shell has after `eval "$(jobboard dev env)"`."""
    script = 'eval "$("$0" dev env --dir "$1")" && env -0'
    out = subprocess.run(["sh", "-c", script, JOBBOARD, str(folder)], check=True, timeout=SOON_S,
                         capture_output=True, text=True, env=clean_environment()).stdout
    return dict(entry.split("=", 1) for entry in out.split("\0") if entry)


def processes():
    """pid -> command line of all processes but zombies."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if state != "Z":
            found[int(entry.name)] = command
    return found


def traces(folder):
    """Processes that name the folder."""
    return [f"{pid} {command}" for pid, command in processes().items()
            if str(folder) in command and pid != os.getpid()]


def data_elsewhere():
    """Data folders of clusters whose scratch folder is closed to Postgres' user."""
    roots = {"/tmp", "/var/tmp", os.environ.get("TMPDIR", "/tmp")}
    return {str(path) for root in roots for path in pathlib.Path(root).glob("jobboard-dev-*")}


def orphaned_memory():
    """Shared memory segments that nobody is attached to: what a killed Postgres leaves."""
    rows = pathlib.Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {row.split()[1] for row in rows if row.split()[6] == "0"}


def await_true(condition, what):
    until = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < until, f"in vain: {what}"
        time.sleep(0.01)


def query(folder, sql):
    with psycopg2.connect(environment(folder)["JOBBOARD_POSTGRES"]) as connection:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]


@pytest.fixture
def scratch():
    """A path that does not exist yet, in a folder any user may enter; after the test nothing of a
    cluster may be left anywhere."""
    parent = pathlib.Path(tempfile.mkdtemp(prefix="dev test '"))
    parent.chmod(0o777)
    folder = parent / "cluster"
    elsewhere, memory = data_elsewhere(), orphaned_memory()
    yield folder
    if folder.exists():
        subprocess.run([JOBBOARD, "dev", "down", "--dir", str(folder)], env=clean_environment())
    shutil.rmtree(parent)
    assert traces(folder) == []
    assert data_elsewhere() <= elsewhere
    await_true(lambda: orphaned_memory() <= memory, "shared memory to be given back")
