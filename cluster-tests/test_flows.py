# SPDX-License-Identifier: Apache-2.0
"""What a flow is to a real cluster: kept as it was posted, and drawn as it stands."""
import re

import pytest

from cluster import Door, flow_of, unique

ALL_ENGINES = False


def test_a_job_keeps_its_flow(cluster):
    """The file is changed while the job runs, and the engine dies: the next one runs what was
    posted."""
    door, step = Door(cluster), cluster.evidence.step
    file = cluster.folder / f"{unique('flow')}.yaml"
    file.write_text(flow_of(steps=[step("until", door, name="one"), step(name="two")]))
    job = cluster.run("post", file).stdout.strip()
    cluster.posted.append(job)
    first = cluster.await_run(job, "one")
    file.write_text(flow_of(steps=[step(name="other")]))
    cluster.kill(cluster.name_of(first.engine_pid))
    door.open()
    cluster.await_state(job, "SUCCESS")
    assert {run.task for run in cluster.judge(job)} == {"one", "two"}
    assert set(cluster.show(job)["tasks"]) == {"one", "two"}


def drawn(text):
    """task -> the state that its box or frame tells, from DOT; None: none."""
    found = {}
    for name, state in re.findall(r'label="(\w+)\\n\w+(?:\\n(\w+))?"', text):
        found[name] = state or None
    return found


@pytest.mark.parametrize("with_file", [False, True], ids=["the-jobs-flow", "a-file"])
def test_graph_of_a_job(cluster, tmp_path, with_file):
    """While it runs, and when it has ended."""
    door, step = Door(cluster), cluster.evidence.step
    flow = flow_of(tasks={"a": step(), "b": step("until", door, needs="a"),
                          "c": step("exit", "1", needs="b"),
                          "d": {"needs": "c", "steps": [{"name": "e", "noop": None}]}})
    file = tmp_path / "flow.yaml"
    file.write_text(flow)
    words = ["flow", "graph", *([file] if with_file else []), "--job"]
    job = cluster.post(flow)
    cluster.await_run(job, "b")
    running = drawn(cluster.run(*words, job).stdout)
    assert running == {"a": "SUCCESS", "b": "RUNNING", "c": None, "d": None, "e": None}
    door.open()
    cluster.await_state(job, "FAILURE")
    ended = cluster.run(*words, job).stdout
    assert drawn(ended) == {"a": "SUCCESS", "b": "SUCCESS", "c": "FAILURE", "d": "SKIPPED", "e": None}
    assert '"a" -> "b"' in ended and 'lhead="cluster_d"' in ended
    mermaid = cluster.run(*words, job, "--mermaid").stdout
    assert mermaid.startswith("flowchart TD\n") and '"c<br/>run<br/>FAILURE"' in mermaid


def test_graph_of_no_job(cluster):
    done = cluster.run("flow", "graph", "--job", "0" * 8, code=None)
    assert done.returncode == 5 and done.stdout == ""


def test_graph_wants_something_to_draw(cluster):
    assert cluster.run("flow", "graph", code=None).returncode == 2
