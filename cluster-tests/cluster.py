# SPDX-License-Identifier: Apache-2.0
"""A private cluster for tests: real ZooKeeper, real Postgres, real engines, started by
`jobboard dev up`; and what a test does with it: post, look, hurt, wait.

What a test looks with is independent of the system under test: psycopg2 and kazoo. Every wait is
"until … within …".
"""
import json
import os
import pathlib
import signal
import subprocess
import time
import uuid

import psycopg2
from kazoo.client import KazooClient

from checker import check
from dev_tool import JOBBOARD, clean_environment, environment
from evidence import Evidence

POLL_S = 0.004
LONG_S = 60
FINAL = ("SUCCESS", "FAILURE", "REVERTED", "CANCELLED", "QUARANTINED")


def until(condition, what, within_s=LONG_S, poll_s=POLL_S):
    """The first true value of condition()."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, \
            f"not within {within_s} s: {what() if callable(what) else what}"
        time.sleep(poll_s)


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def unique(prefix):
    return f"{prefix}_{uuid.uuid4().hex[:8]}"


def proc_state(pid):
    """One letter, or None: no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def alive(pid):
    return proc_state(pid) not in (None, "Z", "X")


def flow_of(name="test", **keys):
    """A flow file's text. JSON is YAML."""
    return json.dumps({"flow": name, **keys})


class Cluster:
    """`session_timeout_ms` is T, as asked for; `engines` those that heal() brings back."""

    def __init__(self, folder, witness, zookeepers=1, engines=3, session_timeout_ms=2000,
                 tick_ms=200, engine_options=("--grace", "6s")):
        self.folder = pathlib.Path(folder)
        self.dir = self.folder / "cluster"
        self.t_ms, self.tick_ms = session_timeout_ms, tick_ms
        self.base = [f"engine-{number}" for number in range(1, engines + 1)]
        self.posted, self.needs, self.doors = [], {}, []
        self.pids, self.starting, self.zk = {}, {}, None
        self.dev("up", "--engines", engines, "--zookeepers", zookeepers, "--session-timeout",
                 session_timeout_ms, "--tick", tick_ms, "--", *engine_options)
        try:
            self.env = {**clean_environment(), **environment(self.dir)}
            self.evidence = Evidence(self.folder / "evidence.jsonl", witness)
            self.sql = self.connect()
            self.refresh()
        except BaseException:
            self.down()
            raise

    def down(self):
        self.await_started()
        if self.zk:
            self.zk.stop()
            self.zk.close()
        self.dev("down")

    # ------------------------------------------------------------------ the tool

    def dev(self, *words, code=0):
        words = list(map(str, words))
        split = words.index("--") if "--" in words else len(words)
        command = [JOBBOARD, "dev", *words[:split], "--dir", str(self.dir), *words[split:]]
        done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(),
                              timeout=180)
        assert code is None or done.returncode == code, \
            f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def run(self, *words, code=0, **options):
        """The tool with the cluster's environment -> the finished process."""
        done = subprocess.run([JOBBOARD, *map(str, words)], capture_output=True, text=True,
                              env=self.env, timeout=180, **options)
        assert code is None or done.returncode == code, \
            f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def spawn(self, *words):
        """The tool, running."""
        return subprocess.Popen([JOBBOARD, *map(str, words)], env=self.env,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def post(self, flow, *options, needs=None):
        """Posts a flow (text) -> job id; the checker will hold the system to it. With --count: a
        list of ids."""
        file = self.folder / f"{unique('flow')}.yaml"
        file.write_text(flow)
        ids = self.run("post", file, *options).stdout.split()
        file.unlink()
        self.posted += ids
        if needs is None:
            needs = needs_of(json.loads(flow))
        self.needs.update({job: needs for job in ids})
        return ids if "--count" in options else ids[0]

    def show(self, job):
        return json.loads(self.run("show", job, "--json").stdout)

    # ------------------------------------------------------------------ independent eyes

    def connect(self):
        connection = psycopg2.connect(self.env["JOBBOARD_POSTGRES"])
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO {self.env['JOBBOARD_SCHEMA']}")
        return connection

    def query(self, sql, *values):
        with self.sql.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else None

    def state(self, job):
        rows = self.query("SELECT state::text FROM jobs WHERE id = %s", job)
        return rows[0][0] if rows else None

    def epoch(self, job):
        return self.query("SELECT epoch FROM jobs WHERE id = %s", job)[0][0]

    def failure(self, job, task):
        return self.query("SELECT failure FROM tasks WHERE job = %s AND path = %s", job, task)[0][0]

    def history(self, *jobs):
        """job -> lines, as the checker wants them."""
        lines = {job: [] for job in jobs}
        for job, *values in self.query(
                "SELECT job::text, seq, (extract(epoch FROM at) * 1000000)::bigint * 1000, task,"
                " attempt, state, engine, epoch, detail FROM history"
                " WHERE job = ANY(%s::uuid[]) ORDER BY job, seq", list(jobs)):
            lines[job].append(dict(zip(
                ("seq", "at_ns", "task", "attempt", "state", "engine", "epoch", "detail"), values)))
        return lines

    def has_line(self, job, task, state, **wanted):
        """The first line of that kind, or None."""
        return next((line for line in self.history(job)[job]
                     if (line["task"], line["state"]) == (task, state)
                     and all(line[key] == value for key, value in wanted.items())), None)

    def zookeeper(self):
        if not self.zk:
            self.zk = KazooClient(hosts=self.env["JOBBOARD_ZOOKEEPER"], timeout=10)
            self.zk.start(timeout=LONG_S)
        return self.zk

    def board(self, *parts):
        return "/".join(["/jobboard", self.env["JOBBOARD_BOARD"], *parts])

    def stat(self, *parts):
        """A znode of the board; None: there is none. The eye's own session may end with a server's
        death: then it looks again with a new one."""
        zk = self.zookeeper()
        return zk.retry(zk.exists, self.board(*parts))

    def children(self, *parts):
        zk = self.zookeeper()
        return zk.retry(zk.get_children, self.board(*parts)) if self.stat(*parts) else []

    def locks(self):
        """job -> session that holds it."""
        found = {}
        for shard in self.children("locks"):
            for job in self.children("locks", shard):
                stat = self.stat("locks", shard, job)
                if stat:
                    found[job] = stat.ephemeralOwner
        return found

    def cards(self):
        """job -> names of its cards."""
        found = {}
        for pool in self.children("jobs"):
            for shard in self.children("jobs", pool):
                for card in self.children("jobs", pool, shard):
                    found.setdefault(card[-36:], []).append(card)
        return found

    def backends_of(self, pid):
        """The Postgres backends of a process, told by its sockets: (pid, state) each."""
        inodes, ports = set(), set()
        for entry in os.scandir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(entry.path)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            words = line.split()
            if words[9] in inodes:
                ports.add(int(words[1].split(":")[1], 16))
        return self.query("SELECT pid, state FROM pg_stat_activity WHERE client_port = ANY(%s)",
                          list(ports))

    def engine_of_session(self, session):
        """Name of the engine whose session that is, None: nobody's."""
        for boot in self.children("engines"):
            stat = self.stat("engines", boot)
            if stat and stat.ephemeralOwner == session:
                rows = self.query("SELECT name FROM boots WHERE boot = %s", boot)
                return rows[0][0] if rows else None
        return None

    def log(self, name):
        return (self.dir / "logs" / f"{name}.log").read_text(errors="replace")

    # ------------------------------------------------------------------ hurting and healing

    def services(self):
        rows = map(json.loads, self.dev("status", "--json", code=None).splitlines())
        return {row["name"]: row for row in rows}

    def refresh(self):
        self.pids = {name: row["pid"] for name, row in self.services().items()
                     if row["kind"] == "engine" and row["pid"]}

    def pid(self, name):
        """Of an engine, which may still have been starting when somebody looked last."""
        if name not in self.pids:
            self.refresh()
        return self.pids[name]

    def name_of(self, pid):
        """The engine that has this pid."""
        def known():
            if pid not in self.pids.values():
                self.refresh()
            return next((name for name, known in self.pids.items() if known == pid), None)
        return until(known, f"an engine of pid {pid}", 10, poll_s=0.1)

    def kill(self, name):
        """SIGKILL -> the moment, as CLOCK_BOOTTIME in ns."""
        pid, at = self.pid(name), boot_ns()
        os.kill(pid, signal.SIGKILL)
        return at

    def freeze(self, name):
        os.kill(self.pid(name), signal.SIGSTOP)
        until(lambda: proc_state(self.pids[name]) == "T", f"{name} to stand still", 5)
        return boot_ns()

    def thaw(self, name):
        os.kill(self.pids[name], signal.SIGCONT)

    def await_log(self, name, mark, text, within_s=10):
        """Until the engine's log says so behind `mark` (a length that it had)."""
        until(lambda: text in self.log(name)[mark:], f"{text} in the log of {name}", within_s)

    def start(self, name):
        """Starts an engine that was killed, without waiting until it is ready."""
        until(lambda: not alive(self.pids.get(name, 0)), f"the end of {name}", 30)
        self.await_started(name)
        self.starting[name] = self.spawn("dev", "engine", "start", name, "--dir", self.dir)

    def await_started(self, *names):
        """Until these engines (none: all) that were started are ready."""
        for name in names or list(self.starting):
            if name in self.starting:
                assert self.starting.pop(name).wait(timeout=LONG_S) == 0, self.log(name)[-2000:]
        self.refresh()

    def heal(self, whole=True):
        """Everything that a test hurt runs again; not `whole`: an engine may still be starting."""
        if whole:
            self.await_started()
        for name, row in self.services().items():
            kind = row["kind"]
            if name in self.starting:
                continue
            words = [kind, *([] if kind == "postgres" else
                             [name.split("-")[1] if kind == "zookeeper" else name])]
            if row["state"] == "frozen":
                self.dev(words[0], "thaw", *words[1:])
            if kind == "engine" and name not in self.base:
                if alive(row["pid"] or 0):
                    self.dev("engine", "kill", name)
            elif row["state"] in ("running", "frozen"):
                continue
            elif kind == "engine":
                self.start(name)
            else:
                self.dev(words[0], "start", *words[1:])
        if whole or len(self.starting) > 1:
            self.await_started()
        try:
            self.query("SELECT 1")
        except psycopg2.Error:
            self.sql = self.connect()

    def settle(self):
        """What a test that failed left behind comes to its end: every door is opened."""
        for door in self.doors:
            door.open()
        self.doors.clear()
        until(lambda: not self.query("SELECT 1 FROM jobs WHERE state::text = ANY(%s) LIMIT 1",
                                     ["RUNNING", "REVERTING"]), "all jobs to end", poll_s=0.02)

    # ------------------------------------------------------------------ waiting and judging

    def await_run(self, job, task, epoch=None, ended=False, within_s=LONG_S):
        """Until a run of that task exists -> the newest."""
        def find():
            found = [run for run in self.evidence.runs(job, task)
                     if epoch in (None, run.epoch) and (run.end_boot or not ended)]
            return found[-1] if found else None
        return until(find, lambda: f"a run of {task} of {job}, epoch {epoch}\n{self.tell(job)}",
                     within_s)

    def await_state(self, job, *states, within_s=LONG_S):
        return until(lambda: self.state(job) in states and self.state(job),
                     lambda: f"{job} to be {states}\n{self.tell(job)}", within_s)

    def await_all(self, jobs, state="SUCCESS", within_s=LONG_S):
        def open_jobs():
            return self.query("SELECT count(*) FROM jobs WHERE id = ANY(%s::uuid[])"
                              " AND state::text = ANY(%s)", list(jobs), list(FINAL))[0][0] == len(jobs)
        until(open_jobs, lambda: self.query("SELECT state::text, count(*) FROM jobs GROUP BY 1"),
              within_s, poll_s=0.05)
        others = self.query("SELECT id::text, state::text FROM jobs WHERE id = ANY(%s::uuid[])"
                            " AND state::text <> %s", list(jobs), state)
        assert not others, f"{others[:5]}\n{self.tell(others[0][0])}"

    def await_clean_board(self, within_s=LONG_S):
        """Neither lock nor card is left of an ended job."""
        def leftovers():
            ended = {row[0] for row in self.query(
                "SELECT id::text FROM jobs WHERE state::text = ANY(%s)", list(FINAL))}
            return [f"lock {job}" for job in self.locks() if job in ended] + \
                   [f"card {card}" for job, cards in self.cards().items() if job in ended
                    for card in cards]
        until(lambda: not leftovers(), lambda: f"the board to be clean: {leftovers()}", within_s, 0.05)

    def tell(self, job):
        """A job's history and runs, for people."""
        lines = [f"{self.state(job)}"]
        for line in self.history(job)[job]:
            lines.append("{seq:3} {at_ns} {task} {attempt} {state} epoch {epoch} {engine} "
                         "{detail}".format(**line))
        lines += [f"{run} {run.start_real}..{run.end_real} engine {run.engine_pid}"
                  for run in self.evidence.runs(job)]
        return "\n".join(lines)

    def judge(self, *jobs):
        """What the checker finds in these jobs (none: all that were posted)."""
        jobs = list(jobs or self.posted)
        states = dict(self.query("SELECT id::text, state::text FROM jobs"
                                 " WHERE id = ANY(%s::uuid[])", jobs))
        runs = [run for run in self.evidence.runs() if run.job in set(jobs)]
        findings = check(jobs, states, self.history(*jobs), runs, self.needs)
        assert not findings, "\n".join(findings[:20]) + "\n" + \
            self.tell(findings[0].split("job ")[1].split(":")[0])
        return runs


def needs_of(flow):
    """task -> the tasks it needs as success, for the checker; from a flow as the test wrote it."""
    if "tasks" in flow:
        return {name: [task["needs"]] if isinstance(task.get("needs"), str)
                else list(task.get("needs", ())) for name, task in flow["tasks"].items()}
    names = [step.get("name", f"step{number}") for number, step in enumerate(flow["steps"], 1)]
    return {name: [before] for before, name in zip(names, names[1:])}


class Gate:
    """Holds one statement of the system inside Postgres: a trigger lets it wait as long as the gate
    is closed. So a test hits the moment between two things that the system does, and what it then
    kills or freezes has sent that statement and has no answer.

    `table`, `event`, `condition`: where it waits, e.g. ("jobs", "UPDATE", "NEW.epoch > OLD.epoch").
    The waiting backend is active, not idle in a transaction, so nobody ends it as a blocker."""

    FUNCTION = """
        CREATE SCHEMA IF NOT EXISTS gates;
        CREATE TABLE IF NOT EXISTS gates.closed (name text PRIMARY KEY);
        CREATE OR REPLACE FUNCTION gates.pass() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM gates.closed WHERE name = TG_ARGV[0]) THEN
                PERFORM pg_advisory_xact_lock_shared(hashtext('gate'), hashtext(TG_ARGV[0]));
                WHILE EXISTS (SELECT FROM gates.closed WHERE name = TG_ARGV[0]) LOOP
                    PERFORM pg_sleep(0.002);
                END LOOP;
            END IF;
            RETURN NEW;
        END $$"""

    def __init__(self, cluster, table, event, condition):
        self.cluster, self.table, self.name = cluster, table, unique("gate")
        cluster.query(self.FUNCTION)
        cluster.query("INSERT INTO gates.closed VALUES (%s)", self.name)
        cluster.query(f"CREATE TRIGGER {self.name} BEFORE {event} ON {table} FOR EACH ROW"
                      f" WHEN ({condition}) EXECUTE FUNCTION gates.pass('{self.name}')")

    def waiting(self):
        """Pids of the backends that wait here."""
        return [row[0] for row in self.cluster.query(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid ="
            " (hashtext('gate')::bigint & 4294967295)::oid AND objid ="
            " (hashtext(%s)::bigint & 4294967295)::oid", self.name)]

    def await_waiting(self, within_s=LONG_S):
        return until(self.waiting, f"somebody at the gate of {self.table}", within_s)[0]

    def open(self):
        self.cluster.query("DELETE FROM gates.closed WHERE name = %s", self.name)

    def terminate(self):
        """What waits here never happens."""
        for pid in self.waiting():
            self.cluster.query("SELECT pg_terminate_backend(%s)", pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open()
        self.cluster.query(f"DROP TRIGGER {self.name} ON {self.table}")


class Door:
    """A file that a step waits for: `until PATH`."""

    def __init__(self, cluster):
        self.path = cluster.folder / unique("door")
        cluster.doors.append(self)

    def __str__(self):
        return str(self.path)

    def open(self):
        self.path.touch()
