# SPDX-License-Identifier: Apache-2.0
"""An ended job runs again: what stays, what runs, and what an engine's death changes of it (nothing)."""
import concurrent.futures
import json

import pytest

from cluster import Door, flow_of, unique

ALL_ENGINES = False
NAMES = ["one", "two", "three", "four", "five"]


def fails_until(cluster, switch, **keys):
    """A step that fails until the file `switch` is there."""
    return {"sh": f'test -e "{switch}"', **keys}


def five_steps(cluster, switch, **keys):
    """The third of five fails until the cause is put right."""
    step = cluster.evidence.step
    steps = [step("say", name, name=name) for name in NAMES]
    steps[2] = {"name": "three", "sh": f'test -e "{switch}" && echo put right'}
    steps[3] = step("say", "${ tasks.three.result } too", name="four")
    return flow_of(steps=steps, output="${ tasks.four.result }", **keys)


def tasks_of(cluster, job, since=0):
    """(task, state) of the history's lines of tasks from number `since` on."""
    return [(line["task"], line["state"]) for line in cluster.history(job)[job]
            if line["task"] and line["seq"] > since]


def end_of(cluster, job):
    return len(cluster.history(job)[job])


def rerun_line(cluster, job):
    return [line["detail"] for line in cluster.history(job)[job]
            if line["task"] is None and (line["detail"] or "").startswith("rerun")]


def test_what_failed_and_what_follows(cluster):
    switch = cluster.folder / unique("switch")
    job = cluster.post(five_steps(cluster, switch))
    cluster.await_state(job, "FAILURE")
    before = end_of(cluster, job)
    first = cluster.show(job)
    switch.touch()
    done = cluster.run("rerun", job, "--wait", "--timeout", "30s")
    assert done.stdout.strip() == job and "SUCCESS" in done.stderr
    assert tasks_of(cluster, job, before) == [
        ("five", "PENDING"), ("four", "PENDING"), ("three", "PENDING"), ("three", "RUNNING"),
        ("three", "SUCCESS"), ("four", "RUNNING"), ("four", "SUCCESS"), ("five", "RUNNING"),
        ("five", "SUCCESS")]
    assert [run.task for run in cluster.judge(job)] == ["one", "two", "four", "five"]
    shown = cluster.show(job)
    assert (shown["state"], shown["output"], shown["failure"]) == ("SUCCESS", "put right too", None)
    assert list(shown["tasks"]) == sorted(NAMES)
    assert shown["tasks"]["one"] == first["tasks"]["one"]       # untouched
    assert (shown["tasks"]["three"]["attempt"], shown["epoch"]) == (1, 2)
    assert rerun_line(cluster, job)[0].startswith("rerun by ")
    cluster.await_clean_board()


def test_after_it_was_undone_all_runs(cluster):
    switch = cluster.folder / unique("switch")
    step = cluster.evidence.step
    names = ["a", "b"]
    steps = [{"name": name, "run": step()["run"], "revert": {"noop": None}} for name in names]
    job = cluster.post(flow_of(steps=[*steps, fails_until(cluster, switch, name="c")]))
    cluster.await_state(job, "REVERTED")
    switch.touch()
    cluster.run("rerun", job)
    cluster.await_state(job, "SUCCESS")
    runs = cluster.evidence.runs(job)
    assert [run.task for run in runs] == ["a", "b", "a", "b"]
    # what was undone and is done anew is another thing to whoever sees the key
    assert runs[0].key != runs[2].key and runs[1].key != runs[3].key
    assert {run.attempt for run in runs} == {1}


def test_from_a_task_that_succeeded(cluster):
    switch = cluster.folder / unique("switch")
    job = cluster.post(five_steps(cluster, switch))
    cluster.await_state(job, "FAILURE")
    switch.touch()
    cluster.run("rerun", job, "--from", "two", "--wait")
    assert [run.task for run in cluster.judge(job)] == ["one", "two", "two", "four", "five"]
    assert rerun_line(cluster, job)[0].endswith(" from two")


def test_skip_with_a_value(cluster):
    switch = cluster.folder / unique("never")
    job = cluster.post(five_steps(cluster, switch))
    cluster.await_state(job, "FAILURE")
    cluster.run("rerun", job, "--skip", 'three="by hand"', "--skip", "five", "--wait")
    shown = cluster.show(job)
    assert (shown["state"], shown["output"]) == ("SUCCESS", "by hand too")
    assert [(task["state"], task["attempt"], task["result"]) for task in
            (shown["tasks"]["three"], shown["tasks"]["five"])] == [
        ("SUCCESS", 0, "by hand"), ("SUCCESS", 0, None)]
    assert [run.task for run in cluster.evidence.runs(job)] == ["one", "two", "four"]
    assert rerun_line(cluster, job)[0].endswith(" skip three, five")


def test_items_that_succeeded_stay(cluster):
    switch = cluster.folder / unique("switch")
    step = cluster.evidence.step
    each = {"foreach": {"in": "${ [0, 1, 2, 3] }", "fail_fast": False},
            "steps": [step("say", "${ string(item) }", name="x"),
                      {"name": "y", "sh": f'test "$N" != 2 || test -e "{switch}"',
                       "env": {"N": "${ item }"}}],
            "output": "${ tasks.x.result }"}
    job = cluster.post(flow_of(tasks={"e": each}, output="${ tasks.e.result }"), needs={})
    cluster.await_state(job, "FAILURE")
    before = end_of(cluster, job)
    switch.touch()
    cluster.run("rerun", job, "--wait")
    assert cluster.show(job)["output"] == ["0", "1", "2", "3"]
    assert tasks_of(cluster, job, before) == [
        ("e", "PENDING"), ("e", "RUNNING"), ("e/2", "PENDING"), ("e/2", "RUNNING"),
        ("e/2/y", "PENDING"), ("e/2/y", "RUNNING"), ("e/2/y", "SUCCESS"), ("e/2", "SUCCESS"),
        ("e", "SUCCESS")]
    assert sorted(run.task for run in cluster.evidence.runs(job)) == [f"e/{i}/x" for i in range(4)]


def test_a_flow_is_retried_in_one_save(cluster):
    """Its tasks are set back and begun anew within one save: each row is written once."""
    flow = {"retry": {"attempts": 2, "delay": "0s"},
            "steps": [{"name": "a", "noop": None},
                      {"name": "b", "sh": 'test "$N" = 2', "env": {"N": "${ retry.attempt }"}}]}
    job = cluster.post(flow_of(tasks={"f": flow}), needs={})
    assert cluster.await_state(job, "SUCCESS", "FAILURE", "REVERTED") == "SUCCESS", cluster.tell(job)


@pytest.mark.parametrize("times", [1, 2])
def test_the_engine_dies_during_it(cluster, times):
    """kill -9 in the middle of the fourth step, again and again: nothing recorded runs again."""
    switch, doors = cluster.folder / unique("switch"), [Door(cluster) for _ in range(times)]
    step = cluster.evidence.step
    steps = [step(name="one"), step(name="two"), fails_until(cluster, switch, name="three")]
    steps += [step("until", door, name=f"wait{number}") for number, door in enumerate(doors)]
    job = cluster.post(flow_of(steps=[*steps, step(name="last")]))
    cluster.await_state(job, "FAILURE")
    switch.touch()
    cluster.run("rerun", job)
    victims = []
    for number, door in enumerate(doors):
        run = cluster.await_run(job, f"wait{number}", epoch=2 + number, within_s=30)
        victims.append(cluster.name_of(run.engine_pid))
        cluster.kill(victims[-1])
        cluster.await_run(job, f"wait{number}", epoch=3 + number, within_s=30)
        door.open()
    cluster.await_state(job, "SUCCESS", within_s=30)
    for victim in victims:
        cluster.start(victim)
    waits = [name for number in range(times) for name in [f"wait{number}"] * 2]
    assert [run.task for run in cluster.judge(job)] == ["one", "two", *waits, "last"]
    assert cluster.epoch(job) == 2 + times
    cluster.await_clean_board()


def test_of_two_at_once_one_is_refused(cluster):
    door, switch = Door(cluster), cluster.folder / unique("switch")
    step = cluster.evidence.step
    job = cluster.post(flow_of(steps=[fails_until(cluster, switch, name="a"),
                                      step("until", door, name="b")]))
    cluster.await_state(job, "FAILURE")
    switch.touch()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: cluster.run("rerun", job, code=None), range(6)))
    assert sorted(one.returncode for one in done) == [0, 6, 6, 6, 6, 6]
    for one in done:
        assert one.returncode == 0 or f"job {job} is R" in one.stderr, one.stderr
    door.open()
    cluster.await_state(job, "SUCCESS")
    cluster.judge(job)
    assert len(rerun_line(cluster, job)) == 1


def test_again_and_again(cluster):
    """A job that fails in each run: each is a whole one, and the numbers of its history go on."""
    step = cluster.evidence.step
    job = cluster.post(flow_of(steps=[step(name="a"), {"name": "b", "fail": "always"}]))
    for _ in range(3):
        cluster.await_state(job, "FAILURE")
        cluster.run("rerun", job, "--wait", code=1)
    assert [run.task for run in cluster.judge(job)] == ["a"]
    assert cluster.show(job)["failure"]["message"] == "always"
    assert len(rerun_line(cluster, job)) == 3


def test_a_selection(cluster):
    name = unique("sel").replace("_", "-")
    flow = flow_of(name, steps=[{"fail": "always"}])
    jobs = cluster.post(flow, "--count", "3")
    cluster.await_all(jobs, "FAILURE")
    asked = cluster.run("rerun", "--flow", name, code=2)
    assert asked.stdout == "" and "3 jobs" in asked.stderr and "--yes" in asked.stderr
    dry = cluster.run("rerun", "--flow", name, "--dry-run")
    assert sorted(dry.stdout.split()) == sorted(jobs)
    assert not rerun_line(cluster, jobs[0])
    rows = [json.loads(line) for line in
            cluster.run("rerun", "--flow", name, "--yes", "--json").stdout.splitlines()]
    assert sorted(row["id"] for row in rows) == sorted(jobs)
    assert {row["outcome"] for row in rows} == {"recorded"}
    cluster.await_all(jobs, "FAILURE")
    assert all(len(rerun_line(cluster, job)) == 1 for job in jobs)
