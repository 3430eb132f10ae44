# SPDX-License-Identifier: Apache-2.0
"""Who looks for jobs where: pools that the board does not show, engines without a free slot."""
import pytest

from cluster import Door, alive, flow_of, unique, until


@pytest.fixture
def cluster(cluster):
    """What was added leaves in peace: a killed one would keep its shards until its session ends."""
    yield cluster
    cluster.refresh()
    for name in set(cluster.pids) - set(cluster.base):
        if alive(cluster.pids[name] or 0):
            cluster.dev("engine", "stop", name)


def tagged(cluster, tag):
    return flow_of(runs_on=[tag], steps=[cluster.evidence.step("sleep", 5, name="a")])


def add_engine(cluster, tag, name=None, *options):
    cluster.dev("engine", "add", "--name", name or tag, "--", "--tag", tag, *options)
    cluster.refresh()


def waits_ms(cluster, jobs):
    """From the post to the first claim, sorted."""
    return sorted(1000 * float(seconds) for _, seconds in cluster.query(
        "SELECT id, extract(epoch FROM started_at - posted_at) FROM jobs WHERE id = ANY(%s::uuid[])",
        jobs))


def test_posted_while_zookeeper_is_away(cluster):
    """The first job of its pool, whose card was never placed: no folder says that the pool is there."""
    tag = unique("gpu")
    add_engine(cluster, tag)
    cluster.dev("zookeeper", "kill", 1)
    jobs = cluster.post(tagged(cluster, tag), "--count", 40)
    cluster.dev("zookeeper", "start", 1)
    cluster.await_all(jobs, within_s=20)
    cluster.judge(*jobs)
    cluster.await_clean_board(10)


def test_its_folder_is_deleted(cluster):
    """With all cards of all pools, by somebody's hand."""
    tag = unique("gpu")
    jobs = cluster.post(tagged(cluster, tag), "--count", 40)
    until(lambda: len(cluster.cards()) >= 40, "the cards")
    cluster.zookeeper().delete(cluster.board("jobs"), recursive=True)
    add_engine(cluster, tag)
    plain = cluster.post(flow_of(steps=[cluster.evidence.step("sleep", 5, name="a")]), "--count", 10)
    cluster.await_all(jobs + plain, within_s=20)
    cluster.judge(*jobs, *plain)
    cluster.await_clean_board(10)


def test_a_full_engine_beside_an_idle_one(cluster, report):
    """It leaves its shards to the idle one, so that a job there does not wait for late work (1 to 2 s)."""
    tag, door = unique("gpu"), Door(cluster)
    add_engine(cluster, tag, f"{tag}-full", "--slots", 1)
    held = cluster.post(flow_of(runs_on=[tag], steps=[cluster.evidence.step("until", door, name="a")]))
    cluster.await_run(held, "a")
    add_engine(cluster, tag, f"{tag}-idle")
    until(lambda: len(cluster.children("division")) == len(cluster.children("engines")) - 1,
          "the full engine to stand aside")
    jobs = [cluster.post(tagged(cluster, tag)) for _ in range(24)]
    cluster.await_all(jobs, within_s=20)
    waits = waits_ms(cluster, jobs)
    report(battery="full engine", p50_ms=waits[12], p75_ms=waits[18], max_ms=waits[-1])
    assert waits[18] < 500, waits
    door.open()
    cluster.await_all([held])
    until(lambda: len(cluster.children("division")) == len(cluster.children("engines")),
          "the engine to come back")
    cluster.judge(held, *jobs)
