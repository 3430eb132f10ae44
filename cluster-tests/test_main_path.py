# SPDX-License-Identifier: Apache-2.0
"""Post, claim, run, save, consume: the path that every job takes, seen from outside."""
import json

from cluster import flow_of, unique, until


def three_steps(cluster, **last):
    step = cluster.evidence.step
    return flow_of(steps=[step("say", "un", name="one"),
                          step("say", "${ tasks.one.result }deux", name="two"),
                          {"name": "three", "set": {"said": "${ tasks.two.result }"}}],
                   output="${ tasks.three.result.said }", **last)


def test_a_job_runs(cluster):
    job = cluster.post(three_steps(cluster))
    cluster.await_state(job, "SUCCESS")
    runs = cluster.judge(job)
    assert [(run.task, run.attempt, run.epoch) for run in runs] == [("one", 1, 1), ("two", 1, 1)]
    shown = cluster.show(job)
    assert (shown["state"], shown["output"], shown["epoch"]) == ("SUCCESS", "undeux", 1)
    assert {name: (task["state"], task["attempt"], task["result"])
            for name, task in shown["tasks"].items()} == {
        "one": ("SUCCESS", 1, "un"), "two": ("SUCCESS", 1, "undeux"),
        "three": ("SUCCESS", 1, {"said": "undeux"})}
    cluster.await_clean_board()


def test_history_tells_every_move(cluster):
    job = cluster.post(three_steps(cluster))
    cluster.await_state(job, "SUCCESS")
    lines = [json.loads(line) for line in cluster.run("history", job, "--json").stdout.splitlines()]
    stored = cluster.history(job)[job]
    keys = ("seq", "task", "attempt", "state", "engine", "epoch", "detail")
    assert [[line[key] for key in keys] for line in lines] == \
           [[line[key] for key in keys] for line in stored]
    assert [(line["task"], line["state"]) for line in lines] == [
        (None, "READY"), (None, "RUNNING"), ("one", "RUNNING"), ("one", "SUCCESS"),
        ("two", "RUNNING"), ("two", "SUCCESS"), ("three", "RUNNING"), ("three", "SUCCESS"),
        (None, "SUCCESS")]


def test_only_what_a_target_needs(cluster):
    step = cluster.evidence.step
    flow = flow_of(tasks={"a": step(), "b": step(needs="a"), "c": step(needs="b"), "d": step()},
                   output="${ tasks.d.result }")
    job, = cluster.post(flow, "--target", "b", "--count", "1")
    cluster.await_state(job, "SUCCESS")
    assert [run.task for run in cluster.judge(job)] == ["a", "b"]
    shown = cluster.show(job)
    assert (list(shown["tasks"]), shown["output"]) == (["a", "b"], None)


def test_steps_beside_each_other(cluster):
    """Four tasks wait for each other's beginning: they can only end if all run at once."""
    names = ["a", "b", "c", "d"]
    doors = {name: cluster.folder / unique("door") for name in names}
    tasks = {name: {"sh": 'touch "$MINE"; for door in $ALL; do until [ -e "$door" ]; do :; done; done',
                    "env": {"MINE": str(doors[name]), "ALL": " ".join(map(str, doors.values()))}}
             for name in names}
    tasks["join"] = cluster.evidence.step("say", "all", needs=names)
    job = cluster.post(flow_of(tasks=tasks))
    cluster.await_state(job, "SUCCESS")
    cluster.judge(job)


def test_many_jobs_on_all_engines(cluster):
    jobs = cluster.post(three_steps(cluster), "--count", "60")
    assert len(set(jobs)) == 60
    cluster.await_all(jobs)
    cluster.judge(*jobs)
    engines = {line["engine"] for lines in cluster.history(*jobs).values() for line in lines}
    assert set(cluster.base) <= engines
    cluster.await_clean_board()


def test_a_failure_ends_the_job(cluster):
    """What fails for good ends the job; what waited for it is skipped; what runs may end."""
    step = cluster.evidence.step
    flow = flow_of(tasks={"bad": step("sleep", "50", "exit", "3"),
                          "long": step("sleep", "300"),
                          "after": step(needs="bad")})
    job = cluster.post(flow)
    assert cluster.run("wait", job, "--timeout", "30s", code=1)
    runs = cluster.judge(job)
    assert {run.task for run in runs if run.end_boot} == {"bad", "long"}
    shown = cluster.show(job)
    assert {name: task["state"] for name, task in shown["tasks"].items()} == {
        "bad": "FAILURE", "long": "SUCCESS", "after": "SKIPPED"}
    assert (shown["failure"]["class"], shown["failure"]["exit"], shown["failure"]["task"]) == \
           ("exit", 3, "bad")


def test_attempts_have_one_key(cluster):
    step = cluster.evidence.step
    job = cluster.post(flow_of(tasks={
        "flaky": step("exit", "1", retry={"attempts": 3, "delay": "50ms"})}))
    cluster.await_state(job, "FAILURE")
    runs = cluster.judge(job)
    assert [run.attempt for run in runs] == [1, 2, 3]
    assert len({run.key for run in runs}) == 1


def test_posting_without_zookeeper(cluster):
    """Postgres has it, so it is acknowledged; it moves when ZooKeeper is back."""
    cluster.dev("zookeeper", "kill", 1)
    job = cluster.post(three_steps(cluster))
    assert cluster.state(job) == "READY"
    cluster.dev("zookeeper", "start", 1)
    cluster.await_state(job, "SUCCESS")
    cluster.judge(job)


def test_garbage_on_the_board_hurts_nobody(cluster):
    """A card whose name nobody understands, a lock with garbage, foreign znodes."""
    zk = cluster.zookeeper()
    shards = until(lambda: cluster.children("jobs", "-"), "shards")
    planted = [cluster.board("jobs", "-", shards[0], "garbage"),
               cluster.board("jobs", "-", "not-a-shard"), cluster.board("jobs", "\u2603"),
               cluster.board("engines", "nobody"), cluster.board("division", "nobody"),
               cluster.board("foreign")]
    for path in planted:
        zk.retry(zk.create, path, b"\xff" * 100)
    jobs = cluster.post(three_steps(cluster), "--count", 70)   # all shards
    cluster.await_all(jobs)
    cluster.judge(*jobs)
    for path in planted:
        if zk.retry(zk.exists, path):
            zk.retry(zk.delete, path, recursive=True)
