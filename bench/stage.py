# SPDX-License-Identifier: Apache-2.0
"""A private cluster for measuring, started by `jobboard dev up`: fsync and forceSync as delivered."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build"))
BIN = pathlib.Path(os.environ.get("JOBBOARD_BIN", BUILD / "bin"))
JOBBOARD, CEILING = str(BIN / "jobboard"), str(BIN / "ceiling")
CEILING_SCHEMA, CEILING_BOARD = "ceiling", "ceiling"
HERTZ = os.sysconf("SC_CLK_TCK")


def until(condition, what, within_s=120, poll_s=0.02):
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: not within {within_s} s: {what}")
        time.sleep(poll_s)


def clean_environment():
    return {key: value for key, value in os.environ.items()
            if not key.startswith(("JOBBOARD_", "PG"))}


def cpu_of(pid):
    """CPU seconds of a process and of its children that have ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / HERTZ


def children_of(pid):
    try:
        return [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                for child in (task / "children").read_text().split()]
    except OSError:
        return []


class Stage:
    def __init__(self, engines=1, session_timeout_ms=6000, tick_ms=500, engine_options=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jobboard-bench-"))
        self.folder.chmod(0o755)
        self.dir = self.folder / "cluster"
        self.files, self.sql = 0, None
        try:
            self.open(engines, session_timeout_ms, tick_ms, engine_options)
        except BaseException:
            self.__exit__()
            raise

    def open(self, engines, session_timeout_ms, tick_ms, engine_options):
        self.dev("up", "--engines", engines, "--session-timeout", session_timeout_ms, "--tick",
                 tick_ms, after=["--", *engine_options] if engine_options else [])
        script = 'eval "$("$0" dev env --dir "$1")" && env -0'
        out = subprocess.run(["sh", "-c", script, JOBBOARD, str(self.dir)], check=True, text=True,
                             capture_output=True, env=clean_environment()).stdout
        self.env = dict(entry.split("=", 1) for entry in out.split("\0") if entry)
        self.schema = self.env["JOBBOARD_SCHEMA"]
        self.sql = psycopg2.connect(self.env["JOBBOARD_POSTGRES"])
        self.sql.autocommit = True
        self.cursor = self.sql.cursor()
        self.cursor.execute(f"SET search_path TO {self.schema}")
        self.zookeeper_data = self.dir / "zookeeper-1" / "data"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.sql:
            self.sql.close()
        if self.dir.exists():
            self.dev("down")
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)

    # ------------------------------------------------------------------------------- the tool

    def dev(self, *words, after=()):
        command = [JOBBOARD, "dev", *map(str, words), "--dir", str(self.dir), *map(str, after)]
        done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
        if done.returncode and words[0] != "status":
            raise SystemExit(f"bench: {command}: {done.stdout}{done.stderr}")
        return done.stdout

    def services(self):
        return {row["name"]: row for row in
                map(json.loads, self.dev("status", "--json").splitlines())}

    def pid(self, name):
        return self.services()[name]["pid"]

    def flow_file(self, flow):
        self.files += 1
        path = self.folder / f"{flow['flow']}-{self.files}.yaml"
        path.write_text(json.dumps(flow))
        return path

    def run(self, *words):
        done = subprocess.run([JOBBOARD, *map(str, words)], capture_output=True, text=True,
                              env=self.env)
        if done.returncode:
            raise SystemExit(f"bench: {words}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def post(self, flow, count=1, *options):
        """-> (ids, seconds that the tool took)."""
        path, began = self.flow_file(flow), time.monotonic()
        ids = self.run("post", path, "--count", count, *options).split()
        return ids, time.monotonic() - began

    def start(self, *words):
        return subprocess.Popen([JOBBOARD, *map(str, words)], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True, env=self.env)

    # --------------------------------------------------------------------------- the services

    def query(self, sql, *values):
        self.cursor.execute(sql, values)
        return self.cursor.fetchall() if self.cursor.description else None

    def value(self, sql, *values):
        return self.query(sql, *values)[0][0]

    def now(self):
        return self.value("SELECT clock_timestamp()")

    def await_none_moving(self, within_s=900):
        until(lambda: not self.value(
            "SELECT EXISTS (SELECT FROM jobs WHERE state = 'READY' AND pool = '-') OR"
            " EXISTS (SELECT FROM jobs WHERE state IN ('RUNNING', 'REVERTING'))"),
            "all jobs to end", within_s, 0.1)

    def kill(self, name):
        pid = self.pid(name)
        at = time.time()
        os.kill(pid, signal.SIGKILL)
        return at

    def cpu(self):
        """CPU seconds so far: {engine, postgres, zookeeper}."""
        used = {"engine": 0.0, "postgres": 0.0, "zookeeper": 0.0}
        for name, row in self.services().items():
            if row["pid"]:
                kind = name.split("-")[0]
                used[kind] += cpu_of(row["pid"])
                if kind == "postgres":
                    used[kind] += sum(map(cpu_of, children_of(row["pid"])))
        return used

    def memory_kib(self, name):
        for line in pathlib.Path(f"/proc/{self.pid(name)}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        raise SystemExit(f"bench: {name} is gone")

    # ----------------------------------------------------------------------------- the ceiling

    def prepare_ceiling(self):
        self.run("migrate", "--schema", CEILING_SCHEMA)

    def ceiling(self, kind, jobs, *options):
        command = [CEILING, "--postgres", self.env["JOBBOARD_POSTGRES"], "--schema", CEILING_SCHEMA,
                   "--zookeeper", self.env["JOBBOARD_ZOOKEEPER"], "--jobs", str(jobs), "--kind",
                   kind, *options]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"bench: the ceiling failed: {done.stderr}")
        return json.loads(done.stdout)
