# SPDX-License-Identifier: Apache-2.0
"""The show of scripts/demo: what is told comes from `jobboard history`, what is believed from the
evidence that the steps left outside the system."""
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "cluster-tests"))
from checker import check                                           # noqa: E402
from evidence import Evidence, build_witness                        # noqa: E402

JOBBOARD = str(pathlib.Path(os.environ["JOBBOARD_BIN"]) / "jobboard")
SESSION_MS, TICK_MS = 3000, 300
STEPS = {"address": 300, "disk": 300, "system": 600, "register": 300, "announce": 300}
STRUCK = "system"                       # in the watched job it waits for a file, so it is not missed
JOBS = 3
LONG_S = 60
CELL = 23

COLOURS = {"dim": "2", "bold": "1", "red": "1;31", "green": "32", "yellow": "33", "cyan": "36"}
FANCY = sys.stdout.isatty() and "NO_COLOR" not in os.environ
UTF8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
START, DONE, DEAD, YES, NO, DOTS = ("▶", "✔", "✖", "✔", "✘", "┊") if UTF8 else (">", "+", "X", "ok", "NO", ":")


def paint(colour, text):
    return f"\033[{COLOURS[colour]}m{text}\033[0m" if FANCY else text


def say(text=""):
    print(text, flush=True)


class Broken(Exception):
    """The show cannot go on."""


def until(condition, what, within_s=LONG_S):
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Broken(f"in {within_s} s not seen: {what}")
        time.sleep(0.02)


class Stage:
    """The private cluster, in a scratch folder that is gone afterwards."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jobboard-demo-"))
        self.folder.chmod(0o755)
        self.dir = self.folder / "cluster"
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith(("JOBBOARD_", "PG"))}

    def tool(self, *words, check=True, show=False):
        done = subprocess.run([JOBBOARD, *map(str, words)], env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=None if show else subprocess.PIPE)
        if check and done.returncode:
            raise Broken(f"jobboard {' '.join(map(str, words))}: {done.stderr or done.stdout}")
        return done.stdout

    def open(self):
        began = time.monotonic()
        self.tool("dev", "up", "--dir", self.dir, "--zookeepers", 3, "--engines", 3,
                  "--session-timeout", SESSION_MS, "--tick", TICK_MS)
        self.evidence = Evidence(self.folder / "evidence.jsonl", build_witness(self.folder))
        for line in self.tool("dev", "env", "--dir", self.dir).splitlines():
            name, value = line.removeprefix("export ").split("=", 1)
            self.env[name] = value[1:-1].replace("'\\''", "'")
        say(f"  {'3 ZooKeeper servers, Postgres, 3 engines':<52} {time.monotonic() - began:4.0f} s")

    def close(self):
        # a second Ctrl-C does not stop the tidying
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.dir.exists():
            self.tool("dev", "down", "--dir", self.dir, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def engines(self):
        rows = map(json.loads, self.tool("dev", "status", "--dir", self.dir, "--json",
                                         check=False).splitlines())
        return {row["pid"]: row["name"] for row in rows if row["name"].startswith("engine")}

    def post(self, door):
        """The first job's struck step waits for the file `door`, the others' for nothing."""
        step = self.evidence.step
        flow = {"flow": "provision-vm", "input": {"door": "string"},
                "steps": [step("sleep", ms, "until", "${ input.door }" if name == STRUCK else "/",
                               "say", f"{name} done", name=name) for name, ms in STEPS.items()],
                "output": f"${{ tasks.{list(STEPS)[-1]}.result }}"}
        file = self.folder / "provision-vm.yaml"
        file.write_text(json.dumps(flow))
        return [self.tool("post", file, "-i", f"door={door if number == 0 else '/'}").strip()
                for number in range(JOBS)]

    def history(self, job):
        lines = [json.loads(line) for line in self.tool("history", job, "--json").splitlines()]
        for line in lines:
            at = datetime.datetime.fromisoformat(line["at"].replace("Z", "+00:00"))
            epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
            line["at_ns"] = (at - epoch) // datetime.timedelta(microseconds=1) * 1000
        return lines


class Timeline:
    """One job's life, a column per engine, printed as it happens."""

    def __init__(self, stage, job):
        self.stage, self.job, self.told = stage, job, 0
        self.lines, self.begun, self.zero = [], {}, None
        self.columns = ["engine-1", "engine-2", "engine-3"]

    def head(self):
        say("  " + paint("dim", (f"{'':9}" + "".join(f"{name:<{CELL}}" for name in self.columns)).rstrip()))

    def row(self, at_ns, engine, text, colour=None):
        cells = [" " * CELL] * 3
        if engine in self.columns:
            cells[self.columns.index(engine)] = paint(colour, f"{text:<{CELL}}") if colour \
                else f"{text:<{CELL}}"
        else:
            cells[0] = f"{text:<{CELL}}"
        say(f"  {(at_ns - self.zero) / 1e9:6.2f} s {''.join(cells).rstrip()}")

    def tell(self, line):
        at, task, state, engine = line["at_ns"], line["task"], line["state"], line["engine"]
        if task is None:
            words = {"READY": ("posted", "dim"),
                     "RUNNING": (f"takes over, epoch {line['epoch']}", "yellow") if line["epoch"] > 1
                     else ("claims it, epoch 1", "cyan")}
            text, colour = words.get(state, (state, "green" if state == "SUCCESS" else "red"))
        elif state == "RUNNING":
            self.begun[task] = at
            again = line["detail"] == "takeover"
            text, colour = f"{START} {task}{', again' if again else ''}", "yellow" if again else None
        elif state == "SUCCESS":
            text, colour = f"{DONE} {task} {(at - self.begun[task]) / 1e9:.2f} s", "green"
        else:
            text, colour = f"{state} {task}", "red"
        self.row(at, engine, text, colour)

    def look(self):
        self.lines = self.stage.history(self.job)
        self.zero = self.zero or self.lines[0]["at_ns"]
        for line in self.lines[self.told:]:
            self.tell(line)
        self.told = len(self.lines)
        return self.lines

    def ended(self):
        return self.look()[-1]["task"] is None and self.lines[-1]["state"] not in ("READY", "RUNNING")


def strike(stage, timeline, engines):
    """Kills the engine that is in the middle of the job -> (its name, when, in ns, boot clock)."""
    def running():
        timeline.look()
        found = stage.evidence.runs(timeline.job, STRUCK)
        return found and time.clock_gettime_ns(time.CLOCK_BOOTTIME) > \
            found[0].start_boot + STEPS[STRUCK] * 1_000_000 and found[0]
    run = until(running, f"the step {STRUCK}")
    victim = engines[run.engine_pid]
    at_boot, at_real = time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns()
    os.kill(run.engine_pid, signal.SIGKILL)
    timeline.look()
    timeline.row(at_real, victim, f"{DEAD} SIGKILL, in {STRUCK}", "red")
    timeline.row(at_real, victim, f"{DOTS} (its session: {SESSION_MS / 1000:.0f} s)", "dim")
    return victim, at_boot


def verdicts(stage, jobs, timeline, victim, killed_boot):
    """(kept, what) for each promise."""
    lines = {job: stage.history(job) for job in jobs}
    shown = {job: json.loads(stage.tool("show", job, "--json")) for job in jobs}
    runs = stage.evidence.runs()
    names = list(STEPS)
    needs = {job: {name: [before] for before, name in zip(names, names[1:])} for job in jobs}
    findings = check(jobs, {job: shown[job]["state"] for job in jobs}, lines, runs, needs)
    mine = [run for run in runs if run.job == timeline.job]
    recorded = [line["task"] for line in lines[timeline.job]
                if line["state"] == "SUCCESS" and line["task"] and line["epoch"] == 1]
    struck = [run for run in mine if run.task == STRUCK]
    again = [run for run in mine if run.epoch > 1]
    took_ms = (again[0].start_boot - killed_boot) / 1e6 if again else float("inf")
    bound_ms = SESSION_MS + 1.5 * TICK_MS + 250
    yield all(job["state"] == "SUCCESS" for job in shown.values()), \
        f"all {len(jobs)} jobs ended in SUCCESS"
    yield bool(recorded) and not any(run.task in recorded for run in again), \
        f"not repeated, since it was recorded: {', '.join(recorded)}"
    yield len(struck) == 2 and len({run.key for run in struck}) == 1 and \
        [run.attempt for run in struck] == [1, 1], \
        f"{STRUCK} ran again: same attempt, same idempotency key, epoch 2"
    yield bool(again) and not any(run.strangers for run in again), \
        f"no process of {victim} was alive when its peer began"
    yield took_ms <= bound_ms, f"from SIGKILL to the peer's step: {took_ms:.0f} ms (at most " \
                               f"{bound_ms:.0f}: its session, and the servers' ticks)"
    yield len(runs) >= len(jobs) * len(STEPS) and not findings, \
        f"{len(runs)} runs left evidence outside the system; the checker has " \
        f"{len(findings) or 'no'} objection{'' if len(findings) == 1 else 's'}"
    for finding in findings:
        yield False, f"  {finding}"


def show(stage):
    stage.open()
    engines, door = stage.engines(), stage.folder / "door"
    jobs = stage.post(door)
    say()
    say(f"Three jobs are posted, each of {len(STEPS)} steps: {', '.join(STEPS)}.")
    timeline = Timeline(stage, jobs[0])
    say(f"This is the life of {paint('bold', jobs[0][-8:])}; the engine that runs it will be killed.")
    say()
    timeline.head()
    victim, killed_boot = strike(stage, timeline, engines)
    until(lambda: timeline.look() and len(stage.evidence.runs(jobs[0], STRUCK)) > 1, "a takeover")
    door.touch()
    until(timeline.ended, "the end of the job")
    for job in jobs:
        stage.tool("wait", job, "--timeout", "60s", check=False)
    say()
    say("What the evidence says:")
    kept = True
    for holds, text in verdicts(stage, jobs, timeline, victim, killed_boot):
        kept = kept and holds
        say(f"  {paint('green', YES) if holds else paint('red', NO)} {text}")
    return kept


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, interrupt)
    began, stage, code = time.monotonic(), Stage(), 1
    try:
        code = 0 if show(stage) else 1
    except KeyboardInterrupt:
        say()
        code = 130
    except Broken as trouble:
        say(paint("red", f"demo: {trouble}"))
    finally:
        stage.close()
    say()
    say(f"Everything is taken down; {time.monotonic() - began:.0f} s."
        + ("" if code else " Try it yourself: jobboard dev"))
    return code


if __name__ == "__main__":
    sys.exit(main())
