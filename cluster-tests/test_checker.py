# SPDX-License-Identifier: Apache-2.0
"""The checker is checked: a good history passes, and each planted fault is found by its rule."""
import copy

import pytest

from checker import check
from evidence import Run, runs_of

MS = 1_000_000
JOB, OTHER = "job-1", "job-2"
NEEDS = {JOB: {"two": ["one"]}}


def line(at_ms, task, state, epoch, attempt=None, engine="engine-1", detail=None):
    return {"at_ns": at_ms * MS, "task": task, "state": state, "epoch": epoch, "engine": engine,
            "attempt": 0 if task is None else attempt or 1, "detail": detail}


def run(task, epoch, start_ms, end_ms=None, seen_ms=None, attempt=1, key=None, job=JOB):
    seen = end_ms if end_ms is not None else seen_ms or start_ms
    return Run(job, task, attempt, key or f"{job}/{task}", epoch, pid=1000 + start_ms, engine_pid=7,
               start_real=start_ms * MS, start_boot=start_ms * MS,
               end_real=None if end_ms is None else end_ms * MS,
               end_boot=None if end_ms is None else end_ms * MS, seen_boot=seen * MS)


class World:
    """A job whose engine dies in the middle of its second step; a peer takes over and ends it."""

    def __init__(self):
        second = {"engine": "engine-2"}
        self.posted, self.states = [JOB], {JOB: "SUCCESS"}
        self.lines = [
            line(0, None, "READY", 0, engine=None),
            line(10, None, "RUNNING", 1),
            line(20, "one", "RUNNING", 1),
            line(40, "one", "SUCCESS", 1),
            line(41, "two", "RUNNING", 1),
            line(2000, None, "RUNNING", 2, detail="takeover", **second),
            line(2010, "two", "RUNNING", 2, detail="takeover", **second),
            line(2050, "two", "RETRYING", 2, **second),
            line(2051, "two", "RUNNING", 2, attempt=2, **second),
            line(2070, "two", "SUCCESS", 2, attempt=2, **second),
            line(2071, None, "SUCCESS", 2, **second),
        ]
        self.runs = [run("one", 1, 25, 35), run("two", 1, 45, seen_ms=100),
                     run("two", 2, 2015, 2040), run("two", 2, 2055, 2065, attempt=2)]

    def find(self):
        for number, each in enumerate(self.lines, 1):
            each.setdefault("seq", number)
        return check(self.posted, self.states, {JOB: self.lines}, self.runs, NEEDS)

    def at(self, task, state, epoch):
        return next(i for i, each in enumerate(self.lines)
                    if (each["task"], each["state"], each["epoch"]) == (task, state, epoch))


def test_a_good_history_passes():
    assert World().find() == []


def test_a_need_that_was_passed_over_is_met():
    world = World()
    world.lines[world.at("one", "RUNNING", 1)]["state"] = "SKIPPED"
    del world.lines[world.at("one", "SUCCESS", 1)], world.runs[0]
    assert world.find() == []


def planted_repeat(world):
    world.runs.append(run("one", 2, 2012, 2020))
    world.lines.insert(7, line(2011, "one", "RUNNING", 2, engine="engine-2"))


def repeat_without_a_line(world):
    world.runs.append(run("one", 1, 50, 60))


def row_lost(world):
    world.states = {}


def never_ended(world):
    world.states = {JOB: "RUNNING"}
    del world.lines[-1]


def ended_twice(world):
    world.lines.append(line(2080, None, "SUCCESS", 2, engine="engine-2"))


def row_and_history_differ(world):
    world.states = {JOB: "FAILURE"}


def late_task_line(world):
    world.lines.append(line(2080, "two", "SUCCESS", 2, attempt=2, engine="engine-2"))


def old_owner_writes(world):
    world.lines.insert(7, line(2020, "two", "SUCCESS", 1))


def two_claims_in_an_epoch(world):
    world.lines[world.at("two", "SUCCESS", 2)]["engine"] = "engine-3"


def epoch_leaps(world):
    for each in world.lines:
        each["epoch"] += each["epoch"] == 2
    for each in world.runs:
        each.epoch += each.epoch == 2


def epoch_without_a_claim(world):
    del world.lines[world.at(None, "RUNNING", 2)]


def zombie_starts(world):
    world.runs.insert(2, run("two", 1, 2005, 2006))


def started_before_it_was_saved(world):
    world.runs[0] = run("one", 1, 15, 35)


def started_without_a_line(world):
    del world.lines[world.at("two", "RUNNING", 1)]


def success_invented(world):
    world.runs[0] = run("one", 1, 25, seen_ms=30)


def success_before_the_end(world):
    world.runs[0] = run("one", 1, 25, 40.5)
    world.runs[1] = run("two", 1, 45)


def runs_overlap(world):
    world.runs[1] = run("two", 1, 45, seen_ms=2016)


def older_epoch_lives_on(world):
    world.lines.insert(5, line(42, "three", "RUNNING", 1))
    world.runs.append(run("three", 1, 46, seen_ms=2016))


def stranger_met(world):
    world.runs[2].strangers = [4711]


def epochs_go_back(world):
    world.runs[3].epoch = 1


def key_changes(world):
    world.runs[2].key = "another"


def key_shared(world):
    world.runs[0].key = world.runs[1].key


def key_missing(world):
    world.runs[0].key = ""


def need_ignored(world):
    world.lines[world.at("two", "RUNNING", 1)]["at_ns"] = 21 * MS
    world.lines[3], world.lines[4] = world.lines[4], world.lines[3]
    world.runs[1] = run("two", 1, 30, seen_ms=50)


def illegal_move(world):
    world.lines[world.at("one", "SUCCESS", 1)]["state"] = "REVERTED"


def running_twice(world):
    world.lines.insert(3, line(21, "one", "RUNNING", 1))


def takeover_counts_as_attempt(world):
    world.lines[world.at("two", "RUNNING", 2)]["attempt"] = 2
    world.runs[2].attempt = 2


def line_missing(world):
    world.lines = [each | {"seq": number} for number, each in enumerate(world.lines, 1)]
    del world.lines[3]


def time_goes_back(world):
    world.lines[4]["at_ns"] = 30 * MS


def ghost(world):
    world.runs.append(run("one", 1, 5, 6, job=OTHER))


@pytest.mark.parametrize("fault, rule", [
    (planted_repeat, "repeat"), (planted_repeat, "move"), (repeat_without_a_line, "repeat"),
    (row_lost, "lost"), (never_ended, "lost"), (ended_twice, "lost"), (ended_twice, "move"),
    (row_and_history_differ, "lost"), (late_task_line, "lost"), (late_task_line, "move"),
    (old_owner_writes, "fence"), (two_claims_in_an_epoch, "claim"), (epoch_leaps, "claim"),
    (epoch_without_a_claim, "claim"), (zombie_starts, "zombie"),
    (started_before_it_was_saved, "unsaved"), (started_without_a_line, "unsaved"),
    (success_invented, "invented"), (success_before_the_end, "invented"),
    (runs_overlap, "overlap"), (older_epoch_lives_on, "overlap"), (stranger_met, "stranger"),
    (epochs_go_back, "backwards"), (key_changes, "key"), (key_shared, "key"), (key_missing, "key"),
    (need_ignored, "needs"), (illegal_move, "move"), (running_twice, "move"),
    (takeover_counts_as_attempt, "move"), (line_missing, "gap"), (time_goes_back, "gap"),
    (ghost, "ghost")])
def test_a_planted_fault_is_found(fault, rule):
    world = World()
    fault(world)
    assert rule in world.find().rules()


def test_evidence_is_read_as_runs():
    base = {"job": JOB, "task": "one", "attempt": 1, "key": "k", "epoch": 1, "pid": 5,
            "engine_pid": 7, "strangers": []}
    events = [copy.copy(base) | {"event": event, "real_ns": at, "boot_ns": at + 1}
              for event, at in (("start", 10), ("beat", 20), ("end", 30), ("start", 40), ("beat", 50))]
    first, second = runs_of(events)
    assert (first.start_boot, first.seen_boot, first.end_real) == (11, 31, 30)
    assert (second.start_boot, second.seen_boot, second.end_real) == (41, 51, None)
