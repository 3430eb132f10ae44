# SPDX-License-Identifier: Apache-2.0
"""Evidence: what steps wrote about themselves, outside the system (witness.c).

`Evidence` builds the witness, makes steps of it for flows, and reads what the steps wrote. A **run**
is one process of a step: its start, its beats, its end if it reached it. Times are in ns: `real` is
CLOCK_REALTIME, which can be laid beside Postgres' clock on the same machine; `boot` is
CLOCK_BOOTTIME, which orders runs.
"""
import json
import pathlib
import subprocess
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent


@dataclass
class Run:
    job: str
    task: str
    attempt: int
    key: str
    epoch: int
    pid: int
    engine_pid: int
    start_real: int
    start_boot: int
    end_real: int = None                 # None: it never reached its end
    end_boot: int = None
    seen_boot: int = None                # last sign of life
    strangers: list = field(default_factory=list)

    def __str__(self):
        return (f"run of {self.task or '?'} attempt {self.attempt} epoch {self.epoch} "
                f"(pid {self.pid})")


def runs_of(events):
    """Events (dicts, in the order of the file) -> runs in order of their start. An end or a beat
    without a start is a fault of the evidence itself."""
    runs, open_runs = [], {}
    for event in events:
        who = (event["job"], event["task"], event["attempt"], event["epoch"], event["pid"])
        if event["event"] == "start":
            run = Run(*who[:3], event["key"], event["epoch"], event["pid"], event["engine_pid"],
                      event["real_ns"], event["boot_ns"], seen_boot=event["boot_ns"],
                      strangers=event["strangers"])
            runs.append(run)
            open_runs[who] = run
            continue
        run = open_runs[who]
        run.seen_boot = event["boot_ns"]
        if event["event"] == "end":
            run.end_real, run.end_boot = event["real_ns"], event["boot_ns"]
            del open_runs[who]
    return sorted(runs, key=lambda run: run.start_boot)


def build_witness(folder):
    program = pathlib.Path(folder) / "witness"
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program),
                    str(HERE / "witness.c")], check=True)
    return program


class Evidence:
    """One file of evidence; reads only what is new."""

    def __init__(self, file, witness):
        self.file, self.witness = pathlib.Path(file), str(witness)
        self.file.touch()
        self.offset, self.events = 0, []

    def step(self, *words, **keys):
        """A task that runs the witness with these words (and further keys of a task)."""
        return {"run": [self.witness, str(self.file), *map(str, words)], **keys}

    def read(self):
        with open(self.file, "rb") as stream:
            stream.seek(self.offset)
            whole = stream.read().rpartition(b"\n")
        self.offset += len(whole[0]) + len(whole[1])
        self.events += [json.loads(line) for line in whole[0].splitlines()]
        return self.events

    def runs(self, job=None, task=None):
        events = [event for event in self.read() if job is None or event["job"] == job]
        return [run for run in runs_of(events) if task is None or run.task == task]
